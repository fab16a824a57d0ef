"""Any bytes give a valid module or one of our errors, of one line: never anything else."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from onnx import AttributeProto, ModelProto, TensorProto, helper, numpy_helper

from pyflame_rt.errors import PyFlameRTError
from pyflame_rt.frontends.onnx import import_onnx, inspect_onnx
from pyflame_rt.frontends.onnx.ops import rules

EXTREMES = [0, 1, -1, 2, 3, -2, 5, 64, 2**31 - 1, -(2**31), 2**40, 2**63 - 1, -(2**63)]


def value(name: str, shape=None):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def sample() -> ModelProto:
    """Something of everything: tensors, attributes, a subgraph, a function."""
    node = helper.make_node
    branches = {
        key: helper.make_graph([node(op, ["g"], ["r"])], op, [], [value("r")])
        for key, op in (("then_branch", "Neg"), ("else_branch", "Abs"))
    }
    nodes = [
        node("Conv", ["x", "w"], ["c"], "conv", kernel_shape=[2, 2], pads=[1, 1, 0, 0], group=1),
        node("MaxPool", ["c"], ["p", "pi"], kernel_shape=[2, 2], strides=[2, 2], auto_pad="VALID"),
        node("Clip", ["p", "low"], ["k"]),
        node("Slice", ["k", "start", "end"], ["s"]),
        node("Split", ["s"], ["s1", "s2"], axis=1),
        node("Concat", ["s1", "s2"], ["cc"], axis=1),
        node("ReduceMean", ["cc"], ["m"], axes=[2, 3], keepdims=0),
        node("Gemm", ["m", "gw"], ["g"], transB=1),
        node("If", ["yes"], ["i"], **branches),
        node("Softmax", ["i"], ["sm"], axis=0),
        node("Shape", ["sm"], ["sh"]),
        node("Constant", [], ["one"], value=helper.make_tensor("t", TensorProto.INT64, [1], [1])),
        node("Gather", ["sh", "one"], ["ga"], axis=0),
        node("ConstantOfShape", ["ga"], ["y"], value=helper.make_tensor("t", 1, [1], [2.0])),
        node("F", ["y"], ["z"], domain="f", axis=0),
    ]
    arrays = {
        "w": np.ones((2, 2, 2, 2), np.float32),
        "low": np.float32(0),
        "start": np.array([0, 0]),
        "end": np.array([9, 9]),
        "gw": np.ones((3, 2), np.float32),
        "yes": np.array(True),
    }
    tensors = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    outputs = [value("z"), helper.make_empty_tensor_value_info("pi")]
    graph = helper.make_graph(nodes, "g", [value("x", ["N", 2, 4, 4])], outputs, tensors)
    body = node("Softmax", ["a"], ["b"])
    body.attribute.append(AttributeProto(name="axis", ref_attr_name="axis", type=2))
    opsets = [helper.make_opsetid("", 11), helper.make_opsetid("f", 1)]
    function = helper.make_function("f", "F", ["a"], ["b"], [body], opsets, ["axis"])
    return helper.make_model(graph, functions=[function], opset_imports=opsets, ir_version=10)


def outcome(data: bytes) -> str:
    """What an import gives: "module", or the name of our error. Anything else is raised."""
    try:
        module = import_onnx(data)
    except PyFlameRTError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 3000
        return type(error).__name__
    module.verify()
    return "module"


def test_the_sample_is_valid():
    assert outcome(sample().SerializeToString()) == "module"


def test_truncation_at_every_byte():
    data = sample().SerializeToString()
    found = Counter(outcome(data[:length]) for length in range(len(data)))
    assert found["InvalidModelError"] > 0.9 * len(data)


def test_mutated_bytes():
    data = sample().SerializeToString()
    random_ = random.Random(0)
    found: Counter[str] = Counter()
    for _ in range(2000):
        mutant = bytearray(data)
        for _ in range(random_.choice((1, 1, 2, 4))):
            mutant[random_.randrange(len(mutant))] = random_.randrange(256)
        found[outcome(bytes(mutant))] += 1
    # Mutants must come through to every stage, or this would test protobuf only.
    assert found["module"] > 100
    assert found["UnsupportedOperatorError"] > 20


def mutate(model: ModelProto, random_: random.Random) -> None:
    """One change of structure: what byte mutations hardly ever reach."""
    graph = model.graph
    node = random_.choice(list(graph.node))
    names = ["", "nope", "x", *(t.name for t in graph.initializer)]
    names += [output for other in graph.node for output in other.output]
    tensor = random_.choice(list(graph.initializer))
    match random_.randrange(10):
        case 0 if node.attribute:
            attribute = random_.choice(list(node.attribute))
            if attribute.type == AttributeProto.INT:
                attribute.i = random_.choice(EXTREMES)
            elif attribute.type == AttributeProto.INTS:
                attribute.ints[random_.randrange(len(attribute.ints))] = random_.choice(EXTREMES)
            else:
                attribute.type = random_.randrange(15)
        case 1 if node.attribute:
            del node.attribute[random_.randrange(len(node.attribute))]
        case 2:
            node.op_type = random_.choice(sorted(op for _, op in rules()))
        case 3 if node.input:
            node.input[random_.randrange(len(node.input))] = random_.choice(names)
        case 4:
            node.input.append(random_.choice(names))
        case 5:
            node.output.append(random_.choice(["new", "", random_.choice(names)]))
        case 6:
            tensor.dims.append(random_.choice(EXTREMES))
        case 7:
            tensor.data_type = random_.randrange(30)
        case 8:
            model.opset_import[0].version = random_.randrange(30)
        case _:
            dims = graph.input[0].type.tensor_type.shape.dim
            dims[random_.randrange(len(dims))].dim_value = random_.choice(EXTREMES)


def test_mutated_structure():
    random_ = random.Random(0)
    found: Counter[str] = Counter()
    for _ in range(1000):
        mutant = sample()
        for _ in range(random_.choice((1, 1, 2))):
            mutate(mutant, random_)
        found[outcome(mutant.SerializeToString())] += 1
    assert found["module"] > 50


@pytest.mark.parametrize("size", [0, 1, 2, 100, 10_000])
def test_random_bytes(size):
    random_ = random.Random(size)
    for _ in range(20):
        with pytest.raises(PyFlameRTError):
            import_onnx(random_.randbytes(size))


def test_inspection_of_mutants():
    """It reads what cannot be imported, so it must bear as much."""
    data = sample().SerializeToString()
    random_ = random.Random(1)
    for _ in range(300):
        mutant = bytearray(data)
        mutant[random_.randrange(len(mutant))] = random_.randrange(256)
        try:
            inspect_onnx(bytes(mutant))
        except PyFlameRTError as error:
            assert "\n" not in str(error)

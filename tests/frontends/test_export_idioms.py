"""What exporters write around dynamic shapes: right on every plan, and gone once shapes are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from pyflame_rt import InferenceSession, SessionOptions, compiler, pipelines
from pyflame_rt.dialects.rewriting import location_text

RANDOM = np.random.default_rng(0)
Inputs = Mapping[str, tuple[Any, Sequence[int | str]]]


def node(op_type: str, inputs: str, output: str, name: str = "", **attributes: Any):
    """A node of one output; its inputs are parted by blanks."""
    return helper.make_node(op_type, inputs.split(), [output], name, **attributes)


def constant(name: str, *values: int, dtype: Any = np.int64, scalar: bool = False):
    """A Constant node, as exporters write them."""
    array = np.array(values[0] if scalar else values, dtype)
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(array))


def model(nodes: Sequence[Any], inputs: Inputs, outputs: Mapping[str, Sequence[str | int]]):
    """A model; `outputs` have their declared dimensions and are floats."""
    graph = helper.make_graph(
        nodes,
        "idiom",
        [
            helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(np.dtype(d)), s)
            for n, (d, s) in inputs.items()
        ],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, list(s)) for n, s in outputs.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def floats(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape, dtype=np.float32)


def assert_agrees(proto: ModelProto, *feeds: Mapping[str, np.ndarray]) -> None:
    """Every feed gives what ONNX Runtime gives, on the dynamic plan and on one for its shapes."""
    ort = pytest.importorskip("onnxruntime")
    data = proto.SerializeToString()
    options = SessionOptions()
    options.specialize_after = 1
    session, judge = InferenceSession(data, options), ort.InferenceSession(data)
    for feed in feeds:
        expected = judge.run(None, feed)
        pipes = [session.pipeline_for(feed)]
        for _ in range(2):
            for actual, right in zip(session.run(None, feed), expected, strict=True):
                assert actual.dtype == right.dtype
                np.testing.assert_allclose(actual, right, rtol=1e-5, atol=1e-6)
            session.settle()
        pipes.append(session.pipeline_for(feed))
        assert "pfrt-specialize-shapes" not in pipes[0]
        assert "pfrt-specialize-shapes" in pipes[1]


def specialized(proto: ModelProto, *shapes: Sequence[int]) -> list[str]:
    """The ops that are left for inputs of these shapes, constants left out."""
    program = compiler.load(proto.SerializeToString())
    inputs, _ = compiler.signature(program.module)
    text = compiler.join(
        compiler.specialization_pipeline(inputs, shapes), compiler.optimization_pipeline(2)
    )
    pipelines.run(program.ctx, program.module, pipelines.parse(text), verify=True)
    (main,) = program.module.ops
    names = [op.name.removeprefix("pfrt.") for op in main.body.block.ops]
    return [name for name in names if name not in ("constant", "func.return")]


def dimension(of: str, axis: int, output: str) -> list[Any]:
    """The size of an axis as a scalar: Shape, Gather."""
    return [
        node("Shape", of, f"{output}_shape"),
        constant(f"{output}_axis", axis, scalar=True),
        node("Gather", f"{output}_shape {output}_axis", output, axis=0),
    ]


def as_list(output: str, *parts: str | int) -> list[Any]:
    """A shape of scalars and numbers: Unsqueeze each, Concat."""
    nodes: list[Any] = [constant(f"{output}_zero", 0)]
    names: list[str] = []
    for index, part in enumerate(parts):
        name = f"{output}_{index}"
        if isinstance(part, int):
            nodes.append(constant(name, part))
        else:
            nodes.append(node("Unsqueeze", f"{part} {output}_zero", name))
        names.append(name)
    return [*nodes, node("Concat", " ".join(names), output, axis=0)]


def test_flattening_all_but_the_batch():
    """x.view(x.size(0), -1)."""
    proto = model(
        [
            *dimension("x", 0, "n"),
            *as_list("shape", "n", -1),
            node("Reshape", "x shape", "y"),
        ],
        {"x": (np.float32, ["N", 3, "H"])},
        {"y": ["N", "K"]},
    )
    assert_agrees(proto, {"x": floats(2, 3, 4)}, {"x": floats(1, 3, 1)})
    assert specialized(proto, [2, 3, 4]) == ["reshape"]


def test_splitting_heads():
    """x.view(batch, sequence, heads, -1).transpose(1, 2), and back."""
    proto = model(
        [
            *dimension("x", 0, "batch"),
            *dimension("x", 1, "sequence"),
            *as_list("apart", "batch", "sequence", 2, 4),
            node("Reshape", "x apart", "heads"),
            node("Transpose", "heads", "turned", perm=[0, 2, 1, 3]),
            node("Relu", "turned", "active"),
            node("Transpose", "active", "back", perm=[0, 2, 1, 3]),
            *as_list("together", "batch", "sequence", 8),
            node("Reshape", "back together", "y"),
        ],
        {"x": (np.float32, ["batch", "sequence", 8])},
        {"y": ["batch", "sequence", 8]},
    )
    assert_agrees(proto, {"x": floats(2, 3, 8)}, {"x": floats(1, 1, 8)}, {"x": floats(0, 5, 8)})
    left = specialized(proto, [2, 3, 8])
    assert left == ["reshape", "relu", "reshape"]


def test_expanding_with_minus_one():
    """x.expand(batch, -1, sequence): ones * -1, Equal, Where choose which dimensions to keep."""
    proto = model(
        [
            *dimension("like", 0, "batch"),
            *dimension("like", 1, "sequence"),
            *as_list("wanted", "batch", -1, "sequence"),
            node("Shape", "wanted", "rank"),
            helper.make_node(
                "ConstantOfShape", ["rank"], ["ones"], value=numpy_helper.from_array(np.array([1]))
            ),
            constant("minus", -1, scalar=True),
            node("Mul", "ones minus", "kept"),
            node("Equal", "wanted kept", "is_kept"),
            node("Where", "is_kept ones wanted", "shape"),
            node("Expand", "x shape", "y"),
        ],
        {"x": (np.float32, [1, 3, 1]), "like": (np.float32, ["batch", "sequence"])},
        {"y": ["batch", 3, "sequence"]},
    )
    x = floats(1, 3, 1)
    assert_agrees(proto, {"x": x, "like": floats(2, 4)}, {"x": x, "like": floats(1, 0)})
    assert specialized(proto, [1, 3, 1], [2, 4]) == ["expand"]


def test_causal_mask_from_ranges():
    """arange(sequence) against itself, unsqueezed both ways, hides what comes later."""
    proto = model(
        [
            *dimension("x", 2, "sequence"),
            constant("zero", 0, scalar=True),
            constant("one", 1, scalar=True),
            node("Range", "zero sequence one", "positions"),
            constant("first", 0),
            constant("last", 1),
            node("Unsqueeze", "positions first", "keys"),
            node("Unsqueeze", "positions last", "queries"),
            node("LessOrEqual", "keys queries", "visible"),
            constant("hidden", np.finfo(np.float32).min, dtype=np.float32, scalar=True),
            node("Where", "visible x hidden", "masked"),
            node("Softmax", "masked", "y", axis=-1),
        ],
        {"x": (np.float32, ["batch", 2, "sequence", "sequence"])},
        {"y": ["batch", 2, "sequence", "sequence"]},
    )
    assert_agrees(proto, {"x": floats(2, 2, 3, 3)}, {"x": floats(1, 2, 1, 1)})
    assert specialized(proto, [2, 2, 3, 3]) == ["where", "softmax"]


def test_attention_mask_of_ones_and_zeros():
    """(1 - mask) * lowest, broadcast over heads: what depends on values stays, shapes go."""
    proto = model(
        [
            *dimension("mask", 0, "batch"),
            *dimension("mask", 1, "sequence"),
            constant("middle", 1, 2),
            node("Unsqueeze", "mask middle", "wide"),
            *as_list("shape", "batch", 1, "sequence", "sequence"),
            node("Expand", "wide shape", "square"),
            node("Cast", "square", "floats", to=TensorProto.FLOAT),
            constant("one", 1, dtype=np.float32, scalar=True),
            node("Sub", "one floats", "inverted"),
            node("Cast", "inverted", "hidden", to=TensorProto.BOOL),
            constant("lowest", np.finfo(np.float32).min, dtype=np.float32, scalar=True),
            node("Where", "hidden lowest inverted", "y"),
        ],
        {"mask": (np.int64, ["batch", "sequence"])},
        {"y": ["batch", 1, "sequence", "sequence"]},
    )
    ones = np.array([[1, 1, 0], [1, 0, 0]])
    assert_agrees(proto, {"mask": ones}, {"mask": ones[:1, :1]})
    left = specialized(proto, [2, 3])
    assert left == ["unsqueeze", "expand", "fused"]


def test_zeros_of_a_dynamic_shape():
    """torch.zeros(batch, 4): ConstantOfShape of what Shape says, folded once that is known."""
    proto = model(
        [
            *dimension("x", 0, "batch"),
            *as_list("shape", "batch", 4),
            node("ConstantOfShape", "shape", "state"),
            node("Concat", "x state", "y", axis=1),
        ],
        {"x": (np.float32, ["N", 2])},
        {"y": ["N", 6]},
    )
    assert_agrees(proto, {"x": floats(3, 2)}, {"x": floats(0, 2)})
    assert specialized(proto, [3, 2]) == ["concat"]


def test_positions_after_a_cache():
    """Keys grow by what is new; positions start where the cache ends."""
    proto = model(
        [
            *dimension("past", 1, "before"),
            *dimension("x", 1, "new"),
            node("Add", "before new", "after"),
            constant("one", 1, scalar=True),
            node("Range", "before after one", "positions"),
            node("Gather", "table positions", "embedded", axis=0),
            node("Add", "x embedded", "placed"),
            node("Concat", "past placed", "present", axis=1),
        ],
        {
            "past": (np.float32, ["batch", "past_length", 4]),
            "x": (np.float32, ["batch", "length", 4]),
            "table": (np.float32, [16, 4]),
        },
        {"present": ["batch", "total", 4]},
    )
    table = floats(16, 4)
    assert_agrees(
        proto,
        {"past": floats(2, 0, 4), "x": floats(2, 3, 4), "table": table},
        {"past": floats(2, 3, 4), "x": floats(2, 1, 4), "table": table},
    )
    assert specialized(proto, [2, 3, 4], [2, 1, 4], [16, 4]) == ["gather", "add", "concat"]


def test_slicing_up_to_a_computed_size():
    """x[:, : length - 1] next to x[:, 1:]."""
    proto = model(
        [
            *dimension("x", 1, "length"),
            constant("one", 1, scalar=True),
            node("Sub", "length one", "end"),
            *as_list("ends", "end"),
            constant("starts", 0),
            constant("axes", 1),
            node("Slice", "x starts ends axes", "front"),
            constant("second", 1),
            constant("greatest", 2**63 - 1),
            node("Slice", "x second greatest axes", "back"),
            node("Sub", "back front", "y"),
        ],
        {"x": (np.float32, ["batch", "length"])},
        {"y": ["batch", "less"]},
    )
    assert_agrees(proto, {"x": floats(2, 5)}, {"x": floats(1, 1)})
    assert specialized(proto, [2, 5]) == ["slice", "slice", "sub"]


def test_symbols_of_inputs_and_outputs_are_told():
    """A symbol stays where the dimension is not known, also one that only an output has."""
    proto = model(
        [
            node("Relu", "x", "h"),
            *dimension("x", 1, "n"),
            *as_list("shape", "n", -1),
            node("Reshape", "h shape", "y"),
        ],
        {"x": (np.float32, ["batch", "width"])},
        {"y": ["width", "rows"]},
    )
    ort = pytest.importorskip("onnxruntime")
    data = proto.SerializeToString()
    ours, theirs = InferenceSession(data), ort.InferenceSession(data)
    assert ours.get_inputs()[0].shape == theirs.get_inputs()[0].shape == ["batch", "width"]
    assert ours.get_outputs()[0].shape == theirs.get_outputs()[0].shape == ["width", "rows"]
    assert_agrees(proto, {"x": floats(2, 3)})


def test_nodes_in_any_order_without_names():
    """Nodes are sorted; one without a name is called by its type and position in the file."""
    nodes = [
        node("Reshape", "h shape", "y"),
        *reversed(as_list("shape", "n", -1)),
        *reversed(dimension("x", 0, "n")),
        node("Relu", "x", "h", "named"),
    ]
    proto = model(nodes, {"x": (np.float32, ["N", 2, 3])}, {"y": ["N", 6]})
    program = compiler.load(proto.SerializeToString())
    (main,) = program.module.ops
    places = {op.name: location_text(op) for op in main.body.block.ops}
    assert places["pfrt.reshape"].startswith('node "Reshape_1"')
    assert places["pfrt.relu"].startswith('node "named"')
    assert_agrees(proto, {"x": floats(2, 2, 3)})
    assert specialized(proto, [2, 2, 3]) == ["relu", "reshape"]


def test_doc_strings_and_metadata_are_kept():
    """As ONNX Runtime tells them; those of nodes and values change nothing."""
    ort = pytest.importorskip("onnxruntime")
    relu = node("Relu", "x", "y", doc_string="what the node does")
    proto = model([relu], {"x": (np.float32, ["N"])}, {"y": ["N"]})
    proto.graph.doc_string, proto.doc_string = "of the graph", "of the model\nin two lines"
    proto.graph.input[0].doc_string = "of an input"
    proto.producer_name, proto.domain, proto.model_version = "exporter", "org.example", 3
    helper.set_model_props(proto, {"key": "value", "classes": "['a', \"b\"]"})
    data = proto.SerializeToString()
    ours, theirs = (
        InferenceSession(data).get_modelmeta(),
        ort.InferenceSession(data).get_modelmeta(),
    )
    for name in (
        "producer_name", "graph_name", "domain", "description", "graph_description", "version",
        "custom_metadata_map",
    ):  # fmt: skip
        assert getattr(ours, name) == getattr(theirs, name), name

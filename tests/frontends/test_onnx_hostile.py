"""Any bytes give a valid module or one of our errors, of one line: never anything else."""

from __future__ import annotations

import random
import tracemalloc
from collections import Counter

import pytest
from mutants.onnx import changed, sample
from onnx import TensorProto, helper

from pyflame_rt.errors import PyFlameRTError
from pyflame_rt.frontends.onnx import import_onnx, inspect_onnx


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


def test_mutated_structure():
    random_ = random.Random(0)
    found: Counter[str] = Counter()
    for _ in range(1000):
        found[outcome(changed(sample().SerializeToString(), random_))] += 1
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


@pytest.mark.parametrize(
    "op", ["Reshape", "Expand", "ConstantOfShape", "Unsqueeze", "Squeeze", "Tile"]
)
@pytest.mark.parametrize("length", [2**27, 2**31 - 1, 2**40])
def test_shapes_said_to_have_billions_of_dimensions(op: str, length: int):
    """The declared length of an input is no rank to make a type of: that would take all memory."""
    inputs = ["n"] if op == "ConstantOfShape" else ["x", "n"]
    values = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3]),
        helper.make_tensor_value_info("n", TensorProto.INT64, [length]),
    ]
    out = helper.make_empty_tensor_value_info("y")
    graph = helper.make_graph(
        [helper.make_node(op, inputs, ["y"])], "g", values[-len(inputs) :], [out]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    tracemalloc.start()
    try:
        outcome(model.SerializeToString())
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()

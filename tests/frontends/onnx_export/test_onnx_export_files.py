"""Exported files: whole or not there, and no larger in memory than the largest tensor."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pyflame_rt import InferenceSession
from pyflame_rt.errors import PyFlameRTError, UnsupportedFormatError
from pyflame_rt.frontends.onnx import import_onnx
from pyflame_rt.frontends.onnx.export import export_onnx, save_onnx, writing

MIB = 1 << 20


@pytest.fixture
def module():
    """A sum of weights: three of 1 MiB, a small one and texts that nothing else needs."""
    generator = np.random.default_rng(0)
    weights = {f"w{k}": generator.random((256, 1024), np.float32) for k in range(3)}
    weights["small"] = generator.random((1024,), np.float32)
    nodes = [
        helper.make_node("Sum", ["x", *weights], ["y"]),
        helper.make_node("Identity", ["t"], ["z"]),
    ]
    tensors = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    tensors.append(numpy_helper.from_array(np.array(["a", "b"], object), "t"))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1024])],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, [256, 1024]),
            helper.make_tensor_value_info("z", TensorProto.STRING, [2]),
        ],
        tensors,
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return import_onnx(proto.SerializeToString())


def same(path: Path, module) -> None:
    """A file means what its module means."""
    x = {"x": np.ones((1, 1024), np.float32)}
    found = InferenceSession(str(path)).run(None, x)
    wanted = InferenceSession(export_onnx(module).SerializeToString()).run(None, x)
    np.testing.assert_array_equal(found[0], wanted[0])
    assert found[1].tolist() == wanted[1].tolist() == ["a", "b"]


def test_a_file_is_the_message(module, tmp_path: Path):
    """Written field by field, and read as one."""
    path = tmp_path / "model.onnx"
    save_onnx(module, path)
    assert onnx.load(path) == export_onnx(module)
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]
    onnx.checker.check_model(str(path), full_check=True)
    same(path, module)


def test_external_data_on_request(module, tmp_path: Path):
    """Tensors from a size on go beside the model, large ones to pages of their own."""
    path = tmp_path / "model.onnx"
    save_onnx(module, path, external_data=MIB)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.onnx", "model.onnx.data"]
    proto = onnx.load(path, load_external_data=False)
    outside = {
        t.name: t for t in proto.graph.initializer if t.data_location == TensorProto.EXTERNAL
    }
    assert sorted(outside) == ["w0", "w1", "w2"]
    for tensor in outside.values():
        entries = {entry.key: entry.value for entry in tensor.external_data}
        assert entries["location"] == "model.onnx.data"
        assert int(entries["offset"]) % 4096 == 0
        assert int(entries["length"]) == MIB
    onnx.checker.check_model(str(path), full_check=True)
    same(path, module)


def test_external_data_where_the_message_would_be_too_large(module, tmp_path: Path, monkeypatch):
    """All but the smallest tensors then, and a message cannot be made at all."""
    monkeypatch.setattr(writing, "MAX_MESSAGE", 2 * MIB)
    path = tmp_path / "model.onnx"
    save_onnx(module, path)
    proto = onnx.load(path, load_external_data=False)
    outside = [t.name for t in proto.graph.initializer if t.data_location == TensorProto.EXTERNAL]
    assert outside == ["w0", "w1", "w2", "small"]
    monkeypatch.undo()
    same(path, module)
    monkeypatch.setattr(writing, "MAX_MESSAGE", 2 * MIB)
    with pytest.raises(UnsupportedFormatError, match="write it to a file"):
        export_onnx(module)


def test_a_model_can_be_written_over_the_one_it_was_read_from(module, tmp_path: Path):
    """Its tensors are views of the old file until the new one is there."""
    path = tmp_path / "model.onnx"
    save_onnx(module, path, external_data=MIB)
    save_onnx(import_onnx(path), path, external_data=MIB)
    same(path, module)


def test_nothing_is_left_of_a_model_that_cannot_be_written(module, tmp_path: Path, monkeypatch):
    """Neither a part of it nor its tensors."""
    with pytest.raises(PyFlameRTError, match="cannot write"):
        save_onnx(module, tmp_path / "nowhere" / "model.onnx")

    def fails(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, "_write_model", fails)
    with pytest.raises(PyFlameRTError, match="No space left"):
        save_onnx(module, tmp_path / "model.onnx", external_data=MIB)
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_takes_no_external_data(module):
    """There is nothing beside it."""
    save_onnx(module, "/dev/null")
    with pytest.raises(UnsupportedFormatError, match="needs a file"):
        save_onnx(module, "/dev/null", external_data=MIB)


def test_tensors_are_not_copied(module, tmp_path: Path):
    """Saving takes less memory than one of them."""
    save_onnx(module, tmp_path / "first.onnx")
    tracemalloc.start()
    try:
        save_onnx(module, tmp_path / "second.onnx")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MIB // 2

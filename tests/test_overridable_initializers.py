"""Initializers that are also inputs of the graph: listed, and fed instead of what the file holds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import pyflame_rt as rt
from pyflame_rt import compiler, module_files
from pyflame_rt.frontends.onnx import import_onnx
from pyflame_rt.universe import make_context

X = np.arange(6, dtype=np.float32).reshape(2, 3)
WEIGHT, SHAPE = np.full((3, 2), 0.5, np.float32), np.array([4], np.int64)


def model(ir_version: int = 8, *, declared=("w", "shape")) -> bytes:
    """`y = reshape(x @ w, shape)`, with w and shape initializers that are inputs too."""
    kinds = {
        "x": helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3]),
        "w": helper.make_tensor_value_info("w", TensorProto.FLOAT, [3, 2]),
        "shape": helper.make_tensor_value_info("shape", TensorProto.INT64, ["rank"]),
    }
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["h"]),
            helper.make_node("Reshape", ["h", "shape"], ["y"]),
        ],
        "g",
        [kinds[name] for name in ("x", *declared)],
        [helper.make_empty_tensor_value_info("y")],
        [numpy_helper.from_array(WEIGHT, "w"), numpy_helper.from_array(SHAPE, "shape")],
    )
    opsets = [helper.make_opsetid("", 13)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir_version).SerializeToString()


def test_listed_apart_from_the_inputs():
    """As ONNX Runtime lists them."""
    ort = pytest.importorskip("onnxruntime")
    ours, theirs = rt.InferenceSession(model()), ort.InferenceSession(model())
    for mine, other in (
        (ours.get_inputs(), theirs.get_inputs()),
        (ours.get_overridable_initializers(), theirs.get_overridable_initializers()),
    ):
        expected = [(arg.name, arg.type, arg.shape) for arg in other]
        assert [(arg.name, arg.type, arg.shape) for arg in mine] == expected


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"w": 2 * WEIGHT},
        {"shape": np.array([2, 2])},
        {"w": -WEIGHT, "shape": np.array([1, -1, 1])},
    ],
)
def test_what_is_fed_replaces_what_the_file_holds(given):
    """Each set of names, also one that changes the rank of the result, and none again after it."""
    ort = pytest.importorskip("onnxruntime")
    session, judge = rt.InferenceSession(model()), ort.InferenceSession(model())
    for feed in ({"x": X, **given}, {"x": X}, {"x": X, **given}):
        np.testing.assert_array_equal(session.run(None, feed)[0], judge.run(None, feed)[0])


def chain(count: int) -> bytes:
    """`y = x + w0 + w1 …`, with the w all zero unless they are fed."""
    weights = [f"w{k}" for k in range(count)]
    names = ["x", *(f"h{k}" for k in range(count - 1)), "y"]
    graph = helper.make_graph(
        [helper.make_node("Add", [names[k], w], [names[k + 1]]) for k, w in enumerate(weights)],
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, []) for name in ("x", *weights)],
        [helper.make_empty_tensor_value_info("y")],
        [numpy_helper.from_array(np.float32(0), name) for name in weights],
    )
    opsets = [helper.make_opsetid("", 13)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def test_only_some_sets_of_names_are_kept(monkeypatch):
    """There are 2^n of them; the ones used last are kept, the others are compiled again."""
    loads: list[object] = []
    load = compiler.load
    session = rt.InferenceSession(chain(4))
    monkeypatch.setattr(compiler, "load", lambda *a, **k: loads.append(k) or load(*a, **k))
    one = np.float32(1)
    sets = [[f"w{k}" for k in range(4) if which >> k & 1] for which in range(1, 16)]
    for names in sets:
        (y,) = session.run(None, {"x": one, **dict.fromkeys(names, one)})
        assert y == 1 + len(names)
    assert len(loads) == len(sets)
    session.run(None, {"x": one, **dict.fromkeys(sets[-1], one)})
    assert len(loads) == len(sets)
    session.run(None, {"x": one, "w0": one})
    assert len(loads) == len(sets) + 1


def test_one_thread_compiles_for_all(monkeypatch):
    """Threads that override the same names at once wait for the first of them."""
    loads: list[object] = []
    load = compiler.load
    session = rt.InferenceSession(chain(2))
    monkeypatch.setattr(compiler, "load", lambda *a, **k: loads.append(k) or load(*a, **k))
    feed = {"x": np.float32(1), "w1": np.float32(2)}
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: session.run(None, feed)[0], range(16)))
    assert results == [3] * 16
    assert len(loads) == 1


def test_fed_values_are_checked_as_inputs_are():
    session = rt.InferenceSession(model())
    with pytest.raises(rt.DTypeMismatchError, match='"w"'):
        session.run(None, {"x": X, "w": WEIGHT.astype(np.float64)})
    with pytest.raises(rt.ShapeMismatchError, match='"w"'):
        session.run(None, {"x": X, "w": WEIGHT.T})
    with pytest.raises(rt.InputError, match=r"Required inputs \(\['x'\]\)"):
        session.run(None, {"w": WEIGHT})


@pytest.mark.parametrize(("ir_version", "declared"), [(3, ("w", "shape")), (8, ())])
def test_constants_cannot_be_fed(ir_version, declared):
    """In IR version 3 being an input meant nothing; later an initializer that is none is constant."""
    session = rt.InferenceSession(model(ir_version, declared=declared))
    assert session.get_overridable_initializers() == []
    with pytest.raises(rt.InputError, match="Invalid input name: w"):
        session.run(None, {"x": X, "w": WEIGHT})


def test_a_relative_path_is_read_again_from_elsewhere(tmp_path: Path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "m.onnx").write_bytes(model())
    monkeypatch.chdir(tmp_path)
    session = rt.InferenceSession("m.onnx")
    monkeypatch.chdir(tmp_path / "elsewhere")
    (y,) = session.run(None, {"x": X, "w": 0 * WEIGHT})
    np.testing.assert_array_equal(y, np.zeros(4))


def test_imported_as_arguments_with_defaults(tmp_path: Path):
    """The IR keeps what the file holds; it runs with any of them fed or none."""
    module = import_onnx(model(), initializers_as_inputs=True)
    module_files.save(module, tmp_path / "m.mlir")
    assert 'pfrt.name = "shape", pfrt.dims = ["rank"], pfrt.default = dense<4>' in str(module)
    session = rt.InferenceSession(tmp_path / "m.mlir")
    assert [arg.name for arg in session.get_inputs()] == ["x"]
    assert [arg.name for arg in session.get_overridable_initializers()] == ["w", "shape"]
    np.testing.assert_array_equal(session.run(None, {"x": X})[0], (X @ WEIGHT).reshape(4))
    (y,) = session.run(None, {"x": X, "shape": np.array([2, 2])})
    np.testing.assert_array_equal(y, X @ WEIGHT)


def test_only_those_named_become_arguments():
    module = import_onnx(model(), initializers_as_inputs=["w"])
    assert [spec.name for spec in compiler.signature(module)[0]] == ["x", "w"]
    with pytest.raises(rt.InvalidModelError, match='"q" is not an initializer that can be'):
        import_onnx(model(), initializers_as_inputs=["q"])
    with pytest.raises(rt.InvalidModelError, match="those are none"):
        import_onnx(model(3), initializers_as_inputs=["w"])


def test_reproduces_an_overridden_run(tmp_path: Path):
    """What is written has the fed initializer as an input."""
    rt.InferenceSession(model()).save_reproducer(tmp_path, {"x": X, "w": WEIGHT})
    program = compiler.load(tmp_path / "model.mlir")
    assert [spec.name for spec in compiler.signature(program.module)[0]] == ["x", "w"]
    assert sorted(np.load(tmp_path / "inputs.npz")) == ["w", "x"]


@pytest.mark.parametrize(
    ("default", "why"), [('"text"', "not a constant"), ("dense<1> : tensor<i64>", "is no tensor")]
)
def test_defaults_in_ir_are_checked(default: str, why: str):
    text = (
        f'func.func @main(%x: tensor<f32> {{pfrt.name = "x", pfrt.default = {default}}}) '
        "-> tensor<f32> {\n  func.return %x : tensor<f32>\n}"
    )
    module = module_files.parse(text.encode(), make_context(), "m.mlir")
    with pytest.raises(rt.ValidationError, match=why):
        compiler.signature(module)

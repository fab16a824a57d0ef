"""pyflame_rt.onnx_backend speaks onnx's backend protocol, for its test suite and for users."""

from __future__ import annotations

import subprocess
import sys
import unittest
from pathlib import Path

import numpy as np
import onnx
import onnx.backend.base
import onnx.backend.test
import pytest
from google.protobuf.message import EncodeError
from onnx import ModelProto, TensorProto, helper, numpy_helper

from pyflame_rt import SessionOptions, onnx_backend
from pyflame_rt.errors import (
    ArgumentTypeError,
    InputError,
    InvalidModelError,
    PyFlameRTError,
    UnsupportedOperatorError,
    ValidationError,
)

X = np.array([-1.0, 2.0], np.float32)
W = np.array([10.0, 20.0], np.float32)


def value(name: str):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [2])


def model(op: str = "Sub", names=("x", "z"), opset: int = 21) -> ModelProto:
    """y = x - z with z = w, which may be overridden; names may be other inputs."""
    node = helper.make_node(op, list(names), ["y"])
    graph = helper.make_graph(
        [node],
        "g",
        [value(name) for name in names],
        [value("y")],
        [numpy_helper.from_array(W, "w")] if "w" in names else [],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ([X], X - W),
        ((X,), X - W),
        (X, X - W),
        ({"x": X}, X - W),
        ({"x": X, "w": X}, X - X),
        ([[1.0, 2.0]], np.array([1, 2]) - W),
    ],
    ids=["list", "tuple", "array", "mapping", "overriding", "numbers"],
)
def test_inputs_in_each_form(inputs, expected):
    """Those that have initializers are not among the inputs in order."""
    outputs = onnx_backend.prepare(model(names=("x", "w"))).run(inputs)
    np.testing.assert_array_equal(outputs[0], expected)


def test_outputs_are_a_tuple_with_names():
    """Names that are no identifiers too."""
    proto = model()
    proto.graph.output[0].name = proto.graph.node[0].output[0] = "y/0"
    outputs = onnx_backend.run_model(proto, [X, W])
    assert isinstance(outputs, tuple)
    assert len(outputs) == 1
    assert outputs["y/0"] is outputs[0]


def test_models_in_each_form(tmp_path: Path):
    """A message, its bytes, a path, a session."""
    path = tmp_path / "m.onnx"
    onnx.save(model(), path)
    for source in (model(), path.read_bytes(), path, str(path), onnx_backend.prepare(path).session):
        np.testing.assert_array_equal(onnx_backend.run_model(source, [X, W])[0], X - W)


def test_options_of_the_session():
    given = SessionOptions()
    given.specialize_after = 7
    rep = onnx_backend.prepare(model(), "CPU", optimization_level=0, options=given, rtol=1e-3)
    found = rep.session.get_session_options()
    assert (found.optimization_level, found.specialize_after) == (0, 7)
    assert given.optimization_level == 2
    assert isinstance(rep, onnx.backend.base.BackendRep)
    assert issubclass(onnx_backend.Backend, onnx.backend.base.Backend)


@pytest.mark.parametrize(
    ("device", "there"),
    [("CPU", True), ("cpu", True), ("CPU:0", True), ("CPU:1", False), ("CUDA", False), ("", False)],
)
def test_devices(device: str, there: bool):
    assert onnx_backend.supports_device(device) == there
    assert onnx_backend.is_compatible(model(), device) == there


def test_what_is_compatible():
    """Every operator has an implementation, and the model can be read."""
    assert onnx_backend.is_compatible(model())
    assert not onnx_backend.is_compatible(model("Frobnicate"))
    assert not onnx_backend.is_compatible(b"no model")
    assert not onnx_backend.is_compatible(None)
    assert not onnx_backend.is_compatible(5)
    assert onnx_backend.is_opset_supported(model()) == (True, "")
    assert onnx_backend.is_opset_supported(model(opset=99)) == (
        False,
        "opset 99 is newer than 28, the newest known",
    )


def test_nodes():
    """Inputs in order without the absent ones, by name, or alone; the same one may come twice."""
    run = onnx_backend.run_node
    clip = helper.make_node("Clip", ["x", "", "high"], ["y"])
    np.testing.assert_array_equal(run(clip, [X, np.float32(0)])[0], [-1, 0])
    np.testing.assert_array_equal(run(clip, {"x": X, "high": np.float32(1)})["y"], [-1, 1])
    np.testing.assert_array_equal(run(helper.make_node("Add", ["x", "x"], ["y"]), X)[0], X + X)
    split = helper.make_node("Split", ["x"], ["a", "b"])
    for result, expected in zip(run(split, X, opset_version=11), X, strict=True):
        np.testing.assert_array_equal(result, [expected])
    info = [(np.dtype(np.float32), (2,))]
    relu = helper.make_node("Relu", ["x"], ["y"])
    np.testing.assert_array_equal(run(relu, [X], "CPU", info, optimization_level=0)[0], [0, 2])


def external() -> ModelProto:
    """A model whose weight lies in a file of an unknown folder."""
    proto = model(names=("x", "w"))
    tensor = proto.graph.initializer[0]
    onnx.external_data_helper.set_external_data(tensor, "w.bin")
    tensor.ClearField("raw_data")
    return proto


@pytest.mark.parametrize(
    ("fails", "error", "why"),
    [
        (
            lambda: onnx_backend.prepare(model(), "CUDA"),
            ValidationError,
            r"device 'CUDA' is not available; use CPU",
        ),
        (
            lambda: onnx_backend.prepare(model(), optimisation_level=1),
            ValidationError,
            r"no option 'optimisation_level'; did you mean \"optimization_level\"",
        ),
        (
            lambda: onnx_backend.prepare(model(), optimization_level="high"),
            ValidationError,
            r"optimization_level cannot be 'high'",
        ),
        (
            lambda: onnx_backend.prepare(model(), optimization_level=9),
            ValidationError,
            r"9 is not in 0\.\.3",
        ),
        (
            lambda: onnx_backend.prepare(external()),
            InvalidModelError,
            r"given as bytes cannot have external data; give the path of its file",
        ),
        (
            lambda: onnx_backend.prepare(model("Frobnicate")),
            UnsupportedOperatorError,
            r"Frobnicate",
        ),
        (
            lambda: onnx_backend.run_model(model(), [X, X, X]),
            InputError,
            r"3 inputs for a model of 2; its inputs are x, z",
        ),
        (
            lambda: onnx_backend.run_model(model(), [X]),
            InputError,
            r"\(\['z'\]\) are missing",
        ),
        (
            lambda: onnx_backend.prepare(model()).run([X, X], verbose=1),
            InputError,
            r"run has no option 'verbose'",
        ),
        (
            lambda: onnx_backend.run_node(helper.make_node("Add", ["a", "b"], ["y"]), [X]),
            InputError,
            r"Add: 1 inputs for a node of 2",
        ),
        (
            lambda: onnx_backend.run_node(helper.make_node("Neg", ["a"], ["y"]), [None]),
            InputError,
            r'input "a": NoneType has no ONNX type',
        ),
        (
            lambda: onnx_backend.run_node(
                helper.make_node("Neg", ["a"], ["y"]), np.array(["2020-01-01"], "M8[D]")
            ),
            InputError,
            r'input "a": datetime64\[D\] is no ONNX type',
        ),
        (
            lambda: onnx_backend.run_node(helper.make_node("Neg", ["a"], ["y"]), X, "CPU", []),
            InputError,
            r"outputs_info tells of 0 of 1 outputs",
        ),
        (
            lambda: onnx_backend.run_node(
                helper.make_node("Neg", ["x"], ["y"]), [X], outputs_info=[("zzz", (3,))]
            ),
            InputError,
            r'output "y": outputs_info holds .*; give a dtype of ONNX and a shape',
        ),
        (
            lambda: onnx_backend.run_node(
                helper.make_node("Neg", ["x"], ["y"]), [X], outputs_info=[3]
            ),
            InputError,
            r"outputs_info holds 3",
        ),
        (
            lambda: onnx_backend.run_node(
                helper.make_node("Neg", ["x"], ["y"]), [X], opset_version="new"
            ),
            InputError,
            r"opset_version must be a number, got 'new'",
        ),
        (
            lambda: onnx_backend.prepare(model(), options=5),
            ValidationError,
            r"options must be SessionOptions, not int",
        ),
        (
            lambda: onnx_backend.supports_device(None),
            InputError,
            r'a device must be a string, not NoneType; use "CPU"',
        ),
        (
            lambda: onnx_backend.prepare(None),
            ArgumentTypeError,
            "Unable to load from type '<class 'NoneType'>'",
        ),
    ],
)
def test_errors_say_what_to_do(fails, error: type[PyFlameRTError], why: str):
    with pytest.raises(error, match=why) as raised:
        fails()
    assert "\n" not in str(raised.value)


def test_a_message_that_is_too_big_to_serialize(monkeypatch: pytest.MonkeyPatch):
    """What protobuf raises above 2 GiB."""

    class Huge:
        def SerializeToString(self) -> bytes:
            raise EncodeError("Failed to serialize proto")

    monkeypatch.setattr(onnx_backend, "ModelProto", Huge)
    with pytest.raises(InvalidModelError, match="above 2 GiB save it with external data"):
        onnx_backend.prepare(Huge())
    assert not onnx_backend.is_compatible(Huge())


@pytest.mark.filterwarnings("ignore")
def test_the_official_suite_takes_the_module():
    """As its documentation tells to use it; the suite overflows while it makes its cases."""
    suite = onnx.backend.test.BackendTest(onnx_backend, __name__)
    cases = suite.test_cases
    chosen = unittest.TestSuite(
        cases[category](name)
        for category, name in (
            ("OnnxBackendNodeModelTest", "test_relu_cpu"),
            ("OnnxBackendNodeModelTest", "test_relu_cuda"),
            ("OnnxBackendPyTorchConvertedModelTest", "test_Linear_cpu"),
        )
    )
    result = unittest.TestResult()
    chosen.run(result)
    assert (result.testsRun, len(result.skipped)) == (3, 1)
    assert result.wasSuccessful()


def test_the_package_does_not_import_it():
    """`import pyflame_rt` costs nothing."""
    code = "import sys, pyflame_rt; sys.exit('pyflame_rt.onnx_backend' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)

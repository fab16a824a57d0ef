"""Exceptions of sessions: ONNX Runtime's class and text, our class, and everything we know."""

from __future__ import annotations

import copy
import pickle  # noqa: TID251
import traceback

import numpy as np
import pytest

import pyflame_rt as rt
from pyflame_rt.capi import onnxruntime_pybind11_state as state
from pyflame_rt.ort.errors import STATUSES


@pytest.fixture(scope="module")
def session() -> rt.InferenceSession:
    graph = rt.Graph("g")
    graph.add_input("x", ["N", 3], np.float32)
    graph.add_node("relu0", "Relu", ["x"], ["h"])
    graph.add_input("i", ["K"], np.int64)
    graph.add_node("gather0", "Gather", ["h", "i"], ["y"])
    graph.add_output("y", None, np.float32)
    return rt.InferenceSession(graph)


X, INDEX = np.ones((2, 3), np.float32), np.zeros(1, np.int64)


@pytest.mark.parametrize(
    ("feed", "kinds"),
    [
        ({"x": X}, (ValueError, rt.InputError, rt.ValidationError)),
        ({"x": X, "i": object()}, (RuntimeError, rt.InputError)),
        ({"x": X, "i": INDEX, "q": INDEX}, (state.InvalidArgument, rt.InputError)),
        ({"x": X[0], "i": INDEX}, (state.InvalidArgument, rt.ShapeMismatchError)),
        ({"x": INDEX, "i": INDEX}, (state.InvalidArgument, rt.DTypeMismatchError)),
        ({"x": X, "i": INDEX + 9}, (state.InvalidArgument, rt.BackendError, RuntimeError)),
    ],
)
def test_both_families_catch_the_same_failure(
    session: rt.InferenceSession, feed: dict[str, object], kinds: tuple[type, ...]
) -> None:
    for kind in (*kinds, rt.PyFlameRTError):
        with pytest.raises(kind):
            session.run(None, feed)


def test_a_failing_operator_is_told_with_its_surroundings(session: rt.InferenceSession) -> None:
    with pytest.raises(state.InvalidArgument) as caught:
        session.run(None, {"x": X, "i": INDEX + 9})
    assert str(caught.value) == (
        "[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Non-zero status code returned while running "
        "Gather node. Name:'gather0' Status Message: index 9 is outside a dimension of 2 elements "
        "(input 0 comes from Relu 'relu0'; input 1 is 'i'; N = 2; K = 1)"
    )


def test_tracebacks_show_what_the_text_has_no_room_for(session: rt.InferenceSession) -> None:
    with pytest.raises(state.InvalidArgument) as caught:
        session.run(None, {"x": X, "i": INDEX, "xx": X})
    assert str(caught.value).endswith("Invalid input name: xx")
    assert 'did you mean "x"' in "".join(traceback.format_exception(caught.value))
    assert caught.value.message == "Invalid input name: xx"


@pytest.mark.parametrize("feed", [{"x": X}, {"x": INDEX, "i": INDEX}, {"x": X, "i": INDEX + 9}])
def test_errors_cross_processes(session: rt.InferenceSession, feed: dict[str, object]) -> None:
    """As those of a pool's workers must."""
    with pytest.raises(rt.PyFlameRTError) as caught:
        session.run(None, feed)
    for again in (pickle.loads(pickle.dumps(caught.value)), copy.copy(caught.value)):
        assert str(again) == str(caught.value)
        assert [k for k in STATUSES if isinstance(again, k)] == [
            k for k in STATUSES if isinstance(caught.value, k)
        ]
        assert isinstance(again, rt.BackendError) == isinstance(caught.value, rt.BackendError)


def test_codes_are_onnxruntimes() -> None:
    """Its C enumeration."""
    assert {kind.__name__: kind.CODE for kind in STATUSES} == {
        "Fail": 1, "InvalidArgument": 2, "NoSuchFile": 3, "NoModel": 4, "EngineError": 5,
        "RuntimeException": 6, "InvalidProtobuf": 7, "ModelLoaded": 8, "NotImplemented": 9,
        "InvalidGraph": 10, "EPFail": 11, "ModelLoadCanceled": 12,
        "ModelRequiresCompilation": 13, "NotFound": 14, "DeviceReset": 15,
    }  # fmt: skip


@pytest.mark.parametrize(
    "use",
    [
        lambda: rt.SparseTensor(),
        lambda: rt.LoraAdapter(),
        lambda: rt.ModelCompiler(rt.SessionOptions(), "m.onnx"),
        lambda: rt.get_ep_devices(),
        lambda: rt.RunOptions().add_active_adapter(None),
        lambda: rt.SessionOptions().set_provider_selection_policy(None),
        lambda: rt.OrtValue.ort_value_from_sparse_tensor(None),
    ],
)
def test_what_is_not_there_says_so(use: object) -> None:
    with pytest.raises(state.NotImplemented, match="NOT_IMPLEMENTED : ") as caught:
        use()
    assert isinstance(caught.value, NotImplementedError)


def test_unknown_keywords_are_refused_when_asked_to() -> None:
    graph = rt.Graph("g")
    graph.add_input("x", [1], np.float32)
    graph.add_node("", "Relu", ["x"], ["y"])
    graph.add_output("y", [1], np.float32)
    rt.InferenceSession(graph, nonsense=1)
    rt.InferenceSession(graph, disabled_optimizers=[], strict=True)
    with pytest.raises(TypeError, match="has no keyword 'nonsense'"):
        rt.InferenceSession(graph, nonsense=1, strict=True)


def test_unknown_options_are_refused() -> None:
    options = rt.SessionOptions()
    with pytest.raises(AttributeError, match="no attribute 'optimisation_level'"):
        options.optimisation_level = 3  # type: ignore[attr-defined]


def test_documented_spellings_of_options() -> None:
    """The API reference's names set what ONNX Runtime's set."""
    options, run = rt.SessionOptions(), rt.RunOptions()
    options.num_threads, options.execution_mode, options.log_level = 4, "parallel", "error"
    assert (options.intra_op_num_threads, options.log_severity_level) == (4, 3)
    assert options.execution_mode == rt.ExecutionMode.ORT_PARALLEL
    assert (run.tag, run.timeout_ms, run.log_level) == ("", None, None)
    run.log_level = "debug"
    assert (run.log_severity_level, run.log_level) == (0, "verbose")
    with pytest.raises(rt.ValidationError, match="is none of verbose"):
        options.log_level = "loud"

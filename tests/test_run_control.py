"""What ends a run before its time, and what runs only in part."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

import pyflame_rt as rt
from pyflame_rt.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, ModelLoadCanceled

ENDLESS = """
func.func @main(%x: tensor<3xf32> {pfrt.name = "x"}) -> (tensor<3xf32> {pfrt.name = "y"}) {
  %n = pfrt.constant dense<1000000000> : tensor<i64>
  %y = pfrt.loop trip(%n) carry(%x) -> (tensor<3xf32>) {
  ^bb0(%i: tensor<i64>, %go: tensor<i1>, %s: tensor<3xf32>):
    %b = pfrt.tanh %s : tensor<3xf32> -> tensor<3xf32>
    pfrt.yield %go, %b : tensor<i1>, tensor<3xf32>
  } : trip tensor<i64> carry(tensor<3xf32>)
  func.return %y : tensor<3xf32>
}
"""
FEED = {"x": np.ones(3, np.float32)}


@pytest.fixture
def endless(tmp_path: Path) -> rt.InferenceSession:
    path = tmp_path / "endless.mlir"
    path.write_text(ENDLESS, encoding="utf-8")
    return rt.InferenceSession(path)


def test_a_run_ends_when_another_thread_says_so(endless: rt.InferenceSession) -> None:
    """Inside of a loop too; the session runs on afterwards."""
    options, errors = rt.RunOptions(), []

    def work() -> None:
        try:
            endless.run(None, FEED, options)
        except Fail as error:
            errors.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    options.terminate = True
    thread.join(60)
    assert errors == [
        "[ONNXRuntimeError] : 1 : FAIL : Exiting due to terminate flag being set to true."
    ]


def test_a_run_ends_when_its_time_is_over(endless: rt.InferenceSession) -> None:
    options = rt.RunOptions()
    options.timeout_ms = 30
    for kind in (TimeoutError, rt.BackendError, RuntimeError, Fail):
        with pytest.raises(kind, match="longer than timeout_ms = 30"):
            endless.run(None, FEED, options)
    options.timeout_ms = None
    options.terminate = True
    with pytest.raises(Fail, match="terminate flag"):
        endless.run(None, FEED, options)


def chain(shape: list[object]) -> rt.Graph:
    """Sixteen times as large as x on the way, then as large as x."""
    graph = rt.Graph("wide")
    graph.add_input("x", shape, np.float32)
    graph.add_initializer("repeats", np.array([16], np.int64))
    graph.add_node("tile", "Tile", ["x", "repeats"], ["wide"])
    graph.add_node("exp", "Exp", ["wide"], ["e"])
    graph.add_node("erf", "Erf", ["e"], ["f"])
    graph.add_node("sum", "ReduceSum", ["f"], ["y"])
    graph.add_output("y", None, np.float32)
    return graph


def limited(limit: int) -> rt.SessionOptions:
    options = rt.SessionOptions()
    options.memory_limit = limit
    return options


def test_a_static_plan_over_the_limit_is_not_made() -> None:
    with pytest.raises(rt.BackendError, match=r"a run takes \d+ bytes, more than memory_limit"):
        rt.InferenceSession(chain([1 << 16]), limited(1 << 16))
    session = rt.InferenceSession(chain([1 << 10]), limited(1 << 20))
    assert session.run(None, {"x": np.zeros(1 << 10, np.float32)})[0].shape == (1,)


def test_a_dynamic_run_ends_before_the_result_that_is_too_large() -> None:
    session = rt.InferenceSession(chain(["N"]), limited(1 << 20))
    assert session.run(None, {"x": np.zeros(64, np.float32)})[0].shape == (1,)
    with pytest.raises(rt.BackendError, match="takes 4194304 bytes, more than memory_limit") as e:
        session.run(None, {"x": np.zeros(1 << 16, np.float32)})
    assert "while running Tile node. Name:'tile'" in str(e.value)


def test_only_what_the_fetched_outputs_need_runs() -> None:
    graph = rt.Graph("two")
    graph.add_input("x", ["N"], np.float32)
    graph.add_input("i", ["K"], np.int64)
    graph.add_node("neg", "Neg", ["x"], ["n"])
    graph.add_node("gather", "Gather", ["x", "i"], ["g"])
    graph.add_output("n", ["N"], np.float32)
    graph.add_output("g", ["K"], np.float32)
    session = rt.InferenceSession(graph)
    feed = {"x": np.ones(2, np.float32), "i": np.array([9])}
    with pytest.raises(InvalidArgument):
        session.run(["n"], feed)
    options = rt.RunOptions()
    options.only_execute_path_to_fetches = True
    first, second = session.run(["n", "n"], feed, options)
    assert first.tolist() == second.tolist() == [-1, -1]
    assert not np.shares_memory(first, second)
    with pytest.raises(InvalidArgument, match="while running Gather node"):
        session.run(["g"], feed, options)


def test_loading_can_be_cancelled() -> None:
    options = rt.SessionOptions()
    options.set_load_cancellation_flag(True)
    with pytest.raises(ModelLoadCanceled):
        rt.InferenceSession(chain([4]), options)


def test_async_runs_give_what_runs_give() -> None:
    """Many at once, inputs forgotten by the caller."""
    session = rt.InferenceSession(chain(["N"]))
    found: dict[int, float] = {}
    done = threading.Semaphore(0)

    def keep(results: list[np.ndarray], index: int, error: str) -> None:
        assert not error
        found[index] = float(results[0][0])
        done.release()

    for index in range(32):
        session.run_async(["y"], {"x": np.full(index + 1, -200, np.float32)}, keep, index)
    for _ in range(32):
        assert done.acquire(timeout=60)
    assert found == dict.fromkeys(range(32), 0.0)


def test_a_failing_callback_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    session = rt.InferenceSession(chain(["N"]))
    with session:
        session.run_async(None, {"x": np.ones(1, np.float32)}, lambda *_: 1 / 0, None)
    assert "the callback of run_async: ZeroDivisionError" in caplog.text

"""Profiles of runs: nested spans, one track a thread, what each step is and costs."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyflame_rt as rt
from pyflame_rt.backends.native import kernels
from pyflame_rt.tools import pfrt_run

DIGITS = Path(__file__).resolve().parents[1] / "examples" / "digits"
IMAGES = np.load(DIGITS / "test.npz")["images"]
LOOP = """
func.func @main(%x: tensor<3xf32> {pfrt.name = "x"}) -> (tensor<3xf32> {pfrt.name = "y"}) {
  %n = pfrt.constant dense<4> : tensor<i64>
  %y = pfrt.loop trip(%n) carry(%x) -> (tensor<3xf32>) {
  ^bb0(%i: tensor<i64>, %go: tensor<i1>, %s: tensor<3xf32>):
    %a = pfrt.exp %s : tensor<3xf32> -> tensor<3xf32>
    %b = pfrt.tanh %a : tensor<3xf32> -> tensor<3xf32>
    pfrt.yield %go, %b : tensor<i1>, tensor<3xf32>
  } : trip tensor<i64> carry(tensor<3xf32>)
  func.return %y : tensor<3xf32>
}
"""


def profiled(source: object, folder: Path) -> rt.InferenceSession:
    options = rt.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "trace")
    return rt.InferenceSession(source, options)


def spans(session: rt.InferenceSession) -> list[dict[str, Any]]:
    return json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))


def named(events: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [event for event in events if event["name"] == name]


def assert_nested(events: list[dict[str, Any]]) -> None:
    """On each track a span lies inside of another one or beside it."""
    for track in {event["tid"] for event in events}:
        open_until: list[float] = []
        for event in (e for e in events if e["tid"] == track):
            end = event["ts"] + event["dur"]
            while open_until and open_until[-1] <= event["ts"]:
                open_until.pop()
            assert not open_until or end <= open_until[-1] + 1e-3
            open_until.append(end)


def test_steps_say_what_they_are_and_cost(tmp_path: Path) -> None:
    session = profiled(DIGITS / "cnn.onnx", tmp_path)
    assert session.get_profiling_start_time_ns() > 0
    options = rt.RunOptions()
    options.tag = "batch_1"
    (expected,) = rt.InferenceSession(DIGITS / "cnn.onnx").run(None, {"images": IMAGES[:2]})
    (found,) = session.run(None, {"images": IMAGES[:2]}, options)
    np.testing.assert_array_equal(found, expected)
    events = spans(session)
    assert [e["args"] for e in named(events, "model_run")] == [{"tag": "batch_1"}]
    assert len(named(events, "model_loading")) == len(named(events, "session_initialization")) == 1
    (gemm,) = named(events, "/classifier/Gemm_kernel_time")
    details = gemm["args"]
    assert (gemm["cat"], gemm["ph"], details["op_name"], details["algorithm"]) == (
        "Node", "X", "Gemm", "gemm",
    )  # fmt: skip
    assert details["location"] == 'node "/classifier/Gemm", cnn.onnx:24'
    batch, inner = details["input_type_shape"][0]["float"]
    assert details["output_type_shape"] == [{"float": [2, 10]}]
    assert details["output_size"] == 80
    assert details["flops"] == 2 * batch * inner * 10 + batch * 10
    assert details["bytes"] == 4 * (batch * inner + inner * 10 + 10 + batch * 10)
    assert_nested(events)


def test_the_steps_of_a_loop_lie_inside_of_it(tmp_path: Path) -> None:
    (tmp_path / "loop.mlir").write_text(LOOP, encoding="utf-8")
    session = profiled(tmp_path / "loop.mlir", tmp_path)
    session.run(None, {"x": np.ones(3, np.float32)})
    events = spans(session)
    (loop,) = [e for e in events if e["args"].get("op_name") == "Loop"]
    # Compiled, both functions are one step.
    inner = [e for e in events if e["args"].get("op_name") in ("Tanh", "Fused")]
    assert len(inner) == 4
    for event in inner:
        assert loop["ts"] <= event["ts"]
        assert event["ts"] + event["dur"] <= loop["ts"] + loop["dur"] + 1e-3
    assert_nested(events)


def test_each_thread_has_a_track(tmp_path: Path) -> None:
    session = profiled(DIGITS / "cnn.onnx", tmp_path)
    both = threading.Barrier(2)

    def work() -> None:
        both.wait()
        for _ in range(5):
            session.run(None, {"images": IMAGES[:2]})
        both.wait()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = spans(session)
    runs = named(events, "model_run")
    assert len(runs) == 10
    assert len({event["tid"] for event in runs}) == 2
    assert_nested(events)


def test_a_failing_run_is_recorded_as_far_as_it_came(tmp_path: Path) -> None:
    graph = rt.Graph("g")
    graph.add_input("x", ["N"], np.float32)
    graph.add_input("i", ["K"], np.int64)
    graph.add_node("gather_x", "Gather", ["x", "i"], ["y"])
    graph.add_output("y", ["K"], np.float32)
    session = profiled(graph, tmp_path)
    with pytest.raises(rt.BackendError):
        session.run(None, {"x": np.ones(2, np.float32), "i": np.array([9])})
    (step,) = named(spans(session), "gather_x_kernel_time")
    assert step["args"]["failed"] is True


def test_a_profile_ends_once(tmp_path: Path) -> None:
    session = profiled(DIGITS / "mlp.onnx", tmp_path)
    assert Path(session.end_profiling()).parent == tmp_path
    assert session.end_profiling() == ""
    assert session.get_profiling_start_time_ns() == 0
    session.run(None, {"images": IMAGES[:1]})
    assert rt.InferenceSession(DIGITS / "mlp.onnx").end_profiling() == ""


def test_leaving_a_session_ends_its_profile(tmp_path: Path) -> None:
    with profiled(DIGITS / "mlp.onnx", tmp_path) as session:
        session.run(None, {"images": IMAGES[:1]})
    assert len(list(tmp_path.glob("trace_*.json"))) == 1


def test_pfrt_run_traces_and_prints_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "out.json"
    assert pfrt_run.main([str(DIGITS / "cnn.onnx"), "--profile", str(target)]) == 0
    out = capsys.readouterr().out
    assert "operator (algorithm)" in out and "Gemm (gemm" in out
    assert "/classifier/Gemm (Gemm)" in out
    events = json.loads(target.read_text(encoding="utf-8"))
    assert len(named(events, "model_run")) == 5
    assert_nested(events)


@pytest.mark.parametrize("jit", ["0", "1"])
def test_steps_say_what_computed_them(
    jit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Machine code of a kind, or NumPy: in traces, and in tables beside the algorithm."""
    monkeypatch.setenv("PYFLAME_RT_JIT", jit)
    code, target = kernels.wanted(), tmp_path / "out.json"
    if jit == "1" and not code:
        pytest.skip("machine code needs llvmlite")
    arguments = [str(DIGITS / "mlp.onnx"), "--dim", "N=1", "--profile", str(target)]
    assert pfrt_run.main(arguments) == 0
    events = json.loads(target.read_text(encoding="utf-8"))
    found = {e["args"]["code"] for e in events if e["args"].get("op_name") == "Gemm"}
    assert found == {code or "numpy"}
    assert (f"Gemm (gemm, {code})" if code else "Gemm (gemm)") in capsys.readouterr().out

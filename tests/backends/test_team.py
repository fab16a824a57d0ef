"""The threads that help runs: who does what, what ends them, and how many BLAS gets."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import weakref
from contextlib import nullcontext

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import pyflame_rt as rt
from pyflame_rt import module_files
from pyflame_rt.backends.numpy_backend import NumpyBackend
from pyflame_rt.backends.numpy_backend.blas_threads import BlasThreads
from pyflame_rt.backends.numpy_backend.team import Team, Together, teams
from pyflame_rt.backends.watching import Step, Watch
from pyflame_rt.errors import BackendError
from pyflame_rt.universe import make_context
from pyflame_rt.watches import RunTimeoutError

ROWS = """
func.func @main(%x: memref<4x6xf32>, %i: memref<2xi64>) -> memref<4x2xf32> {
  %a = plan.alloc : memref<4x6xf32>
  plan.call @relu(%x) into(%a) : (memref<4x6xf32>) into(memref<4x6xf32>)
  %y = plan.new : memref<4x2xf32>
  plan.parallel {
    %0 = plan.part %a[0, 0] : memref<4x6xf32> -> memref<2x6xf32>
    %1 = plan.part %y[0, 0] : memref<4x2xf32> -> memref<2x2xf32>
    plan.call @gather(%0, %i) into(%1) {params = {axis = 1 : i64}}
      : (memref<2x6xf32>, memref<2xi64>) into(memref<2x2xf32>)
    plan.yield
  } {
    %2 = plan.part %a[2, 0] : memref<4x6xf32> -> memref<2x6xf32>
    %3 = plan.part %y[2, 0] : memref<4x2xf32> -> memref<2x2xf32>
    plan.call @gather(%2, %i) into(%3) {params = {axis = 1 : i64}}
      : (memref<2x6xf32>, memref<2xi64>) into(memref<2x2xf32>)
    plan.yield
  }
  func.return %y : memref<4x2xf32>
}
"""
X = np.arange(24, dtype=np.float32).reshape(4, 6)


def compiled(text: str = ROWS):
    return NumpyBackend().compile(module_files.parse(text, make_context(), "rows.mlir"), "main")


def model(size: int = 512, width: int = 1024) -> bytes:
    """A product large enough to be cut, along rows."""
    w = np.random.default_rng(0).standard_normal((width, width)).astype(np.float32)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (size, width))
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, (size, width))
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Softmax", ["b"], ["c"], axis=0),
        helper.make_node("MatMul", ["c", "w"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "g", [x], [y], [numpy_helper.from_array(w, "w")])
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def session(threads: int = 2) -> rt.InferenceSession:
    options = rt.SessionOptions()
    options.num_threads = threads
    return rt.InferenceSession(model(), options)


def helpers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "pyflame_rt"]


def ended(threads: list[threading.Thread]) -> bool:
    for thread in threads:
        thread.join(timeout=60)
    return not any(thread.is_alive() for thread in threads)


def test_regions_see_what_was_done_before_and_are_done_before_what_follows() -> None:
    executable = compiled()
    for _ in range(200):
        (y,) = executable.run([X, np.array([1, 4])])
        assert np.array_equal(y, X[:, [1, 4]])


def test_an_error_names_its_place_and_the_plan_goes_on() -> None:
    executable = compiled()
    for _ in range(50):
        with pytest.raises(BackendError, match="gather"):
            executable.run([X, np.array([1, 9])])
        assert np.array_equal(executable.run([X, np.array([0, 5])])[0], X[:, [0, 5]])


class _Counting(Watch):
    """Counts steps, and ends the run before one of them."""

    def __init__(self, last: int = 1 << 30):
        self.entered: list[str] = []
        self.last = last
        self.inside = 0

    def enter(self, step: Step) -> None:
        self.inside += 1
        # Steps of several threads are told of one after the other, not nested in each other.
        self.entered.append(step.algorithm)
        if len(self.entered) > self.last:
            raise RunTimeoutError("it takes too long")

    def leave(self, step: Step) -> None:
        self.inside -= 1


def test_watches_see_all_steps_and_end_runs() -> None:
    executable, feed = compiled(), [X, np.array([1, 4])]
    watch = _Counting()
    executable.run_watched(feed, watch)
    assert watch.entered == ["relu", "gather", "gather"]
    assert watch.inside == 0
    for last in range(3):
        with pytest.raises(RunTimeoutError, match="too long"):
            executable.run_watched(feed, _Counting(last))
    assert np.array_equal(executable.run(feed)[0], X[:, [1, 4]])


def test_runs_of_a_cut_model_can_be_ended() -> None:
    """By their time, and by a flag."""
    cut = session()
    x = {"x": np.ones((512, 1024), np.float32)}
    assert "plan-split{threads=2 limit=true}" in cut.pipeline
    late, stopped = rt.RunOptions(), rt.RunOptions()
    late.timeout_ms, stopped.terminate = 0, True
    for options in (late, stopped):
        with pytest.raises(rt.PyFlameRTError):
            cut.run(None, x, options)
    cut.run(None, x)


def test_all_threads_of_a_session_may_run_it() -> None:
    """There are fewer helpers than runs: a run does what nobody takes."""
    cut, errors = session(), []
    feeds = [np.random.default_rng(i).standard_normal((512, 1024)).astype("f4") for i in range(4)]
    expected = [cut.run(None, {"x": x})[0] for x in feeds]

    def work(number: int) -> None:
        for i in range(12):
            at = (number + i) % 4
            if not np.array_equal(cut.run(None, {"x": feeds[at]})[0], expected[at]):
                errors.append((number, i))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    assert ended(threads)
    assert not errors
    assert len(helpers()) <= 2


def test_threads_end_with_the_last_session() -> None:
    before = helpers()
    x = {"x": np.ones((512, 1024), np.float32)}
    sessions = [session(3) for _ in range(3)]
    for one in sessions:
        one.run(None, x)
    assert 2 <= len(helpers()) <= max(2, len(before))
    if before:
        # Another test's session is still there.
        return
    started = helpers()
    sessions.clear()
    del one
    gc.collect()
    assert ended(started)


def test_a_small_model_needs_no_threads() -> None:
    options = rt.SessionOptions()
    options.num_threads = 4
    small = rt.InferenceSession(model(4, 8), options)
    small.run(None, {"x": np.ones((4, 8), np.float32)})
    assert small._plans.dynamic.executable._program.threads == 1


def test_the_process_ends_by_itself() -> None:
    """Though its threads wait for work, and whatever its last statement does."""
    script = """
import numpy as np, sys
from pyflame_rt.backends.numpy_backend import NumpyBackend
from pyflame_rt import module_files
from pyflame_rt.universe import make_context
executable = NumpyBackend().compile(module_files.parse(sys.argv[1], make_context(), "x"), "main")
executable.run([np.ones((4, 6), np.float32), np.array([1, 4])])
print("done")
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, ROWS],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_parts_are_done_without_helpers() -> None:
    """As in a process that cannot start threads any more, or a child that has none yet."""
    team, done = Team(), list[int]()
    team.ask = lambda job, helpers: None
    Together([lambda i=i: done.append(i) for i in range(4)], team)()
    assert sorted(done) == [0, 1, 2, 3]


def test_a_request_that_comes_late_does_no_harm() -> None:
    team, asked, done = Team(), [], list[int]()
    team.ask = lambda job, helpers: asked.append(job)
    step = Together([lambda i=i: done.append(i) for i in range(2)], team)
    step()
    asked[0]()
    assert sorted(done) == [0, 1]


def test_the_first_error_is_raised_when_all_parts_have_ended() -> None:
    """Also if it is the caller's own: helpers still use its memory."""
    team, ends = Team(), list[int]()
    begun = threading.Event()

    def slow() -> None:
        begun.set()
        np.linalg.svd(np.random.default_rng(0).random((200, 200)))
        ends.append(1)
        raise ValueError("second")

    def interrupted() -> None:
        assert begun.wait(60)
        raise KeyboardInterrupt

    step = Together([interrupted, slow], team)
    for count in range(1, 4):
        begun.clear()
        with pytest.raises(KeyboardInterrupt):
            step()
        assert len(ends) == count


def test_an_interrupted_run_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A helper may still be using its memory, which no later run gets."""
    executable, feed = compiled(), [X, np.array([1, 4])]
    begun, go_on, done = (threading.Event() for _ in range(3))
    whole = Together._try
    interrupts = [KeyboardInterrupt()]

    def attempt(step: Together, index: int) -> BaseException | None:
        if index:
            begun.set()
            assert go_on.wait(60)
            error = whole(step, index)
            done.set()
            return error
        assert begun.wait(60)
        begun.clear()
        if interrupts:
            raise interrupts.pop()
        go_on.set()
        return whole(step, index)

    monkeypatch.setattr(Together, "_try", attempt)
    with pytest.raises(KeyboardInterrupt):
        executable.run(feed)
    go_on.set()
    assert done.wait(60)
    for _ in range(3):
        assert np.array_equal(executable.run(feed)[0], X[:, [1, 4]])


def test_a_child_process_starts_anew() -> None:
    """What `os.fork` leaves of a team is asked for nothing."""
    team, done = Team(), list[int]()
    step = Together([lambda i=i: done.append(i) for i in range(2)], team)
    step()
    team.begin()
    step()
    assert sorted(done) == [0, 0, 1, 1]
    team.finish()
    held = weakref.ref(team)
    del team, step
    gc.collect()
    assert held() is None


def test_there_is_one_team() -> None:
    first = teams().join()
    assert teams().join() is first


class _Library:
    """A BLAS of three threads, on two cores."""

    def __init__(self) -> None:
        self.count = 3
        self.told: list[int] = []

    def tell(self, count: int) -> None:
        self.count = count
        self.told.append(count)

    def numbers(self) -> BlasThreads:
        return BlasThreads(lambda: self.count, self.tell)


class _Plan:
    """Something that lives and is dropped."""


def test_runs_hold_the_number_of_threads_of_blas() -> None:
    """The smallest that is wanted; then what it was before."""
    library = _Library()
    numbers = library.numbers()
    with numbers.held(1):
        assert library.count == 1
        with numbers.held(2):
            assert library.count == 1
    with numbers.held(2):
        assert library.count == 2
    assert library.told == [1, 3, 2, 3]
    # Somebody else's choice is respected.
    library.count = 2
    with numbers.held(1):
        assert library.count == 1
    assert library.count == 2


def test_a_child_process_has_no_runs_of_its_parent() -> None:
    """Else nothing would ever end them."""
    library = _Library()
    numbers = library.numbers()
    with numbers.held(1):
        assert library.count == 1
        numbers.begin()
        assert library.count == 3
        with numbers.held(2):
            assert library.count == 2
    assert library.count == 3


def test_plans_keep_the_number_of_threads_of_blas() -> None:
    """The last one that asked, until all of them are dropped; runs may hold less."""
    library = _Library()
    numbers = library.numbers()
    one, two = _Plan(), _Plan()
    numbers.keep(1, one)
    numbers.keep(2, two)
    assert (library.count, numbers.kept) == (2, 2)
    with numbers.held(1):
        assert library.count == 1
    assert library.count == 2
    del two
    assert library.count == 2
    del one
    assert (library.count, numbers.kept) == (3, 0)


def test_blas_gets_no_more_threads_than_there_are_cores() -> None:
    library, plan = _Library(), _Plan()
    library.numbers().keep(10_000, plan)
    assert library.count == max(3, os.cpu_count() or 1)


def test_num_threads_is_that_of_blas_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """One where calls are cut, as each piece is a thread's; left alone unless it is given."""
    monkeypatch.setenv("PYFLAME_RT_JIT", "0")
    held: list[int] = []
    kept: list[int] = []
    library = _Library().numbers()
    monkeypatch.setattr(library, "held", lambda count: held.append(count) or nullcontext())
    monkeypatch.setattr(library, "keep", lambda count, plan: kept.append(count))
    x = {"x": np.ones((512, 1024), np.float32)}
    for threads in (0, 1, 2, 3):
        cut = session(threads)
        cut._plans.dynamic.executable._blas = library
        cut.run(None, x)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert held == [1, 1, 1] if cores and cores > 1 else [1, 1]
    assert kept == [1]

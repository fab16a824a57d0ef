"""Worker processes: they are lost without a hang, leave nothing behind, and share memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
from stage_models import signature, stage, unary

from pyflame_rt.errors import BackendError
from pyflame_rt.partition.stage_executor import StageExecutor
from pyflame_rt.partition.transports import measuring, open_transport, processes
from pyflame_rt.partition.transports.processes import ProcessTransport
from pyflame_rt.partition.transports.segments import Placed, SegmentPool, array_in, flat, read

SIDE, PRODUCTS = 400, 120
WIDE = f"tensor<{SIDE}x{SIDE}xf32>"


def long_chain():
    """Two stages of a long row of products with the identity: long enough to be killed in one."""
    lines = [
        f"  %{k} = pfrt.matmul %{k - 1 if k else 'a'}, %a : {WIDE}, {WIDE} -> {WIDE}"
        for k in range(PRODUCTS)
    ]
    lines.append(f"  %x = pfrt.relu %{PRODUCTS - 1} : {WIDE} -> {WIDE}")
    return [
        stage("first", 0, "p", "q", "\n".join(lines), WIDE),
        stage("second", 1, "q", "y", "\n".join(lines), WIDE),
    ]


IDENTITY = np.eye(SIDE, dtype=np.float32)
ROW = np.ones((1, 4), np.float32)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_killed_process_is_an_error_within_two_seconds_and_is_replaced():
    """Requests on it fail and say where, others do not, and the next ones run on a new process."""
    stages = long_chain()
    with StageExecutor(stages, *signature(stages, "p", "y"), transport="processes") as devices:
        devices.execute({"p": IDENTITY})
        transport = devices.transport
        assert isinstance(transport, ProcessTransport)
        future = devices.execute_async({"p": IDENTITY})
        killed = time.monotonic()
        victim = transport.processes[0]
        os.kill(victim, signal.SIGKILL)
        error = future.exception(10)
        assert time.monotonic() - killed < 2
        assert isinstance(error, BackendError)
        assert str(error) == (
            f'stage "first" on cpu:0: its process {victim} ended (SIGKILL) before it was done; '
            "a new process takes its place: run again"
        )
        np.testing.assert_array_equal(devices.execute({"p": IDENTITY})["y"], IDENTITY)
        assert victim not in transport.processes
        assert transport.held == 0
        pids = transport.processes
    assert not any(map(is_alive, pids))


def test_a_stopped_process_is_an_error_and_is_replaced():
    """It says nothing, and its socket stays open: nobody waits for it for ever."""
    stages = [stage("only", 0, "p", "y", unary("relu"))]
    with StageExecutor(stages, *signature(stages, "p", "y"), transport="processes") as devices:
        devices.execute({"p": ROW})
        transport = devices.transport
        assert isinstance(transport, ProcessTransport)
        victim = transport.processes[0]
        os.kill(victim, signal.SIGSTOP)
        future = devices.execute_async({"p": ROW})
        with pytest.raises(
            BackendError, match=rf'"only" on cpu:0: its process {victim} was stopped'
        ):
            future.result(10)
        np.testing.assert_array_equal(devices.execute({"p": ROW})["y"], ROW)
        assert transport.held == 0
    assert not is_alive(victim)


@pytest.mark.slow
@pytest.mark.ray
def test_a_killed_actor_is_started_again_and_results_are_right(ray):
    """Ray runs the task once more: nobody notices but by the time it takes."""
    stages = long_chain()
    with StageExecutor(stages, *signature(stages, "p", "y"), transport=ray) as devices:
        devices.execute({"p": IDENTITY})
        futures = [devices.execute_async({"p": IDENTITY}) for _ in range(4)]
        os.kill(ray.processes[0], signal.SIGKILL)
        for future in futures:
            np.testing.assert_array_equal(future.result(60)["y"], IDENTITY)


def test_a_process_that_cannot_start_is_given_up(monkeypatch):
    """No endless restarts: after a few the device is said to be broken."""
    monkeypatch.setattr(processes, "_COMMAND", "raise SystemExit(3)")
    stages = [stage("first", 0, "p", "y", unary("relu"))]
    with StageExecutor(stages, *signature(stages, "p", "y"), transport="processes") as devices:
        errors: list[str] = []
        while "in a row" not in (errors or [""])[-1]:
            future = devices.execute_async({"p": np.zeros((1, 4), np.float32)})
            errors.append(str(future.exception(10)))
            assert len(errors) < 10
        assert all("(exit code 3)" in error for error in errors[:-1])


def test_an_interpreter_that_ends_leaves_nothing_behind():
    """Without close, under -W error: no message, no process, no shared memory."""
    program = """
        import numpy as np
        from stage_models import signature, stage, unary
        from pyflame_rt.partition.stage_executor import StageExecutor
        stages = [stage("s", 0, "p", "q", unary("relu")), stage("t", 1, "q", "y", unary("exp"))]
        devices = StageExecutor(stages, *signature(stages, "p", "y"), transport="processes")
        found = devices.execute({"p": np.zeros((2, 4), np.float32)})["y"]
        assert (found == 1).all()
        print(*devices.transport.processes)
    """
    paths = os.pathsep.join([os.path.dirname(__file__), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program)],
        env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    pids = [int(word) for word in done.stdout.split()]
    assert len(pids) == 2
    assert not any(map(is_alive, pids))


def test_segments_are_used_again_and_hold_any_value():
    """Sizes are rounded up, so that values of about one size share memory."""
    pool = SegmentPool()
    first = pool.take(5000)
    pool.give(first.number)
    assert pool.take(8000) is first
    assert pool.take(8000) is not first
    assert pool.used == 2
    for value in (np.arange(6).reshape(2, 3), np.float32(2.5) * np.ones(()), ["a", None], {1: 2}):
        array = flat(value)
        array_in(first.memory, array.dtype, array.shape)[...] = array
        placed = Placed(first.number, array.dtype, array.shape)
        found = read(first.memory, placed, copy=True)
        assert type(found) is type(value)
        assert np.array_equal(found, value) if isinstance(value, np.ndarray) else found == value
    pool.close()
    with pytest.raises(BackendError, match="closed"):
        pool.take(1 << 20)


def test_memory_that_there_is_not_is_an_error():
    """... and not a signal that ends the process."""
    pool = SegmentPool()
    with pytest.raises(BackendError, match=r"there is no shared memory of \d+ bytes on"):
        pool.take(1 << 62)
    pool.close()


def test_sending_is_measured(threads):
    """Each size is timed, and a line through the least and the largest says what sending takes."""
    found = measuring.measure(threads, sizes=(1 << 10, 1 << 16), rounds=3)
    assert list(found.times) == [1 << 10, 1 << 16]
    assert min(found.times.values()) > 0
    line = measuring.Sending({1000: 20.0, 3000: 30.0})
    assert (line.alpha_us, line.beta_us) == (20.0, 0.005)


def test_a_closed_transport_takes_nothing(threads):
    """Whatever is submitted after its end fails, and does not wait."""
    with open_transport("threads", 1) as transport:
        pass
    outcomes = []
    transport.submit(0, "none", [], outcomes.append)
    assert "closed" in str(outcomes[0].error)


def test_the_reason_is_told_where_ray_is_missing(monkeypatch):
    """The extra to install is named."""
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BackendError, match=r"needs Ray; pip install 'pyflame-rt\[ray\]'"):
        open_transport("ray", 1)

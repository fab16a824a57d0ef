"""Stages run in order on their devices, whatever carries their values, and fail in one line."""

from __future__ import annotations

from concurrent.futures import CancelledError, Future

import numpy as np
import pytest
from stage_models import diamond, signature, stage, unary

from pyflame_rt import Tensor, from_numpy
from pyflame_rt.errors import (
    BackendError,
    MissingInputError,
    PyFlameRTError,
    SettingError,
    ShapeMismatchError,
    ValidationError,
)
from pyflame_rt.partition.stage_executor import StageExecutor
from pyflame_rt.partition.transports import Transport
from pyflame_rt.partition.transports.base import Outcome


def executor(stages, inputs: str, outputs: str, transport, **options) -> StageExecutor:
    return StageExecutor(
        stages, *signature(stages, inputs, outputs), transport=transport, **options
    )


def drawn(rows: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, 4)).astype(np.float32)


def expected(p: np.ndarray) -> np.ndarray:
    z = np.maximum(p, 0)
    return np.exp(z) + np.abs(z) * p


def test_branches_and_values_that_skip_stages(transport: Transport):
    """A graph of stages that is no chain, with many requests in flight and values of their own."""
    with executor(diamond(), "p", "z y", transport) as devices:
        feeds = [drawn(3, seed) for seed in range(20)]
        futures = [devices.execute_async({"p": feed}) for feed in feeds]
        for feed, future in zip(feeds, futures, strict=True):
            found = future.result()
            assert list(found) == ["z", "y"]
            np.testing.assert_array_equal(found["z"], np.maximum(feed, 0))
            np.testing.assert_allclose(found["y"], expected(feed), rtol=1e-6)
            found["z"][...] = 7  # Results are the caller's own.


def test_tensors_for_tensors(transport: Transport):
    """Whoever gives a Tensor gets Tensors, as `Tensor` in the documentation's signature says."""
    with executor(diamond(), "p", "z y", transport, micro_batches=2) as devices:
        arrays = devices.execute({"p": drawn(4)})
        tensors = devices.execute({"p": from_numpy(drawn(4))})
    assert all(isinstance(found, Tensor) for found in tensors.values())
    for name, found in tensors.items():
        np.testing.assert_array_equal(found.numpy(), arrays[name])


def test_nothing_is_held_when_requests_are_done(processes):
    """Shared memory of values that nothing needs any more is used again."""
    with executor(diamond(), "p", "y", processes, micro_batches=3) as devices:
        for seed in range(5):
            devices.execute({"p": drawn(5, seed)})
        assert processes.held == 0


@pytest.mark.parametrize("rows", [1, 4, 9])
def test_micro_batches_of_any_size(transport: Transport, rows: int):
    """A batch is cut into parts of nearly equal size, and put together in order."""
    with executor(diamond(), "p", "z y", transport, micro_batches=4) as devices:
        feed = drawn(rows)
        found = devices.execute({"p": feed})
        np.testing.assert_array_equal(found["z"], np.maximum(feed, 0))
        np.testing.assert_allclose(found["y"], expected(feed), rtol=1e-6)
        assert {p.runs for p in devices.profile()} == {min(rows, 4)}


def test_a_model_of_fixed_rows_is_fed_multiples(threads):
    """Where the batch has no name, micro-batches are what the model was made for."""
    fixed = "tensor<2x4xf32>"
    body = f"  %x = pfrt.relu %a : {fixed} -> {fixed}"
    with executor([stage("s", 0, "p", "y", body, fixed)], "p", "y", threads, micro_batches=2) as e:
        feed = drawn(6)
        np.testing.assert_array_equal(e.execute({"p": feed})["y"], np.maximum(feed, 0))
        with pytest.raises(ShapeMismatchError, match="a batch of 5 rows is no multiple of the 2"):
            e.execute({"p": drawn(5)})


def test_outputs_that_cannot_be_put_together(threads):
    """An output without the batch is told when the executor is made, not when results are wrong."""
    total = stage(
        "sum", 0, "p", "y", "  %x = pfrt.reduce_sum %a {axes = array<i64: 0>, keepdims = false}"
        " : (tensor<?x4xf32>) -> tensor<4xf32>", made="tensor<4xf32>",
    )  # fmt: skip
    with pytest.raises(SettingError, match='output "y" has not the inputs\' batch'):
        executor([total], "p", "y", threads, micro_batches=2)


GATHER = (
    "  %i = pfrt.cast %a {to = i64} : tensor<?x4xf32> -> tensor<?x4xi64>\n"
    "  %r = pfrt.gather %a, %i {axis = 0 : i64} : (tensor<?x4xf32>, tensor<?x4xi64>)"
    " -> tensor<?x4x4xf32>\n"
    "  %x = pfrt.reduce_sum %r {axes = array<i64: 1>, keepdims = false}"
    " : (tensor<?x4x4xf32>) -> tensor<?x4xf32>"
)


def test_an_error_names_stage_device_and_op(transport: Transport):
    """What fails on a device is one line of the caller's, and the next request is fine."""
    stages = [stage("first", 0, "p", "q", unary("relu")), stage("pick", 1, "q", "y", GATHER)]
    with executor(stages, "p", "y", transport) as devices:
        bad, good = devices.execute_async({"p": drawn(3) + 50}), np.zeros((3, 4), np.float32)
        after = devices.execute_async({"p": good})
        with pytest.raises(BackendError) as told:
            bad.result()
        text = str(told.value)
        assert text.startswith('stage "pick" on cpu:1, ')
        assert "gather" in text
        assert "\n" not in text
        np.testing.assert_array_equal(after.result()["y"], good)


def test_a_stage_that_cannot_be_compiled_fails_its_first_request(processes):
    """No worker ends for a module that no backend takes."""
    stages = [stage("first", 0, "p", "y", unary("relu"))]
    with executor(stages, "p", "y", processes) as devices:
        (node,) = devices._nodes
        processes.unload(node.worker, node.key)
        with pytest.raises(BackendError, match="has been unloaded"):
            devices.execute({"p": drawn(2)})
        assert processes.held == 0


def test_results_whose_size_is_known_when_they_are_there(processes):
    """Outputs larger or smaller than the last ones find their room."""
    body = "  %x = pfrt.non_zero %a : tensor<?x4xf32> -> tensor<2x?xi64>"
    last = f"  %x = pfrt.cast %a {{to = f32}} : {'tensor<2x?xi64>'} -> tensor<2x?xf32>"
    stages = [
        stage("find", 0, "p", "n", body, made="tensor<2x?xi64>"),
        stage("cast", 1, "n", "y", last, "tensor<2x?xi64>", "tensor<2x?xf32>"),
    ]
    with executor(stages, "p", "y", processes) as devices:
        for rows in (1, 4000, 2, 0, 300):
            feed = np.ones((rows, 4), np.float32)
            found = devices.execute({"p": feed})["y"]
            np.testing.assert_array_equal(found, np.array(np.nonzero(feed), np.float32))
        assert processes.held == 0


def test_texts_cross_from_process_to_process(processes):
    """Values that are no plain arrays go as Python's own bytes."""
    kind = "tensor<?x!pfrt.string>"
    body = f"  %x = pfrt.identity %a : {kind} -> {kind}"
    stages = [stage("one", 0, "p", "q", body, kind), stage("two", 1, "q", "y", body, kind)]
    with executor(stages, "p", "y", processes) as devices:
        words = np.array(["a", "", "ünï" * 1000], object)
        assert devices.execute({"p": words})["y"].tolist() == words.tolist()


def test_inputs_are_checked_before_anything_runs(threads):
    """The caller is told at once."""
    with executor(diamond(), "p", "y", threads) as devices:
        with pytest.raises(MissingInputError):
            devices.execute_async({})
        with pytest.raises(ShapeMismatchError):
            devices.execute_async({"p": np.zeros((2, 5), np.float32)})


def test_stages_that_do_not_fit_each_other(threads):
    """A value that nobody makes, or two do, is an error of the stages."""
    late = list(reversed(diamond()))
    with pytest.raises(ValidationError, match='no stage before makes "e"'):
        StageExecutor(late, *signature(diamond(), "p", "y"), transport=threads)
    twice = [*diamond(), stage("again", 0, "p", "y", unary("exp"))]
    with pytest.raises(ValidationError, match='value "y" is made twice'):
        StageExecutor(twice, *signature(diamond(), "p", "y"), transport=threads)


def test_unknown_transport():
    with pytest.raises(SettingError, match='there is no transport "mpi"; they are threads'):
        executor(diamond(), "p", "y", "mpi")


def test_closing_fails_what_is_not_done(transport: Transport):
    """Nobody waits for ever for a closed executor."""
    devices = executor(diamond(), "p", "y", transport)
    futures = [devices.execute_async({"p": drawn(2)}) for _ in range(30)]
    devices.close()
    devices.close()
    for future in futures:
        error = future.exception(10)
        assert error is None or "closed before this was done" in str(error)
    with pytest.raises(PyFlameRTError, match="closed"):
        devices.execute({"p": drawn(2)})


class Slow(Transport):
    """A transport whose tasks end when the test says so."""

    name = "slow"

    def __init__(self, workers: int):
        super().__init__(workers)
        self.tasks: list[tuple[int, str, list, object]] = []
        self.names: dict[str, str] = {}

    def load(self, worker, key, program):
        self.names[key] = program.name

    def unload(self, worker, key): ...

    def submit(self, worker, key, inputs, done):
        self.tasks.append((worker, self.names[key], inputs, done))

    def put(self, value):
        return value

    get = put

    def free(self, handle): ...

    def size(self, handle):
        return 0

    def close(self): ...

    def finish(self, name: str):
        """End the first task of a stage; its output is its first input."""
        index = next(k for k, task in enumerate(self.tasks) if task[1] == name)
        _, _, inputs, done = self.tasks.pop(index)
        done(Outcome((inputs[0],), computed=1))

    def running(self) -> list[str]:
        """The tasks of each worker, in the order they were submitted."""
        tasks = sorted(self.tasks, key=lambda task: task[0])
        return [f"{name}{int(inputs[0][0, 0])}" for _, name, inputs, _ in tasks]


def chain(devices: int = 2):
    return [
        stage("a", 0, "p", "q", unary("relu")),
        stage("b", 1 % devices, "q", "y", unary("relu")),
    ]


def numbered(count: int) -> list[dict[str, np.ndarray]]:
    return [{"p": np.full((1, 4), k, np.float32)} for k in range(count)]


def test_the_oldest_micro_batch_goes_first_and_no_more_are_in_flight_than_allowed():
    """One device with both stages: what it has begun it ends before it begins more."""
    slow = Slow(1)
    with executor(chain(1), "p", "y", slow, in_flight=3) as devices:
        futures = [devices.execute_async(feed) for feed in numbered(5)]
        assert slow.running() == ["a0", "a1"]  # One that runs, one that is next.
        slow.finish("a")
        assert slow.running() == ["a1", "b0"]
        slow.finish("a")
        assert slow.running() == ["b0", "b1"]
        slow.finish("b")
        assert slow.running() == ["b1", "a2"]
        assert futures[0].done()
        assert not futures[1].done()


def test_devices_work_on_different_micro_batches():
    """The first stage goes on while the second runs, up to the limit."""
    slow = Slow(2)
    with executor(chain(), "p", "y", slow, in_flight=3) as devices:
        futures = [devices.execute_async(feed) for feed in numbered(5)]
        slow.finish("a")
        assert slow.running() == ["a1", "a2", "b0"]
        slow.finish("a")
        slow.finish("a")
        assert slow.running() == ["b0", "b1"]  # Three are in flight: the fourth is not begun.
        slow.finish("b")
        assert slow.running() == ["a3", "b1", "b2"]
        for name in "bbaabb":
            slow.finish(name)
        assert all(future.done() for future in futures)


def test_a_failure_of_one_part_ends_the_request_and_not_the_others():
    """Parts of a failed request that are on their way are dropped when they come to rest."""
    slow = Slow(2)
    with executor(chain(), "p", "y", slow, micro_batches=2) as devices:
        first = devices.execute_async({"p": drawn(2)})
        second = devices.execute_async({"p": drawn(2)})
        _, _, _, done = slow.tasks.pop(0)
        done(Outcome(error=BackendError("broken")))
        with pytest.raises(BackendError, match="broken"):
            first.result(0)
        while slow.tasks:
            slow.finish(slow.tasks[0][1])
        assert list(second.result(0)) == ["y"]
        assert devices._running == 0


def test_a_request_can_be_cancelled_before_it_begins():
    slow = Slow(2)
    with executor(chain(), "p", "y", slow, in_flight=1) as devices:
        first, second = (devices.execute_async(feed) for feed in numbered(2))
        assert not first.cancel()
        assert second.cancel()
        slow.finish("a")
        slow.finish("b")
        assert first.done()
        assert slow.tasks == []
        with pytest.raises(CancelledError):
            second.result()


def test_what_a_future_calls_may_ask_for_more():
    """Callbacks run when nothing is locked, and never wait for room that they make themselves."""
    slow = Slow(2)
    asked: list[Future] = []
    with executor(chain(), "p", "y", slow, in_flight=1) as devices:
        first = devices.execute_async(numbered(1)[0])
        first.add_done_callback(lambda _: asked.append(devices.execute_async(numbered(1)[0])))
        slow.finish("a")
        slow.finish("b")
        slow.finish("a")
        slow.finish("b")
        assert asked[0].done()


def test_profile_tells_times_and_bytes(processes, tmp_path):
    """Each stage's runs, and what it took and gave."""
    with executor(diamond(), "p", "y", processes) as devices:
        devices.execute({"p": drawn(2)})
        devices.reset_profile()
        for _ in range(3):
            devices.execute({"p": drawn(2)})
        found = {p.stage: p for p in devices.profile()}
        assert [found[name].runs for name in ("first", "left", "right", "last")] == [3] * 4
        assert (found["right"].bytes_in, found["right"].bytes_out) == (64, 32)
        assert found["last"].device == "cpu:3"
        assert 0 < found["first"].least_us <= found["first"].compute_us
        devices.write_profile(tmp_path / "profile.json")
        assert '"thread_name"' in (tmp_path / "profile.json").read_text()

"""Gives orders to workers, watches them, and adds up what they answer."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mutants import formats

from campaign.worker import Finding, Order

FUZZ = Path(__file__).resolve().parents[1]
FOLDERS = (FUZZ, FUZZ.parent / "frontends" / "torch", FUZZ.parents[1])
BATCH = 250
SILENCE = 120
"""Seconds on the wall without a step after which a worker is taken for hung: in native code, where
its own alarm is not heard."""


@dataclass
class Sums:
    """What a campaign came to, by format."""

    ends: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])
    runs: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])
    seconds: Counter[str] = field(default_factory=Counter[str])
    findings: list[Finding] = field(default_factory=list[Finding])
    peak: int = 0
    slowest: float = 0

    @property
    def mutants(self) -> int:
        """How many were tried."""
        return sum(counter.total() for counter in self.ends.values())

    @property
    def ran(self) -> int:
        """How many were compiled and run at both levels."""
        return sum(c.total() - c["skipped"] for c in self.runs.values())

    @property
    def total_seconds(self) -> float:
        """CPU that workers took, seeds and starting apart."""
        return sum(self.seconds.values())

    def add(self, name: str, answer: dict[str, Any]) -> None:
        """Add an answer of a worker."""
        self.ends.setdefault(name, Counter()).update(answer["ends"])
        self.runs.setdefault(name, Counter()).update(answer["runs"])
        self.seconds[name] += answer["seconds"]
        self.findings += [Finding(**row) for row in answer["findings"]]
        self.peak = max(self.peak, answer["peak"])
        self.slowest = max(self.slowest, answer["slowest"])


def shared_out(names: Sequence[str], mutants: int) -> dict[str, int]:
    """How many mutants each format gets."""
    total = sum(formats()[name].share for name in names)
    return {name: -(-mutants * formats()[name].share // total) for name in names}


def orders(names: Sequence[str], mutants: int, seed: int, runs: int) -> Iterator[Order]:
    """Orders for all mutants, the formats by turns; of each batch some accepted ones are run."""
    left = shared_out(names, mutants)
    first = dict.fromkeys(names, 0)
    with_graphs = sum(n for name, n in left.items() if name in RUNNABLE)
    while any(left.values()):
        for name in names:
            count = min(BATCH, left[name])
            if count == 0:
                continue
            quota = -(-runs * count // with_graphs) if name in RUNNABLE else 0
            yield Order(name, seed, first[name], count, quota)
            first[name] += count
            left[name] -= count


RUNNABLE = ("onnx", "ir", "torchscript", "pt2", "zip", "pfm")


def _environment() -> dict[str, str]:
    path = os.pathsep.join([*map(str, FOLDERS), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"}


class _Process:
    """A worker, and what it is busy with."""

    def __init__(self, seeds: Path, folder: Path, number: int, keep: str):
        self._progress = folder / f"progress-{number}"
        self._progress.write_bytes(bytes(8))
        # A group of its own: an interrupt is for who gives orders.
        self.process = subprocess.Popen(
            [sys.executable, "-m", "campaign.worker", str(seeds), str(self._progress), keep],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=_environment(),
            process_group=0,
        )  # fmt: skip
        self.order: Order | None = None
        self._seen, self._since = -1, time.monotonic()

    def give(self, order: Order) -> None:
        """Begin an order."""
        self.order, self._seen, self._since = order, -1, time.monotonic()
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(asdict(order)) + "\n")
        self.process.stdin.flush()

    def at(self) -> int:
        """The number of the mutant that it is at."""
        return int.from_bytes(self._progress.read_bytes(), "little")

    def is_silent(self) -> bool:
        """Whether it has been at one mutant for far too long."""
        if (at := self.at()) != self._seen:
            self._seen, self._since = at, time.monotonic()
        return time.monotonic() - self._since > SILENCE

    def end(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


def run(
    work: Iterator[Order],
    jobs: int,
    names: Sequence[str],
    keep: Path | None = None,
    seeds: Path | None = None,
    is_over: Callable[[], bool] = lambda: False,
    told: Callable[[Sums], None] = lambda sums: None,
) -> Sums:
    """Have orders carried out. `seeds` is a folder with the seeds, or where they are to be kept;
    when it `is_over` no more orders are given.
    """
    sums = Sums()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seeds = seeds or folder / "seeds"
        missing = [name for name in names if not (seeds / name).is_dir()]
        if missing:
            command = [sys.executable, "-W", "ignore", "-m", "campaign.seeds", str(seeds), *missing]
            subprocess.run(command, check=True, env=_environment())
        again: deque[Order] = deque()
        workers = {n: _Process(seeds, folder, n, str(keep or "-")) for n in range(jobs)}
        try:
            while True:
                for worker in workers.values():
                    if worker.order is None:
                        order = again.popleft() if again else None
                        if order is None and not is_over():
                            order = next(work, None)
                        if order is not None:
                            worker.give(order)
                busy = {w.process.stdout: n for n, w in workers.items() if w.order is not None}
                if not busy:
                    return sums
                for stream in select.select(list(busy), [], [], 1)[0]:
                    number = busy[stream]
                    worker, order = workers[number], workers[number].order
                    assert order is not None
                    if line := stream.readline():
                        sums.add(order.format, json.loads(line))
                        worker.order = None
                        told(sums)
                        continue
                    status = worker.process.wait()
                    if status > 0:
                        raise RuntimeError(
                            f"a worker ended with {status}: the campaign is at fault"
                        )
                    why = signal.Signals(-status).name
                    _bury(worker, order, why, sums, again)
                    workers[number] = _Process(seeds, folder, number, str(keep or "-"))
                for number, worker in workers.items():
                    if worker.order is not None and worker.is_silent():
                        _bury(worker, worker.order, f"nothing for {SILENCE} s", sums, again)
                        workers[number] = _Process(seeds, folder, number, str(keep or "-"))
        finally:
            for worker in workers.values():
                worker.end()


def _bury(worker: _Process, order: Order, why: str, sums: Sums, again: deque[Order]) -> None:
    """Report the mutant that a worker died of; what it had not told is done again without it."""
    at = max(worker.at(), order.first)
    worker.end()
    sums.findings.append(Finding(order.format, order.seed, at, f"the process died: {why}"))
    sums.ends.setdefault(order.format, Counter())["!died"] += 1
    before, behind = at - order.first, order.first + order.count - at - 1
    if before:
        again.append(Order(order.format, order.seed, order.first, before, order.runs))
    if behind:
        again.append(Order(order.format, order.seed, at + 1, behind, order.runs))

"""A process that tries mutants: `python -m campaign.worker SEEDS PROGRESS KEEP`, orders on stdin.

An order is a line of JSON (an `Order`), the answer to it another (a `Tally`). The number of the
mutant that is being tried stands in the file PROGRESS, for whoever finds this process dead.
"""

from __future__ import annotations

import gc
import json
import mmap
import random
import resource
import signal
import sys
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

from mutants import Format, formats

from campaign import seeds
from campaign.running import Skipped, agree
from pyflame_rt.errors import PyFlameRTError

SECONDS = 10
"""Of CPU that one mutant may take to be read, and once more to be run: on a machine with other work
a clock on the wall would count that."""
MESSAGE = 2048
RESIDENT = 1 << 30
ADDRESSES = 6 << 30


@dataclass(frozen=True)
class Order:
    """Mutants of a format by number; the first `runs` that are accepted are also run."""

    format: str
    seed: int
    first: int
    count: int
    runs: int = 0


@dataclass(frozen=True)
class Finding:
    """A mutant that ended as none may."""

    format: str
    seed: int
    index: int
    what: str


@dataclass
class Tally:
    """How the mutants of an order ended, and the most memory that the process had so far."""

    ends: Counter[str] = field(default_factory=Counter[str])
    runs: Counter[str] = field(default_factory=Counter[str])
    findings: list[Finding] = field(default_factory=list[Finding])
    peak: int = 0
    seconds: float = 0
    slowest: float = 0


class TooSlow(BaseException):
    """The time of a mutant is over. No Exception: nothing may take it for its own."""


def _too_slow(_: int, frame: FrameType | None) -> None:
    raise TooSlow(f"{SECONDS} s of CPU, in {_stack(traceback.extract_stack(frame))}")


def _stack(frames: traceback.StackSummary) -> str:
    return " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in list(frames)[:-6:-1])


@cache
def _seeds(folder: Path, name: str) -> list[bytes]:
    return seeds.read(folder, name)


def outcome(kind: Format, data: bytes) -> tuple[str, Any]:
    """How reading ends: ("read", the module or None), or (class of our error, None).

    Raises whatever is no error of ours, and AssertionError for one that says too much.
    """
    try:
        return "read", kind.read(data)
    except PyFlameRTError as error:
        text = str(error)
        assert len(text) < MESSAGE and "\n" not in text, f"{len(text)} characters: {text[:300]}"
        return next(c.__name__ for c in type(error).__mro__ if not c.__name__.startswith("_")), None


class Worker:
    """Carries out orders."""

    def __init__(self, folder: Path, progress: mmap.mmap, keep: Path | None):
        self._folder, self._progress, self._keep = folder, progress, keep

    def tally(self, order: Order) -> Tally:
        """Try the mutants of an order."""
        kind, found = formats()[order.format], Tally()
        began = _cpu()
        for index in range(order.first, order.first + order.count):
            self._progress[:8] = index.to_bytes(8, "little")
            data = kind.mutant(_seeds(self._folder, order.format), order.seed, index)
            before, started = _peak(), _cpu()
            module = self._guarded(
                found.ends, order, index, data, found, lambda d=data: outcome(kind, d)
            )
            if module is not None and found.runs.total() < order.runs:
                draw = random.Random(index)
                self._guarded(
                    found.runs, order, index, data, found, lambda m=module, d=draw: _ran(m, d)
                )
            found.slowest = max(found.slowest, _cpu() - started)
            if _peak() > RESIDENT > before:
                self._report(found, order, index, data, f"{_peak() >> 20} MiB of memory")
        found.peak, found.seconds = _peak(), _cpu() - began
        return found

    def _guarded(
        self, counter: Counter[str], order: Order, index: int, data: bytes, found: Tally, run: Any
    ) -> Any:
        """Run something with a time limit and count how it ends; the second of what it returns."""
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            end, value = run()
        except (Exception, TooSlow) as error:
            end, value = f"!{type(error).__name__}", None
            where = (
                ""
                if isinstance(error, TooSlow)
                else _stack(traceback.extract_tb(error.__traceback__))
            )
            self._report(
                found, order, index, data, f"{type(error).__name__}: {str(error)[:700]} [{where}]"
            )
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        counter[end] += 1
        return value

    def _report(self, found: Tally, order: Order, index: int, data: bytes, what: str) -> None:
        found.findings.append(Finding(order.format, order.seed, index, what))
        if self._keep is not None:
            (self._keep / f"{order.format}-{order.seed}-{index}").write_bytes(data)


def _ran(module: Any, draw: random.Random) -> tuple[str, None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return agree(module, draw), None
        except Skipped:
            return "skipped", None


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak() -> int:
    """The most memory that this process has had. `ru_maxrss` would begin with what its parent had."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM:"))


def main() -> None:
    """Carry out orders until there are no more."""
    folder, progress, keep = map(Path, sys.argv[1:4])
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPROF, _too_slow)
    with progress.open("r+b") as file, mmap.mmap(file.fileno(), 8) as shared:
        worker = Worker(folder, shared, keep if keep.is_dir() else None)
        for line in sys.stdin:
            tally = worker.tally(Order(**json.loads(line)))
            sys.stdout.write(json.dumps(vars(tally), default=vars) + "\n")
            sys.stdout.flush()
            gc.collect()


if __name__ == "__main__":
    main()

"""What sending a value takes: measured by sending some there and back."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from pyflame_rt.partition.transports import open_transport
from pyflame_rt.partition.transports.base import Outcome, StageProgram, Transport

_SIZES = (4 << 10, 256 << 10, 1 << 20, 4 << 20)
_KEY = "echo"
_ECHO = """\
func.func @main(%x: tensor<?xui8> {pfrt.name = "x"}) -> (tensor<?xui8> {pfrt.name = "y"}) {
  %y = pfrt.identity %x : tensor<?xui8> -> tensor<?xui8>
  func.return %y : tensor<?xui8>
}
"""


@dataclass(frozen=True)
class Sending:
    """Times of sending, in microseconds, by bytes: half of what there and back takes, with the
    waking of who waits. A value that comes back has been copied by its worker, too."""

    times: dict[int, float]

    @property
    def alpha_us(self) -> float:
        """What sending takes that does not depend on the size."""
        return max(0.0, min(self.times.values()))

    @property
    def beta_us(self) -> float:
        """Microseconds that each byte takes."""
        sizes = sorted(self.times)
        slope = (self.times[sizes[-1]] - self.times[sizes[0]]) / (sizes[-1] - sizes[0])
        return max(0.0, slope)


def measure(transport: str | Transport, sizes: Sequence[int] = _SIZES, rounds: int = 15) -> Sending:
    """Time sending values of some sizes to a worker and back: medians of interleaved rounds."""
    if isinstance(transport, str):
        with open_transport(transport, 1) as opened:
            return measure(opened, sizes, rounds)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "echo.mlir"
        path.write_text(_ECHO, encoding="utf-8")
        if transport.name == "ray":
            path = _as_pfm(path)
        transport.load(0, f"{os.getpid()}:{_KEY}", StageProgram(_KEY, "cpu", str(path), None, 1))
        values = {size: np.zeros(size, np.uint8) for size in sizes}
        times: dict[int, list[float]] = {size: [] for size in sizes}
        for index in range(rounds + 2):
            for size, value in values.items():
                took = _there_and_back(transport, value)
                if index > 1:
                    times[size].append(took / 2)
        transport.unload(0, f"{os.getpid()}:{_KEY}")
    return Sending({size: median(found) for size, found in times.items()})


def _there_and_back(
    transport: Transport, value: np.ndarray[tuple[int], np.dtype[np.uint8]]
) -> float:
    done = threading.Event()
    outcomes: list[Outcome] = []

    def finish(outcome: Outcome) -> None:
        outcomes.append(outcome)
        done.set()

    began = time.perf_counter_ns()
    sent = transport.put(value)
    transport.submit(0, f"{os.getpid()}:{_KEY}", [sent], finish)
    done.wait()
    (outcome,) = outcomes
    if outcome.error is not None:
        raise outcome.error
    transport.get(outcome.outputs[0])
    took = (time.perf_counter_ns() - began) / 1e3
    transport.free(sent)
    transport.free(outcome.outputs[0])
    return took


def _as_pfm(path: Path) -> Path:
    from pyflame_rt import compiler, module_files

    target = path.with_suffix(".pfm")
    module_files.save(compiler.load(str(path)).module, target)
    return target

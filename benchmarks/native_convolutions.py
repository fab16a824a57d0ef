"""Ways to compute a convolution with windows of 3 x 3, beside each other.

    python benchmarks/native_convolutions.py [--cpu avx512 …] [--batch 1] [--rounds 15]

Of ResNet-50's layers: microseconds of machine code by windows, by tiles of 2 x 2 and 4 x 4 results (and
of these how much goes into transforms), and of Winograd's algorithm on NumPy; medians over rounds in
which all take turns, by processor time of one thread. Then the largest error over the largest result,
and what `convert-plan-to-native` would choose. Runs without OPENBLAS_CORETYPE, which would halve NumPy's
speed, and with one thread of BLAS.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from interleaving import interleaved

LAYERS = ((56, 64), (28, 128), (14, 256), (7, 512))
"""Rows and columns, channels."""

_PINNED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
_SAMPLE = 4e-3


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cpu", nargs="+", help="kinds of code; all that run here by default")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    if any(name in os.environ for name in _PINNED) or "OPENBLAS_NUM_THREADS" not in os.environ:
        environment = {k: v for k, v in os.environ.items() if k not in _PINNED}
        environment["OPENBLAS_NUM_THREADS"] = "1"
        os.execve(sys.executable, [sys.executable, *sys.argv], environment)
    from pyflame_rt.backends.native.processors import supported

    for cpu in args.cpu or supported():
        for size, channels in LAYERS:
            print(_row(cpu, args.batch, size, channels, args.rounds), flush=True)


def _row(cpu: str, batch: int, size: int, channels: int, rounds: int) -> str:
    import numpy as np

    from pyflame_rt.backends.numpy_backend.algorithms import convolution_winograd
    from pyflame_rt.backends.numpy_backend.compiled.convolution import prepare
    from pyflame_rt.backends.numpy_backend.compiled.steps import NativeStep
    from pyflame_rt.dialects.plan.convolution_schedules import ConvolutionSchedule, Windows
    from pyflame_rt.dialects.plan.schedules import SCHEDULES

    x, w, y, call = _call(batch, size, channels)
    exact, schedule = _exact(x, w), asdict(SCHEDULES[cpu])
    numpy = next(i for i in convolution_winograd.IMPLEMENTATIONS).prepare(call)
    assert numpy is not None
    runs: dict[str, Callable[[], object]] = {"NumPy": numpy}
    errors: list[str] = []
    for tile in (1, 2, 4):
        step = prepare(ConvolutionSchedule(**schedule, output_tile=tile), call)
        assert isinstance(step, NativeStep)
        step()
        errors.append(f"{np.abs(y - exact).max() / np.abs(exact).max():.0e}")
        runs["windows" if tile == 1 else f"{tile} x {tile}"] = step
        if tile > 1:
            runs[f"{tile} x {tile} transforms"] = _without_products(step)
    samples = interleaved(runs, rounds, _SAMPLE)
    times = {name: statistics.median(some) for name, some in samples.items()}
    chosen = Windows((size, size), batch, channels, channels).schedule(SCHEDULES[cpu])
    texts = (f"{name} {seconds * 1e6:.0f}" for name, seconds in times.items())
    return (
        f"{cpu} {batch}x{size}x{size}x{channels}: {', '.join(texts)} us; errors {', '.join(errors)}; "
        f"chosen {chosen.output_tile}"
    )


def _without_products(step: Any) -> Any:
    from pyflame_rt.backends.native.steps import Step
    from pyflame_rt.backends.numpy_backend.compiled.steps import NativeStep

    calls = (call for part in step.steps for call in part.calls)
    some = tuple(call for call in calls if call.kernel.kernel.entry != "gemm")
    return NativeStep(step.cpu, (Step((some,)),), step.operands, [])


def _call(batch: int, size: int, channels: int) -> tuple[Any, Any, Any, Any]:
    """x, which is not negative, w, y, and the call on these."""
    import numpy as np

    from pyflame_rt.backends.numpy_backend.calls import BoundCall, Rooms
    from pyflame_rt.backends.numpy_backend.program import Constant, Invoke, Slot
    from pyflame_rt.backends.runtime import ArrayType

    generator = np.random.default_rng(0)
    x = np.maximum(generator.standard_normal((batch, size, size, channels), np.float32), 0)
    w = generator.standard_normal((channels, channels, 3, 3), np.float32)
    y = np.empty_like(x)
    kinds = [ArrayType(a.dtype, a.shape) for a in (x, w, y)]
    ones, pads = (1, 1), (1, 1, 1, 1)
    params = {"layout": "nhwc", "strides": ones, "pads": pads, "dilations": ones, "group": 1}
    refs = (Slot(0, kinds[0]), Constant(w))
    invoke = Invoke("conv_winograd_nhwc", refs, (Slot(1, kinds[2]),), (), (), params, "benchmark")
    call = BoundCall(invoke, tuple(kinds[:2]), (kinds[2],), (), Rooms(), (x, w), (y,), ())
    return x, w, y, call


def _exact(x: Any, w: Any) -> Any:
    import numpy as np

    height, width = x.shape[1:3]
    padded = np.pad(x.astype(np.float64), ((0, 0), (1, 1), (1, 1), (0, 0)))
    taps = ((i, j) for i in range(3) for j in range(3))
    return sum(padded[:, i : i + height, j : j + width] @ w[:, :, i, j].T for i, j in taps)


if __name__ == "__main__":
    main()

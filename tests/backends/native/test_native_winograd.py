"""Convolutions by tiles of Winograd's algorithm, against NumPy by windows."""

from __future__ import annotations

import re

import numpy as np
import pytest

pytest.importorskip("llvmlite", reason="machine code needs llvmlite")

from dataclasses import asdict, replace

from pyflame_rt import pipelines
from pyflame_rt.backends.base import Executable, Threads
from pyflame_rt.backends.native import processors
from pyflame_rt.backends.native.floats.winograd_matrices import weights_matrix
from pyflame_rt.backends.numpy_backend import NumpyBackend
from pyflame_rt.backends.numpy_backend.compiled import winograd
from pyflame_rt.backends.numpy_backend.compiled.steps import NativeStep
from pyflame_rt.dialects.plan.convolution_schedules import ConvolutionSchedule
from pyflame_rt.dialects.plan.ops import CallOp
from pyflame_rt.dialects.plan.schedules import SCHEDULE, SCHEDULES
from pyflame_rt.module_files import parse
from pyflame_rt.universe import make_context

KINDS = processors.supported()

TEXT = """
func.func @main(%x: tensor<{n}x{h}x{v}x{c}xf32>, %r: tensor<{n}x{p}x{q}x{m}xf32>)
    -> tensor<{n}x{p}x{q}x{m}xf32> {{
  %w = pfrt.constant {w}
  %b = pfrt.constant {b}
  %y = pfrt.conv %x, %w, %b plus %r {{layout = "nhwc", {more}
    pads = array<i64: {pads}>, plan.algorithm = "conv_im2col_nhwc"}}
    : (tensor<{n}x{h}x{v}x{c}xf32>, tensor<{m}x{c}x3x3xf32>, tensor<{m}xf32>)
    plus tensor<{n}x{p}x{q}x{m}xf32> -> tensor<{n}x{p}x{q}x{m}xf32>
  func.return %y : tensor<{n}x{p}x{q}x{m}xf32>
}}
"""


def dense(seed: int, *shape: int) -> str:
    values = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    data = re.sub(r"\s+", " ", np.array2string(values, separator=", ", threshold=10**6))
    return f"dense<{data}> : tensor<{'x'.join(map(str, shape))}xf32>"


def drawn(*shape: int, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def convolution(
    n: int, h: int, v: int, c: int, m: int, pads: tuple[int, ...], more: str = ""
) -> tuple[str, list[np.ndarray]]:
    """The text of a convolution, and its operands."""
    p, q = h + pads[0] + pads[2] - 2, v + pads[1] + pads[3] - 2
    text = TEXT.format(
        n=n, h=h, v=v, c=c, m=m, p=p, q=q, more=more, pads=", ".join(map(str, pads)),
        w=dense(1, m, c, 3, 3), b=dense(2, m),
    )  # fmt: skip
    return text, [drawn(n, h, v, c), drawn(n, p, q, m, seed=6)]


def planned(text: str, kind: str, tile: int, threads: int) -> Executable:
    """The plan whose convolutions go by tiles of such a size; without a kind, by NumPy's windows."""
    ctx = make_context()
    module = parse(text, ctx, "test")
    pipelines.run(ctx, module, pipelines.parse("convert-pfrt-to-plan"))
    for call in module.walk():
        if kind and isinstance(call, CallOp) and call.algorithm.startswith("conv"):
            schedule = replace(SCHEDULES[kind], shares=threads)
            found = ConvolutionSchedule(**asdict(schedule), output_tile=tile)
            call.attributes[SCHEDULE] = found.to_attribute()
    pipelines.run(ctx, module, pipelines.parse("plan-allocate"))
    return NumpyBackend().with_threads(Threads(threads)).compile(module)


def check(text: str, inputs: list[np.ndarray], tile: int, kinds: tuple[str, ...] = KINDS) -> None:
    """Machine code computes what NumPy computes: within 1e-5 of the largest element."""
    (expected,) = planned(text, "", 1, 1).run(inputs)
    for kind in kinds:
        for threads in (1, 3):
            plan = planned(text, kind, tile, threads)
            steps = plan._free[0][0]._steps.calls
            entries = [s.calls[0].kernel.kernel.entry for c in steps if isinstance(c, NativeStep)
                       for s in c.steps]  # fmt: skip
            assert "to_tiles" in entries
            (found,) = plan.run(inputs)
            (again,) = plan.run(inputs)
            assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
            np.testing.assert_array_equal(found, again)


@pytest.mark.parametrize("tile", [2, 4])
def test_odd_sizes(tile: int) -> None:
    """Tiles over borders of images of any padding, channels that fill no vector, several images."""
    more = 'activation = #pfrt.activation<"relu">,'
    check(*convolution(2, 7, 9, 21, 35, (1, 0, 0, 2), more), tile)


@pytest.mark.parametrize("tile", [2, 4])
def test_blocks(tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles that are more than a block, in each of several shares."""
    monkeypatch.setattr(winograd, "_CACHED", 1)
    monkeypatch.setattr(winograd, "_REREAD", 1 << 30)
    check(*convolution(2, 13, 27, 16, 16, (1, 1, 1, 1)), tile, KINDS[:1])


def test_long_activation() -> None:
    """A function whose code is long is applied to what has been put down."""
    more = 'activation = #pfrt.activation<"swish", {alpha = 1.0 : f32}>,'
    check(*convolution(1, 5, 6, 16, 20, (1, 1, 1, 1), more), 4, KINDS[:1])


def test_deep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Channels that are multiplied in parts."""
    schedules = {kind: replace(schedule, depth=8) for kind, schedule in SCHEDULES.items()}
    monkeypatch.setattr(f"{__name__}.SCHEDULES", schedules)
    check(*convolution(1, 4, 5, 20, 16, (1, 1, 1, 1)), 4, KINDS[:1])


@pytest.mark.parametrize("tile", [2, 4])
def test_packed_weights(tile: int) -> None:
    """Weights are G g G^T by places, in panels that are filled up with zeros."""
    w, matrix = drawn(5, 3, 3, 3), weights_matrix(tile)
    packed = winograd.pack(tile, 4, w)
    exact = np.einsum("ai,mcij,bj->abcm", matrix, w.astype(np.float64), matrix)
    exact = exact.reshape(-1, 3, 5)
    np.testing.assert_allclose(packed[:, 0], exact[:, :, :4], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(packed[:, 1, :, :1], exact[:, :, 4:], rtol=1e-5, atol=1e-6)
    assert not packed[:, 1, :, 1:].any()

"""Convolutions of groups, with gaps, along one axis, and pools of whole images, against NumPy."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite", reason="machine code needs llvmlite")

from pyflame_rt import pipelines
from pyflame_rt.backends.base import Executable, Threads
from pyflame_rt.backends.native import processors
from pyflame_rt.backends.numpy_backend import NumpyBackend
from pyflame_rt.backends.numpy_backend.compiled import convolution
from pyflame_rt.backends.numpy_backend.compiled.groups import phases
from pyflame_rt.backends.numpy_backend.compiled.steps import NativeStep
from pyflame_rt.dialects.plan.ops import CallOp
from pyflame_rt.kernels.windows import WindowAxis
from pyflame_rt.module_files import parse
from pyflame_rt.universe import make_context

KINDS = processors.supported()

CONV = """
func.func @main(%x: tensor<{x}xf32>, %r: tensor<{y}xf32>) -> tensor<{y}xf32> {{
  %w = pfrt.constant {w}
  %b = pfrt.constant {b}
  %y = pfrt.conv %x, %w, %b plus %r {{layout = "nhwc", group = {g} : i64,
    strides = array<i64: {s}>, dilations = array<i64: {d}>, pads = array<i64: {p}>,
    activation = #pfrt.activation<"relu">}}
    : (tensor<{x}xf32>, tensor<{k}xf32>, tensor<{m}xf32>) plus tensor<{y}xf32> -> tensor<{y}xf32>
  func.return %y : tensor<{y}xf32>
}}
"""


def dense(seed: int, *shape: int) -> str:
    values = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    data = re.sub(r"\s+", " ", np.array2string(values, separator=", ", threshold=10**6))
    return f"dense<{data}> : tensor<{'x'.join(map(str, shape))}xf32>"


def drawn(*shape: int, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def compiled(text: str, kind: str, threads: int = 1) -> tuple[Executable, int]:
    """The plan of a module, and how many calls it has; without a kind, that of NumPy alone."""
    ctx = make_context()
    module = parse(text, ctx, "test")
    native = f"convert-plan-to-native{{cpu={kind} threads={threads}}}," if kind else ""
    passes = f"convert-pfrt-to-plan,{native}plan-split{{threads={threads}}},plan-allocate"
    pipelines.run(ctx, module, pipelines.parse(passes))
    calls = sum(isinstance(op, CallOp) for op in module.walk())
    return NumpyBackend().with_threads(Threads(threads)).compile(module), calls


def check(text: str, inputs: list[np.ndarray], kinds: tuple[str, ...] = KINDS) -> None:
    """Code computes what NumPy computes, whatever number of threads, and all of the calls."""
    (expected,) = compiled(text, "")[0].run(inputs)
    for kind in kinds:
        for threads in (1, 2):
            plan, calls = compiled(text, kind, threads)
            steps = plan._free[0][0]._steps.calls
            assert sum(isinstance(step, NativeStep) for step in steps) == calls
            (found,) = plan.run(inputs)
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


CASES: dict[str, dict[str, Any]] = {
    "gaps": {"x": (2, 9, 8, 5), "w": (18, 5, 3, 3), "d": (2, 2), "p": (2, 2, 2, 2)},
    "gaps_and_strides": {"x": (1, 9, 23, 3), "w": (4, 3, 2, 3), "s": (2, 6), "d": (1, 4), "p": (1, 0, 0, 5)},
    "groups": {"x": (2, 6, 5, 12), "w": (72, 4, 3, 3), "g": 3, "p": (1, 1, 1, 1)},
    "small_groups": {"x": (1, 6, 5, 24), "w": (48, 2, 3, 2), "g": 12, "s": (2, 1), "p": (0, 1, 1, 0)},
    "multiplied": {"x": (1, 5, 6, 7), "w": (28, 1, 3, 3), "g": 7, "d": (1, 2), "p": (0, 2, 0, 2)},
    "large_windows_of_channels": {"x": (1, 9, 8, 6), "w": (24, 1, 8, 3), "g": 6, "p": (4, 1, 4, 1)},
    "one_axis": {"x": (2, 17, 4), "w": (10, 4, 5), "s": (2,), "p": (2, 1)},
    "groups_of_one_axis": {"x": (1, 17, 4), "w": (8, 2, 3), "g": 2, "d": (3,), "p": (3, 3)},
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_convolution(name: str) -> None:
    """Each form that is no dense convolution on two axes; the whole range of code for one of them."""
    case = CASES[name]
    x, w, axes = case["x"], case["w"], len(case["w"]) - 2
    s, d, p = case.get("s", (1,) * axes), case.get("d", (1,) * axes), case["p"]
    sizes = (
        (n + p[i] + p[i + axes] - (k - 1) * d[i] - 1) // s[i] + 1
        for i, (n, k) in enumerate(zip(x[1:-1], w[2:], strict=True))
    )
    y = (x[0], *sizes, w[0])
    as_text = {key: "x".join(map(str, value)) for key, value in (("x", x), ("y", y), ("k", w))}
    numbers = {key: ", ".join(map(str, v)) for key, v in (("s", s), ("d", d), ("p", p))}
    text = CONV.format(
        **as_text, **numbers, w=dense(1, *w), b=dense(2, w[0]), m=w[0], g=case.get("g", 1)
    )
    kinds = KINDS if name in ("gaps", "small_groups") else KINDS[:1]
    check(text, [drawn(*x), drawn(*y, seed=6)], kinds)


def test_borders_by_several(monkeypatch: pytest.MonkeyPatch) -> None:
    """Zeros around an image and what is inside are written by several threads, each some rows."""
    monkeypatch.setattr(convolution, "_WORTH_SHARING", 0)
    text = CONV.format(
        x="2x7x6x5", y="2x6x4x3", k="3x5x4x3", w=dense(1, 3, 5, 4, 3), b=dense(2, 3), m=3, g=1,
        s="2, 2", d="1, 1", p="5, 1, 2, 3",
    )  # fmt: skip
    check(text, [drawn(2, 7, 6, 5), drawn(2, 6, 4, 3, seed=6)], KINDS[:1])


POOL = """
func.func @main(%x: tensor<{x}xf32>) -> tensor<{y}xf32> {{
  %y = pfrt.{op} %x {{layout = "nhwc"{more}}} : tensor<{x}xf32> -> tensor<{y}xf32>
  func.return %y : tensor<{y}xf32>
}}
"""


@pytest.mark.parametrize("op", ["global_average_pool", "global_max_pool"])
def test_pools_of_images(op: str) -> None:
    """Channels that fill several registers, one, and none; images of one axis and of two."""
    check(POOL.format(op=op, x="2x5x7x85", y="2x1x1x85", more=""), [drawn(2, 5, 7, 85) - 4])
    check(POOL.format(op=op, x="1x9x3", y="1x1x3", more=""), [drawn(1, 9, 3)], KINDS[:1])


@pytest.mark.parametrize("op", ["average_pool", "max_pool"])
def test_pools_of_other_windows(op: str) -> None:
    """One window of a whole image, however large, and windows along one axis."""
    whole = POOL.format(op=op, x="1x9x8x20", y="1x1x1x20", more=", kernel_shape = array<i64: 9, 8>")
    check(whole, [drawn(1, 9, 8, 20)], KINDS[:1])
    more = ", kernel_shape = array<i64: 3>, strides = array<i64: 2>, pads = array<i64: 1, 1>"
    check(POOL.format(op=op, x="2x9x20", y="2x5x20", more=more), [drawn(2, 9, 20)], KINDS[:1])


def test_averages_with_padding() -> None:
    """What hangs over the padding is no part of a mean, padding is."""
    more = """, kernel_shape = array<i64: 3, 3>, strides = array<i64: 2, 2>, ceil_mode = true,
        pads = array<i64: 1, 0, 0, 1>, count_include_pad = true"""
    text = POOL.format(op="average_pool", x="2x7x9x20", y="2x4x5x20", more=more)
    check(text, [drawn(2, 7, 9, 20) + 1], KINDS[:1])


def test_phases() -> None:
    """Every window belongs to one phase, and meets the columns that the phase says."""
    for stride, dilation, kernel in ((1, 2, 3), (6, 4, 3), (2, 3, 2), (3, 3, 2), (4, 1, 1)):
        axis, seen = WindowAxis(kernel, stride, dilation), set[int]()
        for phase in phases(axis, 11):
            for index in range(phase.count):
                window = phase.first + index * phase.apart
                seen.add(window)
                met = phase.phase + dilation * (phase.start + index * phase.stride)
                assert met == window * stride
        assert seen == set(range(11))


@pytest.mark.parametrize("features", [1, 2, 4])
def test_infinities_stay_in_their_group(features: int) -> None:
    """What is no number in one group is none of another's results, however few features they have."""
    m = 4 * features
    text = CONV.format(
        x="2x4x4x4", y=f"2x4x4x{m}", k=f"{m}x1x1x1", w=dense(1, m, 1, 1, 1), b=dense(2, m), m=m, g=4,
        s="1, 1", d="1, 1", p="0, 0, 0, 0",
    )  # fmt: skip
    x, r = drawn(2, 4, 4, 4), drawn(2, 4, 4, m, seed=6)
    x[..., 1] = np.inf
    for kind in ("", *KINDS):
        (found,) = compiled(text, kind)[0].run([x, r])
        others = np.delete(found.reshape(-1, 4, features), 1, axis=1)
        assert np.isfinite(others).all()

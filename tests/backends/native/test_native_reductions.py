"""Reductions by machine code against f64, along every set of axes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

pytest.importorskip("llvmlite", reason="machine code needs llvmlite")

from pyflame_rt import pipelines
from pyflame_rt.backends.base import Threads
from pyflame_rt.backends.native import processors
from pyflame_rt.backends.numpy_backend import NumpyBackend
from pyflame_rt.module_files import parse
from pyflame_rt.universe import make_context

KINDS = processors.supported()

TEXT = """
func.func @main(%x: tensor<{x}xf32>) -> tensor<{y}f32> {{
  %y = pfrt.reduce_{name} %x {{axes = array<i64: {axes}>, keepdims = {keepdims}}}
    : (tensor<{x}xf32>) -> tensor<{y}f32>
  func.return %y : tensor<{y}f32>
}}
"""


def reduced(
    name: str,
    x: np.ndarray,
    axes: tuple[int, ...],
    cpu: str,
    keepdims: bool = False,
    threads: int = 1,
) -> np.ndarray:
    sizes = [1 if a in axes else n for a, n in enumerate(x.shape) if keepdims or a not in axes]
    text = TEXT.format(
        name=name, axes=", ".join(map(str, axes)), keepdims=str(keepdims).lower(),
        x="x".join(map(str, x.shape)), y="".join(f"{n}x" for n in sizes),
    )  # fmt: skip
    ctx = make_context()
    module = parse(text, ctx, "test")
    native = f"convert-plan-to-native{{cpu={cpu} threads={threads}}}," if cpu else ""
    passes = f"convert-pfrt-to-plan,{native}plan-allocate"
    pipelines.run(ctx, module, pipelines.parse(passes))
    executable = NumpyBackend().with_threads(Threads(threads)).compile(module)
    assert bool(executable.kernels) == bool(cpu)
    (y,) = executable.run([x])
    return y


def _log_sum_exp(x: np.ndarray, axis: tuple[int, ...]) -> np.ndarray:
    top = x.max(axis, keepdims=True)
    return np.log(np.exp(x - top).sum(axis)) + top.reshape(x.sum(axis).shape)


EXACT = {
    "l1": lambda x, axis: np.abs(x).sum(axis),
    "l2": lambda x, axis: np.sqrt((x * x).sum(axis)),
    "log_sum": lambda x, axis: np.log(x.sum(axis)),
    "log_sum_exp": _log_sum_exp,
    "max": np.max,
    "mean": np.mean,
    "min": np.min,
    "prod": np.prod,
    "sum": np.sum,
    "sum_square": lambda x, axis: (x * x).sum(axis),
}
SHAPE = (3, 5, 4, 37)
AXES = [axes for n in (1, 2, 3, 4) for axes in itertools.combinations(range(4), n)]
SOME = [(3,), (1,), (0, 2), (1, 3)]


@pytest.mark.parametrize("cpu", KINDS)
@pytest.mark.parametrize("name", EXACT)
def test_sets_of_axes(cpu: str, name: str) -> None:
    """Inner, outer and middle axes, and what lies between them, by one thread and by three."""
    x = np.random.default_rng(3).uniform(0.98, 1.02, SHAPE).astype(np.float32)
    for index, axes in enumerate(AXES if name == "sum" else SOME):
        y = reduced(name, x, axes, cpu, keepdims=index % 2 == 0, threads=1 + 2 * (index % 3 == 0))
        exact = EXACT[name](x.astype(np.float64), axes)
        np.testing.assert_allclose(y.reshape(exact.shape), exact, rtol=3e-6, err_msg=str(axes))


@pytest.mark.parametrize("cpu", KINDS)
@pytest.mark.parametrize("shape", [(1_000_003,), (100_003, 3), (3, 100_003)])
def test_long_sums_are_exact(cpu: str, shape: tuple[int, ...]) -> None:
    """Sums of many elements have errors no larger than NumPy's, whose sums are pairwise at best."""
    x = np.random.default_rng(4).uniform(0, 1, shape).astype(np.float32)
    axes = (int(np.argmax(shape)),)
    exact = x.astype(np.float64).sum(axes)
    error = np.abs(reduced("sum", x, axes, cpu) - exact).max()
    assert error <= max(np.abs(x.sum(axes) - exact).max(), np.spacing(np.float32(exact.max())))
    assert error <= np.spacing(np.float32(exact.max()))


@pytest.mark.parametrize("cpu", KINDS)
@pytest.mark.parametrize("axes", [(0,), (1,)])
def test_infinities_and_nan(cpu: str, axes: tuple[int, ...]) -> None:
    """An infinite element gives an infinite sum, not NaN; NaN is the extreme of what it is in."""
    x = np.ones((70, 70), np.float32)
    x[3, 3], x[5, 5], x[7, 7] = np.inf, -np.inf, np.nan
    x[9, 9], x[9, 11], x[13, 9] = np.inf, -np.inf, -np.inf
    for name, plain in (("sum", np.sum), ("max", np.max), ("min", np.min)):
        with np.errstate(invalid="ignore"):
            expected = plain(x, axes)
        np.testing.assert_allclose(reduced(name, x, axes, cpu), expected, rtol=1e-6)
    huge = np.full((40, 40), 3e38, np.float32)
    assert np.isposinf(reduced("sum", huge, axes, cpu)).all()
    low = np.full((40, 40), -np.inf, np.float32)
    assert np.isneginf(reduced("log_sum_exp", low, axes, cpu)).all()


def test_threads_do_not_change_bits() -> None:
    """Whatever the number of shares, a result is the same sum in the same order."""
    x = np.random.default_rng(5).standard_normal((6, 50, 130)).astype(np.float32)
    for axes in ((0,), (1,), (2,), (0, 1)):
        one, three = (reduced("sum", x, axes, KINDS[0], threads=n) for n in (1, 3))
        np.testing.assert_array_equal(one, three)


POOL = """
func.func @main(%x: tensor<{x}xf32>) -> tensor<{y}xf32> {{
  %y = pfrt.global_{kind}_pool %x : tensor<{x}xf32> -> tensor<{y}xf32>
  func.return %y : tensor<{y}xf32>
}}
"""


@pytest.mark.parametrize("kind", ["average", "max"])
def test_global_pools(kind: str) -> None:
    """A channel's mean or maximum."""
    shape, result = (2, 19, 5, 7), (2, 19, 1, 1)
    text = POOL.format(kind=kind, x="x".join(map(str, shape)), y="x".join(map(str, result)))
    ctx = make_context()
    module = parse(text, ctx, "test")
    passes = f"convert-pfrt-to-plan,convert-plan-to-native{{cpu={KINDS[0]}}},plan-allocate"
    pipelines.run(ctx, module, pipelines.parse(passes))
    executable = NumpyBackend().compile(module)
    assert executable.kernels
    x = np.random.default_rng(6).standard_normal(shape).astype(np.float32)
    expected = (np.mean if kind == "average" else np.max)(x, (2, 3), keepdims=True)
    np.testing.assert_allclose(executable.run([x])[0], expected, rtol=1e-6, atol=1e-7)

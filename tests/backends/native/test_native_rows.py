"""Softmax along any axis and normalizations of groups, by machine code against f64."""

from __future__ import annotations

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


def run(text: str, inputs: list[np.ndarray], cpu: str, threads: int = 1) -> np.ndarray:
    ctx = make_context()
    module = parse(text, ctx, "test")
    native = f"convert-plan-to-native{{cpu={cpu} threads={threads}}}"
    pipelines.run(ctx, module, pipelines.parse(f"convert-pfrt-to-plan,{native},plan-allocate"))
    executable = NumpyBackend().with_threads(Threads(threads)).compile(module)
    assert executable.kernels
    return executable.run(inputs)[0]


SOFTMAX = """
func.func @main(%x: tensor<{s}xf32>) -> tensor<{s}xf32> {{
  %y = pfrt.{name} %x {{axis = {axis} : i64}} : tensor<{s}xf32> -> tensor<{s}xf32>
  func.return %y : tensor<{s}xf32>
}}
"""


@pytest.mark.parametrize("cpu", KINDS)
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_softmax_along_any_axis(cpu: str, name: str, axis: int) -> None:
    """Large differences, sizes that fill no vector, shares by rows and by columns."""
    x = np.random.default_rng(0).standard_normal((2, 7, 70)).astype(np.float32) * 20
    text = SOFTMAX.format(name=name, axis=axis, s="x".join(map(str, x.shape)))
    wide = x.astype(np.float64) - x.max(axis, keepdims=True)
    powers = np.exp(wide)
    total = powers.sum(axis, keepdims=True)
    exact = powers / total if name == "softmax" else wide - np.log(total)
    for threads in (1, 3):
        y = run(text, [x], cpu, threads)
        # A difference of 80 is rounded by 4e-6.
        np.testing.assert_allclose(y, exact, rtol=1e-5, atol=1e-30 if name == "softmax" else 1e-6)


@pytest.mark.parametrize("cpu", KINDS)
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("size", [1, 2, 7])
def test_softmax_of_short_rows(cpu: str, name: str, size: int) -> None:
    """Rows of a few elements, a vector for each: also a rest of rows, and what is infinite."""
    x = np.random.default_rng(0).standard_normal((43, size)).astype(np.float32) * 9
    x[5, 0] = -np.inf if size > 1 else 0.0
    text = SOFTMAX.format(name=name, axis=1, s=f"43x{size}")
    wide = x.astype(np.float64) - x.max(1, keepdims=True)
    powers = np.exp(wide)
    total = powers.sum(1, keepdims=True)
    exact = powers / total if name == "softmax" else wide - np.log(total)
    for threads in (1, 2):
        y = run(text, [x], cpu, threads)
        np.testing.assert_allclose(y, exact, rtol=1e-5, atol=1e-30 if name == "softmax" else 1e-6)


LRN = """
func.func @main(%x: tensor<{s}xf32>) -> tensor<{s}xf32> {{
  %y = pfrt.lrn %x {{size = {size} : i64, alpha = 0.5 : f32, beta = {beta} : f32, bias = 2.0 : f32}}
    : tensor<{s}xf32> -> tensor<{s}xf32>
  func.return %y : tensor<{s}xf32>
}}
"""


@pytest.mark.parametrize("cpu", KINDS)
@pytest.mark.parametrize(("size", "beta"), [(1, 1.0), (3, 0.5), (4, 0.75), (99, 0.75)])
def test_lrn(cpu: str, size: int, beta: float) -> None:
    """Windows of channels, cut at both ends; of an even size the larger half comes after."""
    x = np.random.default_rng(2).standard_normal((3, 7, 5, 9)).astype(np.float32)
    wide = x.astype(np.float64)
    sums = [
        (wide[:, max(0, c - (size - 1) // 2) : c + size // 2 + 1] ** 2).sum(1) for c in range(7)
    ]
    exact = wide / (2.0 + 0.5 / size * np.stack(sums, 1)) ** beta
    text = LRN.format(s="3x7x5x9", size=size, beta=beta)
    for threads in (1, 2):
        np.testing.assert_allclose(run(text, [x], cpu, threads), exact, rtol=1e-6)


NORM = """
func.func @main(%x: tensor<{s}xf32>, %a: tensor<6xf32>, %b: tensor<6xf32>) -> tensor<{s}xf32> {{
  %y = pfrt.{name} %x, %a, %b {{{groups}epsilon = 1.0e-3 : f32}}
    : ({kinds}) -> tensor<{s}xf32>
  func.return %y : tensor<{s}xf32>
}}
"""


@pytest.mark.parametrize("cpu", KINDS)
@pytest.mark.parametrize("groups", [1, 3, 6])
@pytest.mark.parametrize("positions", [(5, 7), (40, 31)])
def test_group_norm(cpu: str, groups: int, positions: tuple[int, int]) -> None:
    """Groups of one channel and of several, by one thread and by three; more than a block of vectors."""
    r = np.random.default_rng(1)
    x = (r.standard_normal((2, 6, *positions)) + 3).astype(np.float32)
    a, b = (r.standard_normal(6).astype(np.float32) for _ in range(2))
    name = "instance_normalization" if groups == 6 else "group_normalization"
    size = "x".join(map(str, x.shape))
    text = NORM.format(
        name=name, s=size, kinds=f"tensor<{size}xf32>, tensor<6xf32>, tensor<6xf32>",
        groups="" if groups == 6 else f"num_groups = {groups} : i64, ",
    )  # fmt: skip
    wide = x.astype(np.float64).reshape(2, groups, -1)
    wide = wide - wide.mean(2, keepdims=True)
    wide /= np.sqrt((wide**2).mean(2, keepdims=True) + 1e-3)
    exact = wide.reshape(x.shape) * a[:, None, None] + b[:, None, None]
    for threads in (1, 3):
        y = run(text, [x, a, b], cpu, threads)
        np.testing.assert_allclose(y, exact, rtol=1e-5, atol=1e-5)

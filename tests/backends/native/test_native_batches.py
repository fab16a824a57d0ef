"""Products of two operands that no plan knows, and scaled ones, against the same plans on NumPy."""

from __future__ import annotations

import re

import numpy as np
import pytest

pytest.importorskip("llvmlite", reason="machine code needs llvmlite")

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pyflame_rt import pipelines
from pyflame_rt.backends.base import Threads
from pyflame_rt.backends.native import processors
from pyflame_rt.backends.numpy_backend import NumpyBackend
from pyflame_rt.backends.numpy_backend.compiled.steps import NativeStep
from pyflame_rt.module_files import parse
from pyflame_rt.universe import make_context

KINDS = processors.supported()


def dense(values: np.ndarray) -> str:
    data = re.sub(r"\s+", " ", np.array2string(values, separator=", ", threshold=10**6))
    return f"dense<{data}> : tensor<{typed(values.shape)}>"


def typed(shape: tuple[int, ...]) -> str:
    return "x".join((*map(str, shape), "f32"))


def drawn(*shape: int, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def run(text: str, kind: str, inputs: list[np.ndarray], threads: int = 1) -> np.ndarray:
    """The only result; with a kind, all products are machine code."""
    ctx = make_context()
    module = parse(text, ctx, "test")
    native = f"convert-plan-to-native{{cpu={kind} threads={threads}}}," if kind else ""
    passes = f"convert-pfrt-to-plan,{native}plan-split{{threads={threads}}},plan-allocate"
    pipelines.run(ctx, module, pipelines.parse(passes))
    plan = NumpyBackend().with_threads(Threads(threads)).compile(module)
    if kind:
        assert any(isinstance(step, NativeStep) for step in plan._free[0][0]._steps.calls)
    found, again = plan.run(inputs)[0], plan.run(inputs)[0]
    np.testing.assert_array_equal(found, again)
    return found


def check(text: str, inputs: list[np.ndarray], kind: str) -> None:
    """What NumPy computes, and the same bits for any number of threads."""
    expected = run(text, "", inputs)
    found = run(text, kind, inputs)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
    for threads in (2, 3):
        np.testing.assert_array_equal(run(text, kind, inputs, threads), found)


BATCHES = [
    ((), ()), ((3,), (3,)), ((3,), ()), ((), (2,)), ((2, 3), (2, 3)), ((2, 3), (3,)),
    ((2, 1), (1, 3)), ((1,), (4,)),
]  # fmt: skip


@settings(max_examples=10, deadline=None)
@given(
    batches=st.sampled_from(BATCHES),
    sizes=st.tuples(st.sampled_from([1, 3, 24]), st.integers(1, 40), st.integers(1, 70)),
    activation=st.sampled_from(["", "tanh"]),
    extras=st.sampled_from(["", "bias", "plus", "both"]),
    kind=st.sampled_from(KINDS),
)
@example(((2, 3), (2, 3)), (2, 33, 40), "", "", KINDS[0])
@example(((2, 3), (2, 3)), (1, 33, 40), "tanh", "both", KINDS[0])
def test_matrices(
    batches: tuple[tuple[int, ...], tuple[int, ...]],
    sizes: tuple[int, int, int],
    activation: str,
    extras: str,
    kind: str,
) -> None:
    """Several matrices that broadcast, any sizes, with all that may follow in registers."""
    rows, depth, columns = sizes
    a, b = (*batches[0], rows, depth), (*batches[1], depth, columns)
    y = (*np.broadcast_shapes(*batches), rows, columns)
    bias, plus = extras in ("bias", "both"), extras in ("plus", "both")
    x, w, r = typed(a), typed(b), typed(y)
    attribute = f'{{activation = #pfrt.activation<"{activation}">}}' if activation else ""
    text = f"""
func.func @main(%x: tensor<{x}>, %w: tensor<{w}>, %r: tensor<{r}>) -> tensor<{r}> {{
  %b = pfrt.constant {dense(drawn(columns))}
  %y = pfrt.matmul %x, %w {"bias %b" * bias} {"plus %r" * plus} {attribute}
    : tensor<{x}>, tensor<{w}> {f"bias tensor<{columns}xf32>" * bias}
      {f"plus tensor<{r}>" * plus} -> tensor<{r}>
  func.return %y : tensor<{r}>
}}
"""
    check(text, [drawn(*a), drawn(*b, seed=6), drawn(*y, seed=7)], kind)


@pytest.mark.parametrize("turned", [("false", "true"), ("true", "false"), ("true", "true")])
@pytest.mark.parametrize("rows", [3, 21])
def test_turned(turned: tuple[str, str], rows: int) -> None:
    """Both operands of a gemm are known in a run only, and lie the other way."""
    a, b = (33, rows) if turned[0] == "true" else (rows, 33), (70, 33)
    b = b if turned[1] == "true" else b[::-1]
    text = f"""
func.func @main(%x: tensor<{typed(a)}>, %w: tensor<{typed(b)}>) -> tensor<{rows}x70xf32> {{
  %y = pfrt.gemm %x, %w {{trans_a = {turned[0]}, trans_b = {turned[1]}}}
    : (tensor<{typed(a)}>, tensor<{typed(b)}>) -> tensor<{rows}x70xf32>
  func.return %y : tensor<{rows}x70xf32>
}}
"""
    for kind in KINDS:
        check(text, [drawn(*a), drawn(*b, seed=6)], kind)


@pytest.mark.parametrize("turned", ["true", "false"])
def test_scaled(turned: str) -> None:
    """alpha is packed with the weights, beta with the bias."""
    a = (33, 5) if turned == "true" else (5, 33)
    alpha = 1.0 if turned == "true" else 0.3
    beta = 1.0 if turned == "true" else -2.5
    text = f"""
func.func @main(%x: tensor<{typed(a)}>) -> tensor<5x40xf32> {{
  %w = pfrt.constant {dense(drawn(33, 40))}
  %c = pfrt.constant {dense(drawn(40, seed=2))}
  %y = pfrt.gemm %x, %w, %c {{trans_a = {turned}, alpha = {alpha} : f32, beta = {beta} : f32}}
    : (tensor<{typed(a)}>, tensor<33x40xf32>, tensor<40xf32>) -> tensor<5x40xf32>
  func.return %y : tensor<5x40xf32>
}}
"""
    for kind in KINDS:
        check(text, [drawn(*a)], kind)

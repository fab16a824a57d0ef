"""Compiled attention of many queries, by blocks, against the same plans on NumPy, for every kind of
code here."""

from __future__ import annotations

import ctypes
import math
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("llvmlite", reason="machine code needs llvmlite")

from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.dialects.builtin import ModuleOp

from pyflame_rt import pipelines
from pyflame_rt.backends.base import Threads
from pyflame_rt.backends.native import compiling, printing, processors
from pyflame_rt.backends.native.writing import vector_math
from pyflame_rt.backends.native.writing.builder import POINTER, Builder
from pyflame_rt.backends.numpy_backend import NumpyBackend
from pyflame_rt.backends.numpy_backend.compiled.steps import NativeStep
from pyflame_rt.dialects.plan.ops import CallOp
from pyflame_rt.dialects.plan.schedules import SCHEDULE, SCHEDULES
from pyflame_rt.module_files import parse
from pyflame_rt.universe import make_context

KINDS = processors.supported()
LOW = float(np.finfo(np.float32).min)
INF = float("inf")
NONE = float("nan")


def drawn(*shape: int, seed: int = 5, scale: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32) * np.float32(scale)


def kind(shape: tuple[int, ...]) -> str:
    return f"tensor<{'x'.join(map(str, shape))}xf32>"


def text(inputs: list[np.ndarray], heads: tuple[int, int], more: str = "") -> str:
    """Attention of q, k, v and, if there are four inputs, a mask; heads of q, and of k and v."""
    q, k, v = (x.shape for x in inputs[:3])
    mask = [kind(x.shape) for x in inputs[3:]]
    names = ["%q", "%k", "%v", "%m"]
    arguments = ", ".join(f"{n}: {kind(x.shape)}" for n, x in zip(names, inputs, strict=False))
    result = kind((*q[:2], v[2] // heads[1] * heads[0]))
    masked = "".join(f" mask(%m : {m})" for m in mask)
    return f"""
func.func @main({arguments}) -> {result} {{
  %y = pfrt.attention %q, %k, %v{masked} {{q_num_heads = {heads[0]} : i64,
    kv_num_heads = {heads[1]} : i64{more}}} : {kind(q)}, {kind(k)}, {kind(v)} -> {result}
  func.return %y : {result}
}}
"""


def run(text: str, inputs: list[np.ndarray], cpu: str, threads: int = 1) -> np.ndarray:
    """By code of a kind; "" for NumPy."""
    ctx = make_context()
    module = parse(text, ctx, "test")
    native = f"convert-plan-to-native{{cpu={cpu} threads={threads}}}," if cpu else ""
    passes = f"convert-pfrt-to-plan,{native}plan-allocate"
    pipelines.run(ctx, module, pipelines.parse(passes))
    plan = NumpyBackend().with_threads(Threads(threads)).compile(module)
    if cpu:
        assert any(isinstance(c, NativeStep) for c in plan._free[0][0]._steps.calls)
    first, again = plan.run(inputs), plan.run(inputs)
    np.testing.assert_array_equal(first, again)
    return first[0]


def check(inputs: list[np.ndarray], heads: tuple[int, int], more: str = "") -> np.ndarray:
    """All kinds of code compute what NumPy does, one and several threads the same bits; what NumPy
    computes."""
    source = text(inputs, heads, more)
    with np.errstate(all="ignore"):
        exact = run(source, inputs, "")
    largest = np.abs(exact[np.isfinite(exact)]).max(initial=0)
    for cpu in KINDS:
        found = run(source, inputs, cpu)
        np.testing.assert_allclose(found, exact, rtol=1e-5, atol=1e-5 * largest)
        for threads in (2, 3):
            np.testing.assert_array_equal(run(source, inputs, cpu, threads), found)
    return exact


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[np.ndarray], tuple[int, int], str]:
    """Sizes that fill no vector, tile or block; masks of any shape, of which some rows are -inf."""
    batch, kv_heads, group = (draw(st.integers(1, n)) for n in (2, 2, 2))
    queries, keys = draw(st.sampled_from([5, 31, 53])), draw(st.integers(1, 600))
    size, v_size = (draw(st.sampled_from([1, 7, 32, 64, 80, 128])) for _ in range(2))
    heads, seed = kv_heads * group, draw(st.integers(0, 1000))
    inputs = [
        drawn(batch, queries, heads * size, seed=seed, scale=draw(st.sampled_from([1.0, 6.0]))),
        drawn(batch, keys, kv_heads * size, seed=seed + 1),
        drawn(batch, keys, kv_heads * v_size, seed=seed + 2),
    ]
    if draw(st.booleans()):
        whole = (batch, heads, queries, keys)
        shape = tuple(n if draw(st.booleans()) else 1 for n in whole[:3])
        mask = drawn(*shape, keys, seed=seed + 3)
        closed = np.random.default_rng(seed).random(mask.shape) < draw(st.sampled_from([0.1, 0.9]))
        mask[closed] = draw(st.sampled_from([-INF, LOW, -1e4]))
        if draw(st.booleans()):
            mask[..., draw(st.integers(0, shape[2] - 1)), :] = -INF
        inputs.append(mask[0] if shape[0] == 1 and draw(st.booleans()) else mask)
    more = ", is_causal = true" if draw(st.booleans()) else ""
    scale = draw(st.sampled_from(["", ", scale = 0.3 : f32", ", scale = -1.0 : f32"]))
    return inputs, (heads, kv_heads), more + scale


@given(cases())
@settings(max_examples=12, deadline=None, derandomize=True)
def test_any_sizes(case: tuple[list[np.ndarray], tuple[int, int], str]) -> None:
    """What NumPy computes, by the same bits whatever number of threads."""
    check(*case)


@pytest.mark.slow
@given(cases())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_more_sizes(case: tuple[list[np.ndarray], tuple[int, int], str]) -> None:
    """As above."""
    check(*case)


def test_scores_that_grow() -> None:
    """The largest score of a row comes with the last keys, when those before have been summed up."""
    q, k, v = drawn(1, 50, 64), drawn(1, 700, 64), drawn(1, 700, 64, seed=6)
    for keys in (k * np.linspace(0.1, 9, 700, dtype=np.float32)[:, None], k[:, ::-1].copy()):
        check([q * 4, keys, v], (1, 1))


def test_large_scores() -> None:
    """Powers whose largest is 1 stay finite, and what is far below is 0."""
    q, k, v = drawn(1, 20, 32, scale=1e3), drawn(1, 200, 32, scale=1e3), drawn(1, 200, 32)
    check([q, k, v], (1, 1))


@pytest.mark.parametrize("keys", [40, 530])
def test_rows_that_see_nothing(keys: int) -> None:
    """Rows of -inf are zeros, whether of all keys or of the first ones; of the lowest number, means."""
    q, k, v = drawn(1, 13, 64), drawn(1, keys, 64), drawn(1, keys, 64)
    mask = np.zeros((13, keys), np.float32)
    mask[2], mask[5], mask[7, : keys - 3], mask[8, 3:] = -INF, LOW, -INF, -INF
    exact = check([q, k, v, mask], (2, 2))
    assert (exact[0, 2] == 0).all()
    np.testing.assert_allclose(exact[0, 5], v[0].mean(0), atol=1e-5)


@pytest.mark.parametrize("keys", [40, 530])
def test_no_numbers(keys: int) -> None:
    """NaN and infinities reach the rows that they belong to, all of a row, and no other."""
    mask = drawn(14, keys)
    mask[3, 1], mask[6, keys - 1], mask[9, 2], mask[9, 5] = NONE, INF, INF, INF
    # The only number is none.
    mask[11], mask[11, 4] = -INF, np.frombuffer(b"\x01\x00\xa0\x7f", np.float32)[0]
    q, k, v = drawn(1, 14, 32), drawn(1, keys, 32), drawn(1, keys, 32)
    q[0, 1, 3] = NONE
    exact = check([q, k, v, mask], (1, 1))
    rows = np.isnan(exact[0])
    assert (rows.any(1) == rows.all(1)).all()
    assert np.flatnonzero(rows.all(1)).tolist() == [1, 3, 6, 9, 11]


def test_causal_with_more_keys() -> None:
    """A query sees as many keys as stand before it, and itself; more queries than keys see all."""
    for queries, keys in ((150, 150), (20, 530), (300, 20)):
        q, k, v = drawn(1, queries, 32), drawn(1, keys, 32, seed=6), drawn(1, keys, 32, seed=7)
        check([q, k, v], (2, 2), ", is_causal = true")


@pytest.mark.parametrize("cpu", KINDS)
def test_powers(cpu: str) -> None:
    """e^x within 2 units of the last place of what is not positive; 0 where that is no normal number;
    NaN of NaN."""
    instructions, lanes = processors.instructions(cpu), SCHEDULES[cpu].lanes
    assert instructions is not None
    b = Builder("powers", [POINTER], public=True, fused=instructions.has_fma)
    (place,) = b.arguments
    b.store(vector_math.exp_of_less(b, b.load_vector(place, lanes)), place)
    code = compiling.to_object(printing.to_text(ModuleOp([b.finish()])), instructions)
    loaded = compiling.load(code, "powers", [ctypes.c_void_p])

    def powers(x: np.ndarray) -> np.ndarray:
        found = x.copy()
        for start in range(0, x.size, lanes):
            loaded.call(found.ctypes.data + 4 * start)
        return found

    x = -np.linspace(0, 87, 1 << 14, dtype=np.float32)
    x[lanes : 2 * lanes] = -np.geomspace(1e-30, 1, lanes, dtype=np.float32)
    exact = np.exp(x.astype(np.float64))
    assert (np.abs(powers(x) - exact) <= 2 * np.spacing(exact.astype(np.float32))).all()
    ends = np.resize(np.array([0.0, -0.0, -88.0, -1e30, LOW, -INF], np.float32), 4 * lanes)
    np.testing.assert_array_equal(powers(ends), np.where(ends == 0, 1, 0))
    between = powers(np.linspace(-88, -87, 16 * lanes, dtype=np.float32))
    assert ((between >= 0) & (between <= math.exp(-86.9))).all()
    assert np.isnan(powers(np.full(lanes, NONE, np.float32))).all()


@pytest.mark.parametrize("vectors", [1, 3, 4])
def test_other_schedules(vectors: int) -> None:
    """Panels of other widths, and tiles of other heights, than the processor's usual ones."""
    inputs = [drawn(1, 19, 80), drawn(1, 70, 80), drawn(1, 70, 80)]
    usual = replace(SCHEDULES["generic"], rows=5, vectors=vectors, unroll=1).to_attribute()
    source, exact = text(inputs, (2, 2)), run(text(inputs, (2, 2)), inputs, "")
    ctx = make_context()
    module = parse(source, ctx, "test")
    pipelines.run(ctx, module, pipelines.parse("convert-pfrt-to-plan"))
    (call,) = (op for op in module.walk() if isinstance(op, CallOp))
    call.attributes[SCHEDULE] = usual
    pipelines.run(ctx, module, pipelines.parse("plan-allocate"))
    plan = NumpyBackend().compile(module)
    assert any(isinstance(c, NativeStep) for c in plan._free[0][0]._steps.calls)
    np.testing.assert_allclose(plan.run(inputs)[0], exact, rtol=1e-5, atol=1e-6)

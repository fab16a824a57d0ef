"""Sums of products in blocks of the depth: the same bits wherever an element is computed, and how far
from exact they may be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite", reason="machine code needs llvmlite")

from pyflame_rt.backends.native import processors
from pyflame_rt.backends.native.floats.products import (
    Finish,
    Layout,
    Pieces,
    Product,
    pack,
    runs,
)
from pyflame_rt.dialects.plan.schedules import ELEMENTS, SCHEDULES, Schedule

KINDS = processors.supported()
UNIT = 2.0**-24
"""What a rounding may change of a number, over that number."""

Array = np.ndarray


def drawn(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def multiplied(
    schedule: Schedule, x: Array, w: Array, stretches: int = 1, shares: int = 1
) -> Array:
    """x @ w, where rows of x are so many stretches one behind the other."""
    depth, columns = w.shape
    part = depth // stretches
    layout = Layout(len(x), columns, part, 4 * depth, 4 * columns, runs=stretches, a_run=4 * part)
    y = np.full((len(x), columns), 7.0, np.float32)
    packed = pack(schedule.columns, w)
    Product.of(schedule, layout, packed, None, Finish(), shares).on(x, y, None)()
    return y


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("depth", "stretches"), [(700, 1), (783, 9), (1200, 3), (800, 100)])
def test_same_bits_wherever_an_element_is(kind: str, depth: int, stretches: int) -> None:
    """Tiles of any height and width, parts of the depth, shares, and rows by themselves."""
    schedule = SCHEDULES[kind]
    x, w = drawn(1, 61, depth), drawn(2, depth, 75)
    expected = multiplied(schedule, x, w, stretches)
    for changed in ({"depth": 300}, {"depth": 1}, {"rows": 3}, {"vectors": 1}):
        found = multiplied(replace(schedule, **changed), x, w, stretches)
        np.testing.assert_array_equal(found, expected, str(changed))
    for rows, columns in ((1, 75), (2, 70), (5, 64), (61, 1), (24, 33)):
        found = multiplied(schedule, x[:rows], w[:, :columns].copy(), stretches)
        np.testing.assert_array_equal(found, expected[:rows, :columns], f"{rows} x {columns}")
    for shares in (2, 3):
        found = multiplied(schedule, x, w, stretches, shares)
        np.testing.assert_array_equal(found, expected, f"{shares} shares")


def test_same_bits_from_all_that_multiply_and_add_at_once() -> None:
    """Registers of 16 and of 8 numbers add in one order."""
    fused = [kind for kind in KINDS if (found := processors.instructions(kind)) and found.has_fma]
    if len(fused) < 2:
        pytest.skip("there is one kind of code that multiplies and adds at once")
    x, w = drawn(3, 20, 1500), drawn(4, 1500, 40)
    first, *others = (multiplied(SCHEDULES[kind], x, w) for kind in fused)
    for other in others:
        np.testing.assert_array_equal(other, first)


@settings(max_examples=200, deadline=None)
@given(
    depth=st.integers(1, 20_000),
    stretches=st.integers(1, 50),
    block=st.integers(16, 2_000),
    elements=st.sampled_from(sorted(ELEMENTS)),
)
def test_blocks_have_about_the_size_that_is_asked_for(
    depth: int, stretches: int, block: int, elements: str
) -> None:
    """Two thirds of it to one and a half times it, and what a turn of the loop has; less only if there
    is no more, or at the end."""
    schedule = replace(SCHEDULES["avx512"], block=block, elements=elements)
    pieces = Pieces.of(schedule, Layout(1, 1, depth, 0, 0, runs=stretches))
    turn = schedule.unroll * ELEMENTS[elements].group
    found = pieces.size * pieces.together
    assert found <= 1.5 * block + turn
    assert found >= min(2 * block / 3, depth) - 1
    assert pieces.size == depth or pieces.together == 1
    assert pieces.size % turn == 0 or pieces.size == depth


def bound(schedule: Schedule, depth: int) -> float:
    """How far a sum may be off, over the sum of all |x w|: roundings in a block, and of blocks."""
    block = min(depth, 1.5 * schedule.block + schedule.unroll)
    return (block + 1.5 * depth / schedule.block + 2) * UNIT * 1.01


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    depth=st.integers(1, 3000),
    block=st.sampled_from((16, 64, 256)),
    spread=st.sampled_from((0.0, 1.0, 4.0)),
    seed=st.integers(0, 99),
)
def test_errors_are_within_their_bound(
    kind: str, depth: int, block: int, spread: float, seed: int
) -> None:
    """Numbers of one sign and of both, of one size and of very different ones."""
    schedule = replace(SCHEDULES[kind], block=block)
    r = np.random.default_rng(seed)
    x, w = (np.exp(spread * r.standard_normal(s)) for s in ((3, depth), (depth, 17)))
    x, w = x.astype(np.float32), w.astype(np.float32)
    w[:, ::2] *= r.choice((-1, 1), w[:, ::2].shape)
    exact, scale = x.astype(np.float64) @ w, x.astype(np.float64) @ np.abs(w)
    assert (np.abs(multiplied(schedule, x, w) - exact) <= bound(schedule, depth) * scale).all()


@pytest.mark.parametrize("kind", KINDS)
def test_errors_do_not_grow_with_the_depth(kind: str) -> None:
    """Of 9,216 products a sum is as near as one of 256; along all of them it were ten times as far off."""
    schedule, depth = SCHEDULES[kind], 9216
    for positive in (False, True):
        x, w = drawn(5, 12, depth), drawn(6, depth, 64)
        x, w = (np.abs(x), np.abs(w)) if positive else (x, w)
        exact = x.astype(np.float64) @ w
        found = np.abs(multiplied(schedule, x, w) - exact).max() / np.abs(exact).max()
        whole = np.abs(multiplied(replace(schedule, block=1 << 20), x, w) - exact).max()
        assert found < 7e-7
        assert whole / np.abs(exact).max() > 3 * found


@pytest.mark.parametrize("kind", KINDS)
def test_equal_numbers_do_not_add_up_to_a_drift(kind: str) -> None:
    """All of whose roundings have one direction: the bound holds, that of one long sum is exceeded."""
    schedule, depth = SCHEDULES[kind], 9216
    x, w = np.full((2, depth), 0.1, np.float32), np.full((depth, 9), 0.3, np.float32)
    exact = x.astype(np.float64) @ w
    assert (np.abs(multiplied(schedule, x, w) - exact) <= bound(schedule, depth) * exact).all()
    whole = multiplied(replace(schedule, block=1 << 20), x, w)
    assert (np.abs(whole - exact) > bound(schedule, depth) * exact).all()


@pytest.mark.parametrize("elements", ["f16", "bf16", "bf16_pairs"])
def test_narrow_weights_are_added_in_the_same_blocks(elements: str) -> None:
    """Widened weights give the bits of f32, pairs what is as exact."""
    for kind in KINDS:
        schedule = replace(SCHEDULES[kind], elements=elements)
        if not runs(schedule):
            continue
        x, w = drawn(7, 13, 1500), drawn(8, 1500, 40)
        w = (w.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
        w[np.abs(w) < 2.0**-10] = 0
        narrow = w.astype(np.float16).view(np.uint16)
        if elements != "f16":
            narrow = (w.view(np.uint32) >> 16).astype(np.uint16)
        kind_of = ELEMENTS[elements]
        held = x
        if elements == "bf16_pairs":
            x = (x.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
            held = (x.view(np.uint32) >> 16).astype(np.uint16)
        y = np.empty((13, 40), np.float32)
        layout = Layout(13, 40, 1500, 1500 * kind_of.x, 160)
        packed = pack(schedule.columns, narrow, kind_of.group)
        Product.of(schedule, layout, packed, None, Finish()).on(held, y, None)()
        if elements != "bf16_pairs":
            np.testing.assert_array_equal(y, multiplied(SCHEDULES[kind], x, w))
        exact = x.astype(np.float64) @ w
        assert np.abs(y - exact).max() < 7e-7 * np.abs(exact).max()


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_overflows_that_its_block_does_not(kind: str) -> None:
    """Sums of a block that are too large become infinite, whatever the next block takes off again."""
    schedule = SCHEDULES[kind]
    x, w = np.ones((1, 1024), np.float32), np.zeros((1024, 2), np.float32)
    w[:256] = 3e38 / 256
    w[256:512] = -3e38 / 256
    w[512:768] = 3e38 / 256
    found = multiplied(schedule, x, w)
    assert np.isfinite(found).all()
    w[:512, 1] = 3e38 / 256
    found = multiplied(schedule, x, w)
    assert np.isfinite(found[0, 0])
    assert np.isinf(found[0, 1])

"""Einsum against ONNX Runtime, and against the definition.

ONNX Runtime 1.31 crashes in shape inference on "..." of different ranks, and at run time on
dimensions of 0; it refuses a result without the "..." of its operands, and capital letters in an
equation without an arrow. These cases are compared with the definition alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyflame_rt.kernels.contraction import einsum
from pyflame_rt.kernels.einsum import Equation

EQUATIONS = (
    "ij,jk->ik", "ij,jk", "bij,bjk->bik", "bhqd,bhkd->bhqk", "bhqk,bhkd->bhqd", "ij,ij->i", "i,j->ij",
    "i,i", "ij->ji", "ij->", "ii->i", "ii", "iij->ij", "ijj,jk->ik", "ab,bc,cd->ad", "ab,bc,cd,d",
    "Ab,bC->AC", "ba", "ij,kj->ki", "ijk,jil->kl", " i j , j k -> i k", ",ij->ij", "i->i",
    "...ij,...jk->...ik", "...ij,jk", "...ii->...i", "i...,j...->ij...", "...,...->...", "...->...",
    "a...b->b...a", "ij->i...j", "i...->...", "...i,i",
)  # fmt: skip


def normal(*shape: int) -> np.ndarray:
    """Reproducible values."""
    return np.random.default_rng(sum(shape)).normal(size=shape)


def by_definition(equation: str, operands: list[np.ndarray]) -> np.ndarray:
    """Every operand on the axes of all names together; their product, summed."""
    parsed = Equation.parse(equation)
    sizes = parsed.dimensions([operand.shape for operand in operands])
    assert sizes is not None
    dots = sorted((name for name in sizes if name.isdigit()), key=int, reverse=True)
    names = [*dots, *(name for name in sizes if name.isalpha())]
    total = np.ones([sizes[name] for name in names])
    for term, operand in zip(parsed.operands, operands, strict=True):
        rank = operand.ndim - len(term.replace(".", ""))
        own = [
            n for letter in term for n in (dots[len(dots) - rank :] if letter == "." else letter)
        ]
        index = np.indices(total.shape)
        places = [
            index[names.index(name)] if operand.shape[axis] > 1 else 0 * index[names.index(name)]
            for axis, name in enumerate(own)
        ]
        total = total * operand[tuple(places)]
    kept = [n for letter in parsed.result for n in (dots if letter == "." else letter)]
    total = total.sum(axis=tuple(i for i, name in enumerate(names) if name not in kept))
    left = [name for name in names if name in kept]
    return total.transpose([left.index(name) for name in kept])


def drawn(data: st.DataObject, equation: str, least: int, *, ragged: bool) -> list[np.ndarray]:
    """Operands for an equation, some dimensions of which broadcast."""
    sizes = {letter: data.draw(st.integers(least, 3)) for letter in sorted(set(equation))}
    dots = [data.draw(st.integers(least, 3)) for _ in range(data.draw(st.integers(0, 2)))]
    shapes = []
    for term in equation.replace(" ", "").replace("...", ".").split("->")[0].split(","):
        own = dots[data.draw(st.integers(0, len(dots))) :] if ragged else dots
        shape = [dim for name in term for dim in (own if name == "." else [sizes[name]])]
        once = data.draw(st.sampled_from([None, None, *range(len(shape))]))
        shapes.append(
            [
                1 if axis == once and term.count(term[0]) == 1 else dim
                for axis, dim in enumerate(shape)
            ]
        )
    return [normal(*shape) for shape in shapes]


@settings(max_examples=140, deadline=None, derandomize=True)
@given(data=st.data(), equation=st.sampled_from(EQUATIONS))
def test_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any], data: st.DataObject, equation: str
):
    """Every form of equation: diagonals, broadcasting, implicit results, scalars, many operands."""
    operands = drawn(data, equation, 1, ragged=False)
    dtype = data.draw(st.sampled_from([np.float32, np.float64, np.int64]))
    typed = [np.asarray(operand * 4, dtype) for operand in operands]
    got = einsum(*typed, equation=equation)
    want = onnxruntime_result("Einsum", typed, equation=equation, opset=12)
    assert got.dtype == dtype
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


@settings(max_examples=120, deadline=None, derandomize=True)
@given(data=st.data(), equation=st.sampled_from((*EQUATIONS, "bA", "...i->i", "...,i->i", "...->")))
def test_equals_the_definition(data: st.DataObject, equation: str):
    """Also with empty dimensions and "..." of different ranks, or summed away."""
    operands = drawn(data, equation, 0, ragged=True)
    got, want = einsum(*operands, equation=equation), by_definition(equation, operands)
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_accumulates_wide_and_rounds_once(dtype: Any):
    """The sum of many narrow products is the exact one, rounded."""
    a, b = normal(3, 500).astype(dtype), normal(500, 2).astype(dtype)
    got = einsum(a, b, equation="ij,jk->ik")
    assert got.dtype == dtype
    exact = a.astype(np.float64) @ b.astype(np.float64)
    np.testing.assert_allclose(got.astype(np.float64), exact, rtol=1e-2)


@pytest.mark.parametrize(
    ("equation", "shapes", "why"),
    [
        ("i.j->i", [(2, 2)], 'not letters and one "..."'),
        ("i..->i", [(2, 2)], 'not letters and one "..."'),
        ("......->i", [(2, 2)], 'not letters and one "..."'),
        ("ij,jk->i-k", [(2, 2), (2, 2)], 'not letters and one "..."'),
        ("i->k", [(2,)], '"k" of the result is in no operand'),
        ("ij->ii", [(2, 2)], '"i" occurs twice'),
        ("ij", [(2,)], 'subscripts "ij" for 1 dimensions'),
        ("i", [(2, 2)], 'subscripts "i" for 2 dimensions'),
        ("i,j->ij", [(2,)], "2 operands, not 1"),
        ("ij,jk->ik", [(2, 3), (2, 2)], r'dimensions \[2, 3\] of "j" differ'),
        ("...i,...i->...", [(2, 3), (3, 3)], r'dimensions \[2, 3\] of "\.\.\." differ'),
        ("ii->i", [(2, 3)], r'dimensions \[2, 3\] of "i" differ'),
    ],
)
def test_what_makes_no_sense_is_an_error(equation: str, shapes: list[tuple[int, ...]], why: str):
    """With the equation, before anything is computed."""
    with pytest.raises(ValueError, match=why):
        einsum(*(np.ones(shape, np.float32) for shape in shapes), equation=equation)


def test_giant_results_are_refused():
    """Before anything is allocated."""
    x = np.broadcast_to(np.float32(1), (1 << 21,))
    with pytest.raises(ValueError, match="too large"):
        einsum(x, x, equation="i,j->ij")

"""Matrix products."""

from __future__ import annotations

from hypothesis import strategies as st

from operator_cases.case import Case
from operator_cases.strategies import (
    FLAG,
    FLOATS,
    Cases,
    Draw,
    draw_array,
    draw_broadcast,
    draw_case,
    draw_dtype,
    draw_opset,
    draw_some,
)

_SIDE = st.sampled_from((2, 3, 1, 4, 5, 0))
_FACTOR = st.sampled_from((0.0, 0.5, 1.0, 2.0, -1.0))


@st.composite
def gemm(draw: Draw) -> Case:
    """Transposed or not, with an addend that broadcasts one way."""
    opset = draw_opset(draw, "Gemm")
    dtype = draw_dtype(draw, FLOATS)
    m, k, n = (draw(_SIDE) for _ in range(3))
    attributes = draw_some(draw, alpha=_FACTOR, beta=_FACTOR, transA=FLAG, transB=FLAG)
    a = draw_array(draw, dtype, (k, m) if attributes.get("transA") else (m, k), special=False)
    b = draw_array(draw, dtype, (n, k) if attributes.get("transB") else (k, n), special=False)
    inputs = [a, b]
    if opset < 11 or draw(st.booleans()):
        shape = draw(st.sampled_from(((m, n), (n,), (1, n), (m, 1), (1,), ())))
        inputs.append(draw_array(draw, dtype, shape, special=False))
    return draw_case(draw, "Gemm", opset, inputs, attributes, parameters=(1, 2), magnitude=4)


@st.composite
def matmul(draw: Draw) -> Case:
    """Vectors, matrices, batches that broadcast."""
    opset = draw_opset(draw, "MatMul")
    dtype = draw_dtype(draw, {7: FLOATS, 9: f"{FLOATS} i4 i8 u4 u8"}, opset)
    m, k, n = (draw(_SIDE) for _ in range(3))
    left, right = draw_broadcast(draw, 2, 2)
    form = draw(st.integers(0, 5))
    a = (k,) if form in (0, 1) else (*left, m, k)
    b = (k,) if form in (0, 2) else (*right, k, n)
    inputs = [draw_array(draw, dtype, shape, special=False) for shape in (a, b)]
    return draw_case(draw, "MatMul", opset, inputs, parameters=(1,), magnitude=4)


@st.composite
def einsum(draw: Draw) -> Case:
    """Each letter has one size; repeated letters, an ellipsis, outputs implied and told."""
    equation = draw(
        st.sampled_from(
            (
                "ij,jk->ik", "bij,bjk->bik", "bhqd,bhkd->bhqk", "i,i->", "i,j->ij", "ij->ji",
                "ij->i", "ij,jk", "bij,kj->bik", "ij,ij->ij", "ab,bc,cd->ad", " ij , jk -> ik",
                "...ij,...jk->...ik", "bfnd,ndh->bfh",
            )
        )
    )  # fmt: skip
    sizes = {
        letter: draw(_SIDE.filter(bool)) for letter in sorted(set(equation)) if letter.isalpha()
    }
    lead = tuple(draw(st.lists(_SIDE.filter(bool), max_size=2))) if "..." in equation else ()
    dtype = draw_dtype(draw, "f4 f8 i4 i8")
    terms = equation.partition("->")[0].split(",")
    shapes = [(*lead, *(sizes[letter] for letter in term if letter.isalpha())) for term in terms]
    inputs = [draw_array(draw, dtype, shape, special=False) for shape in shapes]
    opset = draw_opset(draw, "Einsum")
    return draw_case(draw, "Einsum", opset, inputs, {"equation": equation}, magnitude=16)


CASES: dict[str, Cases] = {"Einsum": einsum(), "Gemm": gemm(), "MatMul": matmul()}
"""The operators of this family."""

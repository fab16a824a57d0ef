"""What picks, places and orders elements by index."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from operator_cases.case import Array, Case
from operator_cases.strategies import (
    ANY,
    FLAG,
    FLOATS,
    Cases,
    Draw,
    Shape,
    draw_array,
    draw_axis,
    draw_case,
    draw_dtype,
    draw_opset,
    draw_shape,
    draw_some,
    ints,
)

_TOP_K = {7: FLOATS, 11: f"{FLOATS} i1 i2 i4 i8 u1"}


def _indices(draw: Draw, dtype: np.dtype, shape: Shape, sides: Sequence[int] | int) -> Array:
    """Indices into sides that are not 0, some of them counted from the end."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    found = rng.integers(0, sides, shape)
    return np.where(rng.random(shape) < 0.3, found - sides, found).astype(dtype)


def _distinct(draw: Draw, side: int, count: int) -> list[int]:
    return list(draw(st.permutations(range(side))))[:count]


@st.composite
def gather_elements(draw: Draw) -> Case:
    """Indices of the data's rank, of any length along the axis, no longer elsewhere."""
    opset = draw_opset(draw, "GatherElements")
    shape = draw_shape(draw, 1, 3, empty=False)
    axis = draw_axis(draw, len(shape))
    sides = [draw(st.integers(0, side)) for side in shape]
    sides[axis] = draw(st.integers(0, 4))
    indices = _indices(draw, draw_dtype(draw, "i4 i8"), tuple(sides), shape[axis])
    attributes = {"axis": axis} if axis or draw(st.booleans()) else {}
    x = draw_array(draw, draw_dtype(draw, ANY), shape)
    return draw_case(draw, "GatherElements", opset, [x, indices], attributes, parameters=(1,))


@st.composite
def gather_nd(draw: Draw) -> Case:
    """Index tuples of every length, with batch dimensions since opset 12."""
    opset = draw_opset(draw, "GatherND")
    shape = draw_shape(draw, 1, 4, empty=False)
    batch = draw(st.integers(0, len(shape) - 1)) if opset >= 12 else 0
    length = draw(st.integers(1, len(shape) - batch))
    lead = shape[:batch] + draw_shape(draw, 0 if batch else 1, 2)
    indices = _indices(draw, np.dtype(np.int64), (*lead, length), shape[batch : batch + length])
    x = draw_array(draw, draw_dtype(draw, ANY), shape)
    attributes = {"batch_dims": batch} if batch or (opset >= 12 and draw(st.booleans())) else {}
    return draw_case(draw, "GatherND", opset, [x, indices], attributes, parameters=(1,))


def _reductions(op: str, opset: int) -> list[str]:
    return ["none"] + ["add", "mul"] * (opset >= 16) + ["min", "max"] * (opset >= 18)


@st.composite
def scatter_elements(draw: Draw) -> Case:
    """Places differ unless what meets there is added up."""
    opset = draw_opset(draw, "ScatterElements")
    shape = draw_shape(draw, 1, 3, empty=False)
    axis = draw_axis(draw, len(shape))
    reduction = draw(st.sampled_from(_reductions("ScatterElements", opset)))
    dtype = draw_dtype(draw, ANY if reduction == "none" else "f4 f8 i4 i8")
    sides = [draw(st.integers(0, side)) for side in shape]
    kind = draw_dtype(draw, "i4 i8")
    if reduction == "none":
        # One order of places for all rows: no two updates meet.
        places = np.array(_distinct(draw, shape[axis], sides[axis]), kind)
        wide = [1] * len(shape)
        wide[axis] = -1
        indices = np.broadcast_to(places.reshape(wide), sides).copy()
    else:
        indices = _indices(draw, kind, tuple(sides), shape[axis])
    special = reduction == "none"
    x = draw_array(draw, dtype, shape, special=special)
    updates = draw_array(draw, dtype, tuple(sides), special=special)
    attributes: dict[str, object] = {"axis": axis} if axis or draw(st.booleans()) else {}
    if reduction != "none":
        attributes["reduction"] = reduction
    inputs = [x, indices, updates]
    return draw_case(draw, "ScatterElements", opset, inputs, attributes, parameters=(1, 2))


@st.composite
def scatter_nd(draw: Draw) -> Case:
    """Elements and whole slices."""
    opset = draw_opset(draw, "ScatterND")
    shape = draw_shape(draw, 1, 3, empty=False)
    length = draw(st.integers(1, len(shape)))
    reduction = draw(st.sampled_from(_reductions("ScatterND", opset)))
    dtype = draw_dtype(draw, ANY if reduction == "none" else "f4 f8 i4 i8")
    total = int(np.prod(shape[:length]))
    places = _distinct(draw, total, draw(st.integers(0, min(total, 4))))
    if reduction != "none":
        places += places[: draw(st.integers(0, len(places)))]
    indices = np.stack(np.unravel_index(np.array(places, np.int64), shape[:length]), axis=-1)
    special = reduction == "none"
    x = draw_array(draw, dtype, shape, special=special)
    updates = draw_array(draw, dtype, (len(places), *shape[length:]), special=special)
    attributes = {} if reduction == "none" else {"reduction": reduction}
    inputs = [x, indices.astype(np.int64), updates]
    return draw_case(draw, "ScatterND", opset, inputs, attributes, parameters=(1, 2))


@st.composite
def top_k(draw: Draw) -> Case:
    """Equal elements come in the order of their indices."""
    opset = draw_opset(draw, "TopK")
    shape = draw_shape(draw, 1, 3)
    axis = draw_axis(draw, len(shape)) if opset >= 11 else draw(st.integers(0, len(shape) - 1))
    k = draw(st.integers(0 if opset >= 10 else 1, max(1, shape[axis])))
    k = min(k, shape[axis]) if opset >= 10 else k
    x = draw_array(draw, draw_dtype(draw, _TOP_K, opset), shape, low=-1, high=1)
    attributes = {"axis": axis}
    if opset < 10:
        if shape[axis] < k:
            x = np.ones([max(side, 1) for side in shape], x.dtype)
        return draw_case(draw, "TopK", opset, [x], {**attributes, "k": k}, outputs=2)
    if opset >= 11:
        attributes |= draw_some(draw, largest=FLAG)
    return draw_case(draw, "TopK", opset, [x, ints([k])], attributes, parameters=(1,), outputs=2)


@st.composite
def cum_prod(draw: Draw) -> Case:
    """Products from either end, with and without the element itself."""
    shape = draw_shape(draw, 1)
    dtype = draw_dtype(draw, "f4 f8 i4 i8 u4 u8")
    x = draw_array(draw, dtype, shape, special=False, low=-1, high=1)
    axis = np.array(draw_axis(draw, len(shape)), draw_dtype(draw, "i4 i8"))
    attributes = draw_some(draw, exclusive=FLAG, reverse=FLAG)
    opset = draw_opset(draw, "CumProd")
    return draw_case(draw, "CumProd", opset, [x, axis], attributes, parameters=(1,))


@st.composite
def cum_sum(draw: Draw) -> Case:
    """From either end, with or without the element itself."""
    opset = draw_opset(draw, "CumSum")
    shape = draw_shape(draw, 1)
    axis = np.array(draw_axis(draw, len(shape)), draw_dtype(draw, "i4 i8"))
    x = draw_array(draw, draw_dtype(draw, "f4 f8 i4 i8"), shape)
    attributes = draw_some(draw, exclusive=FLAG, reverse=FLAG)
    return draw_case(draw, "CumSum", opset, [x, axis], attributes, parameters=(1,), magnitude=4)


@st.composite
def non_zero(draw: Draw) -> Case:
    """Indices of what is not zero, NaN included."""
    x = draw_array(draw, draw_dtype(draw, "f4 f2 i4 i8 u1 ?"), draw_shape(draw, 1), low=-1, high=1)
    return draw_case(draw, "NonZero", draw_opset(draw, "NonZero"), [x])


@st.composite
def one_hot(draw: Draw) -> Case:
    """Indices out of range are off everywhere."""
    opset = draw_opset(draw, "OneHot")
    depth = draw(st.integers(1, 5))
    indices = draw_array(draw, "i8", draw_shape(draw, 1, 3), special=False)
    values = draw_array(draw, draw_dtype(draw, "f4 i8"), (2,))
    rank = indices.ndim + 1
    attributes = draw_some(draw, axis=st.integers(-rank, rank - 1))
    inputs = [indices, np.array([depth]), values]
    return draw_case(draw, "OneHot", opset, inputs, attributes, parameters=(1, 2))


@st.composite
def eye_like(draw: Draw) -> Case:
    """Diagonals inside and outside."""
    opset = draw_opset(draw, "EyeLike")
    x = draw_array(draw, draw_dtype(draw, "f4 f8 i4 i8"), draw_shape(draw, 2, 2))
    attributes = draw_some(draw, k=st.integers(-6, 6), dtype=st.sampled_from((1, 7, 11)))
    return draw_case(draw, "EyeLike", opset, [x], attributes)


@st.composite
def trilu(draw: Draw) -> Case:
    """The upper or the lower part from any diagonal on."""
    opset = draw_opset(draw, "Trilu")
    x = draw_array(draw, draw_dtype(draw, f"{FLOATS} i8 ?"), draw_shape(draw, 2))
    inputs = [x]
    if draw(st.booleans()):
        inputs.append(np.array(draw(st.integers(-6, 6))))
    return draw_case(draw, "Trilu", opset, inputs, draw_some(draw, upper=FLAG), parameters=(1,))


@st.composite
def tensor_scatter(draw: Draw) -> Case:
    """Written where there is room, or around the end; from given indices or from the beginning."""
    opset = draw_opset(draw, "TensorScatter", 24)
    shape = list(draw_shape(draw, 2, 4, empty=False))
    along = draw(st.integers(1, len(shape) - 1))
    x = draw_array(draw, draw_dtype(draw, ANY), tuple(shape))
    room, count = shape[along], draw(st.integers(1, shape[along]))
    shape[along] = count
    mode = draw(st.sampled_from(("linear", "circular")))
    attributes = {"mode": mode, "axis": draw(st.sampled_from((along, along - len(shape))))}
    inputs: list[Array | None] = [x, draw_array(draw, x.dtype, tuple(shape))]
    if draw(st.booleans()):
        most = room - count if mode == "linear" else room - 1
        inputs.append(ints(draw(st.integers(0, most)) for _ in range(shape[0])))
    return draw_case(draw, "TensorScatter", opset, inputs, attributes, parameters=(2,))


CASES: dict[str, Cases] = {
    "CumProd": cum_prod(),
    "CumSum": cum_sum(),
    "EyeLike": eye_like(),
    "GatherElements": gather_elements(),
    "GatherND": gather_nd(),
    "NonZero": non_zero(),
    "OneHot": one_hot(),
    "ScatterElements": scatter_elements(),
    "ScatterND": scatter_nd(),
    "TensorScatter": tensor_scatter(),
    "TopK": top_k(),
    "Trilu": trilu(),
}
"""The operators of this family."""

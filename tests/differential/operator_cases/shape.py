"""What rearranges elements."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from operator_cases.case import Array, Case
from operator_cases.strategies import (
    ANY,
    FLOATS,
    Cases,
    Draw,
    draw_array,
    draw_axes,
    draw_axis,
    draw_broadcast,
    draw_case,
    draw_dtype,
    draw_opset,
    draw_shape,
    ints,
)


def _any(draw: Draw, least: int = 0, dtypes: str = ANY) -> Array:
    return draw_array(draw, draw_dtype(draw, dtypes), draw_shape(draw, least))


@st.composite
def identity(draw: Draw) -> Case:
    """Any tensor."""
    return draw_case(draw, "Identity", draw_opset(draw, "Identity"), [_any(draw)])


@st.composite
def flatten(draw: Draw) -> Case:
    """Every axis, also the one past the end."""
    opset = draw_opset(draw, "Flatten")
    x = _any(draw, 0, FLOATS if opset < 9 else ANY)
    low = -x.ndim if opset >= 11 else 0
    given = x.ndim == 0 or draw(st.booleans())
    attributes = {"axis": draw(st.integers(low, x.ndim))} if given else {}
    return draw_case(draw, "Flatten", opset, [x], attributes)


@st.composite
def transpose(draw: Draw) -> Case:
    """A permutation, or the reverse by default."""
    x = _any(draw)
    order = draw(st.permutations(range(x.ndim)))
    attributes = {"perm": order} if x.ndim and draw(st.booleans()) else {}
    return draw_case(draw, "Transpose", draw_opset(draw, "Transpose"), [x], attributes)


@st.composite
def reshape(draw: Draw) -> Case:
    """Dimensions copied, inferred and, if allowed, empty."""
    opset = draw_opset(draw, "Reshape")
    x = _any(draw)
    parts = list(x.shape)
    while len(parts) > 1 and draw(st.booleans()):
        at = draw(st.integers(0, len(parts) - 2))
        parts[at : at + 2] = [parts[at] * parts[at + 1]]
    if draw(st.booleans()):
        parts.insert(draw(st.integers(0, len(parts))), 1)
    attributes: dict[str, int] = {}
    if 0 in parts and opset >= 14 and draw(st.booleans()):
        attributes["allowzero"] = 1
    elif 0 in parts:
        # A 0 copies the dimension of the input.
        parts = list(x.shape)
    elif parts and draw(st.booleans()):
        parts[draw(st.integers(0, len(parts) - 1))] = -1
    return draw_case(draw, "Reshape", opset, [x, ints(parts)], attributes, parameters=(1,))


@st.composite
def concat(draw: Draw) -> Case:
    """One to four inputs that differ along an axis."""
    opset = draw_opset(draw, "Concat")
    shape = draw_shape(draw, 1)
    axis = draw_axis(draw, len(shape)) if opset >= 11 else draw(st.integers(0, len(shape) - 1))
    dtype = draw_dtype(draw, ANY)
    inputs: list[Array] = []
    for _ in range(draw(st.integers(1, 4))):
        sides = list(shape)
        sides[axis] = draw(st.integers(0, 3))
        inputs.append(draw_array(draw, dtype, tuple(sides)))
    return draw_case(
        draw, "Concat", opset, inputs, {"axis": axis}, parameters=range(1, len(inputs))
    )


@st.composite
def gather(draw: Draw) -> Case:
    """Indices of any shape, from either end since opset 11."""
    opset = draw_opset(draw, "Gather")
    shape = draw_shape(draw, 1)
    axis = draw_axis(draw, len(shape))
    side = shape[axis]
    indices = draw_array(draw, draw_dtype(draw, "i4 i8"), draw_shape(draw, 0, 2), special=False)
    if side:
        indices %= indices.dtype.type(side)
        if opset >= 11 and draw(st.booleans()):
            indices -= indices.dtype.type(side)
    else:
        indices = indices[..., :0] if indices.ndim else indices.reshape(1)[:0]
    attributes = {"axis": axis} if axis or draw(st.booleans()) else {}
    x = draw_array(draw, draw_dtype(draw, ANY), shape)
    return draw_case(draw, "Gather", opset, [x, indices], attributes, parameters=(1,))


@st.composite
def slice_(draw: Draw) -> Case:
    """Starts and ends beyond the limits, steps of both signs."""
    opset = draw_opset(draw, "Slice")
    x = _any(draw, 1)
    axes = draw_axes(draw, x.ndim, least=1)
    bounds = st.one_of(st.integers(-7, 7), st.sampled_from((2**31 - 1, 2**63 - 1, -(2**63) + 1)))
    starts, ends = ([draw(bounds) for _ in axes] for _ in range(2))
    if opset < 10:
        axes = [axis % x.ndim for axis in axes]
        return draw_case(draw, "Slice", opset, [x], {"starts": starts, "ends": ends, "axes": axes})
    inputs = [x, ints(starts), ints(ends), ints(axes)]
    if draw(st.booleans()):
        steps = st.sampled_from((1, 2, 3, -1, -2, -5))
        inputs.append(ints(draw(steps) for _ in axes))
    return draw_case(draw, "Slice", opset, inputs, parameters=(1, 2, 3, 4))


@st.composite
def unsqueeze(draw: Draw) -> Case:
    """Axes of the result."""
    opset = draw_opset(draw, "Unsqueeze")
    x = draw_array(draw, draw_dtype(draw, ANY), draw_shape(draw, 0, 3))
    count = draw(st.integers(1, 3))
    rank = x.ndim + count
    chosen = st.lists(st.integers(0, rank - 1), min_size=count, max_size=count, unique=True)
    axes = draw(chosen)
    if opset >= 11:
        axes = [axis - rank if draw(st.booleans()) else axis for axis in axes]
    if opset < 13:
        return draw_case(draw, "Unsqueeze", opset, [x], {"axes": axes})
    return draw_case(draw, "Unsqueeze", opset, [x, ints(axes)], parameters=(1,))


@st.composite
def squeeze(draw: Draw) -> Case:
    """All dimensions of size 1, or those told."""
    opset = draw_opset(draw, "Squeeze")
    x = _any(draw)
    ones = [axis for axis, side in enumerate(x.shape) if side == 1]
    axes = [axis for axis in ones if draw(st.booleans())]
    if opset >= 11:
        axes = [axis - x.ndim if draw(st.booleans()) else axis for axis in axes]
    if not axes:
        return draw_case(draw, "Squeeze", opset, [x])
    if opset < 13:
        return draw_case(draw, "Squeeze", opset, [x], {"axes": axes})
    return draw_case(draw, "Squeeze", opset, [x, ints(axes)], parameters=(1,))


@st.composite
def expand(draw: Draw) -> Case:
    """Both ways, as broadcasting is."""
    opset = draw_opset(draw, "Expand")
    of_x, target = draw_broadcast(draw, 2)
    x = draw_array(draw, draw_dtype(draw, ANY), of_x)
    return draw_case(draw, "Expand", opset, [x, ints(target)], parameters=(1,))


@st.composite
def tile(draw: Draw) -> Case:
    """Repeats, none among them."""
    opset = draw_opset(draw, "Tile")
    x = _any(draw, 0, f"{FLOATS} i1 i2 i4 i8 u1 u2 u4 u8 ?")
    repeats = ints(draw(st.integers(0, 3)) for _ in range(x.ndim))
    return draw_case(draw, "Tile", opset, [x, repeats], parameters=(1,))


@st.composite
def split(draw: Draw) -> Case:
    """Into equal parts, or parts of given sizes."""
    opset = draw_opset(draw, "Split")
    shape = list(draw_shape(draw, 1))
    axis = draw_axis(draw, len(shape)) if opset >= 11 else draw(st.integers(0, len(shape) - 1))
    count = draw(st.integers(1, 3))
    sizes = [draw(st.integers(0, 3)) for _ in range(count)]
    equal = draw(st.booleans())
    if equal:
        sizes = [sizes[0]] * count
    shape[axis] = sum(sizes)
    dtype = draw_dtype(draw, "f4 f8 i4 i8 u1 ?" if opset < 13 else ANY)
    x = draw_array(draw, dtype, tuple(shape))
    attributes: dict[str, object] = {"axis": axis} if axis or draw(st.booleans()) else {}
    if equal:
        if opset >= 18:
            attributes["num_outputs"] = count
        return draw_case(draw, "Split", opset, [x], attributes, outputs=count)
    if opset < 13:
        return draw_case(draw, "Split", opset, [x], {**attributes, "split": sizes}, outputs=count)
    return draw_case(
        draw, "Split", opset, [x, ints(sizes)], attributes, parameters=(1,), outputs=count
    )


@st.composite
def pad(draw: Draw) -> Case:
    """Every mode; negative pads crop."""
    opset = draw_opset(draw, "Pad")
    modes = ["constant", "reflect", "edge"] + (["wrap"] if opset >= 19 else [])
    mode = draw(st.sampled_from(modes))
    shape = draw_shape(draw, 1, empty=mode == "constant")
    rank = len(shape)
    dtype = draw_dtype(draw, "f4 f8" if opset < 13 else "f4 f8 f2 i1 u1 i4 i8 u4 u8 ?")
    x = draw_array(draw, dtype, shape, special=False)
    axes = list(range(rank))
    given = opset >= 18 and draw(st.booleans())
    if given:
        axes = draw_axes(draw, rank, least=1)
    sides = [shape[axis] for axis in axes]
    most = {"constant": 3, "edge": 3}.get(mode)
    pads = [
        draw(st.integers(-side if mode == "constant" else 0, side - 1 if most is None else most))
        for side in sides
    ]
    pads += [
        draw(
            st.integers(
                -(side + min(0, before)) if mode == "constant" else 0,
                side - 1 if most is None else most,
            )
        )
        for side, before in zip(sides, pads, strict=True)
    ]
    attributes: dict[str, object] = (
        {"mode": mode} if mode != "constant" or draw(st.booleans()) else {}
    )
    filled = mode == "constant" and draw(st.booleans())
    if opset < 11:
        attributes["pads"] = pads
        if filled:
            attributes["value"] = 1.5
        return draw_case(draw, "Pad", opset, [x], attributes)
    inputs = [x, ints(pads), np.array(1.5).astype(dtype) if filled else None]
    if given:
        inputs.append(np.array(axes, draw_dtype(draw, "i4 i8")))
    return draw_case(draw, "Pad", opset, inputs, attributes, parameters=(1, 2, 3))


@st.composite
def center_crop_pad(draw: Draw) -> Case:
    """Some axes cut and some filled up, by even and odd numbers."""
    opset = draw_opset(draw, "CenterCropPad")
    shape = draw_shape(draw, 1, 4, empty=False)
    attributes: dict[str, object] = {}
    axes = list(range(len(shape)))
    if draw(st.booleans()):
        axes = attributes["axes"] = draw_axes(draw, len(shape), 1)
    wanted = np.array([draw(st.integers(1, 6)) for _ in axes], draw(st.sampled_from(("i8", "i4"))))
    x = draw_array(draw, draw_dtype(draw, "f4 f8 i4 u1 ?"), shape)
    return draw_case(draw, "CenterCropPad", opset, [x, wanted], attributes, parameters=(1,))


CASES: dict[str, Cases] = {
    "CenterCropPad": center_crop_pad(),
    "Concat": concat(),
    "Expand": expand(),
    "Flatten": flatten(),
    "Gather": gather(),
    "Identity": identity(),
    "Pad": pad(),
    "Reshape": reshape(),
    "Slice": slice_(),
    "Split": split(),
    "Squeeze": squeeze(),
    "Tile": tile(),
    "Transpose": transpose(),
    "Unsqueeze": unsqueeze(),
}
"""The operators of this family."""

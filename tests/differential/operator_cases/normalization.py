"""Normalizations."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from operator_cases.case import Case
from operator_cases.strategies import (
    FLOATS,
    Cases,
    Draw,
    draw_array,
    draw_axis,
    draw_case,
    draw_dtype,
    draw_opset,
    draw_shape,
    draw_some,
)

_EPSILON = st.sampled_from((1e-5, 1e-3, 0.1))


@st.composite
def softmax(draw: Draw, op: str) -> Case:
    """Along one axis or, before opset 13, along all from an axis on."""
    opset = draw_opset(draw, op)
    shape = draw_shape(draw, 1)
    rank = len(shape)
    # Axes counted from the end came with opset 11.
    axis = draw_axis(draw, rank) if opset >= 11 else draw(st.integers(0, rank - 1))
    needed = opset < 13 and rank < 2
    attributes = {"axis": axis} if needed or draw(st.booleans()) else {}
    x = draw_array(draw, draw_dtype(draw, FLOATS), shape)
    return draw_case(draw, op, opset, [x], attributes, magnitude=1)


@st.composite
def batch_normalization(draw: Draw) -> Case:
    """Statistics that are known, or fed."""
    op = "BatchNormalization"
    opset = draw_opset(draw, op)
    shape = draw_shape(draw, 2, 5)
    dtype = draw_dtype(draw, FLOATS)
    statistics = [draw_array(draw, dtype, shape[1:2], special=False, low=0.5) for _ in range(4)]
    attributes = draw_some(draw, epsilon=_EPSILON, momentum=st.just(0.5))
    inputs = [draw_array(draw, dtype, shape), *statistics]
    known = (1, 2, 3, 4) if draw(st.booleans()) else ()
    return draw_case(
        draw, op, opset, inputs, attributes, parameters=(1, 2), constant=known, magnitude=4
    )


@st.composite
def instance_normalization(draw: Draw) -> Case:
    """Each image and channel on its own."""
    op = "InstanceNormalization"
    shape = draw_shape(draw, 3, 5, empty=False)
    dtype = draw_dtype(draw, "f4 f2")
    parameters = [draw_array(draw, dtype, shape[1:2], special=False) for _ in range(2)]
    inputs = [draw_array(draw, dtype, shape), *parameters]
    attributes = draw_some(draw, epsilon=_EPSILON)
    opset = draw_opset(draw, op)
    return draw_case(draw, op, opset, inputs, attributes, parameters=(1, 2), magnitude=4)


@st.composite
def layer_normalization(draw: Draw) -> Case:
    """From any axis on, with a bias, and with the statistics as results."""
    op = "LayerNormalization"
    shape = draw_shape(draw, 1)
    axis = draw_axis(draw, len(shape))
    attributes = draw_some(draw, epsilon=_EPSILON)
    if axis != -1 or draw(st.booleans()):
        attributes["axis"] = axis
    dtype = draw_dtype(draw, FLOATS)
    of_parameters = shape[axis % len(shape) :]
    inputs = [
        draw_array(draw, dtype, shape),
        *(
            draw_array(draw, dtype, of_parameters, special=False)
            for _ in range(draw(st.integers(1, 2)))
        ),
    ]
    return draw_case(
        draw,
        op,
        draw_opset(draw, op),
        inputs,
        attributes,
        parameters=(1, 2),
        outputs=draw(st.sampled_from((1, 1, 2, 3))) if dtype == np.float32 else 1,
        magnitude=4,
    )


@st.composite
def batch_training(draw: Draw) -> Case:
    """By the statistics of the batch, those so far moved towards them."""
    op = "BatchNormalization"
    shape = draw_shape(draw, 2, 5, empty=False)
    statistics = [draw_array(draw, "f4", shape[1:2], special=False, low=0.5) for _ in range(4)]
    attributes = draw_some(draw, epsilon=_EPSILON, momentum=st.just(0.5))
    attributes["training_mode"] = 1
    inputs = [draw_array(draw, "f4", shape, special=False), *statistics]
    opset = draw_opset(draw, op, 14)
    return draw_case(draw, op, opset, inputs, attributes, parameters=(1, 2), outputs=3, magnitude=4)


@st.composite
def group_normalization(draw: Draw) -> Case:
    """With a scale a group or, from opset 21 on, a channel."""
    op = "GroupNormalization"
    opset = draw_opset(draw, op)
    groups, of_each = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    batch, *spatial = draw_shape(draw, 2, 3, empty=False)
    shape = (batch, groups * of_each, *spatial)
    count = groups if opset < 21 else groups * of_each
    dtype = draw_dtype(draw, "f4 f2")
    parameters = [draw_array(draw, dtype, (count,), special=False) for _ in range(2)]
    inputs = [draw_array(draw, dtype, shape, special=False), *parameters]
    # ONNX Runtime subtracts the square of the mean from the mean square, which cancels.
    attributes = {"num_groups": groups, "epsilon": draw(st.sampled_from((0.5, 2.0)))}
    return draw_case(draw, op, opset, inputs, attributes, parameters=(1, 2), magnitude=8)


@st.composite
def rms_normalization(draw: Draw) -> Case:
    """From any axis on."""
    op = "RMSNormalization"
    shape = draw_shape(draw, 1)
    axis = draw_axis(draw, len(shape))
    dtype = draw_dtype(draw, FLOATS)
    scale = draw_array(draw, dtype, shape[axis % len(shape) :], special=False)
    attributes = {"axis": axis, **draw_some(draw, epsilon=_EPSILON)}
    inputs = [draw_array(draw, dtype, shape), scale]
    return draw_case(
        draw, op, draw_opset(draw, op), inputs, attributes, parameters=(1,), magnitude=4
    )


@st.composite
def mean_variance_normalization(draw: Draw) -> Case:
    """Along any axes, of which all but the channels of images are the default."""
    op = "MeanVarianceNormalization"
    shape = draw_shape(draw, 4, 4, empty=False)
    attributes = {}
    if draw(st.booleans()):
        attributes["axes"] = draw(
            st.lists(st.integers(0, 3), min_size=1, max_size=4, unique=True).map(sorted)
        )
    x = draw_array(draw, "f4", shape, special=False)
    return draw_case(draw, op, draw_opset(draw, op), [x], attributes, magnitude=4)


@st.composite
def lp_normalization(draw: Draw) -> Case:
    """Either norm along any axis."""
    op = "LpNormalization"
    shape = draw_shape(draw, 1)
    attributes = {"axis": draw_axis(draw, len(shape)), "p": draw(st.integers(1, 2))}
    x = draw_array(draw, draw_dtype(draw, "f4 f8"), shape, special=False)
    return draw_case(draw, op, draw_opset(draw, op), [x], attributes)


@st.composite
def hardmax(draw: Draw) -> Case:
    """Along one axis or, before opset 13, along all from an axis on; with ties."""
    opset = draw_opset(draw, "Hardmax")
    shape = draw_shape(draw, 1, empty=False)
    rank = len(shape)
    axis = draw_axis(draw, rank) if opset >= 11 else draw(st.integers(0, rank - 1))
    needed = opset < 13 and rank < 2
    attributes = {"axis": axis} if needed or draw(st.booleans()) else {}
    x = draw_array(draw, "f4", shape, special=False, low=-1, high=1)
    return draw_case(draw, "Hardmax", opset, [x], attributes)


CASES: dict[str, Cases] = {
    "BatchNormalization": st.one_of(batch_normalization(), batch_training()),
    "GroupNormalization": group_normalization(),
    "Hardmax": hardmax(),
    "InstanceNormalization": instance_normalization(),
    "LayerNormalization": layer_normalization(),
    "LogSoftmax": softmax("LogSoftmax"),
    "LpNormalization": lp_normalization(),
    "MeanVarianceNormalization": mean_variance_normalization(),
    "RMSNormalization": rms_normalization(),
    "Softmax": softmax("Softmax"),
}
"""The operators of this family."""

"""Deformed convolutions, columns put back, and unpooling, against ONNX Runtime and references."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper
from onnx.reference import ReferenceEvaluator

from pyflame_rt.kernels.convolution import col2_im, conv, deform_conv
from pyflame_rt.kernels.pooling import max_pool_with_indices, max_unpool


def normal(*shape: int) -> np.ndarray:
    """Reproducible values."""
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def window(data: st.DataObject, rank: int) -> tuple[list[int], list[int], dict[str, list[int]]]:
    """A kernel, an image it fits into, and how it moves."""
    kernel = [data.draw(st.integers(1, 3)) for _ in range(rank)]
    strides = [data.draw(st.integers(1, 2)) for _ in range(rank)]
    dilations = [data.draw(st.integers(1, 2)) for _ in range(rank)]
    pads = [data.draw(st.integers(0, 2)) for _ in range(2 * rank)]
    image = [
        max(1, (k - 1) * d + 1 - before - after) + data.draw(st.integers(0, 3))
        for k, d, before, after in zip(kernel, dilations, pads, pads[rank:], strict=False)
    ]
    return kernel, image, {"strides": strides, "pads": pads, "dilations": dilations}


def positions(kernel: list[int], image: list[int], how: dict[str, list[int]]) -> list[int]:
    """How often a window fits along each axis."""
    rank = len(kernel)
    sides = zip(
        kernel, image, how["strides"], how["dilations"], how["pads"], how["pads"][rank:],
        strict=False,
    )  # fmt: skip
    return [(n + a + b - (k - 1) * d - 1) // s + 1 for k, n, s, d, a, b in sides]


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    data=st.data(),
    group=st.integers(1, 2),
    sharing=st.integers(1, 2),
    biased=st.booleans(),
    masked=st.booleans(),
)
def test_deformed_convolution_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any],
    data: st.DataObject,
    group: int,
    sharing: int,
    biased: bool,
    masked: bool,
):
    """Groups of channels and of offsets, taps between elements and outside the image."""
    kernel, image, how = window(data, 2)
    outputs, taps = positions(kernel, image, how), kernel[0] * kernel[1]
    x, w = normal(2, group * sharing, *image), normal(2 * group, sharing, *kernel)
    offset = 2 * normal(2, sharing * taps * 2, *outputs)
    bias = normal(2 * group) if biased else None
    mask = normal(2, sharing * taps, *outputs) if masked else None
    how |= {"group": group, "offset_group": sharing}
    want = onnxruntime_result("DeformConv", [x, w, offset, bias, mask], opset=22, **how)
    got = deform_conv(x, w, offset, bias, mask, **how)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-4)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data(), rank=st.sampled_from((1, 3)), shift=st.integers(-1, 1))
def test_whole_offsets_shift_a_convolution(data: st.DataObject, rank: int, shift: int):
    """Over one and three axes, which ONNX Runtime does not have."""
    kernel, image, how = window(data, rank)
    outputs, taps = positions(kernel, image, how), int(np.prod(kernel))
    x, w = normal(1, 2, *image), normal(3, 2, *kernel)
    offset = np.full((1, taps * rank, *outputs), shift, np.float32)
    # One more element of padding before, and one less after, is a shift by one.
    pads = how["pads"]
    wide = np.pad(x, [(0, 0)] * 2 + [(3 + p - shift, 3 + p + shift) for p in pads[:rank]])
    starts = [
        slice(3, 3 + n + end + p) for n, p, end in zip(image, pads, pads[rank:], strict=False)
    ]
    want = conv(wide[(..., *starts)], w, strides=how["strides"], dilations=how["dilations"])
    got = deform_conv(x, w, offset, **how)
    np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-4)


def test_taps_that_are_nowhere_are_zero():
    """Infinite and NaN offsets, an infinite element that weighs nothing, an image of nothing."""
    x, w = np.array([[[1, np.inf, 2]]], np.float32), np.ones((1, 1, 1), np.float32)
    offset = np.array([[[np.inf, np.nan, 0]]], np.float32)
    assert deform_conv(x, w, offset).tolist() == [[[0, 0, 2]]]
    empty = np.zeros((1, 1, 0), np.float32)
    got = deform_conv(empty, w, np.zeros((1, 1, 2), np.float32), pads=(1, 1))
    assert got.tolist() == [[[0, 0]]]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data(), rank=st.integers(1, 3))
def test_columns_equal_the_reference(data: st.DataObject, rank: int):
    """Blocks that overlap, leave gaps, or lie partly outside."""
    block, image, how = window(data, rank)
    blocks = int(np.prod(positions(block, image, how)))
    x = normal(2, 2 * int(np.prod(block)), blocks)
    sizes = {"i": np.array(image), "b": np.array(block)}
    node = helper.make_node("Col2Im", ["x", "i", "b"], ["y"], **how)
    (want,) = ReferenceEvaluator(node).run(None, {"x": x, **sizes})
    got = col2_im(x, sizes["i"], sizes["b"], **how)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


def test_columns_of_integers_wrap():
    x = np.full((1, 2, 2), 200, np.uint8)
    got = col2_im(x, image_shape=(3,), block_shape=(2,))
    assert got.dtype == np.uint8
    assert got.tolist() == [[[200, 144, 200]]]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data(), rank=st.integers(1, 3))
def test_unpooling_undoes_a_pool(
    onnxruntime_result: Callable[..., Any], data: st.DataObject, rank: int
):
    """Maxima return to their places; ONNX Runtime agrees while no shape is asked for."""
    kernel = [data.draw(st.integers(1, 3)) for _ in range(rank)]
    image = [k * data.draw(st.integers(1, 3)) for k in kernel]
    x = normal(2, 2, *image)
    pooled, indices = max_pool_with_indices(x, kernel_shape=kernel, strides=kernel)
    got = max_unpool(pooled, indices, kernel_shape=kernel, strides=kernel)
    np.testing.assert_array_equal(got, np.where(np.isin(x, pooled), x, 0))
    want = onnxruntime_result(
        "MaxUnpool", [pooled, indices], opset=11, kernel_shape=kernel, strides=kernel
    )
    np.testing.assert_array_equal(got, want)


def test_a_larger_shape_is_filled_up_with_zeros():
    """Indices keep their meaning; of equal ones the last counts."""
    x, indices = np.array([[[1, 2, 3]]], np.float32), np.array([[[0, 2, 2]]])
    got = max_unpool(x, indices, np.array([1, 1, 5]), kernel_shape=(1,))
    assert got.tolist() == [[[1, 0, 3, 0, 0]]]


X, W = normal(1, 2, 3), normal(2, 2, 1)
OFFSET, PLACES = normal(1, 1, 3), np.arange(6).reshape(1, 2, 3)


@pytest.mark.parametrize(
    ("run", "text"),
    [
        (lambda: deform_conv(X, W, OFFSET, group=2), "do not split into 2 groups"),
        (lambda: deform_conv(X, W, OFFSET, offset_group=3), "and 3 of offsets"),
        (lambda: deform_conv(X, W, OFFSET[..., :2]), "offsets of shape"),
        (lambda: deform_conv(X, W, OFFSET, mask=OFFSET[..., :2]), "a mask of shape"),
        (lambda: deform_conv(X, W[0], OFFSET), "do not slide over"),
        (lambda: col2_im(X[0], image_shape=(3,), block_shape=(1,)), "3 dimensions"),
        (lambda: col2_im(X, image_shape=(3,), block_shape=(1, 1)), "do not make an image"),
        (lambda: col2_im(X, image_shape=(4,), block_shape=(1,)), "are not"),
        (lambda: col2_im(X, image_shape=(5,), block_shape=(3,)), "are not"),
        (lambda: col2_im(X, image_shape=(-1,), block_shape=(1,)), "do not make an image"),
        (lambda: col2_im(X, image_shape=(1,), block_shape=(3,)), "does not fit"),
        (lambda: max_unpool(X, PLACES[..., :2], kernel_shape=(1,)), "indices of shape"),
        (lambda: max_unpool(X, PLACES + 1, kernel_shape=(1,)), "outside the 6 elements"),
        (lambda: max_unpool(X, PLACES - 1, kernel_shape=(1,)), "outside the 6 elements"),
        (lambda: max_unpool(X, PLACES, output_shape=(1, 2, 2), kernel_shape=(1,)), "is less"),
        (lambda: max_unpool(X, PLACES, output_shape=(1, 2), kernel_shape=(1,)), "is less"),
        (lambda: max_unpool(X, PLACES, kernel_shape=(1,), strides=(1 << 60,)), "too large"),
        (lambda: max_unpool(X, PLACES, kernel_shape=(1,), pads=(2, 2)), "would have the shape"),
    ],
)
def test_what_makes_no_sense_is_an_error(run: Callable[[], Any], text: str):
    with pytest.raises(ValueError, match=text):
        run()

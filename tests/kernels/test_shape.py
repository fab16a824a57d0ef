"""Kernels that rearrange elements, against ONNX Runtime."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pyflame_rt.kernels import shape as kernels

DRAWN = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


def numbered(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    """An array whose elements tell where they came from."""
    return np.arange(int(np.prod(shape)), dtype=dtype).reshape(shape)


def i64(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def check(got: np.ndarray, want: np.ndarray) -> None:
    assert isinstance(got, np.ndarray)
    assert (got.dtype, got.shape) == (want.dtype, want.shape)
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(
    ("shape", "wanted", "allowzero"),
    [
        ((2, 3, 4), (0, -1), False),
        ((2, 3, 4), (-1, 0), False),
        ((2, 3, 4), (24,), False),
        ((2, 3, 4), (4, 0, -1), False),
        ((), (1, 1), False),
        ((1, 1), (), False),
        ((0, 3), (3, 0), True),
        ((0, 3), (0, 5), False),
        ((3, 0), (-1,), False),
    ],
)
def test_reshape_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any],
    shape: tuple[int, ...],
    wanted: tuple[int, ...],
    allowzero: bool,
):
    x = numbered(*shape)
    want = onnxruntime_result("Reshape", [x, i64(*wanted)], allowzero=int(allowzero), opset=19)
    check(kernels.reshape(x, i64(*wanted), allowzero=allowzero), want)
    check(kernels.reshape(x, shape=wanted, allowzero=allowzero), want)


def test_reshape_of_an_empty_batch():
    """A copied dimension cancels out even if it is 0, so the rest is known."""
    assert kernels.reshape(numbered(0, 3, 4), shape=(0, -1)).shape == (0, 12)


@pytest.mark.parametrize(
    ("wanted", "allowzero"),
    [((5,), False), ((4, -1), False), ((-1, -1), False), ((2, 3, 0), False), ((0, -1), True),
     ((0, 3), True), ((-2, 3), False), ((1 << 62, 1 << 62), False)],
)  # fmt: skip
def test_reshape_refuses_what_does_not_fit(wanted: tuple[int, ...], allowzero: bool):
    with pytest.raises(ValueError, match=r"cannot become|copies a dimension"):
        kernels.reshape(numbered(2, 3), shape=wanted, allowzero=allowzero)


@pytest.mark.parametrize("axis", [-3, -1, 0, 1, 2, 3])
def test_flatten_equals_onnxruntime(onnxruntime_result: Callable[..., Any], axis: int):
    x = numbered(2, 3, 4)
    check(kernels.flatten(x, axis=axis), onnxruntime_result("Flatten", [x], axis=axis))


def test_flatten_of_scalars_and_empties():
    assert kernels.flatten(np.array(1.0), axis=0).shape == (1, 1)
    assert kernels.flatten(numbered(2, 0, 3)).shape == (2, 0)
    with pytest.raises(ValueError, match="axis 1"):
        kernels.flatten(np.array(1.0))


@pytest.mark.parametrize("axes", [None, (0,), (-1, 0), (2,)])
def test_squeeze_equals_onnxruntime(onnxruntime_result: Callable[..., Any], axes: Any):
    x = numbered(1, 3, 1)
    want = onnxruntime_result("Squeeze", [x] if axes is None else [x, i64(*axes)])
    check(kernels.squeeze(x, axes=axes), want)


@pytest.mark.parametrize("axes", [(0,), (-1, 0), (1, 3), ()])
def test_unsqueeze_equals_onnxruntime(onnxruntime_result: Callable[..., Any], axes: Any):
    x = numbered(2, 3)
    check(kernels.unsqueeze(x, axes=axes), onnxruntime_result("Unsqueeze", [x, i64(*axes)]))
    check(kernels.unsqueeze(x, i64(*axes)), kernels.unsqueeze(x, axes=axes))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: kernels.squeeze(x, axes=(0,)), "not all 1"),
        (lambda x: kernels.squeeze(x, axes=(5,)), "axis 5"),
        (lambda x: kernels.squeeze(x, axes=(1, -1)), "twice"),
        (lambda x: kernels.unsqueeze(x, axes=(0, 0)), "twice"),
        (lambda x: kernels.unsqueeze(x), "axes is missing"),
        (lambda x: kernels.transpose(x, perm=(0, 0)), "perm"),
        (lambda x: kernels.concat(x, x[0], axis=0), "ranks"),
        (lambda x: kernels.concat(x, axis=2), "axis 2"),
        (lambda x: kernels.split(x, split=(1, 2)), "add up"),
        (lambda x: kernels.split(x, num_outputs=0), "0 parts"),
        (lambda x: kernels.center_crop_pad(x, shape=(1,)), "1 numbers of shape for"),
        (lambda x: kernels.center_crop_pad(x, shape=(1 << 50,) * x.ndim), "too large"),
        (lambda x: kernels.split(x), "missing"),
        (lambda x: kernels.slice_(x, starts=(0,), ends=(1,), steps=(0,)), "zero"),
        (lambda x: kernels.slice_(x, starts=(0,), ends=(1, 1)), "differ in length"),
        (lambda x: kernels.slice_(x, np.zeros((1, 1), np.int64), ends=(1,)), "vector"),
        (lambda x: kernels.pad(x, pads=(1, 1)), "2 pads for 2 axes"),
        (lambda x: kernels.pad(x, pads=(4, 0, -3, 0)), "remove more"),
        (lambda x: kernels.pad(x, pads=(0, -5, 0, 0)), "would have the shape"),
        (lambda x: kernels.pad(x, pads=(0, 1 << 60, 0, 1 << 60)), "too large"),
        (lambda x: kernels.pad(x[:0], pads=(1, 0, 0, 0), mode="edge"), "without elements"),
        (lambda x: kernels.gather(x, i64(2)), "index 2 is outside"),
        (lambda x: kernels.gather(x, np.array(-3)), "index -3 is outside"),
        (lambda x: kernels.tile(x, repeats=(1,)), "repeats"),
        (lambda x: kernels.tile(x, repeats=(1 << 40, 1 << 40)), "too large"),
        (lambda x: kernels.expand(x, shape=(1 << 40, 1, 1)), "too large"),
        (lambda x: kernels.expand(x, shape=(5, 3)), "broadcast"),
    ],
)
def test_values_that_make_no_sense_are_refused(call: Callable[..., Any], message: str):
    """With a clear text, and before anything large is allocated."""
    with pytest.raises(ValueError, match=message):
        call(numbered(2, 3))


@given(data=st.data(), shape=SHAPES)
@DRAWN
def test_transpose_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any], data: st.DataObject, shape: tuple[int, ...]
):
    x = numbered(*shape)
    perm = tuple(data.draw(st.permutations(range(len(shape)))))
    assume(perm)
    check(kernels.transpose(x, perm=perm), onnxruntime_result("Transpose", [x], perm=perm))
    check(kernels.transpose(x), x.T)


@given(shapes=hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3))
@DRAWN
def test_expand_equals_onnxruntime(onnxruntime_result: Callable[..., Any], shapes: Any):
    """In both directions: a 1 in the shape keeps the dimension."""
    given_shape, wanted = shapes.input_shapes
    x = numbered(*given_shape)
    want = onnxruntime_result("Expand", [x, i64(*wanted)])
    check(kernels.expand(x, shape=wanted), want)
    assert kernels.expand(x, i64(*wanted)).flags.writeable


@given(data=st.data(), shape=hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3))
@DRAWN
def test_concat_and_split_equal_onnxruntime(
    onnxruntime_result: Callable[..., Any], data: st.DataObject, shape: tuple[int, ...]
):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    sizes = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=4))
    parts = [numbered(*(size if k == axis % len(shape) else d for k, d in enumerate(shape))) for size in sizes]  # fmt: skip
    whole = kernels.concat(*parts, axis=axis)
    check(whole, onnxruntime_result("Concat", parts, axis=axis))
    for got, part in zip(kernels.split(whole, split=tuple(sizes), axis=axis), parts, strict=True):
        check(got, part)
    for got, part in zip(kernels.split(whole, i64(*sizes), axis=axis), parts, strict=True):
        check(got, part)


@pytest.mark.parametrize(("length", "count"), [(6, 3), (7, 3), (3, 1)])
def test_split_in_equal_parts_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any], length: int, count: int
):
    """The last part is smaller."""
    x = numbered(2, length)
    want = onnxruntime_result("Split", [x], count, opset=18, num_outputs=count, axis=-1)
    got = kernels.split(x, num_outputs=count, axis=-1)
    for part, expected in zip(got, [want] if count == 1 else want, strict=True):
        check(part, expected)


def test_split_may_leave_nothing_for_the_last_parts():
    assert [part.size for part in kernels.split(numbered(4), num_outputs=3)] == [2, 2, 0]
    assert [part.size for part in kernels.split(numbered(5), num_outputs=5)] == [1] * 5
    assert [part.size for part in kernels.split(numbered(5), num_outputs=4)] == [2, 2, 1, 0]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data(), dims=st.lists(st.integers(0, 6), min_size=1, max_size=3))
def test_center_crop_pad_equals_the_reference(data: st.DataObject, dims: list[int]):
    """Some axes cut and some filled up, by numbers odd and even."""
    axes = data.draw(st.permutations(range(len(dims))))[: data.draw(st.integers(1, len(dims)))]
    wanted = [data.draw(st.integers(0, 8)) for _ in axes]
    x = numbered(*dims) + 1
    got = kernels.center_crop_pad(x, shape=wanted, axes=axes)
    want = [
        slice(max(dim - size, 0) // 2, max(dim - size, 0) // 2 + min(dim, size))
        for dim, size in zip([dims[axis] for axis in axes], wanted, strict=True)
    ]
    expected = x
    for axis, cut, size in zip(axes, want, wanted, strict=True):
        expected = np.take(expected, range(cut.start, cut.stop), axis)
        gap = max(size - dims[axis], 0)
        widths = [(0, 0)] * x.ndim
        widths[axis] = (gap // 2, gap - gap // 2)
        expected = np.pad(expected, widths)
    np.testing.assert_array_equal(got, expected)


def test_center_crop_pad_fills_strings_up_with_empty_ones():
    x = np.array(["a", "b"], object)
    assert kernels.center_crop_pad(x, shape=(5,)).tolist() == ["", "a", "b", "", ""]


BOUNDS = st.integers(-7, 7) | st.sampled_from([2**63 - 1, -(2**63), 2**31 - 1])


@given(data=st.data(), shape=hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5))
@DRAWN
def test_slice_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any], data: st.DataObject, shape: tuple[int, ...]
):
    """Any bounds, far outside too, in both directions, along any axes in any order."""
    x = numbered(*shape)
    axes = data.draw(st.lists(st.integers(0, len(shape) - 1), min_size=1, unique=True))
    axes = [data.draw(st.sampled_from([axis, axis - len(shape)])) for axis in axes]
    bounds = st.lists(BOUNDS, min_size=len(axes), max_size=len(axes))
    starts, ends = data.draw(bounds), data.draw(bounds)
    steps = data.draw(st.lists(st.sampled_from([1, 2, -1, -3, 5]), min_size=len(axes), max_size=len(axes)))  # fmt: skip
    operands = [i64(*values) for values in (starts, ends, axes, steps)]
    # To ONNX Runtime these ends mean the first element backwards, against the text of ONNX.
    assume(not any(e >= 2**31 - 1 and s < 0 for e, s in zip(ends, steps, strict=True)))
    want = onnxruntime_result("Slice", [x, *operands])
    check(kernels.slice_(x, *operands), want)
    properties = dict(zip(("starts", "ends", "axes", "steps"), map(tuple, (starts, ends, axes, steps)), strict=True))  # fmt: skip
    check(kernels.slice_(x, **properties), want)


def test_slice_of_a_scalar_is_an_array():
    got = kernels.slice_(np.array(3.0), starts=(), ends=())
    assert isinstance(got, np.ndarray)
    assert got == 3


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge", "wrap"])
@pytest.mark.parametrize("pads", [(0, 0, 0, 0), (1, 2, 0, 1), (0, 2, 1, 2), (2, 0, 2, 3)])
def test_pad_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any], mode: str, pads: tuple[int, ...]
):
    x = numbered(3, 4)
    want = onnxruntime_result("Pad", [x, i64(*pads)], mode=mode)
    check(kernels.pad(x, pads=pads, mode=mode), want)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.int64, np.uint8, np.bool_])
def test_pad_removes_and_fills(onnxruntime_result: Callable[..., Any], dtype: Any):
    """Negative pads, some axes only, and a fill of x's type."""
    x = numbered(2, 3, 4).astype(dtype)
    pads, axes, fill = (-1, 2, 3, -1), (-1, 0), np.array(1, dtype)
    want = onnxruntime_result("Pad", [x, i64(*pads), fill, i64(*axes)])
    check(kernels.pad(x, i64(*pads), fill, i64(*axes)), want)
    check(kernels.pad(x, pads=pads, axes=axes, constant_value=1), want)


def test_pad_of_a_scalar_and_of_narrow_floats():
    assert kernels.pad(np.array(3.0), pads=()).shape == ()
    x = np.ones(2, ml_dtypes.bfloat16)
    assert kernels.pad(x, pads=(1, 0), constant_value=0.5).tolist() == [0.5, 1, 1]
    assert kernels.pad(x[:0], pads=(1, 1)).tolist() == [0, 0]


@given(
    data=st.data(),
    shape=hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4),
    wanted=hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3),
)
@DRAWN
def test_gather_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any], data: st.DataObject, shape: Any, wanted: Any
):
    x = numbered(*shape)
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    inside = st.integers(-shape[axis], shape[axis] - 1)
    dtype = data.draw(st.sampled_from([np.int32, np.int64]))
    indices = data.draw(hnp.arrays(dtype, wanted, elements=inside))
    check(
        kernels.gather(x, indices, axis=axis), onnxruntime_result("Gather", [x, indices], axis=axis)
    )


def test_gather_nothing_from_nothing():
    assert kernels.gather(numbered(0, 3), i64()).shape == (0, 3)


def unaligned(array: np.ndarray) -> np.ndarray:
    """The same values at an odd address, as weights have in a model's file."""
    raw = np.zeros(array.nbytes + 1, np.uint8)[1:]
    raw[:] = array.reshape(-1).view(np.uint8)
    return raw.view(array.dtype).reshape(array.shape)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("indices", [i64(0, -1), i64(1, 0, 1, 1).reshape(2, 2), np.array(1)])
def test_gather_from_unaligned_memory(axis: int, indices: np.ndarray):
    x = numbered(2, 3, 2)
    want = kernels.gather(x, indices, axis=axis)
    check(kernels.gather(unaligned(x), indices, axis=axis), want)


def test_gather_does_not_copy_an_unaligned_table():
    """np.take would: an embedding of 100 MB for every token."""
    table, rows = unaligned(numbered(4096, 64)), i64(7, 0)
    tracemalloc.start()
    try:
        kernels.gather(table, rows)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < table.nbytes / 10


@given(data=st.data(), shape=hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3))
@DRAWN
def test_tile_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any], data: st.DataObject, shape: tuple[int, ...]
):
    x = numbered(*shape)
    repeats = data.draw(st.tuples(*[st.integers(0, 3)] * len(shape)))
    check(kernels.tile(x, repeats=repeats), onnxruntime_result("Tile", [x, i64(*repeats)]))


def test_tile_of_a_scalar():
    assert kernels.tile(np.array(2.0), repeats=()).shape == ()


@pytest.mark.parametrize(
    "dtype", [np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.int4, np.complex64]
)
def test_element_types_do_not_matter(dtype: Any):
    """Elements are moved, never looked at."""
    x = np.arange(6).reshape(2, 3).astype(dtype)
    results = [
        kernels.identity(x), kernels.reshape(x, shape=(3, 2)), kernels.transpose(x),
        kernels.concat(x, x, axis=0), kernels.slice_(x, starts=(1,), ends=(2,)),
        kernels.pad(x, pads=(0, 1, 1, 0)), kernels.pad(x, pads=(0, 1, 1, 0), mode="edge"),
        kernels.gather(x, np.array([1])), kernels.tile(x, repeats=(2, 1)),
        kernels.expand(x, shape=(2, 1, 1)),
    ]  # fmt: skip
    assert {result.dtype for result in results} == {np.dtype(dtype)}

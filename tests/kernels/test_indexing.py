"""Kernels that find elements by their indices, against ONNX Runtime.

Where it cannot judge, the text of ONNX does:
* NonZero of a scalar has no rows (ONNX Runtime gives one).
* Order with NaN depends on where the NaNs stand (TopK, Unique), and a maximum or minimum that is
  scattered drops the NaN that was there. Here NaN is the greatest number, equal to itself, and stays.
* OneHot truncates floats (ONNX Runtime places only whole ones), may be of depth 0, and has negative
  indices since opset 11 only.
* Unique of entries without elements stops the process.
* ReverseSequence along a negative axis gives a wrong result; ONNX has no such axis.
* It lacks element types: f64 in NonZero, f16 in a reduction of ScatterND, and bf16 everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pyflame_rt.kernels import indexing as kernels

DRAWN = settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
SPECIAL = [0.0, -0.0, 0.5, 1.0, -1.5, 1e30, np.inf, -np.inf]
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


def i64(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def f32(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def numbered(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    """An array whose elements tell where they came from."""
    return np.arange(int(np.prod(shape)), dtype=dtype).reshape(shape)


def check(got: Any, want: Any, rtol: float = 0) -> None:
    """Same dtypes, shapes and values, NaN and infinities at the same places."""
    if isinstance(want, list):
        assert len(got) == len(want)
        for one, other in zip(got, want, strict=True):
            check(one, other, rtol)
        return
    assert isinstance(got, np.ndarray)
    assert (got.dtype, got.shape) == (want.dtype, want.shape)
    np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol) if rtol else (
        np.testing.assert_array_equal(got, want)
    )


def shapes(least: int = 0, most: int = 4, side: int = 4) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes, empty ones and those with dimensions of 1 among them."""
    return hnp.array_shapes(min_dims=least, max_dims=most, min_side=0, max_side=side)


def draw_array(
    data: st.DataObject, shape: tuple[int, ...], *dtypes: Any, nan: bool = True
) -> np.ndarray:
    """An array of one of the types, with few distinct elements, special ones among them."""
    dtype = np.dtype(data.draw(st.sampled_from(dtypes)))
    match dtype.kind:
        case "b":
            elements = st.booleans()
        case "f":
            elements = st.sampled_from([*SPECIAL, *([np.nan] if nan else [])])
        case kind:
            elements = st.integers(0 if kind == "u" else -3, 3)
    with np.errstate(over="ignore"):
        return np.array(
            data.draw(hnp.arrays(object, shape, elements=elements, fill=st.nothing()))
        ).astype(dtype)


def draw_axis(data: st.DataObject, rank: int) -> int:
    return data.draw(st.integers(-rank, rank - 1))


def draw_indices(data: st.DataObject, shape: tuple[int, ...], dim: int, dtype: Any) -> np.ndarray:
    """Indices into a dimension, from both ends; none if it is empty."""
    if dim == 0:
        return np.zeros([0 if k == 0 else d for k, d in enumerate(shape)], dtype)
    inside = st.integers(-dim, dim - 1)
    return data.draw(hnp.arrays(dtype, shape, elements=inside, fill=st.nothing()))


MOVED = (np.float32, np.float16, np.int32, np.int64, np.uint8, np.bool_, np.float64)


@given(data=st.data(), shape=shapes(1))
@DRAWN
def test_non_zero_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any], data: st.DataObject, shape: tuple[int, ...]
):
    """NaN is not zero, -0.0 is."""
    x = draw_array(data, shape, np.float32, np.float16, np.int32, np.int64, np.uint8, np.bool_)
    check(kernels.non_zero(x), onnxruntime_result("NonZero", [x]))


def test_non_zero_of_a_scalar_has_no_rows():
    assert kernels.non_zero(np.array(3.0)).shape == (0, 1)
    assert kernels.non_zero(np.array(False)).shape == (0, 0)


def places(data: st.DataObject, shape: tuple[int, ...], axis: int) -> np.ndarray:
    """Indices as GatherElements takes them: along the axis any number, elsewhere what there is."""
    along = axis % len(shape)
    sides = [st.integers(0, 4 if k == along else dim) for k, dim in enumerate(shape)]
    wanted = list(data.draw(st.tuples(*sides)))
    wanted[along] = 0 if shape[along] == 0 else wanted[along]
    dtype = data.draw(st.sampled_from([np.int32, np.int64]))
    dim = shape[along]
    inside = st.integers(-dim, dim - 1) if dim else st.just(0)
    return data.draw(hnp.arrays(dtype, wanted, elements=inside, fill=st.nothing()))


@given(data=st.data(), shape=shapes(1))
@DRAWN
def test_gather_elements_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any], data: st.DataObject, shape: tuple[int, ...]
):
    x = draw_array(data, shape, *MOVED)
    axis = draw_axis(data, len(shape))
    indices = places(data, shape, axis)
    want = onnxruntime_result("GatherElements", [x, indices], axis=axis)
    check(kernels.gather_elements(x, indices, axis=axis), want)


def tuples(data: st.DataObject, shape: tuple[int, ...], batch: int, width: int) -> np.ndarray:
    """Index tuples as GatherND takes them."""
    outer = data.draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3))
    pointed = shape[batch : batch + width]
    leading = (*shape[:batch], *((0, *outer) if 0 in pointed else outer))
    columns = [draw_indices(data, leading, dim, np.int64) for dim in pointed]
    return np.stack([np.broadcast_to(c, leading) for c in columns], -1)


@given(data=st.data(), shape=shapes(1))
@DRAWN
def test_gather_nd_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any], data: st.DataObject, shape: tuple[int, ...]
):
    x = draw_array(data, shape, *MOVED)
    # ONNX Runtime divides by the size of a batch.
    most = next((k for k, dim in enumerate(shape) if dim == 0), len(shape))
    batch = data.draw(st.integers(0, max(min(most, len(shape) - 1), 0)))
    width = data.draw(st.integers(1, len(shape) - batch))
    indices = tuples(data, shape, batch, width)
    want = onnxruntime_result("GatherND", [x, indices], batch_dims=batch)
    check(kernels.gather_nd(x, indices, batch_dims=batch), want)


def test_gather_nd_of_no_batches_and_of_empty_tuples():
    assert kernels.gather_nd(numbered(0, 3), i64().reshape(0, 2, 1), batch_dims=1).shape == (0, 2)
    check(kernels.gather_nd(numbered(2), np.zeros((3, 0), np.int64)), np.stack([numbered(2)] * 3))


REDUCED = (np.float32, np.float64, np.int32, np.int64, np.uint8, np.int8)
REDUCTIONS = st.sampled_from(["none", "add", "mul", "max", "min"])


@given(data=st.data(), shape=shapes(1, 3), reduction=REDUCTIONS)
@DRAWN
def test_scatter_elements_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any],
    data: st.DataObject,
    shape: tuple[int, ...],
    reduction: str,
):
    """Several updates of one place too, of which the last stays without a reduction."""
    kinds = MOVED if reduction == "none" else REDUCED
    x = draw_array(data, shape, *kinds, nan=reduction not in ("max", "min"))
    axis = draw_axis(data, len(shape))
    indices = places(data, shape, axis)
    updates = draw_array(data, indices.shape, x.dtype, nan=reduction not in ("max", "min"))
    want = onnxruntime_result("ScatterElements", [x, indices, updates], axis=axis, reduction=reduction)  # fmt: skip
    check(kernels.scatter_elements(x, indices, updates, axis=axis, reduction=reduction), want)


@given(data=st.data(), shape=shapes(1, 3), reduction=REDUCTIONS)
@DRAWN
def test_scatter_nd_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any],
    data: st.DataObject,
    shape: tuple[int, ...],
    reduction: str,
):
    """Elements and slices."""
    kinds = MOVED if reduction == "none" else REDUCED
    x = draw_array(data, shape, *kinds, nan=reduction not in ("max", "min"))
    width = data.draw(st.integers(1, len(shape)))
    indices = tuples(data, shape, 0, width)
    wanted = (*indices.shape[:-1], *shape[width:])
    updates = draw_array(data, wanted, x.dtype, nan=reduction not in ("max", "min"))
    want = onnxruntime_result("ScatterND", [x, indices, updates], reduction=reduction)
    check(kernels.scatter_nd(x, indices, updates, reduction=reduction), want)


def test_scatter_leaves_its_operand_alone():
    x = numbered(3)
    kernels.scatter_elements(x, i64(0), f32(9))
    kernels.scatter_nd(x, i64(0).reshape(1, 1), f32(9), reduction="add")
    check(x, numbered(3))


@pytest.mark.parametrize("reduction", ["max", "min", "add", "mul"])
def test_scattered_nan_stays(reduction: str):
    """Whether it was there or comes."""
    x, updates = f32(1, np.nan), f32(np.nan, 1)
    got = kernels.scatter_elements(x, i64(0, 1), updates, reduction=reduction)
    assert np.isnan(got).all()


@pytest.mark.parametrize("dtype", [np.float16, BFLOAT16])
def test_narrow_floats_are_rounded_once(dtype: Any):
    """256 + 1 + 1 is 258 in bf16, though 257 is not there."""
    big = {np.dtype(np.float16): 2048, BFLOAT16: 256}[np.dtype(dtype)]
    x, ones = np.array([big], dtype), np.ones(2, dtype)
    got = kernels.scatter_elements(x, i64(0, 0), ones, reduction="add")
    assert (got.dtype, got.tolist()) == (dtype, [big + 2])
    sums = kernels.cum_sum(np.array([big, 1, 1], dtype), axis=0)
    assert (sums.dtype, sums.tolist()[-1]) == (dtype, big + 2)


def test_booleans_are_combined_by_logic(onnxruntime_result: Callable[..., Any]):
    x, indices = np.array([True, False, True, False]), i64(0, 1, 2, 3)
    updates = np.array([True, True, False, False])
    for reduction, want in (("add", x | updates), ("mul", x & updates), ("max", x | updates)):
        check(kernels.scatter_elements(x, indices, updates, reduction=reduction), want)
    want = onnxruntime_result("ScatterElements", [x, indices, updates], reduction="add")
    check(x | updates, want)


@given(data=st.data(), shape=shapes(1, 3, 6), largest=st.booleans(), order=st.booleans())
@DRAWN
def test_top_k_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any],
    data: st.DataObject,
    shape: tuple[int, ...],
    largest: bool,
    order: bool,
):
    """Equal elements in the order of their indices, zeros of both signs among them."""
    kinds = (np.float32, np.float64, np.float16, np.int32, np.int64, np.int8, np.uint8)
    x = draw_array(data, shape, *kinds, nan=False)
    axis = draw_axis(data, len(shape))
    k = data.draw(st.integers(0, shape[axis]))
    want = onnxruntime_result("TopK", [x, i64(k)], 2, axis=axis, largest=int(largest), sorted=int(order))  # fmt: skip
    got = kernels.top_k(x, i64(k), axis=axis, largest=largest, sorted=order)
    if order:
        check(got, want)
    else:
        check([np.sort(part, axis) for part in got], [np.sort(part, axis) for part in want])


@pytest.mark.parametrize("dtype", [np.float32, np.float16, BFLOAT16])
def test_top_k_with_nan(dtype: Any):
    """The greatest number, the first of several first."""
    x = np.array([1, np.nan, np.inf, np.nan, -np.inf], dtype)
    assert kernels.top_k(x, k=5)[1].tolist() == [1, 3, 2, 0, 4]
    assert kernels.top_k(x, k=5, largest=False)[1].tolist() == [4, 0, 2, 1, 3]
    assert kernels.top_k(x, k=1)[0].dtype == dtype


@pytest.mark.parametrize("dtype", [np.uint64, np.int64, np.int8])
def test_top_k_at_the_ends_of_a_type(dtype: Any):
    """No element is negated to be ordered."""
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    x = np.array([low, high, 5, low], dtype)
    values, indices = kernels.top_k(x, k=2)
    assert (values.tolist(), indices.tolist()) == ([high, 5], [1, 2])
    assert kernels.top_k(x, k=2, largest=False)[0].tolist() == [low, low]


ONE_HOT_TYPES = (
    (np.int64, np.int64, np.float32),
    (np.int64, np.int64, np.int64),
    (np.int32, np.int32, np.float32),
    (np.float32, np.float32, np.float32),
    (np.float32, np.int64, np.int64),
)
"""Types of indices, depth and values together that ONNX Runtime knows."""


@given(data=st.data(), shape=shapes(1, 3), depth=st.integers(1, 5))
@DRAWN
def test_one_hot_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any],
    data: st.DataObject,
    shape: tuple[int, ...],
    depth: int,
):
    """Indices inside and outside, of integers and floats; any type of depth and values."""
    dtype, depth_type, value_type = data.draw(st.sampled_from(ONE_HOT_TYPES))
    indices = data.draw(hnp.arrays(dtype, shape, elements=st.integers(-7, 7).map(dtype)))
    values = draw_array(data, (2,), value_type)
    axis = data.draw(st.integers(-len(shape) - 1, len(shape)))
    size = np.array(depth, depth_type)
    want = onnxruntime_result("OneHot", [indices, size, values], axis=axis)
    check(kernels.one_hot(indices, size, values, axis=axis), want)
    check(kernels.one_hot(indices, None, values, depth=depth, axis=axis), want)


def test_one_hot_where_onnxruntime_does_not_judge():
    """Truncated floats, what is no number, no depth, a scalar."""
    got = kernels.one_hot(f32(0.5, -0.5, 1.7, -1.7, np.nan, np.inf), None, i64(0, 1), depth=3)
    assert got.argmax(1).tolist() == [0, 0, 1, 2, 0, 0]
    assert got.sum(1).tolist() == [1, 1, 1, 1, 0, 0]
    assert kernels.one_hot(i64(1, 2), np.array(0.9), f32(0, 1)).shape == (2, 0)
    assert kernels.one_hot(np.array(1), np.array([3]), f32(0, 1)).tolist() == [0, 1, 0]
    huge = np.array([2**63, 2], np.uint64)
    assert kernels.one_hot(huge, None, f32(0, 1), depth=3).tolist() == [[0, 0, 0], [0, 0, 1]]


@given(data=st.data(), shape=shapes(2), upper=st.booleans(), k=st.integers(-5, 5))
@DRAWN
def test_trilu_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any],
    data: st.DataObject,
    shape: tuple[int, ...],
    upper: bool,
    k: int,
):
    x = draw_array(data, shape, np.float32, np.float64, np.float16, np.int32, np.int64, np.bool_)
    want = onnxruntime_result("Trilu", [x, np.array(k)], upper=int(upper))
    check(kernels.trilu(x, np.array(k), upper=upper), want)
    check(kernels.trilu(x, k=k, upper=upper), want)
    if k == 0:
        check(kernels.trilu(x, upper=upper), want)


@pytest.mark.parametrize("k", [-(2**63), 2**63 - 1])
def test_diagonals_far_away(k: int):
    x = numbered(2, 3) + 1
    check(kernels.trilu(x, k=k), x if k < 0 else x * 0)
    check(kernels.trilu(x, k=k, upper=False), x * 0 if k < 0 else x)
    check(kernels.eye_like(x, k=k), x * 0)


@given(
    shape=shapes(2, 2),
    k=st.integers(-5, 5),
    kind=st.sampled_from([None, np.float32, np.float64, np.float16, np.int32, np.int64, np.bool_]),
)
@DRAWN
def test_eye_like_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any], shape: tuple[int, ...], k: int, kind: Any
):
    x = numbered(*shape)
    dtype = None if kind is None else np.dtype(kind)
    codes = {np.float32: 1, np.float64: 11, np.int32: 6, np.int64: 7}
    got = kernels.eye_like(x, k=k, dtype=dtype)
    if kind is None or kind in codes:
        chosen = {} if kind is None else {"dtype": codes[kind]}
        check(got, onnxruntime_result("EyeLike", [x], k=k, **chosen))
    else:
        check(got, np.eye(*shape, k, kind))


@given(data=st.data(), shape=shapes(1, 3), exclusive=st.booleans(), reverse=st.booleans())
@DRAWN
def test_cum_sum_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any],
    data: st.DataObject,
    shape: tuple[int, ...],
    exclusive: bool,
    reverse: bool,
):
    x = draw_array(data, shape, np.float32, np.float64, np.int32, np.int64)
    axis = np.array(draw_axis(data, len(shape)), data.draw(st.sampled_from([np.int32, np.int64])))
    flags = {"exclusive": exclusive, "reverse": reverse}
    want = onnxruntime_result("CumSum", [x, axis], **{k: int(v) for k, v in flags.items()})
    check(kernels.cum_sum(x, axis, **flags), want, rtol=1e-6 if x.dtype.kind == "f" else 0)
    check(kernels.cum_sum(x, axis=int(axis), **flags), kernels.cum_sum(x, axis, **flags))


def test_cum_sum_of_integers_wraps():
    x = np.array([200, 100], np.uint8)
    check(kernels.cum_sum(x, axis=0), np.array([200, 44], np.uint8))


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16, np.int32, np.uint64])
def test_cum_prod_is_the_product_of_what_counts(dtype: Any):
    """From either end, with and without the element itself."""
    x = np.array([[2, 3, 4], [5, 0, 7]], dtype)
    for exclusive, reverse, want in (
        (False, False, [[2, 6, 24], [5, 0, 0]]),
        (True, False, [[1, 2, 6], [1, 5, 0]]),
        (False, True, [[24, 12, 4], [0, 0, 7]]),
        (True, True, [[12, 4, 1], [0, 7, 1]]),
    ):
        got = kernels.cum_prod(x, axis=-1, exclusive=exclusive, reverse=reverse)
        check(got, np.array(want, dtype))


def test_cum_prod_of_integers_wraps_and_of_nothing_is_nothing():
    x = np.array([16, 17], np.uint8)
    check(kernels.cum_prod(x, np.array(0)), np.array([16, 16], np.uint8))
    assert kernels.cum_prod(x[:0], axis=0, exclusive=True).shape == (0,)


@given(data=st.data(), shape=shapes(1), flat=st.booleans())
@DRAWN
def test_compress_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any],
    data: st.DataObject,
    shape: tuple[int, ...],
    flat: bool,
):
    """Conditions of any length: what is missing does not hold, what is too much is nobody's."""
    x = draw_array(data, shape, *MOVED)
    condition = data.draw(hnp.arrays(np.bool_, st.integers(0, 6)))
    chosen = {} if flat else {"axis": draw_axis(data, len(shape))}
    want = onnxruntime_result("Compress", [x, condition], **chosen)
    check(kernels.compress(x, condition, **chosen), want)


@given(data=st.data(), shape=shapes(0, 3), flat=st.booleans(), order=st.booleans())
@DRAWN
def test_unique_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any],
    data: st.DataObject,
    shape: tuple[int, ...],
    flat: bool,
    order: bool,
):
    x = draw_array(data, shape, np.float32, np.float64, np.int64, np.int8, nan=False)
    chosen = {} if flat or not shape else {"axis": draw_axis(data, len(shape))}
    if chosen and x.size == 0:
        # ONNX Runtime stops the process; all entries are the same.
        values, _, inverse, counts = kernels.unique(x, **chosen, sorted=order)
        dim = shape[chosen["axis"]]
        assert counts.tolist() == ([dim] if dim else [])
        assert inverse.tolist() == [0] * dim
        assert values.shape[chosen["axis"]] == min(dim, 1)
        return
    want = onnxruntime_result("Unique", [x], 4, **chosen, sorted=int(order))
    check(kernels.unique(x, **chosen, sorted=order), want)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, BFLOAT16, np.complex64])
def test_unique_has_one_nan(dtype: Any):
    """Which is the greatest; of equal zeros the first stands for both."""
    x = np.array([np.nan, 1, np.nan, -0.0, 0.0], dtype)
    values, indices, inverse, counts = kernels.unique(x)
    assert values.dtype == dtype
    assert indices.tolist() == [3, 1, 0]
    assert inverse.tolist() == [2, 1, 2, 0, 0]
    assert counts.tolist() == [2, 1, 2]
    assert np.signbit(values.real.astype(np.float32))[0]
    rows = kernels.unique(np.stack([x, x], 1), axis=0, sorted=False)
    assert rows[1].tolist() == [0, 1, 3]
    assert rows[2].tolist() == [0, 1, 0, 2, 2]


@given(data=st.data(), shape=shapes(2), time_axis=st.sampled_from([0, 1]))
@DRAWN
def test_reverse_sequence_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any],
    data: st.DataObject,
    shape: tuple[int, ...],
    time_axis: int,
):
    x = draw_array(data, shape, *MOVED)
    axes = {"time_axis": time_axis, "batch_axis": 1 - time_axis}
    inside = st.integers(0, shape[time_axis])
    lengths = data.draw(hnp.arrays(np.int64, shape[1 - time_axis], elements=inside))
    want = onnxruntime_result("ReverseSequence", [x, lengths], **axes)
    check(kernels.reverse_sequence(x, lengths, **axes), want)


@pytest.mark.parametrize("dtype", [BFLOAT16, ml_dtypes.float8_e4m3fn, ml_dtypes.int4, np.complex64])
def test_element_types_do_not_matter(dtype: Any):
    """Elements are moved, never looked at."""
    x = np.arange(6).reshape(2, 3).astype(dtype)
    indices, row = np.array([[0, -1, 1]]), np.array([[1]])
    results = [
        kernels.gather_elements(x, indices), kernels.gather_nd(x, row), kernels.trilu(x),
        kernels.scatter_elements(x, indices, x[:1]), kernels.scatter_nd(x, row, x[:1]),
        kernels.compress(x, np.array([False, True]), axis=0),
        kernels.reverse_sequence(x, i64(2, 1, 0)),
        kernels.one_hot(i64(0, 1), None, x[0, :2], depth=2),
    ]  # fmt: skip
    assert {result.dtype for result in results} == {np.dtype(dtype)}
    assert kernels.non_zero(x).shape == (2, 5)


X = numbered(2, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kernels.gather_elements(X, np.array([[3]]), axis=1), "index 3 is outside"),
        (lambda: kernels.gather_elements(X, np.array([[-4]]), axis=1), "index -4 is outside"),
        (lambda: kernels.gather_elements(X, i64(0)), "do not suit"),
        (lambda: kernels.gather_elements(X, np.zeros((3, 1), np.int64), axis=1), "do not suit"),
        (lambda: kernels.gather_elements(X, i64(0), axis=2), "axis 2"),
        (lambda: kernels.gather_nd(X, np.array([[0, 3]])), "index 3 is outside"),
        (lambda: kernels.gather_nd(X, i64(0, 0, 0)), "tuples of 3"),
        (lambda: kernels.gather_nd(X, i64(0), batch_dims=1), "batch"),
        (lambda: kernels.gather_nd(X, np.array([[0]]), batch_dims=1), "batch"),
        (lambda: kernels.gather_nd(X, np.array([[0]]), batch_dims=-1), "batch"),
        (lambda: kernels.gather_nd(X, np.array(0)), "batch"),
        (
            lambda: kernels.gather_nd(
                np.broadcast_to(f32(0), (1, 1 << 40)), np.zeros((1 << 10, 1), np.int64)
            ),
            "too large",
        ),
        (lambda: kernels.scatter_elements(X, np.array([[2]]), X[:1, :1]), "index 2 is outside"),
        (lambda: kernels.scatter_elements(X, np.array([[1]]), X[:1]), "1 indices|updates"),
        (lambda: kernels.scatter_elements(X, i64(1), f32(1)), "do not suit"),
        (lambda: kernels.scatter_nd(X, np.array([[2]]), X[:1]), "index 2 is outside"),
        (lambda: kernels.scatter_nd(X, np.array([[1]]), X), "updates of"),
        (lambda: kernels.scatter_nd(X, np.array(1), X), "do not suit"),
        (lambda: kernels.scatter_nd(X, i64(0, 0, 0), f32(1)), "do not suit"),
        (lambda: kernels.top_k(X, k=4), "k is 4, the dimension 3"),
        (lambda: kernels.top_k(X, i64(-1)), "k is -1"),
        (lambda: kernels.top_k(X), "k is missing"),
        (lambda: kernels.top_k(X, i64(1, 2)), "one number"),
        (lambda: kernels.top_k(np.array(1.0), k=1), "axis -1"),
        (lambda: kernels.one_hot(i64(0), None, f32(0, 1), depth=-1), "depth of -1"),
        (lambda: kernels.one_hot(i64(0), f32(np.nan), f32(0, 1)), "depth must be a number"),
        (lambda: kernels.one_hot(i64(0), None, f32(1), depth=2), r"values of \[1\]"),
        (lambda: kernels.one_hot(i64(0), None, f32(0, 1), depth=2, axis=2), "axis 2"),
        (lambda: kernels.one_hot(i64(0), None, f32(0, 1), depth=1 << 60), "too large"),
        (lambda: kernels.one_hot(i64(), None, f32(0, 1), depth=1 << 60), "too large"),
        (lambda: kernels.trilu(f32(1)), "matrices"),
        (lambda: kernels.eye_like(f32(1)), "matrix"),
        (lambda: kernels.cum_sum(X, np.array(2)), "axis 2"),
        (lambda: kernels.cum_sum(X), "axis is missing"),
        (lambda: kernels.compress(X, np.array(True)), "vector"),
        (lambda: kernels.compress(X, np.array([True]), axis=2), "axis 2"),
        (lambda: kernels.unique(X, axis=-3), "axis -3"),
        (lambda: kernels.reverse_sequence(X, i64(1, 2, 3)), r"not all in 0\.\.2"),
        (lambda: kernels.reverse_sequence(X, i64(1, 2, -1)), r"not all in 0\.\.2"),
        (lambda: kernels.reverse_sequence(X, i64(1)), "lengths for 3"),
        (lambda: kernels.reverse_sequence(X, i64(1), time_axis=1), "axes"),
        (lambda: kernels.reverse_sequence(f32(1), i64(1)), "axes"),
    ],
)
def test_values_that_make_no_sense_are_refused(call: Callable[[], Any], message: str):
    """With a clear text, and before anything large is allocated."""
    with pytest.raises(ValueError, match=message):
        call()

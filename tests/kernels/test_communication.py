"""What devices get of each other's values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyflame_rt.kernels import communication as kernels


@given(st.integers(0, 40), st.lists(st.integers(1, 9), min_size=1, max_size=8))
def test_slices_cover_the_dimension(dim: int, sizes: list[int]):
    """Every element once and in order, none empty; with too few, the last one stands in."""
    edges = kernels.bounds(dim, sizes)
    assert len(edges) == len(sizes)
    if dim >= len(sizes):
        assert [start for start, _ in edges] == [0, *(stop for _, stop in edges[:-1])]
        assert edges[-1][1] == dim
        assert all(start < stop for start, stop in edges)
    elif dim:
        assert [start for start, _ in edges] == [min(i, dim - 1) for i in range(len(sizes))]
        assert all(stop == start + 1 for start, stop in edges)
    if sum(sizes) == dim:
        assert [stop - start for start, stop in edges] == sizes


@given(st.integers(0, 9), st.integers(1, 5))
def test_what_is_scattered_is_gathered_again(rows: int, count: int):
    x = np.arange(rows * 3.0).reshape(rows, 3)
    parts = kernels.scatter_slices(x, sizes=[1] * count)
    np.testing.assert_array_equal(kernels.all_gather(*parts, x), x)


def test_sums_are_added_in_order():
    """One rounding for each part, from the first on; the parts stay as they are."""
    parts = [np.float32([1e8, 1]), np.float32([1, 2]), np.float32([-1e8, 3])]
    np.testing.assert_array_equal(kernels.all_reduce(*parts), np.float32([0, 6]))
    np.testing.assert_array_equal(parts[0], np.float32([1e8, 1]))


def test_wrong_values_are_said():
    with pytest.raises(ValueError, match="axis 2 is outside the 1 dimensions"):
        kernels.scatter_slices(np.zeros(3), axis=2, sizes=[1])
    with pytest.raises(ValueError, match="slices of sizes"):
        kernels.scatter_slices(np.zeros(3), sizes=[1, 0])
    with pytest.raises(ValueError, match="nothing to gather"):
        kernels.all_gather(None)
    with pytest.raises(ValueError, match="nothing to add"):
        kernels.all_reduce()
    with pytest.raises(ValueError, match="parts of shapes"):
        kernels.all_reduce(np.zeros(2), np.zeros(3))

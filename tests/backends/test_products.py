"""Products with packed weights: every way to cut them gives the same, and constants are packed once."""

from __future__ import annotations

import gc
import mmap

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyflame_rt.backends.numpy_backend import packing
from pyflame_rt.backends.numpy_backend.blas import Blas
from pyflame_rt.backends.numpy_backend.products import Product, Shape
from pyflame_rt.backends.numpy_backend.program import no_packs
from pyflame_rt.weights import Weight


def multiplied(shape: Shape, x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """x @ w by the steps of a product, in memory that had something else in it."""
    product = Product(shape, shape.pack(w))
    y = np.full((len(x), w.shape[1]), np.nan, x.dtype)
    room = np.full(product.room(len(x)), np.nan, x.dtype)
    for step in product.steps(x, y, room):
        step()
    return y


@settings(deadline=None, max_examples=40)
@given(
    rows=st.integers(1, 70),
    depth=st.sampled_from([1, 5, 64, 300, 1536, 2500]),
    columns=st.sampled_from([1, 24, 64, 96, 200, 320, 1280, 1300]),
    small=st.booleans(),
)
def test_all_cuts_multiply(rows: int, depth: int, columns: int, small: bool):
    """Small products and large ones, in parts of the depth, with rows that are left over."""
    rng = np.random.default_rng(rows + depth + columns)
    x = rng.standard_normal((rows, depth)).astype(np.float32)
    w = rng.standard_normal((depth, columns)).astype(np.float32)
    shape = Shape.of(depth, columns, x.dtype)
    if small:
        parts = next(n for n in (3, 2, 1) if depth % n == 0)
        width = next(n for n in (32, 25, 24, 1) if columns % n == 0)
        shape = Shape(depth, columns, parts, width, True)
    found = multiplied(shape, x, w)
    np.testing.assert_allclose(found, x @ w, rtol=1e-4, atol=1e-3)


def test_some_columns_of_a_product():
    """Blocks of columns can be computed by themselves, into rows that lie apart."""
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(s).astype(np.float32) for s in ((7, 6), (6, 20)))
    shape = Shape(6, 20, 2, 5, True)
    whole = Product(shape, shape.pack(w))
    y = np.zeros((7, 20), np.float32)
    for first in (0, 2):
        for step in whole.columns(first, 2).steps(x, y[:, 5 * first :][:, :10], np.empty(70)):
            step()
    np.testing.assert_allclose(y, x @ w, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("config", "kernel", "small"),
    [
        ("OpenBLAS 0.3.31.188.0  USE64BITINT DYNAMIC_ARCH", "SkylakeX", True),
        ("OpenBLAS 0.3.31", "Haswell", False),
        ("OpenBLAS 0.3.9 ", "SkylakeX", False),
        ("", "", False),
    ],
)
def test_which_blas_has_small_products(config: str, kernel: str, small: bool):
    """By OpenBLAS's own words, and none that is unknown."""
    assert Blas(config, kernel).has_small_products == small


def test_packs_are_shared_while_they_are_used():
    """Two plans of one weight hold one packed form; when both are gone, so is that."""
    weight = Weight(np.arange(12, dtype=np.float32).reshape(3, 4))

    def pack() -> np.ndarray:
        return packing.packed(weight.packs, weight.array, "rows", lambda a: a.T.copy())

    first, second = pack(), pack()
    assert first is second
    del first, second
    gc.collect()
    assert not weight.packs


def test_unaligned_constants_are_copied_and_aligned_ones_are_not():
    """Weights lie in a file as they may."""
    raw = np.zeros(4 * 8 + 1, np.uint8)
    unaligned = raw[1:].view(np.float32)
    assert packing.aligned(unaligned).flags.aligned
    aligned = np.zeros(8, np.float32)
    assert packing.aligned(aligned) is aligned


def test_released_pages_come_back(tmp_path):
    """What was packed can be read again from its file."""
    path, count = tmp_path / "weights", 1 << 16
    np.arange(count, dtype=np.float32).tofile(path)
    with path.open("rb") as file:
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    array = np.frombuffer(mapping, np.float32)
    doubled = packing.packed(no_packs(), array, "doubled", lambda a: a * 2)
    packing.release(array[3:])
    np.testing.assert_array_equal(doubled, array * 2)

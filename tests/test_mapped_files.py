"""Mapped files and lazy tensors: nothing is read before it is asked for, nothing outside is."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
import pytest

import pyflame_rt as rt
from pyflame_rt.cache import LazyTensor, MappedFile, MMapAdvice, MMapLoader

VALUES = np.arange(3000, dtype=np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "weights.bin"
    found.write_bytes(b"1234" + VALUES.tobytes())
    return found


def test_as_documented(path: Path):
    """The calls of the developer guide."""
    assert rt.cache.MMapLoader.can_mmap(path)
    assert rt.cache.MMapLoader.page_alignment() == mmap.ALLOCATIONGRANULARITY
    file = rt.cache.MappedFile.open(path)
    assert file.is_valid() and file.size() == 12004
    assert file.advise(rt.cache.MMapAdvice.Sequential)
    lazy = rt.cache.LazyTensor(file, 4, [30, 100], rt.DType.Float32)
    assert lazy.shape == (30, 100) and lazy.dtype == np.float32 and lazy.nbytes == 12000
    np.testing.assert_array_equal(lazy.materialize(), VALUES.reshape(30, 100))


def test_what_can_be_mapped(tmp_path: Path, path: Path):
    (tmp_path / "empty").touch()
    for other in (tmp_path, tmp_path / "empty", tmp_path / "missing", "a\0b"):
        assert not MMapLoader.can_mmap(other)


def test_tensors_are_views_of_the_map(path: Path):
    file = MappedFile.open(path)
    lazy = LazyTensor(file, 4, [3000], "float32")
    assert not lazy.is_materialized
    array = lazy.materialize()
    assert lazy.is_materialized and lazy.materialize() is array
    assert np.shares_memory(array, file.data()) and not array.flags.writeable


def test_views_outlive_the_file(path: Path):
    with MappedFile.open(path) as file:
        array = LazyTensor(file, 4, [3000], np.float32).materialize()
        unread = LazyTensor(file, 4, [3000], np.float32)
    assert not file.is_valid() and file.size() == 0
    np.testing.assert_array_equal(array, VALUES)
    with pytest.raises(rt.PyFlameRTError, match="is closed"):
        file.data()
    with pytest.raises(rt.PyFlameRTError, match="is closed"):
        unread.materialize()
    assert not file.advise(MMapAdvice.Random) and not file.lock() and not file.unlock()


def test_advice_of_every_kind(path: Path):
    file = MappedFile.open(path)
    assert all(file.advise(advice) for advice in MMapAdvice)
    np.testing.assert_array_equal(LazyTensor(file, 4, [3000], "f4").materialize(), VALUES)


def test_locking_changes_nothing_that_can_be_seen(path: Path):
    """Systems may refuse it."""
    file = MappedFile.open(path)
    if file.lock():
        assert file.unlock()
    assert bytes(file.data()[:4]) == b"1234"


def test_an_empty_file(tmp_path: Path):
    """It has no map, but is open."""
    (tmp_path / "empty").touch()
    file = MappedFile.open(tmp_path / "empty")
    assert file.is_valid() and file.size() == 0 and file.data().size == 0
    assert not file.advise(MMapAdvice.WillNeed) and not file.lock()


@pytest.mark.parametrize(
    ("offset", "shape", "dtype", "why"),
    [
        (8, [3000], rt.DType.Float32, r"bytes 8\.\.12008 lie outside the file of 12004"),
        (4, [2**62, 2**62], rt.DType.Int8, "lie outside the file"),
        (-4, [1], rt.DType.Float32, "lie outside the file"),
        (4, [-1], rt.DType.Float32, "lie outside the file"),
        (2**70, [0], rt.DType.Float32, "lie outside the file"),
        (4, [1], object, "no tensor has elements of"),
        (4, [1], "nonsense", "no tensor has elements of nonsense"),
    ],
)
def test_tensors_that_are_not_in_the_file(path: Path, offset, shape, dtype, why: str):
    with pytest.raises(rt.InvalidModelError, match=why):
        LazyTensor(MappedFile.open(path), offset, shape, dtype)


@pytest.mark.parametrize("shape", [(0, 2**62, 2**62), (1,) * 65])
def test_shapes_that_no_array_has(path: Path, shape: tuple[int, ...]):
    tensor = LazyTensor(MappedFile.open(path), 0, shape, rt.DType.Int8)
    with pytest.raises(rt.InvalidModelError, match="has an impossible shape"):
        tensor.materialize()


@pytest.mark.parametrize("name", ["", "missing"])
def test_files_that_cannot_be_opened(tmp_path: Path, name: str):
    with pytest.raises(rt.ModelNotFoundError, match=r"is a directory|no such file"):
        MappedFile.open(tmp_path / name)

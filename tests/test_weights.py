"""Weights: identity, laziness, and side files that may be hostile."""

from __future__ import annotations

import json
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from pyflame_rt import dtypes
from pyflame_rt.errors import InvalidModelError, MissingWeightsError, ModelNotFoundError
from pyflame_rt.weights import Weight, WeightStore, read_side_file, write_side_file


def test_equal_contents_are_one_weight() -> None:
    """Equality and hash go by content, so that cse merges copies; dtype and shape count."""
    array = np.arange(5000, dtype=np.float32)
    assert Weight(array) == Weight(array.copy())
    assert hash(Weight(array)) == hash(Weight(array.copy()))
    assert Weight(array) != Weight(array.reshape(50, 100))
    assert Weight(array) != Weight(array.view(np.int32))
    changed = array.copy()
    changed[4999] += 1
    assert Weight(array) != Weight(changed)


def test_a_weight_is_a_read_only_view() -> None:
    array = np.zeros(2000, np.float32)
    weight = Weight(array)
    assert np.shares_memory(weight.array, array) and not weight.array.flags.writeable
    assert array.flags.writeable


def test_an_absent_weight_fails_only_where_values_are_needed() -> None:
    absent = WeightStore().get("abc")
    assert absent.digest == "abc" and not absent.is_present
    with pytest.raises(MissingWeightsError, match=r'"abc" are missing; .*--weights'):
        _ = absent.array


@pytest.mark.parametrize("row", dtypes.table(), ids=lambda row: row.mlir)
def test_side_file_keeps_every_dtype(tmp_path: Path, row: dtypes.DTypeRow) -> None:
    array = np.arange(12).astype(row.numpy).reshape(3, 4)
    path = tmp_path / "w.weights"
    write_side_file(path, [Weight(array)])
    (read,) = read_side_file(path).values()
    assert read.dtype == array.dtype and read.tobytes() == array.tobytes()
    assert not read.flags.writeable


@given(
    npst.arrays(
        st.sampled_from([np.float32, np.int64, np.bool_]), npst.array_shapes(min_dims=0, min_side=0)
    )
)
def test_digest_names_the_content(array: np.ndarray) -> None:
    """Two arrays have one digest exactly when shape, dtype and bytes are the same."""
    other = array.copy()
    assert Weight(array).digest == Weight(other).digest
    assert Weight(array).digest != Weight(array.reshape(1, *array.shape)).digest


def test_a_side_file_maps_into_a_store(tmp_path: Path) -> None:
    weights = [Weight(np.full(2000, i, np.float32)) for i in (1, 2, 1)]
    path = tmp_path / "w.weights"
    write_side_file(path, weights)
    store = WeightStore()
    store.load(path)
    assert len(store) == 2
    assert store.get(weights[1].digest) == weights[1]
    assert path.stat().st_size < 3 * 8000


def _entry(**changes: object) -> dict[str, object]:
    return {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}


@pytest.mark.parametrize(
    ("header", "text"),
    [
        (b"", "shorter than 8 bytes"),
        ((2**40).to_bytes(8, "little"), "exceeds the file"),
        (b"\x02" + b"\0" * 7 + b"[]", "not a JSON object"),
        (b"\x02" + b"\0" * 7 + b"{x", "not JSON"),
        (_entry(dtype="F99"), "unknown dtype F99"),
        (_entry(shape=[-1]), "non-negative"),
        (_entry(shape="2"), "non-negative"),
        (_entry(shape=[True]), "non-negative"),
        (_entry(shape=[2**62, 2**62]), "do not hold"),
        (_entry(data_offsets=[0, 4]), "do not hold"),
        (_entry(data_offsets=[8, 16]), "outside the file"),
        (_entry(data_offsets=[8, 0]), "outside the file"),
        ({"dtype": "F32"}, "needs dtype"),
    ],
)
def test_hostile_side_files_are_refused(tmp_path: Path, header: object, text: str) -> None:
    """Every length, offset and shape is checked before an array exists."""
    path = tmp_path / "w.weights"
    if isinstance(header, bytes):
        path.write_bytes(header)
    else:
        encoded = json.dumps({"w": header}).encode()
        path.write_bytes(len(encoded).to_bytes(8, "little") + encoded + bytes(8))
    with pytest.raises(InvalidModelError, match=text):
        read_side_file(path)


def test_a_missing_side_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"nope\.weights: no such file"):
        read_side_file(tmp_path / "nope.weights")


def test_the_dtype_table_has_no_gaps() -> None:
    """Every DType has one row, and no two rows share a notation."""
    rows = dtypes.table()
    assert {row.dtype for row in rows} == set(dtypes.DType)
    for column in ("numpy", "mlir", "onnx", "onnx_name", "safetensors"):
        assert len({getattr(row, column) for row in rows}) == len(rows)
    assert dtypes.by_numpy()[np.dtype(ml_dtypes.bfloat16)].dtype is dtypes.DType.BFloat16
    assert [d.value for d in dtypes.DType][:10] == list(range(10))

"""Arrays in files: what is written reads back, and files that are something else are refused."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from onnx import TensorProto, numpy_helper

from pyflame_rt import array_files
from pyflame_rt.compiler import TensorSpec
from pyflame_rt.errors import InputError, ModelNotFoundError, PyFlameRTError

VALUES = {
    "y": np.arange(6, dtype=np.float32).reshape(2, 3),
    "file": np.array(True),
    "/layer 1/ä:0": np.zeros((0, 2), np.int64),
    "_layer_1_ä_0": np.array([1 + 2j], np.complex64),
    "bf16": np.array([1.5, -2], ml_dtypes.bfloat16),
}
SPECS = [TensorSpec(name, array.dtype, array.shape) for name, array in VALUES.items()]


@pytest.mark.parametrize("target", ["out.npz", "folder"])
def test_outputs_read_back_whatever_their_names_and_types(tmp_path: Path, target: str):
    array_files.write_arrays(tmp_path / target, VALUES)
    found = array_files.read_outputs(tmp_path / target, SPECS)
    assert list(found) == list(VALUES)
    for spec in SPECS:
        array = array_files.as_declared(found[spec.name], spec.dtype)
        assert array.dtype == spec.dtype
        np.testing.assert_array_equal(array, VALUES[spec.name])


def test_archives_are_deterministic(tmp_path: Path):
    """Byte-identical outputs give byte-identical files: no time stamps."""
    array_files.write_arrays(tmp_path / "a.npz", VALUES)
    array_files.write_arrays(tmp_path / "b.npz", VALUES)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_recorded_tensors_go_by_number(tmp_path: Path):
    for number, array in enumerate(VALUES.values()):
        proto = numpy_helper.from_array(array)
        (tmp_path / f"input_{number}.pb").write_bytes(proto.SerializeToString())
    found = array_files.read_recorded(tmp_path, "input", SPECS)
    for spec in SPECS:
        assert found[spec.name].dtype == spec.dtype
        np.testing.assert_array_equal(found[spec.name], VALUES[spec.name])


def test_more_recordings_than_inputs_are_refused(tmp_path: Path):
    (tmp_path / "input_7.pb").touch()
    with pytest.raises(InputError, match="has input_7, but the model has 1 inputs"):
        array_files.read_recorded(tmp_path, "input", SPECS[:1])
    with pytest.raises(InputError, match=r"has no output_0\.pb"):
        array_files.read_recorded(tmp_path, "output", SPECS)


def pickled() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array([{}], dtype=object), allow_pickle=True)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.npy", b""),
        ("a.npy", b"\x93NUMPY\x01\x00\xff\xff"),
        ("a.npy", pickled()),
        ("a.pb", b"\xff\xff\xff"),
        ("a.pb", b""),
        ("a.pb", TensorProto(data_type=1, dims=[1 << 40]).SerializeToString()),
        ("a.pb", TensorProto(data_type=99, dims=[1]).SerializeToString()),
        ("a.txt", b"1 2 3"),
    ],
)
def test_what_is_no_array_is_refused_in_one_line(tmp_path: Path, name: str, data: bytes):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError) as caught:
        array_files.read_value(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", pickled()])
def test_what_is_no_archive_is_refused_in_one_line(tmp_path: Path, data: bytes):
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(InputError, match=r"a\.npz: "):
        array_files.read_archive(tmp_path / "a.npz")


def test_an_archive_of_other_files_is_refused(tmp_path: Path):
    """TorchScript is a zip archive too."""
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("code/model.py", "")
    with pytest.raises(InputError, match="it holds other files than arrays"):
        array_files.read_archive(tmp_path / "a.npz")


def test_missing_files_and_folders_are_named(tmp_path: Path):
    with pytest.raises(ModelNotFoundError, match=r"no\.npy: no such file"):
        array_files.read_value(tmp_path / "no.npy")
    with pytest.raises(ModelNotFoundError, match="is a directory"):
        array_files.read_archive(tmp_path)
    with pytest.raises(InputError, match="cannot be listed"):
        array_files.read_recorded(tmp_path / "no", "input", SPECS)
    (tmp_path / "taken").touch()
    with pytest.raises(PyFlameRTError, match="cannot make the folder"):
        array_files.write_arrays(tmp_path / "taken", VALUES)

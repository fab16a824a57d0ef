"""Atomic writing: a reader never sees half a file, and failures leave nothing behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyflame_rt.errors import PyFlameRTError
from pyflame_rt.files import atomic_writer, write_text


def test_a_failing_writer_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.mlir"
    write_text(path, "old")
    with pytest.raises(KeyError), atomic_writer(path) as stream:
        stream.write(b"half of the ne")
        raise KeyError
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["x.mlir"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(PyFlameRTError, match=r"x\.mlir: cannot write"):
        write_text(tmp_path / "no" / "x.mlir", "text")


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_text(tmp_path / "x", "")
    finally:
        os.umask(old)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o640

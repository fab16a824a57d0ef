"""Archives as torch writes them are read as they are: views, no copies, every legal variant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from torch_bytes import Entry, write_zip

from pyflame_rt.errors import InvalidModelError, ModelNotFoundError
from pyflame_rt.frontends.torch.archive import Archive

TEXT = b"def forward(self, x):\n  return x\n" * 20


def test_members_are_named_without_the_root_folder():
    archive = Archive.open(write_zip([Entry("m/a", b"1"), Entry("m/code/b.py", TEXT)]))
    assert archive.root == "m"
    assert archive.names == ("a", "code/b.py")
    assert "a" in archive and "m/a" not in archive
    assert archive.size("code/b.py") == len(TEXT)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("deferred", [False, True])
@pytest.mark.parametrize("deflate", [False, True])
def test_every_way_to_write_a_member_reads_the_same(wide: bool, deferred: bool, deflate: bool):
    """Sizes before or after the bytes, in 32 or 64 bits, bytes stored or deflated."""
    entries = [Entry(f"m/{i}", TEXT, deflate, deferred, wide=wide) for i in range(3)]
    archive = Archive.open(write_zip(entries, wide=wide))
    assert [bytes(archive.read(name)) for name in archive.names] == [TEXT] * 3


def test_stored_members_are_views_of_the_map(tmp_path: Path):
    path = tmp_path / "m.pt"
    path.write_bytes(write_zip([Entry("m/data/0", bytes(range(256))), Entry("m/z", TEXT, True)]))
    archive = Archive.open(path)
    first, again = archive.read("data/0"), archive.read("data/0")
    assert first.readonly
    assert np.shares_memory(np.frombuffer(first, np.uint8), np.frombuffer(again, np.uint8))
    assert archive.read("z") is archive.read("z")


@pytest.mark.parametrize("order", ["little", "big"])
def test_byte_order_is_a_member(order: str):
    assert Archive.open(write_zip([Entry("m/byteorder", order.encode())])).byte_order == order
    assert Archive.open(write_zip([Entry("m/a")])).byte_order == "little"


def test_folders_and_dot_files_are_members_like_others():
    archive = Archive.open(write_zip([Entry("m/"), Entry("m/.data/serialization_id", b"7")]))
    assert archive.names == (".data/serialization_id",)


def test_bytes_stay_unread_without_verification():
    """A damaged tensor is found by its CRC, unless the caller leaves tensors unread."""
    data = write_zip([Entry("m/data/0", b"good", crc=1)])
    assert bytes(Archive.open(data).read("data/0", verify=False)) == b"good"
    with pytest.raises(InvalidModelError, match=r"data/0.*CRC; the file is damaged"):
        Archive.open(data).read("data/0")


def test_a_missing_member_or_file_is_named(tmp_path: Path):
    with pytest.raises(InvalidModelError, match=r"x\.pt: the archive has no member 'data\.pkl'"):
        Archive.open(write_zip([Entry("m/a")]), name="x.pt").read("data.pkl")
    with pytest.raises(ModelNotFoundError, match="no such file"):
        Archive.open(tmp_path / "nope.pt")

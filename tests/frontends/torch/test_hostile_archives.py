"""ZIP files made to deceive: bombs, overlaps, two meanings, ways out. Each is refused by name."""

from __future__ import annotations

import struct

import pytest
from torch_bytes import Entry, write_zip

from pyflame_rt.errors import InvalidModelError
from pyflame_rt.frontends.torch.archive import Archive
from pyflame_rt.limits import Limits

A = Entry("m/a", b"aaaa")
LINK = 0xA1FF << 16


def names(*paths: str) -> bytes:
    return write_zip([Entry(path, b"1") for path in paths])


@pytest.mark.parametrize(
    ("data", "text"),
    [
        # What is not an archive, or not all of one.
        (b"", "not a ZIP archive"),
        (b"PK\3\4", "end is missing"),
        (write_zip([A])[:-1], "end is missing"),
        (write_zip([A], after=b"x"), "end is missing"),
        (write_zip([A], comment=b"PK\5\6"), "end is missing"),
        (write_zip([A], before=b"GIF89a"), "not a ZIP archive"),
        (write_zip([A], before=b"PK\3\4hidden"), "begin with its first member"),
        (write_zip([A], end={"start": 5}), "inconsistent"),
        (write_zip([A], end={"size": 2**31}), "inconsistent"),
        # Counts that lie.
        (write_zip([A], count=10_000_000, wide=True), "10000000 members is not believed"),
        (write_zip([A, Entry("m/b")], count=1), "more than its members"),
        (write_zip([A], count=2), "not believed"),
        (write_zip([A], wide=True, end={"at64": 3}), "64-bit end record is not at its place"),
        (write_zip([A], wide=True).replace(b"PK\6\6,", b"PK\6\6-"), "64-bit end record is malf"),
        (write_zip([A])[:-12] + b"\7\0" + write_zip([A])[-10:], "inconsistent"),
        # One name, two meanings.
        (names("m/data.pkl", "m/data.pkl"), "two members of this name"),
        (write_zip([Entry("m/a", b"1", local_name="m/b")]), "another member's"),
        (write_zip([Entry("m/a", b"1", local_size=2)]), "contradicts the directory"),
        (write_zip([Entry("m/a", b"1" * 9, local_method=8)]), "another member's"),
        (write_zip([A, Entry("m/b", b"b", offset=0)]), "another member's"),
        (write_zip([Entry("m/a", b"abc", True, crc=5)]), "CRC"),
        (write_zip([Entry("m/a", b"a" * 9, deferred=True)]).replace(
            struct.pack("<2L", 9, 9) + b"PK\1\2", struct.pack("<2L", 9, 8) + b"PK\1\2"),
            "record behind it contradicts"),
        # Members that leave the file, or lie in each other.
        (write_zip([Entry("m/a", b"1", size=2**31, packed=2**31)]), "outside the file"),
        (write_zip([Entry("m/a", b"1", offset=2**31)]), "outside the file"),
        (write_zip([Entry("m/a", b"1", wide=True)]).replace(
            struct.pack("<2H3Q", 1, 24, 1, 1, 0), struct.pack("<2H3Q", 1, 24, 2**63, 2**63, 0)),
            "outside the file"),
        (write_zip([Entry("m/a", b"1", size=0xFFFFFFFF)]), "64-bit sizes are missing"),
        # Bombs.
        (write_zip([Entry("m/a", bytes(10_000_000), True)]), "are not believed"),
        (write_zip([Entry("m/a", bytes(1000), True, size=900)]), "does not inflate to 900"),
        (write_zip([Entry("m/a", bytes(1000), True, size=1100)]), "does not inflate to 1100"),
        (write_zip([Entry("m/a", b"not deflate", method=8)]), "cannot be inflated"),
        # Ways out of the archive.
        (names("m/../x"), "not a path inside"),
        (names("../x"), "not a path inside"),
        (names("/x"), "not a path inside"),
        (names("m/./x"), "not a path inside"),
        (names("m//x"), "not a path inside"),
        (names("m/a\\..\\x"), "not a path inside"),
        (names("m/a\0b"), "not a path inside"),
        (names("m/" + "n" * 5000), "name has 5002 bytes"),
        (names("m/a", "n/a"), "2 root folders"),
        (names("m"), "where torch writes its root"),
        (write_zip([Entry("m/l", b"/etc/passwd", attributes=LINK, made_by=0x0300)]), "symbolic"),
        # What nobody needs.
        (write_zip([Entry("m/a", b"1", flags=0x0801)]), "encryption"),
        (write_zip([Entry("m/a", b"1", flags=0x0820)]), "patches"),
        (write_zip([Entry("m/a", b"1", method=12, local_method=12)]), "compression method 12"),
        (write_zip([Entry("m/byteorder", b"middle")]), "not little or big"),
        (write_zip([]), "0 root folders"),
    ],
)  # fmt: skip
def test_is_refused(data: bytes, text: str):
    with pytest.raises(InvalidModelError, match=text):
        _ = [Archive.open(data).read(name) for name in Archive.open(data).names]
        _ = Archive.open(data).byte_order


def test_overlapping_members_are_refused():
    """Two directory records whose local headers lie in each other's bytes: a quoted bomb."""
    inner = write_zip([Entry("m/b", b"b" * 64)])
    local = inner[: inner.index(b"PK\1\2")]
    outer = Entry("m/a", local, local_extra=b"")
    start = 30 + len("m/a")
    hidden = Entry("m/b", b"b" * 64, offset=start)
    data = write_zip([outer, hidden])
    with pytest.raises(InvalidModelError, match="overlaps 'm/a'"):
        Archive.open(data)


def test_names_that_are_not_utf8_are_refused():
    data = write_zip([A]).replace(b"m/a", b"m/\xff")
    with pytest.raises(InvalidModelError, match="not UTF-8"):
        Archive.open(data)


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        (Limits(zip_members=1), "2 members is not believed"),
        (Limits(zip_member_bytes=99), "inflates to 100 bytes"),
        (Limits(zip_inflated_bytes=199), "inflate to 200 bytes in all"),
        (Limits(zip_ratio=1, zip_ratio_slack=1), "not believed"),
        (Limits(name_bytes=2), "name has 3 bytes"),
    ],
)
def test_limits_are_overridden(limits: Limits, text: str):
    data = write_zip([Entry(f"m/{i}", bytes(100), True) for i in range(2)])
    assert len(Archive.open(data).names) == 2
    with pytest.raises(InvalidModelError, match=text):
        Archive.open(data, limits=limits)


def test_an_error_quotes_little_of_the_file():
    """At most 64 characters, none that a terminal would obey."""
    with pytest.raises(InvalidModelError) as caught:
        Archive.open(names("m/" + "\u202e" * 1000 + "/../x"))
    assert len(str(caught.value)) < 1000
    assert str(caught.value).isascii()

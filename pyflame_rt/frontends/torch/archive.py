"""ZIP archives as torch writes them, read by rules strict enough that no two readers disagree.

The central directory is the only index; every local header must agree with it. Members lie in one
root folder, never leave the file, never overlap and never repeat a name. Stored members are views
of the file's map, compressed ones are inflated within limits. Nothing is ever written to disk.
Format: PKWARE's APPNOTE.TXT 6.3, sections 4.3 to 4.5.
"""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass
from itertools import pairwise
from struct import Struct
from typing import Literal, cast

from pyflame_rt.errors import InvalidModelError
from pyflame_rt.limits import DEFAULT_LIMITS, Limits
from pyflame_rt.weights import map_file

_END = Struct("<4s4H2LH")
_END64 = Struct("<4sQ2H2L4Q")
_END64_LOCATOR = Struct("<4sLQL")
_CENTRAL = Struct("<4s6H3L5H2L")
_LOCAL = Struct("<4s5H3L2H")
_DESCRIPTOR = Struct("<4sLLL")
_DESCRIPTOR64 = Struct("<4sLQQ")
_EXTRA = Struct("<2H")

_STORED, _DEFLATED = 0, 8
_DESCRIPTOR_FLAG = 0x0008
# A data descriptor, UTF-8 names, and the two bits by which deflate tells its effort.
_KNOWN_FLAGS = _DESCRIPTOR_FLAG | 0x0800 | 0x0006
_ZIP64 = 1
_IN_EXTRA = 0xFFFFFFFF
_LINK, _KIND = 0xA000, 0xF000

ByteOrder = Literal["little", "big"]


@dataclass(frozen=True)
class Member:
    """One file of an archive: where its bytes are, and what they must come to."""

    name: str
    method: int
    crc: int
    packed: int
    size: int
    header: int
    start: int

    @property
    def end(self) -> int:
        """Where its bytes end in the archive."""
        return self.start + self.packed


class Archive:
    """The members of a checked archive by their paths inside its root folder.

    Reading a member checks its CRC once; `verify=False` leaves that out for stored members that
    are read with `read(name, verify=False)`.
    """

    def __init__(self, data: memoryview, where: str, limits: Limits = DEFAULT_LIMITS):
        self.where = where
        self.limits = limits
        self._data = data
        self.root, self._members = _read_directory(data, where, limits)
        self._checked: set[str] = set()
        self._inflated: dict[str, memoryview] = {}

    @staticmethod
    def open(
        source: str | os.PathLike[str] | bytes,
        *,
        name: str | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> Archive:
        """Map a file, or take its bytes, and check its directory; `name` stands in messages.

        Raises ModelNotFoundError, InvalidModelError.
        """
        if isinstance(source, bytes):
            return Archive(memoryview(source), name or "<bytes>", limits)
        return Archive(map_file(source).data, name or os.fspath(source), limits)

    @property
    def names(self) -> tuple[str, ...]:
        """Paths of the members, without the root folder, in the directory's order."""
        return tuple(self._members)

    def __contains__(self, name: str) -> bool:
        return name in self._members

    @property
    def nbytes(self) -> int:
        """Bytes of the archive."""
        return self._data.nbytes

    @property
    def byte_order(self) -> ByteOrder:
        """The byte order of the storages; little where nothing is said.

        Raises InvalidModelError when the archive says something else than "little" or "big".
        """
        if "byteorder" not in self._members:
            return "little"
        said = bytes(self.read("byteorder")[:16])
        if said not in (b"little", b"big"):
            raise InvalidModelError(f"byte order {said!a} is not little or big", where=self.where)
        return cast(ByteOrder, said.decode())

    def size(self, name: str) -> int:
        """Bytes of a member when it is read. Raises InvalidModelError when there is none."""
        return self._member(name).size

    def read(self, name: str, *, verify: bool = True) -> memoryview:
        """The bytes of a member: a read-only view of the map, or inflated ones.

        Without `verify` the CRC of a stored member is not compared, so its bytes stay unread.
        Raises InvalidModelError when there is no such member or its bytes are damaged.
        """
        member = self._member(name)
        if member.method == _STORED:
            data = self._data[member.start : member.end]
            if verify:
                self._check(name, member, data)
            return data
        if name not in self._inflated:
            data = self._inflate(member)
            self._check(name, member, data)
            self._inflated[name] = data
        return self._inflated[name]

    def _member(self, name: str) -> Member:
        if name not in self._members:
            raise InvalidModelError(f"the archive has no member {name[:64]!a}", where=self.where)
        return self._members[name]

    def _check(self, name: str, member: Member, data: memoryview) -> None:
        if name in self._checked:
            return
        if zlib.crc32(data) != member.crc:
            raise _invalid(self.where, member.name, "its bytes do not have their CRC", _DAMAGED)
        self._checked.add(name)

    def _inflate(self, member: Member) -> memoryview:
        # One byte more than promised tells a member that goes on; never more is inflated.
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            data = inflater.decompress(self._data[member.start : member.end], member.size + 1)
        except zlib.error as error:
            raise _invalid(self.where, member.name, f"cannot be inflated: {error}") from error
        if len(data) != member.size or not inflater.eof or inflater.unused_data:
            raise _invalid(self.where, member.name, f"does not inflate to {member.size} bytes")
        return memoryview(data)


_DAMAGED = "the file is damaged: get it again"


def is_archive(data: memoryview) -> bool:
    """Whether bytes begin as a ZIP archive does."""
    return bytes(data[:4]) in (b"PK\3\4", b"PK\5\6")


def _invalid(where: str, name: str, why: str, hint: str | None = None) -> InvalidModelError:
    return InvalidModelError(f"member {name[:64]!a}: {why}", where=where, hint=hint)


def _read_directory(data: memoryview, where: str, limits: Limits) -> tuple[str, dict[str, Member]]:
    """The root folder and the members by their paths in it."""
    if not is_archive(data):
        raise InvalidModelError("is not a ZIP archive", where=where)
    count, position, end = _directory_extent(data, where)
    if count > limits.zip_members or count * _CENTRAL.size > end - position:
        raise InvalidModelError(f"an archive of {count} members is not believed", where=where)
    listed: dict[str, Member] = {}
    directory_start, inflated = position, 0
    for _ in range(count):
        member, position = _read_central(data, position, end, where, limits)
        _check_local(data, member, directory_start, where)
        if member.name in listed:
            raise _invalid(where, member.name, "there are two members of this name")
        listed[member.name] = member
        if member.method == _DEFLATED:
            inflated += member.size
    if position != end:
        raise InvalidModelError("the directory has more than its members", where=where)
    if inflated > limits.zip_inflated_bytes:
        raise InvalidModelError(f"members inflate to {inflated} bytes in all", where=where)
    _check_extents(listed, where)
    return _strip_root(listed, where)


def _directory_extent(data: memoryview, where: str) -> tuple[int, int, int]:
    """Count of members, begin and end of the directory, from the archive's end.

    The end record must be the file's last bytes: an archive comment, which could hold another
    end record, is not something torch writes.
    """
    at = data.nbytes - _END.size
    if at < 0 or bytes(data[at : at + 4]) != b"PK\5\6":
        raise InvalidModelError(
            "the archive's end is missing",
            where=where,
            hint="the file is cut short, or something was appended to it",
        )
    _, disk, first_disk, here, count, size, start, comment = _END.unpack_from(data, at)
    # An archive of 64-bit fields has its own end record and a locator of it before the plain one.
    if at >= _END64_LOCATOR.size and bytes(data[at - _END64_LOCATOR.size :][:4]) == b"PK\6\7":
        plain = (count, size, start)
        at -= _END64_LOCATOR.size
        _, end_disk, at64, disks = _END64_LOCATOR.unpack_from(data, at)
        if at64 + _END64.size != at or end_disk or disks > 1:
            raise InvalidModelError("the 64-bit end record is not at its place", where=where)
        at = at64
        fields = _END64.unpack_from(data, at)
        magic, length, _, _, disk, first_disk, here, count, size, start = fields
        caps = (0xFFFF, _IN_EXTRA, _IN_EXTRA)
        told = zip(plain, (count, size, start), caps, strict=True)
        if magic != b"PK\6\6" or length != _END64.size - 12:
            raise InvalidModelError("the 64-bit end record is malformed", where=where)
        if any(short not in (cap, long) for short, long, cap in told):
            raise InvalidModelError("the two end records disagree", where=where)
    if comment or disk or first_disk or here != count or start + size != at:
        raise InvalidModelError("the archive's end record is inconsistent", where=where)
    return count, start, at


def _read_central(
    data: memoryview, position: int, end: int, where: str, limits: Limits
) -> tuple[Member, int]:
    """The member of a directory record, not yet compared with its local header."""
    if position + _CENTRAL.size > end:
        raise InvalidModelError("the directory ends inside a record", where=where)
    fields = _CENTRAL.unpack_from(data, position)
    magic, made_by, _, flags, method, _, _, crc, packed, size = fields[:10]
    name_length, extra_length, comment_length, disk, _, attributes, header = fields[10:]
    position += _CENTRAL.size
    after_name = position + name_length
    after_extra = after_name + extra_length
    after = after_extra + comment_length
    if magic != b"PK\1\2" or after > end:
        raise InvalidModelError("the directory has a malformed record", where=where)
    name = _checked_name(bytes(data[position:after_name]), where, limits)
    extra = data[after_name:after_extra]
    size, packed, header, disk = _wide_fields((size, packed, header, disk), extra, where, name)
    if flags & ~_KNOWN_FLAGS:
        raise _invalid(where, name, f"flags {flags:#06x} (encryption, patches) are not read")
    if method not in (_STORED, _DEFLATED):
        raise _invalid(where, name, f"compression method {method} is not read")
    if made_by >> 8 == 3 and attributes >> 16 & _KIND == _LINK:
        raise _invalid(where, name, "is a symbolic link")
    if disk or (method == _STORED and packed != size):
        raise _invalid(where, name, "its sizes contradict each other")
    if method == _DEFLATED and size > limits.zip_member_bytes:
        raise _invalid(where, name, f"inflates to {size} bytes")
    if method == _DEFLATED and size > packed * limits.zip_ratio + limits.zip_ratio_slack:
        raise _invalid(where, name, f"{packed} bytes that inflate to {size} are not believed")
    return Member(name, method, crc, packed, size, header, _start(data, header, where, name)), after


def _checked_name(raw: bytes, where: str, limits: Limits) -> str:
    shown = raw[:64]
    if not raw or len(raw) > limits.name_bytes:
        raise InvalidModelError(f"a member's name has {len(raw)} bytes", where=where)
    try:
        name = raw.decode()
    except UnicodeDecodeError as error:
        raise InvalidModelError(f"member {shown!a}: name is not UTF-8", where=where) from error
    parts = name.removesuffix("/").split("/")
    if {"\0", "\\"} & set(name) or any(part in ("", ".", "..") for part in parts):
        raise _invalid(where, name, "is not a path inside the archive")
    return name


def _wide_fields(
    fields: tuple[int, int, int, int], extra: memoryview, where: str, name: str
) -> tuple[int, int, int, int]:
    """Size, packed size, offset and disk, those that say so taken from the 64-bit extra field."""
    caps = (_IN_EXTRA, _IN_EXTRA, _IN_EXTRA, 0xFFFF)
    missing = [index for index in range(4) if fields[index] == caps[index]]
    if not missing:
        return fields
    at = 0
    while at + _EXTRA.size <= extra.nbytes:
        kind, length = _EXTRA.unpack_from(extra, at)
        at += _EXTRA.size
        if kind == _ZIP64:
            layout = Struct("<" + "".join("L" if i == 3 else "Q" for i in missing))
            if length < layout.size or at + length > extra.nbytes:
                break
            values = dict(zip(missing, layout.unpack_from(extra, at), strict=True))
            size, packed, header, disk = (values.get(i, fields[i]) for i in range(4))
            return size, packed, header, disk
        at += length
    raise _invalid(where, name, "its 64-bit sizes are missing")


def _start(data: memoryview, header: int, where: str, name: str) -> int:
    """Where the bytes of a member begin, behind its local header."""
    if header + _LOCAL.size > data.nbytes:
        raise _invalid(where, name, "lies outside the file")
    *_, name_length, extra_length = _LOCAL.unpack_from(data, header)
    return header + _LOCAL.size + name_length + extra_length


def _check_local(data: memoryview, member: Member, limit: int, where: str) -> None:
    """The local header must say what the directory says; `limit` is where the directory begins."""
    if member.end > limit:
        raise _invalid(where, member.name, "lies outside the file")
    fields = _LOCAL.unpack_from(data, member.header)
    magic, _, flags, method, _, _, crc, packed, size, name_length, _ = fields
    begin = member.header + _LOCAL.size
    raw = bytes(data[begin : begin + name_length])
    if magic != b"PK\3\4" or method != member.method or raw != member.name.encode():
        raise _invalid(where, member.name, "its local header is another member's")
    told = (crc, packed, size)
    real = (member.crc, member.packed, member.size)
    # Sizes that follow the bytes are 0 here; 64-bit ones are in an extra field here as well.
    deferred = bool(flags & _DESCRIPTOR_FLAG)
    caps = (None, _IN_EXTRA, _IN_EXTRA)
    for said, truth, cap in zip(told, real, caps, strict=True):
        if said not in (truth, cap) and not (deferred and said == 0):
            raise _invalid(where, member.name, "its local header contradicts the directory")
    if deferred and bytes(data[member.end : member.end + 4]) == b"PK\7\10":
        _check_descriptor(data, member, limit, where)


def _check_descriptor(data: memoryview, member: Member, limit: int, where: str) -> None:
    """The record behind a member repeats CRC and sizes, in 32 bits or in 64."""
    for layout in (_DESCRIPTOR, _DESCRIPTOR64):
        if member.end + layout.size <= limit:
            _, *said = layout.unpack_from(data, member.end)
            if said == [member.crc, member.packed, member.size]:
                return
    raise _invalid(where, member.name, "the record behind it contradicts the directory")


def _check_extents(members: dict[str, Member], where: str) -> None:
    """No two members share bytes, and the first is where the file begins."""
    ordered = sorted(members.values(), key=lambda member: member.header)
    if ordered and ordered[0].header != 0:
        raise InvalidModelError("the archive does not begin with its first member", where=where)
    for before, after in pairwise(ordered):
        if before.end > after.header:
            raise _invalid(where, after.name, f"overlaps {before.name[:64]!a}")


def _strip_root(members: dict[str, Member], where: str) -> tuple[str, dict[str, Member]]:
    roots = {name.partition("/")[0] for name in members}
    if len(roots) != 1:
        raise InvalidModelError(
            f"has {len(roots)} root folders where torch writes one", where=where
        )
    root = roots.pop()
    files = {name[len(root) + 1 :]: m for name, m in members.items() if not name.endswith("/")}
    if "" in files:
        raise InvalidModelError("has a file where torch writes its root folder", where=where)
    return root, files

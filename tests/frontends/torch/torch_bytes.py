"""Writers of torch's files, byte by byte: what torch would write, and what it never would."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
HOOKS = b"ccollections\nOrderedDict\n)R"
"""The empty OrderedDict of hooks that every tensor has."""

KINDS = {
    "float32": "Float", "float64": "Double", "float16": "Half", "bfloat16": "BFloat16",
    "int64": "Long", "int32": "Int", "int16": "Short", "int8": "Char", "uint8": "Byte",
    "bool": "Bool", "complex64": "ComplexFloat", "complex128": "ComplexDouble",
}  # fmt: skip


def text(value: str) -> bytes:
    """BINUNICODE."""
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def integer(value: int) -> bytes:
    """BININT, or LONG1 for what it does not hold."""
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def real(value: float) -> bytes:
    """BINFLOAT."""
    return b"G" + struct.pack(">d", value)


def flag(value: bool) -> bytes:
    """NEWTRUE or NEWFALSE."""
    return b"\x88" if value else b"\x89"


def name(module: str, attribute: str) -> bytes:
    """GLOBAL."""
    return f"c{module}\n{attribute}\n".encode()


def several(*items: bytes) -> bytes:
    """TUPLE."""
    return b"(" + b"".join(items) + b"t"


def integers(values: Sequence[int]) -> bytes:
    """TUPLE of integers."""
    return several(*map(integer, values))


def listed(*items: bytes) -> bytes:
    """A list."""
    return b"](" + b"".join(items) + b"e"


def mapping(entries: Mapping[str, bytes]) -> bytes:
    """A dict with text keys."""
    return b"}(" + b"".join(text(k) + v for k, v in entries.items()) + b"u"


def call(function: bytes, *args: bytes) -> bytes:
    """REDUCE."""
    return function + several(*args) + b"R"


def program(value: bytes) -> bytes:
    """A whole pickle of protocol 2."""
    return b"\x80\x02" + value + b"."


def storage(kind: str, key: str, length: int, *more: bytes) -> bytes:
    """BINPERSID of a storage; `kind` is a storage class of torch, without `Storage`."""
    module = "torch.storage" if kind == "Untyped" else "torch"
    parts = (text("storage"), name(module, f"{kind}Storage"), text(key), text("cpu"))
    return several(*parts, integer(length), *more) + b"Q"


def tensor(
    held: bytes, offset: int, sizes: Sequence[int], strides: Sequence[int], *more: bytes
) -> bytes:
    """_rebuild_tensor_v2 of a storage."""
    args = (integer(offset), integers(sizes), integers(strides), flag(False), HOOKS, *more)
    return call(name("torch._utils", "_rebuild_tensor_v2"), held, *args)


def dense(array: np.ndarray, key: str, *more: bytes) -> bytes:
    """The pickle of a C-contiguous array that has a storage of its own."""
    strides = [s // array.itemsize for s in array.strides]
    held = storage(KINDS[array.dtype.name], key, array.size, *more)
    return tensor(held, 0, array.shape, strides)


def sparse(indices: np.ndarray, elements: np.ndarray, sizes: tuple[int, ...]) -> bytes:
    """_rebuild_sparse_tensor; indices are storage "0", elements "1"."""
    layout = call(name("torch.serialization", "_get_layout"), text("torch.sparse_coo"))
    size = call(name("torch", "Size"), integers(sizes))
    parts = several(dense(indices, "0"), dense(elements, "1"), size, flag(True))
    return call(name("torch._utils", "_rebuild_sparse_tensor"), layout, parts)


@dataclass
class Entry:
    """A member of an archive as it is written; what is None is what it ought to be."""

    name: str
    data: bytes = b""
    deflate: bool = False
    deferred: bool = False
    crc: int | None = None
    size: int | None = None
    packed: int | None = None
    method: int | None = None
    flags: int = 0x0800
    offset: int | None = None
    local_name: str | None = None
    local_method: int | None = None
    local_size: int | None = None
    attributes: int = 0
    made_by: int = 0
    wide: bool = False
    extra: bytes = b""
    local_extra: bytes = field(default=b"FB\4\0ZZZZ")


def write_zip(
    entries: Sequence[Entry],
    *,
    wide: bool = False,
    count: int | None = None,
    before: bytes = b"",
    after: bytes = b"",
    comment: bytes = b"",
    end: Mapping[str, int] | None = None,
) -> bytes:
    """An archive; `wide` adds the 64-bit end record, `end` overrides fields of the end records."""
    body, directory = bytearray(before), bytearray()
    for entry in entries:
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        packed = packer.compress(entry.data) + packer.flush() if entry.deflate else entry.data
        crc = zlib.crc32(entry.data) if entry.crc is None else entry.crc
        size = len(entry.data) if entry.size is None else entry.size
        length = len(packed) if entry.packed is None else entry.packed
        method = (8 if entry.deflate else 0) if entry.method is None else entry.method
        flags = entry.flags | (8 if entry.deferred else 0)
        offset = len(body) if entry.offset is None else entry.offset
        local = (entry.local_name or entry.name).encode()
        said = (0, 0, 0) if entry.deferred else (crc, length, size)
        if entry.local_size is not None:
            said = (*said[:2], entry.local_size)
        local_method = method if entry.local_method is None else entry.local_method
        body += struct.pack(
            "<4s5H3L2H", b"PK\3\4", 0, flags, local_method, 0, 0, *said, len(local),
            len(entry.local_extra),
        ) + local + entry.local_extra + packed  # fmt: skip
        if entry.deferred:
            body += struct.pack("<4s3L", b"PK\7\10", crc, length, size)
        raw, extra = entry.name.encode(), entry.extra
        fields = (length, size, offset)
        if entry.wide:
            extra = struct.pack("<2H3Q", 1, 24, size, length, offset) + extra
            fields = (0xFFFFFFFF,) * 3
        directory += struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", entry.made_by, 0, flags, method, 0, 0, crc, *fields[:2],
            len(raw), len(extra), 0, 0, 0, entry.attributes, fields[2],
        ) + raw + extra  # fmt: skip
    total = len(entries) if count is None else count
    told = {"count": total, "size": len(directory), "start": len(body), **(end or {})}
    tail = b""
    if wide:
        at = told.get("at64", len(body) + len(directory))
        numbers = (told["count"], told["count"], told["size"], told["start"])
        tail += struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 0, 0, 0, 0, *numbers)
        tail += struct.pack("<4sLQL", b"PK\6\7", 0, at, 1)
    short = [min(told["count"], 0xFFFF)] * 2, min(told["size"], 0xFFFFFFFF), told["start"]
    tail += struct.pack(
        "<4s4H2LH", b"PK\5\6", 0, 0, *short[0], short[1], min(short[2], 0xFFFFFFFF), len(comment)
    )
    return bytes(body) + bytes(directory) + tail + comment + after


def checkpoint(value: bytes, storages: Mapping[str, bytes], order: str | None = "little") -> bytes:
    """An archive as torch.save writes it: `value` is the pickle without protocol and STOP."""
    members = {"data.pkl": program(value), ".format_version": b"1", "version": b"3\n"}
    if order is not None:
        members["byteorder"] = order.encode()
    members |= {f"data/{key}": data for key, data in storages.items()}
    return write_zip([Entry(f"m/{n}", d, deferred=True) for n, d in members.items()], wide=True)


def legacy(value: bytes, storages: Mapping[str, tuple[int, bytes]], little: bool = True) -> bytes:
    """A stream as torch.save wrote it before 1.6; storages are element counts and bytes."""
    facts = {"protocol_version": integer(1001), "little_endian": flag(little)}
    head = [integer(MAGIC), integer(1001), mapping(facts), value, listed(*map(text, storages))]
    tail = (n.to_bytes(8, "little", signed=True) + data for n, data in storages.values())
    return b"".join(map(program, head)) + b"".join(tail)

"""ZIP archives changed member by member: what they hold, what they are called, what is said of them."""

from __future__ import annotations

import io
import random
import zipfile
from dataclasses import dataclass, replace
from typing import Any

from torch_bytes import Entry, write_zip

from mutants.base import EXTREMES, TEXTS, changed_bytes, how_many


def members(data: bytes) -> dict[str, bytes]:
    """The members of a good archive by their names within its root folder."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def packed(files: dict[str, bytes]) -> bytes:
    """An archive whose lengths and CRCs are right, whatever is in it."""
    entries = [Entry(f"m/{name}", data, name.endswith(".py")) for name, data in files.items()]
    return write_zip(entries)


@dataclass
class _Changing:
    entries: list[Entry]
    rest: dict[str, Any]


def changed(data: bytes, draw: random.Random) -> bytes:
    """An archive with its members, its records or its bytes changed."""
    if draw.random() < 0.25:
        return changed_bytes(data, draw)
    entries = [Entry(f"m/{n}", d, n.endswith(".py")) for n, d in members(data).items()]
    archive = _Changing(entries, {"wide": draw.random() < 0.3})
    for _ in range(how_many(draw)):
        _change(archive, draw)
    try:
        return write_zip(archive.entries, **archive.rest)
    except Exception:
        # A number that the record has no room for.
        return changed_bytes(data, draw)


def _change(archive: _Changing, draw: random.Random) -> None:
    entries = archive.entries
    at = draw.randrange(len(entries) or 1)
    if not entries:
        return
    match draw.randrange(9):
        case 0:
            del entries[at]
        case 1:
            entries.insert(draw.randrange(len(entries)), entries[at])
        case 2:
            entries[at] = replace(entries[at], name=_name(entries, draw))
        case 3:
            entries[at] = replace(entries[at], data=changed_bytes(entries[at].data, draw))
        case 4:
            entries[at] = replace(entries[at], data=draw.choice(entries).data)
        case 5:
            field, value = _lie(draw)
            entries[at] = replace(entries[at], **{field: value})
        case 6:
            entries[at] = replace(entries[at], deflate=True, wide=True)
        case 7:
            part = draw.choice(("before", "after", "comment"))
            archive.rest[part] = draw.choice(
                (b"\0", b"PK\5\6" + bytes(18), b"PK\3\4", bytes(70000))
            )
        case _:
            field = draw.choice(("count", "size", "start", "at64"))
            archive.rest["end"] = {field: abs(draw.choice(EXTREMES)) % 2**32}


def _name(entries: list[Entry], draw: random.Random) -> str:
    if draw.random() < 0.5:
        return draw.choice(entries).name
    return draw.choice(("m/", "n/", "", "m/code/", "m/data/", "/")) + draw.choice(TEXTS)


def _lie(draw: random.Random) -> tuple[str, Any]:
    """A field of a member's records, and what it wrongly says."""
    field = draw.choice((
        "crc", "size", "packed", "method", "flags", "offset", "local_name", "local_method",
        "local_size", "attributes", "deferred", "extra", "local_extra",
    ))  # fmt: skip
    match field:
        case "local_name":
            return field, draw.choice(TEXTS)
        case "deferred":
            return field, True
        case "extra" | "local_extra":
            return field, draw.choice(
                (b"\1", b"\1\0\x18\0", bytes(40), b"\1\0\x08\0" + b"\xff" * 8)
            )
        case "method" | "local_method":
            return field, draw.choice((0, 8, 9, 12, 14, 99))
        case "flags":
            return field, 1 << draw.randrange(16)
        case _:
            return field, abs(draw.choice(EXTREMES)) % 2**32

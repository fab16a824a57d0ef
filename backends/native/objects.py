"""Puts the machine code of object files into memory without LLVM, which takes its time to load.

What kernels become on Linux and x86-64 is simple: sections of code and constants, which refer to each
other by distances. Whatever else an object file may have is left to LLVM.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

_ELF = b"\x7fELF\x02\x01\x01"
"""How a file of 64 bits, the low byte first, begins."""

_RELOCATABLE, _X86_64 = 1, 62
_PROGRAM, _SYMBOLS, _RELOCATIONS = 1, 2, 4
"""Types of sections."""

_IN_MEMORY = 2
"""The flag of sections that belong into memory."""

_DISTANCES = (2, 4)
"""The references that there are: 32 bits for the way from a place to a symbol."""

_FRAMES = ".eh_frame"
"""What unwinds the stack, for exceptions that kernels do not have."""


class _Section(NamedTuple):
    name: int
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int
    entry: int


class _Symbol(NamedTuple):
    name: int
    info: int
    other: int
    section: int
    value: int
    size: int


@dataclass(frozen=True, eq=False)
class Placed:
    """Code in memory, as long as this lives."""

    memory: Any
    address: int
    """That of the function."""


def placed(code: bytes, name: str) -> Placed | None:
    """A function of an object file, in memory; None where that is for LLVM."""
    try:
        return _placed(code, name) if _is_here() and code.startswith(_ELF) else None
    except (struct.error, IndexError, ValueError, ArithmeticError, MemoryError, OSError):
        # It is no object file of ours.
        return None


@cache
def _is_here() -> bool:
    is_linux = sys.platform == "linux" and platform.machine() == "x86_64" and sys.maxsize > 2**32
    return is_linux and _protect() is not None


@cache
def _protect() -> Any:
    """The system's function that says how memory may be used."""
    try:
        found = ctypes.CDLL(None, use_errno=True).mprotect
    except (OSError, AttributeError):
        return None
    found.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return found


def _placed(code: bytes, name: str) -> Placed | None:
    kind, machine = struct.unpack_from("<HH", code, 16)
    (start,) = struct.unpack_from("<Q", code, 40)
    count, texts = struct.unpack_from("<HH", code, 60)
    if (kind, machine) != (_RELOCATABLE, _X86_64):
        return None
    sections = [
        _Section(*struct.unpack_from("<IIQQQQIIQQ", code, start + 64 * index))
        for index in range(count)
    ]
    places: dict[int, int] = {}
    end = 0
    for index, section in enumerate(sections):
        if not section.flags & _IN_MEMORY or _text(code, sections[texts], section.name) == _FRAMES:
            continue
        if section.type != _PROGRAM:
            return None
        places[index] = end = -(-end // section.alignment) * section.alignment
        end += section.size
    memory = mmap.mmap(-1, max(end, 1), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for index, place in places.items():
        offset, size = sections[index].offset, sections[index].size
        memory[place : place + size] = code[offset : offset + size]
    references = [s for s in sections if s.type == _RELOCATIONS and s.info in places]
    if not all(_refer(code, sections, section, places, memory) for section in references):
        return None
    (table,) = (section for section in sections if section.type == _SYMBOLS)
    names = sections[table.link]
    found = next((s for s in _symbols(code, table) if _text(code, names, s.name) == name), None)
    if found is None or found.section not in places:
        return None
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    if _protect()(base, len(memory), mmap.PROT_READ | mmap.PROT_EXEC):
        return None
    return Placed(memory, base + places[found.section] + found.value)


def _refer(
    code: bytes,
    sections: list[_Section],
    references: _Section,
    places: dict[int, int],
    memory: mmap.mmap,
) -> bool:
    """Write the references of a section; False if there is one of another kind."""
    table, begin = sections[references.link], places[references.info]
    for offset in range(references.offset, references.offset + references.size, references.entry):
        at, info, addend = struct.unpack_from("<QQq", code, offset)
        symbol = _symbol(code, table, info >> 32)
        if info & 0xFFFFFFFF not in _DISTANCES or symbol.section not in places:
            return False
        way = places[symbol.section] + symbol.value + addend - (begin + at)
        struct.pack_into("<i", memory, begin + at, way)
    return True


def _symbols(code: bytes, table: _Section) -> Iterator[_Symbol]:
    return (_symbol(code, table, index) for index in range(table.size // table.entry))


def _symbol(code: bytes, table: _Section, index: int) -> _Symbol:
    return _Symbol(*struct.unpack_from("<IBBHQQ", code, table.offset + table.entry * index))


def _text(code: bytes, names: _Section, start: int) -> str:
    begin = names.offset + start
    return code[begin : code.index(b"\0", begin)].decode()

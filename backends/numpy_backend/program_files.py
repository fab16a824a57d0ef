"""Programs as bytes: a plan that was decoded once, to be read by another process.

Text (JSON) says what a program is made of, constants are places in the model's file or follow the text.
What is read names only the classes of `_CLASSES`, and values; it is no code, but a plan with wrong
places would read and write anywhere, so that it must come from a place that nobody else can write to.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from typing import Any, TypeAlias, cast

import numpy as np

from pyflame_rt import dtypes
from pyflame_rt.backends.numpy_backend import program as programs
from pyflame_rt.backends.numpy_backend.packing import Packs, mapped_at
from pyflame_rt.backends.numpy_backend.program import Constant, Invoke, Program, no_packs
from pyflame_rt.backends.runtime import Array, ArrayType
from pyflame_rt.dialects.pfrt.types import STRING
from pyflame_rt.dialects.plan.convolution_schedules import ConvolutionSchedule
from pyflame_rt.dialects.plan.integer_schedules import IntegerSchedule
from pyflame_rt.dialects.plan.schedules import Schedule
from pyflame_rt.kernels.epilogue import Activation

Bytes: TypeAlias = "np.ndarray[Any, np.dtype[np.uint8]]"
Place: TypeAlias = tuple[int, int, str]
"""The first byte of a constant in the model's file, how many there are, and of what type."""

_CLASSES: Mapping[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        programs.Body, programs.Branch, programs.Invoke, programs.Loop, programs.New,
        programs.Parallel, programs.Part, programs.Program, programs.Release, programs.Reshape,
        programs.Slot, programs.Subroutine, programs.View, Activation, ArrayType,
        ConvolutionSchedule, IntegerSchedule, Schedule,
    )
}  # fmt: skip
_LEFT_OUT = (Invoke, "packs")
_NAMES: Mapping[type[Any], tuple[str, tuple[str, ...]]] = {
    kind: (name, tuple(f.name for f in fields(kind) if (kind, f.name) != _LEFT_OUT))
    for name, kind in _CLASSES.items()
}
_PLAIN = frozenset((bool, int, float, str, type(None)))
_LINE = 64


class NotPlainError(ValueError):
    """A program has something that cannot be written."""


def to_bytes(program: Program, model: Bytes, most: int) -> bytes:
    """A program of a model of these bytes, of whose file, if it has one, its constants are views.

    Raises NotPlainError for what cannot be written, and constants of more than `most` bytes that are
    not in the model.
    """
    writer = _Writer(model, most)
    text = json.dumps(
        [writer.value(program), writer.constants, writer.size], separators=(",", ":")
    ).encode()
    head = len(text).to_bytes(8, "little") + text
    return b"".join((head, b" " * (-len(head) % _LINE), *writer.data))


def from_bytes(data: bytes, model: Bytes, packs: dict[Place, Packs]) -> Program:
    """The program that was written; `packs` are the forms of the model's constants, which plans share.

    Raises ValueError for what is no program.
    """
    try:
        size = int.from_bytes(data[:8], "little")
        text, constants, extent = json.loads(data[8 : 8 + size])
        first = 8 + size + -(8 + size) % _LINE
        more = np.frombuffer(data, np.uint8, offset=first)
        if more.size != extent:
            raise ValueError("constants are missing")
        found = _Reader(constants, model, more, packs).value(text)
    except (AttributeError, IndexError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"no program: {error!r}") from error
    if not isinstance(found, Program):
        raise ValueError("no program")
    return found


class _Writer:
    def __init__(self, model: Bytes, most: int) -> None:
        self._size, self._most = model.size, most
        # A file is mapped again by who reads it.
        self._first = None if mapped_at(model) is not None else model.ctypes.data
        self.constants: list[object] = []
        self.data: list[bytes | memoryview] = []
        self.size = 0
        self._known: dict[int, int] = {}
        self._places: dict[tuple[int, int], int] = {}
        self._packs: dict[int, int] = {}

    def value(self, value: Any) -> object:
        kind = cast("type[Any]", type(value))
        if kind in _PLAIN:
            return value
        if kind in (tuple, list):
            return ["()" if kind is tuple else "[]", *map(self.value, value)]
        if kind in _NAMES:
            name, names = _NAMES[kind]
            return [name, *(self.value(getattr(value, field)) for field in names)]
        if kind is Constant:
            return ["=", self._constant(value)]
        if isinstance(value, Mapping):
            pairs = cast("Mapping[Any, Any]", value).items()
            return ["{}", *([self.value(key), self.value(item)] for key, item in pairs)]
        if kind is slice:
            return ["slice", *map(self.value, (value.start, value.stop, value.step))]
        if isinstance(value, np.dtype):
            return ["dtype", _name_of(cast("np.dtype[Any]", value))]
        raise NotPlainError(f"there is no text for a {kind.__name__}")

    def _constant(self, constant: Constant) -> int:
        if id(constant) not in self._known:
            self._known[id(constant)] = -1
            row = self._row(constant)
            self._known[id(constant)] = len(self.constants)
            self.constants.append(row)
        return self._known[id(constant)]

    def _row(self, constant: Constant) -> object:
        packs = self._packs.setdefault(id(constant.packs), len(self._packs))
        if (whole := constant.whole) is not None:
            return [
                self._constant(whole),
                [[part.start, part.stop] for part in constant.index],
                packs,
            ]
        array = constant.array
        if array.dtype == STRING or not array.flags.c_contiguous or constant.index:
            raise NotPlainError("a constant does not lie together")
        return [self._place(array), _name_of(array.dtype), list(array.shape), packs]

    def _place(self, array: Array) -> object:
        start = array.ctypes.data
        if self._first is None and (first := mapped_at(array)) is not None:
            self._first = first
        if self._first is not None and 0 <= start - self._first <= self._size - array.nbytes:
            return ["model", start - self._first]
        if mapped_at(array) is not None:
            raise NotPlainError("a constant is in another file")
        # What begins at the same place may be a part of another one.
        key = (start, array.nbytes)
        if key not in self._places:
            room = -array.nbytes % _LINE
            self._places[key] = self.size
            self.data += [array.reshape(-1).view(np.uint8).data, bytes(room)]
            self.size += array.nbytes + room
            if self.size > self._most:
                raise NotPlainError("constants are too large")
        return ["here", self._places[key]]


class _Reader:
    def __init__(
        self, constants: Sequence[Any], model: Bytes, more: Bytes, packs: dict[Place, Packs]
    ) -> None:
        self._model, self._more, self._shared = model, more, packs
        self._packs: dict[int, Packs] = {}
        self._constants: list[Constant] = []
        self._special: dict[str, Callable[[Sequence[Any]], Any]] = {
            "()": lambda items: tuple(map(self.value, items)),
            "[]": lambda items: list(map(self.value, items)),
            "{}": lambda items: {self.value(key): self.value(item) for key, item in items},
            "=": self._known,
            "slice": lambda items: slice(*map(self.value, items)),
            "dtype": lambda items: _dtype_of(items[0]),
        }
        for row in constants:
            self._constants.append(self._constant(row))

    def value(self, text: Any) -> Any:
        if type(text) is not list:
            return text
        name, *items = cast("list[Any]", text)
        if (special := self._special.get(name)) is not None:
            return special(items)
        kind = _CLASSES[name]
        return kind(**dict(zip(_NAMES[kind][1], map(self.value, items), strict=True)))

    def _known(self, items: Sequence[Any]) -> Constant:
        return self._constants[cast(int, items[0])]

    def _constant(self, row: Sequence[Any]) -> Constant:
        if len(row) == 3:
            whole, index = self._known(row), tuple(slice(*part) for part in row[1])
            return Constant(whole.array[index], self._pack(row[2], None), whole, index)
        (where, start), name, shape, number = row
        dtype = _dtype_of(name)
        data = self._model if where == "model" else self._more
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        if not (0 <= start <= start + size <= data.size):
            raise ValueError("a constant is not in the file")
        array = data[start : start + size].view(dtype).reshape(shape)
        array.flags.writeable = False
        return Constant(
            array, self._pack(number, (start, size, name) if where == "model" else None)
        )

    def _pack(self, number: int, place: Place | None) -> Packs:
        if number not in self._packs:
            made = no_packs()
            self._packs[number] = made if place is None else self._shared.setdefault(place, made)
        return self._packs[number]


def _name_of(dtype: np.dtype[Any]) -> str:
    if dtype == STRING:
        return "string"
    if dtype not in dtypes.by_numpy():
        raise NotPlainError(f"no tensor has elements of {dtype}")
    return dtype.name


def _dtype_of(name: str) -> np.dtype[Any]:
    return STRING if name == "string" else _dtypes()[name]


@cache
def _dtypes() -> dict[Hashable, np.dtype[Any]]:
    return {row.numpy.name: row.numpy for row in dtypes.table()}

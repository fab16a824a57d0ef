"""What is fed to a session, made of bytes: names, kinds, types, shapes and layouts of all sorts."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from mutants import pfm
from pyflame_rt import InferenceSession
from pyflame_rt.errors import PyFlameRTError

NAMES = ("x", "c", "", "nobody", "é")
TYPES = ("f4", "?", "f8", ">f4", "f2", "i8", "u1", "c8", "U3", "O", "M8[s]", "V4", "i4,f4", "S2")
MOST = 1 << 16


@cache
def _session() -> InferenceSession:
    return InferenceSession(pfm.dumped(pfm.module()))


def feed(data: bytes) -> bool:
    """Run a session on what bytes stand for; False when it is refused. Raises nothing of ours."""
    numbers = iter(data)
    given: Any = {}
    for _ in range(1 + _next(numbers, 3)):
        name: Any = NAMES[_next(numbers, len(NAMES))]
        given[name] = _value(numbers)
    match _next(numbers, 16):
        case 1:
            given = list(given.items())
        case 2:
            given = None
        case 3:
            given = {0: given.popitem()[1]}
    try:
        _session().run(None, given)
    except PyFlameRTError:
        return False
    return True


def _next(numbers: Iterator[int], below: int) -> int:
    return next(numbers, 0) % below


def _value(numbers: Iterator[int]) -> Any:
    kind = TYPES[_next(numbers, len(TYPES)) if _next(numbers, 2) else 0]
    shape = [(2, 40), (1, 40), (0, 40), (), (40,), (3, 39), (2, 40, 1)][_next(numbers, 7)]
    if _next(numbers, 4) == 3:
        shape = tuple(_next(numbers, 50) for _ in range(_next(numbers, 5)))
    size = int(np.prod(shape, dtype=np.float64))
    array = np.zeros(shape if size < MOST else (), kind)
    if array.dtype.kind in "fiu?":
        array.reshape(-1)[:] = [_next(numbers, 256) for _ in range(array.size)]
    match _next(numbers, 12):
        case 1:
            return array.tolist()
        case 2:
            return array[..., ::-1] if array.ndim else array
        case 3:
            return array.T
        case 4:
            return array.copy("F")
        case 5:
            return memoryview(array) if array.dtype.kind in "fiu" else array
        case 6:
            return [None, "text", 1.5, object(), b"bytes", {}, [[1, 2], [3]], array.dtype][
                _next(numbers, 8)
            ]
        case 7:
            return np.ma.masked_array(array)
        case 8:
            return np.broadcast_to(array, (2, *array.shape))
        case _:
            return array


def seeds() -> list[bytes]:
    """Feeds that are good, and a little noise."""
    good = bytes((1, 0, 0, 0, 0)) + bytes(range(80)) + bytes((0, 1, 1, 1, 3, 0, 1, 0, 0))
    return [good, bytes(64), bytes(range(255))]

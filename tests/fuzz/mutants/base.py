"""What a format of the fuzzer is, and changes that any of them can use."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from xdsl.dialects.builtin import ModuleOp

EXTREMES = (
    0, 1, -1, 2, 3, -2, 5, 7, 64, 127, 128, 255, 256, 65535, 2**31 - 1, 2**31, -(2**31), 2**32 - 1,
    2**40, 2**62, 2**63 - 1, 2**63, -(2**63), 2**64 - 1, 2**70,
)  # fmt: skip
"""Numbers at the edges of what formats and kernels count with."""

TEXTS = (
    "", " ", "x", "nobody", "../x", "/etc/passwd", "a\\b", "a/b", "a\nb", "a\0b", "é", "\u202e", "0",
    "-1", "n" * 5000, "__torch__.M", "f32", "9" * 400, "'", '"', "%", "{}",
)  # fmt: skip
"""Names and texts that are nobody's, or that something may take for more than a text."""


@dataclass(frozen=True)
class Format:
    """A kind of file to be fuzzed.

    `seeds` makes good files; `mutate` changes one; `read` is what must bear any bytes: it gives a
    verified module, None for a file of tensors that was read, or raises a PyFlameRTError. `share`
    is how many of a thousand mutants are of the format.
    """

    name: str
    seeds: Callable[[], Iterable[bytes]]
    mutate: Callable[[bytes, random.Random], bytes]
    read: Callable[[bytes], ModuleOp | None]
    share: int

    def mutant(self, seeds: Sequence[bytes], seed: int, index: int) -> bytes:
        """The mutant of a number: the same bytes whenever the seeds are the same."""
        draw = random.Random(f"{seed} {self.name} {index}")
        return self.mutate(draw.choice(seeds), draw)


def how_many(draw: random.Random) -> int:
    """A few changes, mostly one: more of them seldom come past the first check."""
    return draw.choice((1, 1, 1, 2, 3))


def changed_number(old: int, draw: random.Random) -> int:
    """Another number: an extreme one, or one beside it."""
    return draw.choice((*EXTREMES, old + 1, old - 1, -old, old * 2))


def changed_bytes(data: bytes, draw: random.Random) -> bytes:
    """Bytes changed, cut out, doubled, copied elsewhere, made an extreme number, or cut off."""
    result = bytearray(data)
    for _ in range(how_many(draw)):
        at = draw.randrange(len(result) or 1)
        match draw.randrange(7):
            case 0:
                result[at : at + 1] = bytes([draw.randrange(256)])
            case 1:
                result[at : at + 1] = bytes(
                    [(result[at] if result else 0) ^ 1 << draw.randrange(8)]
                )
            case 2:
                size = draw.choice((2, 4, 8))
                number = draw.choice(EXTREMES) % 2 ** (8 * size)
                result[at : at + size] = number.to_bytes(size, "little")
            case 3:
                del result[at : at + draw.randrange(1, 9)]
            case 4:
                result[at:at] = result[at : at + draw.randrange(1, 40)]
            case 5:
                other = draw.randrange(len(result) or 1)
                result[at : at + 8] = result[other : other + 8]
            case _:
                if draw.random() < 0.2:
                    del result[at:]
                else:
                    result[at : at + 8] = struct.pack("<d", draw.choice((0.0, 1e300, -1.0)))
    return bytes(result)


def changed_tree(tree: Any, draw: random.Random) -> Any:
    """A JSON value, in place if it is a container, with a value in it changed."""
    places = list(_places(tree))
    if not places:
        return draw.choice((None, 7, "x", [], {}))
    parent, key = draw.choice(places)
    value, other = parent[key], draw.choice(places)
    match draw.randrange(8):
        case 0:
            del parent[key]
        case 1:
            parent[key] = other[0][other[1]] if other[0] is not parent else None
            if any(inner is parent for inner, _ in _places(parent[key])):
                parent[key] = value
        case 2:
            parent[key] = draw.choice(
                (None, True, False, -1, 1.5, "", "x", [], {}, [1], {"as_int": 7})
            )
        case 3 if isinstance(parent, list):
            parent.insert(key, value)
        case 3:
            parent[draw.choice(TEXTS)] = value
        case 4 if isinstance(parent, dict):
            parent[draw.choice([name for _, name in places if isinstance(name, str)])] = value
        case _:
            parent[key] = changed_leaf(value, draw)
    return tree


def changed_leaf(value: Any, draw: random.Random) -> Any:
    """Another value of the same kind."""
    match value:
        case bool():
            return not value
        case int():
            return changed_number(value, draw)
        case float():
            return draw.choice((0.0, -1.0, 1e308, -1e-320, value * 2))
        case str() if value and draw.random() < 0.5:
            return changed_bytes(value.encode(), draw).decode(errors="replace")
        case str():
            return draw.choice(TEXTS)
        case list():
            return value[:-1] if draw.random() < 0.5 else value * 2
        case dict():
            return dict(list(value.items())[1:])
        case _:
            return draw.choice((0, "x", [], {}))


def _places(tree: Any) -> Iterable[tuple[Any, Any]]:
    """Every container of a JSON value with each of its keys or indices."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        keys = (
            node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
        )
        for key in list(keys):
            yield node, key
            waiting.append(node[key])

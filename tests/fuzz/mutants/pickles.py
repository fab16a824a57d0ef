"""Pickles changed by opcodes, so that what follows a change is still a pickle."""

from __future__ import annotations

import pickletools
import random
import struct
from collections.abc import Sequence

import torch_bytes as tb

from mutants.base import EXTREMES, TEXTS, changed_bytes, changed_number, how_many

OPCODES = b".(NKMJGXU)t]ae}suqrhjcRbQ\x80\x81\x85\x86\x87\x88\x89\x8a\x93"
"""What torch writes, and a little that it does not."""

GLOBALS = (
    ("os", "system"), ("builtins", "eval"), ("torch.hub", "load"), ("torch", "FloatStorage"),
    ("numpy._core.multiarray", "_reconstruct"), ("torch", "Size"), ("torch", "device"),
    ("collections", "OrderedDict"), ("torch._utils", "_rebuild_tensor_v2"), ("torch", "int64"),
    ("torch._utils", "_rebuild_parameter"), ("torch._utils", "_rebuild_tensor"),
    ("torch._utils", "_rebuild_qtensor"), ("torch._utils", "_rebuild_sparse_tensor"),
    ("torch.storage", "UntypedStorage"), ("torch.jit._pickle", "build_intlist"),
    ("torch.jit._pickle", "build_tensor_from_id"), ("torch.jit._pickle", "restore_type_tag"),
    ("__torch__", "M"), ("torch", "per_tensor_affine"), ("torch", "QInt8Storage"),
)  # fmt: skip

FOREIGN = (
    b"\x82\x01", b"\x83\x01\x00", b"\x84\x01\0\0\0", b"\x92", b"\x93", b"\x94", b"o", b"icos\nsystem\n",
    b"\x95" + bytes(8), b"\x8b\xff\xff\xff\x7f", b"\x8a\xff", b"B\xff\xff\xff\xff", b"\x8f", b"\x90",
    b"\x91", b"P0\n", b"\x97", b"\x98", b"I9999999999\n", b"L1L\n", b"F1e9\n", b"S'x'\n", b"V\\ud800\n",
    b"\x96" + b"\xff" * 8, b"2", b"1", b"0", b"p0\n", b"g0\n", b"d", b"l", b"\x80\x05",
)  # fmt: skip
"""Opcodes that torch's files have not, some of them with lengths that are not there."""


def operations(data: bytes) -> list[bytes]:
    """The operations of a pickle, one after the other."""
    starts = [place or 0 for _, _, place in pickletools.genops(data)]
    return [data[a:b] for a, b in zip(starts, [*starts[1:], len(data)], strict=True)]


def changed(data: bytes, draw: random.Random) -> bytes:
    """A pickle with a few operations changed, and now and then a few bytes."""
    if draw.random() < 0.15:
        return changed_bytes(data, draw)
    try:
        ops = operations(data)
    except ValueError:
        return changed_bytes(data, draw)
    for _ in range(how_many(draw)):
        _change(ops, draw)
    return b"".join(ops)


def _change(ops: list[bytes], draw: random.Random) -> None:
    at, other = draw.randrange(len(ops) or 1), draw.randrange(len(ops) or 1)
    match draw.randrange(10):
        case 0:
            del ops[at : at + draw.choice((1, 1, 2, 5))]
        case 1:
            ops[at:at] = ops[other : other + draw.choice((1, 1, 2, 8))]
        case 2:
            ops[at : at + 1], ops[other : other + 1] = ops[other : other + 1], ops[at : at + 1]
        case 3:
            ops[at : at + 1] = [bytes([draw.choice(OPCODES)])]
        case 4:
            ops.insert(at, draw.choice(FOREIGN))
        case 5:
            _replace(ops, b"c", tb.name(*draw.choice(GLOBALS)), draw)
        case 6:
            _replace(ops, b"X", tb.text(draw.choice((*TEXTS, *_texts(ops)))), draw)
        case _:
            _replace(ops, b"KMJ\x8a", _number(ops, draw), draw)


def _replace(ops: list[bytes], kinds: bytes, new: bytes, draw: random.Random) -> None:
    """Put an operation in the place of one of those kinds."""
    found = [
        index
        for index, op in enumerate(ops)
        if op[:1] in [kinds[i : i + 1] for i in range(len(kinds))]
    ]
    if found:
        ops[draw.choice(found)] = new


def _texts(ops: Sequence[bytes]) -> list[str]:
    return [op[5:].decode(errors="replace") for op in ops if op[:1] == b"X"]


def _number(ops: Sequence[bytes], draw: random.Random) -> bytes:
    """BININT or LONG1 of a number that is extreme, or near to one of the pickle."""
    known = [op[1] for op in ops if op[:1] == b"K" and len(op) == 2]
    known += [struct.unpack("<H", op[1:3])[0] for op in ops if op[:1] == b"M" and len(op) == 3]
    return tb.integer(changed_number(draw.choice(known or EXTREMES), draw))

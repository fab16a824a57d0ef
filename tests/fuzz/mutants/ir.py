"""IR text changed by tokens and lines, and the file of weights beside it."""

from __future__ import annotations

import os
import random
import re
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from mutants import corpus
from mutants.base import EXTREMES, TEXTS, Format, changed_bytes, how_many
from pyflame_rt import module_files, pipelines
from pyflame_rt.dialects.pfrt import operations
from pyflame_rt.errors import PyFlameRTError
from pyflame_rt.universe import make_context
from pyflame_rt.weights import Weight, write_side_file

BETWEEN = b"\0"
"""Between a text and the weights beside it: a sample is one string of bytes."""

TOKEN = re.compile(r"\s+|[%@#!^][\w.$-]*|[A-Za-z_][\w.$]*|\d+|\"[^\"\n]*\"|->|.", re.S)
TYPES = (
    "f32", "f16", "bf16", "f64", "i1", "i8", "i64", "ui8", "!pfrt.string", "index", "none", "tensor<f32>",
    "tensor<*xf32>", "tensor<?x3xf32>", "tensor<0xf32>", "!pfrt.sequence<tensor<f32>>", "complex<f32>",
    "tensor<99999999999x99999999999xf32>", "tensor<-1xf32>", "f8E4M3FN", "i4", "memref<2xf32>",
)  # fmt: skip
MOST = 2500


def read(data: bytes) -> ModuleOp:
    """The verified module of a text with its weights, as from two files."""
    text, _, weights = data.partition(BETWEEN)
    ctx = make_context()
    if weights:
        number, path = tempfile.mkstemp(suffix=".weights")
        try:
            with os.fdopen(number, "wb") as file:
                file.write(weights)
            module_files.load_weights(path, ctx)
        finally:
            os.unlink(path)
    module = module_files.parse(text, ctx, "m.mlir")
    pipelines.run(ctx, module, (), verify=True)
    return module


def texts() -> Iterator[bytes]:
    """The cases of the IR tests that are small modules; their first function becomes main."""
    for path in sorted((corpus.ROOT / "lit_tests").rglob("*.mlir")):
        for case in path.read_bytes().split(b"// -----"):
            text = re.sub(rb"^\s*//.*\n", b"", case, flags=re.M).strip() + b"\n"
            if len(text) > MOST or b"pfrt." not in text:
                continue
            text = re.sub(rb"func\.func @\w+\(", b"func.func @main(", text, count=1)
            try:
                read(text)
            except PyFlameRTError:
                continue
            yield text


def seeds() -> Iterator[bytes]:
    """A text with weights, often, and the cases of the IR tests."""
    weight = Weight(np.arange(6, dtype=np.float32).reshape(2, 3))
    text = f"""\
func.func @main(%x: tensor<?x2xf32> {{pfrt.name = "x"}}) -> (tensor<?x3xf32> {{pfrt.name = "y"}}) {{
  %w = pfrt.constant #pfrt.weight<"{weight.digest}"> as "w" : tensor<2x3xf32>
  %y = pfrt.matmul %x, %w as "y" : tensor<?x2xf32>, tensor<2x3xf32> -> tensor<?x3xf32>
  func.return %y : tensor<?x3xf32>
}}
"""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w.weights"
        write_side_file(path, [weight])
        yield from [text.encode() + BETWEEN + path.read_bytes()] * 30
    yield from texts()


@cache
def _operations() -> Sequence[str]:
    return sorted(operations())


def changed(data: bytes, draw: random.Random) -> bytes:
    """A text with a few of its tokens or lines changed, or the weights beside it."""
    text, between, weights = data.partition(BETWEEN)
    if weights and draw.random() < 0.5:
        return text + between + changed_bytes(weights, draw)
    if draw.random() < 0.05:
        return changed_bytes(text, draw) + between + weights
    found = text.decode()
    for _ in range(how_many(draw)):
        found = _changed(found, draw)
    return found.encode(errors="replace") + between + weights


def _changed(text: str, draw: random.Random) -> str:
    if draw.random() < 0.15:
        lines = text.split("\n")
        at, other = draw.randrange(len(lines)), draw.randrange(len(lines))
        match draw.randrange(3):
            case 0:
                del lines[at]
            case 1:
                lines.insert(other, lines[at])
            case _:
                lines[at], lines[other] = lines[other], lines[at]
        return "\n".join(lines)
    tokens = TOKEN.findall(text)
    at, other = draw.randrange(len(tokens) or 1), draw.randrange(len(tokens) or 1)
    kinds: dict[str, list[int]] = {}
    for index, token in enumerate(tokens):
        kinds.setdefault(_kind(token), []).append(index)
    match draw.randrange(9):
        case 0 | 1 | 2 if numbers := kinds.get("number"):
            tokens[draw.choice(numbers)] = str(draw.choice((*EXTREMES, 4, 10)))
        case 3 | 4:
            same = draw.choice([rows for rows in kinds.values() if rows] or [[0]])
            if tokens:
                tokens[draw.choice(same)] = tokens[draw.choice(same)]
        case 5 if names := [i for i in kinds.get("word", ()) if tokens[i].startswith("pfrt.")]:
            tokens[draw.choice(names)] = draw.choice(_operations())
        case 6:
            del tokens[at : at + draw.choice((1, 1, 3))]
        case 7:
            tokens[at:at] = [
                draw.choice((*TYPES, f'"{draw.choice(TEXTS)}"', "?", "x", "<", "[" * 3000, "-"))
            ]
        case _:
            tokens[at:at] = tokens[other : other + draw.randrange(1, 8)]
    return "".join(tokens)


def _kind(token: str) -> str:
    if token.isdigit():
        return "number"
    if token[:1] in "%@#!^":
        return token[0]
    return "word" if token[:1].isalpha() else "text" if token[:1] == '"' else "other"


IR = Format("ir", seeds, changed, read, 80)

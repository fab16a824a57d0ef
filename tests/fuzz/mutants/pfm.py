"""`.pfm` files changed in their words, the header and the digest being right again."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from mutants import ir
from mutants.base import Format, changed_bytes, how_many
from pyflame_rt import module_files, pipelines
from pyflame_rt.dialects.pfrt.attributes import WeightAttr
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.types import numpy_dtype
from pyflame_rt.errors import PyFlameRTError
from pyflame_rt.frontends.pfm import PfmFile, dump_pfm, read_pfm
from pyflame_rt.frontends.pfm.layout import HEADER_SIZE, Feature, Header, digest_of
from pyflame_rt.universe import make_context
from pyflame_rt.weights import Weight

MODULE = """\
func.func @main(%x: tensor<?x40xf32> {pfrt.name = "x", pfrt.dims = ["N", ""]}, %c: tensor<i1> {pfrt.name = "c"})
    -> (tensor<?x50xf32> {pfrt.name = "y"}) {
  %w = pfrt.constant #pfrt.weight<"w"> as "w" : tensor<40x50xf32>
  %b = pfrt.constant #pfrt.weight<"b"> as "b" : tensor<1030xf32>
  %s = pfrt.constant #pfrt.weight<"s"> as "s" : tensor<40x50xf16>
  %t = pfrt.constant #pfrt.weight<"t"> as "t" : tensor<1030xf64>
  %y = pfrt.matmul %x, %w as "y" : tensor<?x40xf32>, tensor<40x50xf32> -> tensor<?x50xf32> loc("n"("m.onnx":1:0))
  %z = pfrt.if %c -> (tensor<?x50xf32>) {
    pfrt.yield %y : tensor<?x50xf32>
  } else {
    %r = pfrt.relu %y : tensor<?x50xf32> -> tensor<?x50xf32>
    pfrt.yield %r : tensor<?x50xf32>
  } : tensor<i1>
  func.return %z : tensor<?x50xf32>
}
"""

WORDS = (0, 1, 2, 3, 4, 8, 64, 65, 255, 256, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1)


def module() -> ModuleOp:
    """A module with weights, sparse ones too, a subgraph, a symbolic dimension and a location."""
    found = module_files.parse(MODULE, make_context(), "m.mlir")
    generator = np.random.default_rng(0)
    for op in found.walk():
        if isinstance(op, ConstantOp):
            array = generator.random(op.result.type.get_shape(), np.float32)
            dtype = numpy_dtype(op.result.type.element_type)
            if dtype != np.float32:
                # These are stored without their zeros.
                array = np.where(array > 0.97, array, 0).astype(dtype)
            op.properties["value"] = WeightAttr(Weight(array))
    return found


def dumped(given: ModuleOp) -> bytes:
    """The bytes of a module's file."""
    stream = io.BytesIO()
    dump_pfm(given, stream)
    return stream.getvalue()


def seeds() -> Iterator[bytes]:
    """The module above, often, and each function of the IR tests that is a module."""
    good = dumped(module())
    yield from [good] * 20
    for text in ir.texts():
        # Not those whose weights are nowhere.
        with suppress(PyFlameRTError):
            yield dumped(ir.read(text))


def assembled(meta: bytes, data: bytes, features: Feature) -> bytes:
    """A file whose header and digest are right for its parts."""
    meta += bytes(-len(meta) % 4)
    header = Header(features, 0, len(meta), digest_of(meta))
    header = replace(header, file_size=header.data_offset + len(data))
    return header.encoded() + meta + bytes(header.data_offset - HEADER_SIZE - len(meta)) + data


def read(data: bytes) -> ModuleOp:
    """The verified module of a file all of which is read."""
    found = read_pfm(data, make_context(), verify=True)
    pipelines.verify_module(found)
    return found


def changed_word(meta: bytearray, draw: random.Random) -> None:
    """Another number, or one beside what is there."""
    at = 4 * draw.randrange(len(meta) // 4)
    old = int.from_bytes(meta[at : at + 4], "little")
    new = draw.choice([*WORDS, old + 1, old - 1, draw.randrange(64)])
    meta[at : at + 4] = (new & 0xFFFFFFFF).to_bytes(4, "little")


def changed_bit(meta: bytearray, draw: random.Random) -> None:
    """A bit."""
    meta[draw.randrange(len(meta))] ^= 1 << draw.randrange(8)


def dropped(meta: bytearray, draw: random.Random) -> None:
    """Some words fewer."""
    at = 4 * draw.randrange(len(meta) // 4)
    del meta[at : at + 4 * draw.choice([1, 2, 6])]


def doubled(meta: bytearray, draw: random.Random) -> None:
    """Some words twice."""
    at, to = (4 * draw.randrange(len(meta) // 4) for _ in range(2))
    meta[to:to] = meta[at : at + 4 * draw.choice([1, 2, 6, 20])]


def swapped(meta: bytearray, draw: random.Random) -> None:
    """Two words exchanged."""
    at, to = (4 * draw.randrange(len(meta) // 4) for _ in range(2))
    meta[at : at + 4], meta[to : to + 4] = meta[to : to + 4], meta[at : at + 4]


MUTATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    *[changed_word] * 6, changed_bit, dropped, doubled, *[swapped] * 2,
)  # fmt: skip


def changed(data: bytes, draw: random.Random) -> bytes:
    """A file with a few changes, mostly of its words with its checksums being right again."""
    if draw.random() < 0.05:
        return changed_bytes(data, draw)
    file = PfmFile.open(data)
    meta = bytearray(data[HEADER_SIZE : HEADER_SIZE + file.header.meta_length])
    for _ in range(how_many(draw)):
        if len(meta) >= 4:
            draw.choice(MUTATIONS)(meta, draw)
    features = draw.choice([file.features, Feature(15)])
    return assembled(bytes(meta), data[file.header.data_offset :], features)


PFM = Format("pfm", seeds, changed, read, 130)

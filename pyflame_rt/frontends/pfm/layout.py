"""The fixed parts of a `.pfm` file: header, features, sections, and descriptions of tensors.

docs/pfm.md has the whole layout as a table.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from pyflame_rt.errors import InvalidModelError, UnsupportedFormatError
from pyflame_rt.frontends.pfm.words import WordReader, WordWriter

MAGIC = b"PFM\0"
VERSION = 1
"""Major in the high 16 bits, minor in the low ones."""
ALIGNMENT = 64
"""Of each tensor."""
PAGE = 4096
"""Alignment of the data area."""

UNKNOWN_RANK = 255
NOT_A_TENSOR = 0
"""Element code of inputs and outputs that are sequences, optionals, maps or of a foreign type."""
SPARSE_ELEMENT = 1 << 16
"""Added to the element code of a tensor that is stored without its zeros."""
STRING_ELEMENT = 8
"""ONNX's code of tensors of strings."""

_HEADER = struct.Struct("<4sIIIQQQQ16s")
HEADER_SIZE = _HEADER.size


class Feature(IntFlag):
    """What a reader must know of to read a file."""

    SUBGRAPHS = 1
    """Some node of a function has a region."""
    PACKED = 2
    """Some tensor has several elements in a byte."""
    TEXT = 4
    """Some attribute is IR text."""
    SPARSE = 8
    """Some tensor is there without its zeros."""


KNOWN_FEATURES = int(Feature.SUBGRAPHS | Feature.PACKED | Feature.TEXT | Feature.SPARSE)


class Section(IntEnum):
    """What may follow the nodes."""

    LOCATIONS = 1
    """Where each node comes from."""
    VALUE_NAMES = 2
    """How IR text calls each value."""


REQUIRED = 1
"""Flag of a section that a reader must not skip."""


@dataclass(frozen=True)
class Header:
    """The first 64 bytes, besides what is fixed."""

    features: Feature
    file_size: int
    meta_length: int
    digest: bytes
    version: int = VERSION

    @property
    def data_offset(self) -> int:
        """Where the tensors begin."""
        return aligned(HEADER_SIZE + self.meta_length, PAGE)

    def encoded(self) -> bytes:
        """The header's bytes."""
        return _HEADER.pack(
            MAGIC,
            VERSION,
            self.features,
            HEADER_SIZE,
            self.file_size,
            HEADER_SIZE,
            self.meta_length,
            self.data_offset,
            self.digest,
        )

    @staticmethod
    def decoded(data: bytes, size: int, where: str, most: int) -> Header:
        """The header of a file of `size` bytes, whose meta part may have `most`.

        Raises InvalidModelError, and UnsupportedFormatError for a version or feature from later.
        """
        if data[: len(MAGIC)] != MAGIC:
            raise InvalidModelError("is not a .pfm file", where=where)
        if len(data) < HEADER_SIZE:
            raise InvalidModelError("ends within its header", where=where)
        fields = _HEADER.unpack(data[:HEADER_SIZE])
        _, version, features, header_size, file_size, meta, meta_length, data_offset, digest = (
            fields
        )
        # A later minor version that this reader cannot read says so by its features and sections.
        if version >> 16 != VERSION >> 16 or version < VERSION:
            raise UnsupportedFormatError(
                f"is of .pfm version {version}", where=where, hint=f"{VERSION} is known"
            )
        if unknown := features & ~KNOWN_FEATURES:
            raise UnsupportedFormatError(
                f"needs features that this reader lacks: {unknown:#x}", where=where
            )
        if file_size != size:
            raise InvalidModelError(
                f"has {size} bytes, but its header says {file_size}", where=where
            )
        if meta_length > most:
            raise InvalidModelError(
                f"a graph of {meta_length} bytes is over the limit of {most}", where=where
            )
        header = Header(Feature(features), file_size, meta_length, digest, version)
        agrees = (header_size, meta, data_offset) == (HEADER_SIZE, HEADER_SIZE, header.data_offset)
        if not agrees or meta_length % 4 or header.data_offset > size:
            raise InvalidModelError("has a header that contradicts itself", where=where)
        return header


def digest_of(meta: bytes | memoryview) -> bytes:
    """What the header says about the meta part."""
    return hashlib.sha256(meta).digest()[:16]


def aligned(offset: int, to: int) -> int:
    """The next multiple of `to`, a power of two, from an offset on."""
    return -(-offset // to) * to


@dataclass(frozen=True)
class TensorInfo:
    """Name, element type (ONNX's code) and dimensions of a tensor.

    A dimension is an int, a symbol, or None for one of unknown size; `dims` is None when the rank
    is unknown.
    """

    name: str
    element: int
    dims: tuple[int | str | None, ...] | None

    def write(self, out: WordWriter, names: int) -> None:
        """Append the record. Raises PyFlameRTError for names of more than `names` bytes."""
        out.text(self.name, names)
        out.word(self.element)
        out.word(UNKNOWN_RANK if self.dims is None else len(self.dims))
        for dim in self.dims or ():
            if isinstance(dim, str):
                out.word(1)
                out.text(dim, names)
            else:
                out.word(0)
                out.i64(-1 if dim is None else dim)

    @staticmethod
    def read(source: WordReader, names: int, ranks: int) -> TensorInfo:
        """The next record; `names` and `ranks` are limits. Raises InvalidModelError."""
        name = source.text(names)
        element, rank = source.word(), source.word()
        if rank == UNKNOWN_RANK:
            return TensorInfo(name, element, None)
        if rank > ranks:
            raise source.error(f"{name[:64]!a} has {rank} dimensions, at most {ranks}")
        dims: list[int | str | None] = []
        for _ in range(rank):
            match source.word():
                case 0:
                    size = source.i64()
                    if size < -1:
                        raise source.error(f"{name[:64]!a} has a dimension of {size}")
                    dims.append(None if size < 0 else size)
                case 1:
                    dims.append(source.text(names))
                case tag:
                    raise source.error(f"{name[:64]!a} has a dimension of kind {tag}")
        return TensorInfo(name, element, tuple(dims))

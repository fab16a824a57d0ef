"""The table of initializers, and the data area that it describes."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from pyflame_rt import dtypes
from pyflame_rt.errors import InvalidModelError
from pyflame_rt.frontends.pfm import sparse
from pyflame_rt.frontends.pfm.layout import ALIGNMENT, SPARSE_ELEMENT, TensorInfo, aligned
from pyflame_rt.frontends.pfm.packing import bits_of, packed, unpacked
from pyflame_rt.frontends.pfm.words import WordReader, WordWriter
from pyflame_rt.limits import Expansion, Limits
from pyflame_rt.mapped_files import MappedFile
from pyflame_rt.weights import Weight

Array = npt.NDArray[Any]

_LEAST_WORDS = 8
"""Of a record: name, element, rank, offset, size, CRC."""
_ONE_PIECE = 1 << 24


@dataclass(frozen=True)
class TensorEntry:
    """A tensor of the file: `offset` counts from the beginning of the data area."""

    name: str
    element: int
    shape: tuple[int, ...]
    offset: int
    size: int
    crc: int
    is_sparse: bool = False
    """Whether its zeros are not there."""

    @property
    def row(self) -> dtypes.DTypeRow:
        """Its element type."""
        return dtypes.by_onnx()[self.element]

    @property
    def is_packed(self) -> bool:
        """Whether elements share bytes."""
        return bits_of(self.row.numpy) < 8

    def bytes_in(self, file: MappedFile, data_offset: int) -> npt.NDArray[np.uint8]:
        """Its bytes, as a view of the file."""
        start = data_offset + self.offset
        return file.data()[start : start + self.size]

    def array(self, file: MappedFile, data_offset: int) -> Array:
        """Its values, read-only: a view of the file unless elements share bytes or lack zeros.

        Raises InvalidModelError when NumPy has no array of such a shape, for booleans that are
        neither false nor true, and for a sparse tensor that contradicts itself.
        """
        data = self.bytes_in(file, data_offset)
        if self.is_sparse:
            return self._expanded(file, data)
        if self.row.numpy == np.bool_ and data.size and int(data.max()) > 1:
            where = f"{file.name}: initializer {self.name[:64]!a}"
            raise InvalidModelError("holds bytes that are neither false nor true", where=where)
        try:
            array = unpacked(data, self.row.numpy, math.prod(self.shape)).reshape(self.shape)
        except ValueError as error:
            where = f"{file.name}: initializer {self.name[:64]!a}"
            raise InvalidModelError(f"has an impossible shape: {error}", where=where) from error
        array.flags.writeable = False
        return array

    def _expanded(self, file: MappedFile, data: npt.NDArray[np.uint8]) -> Array:
        try:
            array = sparse.decoded(data, self.row.numpy, math.prod(self.shape)).reshape(self.shape)
        except (ValueError, MemoryError) as error:
            where = f"{file.name}: initializer {self.name[:64]!a}"
            raise InvalidModelError(f"cannot be made dense: {error}", where=where) from error
        array.flags.writeable = False
        return array

    def write(self, out: WordWriter, names: int) -> None:
        """Append the record. A name of more than `names` bytes is left out."""
        name = self.name if len(self.name) <= names // 4 or len(self.name.encode()) <= names else ""
        element = self.element + self.is_sparse * SPARSE_ELEMENT
        TensorInfo(name, element, self.shape).write(out, names)
        out.u64(self.offset)
        out.u64(self.size)
        out.word(self.crc)


def read_entries(source: WordReader, limits: Limits) -> tuple[TensorEntry, ...]:
    """The table: every tensor of a known type, of as many bytes as its shape needs, 64-byte aligned
    and right after the one before; sparse ones that are not huge when dense. Raises
    InvalidModelError."""
    entries: list[TensorEntry] = []
    end, expansion = 0, Expansion(limits)
    for _ in range(source.count(_LEAST_WORDS)):
        info = TensorInfo.read(source, limits.name_bytes, limits.pfm_rank)
        offset, size, crc = source.u64(), source.u64(), source.word()
        where = f"initializer {info.name[:64]!a}"
        element = info.element & ~SPARSE_ELEMENT
        is_sparse = element != info.element
        row = dtypes.by_onnx().get(element)
        if row is None:
            raise source.error(f"{where} has the unknown element type {info.element}")
        shape = tuple(dim for dim in info.dims or () if isinstance(dim, int))
        if info.dims is None or len(shape) != len(info.dims):
            raise source.error(f"{where} has no static shape")
        needed = -(-math.prod(shape) * bits_of(row.numpy) // 8)
        if is_sparse:
            count = math.prod(shape)
            if count * row.numpy.itemsize > limits.tensor_bytes:
                raise source.error(f"{where} would take more than {limits.tensor_bytes} bytes")
            if bits_of(row.numpy) < 8 or not sparse.fits(size, count, row.numpy.itemsize):
                raise source.error(f"{where} has {size} bytes, which are no sparse tensor of it")
        elif size != needed:
            raise source.error(f"{where} has {size} bytes, but type and shape need {needed}")
        if offset != aligned(end, ALIGNMENT):
            raise source.error(f"{where} is not where the one before it ends")
        end = offset + size
        expansion.add(size, math.prod(shape) * row.numpy.itemsize if is_sparse else 0)
        entries.append(TensorEntry(info.name, element, shape, offset, size, crc, is_sparse))
    if not expansion.admits():
        raise source.error(
            f"sparse tensors of {expansion.expanded} bytes in {expansion.stored} are not believed"
        )
    return tuple(entries)


class TensorTable:
    """The tensors that a module uses, each once, in the order of their first use."""

    def __init__(self) -> None:
        self.entries: list[TensorEntry] = []
        self._data: list[npt.NDArray[np.uint8]] = []
        self._by_weight: dict[int, tuple[Weight, int]] = {}
        self._by_content: dict[tuple[int, tuple[int, ...], int], list[int]] = {}
        self._end = 0
        self._expansion = Expansion()

    @property
    def size(self) -> int:
        """Bytes of the data area."""
        return self._end

    def index(self, weight: Weight, name: str) -> int:
        """The place of a weight's values in the table; `name` is for those not seen before.

        Raises MissingWeightsError when the values are not at hand.
        """
        if (known := self._by_weight.get(id(weight))) is not None:
            return known[1]
        array = weight.array
        element = dtypes.by_numpy()[array.dtype].onnx
        data, is_sparse = packed(array), False
        without_zeros = sparse.encoded(array)
        # Not more of them than a reader believes.
        if without_zeros is not None and self._expansion.admits(without_zeros.size, array.nbytes):
            data, is_sparse = without_zeros, True
        crc = crc_of(data)
        alike = self._by_content.setdefault((element, array.shape, crc), [])
        for index in alike:
            if np.array_equal(self._data[index], data):
                break
        else:
            index = len(self.entries)
            alike.append(index)
            offset = aligned(self._end, ALIGNMENT)
            self._end = offset + data.size
            self._expansion.add(data.size, array.nbytes if is_sparse else 0)
            self.entries.append(
                TensorEntry(name, element, array.shape, offset, data.size, crc, is_sparse)
            )
            self._data.append(data)
        # The weight is kept so that no other can have its identity.
        self._by_weight[id(weight)] = weight, index
        return index

    def write_data(self, stream: IO[bytes]) -> None:
        """Write the data area."""
        at = 0
        for entry, data in zip(self.entries, self._data, strict=True):
            stream.write(bytes(entry.offset - at))
            stream.write(data.data)
            at = entry.offset + entry.size


def crc_of(data: npt.NDArray[np.uint8]) -> int:
    """CRC-32 of bytes."""
    crc = 0
    for start in range(0, data.size, _ONE_PIECE):
        crc = zlib.crc32(data[start : start + _ONE_PIECE].data, crc)
    return crc


def damaged(entries: Iterable[TensorEntry], file: MappedFile, data_offset: int) -> Iterator[str]:
    """A sentence for each tensor that is not what the table says, gaps between them included."""
    end = 0
    for entry in entries:
        where = f"initializer {entry.name[:64]!a}"
        gap = file.data()[data_offset + end : data_offset + entry.offset]
        if gap.any():
            yield f"there is something in the gap before {where}"
        end = entry.offset + entry.size
        if crc_of(entry.bytes_in(file, data_offset)) != entry.crc:
            yield f"{where} is damaged: its bytes do not have their checksum"

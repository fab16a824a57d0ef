"""Large constants: read-only arrays, usually views of a mapped file, and their side file.

A `Weight` never copies and is not read until something needs its values: hashing samples a few
bytes, the digest (which names it in printed IR) is computed when IR is printed.
The side file has the safetensors layout: `u64 header length, JSON header, data`, keyed by digest.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Hashable, Iterable, Iterator
from functools import cached_property
from hashlib import blake2b
from typing import Any
from weakref import WeakValueDictionary, ref

import numpy as np
import numpy.typing as npt

from pyflame_rt import dtypes
from pyflame_rt.errors import MissingWeightsError
from pyflame_rt.files import atomic_writer
from pyflame_rt.mapped_files import MappedFile
from pyflame_rt.safetensors import read_tensors

Array = npt.NDArray[Any]

_ALIGNMENT = 64
_SAMPLE = 64


class Weight:
    """A read-only array with a content digest, or only the digest of one that is not at hand.

    Equality: identity, else shape, dtype and bytes (digests when one side has no array).
    """

    __slots__ = ("__dict__", "__weakref__", "_array")

    def __init__(self, array: Array | None, digest: str | None = None):
        if array is None and digest is None:
            raise ValueError("a weight needs an array or a digest")
        if array is not None:
            array = np.ascontiguousarray(array) if array.ndim else np.asarray(array)
            array = array.view()
            array.flags.writeable = False
        self._array = array
        if digest is not None:
            self.__dict__["digest"] = digest

    @property
    def is_present(self) -> bool:
        """Whether the values are at hand."""
        return self._array is not None

    @property
    def array(self) -> Array:
        """The values, read-only. Raises MissingWeightsError when only the digest is known."""
        if self._array is None:
            raise MissingWeightsError(
                f'the values of weight "{self.digest}" are missing',
                hint="give the side file with --weights FILE",
            )
        return self._array

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the values, which are not needed for it. Raises MissingWeightsError."""
        return self.array.shape

    @property
    def size(self) -> int:
        """The number of elements, as `shape`."""
        return math.prod(self.shape)

    @cached_property
    def packs(self) -> WeakValueDictionary[Hashable, Array]:
        """The forms that backends made of the values, as long as they hold them."""
        return WeakValueDictionary()

    @property
    def narrow(self) -> Weight | None:
        """The weight of fewer bits that this one has the values of; None for most."""
        return None

    @property
    def widened(self) -> Weight:
        """The values as f32, for all that compute in that; the same as long as somebody has it."""
        known: ref[Weight] | None = self.__dict__.get("_widened")
        found = None if known is None else known()
        if found is None:
            found = _WidenedWeight(self)
            self.__dict__["_widened"] = ref(found)
        return found

    @cached_property
    def sparsity(self) -> float:
        """The part of the elements that is 0. Where a few of them say that it is small, what they
        say: most weights stay unread."""
        flat = self.array.reshape(-1)
        some = flat[:: max(1, flat.size // _SAMPLE)]
        part = 1 - np.count_nonzero(some) / max(1, some.size)
        return part if part < 0.5 else 1 - np.count_nonzero(flat) / flat.size

    @property
    def has_blocks(self) -> bool:
        """Whether blocks of 4 x 4 fill the matrix, or the features and channels of each tap."""
        array = self.array
        return (
            array.ndim > 1 and bool(array.size) and not (array.shape[0] % 4 or array.shape[1] % 4)
        )

    @cached_property
    def block_sparsity(self) -> float:
        """The part of those blocks that are 0; 0 for what has none."""
        array = self.array
        if not self.has_blocks:
            return 0.0
        rows, columns = array.shape[0] // 4, array.shape[1] // 4
        some = np.logical_or.reduce((array != 0).reshape(rows, 4, columns, 4, -1), axis=1)
        blocks = np.logical_or.reduce(some, axis=2)
        return 1 - np.count_nonzero(blocks) / blocks.size

    @cached_property
    def digest(self) -> str:
        """blake2b-128 over dtype, shape and bytes, in hex."""
        array = self.array
        hasher = blake2b(f"{array.dtype.name}{list(array.shape)}".encode(), digest_size=16)
        hasher.update(_as_bytes(array).data)
        return hasher.hexdigest()

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Weight):
            return NotImplemented
        mine, theirs = self._present, other._present
        if self.narrow is not None and other.narrow is not None:
            return self.narrow == other.narrow
        if mine is None or theirs is None:
            return self.digest == other.digest
        return (
            mine.shape == theirs.shape
            and mine.dtype == theirs.dtype
            and np.array_equal(_as_bytes(mine), _as_bytes(theirs))
        )

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        # An absent weight hashes differently from its present twin: the two meet only in a
        # module parsed without its side file, where nothing is present.
        if self._array is None:
            return hash(self.digest)
        data = _as_bytes(self._array)
        places = _sample(data.size)
        return hash((self._array.shape, self._array.dtype.name, data[places].tobytes()))

    @property
    def _present(self) -> Array | None:
        return self._array

    def __repr__(self) -> str:
        if not self.is_present:
            return f"Weight(digest={self.digest!r})"
        return f"Weight({self.array.dtype.name}{list(self.array.shape)})"


class _WidenedWeight(Weight):
    """The values of a weight of fewer bits as f32, which are made when somebody asks for them."""

    __slots__ = ("_narrow",)

    def __init__(self, narrow: Weight) -> None:
        super().__init__(None, "")
        del self.__dict__["digest"]
        self._narrow = narrow

    @property
    def narrow(self) -> Weight | None:
        """The weight of fewer bits."""
        return self._narrow

    @property
    def is_present(self) -> bool:
        """Whether the values are at hand."""
        return self._narrow.is_present

    @cached_property
    def _values(self) -> Array:
        values = self._narrow.array.astype(np.float32)
        values.flags.writeable = False
        return values

    @property
    def array(self) -> Array:
        """The values, read-only."""
        return self._values

    @property
    def shape(self) -> tuple[int, ...]:
        """As that of the narrow one."""
        return self._narrow.shape

    @cached_property
    def sparsity(self) -> float:
        """As that of the narrow one: no other number is 0."""
        return self._narrow.sparsity

    @property
    def _present(self) -> Array | None:
        return self.array if self.is_present else None

    @cached_property
    def _hash(self) -> int:
        narrow = self._narrow.array
        places = _sample(4 * narrow.size)
        data = narrow.reshape(-1)[places // 4].astype(np.float32).view(np.uint8)
        sample = data.reshape(-1, 4)[np.arange(places.size), places % 4]
        return hash((narrow.shape, "float32", sample.tobytes()))


def _sample(size: int) -> npt.NDArray[np.intp]:
    """The places of the bytes of so many that tell weights apart."""
    return np.arange(0, size, max(1, size // _SAMPLE))[:_SAMPLE]


def _as_bytes(array: Array) -> npt.NDArray[np.uint8]:
    return array.reshape(-1).view(np.uint8)


class WeightStore:
    """digest -> Weight, for parsing IR. One per xDSL Context."""

    def __init__(self) -> None:
        self._weights: dict[str, Weight] = {}

    def __len__(self) -> int:
        return len(self._weights)

    def __iter__(self) -> Iterator[Weight]:
        return iter(self._weights.values())

    def get(self, digest: str) -> Weight:
        """The weight of that digest; one without values when the store does not hold it."""
        if (weight := self._weights.get(digest)) is None:
            weight = self._weights[digest] = Weight(None, digest)
        return weight

    def load(self, path: str | os.PathLike[str]) -> None:
        """Map a side file; its weights become available under their digests.

        Raises ModelNotFoundError, InvalidModelError.
        """
        for digest, array in read_side_file(path).items():
            self._weights[digest] = Weight(array, digest)


def write_side_file(path: str | os.PathLike[str], weights: Iterable[Weight]) -> None:
    """Write weights atomically in safetensors layout, each digest once, data 64-byte aligned."""
    unique = {weight.digest: weight for weight in weights}
    header: dict[str, object] = {}
    offset = 0
    for digest, weight in unique.items():
        array = weight.array
        end = offset + array.nbytes
        header[digest] = {
            "dtype": dtypes.by_numpy()[array.dtype].safetensors,
            "shape": list(array.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % _ALIGNMENT)
    with atomic_writer(path) as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        for weight in unique.values():
            file.write(_as_bytes(weight.array).data)


def read_side_file(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Arrays of a safetensors-layout file as read-only views of its memory map, by key.

    Every offset and shape is checked against the file before an array exists.
    Raises ModelNotFoundError, InvalidModelError.
    """
    return read_tensors(map_file(path), str(path), spread=True)


def map_file(path: str | os.PathLike[str]) -> npt.NDArray[np.uint8]:
    """The bytes of a file as a read-only array over its memory map.

    Raises ModelNotFoundError when there is no such regular file.
    """
    return MappedFile.open(path).data()

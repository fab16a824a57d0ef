"""The stream of a `.pfm` file's meta part: little-endian 32-bit words, texts and bytes padded to
them."""

from __future__ import annotations

import struct
import sys
from array import array

from pyflame_rt.errors import InvalidModelError, PyFlameRTError

_WORD = 4


class WordWriter:
    """Appends to a growing part of a file."""

    def __init__(self) -> None:
        self.data = bytearray()

    def word(self, value: int) -> None:
        """Append an unsigned word."""
        self.words((value,))

    def words(self, values: tuple[int, ...] | list[int]) -> None:
        """Append unsigned words."""
        try:
            self.data += struct.pack(f"<{len(values)}I", *values)
        except struct.error as error:
            raise PyFlameRTError("the model is too large for a .pfm file") from error

    def i64(self, value: int) -> None:
        """Append a signed number of two words."""
        self.data += struct.pack("<q", value)

    def u64(self, value: int) -> None:
        """Append an unsigned number of two words."""
        self.data += struct.pack("<Q", value)

    def f64(self, value: float) -> None:
        """Append a floating-point number, every bit of it."""
        self.data += struct.pack("<d", value)

    def blob(self, data: bytes) -> None:
        """Append bytes with their number before them and zeros up to a whole word behind."""
        self.word(len(data))
        self.data += data
        self.data += bytes(-len(data) % _WORD)

    def text(self, text: str, most: int | None = None) -> None:
        """Append UTF-8 of `most` bytes at the most. Raises PyFlameRTError for other texts."""
        try:
            data = text.encode()
        except UnicodeEncodeError as error:
            raise PyFlameRTError(
                f"the text {text[:32]!a} cannot be written: it is not Unicode"
            ) from error
        if most is not None and len(data) > most:
            raise PyFlameRTError(
                f"the name {text[:32]!a}… of {len(data)} bytes is over the limit of {most}"
            )
        self.blob(data)

    def append(self, other: WordWriter) -> None:
        """Append what another writer holds."""
        self.data += other.data


class WordReader:
    """Reads a part of a file from its beginning; whatever is asked for is checked to be there."""

    def __init__(self, data: memoryview, where: str):
        self._data = data
        self.where = where
        self._words = _words(data)
        self._at = 0
        self._end = len(data) // _WORD

    def error(self, why: str) -> InvalidModelError:
        """An error about this file."""
        return InvalidModelError(why, where=self.where)

    @property
    def at(self) -> int:
        """Bytes read so far."""
        return self._at * _WORD

    @property
    def left(self) -> int:
        """Words that are left."""
        return self._end - self._at

    def again(self) -> WordReader:
        """A reader of the same part from its beginning."""
        return WordReader(self._data, self.where)

    def part(self, count: int) -> WordReader:
        """A reader of the next `count` words, which this one passes over."""
        start = self._taken(count)
        return WordReader(self._data[start * _WORD : (start + count) * _WORD], self.where)

    def word(self) -> int:
        """An unsigned word."""
        at = self._at
        if at >= self._end:
            raise self.error("ends within its graph")
        self._at = at + 1
        return self._words[at]

    def words(self, count: int) -> memoryview | array[int]:
        """As many unsigned words."""
        start = self._taken(count)
        return self._words[start : start + count]

    def count(self, least: int = 1) -> int:
        """The number of records that follow, each of `least` words or more, all of them there."""
        count = self.word()
        if count * least > self.left:
            raise self.error(f"{count} records of {least} words do not fit into what is left of it")
        return count

    def i64(self) -> int:
        """A signed number of two words."""
        return int.from_bytes(self._bytes(2), "little", signed=True)

    def u64(self) -> int:
        """An unsigned number of two words."""
        return int.from_bytes(self._bytes(2), "little")

    def f64(self) -> float:
        """A floating-point number."""
        return struct.unpack("<d", self._bytes(2))[0]

    def blob(self) -> bytes:
        """Bytes with their number before them."""
        size = self.word()
        data = self._bytes(-(-size // _WORD))
        if any(data[size:]):
            raise self.error("has something where there should be zeros")
        return data[:size]

    def text(self, most: int | None = None) -> str:
        """UTF-8 of `most` bytes at the most."""
        data = self.blob()
        if most is not None and len(data) > most:
            raise self.error(f"a name of {len(data)} bytes is over the limit of {most}")
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise self.error("holds a text that is not UTF-8") from error

    def index(self, table: int, what: str) -> int:
        """A word that is an index into a table of so many entries."""
        index = self.word()
        if index >= table:
            raise self.error(f"{what} {index} of {table} is used")
        return index

    def finish(self, what: str) -> None:
        """Raises InvalidModelError when something is left."""
        if self.left:
            raise self.error(f"{what} is longer than what it holds")

    def _bytes(self, count: int) -> bytes:
        start = self._taken(count) * _WORD
        return bytes(self._data[start : start + count * _WORD])

    def _taken(self, count: int) -> int:
        start = self._at
        if count > self._end - start:
            raise self.error("ends within its graph")
        self._at = start + count
        return start


def _words(data: memoryview) -> memoryview | array[int]:
    if sys.byteorder == "little":
        return data.cast("I")
    swapped = array("I", data.tobytes())
    swapped.byteswap()
    return swapped

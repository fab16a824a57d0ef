"""JSON documents of a file: bounded, without repeated keys, and read by paths that errors name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pyflame_rt.errors import InvalidModelError, UnsupportedFormatError
from pyflame_rt.frontends.quoting import quoted
from pyflame_rt.limits import Limits

_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_EMPTY: tuple[object, ...] = (None, False, "", [], {})


def parse(data: memoryview, where: str, limits: Limits) -> Json:
    """A JSON document. Raises InvalidModelError when it is none, too large or too deep."""
    if data.nbytes > limits.json_bytes:
        raise InvalidModelError(f"is JSON of {data.nbytes} bytes", where=where)
    try:
        text = bytes(data).decode()
        _check_depth(text, limits.json_depth)
        value = json.loads(text, object_pairs_hook=_object)
        if _SURROGATE.search(text):
            # Halves of pairs are JSON, but no text that could be written again.
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise InvalidModelError("is nested too deeply", where=where) from error
    except ValueError as error:
        raise InvalidModelError(f"is not JSON: {str(error)[:100]}", where=where) from error
    return Json(value, "", where)


def _check_depth(text: str, most: int) -> None:
    depth = 0
    for found in _BRACKETS.finditer(text):
        bracket = found.group()
        if bracket in "[{":
            depth += 1
            if depth > most:
                raise ValueError(f"nested more than {most} deep")
        elif bracket in "]}":
            depth -= 1


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


@dataclass(frozen=True, slots=True)
class Json:
    """A value of a document, and the path to it."""

    value: object
    path: str
    where: str

    def fail(self, why: str) -> InvalidModelError:
        """The error for a value that is not what it should be."""
        path = self.path if len(self.path) <= 200 else "…" + self.path[-199:]
        return InvalidModelError(f"{quoted(path)[1:-1] or 'the document'} {why}", where=self.where)

    def unsupported(self, why: str) -> UnsupportedFormatError:
        """The error for a value of a form that cannot be read."""
        path = self.path if len(self.path) <= 200 else "…" + self.path[-199:]
        return UnsupportedFormatError(f"{quoted(path)[1:-1]} {why}", where=self.where)

    def at(self, key: str | int, value: object) -> Json:
        """A part of the value."""
        return Json(value, f"{self.path}.{key}".lstrip("."), self.where)

    @property
    def object(self) -> dict[str, Any]:
        """The value, an object."""
        if not isinstance(self.value, dict):
            raise self.fail("is not an object")
        return cast("dict[str, Any]", self.value)

    def fields(self, required: Sequence[str], optional: Sequence[str] = ()) -> Mapping[str, Json]:
        """The fields of an object of a known kind; those that are optional may be absent.

        A field that is not known is refused unless it says nothing.
        """
        found = self.object
        for key in required:
            if key not in found:
                raise self.fail(f"has no {key}")
        for key, value in found.items():
            if key not in required and key not in optional and value not in _EMPTY:
                raise self.at(key[:64], value).unsupported("is not known")
        known = (*required, *optional)
        return {key: self.at(key, found[key]) for key in known if key in found}

    def union(self) -> tuple[str, Json]:
        """The tag and the value of an object of one field."""
        found = self.object
        if len(found) != 1:
            raise self.fail("does not have one field that says what it is")
        ((tag, value),) = found.items()
        return tag, self.at(tag[:64], value)

    @property
    def tag(self) -> str:
        """The tag of a union; nothing when the value is none."""
        if not isinstance(self.value, dict):
            return ""
        keys = list(cast("dict[str, object]", self.value))
        return keys[0] if len(keys) == 1 else ""

    @property
    def items(self) -> Iterator[Json]:
        """The values of a list."""
        if not isinstance(self.value, list):
            raise self.fail("is not a list")
        values = cast("list[object]", self.value)
        return (self.at(index, value) for index, value in enumerate(values))

    @property
    def entries(self) -> Iterator[tuple[str, Json]]:
        """The keys and values of an object of any keys."""
        return ((key, self.at(key[:64], value)) for key, value in self.object.items())

    @property
    def text(self) -> str:
        """The value, a text."""
        if not isinstance(self.value, str):
            raise self.fail("is not text")
        return self.value

    @property
    def name(self) -> str:
        """The value, a name."""
        text = self.text
        if len(text) > 1024 or "\0" in text:
            raise self.fail("is no name")
        return text

    @property
    def integer(self) -> int:
        """The value, an integer of 64 bits."""
        if type(self.value) is not int or not -(2**63) <= self.value < 2**63:
            raise self.fail("is not an integer of 64 bits")
        return self.value

    @property
    def number(self) -> float:
        """The value, a float; those that JSON does not have are texts."""
        if self.value in ("Infinity", "-Infinity", "NaN"):
            return float(cast(str, self.value))
        if type(self.value) is float:
            return self.value
        return float(self.integer)

    @property
    def flag(self) -> bool:
        """The value, true or false."""
        if type(self.value) is not bool:
            raise self.fail("is neither true nor false")
        return self.value

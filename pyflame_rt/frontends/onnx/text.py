"""Text from a file: checked before it is believed."""

from __future__ import annotations

from pyflame_rt.errors import InvalidModelError
from pyflame_rt.frontends.quoting import quoted

MAX_NAME = 4096
"""Bytes of the longest name that is accepted."""


def text(value: object, what: str, where: str) -> str:
    """A string field of a protobuf message; protobuf hands out bytes when they are not UTF-8."""
    if not isinstance(value, str):
        raise InvalidModelError(f"{what} is not UTF-8 text", where=where)
    return value


def name(value: object, what: str, where: str) -> str:
    """A string field that names something: of bounded length, without NUL."""
    checked = text(value, what, where)
    if "\0" in checked:
        raise InvalidModelError(f"{what} {quoted(checked)} contains NUL", where=where)
    if len(checked) * 4 > MAX_NAME and len(checked.encode()) > MAX_NAME:
        raise InvalidModelError(
            f"{what} {quoted(checked)} is longer than {MAX_NAME} bytes", where=where
        )
    return checked

"""Text from a file: checked before it is believed, and escaped before it is shown."""

from __future__ import annotations

from pyflame_rt.errors import InvalidModelError

MAX_NAME = 4096
"""Bytes of the longest name that is accepted."""
_SHOWN = 64


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


def quoted(value: str) -> str:
    """A name in quotes for a message: bounded, with unprintable characters escaped."""
    shown = value if len(value) <= _SHOWN else value[: _SHOWN - 1] + "…"
    return '"' + printable(shown.replace('"', '\\"')) + '"'


def printable(value: str) -> str:
    """Text with unprintable characters escaped, such as those that turn its direction around."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in value)

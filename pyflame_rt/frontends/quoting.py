"""Text from a file, made fit to be shown."""

from __future__ import annotations

_SHOWN = 64


def quoted(value: str) -> str:
    """A name in quotes for a message: bounded, with unprintable characters escaped."""
    shown = value if len(value) <= _SHOWN else value[: _SHOWN - 1] + "…"
    return '"' + printable(shown.replace('"', '\\"')) + '"'


def printable(value: str) -> str:
    """Text with unprintable characters escaped, such as those that turn its direction around."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in value)

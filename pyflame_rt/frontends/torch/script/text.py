"""Text from an archive, made fit to be shown."""

from __future__ import annotations

import re

_SHOWN = 64
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)


def ssa_name(name: str) -> str | None:
    """The name that a value of the module gets of a variable; temporary ones, `_0`, have none."""
    found = _NAME.match(name)
    return None if found is None else found.group()[:48]


def quoted(text: str) -> str:
    """Text in quotes for a message: bounded, with unprintable characters escaped."""
    shown = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    shown = shown.replace('"', '\\"')
    plain = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)
    return f'"{plain}"'

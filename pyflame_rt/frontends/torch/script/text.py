"""Names of an archive's variables in IR."""

from __future__ import annotations

import re

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)


def ssa_name(name: str) -> str | None:
    """The name that a value of the module gets of a variable; temporary ones, `_0`, have none."""
    found = _NAME.match(name)
    return None if found is None else found.group()[:48]

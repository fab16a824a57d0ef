"""What a user may call weights, values and nodes."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from xdsl.dialects.builtin import ModuleOp, NameLoc

from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.errors import PassFailed


def names_of(op: PfrtOp) -> list[str]:
    """The names of an op's results and of its node."""
    found = list(op.names.data) if op.names is not None else []
    if isinstance(op.location, NameLoc):
        found.append(op.location.desc.data)
    return [name for name in found if name]


def is_called(name: str, pattern: str) -> bool:
    """Whether a name or wildcard means something; `fc` means `fc.weight` and `/fc/…` too."""
    inside = (f"{pattern}.", f"{pattern}/", f"/{pattern}/")
    return fnmatchcase(name, pattern) or name.startswith(inside)


def require_named(module: ModuleOp, patterns: Sequence[str], more: Sequence[str] = ()) -> None:
    """Raise PassFailed for a pattern that means nothing in the module, and none of `more` names:
    a layer that somebody wanted to keep would be pruned."""
    if not patterns:
        return
    known = {*more, *(n for op in module.walk() if isinstance(op, PfrtOp) for n in names_of(op))}
    for pattern in patterns:
        if not any(is_called(name, pattern) for name in known):
            listed = ", ".join(f'"{name}"' for name in more[:8]) or "no layers"
            raise PassFailed(
                f'pfrt-prune: nothing is called "{pattern}", which is excluded',
                hint=f"there are {listed}",
            )

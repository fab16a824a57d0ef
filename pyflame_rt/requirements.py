"""Requirements on installed packages, as plugins state them: `numpy>=1.26,<3`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

from pyflame_rt import __version__

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(.*)")
_CLAUSE = re.compile(r"\s*(>=|<=|==|!=|>|<)\s*(\d+(?:\.\d+)*)\s*")
_COMPARE: dict[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}


def problem(requirement: str) -> str:
    """Why the environment does not meet a requirement; "" when it does."""
    match = _REQUIREMENT.fullmatch(requirement)
    clauses = [part for part in (match.group(2) if match else "").split(",") if part.strip()]
    parsed = [_CLAUSE.fullmatch(clause) for clause in clauses]
    if match is None or None in parsed:
        return "that is no requirement such as numpy>=1.26"
    installed = _installed(match.group(1))
    if installed is None:
        return "it is not installed"
    for clause in parsed:
        assert clause is not None
        have, wanted = _numbers(installed), _numbers(clause.group(2))
        length = max(len(have), len(wanted))
        padded = [numbers + (0,) * (length - len(numbers)) for numbers in (have, wanted)]
        if not _COMPARE[clause.group(1)](*padded):
            return f"version {installed} is installed"
    return ""


def _installed(package: str) -> str | None:
    if re.sub(r"[-_.]+", "-", package).lower() in ("pyflame-rt", "pyflamert"):
        # Also where the package runs from its source.
        return __version__
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _numbers(text: str) -> tuple[int, ...]:
    """The release numbers at the beginning of a version; what follows them is left out."""
    match = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(map(int, match.group().split("."))) if match else ()

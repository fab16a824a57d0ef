"""The calls that lowered check ops become."""

from __future__ import annotations

from collections.abc import Callable

from pyflame_rt.dialects.check import expect

CHECKS: dict[str, Callable[..., None]] = {
    "check_expect_close": expect,
    "check_expect_eq": expect,
}
"""callee -> function of actual, expected, `where` and the op's properties."""

"""Which ops a target runs: said by whoever has the target, read by the pass that splits modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from xdsl.ir import Operation

from pyflame_rt.registrations import Registry

Supports: TypeAlias = Callable[[Operation], bool]

TARGETS: Registry[Supports] = Registry("target")
"""Target -> whether it runs an op; asked about each op of a model but constants."""

TARGET = "pfrt.target"
"""The attribute that says where an op or a function is to run."""


WAFER = ("wse2", "wse3", "wse3-si")
"""The simulated machines, which are targets without being registered."""


def supports_of(target: str) -> Supports | None:
    """What tells whether a target runs an op; None for a target that nobody knows."""
    if target in WAFER:
        from pyflame_rt.dialects.wse.mappable import obstacle

        return lambda op: obstacle(op) is None
    return TARGETS.get(target)

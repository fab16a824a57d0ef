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

"""The plan dialect: an execution plan for one machine, as destination-passing calls on buffers."""

from __future__ import annotations

from xdsl.ir import Dialect

from pyflame_rt.dialects.plan.ops import OPS


def get_plan() -> Dialect:
    """The dialect object."""
    return Dialect("plan", list(OPS), [])

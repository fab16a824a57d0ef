"""Plans, and what each stage of one runs."""

from __future__ import annotations

from pyflame_rt.partition.staging import Stage, stages
from pyflame_rt.passes.partitioning.devices import Link
from pyflame_rt.passes.partitioning.plan_files import (
    CommOp,
    GraphPartition,
    PartitionPlan,
    Split,
    check,
)

__all__ = [
    "CommOp",
    "GraphPartition",
    "Link",
    "PartitionPlan",
    "Split",
    "Stage",
    "check",
    "stages",
]

"""Models on several devices, as the documentation describes it: plans, what they cost, running them.

```
from pyflame_rt import partition

plan = partition.auto_partition(graph, num_devices=4)
outputs = partition.PartitionedExecutor(plan).execute({"input": image})
```
Plans are made by what `pfrt-partition` uses as well; `python -m pyflame_rt.partition.solve` places
graphs that are no models.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyflame_rt.partition.config import (
        DeviceSpec,
        DeviceType,
        PartitionConfig,
        PartitionStrategy,
        WSEChipConfig,
    )
    from pyflame_rt.partition.cost_model import CostModel
    from pyflame_rt.partition.executor import PartitionedExecutor
    from pyflame_rt.partition.partitioner import (
        AnalysisResult,
        GraphPartitioner,
        PartitionStats,
        auto_partition,
    )
    from pyflame_rt.partition.plan import (
        CommOp,
        GraphPartition,
        Link,
        PartitionPlan,
        Split,
        Stage,
        stages,
    )
    from pyflame_rt.partition.wse import partition_for_multi_chip

_NAMES = {
    "AnalysisResult": "partitioner",
    "CommOp": "plan",
    "CostModel": "cost_model",
    "DeviceSpec": "config",
    "DeviceType": "config",
    "GraphPartition": "plan",
    "GraphPartitioner": "partitioner",
    "Link": "plan",
    "PartitionConfig": "config",
    "PartitionPlan": "plan",
    "PartitionStats": "partitioner",
    "PartitionStrategy": "config",
    "PartitionedExecutor": "executor",
    "Split": "plan",
    "Stage": "plan",
    "WSEChipConfig": "config",
    "auto_partition": "partitioner",
    "partition_for_multi_chip": "wse",
    "stages": "plan",
}

__all__ = [
    "AnalysisResult",
    "CommOp",
    "CostModel",
    "DeviceSpec",
    "DeviceType",
    "GraphPartition",
    "GraphPartitioner",
    "Link",
    "PartitionConfig",
    "PartitionPlan",
    "PartitionStats",
    "PartitionStrategy",
    "PartitionedExecutor",
    "Split",
    "Stage",
    "WSEChipConfig",
    "auto_partition",
    "partition_for_multi_chip",
    "stages",
]


def __getattr__(name: str) -> Any:
    if name == "wse":
        return import_module(f"{__name__}.wse")
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_NAMES[name]}"), name)

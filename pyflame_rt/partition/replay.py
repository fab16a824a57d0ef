"""A plan's file as a pipeline: what `pfrt-opt --partition` runs."""

from __future__ import annotations

import os

from pyflame_rt import pipelines
from pyflame_rt.compiler import join
from pyflame_rt.passes.partitioning.pfrt_partition import PfrtPartitionPass
from pyflame_rt.passes.partitioning.plan_files import PartitionPlan


def pipeline_of(path: str | os.PathLike[str]) -> str:
    """The passes that spread a model as the plan in a file says, from the model as it is loaded.

    Raises PyFlameRTError for a file that is no plan.
    """
    plan = PartitionPlan.load(path)
    item = PfrtPartitionPass(strategy="manual", plan=os.fspath(path))
    return join(plan.preparation, pipelines.to_text((item,)))

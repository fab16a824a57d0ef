"""Pruning: weights that become zeros, channels that are gone, and tensors of few nonzeros.

```
from pyflame_rt import pruning

config = pruning.PruningConfig.magnitude_pruning(0.5)
pruned = pruning.WeightPruner(config).prune(session.graph())
```
Everything here runs `pfrt-prune`; docs/pruning.md has the criteria with their formulas, and what
they cost in accuracy.
"""

from __future__ import annotations

from pyflame_rt.packed_nm import PackedNM
from pyflame_rt.passes.pruning.evidence import Evidence
from pyflame_rt.pruning.config import (
    PruningConfig,
    PruningCriterion,
    PruningGranularity,
    PruningSchedule,
)
from pyflame_rt.pruning.pruner import PruningMask, WeightPruner, masks_of
from pyflame_rt.pruning.recording import record
from pyflame_rt.pruning.recovery import reconstruct, reestimate_batch_norm
from pyflame_rt.pruning.report import Latency, LayerSparsity, PruningStats, compare, measure
from pyflame_rt.pruning.sparse_tensor import SparseFormat, SparseTensor, sparse_matmul

__all__ = [
    "Evidence",
    "Latency",
    "LayerSparsity",
    "PackedNM",
    "PruningConfig",
    "PruningCriterion",
    "PruningGranularity",
    "PruningMask",
    "PruningSchedule",
    "PruningStats",
    "SparseFormat",
    "SparseTensor",
    "WeightPruner",
    "compare",
    "masks_of",
    "measure",
    "reconstruct",
    "record",
    "reestimate_batch_norm",
    "sparse_matmul",
]

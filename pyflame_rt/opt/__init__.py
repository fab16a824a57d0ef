"""Optimization of graphs, as the documentation describes it: a face of the passes.

```
from pyflame_rt import OptLevel, opt

result = opt.optimize(graph, OptLevel.ALL)
```
Everything here runs passes that `pfrt-opt -p` runs as well; a graph that was changed is a view of
the optimised module.
"""

from __future__ import annotations

from pyflame_rt.graph import Graph
from pyflame_rt.opt.configs import (
    ConstantFoldingConfig,
    CSEConfig,
    DCEConfig,
    FusionConfig,
    Layout,
    LayoutConfig,
)
from pyflame_rt.opt.manager import (
    ConstantFoldingPass,
    CSEPass,
    DeadCodeEliminationPass,
    DocumentedPass,
    LayoutOptimizationPass,
    OperatorFusionPass,
    Pass,
    PassManager,
    PassManagerConfig,
    PassResult,
)
from pyflame_rt.opt.patterns import Match, Pattern, PatternEdge, PatternMatcher, PatternNode
from pyflame_rt.options import OptLevel
from pyflame_rt.pass_statistics import PassStats

__all__ = [
    "CSEConfig",
    "CSEPass",
    "ConstantFoldingConfig",
    "ConstantFoldingPass",
    "DCEConfig",
    "DeadCodeEliminationPass",
    "FusionConfig",
    "Layout",
    "LayoutConfig",
    "LayoutOptimizationPass",
    "Match",
    "OperatorFusionPass",
    "OptLevel",
    "Pass",
    "PassManager",
    "PassManagerConfig",
    "PassResult",
    "PassStats",
    "Pattern",
    "PatternEdge",
    "PatternMatcher",
    "PatternNode",
    "eliminate_common_subexpressions",
    "eliminate_dead_code",
    "fold_constants",
    "fuse_operators",
    "optimize",
    "optimize_layout",
]


def optimize(graph: Graph, level: OptLevel = OptLevel.EXTENDED) -> PassResult:
    """Run the passes of a level once, as a session does. Raises PassFailed."""
    return PassManager.create_default(level).run(graph)


def fold_constants(graph: Graph, config: ConstantFoldingConfig | None = None) -> PassResult:
    """Compute at compile time what depends on no input. Raises PassFailed."""
    return _run(ConstantFoldingPass(config), graph)


def eliminate_dead_code(graph: Graph, config: DCEConfig | None = None) -> PassResult:
    """Remove nodes that no output depends on, and unused initializers. Raises PassFailed."""
    return _run(DeadCodeEliminationPass(config), graph)


def eliminate_common_subexpressions(graph: Graph, config: CSEConfig | None = None) -> PassResult:
    """Let equal computations be one. Raises PassFailed, ValidationError for the config."""
    return _run(CSEPass(config), graph)


def fuse_operators(graph: Graph, config: FusionConfig | None = None) -> PassResult:
    """Make one node of several. Raises PassFailed, ValidationError for the config."""
    return _run(OperatorFusionPass(config), graph)


def optimize_layout(graph: Graph, config: LayoutConfig | None = None) -> PassResult:
    """Choose the layout of images. Raises PassFailed, ValidationError for the config."""
    return _run(LayoutOptimizationPass(config), graph)


def _run(item: DocumentedPass, graph: Graph) -> PassResult:
    manager = PassManager(PassManagerConfig(opt_level=OptLevel.ALL))
    manager.register_pass(item)
    return manager.run(graph)

"""The optimization levels: the one table of which passes run at which level, in which order."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches

from xdsl.passes import ModulePass
from xdsl.transforms.common_subexpression_elimination import CommonSubexpressionElimination

from pyflame_rt.passes.cleanup.pfrt_canonicalize import PfrtCanonicalizePass
from pyflame_rt.passes.cleanup.pfrt_dce import PfrtDcePass
from pyflame_rt.passes.cleanup.pfrt_fold_constants import PfrtFoldConstantsPass
from pyflame_rt.passes.cleanup.pfrt_simplify_algebra import PfrtSimplifyAlgebraPass
from pyflame_rt.passes.cleanup.pfrt_simplify_movement import PfrtSimplifyMovementPass
from pyflame_rt.passes.cleanup.pfrt_simplify_shapes import PfrtSimplifyShapesPass
from pyflame_rt.passes.cleanup.pfrt_sink_transposes import PfrtSinkTransposesPass
from pyflame_rt.passes.fusion.pfrt_fuse_activation import PfrtFuseActivationPass
from pyflame_rt.passes.fusion.pfrt_fuse_bias import PfrtFuseBiasPass
from pyflame_rt.passes.fusion.pfrt_fuse_conv_bn import PfrtFuseConvBnPass
from pyflame_rt.passes.fusion.pfrt_fuse_elementwise import PfrtFuseElementwisePass
from pyflame_rt.passes.fusion.pfrt_fuse_integer_products import PfrtFuseIntegerProductsPass
from pyflame_rt.passes.fusion.pfrt_fuse_residual import PfrtFuseResidualPass
from pyflame_rt.passes.fusion.pfrt_merge_projections import PfrtMergeProjectionsPass
from pyflame_rt.passes.fusion.pfrt_recognize_activations import PfrtRecognizeActivationsPass
from pyflame_rt.passes.fusion.pfrt_recognize_attention import PfrtRecognizeAttentionPass
from pyflame_rt.passes.fusion.pfrt_recognize_normalization import PfrtRecognizeNormalizationPass
from pyflame_rt.passes.fusion.pfrt_recognize_softmax import PfrtRecognizeSoftmaxPass
from pyflame_rt.passes.layout.pfrt_layout import PfrtLayoutPass
from pyflame_rt.passes.quantization.pfrt_fold_quantization import PfrtFoldQuantizationPass

LEVELS = range(4)

FOLDING = "ConstantFoldingPass"
DEAD_CODE = "DeadCodeEliminationPass"
COMMON = "CSEPass"
FUSION = "OperatorFusionPass"
LAYOUT = "LayoutOptimizationPass"


@dataclass(frozen=True)
class Step:
    """A pass of the levels from `level` on; `documented` is the optimization it is a part of, under
    the name that the documentation gives to all of it, "" for one that has none."""

    level: int
    instance: ModulePass
    documented: str = ""


STEPS = (
    Step(1, PfrtCanonicalizePass()),
    # Before folding makes reals of quantized weights.
    Step(2, PfrtFoldQuantizationPass(), FUSION),
    Step(1, PfrtFoldConstantsPass(), FOLDING),
    Step(1, PfrtSimplifyShapesPass()),
    Step(1, PfrtFoldConstantsPass(), FOLDING),
    Step(1, PfrtSimplifyAlgebraPass()),
    Step(1, PfrtSimplifyMovementPass()),
    Step(2, PfrtSinkTransposesPass()),
    Step(1, PfrtCanonicalizePass()),
    Step(2, CommonSubexpressionElimination(), COMMON),
    Step(2, PfrtRecognizeActivationsPass(), FUSION),
    Step(2, PfrtRecognizeNormalizationPass(), FUSION),
    Step(2, PfrtRecognizeSoftmaxPass(), FUSION),
    Step(2, PfrtRecognizeAttentionPass(), FUSION),
    Step(2, PfrtFoldConstantsPass(), FOLDING),
    Step(2, CommonSubexpressionElimination(), COMMON),
    Step(2, PfrtFuseConvBnPass(), FUSION),
    Step(2, PfrtFuseIntegerProductsPass(), FUSION),
    Step(2, PfrtFuseBiasPass(), FUSION),
    Step(2, PfrtMergeProjectionsPass(), FUSION),
    Step(2, PfrtFuseResidualPass(), FUSION),
    Step(2, PfrtFuseActivationPass(), FUSION),
    Step(3, PfrtLayoutPass(), LAYOUT),
    Step(3, PfrtSimplifyMovementPass(), LAYOUT),
    Step(2, PfrtFuseElementwisePass(), FUSION),
    Step(1, PfrtDcePass(), DEAD_CODE),
)
"""In the order in which they run."""


def passes(level: int, skip: Collection[str] = ()) -> tuple[ModulePass, ...]:
    """The passes of a level, in order, without those in `skip` (see `is_named`)."""
    return tuple(
        step.instance
        for step in STEPS
        if step.level <= level and not any(is_named(step, name) for name in skip)
    )


def is_named(step: Step, name: str) -> bool:
    """Whether a name is that of the step's pass or of the optimization it is a part of."""
    return name in (step.instance.name, step.documented)


def documented_name(name: str) -> str:
    """The optimization that a pass is a part of, "" for none and for a pass that is not here."""
    return next((step.documented for step in STEPS if step.instance.name == name), "")


def names() -> tuple[str, ...]:
    """Everything that can be skipped: passes, and the optimizations of the documentation."""
    found = dict.fromkeys(step.instance.name for step in STEPS)
    return (*found, FOLDING, DEAD_CODE, COMMON, FUSION, LAYOUT)


def problems(level: int, skip: Collection[str]) -> list[str]:
    """What is wrong with a level or with names to skip, one sentence each."""
    found = [] if level in LEVELS else [f"level {level} is not in 0..{LEVELS[-1]}"]
    for name in skip:
        if name not in names():
            close = get_close_matches(name, names(), 1)
            hint = f'did you mean "{close[0]}"?' if close else f"there are {', '.join(names())}"
            found.append(f'there is no pass "{name}" to skip; {hint}')
    return found

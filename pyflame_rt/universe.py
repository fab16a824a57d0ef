"""Names of our dialects, passes and targets, each with a factory that imports it when asked.

Every `xdsl-opt` of the user's environment imports this module (entry point `xdsl.universe`), so it
imports neither numpy nor onnx, and nothing of ours beyond the errors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, TypeVar

from xdsl.context import Context
from xdsl.ir import Dialect
from xdsl.universe import XDSL_UNIVERSE, Universe

from pyflame_rt.dialects.custom import registry
from pyflame_rt.errors import PyFlameRTError
from pyflame_rt.registrations import Registry, note

T = TypeVar("T")

_DIALECTS = {
    "check": "pyflame_rt.dialects.check:get_check",
    "pfrt": "pyflame_rt.dialects.pfrt:get_pfrt",
    "plan": "pyflame_rt.dialects.plan:get_plan",
    "wse": "pyflame_rt.dialects.wse:get_wse",
}
_PASSES = {
    "convert-plan-integers-to-native": "pyflame_rt.passes.conversion.convert_plan_integers_to_native:ConvertPlanIntegersToNativePass",
    "convert-plan-to-native": "pyflame_rt.passes.conversion.convert_plan_to_native:ConvertPlanToNativePass",
    "convert-pfrt-to-plan": "pyflame_rt.passes.conversion.convert_pfrt_to_plan:ConvertPfrtToPlanPass",
    "convert-pfrt-to-wse": "pyflame_rt.passes.wse.convert_pfrt_to_wse:ConvertPfrtToWsePass",
    "pfrt-canonicalize": "pyflame_rt.passes.cleanup.pfrt_canonicalize:PfrtCanonicalizePass",
    "pfrt-dce": "pyflame_rt.passes.cleanup.pfrt_dce:PfrtDcePass",
    "pfrt-equalize-channels": (
        "pyflame_rt.passes.quantization.pfrt_equalize_channels:PfrtEqualizeChannelsPass"
    ),
    "pfrt-extract": "pyflame_rt.passes.cleanup.pfrt_extract:PfrtExtractPass",
    "pfrt-fold-constants": "pyflame_rt.passes.cleanup.pfrt_fold_constants:PfrtFoldConstantsPass",
    "pfrt-fold-quantization": (
        "pyflame_rt.passes.quantization.pfrt_fold_quantization:PfrtFoldQuantizationPass"
    ),
    "pfrt-fuse-activation": "pyflame_rt.passes.fusion.pfrt_fuse_activation:PfrtFuseActivationPass",
    "pfrt-fuse-bias": "pyflame_rt.passes.fusion.pfrt_fuse_bias:PfrtFuseBiasPass",
    "pfrt-fuse-conv-bn": "pyflame_rt.passes.fusion.pfrt_fuse_conv_bn:PfrtFuseConvBnPass",
    "pfrt-fuse-elementwise": (
        "pyflame_rt.passes.fusion.pfrt_fuse_elementwise:PfrtFuseElementwisePass"
    ),
    "pfrt-fuse-integer-products": (
        "pyflame_rt.passes.fusion.pfrt_fuse_integer_products:PfrtFuseIntegerProductsPass"
    ),
    "pfrt-fuse-quantized-sums": (
        "pyflame_rt.passes.quantization.pfrt_fuse_quantized_sums:PfrtFuseQuantizedSumsPass"
    ),
    "pfrt-fuse-residual": "pyflame_rt.passes.fusion.pfrt_fuse_residual:PfrtFuseResidualPass",
    "pfrt-infer-shapes": "pyflame_rt.passes.analysis.pfrt_infer_shapes:PfrtInferShapesPass",
    "pfrt-layout": "pyflame_rt.passes.layout.pfrt_layout:PfrtLayoutPass",
    "pfrt-merge-projections": (
        "pyflame_rt.passes.fusion.pfrt_merge_projections:PfrtMergeProjectionsPass"
    ),
    "pfrt-optimize": "pyflame_rt.passes.cleanup.pfrt_optimize:PfrtOptimizePass",
    "pfrt-outline": "pyflame_rt.passes.partitioning.pfrt_outline:PfrtOutlinePass",
    "pfrt-prune": "pyflame_rt.passes.pruning.pfrt_prune:PfrtPrunePass",
    "pfrt-partition": "pyflame_rt.passes.partitioning.pfrt_partition:PfrtPartitionPass",
    "pfrt-quantize": "pyflame_rt.passes.quantization.pfrt_quantize:PfrtQuantizePass",
    "pfrt-record-ranges": (
        "pyflame_rt.passes.quantization.pfrt_record_ranges:PfrtRecordRangesPass"
    ),
    "pfrt-recognize-activations": (
        "pyflame_rt.passes.fusion.pfrt_recognize_activations:PfrtRecognizeActivationsPass"
    ),
    "pfrt-recognize-attention": (
        "pyflame_rt.passes.fusion.pfrt_recognize_attention:PfrtRecognizeAttentionPass"
    ),
    "pfrt-recognize-normalization": (
        "pyflame_rt.passes.fusion.pfrt_recognize_normalization:PfrtRecognizeNormalizationPass"
    ),
    "pfrt-recognize-softmax": (
        "pyflame_rt.passes.fusion.pfrt_recognize_softmax:PfrtRecognizeSoftmaxPass"
    ),
    "pfrt-simplify-algebra": (
        "pyflame_rt.passes.cleanup.pfrt_simplify_algebra:PfrtSimplifyAlgebraPass"
    ),
    "pfrt-simplify-movement": (
        "pyflame_rt.passes.cleanup.pfrt_simplify_movement:PfrtSimplifyMovementPass"
    ),
    "pfrt-simplify-shapes": (
        "pyflame_rt.passes.cleanup.pfrt_simplify_shapes:PfrtSimplifyShapesPass"
    ),
    "pfrt-sink-transposes": (
        "pyflame_rt.passes.cleanup.pfrt_sink_transposes:PfrtSinkTransposesPass"
    ),
    "pfrt-specialize-shapes": (
        "pyflame_rt.passes.cleanup.pfrt_specialize_shapes:PfrtSpecializeShapesPass"
    ),
    "pfrt-tune": "pyflame_rt.passes.tuning.pfrt_tune:PfrtTunePass",
    "pfrt-widen-quantization": (
        "pyflame_rt.passes.conversion.pfrt_widen_quantization:PfrtWidenQuantizationPass"
    ),
    "pfrt-widen-floats": "pyflame_rt.passes.conversion.pfrt_widen_floats:PfrtWidenFloatsPass",
    "plan-allocate": "pyflame_rt.passes.conversion.plan_allocate:PlanAllocatePass",
    "plan-fuse-elementwise": (
        "pyflame_rt.passes.conversion.plan_fuse_elementwise:PlanFuseElementwisePass"
    ),
    "convert-wse-to-csl": "pyflame_rt.passes.wse.convert_wse_to_csl:ConvertWseToCslPass",
    "wse-fit": "pyflame_rt.passes.wse.wse_fit:WseFitPass",
    "wse-lower-tiles": "pyflame_rt.passes.wse.wse_lower_tiles:WseLowerTilesPass",
    "wse-place": "pyflame_rt.passes.wse.wse_place:WsePlacePass",
    "wse-prepare": "pyflame_rt.passes.wse.wse_prepare:WsePreparePass",
    "wse-route": "pyflame_rt.passes.wse.wse_route:WseRoutePass",
    "wse-verify": "pyflame_rt.passes.wse.wse_verify:WseVerifyPass",
    "plan-split": "pyflame_rt.passes.conversion.plan_split:PlanSplitPass",
}
_TARGETS = {
    "dot": "pyflame_rt.dot:DotTarget",
    "native-llvm": "pyflame_rt.native_llvm:NativeLlvmTarget",
    "onnx": "pyflame_rt.binary_targets:OnnxTarget",
    "pfm": "pyflame_rt.binary_targets:PfmTarget",
    "wse-csl": "pyflame_rt.wse_csl:WseCslTarget",
}


_EXTENSIONS: Registry[Universe] = Registry("universe")


def is_extended() -> bool:
    """Whether a program has added dialects, passes or targets."""
    return bool(_EXTENSIONS)


def _load(reference: str) -> Any:
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)


def _class_factory(reference: str) -> Callable[[], Any]:
    return lambda: _load(reference)


def _dialect_factory(reference: str) -> Callable[[], Any]:
    return lambda: _load(reference)()


PFRT_UNIVERSE = Universe(
    all_dialects={name: _dialect_factory(reference) for name, reference in _DIALECTS.items()},
    all_passes={name: _class_factory(reference) for name, reference in _PASSES.items()},
    all_targets={name: _class_factory(reference) for name, reference in _TARGETS.items()},
)
"""What this package adds to xDSL."""


@cache
def multiverse() -> Universe:
    """xDSL's dialects, passes and targets, ours, and those of every installed plugin.

    Ours are there whether or not the package is installed. Raises PyFlameRTError when a plugin
    cannot be loaded or two of them use one name.
    """
    universes = {"xdsl": XDSL_UNIVERSE, "pyflame_rt": PFRT_UNIVERSE}
    for plugin in sorted(entry_points(group="xdsl.universe"), key=lambda p: p.name):
        where = f"plugin {plugin.name}"
        try:
            universe: object = plugin.load()
        except Exception as error:
            raise PyFlameRTError(
                f"cannot be loaded: {error}", where=where, hint="repair or uninstall its package"
            ) from error
        if not isinstance(universe, Universe):
            raise PyFlameRTError("its entry point is not an xdsl Universe", where=where)
        if universe not in universes.values():
            universes[plugin.name] = universe
    universes |= zip(_EXTENSIONS.names(), _EXTENSIONS.values(), strict=True)
    return Universe(
        all_dialects=_merge({n: u.all_dialects for n, u in universes.items()}),
        all_passes=_merge({n: u.all_passes for n, u in universes.items()}),
        all_targets=_merge({n: u.all_targets for n, u in universes.items()}),
    )


def make_context(*, allow_unregistered: bool = False) -> Context:
    """A Context with every dialect there is registered, each loaded at its first use."""
    ctx = Context(allow_unregistered=allow_unregistered)
    for name, factory in all_dialects().items():
        ctx.register_dialect(name, factory)
    return ctx


def all_dialects() -> dict[str, Callable[[], Dialect]]:
    """The dialects of the multiverse, and those of the custom operators registered now."""
    return {**multiverse().all_dialects, **registry.dialects()}


def extend(universe: Universe) -> None:
    """Add dialects, passes and targets while the program runs, until `_retract` or its end.

    Raises PyFlameRTError when one of their names is taken.
    """
    name = f"plugin {len(_EXTENSIONS) + 1}"
    while name in _EXTENSIONS:
        name += "'"
    _EXTENSIONS.add(name, universe)
    multiverse.cache_clear()
    try:
        multiverse()
    except PyFlameRTError:
        _retract(name)
        raise
    note(lambda: _retract(name))


def _retract(name: str) -> None:
    _EXTENSIONS.remove(name)
    multiverse.cache_clear()


def _merge(tables: Mapping[str, Mapping[str, T]]) -> dict[str, T]:
    merged: dict[str, T] = {}
    for owner, table in tables.items():
        for name, factory in table.items():
            if name in merged:
                others = [n for n, t in tables.items() if name in t and n != owner]
                raise PyFlameRTError(
                    f'"{name}" is defined twice',
                    where=f"plugins {', '.join(sorted({owner, *others}))}",
                    hint="uninstall one of them",
                )
            merged[name] = factory
    return merged

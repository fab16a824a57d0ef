"""Settings of the documented optimizations: each is a way to spell passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from xdsl.passes import ModulePass
from xdsl.transforms.common_subexpression_elimination import CommonSubexpressionElimination

from pyflame_rt.backends.base import backend_names
from pyflame_rt.errors import ValidationError
from pyflame_rt.passes import optimization_levels
from pyflame_rt.passes.cleanup.pfrt_dce import PfrtDcePass
from pyflame_rt.passes.cleanup.pfrt_fold_constants import PfrtFoldConstantsPass
from pyflame_rt.passes.layout.pfrt_layout import PfrtLayoutPass


class Layout(Enum):
    """In which order a tensor of images holds its dimensions."""

    NCHW = "nchw"
    NHWC = "nhwc"
    NC4HW4 = "nc4hw4"


@dataclass
class ConstantFoldingConfig:
    """What is computed at compile time.

    `max_tensor_bytes`: a result that is larger, and larger than its operands together, stays
    computed. `fold_shape_ops`: shapes of static tensors. `fold_expensive_ops`: also what takes long
    to compute (large matmuls, convolutions). `exclude_ops`: operator types, or names of values.
    """

    max_tensor_bytes: int = 16 * 1024 * 1024
    fold_shape_ops: bool = True
    fold_expensive_ops: bool = False
    exclude_ops: list[str] = field(default_factory=list[str])

    def passes(self) -> tuple[ModulePass, ...]:
        """The passes that do it."""
        folding = PfrtFoldConstantsPass(
            max_bytes=self.max_tensor_bytes,
            fold_shape_ops=self.fold_shape_ops,
            fold_expensive_ops=self.fold_expensive_ops,
            exclude=tuple(self.exclude_ops),
        )
        return (folding,)


@dataclass
class DCEConfig:
    """What goes with the nodes that nothing uses: unused weights, identities, dropout that does not
    train."""

    remove_initializers: bool = True
    remove_identity: bool = True
    remove_dropout: bool = True

    def passes(self) -> tuple[ModulePass, ...]:
        """The passes that do it."""
        return (PfrtDcePass(self.remove_initializers, self.remove_identity, self.remove_dropout),)


@dataclass
class CSEConfig:
    """Which nodes count as the same computation.

    Equal ones are found by hashing, a comparison for each node: `max_comparisons` must be positive,
    and then limits nothing. `check_attributes` must be true: nodes with other attributes compute
    something else.
    """

    check_attributes: bool = True
    max_comparisons: int = 1000

    def passes(self) -> tuple[ModulePass, ...]:
        """The passes that do it. Raises ValidationError for settings that make no sense."""
        if not self.check_attributes:
            raise ValidationError(
                "check_attributes = False would merge nodes that compute different things",
                where="CSEConfig",
            )
        if self.max_comparisons < 1:
            raise ValidationError(
                f"max_comparisons must be positive, got {self.max_comparisons}",
                where="CSEConfig",
                hint="skip_passes leaves the pass out",
            )
        return (CommonSubexpressionElimination(),)


@dataclass
class FusionConfig:
    """Which nodes become one.

    `fuse_conv_bn`: batch normalization into the convolution's weights. `fuse_conv_bn_activation`:
    residuals and activations into convolutions, matmuls and batch normalizations.
    `fuse_matmul_add`: biases into matmuls and convolutions. `fuse_elementwise_activation`: chains of
    elementwise nodes. Every backend runs every fused form: `check_backend_support` asks whether
    `target_backend` ("cpu", or a backend's name) is one.
    """

    fuse_conv_bn: bool = True
    fuse_conv_bn_activation: bool = True
    fuse_matmul_add: bool = True
    fuse_elementwise_activation: bool = True
    check_backend_support: bool = True
    target_backend: str = "cpu"

    def passes(self) -> tuple[ModulePass, ...]:
        """The passes that do it. Raises ValidationError for a backend that is not there."""
        if self.check_backend_support:
            _require_backend(self.target_backend, "FusionConfig")
        wanted: dict[str, bool] = {
            "pfrt-fuse-conv-bn": self.fuse_conv_bn,
            "pfrt-fuse-bias": self.fuse_matmul_add,
            "pfrt-fuse-residual": self.fuse_conv_bn_activation,
            "pfrt-fuse-activation": self.fuse_conv_bn_activation,
            "pfrt-fuse-elementwise": self.fuse_elementwise_activation,
        }
        steps = _steps(optimization_levels.FUSION)
        return tuple(step for step in steps if wanted.get(step.name, True))


@dataclass
class LayoutConfig:
    """In which layout convolutions and what is around them work.

    `conv_layout`: the layout wanted. `insert_transposes`: whether one may be inserted, without which
    nothing can change. `propagate_layout` must be true: other nodes follow where that saves
    transposes. `target_backend`: "cpu", or a backend's name.
    """

    conv_layout: Layout = Layout.NCHW
    insert_transposes: bool = True
    propagate_layout: bool = True
    target_backend: str = "cpu"

    def passes(self) -> tuple[ModulePass, ...]:
        """The passes that do it. Raises ValidationError for settings that make no sense."""
        _require_backend(self.target_backend, "LayoutConfig")
        if not self.propagate_layout:
            raise ValidationError(
                "propagate_layout = False would transpose around every node",
                where="LayoutConfig",
                hint="insert_transposes = False leaves layouts as they are",
            )
        target = self.conv_layout.value
        return (PfrtLayoutPass(target=target),) if self.insert_transposes else ()


def _steps(documented: str) -> tuple[ModulePass, ...]:
    """The passes of the levels that are parts of an optimization."""
    steps = optimization_levels.STEPS
    return tuple(step.instance for step in steps if step.documented == documented)


def _require_backend(name: str, where: str) -> None:
    known = ("cpu", *backend_names())
    if name not in known:
        raise ValidationError(
            f'there is no backend "{name}"', where=where, hint=f"there are {', '.join(known)}"
        )


Config = ConstantFoldingConfig | DCEConfig | CSEConfig | FusionConfig | LayoutConfig

DOCUMENTED: dict[str, Callable[[], Config]] = {
    optimization_levels.FOLDING: ConstantFoldingConfig,
    optimization_levels.DEAD_CODE: DCEConfig,
    optimization_levels.COMMON: CSEConfig,
    optimization_levels.FUSION: FusionConfig,
    optimization_levels.LAYOUT: LayoutConfig,
}
"""The documented optimizations and their default settings."""

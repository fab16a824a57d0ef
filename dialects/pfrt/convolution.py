"""Convolutions."""

from __future__ import annotations

import math

from xdsl.dialects.builtin import DenseArrayBase, StringAttr, i64
from xdsl.ir import Operation, SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, opt_operand_def, result_def
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern

from pyflame_rt.dialects.pfrt.base import PfrtOp, Shape, TensorConstraint, elements
from pyflame_rt.dialects.pfrt.constraints import (
    int_property,
    ints,
    ints_property,
    require_floats,
    require_rank,
    require_same_element,
    require_shape,
)
from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of
from pyflame_rt.dialects.pfrt.windowed import WindowedOp
from pyflame_rt.kernels.windows import TransposedAxis, transposed_axes


@irdl_op_definition
class ConvOp(WindowedOp):
    """Cross-correlation of x (N x C x spatial) with w (M x C/group x window), plus a bias a feature.

    ```mlir
    %y = pfrt.conv %x, %w, %b {pads = array<i64: 1, 1, 1, 1>} : (tensor<?x3x8x8xf32>, tensor<16x3x3x3xf32>, tensor<16xf32>) -> tensor<?x16x8x8xf32>
    ```
    C1: x has at least 3 dimensions.
    C2: w has as many dimensions as x; strides and dilations have one entry a spatial axis, pads two.
    C3: window, strides and dilations are at least 1, pads at least 0.
    C4: `auto_pad` is "NOTSET", "SAME_UPPER", "SAME_LOWER" or "VALID".
    C5: the window fits into the padded tensor.
    C6: all operands hold floats of one type.
    C7: group is at least 1 and divides M; x has group times as many channels as w.
    C8: the bias has M elements.
    """

    name = "pfrt.conv"

    x = operand_def(TensorConstraint)
    w = operand_def(TensorConstraint)
    bias = opt_operand_def(TensorConstraint)
    result = result_def(TensorConstraint)
    group = int_property(1)

    assembly_format = (
        "$x `,` $w (`,` $bias^)? custom<ValueNames>($names) attr-dict `:` "
        "functional-type(operands, results)"
    )

    @property
    def data(self) -> SSAValue:
        return self.x

    @property
    def window(self) -> Shape | None:
        weights = shape_of(self.w)
        return None if weights is None else weights[2:]

    def check(self) -> None:
        require_rank(self, "C2", self.w, 3)
        super().check()
        require_floats(self, "C6", self.x, self.w, self.bias)
        require_same_element(self, "C6", self.x, self.w, self.bias)
        group = self.group.value.data
        self.require("C7", group >= 1, f"group must be at least 1, got {group}")
        x, w = shape_of(self.x), shape_of(self.w)
        if w is None:
            return
        features, channels = w[:2]
        self.require(
            "C7",
            features == DYNAMIC or features % group == 0,
            f"{group} groups do not divide {features} features",
        )
        self.require(
            "C7",
            x is None or DYNAMIC in (x[1], channels) or x[1] == channels * group,
            f"{group} groups of {channels} channels, got {self.x.type}",
        )
        require_shape(self, "C8", "the bias", self.bias, (features,))

    def result_shape(self) -> Shape | None:
        x, w, sizes = shape_of(self.x), shape_of(self.w), self.output_sizes()
        return None if x is None or w is None or sizes is None else (x[0], w[0], *sizes)

    def flops(self) -> int | None:
        """Two for each element of the result and of w's part for one feature, one for the bias."""
        count, w = elements(self.result), shape_of(self.w)
        if count is None or w is None or DYNAMIC in w[1:]:
            return None
        return count * (2 * math.prod(w[1:]) + (0 if self.bias is None else 1))


class ResolvedPads(RewritePattern):
    """conv_transpose {auto_pad, output_shape} -> conv_transpose {pads, output_padding}

    As soon as the spatial sizes are known; "VALID" without an output_shape at once.
    """

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, ConvTransposeOp):
            return
        if op.auto_pad.data == "NOTSET" and not ints(op.output_shape):
            return
        resolved = op.resolved_axes()
        if resolved is None:
            return
        begins, ends, added = (tuple(parts) for parts in zip(*resolved, strict=True))
        pads = (*begins, *ends) if any((*begins, *ends)) else ()
        op.pads = DenseArrayBase.from_list(i64, pads)
        op.output_padding = DenseArrayBase.from_list(i64, added if any(added) else ())
        op.output_shape = DenseArrayBase.from_list(i64, ())
        op.auto_pad = StringAttr("NOTSET")
        rewriter.notify_op_modified(op)


@irdl_op_definition
class ConvTransposeOp(WindowedOp):
    """Each element of x (N x C x spatial) spreads w (C x M/group x window); what overlaps is added.

    ```mlir
    %y = pfrt.conv_transpose %x, %w, %b {strides = array<i64: 2, 2>} : (tensor<?x16x4x4xf32>, tensor<16x3x2x2xf32>, tensor<3xf32>) -> tensor<?x3x8x8xf32>
    ```
    `pads` are cut off the result and `output_padding` is added to its end; `output_shape`, the
    spatial sizes of the result, takes the place of `pads`.

    C1: x has at least 3 dimensions.
    C2: w has as many dimensions as x; strides and dilations have one entry a spatial axis, pads two.
    C3: window, strides and dilations are at least 1, pads at least 0.
    C4: `auto_pad` is "NOTSET", "SAME_UPPER", "SAME_LOWER" or "VALID".
    C5: the pads cut off no more than there is.
    C6: all operands hold floats of one type.
    C7: group is at least 1 and divides C; x has as many channels as w.
    C8: the bias has M elements.
    C9: output_padding and output_shape have one entry a spatial axis, at least 0.
    """

    name = "pfrt.conv_transpose"

    x = operand_def(TensorConstraint)
    w = operand_def(TensorConstraint)
    bias = opt_operand_def(TensorConstraint)
    result = result_def(TensorConstraint)
    group = int_property(1)
    output_padding = ints_property()
    output_shape = ints_property()

    assembly_format = (
        "$x `,` $w (`,` $bias^)? custom<ValueNames>($names) attr-dict `:` "
        "functional-type(operands, results)"
    )

    @property
    def data(self) -> SSAValue:
        return self.x

    @property
    def window(self) -> Shape | None:
        weights = shape_of(self.w)
        return None if weights is None else weights[2:]

    def check(self) -> None:
        require_rank(self, "C2", self.w, 3)
        super().check()
        require_floats(self, "C6", self.x, self.w, self.bias)
        require_same_element(self, "C6", self.x, self.w, self.bias)
        group = self.group.value.data
        self.require("C7", group >= 1, f"group must be at least 1, got {group}")
        shape = shape_of(self.x) or shape_of(self.w)
        for name in ("output_padding", "output_shape"):
            values = ints(getattr(self, name))
            sound = shape is None or len(values) in (0, len(shape) - 2)
            self.require(
                "C9", sound and min(values, default=0) >= 0, f"{name} cannot be {list(values)}"
            )
        x, w = shape_of(self.x), shape_of(self.w)
        if w is None:
            return
        channels, features = w[:2]
        self.require(
            "C7",
            channels == DYNAMIC or channels % group == 0,
            f"{group} groups do not divide {channels} channels",
        )
        self.require(
            "C7",
            x is None or DYNAMIC in (x[1], channels) or x[1] == channels,
            f"weights for {channels} channels, got {self.x.type}",
        )
        features = DYNAMIC if features == DYNAMIC else features * group
        require_shape(self, "C8", "the bias", self.bias, (features,))

    def transposed_axes(self) -> tuple[TransposedAxis, ...] | None:
        """The window along each spatial axis; None when their number is unknown."""
        if (window := self.window) is None:
            return None
        strides, pads, dilations = map(ints, (self.strides, self.pads, self.dilations))
        added, wanted = ints(self.output_padding), ints(self.output_shape)
        return transposed_axes(window, strides, pads, dilations, self.auto_pad.data, added, wanted)

    def output_sizes(self) -> Shape | None:
        if wanted := ints(self.output_shape):
            return wanted
        shape, axes = shape_of(self.x), self.transposed_axes()
        if shape is None or axes is None:
            return None
        return tuple(map(self._transposed_size, axes, shape[2:]))

    def _transposed_size(self, axis: TransposedAxis, size: int) -> int:
        if DYNAMIC in (size, axis.kernel):
            return DYNAMIC
        try:
            return axis.output_size(size)
        except ValueError as error:
            self.require("C5", False, str(error))
            raise

    def resolved_axes(self) -> list[tuple[int, int, int]] | None:
        """Pads and output_padding of each axis once nothing else says them; None while unknown."""
        shape, axes = shape_of(self.x), self.transposed_axes()
        if axes is None:
            return None
        if self.auto_pad.data == "VALID" and not ints(self.output_shape):
            return [axis.resolved(0) for axis in axes]
        if shape is None or DYNAMIC in (*shape[2:], *(axis.kernel for axis in axes)):
            return None
        return [axis.resolved(size) for axis, size in zip(axes, shape[2:], strict=True)]

    def result_shape(self) -> Shape | None:
        x, w, sizes = shape_of(self.x), shape_of(self.w), self.output_sizes()
        if x is None or w is None or sizes is None:
            return None
        return (x[0], DYNAMIC if w[1] == DYNAMIC else w[1] * self.group.value.data, *sizes)

    def flops(self) -> int | None:
        """Two for each element of x and of w's part for one channel, one a result for the bias."""
        count, spread, w = elements(self.result), elements(self.x), shape_of(self.w)
        if count is None or spread is None or w is None or DYNAMIC in w[1:]:
            return None
        return spread * 2 * math.prod(w[1:]) + (0 if self.bias is None else count)

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        # Not WindowedOp's: it knows nothing of output_shape.
        return (ResolvedPads(),)


OPS: tuple[type[PfrtOp], ...] = (ConvOp, ConvTransposeOp)

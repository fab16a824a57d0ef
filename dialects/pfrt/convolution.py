"""Convolutions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from xdsl.dialects.builtin import DenseArrayBase, StringAttr, i64
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    result_def,
)
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern

from pyflame_rt.dialects.pfrt import columns
from pyflame_rt.dialects.pfrt.base import PfrtOp, Shape, TensorConstraint, elements
from pyflame_rt.dialects.pfrt.constraints import (
    int_property,
    ints,
    ints_property,
    require_floats,
    require_rank,
    require_same_element,
    require_shape,
    string_property,
)
from pyflame_rt.dialects.pfrt.epilogue import ActivatedOp, EpilogueOp
from pyflame_rt.dialects.pfrt.heads import known, product
from pyflame_rt.dialects.pfrt.layouts import nchw_shape
from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of, tensor, type_of
from pyflame_rt.dialects.pfrt.windowed import WindowedOp
from pyflame_rt.kernels.windows import TransposedAxis, transposed_axes


@irdl_op_definition
class ConvOp(EpilogueOp, WindowedOp):
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
    C9: the residual, which is added to the sum, has the result's type.
    C10: the activation is an elementwise op of one operand.
    C11: `layout`, that of x, result and residual, is "nchw", "nhwc" or "nc4hw4", and x suits it.
    C12: `x_layout`, that of x alone, is "nchw", where `layout` is "nhwc".
    """

    name = "pfrt.conv"

    x = operand_def(TensorConstraint)
    w = operand_def(TensorConstraint)
    bias = opt_operand_def(TensorConstraint)
    result = result_def(TensorConstraint)
    group = int_property(1)
    x_layout = opt_prop_def(StringAttr)

    irdl_options = (ParsePropInAttrDict(), AttrSizedOperandSegments(as_property=True))
    assembly_format = (
        "$x `,` $w (`,` $bias^)? (`plus` $residual^)? custom<ValueNames>($names) attr-dict "
        "`:` `(` type($x) `,` type($w) (`,` type($bias)^)? `)` (`plus` type($residual)^)? "
        "`->` type($result)"
    )

    @property
    def data(self) -> SSAValue:
        # Not by their names, for which the segments are decoded at each access.
        return self.operands[0]

    @property
    def data_shape(self) -> Shape | None:
        layout = self.data_layout if self.x_layout is None else self.x_layout.data
        return nchw_shape(self.data, layout)

    @property
    def weights(self) -> SSAValue:
        """What slides over the data: w."""
        return self.operands[1]

    @property
    def window(self) -> Shape | None:
        weights = shape_of(self.weights)
        return None if weights is None else weights[2:]

    def check(self) -> None:
        values = self.operand_slots()
        require_rank(self, "C2", self.weights, 3)
        self.check_layout("C11", self.data)
        if self.x_layout is not None:
            layouts = self.x_layout.data, self.data_layout
            why = f"x_layout is {layouts[0]}, layout {layouts[1]}"
            self.require("C12", layouts == ("nchw", "nhwc"), why)
        super().check()
        require_floats(self, "C6", *values[:3])
        require_same_element(self, "C6", *values)
        self.check_activation("C10")
        group = self.group.value.data
        self.require("C7", group >= 1, f"group must be at least 1, got {group}")
        x, w = self.data_shape, shape_of(self.weights)
        if w is None:
            return
        features, channels = w[:2]
        self.require(
            "C7",
            features == DYNAMIC or features % group == 0,
            f"{group} groups do not divide {features} features",
        )
        fits = x is None or channels == DYNAMIC or self.holds_channels(x[1], channels * group)
        if not fits:
            why = f"{group} groups of {channels} channels, got {self.x.type}"
            self.require("C7", False, why)
        require_shape(self, "C8", "the bias", values[2], (features,))
        self.check_residual("C9")

    def result_shape(self) -> Shape | None:
        x, w, sizes = self.data_shape, shape_of(self.weights), self.output_sizes()
        if x is None or w is None or sizes is None:
            return None
        return self.in_layout((x[0], w[0], *sizes))

    def flops(self) -> int | None:
        """Two for each element of the result and of w's part for one feature, one for the bias."""
        count, w = elements(self.result), shape_of(self.w)
        if count is None or w is None or DYNAMIC in w[1:]:
            return None
        return count * (2 * math.prod(w[1:]) + (0 if self.bias is None else 1)) + self.extra_flops()


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
class ConvTransposeOp(ActivatedOp, WindowedOp):
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
    C10: the activation is an elementwise op of one operand.
    C11: `layout`, that of x, result and residual, is "nchw", "nhwc" or "nc4hw4", and x suits it.
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
        self.check_layout("C11", self.x)
        super().check()
        self.check_activation("C10")
        require_floats(self, "C6", self.x, self.w, self.bias)
        require_same_element(self, "C6", self.x, self.w, self.bias)
        group = self.group.value.data
        self.require("C7", group >= 1, f"group must be at least 1, got {group}")
        shape = self.data_shape or shape_of(self.w)
        for name in ("output_padding", "output_shape"):
            values = ints(getattr(self, name))
            sound = shape is None or len(values) in (0, len(shape) - 2)
            self.require(
                "C9", sound and min(values, default=0) >= 0, f"{name} cannot be {list(values)}"
            )
        x, w = self.data_shape, shape_of(self.w)
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
            x is None or self.holds_channels(x[1], channels),
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
        shape, axes = self.data_shape, self.transposed_axes()
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
        shape, axes = self.data_shape, self.transposed_axes()
        if axes is None:
            return None
        if self.auto_pad.data == "VALID" and not ints(self.output_shape):
            return [axis.resolved(0) for axis in axes]
        if shape is None or DYNAMIC in (*shape[2:], *(axis.kernel for axis in axes)):
            return None
        return [axis.resolved(size) for axis, size in zip(axes, shape[2:], strict=True)]

    def result_shape(self) -> Shape | None:
        x, w, sizes = self.data_shape, shape_of(self.w), self.output_sizes()
        if x is None or w is None or sizes is None:
            return None
        features = DYNAMIC if w[1] == DYNAMIC else w[1] * self.group.value.data
        return self.in_layout((x[0], features, *sizes))

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


@irdl_op_definition
class CausalConvWithStateOp(PfrtOp):
    """Correlation of each channel of x with its own window, which ends at the element; and the end
    of what was read, to go on from.

    ```mlir
    %y, %s = pfrt.causal_conv_with_state %x, %w bias(%b : tensor<4xf32>) {activation = "silu"} : tensor<2x4x?xf32>, tensor<4x1x3xf32> -> tensor<2x4x?xf32>, tensor<2x4x2xf32>
    ```
    x is (batch, channels, length). Before it comes `past_state`, one element less than the window
    has, or zeros; the second result is the end of both that is as long. The bias is one a channel.
    `activation` "silu" or "swish" makes y * sigmoid(y) of y.

    C1: all operands hold floats of one type.
    C2: the operands' shapes agree; the window is (channels, 1, size), the size at least 1.
    C3: `activation` is "none", "silu" or "swish".
    """

    name = "pfrt.causal_conv_with_state"

    x = operand_def(TensorConstraint)
    w = operand_def(TensorConstraint)
    bias = opt_operand_def(TensorConstraint)
    past_state = opt_operand_def(TensorConstraint)
    result = result_def(TensorConstraint)
    state = result_def(TensorConstraint)
    activation = string_property("none")

    irdl_options = (ParsePropInAttrDict(), AttrSizedOperandSegments(as_property=True))
    assembly_format = (
        "$x `,` $w (`bias` `(` $bias^ `:` type($bias) `)`)?"
        " (`state` `(` $past_state^ `:` type($past_state) `)`)?"
        " custom<ValueNames>($names) attr-dict"
        " `:` type($x) `,` type($w) `->` type($result) `,` type($state)"
    )

    def check(self) -> None:
        operands = (self.x, self.w, self.bias, self.past_state)
        require_floats(self, "C1", *operands)
        require_same_element(self, "C1", *operands)
        batch, channels, length, size = self.extents()
        self.require("C2", size != 0, "the window is empty")
        past = DYNAMIC if size == DYNAMIC else size - 1
        require_shape(self, "C2", "x", self.x, (batch, channels, length))
        require_shape(self, "C2", "the window", self.w, (channels, 1, size))
        require_shape(self, "C2", "the bias", self.bias, (channels,))
        require_shape(self, "C2", "the state", self.past_state, (batch, channels, past))
        name = self.activation.data
        self.require("C3", name in ("none", "silu", "swish"), f'unknown activation "{name}"')

    def extents(self) -> tuple[int, int, int, int]:
        """Batch, channels, length and size of the window, as far as they are known."""
        shapes = (None if v is None else shape_of(v) for v in (self.x, self.w, self.past_state))
        unknown = (DYNAMIC,) * 3
        x, w, past = (s if s is not None and len(s) == 3 else unknown for s in shapes)
        kept = DYNAMIC if past[2] == DYNAMIC else past[2] + 1
        return known((x[0], past[0])), known((x[1], w[0], past[1])), x[2], known((w[2], kept))

    def infer_types(self) -> Sequence[Attribute]:
        batch, channels, length, size = self.extents()
        element = type_of(self.x).element_type
        past = DYNAMIC if size == DYNAMIC else size - 1
        return [
            tensor(element, (batch, channels, length)),
            tensor(element, (batch, channels, past)),
        ]

    def flops(self) -> int | None:
        """Two for each element of the result and of its window."""
        batch, channels, length, size = self.extents()
        count = product(batch, channels, length, size)
        return None if count == DYNAMIC else 2 * count


OPS: tuple[type[PfrtOp], ...] = (ConvOp, ConvTransposeOp, CausalConvWithStateOp, *columns.OPS)

"""Convolutions."""

from __future__ import annotations

import math

from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, opt_operand_def, result_def

from pyflame_rt.dialects.pfrt.base import PfrtOp, Shape, TensorConstraint, elements
from pyflame_rt.dialects.pfrt.constraints import (
    int_property,
    require_floats,
    require_rank,
    require_same_element,
    require_shape,
)
from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of
from pyflame_rt.dialects.pfrt.windowed import WindowedOp


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


OPS: tuple[type[PfrtOp], ...] = (ConvOp,)

"""Pools: a summary of each window of the spatial axes, or of all of them."""

from __future__ import annotations

import math
from abc import ABC
from collections.abc import Sequence
from typing import cast

from xdsl.dialects.builtin import i64
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, result_def
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern

from pyflame_rt.dialects.pfrt.attributes import NamesAttr
from pyflame_rt.dialects.pfrt.base import PfrtOp, Shape, TensorConstraint, elements
from pyflame_rt.dialects.pfrt.broadcasting import NUMBERS
from pyflame_rt.dialects.pfrt.constraints import (
    flag_property,
    int_property,
    ints,
    require_floats,
    require_rank,
    required_ints_property,
)
from pyflame_rt.dialects.pfrt.layouts import LayoutOp
from pyflame_rt.dialects.pfrt.types import dtype_of, shape_of, tensor, type_of
from pyflame_rt.dialects.pfrt.unpooling import MaxUnpoolOp
from pyflame_rt.dialects.pfrt.windowed import WindowedOp

UNARY_FORMAT = "$operand custom<ValueNames>($names) attr-dict `:` type($operand) `->` type($result)"


def require_ordered(op: PfrtOp, constraint: str, value: SSAValue) -> None:
    """Require that a value holds integers of 8 bits or more, or floats of 16 or more."""
    takes = dtype_of(value).name in NUMBERS
    op.require(constraint, takes, f"needs ordered numbers, got {value.type}")


class PoolOp(WindowedOp, ABC):
    """Summarises each window of a tensor."""

    operand = operand_def(TensorConstraint)
    result = result_def(TensorConstraint)
    kernel_shape = required_ints_property()
    ceil_mode = flag_property(False)

    assembly_format = UNARY_FORMAT

    @property
    def data(self) -> SSAValue:
        return self.operand

    @property
    def window(self) -> Shape | None:
        return ints(self.kernel_shape)

    @property
    def rounds_up(self) -> bool:
        return bool(self.ceil_mode)

    def result_shape(self) -> Shape | None:
        shape, sizes = self.data_shape, self.output_sizes()
        if shape is None or sizes is None:
            return None
        return self.in_layout((*shape[:2], *sizes))

    def flops(self) -> int | None:
        """One for each tap of each window."""
        count = elements(self.result)
        return None if count is None else count * math.prod(ints(self.kernel_shape))


@irdl_op_definition
class MaxPoolOp(PoolOp):
    """Maximum of each window, without its padding.

    ```mlir
    %y = pfrt.max_pool %x {kernel_shape = array<i64: 2, 2>, strides = array<i64: 2, 2>} : tensor<?x8x6x6xf32> -> tensor<?x8x3x3xf32>
    ```
    C1: the operand has at least 3 dimensions.
    C2: the window, strides and dilations have one entry a spatial axis, pads have two.
    C3: window, strides and dilations are at least 1, pads at least 0.
    C4: `auto_pad` is "NOTSET", "SAME_UPPER", "SAME_LOWER" or "VALID".
    C5: the window fits into the padded tensor.
    C6: the operand holds ordered numbers.
    C7: `layout` is "nchw", "nhwc" or "nc4hw4", and the operand suits it.
    """

    name = "pfrt.max_pool"

    def check(self) -> None:
        self.check_layout("C7", self.operand)
        super().check()
        require_ordered(self, "C6", self.operand)


class UnusedIndices(RewritePattern):
    """max_pool_with_indices(x) -> max_pool(x), when nothing uses the indices."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, MaxPoolWithIndicesOp) or op.indices.uses:
            return
        properties = {k: v for k, v in op.properties.items() if k not in ("storage_order", "names")}
        if isinstance(op.names, NamesAttr):
            properties["names"] = NamesAttr.of(op.names.data[:1])
        new = MaxPoolOp.build(
            operands=[op.operand], properties=properties, result_types=[op.result.type]
        )
        new.location = op.location
        rewriter.replace(op, new, [new.result, None])


@irdl_op_definition
class MaxPoolWithIndicesOp(PoolOp):
    """Maximum of each window, and its index in the flattened operand.

    The first maximum of a window counts. With `storage_order` 1 the index counts the spatial axes
    in column-major order.

    ```mlir
    %y, %i = pfrt.max_pool_with_indices %x {kernel_shape = array<i64: 2>} : tensor<1x2x6xf32> -> tensor<1x2x5xf32>, tensor<1x2x5xi64>
    ```
    C1: the operand has at least 3 dimensions.
    C2: the window, strides and dilations have one entry a spatial axis, pads have two.
    C3: window, strides and dilations are at least 1, pads at least 0.
    C4: `auto_pad` is "NOTSET", "SAME_UPPER", "SAME_LOWER" or "VALID".
    C5: the window fits into the padded tensor.
    C6: the operand holds ordered numbers.
    C7: `storage_order` is 0 or 1.
    C8: `layout` is "nchw" or "nhwc"; indices are those of the former.
    """

    name = "pfrt.max_pool_with_indices"

    # Declared again to come first: inherited results come after an op's own.
    result = result_def(TensorConstraint)
    indices = result_def(TensorConstraint)
    storage_order = int_property(0)

    assembly_format = f"{UNARY_FORMAT} `,` type($indices)"

    def check(self) -> None:
        self.check_layout("C8", self.operand)
        # What fills up the channels would count.
        self.require("C8", self.data_layout != "nc4hw4", "no indices in the layout nc4hw4")
        super().check()
        require_ordered(self, "C6", self.operand)
        order = self.storage_order.value.data
        self.require("C7", order in (0, 1), f"storage_order is 0 or 1, not {order}")

    def infer_types(self) -> Sequence[Attribute]:
        shape = None if shape_of(self.operand) is None else self.result_shape()
        return [tensor(type_of(self.operand).element_type, shape), tensor(i64, shape)]

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        return (*super().get_canonicalization_patterns(), UnusedIndices())


@irdl_op_definition
class AveragePoolOp(PoolOp):
    """Mean of each window: without its padding, unless `count_include_pad` is set.

    What hangs over the padded tensor because of `ceil_mode` never counts.

    ```mlir
    %y = pfrt.average_pool %x {kernel_shape = array<i64: 3, 3>, auto_pad = "SAME_UPPER"} : tensor<1x8x6x6xf32> -> tensor<1x8x6x6xf32>
    ```
    C1: the operand has at least 3 dimensions.
    C2: the window, strides and dilations have one entry a spatial axis, pads have two.
    C3: window, strides and dilations are at least 1, pads at least 0.
    C4: `auto_pad` is "NOTSET", "SAME_UPPER", "SAME_LOWER" or "VALID".
    C5: the window fits into the padded tensor.
    C6: the operand holds floats.
    C7: `layout` is "nchw", "nhwc" or "nc4hw4", and the operand suits it.
    """

    name = "pfrt.average_pool"

    count_include_pad = flag_property(False)

    def check(self) -> None:
        self.check_layout("C7", self.operand)
        super().check()
        require_floats(self, "C6", self.operand)


@irdl_op_definition
class LpPoolOp(PoolOp):
    """(sum |x|^p)^(1/p) of each window, in which padding counts as 0.

    ```mlir
    %y = pfrt.lp_pool %x {kernel_shape = array<i64: 2>, p = 1 : i64} : tensor<1x8x6xf32> -> tensor<1x8x5xf32>
    ```
    C1: the operand has at least 3 dimensions.
    C2: the window, strides and dilations have one entry a spatial axis, pads have two.
    C3: window, strides and dilations are at least 1, pads at least 0.
    C4: `auto_pad` is "NOTSET", "SAME_UPPER", "SAME_LOWER" or "VALID".
    C5: the window fits into the padded tensor.
    C6: the operand holds floats.
    C7: p is at least 1.
    C8: `layout` is "nchw", "nhwc" or "nc4hw4", and the operand suits it.
    """

    name = "pfrt.lp_pool"

    p = int_property(2)

    def check(self) -> None:
        self.check_layout("C8", self.operand)
        super().check()
        require_floats(self, "C6", self.operand)
        p = self.p.value.data
        self.require("C7", p >= 1, f"p must be at least 1, got {p}")


class GlobalPoolOp(LayoutOp, ABC):
    """Summarises all spatial axes, which become 1."""

    operand = operand_def(TensorConstraint)
    result = result_def(TensorConstraint)

    assembly_format = UNARY_FORMAT

    def check(self) -> None:
        require_rank(self, "C1", self.operand, 3)

    def result_shape(self) -> Shape | None:
        shape = cast(Shape, self.nchw_shape(self.operand))
        return self.in_layout((*shape[:2], *(1,) * len(shape[2:])))

    def flops(self) -> int | None:
        """One for each element of the operand."""
        return elements(self.operand)


@irdl_op_definition
class GlobalAveragePoolOp(GlobalPoolOp):
    """Mean over all spatial axes.

    ```mlir
    %y = pfrt.global_average_pool %x : tensor<?x8x6x6xf32> -> tensor<?x8x1x1xf32>
    ```
    C1: the operand has at least 3 dimensions.
    C2: the operand holds floats.
    C3: `layout` is "nchw", "nhwc" or "nc4hw4", and the operand suits it.
    """

    name = "pfrt.global_average_pool"

    def check(self) -> None:
        self.check_layout("C3", self.operand)
        super().check()
        require_floats(self, "C2", self.operand)


@irdl_op_definition
class GlobalMaxPoolOp(GlobalPoolOp):
    """Maximum over all spatial axes.

    ```mlir
    %y = pfrt.global_max_pool %x : tensor<?x8x6x6xf32> -> tensor<?x8x1x1xf32>
    ```
    C1: the operand has at least 3 dimensions.
    C2: the operand holds ordered numbers.
    C3: `layout` is "nchw", "nhwc" or "nc4hw4", and the operand suits it.
    """

    name = "pfrt.global_max_pool"

    def check(self) -> None:
        self.check_layout("C3", self.operand)
        super().check()
        require_ordered(self, "C2", self.operand)


@irdl_op_definition
class GlobalLpPoolOp(GlobalPoolOp):
    """(sum |x|^p)^(1/p) over all spatial axes.

    ```mlir
    %y = pfrt.global_lp_pool %x {p = 1 : i64} : tensor<?x8x6x6xf32> -> tensor<?x8x1x1xf32>
    ```
    C1: the operand has at least 3 dimensions.
    C2: the operand holds floats.
    C3: p is at least 1.
    C4: `layout` is "nchw", "nhwc" or "nc4hw4", and the operand suits it.
    """

    name = "pfrt.global_lp_pool"

    p = int_property(2)

    def check(self) -> None:
        self.check_layout("C4", self.operand)
        super().check()
        require_floats(self, "C2", self.operand)
        p = self.p.value.data
        self.require("C3", p >= 1, f"p must be at least 1, got {p}")


OPS: tuple[type[PfrtOp], ...] = (
    AveragePoolOp,
    GlobalAveragePoolOp,
    GlobalLpPoolOp,
    GlobalMaxPoolOp,
    LpPoolOp,
    MaxPoolOp,
    MaxPoolWithIndicesOp,
    MaxUnpoolOp,
)

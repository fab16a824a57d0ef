"""The way back from a pool, an op of the pooling family."""

from __future__ import annotations

from typing import ClassVar

from xdsl.irdl import irdl_op_definition, operand_def, opt_operand_def, result_def

from pyflame_rt.dialects.pfrt.base import Shape, TensorConstraint
from pyflame_rt.dialects.pfrt.constraints import (
    ints,
    ints_property,
    optional_ints_property,
    require_floats,
    require_rank,
    require_shape,
    required_ints_property,
)
from pyflame_rt.dialects.pfrt.parameters import (
    ShapeChangingOp,
    check_vector,
    is_given,
    known_ints,
    known_length,
)
from pyflame_rt.dialects.pfrt.types import DYNAMIC, dtype_of, shape_of
from pyflame_rt.kernels.windows import unpooled_sizes


@irdl_op_definition
class MaxUnpoolOp(ShapeChangingOp):
    """x at the `indices` of a flattened tensor, zeros elsewhere: max_pool_with_indices undone.

    ```mlir
    %0 = pfrt.max_unpool %x, %i {kernel_shape = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<1x1x2x2xf32>, tensor<1x1x2x2xi64>) -> tensor<1x1x4x4xf32>
    ```
    The indices are those of the smallest tensor from which the pool makes x. With `output_shape`
    that tensor is filled up with zeros at the end of each axis. Of equal indices the last counts.

    C1: x holds floats, the indices are i64 and of x's shape.
    C2: x has at least 3 dimensions; the lists have one entry a spatial axis, pads two.
    C3: window and strides are at least 1, pads at least 0.
    C4: `output_shape` is absent, a property, or an operand that is a vector of i64 or i32.
    C5: `output_shape` has a number for each dimension of x, and is no less than without it.
    """

    name = "pfrt.max_unpool"

    operand = operand_def(TensorConstraint)
    indices = operand_def(TensorConstraint)
    output_shape_value = opt_operand_def(TensorConstraint)
    output_shape = optional_ints_property()
    kernel_shape = required_ints_property()
    strides = ints_property()
    pads = ints_property()
    result = result_def(TensorConstraint)

    assembly_format = (
        "$operand `,` $indices (`,` $output_shape_value^)? custom<ValueNames>($names) attr-dict"
        " `:` functional-type(operands, results)"
    )

    DYNAMIC_PROPERTIES: ClassVar[tuple[str, ...]] = ("output_shape",)

    def check(self) -> None:
        require_floats(self, "C1", self.operand)
        kind, shape = self.indices.type, shape_of(self.operand)
        self.require(
            "C1", dtype_of(self.indices).name == "int64", f"indices must be i64, not {kind}"
        )
        if shape is not None:
            require_shape(self, "C1", "the indices", self.indices, shape)
        require_rank(self, "C2", self.operand, 3)
        window, strides, pads = map(ints, (self.kernel_shape, self.strides, self.pads))
        rank = len(window)
        fits = len(strides) in (0, rank) and len(pads) in (0, 2 * rank)
        fits = fits and (shape is None or len(shape) == rank + 2)
        self.require("C2", fits, f"a window of {rank} axes for {self.operand.type}")
        sound = min((*window, *strides), default=1) >= 1 and min(pads, default=0) >= 0
        self.require("C3", sound, "window and strides are at least 1, pads at least 0")
        check_vector(self, "C4", "output_shape", required=False)
        length, wanted = known_length(self, "output_shape"), known_ints(self, "output_shape")
        fits = length in (None, rank + 2)
        self.require("C5", fits, f"{length} numbers for {rank + 2} dimensions")
        least = self._least()
        if least is not None and wanted is not None:
            fits = all(size >= dim for size, dim in zip(wanted, least, strict=True))
            self.require("C5", fits, f"{list(wanted)} is less than {list(least)}")
        fits = least is None or all(dim >= 0 or dim == DYNAMIC for dim in least)
        self.require("C5", fits, "the pads cut off more than there is")

    def _least(self) -> Shape | None:
        """The shape that x has been made of at least; None when not even its rank is known."""
        shape = shape_of(self.operand)
        if shape is None:
            return None
        lists = map(ints, (self.kernel_shape, self.strides, self.pads))
        known = [1 if dim == DYNAMIC else dim for dim in shape[2:]]
        sizes = zip(shape[2:], unpooled_sizes(known, *lists), strict=True)
        return (*shape[:2], *(DYNAMIC if dim == DYNAMIC else size for dim, size in sizes))

    def result_shape(self) -> Shape | None:
        if (wanted := known_ints(self, "output_shape")) is not None:
            return wanted
        if is_given(self, "output_shape"):
            return (DYNAMIC,) * (len(ints(self.kernel_shape)) + 2)
        return self._least() or (DYNAMIC,) * (len(ints(self.kernel_shape)) + 2)

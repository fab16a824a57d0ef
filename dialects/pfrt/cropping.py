"""Cutting or filling up around the middle, an op of the shape family."""

from __future__ import annotations

from typing import ClassVar

from xdsl.irdl import irdl_op_definition, operand_def, opt_operand_def, result_def

from pyflame_rt.dialects.pfrt.base import Shape, TensorConstraint
from pyflame_rt.dialects.pfrt.constraints import ints, optional_ints_property
from pyflame_rt.dialects.pfrt.parameters import (
    ShapeChangingOp,
    check_vector,
    find_axes,
    known_ints,
    known_length,
)
from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of


@irdl_op_definition
class CenterCropPadOp(ShapeChangingOp):
    """The middle of x, or x in the middle of zeros, so that `axes` (by default all) have `shape`.

    ```mlir
    %0 = pfrt.center_crop_pad %x {axes = array<i64: 0, 1>, shape = array<i64: 10, 9>} : (tensor<20x8x3xf32>) -> tensor<10x9x3xf32>
    ```
    Of an odd number, one more is cut off or added at the end. Strings are filled up with empty ones.

    C1: `shape` is a property, or an operand that is a vector of i64 or i32.
    C2: the axes differ and exist, and `shape` has a number for each.
    C3: no number of `shape` is negative.
    """

    name = "pfrt.center_crop_pad"

    operand = operand_def(TensorConstraint)
    shape_value = opt_operand_def(TensorConstraint)
    shape = optional_ints_property()
    axes = optional_ints_property()
    result = result_def(TensorConstraint)

    assembly_format = (
        "$operand (`,` $shape_value^)? custom<ValueNames>($names) attr-dict"
        " `:` functional-type(operands, results)"
    )

    DYNAMIC_PROPERTIES: ClassVar[tuple[str, ...]] = ("shape",)

    def check(self) -> None:
        check_vector(self, "C1", "shape", required=True)
        axes, length, wanted = self._axes(), known_length(self, "shape"), known_ints(self, "shape")
        agrees = axes is None or length in (None, len(axes))
        self.require("C2", agrees, f"{length} numbers of shape for {len(axes or ())} axes")
        sound = wanted is None or min(wanted, default=0) >= 0
        self.require("C3", sound, f"{list(wanted or ())} is not a shape")

    def _axes(self) -> Shape | None:
        """The axes that change, None when not known."""
        shape, axes = shape_of(self.operand), self.axes
        if shape is None:
            return None
        if axes is None:
            return tuple(range(len(shape)))
        return find_axes(self, "C2", ints(axes), len(shape))

    def result_shape(self) -> Shape | None:
        shape, axes, wanted = shape_of(self.operand), self._axes(), known_ints(self, "shape")
        if shape is None or axes is None:
            length = known_length(self, "shape")
            if self.axes is not None or length is None:
                return None
            return (DYNAMIC,) * length if wanted is None else wanted
        result = list(shape)
        for k, axis in enumerate(axes):
            result[axis] = DYNAMIC if wanted is None else wanted[k]
        return tuple(result)

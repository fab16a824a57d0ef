"""Linear algebra on matrices and stacks of them."""

from __future__ import annotations

from xdsl.irdl import irdl_op_definition, operand_def, result_def

from pyflame_rt.dialects.pfrt.base import PfrtOp, Shape, TensorConstraint, elements
from pyflame_rt.dialects.pfrt.constraints import require_floats, require_rank
from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of, static_shape_of


@irdl_op_definition
class DetOp(PfrtOp):
    """The determinant of each square matrix in the last two dimensions.

    ```mlir
    %0 = pfrt.det %x : tensor<?x3x3xf32> -> tensor<?xf32>
    ```
    C1: the operand holds floats.
    C2: it has at least 2 dimensions.
    C3: its last two dimensions are the same.
    """

    name = "pfrt.det"

    operand = operand_def(TensorConstraint)
    result = result_def(TensorConstraint)

    assembly_format = (
        "$operand custom<ValueNames>($names) attr-dict `:` type($operand) `->` type($result)"
    )

    def check(self) -> None:
        require_floats(self, "C1", self.operand)
        require_rank(self, "C2", self.operand, 2)
        shape = shape_of(self.operand)
        if shape is not None and len({*shape[-2:]} - {DYNAMIC}) > 1:
            self.require("C3", False, f"needs square matrices, got {self.operand.type}")

    def result_shape(self) -> Shape | None:
        shape = shape_of(self.operand)
        return None if shape is None else shape[:-2]

    def flops(self) -> int | None:
        """Two thirds of the cube of the side for each matrix: an LU factorization."""
        shape, count = static_shape_of(self.operand), elements(self.operand)
        return None if shape is None or count is None else 2 * count * shape[-1] // 3


OPS: tuple[type[PfrtOp], ...] = (DetOp,)

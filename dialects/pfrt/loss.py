"""Losses: how far predictions are from what they should be."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import Attribute
from xdsl.irdl import irdl_op_definition, operand_def, opt_operand_def, result_def

from pyflame_rt.dialects.pfrt.base import PfrtOp, Shape, TensorConstraint, elements
from pyflame_rt.dialects.pfrt.constraints import (
    require_floats,
    require_rank,
    require_same_element,
    require_shape,
    string_property,
)
from pyflame_rt.dialects.pfrt.lattice import merge
from pyflame_rt.dialects.pfrt.scalars import INDICES, optional_int_property
from pyflame_rt.dialects.pfrt.types import DYNAMIC, dtype_of, shape_of, tensor

REDUCTIONS = ("mean", "none", "sum")


@irdl_op_definition
class NegativeLogLikelihoodLossOp(PfrtOp):
    """Minus the log-probability of each target class, times the class's weight; their mean, which
    is weighted too, or their sum.

    ```mlir
    %0 = pfrt.negative_log_likelihood_loss %x, %t {reduction = "none"} : (tensor<2x5x8xf32>, tensor<2x8xi64>) -> tensor<2x8xf32>
    ```
    Classes are dimension 1 of x. A target that is `ignore_index` costs nothing, and weighs nothing.

    C1: x and the weights hold floats of one type.
    C2: x has at least 2 dimensions.
    C3: targets are i32 or i64, one for each of x's predictions.
    C4: there is one weight a class.
    C5: `reduction` is "none", "sum" or "mean".
    """

    name = "pfrt.negative_log_likelihood_loss"

    operand = operand_def(TensorConstraint)
    target = operand_def(TensorConstraint)
    weight = opt_operand_def(TensorConstraint)
    ignore_index = optional_int_property()
    reduction = string_property("mean")
    result = result_def(TensorConstraint)

    assembly_format = (
        "$operand `,` $target (`,` $weight^)? custom<ValueNames>($names) attr-dict `:` "
        "functional-type(operands, results)"
    )

    def check(self) -> None:
        require_floats(self, "C1", self.operand)
        require_same_element(self, "C1", self.operand, self.weight)
        require_rank(self, "C2", self.operand, 2)
        are_indices = dtype_of(self.target).name in INDICES
        self.require("C3", are_indices, f"target must be i32 or i64, got {self.target.type}")
        if (shape := shape_of(self.operand)) is not None:
            require_shape(self, "C3", "target", self.target, (*shape[:1], *shape[2:]))
            require_shape(self, "C4", "weight", self.weight, shape[1:2])
        else:
            require_shape(self, "C4", "weight", self.weight, (DYNAMIC,))
        known = self.reduction.data in REDUCTIONS
        self.require("C5", known, f'unknown reduction "{self.reduction.data}"')

    def infer_types(self) -> Sequence[Attribute]:
        # Dimensions that became known since the op was verified may contradict each other.
        self.check()
        if self.reduction.data != "none":
            return [tensor(self.result_dtype(), ())]
        of_target = tensor(self.result_dtype(), shape_of(self.target))
        return [merge(of_target, tensor(self.result_dtype(), self._predictions())) or of_target]

    def _predictions(self) -> Shape | None:
        shape = shape_of(self.operand)
        return None if shape is None else (*shape[:1], *shape[2:])

    def flops(self) -> int | None:
        """Two for each target."""
        count = elements(self.target)
        return None if count is None else 2 * count


OPS: tuple[type[PfrtOp], ...] = (NegativeLogLikelihoodLossOp,)

"""Sums of products by an equation, an op of the contraction family."""

from __future__ import annotations

import math
from collections.abc import Sequence

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Attribute
from xdsl.irdl import irdl_op_definition, prop_def, result_def, var_operand_def

from pyflame_rt.dialects.pfrt.base import PfrtOp, TensorConstraint
from pyflame_rt.dialects.pfrt.constraints import require_same_element
from pyflame_rt.dialects.pfrt.types import DYNAMIC, dtype_of, shape_of, tensor, type_of
from pyflame_rt.kernels.einsum import Equation


@irdl_op_definition
class EinsumOp(PfrtOp):
    """The sum of products that an equation describes, as ONNX's and NumPy's einsum.

    ```mlir
    %y = pfrt.einsum %q, %k {equation = "bhqd,bhkd->bhqk"} : (tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>) -> tensor<?x8x?x?xf32>
    ```
    A letter names a dimension, "..." those that broadcast; the sum is over what the result lacks.
    A letter twice in an operand takes its diagonal.

    C1: the operands hold numbers of one type.
    C2: the equation is well formed and has a term for each operand.
    C3: each term has a letter for each dimension, or "..."; dimensions of one name are equal or 1.
    """

    name = "pfrt.einsum"

    inputs = var_operand_def(TensorConstraint)
    equation = prop_def(StringAttr)
    result = result_def(TensorConstraint)

    assembly_format = (
        "$inputs custom<ValueNames>($names) attr-dict `:` functional-type(operands, results)"
    )

    def check(self) -> None:
        numbers = all(dtype_of(operand).kind not in "bO" for operand in self.operands)
        self.require("C1", numbers, "needs numbers, not booleans or strings")
        require_same_element(self, "C1", *self.operands)
        self._parsed()
        self._sizes()

    def _parsed(self) -> Equation:
        try:
            parsed = Equation.parse(self.equation.data)
        except ValueError as error:
            self.require("C2", False, str(error))
            raise
        count, terms = len(self.operands), len(parsed.operands)
        self.require("C2", count == terms > 0, f"{terms} terms for {count} operands")
        return parsed

    def _sizes(self) -> dict[str, int] | None:
        try:
            return self._parsed().dimensions(
                [shape_of(operand) for operand in self.operands], DYNAMIC
            )
        except ValueError as error:
            self.require("C3", False, str(error))
            raise

    def infer_types(self) -> Sequence[Attribute]:
        parsed, sizes = self._parsed(), self._sizes()
        element = type_of(self.operands[0]).element_type
        if sizes is None and "." in parsed.result:
            return [tensor(element, None)]
        return [tensor(element, parsed.result_shape(sizes or self._letters()))]

    def _letters(self) -> dict[str, int]:
        """The sizes of letters alone, where "..." has an unknown rank but is not in the result."""
        return {letter: DYNAMIC for term in self._parsed().operands for letter in term}

    def flops(self) -> int | None:
        """As if all were multiplied at once: a multiply-add for each operand but one, and each
        combination of subscripts."""
        sizes = self._sizes()
        if sizes is None or DYNAMIC in sizes.values():
            return None
        return 2 * max(1, len(self.operands) - 1) * math.prod(sizes.values())

"""The op of the data family that reads the bits of elements as another type's."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.interfaces import HasFolderInterface
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import AnyAttr, irdl_op_definition, operand_def, prop_def, result_def

from pyflame_rt.dialects.pfrt.base import PfrtOp, Shape, TensorConstraint
from pyflame_rt.dialects.pfrt.types import STRING, dtype_of, is_element_type, numpy_dtype, shape_of
from pyflame_rt.kernels.data import bits_of


@irdl_op_definition
class BitCastOp(PfrtOp, HasFolderInterface):
    """The elements whose bits, read as the type `to`, are those of the operand's.

    ```mlir
    %0 = pfrt.bit_cast %x {to = i32} : tensor<4xf32> -> tensor<4xi32>
    ```
    A boolean has 8 bits: those of 0 or 1, and any but those of 0 are true.

    C1: `to` is an element type, and neither it nor the operand's is that of strings.
    C2: both types have as many bits.
    """

    name = "pfrt.bit_cast"

    operand = operand_def(TensorConstraint)
    to = prop_def(AnyAttr())
    result = result_def(TensorConstraint)

    assembly_format = (
        "$operand custom<ValueNames>($names) attr-dict `:` type($operand) `->` type($result)"
    )

    def check(self) -> None:
        given = dtype_of(self.operand)
        known = is_element_type(self.to) and STRING not in (given, numpy_dtype(self.to))
        self.require("C1", known, f"cannot read {self.operand.type} as {self.to}")
        bits, wanted = bits_of(given), bits_of(numpy_dtype(self.to))
        self.require("C2", bits == wanted, f"{bits} bits cannot be read as {self.to}")

    def result_dtype(self) -> Attribute:
        return self.to

    def result_shape(self) -> Shape | None:
        return shape_of(self.operand)

    def fold(self) -> Sequence[SSAValue | Attribute] | None:
        """bit_cast(x : T, to T) -> x"""
        return (self.operand,) if self.operand.type == self.result.type else None

    def flops(self) -> int | None:
        return 0

"""What the host does with a program: tensors to the buffers of PEs, the run, tensors back."""

from __future__ import annotations

from typing import cast

from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    ArrayAttr,
    DictionaryAttr,
    StringAttr,
    SymbolRefAttr,
    TensorType,
    i32,
)
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    BaseAttr,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
)

from pyflame_rt.dialects.wse.base import WseOp, name_of
from pyflame_rt.dialects.wse.limits import LIMITS

_TENSOR = BaseAttr(TensorType)


class _TransferOp(WseOp):
    """Moves the elements of a tensor to or from a buffer of the program's PEs."""

    buffer = prop_def(SymbolRefAttr)

    @property
    def names(self) -> tuple[str, str]:
        """The program's and the buffer's."""
        nested = self.buffer.nested_references.data
        return name_of(self.buffer), nested[0].data if nested else ""

    def check_transfer(self, index: SSAValue) -> None:
        """C1 and C2."""
        nested = self.buffer.nested_references.data
        self.require("C1", len(nested) == 1, f"{self.buffer} is no @program::@buffer")
        kind = cast("TensorType[Attribute]", index.type)
        shape = kind.get_shape()
        good = len(shape) == 3 and DYNAMIC_INDEX not in shape and kind.element_type == i32
        self.require(
            "C2", good, f"the index is a {kind}, no tensor of rows x columns x elements of i32"
        )


@irdl_op_definition
class ScatterOp(_TransferOp):
    """Writes a tensor to the PEs: element i of PE (x, y) is the tensor's element index[y, x, i], or zero.

    The tensor's elements are counted row by row; -1 stands for none. They are converted to the buffer's type.

    ```mlir
    wse.scatter %x to @p::@own by %index : tensor<1x6xf32>, tensor<1x2x3xi32>
    ```
    C1: the buffer is named as `@program::@buffer`. C2: the index is a static tensor of rows x columns x
    elements of i32.
    """

    name = "wse.scatter"

    tensor = operand_def(_TENSOR)
    buffer = prop_def(SymbolRefAttr)
    index = operand_def(_TENSOR)

    assembly_format = (
        "$tensor `to` $buffer `by` $index attr-dict `:` type($tensor) `,` type($index)"
    )

    def __init__(self, tensor: SSAValue, program: str, buffer: str, index: SSAValue):
        super().__init__(
            operands=[tensor, index],
            properties={"buffer": SymbolRefAttr(program, [buffer])},
        )

    def verify_(self) -> None:
        self.check_transfer(self.index)


@irdl_op_definition
class RunOp(WseOp):
    """Runs a program on a machine from its start to its end.

    `steps` say what it does in order: dictionaries with `name`, `kind`, `predicted` cycles and, for
    contractions, the terms of their bound.

    ```mlir
    wse.run @p on "wse2"
    ```
    C1: the machine is wse2, wse3 or wse3-si. C2: each step is a dictionary.
    """

    name = "wse.run"

    program = prop_def(SymbolRefAttr)
    machine = prop_def(StringAttr)
    steps = opt_prop_def(ArrayAttr)

    assembly_format = "$program `on` $machine (`steps` $steps^)? attr-dict"

    def __init__(self, program: str, machine: str, steps: ArrayAttr[Attribute] | None = None):
        super().__init__(
            properties={
                "program": SymbolRefAttr(program),
                "machine": StringAttr(machine),
                "steps": steps,
            }
        )

    def verify_(self) -> None:
        known = self.machine.data in LIMITS
        self.require("C1", known, f"{self.machine.data} is none of {', '.join(LIMITS)}")
        for step in self.steps or ():
            self.require("C2", isinstance(step, DictionaryAttr), f"{step} is no dictionary")


@irdl_op_definition
class GatherOp(_TransferOp):
    """Reads a tensor from the PEs: its element index[y, x, i] is element i of PE (x, y), but for -1.

    ```mlir
    %y = wse.gather @p::@own by %index : tensor<1x2x3xi32> -> tensor<1x6xf32>
    ```
    C1: the buffer is named as `@program::@buffer`. C2: the index is a static tensor of rows x columns x
    elements of i32. C3: the result's shape is static.
    """

    name = "wse.gather"

    index = operand_def(_TENSOR)
    buffer = prop_def(SymbolRefAttr)
    result = result_def(_TENSOR)

    assembly_format = "$buffer `by` $index attr-dict `:` type($index) `->` type($result)"

    def __init__(self, program: str, buffer: str, index: SSAValue, kind: Attribute):
        super().__init__(
            operands=[index],
            properties={"buffer": SymbolRefAttr(program, [buffer])},
            result_types=[kind],
        )

    def verify_(self) -> None:
        self.check_transfer(self.index)
        kind = self.result.type
        static = DYNAMIC_INDEX not in kind.get_shape()
        self.require("C3", static, f"the result is a {kind}")


OPS = (ScatterOp, RunOp, GatherOp)
"""The ops of this module."""

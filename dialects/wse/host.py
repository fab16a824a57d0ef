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

from pyflame_rt.dialects.wse.base import INTEGER, WseOp, integer, name_of, number
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
    contractions, the terms of their bound. A run takes `images`, one after the other, of what is scattered and
    gathered; `runs` of them take all, in order of the first dimension.

    ```mlir
    wse.run @p on "wse2"
    wse.run @q on "wse3" images 4 runs 2
    ```
    C1: the machine is wse2, wse3 or wse3-si. C2: each step is a dictionary. C3: images and runs are at least 1.
    """

    name = "wse.run"

    program = prop_def(SymbolRefAttr)
    machine = prop_def(StringAttr)
    images = opt_prop_def(INTEGER)
    runs = opt_prop_def(INTEGER)
    steps = opt_prop_def(ArrayAttr)

    assembly_format = (
        "$program `on` $machine (`images` $images^)? (`runs` $runs^)? (`steps` $steps^)? attr-dict"
    )

    def __init__(
        self, program: str, machine: str, steps: ArrayAttr[Attribute] | None = None, *,
        images: int = 1, runs: int = 1,
    ):  # fmt: skip
        super().__init__(
            properties={
                "program": SymbolRefAttr(program),
                "machine": StringAttr(machine),
                "images": None if images == 1 else integer(images),
                "runs": None if runs == 1 else integer(runs),
                "steps": steps,
            }
        )

    def verify_(self) -> None:
        known = self.machine.data in LIMITS
        self.require("C1", known, f"{self.machine.data} is none of {', '.join(LIMITS)}")
        for step in self.steps or ():
            self.require("C2", isinstance(step, DictionaryAttr), f"{step} is no dictionary")
        counts = number(self.images, 1), number(self.runs, 1)
        self.require("C3", min(counts) >= 1, f"{counts[0]} images, {counts[1]} runs")


@irdl_op_definition
class StreamOp(WseOp):
    """Sends a tensor through buffers of PEs at the edge while the program runs that is run next.

    The buffers of round r are filled as by `wse.scatter` with index[r], `function` is launched, and when the variable
    `counter` of their PEs says r + 1 it is the next round's turn. Tensors are sent one after the other.

    ```mlir
    wse.stream %w to @p::@edge by %index launch @p::@feed until "sent" : tensor<6xf32>, tensor<2x1x1x3xi32>
    ```
    C1: buffer and function are named as `@program::@name`. C2: the index is a static tensor of rounds x rows
    x columns x elements of i32.
    """

    name = "wse.stream"

    tensor = operand_def(_TENSOR)
    index = operand_def(_TENSOR)
    buffer = prop_def(SymbolRefAttr)
    function = prop_def(SymbolRefAttr)
    counter = prop_def(StringAttr)

    assembly_format = (
        "$tensor `to` $buffer `by` $index `launch` $function `until` $counter attr-dict"
        " `:` type($tensor) `,` type($index)"
    )

    def __init__(
        self, tensor: SSAValue, program: str, buffer: str, index: SSAValue, function: str,
        counter: str,
    ):  # fmt: skip
        super().__init__(
            operands=[tensor, index],
            properties={
                "buffer": SymbolRefAttr(program, [buffer]),
                "function": SymbolRefAttr(program, [function]),
                "counter": StringAttr(counter),
            },
        )

    @property
    def names(self) -> tuple[str, str]:
        """The buffer's and the function's."""
        found = [each.nested_references.data for each in (self.buffer, self.function)]
        buffer, function = (each[0].data if each else "" for each in found)
        return buffer, function

    def verify_(self) -> None:
        for symbol in (self.buffer, self.function):
            nested = symbol.nested_references.data
            self.require("C1", len(nested) == 1, f"{symbol} is no @program::@name")
        kind = cast("TensorType[Attribute]", self.index.type)
        shape = kind.get_shape()
        good = len(shape) == 4 and DYNAMIC_INDEX not in shape and kind.element_type == i32
        self.require(
            "C2", good,
            f"the index is a {kind}, no tensor of rounds x rows x columns x elements of i32",
        )  # fmt: skip


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


OPS = (ScatterOp, StreamOp, RunOp, GatherOp)
"""The ops of this module."""

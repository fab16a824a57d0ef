"""Data structure descriptors (DSDs), and the registers (DSRs) that vector ops read them from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from xdsl.dialects.builtin import (
    DenseArrayBase,
    StringAttr,
    SymbolNameConstraint,
    SymbolRefAttr,
    UnitAttr,
    f32,
    i64,
)
from xdsl.ir import Attribute, SSAValue, TypeAttribute
from xdsl.irdl import irdl_op_definition, operand_def, opt_prop_def, prop_def, traits_def
from xdsl.traits import MemoryWriteEffect, SymbolOpInterface

from pyflame_rt.dialects.wse.base import (
    INTEGER,
    Scope,
    Word,
    WseOp,
    flag,
    integer,
    is_scalar,
    number,
)
from pyflame_rt.dialects.wse.queues import InputQueueOp, OutputQueueOp
from pyflame_rt.dialects.wse.tile import BufferOp

DSR_FILES: Final = ("dest", "src0", "src1")
"""The three kinds of DSRs, one for each operand of a vector op."""

DSRS = 16


class DsdOp(WseOp):
    """Base of the DSDs: what a vector op reads or writes, one element after another."""

    sym_name = prop_def(SymbolNameConstraint())

    traits = traits_def(SymbolOpInterface())


@irdl_op_definition
class Mem1dDsdOp(DsdOp):
    """A vector in memory: `length` elements of a buffer, `stride` apart, from element `offset`.

    The length is all that there are by default, the stride 1, the offset 0.

    ```mlir
    wse.mem1d_dsd @row = @a length 8 stride 28 offset 1
    ```
    C1: it is a buffer of the tile. C2: the vector lies in it.
    """

    name = "wse.mem1d_dsd"

    buffer = prop_def(SymbolRefAttr)
    length = opt_prop_def(INTEGER)
    stride = opt_prop_def(INTEGER)
    offset = opt_prop_def(INTEGER)

    assembly_format = (
        "$sym_name `=` $buffer (`length` $length^)? (`stride` $stride^)? (`offset` $offset^)? "
        "attr-dict"
    )

    def __init__(
        self, name: str, buffer: str, length: int | None = None, *, stride: int | None = None,
        offset: int | None = None,
    ):  # fmt: skip
        super().__init__(
            properties={
                "sym_name": StringAttr(name),
                "buffer": SymbolRefAttr(buffer),
                "length": integer(length),
                "stride": integer(stride),
                "offset": integer(offset),
            }
        )

    def elements(self, count: int) -> tuple[int, int, int]:
        """Length, stride and offset in elements, of a buffer of `count`."""
        stride, offset = number(self.stride, 1), number(self.offset)
        rest = -(-(count - offset) // stride) if stride > 0 else 1
        return number(self.length, max(rest, 0)), stride, offset

    def check(self, scope: Scope) -> None:
        buffer = self.found("C1", scope, self.buffer, "buffer", BufferOp)
        length, stride, offset = self.elements(buffer.count)
        self.require("C2", length >= 0, f"the length is {length}")
        ends = (offset, offset + stride * max(length - 1, 0))
        self.require(
            "C2",
            min(ends) >= 0 and max(ends) < max(buffer.count, 1),
            f"elements {min(ends)} to {max(ends)} of {self.buffer}, which has {buffer.count}",
        )


@irdl_op_definition
class Mem4dDsdOp(DsdOp):
    """A nest of up to four dimensions in memory, outermost first, strides in elements.

    ```mlir
    wse.mem4d_dsd @block = @a sizes [4, 2] strides [28, 1] offset 30
    ```
    C1: it is a buffer of the tile. C2: there are one to four sizes, and as many strides. C3: the
    elements lie in the buffer.
    """

    name = "wse.mem4d_dsd"

    buffer = prop_def(SymbolRefAttr)
    sizes = prop_def(DenseArrayBase.constr(i64))
    strides = prop_def(DenseArrayBase.constr(i64))
    offset = opt_prop_def(INTEGER)

    assembly_format = (
        "$sym_name `=` $buffer `sizes` $sizes `strides` $strides (`offset` $offset^)? attr-dict"
    )

    def __init__(
        self, name: str, buffer: str, sizes: Sequence[int], strides: Sequence[int], *,
        offset: int | None = None,
    ):  # fmt: skip
        super().__init__(
            properties={
                "sym_name": StringAttr(name),
                "buffer": SymbolRefAttr(buffer),
                "sizes": DenseArrayBase.from_list(i64, list(sizes)),
                "strides": DenseArrayBase.from_list(i64, list(strides)),
                "offset": integer(offset),
            }
        )

    def nest(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Sizes and strides."""
        return (
            tuple(int(size) for size in self.sizes.get_values()),
            tuple(int(stride) for stride in self.strides.get_values()),
        )

    def verify_(self) -> None:
        sizes, strides = self.nest()
        self.require(
            "C2",
            1 <= len(sizes) <= 4 and len(strides) == len(sizes) and min(sizes) >= 1,
            f"sizes {list(sizes)} with strides {list(strides)}",
        )

    def check(self, scope: Scope) -> None:
        buffer = self.found("C1", scope, self.buffer, "buffer", BufferOp)
        steps = [(size - 1) * stride for size, stride in zip(*self.nest(), strict=True)]
        low = number(self.offset) + sum(min(step, 0) for step in steps)
        high = number(self.offset) + sum(max(step, 0) for step in steps)
        self.require(
            "C3",
            low >= 0 and high < buffer.count,
            f"elements {low} to {high} of {self.buffer}, which has {buffer.count}",
        )


@irdl_op_definition
class FabinDsdOp(DsdOp):
    """`length` words taken from an input queue; of 16-bit types the low half of each.

    ```mlir
    wse.fabin_dsd @rx = @iq length 8
    wse.fabin_dsd @half = @iq length 8 type f16
    ```
    C1: it is an input queue of the tile. C2: the length is not negative, and the type i16, i32, f16 or
    f32, which it is by default.
    """

    name = "wse.fabin_dsd"

    queue = prop_def(SymbolRefAttr)
    length = prop_def(INTEGER)
    kind = prop_def(TypeAttribute, default_value=f32)

    assembly_format = "$sym_name `=` $queue `length` $length (`type` $kind^)? attr-dict"

    def __init__(self, name: str, queue: str, length: int, kind: Attribute = f32):
        super().__init__(
            properties={
                "sym_name": StringAttr(name),
                "queue": SymbolRefAttr(queue),
                "length": integer(length),
                "kind": kind,
            }
        )

    def verify_(self) -> None:
        check_words(self, number(self.length), self.kind)

    def check(self, scope: Scope) -> None:
        self.found("C1", scope, self.queue, "input queue", InputQueueOp)


@irdl_op_definition
class FaboutDsdOp(DsdOp):
    """`length` words given to an output queue.

    With `advance_switch` the sender's own router advances on that colour once the last word has left.
    With `control` the words are control words.

    ```mlir
    wse.fabout_dsd @tx = @oq length 8 advance_switch
    wse.fabout_dsd @command = @oq length 1 control
    ```
    C1: it is an output queue of the tile. C2: the length is not negative, and the type i16, i32, f16 or
    f32, which it is by default.
    """

    name = "wse.fabout_dsd"

    queue = prop_def(SymbolRefAttr)
    length = prop_def(INTEGER)
    kind = prop_def(TypeAttribute, default_value=f32)
    advance_switch = opt_prop_def(UnitAttr)
    control = opt_prop_def(UnitAttr)

    assembly_format = (
        "$sym_name `=` $queue `length` $length (`type` $kind^)? "
        "(`advance_switch` $advance_switch^)? (`control` $control^)? attr-dict"
    )

    def __init__(
        self, name: str, queue: str, length: int, kind: Attribute = f32, *,
        advance_switch: bool = False, control: bool = False,
    ):  # fmt: skip
        super().__init__(
            properties={
                "sym_name": StringAttr(name),
                "queue": SymbolRefAttr(queue),
                "length": integer(length),
                "kind": kind,
                "advance_switch": flag(advance_switch),
                "control": flag(control),
            }
        )

    def verify_(self) -> None:
        check_words(self, number(self.length), self.kind)

    def check(self, scope: Scope) -> None:
        self.found("C1", scope, self.queue, "output queue", OutputQueueOp)


def check_words(op: WseOp, length: int, kind: Attribute) -> None:
    """That the words of a fabric or fifo operand are some, and of a scalar type."""
    op.require("C2", length >= 0, f"the length is {length}")
    op.require("C2", is_scalar(kind), f"{kind} is no type of a word")


@irdl_op_definition
class FifoOp(WseOp):
    """A queue in memory, in a buffer that holds as many elements as the buffer has.

    ```mlir
    wse.fifo @queue = @store
    ```
    C1: it is a buffer of the tile.
    """

    name = "wse.fifo"

    sym_name = prop_def(SymbolNameConstraint())
    buffer = prop_def(SymbolRefAttr)

    assembly_format = "$sym_name `=` $buffer attr-dict"
    traits = traits_def(SymbolOpInterface())

    def __init__(self, name: str, buffer: str):
        super().__init__(properties={"sym_name": StringAttr(name), "buffer": SymbolRefAttr(buffer)})

    def check(self, scope: Scope) -> None:
        self.found("C1", scope, self.buffer, "buffer", BufferOp)


@irdl_op_definition
class FifoDsdOp(DsdOp):
    """`length` elements pushed into a fifo (as a destination), or taken from it (as a source).

    ```mlir
    wse.fifo_dsd @push = @queue length 50
    ```
    C1: it is a fifo of the tile. C2: the length is not negative.
    """

    name = "wse.fifo_dsd"

    fifo = prop_def(SymbolRefAttr)
    length = prop_def(INTEGER)

    assembly_format = "$sym_name `=` $fifo `length` $length attr-dict"

    def __init__(self, name: str, fifo: str, length: int):
        super().__init__(
            properties={
                "sym_name": StringAttr(name),
                "fifo": SymbolRefAttr(fifo),
                "length": integer(length),
            }
        )

    def verify_(self) -> None:
        check_words(self, number(self.length), f32)

    def check(self, scope: Scope) -> None:
        self.found("C1", scope, self.fifo, "fifo", FifoOp)


@irdl_op_definition
class DsrOp(WseOp):
    """A register that holds a DSD, for one of the three operands of vector ops.

    ```mlir
    wse.dsr @acc = dest 0
    ```
    C1: it is of the file dest, src0 or src1. C2: its number is 0 to 15. C3: what uses it finds it
    loaded, somewhere in the tile.
    """

    name = "wse.dsr"

    sym_name = prop_def(SymbolNameConstraint())
    file = prop_def(StringAttr)
    number = prop_def(INTEGER)

    custom_directives = (Word,)
    assembly_format = "$sym_name `=` custom<Word>($file) $number attr-dict"
    traits = traits_def(SymbolOpInterface())

    def __init__(self, name: str, file: str, number: int):
        super().__init__(
            properties={
                "sym_name": StringAttr(name),
                "file": StringAttr(file),
                "number": integer(number),
            }
        )

    def verify_(self) -> None:
        file, value = self.file.data, number(self.number)
        self.require("C1", file in DSR_FILES, f"{file} is none of {', '.join(DSR_FILES)}")
        self.require("C2", 0 <= value < DSRS, f"DSRs are 0 to {DSRS - 1}, not {value}")


@irdl_op_definition
class LoadToDsrOp(WseOp):
    """Copies a DSD to a DSR; with `save_address` the DSR goes on where the last op that used it ended.

    ```mlir
    wse.load_to_dsr @acc, @row save_address
    ```
    C1: it is a DSR of the tile. C2: it is a DSD of the tile.
    """

    name = "wse.load_to_dsr"

    dsr = prop_def(SymbolRefAttr)
    dsd = prop_def(SymbolRefAttr)
    save_address = opt_prop_def(UnitAttr)

    assembly_format = "$dsr `,` $dsd (`save_address` $save_address^)? attr-dict"
    traits = traits_def(MemoryWriteEffect())

    def __init__(self, dsr: str, dsd: str, *, save_address: bool = False):
        super().__init__(
            properties={
                "dsr": SymbolRefAttr(dsr),
                "dsd": SymbolRefAttr(dsd),
                "save_address": flag(save_address),
            }
        )

    def check(self, scope: Scope) -> None:
        self.found("C1", scope, self.dsr, "DSR", DsrOp)
        self.found("C2", scope, self.dsd, "DSD", DsdOp)


@irdl_op_definition
class SetDsdBaseAddrOp(WseOp):
    """Moves a DSD to another buffer.

    ```mlir
    wse.set_dsd_base_addr @row, @b
    ```
    C1: it is a mem1d or mem4d DSD of the tile. C2: it is a buffer of the tile with elements of the
    same type.
    """

    name = "wse.set_dsd_base_addr"

    dsd = prop_def(SymbolRefAttr)
    buffer = prop_def(SymbolRefAttr)

    assembly_format = "$dsd `,` $buffer attr-dict"
    traits = traits_def(MemoryWriteEffect())

    def __init__(self, dsd: str, buffer: str):
        super().__init__(properties={"dsd": SymbolRefAttr(dsd), "buffer": SymbolRefAttr(buffer)})

    def check(self, scope: Scope) -> None:
        dsd = self.found("C1", scope, self.dsd, "DSD of memory", Mem1dDsdOp, Mem4dDsdOp)
        buffer = self.found("C2", scope, self.buffer, "buffer", BufferOp)
        old = scope.find(dsd.buffer)
        if isinstance(old, BufferOp):
            kinds = (old.buffer_type.element_type, buffer.buffer_type.element_type)
            self.require("C2", kinds[0] == kinds[1], f"{kinds[1]} for elements of {kinds[0]}")


class ChangeDsdOp(WseOp):
    """Base of the ops that set a field of a DSD; DSRs that were loaded from it keep what they have."""

    dsd = prop_def(SymbolRefAttr)
    value = operand_def()

    assembly_format = "$dsd `,` $value attr-dict `:` type($value)"
    traits = traits_def(MemoryWriteEffect())

    def __init__(self, dsd: str, value: SSAValue):
        super().__init__(operands=[value], properties={"dsd": SymbolRefAttr(dsd)})

    def verify_(self) -> None:
        check_count(self, "C2", self.value.type)

    def check(self, scope: Scope) -> None:
        self.found("C1", scope, self.dsd, "DSD of memory", Mem1dDsdOp, Mem4dDsdOp)


def check_count(op: WseOp, constraint: str, kind: Attribute) -> None:
    """That a number of elements is an integer of a register."""
    from xdsl.dialects.builtin import IndexType, i16, i32

    fits = kind in (i16, i32) or isinstance(kind, IndexType)
    op.require(constraint, fits, f"{kind} is no number of elements")


@irdl_op_definition
class IncrementDsdOffsetOp(ChangeDsdOp):
    """Moves a DSD by a number of elements.

    ```mlir
    wse.increment_dsd_offset @row, %n : i16
    ```
    C1: it is a mem1d or mem4d DSD of the tile. C2: the number is an i16, i32 or index.
    """

    name = "wse.increment_dsd_offset"


@irdl_op_definition
class SetDsdOffsetOp(ChangeDsdOp):
    """Puts a DSD at an element of its buffer.

    ```mlir
    wse.set_dsd_offset @row, %n : i16
    ```
    C1: it is a mem1d or mem4d DSD of the tile. C2: the number is an i16, i32 or index.
    """

    name = "wse.set_dsd_offset"


@irdl_op_definition
class SetDsdStrideOp(ChangeDsdOp):
    """Sets the stride of a mem1d DSD, in elements.

    ```mlir
    wse.set_dsd_stride @row, %n : i16
    ```
    C1: it is a mem1d DSD of the tile. C2: the number is an i16, i32 or index.
    """

    name = "wse.set_dsd_stride"

    def check(self, scope: Scope) -> None:
        self.found("C1", scope, self.dsd, "mem1d DSD", Mem1dDsdOp)


@irdl_op_definition
class SetDsdLengthOp(ChangeDsdOp):
    """Sets the number of elements of a DSD.

    ```mlir
    wse.set_dsd_length @rx, %n : i16
    ```
    C1: it is a mem1d, fabric or fifo DSD of the tile. C2: the number is an i16, i32 or index.
    """

    name = "wse.set_dsd_length"

    def check(self, scope: Scope) -> None:
        self.found(
            "C1", scope, self.dsd, "mem1d, fabric or fifo DSD",
            Mem1dDsdOp, FabinDsdOp, FaboutDsdOp, FifoDsdOp,
        )  # fmt: skip


OPS = (
    Mem1dDsdOp,
    Mem4dDsdOp,
    FabinDsdOp,
    FaboutDsdOp,
    FifoOp,
    FifoDsdOp,
    DsrOp,
    LoadToDsrOp,
    SetDsdBaseAddrOp,
    IncrementDsdOffsetOp,
    SetDsdOffsetOp,
    SetDsdStrideOp,
    SetDsdLengthOp,
)
"""The ops of this module."""

"""Tiles: the program of a PE, its parameters and its state."""

from __future__ import annotations

from typing import Any, NoReturn, cast

from xdsl.dialects.builtin import (
    DenseIntOrFPElementsAttr,
    FloatAttr,
    IntegerAttr,
    MemRefType,
    StringAttr,
    SymbolNameConstraint,
    SymbolRefAttr,
    UnitAttr,
)
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue, TypeAttribute
from xdsl.irdl import (
    BaseAttr,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    region_def,
    result_def,
    traits_def,
)
from xdsl.traits import (
    IsolatedFromAbove,
    MemoryReadEffect,
    MemoryWriteEffect,
    NoTerminator,
    Pure,
    SymbolOpInterface,
    SymbolTable,
)

from pyflame_rt.dialects.pfrt.types import DYNAMIC
from pyflame_rt.dialects.wse.attributes import ColorType
from pyflame_rt.dialects.wse.base import (
    INTEGER,
    Body,
    Scope,
    Typed,
    WseOp,
    bits_of,
    body_of,
    flag,
    integer,
    is_scalar,
    number,
)
from pyflame_rt.dialects.wse.program import ProgramOp, symbols_of

ScalarConstraint = IntegerAttr | FloatAttr


@irdl_op_definition
class TileOp(WseOp):
    """The program of a PE: parameters, state, tasks. Placed any number of times by `wse.place`.

    ```mlir
    wse.tile @worker {
      wse.param @in : !wse.color
      wse.buffer @own export : memref<8xf32>
      wse.task @main local active {
      }
    }
    ```
    C1: it holds declarations. C2: each queue is declared once, by number. C3: an input queue has one data
    task. C4: ids of tasks differ, of the local and of the control ones. C5: there are at most 31 tasks
    and exported functions. C6: the declared cost of an op is a `#wse.cost` of at most 1,000,000 cycles.
    """

    name = "wse.tile"

    sym_name = prop_def(SymbolNameConstraint())
    body = region_def("single_block")

    custom_directives = (Body,)
    assembly_format = "$sym_name attr-dict-with-keyword custom<Body>($body)"
    traits = traits_def(SymbolOpInterface(), SymbolTable(), NoTerminator(), IsolatedFromAbove())

    def __init__(self, name: str, body: Region | Block | None = None):
        super().__init__(properties={"sym_name": StringAttr(name)}, regions=[body_of(body)])

    def symbols(self) -> dict[str, Operation]:
        """What the tile declares, by name."""
        return symbols_of(self.body.block)

    def fail(self, constraint: str, why: str) -> NoReturn:
        """Raise VerifyException, saying which tile it is."""
        super().fail(constraint, f"{why} (tile @{self.sym_name.data})")

    def verify_(self) -> None:
        from pyflame_rt.dialects.wse.tile_checking import check_tile

        # A program checks its tiles itself: it knows its names once for all.
        if not isinstance(self.parent_op(), ProgramOp):
            check_tile(self, None)


@irdl_op_definition
class ParamOp(WseOp):
    """A parameter of a tile, whose value a `wse.place` gives: a scalar in a register, or a colour.

    ```mlir
    wse.param @in : !wse.color
    wse.param @n : i16 = 8
    ```
    C1: it is an i16, i32, f16, f32 or a colour; only a scalar has a default.
    """

    name = "wse.param"

    sym_name = prop_def(SymbolNameConstraint())
    kind = prop_def(TypeAttribute)
    value = opt_prop_def(ScalarConstraint)

    custom_directives = (Typed,)
    assembly_format = "$sym_name custom<Typed>($kind, $value) attr-dict"
    traits = traits_def(SymbolOpInterface())

    def __init__(self, name: str, kind: Attribute, value: Attribute | None = None):
        super().__init__(properties={"sym_name": StringAttr(name), "kind": kind, "value": value})

    def verify_(self) -> None:
        kind = self.kind
        self.require(
            "C1",
            is_scalar(kind) or isinstance(kind, ColorType),
            f"{kind} is no type of a parameter",
        )
        if self.value is not None:
            self.require("C1", self.value.type == kind, f"its default is a {self.value.type}")


@irdl_op_definition
class BufferOp(WseOp):
    """An array in the PE's memory; the host reads and writes it by name when it is exported.

    Buffers lie one after another as they are declared, 2-byte aligned, or at the next multiple of
    `align` plus `offset` bytes, or at `address`. The bank of a 32-bit word is its address mod 8.

    ```mlir
    wse.buffer @y align 16 export : memref<28xf32> = dense<0.0>
    wse.buffer @a align 16 offset 4 : memref<25x28xf32>
    ```
    C1: it is a memref of static shape and of i16, i32, f16 or f32. C2: align is a power of two, 2 or
    more, offset and address are not negative. C3: an address excludes align and offset. C4: initial values
    are of its shape and element type.
    """

    name = "wse.buffer"

    sym_name = prop_def(SymbolNameConstraint())
    address = opt_prop_def(INTEGER)
    align = opt_prop_def(INTEGER)
    offset = opt_prop_def(INTEGER)
    export = opt_prop_def(UnitAttr)
    kind = prop_def(BaseAttr(MemRefType))
    value = opt_prop_def(DenseIntOrFPElementsAttr)

    custom_directives = (Typed,)
    assembly_format = (
        "$sym_name (`address` $address^)? (`align` $align^)? (`offset` $offset^)? "
        "(`export` $export^)? custom<Typed>($kind, $value) attr-dict"
    )
    traits = traits_def(SymbolOpInterface())

    def __init__(
        self, name: str, kind: MemRefType[Any], *, value: Attribute | None = None,
        align: int | None = None, offset: int | None = None, address: int | None = None,
        export: bool = False,
    ):  # fmt: skip
        super().__init__(
            properties={
                "sym_name": StringAttr(name),
                "kind": kind,
                "value": value,
                "align": integer(align),
                "offset": integer(offset),
                "address": integer(address),
                "export": flag(export),
            }
        )

    @property
    def buffer_type(self) -> MemRefType[Any]:
        """Its type."""
        return cast("MemRefType[Any]", self.kind)

    @property
    def element_bytes(self) -> int:
        """Bytes of an element: 2 or 4."""
        return bits_of(self.buffer_type.element_type) // 8

    @property
    def count(self) -> int:
        """Elements."""
        return self.buffer_type.element_count()

    @property
    def bytes(self) -> int:
        """Bytes of all elements."""
        return self.count * self.element_bytes

    def verify_(self) -> None:
        kind = self.buffer_type
        self.require(
            "C1",
            is_scalar(kind.element_type) and DYNAMIC not in kind.get_shape(),
            f"{kind} is no buffer of a PE",
        )
        align, numbers = number(self.align, 2), (number(self.offset), number(self.address))
        self.require("C2", align >= 2 and align & align - 1 == 0, f"align is {align}")
        self.require("C2", min(numbers) >= 0, f"a place of {min(numbers)} bytes is negative")
        placed = self.align is not None or self.offset is not None
        self.require(
            "C3", self.address is None or not placed, "has an address and an align or offset"
        )
        if self.value is not None:
            same = (self.value.get_shape(), self.value.get_element_type())
            fits = same == (kind.get_shape(), kind.element_type)
            self.require("C4", fits, f"its values are {self.value.type}")


@irdl_op_definition
class VarOp(WseOp):
    """A scalar of a tile that keeps its value from task to task, in a register.

    ```mlir
    wse.var @count : i32 = 0
    ```
    C1: it is an i16, i32, f16 or f32, and its initial value (0 by default) one of these.
    """

    name = "wse.var"

    sym_name = prop_def(SymbolNameConstraint())
    kind = prop_def(TypeAttribute)
    value = opt_prop_def(ScalarConstraint)

    custom_directives = (Typed,)
    assembly_format = "$sym_name custom<Typed>($kind, $value) attr-dict"
    traits = traits_def(SymbolOpInterface())

    def __init__(self, name: str, kind: Attribute, value: Attribute | None = None):
        super().__init__(properties={"sym_name": StringAttr(name), "kind": kind, "value": value})

    def verify_(self) -> None:
        self.require("C1", is_scalar(self.kind), f"{self.kind} does not fit a register")
        if self.value is not None:
            self.require("C1", self.value.type == self.kind, f"its value is a {self.value.type}")


@irdl_op_definition
class GetOp(WseOp):
    """The value of a variable or parameter; reading a register costs nothing.

    ```mlir
    %n = wse.get @count : i32
    ```
    C1: it is a variable or a scalar parameter of the tile, of that type.
    """

    name = "wse.get"

    var = prop_def(SymbolRefAttr)
    result = result_def()

    assembly_format = "$var attr-dict `:` type($result)"
    traits = traits_def(MemoryReadEffect())

    def __init__(self, var: str, kind: Attribute):
        super().__init__(properties={"var": SymbolRefAttr(var)}, result_types=[kind])

    def check(self, scope: Scope) -> None:
        op = self.found("C1", scope, self.var, "variable", VarOp, ParamOp)
        self.require("C1", op.kind == self.result.type, f"{self.var} is a {op.kind}")


@irdl_op_definition
class SetOp(WseOp):
    """Gives a variable a value. What computes the value does so in the variable's register.

    ```mlir
    wse.set @count, %n : i32
    ```
    C1: it is a variable of the tile, of that type.
    """

    name = "wse.set"

    var = prop_def(SymbolRefAttr)
    value = operand_def()

    assembly_format = "$var `,` $value attr-dict `:` type($value)"
    traits = traits_def(MemoryWriteEffect())

    def __init__(self, var: str, value: SSAValue):
        super().__init__(operands=[value], properties={"var": SymbolRefAttr(var)})

    def check(self, scope: Scope) -> None:
        op = self.found("C1", scope, self.var, "variable", VarOp)
        self.require("C1", op.kind == self.value.type, f"{self.var} is a {op.kind}")


@irdl_op_definition
class GetBufferOp(WseOp):
    """A buffer as a value, for `memref.load` and `memref.store`; it costs nothing by itself.

    ```mlir
    %a = wse.get_buffer @a : memref<25x28xf32>
    ```
    C1: it is a buffer of the tile, of that type.
    """

    name = "wse.get_buffer"

    buffer = prop_def(SymbolRefAttr)
    result = result_def(BaseAttr(MemRefType))

    assembly_format = "$buffer attr-dict `:` type($result)"
    traits = traits_def(Pure())

    def __init__(self, buffer: str, kind: MemRefType[Any]):
        super().__init__(properties={"buffer": SymbolRefAttr(buffer)}, result_types=[kind])

    def check(self, scope: Scope) -> None:
        op = self.found("C1", scope, self.buffer, "buffer", BufferOp)
        self.require("C1", op.kind == self.result.type, f"{self.buffer} is a {op.kind}")


OPS = (TileOp, ParamOp, BufferOp, VarOp, GetOp, SetOp, GetBufferOp)
"""The ops of this module."""

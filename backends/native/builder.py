"""Writes functions in xDSL's `llvm` dialect: arithmetic on addresses, vectors, and loops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from xdsl.dialects import llvm
from xdsl.dialects.builtin import (
    DenseArrayBase,
    DenseIntOrFPElementsAttr,
    IntegerAttr,
    VectorType,
    f32,
    i1,
    i8,
    i32,
    i64,
)
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue

POINTER = llvm.LLVMPointerType()
Values = Sequence[SSAValue]


class Builder:
    """Appends ops to one function, block after block."""

    def __init__(self, name: str, kinds: Sequence[Attribute], *, public: bool = False) -> None:
        self._block = Block(arg_types=kinds)
        self._region = Region(self._block)
        self._constants: dict[tuple[float, Attribute], SSAValue] = {}
        self._entry = self._block
        self.arguments: tuple[SSAValue, ...] = tuple(self._block.args)
        kind = llvm.LLVMFunctionType(list(kinds), llvm.LLVMVoidType())
        linkage = llvm.LinkageAttr("external" if public else "internal")
        self.function = llvm.FuncOp(name, kind, linkage, body=self._region)

    def add(self, op: Operation) -> SSAValue:
        """Append an op; its result."""
        self._block.add_op(op)
        return op.results[0]

    def do(self, op: Operation) -> None:
        """Append an op without a result."""
        self._block.add_op(op)

    def integer(self, value: int, kind: Any = i64) -> SSAValue:
        """A constant, which stands at the top of the function."""
        key = (value, kind)
        if key not in self._constants:
            op = llvm.ConstantOp(IntegerAttr(value, kind), kind)
            self._at_top(op)
            self._constants[key] = op.result
        return self._constants[key]

    def _at_top(self, op: Operation) -> None:
        first = self._entry.first_op
        if first is None:
            self._entry.add_op(op)
        else:
            self._entry.insert_op_before(op, first)

    def splat(self, value: float, lanes: int) -> SSAValue:
        """A vector of one f32 constant, which stands at the top of the function."""
        kind = VectorType(f32, [lanes])
        if (value, kind) not in self._constants:
            op = llvm.ConstantOp(DenseIntOrFPElementsAttr.from_list(kind, [value]), kind)
            self._at_top(op)
            self._constants[value, kind] = op.result
        return self._constants[value, kind]

    def plus(self, a: SSAValue, b: SSAValue | int) -> SSAValue:
        """a + b."""
        return self.add(llvm.AddOp(a, self._value(b)))

    def minus(self, a: SSAValue, b: SSAValue | int) -> SSAValue:
        """a - b."""
        return self.add(llvm.SubOp(a, self._value(b)))

    def times(self, a: SSAValue, b: SSAValue | int) -> SSAValue:
        """a * b."""
        return self.add(llvm.MulOp(a, self._value(b)))

    def shifted(self, a: SSAValue, bits: int) -> SSAValue:
        """a >> bits, of what is not negative."""
        return self.add(llvm.LShrOp(a, self.integer(bits)))

    def masked(self, a: SSAValue, mask: int) -> SSAValue:
        """a & mask."""
        return self.add(llvm.AndOp(a, self.integer(mask)))

    def compare(self, how: str, a: SSAValue, b: SSAValue | int) -> SSAValue:
        """Whether a and b compare so: "eq", "slt", "sge", …"""
        predicate = llvm.ICmpPredicateFlag(how).to_int()
        return self.add(llvm.ICmpOp(a, self._value(b), IntegerAttr(predicate, i64)))

    def _value(self, value: SSAValue | int) -> SSAValue:
        return self.integer(value) if isinstance(value, int) else value

    def at(self, pointer: SSAValue, offset: SSAValue | int) -> SSAValue:
        """The address so many bytes on."""
        if isinstance(offset, int) and offset == 0:
            return pointer
        return self.add(llvm.GEPOp.from_mixed_indices(pointer, [offset], i8))

    def load(self, pointer: SSAValue, kind: Attribute, alignment: int) -> SSAValue:
        """What lies at an address."""
        return self.add(llvm.LoadOp(pointer, kind, alignment))

    def load_vector(self, pointer: SSAValue, lanes: int) -> SSAValue:
        """As many f32 as there are lanes."""
        return self.load(pointer, VectorType(f32, [lanes]), 4)

    def store(self, value: SSAValue, pointer: SSAValue) -> None:
        """Put f32 down."""
        self.do(llvm.StoreOp(value, pointer, 4))

    def lanes_below(self, count: SSAValue, lanes: int) -> SSAValue:
        """A mask of the first `count` lanes; none if that is negative, all if there are not more."""
        zero = self.integer(0)
        counted = self.call("llvm.smax.i64", [count, zero], i64)
        name = f"llvm.get.active.lane.mask.v{lanes}i1.i64"
        return self.call(name, [zero, counted], VectorType(i1, [lanes]))

    def prefetch(self, pointer: SSAValue) -> None:
        """Have a line brought to the second cache, if the address is any."""
        numbers = [self.integer(value, i32) for value in (0, 2, 1)]
        self.do(llvm.CallIntrinsicOp("llvm.prefetch.p0", [pointer, *numbers], []))

    def load_some(self, pointer: SSAValue, mask: SSAValue, lanes: int) -> SSAValue:
        """f32 where the mask says so, zeros elsewhere, where nothing is read."""
        kind = VectorType(f32, [lanes])
        name = f"llvm.masked.load.v{lanes}f32.p0"
        return self.call(name, [pointer, self.integer(4, i32), mask, self.splat(0.0, lanes)], kind)

    def store_some(self, value: SSAValue, pointer: SSAValue, mask: SSAValue) -> None:
        """Put f32 down where the mask says so."""
        self.do(llvm.MaskedStoreOp(value, pointer, mask, 4))

    def call(self, intrinsic: str, values: Values, kind: Attribute) -> SSAValue:
        """What an intrinsic of LLVM returns."""
        return self.add(llvm.CallIntrinsicOp(intrinsic, list(values), [kind]))

    def broadcast(self, pointer: SSAValue, lanes: int) -> SSAValue:
        """One f32 in all lanes."""
        vector = self.add(llvm.UndefOp(VectorType(f32, [lanes])))
        first = llvm.InsertElementOp(vector, self.load(pointer, f32, 4), self.integer(0, i32))
        self.do(first)
        mask = DenseArrayBase.from_list(i32, [0] * lanes)
        shuffle = llvm.ShuffleVectorOp(first.res, first.res, mask, VectorType(f32, [lanes]))
        return self.add(shuffle)

    def multiply_add(self, a: SSAValue, b: SSAValue, c: SSAValue, fused: bool) -> SSAValue:
        """a * b + c, rounded once if `fused`."""
        if fused:
            return self.add(llvm.FMAOp(a, b, c))
        return self.add(llvm.FAddOp(c, self.add(llvm.FMulOp(a, b))))

    def add_floats(self, a: SSAValue, b: SSAValue) -> SSAValue:
        """a + b."""
        return self.add(llvm.FAddOp(a, b))

    def larger(self, a: SSAValue, b: SSAValue) -> SSAValue:
        """The larger in each lane; NaN if one is."""
        return self.call(f"llvm.maximum.{_suffix(a)}", [a, b], a.type)

    def smaller(self, a: SSAValue, b: SSAValue) -> SSAValue:
        """The smaller in each lane; NaN if one is."""
        return self.call(f"llvm.minimum.{_suffix(a)}", [a, b], a.type)

    def loop(
        self, count: SSAValue, carried: Values, body: Callable[[tuple[SSAValue, ...]], Values]
    ) -> tuple[SSAValue, ...]:
        """Run `body` `count` times on what it returned the last time; what it returned in the end."""
        kinds = [value.type for value in carried]
        inside, after = Block(arg_types=[i64, *kinds]), Block(arg_types=kinds)
        some = self.compare("sgt", count, 0)
        self.do(llvm.CondBrOp(some, inside, [count, *carried], after, list(carried)))
        self._enter(inside)
        left, *values = inside.args
        results = body(tuple(values))
        left = self.minus(left, 1)
        more = self.compare("sgt", left, 0)
        self.do(llvm.CondBrOp(more, inside, [left, *results], after, list(results)))
        self._enter(after)
        return tuple(after.args)

    def either(
        self,
        condition: SSAValue,
        then: Callable[[], Values],
        otherwise: Callable[[], Values],
        kinds: Sequence[Attribute] = (),
    ) -> tuple[SSAValue, ...]:
        """What one of two branches returns."""
        yes, no, after = Block(), Block(), Block(arg_types=kinds)
        self.do(llvm.CondBrOp(condition, yes, [], no, []))
        for block, branch in ((yes, then), (no, otherwise)):
            self._enter(block)
            self.do(llvm.BrOp(after, *branch()))
        self._enter(after)
        return tuple(after.args)

    def _enter(self, block: Block) -> None:
        self._region.add_block(block)
        self._block = block

    def call_function(self, name: str, values: Values) -> None:
        """Call a function of the same module that returns nothing."""
        self.do(llvm.CallOp(name, *values))

    def finish(self) -> llvm.FuncOp:
        """End the function."""
        self.do(llvm.ReturnOp())
        return self.function


def _suffix(value: SSAValue) -> str:
    """What the name of an intrinsic on vectors of f32 ends with."""
    kind = value.type
    assert isinstance(kind, VectorType)
    return f"v{kind.get_shape()[0]}f32"

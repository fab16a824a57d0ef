"""Writes functions in xDSL's `llvm` dialect: arithmetic on addresses, vectors of f32, and loops."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, cast

from xdsl.dialects import llvm
from xdsl.dialects.builtin import (
    DenseArrayBase,
    DenseIntOrFPElementsAttr,
    FloatAttr,
    IntegerAttr,
    StringAttr,
    VectorType,
    f32,
    i1,
    i8,
    i32,
    i64,
)
from xdsl.dialects.utils import FastMathFlag
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue

POINTER = llvm.LLVMPointerType()
Values = Sequence[SSAValue]

_NO_FLAGS: Mapping[str, Attribute] = {"fastmathFlags": llvm.FastMathAttr(None)}
_NO_NAN: Mapping[str, Attribute] = {"fastmathFlags": llvm.FastMathAttr([FastMathFlag.NO_NANS])}
_ANY_ORDER: Mapping[str, Attribute] = {"fastmathFlags": llvm.FastMathAttr([FastMathFlag.REASSOC])}
_NO_OVERFLOW: Mapping[str, Attribute] = {"overflowFlags": IntegerAttr(0, i32)}


@cache
def vector_of(lanes: int, element: Attribute = f32) -> VectorType[Any]:
    """The type of a vector."""
    return VectorType(element, [lanes])


class Builder:
    """Appends ops to one function, block after block.

    Ops are made by `create`, which is several times faster than their constructors: what a kernel takes
    to compile is, for the most part, what its thousands of ops take to be made.
    """

    def __init__(
        self, name: str, kinds: Sequence[Attribute], *, public: bool = False, fused: bool = True
    ) -> None:
        self._block = Block(arg_types=kinds)
        self._region = Region(self._block)
        self._constants: dict[tuple[Any, Attribute], SSAValue] = {}
        self._entry = self._block
        self.fused = fused
        """Whether the processor multiplies and adds at once."""
        self.arguments: tuple[SSAValue, ...] = tuple(self._block.args)
        kind = llvm.LLVMFunctionType(list(kinds), llvm.LLVMVoidType())
        linkage = llvm.LinkageAttr("external" if public else "internal")
        self.function = llvm.FuncOp(name, kind, linkage, body=self._region)

    # Ops and constants.

    def add(
        self,
        op: type[Operation],
        operands: Values,
        kind: Attribute,
        properties: Mapping[str, Attribute] = _NO_FLAGS,
    ) -> SSAValue:
        """Append an op; its result."""
        made = op.create(operands=operands, result_types=(kind,), properties=dict(properties))
        self._block.add_op(made)
        return made.results[0]

    def do(self, op: Operation) -> None:
        """Append an op without a result."""
        self._block.add_op(op)

    def integer(self, value: int, kind: Any = i64) -> SSAValue:
        """A constant, which stands at the top of the function."""
        return self._constant((value, kind), lambda: _integer(value, kind))

    def float(self, value: float) -> SSAValue:
        """An f32."""
        return self._constant((str(value), f32), lambda: FloatAttr(value, f32))

    def splat(self, value: float, lanes: int) -> SSAValue:
        """A vector of one f32 constant."""
        kind = vector_of(lanes)
        # -0.0 == 0.0, and yet they are two.
        key = (str(value), kind)
        return self._constant(key, lambda: DenseIntOrFPElementsAttr.from_list(kind, [value]))

    def splat_integer(self, value: int, lanes: int) -> SSAValue:
        """A vector of one i32 constant."""
        kind = vector_of(lanes, i32)
        return self._constant(
            (value, kind), lambda: DenseIntOrFPElementsAttr.from_list(kind, [value])
        )

    def poison(self, kind: Attribute) -> SSAValue:
        """Any value at all."""
        if ("poison", kind) not in self._constants:
            self._constants["poison", kind] = self._at_top(llvm.UndefOp(kind))
        return self._constants["poison", kind]

    def null(self) -> SSAValue:
        """The address of nothing."""
        if ("null", POINTER) not in self._constants:
            self._constants["null", POINTER] = self._at_top(llvm.ZeroOp(result_types=[POINTER]))
        return self._constants["null", POINTER]

    def _constant(self, key: tuple[Any, Attribute], make: Callable[[], Attribute]) -> SSAValue:
        found = self._constants.get(key)
        if found is None:
            op = llvm.ConstantOp.create(result_types=(key[1],), properties={"value": make()})
            found = self._constants[key] = self._at_top(op)
        return found

    def _at_top(self, op: Operation) -> SSAValue:
        first = self._entry.first_op
        if first is None:
            self._entry.add_op(op)
        else:
            self._entry.insert_op_before(op, first)
        return op.results[0]

    # Integers.

    def plus(self, a: SSAValue, b: SSAValue | int) -> SSAValue:
        """a + b."""
        return self.add(llvm.AddOp, (a, self._value(b)), a.type, _NO_OVERFLOW)

    def minus(self, a: SSAValue | int, b: SSAValue | int) -> SSAValue:
        """a - b."""
        a = self._value(a)
        return self.add(llvm.SubOp, (a, self._value(b)), a.type, _NO_OVERFLOW)

    def times(self, a: SSAValue, b: SSAValue | int) -> SSAValue:
        """a * b."""
        if isinstance(b, int) and b == 1:
            return a
        return self.add(llvm.MulOp, (a, self._value(b)), a.type, _NO_OVERFLOW)

    def shifted(self, a: SSAValue, bits: int) -> SSAValue:
        """a >> bits, of what is not negative."""
        return self.add(llvm.LShrOp, (a, self.integer(bits)), a.type, {}) if bits else a

    def masked(self, a: SSAValue, mask: int) -> SSAValue:
        """a & mask."""
        return self.add(llvm.AndOp, (a, self.integer(mask)), a.type, {})

    def bits_of_both(self, a: SSAValue, b: SSAValue) -> SSAValue:
        """a | b."""
        return self.add(llvm.OrOp, (a, b), a.type, {})

    def smallest(self, a: SSAValue, b: SSAValue | int) -> SSAValue:
        """The smaller of two i64."""
        return self.call("llvm.smin.i64", (a, self._value(b)), i64)

    def largest(self, a: SSAValue, b: SSAValue | int) -> SSAValue:
        """The larger of two i64."""
        return self.call("llvm.smax.i64", (a, self._value(b)), i64)

    def compare(self, how: str, a: SSAValue, b: SSAValue | int) -> SSAValue:
        """Whether a and b compare so: "eq", "slt", "sge", …"""
        predicate = _integer(llvm.ICmpPredicateFlag(how).to_int())
        return self.add(llvm.ICmpOp, (a, self._value(b)), i1, {"predicate": predicate})

    def compare_integers(self, how: str, a: SSAValue, b: SSAValue) -> SSAValue:
        """Whether lanes of integers compare so."""
        predicate = _integer(llvm.ICmpPredicateFlag(how).to_int())
        lanes = cast("VectorType[Any]", a.type).get_shape()[0]
        return self.add(llvm.ICmpOp, (a, b), vector_of(lanes, i1), {"predicate": predicate})

    def compare_floats(self, how: str, a: SSAValue, b: SSAValue) -> SSAValue:
        """Whether two f32 compare so: "oeq", "olt", …"""
        predicate = _integer(llvm.FCmpPredicateFlag(how).to_int())
        return self.add(llvm.FCmpOp, (a, b), i1, {"predicate": predicate, **_NO_FLAGS})

    def compare_lanes(self, how: str, a: SSAValue, b: SSAValue) -> SSAValue:
        """As `compare_floats`, of each lane of two vectors: a mask."""
        predicate = _integer(llvm.FCmpPredicateFlag(how).to_int())
        kind = vector_of(cast("VectorType[Any]", a.type).get_shape()[0], i1)
        return self.add(llvm.FCmpOp, (a, b), kind, {"predicate": predicate, **_NO_FLAGS})

    def exclusive(self, a: SSAValue, b: SSAValue) -> SSAValue:
        """Bits that differ."""
        return self.add(llvm.XOrOp, (a, b), a.type, {})

    def bits_of_all(self, a: SSAValue, b: SSAValue) -> SSAValue:
        """a & b."""
        return self.add(llvm.AndOp, (a, b), a.type, {})

    def choose(self, condition: SSAValue, a: SSAValue, b: SSAValue) -> SSAValue:
        """a if the condition holds, else b."""
        return self.add(llvm.SelectOp, (condition, a, b), a.type)

    def _value(self, value: SSAValue | int) -> SSAValue:
        return self.integer(value) if isinstance(value, int) else value

    # Memory.

    def at(self, pointer: SSAValue, offset: SSAValue | int) -> SSAValue:
        """The address so many bytes on."""
        if isinstance(offset, int):
            if offset == 0:
                return pointer
            return self.add(llvm.GEPOp, (pointer,), POINTER, _offset(offset))
        return self.add(llvm.GEPOp, (pointer, offset), POINTER, _offset(llvm.GEP_USE_SSA_VAL))

    def room(self, size: int, alignment: int) -> SSAValue:
        """So many bytes that are the function's own until it ends; asked for where it begins."""
        properties = {"elem_type": i8, "alignment": IntegerAttr(alignment, i64)}
        return self.add(llvm.AllocaOp, (self.integer(size),), POINTER, properties)

    def number_of(self, pointer: SSAValue) -> SSAValue:
        """An address as a number."""
        return self.add(llvm.PtrToIntOp, (pointer,), i64, {})

    def load(self, pointer: SSAValue, kind: Attribute, alignment: int) -> SSAValue:
        """What lies at an address."""
        return self.add(llvm.LoadOp, (pointer,), kind, _aligned(alignment))

    def load_vector(
        self,
        pointer: SSAValue,
        lanes: int,
        mask: SSAValue | None = None,
        otherwise: SSAValue | None = None,
    ) -> SSAValue:
        """As many f32 as there are lanes; where a mask says no, nothing is read, but a zero found, or
        what is there `otherwise`."""
        kind = vector_of(lanes)
        if mask is None:
            return self.load(pointer, kind, 4)
        otherwise = self.splat(0.0, lanes) if otherwise is None else otherwise
        given = (pointer, self.integer(4, i32), mask, otherwise)
        return self.call(f"llvm.masked.load.v{lanes}f32.p0", given, kind)

    def store(
        self,
        value: SSAValue,
        pointer: SSAValue,
        mask: SSAValue | None = None,
        alignment: int = 4,
    ) -> None:
        """Put f32, or elements of another size, down, all or where the mask says so."""
        if mask is None:
            operands = (value, pointer)
            self.do(llvm.StoreOp.create(operands=operands, properties=dict(_aligned(alignment))))
            return
        given = (value, pointer, self.integer(alignment, i32), mask)
        self.run(f"llvm.masked.store.{suffix(value)}.p0", given)

    def store_number(self, value: SSAValue, pointer: SSAValue) -> None:
        """Put an i64 down."""
        self.do(llvm.StoreOp.create(operands=(value, pointer), properties=dict(_aligned(8))))

    def load_flags(self, pointer: SSAValue, lanes: int, mask: SSAValue | None = None) -> SSAValue:
        """A mask of as many booleans as there are lanes, a byte each."""
        kind = vector_of(lanes, i8)
        nothing = self.add_zeros(kind)
        if mask is None:
            found = self.load(pointer, kind, 1)
        else:
            given = (pointer, self.integer(1, i32), mask, nothing)
            found = self.call(f"llvm.masked.load.v{lanes}i8.p0", given, kind)
        predicate = _integer(llvm.ICmpPredicateFlag("ne").to_int())
        flags = vector_of(lanes, i1)
        return self.add(llvm.ICmpOp, (found, nothing), flags, {"predicate": predicate})

    def load_numbers(
        self, pointer: SSAValue, lanes: int, bits: int, mask: SSAValue | None = None
    ) -> SSAValue:
        """As many integers of 32 or 64 bits as there are lanes, as f32."""
        kind = vector_of(lanes, i64 if bits == 64 else i32)
        if mask is None:
            found = self.load(pointer, kind, bits // 8)
        else:
            given = (pointer, self.integer(bits // 8, i32), mask, self.add_zeros(kind))
            found = self.call(f"llvm.masked.load.v{lanes}i{bits}.p0", given, kind)
        return self.add(llvm.SIToFPOp, (found,), vector_of(lanes), {})

    def store_flags(self, flags: SSAValue, pointer: SSAValue, mask: SSAValue | None = None) -> None:
        """Put a mask down as booleans."""
        lanes = cast("VectorType[Any]", flags.type).get_shape()[0]
        value = self.add(llvm.ZExtOp, (flags,), vector_of(lanes, i8), {})
        if mask is None:
            operands = (value, pointer)
            self.do(llvm.StoreOp.create(operands=operands, properties=dict(_aligned(1))))
            return
        given = (value, pointer, self.integer(1, i32), mask)
        self.run(f"llvm.masked.store.v{lanes}i8.p0", given)

    def add_zeros(self, kind: Attribute) -> SSAValue:
        """Zeros of a type, which stand at the top of the function."""
        if ("zeros", kind) not in self._constants:
            zeros = llvm.ZeroOp(result_types=[cast(Any, kind)])
            self._constants["zeros", kind] = self._at_top(zeros)
        return self._constants["zeros", kind]

    def lanes_below(self, count: SSAValue, lanes: int) -> SSAValue:
        """A mask of the first `count` lanes; none if that is negative, all if there are not more."""
        counted = self.largest(count, 0)
        name = f"llvm.get.active.lane.mask.v{lanes}i1.i64"
        return self.call(name, (self.integer(0), counted), vector_of(lanes, i1))

    def prefetch(self, pointer: SSAValue) -> None:
        """Have a line brought to the second cache, if the address is any."""
        self.run("llvm.prefetch.p0", (pointer, *(self.integer(value, i32) for value in (0, 2, 1))))

    def broadcast(self, pointer: SSAValue, lanes: int) -> SSAValue:
        """One f32 of memory in all lanes."""
        return self.spread(self.load(pointer, f32, 4), lanes)

    def spread(self, value: SSAValue, lanes: int) -> SSAValue:
        """One number in all lanes."""
        kind = vector_of(lanes, value.type)
        given = (self.poison(kind), value, self.integer(0, i32))
        first = self.add(llvm.InsertElementOp, given, kind, {})
        return self.add(llvm.ShuffleVectorOp, (first, first), kind, _zeros(lanes))

    def picked(self, a: SSAValue, b: SSAValue, lanes: Sequence[int]) -> SSAValue:
        """Lanes of two vectors, those of the second counted after those of the first."""
        mask = {"mask": DenseArrayBase.from_list(i32, list(lanes))}
        return self.add(llvm.ShuffleVectorOp, (a, b), a.type, mask)

    # Floats.

    def multiply_add(self, a: SSAValue, b: SSAValue, c: SSAValue) -> SSAValue:
        """a * b + c, rounded once if the processor does both at once."""
        if self.fused:
            return self.add(llvm.FMAOp, (a, b, c), a.type)
        return self.add_floats(self.multiply(a, b), c)

    def add_floats(self, a: SSAValue, b: SSAValue) -> SSAValue:
        """a + b."""
        return self.add(llvm.FAddOp, (a, b), a.type)

    def subtract(self, a: SSAValue, b: SSAValue) -> SSAValue:
        """a - b."""
        return self.add(llvm.FSubOp, (a, b), a.type)

    def multiply(self, a: SSAValue, b: SSAValue) -> SSAValue:
        """a * b."""
        return self.add(llvm.FMulOp, (a, b), a.type)

    def divide(self, a: SSAValue, b: SSAValue) -> SSAValue:
        """a / b."""
        return self.add(llvm.FDivOp, (a, b), a.type)

    def larger(self, a: SSAValue, b: SSAValue) -> SSAValue:
        """The larger in each lane; NaN if one is."""
        return self.call(f"llvm.maximum.{suffix(a)}", (a, b), a.type)

    def smaller(self, a: SSAValue, b: SSAValue) -> SSAValue:
        """The smaller in each lane; NaN if one is."""
        return self.call(f"llvm.minimum.{suffix(a)}", (a, b), a.type)

    def unary(self, name: str, a: SSAValue) -> SSAValue:
        """An intrinsic of one vector: "sqrt", "fabs", "floor", …"""
        return self.call(f"llvm.{name}.{suffix(a)}", (a,), a.type)

    def total(self, a: SSAValue) -> SSAValue:
        """The sum of all lanes, in any order."""
        name = f"llvm.vector.reduce.fadd.{suffix(a)}"
        return self.call(name, (self.float(-0.0), a), f32, _ANY_ORDER)

    def largest_lane(self, a: SSAValue) -> SSAValue:
        """The largest of all lanes; NaN if one is."""
        return self.call(f"llvm.vector.reduce.fmaximum.{suffix(a)}", (a,), f32)

    def largest_number(self, a: SSAValue) -> SSAValue:
        """The largest of all lanes, of which none is NaN."""
        name = f"llvm.vector.reduce.fmax.{suffix(a)}"
        return self.call(name, (a,), f32, _NO_NAN)

    def smallest_lane(self, a: SSAValue) -> SSAValue:
        """The smallest of all lanes; NaN if one is."""
        return self.call(f"llvm.vector.reduce.fminimum.{suffix(a)}", (a,), f32)

    def product(self, a: SSAValue) -> SSAValue:
        """The product of all lanes, in any order."""
        name = f"llvm.vector.reduce.fmul.{suffix(a)}"
        return self.call(name, (self.float(1.0), a), f32, _ANY_ORDER)

    def cast(self, a: SSAValue, kind: Attribute) -> SSAValue:
        """The same bits as another type."""
        return self.add(llvm.BitcastOp, (a,), kind, {})

    # Calls.

    def call(
        self,
        intrinsic: str,
        values: Values,
        kind: Attribute,
        flags: Mapping[str, Attribute] = _NO_FLAGS,
    ) -> SSAValue:
        """What an intrinsic of LLVM returns."""
        return self.add(
            llvm.CallIntrinsicOp, values, kind, _intrinsic(intrinsic, len(values), flags)
        )

    def run(self, intrinsic: str, values: Values) -> None:
        """Call an intrinsic that returns nothing."""
        properties = dict(_intrinsic(intrinsic, len(values), _NO_FLAGS))
        self.do(llvm.CallIntrinsicOp.create(operands=values, properties=properties))

    def call_function(self, name: str, values: Values) -> None:
        """Call a function of the same module that returns nothing."""
        self.do(llvm.CallOp(name, *values))

    def call_address(self, address: SSAValue, values: Values) -> None:
        """Call the function of these values at an address, which returns nothing."""
        kind = llvm.LLVMFunctionType([value.type for value in values], llvm.LLVMVoidType())
        op = llvm.CallOp("unknown", address, *values)
        del op.properties["callee"]
        op.properties["var_callee_type"] = kind
        self.do(op)

    def assembly(self, code: str, constraints: str, values: Values, kind: Attribute | None) -> Any:
        """What inline assembly returns; it may read and write memory."""
        kinds = [] if kind is None else [kind]
        op = llvm.InlineAsmOp(
            code,
            constraints,
            values,
            kinds,
            has_side_effects=True,
            tail_call_kind=llvm.TailCallKindAttr(llvm.TailCallKind.NONE),
        )
        self.do(op)
        return op.results[0] if op.results else None

    def hidden(self, value: SSAValue) -> SSAValue:
        """The same value, about which the compiler does not know anything."""
        return self.assembly("", "=r,0", (value,), value.type)

    # Control.

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

    def repeat_while(
        self, carried: Values, body: Callable[[tuple[SSAValue, ...]], tuple[SSAValue, Values]]
    ) -> tuple[SSAValue, ...]:
        """Run `body` at least once, as long as the condition that it returns first holds."""
        kinds = [value.type for value in carried]
        inside, after = Block(arg_types=kinds), Block(arg_types=kinds)
        self.do(llvm.BrOp(inside, *carried))
        self._enter(inside)
        more, results = body(tuple(inside.args))
        self.do(llvm.CondBrOp(more, inside, list(results), after, list(results)))
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

    def when(self, condition: SSAValue, then: Callable[[], Values], otherwise: Values) -> Values:
        """What a branch returns if the condition holds, else what was there before."""
        return self.either(condition, then, lambda: otherwise, [v.type for v in otherwise])

    def _enter(self, block: Block) -> None:
        self._region.add_block(block)
        self._block = block

    def finish(self) -> llvm.FuncOp:
        """End the function."""
        self.do(llvm.ReturnOp())
        return self.function


def suffix(value: SSAValue) -> str:
    """What the name of an intrinsic on a value ends with."""
    return suffix_of(value.type)


def suffix_of(kind: Attribute) -> str:
    """What the name of an intrinsic on a type ends with."""
    if isinstance(kind, VectorType):
        vector = cast("VectorType[Any]", kind)
        return f"v{vector.get_shape()[0]}{vector.element_type}"
    return str(kind)


@cache
def _offset(value: int) -> Mapping[str, Attribute]:
    return {
        "rawConstantIndices": DenseArrayBase.from_list(i32, [value]),
        "elem_type": i8,
        "noWrapFlags": IntegerAttr(0, i32),
    }


@cache
def _aligned(alignment: int) -> Mapping[str, Attribute]:
    return {"ordering": IntegerAttr(0, i64), "alignment": IntegerAttr(alignment, i64)}


@cache
def _zeros(lanes: int) -> Mapping[str, Attribute]:
    return {"mask": DenseArrayBase.from_list(i32, [0] * lanes)}


@cache
def _integer(value: int, kind: Any = i64) -> IntegerAttr[Any]:
    return IntegerAttr(value, kind)


def _intrinsic(name: str, count: int, flags: Mapping[str, Attribute]) -> Mapping[str, Attribute]:
    return {**flags, **_called(name, count)}


@cache
def _called(name: str, count: int) -> Mapping[str, Attribute]:
    return {
        "intrin": StringAttr(name),
        "op_bundle_sizes": DenseArrayBase.from_list(i32, ()),
        "operandSegmentSizes": DenseArrayBase.from_list(i32, (count, 0)),
    }

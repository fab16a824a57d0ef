"""Ops of the plan dialect.

Values are buffers (`memref`) and containers (sequences, optionals, maps). There are two storage
classes: buffers of static shape that the plan places itself (`plan.alloc`, and `plan.view` of the
arena after `plan-allocate`), written through the `into` operands of calls; and results that a call
owns and returns (`-> memref<?x…>`), whose shape is known at run time only. Strings and containers
are always owned. What leaves the function is a `plan.new` buffer or an owned result, never the
arena, an argument or a constant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self, cast

from xdsl.dialects import builtin
from xdsl.dialects.builtin import (
    DenseArrayBase,
    DictionaryAttr,
    IntegerAttr,
    LocationAttr,
    MemRefType,
    SymbolRefAttr,
    i64,
)
from xdsl.ir import Attribute, Operation, Region, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    BaseAttr,
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    region_def,
    result_def,
    traits_def,
    var_operand_def,
    var_region_def,
    var_result_def,
)
from xdsl.traits import (
    ConstantLike,
    IsTerminator,
    MemoryAllocEffect,
    Pure,
    RecursiveMemoryEffect,
)
from xdsl.utils.exceptions import VerifyException

from pyflame_rt.dialects.pfrt.containers import PlacedConstraint
from pyflame_rt.dialects.pfrt.data import ConstantConstraint
from pyflame_rt.dialects.pfrt.types import DYNAMIC, is_string, numpy_dtype
from pyflame_rt.dialects.plan.places import require_apart


def byte_size(buffer: Attribute) -> int:
    """Bytes of a buffer of static shape, laid out contiguously."""
    if not is_static(buffer):
        raise VerifyException(f"{buffer} has no static size")
    kind = cast("MemRefType[Any]", buffer)
    return kind.element_count() * numpy_dtype(kind.element_type).itemsize


def is_static(buffer: Attribute) -> bool:
    """Whether a plan can place a buffer: every dimension is known, and elements are no objects."""
    if not isinstance(buffer, MemRefType) or is_string(cast(Attribute, buffer)):
        return False
    return DYNAMIC not in buffer.get_shape()


def _require_static(op: Operation, value: SSAValue) -> None:
    if not is_static(value.type):
        raise VerifyException(f"{op.name}: C1: needs a static shape, got {value.type}")


@irdl_op_definition
class ConstantOp(IRDLOperation):
    """A read-only buffer of known values.

    ```mlir
    %w = plan.constant {value = dense<[1, 2]> : tensor<2xi64>} : memref<2xi64>
    ```
    """

    name = "plan.constant"

    value = prop_def(ConstantConstraint)
    result = result_def(BaseAttr(MemRefType))

    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "attr-dict `:` type($result)"
    traits = traits_def(ConstantLike(), Pure())

    def __init__(self, value: Attribute, kind: MemRefType[Any]):
        super().__init__(properties={"value": value}, result_types=[kind])


@irdl_op_definition
class AllocOp(IRDLOperation):
    """A buffer of unspecified contents that lives within one run and stays inside the plan.

    ```mlir
    %b = plan.alloc : memref<1x64x56x56xf32>
    ```
    C1: the shape is static.
    """

    name = "plan.alloc"

    buffer = result_def(BaseAttr(MemRefType))

    assembly_format = "attr-dict `:` type($buffer)"
    traits = traits_def(MemoryAllocEffect())

    def __init__(self, kind: MemRefType[Any]):
        super().__init__(result_types=[kind])

    def verify_(self) -> None:
        _require_static(self, self.buffer)


@irdl_op_definition
class NewOp(IRDLOperation):
    """A buffer of unspecified contents, fresh in every run, that leaves the plan.

    ```mlir
    %y = plan.new : memref<1x1000xf32>
    ```
    C1: the shape is static.
    """

    name = "plan.new"

    buffer = result_def(BaseAttr(MemRefType))

    assembly_format = "attr-dict `:` type($buffer)"
    traits = traits_def(MemoryAllocEffect())

    def __init__(self, kind: MemRefType[Any]):
        super().__init__(result_types=[kind])

    def verify_(self) -> None:
        _require_static(self, self.buffer)


@irdl_op_definition
class ArenaOp(IRDLOperation):
    """The block of bytes in which a function's buffers live; one per concurrent run, 64-byte aligned.

    ```mlir
    %arena = plan.arena : memref<802816xi8>
    ```
    """

    name = "plan.arena"

    arena = result_def(BaseAttr(MemRefType))

    assembly_format = "attr-dict `:` type($arena)"
    traits = traits_def(MemoryAllocEffect())

    def __init__(self, size: int):
        super().__init__(result_types=[MemRefType(builtin.i8, [size])])


@irdl_op_definition
class ViewOp(IRDLOperation):
    """A buffer at a byte offset of the arena.

    ```mlir
    %b = plan.view %arena[4096] : memref<802816xi8> -> memref<1x64x28x28xf32>
    ```
    C1: the shape is static. C2: the offset is a multiple of 64. C3: the buffer lies in the arena.
    """

    name = "plan.view"

    arena = operand_def(BaseAttr(MemRefType))
    offset = prop_def(IntegerAttr.constr(i64))
    buffer = result_def(BaseAttr(MemRefType))

    assembly_format = "$arena `[` $offset `]` attr-dict `:` type($arena) `->` type($buffer)"
    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(Pure())

    def __init__(self, arena: SSAValue, offset: int, kind: MemRefType[Any]):
        super().__init__(
            operands=[arena], properties={"offset": IntegerAttr(offset, i64)}, result_types=[kind]
        )

    def verify_(self) -> None:
        _require_static(self, self.buffer)
        offset = self.offset.value.data
        if offset % 64:
            raise VerifyException(f"{self.name}: C2: offset {offset} is not a multiple of 64")
        end, size = offset + byte_size(self.buffer.type), byte_size(self.arena.type)
        if not 0 <= offset <= end <= size:
            raise VerifyException(
                f"{self.name}: C3: bytes {offset}..{end} lie outside the arena of {size}"
            )


@irdl_op_definition
class ReshapeOp(IRDLOperation):
    """The same bytes under another shape; no copy.

    ```mlir
    %b = plan.reshape %a : memref<1x64x1x1xf32> -> memref<1x64xf32>
    ```
    C1: both shapes are static. C2: same element type and number of elements.
    """

    name = "plan.reshape"

    source = operand_def(BaseAttr(MemRefType))
    result = result_def(BaseAttr(MemRefType))

    assembly_format = "$source attr-dict `:` type($source) `->` type($result)"
    traits = traits_def(Pure())

    def __init__(self, source: SSAValue, kind: MemRefType[Any]):
        super().__init__(operands=[source], result_types=[kind])

    def verify_(self) -> None:
        _require_static(self, self.source)
        _require_static(self, self.result)
        source = cast("MemRefType[Any]", self.source.type)
        result = cast("MemRefType[Any]", self.result.type)
        if (
            source.element_type != result.element_type
            or source.element_count() != result.element_count()
        ):
            raise VerifyException(f"{self.name}: C2: {source} and {result} hold different elements")


@irdl_op_definition
class PartOp(IRDLOperation):
    """Some rows, columns, … of a buffer, from an offset along each axis on; no copy.

    They lie as far apart as they do in the buffer, so that only algorithms that say so take them,
    unless they happen to lie together.

    ```mlir
    %q = plan.part %qkv[0, 0, 768] : memref<1x8x2304xf32> -> memref<1x8x768xf32>
    ```
    C1: both shapes are static. C2: same element type and rank. C3: the part lies in the buffer.
    """

    name = "plan.part"

    source = operand_def(BaseAttr(MemRefType))
    offsets = prop_def(DenseArrayBase.constr(i64))
    result = result_def(BaseAttr(MemRefType))

    assembly_format = "$source `` $offsets attr-dict `:` type($source) `->` type($result)"
    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(Pure())

    def __init__(self, source: SSAValue, offsets: Sequence[int], kind: MemRefType[Any]):
        super().__init__(
            operands=[source],
            properties={"offsets": DenseArrayBase.from_list(i64, list(offsets))},
            result_types=[kind],
        )

    @property
    def index(self) -> tuple[slice, ...]:
        """What the part is of the buffer, as an array is indexed."""
        shape = cast("MemRefType[Any]", self.result.type).get_shape()
        pairs = zip(self.offsets.get_values(), shape, strict=True)
        return tuple(slice(int(offset), int(offset) + size) for offset, size in pairs)

    @property
    def is_contiguous(self) -> bool:
        """Whether the part lies together: it is whole but for one axis, with nothing around that."""
        return lies_together(
            cast("MemRefType[Any]", self.source.type).get_shape(),
            cast("MemRefType[Any]", self.result.type).get_shape(),
        )

    def verify_(self) -> None:
        _require_static(self, self.source)
        _require_static(self, self.result)
        source = cast("MemRefType[Any]", self.source.type)
        result = cast("MemRefType[Any]", self.result.type)
        ranks = {source.get_num_dims(), result.get_num_dims(), len(self.offsets.get_values())}
        if source.element_type != result.element_type or len(ranks) != 1:
            offsets = list(self.offsets.get_values())
            raise VerifyException(f"{self.name}: C2: {result} at {offsets} of {source}")
        for part, size in zip(self.index, source.get_shape(), strict=True):
            if not 0 <= part.start <= part.stop <= size:
                why = f"{part.start}..{part.stop} of a dimension of {size}"
                raise VerifyException(f"{self.name}: C3: {why}")


def lies_together(whole: Sequence[int], part: Sequence[int]) -> bool:
    """Whether a part of such a shape is a single run of a contiguous buffer of the other."""
    cut = [axis for axis, (a, b) in enumerate(zip(whole, part, strict=True)) if a != b]
    return not cut or all(size == 1 for size in part[: cut[-1]]) or 0 in part


@irdl_op_definition
class CallOp(IRDLOperation):
    """Runs an algorithm: on buffers it fills (`into`), or returning buffers it owns.

    With `into`, the callee is an algorithm of `dialects/plan/algorithms`, or a kernel whose
    result is copied. Returning owned results, it is the kernel of that name. `absent` lists the
    positions, among the callee's operands, of optional ones that are not given.

    ```mlir
    plan.call @conv_im2col(%x, %w) into(%y) scratch(%s) {params = {group = 1 : i64}, absent = array<i64: 2>}
      : (memref<…>, memref<…>) into(memref<…>) scratch(memref<…>)
    %n = plan.call @non_zero(%x) : (memref<4xf32>) -> memref<1x?xi64>
    ```
    C1: `into` and `scratch` buffers have static shapes. C2: a call has `into` buffers or owned
    results, not both. C3: `plan.shares`, the number of threads that may divide the work of a call
    in a run, is at least 1, of a call with owned results.
    """

    name = "plan.call"

    callee = prop_def(SymbolRefAttr)
    params = opt_prop_def(DictionaryAttr)
    absent = opt_prop_def(DenseArrayBase.constr(i64))
    inputs = var_operand_def(PlacedConstraint)
    into = var_operand_def(PlacedConstraint)
    scratch = var_operand_def(PlacedConstraint)
    owned = var_result_def(PlacedConstraint)

    irdl_options = (ParsePropInAttrDict(), AttrSizedOperandSegments(as_property=True))
    assembly_format = (
        "$callee `(` $inputs `)` (`into` `(` $into^ `)`)? (`scratch` `(` $scratch^ `)`)? attr-dict "
        "`:` `(` type($inputs) `)` (`into` `(` type($into)^ `)`)? "
        "(`scratch` `(` type($scratch)^ `)`)? (`->` type($owned)^)?"
    )

    def __init__(
        self,
        callee: str,
        inputs: Sequence[SSAValue | None],
        *,
        into: Sequence[SSAValue] = (),
        scratch: Sequence[SSAValue] = (),
        owned: Sequence[Attribute] = (),
        params: Mapping[str, Attribute] | None = None,
        location: LocationAttr | None = None,
    ):
        properties: dict[str, Attribute] = {"callee": SymbolRefAttr(callee)}
        if params:
            properties["params"] = DictionaryAttr(dict(params))
        if missing := [i for i, value in enumerate(inputs) if value is None]:
            properties["absent"] = DenseArrayBase.from_list(i64, missing)
        super().__init__(
            operands=[[v for v in inputs if v is not None], list(into), list(scratch)],
            properties=properties,
            result_types=[list(owned)],
        )
        if location is not None:
            self.location = location

    @property
    def algorithm(self) -> str:
        """The callee's name."""
        return self.callee.root_reference.data

    def slots(self) -> list[SSAValue | None]:
        """Inputs at the positions the callee takes them, None for absent ones."""
        slots: list[SSAValue | None] = list(self.inputs)
        for position in self.absent.get_values() if self.absent is not None else ():
            slots.insert(int(position), None)
        return slots

    @property
    def shares(self) -> int:
        """Between how many threads the call may divide its work by itself."""
        shares = self.attributes.get(SHARES)
        return int(shares.value.data) if isinstance(shares, IntegerAttr) else 1

    def verify_(self) -> None:
        for buffer in (*self.into, *self.scratch):
            _require_static(self, buffer)
        if self.into and self.owned:
            raise VerifyException(f"{self.name}: C2: has both `into` buffers and owned results")
        if SHARES in self.attributes and (self.shares < 1 or not self.owned):
            raise VerifyException(
                f"{self.name}: C3: {SHARES} is at least 1, of a call with owned results"
            )


@irdl_op_definition
class YieldOp(IRDLOperation):
    """Ends a region with the buffers that leave it: `plan.new` buffers or owned results.

    ```mlir
    plan.yield %y : memref<4xf32>
    ```
    """

    name = "plan.yield"

    values = var_operand_def(PlacedConstraint)

    assembly_format = "($values^ `:` type($values))? attr-dict"
    traits = traits_def(IsTerminator(), Pure())

    def __init__(self, values: Sequence[SSAValue]):
        super().__init__(operands=[values])


@irdl_op_definition
class IfOp(IRDLOperation):
    """Runs one of two regions; its results are owned.

    ```mlir
    %y = plan.if %c -> (memref<4xf32>) {
      plan.yield %a : memref<4xf32>
    } else {
      plan.yield %b : memref<4xf32>
    } : memref<i1>
    ```
    """

    name = "plan.if"

    condition = operand_def(PlacedConstraint)
    owned = var_result_def(PlacedConstraint)
    then_region = region_def("single_block")
    else_region = region_def("single_block")

    assembly_format = (
        "$condition `->` `(` type($owned) `)` $then_region `else` $else_region attr-dict "
        "`:` type($condition)"
    )
    traits = traits_def(RecursiveMemoryEffect())

    @classmethod
    def get(
        cls, condition: SSAValue, owned: Sequence[Attribute], then: Region, otherwise: Region
    ) -> Self:
        """Build the op."""
        return cls.build(
            operands=[condition], result_types=[list(owned)], regions=[then, otherwise]
        )


@irdl_op_definition
class LoopOp(IRDLOperation):
    """Runs its region as `pfrt.loop` does; its results are owned.

    The region takes iteration, condition and carried buffers, and yields the next condition, the
    next carried buffers, and one buffer for each scan output.

    ```mlir
    %n, %s = plan.loop trip(%m) while(%c) carry(%x) -> (memref<4xf32>, memref<?x4xf32>) {
    ^bb0(%i: memref<i64>, %cond: memref<i1>, %v: memref<4xf32>):
      %w = plan.call @neg(%v) : (memref<4xf32>) -> memref<4xf32>
      plan.yield %cond, %w, %w : memref<i1>, memref<4xf32>, memref<4xf32>
    } : trip memref<i64> while memref<i1> carry(memref<4xf32>)
    ```
    """

    name = "plan.loop"

    trip_count = opt_operand_def(PlacedConstraint)
    condition = opt_operand_def(PlacedConstraint)
    carried = var_operand_def(PlacedConstraint)
    owned = var_result_def(PlacedConstraint)
    body = region_def("single_block")

    irdl_options = (ParsePropInAttrDict(), AttrSizedOperandSegments(as_property=True))
    assembly_format = (
        "(`trip` `(` $trip_count^ `)`)? (`while` `(` $condition^ `)`)? (`carry` `(` $carried^ `)`)? "
        "`->` `(` type($owned) `)` $body attr-dict "
        "`:` (`trip` type($trip_count)^)? (`while` type($condition)^)? (`carry` `(` type($carried)^ `)`)?"
    )
    traits = traits_def(RecursiveMemoryEffect())

    @classmethod
    def get(
        cls,
        trip_count: SSAValue | None,
        condition: SSAValue | None,
        carried: Sequence[SSAValue],
        owned: Sequence[Attribute],
        body: Region,
    ) -> Self:
        """Build the op."""
        return cls.build(
            operands=[
                [] if trip_count is None else [trip_count],
                [] if condition is None else [condition],
                list(carried),
            ],
            result_types=[list(owned)],
            regions=[body],
        )


@irdl_op_definition
class ParallelOp(IRDLOperation):
    """Runs its regions at the same time, each on a thread of its own if there are enough.

    Regions see the buffers outside, and have scratch of their own. Nothing leaves them but what
    they write to those buffers.

    ```mlir
    plan.parallel {
      %0 = plan.part %x[0, 0] : memref<8x4xf32> -> memref<4x4xf32>
      %1 = plan.part %y[0, 0] : memref<8x4xf32> -> memref<4x4xf32>
      plan.call @relu(%0) into(%1) : (memref<4x4xf32>) into(memref<4x4xf32>)
      plan.yield
    } {
      %0 = plan.part %x[4, 0] : memref<8x4xf32> -> memref<4x4xf32>
      %1 = plan.part %y[4, 0] : memref<8x4xf32> -> memref<4x4xf32>
      plan.call @relu(%0) into(%1) : (memref<4x4xf32>) into(memref<4x4xf32>)
      plan.yield
    }
    ```
    C1: there are two regions or more, which yield nothing. C2: what a region writes of a buffer
    outside, no other region reads or writes.
    """

    name = "plan.parallel"

    lanes = var_region_def("single_block")

    assembly_format = "$lanes attr-dict"
    traits = traits_def(RecursiveMemoryEffect())

    def __init__(self, lanes: Sequence[Region]):
        super().__init__(regions=[list(lanes)])

    def verify_(self) -> None:
        if len(self.lanes) < 2:
            raise VerifyException(f"{self.name}: C1: has {len(self.lanes)} regions")
        for lane in self.lanes:
            last = lane.block.last_op
            if not isinstance(last, YieldOp) or last.values:
                raise VerifyException(
                    f"{self.name}: C1: a region does not end with plan.yield alone"
                )
        require_apart(self)


BLAS_THREADS = "plan.blas_threads"
"""The attribute of a function that says how many threads BLAS may use while it runs."""

SHARES = "plan.shares"
"""The attribute of a call that owns its results: between how many threads it may divide its work once
a run tells the shapes. Where they leave nothing to divide, one does it all."""

OPS: tuple[type[IRDLOperation], ...] = (
    AllocOp,
    ArenaOp,
    CallOp,
    ConstantOp,
    IfOp,
    LoopOp,
    NewOp,
    ParallelOp,
    PartOp,
    ReshapeOp,
    ViewOp,
    YieldOp,
)
"""The ops of the dialect."""


def is_constant(value: SSAValue) -> bool:
    """Whether a buffer is a constant, or a view of one."""
    while isinstance(value.owner, PartOp | ReshapeOp):
        value = value.owner.source
    return isinstance(value.owner, ConstantOp)

"""Scans and maps over sequences as loops of a plan, which take slices and items by themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from xdsl.dialects.builtin import MemRefType, i1, i64
from xdsl.ir import Attribute, Block, Region, SSAValue

from pyflame_rt.dialects.pfrt import control
from pyflame_rt.dialects.pfrt.scan import ScanOp, SequenceMapOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, type_of
from pyflame_rt.dialects.plan import ops
from pyflame_rt.passes.conversion.plan_scope import (
    Buffer,
    Lowering,
    Scope,
    add_call,
    add_kernel_call,
    add_op,
    buffer_type,
)


def lower_scan(lowering: Lowering, scope: Scope, op: ScanOp) -> list[Buffer]:
    """A loop whose region takes the slices by itself."""
    location, count = op.location, len(op.carried)
    inputs = [scope.buffer(value).value for value in op.scanned]
    axes, directions = op.per_input("axes"), op.per_input("directions")
    trip = add_kernel_call(scope, "scan_length", inputs, MemRefType(i64, []), location, axes=axes)
    carried = [lowering.escape(scope, value, location) for value in op.carried]
    kinds = [argument.type for argument in op.body.block.args]

    def slices(inner: Scope, number: SSAValue) -> list[SSAValue]:
        return [
            add_kernel_call(
                inner,
                "scan_slice",
                [value, number],
                buffer_type(kind),
                location,
                axis=axis,
                backward=bool(backward),
            )
            for value, kind, axis, backward in zip(
                inputs, kinds[count:], axes, directions, strict=True
            )
        ]

    outputs = op.body.block.last_op.operands[count:] if op.body.block.last_op else ()
    stacks = [buffer_type(control.stacked(type_of(v), DYNAMIC, 0)) for v in outputs]
    finals = [buffer_type(kind) for kind in op.result_types[:count]]
    body = _loop_body(lowering, scope, op.body.block, kinds[:count], slices)
    loop = add_op(scope, ops.LoopOp.get(trip, None, carried, [*finals, *stacks], body), location)
    placed = [
        add_kernel_call(
            scope,
            "scan_place",
            [stack],
            buffer_type(kind),
            location,
            axis=axis,
            backward=bool(backward),
        )
        for stack, kind, axis, backward in zip(
            loop.results[count:],
            op.result_types[count:],
            op.per_output("axes"),
            op.per_output("directions"),
            strict=True,
        )
    ]
    results = [*loop.results[:count], *placed]
    return [Buffer(value, late=True, leaves=True) for value in results]


def lower_sequence_map(lowering: Lowering, scope: Scope, op: SequenceMapOp) -> list[Buffer]:
    """A loop that carries the sequences it makes."""
    location = op.location
    inputs = [scope.buffer(value).value for value in op.sequences]
    trip = add_kernel_call(scope, "sequence_map_length", inputs, MemRefType(i64, []), location)
    carried = [
        add_call(
            scope,
            "sequence_empty",
            [],
            owned=[kind],
            params={"dtype": type_of(value).element_type},
            location=location,
        ).owned[0]
        for value, kind in zip(control.yielded(op.body), op.result_types, strict=True)
    ]
    kinds = [argument.type for argument in op.body.block.args]

    def items(inner: Scope, number: SSAValue) -> list[SSAValue]:
        return [
            add_kernel_call(inner, "sequence_at", [value, number], buffer_type(kind), location)
            for value, kind in zip(inputs, kinds, strict=True)
        ]

    body = _loop_body(lowering, scope, op.body.block, op.result_types, items, appends=True)
    loop = add_op(scope, ops.LoopOp.get(trip, None, carried, op.result_types, body), location)
    return [Buffer(value, late=True, leaves=True) for value in loop.results]


def _loop_body(
    lowering: Lowering,
    outer: Scope,
    old: Block,
    carried: Sequence[Attribute],
    elements: Callable[[Scope, SSAValue], Sequence[SSAValue]],
    *,
    appends: bool = False,
) -> Region:
    """The region of a loop for a block that takes carried values and elements of an iteration.

    With `appends` the block takes elements only, and what it yields is appended to what is
    carried.
    """
    scalars = [MemRefType(i64, []), MemRefType(i1, [])]
    block = Block(arg_types=[*scalars, *(buffer_type(kind) for kind in carried)])
    scope = Scope(block, outer)
    number, proceed, *state = block.args
    values = [*(() if appends else state), *elements(scope, number)]
    for argument, value in zip(old.args, values, strict=True):
        value.name_hint = argument.name_hint
        scope.buffers[argument] = Buffer(value, late=True)
    last = cast(control.YieldOp, old.last_op)
    for op in old.ops:
        if op is not last:
            lowering.lower_op(scope, op)
    results = [lowering.escape(scope, value, last.location) for value in last.operands]
    if appends:
        results = [
            add_kernel_call(scope, "sequence_insert", [list_, item], list_.type, last.location)
            for list_, item in zip(state, results, strict=True)
        ]
    again = add_call(scope, "copy", [proceed], owned=[proceed.type], location=last.location)
    add_op(scope, ops.YieldOp([again.owned[0], *results]), last.location)
    return Region(block)

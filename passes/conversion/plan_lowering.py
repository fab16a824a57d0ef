"""How `convert-pfrt-to-plan` lowers one function: which buffer each value gets, and who fills it.

A buffer is bound when it keeps its place between runs (`plan.alloc`, constants) and late when it is
known at run time only (arguments, owned results, `plan.new`). Algorithms that are not late get
copies of late inputs. A value escapes when it leaves its function or region, or becomes what a loop
carries; its buffer must then be owned by nobody else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from xdsl.dialects import func
from xdsl.dialects.builtin import (
    LocationAttr,
    MemRefType,
)
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue

from pyflame_rt.dialects.pfrt import control
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.constraints import ints
from pyflame_rt.dialects.pfrt.control import ControlOp
from pyflame_rt.dialects.pfrt.data import ConstantOfShapeOp, ConstantOp
from pyflame_rt.dialects.pfrt.fused import FusedOp
from pyflame_rt.dialects.pfrt.pieces import SliceOp, SplitOp
from pyflame_rt.dialects.pfrt.scan import ScanOp, SequenceMapOp
from pyflame_rt.dialects.plan import algorithms, ops
from pyflame_rt.dialects.plan.algorithms import Algorithm
from pyflame_rt.dialects.plan.ops import is_static
from pyflame_rt.dialects.rewriting import failed
from pyflame_rt.kernels.shape import slice_range
from pyflame_rt.passes.conversion.plan_iteration import lower_scan, lower_sequence_map
from pyflame_rt.passes.conversion.plan_scope import (
    Buffer,
    Scope,
    add_call,
    add_op,
    buffer_type,
    define,
)

_ALIASES = frozenset(
    ("pfrt.flatten", "pfrt.identity", "pfrt.reshape", "pfrt.squeeze", "pfrt.unsqueeze")
)
"""Ops whose result has the elements of the first operand, in the same order."""


def can_lower(op: Operation) -> bool:
    """Whether the lowering knows an op; unregistered ops and those of other dialects it does not."""
    known = (PfrtOp, control.YieldOp, func.ReturnOp, func.CallOp)
    return isinstance(op, known) or op.dialect_name() == "check"


class FunctionLowering:
    """Builds the plan of one function, block by block."""

    def __init__(self) -> None:
        self._taken: set[SSAValue] = set()

    def lower_function(self, block: Block) -> Block:
        """The plan of a function's body."""
        return self._lower_block(block, None)

    def _lower_block(self, old: Block, outer: Scope | None) -> Block:
        block = Block(arg_types=[buffer_type(kind) for kind in old.arg_types])
        scope = Scope(block, outer)
        for argument, new in zip(old.args, block.args, strict=True):
            new.name_hint = argument.name_hint
            scope.buffers[argument] = Buffer(new, late=True)
        for op in old.ops:
            self.lower_op(scope, op)
        return block

    def lower_op(self, scope: Scope, op: Operation) -> None:
        """Append what an op becomes to the scope's block."""
        match op:
            case ConstantOp():
                self._lower_constant(scope, op, op.value)
            case ConstantOfShapeOp() if (filled := op.fold()) is not None:
                self._lower_constant(scope, op, cast(Attribute, filled[0]))
            case FusedOp():
                self._lower_fused(scope, op)
            case ControlOp():
                self._lower_control(scope, op)
            case PfrtOp() if not _all_static(op):
                self._lower_owned(scope, op)
            case PfrtOp() if op.name in _ALIASES:
                self._lower_alias(scope, op)
            case SplitOp() if op.split_value is None:
                self._lower_parts(scope, op, _split_offsets(op))
            case SliceOp() if (begins := _slice_offsets(op)) is not None:
                self._lower_parts(scope, op, [begins])
            case PfrtOp():
                self._lower_static(scope, op)
            case control.YieldOp() | func.ReturnOp():
                values = [self.escape(scope, value, op.location) for value in op.operands]
                end = (
                    ops.YieldOp(values)
                    if isinstance(op, control.YieldOp)
                    else func.ReturnOp(*values)
                )
                add_op(scope, end, op.location)
            case func.CallOp():
                operands = [scope.buffer(value).value for value in op.operands]
                kinds = [buffer_type(kind) for kind in op.result_types]
                call = add_op(scope, func.CallOp(op.callee, operands, kinds), op.location)
                define(scope, op, [Buffer(v, late=True, leaves=True) for v in call.results])
            case _:
                inputs = [scope.buffer(value).value for value in op.operands]
                params = dict(op.properties)
                add_call(
                    scope, op.name.replace(".", "_"), inputs, params=params, location=op.location
                )

    def _lower_constant(self, scope: Scope, op: Operation, value: Attribute) -> None:
        kind = cast("MemRefType[Any]", buffer_type(op.results[0].type))
        constant = add_op(scope, ops.ConstantOp(value, kind), op.location)
        define(scope, op, [Buffer(constant.results[0], late=False)])

    def _lower_alias(self, scope: Scope, op: PfrtOp) -> None:
        buffer = scope.buffer(op.operands[0])
        kind = cast("MemRefType[Any]", buffer_type(op.results[0].type))
        if buffer.value.type != kind:
            view = add_op(scope, ops.ReshapeOp(buffer.value, kind), op.location)
            buffer = Buffer(view.results[0], buffer.late)
        define(scope, op, [buffer])

    def _lower_parts(self, scope: Scope, op: PfrtOp, offsets: Sequence[Sequence[int]]) -> None:
        """Parts of the operand's buffer; copies of those that their users need in one piece."""
        source = scope.buffer(op.operands[0])
        found: list[Buffer] = []
        for result, begins in zip(op.results, offsets, strict=True):
            kind = cast("MemRefType[Any]", buffer_type(result.type))
            part = ops.PartOp(source.value, begins, kind)
            buffer = Buffer(add_op(scope, part, op.location).results[0], source.late)
            if not part.is_contiguous and not _takes_strides(result):
                into = self._result_buffer(scope, result, op.location, late=True)
                add_call(scope, "copy", [buffer.value], into=[into.value], location=op.location)
                buffer = into
            found.append(buffer)
        define(scope, op, found)

    def _lower_owned(self, scope: Scope, op: PfrtOp) -> None:
        call = add_call(
            scope,
            _kernel(op),
            _inputs(scope, op, lambda buffer: buffer.value),
            owned=[buffer_type(kind) for kind in op.result_types],
            params=op.kernel_properties(),
            location=op.location,
        )
        define(scope, op, [Buffer(value, late=True, leaves=True) for value in call.owned])

    def _lower_static(self, scope: Scope, op: PfrtOp) -> None:
        """Fill buffers: those of escaping results directly, if the algorithm can."""
        algorithm = algorithms.choose(op)
        late = algorithm is None or algorithm.late
        into = [self._result_buffer(scope, result, op.location, late) for result in op.results]

        def bound(buffer: Buffer) -> SSAValue:
            return buffer.value if late else self._bound(scope, buffer, op.location)

        add_call(
            scope,
            _kernel(op) if algorithm is None else algorithm.name,
            _inputs(scope, op, bound),
            into=[buffer.value for buffer in into],
            scratch=_scratch(scope, op, algorithm),
            params=op.kernel_properties(),
            location=op.location,
        )
        define(scope, op, into)

    def _result_buffer(
        self, scope: Scope, result: SSAValue, location: LocationAttr, late: bool
    ) -> Buffer:
        kind = cast("MemRefType[Any]", buffer_type(result.type))
        if late and any(_escapes(op, result) for op in _users_beside(result)):
            new = add_op(scope, ops.NewOp(kind), location)
            return Buffer(new.results[0], late=True, leaves=True)
        return Buffer(add_op(scope, ops.AllocOp(kind), location).results[0], late=False)

    def _bound(self, scope: Scope, buffer: Buffer, location: LocationAttr) -> SSAValue:
        """The buffer itself, or a copy of a late one that keeps its place."""
        if not buffer.late:
            return buffer.value
        if (copy := scope.copy(buffer.value)) is None:
            kind = cast("MemRefType[Any]", buffer.value.type)
            copy = add_op(scope, ops.AllocOp(kind), location).results[0]
            add_call(scope, "copy", [buffer.value], into=[copy], location=location)
            scope.copies[buffer.value] = copy
        return copy

    def escape(self, scope: Scope, value: SSAValue, location: LocationAttr) -> SSAValue:
        """A buffer with this value that nobody else owns, made in this block."""
        buffer = scope.buffer(value)
        is_ours = (
            isinstance(buffer.value.owner, Operation) and buffer.value.owner.parent is scope.block
        )
        if buffer.leaves and is_ours and buffer.value not in self._taken:
            self._taken.add(buffer.value)
            return buffer.value
        kind = buffer.value.type
        if not is_static(kind):
            return add_call(scope, "copy", [buffer.value], owned=[kind], location=location).owned[0]
        new = add_op(scope, ops.NewOp(cast("MemRefType[Any]", kind)), location).results[0]
        add_call(scope, "copy", [buffer.value], into=[new], location=location)
        return new

    def _lower_fused(self, scope: Scope, op: FusedOp) -> None:
        """The ops of the region, one after the other."""
        for argument, value in zip(op.body.block.args, op.inputs, strict=True):
            scope.buffers[argument] = scope.buffer(value)
        for inner in op.ops:
            self.lower_op(scope, inner)
        define(scope, op, [scope.buffer(value) for value in control.yielded(op.body)])

    def _lower_control(self, scope: Scope, op: ControlOp) -> None:
        kinds = [buffer_type(kind) for kind in op.result_types]
        match op:
            case control.IfOp():
                then, otherwise = (
                    Region(self._lower_block(region.block, scope)) for region in op.regions
                )
                new: Operation = ops.IfOp.get(
                    scope.buffer(op.condition).value, kinds, then, otherwise
                )
            case ScanOp():
                define(scope, op, lower_scan(self, scope, op))
                return
            case SequenceMapOp():
                define(scope, op, lower_sequence_map(self, scope, op))
                return
            case control.LoopOp():
                scalars = (op.trip_count, op.condition)
                trip, condition = (None if v is None else scope.buffer(v).value for v in scalars)
                carried = [self.escape(scope, value, op.location) for value in op.carried]
                body = Region(self._lower_block(op.body.block, scope))
                new = ops.LoopOp.get(trip, condition, carried, kinds, body)
            case _:
                raise failed(op, "control flow of this kind has no plan")
        add_op(scope, new, op.location)
        define(scope, op, [Buffer(value, late=True, leaves=True) for value in new.results])


def _kernel(op: PfrtOp) -> str:
    return op.name.removeprefix("pfrt.")


def _all_static(op: PfrtOp) -> bool:
    return all(is_static(buffer_type(value.type)) for value in (*op.operands, *op.results))


def _users_beside(value: SSAValue) -> Iterator[Operation]:
    """The users of an op's result in its own block."""
    block = cast(Operation, value.owner).parent
    return (use.operation for use in value.uses if use.operation.parent is block)


def _escapes(user: Operation, value: SSAValue) -> bool:
    match user:
        case control.YieldOp() if isinstance(fused := user.parent_op(), FusedOp):
            # The body stands where the op did, and its results are the op's.
            return any(
                _escapes(op, result)
                for result, given in zip(fused.results, user.operands, strict=True)
                if given is value
                for op in _users_beside(result)
            )
        case func.ReturnOp() | control.YieldOp():
            return True
        case control.LoopOp():
            return value in user.carried
        case _:
            return False


def _split_offsets(op: SplitOp) -> list[list[int]]:
    """Where each part begins."""
    shapes = [cast("MemRefType[Any]", buffer_type(r.type)).get_shape() for r in op.results]
    rank = len(shapes[0]) if shapes else 0
    axis, place = op.axis.value.data % max(rank, 1), 0
    found: list[list[int]] = []
    for shape in shapes:
        found.append([place if i == axis else 0 for i in range(rank)])
        place += shape[axis]
    return found


def _slice_offsets(op: SliceOp) -> list[int] | None:
    """Where a slice begins along each axis; None if it takes steps, or what it takes is an operand."""
    if len(op.operands) > 1 or op.starts is None or op.ends is None:
        return None
    shape = cast("MemRefType[Any]", buffer_type(op.operand.type)).get_shape()
    starts, ends = ints(op.starts), ints(op.ends)
    axes = range(len(starts)) if op.axes is None else ints(op.axes)
    steps = (1,) * len(starts) if op.steps is None else ints(op.steps)
    offsets = [0] * len(shape)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        taken = slice_range(start, end, step, shape[axis])
        if step != 1:
            return None
        offsets[axis] = taken.start if taken else 0
    return offsets


def _takes_strides(value: SSAValue) -> bool:
    """Whether every user of a value is an op whose algorithm takes it as a part."""
    return all(
        isinstance(use.operation, PfrtOp) and _user_takes_strides(use.operation, value)
        for use in value.uses
    )


def _user_takes_strides(op: PfrtOp, value: SSAValue) -> bool:
    if op.regions or not _all_static(op) or op.name in _ALIASES:
        return False
    algorithm = algorithms.choose(op)
    slots = (i for i, operand in enumerate(op.operand_slots()) if operand is value)
    # A bound algorithm would want a copy of a late buffer anyway.
    return algorithm is not None and algorithm.late and all(i in algorithm.strided for i in slots)


def _scratch(scope: Scope, op: PfrtOp, algorithm: Algorithm | None) -> list[SSAValue]:
    kinds = () if algorithm is None else algorithm.scratch(op)
    return [add_op(scope, ops.AllocOp(kind), op.location).results[0] for kind in kinds]


def _inputs(
    scope: Scope, op: PfrtOp, buffer: Callable[[Buffer], SSAValue]
) -> list[SSAValue | None]:
    slots = op.operand_slots()
    return [None if value is None else buffer(scope.buffer(value)) for value in slots]

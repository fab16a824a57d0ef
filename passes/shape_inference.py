"""Forward type inference over whole functions, shared by the passes that make shapes known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xdsl.dialects import func
from xdsl.dialects.builtin import FunctionType, ModuleOp
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.rewriter import Rewriter
from xdsl.utils.exceptions import VerifyException

from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.control import IfOp, LoopOp, yielded
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.fused import FusedOp
from pyflame_rt.dialects.pfrt.lattice import join, merge
from pyflame_rt.dialects.pfrt.scan import ScanOp, SequenceMapOp, slice_of
from pyflame_rt.dialects.pfrt.sequence import item_of
from pyflame_rt.dialects.pfrt.types import type_of
from pyflame_rt.dialects.rewriting import failed, verify_failed
from pyflame_rt.passes.function_calls import (
    enter_call,
    entry_functions,
    inline_calls_in_loops,
    leave_call,
)

_ROUNDS = (4, 2)
"""Rounds after which the types carried by a loop, and by a loop in a loop, are taken as declared.
Without a limit one dimension of one value may loosen a round, and rounds multiply with nesting."""


def infer_module(module: ModuleOp) -> None:
    """Refine the types of all values of all functions. Raises PassFailed on a contradiction."""
    inline_calls_in_loops(module)
    for function in entry_functions(module):
        infer_function(function)


def functions(module: ModuleOp) -> Iterator[func.FuncOp]:
    """The functions of a module that have a body."""
    for op in module.ops:
        if isinstance(op, func.FuncOp) and op.body.blocks:
            yield op


def infer_function(function: func.FuncOp) -> None:
    """Refine the types of a function's values, given those of its arguments."""
    for block in function.body.blocks:
        infer_block(block)
    update_signature(function)


def update_signature(function: func.FuncOp) -> None:
    """Make the function's type that of its arguments and returned values."""
    outputs: Sequence[Attribute] = function.function_type.outputs.data
    if (last := function.body.blocks[-1].last_op) is not None and isinstance(last, func.ReturnOp):
        outputs = last.operand_types
    inputs = function.body.blocks[0].arg_types
    function.properties["function_type"] = FunctionType.from_lists(inputs, outputs)


def infer_block(block: Block) -> None:
    """Refine the types of everything in a block, in order."""
    for op in block.ops:
        infer_op(op)


def infer_op(op: Operation) -> None:
    """Refine the types of an op's results and, in its regions, of everything."""
    if op.regions or isinstance(op, func.CallOp):
        _infer_inside(op)
    # Nothing makes the type of a constant any better.
    if isinstance(op, PfrtOp) and not isinstance(op, ConstantOp):
        refine_results(op)


def _infer_inside(op: Operation) -> None:
    """Refine the types of everything in an op's regions, or in the function that it calls."""
    match op:
        case LoopOp():
            _infer_carrying(op, op.carried, 2)
        case ScanOp():
            elements = op.body.block.args[len(op.carried) :]
            for argument, value, axis in zip(
                elements, op.scanned, op.per_input("axes"), strict=True
            ):
                _refine(op, argument, slice_of(type_of(value), axis))
            _infer_carrying(op, op.carried, 0)
        case FusedOp():
            for argument, value in zip(op.body.block.args, op.inputs, strict=True):
                _refine(op, argument, value.type)
            infer_block(op.body.block)
        case SequenceMapOp():
            for argument, value in zip(op.body.block.args, op.sequences, strict=True):
                _refine(op, argument, item_of(value))
            infer_block(op.body.block)
        case IfOp():
            infer_block(op.then_region.block)
            infer_block(op.else_region.block)
        case func.CallOp():
            if (callee := enter_call(op)) is not None:
                infer_function(callee)
                leave_call(op, callee)
        case _:
            pass


def refine_results(op: PfrtOp) -> None:
    """Merge what is declared of an op's results with what its operands give."""
    if op.is_known("inferred"):
        return
    try:
        # Operands known better than when the module was verified may break a constraint.
        op.check()
        inferred = op.infer_types()
    except VerifyException as error:
        raise verify_failed(op, error) from error
    for index, kind in enumerate(inferred):
        declared = op.results[index].type
        merged = merge(declared, kind)
        if merged is None:
            raise failed(op, f"result {index} is declared {declared}, but its operands give {kind}")
        set_type(op.results[index], merged)
    op.remember(inferred=True)


def set_type(value: SSAValue, kind: Attribute) -> None:
    """Give a value another type, in place."""
    if value.type != kind:
        Rewriter.replace_value_with_new_type(value, kind)


def _refine(op: Operation, value: SSAValue, kind: Attribute) -> None:
    set_type(value, _meet(op, value.type, kind))


def _infer_carrying(op: LoopOp | ScanOp, carried: Sequence[SSAValue], first: int) -> None:
    """Find the types that a loop carries: first those of the initial values, then loosened by what
    an iteration yields until nothing changes, never looser than declared.

    `first` is the number of the region's arguments before the carried ones, of which it yields one
    less.
    """
    block = op.body.block
    declared = _Types(block)
    arguments = block.args[first : first + len(carried)]
    bounds = [argument.type for argument in arguments]
    guess = [_meet(op, bound, v.type) for bound, v in zip(bounds, carried, strict=True)]
    for _ in range(_rounds(op)):
        for index, kind in enumerate(guess, first):
            set_type(block.args[index], kind)
        infer_block(block)
        values = yielded(op.body)[max(first - 1, 0) :][: len(carried)]
        after = [
            _meet(op, bound, join(kind, value.type))
            for bound, kind, value in zip(bounds, guess, values, strict=True)
        ]
        if after == guess:
            return
        guess = after
        declared.restore()
    infer_block(block)


def _rounds(op: Operation) -> int:
    depth = 0
    while (parent := op.parent_op()) is not None:
        depth += isinstance(parent, LoopOp | ScanOp)
        op = parent
    return _ROUNDS[depth] if depth < len(_ROUNDS) else 0


def _meet(op: Operation, bound: Attribute, kind: Attribute | None) -> Attribute:
    merged = None if kind is None else merge(bound, kind)
    if merged is None:
        raise failed(op, f"carries a value declared {bound}, but it is {kind or 'of many kinds'}")
    return merged


class _Types:
    """The types of all values in a block and its regions, to go back to after a wrong guess."""

    def __init__(self, block: Block) -> None:
        self._blocks = [(b, tuple(b.arg_types)) for b in _blocks(block)]
        self._ops = [(op, tuple(op.result_types)) for b, _ in self._blocks for op in b.ops]

    def restore(self) -> None:
        """Give every value the type it had."""
        for block, kinds in self._blocks:
            for index, kind in enumerate(kinds):
                set_type(block.args[index], kind)
        for op, kinds in self._ops:
            for index, kind in enumerate(kinds):
                set_type(op.results[index], kind)


def _blocks(block: Block) -> Iterator[Block]:
    yield block
    for op in block.ops:
        for region in op.regions:
            for inner in region.blocks:
                yield from _blocks(inner)

"""Forward type inference over whole functions, shared by the passes that make shapes known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from xdsl.dialects import func
from xdsl.dialects.builtin import FunctionType, ModuleOp, UnrankedTensorType
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.rewriter import Rewriter
from xdsl.utils.exceptions import VerifyException

from pyflame_rt.dialects.pfrt.base import PfrtOp, compatible
from pyflame_rt.dialects.pfrt.control import IfOp, LoopOp, YieldOp, join
from pyflame_rt.dialects.pfrt.types import DYNAMIC, AnyTensor, tensor, type_of
from pyflame_rt.dialects.rewriting import failed, verify_failed

_ROUNDS = (4, 2)
"""Rounds after which the types carried by a loop, and by a loop in a loop, are taken as declared.
Without a limit one dimension of one value may loosen a round, and rounds multiply with nesting."""


def infer_module(module: ModuleOp) -> None:
    """Refine the types of all values of all functions. Raises PassFailed on a contradiction."""
    for function in functions(module):
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
    match op:
        case LoopOp():
            _infer_loop(op)
        case IfOp():
            infer_block(op.then_region.block)
            infer_block(op.else_region.block)
        case func.CallOp():
            raise failed(op, "types are not inferred through calls", hint="inline the function")
        case _:
            pass
    if isinstance(op, PfrtOp):
        refine_results(op)


def refine_results(op: PfrtOp) -> None:
    """Merge what is declared of an op's results with what its operands give."""
    try:
        # Operands known better than when the module was verified may break a constraint.
        op.check()
        inferred = op.infer_types()
    except VerifyException as error:
        raise verify_failed(op, error) from error
    for index, kind in enumerate(inferred):
        declared = type_of(op.results[index])
        merged = merge(declared, cast(AnyTensor, kind))
        if merged is None:
            raise failed(op, f"result {index} is declared {declared}, but its operands give {kind}")
        set_type(op.results[index], merged)


def merge(declared: AnyTensor, inferred: AnyTensor) -> AnyTensor | None:
    """The type that says what both say of one value; None when they contradict each other."""
    if not compatible(declared, inferred):
        return None
    if isinstance(declared, UnrankedTensorType):
        return inferred
    if isinstance(inferred, UnrankedTensorType):
        return declared
    pairs = zip(declared.get_shape(), inferred.get_shape(), strict=True)
    return tensor(declared.element_type, [b if a == DYNAMIC else a for a, b in pairs])


def set_type(value: SSAValue, kind: Attribute) -> None:
    """Give a value another type, in place."""
    if value.type != kind:
        Rewriter.replace_value_with_new_type(value, kind)


def _infer_loop(op: LoopOp) -> None:
    """Find the types that a loop carries: first those of the initial values, then loosened by what
    an iteration yields until nothing changes, never looser than declared."""
    block = op.body.block
    declared = _Types(block)
    bounds = [type_of(argument) for argument in block.args[2:]]
    guess = [_meet(op, bound, type_of(v)) for bound, v in zip(bounds, op.carried, strict=True)]
    for _ in range(_rounds(op)):
        _set_carried(block, guess)
        infer_block(block)
        after = _loosened(op, guess, bounds)
        if after == guess:
            return
        guess = after
        declared.restore()
    infer_block(block)


def _rounds(op: Operation) -> int:
    depth = 0
    while (parent := op.parent_op()) is not None:
        depth += isinstance(parent, LoopOp)
        op = parent
    return _ROUNDS[depth] if depth < len(_ROUNDS) else 0


def _set_carried(block: Block, kinds: Sequence[AnyTensor]) -> None:
    for index, kind in enumerate(kinds, 2):
        set_type(block.args[index], kind)


def _loosened(
    op: LoopOp, guess: Sequence[AnyTensor], bounds: Sequence[AnyTensor]
) -> list[AnyTensor]:
    last = cast(YieldOp, op.body.block.last_op)
    values = last.operands[1 : 1 + len(guess)]
    return [
        _meet(op, bound, join(kind, type_of(value)))
        for bound, kind, value in zip(bounds, guess, values, strict=True)
    ]


def _meet(op: LoopOp, bound: AnyTensor, kind: AnyTensor) -> AnyTensor:
    merged = merge(bound, kind)
    if merged is None:
        raise failed(op, f"carries a value declared {bound}, but it is {kind}")
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

"""Structured control flow: branches and loops as the machine prices them.

A loop tests at its end, so an iteration costs its step, its comparison and one taken branch. Values
that a loop carries go through copies which register assignment removes where it can.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from xdsl.dialects import arith, scf
from xdsl.ir import Block, Operation, Region, SSAValue

from pyflame_rt.backends.wse.loading.arithmetic import Unsupported, type_name
from pyflame_rt.backends.wse.loading.code import Constant, Operand, Place, Register
from pyflame_rt.backends.wse.sim import image as im

if TYPE_CHECKING:
    from pyflame_rt.backends.wse.loading.body import Body


def lower(op: Operation, body: Body) -> bool:
    """Append the code of an `scf` op; False for any other."""
    rule = _RULES.get(type(op))
    if rule is None:
        return False
    rule(op, body)
    return True


def _block(region: Region) -> Block | None:
    return region.blocks[0] if region.blocks else None


def _yielded(block: Block) -> Sequence[SSAValue]:
    last = block.last_op
    return last.operands if isinstance(last, scf.YieldOp) else ()


def _carry(body: Body, to: Sequence[Register], values: Sequence[Operand]) -> None:
    """to <- values, all at once."""
    code = body.code
    if len(to) != len(values):
        raise Unsupported(f"{len(values)} values are handed on for {len(to)}")
    kept: list[Operand] = []
    for register, value in zip(to, values, strict=True):
        if isinstance(value, Register) and value is not register:
            copy = Register()
            code.assign(copy, value)
            value = copy
        kept.append(value)
    for register, value in zip(to, kept, strict=True):
        if value is not register:
            code.assign(register, value)


def _compares(owner: Operation | Block) -> bool:
    return isinstance(owner, arith.CmpiOp | arith.CmpfOp)


def _if(op: Operation, body: Body) -> None:
    op = cast(scf.IfOp, op)
    code, results = body.code, [Register() for _ in op.results]
    condition = body.value(op.cond)
    otherwise, end = Place(), Place()
    then_block, else_block = _block(op.true_region), _block(op.false_region)
    if isinstance(condition, Constant):
        taken = then_block if condition.value else else_block
        if taken is not None:
            body.block(taken)
            _carry(body, results, [body.value(value) for value in _yielded(taken)])
        body.define(op.results, results)
        return
    # A declared cost is that of the branch, taken or not, of the jump over the other part, and of a
    # comparison that is only made for it (whose text would lose an attribute of its own).
    declared = body.declared(op)
    if declared is not None and op.cond.has_one_use() and _compares(op.cond.owner):
        code.free(condition)
    code.branch(condition, otherwise, when=False, cost=declared)
    if then_block is not None:
        body.block(then_block)
        _carry(body, results, [body.value(value) for value in _yielded(then_block)])
    has_else = else_block is not None and (
        results or not isinstance(else_block.first_op, scf.YieldOp | None)
    )
    if has_else and else_block is not None:
        code.jump(end, im.COST_BRANCH if declared is None else 0)
    code.bind(otherwise)
    if has_else and else_block is not None:
        body.block(else_block)
        _carry(body, results, [body.value(value) for value in _yielded(else_block)])
    code.bind(end)
    body.define(op.results, results)


def _for(op: Operation, body: Body) -> None:
    op = cast(scf.ForOp, op)
    code, block = body.code, op.body.blocks[0]
    kind = type_name(op.lb.type)
    lower_bound, upper, step = (body.value(value) for value in (op.lb, op.ub, op.step))
    carried = [Register() for _ in op.iter_args]
    counter = Register()
    end, again = Place(), Place()
    initial = [body.value(value) for value in op.iter_args]
    known = False
    if isinstance(lower_bound, Constant) and isinstance(upper, Constant):
        known = lower_bound.value < upper.value
        if not known:
            _carry(body, carried, initial)
            body.define(op.results, carried)
            return
    code.assign(counter, lower_bound)
    _carry(body, carried, initial)
    if not known:
        code.branch(code.alu("lt", kind, counter, upper), end, when=False)
    code.bind(again)
    body.define(block.args, (counter, *carried))
    body.block(block)
    _carry(body, carried, [body.value(value) for value in _yielded(block)])
    code.assign(counter, code.alu("add", kind, counter, step))
    code.branch(code.alu("lt", kind, counter, upper), again)
    code.bind(end)
    body.define(op.results, carried)


def _while(op: Operation, body: Body) -> None:
    op = cast(scf.WhileOp, op)
    code = body.code
    before, after = op.before_region.blocks[0], op.after_region.blocks[0]
    condition = cast(scf.ConditionOp, before.last_op)
    carried = [Register() for _ in before.args]
    passed = [Register() for _ in after.args]
    test, again = Place(), Place()
    _carry(body, carried, [body.value(value) for value in op.arguments])
    body.define(before.args, carried)
    empty = isinstance(after.first_op, scf.YieldOp)
    if not empty:
        code.jump(test)
    code.bind(again)
    body.define(after.args, passed)
    if not empty:
        body.block(after)
        _carry(body, carried, [body.value(value) for value in _yielded(after)])
        code.bind(test)
        body.block(before)
        _carry(body, passed, [body.value(value) for value in condition.args])
    else:
        # The body is in what tests; what it hands on goes to the next turn at once.
        body.block(before)
        _carry(body, passed, [body.value(value) for value in condition.args])
        _carry(body, carried, [body.value(value) for value in _yielded(after)])
    code.branch(code.register(body.value(condition.condition)), again)
    body.define(op.results, passed)


Rule: TypeAlias = Callable[[Operation, "Body"], None]
_RULES: Final[Mapping[type[Operation], Rule]] = {
    scf.IfOp: _if,
    scf.ForOp: _for,
    scf.WhileOp: _while,
    scf.YieldOp: lambda _op, _body: None,
    scf.ConditionOp: lambda _op, _body: None,
}

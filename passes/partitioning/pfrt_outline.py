"""One function for each part of a model that runs on a target."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.ir import Block, BlockArgument, Operation, Region, SSAValue
from xdsl.passes import ModulePass
from xdsl.traits import ConstantLike

from pyflame_rt.dialects.operator_names import operator_type
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.control import ControlOp, YieldOp
from pyflame_rt.dialects.pfrt.fused import FusedOp
from pyflame_rt.dialects.targets import TARGET, TARGETS, Supports, supports_of
from pyflame_rt.errors import PassFailed
from pyflame_rt.passes.partitioning.stages import HOST, STAGE, Group, grouped, operands_of
from pyflame_rt.passes.shape_inference import functions


@dataclass(frozen=True)
class PfrtOutlinePass(ModulePass):
    """Moves what a target runs into functions of its own, which the rest calls.

    Before: `%a = pfrt.relu %x`, `%b = pfrt.exp %a`, `%c = pfrt.relu %b`, where the target runs relu
    After: `func.func private @main_dev_0(…) attributes {pfrt.target = "dev"}` and `@main_dev_1`;
    `%a = func.call @main_dev_0(%x)`, `%b = pfrt.exp %a`, `%c = func.call @main_dev_1(%b)`

    An op runs where its attribute `pfrt.target` says; else on `target`, if `ops` lists it or, where
    `ops` is empty, the backend of that name says so. An op with regions goes as a whole, if all in
    it may; one in a region never goes alone. Parts are as large as can be without waiting for each
    other; each has the constants that it needs. Run it after what optimises: most passes do not
    look into functions that are called.
    """

    name = "pfrt-outline"

    target: str = ""
    """Where parts are to run: a backend's name. Without it only ops that carry a target go."""

    ops: tuple[str, ...] = ()
    """What the target runs, by operator type (`Conv`, `custom::MyGELU`); `*` is everything."""

    min_ops: int = 1
    """The number of ops from which a part is worth a call; smaller ones stay."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        supports = self._supports()
        for function in tuple(functions(op)):
            if TARGET not in function.attributes and len(function.body.blocks) == 1:
                _Outlining(op, function).run(supports, self.target, self.min_ops)

    def _supports(self) -> Supports:
        if self.ops and not self.target:
            raise PassFailed("ops are given, but not the target that runs them")
        if self.ops:
            return lambda op: isinstance(op, PfrtOp) and _is_listed(op, self.ops)
        if not self.target:
            return lambda op: False
        supports = supports_of(self.target)
        if supports is None:
            known = ", ".join(TARGETS) or "none"
            raise PassFailed(
                f'there is no target "{self.target}"',
                hint=f"those that say what they run are: {known}; or list it in ops",
            )
        return supports


def _is_listed(op: PfrtOp, ops: tuple[str, ...]) -> bool:
    return "*" in ops or operator_type(op) in ops


def _target(op: Operation, supports: Supports, target: str) -> str:
    """Where an op is to run."""
    tag = op.attributes.get(TARGET)
    if isinstance(tag, StringAttr):
        return tag.data
    if not isinstance(op, PfrtOp) or not supports(op):
        return HOST
    if isinstance(op, ControlOp) and not isinstance(op, FusedOp):
        inside = (n for n in op.walk() if n is not op and not isinstance(n, YieldOp))
        if not all(n.has_trait(ConstantLike) or supports(n) for n in inside):
            return HOST
    return target


class _Outlining:
    """One function on its way to being split."""

    def __init__(self, module: ModuleOp, function: func.FuncOp) -> None:
        self._module = module
        self._function = function
        self._block = function.body.block

    def run(self, supports: Supports, target: str, least: int) -> None:
        """Split the function."""
        targets = {op: _target(op, supports, target) for op in self._block.ops}
        groups = grouped(self._block, targets, least)
        if all(group.target == HOST for group in groups):
            return
        last = self._block.last_op
        assert last is not None
        numbers: dict[str, int] = {}
        for group in groups:
            results = list(self._leaving(group))
            if group.target == HOST or not results:
                for op in group.ops:
                    op.detach()
                    self._block.insert_op_before(op, last)
                continue
            number = numbers.get(group.target, 0)
            numbers[group.target] = number + 1
            call = self._outline(group, results, self._symbol(group.target, number))
            self._block.insert_op_before(call, last)
        for op in tuple(self._block.ops):
            if op.has_trait(ConstantLike) and op.results[0].first_use is None:
                op.detach()
                op.erase()

    def _leaving(self, group: Group) -> Iterator[SSAValue]:
        """The values of a group that ops outside use."""
        members = set(group.ops)
        for op in group.ops:
            for result in op.results:
                if any(self._above(use.operation) not in members for use in result.uses):
                    yield result

    def _above(self, op: Operation) -> Operation:
        """The op of the function's own block that an op is, or is in."""
        while op.parent is not self._block:
            parent = op.parent_op()
            assert parent is not None
            op = parent
        return op

    def _outline(self, group: Group, results: list[SSAValue], symbol: str) -> func.CallOp:
        members = set(group.ops)
        body = Block()
        inside: dict[SSAValue, SSAValue] = {}
        taken: list[SSAValue] = []
        for value in (value for op in group.ops for value in operands_of(op)):
            owner = value.owner
            outside = isinstance(value, BlockArgument) or owner not in members
            if value in inside or not outside or self._is_inner(value):
                continue
            if isinstance(owner, Operation) and owner.has_trait(ConstantLike):
                # A weight is a handle: copying it copies no values.
                constant = owner.clone()
                constant.location = owner.location
                body.add_op(constant)
                inside[value] = constant.results[0]
                continue
            argument = body.insert_arg(value.type, len(body.args))
            argument.name_hint = value.name_hint
            inside[value] = argument
            taken.append(value)
        call = func.CallOp(symbol, taken, [value.type for value in results])
        call.location = group.ops[0].location
        for value, result in zip(results, call.results, strict=True):
            result.name_hint = value.name_hint
            for use in tuple(value.uses):
                if self._above(use.operation) not in members:
                    use.operation.operands[use.index] = result
        for op in group.ops:
            op.detach()
            op.attributes.pop(TARGET, None)
            op.attributes.pop(STAGE, None)
            body.add_op(op)
            _rewire(op, inside)
        body.add_op(func.ReturnOp(*results))
        function = func.FuncOp(
            symbol,
            ([value.type for value in taken], [value.type for value in results]),
            Region(body),
            visibility="private",
        )
        function.attributes[TARGET] = StringAttr(group.target)
        self._module.body.block.add_op(function)
        return call

    def _is_inner(self, value: SSAValue) -> bool:
        """Whether a value is defined in a region of one of the block's ops."""
        owner = value.owner
        block = owner.parent if isinstance(owner, Operation) else owner
        return block is not self._block

    def _symbol(self, target: str, number: int) -> str:
        taken = {f.sym_name.data for f in self._module.ops if isinstance(f, func.FuncOp)}
        base = f"{self._function.sym_name.data}_{re.sub(r'[^A-Za-z0-9_]', '_', target)}"
        symbol = f"{base}_{number}"
        while symbol in taken:
            number += 1
            symbol = f"{base}_{number}"
        return symbol


def _rewire(op: Operation, inside: Mapping[SSAValue, SSAValue]) -> None:
    """Make an op, and what is in it, use the values of its new function."""
    for nested in op.walk():
        for index, value in enumerate(nested.operands):
            if (new := inside.get(value)) is not None:
                nested.operands[index] = new

"""Elementwise ops that are computed together, block by block, without values in between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Self

from xdsl.dialects.builtin import LocationAttr
from xdsl.ir import Attribute, BlockArgument, Operation, Region, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    region_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern
from xdsl.rewriter import InsertPoint
from xdsl.traits import ConstantLike, IsolatedFromAbove, Pure

from pyflame_rt.dialects.pfrt.attributes import NamesAttr
from pyflame_rt.dialects.pfrt.base import (
    PfrtOp,
    TensorConstraint,
    constant_of,
    elements,
    is_constant,
)
from pyflame_rt.dialects.pfrt.control import ControlOp, YieldOp, yielded
from pyflame_rt.dialects.pfrt.lattice import compatible
from pyflame_rt.dialects.pfrt.reduction import ReduceOp


def can_be_fused(op: Operation) -> bool:
    """Whether an op may stand in a `pfrt.fused`: it is elementwise, a reduction or a constant."""
    if not isinstance(op, PfrtOp):
        return False
    return op.ELEMENTWISE or isinstance(op, ReduceOp) or op.has_trait(ConstantLike)


class ScalarMovesIn(RewritePattern):
    """fused(x, constant c of one element) {…} -> fused(x) {constant c, …}"""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, FusedOp):
            return
        block = op.body.block
        for argument, value in zip(block.args, op.inputs, strict=True):
            owner = value.owner
            is_scalar = (
                isinstance(owner, Operation)
                and is_constant(type(owner))
                and elements(value) == 1
                and argument.type == value.type
                and constant_of(value) is not None
            )
            if is_scalar and argument.first_use is not None and isinstance(owner, Operation):
                constant = owner.clone()
                rewriter.insert(constant, InsertPoint.at_start(block))
                rewriter.replace_all_uses_with(argument, constant.results[0])


class NeededValuesOnly(RewritePattern):
    """fused(a, b, a) {…} -> fused(a) {…}, where b is not used; a result that is not used goes too."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, FusedOp):
            return
        block = op.body.block
        first: dict[SSAValue, BlockArgument] = {}
        for argument, value in zip(block.args, op.inputs, strict=True):
            kept = first.setdefault(value, argument)
            if kept is not argument and kept.type == argument.type:
                rewriter.replace_all_uses_with(argument, kept)
        needed = [argument.first_use is not None for argument in block.args]
        used = [result.first_use is not None for result in op.results]
        if all(needed) and all(used):
            return
        operands = [value for value, keep in zip(op.inputs, needed, strict=True) if keep]
        for argument, keep in zip(tuple(block.args), needed, strict=True):
            if not keep:
                rewriter.erase_block_argument(argument)
        left = yielded(op.body)
        kept = [value for value, keep in zip(left, used, strict=True) if keep]
        last = block.last_op
        assert last is not None
        rewriter.replace(last, YieldOp(kept), [])
        names = op.names.data if op.names is not None else ("",) * len(used)
        new = FusedOp.get(
            operands,
            rewriter.move_region_contents_to_new_regions(op.body),
            names=[name for name, keep in zip(names, used, strict=True) if keep],
            location=op.location,
        )
        kinds = [r.type for r, keep in zip(op.results, used, strict=True) if keep]
        for result, kind in zip(new.results, kinds, strict=True):
            rewriter.replace_value_with_new_type(result, kind)
        results = iter(new.results)
        rewriter.replace(op, new, [next(results) if keep else None for keep in used])


class OpsOfTheirOwn(RewritePattern):
    """fused(a, …) {op} -> op(a, …), and so where every operand is a constant: its ops can fold."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, FusedOp):
            return
        block = op.body.block
        computing = [inner for inner in op.ops if not inner.has_trait(ConstantLike)]
        if len(computing) > 1 and not _are_constants(op.inputs):
            return
        pairs = zip((*block.args, *yielded(op.body)), (*op.inputs, *op.results), strict=True)
        if any(inner.type != outer.type for inner, outer in pairs):
            return
        last = block.last_op
        assert last is not None
        values = tuple(last.operands)
        if op.names is not None:
            _name(values, op.names.data)
        arguments = dict(zip(block.args, op.inputs, strict=True))
        rewriter.erase(last)
        rewriter.inline_block(block, InsertPoint.before(op), op.inputs)
        rewriter.replace(
            op, [], [arguments.get(v, v) if isinstance(v, BlockArgument) else v for v in values]
        )


def _are_constants(values: Sequence[SSAValue]) -> bool:
    return all(isinstance(v.owner, Operation) and is_constant(type(v.owner)) for v in values)


def _name(values: Sequence[SSAValue], names: Sequence[str]) -> None:
    """Give the ops that make some values, and that have no names, those of the values."""
    for value, name in zip(values, names, strict=True):
        owner = value.owner
        if isinstance(owner, PfrtOp) and owner.names is None and name:
            owner.names = NamesAttr.of([name])


@irdl_op_definition
class FusedOp(ControlOp):
    """Elementwise ops, and reductions that feed or are fed by them, computed together.

    The region takes the operands as arguments and sees nothing else. It means what its ops mean one
    after the other, each rounding to its type; only where their values live is left open.

    ```mlir
    %y = pfrt.fused (%a, %b) -> (tensor<4xf32>) {
    ^bb0(%x: tensor<4xf32>, %z: tensor<4xf32>):
      %s = pfrt.add %x, %z : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
      %r = pfrt.relu %s : tensor<4xf32> -> tensor<4xf32>
      pfrt.yield %r : tensor<4xf32>
    } : (tensor<4xf32>, tensor<4xf32>)
    ```
    C1: an argument for each operand describes it. C2: the region yields as many values as there are
    results. C3: its ops are elementwise, reductions and constants.
    """

    name = "pfrt.fused"

    inputs = var_operand_def(TensorConstraint)
    outputs = var_result_def(TensorConstraint)
    body = region_def("single_block")

    traits = traits_def(Pure(), IsolatedFromAbove())

    assembly_format = (
        "`(` $inputs `)` `->` `(` type($outputs) `)` custom<ValueNames>($names) $body attr-dict "
        "`:` `(` type($inputs) `)`"
    )

    @classmethod
    def get(
        cls,
        inputs: Sequence[SSAValue],
        body: Region,
        *,
        names: Sequence[str] | None = None,
        location: LocationAttr | None = None,
    ) -> Self:
        """Build with result types inferred from what the region yields."""
        op = cls.build(
            operands=[list(inputs)],
            regions=[body],
            result_types=[[value.type for value in yielded(body)]],
            properties={"names": NamesAttr.of(names)} if names and any(names) else {},
        )
        if location is not None:
            op.location = location
        return op

    @property
    def ops(self) -> Iterator[PfrtOp]:
        """The ops of the region but its yield."""
        return (op for op in self.body.block.ops if isinstance(op, PfrtOp))

    def infer_types(self) -> Sequence[Attribute]:
        return [value.type for value in yielded(self.body)]

    def check(self) -> None:
        arguments = self.body.block.args
        self.require(
            "C1",
            len(arguments) == len(self.inputs),
            f"{len(self.inputs)} operands, but {len(arguments)} region arguments",
        )
        for argument, value in zip(arguments, self.inputs, strict=True):
            self.require(
                "C1",
                compatible(argument.type, value.type),
                f"argument {argument.type} does not describe {value.type}",
            )
        count = len(yielded(self.body))
        self.require(
            "C2",
            count == len(self.results),
            f"{len(self.results)} results, but the region yields {count} values",
        )
        for op in self.body.block.ops:
            allowed = isinstance(op, YieldOp) or can_be_fused(op)
            self.require("C3", allowed, f"cannot hold {op.name}")

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        return (ScalarMovesIn(), NeededValuesOnly(), OpsOfTheirOwn())

    def flops(self) -> int | None:
        """Those of all ops inside."""
        counts = [op.flops() for op in self.ops if not op.has_trait(ConstantLike)]
        return None if None in counts else sum(count or 0 for count in counts)

    def bytes(self) -> int | None:
        """Operands and results: what is between never needs memory."""
        return PfrtOp.bytes(self)


OPS: tuple[type[IRDLOperation], ...] = (FusedOp,)
"""The ops of this family."""

"""Rules for control flow: subgraphs become regions that see the values around them."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import TensorType, i1, i64
from xdsl.ir import Attribute, Block, Region, SSAValue

from pyflame_rt.dialects.pfrt.control import IfOp, LoopOp, YieldOp, yielded
from pyflame_rt.dialects.pfrt.lattice import join, widest
from pyflame_rt.frontends.onnx.builder import NodeBuilder, Scope, hint
from pyflame_rt.frontends.onnx.model import Graph
from pyflame_rt.frontends.onnx.rules import Rule, onnx_op

_EXACT_DEPTH = 3
"""Loops inside each other whose carried types are found by trial, up to three times each."""


def region_of(
    b: NodeBuilder,
    graph: Graph,
    block: Block,
    loops: int,
    inputs: Sequence[SSAValue] | None = None,
) -> Region:
    """The region of a subgraph, whose inputs are the block's arguments unless they are given."""
    values = block.args if inputs is None else inputs
    if len(graph.inputs) != len(values):
        raise b.error(f"the subgraph takes {len(graph.inputs)} inputs, not {len(values)}")
    scope = Scope(block, b.scope, loops=loops)
    for info, value in zip(graph.inputs, values, strict=True):
        if value in block.args:
            value.name_hint = hint(info.name)
        scope.define(info.name, value)
    block.add_op(YieldOp(b.build_graph(graph, scope)))
    return Region(block)


@onnx_op("If")
def if_(b: NodeBuilder) -> Sequence[SSAValue]:
    b.limit_inputs(1)
    condition = b.operand(0)
    then_region = region_of(b, b.graph("then_branch"), Block(), b.scope.loops)
    else_region = region_of(b, b.graph("else_branch"), Block(), b.scope.loops)
    then_values, else_values = yielded(then_region), yielded(else_region)
    if len(then_values) != len(else_values):
        raise b.error(f"its branches have {len(then_values)} and {len(else_values)} outputs")
    with b.verifying():
        op = IfOp.get(condition, then_region, else_region, location=b.location)
        op.verify_()
    return b.append(op)


@onnx_op("Loop")
def loop(b: NodeBuilder) -> Sequence[SSAValue]:
    """Carried values keep their first type if the body gives it back; what changes becomes `?`."""
    graph = b.graph("body")
    trip_count, condition = b.optional(0), b.optional(1)
    carried = [b.value(index) for index in range(2, len(b.node.inputs))]
    scalars = [TensorType(i64, []), TensorType(i1, [])]
    region = carrying(b, graph, carried, before=scalars)
    with b.verifying():
        op = LoopOp.get(trip_count, condition, carried, region, location=b.location)
        op.verify_()
    return b.append(op)


def carrying(
    b: NodeBuilder,
    graph: Graph,
    carried: Sequence[SSAValue],
    *,
    before: Sequence[Attribute] = (),
    after: Sequence[Attribute] = (),
) -> Region:
    """The region of a loop, whose arguments are of the types `before`, of what it carries, and
    `after`; it yields one value less before those carried than it takes."""
    loops, first = b.scope.loops + 1, max(len(before) - 1, 0)
    if len(graph.outputs) < first + len(carried):
        have = len(graph.outputs)
        raise b.error(f"its body has {have} outputs for {len(carried)} carried values")

    def build(types: Sequence[Attribute]) -> Region:
        return region_of(b, graph, Block(arg_types=[*before, *types, *after]), loops)

    initial = [value.type for value in carried]
    types = initial if loops <= _EXACT_DEPTH else [widest(kind) for kind in initial]
    region = build(types)
    for attempt in range(2):
        found = [value.type for value in yielded(region)[first : first + len(carried)]]
        joined = [join(kind, after) for kind, after in zip(types, found, strict=True)]
        if joined == types:
            break
        for kind, after_ in zip(types, found, strict=True):
            if join(kind, after_) is None:
                raise b.error(f"what it carries is a {kind}, and a {after_} after an iteration")
        # Ops were built for the types of their operands, so a wider type means building again.
        region.detach_block(region.block).erase()
        wider = [kind for kind in joined if kind is not None]
        types = wider if attempt == 0 else [widest(kind) for kind in wider]
        region = build(types)
    return region


RULES: tuple[Rule, ...] = (if_, loop)
"""The rules of this family."""

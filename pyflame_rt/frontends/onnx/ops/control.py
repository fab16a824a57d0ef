"""Rules for control flow: subgraphs become regions that see the values around them."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import TensorType, i1, i64
from xdsl.ir import Block, Region, SSAValue

from pyflame_rt.dialects.pfrt.control import IfOp, LoopOp, YieldOp, join
from pyflame_rt.dialects.pfrt.types import AnyTensor, tensor, type_of
from pyflame_rt.frontends.onnx.builder import NodeBuilder, Scope, hint
from pyflame_rt.frontends.onnx.model import Graph
from pyflame_rt.frontends.onnx.rules import Rule, onnx_op

_EXACT_DEPTH = 3
"""Loops inside each other whose carried types are found by trial, up to three times each."""


def _region(b: NodeBuilder, graph: Graph, block: Block, loops: int) -> Region:
    """The region of a subgraph, whose inputs are the block's arguments."""
    if len(graph.inputs) != len(block.args):
        raise b.error(f"the subgraph takes {len(graph.inputs)} inputs, not {len(block.args)}")
    scope = Scope(block, b.scope, loops=loops)
    for value, argument in zip(graph.inputs, block.args, strict=True):
        argument.name_hint = hint(value.name)
        scope.define(value.name, argument)
    block.add_op(YieldOp(b.build_graph(graph, scope)))
    return Region(block)


def _yielded(region: Region) -> Sequence[SSAValue]:
    last = region.block.last_op
    return () if last is None else last.operands


@onnx_op("If")
def if_(b: NodeBuilder) -> Sequence[SSAValue]:
    b.limit_inputs(1)
    condition = b.operand(0)
    then_region = _region(b, b.graph("then_branch"), Block(), b.scope.loops)
    else_region = _region(b, b.graph("else_branch"), Block(), b.scope.loops)
    then_values, else_values = _yielded(then_region), _yielded(else_region)
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
    carried = [b.operand(index) for index in range(2, len(b.node.inputs))]
    loops = b.scope.loops + 1
    initial = [type_of(value) for value in carried]
    types = initial if loops <= _EXACT_DEPTH else [_any_shape(kind) for kind in initial]
    region = _body(b, graph, types, loops)
    for attempt in range(2):
        yielded = [type_of(value) for value in _yielded(region)[1 : 1 + len(carried)]]
        joined = [join(kind, found) for kind, found in zip(types, yielded, strict=True)]
        if joined == types:
            break
        # Ops were built for the types of their operands, so a wider type means building again.
        region.detach_block(region.block).erase()
        types = joined if attempt == 0 else [_any_shape(kind) for kind in initial]
        region = _body(b, graph, types, loops)
    with b.verifying():
        op = LoopOp.get(trip_count, condition, carried, region, location=b.location)
        op.verify_()
    return b.append(op)


def _body(b: NodeBuilder, graph: Graph, types: Sequence[AnyTensor], loops: int) -> Region:
    if len(graph.outputs) < 1 + len(types):
        raise b.error(f"its body has {len(graph.outputs)} outputs for {len(types)} carried values")
    scalars = [TensorType(i64, []), TensorType(i1, [])]
    return _region(b, graph, Block(arg_types=[*scalars, *types]), loops)


def _any_shape(kind: AnyTensor) -> AnyTensor:
    return tensor(kind.element_type, None)


RULES: tuple[Rule, ...] = (if_, loop)
"""The rules of this family."""

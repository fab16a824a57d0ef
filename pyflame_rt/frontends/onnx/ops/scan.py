"""Rules for control flow over slices of tensors and items of sequences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from xdsl.ir import Attribute, Block, Region, SSAValue

from pyflame_rt.dialects.pfrt.containers import SequenceType
from pyflame_rt.dialects.pfrt.control import YieldOp
from pyflame_rt.dialects.pfrt.scan import ScanOp, SequenceMapOp, slice_of
from pyflame_rt.dialects.pfrt.sequence import item_of
from pyflame_rt.dialects.pfrt.types import is_tensor, shape_of, type_of
from pyflame_rt.frontends.onnx.builder import NodeBuilder, Scope
from pyflame_rt.frontends.onnx.model import Graph
from pyflame_rt.frontends.onnx.ops.control import carrying, region_of
from pyflame_rt.frontends.onnx.rules import Rule, onnx_op


@onnx_op("Scan", 9)
def scan(b: NodeBuilder) -> Sequence[SSAValue]:
    graph, carried, scanned = _scan_parts(b, 0)
    axes = b.integers("scan_input_axes")
    region = carrying(b, graph, carried, after=_slices(b, scanned, axes))
    with b.verifying():
        op = ScanOp.get(
            carried,
            scanned,
            region,
            input_axes=axes,
            input_directions=b.integers("scan_input_directions"),
            output_axes=b.integers("scan_output_axes"),
            output_directions=b.integers("scan_output_directions"),
            location=b.location,
        )
        op.verify_()
    return b.append(op)


def _scan_parts(b: NodeBuilder, first: int) -> tuple[Graph, Sequence[SSAValue], Sequence[SSAValue]]:
    """The body of a Scan, and the initial values and scanned inputs that begin at an input."""
    graph, count = b.graph("body"), b.integer("num_scan_inputs")
    if count is None:
        raise b.missing("num_scan_inputs")
    states = len(b.node.inputs) - first - count
    if count < 1 or states < 0:
        raise b.error(f"{count} of its {len(b.node.inputs) - first} values are scanned")
    carried = [b.value(first + k) for k in range(states)]
    return graph, carried, [b.operand(first + states + k) for k in range(count)]


def _slices(
    b: NodeBuilder, scanned: Sequence[SSAValue], axes: Sequence[int] | None
) -> list[Attribute]:
    """The types of the slices that a scan's region takes."""
    along = (0,) * len(scanned) if axes is None else axes
    if len(along) != len(scanned):
        raise b.error(f"{len(along)} scan_input_axes for {len(scanned)} inputs")
    for value, axis in zip(scanned, along, strict=True):
        shape = shape_of(value)
        if shape is not None and not -len(shape) <= axis < len(shape):
            raise b.error(f"axis {axis} is outside of {value.type}")
    return [slice_of(type_of(value), axis) for value, axis in zip(scanned, along, strict=True)]


@onnx_op("Scan", 8)
def scan_8(b: NodeBuilder) -> Sequence[SSAValue]:
    """A scan over the batch, whose region scans one sequence: as long as `sequence_lens` says.

    scan_8(lens, states, xs)[n] = scan(states[n], xs[n][:lens[n]]), outputs filled up with zeros.
    """
    graph, carried, scanned = _scan_parts(b, 1)
    lens = b.optional(0)
    directions = b.integers("directions")
    over = [*carried, *scanned, *([] if lens is None else [lens])]
    if not all(is_tensor(value.type) for value in over):
        raise b.error("what it carries must be tensors")
    block = Block(arg_types=_slices(b, over, None))
    inner = b.inside(Scope(block, b.scope, loops=b.scope.loops + 1))
    states, sequences = block.args[: len(carried)], list(block.args[len(carried) :])
    whole = sequences[0]
    count = None
    if lens is not None:
        (count,) = inner.emit("reshape", [sequences.pop(), None], {"shape": (1,)})
        (count,) = inner.emit("cast", [count], {"to": np.dtype(np.int64)})
        first = {"starts": (0,), "axes": (0,)}
        sequences = [inner.emit("slice", [v, None, count, None, None], first)[0] for v in sequences]
    region = carrying(inner, graph, states, after=_slices(inner, sequences, None))
    with b.verifying():
        one = ScanOp.get(
            states, sequences, region, input_directions=directions, location=b.location
        )
        one.verify_()
        results = list(inner.append(one))
        if count is not None:
            stacks = results[len(carried) :]
            results[len(carried) :] = [_filled_up(inner, v, whole, count) for v in stacks]
        block.add_op(YieldOp(results))
        op = ScanOp.get([], over, Region(block), location=b.location)
        op.verify_()
    return b.append(op)


def _filled_up(b: NodeBuilder, value: SSAValue, whole: SSAValue, count: SSAValue) -> SSAValue:
    """A stacked output with zeros at its end, as long as the whole sequence."""
    shape = shape_of(value)
    if shape is None:
        raise b.unsupported("outputs of unknown rank with sequence_lens are not supported")
    (length,) = b.emit("shape", [whole], {"start": 0, "end": 1})
    (missing,) = b.emit("sub", [length, count])
    before, rest = (b.constant(np.zeros(n, np.int64)) for n in (len(shape), len(shape) - 1))
    (pads,) = b.emit("concat", [[before, missing, rest]], {"axis": 0})
    return b.emit("pad", [value, pads, None, None])[0]


@onnx_op("SequenceMap", 17)
def sequence_map(b: NodeBuilder) -> Sequence[SSAValue]:
    """The region takes items of the sequences; the tensors beside them it sees from outside."""
    graph = b.graph("body")
    values = [b.value(index) for index in range(len(b.node.inputs))]
    if len(graph.inputs) != len(values):
        raise b.error(f"the subgraph takes {len(graph.inputs)} inputs, not {len(values)}")
    sequences = [value for value in values if isinstance(value.type, SequenceType)]
    if not values or values[0] not in sequences:
        raise b.error("input 0 must be a sequence")
    block = Block(arg_types=[item_of(value) for value in sequences])
    items = iter(block.args)
    inputs = [next(items) if isinstance(v.type, SequenceType) else v for v in values]
    region = region_of(b, graph, block, b.scope.loops + 1, inputs)
    with b.verifying():
        op = SequenceMapOp.get(sequences, region, location=b.location)
        op.verify_()
    return b.append(op)


RULES: tuple[Rule, ...] = (scan, scan_8, sequence_map)
"""The rules of this family."""

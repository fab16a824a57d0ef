"""The batch of a model: which inputs have rows, and whether rows see each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from xdsl.context import Context
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp, StringAttr
from xdsl.ir import Attribute

from pyflame_rt.dialects.pfrt.types import DYNAMIC, is_tensor, shape_of
from pyflame_rt.errors import PassFailed, PyFlameRTError
from pyflame_rt.passes.cleanup.pfrt_specialize_shapes import PfrtSpecializeShapesPass
from pyflame_rt.passes.optimization_levels import passes
from pyflame_rt.passes.partitioning.devices import DeviceSpec
from pyflame_rt.passes.partitioning.nodes import Nodes, input_names
from pyflame_rt.passes.partitioning.plan_files import GraphPartition, PartitionPlan, Split


def _labels(row: DictionaryAttr) -> list[str]:
    """The names of an input's dimensions."""
    dims = row.data.get("pfrt.dims")
    items = cast("ArrayAttr[Attribute]", dims) if isinstance(dims, ArrayAttr) else ()
    return [item.data for item in items if isinstance(item, StringAttr)]


@dataclass(frozen=True)
class Batch:
    """Inputs whose first dimension is the batch, by name, and its size: 0 when a run decides it."""

    inputs: tuple[str, ...]
    rows: int

    def splits(self, count: int) -> list[Split]:
        """Slices of these inputs for so many devices, as even as can be."""
        if not self.rows:
            return [Split(name, 0, [1] * count) for name in self.inputs]
        share, more = divmod(self.rows, count)
        sizes = [share + (rank < more) for rank in range(count)]
        return [Split(name, 0, list(sizes)) for name in self.inputs]

    def names(self) -> str:
        """The inputs, for people."""
        return ", ".join(f'"{name}"' for name in self.inputs)


def batch_of(module: ModuleOp) -> Batch:
    """The batch: the first dimension of the first input that has one, and of those that agree."""
    function = Nodes.of(module).function
    rows = function.arg_attrs.data if function.arg_attrs is not None else ()
    found: list[tuple[str, int, str]] = []
    for index, (name, value) in enumerate(
        zip(input_names(function), function.body.block.args, strict=True)
    ):
        shape = shape_of(value) if is_tensor(value.type) else None
        if shape:
            labels = _labels(rows[index]) if rows else []
            found.append((name, shape[0], labels[0] if labels else ""))
    if not found:
        return Batch((), 0)
    _, size, label = found[0]
    same = tuple(name for name, s, text in found if s == size and text == label)
    return Batch(same, 0 if size == DYNAMIC else size)


def rows_are_apart(ctx: Context, module: ModuleOp, batch: Batch) -> str | None:
    """Why rows of a batch of any size cannot be computed apart from each other; None if they can.

    Shown on a copy with sizes: every op of it works on rows of its operands, up to the outputs.
    """
    try:
        sized = with_sizes(ctx, module, 4)
    except PyFlameRTError as error:
        return f"its shapes are not known: {error}"
    nodes = Nodes.of(sized)
    plan = PartitionPlan()
    plan.partitions = [
        GraphPartition(rank, DeviceSpec(device_id=rank), list(nodes.ops), stage=0, rank=rank)
        for rank in range(2)
    ]
    plan.splits = [Split(name, 0, [2, 2]) for name in batch.inputs]
    from pyflame_rt.passes.partitioning.spreading import Spreading

    spreading = Spreading(nodes, plan)
    try:
        spreading.run()
    except PassFailed as error:
        return str(error)
    if spreading.gathered:
        return f'node "{spreading.gathered[0]}" needs all rows'
    if any(cut is None or cut.axis for cut in spreading.outputs):
        return "an output has no rows"
    return None


def with_sizes(ctx: Context, module: ModuleOp, rows: int, sizes: int = 8) -> ModuleOp:
    """A copy whose dynamic dimensions have sizes, `rows` for the batch, and which is cleaned up."""
    copy = sized(ctx, module, rows, sizes)
    for item in passes(1, ()):
        item.apply(ctx, copy)
    return copy


def sized(
    ctx: Context,
    module: ModuleOp,
    rows: int,
    sizes: int = 32,
    dims: Mapping[str, int] | None = None,
) -> ModuleOp:
    """A copy whose dynamic dimensions have sizes, and the same nodes: `rows` for the batch, `dims`
    by name, `sizes` for others. Raises PassFailed when these contradict the model."""
    copy = module.clone()
    nodes = Nodes.of(copy)
    batch = batch_of(copy)
    attrs = nodes.function.arg_attrs.data if nodes.function.arg_attrs is not None else ()
    shapes: list[str] = []
    known = dict(dims or {})
    for index, (name, value) in enumerate(zip(nodes.inputs(), nodes.block.args, strict=True)):
        shape = shape_of(value) if is_tensor(value.type) else None
        if shape is None:
            continue
        labels = _labels(attrs[index]) if attrs else []
        found: list[str] = []
        for axis, dim in enumerate(shape):
            label = labels[axis] if labels else ""
            default = rows if axis == 0 and name in batch.inputs else sizes
            size = dim if dim != DYNAMIC else known.get(label, default) if label else default
            if label and dim == DYNAMIC:
                known.setdefault(label, size)
            found.append(str(size))
        shapes.append(f"{name}={'x'.join(found)}")
    PfrtSpecializeShapesPass(shapes=tuple(shapes)).apply(ctx, copy)
    return copy

"""Recovery without training: weights by least squares, statistics of batch normalizations anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from pyflame_rt.compiler import Program
from pyflame_rt.dialects.pfrt.base import constant_of
from pyflame_rt.dialects.pfrt.contraction import GemmOp, MatmulOp
from pyflame_rt.dialects.pfrt.convolution import ConvOp
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.normalization import BatchNormalizationOp
from pyflame_rt.errors import ValidationError
from pyflame_rt.graph import Graph
from pyflame_rt.passes.pruning import records
from pyflame_rt.passes.pruning.channels import ChannelPlan
from pyflame_rt.passes.pruning.columns import columns_of
from pyflame_rt.passes.pruning.layers import Layer, layers_of
from pyflame_rt.passes.pruning.pfrt_prune import replaced
from pyflame_rt.passes.pruning.reconstruction import Sums, solve
from pyflame_rt.passes.pruning.records import Record
from pyflame_rt.pruning.feeding import Feeds, batches, each

Array: TypeAlias = npt.NDArray[Any]


def reconstruct(
    pruned: Graph, dense: Graph, inputs: Feeds, *, damping: float = 1e-3, batch_norm: bool = True
) -> Graph:
    """The pruned graph with weights that make each layer's output what it is in the dense one.

    Layer by layer in order: least squares on what the layer is fed in the pruned model, for what
    the dense layer gives, over the weights that the mask leaves; `damping` keeps what the inputs
    say nothing of near to where it is. Biases move along. Layers without a mask are solved for too,
    as they see other inputs now; weights that several ops share stay. With `batch_norm` statistics are estimated anew, where they come.
    Masks stay as they are; the inputs need no labels. The graphs must have the same layers: whole
    channels that were removed have no dense output to be compared with (see `reestimate_batch_norm`).
    Raises ValidationError when the graphs differ, and as runs do.
    """
    program, feeds = _copy(pruned), batches(inputs)
    module, original = program.module, dense.program().module
    wanted = {layer.name: layer for layer in layers_of(original)}
    pairs = _pairs(layers_of(module), wanted)
    for op in list(module.walk()):
        if batch_norm and isinstance(op, BatchNormalizationOp):
            _estimate(module, op, feeds)
        elif (found := next((pair for pair in pairs if pair[0].op is op), None)) is not None:
            # What is best for one of several ops may be bad for another.
            if not found[0].constant.result.has_one_use():
                continue
            _solve(module, original, found[0], found[1], feeds, damping)
    return Graph.of_program(program)


def reestimate_batch_norm(graph: Graph, inputs: Feeds) -> Graph:
    """The graph with means and variances of batch normalizations as they are on these inputs.

    In order, so that each sees the new ones before it. Raises as runs do.
    """
    program, feeds = _copy(graph), batches(inputs)
    for op in list(program.module.walk()):
        if isinstance(op, BatchNormalizationOp):
            _estimate(program.module, op, feeds)
    return Graph.of_program(program)


def recover_channels(
    plan: ChannelPlan, program: Program, dense: Graph, inputs: Sequence[Mapping[str, Array]]
) -> None:
    """Reconstruct a program whose channels are about to go.

    In the model where they are zero, which has the dense one's shapes; its constants become the
    program's, of which the plan then takes what goes.
    """
    masked = Program(program.ctx, plan.masked(), program.name)
    for layer in layers_of(masked.module):
        mask = layer.weights != 0
        if not mask.all():
            records.write(layer.constant, Record("structured", "", mask))
    found = reconstruct(Graph.of_program(masked), dense, inputs).program().module
    for old, new in zip(_constants(program.module), _constants(found), strict=True):
        old.properties["value"] = new.value


def _constants(module: ModuleOp) -> list[ConstantOp]:
    return [op for op in module.walk() if isinstance(op, ConstantOp)]


def _copy(graph: Graph) -> Program:
    program = graph.program()
    return Program(program.ctx, program.module.clone(), program.name)


def _pairs(layers: Sequence[Layer], wanted: Mapping[str, Layer]) -> list[tuple[Layer, Layer]]:
    found: list[tuple[Layer, Layer]] = []
    for layer in layers:
        other = wanted.get(layer.name)
        if other is None or other.weights.shape != layer.weights.shape:
            raise ValidationError(
                f'the dense graph has no such layer as "{layer.name}" {list(layer.weights.shape)}',
                where="reconstruct",
                hint="channels that were removed are recovered by reestimate_batch_norm",
            )
        found.append((layer, other))
    return found


def _solve(
    module: ModuleOp,
    original: ModuleOp,
    layer: Layer,
    dense: Layer,
    feeds: Sequence[Mapping[str, Array]],
    damping: float,
) -> None:
    target = dense.matrix(dense.weights).astype(np.float64)
    w = layer.matrix(layer.weights).astype(np.float64)
    note = records.read(layer.constant)
    mask = np.ones(w.shape, np.bool_) if note is None else layer.matrix(note.mask)
    size = len(w) // layer.groups
    groups = [Sums.empty(w.shape[1], size) for _ in range(layer.groups)]
    for feed in feeds:
        x = _input_of(module, layer, feed)
        y = x if original is module else _input_of(original, dense, feed)
        for group, sums in enumerate(groups):
            rows = slice(group * size, (group + 1) * size)
            with np.errstate(all="ignore"):
                sums.add(x[group], y[group] @ target[rows].T)
    if not all(sums.count for sums in groups):
        return
    bias = _bias(layer)
    found, shift = np.empty_like(w), np.empty(len(w))
    for group, sums in enumerate(groups):
        rows = slice(group * size, (group + 1) * size)
        solution = solve(sums, w[rows], mask[rows], shift=bias is not None, damping=damping)
        found[rows], shift[rows] = solution.weights, solution.shift
    if not np.isfinite(found).all():
        return
    if note is not None and note.granularity == "structured":
        # What is about to be removed is 0, not constant.
        shift[~mask.any(axis=1)] = 0
    dtype = layer.weights.dtype
    new = np.where(mask, found, 0.0)
    replaced(layer.constant, layer.array(new).astype(dtype), None)
    if bias is not None:
        array = constant_of(bias.result)
        assert array is not None
        moved = array.astype(np.float64) + shift.reshape(array.shape)
        replaced(bias, moved.astype(array.dtype), None)


def _input_of(module: ModuleOp, layer: Layer, feed: Mapping[str, Array]) -> Array:
    """What a layer's matrix is multiplied with in one run."""
    found: list[Array] = []

    def see(value: SSAValue, array: Array) -> None:
        found.append(columns_of(layer, array))

    each(module, [feed], [layer.input], see)
    if not found:
        raise ValidationError(
            f'"{layer.name}" is inside a branch or loop, where nothing is recorded',
            where="reconstruct",
        )
    return found[0]


def _bias(layer: Layer) -> ConstantOp | None:
    """The constant vector that is added to a layer's output and nothing else, if there is one."""
    op = layer.op
    match op:
        case ConvOp() | MatmulOp():
            value = op.bias
        case GemmOp():
            plain = op.alpha.value.data == 1 and op.beta.value.data == 1
            value = op.c if plain else None
    if value is None or not isinstance(value.owner, ConstantOp) or not value.has_one_use():
        return None
    array = constant_of(value)
    rows = layer.weights.shape[0] if layer.groups > 1 else len(layer.matrix(layer.weights))
    is_vector = array is not None and array.shape[-1:] == (rows,) and array.size == rows
    return value.owner if is_vector else None


def _estimate(
    module: ModuleOp, op: BatchNormalizationOp, feeds: Sequence[Mapping[str, Array]]
) -> None:
    """Mean and variance of each channel of what a batch normalization is fed."""
    mean, var = op.mean.owner, op.var.owner
    if not (isinstance(mean, ConstantOp) and isinstance(var, ConstantOp)):
        return
    if constant_of(op.mean) is None or not (op.mean.has_one_use() and op.var.has_one_use()):
        return
    axis = -1 if op.data_layout == "nhwc" else 1
    if op.data_layout == "nc4hw4":
        return
    count, total, squares = 0, np.zeros(1), np.zeros(1)

    def see(value: SSAValue, array: Array) -> None:
        nonlocal count, total, squares
        flat = np.moveaxis(array.astype(np.float64), axis, 0).reshape(array.shape[axis], -1)
        flat = flat[:, np.isfinite(flat).all(axis=0)]
        count += flat.shape[1]
        total = total + flat.sum(axis=1)
        squares = squares + np.square(flat).sum(axis=1)

    each(module, feeds, [op.operand], see)
    if not count:
        return
    center = total / count
    spread = np.maximum(squares / count - np.square(center), 0.0)
    for constant, values in ((mean, center), (var, spread)):
        dtype = constant.array.dtype if constant.array is not None else np.float32
        replaced(constant, values.astype(dtype), None)

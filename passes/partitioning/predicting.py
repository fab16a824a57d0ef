"""What a plan is predicted to take: it is tried on a copy of the model, and its parts are counted."""

from __future__ import annotations

from collections import defaultdict

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.traits import ConstantLike

from pyflame_rt.dialects.pfrt.types import DYNAMIC, is_tensor, shape_of
from pyflame_rt.kernels.communication import bounds
from pyflame_rt.passes.partitioning.costs import Costs, bytes_of, tag_of
from pyflame_rt.passes.partitioning.nodes import Nodes
from pyflame_rt.passes.partitioning.plan_files import PartitionPlan, Split
from pyflame_rt.passes.partitioning.spreading import Spreading, groups_of
from pyflame_rt.passes.partitioning.stages import operands_of


def predict(plan: PartitionPlan, sized: ModuleOp, costs: Costs) -> None:
    """Fill in a plan's times, bytes, inputs, outputs and communications.

    `sized` is the model with shapes to reckon with; shares of a batch become slices of its size.
    """
    copy = sized.clone()
    nodes = Nodes.of(copy)
    _name_values(plan, nodes)
    trial = PartitionPlan(
        plan.strategy, partitions=plan.partitions, splits=_fitted(plan.splits, nodes)
    )
    spreading = Spreading(nodes, trial)
    spreading.run()
    plan.communications = spreading.communications
    by_target = {partition.device.target: partition for partition in plan.partitions}
    weights: defaultdict[str, dict[SSAValue, None]] = defaultdict(dict)
    for partition in plan.partitions:
        partition.compute_us = partition.comm_us = 0.0
        partition.memory_bytes = 0
    for op in nodes.block.ops:
        partition = by_target.get(tag_of(op))
        if partition is None:
            continue
        partition.compute_us += costs.compute_us(op, partition.device)
        partition.memory_bytes += sum(map(bytes_of, op.results))
        for value in operands_of(op):
            if isinstance(value.owner, Operation) and value.owner.has_trait(ConstantLike):
                weights[partition.device.target][value] = None
    for target, values in weights.items():
        by_target[target].memory_bytes += sum(map(bytes_of, values))
    _communicate(plan)
    plan.total_comm_bytes = sum(comm.bytes for comm in plan.communications)
    times = [partition.time_us for partition in plan.partitions]
    mean = sum(times) / len(times) if times else 0.0
    plan.load_imbalance = max(times) / mean - 1.0 if mean else 0.0
    groups = groups_of(plan).values()
    alone = sum(max(p.compute_us for p in group) for group in groups)
    plan.total_latency_us = alone + sum(comm.time_us for comm in plan.communications)


def _communicate(plan: PartitionPlan) -> None:
    """The time of each communication, which is that of the slowest link, as work of the devices
    that take part: a value passes the link of its device once in each direction."""
    seen: set[tuple[str, int, bool]] = set()
    for comm in plan.communications:
        parts = max(1, len(comm.sources) * max(1, len(comm.destinations)))
        ends = [(i, False) for i in comm.sources] + [(i, True) for i in comm.destinations]
        times = {
            ident: (plan.partitions[ident].device.link or plan.link).time_us(comm.bytes // parts)
            for ident, _ in ends
        }
        comm.time_us = max(times.values(), default=0.0)
        for ident, is_entering in ends:
            if (comm.value, ident, is_entering) not in seen:
                seen.add((comm.value, ident, is_entering))
                plan.partitions[ident].comm_us += times[ident]


def _fitted(splits: list[Split], nodes: Nodes) -> list[Split]:
    """Splits whose shares are sizes; of fewer rows than devices each does all of it."""
    inputs = dict(zip(nodes.inputs(), nodes.block.args, strict=True))
    found: list[Split] = []
    for split in splits:
        value = inputs.get(split.node)
        shape = shape_of(value) if value is not None and is_tensor(value.type) else None
        if shape and shape[split.axis] != DYNAMIC and shape[split.axis] < len(split.sizes):
            continue
        if shape and shape[split.axis] not in (DYNAMIC, sum(split.sizes)):
            sizes = [stop - start for start, stop in bounds(shape[split.axis], split.sizes)]
            found.append(Split(split.node, split.axis, sizes))
        else:
            found.append(split)
    return found


def _name_values(plan: PartitionPlan, nodes: Nodes) -> None:
    """The values that go into and come out of each partition."""
    for group in groups_of(plan).values():
        members = {nodes.ops[name] for name in group[0].nodes if name in nodes.ops}
        inputs: dict[str, None] = {}
        outputs: dict[str, None] = {}
        for op in nodes.ops.values():
            if op not in members:
                continue
            for value in operands_of(op):
                if value in nodes.values and value.owner not in members:
                    inputs[nodes.values[value]] = None
            for result in op.results:
                if any(nodes.above(use.operation) not in members for use in result.uses):
                    outputs[nodes.values[result]] = None
        for partition in group:
            partition.inputs, partition.outputs = list(inputs), list(outputs)

"""Giving the nodes of a model to devices, and putting what travels between them into the IR."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
from xdsl.dialects.builtin import IntegerAttr, StringAttr
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.traits import is_side_effect_free

from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.communication import (
    AllGatherOp,
    AllReduceOp,
    ReceiveOp,
    ScatterOp,
    SendOp,
)
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.pieces import SliceOp
from pyflame_rt.dialects.pfrt.types import (
    DYNAMIC,
    is_tensor,
    shape_of,
    to_property,
)
from pyflame_rt.dialects.rewriting import failed
from pyflame_rt.dialects.targets import TARGET
from pyflame_rt.errors import PassFailed
from pyflame_rt.passes.partitioning.costs import bytes_of
from pyflame_rt.passes.partitioning.cuts import Cut, Layout, Sharing, column_sharing, sharing
from pyflame_rt.passes.partitioning.nodes import Nodes
from pyflame_rt.passes.partitioning.plan_files import CommOp, GraphPartition, PartitionPlan
from pyflame_rt.passes.partitioning.stages import STAGE


@dataclass
class _Spread:
    """A value of the model: the parts that the devices of a stage have, by rank, and how they lie.

    `whole` is what the host has of it, once it was collected; `there` are parts on other stages.
    """

    stage: int
    parts: Sequence[SSAValue]
    layout: Layout = None
    sums: bool = False
    whole: SSAValue | None = None
    there: dict[tuple[int, Layout], Sequence[SSAValue]] = field(
        default_factory=dict[tuple[int, Layout], Sequence[SSAValue]]
    )


class Spreading:
    """A module on its way to being spread as a plan says."""

    def __init__(self, nodes: Nodes, plan: PartitionPlan):
        last = nodes.block.last_op
        assert last is not None
        self._nodes = nodes
        self._block: Block = nodes.block
        self._last: Operation = last
        self._groups = groups_of(plan)
        self._home = homes_of(nodes, plan)
        self._splits = {s.node: Cut(s.axis, tuple(s.sizes)) for s in plan.splits}
        self._spread: dict[SSAValue, _Spread] = {}
        self._at: Operation = last
        self._spacing = 2 * (len(nodes.ops) + 1)
        self._is_ordered = plan.strategy.word != "model"
        self._rows: SSAValue | None = None
        self.communications: list[CommOp] = []
        self.gathered: list[str] = []
        """Nodes that needed a whole operand of which their devices had slices."""
        self.outputs: list[Layout] = []
        """How the model's outputs lay before they were collected."""

    def run(self) -> None:
        """Spread the function: each op is tagged with its device, and values travel."""
        ops = list(self._nodes.ops.values())
        for value, name in zip(self._block.args, self._nodes.inputs(), strict=True):
            self._argument(value, name)
        for op in ops:
            self._at = op
            group = self._groups[self._home[op]]
            if len(group) == 1:
                self._place(op, group[0])
            else:
                self._share(op, group)
        self._at = self._last
        for index, value in enumerate(self._last.operands):
            self._last.operands[index] = self._output(value)
        # What was shared, and what a device would do for nobody.
        for op in reversed(list(self._block.ops)):
            is_shared = op in self._nodes.names and TARGET not in op.attributes
            is_idle = op is not self._last and is_side_effect_free(op)
            if (is_shared or is_idle) and all(result.first_use is None for result in op.results):
                op.detach()
                op.erase()

    def _argument(self, value: SSAValue, name: str) -> None:
        """Scatter an input that is split."""
        cut = self._splits.get(name)
        if cut is None or not self._groups:
            return
        shape = shape_of(value) if is_tensor(value.type) else None
        if shape is None or cut.axis >= len(shape):
            raise PassFailed(f"has no dimension {cut.axis} to split", where=f'input "{name}"')
        dim = shape[cut.axis]
        if dim not in (DYNAMIC, sum(cut.sizes)):
            raise PassFailed(
                f"{dim} elements are split into {list(cut.sizes)}", where=f'input "{name}"'
            )
        first = self._block.first_op
        assert first is not None
        self._at = first
        op = ScatterOp.create_op([value], {"axis": cut.axis, "sizes": cut.sizes})
        self._insert(op)
        parts: list[SSAValue] = [*op.results]
        if dim == DYNAMIC:
            self._rows = value
        whole = _Spread(-1, [value], whole=value)
        for stage, group in self._groups.items():
            if len(group) == len(cut.sizes):
                whole.there[stage, cut] = parts
        stage = next((s for s, _ in whole.there), None)
        if stage is None:
            raise PassFailed(
                f"no stage has {len(cut.sizes)} devices for its slices", where=f'input "{name}"'
            )
        ids = [partition.id for partition in self._groups[stage]]
        self._note("scatter", name, [], ids, sum(map(bytes_of, op.results)))
        self._spread[value] = _Spread(stage, parts, cut, whole=value, there=whole.there)

    def _place(self, op: Operation, partition: GraphPartition) -> None:
        """An op that one device runs."""
        for nested in op.walk():
            for index, value in enumerate(nested.operands):
                if self._is_outer(value):
                    nested.operands[index] = self._fetch(value, partition.stage, None)[0]
        self._tag(op, partition)
        for result in op.results:
            self._spread[result] = _Spread(partition.stage, [result])

    def _share(self, op: Operation, group: Sequence[GraphPartition]) -> None:
        """An op of which each device of a group has a copy, or a share."""
        stage = group[0].stage
        if not isinstance(op, PfrtOp) or op.regions:
            plan = None
        elif self._rows is not None:
            plan = self._copy_on_rows(op, stage)
        else:
            plan = self._sharing(op, stage)
        if plan is None:
            self._repeat(op, group)
            return
        slots = cast(PfrtOp, op).operand_slots()
        parts = [
            None if slot is None else self._fetch(slot, stage, layout)
            for slot, layout in zip(slots, plan.operands, strict=True)
        ]
        clones: list[PfrtOp] = []
        for rank, partition in enumerate(group):
            values = [
                None if part is None or (rank and place in plan.first_only) else part[rank]
                for place, part in enumerate(parts)
            ]
            new = _local(cast(PfrtOp, op), values, plan, rank)
            if self._rows is None and any(plan.operands):
                new.set_inferred_types()
            self._tag(new, partition)
            self._insert(new)
            clones.append(new)
        for index, result in enumerate(op.results):
            values = [clone.results[index] for clone in clones]
            self._spread[result] = _Spread(stage, values, plan.results[index], plan.sums)

    def _repeat(self, op: Operation, group: Sequence[GraphPartition]) -> None:
        """An op that every device of a group does as a whole."""
        stage = group[0].stage
        clones: list[Operation] = []
        for rank, partition in enumerate(group):
            new = op.clone()
            new.location = op.location
            for nested in new.walk():
                for index, value in enumerate(nested.operands):
                    if self._is_outer(value):
                        if self._layout(value, stage) is not None and rank == 0:
                            self.gathered.append(self._nodes.names[op])
                        nested.operands[index] = self._fetch(value, stage, None)[rank]
            self._tag(new, partition)
            self._insert(new)
            clones.append(new)
        for index, result in enumerate(op.results):
            self._spread[result] = _Spread(stage, [clone.results[index] for clone in clones])

    def _sharing(self, op: PfrtOp, stage: int) -> Sharing | None:
        slots = op.operand_slots()
        layouts = [None if slot is None else self._layout(slot, stage) for slot in slots]
        cut = self._splits.get(self._nodes.names[op])
        if cut is not None:
            found = column_sharing(op, cut, layouts)
            result = shape_of(op.results[0])
            if found is None or found.results[0] != cut:
                raise failed(op, f"cannot be split along dimension {cut.axis} of its result")
            if result is None or sum(cut.sizes) != result[cut.axis]:
                raise failed(op, f"its result is no {list(cut.sizes)} along dimension {cut.axis}")
            return found
        return sharing(op, layouts)

    def _copy_on_rows(self, op: PfrtOp, stage: int) -> Sharing | None:
        """The op on each device's rows of a batch whose size is not known: as it stands.

        Only for models of which it is known that rows do not see each other.
        """
        slots = op.operand_slots()
        layouts = tuple(None if slot is None else self._layout(slot, stage) for slot in slots)
        cut = next((layout for layout in layouts if layout is not None), None)
        return None if cut is None else Sharing(layouts, (cut,) * len(op.results))

    def _layout(self, value: SSAValue, stage: int) -> Layout:
        """How a value lies on the devices of a stage, if it can stay so."""
        found = self._spread.get(value)
        if found is None or found.sums:
            return None
        return found.layout if len(self._groups[stage]) == len(found.parts) else None

    def _is_outer(self, value: SSAValue) -> bool:
        """Whether a value is one of the function's own block, not of a region in it."""
        owner = value.owner
        return (owner.parent if isinstance(owner, Operation) else owner) is self._block

    def _fetch(self, value: SSAValue, stage: int, layout: Layout) -> Sequence[SSAValue]:
        """The value on each device of a stage, lying as it is wanted."""
        group = self._groups[stage]
        found = self._spread.get(value)
        if found is None:
            found = self._spread[value] = _Spread(-1, [value], whole=value)
        if found.stage == stage and found.layout == layout and not found.sums:
            return found.parts
        if (stage, layout) not in found.there:
            found.there[stage, layout] = self._brought(value, found, group, layout)
        return found.there[stage, layout]

    def _brought(
        self, value: SSAValue, found: _Spread, group: Sequence[GraphPartition], layout: Layout
    ) -> list[SSAValue]:
        if layout is not None and found.layout == layout and len(found.parts) == len(group):
            sources = self._groups[found.stage]
            return [
                self._sent(value, part, source, partition)
                for part, source, partition in zip(found.parts, sources, group, strict=True)
            ]
        if layout is not None:
            return self._sliced(value, self._fetch(value, group[0].stage, None), layout, group)
        if found.layout is None and not found.sums and found.stage >= 0:
            source = self._groups[found.stage][0]
            return [self._sent(value, found.parts[0], source, partition) for partition in group]
        ids = [partition.id for partition in group]
        return [self._collected(value, found, ids)] * len(group)

    def _sent(
        self, value: SSAValue, part: SSAValue, source: GraphPartition, partition: GraphPartition
    ) -> SSAValue:
        there = partition.device.target
        sent = SendOp.create_op([part], {"source": source.device.target, "destination": there})
        self._insert(sent)
        received = ReceiveOp.create_op([sent.results[0]], {"destination": there})
        self._insert(received)
        name = self._nodes.values[value]
        self._note("send", name, [source.id], [partition.id], bytes_of(part))
        return received.results[0]

    def _sliced(
        self, value: SSAValue, wholes: Sequence[SSAValue], cut: Cut, group: Sequence[GraphPartition]
    ) -> list[SSAValue]:
        """A slice for each device; of constants it is made now."""
        parts: list[SSAValue] = []
        start = 0
        for whole, partition, size in zip(wholes, group, cut.sizes, strict=True):
            array = constant_of(whole)
            op: PfrtOp
            if array is not None:
                index = (slice(None),) * cut.axis + (slice(start, start + size),)
                piece = np.ascontiguousarray(array[index])
                piece.flags.writeable = False
                op = ConstantOp.get(piece)
            else:
                bounds = {"starts": (start,), "ends": (start + size,), "axes": (cut.axis,)}
                op = SliceOp.create_op([whole], bounds)
                self._tag(op, partition)
            self._insert(op)
            parts.append(op.results[0])
            start += size
        return parts

    def _collected(self, value: SSAValue, found: _Spread, ids: list[int]) -> SSAValue:
        """The whole of a value, where all devices that need it get it."""
        if found.whole is not None:
            return found.whole
        sources = [partition.id for partition in self._groups[found.stage]]
        name = self._nodes.values[value]
        op: PfrtOp
        if found.sums:
            op = AllReduceOp.create_op([found.parts])
            kind = "all_reduce"
            count = 2 * bytes_of(found.parts[0]) * (len(found.parts) - 1)
        else:
            assert found.layout is not None
            op = AllGatherOp.create_op([found.parts, self._rows], {"axis": found.layout.axis})
            kind = "all_gather"
            count = sum(map(bytes_of, found.parts)) * max(1, len(ids) - 1)
        self._insert(op)
        found.whole = op.results[0]
        self._note(kind, name, sources, ids, count)
        return found.whole

    def _output(self, value: SSAValue) -> SSAValue:
        """A value that the model returns."""
        found = self._spread.get(value)
        self.outputs.append(None if found is None else found.layout)
        if found is None or found.whole is not None:
            return value if found is None or found.whole is None else found.whole
        if found.layout is None and not found.sums:
            return found.parts[0]
        return self._collected(value, found, [])

    def _insert(self, op: Operation) -> None:
        if op.location != self._at.location:
            op.location = self._at.location
        self._block.insert_op_before(op, self._at)

    def _tag(self, op: Operation, partition: GraphPartition) -> None:
        op.attributes[TARGET] = StringAttr(partition.device.target)
        if self._is_ordered and partition.stage:
            op.attributes[STAGE] = IntegerAttr(partition.stage * self._spacing, 64)

    def _note(self, kind: str, value: str, sources: list[int], to: list[int], count: int) -> None:
        self.communications.append(CommOp(kind, value, sources, to, count))


def _local(op: PfrtOp, values: Sequence[SSAValue | None], plan: Sharing, rank: int) -> PfrtOp:
    """A device's copy of an op, on its operands."""
    patches = {} if plan.patches is None else plan.patches(rank)
    new = op.clone()
    if plan.first_only and rank:
        new.erase()
        new = type(op).build(
            operands=[[] if value is None else [value] for value in values],
            properties={n: a for n, a in op.properties.items() if not n.endswith("SegmentSizes")},
            result_types=list[Attribute](op.result_types),
        )
    else:
        for index, value in enumerate(value for value in values if value is not None):
            new.operands[index] = value
    for name, patch in patches.items():
        new.properties[name] = to_property(patch)
    new.location = op.location
    return new


def groups_of(plan: PartitionPlan) -> dict[int, list[GraphPartition]]:
    """The partitions of each stage, by rank; those without nodes have no part in it."""
    groups: dict[int, list[GraphPartition]] = {}
    for partition in sorted(plan.partitions, key=lambda p: (p.stage, p.rank)):
        if partition.nodes:
            groups.setdefault(partition.stage, []).append(partition)
    return groups


def homes_of(nodes: Nodes, plan: PartitionPlan) -> dict[Operation, int]:
    """The stage of each node. Raises PassFailed when plan and model are not about the same nodes."""
    stages = {node: p.stage for p in plan.partitions for node in p.nodes}
    missing = [name for name in nodes.ops if name not in stages]
    extra = [name for name in stages if name not in nodes.ops]
    for names, what in ((extra, "the model has no node"), (missing, "the plan has no device for")):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise PassFailed(
                f'{what} "{names[0]}"{more}', hint="plans belong to a model after their preparation"
            )
    return {op: stages[name] for name, op in nodes.ops.items()}

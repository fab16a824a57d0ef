"""Plans of every strategy: who does what, what that is predicted to take, and why it was chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp

from pyflame_rt.errors import PassFailed, PyFlameRTError, ValidationError
from pyflame_rt.passes.partitioning import tensor_splits
from pyflame_rt.passes.partitioning.batches import Batch, batch_of, rows_are_apart
from pyflame_rt.passes.partitioning.costs import Costs, bytes_of, memory_of, tag_of
from pyflame_rt.passes.partitioning.devices import (
    DeviceSpec,
    Link,
    PartitionStrategy,
    require_distinct,
)
from pyflame_rt.passes.partitioning.nodes import Nodes
from pyflame_rt.passes.partitioning.plan_files import GraphPartition, PartitionPlan
from pyflame_rt.passes.partitioning.predicting import predict
from pyflame_rt.passes.partitioning.solving.exact import solve
from pyflame_rt.passes.partitioning.solving.problem import Machine, Placement, Problem

_CLOSE = 1e-4
"""The proven gap at which a search ends: costs are not known as well."""


@dataclass
class Request:
    """What a plan is made for.

    `sized` is the module with shapes to reckon with: the module itself, or a copy of it in which
    its dynamic dimensions have sizes. `together` are groups of node names.
    """

    ctx: Context
    module: ModuleOp
    sized: ModuleOp
    devices: Sequence[DeviceSpec]
    costs: Costs = field(default_factory=Costs)
    link: Link = field(default_factory=Link)
    together: Sequence[Sequence[str]] = ()
    seconds: float = 10.0
    tensor: int = 0
    stages: int = 0
    micro_batches: int = 1
    balance_compute: bool = True
    minimize_communication: bool = True
    model: str = ""

    def require_sound(self) -> None:
        """Raise ValidationError for a request that means nothing."""
        if not self.devices:
            raise ValidationError("there is none", where="devices")
        require_distinct(self.devices)
        if self.micro_batches < 1:
            raise ValidationError(f"{self.micro_batches} are asked for", where="micro-batches")


def make(request: Request, strategy: PartitionStrategy) -> PartitionPlan:
    """The plan of a strategy, with predictions. Raises PassFailed, ValidationError."""
    request.require_sound()
    match strategy:
        case PartitionStrategy.PIPELINE_PARALLEL:
            plan = _by_layers(request, is_pipeline=True)
        case PartitionStrategy.MODEL_PARALLEL:
            plan = (
                _tensor(request) if request.tensor > 1 else _by_layers(request, is_pipeline=False)
            )
        case PartitionStrategy.DATA_PARALLEL:
            plan = _data(request)
        case PartitionStrategy.HYBRID:
            plan = _hybrid(request)
        case PartitionStrategy.AUTOMATIC:
            plan = automatic(lambda each: make(request, each))
        case PartitionStrategy.MANUAL:
            plan = _by_tags(request)
    plan.model = request.model
    plan.micro_batches = request.micro_batches
    if not plan.bound_us:
        plan.bound_us = min(_evenly(request), plan.bottleneck_us)
        plan.explanation.insert(
            0,
            f"{plan.strategy.word}: busiest device {plan.bottleneck_us:.1f} us, all shared evenly "
            f"would be {plan.bound_us:.1f} us: proven gap {plan.gap:.2%}",
        )
    return plan


def _evenly(request: Request) -> float:
    """Microseconds of each device if the nodes could be shared out evenly."""
    nodes = Nodes.of(request.sized)
    own = request.costs.rates.flops
    speeds = sum((d.compute_flops or own) / own for d in request.devices)
    return sum(request.costs.compute_us(op) for op in nodes.ops.values()) / speeds


def problem_of(
    request: Request, nodes: Nodes, devices: Sequence[DeviceSpec], *, is_pipeline: bool
) -> Problem:
    """Placing a model's nodes on devices, as the solver sees it."""
    number = {op: index for index, op in enumerate(nodes.ops.values())}
    costs = request.costs
    links = [d.link or request.link for d in devices]
    busy = 1.0 if request.balance_compute else 1e-6
    ways = 1.0 if request.minimize_communication else 0.0
    edges = {(number[a], number[b]): None for _, a, b in nodes.edges()}
    edges |= {(number[a], number[b]): None for a, b in nodes.in_order_of_effects()}
    machines = tuple(
        Machine(
            speed=(d.compute_flops or costs.rates.flops) / costs.rates.flops,
            memory=d.memory_bytes or None,
            alpha=link.alpha_us * ways,
            beta=link.beta_us * ways,
        )
        for d, link in zip(devices, links, strict=True)
    )
    together: list[tuple[int, ...]] = []
    for group in request.together:
        unknown = [name for name in group if name not in nodes.ops]
        if unknown:
            raise ValidationError(f'there is no node "{unknown[0]}"', where="colocate")
        together.append(tuple(number[nodes.ops[name]] for name in group))
    return Problem(
        costs=tuple(busy * costs.compute_us(op) for op in number),
        memory=tuple(map(memory_of, number)),
        bytes=tuple(float(sum(map(bytes_of, op.results))) for op in number),
        edges=tuple(edges),
        machines=machines,
        is_pipeline=is_pipeline,
        together=tuple(group for group in together if len(group) > 1),
    )


def _solved(
    request: Request, devices: Sequence[DeviceSpec], *, is_pipeline: bool
) -> tuple[Nodes, Placement]:
    nodes = Nodes.of(request.sized)
    problem = problem_of(request, nodes, devices, is_pipeline=is_pipeline)
    try:
        return nodes, solve(problem, request.seconds, gap=_CLOSE)
    except ValidationError as error:
        names = list(nodes.ops)
        where = error.where or ""
        if where.startswith("node "):
            where = f'node "{names[int(where.removeprefix("node "))]}"'
        raise PassFailed(str(error.args[0]) if not where else _bare(error), where=where) from error


def _bare(error: PyFlameRTError) -> str:
    """What an error says, without where."""
    text = str(error)
    return text.removeprefix(f"{error.where}: ") if error.where else text


def _by_layers(request: Request, *, is_pipeline: bool) -> PartitionPlan:
    """Each node on one device: the least largest load."""
    devices = list(request.devices)
    if request.stages and is_pipeline:
        devices = devices[: request.stages]
    nodes, placement = _solved(request, devices, is_pipeline=is_pipeline)
    names = list(nodes.ops)
    held: dict[int, list[str]] = {index: [] for index in range(len(devices))}
    for node, place in enumerate(placement.places):
        held[place].append(names[node])
    order = _row(nodes, placement) if is_pipeline else list(range(len(devices)))
    partitions = [
        GraphPartition(position, devices[index], held[index], stage=position)
        for position, index in enumerate(order)
    ]
    strategy = (
        PartitionStrategy.PIPELINE_PARALLEL if is_pipeline else PartitionStrategy.MODEL_PARALLEL
    )
    plan = PartitionPlan(strategy, partitions=partitions, link=request.link)
    predict(plan, request.sized, request.costs)
    if request.balance_compute and request.minimize_communication:
        plan.bound_us = min(placement.bound, plan.bottleneck_us)
    plan.explanation.append(
        f"{strategy.word}: busiest device {placement.load:.1f} us, none can be below "
        f"{placement.bound:.1f} us: proven gap {placement.gap:.2%} ({placement.method})"
    )
    return plan


def _row(nodes: Nodes, placement: Placement) -> list[int]:
    """The devices of a pipeline in the order in which a result passes them."""
    number = {op: index for index, op in enumerate(nodes.ops.values())}
    count = len(placement.loads)
    before: dict[int, set[int]] = {index: set() for index in range(count)}
    pairs = [(a, b) for _, a, b in nodes.edges()] + list(nodes.in_order_of_effects())
    for source, target in pairs:
        a, b = placement.places[number[source]], placement.places[number[target]]
        if a != b:
            before[b].add(a)
    row: list[int] = []
    while len(row) < count:
        row.append(next(d for d in range(count) if d not in row and before[d] <= set(row)))
    return row


def _data(request: Request) -> PartitionPlan:
    """The whole model on each device, for a slice of the batch."""
    devices = list(request.devices)
    nodes = Nodes.of(request.sized)
    batch = batch_of(request.module)
    why = _why_not_data(request, batch)
    count = 1 if why else min(len(devices), batch.rows) if batch.rows else len(devices)
    plan = PartitionPlan(PartitionStrategy.DATA_PARALLEL, link=request.link)
    plan.partitions = [
        GraphPartition(i, d, list(nodes.ops) if i < count else [], stage=0 if i < count else 1 + i,
                       rank=i if i < count else 0)
        for i, d in enumerate(devices)
    ]  # fmt: skip
    if count > 1:
        plan.splits = batch.splits(count)
        said = f"{batch.rows} rows" if batch.rows else "a batch of any size"
        plan.explanation.append(f"data: {said} in {count} slices, of the inputs {batch.names()}")
    else:
        plan.explanation.append(
            f"data: {devices[0]} does all of it, as {why or 'there is one row'}"
        )
    predict(plan, request.sized, request.costs)
    return plan


def _why_not_data(request: Request, batch: Batch) -> str | None:
    """What keeps a model from working on slices of its batch."""
    if not batch.inputs:
        return "no input has a first dimension to split"
    if batch.rows == 1:
        return "its batch is a single row"
    if batch.rows:
        return None
    return rows_are_apart(request.ctx, request.module, batch)


def _tensor(request: Request) -> PartitionPlan:
    """All devices share the large layers."""
    count = min(request.tensor or len(request.devices), len(request.devices))
    return _grouped(request, [list(request.devices[:count])], PartitionStrategy.MODEL_PARALLEL)


def _grouped(
    request: Request, groups: Sequence[Sequence[DeviceSpec]], strategy: PartitionStrategy
) -> PartitionPlan:
    """A pipeline of groups, whose devices share their layers."""
    count = len(groups[0])
    nodes = Nodes.of(request.sized)
    names = list(nodes.ops)
    places: Sequence[int] = [0] * len(names)
    explanation: list[str] = []
    if len(groups) > 1:
        lead = [_merged(group) for group in groups]
        _, placement = _solved(request, lead, is_pipeline=True)
        row = _row(nodes, placement)
        groups = [groups[index] for index in row]
        places = [row.index(place) for place in placement.places]
        explanation.append(
            f"{len(groups)} stages of {count} devices: proven gap of the stages {placement.gap:.2%}"
        )
    partitions: list[GraphPartition] = []
    used = {device.target for group in groups for device in group}
    for stage, group in enumerate(groups):
        held = [name for name, place in zip(names, places, strict=True) if place == stage]
        for rank, device in enumerate(group):
            partitions.append(
                GraphPartition(len(partitions), device, list(held), stage=stage, rank=rank)
            )
    for device in request.devices:
        if device.target not in used:
            partitions.append(
                GraphPartition(len(partitions), device, stage=len(groups) + len(partitions))
            )
    plan = PartitionPlan(strategy, partitions=partitions, link=request.link)
    if count > 1:
        stage_of = dict(zip(names, places, strict=True))
        plan.splits = tensor_splits.choose(nodes, count, stage_of)
        explanation.append(f"{len(plan.splits)} layers are shared by {count} devices each")
    predict(plan, request.sized, request.costs)
    plan.explanation = [f"{strategy.word}: " + "; ".join(explanation)] if explanation else []
    return plan


def _merged(group: Sequence[DeviceSpec]) -> DeviceSpec:
    """A group of devices as one."""
    first = group[0]
    memory = sum(d.memory_bytes for d in group) if all(d.memory_bytes for d in group) else 0
    return DeviceSpec(
        first.type, first.device_id, memory, first.compute_flops, first.name, first.link
    )


def _with_rows(request: Request, stages: int, count: int) -> PartitionPlan | None:
    """A pipeline each of whose stages has several devices, for slices of the batch."""
    batch = batch_of(request.module)
    if _why_not_data(request, batch) is not None or (batch.rows and batch.rows < count):
        return None
    groups = [list(request.devices[i * count : (i + 1) * count]) for i in range(stages)]
    plan = _grouped_rows(request, groups)
    plan.splits = batch.splits(count)
    predict(plan, request.sized, request.costs)
    return plan


def _grouped_rows(request: Request, groups: Sequence[Sequence[DeviceSpec]]) -> PartitionPlan:
    nodes, placement = _solved(request, [_merged(g) for g in groups], is_pipeline=True)
    row = _row(nodes, placement)
    partitions: list[GraphPartition] = []
    for stage, index in enumerate(row):
        held = [n for n, p in zip(nodes.ops, placement.places, strict=True) if p == index]
        for rank, device in enumerate(groups[index]):
            partitions.append(GraphPartition(len(partitions), device, held, stage=stage, rank=rank))
    plan = PartitionPlan(PartitionStrategy.HYBRID, partitions=partitions, link=request.link)
    plan.explanation.append(
        f"hybrid: {len(groups)} stages of {len(groups[0])} replicas each: proven gap of the stages "
        f"{placement.gap:.2%}"
    )
    return plan


def _hybrid(request: Request) -> PartitionPlan:
    """Stages of several devices each that share layers, or rows: what is predicted to be best."""
    return best(_hybrids(request), PartitionStrategy.HYBRID)


def _hybrids(request: Request) -> Iterable[PartitionPlan]:
    total = len(request.devices)
    for count in range(1, total + 1):
        if total % count or (request.tensor and count != request.tensor):
            continue
        stages = total // count
        if request.stages and stages != request.stages:
            continue
        if count == 1 or (stages == 1 and total > 3 and not (request.tensor or request.stages)):
            continue
        rows = _with_rows(request, stages, count)
        if rows is not None and not request.tensor:
            yield rows
        groups = [list(request.devices[i * count : (i + 1) * count]) for i in range(stages)]
        with suppress(PassFailed):
            yield _grouped(request, groups, PartitionStrategy.HYBRID)


def automatic(attempt: Callable[[PartitionStrategy], PartitionPlan]) -> PartitionPlan:
    """Of plans of all strategies, as they are made by `attempt`, the best. Raises PassFailed."""

    def candidates() -> Iterable[PartitionPlan]:
        for strategy in (
            PartitionStrategy.PIPELINE_PARALLEL,
            PartitionStrategy.MODEL_PARALLEL,
            PartitionStrategy.DATA_PARALLEL,
            PartitionStrategy.HYBRID,
        ):
            with suppress(PassFailed):
                yield attempt(strategy)

    return best(candidates(), PartitionStrategy.AUTOMATIC)


def best(plans: Iterable[PartitionPlan], strategy: PartitionStrategy) -> PartitionPlan:
    """The plan that is predicted to give most results a second, within the memory there is; it
    says what there was to choose from. Raises PassFailed when there is none."""
    found: list[tuple[float, PartitionPlan]] = []
    lines: list[str] = []
    for plan in plans:
        over = [
            p
            for p in plan.partitions
            if p.device.memory_bytes and p.memory_bytes > p.device.memory_bytes
        ]
        says = plan.explanation[0] if plan.explanation else plan.strategy.word
        if over:
            lines.append(f"{says}: {over[0].device} would need {over[0].memory_bytes} bytes")
            continue
        found.append((plan.bottleneck_us, plan))
        lines.append(
            f"{says}: {plan.bottleneck_us:.1f} us a run, {plan.total_latency_us:.1f} us alone"
        )
    if not found:
        why = f" ({lines[0]})" if lines else ""
        raise PassFailed(f"no {strategy.word} plan suits the model and its devices{why}")
    least = min(time for time, _ in found)
    level = [plan for time, plan in found if time <= 1.02 * least]
    chosen = min(level, key=lambda plan: plan.total_latency_us)
    chosen.explanation = [
        *lines,
        f"chosen: {chosen.strategy.word}, of those whose busiest device takes least the one that is fastest alone",
    ]
    return chosen


def _by_tags(request: Request) -> PartitionPlan:
    """The devices that ops are tagged with."""
    nodes = Nodes.of(request.sized)
    tags = [tag_of(op) for op in nodes.ops.values()]
    devices = {device.target: device for device in request.devices}
    for tag, (name, _) in zip(tags, nodes.ops.items(), strict=True):
        if tag not in devices:
            what = f'is for "{tag}"' if tag else "has no pfrt.target"
            raise PassFailed(
                f"{what}; devices are {', '.join(devices)}",
                where=f'node "{name}"',
                hint="manual needs a plan, or a device on each op",
            )
    plan = PartitionPlan(PartitionStrategy.MODEL_PARALLEL, link=request.link)
    plan.partitions = [
        GraphPartition(
            i, d, [n for n, t in zip(nodes.ops, tags, strict=True) if t == d.target], stage=i
        )
        for i, d in enumerate(request.devices)
    ]
    plan.explanation.append("manual: as the ops are tagged")
    predict(plan, request.sized, request.costs)
    return plan

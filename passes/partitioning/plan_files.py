"""Plans: which device does what, as a file that can be read, edited and replayed."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from pyflame_rt.errors import PyFlameRTError, ValidationError
from pyflame_rt.files import write_text
from pyflame_rt.passes.partitioning.devices import DeviceSpec, DeviceType, Link, PartitionStrategy

T = TypeVar("T")

VERSION = 1

COMMUNICATIONS = ("send", "scatter", "broadcast", "all_gather", "all_reduce")


@dataclass
class Split:
    """A node or an input of which each device of a group has a slice of the result, along `axis`.

    `sizes` are the slices' sizes, one for each device of the group, in order of their ranks; along
    a dimension that is known at run time only, they are shares of it.
    """

    node: str
    axis: int
    sizes: list[int]


@dataclass
class GraphPartition:
    """What one device does.

    `nodes`, `inputs` and `outputs` are names of values; a node is called by its first result.
    Partitions of one `stage` are a group: its devices share each of its nodes (`rank` says which
    share), and have the same nodes.
    """

    id: int
    device: DeviceSpec
    nodes: list[str] = field(default_factory=list[str])
    inputs: list[str] = field(default_factory=list[str])
    outputs: list[str] = field(default_factory=list[str])
    stage: int = 0
    rank: int = 0
    compute_us: float = 0.0
    comm_us: float = 0.0
    memory_bytes: int = 0

    @property
    def time_us(self) -> float:
        """Estimated microseconds that the device is busy for one run."""
        return self.compute_us + self.comm_us


@dataclass
class CommOp:
    """A value on its way: ids of the partitions it leaves and reaches, and bytes in all."""

    kind: str
    value: str
    sources: list[int]
    destinations: list[int]
    bytes: int = 0
    time_us: float = 0.0


@dataclass
class PartitionPlan:
    """A model spread over devices.

    `preparation` is the pipeline that the model has run through before its nodes had these names.
    `link` is that of
    devices that have none of their own. `bound_us` is what no plan of this strategy could beat for the busiest device, as far as it was
    proven. `micro_batches` are the pieces of a batch that are in the pipeline together.
    """

    strategy: PartitionStrategy = PartitionStrategy.MANUAL
    model: str = ""
    preparation: str = ""
    partitions: list[GraphPartition] = field(default_factory=list[GraphPartition])
    communications: list[CommOp] = field(default_factory=list[CommOp])
    splits: list[Split] = field(default_factory=list[Split])
    micro_batches: int = 1
    link: Link = field(default_factory=Link)
    total_latency_us: float = 0.0
    total_comm_bytes: int = 0
    load_imbalance: float = 0.0
    bound_us: float = 0.0
    explanation: list[str] = field(default_factory=list[str])
    program: Any = field(default=None, compare=False, repr=False)
    """The model that it was made for, a `compiler.Program`, unless it comes from a file."""

    @property
    def devices(self) -> list[DeviceSpec]:
        """The devices, as the partitions have them."""
        return [partition.device for partition in self.partitions]

    @property
    def bottleneck_us(self) -> float:
        """Estimated microseconds of the busiest device: what a full pipeline takes for each run."""
        return max((partition.time_us for partition in self.partitions), default=0.0)

    @property
    def gap(self) -> float:
        """How far the busiest device may be above what is possible, proven: 0.01 is 1 %."""
        top = self.bottleneck_us
        return max(0.0, 1.0 - self.bound_us / top) if top else 0.0

    def to_json(self) -> str:
        """The plan as a file's text."""
        return json.dumps(_plain(self), indent=1) + "\n"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the plan to a file, whole or not at all. Raises PyFlameRTError."""
        write_text(path, self.to_json())

    @staticmethod
    def from_json(text: str | bytes, where: str = "plan") -> PartitionPlan:
        """Read a plan. Raises ValidationError that says where in it what is wrong."""
        try:
            data: object = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValidationError(f"is no JSON: {error}", where=where) from error
        plan = _Reading(where).plan(data)
        check(plan, where)
        return plan

    @staticmethod
    def load(path: str | os.PathLike[str]) -> PartitionPlan:
        """Read a plan's file. Raises PyFlameRTError."""
        name = os.fspath(path)
        try:
            with open(path, "rb") as file:
                text = file.read()
        except OSError as error:
            raise PyFlameRTError(f"cannot be read: {error.strerror}", where=name) from error
        return PartitionPlan.from_json(text, name)


def check(plan: PartitionPlan, where: str = "plan") -> None:
    """Raise ValidationError unless a plan agrees with itself."""

    def wrong(place: str, why: str) -> ValidationError:
        return ValidationError(why, where=f"{where}: {place}")

    targets: set[str] = set()
    homes: dict[str, int] = {}
    groups: dict[int, list[GraphPartition]] = {}
    for index, partition in enumerate(plan.partitions):
        place = f"partitions[{index}]"
        if partition.id != index:
            raise wrong(f"{place}.id", f"is {partition.id}, and should be {index}")
        if partition.device.target in targets:
            raise wrong(f"{place}.device", f"{partition.device.target} has another partition")
        targets.add(partition.device.target)
        groups.setdefault(partition.stage, []).append(partition)
        if len(set(partition.nodes)) != len(partition.nodes):
            twice = Counter(partition.nodes).most_common(1)[0][0]
            raise wrong(f"{place}.nodes", f'"{twice}" is there twice')
        for node in partition.nodes:
            if homes.setdefault(node, partition.stage) != partition.stage:
                raise wrong(f"{place}.nodes", f'"{node}" is in stage {homes[node]} already')
    for stage, group in groups.items():
        ranks = sorted(partition.rank for partition in group)
        if ranks != list(range(len(group))):
            raise wrong(f"stage {stage}", f"has ranks {ranks}, one each from 0 is needed")
        held = set(group[0].nodes)
        if any(set(p.nodes) != held for p in group[1:]):
            raise wrong(f"stage {stage}", "its devices have different nodes")
    _check_references(plan, wrong)


def _check_references(plan: PartitionPlan, wrong: Callable[[str, str], ValidationError]) -> None:
    count = len(plan.partitions)
    for index, comm in enumerate(plan.communications):
        place = f"communications[{index}]"
        if comm.kind not in COMMUNICATIONS:
            raise wrong(f"{place}.kind", f'"{comm.kind}" is none of {", ".join(COMMUNICATIONS)}')
        for ident in (*comm.sources, *comm.destinations):
            if not 0 <= ident < count:
                raise wrong(place, f"there is no partition {ident}")
    members: dict[str, int] = {}
    for partition in plan.partitions:
        for node in (*partition.nodes, *partition.inputs):
            members[node] = max(members.get(node, 0), partition.rank + 1)
    for index, split in enumerate(plan.splits):
        place = f"splits[{index}]"
        if split.node not in members:
            raise wrong(place, f'no partition has the node "{split.node}"')
        if len(split.sizes) != members[split.node] or min(split.sizes, default=0) < 1:
            raise wrong(
                f"{place}.sizes", f"are {split.sizes}, for {members[split.node]} devices of a group"
            )


def _plain(value: object) -> object:
    """A plan as what JSON has."""
    if isinstance(value, DeviceType):
        return value.name.lower()
    if isinstance(value, PartitionStrategy):
        return value.word
    if isinstance(value, list | tuple):
        return [_plain(item) for item in cast("Sequence[object]", value)]
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, int | str):
        return value
    fields = {n: v for n, v in vars(value).items() if v is not None and n != "program"}
    rows = {name: _plain(item) for name, item in fields.items()}
    return {"version": VERSION, **rows} if isinstance(value, PartitionPlan) else rows


@dataclass(frozen=True)
class _Reading:
    """A value of a plan's file, and where it stands."""

    where: str

    def at(self, key: str | int) -> _Reading:
        if isinstance(key, int):
            return _Reading(f"{self.where}[{key}]")
        return _Reading(f"{self.where}{'' if self.where.endswith(': ') else '.'}{key}")

    def wrong(self, why: str) -> ValidationError:
        return ValidationError(why, where=self.where)

    def plan(self, data: object) -> PartitionPlan:
        top = _Reading(f"{self.where}: plan")
        rows = top.object(data, PartitionPlan, also=("version",))
        if rows.get("version") != VERSION:
            raise top.at("version").wrong(f"is {rows.get('version')!r}, and this reads {VERSION}")
        body = _Reading(f"{self.where}: ")
        return PartitionPlan(
            strategy=_Reading(f"{self.where}: strategy").strategy(rows.get("strategy", "manual")),
            model=body.field(rows, "model", str, ""),
            preparation=body.field(rows, "preparation", str, ""),
            partitions=body.items(rows, "partitions", _Reading.partition),
            communications=body.items(rows, "communications", _Reading.communication),
            splits=body.items(rows, "splits", _Reading.split),
            micro_batches=body.count(rows, "micro_batches", 1, least=1),
            link=_Reading(f"{self.where}: link").link(rows.get("link", {})),
            total_latency_us=body.number(rows, "total_latency_us"),
            total_comm_bytes=body.count(rows, "total_comm_bytes", 0),
            load_imbalance=body.number(rows, "load_imbalance"),
            bound_us=body.number(rows, "bound_us"),
            explanation=body.texts(rows, "explanation"),
        )

    def strategy(self, data: object) -> PartitionStrategy:
        found = next((s for s in PartitionStrategy if s.word == data), None)
        if found is None:
            words = ", ".join(s.word for s in PartitionStrategy)
            raise self.wrong(f"{_short(data)} is none of {words}")
        return found

    def partition(self, data: object) -> GraphPartition:
        rows = self.object(data, GraphPartition)
        return GraphPartition(
            id=self.count(rows, "id", None),
            device=self.at("device").device(rows.get("device")),
            nodes=self.texts(rows, "nodes"),
            inputs=self.texts(rows, "inputs"),
            outputs=self.texts(rows, "outputs"),
            stage=self.count(rows, "stage", 0),
            rank=self.count(rows, "rank", 0),
            compute_us=self.number(rows, "compute_us"),
            comm_us=self.number(rows, "comm_us"),
            memory_bytes=self.count(rows, "memory_bytes", 0),
        )

    def device(self, data: object) -> DeviceSpec:
        rows = self.object(data, DeviceSpec)
        types = {kind.name.lower(): kind for kind in DeviceType}
        kind = self.field(rows, "type", str, "cpu")
        if kind not in types:
            raise self.at("type").wrong(f"{_short(kind)} is none of {', '.join(types)}")
        return DeviceSpec(
            types[kind],
            self.count(rows, "device_id", None),
            self.count(rows, "memory_bytes", 0),
            self.number(rows, "compute_flops"),
            self.field(rows, "name", str, ""),
            self.at("link").link(rows["link"]) if "link" in rows else None,
        )

    def communication(self, data: object) -> CommOp:
        rows = self.object(data, CommOp)
        return CommOp(
            self.field(rows, "kind", str, ""),
            self.field(rows, "value", str, ""),
            self.counts(rows, "sources"),
            self.counts(rows, "destinations"),
            self.count(rows, "bytes", 0),
            self.number(rows, "time_us"),
        )

    def split(self, data: object) -> Split:
        rows = self.object(data, Split)
        node = self.field(rows, "node", str, "")
        return Split(node, self.count(rows, "axis", None), self.counts(rows, "sizes"))

    def link(self, data: object) -> Link:
        rows = self.object(data, Link)
        default = Link()
        return Link(
            self.number(rows, "alpha_us", default.alpha_us),
            self.number(rows, "beta_us", default.beta_us),
        )

    def object(
        self, data: object, kind: type[object], also: tuple[str, ...] = ()
    ) -> Mapping[str, object]:
        if not isinstance(data, dict):
            raise self.wrong(f"is {_short(data)}, and should be an object")
        rows = cast("dict[str, object]", data)
        known = [*also, *(n for n in cast("Any", kind).__dataclass_fields__ if n != "program")]
        for key in rows:
            if key not in known:
                raise self.wrong(f"has no field {_short(key)}; it has {', '.join(known)}")
        return rows

    def field(self, rows: Mapping[str, object], key: str, kind: type[T], default: T) -> T:
        value = rows.get(key, default)
        if not isinstance(value, kind):
            raise self.at(key).wrong(f"is {_short(value)}, and should be a {kind.__name__}")
        if isinstance(value, str):
            self.at(key).require_text(value)
        return value

    def count(
        self, rows: Mapping[str, object], key: str, default: int | None, least: int = 0
    ) -> int:
        value = rows.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 2**63:
            raise self.at(key).wrong(f"is {_short(value)}, and should be a count from {least}")
        return value

    def number(self, rows: Mapping[str, object], key: str, default: float = 0.0) -> float:
        value = rows.get(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1e300:
            raise self.at(key).wrong(f"is {_short(value)}, and should be a number, not negative")
        return float(value)

    def items(
        self, rows: Mapping[str, object], key: str, read: Callable[[_Reading, object], T]
    ) -> list[T]:
        value = self.field(rows, key, list, list[object]())
        place = _Reading(f"{self.where}{key}")
        return [read(place.at(i), item) for i, item in enumerate(value)]

    def texts(self, rows: Mapping[str, object], key: str) -> list[str]:
        value = self.field(rows, key, list, list[object]())
        for index, item in enumerate(value):
            if not isinstance(item, str):
                raise self.at(key).at(index).wrong(f"is {_short(item)}, and should be a str")
            self.at(key).at(index).require_text(item)
        return cast("list[str]", value)

    def require_text(self, value: str) -> None:
        """JSON can spell what is no text, and could not be printed."""
        try:
            value.encode()
        except UnicodeEncodeError:
            raise self.wrong(f"is {_short(value)}, which is no text") from None

    def counts(self, rows: Mapping[str, object], key: str) -> list[int]:
        value = self.field(rows, key, list, list[object]())
        for index, item in enumerate(value):
            if not isinstance(item, int) or isinstance(item, bool) or not 0 <= item < 2**63:
                raise self.at(key).at(index).wrong(f"is {_short(item)}, and should be a count")
        return cast("list[int]", value)


def _short(value: object) -> str:
    if isinstance(value, list | dict):
        # Nested ones can be deeper than what writes them goes.
        return "a list" if isinstance(value, list) else "an object"
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."

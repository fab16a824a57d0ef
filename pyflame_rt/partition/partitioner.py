"""GraphPartitioner: plans for graphs, and what can be said of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from xdsl.dialects.builtin import ModuleOp

from pyflame_rt import pipelines
from pyflame_rt.backends.numpy_backend import NumpyBackend
from pyflame_rt.compiler import Program, join, optimization_pipeline, signature
from pyflame_rt.errors import ValidationError
from pyflame_rt.graph import Graph
from pyflame_rt.partition.config import DeviceSpec, PartitionConfig, PartitionStrategy
from pyflame_rt.partition.cost_model import CostModel
from pyflame_rt.passes.cleanup.pfrt_specialize_shapes import PfrtSpecializeShapesPass
from pyflame_rt.passes.partitioning.batches import sized
from pyflame_rt.passes.partitioning.costs import work
from pyflame_rt.passes.partitioning.nodes import Nodes
from pyflame_rt.passes.partitioning.plan_files import PartitionPlan, check
from pyflame_rt.passes.partitioning.planning import Request, automatic, make

_SHARED_LAYERS = (
    "cse,pfrt-recognize-activations,pfrt-recognize-normalization,pfrt-recognize-softmax,"
    "pfrt-fuse-conv-bn,pfrt-dce"
)
"""What comes before layers are cut: ops that are coarse, but not fused with what follows them."""


@dataclass(frozen=True)
class AnalysisResult:
    """What is known of a graph before it is partitioned: times in microseconds."""

    recommended_strategy: PartitionStrategy
    estimated_speedup: float
    communication_bytes: int
    bottleneck_nodes: list[str]
    total_compute_us: float
    total_flops: int
    total_memory_bytes: int
    explanation: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class PartitionStats:
    """Counts of a plan; `edge_cut_ratio` is the part of values between nodes that cross devices."""

    num_partitions: int
    nodes_per_partition: list[int]
    edge_cut_ratio: float
    load_imbalance: float
    communication_bytes: int
    memory_per_partition: list[int]
    time_per_partition_us: list[float]
    gap: float


class GraphPartitioner:
    """Plans for a config's devices.

    `dims` are sizes of dynamic dimensions by name to reckon with; a plan that cuts layers is made
    for these sizes alone.
    """

    def __init__(
        self, config: PartitionConfig | None = None, *, dims: Mapping[str, int] | None = None
    ):
        self.config = PartitionConfig() if config is None else config
        self.dims = dict(dims or {})
        self.cost_model = CostModel()

    def set_cost_model(self, model: CostModel) -> None:
        """Reckon with other costs."""
        self.cost_model = model

    def partition(self, graph: Graph | Program) -> PartitionPlan:
        """The plan of the config's strategy. Raises PassFailed, ValidationError."""
        return self._made(graph, self.config.strategy, self._devices(0))

    def partition_data_parallel(self, graph: Graph | Program, num_replicas: int) -> PartitionPlan:
        """The whole model on each device, for slices of the batch. Raises as `partition` does."""
        return self._made(graph, PartitionStrategy.DATA_PARALLEL, self._devices(num_replicas))

    def partition_model_parallel(
        self, graph: Graph | Program, num_partitions: int
    ) -> PartitionPlan:
        """Layers on devices, or with `tensor_parallel` slices of layers. Raises as `partition`."""
        return self._made(graph, PartitionStrategy.MODEL_PARALLEL, self._devices(num_partitions))

    def partition_pipeline(self, graph: Graph | Program, num_stages: int) -> PartitionPlan:
        """Layers on a row of devices. Raises as `partition` does."""
        return self._made(graph, PartitionStrategy.PIPELINE_PARALLEL, self._devices(num_stages))

    def analyze(self, graph: Graph | Program) -> AnalysisResult:
        """What to expect of the config's devices. Raises as `partition` does."""
        program = _program(graph)
        module = _prepared(program, optimization_pipeline(2))
        reckoned = self._sized(program, module)
        costs = self.cost_model.costs()
        nodes = Nodes.of(reckoned)
        self.cost_model.look_at(reckoned)
        times = {name: costs.compute_us(op) for name, op in nodes.ops.items()}
        total = sum(times.values())
        plan = self._made(program, PartitionStrategy.AUTOMATIC, self._devices(0))
        slowest = sorted(times, key=lambda name: -times[name])
        bottleneck = plan.bottleneck_us
        return AnalysisResult(
            plan.strategy,
            total / bottleneck if bottleneck else 1.0,
            plan.total_comm_bytes,
            slowest[:5],
            total,
            sum(work(op)[0] for op in nodes.ops.values()),
            sum(partition.memory_bytes for partition in plan.partitions),
            plan.explanation,
        )

    @staticmethod
    def validate(plan: PartitionPlan) -> bool:
        """Whether a plan agrees with itself, and keeps to its devices' memory."""
        try:
            check(plan)
        except ValidationError:
            return False
        return all(
            not p.device.memory_bytes or p.memory_bytes <= p.device.memory_bytes
            for p in plan.partitions
        )

    @staticmethod
    def get_stats(plan: PartitionPlan) -> PartitionStats:
        """Counts of a plan."""
        inner = {name for p in plan.partitions for name in p.nodes}
        crossing = {comm.value for comm in plan.communications} & inner
        return PartitionStats(
            len(plan.partitions),
            [len(p.nodes) for p in plan.partitions],
            len(crossing) / len(inner) if inner else 0.0,
            plan.load_imbalance,
            plan.total_comm_bytes,
            [p.memory_bytes for p in plan.partitions],
            [p.time_us for p in plan.partitions],
            plan.gap,
        )

    @staticmethod
    def estimate_execution_time(plan: PartitionPlan) -> float:
        """Microseconds of `micro_batches` runs one after another through the plan's stages."""
        return plan.total_latency_us + (plan.micro_batches - 1) * plan.bottleneck_us

    def _devices(self, count: int) -> list[DeviceSpec]:
        """So many devices: the config's, and CPUs where it has none."""
        given = self.config.devices
        if count < 0 or (given and count > len(given)):
            raise ValidationError(
                f"{count} devices are asked for, and the config has {len(given)}", where="devices"
            )
        if not given:
            return [DeviceSpec(device_id=number) for number in range(count or 2)]
        return [replace(device) for device in given[: count or None]]

    def _made(
        self, graph: Graph | Program, strategy: PartitionStrategy, devices: list[DeviceSpec]
    ) -> PartitionPlan:
        self.config.validate()
        program = _program(graph)
        if strategy is PartitionStrategy.DATA_PARALLEL:
            # Each replica has a row at least.
            return self._attempt(program, strategy, devices, len(devices))
        if strategy is PartitionStrategy.AUTOMATIC:
            return automatic(lambda each: self._attempt(program, each, devices))
        return self._attempt(program, strategy, devices)

    def _attempt(
        self,
        program: Program,
        strategy: PartitionStrategy,
        devices: list[DeviceSpec],
        least_rows: int = 1,
    ) -> PartitionPlan:
        config = self.config
        is_cut = strategy in (PartitionStrategy.DATA_PARALLEL, PartitionStrategy.HYBRID) or (
            strategy is PartitionStrategy.MODEL_PARALLEL and config.tensor_parallel > 1
        )
        pipeline = self._shared_pipeline(program) if is_cut else _whole_pipeline(devices)
        module = _prepared(program, pipeline)
        request = Request(
            program.ctx,
            module,
            self._sized(program, module, least_rows),
            devices,
            self.cost_model.costs(),
            self.cost_model.link,
            config.colocate,
            config.time_limit,
            config.tensor_parallel,
            config.max_pipeline_stages,
            balance_compute=config.balance_compute,
            minimize_communication=config.minimize_communication,
            model=program.name,
        )
        plan = make(request, strategy)
        plan.preparation = pipeline
        plan.program = program
        return plan

    def _sized(self, program: Program, module: ModuleOp, least_rows: int = 1) -> ModuleOp:
        rows = max(self.config.micro_batch_size, least_rows)
        return sized(program.ctx, module, rows, dims=self.dims)

    def _shared_pipeline(self, program: Program) -> str:
        """What comes before layers are cut: shapes are fixed where the model leaves them open."""
        inputs, _ = signature(program.module)
        given = [spec for spec in inputs if spec.shape is not None and not spec.is_static]
        fixed: list[str] = []
        for spec in given:
            assert spec.shape is not None
            if all(isinstance(dim, int) or dim in self.dims for dim in spec.shape):
                dims = [dim if isinstance(dim, int) else self.dims[str(dim)] for dim in spec.shape]
                fixed.append(f"{spec.name}={'x'.join(map(str, dims))}")
        first = pipelines.to_text((PfrtSpecializeShapesPass(shapes=tuple(fixed)),)) if fixed else ""
        return join(first, optimization_pipeline(1), _SHARED_LAYERS)


def _whole_pipeline(devices: list[DeviceSpec]) -> str:
    """What comes before layers are given to devices as a whole: all that would choose otherwise in
    a part of the model, so that the parts give the bits that the whole gives."""
    is_numpy = all(device.backend == "numpy" for device in devices)
    return join(optimization_pipeline(2), NumpyBackend.before_plan(2) if is_numpy else "")


def _program(graph: Graph | Program) -> Program:
    return graph if isinstance(graph, Program) else graph.program()


def _prepared(program: Program, pipeline: str) -> ModuleOp:
    module = program.module.clone()
    pipelines.run(program.ctx, module, pipelines.parse(pipeline))
    return module


def auto_partition(graph: Graph | Program, num_devices: int) -> PartitionPlan:
    """The plan for so many CPUs that is predicted to give most results a second."""
    config = PartitionConfig(devices=[DeviceSpec(device_id=i) for i in range(num_devices)])
    return GraphPartitioner(config).partition(graph)

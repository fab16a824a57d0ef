"""Several wafers: plans for a grid of chips, and graphs with what the chips send each other."""

from __future__ import annotations

import math

from pyflame_rt import pipelines
from pyflame_rt.backends.registry import get_backend
from pyflame_rt.backends.wse.backend import WseBackend
from pyflame_rt.compiler import Program, TensorSpec, join, optimization_pipeline, signature
from pyflame_rt.dialects.targets import WAFER
from pyflame_rt.errors import ValidationError
from pyflame_rt.graph import Graph
from pyflame_rt.partition.chips import MultiChip, MultiChipReport
from pyflame_rt.partition.config import DeviceSpec, DeviceType, PartitionStrategy, WSEChipConfig
from pyflame_rt.passes.cleanup.pfrt_specialize_shapes import PfrtSpecializeShapesPass
from pyflame_rt.passes.partitioning.costs import Costs, Rates
from pyflame_rt.passes.partitioning.devices import Link
from pyflame_rt.passes.partitioning.nodes import Nodes
from pyflame_rt.passes.partitioning.plan_files import PartitionPlan
from pyflame_rt.passes.partitioning.planning import Request, make
from pyflame_rt.passes.partitioning.spreading import Spreading

__all__ = [
    "MultiChip",
    "MultiChipReport",
    "insert_wse_communication",
    "optimize_for_wse_dataflow",
    "partition_for_multi_chip",
    "partition_for_wse",
]


def partition_for_wse(graph: Graph | Program, config: WSEChipConfig) -> PartitionPlan:
    """A plan for a grid of chips: a pipeline, or slices of layers with `share_layers`.

    A chip's part is what `device="wse2"` maps to its PEs; a dynamic batch is one row. Raises
    PassFailed, ValidationError.
    """
    _require_sound(config)
    program = graph if isinstance(graph, Program) else graph.program()
    pipeline = _preparation(program, config)
    module = program.module.clone()
    pipelines.run(program.ctx, module, pipelines.parse(pipeline))
    count = config.chips
    columns, rows = (int(side) for side in config.grid.split("x"))
    devices = [
        DeviceSpec(DeviceType.WSE, chip, config.chip_memory_bytes, 0.0, config.machine)
        for chip in range(count)
    ]
    # A multiply-add a cycle in each PE; words pass the rectangle's edges.
    cycle = config.clock_hz
    rates = Rates(2 * columns * rows * cycle, 4 * (columns + rows) * cycle, 100e6 / cycle)
    request = Request(
        program.ctx,
        module,
        module,
        devices,
        Costs(rates),
        Link(config.inter_chip_latency / 1000, 1e6 / config.inter_chip_bandwidth),
        tensor=count if config.share_layers else 0,
        model=program.name,
    )
    is_shared = config.share_layers and count > 1
    plan = make(
        request,
        PartitionStrategy.MODEL_PARALLEL if is_shared else PartitionStrategy.PIPELINE_PARALLEL,
    )
    plan.preparation = pipeline
    plan.program = program
    return plan


def partition_for_multi_chip(graph: Graph | Program, config: WSEChipConfig) -> PartitionPlan:
    """As `partition_for_wse`."""
    return partition_for_wse(graph, config)


def insert_wse_communication(graph: Graph | Program, plan: PartitionPlan) -> Graph:
    """The graph with a node for each value that chips send each other.

    Raises PassFailed when the plan does not suit the graph.
    """
    program = graph if isinstance(graph, Program) else graph.program()
    module = program.module.clone()
    pipelines.run(program.ctx, module, pipelines.parse(plan.preparation))
    Spreading(Nodes.of(module), plan).run()
    return Graph.of_program(Program(program.ctx, module, program.name))


def optimize_for_wse_dataflow(graph: Graph | Program) -> Graph:
    """The graph as it is mapped: fused as far as PEs can stream it, and nothing that they lack.

    Raises PassFailed.
    """
    program = graph if isinstance(graph, Program) else graph.program()
    backend = get_backend(WAFER[0])
    module = program.module.clone()
    text = join(optimization_pipeline(backend.optimization_level), backend.preparation)
    pipelines.run(program.ctx, module, pipelines.parse(text))
    return Graph.of_program(Program(program.ctx, module, program.name))


def _preparation(program: Program, config: WSEChipConfig) -> str:
    backend = get_backend(config.machine)
    assert isinstance(backend, WseBackend)
    inputs, _ = signature(program.module)
    fixed = tuple(_fixed(spec) for spec in inputs if not spec.is_static)
    shapes = pipelines.to_text((PfrtSpecializeShapesPass(shapes=fixed),)) if fixed else ""
    level = 1 if config.share_layers else min(2, backend.optimization_level)
    shared = "cse,pfrt-fuse-conv-bn" if config.share_layers else backend.preparation
    return join(shapes, optimization_pipeline(level), shared)


def _fixed(spec: TensorSpec) -> str:
    """An input's shape with one row. Raises ValidationError for another dimension that is open."""
    shape = spec.shape
    if shape is None or any(not isinstance(dim, int) for dim in shape[1:]):
        raise ValidationError(
            "has dimensions beside the batch that a run decides",
            where=f'input "{spec.name}"',
            hint="a wafer needs sizes: fix them with pfrt-specialize-shapes",
        )
    return f"{spec.name}={'x'.join(map(str, (1, *shape[1:])))}"


def _require_sound(config: WSEChipConfig) -> None:
    """Raise ValidationError for a grid of chips that cannot be."""
    if config.machine not in WAFER:
        raise ValidationError(f'is "{config.machine}"', where="machine", hint=", ".join(WAFER))
    sides = config.grid.split("x")
    if len(sides) != 2 or not all(side.isdigit() and int(side) for side in sides):
        raise ValidationError(f'is "{config.grid}"', where="grid", hint='such as "8x8"')
    for name in ("inter_chip_bandwidth", "clock_hz"):
        if not getattr(config, name) > 0 or not math.isfinite(getattr(config, name)):
            raise ValidationError(f"is {getattr(config, name)}", where=name, hint="above 0")
    if config.inter_chip_latency < 0:
        raise ValidationError(f"is {config.inter_chip_latency}", where="inter_chip_latency")
    if config.chips > 4096:
        raise ValidationError(f"{config.chips} chips", where="WSEChipConfig", hint="at most 4096")

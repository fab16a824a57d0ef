"""Plans of every strategy give what one device gives, whatever carries the values."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from random_graphs import Graph as DrawnGraph
from random_graphs import graphs

from pyflame_rt import compiler, pipelines
from pyflame_rt.backends.base import Threads
from pyflame_rt.compiler import Program, TensorSpec
from pyflame_rt.errors import PassFailed, PyFlameRTError, SettingError, ValidationError
from pyflame_rt.graph import Graph
from pyflame_rt.partition import (
    DeviceSpec,
    GraphPartitioner,
    PartitionConfig,
    PartitionedExecutor,
    PartitionPlan,
    PartitionStrategy,
)
from pyflame_rt.passes.cleanup.pfrt_specialize_shapes import PfrtSpecializeShapesPass
from pyflame_rt.universe import make_context

ROOT = Path(__file__).resolve().parent.parent.parent
DIGITS = ROOT / "examples" / "digits" / "cnn.onnx"
NETWORKS = ROOT / "tests" / "networks"
ULTRAFACE = ROOT.parent / "shared" / "models" / "ultraface_rfb320" / "model_nopost.onnx"
STRATEGIES = ["pipeline", "model", "tensor", "data", "hybrid", "automatic"]
ONE = Threads(1, limit=True)
"""What each device has: BLAS adds up in another order when it has more."""
REDUCED = 1e-5
"""Relative difference allowed where sums are split."""


def config(strategy: str, devices: int, rows: int, memory: Sequence[int] = ()) -> PartitionConfig:
    return PartitionConfig(
        devices=[
            DeviceSpec(device_id=k, memory_bytes=memory[k] if memory else 0) for k in range(devices)
        ],
        strategy=PartitionStrategy.of("model" if strategy == "tensor" else strategy),
        tensor_parallel=devices if strategy == "tensor" else 0,
        micro_batch_size=rows,
        time_limit=2,
    )


def loaded(path: Path, **dims: int) -> Program:
    """A model whose dynamic dimensions have sizes."""
    program = compiler.load(str(path))
    if not dims:
        return program
    fixed = PfrtSpecializeShapesPass(dims=tuple(f"{k}={v}" for k, v in dims.items()))
    module = program.module.clone()
    pipelines.run(program.ctx, module, (fixed,))
    return Program(program.ctx, module, program.name)


def fed(inputs: Sequence[TensorSpec], rows: int) -> dict[str, np.ndarray]:
    """Drawn values; whole numbers are 0 or 1, of which any model takes some."""
    generator = np.random.default_rng(0)
    feed: dict[str, np.ndarray] = {}
    for spec in inputs:
        shape = [dim if isinstance(dim, int) else rows for dim in spec.shape or ()]
        if spec.dtype.kind == "f":
            feed[spec.name] = generator.standard_normal(shape).astype(spec.dtype)
        else:
            feed[spec.name] = generator.integers(2, size=shape).astype(spec.dtype)
    return feed


def alone(plan: PartitionPlan, program: Program, feed: dict[str, Any]) -> dict[str, Any]:
    """What one device gives after the plan's preparation."""
    module = program.module.clone()
    pipelines.run(program.ctx, module, pipelines.parse(plan.preparation))
    inputs, outputs = compiler.signature(module)
    pipeline = ""
    if not all(spec.is_static for spec in inputs):
        shapes = [getattr(feed[spec.name], "shape", ()) for spec in inputs]
        pipeline = compiler.specialization_pipeline(inputs, shapes, 2)
    model = compiler.compile_module(module, program.ctx, "numpy", pipeline, level=0, threads=ONE)
    results = model.run([feed[spec.name] for spec in inputs])
    return {spec.name: value for spec, value in zip(outputs, results, strict=True)}


def check(plan: PartitionPlan, program: Program, rows: int, transport: Any) -> None:
    """Layers on devices give the same bits, slices of layers or of the batch nearly the same."""
    inputs, _ = compiler.signature(program.module)
    feed = fed(inputs, rows)
    expected = alone(plan, program, feed)
    with PartitionedExecutor(plan, transport=transport, micro_batches=1, threads=1) as devices:
        found = devices.execute(feed)
    assert list(found) == list(expected)
    for name, value in expected.items():
        if not plan.splits:
            np.testing.assert_array_equal(found[name], value)
        else:
            scale = np.abs(value).max(initial=0)
            np.testing.assert_allclose(found[name], value, rtol=REDUCED, atol=REDUCED * scale)


def made(program: Program, strategy: str, devices: int, rows: int) -> PartitionPlan:
    plan = GraphPartitioner(config(strategy, devices, rows)).partition(program)
    assert len({partition.device.target for partition in plan.partitions}) == devices
    return plan


@pytest.mark.parametrize(
    "devices", [2, pytest.param(3, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_digits(strategy: str, devices: int, threads):
    program = loaded(DIGITS)
    check(made(program, strategy, devices, 4), program, 4, threads)


@pytest.mark.parametrize("strategy", ["pipeline", pytest.param("data", marks=pytest.mark.slow)])
def test_digits_in_processes(strategy: str, processes):
    program = loaded(DIGITS)
    check(made(program, strategy, 4, 4), program, 4, processes)
    assert processes.held == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strategy", "devices"),
    [*((strategy, 3) for strategy in STRATEGIES), *product(("pipeline", "tensor"), (2, 4))],
)
@pytest.mark.parametrize("file", ["resnet50.torchscript.onnx", "bert_base.dynamo.onnx"])
def test_exports(file: str, devices: int, strategy: str, threads):
    """What torch exports of ResNet-50 and BERT, small."""
    dims = {"batch": 4} if "resnet" in file else {"batch": 4, "sequence": 6}
    program = loaded(NETWORKS / file, **dims)
    check(made(program, strategy, devices, 4), program, 4, threads)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strategy", "devices"), [("pipeline", 2), ("model", 3), ("pipeline", 4), ("tensor", 2)]
)
def test_ultraface(strategy: str, devices: int, threads):
    """A trained detector with many branches, of one image: its batch cannot be split."""
    if not ULTRAFACE.is_file():
        pytest.skip("needs the models beside the project")
    program = loaded(ULTRAFACE)
    check(made(program, strategy, devices, 1), program, 1, threads)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["pipeline", "tensor", "data"])
@pytest.mark.parametrize("file", ["resnet50.torchscript.onnx", "bert_base.torchscript.onnx"])
def test_exports_in_processes(file: str, strategy: str, processes):
    """The same over shared memory."""
    dims = {"batch": 2} if "resnet" in file else {"batch": 2, "sequence": 5}
    program = loaded(NETWORKS / file, **dims)
    check(made(program, strategy, 2, 2), program, 2, processes)
    assert processes.held == 0


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize("devices", [2, 3, 4])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_digits_on_ray(strategy: str, devices: int, ray):
    program = loaded(DIGITS)
    check(made(program, strategy, devices, 4), program, 4, ray)


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize("file", ["resnet50.torchscript.onnx", "bert_base.torchscript.onnx"])
def test_exports_on_ray(file: str, ray):
    dims = {"batch": 2} if "resnet" in file else {"batch": 2, "sequence": 5}
    program = loaded(NETWORKS / file, **dims)
    check(made(program, "pipeline", 2, 2), program, 2, ray)


def drawn_plan(
    program: Program, strategy: str, rows: int, shares: Sequence[float]
) -> PartitionPlan | None:
    """A plan with memory limits, some of which nothing fits into: that is told, and there is none."""
    free = GraphPartitioner(config(strategy, len(shares), rows)).partition(program)
    total = sum(partition.memory_bytes for partition in free.partitions)
    memory = [max(1, int(share * total)) for share in shares]
    try:
        return GraphPartitioner(config(strategy, len(shares), rows, memory)).partition(program)
    except PassFailed as error:
        assert re.search(r"memory|needs \d+ bytes|fit", str(error)), str(error)
        return None


def agrees(graph: DrawnGraph, strategy: str, shares: Sequence[float], transport: Any) -> bool:
    """Whether there was a plan; then the devices give what one does."""
    module, ctx = graph.module, make_context()
    pipelines.run(ctx, module, pipelines.parse(compiler.optimization_pipeline(2)))
    program = Program(ctx, module, "drawn")
    inputs, _ = compiler.signature(module)
    feed = {spec.name: value for spec, value in zip(inputs, graph.feeds[0], strict=True)}
    rows = {
        feed[spec.name].shape[k]
        for spec in inputs
        for k, dim in enumerate(spec.shape or ())
        if isinstance(dim, str)
    }
    plan = drawn_plan(program, strategy, max(rows, default=1) or 1, shares)
    if plan is None:
        return False
    expected = alone(plan, program, feed)
    with PartitionedExecutor(plan, transport=transport, micro_batches=1, threads=1) as many:
        found = many.execute(feed)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)
    return True


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["pipeline", "model"])
def test_random_graphs_with_memory_limits(strategy: str, threads):
    """Graphs of any ops, cut at random places, on devices of random memory."""
    planned: list[bool] = []

    @seed(14)
    @settings(
        max_examples=100,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(graphs(), st.lists(st.sampled_from((0.5, 0.7, 0.9, 1.1, 1.5)), min_size=2, max_size=4))
    def run(graph: DrawnGraph, shares: list[float]) -> None:
        planned.append(agrees(graph, strategy, shares, threads))

    run()
    assert len(planned) >= 100
    assert sum(planned) > len(planned) // 2


def test_the_plan_says_how_many_micro_batches(threads):
    """Unless the caller does; a model whose batch cannot be cut has one."""
    program = loaded(DIGITS)
    plan = made(program, "pipeline", 2, 1)
    plan.micro_batches = 3
    inputs, _ = compiler.signature(program.module)
    feed = fed(inputs, 7)
    with PartitionedExecutor(plan, transport=threads) as devices:
        whole = devices.execute(feed)
        assert {stage.runs for stage in devices.profile()} == {3}
    with PartitionedExecutor(plan, transport=threads, micro_batches=1) as devices:
        for name, value in devices.execute(feed).items():
            np.testing.assert_allclose(whole[name], value, rtol=1e-5)
    with pytest.raises(SettingError, match="at least 1"):
        PartitionedExecutor(plan, transport=threads, micro_batches=0)


def test_plans_from_files_need_their_model(tmp_path, threads):
    """A plan's file has no model: it is given as a file, a Graph or a Program."""
    program = loaded(DIGITS)
    path = tmp_path / "plan.json"
    made(program, "pipeline", 2, 4).save(path)
    plan = PartitionPlan.load(path)
    inputs, _ = compiler.signature(program.module)
    feed = fed(inputs, 4)
    with pytest.raises(ValidationError, match="the plan has no model"):
        PartitionedExecutor(plan, transport=threads)
    for model in (DIGITS, str(DIGITS), Graph.of_program(program), program):
        with PartitionedExecutor(plan, model, transport=threads) as devices:
            assert list(devices.execute(feed)) == ["logits"]
    other = json.loads(path.read_text())
    other["partitions"][0]["nodes"].append("nothing")
    with pytest.raises(PyFlameRTError, match="nothing"):
        PartitionedExecutor(PartitionPlan.from_json(json.dumps(other)), program, transport=threads)

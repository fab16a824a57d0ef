"""Plans of every strategy give what one device gives, whatever carries the values."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from random_graphs import Graph as DrawnGraph
from random_graphs import graphs

from pyflame_rt import compiler, module_files, pipelines, registrations
from pyflame_rt.backends.base import Threads
from pyflame_rt.compiler import Program, TensorSpec
from pyflame_rt.custom import custom_op
from pyflame_rt.errors import (
    BackendError,
    PassFailed,
    PyFlameRTError,
    SettingError,
    ValidationError,
)
from pyflame_rt.graph import Graph
from pyflame_rt.partition import (
    DeviceSpec,
    GraphPartition,
    GraphPartitioner,
    PartitionConfig,
    PartitionedExecutor,
    PartitionPlan,
    PartitionStrategy,
)
from pyflame_rt.partition.transports import Transport
from pyflame_rt.partition.transports.processes import ProcessTransport
from pyflame_rt.passes.cleanup.pfrt_specialize_shapes import PfrtSpecializeShapesPass
from pyflame_rt.plugins import load_plugin, unload_plugin
from pyflame_rt.universe import make_context

ROOT = Path(__file__).resolve().parent.parent.parent
DIGITS = ROOT / "examples" / "digits" / "cnn.onnx"
EXPORTS = ROOT / "tests" / "networks"
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
        time_limit=0.5,
    )


@dataclass(frozen=True)
class Network:
    """A model, sizes of its dynamic dimensions, and rows that it is fed with."""

    file: Path
    rows: int
    dims: Mapping[str, int] = field(default_factory=dict[str, int])


NETWORKS = {
    "digits": Network(DIGITS, 4),
    "ultraface": Network(ULTRAFACE, 1),
    "resnet50": Network(EXPORTS / "resnet50.torchscript.onnx", 4, {"batch": 4}),
    "bert": Network(EXPORTS / "bert_base.dynamo.onnx", 4, {"batch": 4, "sequence": 6}),
}


CASES = [
    (name, strategy, devices)
    for name, strategy, devices in product(NETWORKS, STRATEGIES, (2, 3, 4))
    # Hundreds of small layers are shared by more devices in the same way, and that takes long.
    if name != "ultraface" or strategy in ("pipeline", "model", "data") or devices == 2
]


@cache
def loaded(name: str) -> Program:
    """A model whose dynamic dimensions have sizes."""
    network = NETWORKS[name]
    if not network.file.is_file():
        pytest.skip("needs the models beside the project")
    program = compiler.load(str(network.file))
    if not network.dims:
        return program
    fixed = PfrtSpecializeShapesPass(dims=tuple(f"{k}={v}" for k, v in network.dims.items()))
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


def alone(preparation: str, program: Program, feed: dict[str, Any]) -> dict[str, Any]:
    """What one device gives after a plan's preparation."""
    module = program.module.clone()
    pipelines.run(program.ctx, module, pipelines.parse(preparation))
    inputs, outputs = compiler.signature(module)
    pipeline = ""
    if not all(spec.is_static for spec in inputs):
        shapes = [getattr(feed[spec.name], "shape", ()) for spec in inputs]
        pipeline = compiler.specialization_pipeline(inputs, shapes, 2)
    model = compiler.compile_module(module, program.ctx, "numpy", pipeline, level=0, threads=ONE)
    results = model.run([feed[spec.name] for spec in inputs])
    return {spec.name: value for spec, value in zip(outputs, results, strict=True)}


@cache
def expected(name: str, preparation: str) -> dict[str, Any]:
    program = loaded(name)
    inputs, _ = compiler.signature(program.module)
    return alone(preparation, program, fed(inputs, NETWORKS[name].rows))


@cache
def made(name: str, strategy: str, devices: int) -> PartitionPlan:
    """The plan of a strategy, which has all devices."""
    setting = config(strategy, devices, NETWORKS[name].rows)
    plan = GraphPartitioner(setting).partition(loaded(name))
    assert len({partition.device.target for partition in plan.partitions}) == devices
    return plan


def check(name: str, plan: PartitionPlan, transport: Transport) -> None:
    """Layers on devices give the same bits, slices of layers or of the batch nearly the same."""
    inputs, _ = compiler.signature(loaded(name).module)
    feed = fed(inputs, NETWORKS[name].rows)
    with PartitionedExecutor(plan, transport=transport, micro_batches=1, threads=1) as devices:
        found = devices.execute(feed)
    wanted = expected(name, plan.preparation)
    assert list(found) == list(wanted)
    for output, value in wanted.items():
        if not plan.splits:
            np.testing.assert_array_equal(found[output], value)
        else:
            scale = np.abs(value).max(initial=0)
            np.testing.assert_allclose(found[output], value, rtol=REDUCED, atol=REDUCED * scale)
    assert not isinstance(transport, ProcessTransport) or transport.held == 0


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_digits(strategy: str, threads: Transport):
    check("digits", made("digits", strategy, 2), threads)


def test_digits_in_processes(processes: Transport):
    check("digits", made("digits", "pipeline", 4), processes)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "strategy", "devices"), CASES)
def test_networks(
    name: str, strategy: str, devices: int, threads: Transport, a_process_each: Transport
):
    """Models from elsewhere, among them a detector of one image: its batch cannot be split."""
    plan = made(name, strategy, devices)
    for transport in (threads, a_process_each):
        check(name, plan, transport)


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize(("name", "strategy", "devices"), CASES)
def test_networks_on_ray(name: str, strategy: str, devices: int, ray: Transport):
    """The same between actors."""
    check(name, made(name, strategy, devices), ray)


def test_layers_go_where_they_are_sent(threads: Transport):
    """A plan that is written by hand, in which values go back and forth."""
    program = loaded("digits")
    plan = made("digits", "pipeline", 2)
    names = [name for partition in plan.partitions for name in partition.nodes]
    by_hand = PartitionPlan(preparation=plan.preparation)
    by_hand.partitions = [
        GraphPartition(k, DeviceSpec(device_id=k), names[k::3], stage=k) for k in range(3)
    ]
    by_hand.program = program
    for strategy in (PartitionStrategy.MANUAL, PartitionStrategy.MODEL_PARALLEL):
        by_hand.strategy = strategy
        check("digits", by_hand, threads)


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
    wanted = alone(plan.preparation, program, feed)
    with PartitionedExecutor(plan, transport=transport, micro_batches=1, threads=1) as many:
        found = many.execute(feed)
    for name, value in wanted.items():
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
    program = loaded("digits")
    plan = GraphPartitioner(config("pipeline", 2, 1)).partition(program)
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
    program = loaded("digits")
    path = tmp_path / "plan.json"
    made("digits", "pipeline", 2).save(path)
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


OPERATORS = """\
import numpy as np

from pyflame_rt.custom import custom_op


@custom_op("PartitionClamp")
def clamp(x):
    return np.clip(x, 0, 6)
"""


def test_custom_operators(transport: Transport, tmp_path: Path):
    """Workers load the plugins that bring operators, and say so where no plugin does."""
    file = tmp_path / "operators.py"
    file.write_text(OPERATORS)
    load_plugin(str(file))
    try:
        program = compiler.load(with_operator("PartitionClamp"))
        plan = GraphPartitioner(config("pipeline", 2, 1)).partition(program)
        x = np.array([[-1, 2, 9, 6]], np.float32)
        with PartitionedExecutor(plan, transport=transport) as devices:
            found = devices.execute({"x": x})["y"]
        np.testing.assert_array_equal(found, np.clip(x, 0, 6))
    finally:
        unload_plugin(str(file))


def test_custom_operators_of_a_script(processes: Transport):
    """Workers do not run the script that defines them."""
    with registrations.recording() as undo:
        custom_op("PartitionHere")(lambda x: x)
        program = compiler.load(with_operator("PartitionHere"))
    plan = GraphPartitioner(config("pipeline", 2, 1)).partition(program)
    said = "no operator custom::PartitionHere; workers load"
    with (
        PartitionedExecutor(plan, transport=processes) as devices,
        pytest.raises(BackendError, match=said),
    ):
        devices.execute({"x": np.zeros((1, 4), np.float32)})
    registrations.undo_all(undo)


def with_operator(name: str) -> bytes:
    """y = relu of a custom operator."""
    kind = ("N", 4)
    graph = helper.make_graph(
        [
            helper.make_node("Relu", ["x"], ["a"]),
            helper.make_node(name, ["a"], ["b"], domain="custom"),
            helper.make_node("Relu", ["b"], ["y"]),
        ],
        "custom",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, kind)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, kind)],
    )
    imports = [helper.make_opsetid("", 18), helper.make_opsetid("custom", 1)]
    return helper.make_model(graph, opset_imports=imports).SerializeToString()


REPEATED = """\
func.func @main(%x: tensor<?x4xf32> {pfrt.name = "x", pfrt.dims = ["N", ""]},
    %u: tensor<2xi64> {pfrt.name = "unused"})
    -> (tensor<?x4xf32> {pfrt.name = "y", pfrt.dims = ["N", ""]},
        tensor<?x4xf32> {pfrt.name = "x", pfrt.dims = ["N", ""]},
        tensor<?x4xf32> {pfrt.name = "z", pfrt.dims = ["N", ""]}) {
  %a = pfrt.relu %x as "a" : tensor<?x4xf32> -> tensor<?x4xf32>
  %b = pfrt.exp %a as "y" : tensor<?x4xf32> -> tensor<?x4xf32>
  func.return %b, %x, %b : tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>
}
"""


@pytest.mark.parametrize("strategy", ["model", "data"])
def test_outputs_that_are_inputs_or_others(strategy: str, threads: Transport):
    """Of batches that have fewer rows than there are devices, or none."""
    ctx = make_context()
    program = Program(ctx, module_files.parse(REPEATED, ctx, "repeated"), "repeated")
    plan = GraphPartitioner(config(strategy, 3, 1)).partition(program)
    with PartitionedExecutor(plan, transport=threads) as devices:
        for rows in range(3):
            x = np.linspace(-1, 1, 4 * rows, dtype=np.float32).reshape(rows, 4)
            found = devices.execute({"x": x, "unused": np.zeros(2, np.int64)})
            assert list(found) == ["y", "x", "z"]
            np.testing.assert_array_equal(found["x"], x)
            np.testing.assert_allclose(found["y"], np.exp(np.maximum(x, 0)), rtol=1e-6)
            np.testing.assert_array_equal(found["y"], found["z"])

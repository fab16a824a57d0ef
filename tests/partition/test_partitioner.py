"""pyflame_rt.partition as the documentation has it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from pyflame_rt import InferenceSession, compiler, partition
from pyflame_rt.errors import PassFailed, PyFlameRTError, ValidationError
from pyflame_rt.partition import __main__ as command
from pyflame_rt.partition.cost_model import CostModel
from pyflame_rt.partition.transports import measuring
from pyflame_rt.partition.transports.measuring import Sending

ROOT = Path(__file__).resolve().parents[2]
DIGITS = ROOT / "examples" / "digits" / "cnn.onnx"
BERT = ROOT / "tests" / "networks" / "bert_base.dynamo.onnx"


@pytest.fixture(scope="module")
def graph():
    return InferenceSession(DIGITS).graph()


def config_of(count: int, **settings) -> partition.PartitionConfig:
    devices = [partition.DeviceSpec(device_id=number) for number in range(count)]
    return partition.PartitionConfig(devices, micro_batch_size=8, **settings)


def free(config: partition.PartitionConfig, **options) -> partition.GraphPartitioner:
    """A partitioner of devices whose links cost nothing but bytes."""
    made = partition.GraphPartitioner(config, **options)
    made.cost_model.set_inter_device_latency(0.0)
    return made


def test_the_documented_names_and_values():
    assert [kind.value for kind in partition.DeviceType] == [0, 1, 2, 3]
    assert [s.name for s in partition.PartitionStrategy][2] == "MODEL_PARALLEL"
    config = partition.PartitionConfig()
    assert (config.devices, config.strategy) == ([], partition.PartitionStrategy.AUTOMATIC)
    assert (config.balance_compute, config.minimize_communication) == (True, True)
    assert (config.max_pipeline_stages, config.micro_batch_size) == (0, 1)
    device = partition.DeviceSpec()
    device.type, device.device_id = partition.DeviceType.CPU, 3
    assert device.target == "numpy:3"
    assert set(partition.__all__) == {n for n in partition.__all__ if hasattr(partition, n)}


def test_plans_of_each_method(graph):
    """As many partitions as are asked for; every node somewhere; predictions that add up."""
    partitioner = free(config_of(4))
    for plan in (
        partitioner.partition_data_parallel(graph, num_replicas=4),
        partitioner.partition_model_parallel(graph, num_partitions=4),
        partitioner.partition_pipeline(graph, num_stages=4),
    ):
        assert len(plan.partitions) == 4
        assert partition.GraphPartitioner.validate(plan)
        stats = partition.GraphPartitioner.get_stats(plan)
        assert stats.communication_bytes == plan.total_comm_bytes > 0
        assert 0 < stats.edge_cut_ratio <= 1 or plan.splits
        assert max(stats.time_per_partition_us) == pytest.approx(plan.bottleneck_us)
        assert 0 <= plan.gap < 1
        plan.micro_batches = 3
        time = partition.GraphPartitioner.estimate_execution_time(plan)
        assert time == pytest.approx(plan.total_latency_us + 2 * plan.bottleneck_us)


def test_replicas_of_a_model_whose_batch_is_open(graph):
    """Each has a row at least, though `micro_batch_size` is one unless it is set."""
    plan = partition.GraphPartitioner().partition_data_parallel(graph, num_replicas=4)
    assert len({tuple(part.nodes) for part in plan.partitions}) == 1
    assert len(plan.partitions) == 4
    assert all(part.time_us > 0 for part in plan.partitions)


def test_more_devices_than_the_config_has(graph):
    with pytest.raises(ValidationError, match="5 devices are asked for, and the config has 2"):
        partition.GraphPartitioner(config_of(2)).partition_pipeline(graph, 5)


def test_automatic_explains_itself(graph):
    """A line for each candidate, then the choice: the least predicted time."""
    plan = free(config_of(2)).partition(graph)
    words = {line.split(":")[0] for line in plan.explanation}
    assert {"data", "pipeline", "model", "hybrid", "chosen"} <= words
    assert "gap" in "\n".join(plan.explanation)
    slow = partition.GraphPartitioner(config_of(2))
    slow.cost_model.set_inter_device_latency(1e6)
    assert slow.partition(graph).total_comm_bytes == 0


def test_memory_and_groups_are_kept(graph):
    """Limits of devices and nodes that stay together, or an error that names them."""
    free_plan = free(config_of(3)).partition_pipeline(graph, 3)
    first, last = free_plan.partitions[0].nodes[0], free_plan.partitions[-1].nodes[-1]
    config = config_of(3, colocate=[[first, last]])
    kept = free(config).partition_model_parallel(graph, 3)
    homes = {node: p.id for p in kept.partitions for node in p.nodes}
    assert homes[first] == homes[last]
    needed = sum(p.memory_bytes for p in free_plan.partitions)
    for device in config.devices:
        device.memory_bytes = needed // 2
    config.colocate = []
    tight = free(config).partition_pipeline(graph, 3)
    assert all(p.memory_bytes <= needed // 2 for p in tight.partitions)
    assert partition.GraphPartitioner.validate(tight)
    for device in config.devices:
        device.memory_bytes = 10
    with pytest.raises(PassFailed, match="bytes, and the largest device has 10"):
        free(config).partition_pipeline(graph, 3)
    config.colocate = [["nobody"]]
    with pytest.raises(PyFlameRTError, match='there is no node "nobody"'):
        free(config).partition_pipeline(graph, 3)


def test_a_faster_device_gets_more(graph):
    config = config_of(2)
    config.devices[1].compute_flops = 1e12
    plan = free(config).partition_pipeline(graph, 2)
    fast = next(p for p in plan.partitions if p.device.device_id == 1)
    slow = next(p for p in plan.partitions if p.device.device_id == 0)
    flops = CostModel().rates.flops
    assert fast.compute_us < slow.compute_us * 1e12 / flops
    assert len(fast.nodes) > len(slow.nodes)


def test_links_of_devices(graph):
    """Who stands behind a slow link gets less, and each device pays for its own link."""
    config = config_of(3)
    config.devices[1].link = partition.Link(1e5, 1.0)
    partitioner = free(config)
    plan = partitioner.partition_pipeline(graph, 3)
    behind = next(p for p in plan.partitions if p.device.device_id == 1)
    assert not behind.nodes
    assert any(p.nodes for p in plan.partitions if p is not behind)
    config.devices[1].link = partition.Link(0.0, 0.0)
    config.devices[0].link = partition.Link(5.0, 0.0)
    config.devices[2].link = partition.Link(7.0, 0.0)
    plan = partitioner.partition_pipeline(graph, 3)
    for part in plan.partitions:
        alpha = part.device.link.alpha_us
        ends = sum(part.id in (*c.sources, *c.destinations) for c in plan.communications)
        assert part.comm_us == pytest.approx(alpha * ends)
    model = partitioner.cost_model
    assert model.estimate_comm_cost(1000, *config.devices[:2]) == 5.0
    assert partition.PartitionPlan.from_json(plan.to_json()).devices == plan.devices


def test_what_sending_takes_is_measured_and_stays_with_the_plan(graph, monkeypatch):
    """Once, when the transport is named; the plan's file has it as it was measured."""
    calls: list[str] = []

    def measured(transport: str) -> Sending:
        calls.append(transport)
        return Sending({1000: 90.0391, 2000: 90.0391 + 1000 * 3.91234e-5})

    monkeypatch.setattr(measuring, "measure", measured)
    partitioner = partition.GraphPartitioner(config_of(2))
    partitioner.cost_model.use_transport("processes")
    for _ in range(2):
        plan = partitioner.partition_pipeline(graph, 2)
        again = partition.PartitionPlan.from_json(plan.to_json())
        assert again.link.alpha_us == pytest.approx(90.0391, rel=1e-6)
        assert again.link.beta_us == pytest.approx(3.91234e-5, rel=1e-6)
    assert calls == ["processes"]


def test_a_batch_of_fewer_rows_than_devices(graph):
    """Each device does what one would do: nothing is gained, and nothing fails."""
    config = config_of(3)
    config.micro_batch_size = 1
    plan = partition.GraphPartitioner(config).partition_data_parallel(graph, 3)
    assert [len(split.sizes) for split in plan.splits] == [3]
    one, *others = (p.compute_us for p in plan.partitions)
    assert others == [pytest.approx(one)] * 2


def test_a_profile_replaces_the_guesses(graph):
    """A node takes the least that was measured; others what is guessed."""
    places = {"relu": 'node "/Relu", cnn.onnx:1'}
    row = {"cat": "Node", "args": {"location": places["relu"]}}
    runs = [{"name": "model_run", "cat": "Session", "dur": 1.0}] * 3
    costs = partition.CostModel()
    costs.use_profile([*runs, *({**row, "dur": time} for time in (9.0, 7.0, 90.0))])
    assert costs.costs().measured == {places["relu"]: 7.0}
    with pytest.raises(ValidationError, match="has no run of a model"):
        costs.use_profile([])


def test_costs_of_nodes_and_links(graph):
    model = partition.CostModel()
    partitioner = partition.GraphPartitioner(config_of(2))
    partitioner.set_cost_model(model)
    analysis = partitioner.analyze(graph)
    here, there = config_of(2).devices
    model.set_inter_device_bandwidth(1e9)
    model.set_inter_device_latency(3.0)
    assert model.estimate_comm_cost(1000, here, there) == pytest.approx(4.0)
    assert model.estimate_comm_cost(1000, here, here) == 0.0
    node = next(n for n in graph.nodes if analysis.bottleneck_nodes[0] in n.outputs)
    assert model.estimate_compute_cost(node, here) > 0
    assert model.estimate_memory_cost(node) > 0
    for wrong in (model.set_inter_device_bandwidth, model.set_inter_device_latency):
        with pytest.raises(ValidationError):
            wrong(-1.0)


def test_heads_of_attention_stay_whole():
    """Query, key and value by heads, then rows of the projection: one sum for each half layer."""
    config = config_of(2, tensor_parallel=2)
    plan = free(config, dims={"batch": 2, "sequence": 8}).partition_model_parallel(
        compiler.load(BERT), 2
    )
    kinds = [comm.kind for comm in plan.communications]
    assert kinds.count("all_reduce") == 4
    assert len(plan.splits) >= 8


def test_the_command_makes_a_plan(tmp_path):
    """`python -m pyflame_rt.partition` says why, and the proven gap."""
    path = tmp_path / "plan.json"
    options = [str(DIGITS), "--devices", "3", "--strategy", "pipeline", "-o", str(path)]
    result = CliRunner().invoke(command.main, [*options, "--picture", str(tmp_path / "p.svg")])
    assert result.exit_code == 0, result.output
    assert "proven gap 0.0" in result.output
    assert len(json.loads(path.read_text())["partitions"]) == 3
    bad = CliRunner().invoke(command.main, [str(DIGITS), "--devices", "toaster"])
    assert bad.exit_code == 2
    assert "is no device" in bad.output


def test_stages_are_modules_of_their_own(graph):
    """Values have one source each; what runs one after another is the model."""
    program = compiler.load(DIGITS)
    plan = free(config_of(3)).partition_pipeline(program, 3)
    images = np.load(DIGITS.parent / "test.npz")["images"][:3]
    values = {"images": images}
    found = partition.stages(program.module, plan, program.ctx)
    assert len(found) == 3
    for stage in found:
        model = compiler.compile_module(stage.module, program.ctx, "numpy", "", level=0)
        results = model.run([values[name] for name in stage.inputs])
        assert not set(stage.outputs) & set(values)
        values.update(zip(stage.outputs, results, strict=True))
    prepared = compiler.compile_module(
        program.module, program.ctx, pipeline=plan.preparation, level=0
    )
    np.testing.assert_array_equal(values["logits"], prepared.run([images])[0])

"""Plans are files: what is written is read, and what is wrong in one is said with its place."""

from __future__ import annotations

import json
from pathlib import Path
from xml.dom import minidom

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyflame_rt import compiler, pipelines
from pyflame_rt.errors import PassFailed, PyFlameRTError, UnsupportedFormatError, ValidationError
from pyflame_rt.partition import (
    DeviceSpec,
    DeviceType,
    GraphPartitioner,
    PartitionConfig,
    PartitionPlan,
    PartitionStrategy,
    picture,
)
from pyflame_rt.partition.replay import pipeline_of
from pyflame_rt.passes.partitioning.devices import Link, devices_of

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits" / "mlp.onnx"


def plan_of(strategy: PartitionStrategy, tensor: int = 0) -> PartitionPlan:
    config = PartitionConfig(
        [DeviceSpec(device_id=i) for i in range(2)], strategy, tensor_parallel=tensor
    )
    partitioner = GraphPartitioner(config, dims={"N": 4})
    partitioner.cost_model.set_inter_device_latency(0.0)
    return partitioner.partition(compiler.load(DIGITS))


@pytest.fixture(scope="module")
def text() -> str:
    return plan_of(PartitionStrategy.PIPELINE_PARALLEL).to_json()


@pytest.mark.parametrize("tensor", [0, 2])
def test_a_plan_survives_its_file(tensor: int, tmp_path):
    plan = plan_of(PartitionStrategy.MODEL_PARALLEL, tensor)
    plan.save(tmp_path / "plan.json")
    again = PartitionPlan.load(tmp_path / "plan.json")
    assert again.to_json() == plan.to_json()
    assert again.partitions[1].device == plan.partitions[1].device
    assert bool(again.splits) == bool(tensor)
    assert 0 <= again.gap <= 1


def changed(text: str, path: str, value: object) -> str:
    data = json.loads(text)
    place = data
    *keys, last = [int(k) if k.isdigit() else k for k in path.split(".")]
    for key in keys:
        place = place[key]
    place[last] = value
    return json.dumps(data)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("version", 2, "plan: plan.version: is 2, and this reads 1"),
        ("strategy", "fast", 'plan: strategy: "fast" is none of manual, data'),
        ("partitions", 3, "plan: partitions: is 3, and should be a list"),
        ("partitions.0.id", 1, "plan: partitions[0].id: is 1, and should be 0"),
        ("partitions.1.nodes", ["x", 3], "plan: partitions[1].nodes[1]: is 3, and should be a str"),
        ("partitions.1.nodes", ["x", "x"], 'plan: partitions[1].nodes: "x" is there twice'),
        (
            "partitions.1.device.type",
            "toy",
            'plan: partitions[1].device.type: "toy" is none of cpu',
        ),
        ("partitions.1.device.device_id", 0, "partitions[1].device: numpy:0 has another partition"),
        (
            "partitions.1.device.memory_bytes",
            -1,
            "device.memory_bytes: is -1, and should be a count",
        ),
        ("partitions.1.stage", 0, "plan: stage 0: has ranks [0, 0], one each from 0 is needed"),
        ("partitions.1.speed", 0, 'plan: partitions[1]: has no field "speed"'),
        ("micro_batches", 0, "plan: micro_batches: is 0, and should be a count from 1"),
        ("total_latency_us", "long", 'total_latency_us: is "long", and should be a number'),
        ("communications.0.kind", "fax", 'communications[0].kind: "fax" is none of send'),
        ("communications.0.sources", [9], "communications[0]: there is no partition 9"),
        ("link.alpha_us", None, "plan: link.alpha_us: is null, and should be a number"),
        (
            "partitions.0.device.link",
            {"alpha_us": -1},
            "device.link.alpha_us: is -1, and should be",
        ),
        ("partitions.0.nodes", ["\ud800"], r'nodes[0]: is "\ud800", which is no text'),
        ("partitions.0.\ud800", 1, r'has no field "\ud800"'),
        ("model", [[[]]], "plan: model: is a list, and should be a str"),
        ("splits", [{"node": "x", "axis": 0, "sizes": [1, 1]}], 'no partition has the node "x"'),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, path: str, value: object, said: str):
    with pytest.raises(ValidationError) as error:
        PartitionPlan.from_json(changed(text, path, value))
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    str(error.value).encode()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 10_000), st.integers(0, 60))
def test_no_bytes_are_a_crash(text: str, noise: bytes, start: int, length: int):
    """A plan with a piece of it overwritten is a plan, or an error of ours."""
    data = text.encode()
    start %= len(data)
    try:
        PartitionPlan.from_json(data[:start] + noise + data[start + length :])
    except PyFlameRTError as error:
        assert "\n" not in str(error)


def test_files_that_are_not_there_are_errors(tmp_path):
    with pytest.raises(PyFlameRTError, match="cannot be read"):
        PartitionPlan.load(tmp_path / "none.json")


def test_a_plan_of_another_model_is_refused(text: str, tmp_path):
    """The first node that is missing is named."""
    path = tmp_path / "plan.json"
    path.write_text(text)
    program = compiler.load(DIGITS.with_name("cnn.onnx"))
    with pytest.raises(PassFailed, match="the model has no node"):
        pipelines.run(program.ctx, program.module, pipelines.parse(pipeline_of(path)))


def test_plans_are_drawn(text: str, tmp_path):
    """Loads as SVG with the bound, what is sent for Graphviz."""
    plan = PartitionPlan.from_json(text)
    picture.save(plan, tmp_path / "plan.svg")
    drawing = minidom.parse(str(tmp_path / "plan.svg"))
    assert len(drawing.getElementsByTagName("rect")) == 2 * len(plan.partitions)
    picture.save(plan, tmp_path / "plan.dot")
    assert "p0 -> p1" in (tmp_path / "plan.dot").read_text()
    with pytest.raises(UnsupportedFormatError):
        picture.save(plan, tmp_path / "plan.bmp")


def test_devices_are_spelled():
    one, two = devices_of(["cpu:0:100", "wse3:1"])
    assert (one.target, one.memory_bytes) == ("numpy:0", 100)
    assert (two.type, two.target) == (DeviceType.WSE, "wse3:1")
    assert [d.target for d in devices_of(["2"])] == ["numpy:0", "numpy:1"]
    (linked,) = devices_of(["cpu:0:0:90:25000"])
    assert linked.link == Link(90.0, 1 / 25000)
    for wrong in (
        ["cpu:x"], ["toaster:0"], ["cpu:0", "cpu:0"], ["0"], ["cpu:0:0:9"], ["cpu:0:0:9:0"],
        ["cpu:0:0:nan:1"], ["cpu:" + "9" * 30],
    ):  # fmt: skip
        with pytest.raises(ValidationError):
            devices_of(wrong)

"""A grid of simulated wafers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pyflame_rt import compiler
from pyflame_rt.errors import MissingInputError, ValidationError
from pyflame_rt.partition import PartitionPlan, WSEChipConfig, partition_for_multi_chip, wse

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"


@pytest.fixture(scope="module")
def program():
    return compiler.load(DIGITS / "mlp.onnx")


def images() -> np.ndarray:
    return np.load(DIGITS / "test.npz")["images"][:1]


def test_a_pipeline_of_chips(program):
    """The model's outputs; cycles of parts and ways add up; a farther chip is farther."""
    config = WSEChipConfig(topology=[1, 2])
    grid = wse.MultiChip(partition_for_multi_chip(program, config), config)
    (expected,) = compiler.compile_module(program.module, program.ctx).run([images()])
    np.testing.assert_allclose(grid.run({"images": images()})["logits"], expected, atol=1e-5)
    report = grid.report
    ways = sum(transfer.cycles for transfer in report.transfers)
    assert report.cycles == sum(stage.cycles for stage in report.stages) + ways
    assert report.interval < report.cycles
    assert [t.bytes for t in report.transfers] == [report.traffic_bytes]
    assert f"{report.traffic_bytes} bytes between 2 chips" in report.lines()[-1]
    assert report.as_json()["cycles"] == report.cycles
    with pytest.raises(MissingInputError):
        grid.run({})


@pytest.mark.slow
def test_latency_and_bandwidth_are_paid(program):
    """100 times the latency of a hop is 99 times the latency more, in cycles of the clock."""
    runs = []
    for latency in (100.0, 10_000.0):
        config = WSEChipConfig(topology=[1, 2], inter_chip_latency=latency, clock_hz=1e9)
        plan = wse.partition_for_wse(program, WSEChipConfig(topology=[1, 2]))
        grid = wse.MultiChip(plan, config)
        grid.run({"images": images()})
        runs.append(grid.report.cycles)
    assert runs[1] - runs[0] == 9_900


@pytest.mark.slow
def test_chips_that_share_layers(program):
    """Within rounding; every chip computes at the same time."""
    config = WSEChipConfig(topology=[2, 2], share_layers=True)
    grid = wse.MultiChip(wse.partition_for_wse(program, config), config)
    (expected,) = compiler.compile_module(program.module, program.ctx).run([images()])
    np.testing.assert_allclose(grid.run({"images": images()})["logits"], expected, atol=1e-5)
    assert {stage.chip for stage in grid.report.stages} == {0, 1, 2, 3}
    assert len({stage.chip for stage in grid.report.stages if stage.began == 0}) == 4


def test_graphs_with_what_chips_send(program):
    plan = wse.partition_for_wse(program, WSEChipConfig(num_chips=2))
    kinds = [node.op_type for node in wse.insert_wse_communication(program, plan).nodes]
    assert kinds.count("Send") == kinds.count("Receive") == len(plan.communications) > 0
    assert len(wse.optimize_for_wse_dataflow(program).nodes) == len(kinds) - 2 * kinds.count("Send")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"topology": [0]}, "topology: is"),
        ({"topology": [2, 2], "num_chips": 3}, "3 chips in a topology of 4"),
        ({"machine": "wse9"}, 'machine: is "wse9"'),
        ({"grid": "8"}, 'grid: is "8"'),
        ({"inter_chip_bandwidth": 0.0}, "inter_chip_bandwidth: is 0.0"),
        ({"inter_chip_latency": -1.0}, "inter_chip_latency: is -1.0"),
    ],
)
def test_grids_that_cannot_be(program, settings, said: str):
    with pytest.raises(ValidationError, match=said.replace("[", r"\[")):
        wse.partition_for_wse(program, WSEChipConfig(**settings))


def test_a_plan_of_other_devices(program):
    config = WSEChipConfig(topology=[1, 2])
    text = wse.partition_for_wse(program, config).to_json()
    with pytest.raises(ValidationError, match="plan: comes from a file"):
        wse.MultiChip(PartitionPlan.from_json(text), config)
    other = PartitionPlan.from_json(text.replace('"wse"', '"cpu"'))
    with pytest.raises(ValidationError, match="devices that are no wafers"):
        wse.MultiChip(other, config, program)

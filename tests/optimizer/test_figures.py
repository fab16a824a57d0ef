"""The optimizer's figures that must not get worse: nodes left, and time that grows with size."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from pyflame_rt.passes import optimization_levels

pytest.importorskip("onnxruntime")

ROOT = Path(__file__).resolve().parents[2]


def benchmark(name: str) -> ModuleType:
    """A script of benchmarks/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Its dataclasses look their annotations up there.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


NODE_COUNTS = benchmark("node_counts")


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", NODE_COUNTS.paths(ROOT / "tests" / "networks"), ids=lambda p: p.stem
)
def test_no_more_nodes_than_onnxruntime(path: Path):
    row = NODE_COUNTS.measure(path, optimization_levels.passes(3))
    assert row.ours.total() <= row.onnxruntime.total(), NODE_COUNTS.kinds(row)


@pytest.mark.slow
def test_time_grows_with_the_model_and_no_faster():
    """Four times the ops in a generated model take about four times as long at level 3."""
    scaling = benchmark("optimizer_scaling")
    passes = optimization_levels.passes(3)
    small, large = (scaling.generate(ops) for ops in (1500, 6000))
    least = min(scaling.run(small, passes).total for _ in range(3))
    times: list[float] = []
    # The least of three, of which the first is enough on a machine that does nothing else.
    while not times or (min(times) > 6 * least and len(times) < 3):
        times.append(scaling.run(large, passes).total)
    assert min(times) <= 6 * least, times

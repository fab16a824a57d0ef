"""More networks on the simulated wafer: groups, masks, sequences, values one after another; nothing on the host."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from wse_onnx import dense_block, joined, masked_attention, recurrent, separable

from pyflame_rt import compiler, model_runs, pipelines
from pyflame_rt.dialects.wse.mappable import left_to_host

Array = NDArray[Any]

TOLERANCE = {"f32": 1e-5, "f16": 1e-2}
GRIDS = [
    ("2x2", "f32"),
    pytest.param("4x3", "f16", marks=pytest.mark.slow),
    pytest.param("2x3", "f32", marks=pytest.mark.slow),
]


def check(path: Path, grid: str, dtype: str) -> None:
    """Equal to NumPy's outputs, all of them, without an op on the host."""
    program = compiler.load(path)
    specs, _ = compiler.signature(program.module)
    x = np.random.default_rng(8).normal(size=specs[0].shape).astype(np.float32)
    pipeline = model_runs.pipeline_for(specs, [x], 2, specialize=True)
    module = program.module.clone()
    pipelines.run(program.ctx, module, pipelines.parse(pipeline))
    expected = compiler.compile_module(module.clone(), program.ctx, "numpy", "").run([x])
    pipelines.run(program.ctx, module, pipelines.parse("wse-prepare"))
    assert left_to_host(module) == []
    options = {"grid": grid, "dtype": dtype}
    model = compiler.compile_module(module, program.ctx, "wse2", "", options=options)
    for actual, wanted in zip(model.run([x]), expected, strict=True):
        assert actual.shape == wanted.shape
        assert np.abs(actual - wanted).max() <= TOLERANCE[dtype] * np.abs(wanted).max()


@pytest.mark.parametrize(("grid", "dtype"), GRIDS)
@pytest.mark.parametrize("made", [separable, joined, dense_block])
def test_networks(made: Callable[[Path], Path], grid: str, dtype: str, tmp_path: Path):
    """Convolutions in groups and depthwise; features and channels one after another, and a split."""
    check(made(tmp_path / "model.onnx"), grid, dtype)


_CAUSAL = np.where(np.tril(np.ones((32, 32), np.bool_)), 0, -np.inf).astype(np.float32)
_BY_HEAD = np.random.default_rng(3).normal(size=(1, 4, 32, 32)).astype(np.float32)


@pytest.mark.parametrize(("grid", "dtype"), GRIDS)
@pytest.mark.parametrize(
    "mask",
    [
        pytest.param(_CAUSAL, id="causal"),
        pytest.param(_BY_HEAD, id="by head", marks=pytest.mark.slow),
    ],
)
def test_masked_attention(mask: Array, grid: str, dtype: str, tmp_path: Path):
    """A mask that leaves no later rows, and one that is added for each head."""
    check(masked_attention(tmp_path / "model.onnx", mask), grid, dtype)


@pytest.mark.parametrize(("grid", "dtype"), GRIDS)
@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("LSTM", {"direction": "reverse"}),
        ("GRU", {"linear_before_reset": 1}),
        pytest.param("GRU", {}, marks=pytest.mark.slow),
    ],
)
def test_recurrent_networks(
    kind: str, attributes: dict[str, Any], grid: str, dtype: str, tmp_path: Path
):
    """Several steps of several sequences, all states and the last."""
    check(recurrent(tmp_path / "model.onnx", kind, **attributes), grid, dtype)


@pytest.mark.slow
def test_both_directions(tmp_path: Path):
    """The last states of a network that reads a sequence both ways."""
    check(recurrent(tmp_path / "model.onnx", "GRU", direction="bidirectional"), "2x2", "f32")

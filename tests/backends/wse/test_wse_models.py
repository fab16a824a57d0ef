"""Whole models on the simulated wafer: the NumPy backend's results, from several grids, nothing on the host."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from wse_onnx import lstm_cell, transformer

from pyflame_rt import compiler, model_runs, pipelines
from pyflame_rt.backends.wse.backend import WseBackend
from pyflame_rt.compiler import CompiledModel
from pyflame_rt.dialects.wse.mappable import left_to_host

Array = NDArray[Any]

ROOT = Path(__file__).resolve().parents[3]
SHARED = ROOT.parent / "shared" / "models"
TOLERANCE = {"f32": 1e-5, "f16": 1e-2}


def _image(*shape: int) -> Array:
    return np.random.default_rng(7).uniform(0, 1, shape).astype(np.float32)


def _digits(count: int = 1) -> Array:
    return np.load(ROOT / "examples" / "digits" / "test.npz")["images"][:count]


def run(path: Path, x: Array, **options: str) -> tuple[CompiledModel, Array, Array]:
    """A model compiled for the wafer, its output there and on NumPy."""
    program = compiler.load(path)
    specs, _ = compiler.signature(program.module)
    pipeline = model_runs.pipeline_for(specs, [x], 2, specialize=True)
    pipeline = compiler.join(pipeline, "wse-prepare")
    module = program.module.clone()
    pipelines.run(program.ctx, module, pipelines.parse(pipeline))
    assert left_to_host(module) == []
    expected = compiler.compile_module(module, program.ctx, "numpy", "").run([x])[0]
    machine = options.pop("machine", "wse2")
    model = compiler.compile_module(module, program.ctx, machine, "", options=options)
    return model, model.run([x])[0], expected


def check(path: Path, x: Array, **options: str) -> WseBackend:
    """Compare, and require that the steps account for all cycles of one program."""
    model, actual, expected = run(path, x, **options)
    allowed = TOLERANCE[options.get("dtype", "f32")]
    assert actual.dtype == expected.dtype
    assert np.abs(actual - expected).max() <= allowed * np.abs(expected).max()
    backend = model.backend
    assert isinstance(backend, WseBackend)
    (part,) = backend.report().parts
    assert part.cycles == sum(step.cycles for step in part.steps)
    return backend


@pytest.mark.parametrize(
    ("grid", "dtype", "machine"),
    [("4x4", "f32", "wse2"), ("8x8", "f16", "wse2"), ("5x3", "f32", "wse3"), ("2x1", "f16", "wse3-si")],
)  # fmt: skip
def test_digits_mlp(grid: str, dtype: str, machine: str):
    """Dense layers, one image or several."""
    path = ROOT / "examples" / "digits" / "mlp.onnx"
    check(path, _digits(), grid=grid, dtype=dtype, machine=machine)


def test_digits_mlp_for_several_images():
    """Rows of a batch are spread over the PEs of a line."""
    check(ROOT / "examples" / "digits" / "mlp.onnx", _digits(6), grid="4x4")


@pytest.mark.parametrize(
    ("grid", "dtype"), [("4x4", "f32"), ("8x8", "f32"), ("3x2", "f16"), ("8x4", "f16")]
)
def test_digits_cnn(grid: str, dtype: str):
    """Convolutions with residuals, pools over windows and over all, a dense layer."""
    check(ROOT / "examples" / "digits" / "cnn.onnx", _digits(), grid=grid, dtype=dtype)


@pytest.mark.skipif(not SHARED.exists(), reason="the recorded models are not at hand")
@pytest.mark.parametrize(("grid", "dtype"), [("8x8", "f32"), ("4x8", "f16"), ("7x5", "f32")])
@pytest.mark.parametrize("model", ["mnist_cntk/model.onnx", "lenet_ts/traced_model.pt"])
def test_models_of_others(model: str, grid: str, dtype: str):
    """5 x 5 windows with and without borders, pools of other kinds, a product of a flattened image."""
    size = 28 if "mnist" in model else 32
    check(SHARED / model, _image(1, 1, size, size), grid=grid, dtype=dtype)


@pytest.mark.parametrize(("grid", "dtype"), [("4x4", "f32"), ("8x8", "f16"), ("8x4", "f32")])
def test_transformer_blocks(grid: str, dtype: str, tmp_path: Path):
    """Attention of whole heads, layer normalization, gelu, residuals that lie as they are needed."""
    path = transformer(tmp_path / "block.onnx")
    x = np.random.default_rng(5).normal(size=(1, 32, 64)).astype(np.float32)
    check(path, x, grid=grid, dtype=dtype)


@pytest.mark.parametrize(("grid", "dtype"), [("4x4", "f32"), ("8x8", "f16"), ("2x3", "f32")])
def test_lstm_cell(grid: str, dtype: str, tmp_path: Path):
    """Gates that are split are products of their own, added to products of the old state."""
    path = lstm_cell(tmp_path / "cell.onnx")
    x = np.random.default_rng(5).normal(size=(1, 32)).astype(np.float32)
    check(path, x, grid=grid, dtype=dtype)


QUICK = {
    ("mlp", "4x4", "f32"), ("mlp", "8x8", "f16"),
    ("cnn", "4x4", "f32"), ("cnn", "8x8", "f32"), ("cnn", "8x4", "f16"),
    ("mnist", "8x8", "f32"), ("mnist", "4x4", "f32"),
    ("lenet", "8x8", "f32"), ("lenet", "4x4", "f32"),
    ("transformer", "4x4", "f32"), ("transformer", "8x8", "f16"), ("transformer", "8x4", "f32"),
    ("lstm", "4x4", "f32"), ("lstm", "8x8", "f16"),
}  # fmt: skip
"""What the tests above run."""
NETWORKS = ("mlp", "cnn", "mnist", "lenet", "transformer", "lstm")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "grid", "dtype"),
    [case for case in product(NETWORKS, ("4x4", "8x8", "8x4"), TOLERANCE) if case not in QUICK],
)
def test_each_network_on_three_grids_in_both_types(
    network: str, grid: str, dtype: str, tmp_path: Path
):
    """The same three grids for all, but where a network needs more room than the smallest has."""
    rng = np.random.default_rng(5)
    paths = {
        "mlp": ROOT / "examples" / "digits" / "mlp.onnx",
        "cnn": ROOT / "examples" / "digits" / "cnn.onnx",
        "mnist": SHARED / "mnist_cntk" / "model.onnx",
        "lenet": SHARED / "lenet_ts" / "traced_model.pt",
    }
    if network in ("mnist", "lenet"):
        if not SHARED.exists():
            pytest.skip("the recorded models are not at hand")
        size = 28 if network == "mnist" else 32
        path, x = paths[network], _image(1, 1, size, size)
        grid = "7x5" if grid == "4x4" else grid
    elif network == "transformer":
        path, x = transformer(tmp_path / "m.onnx"), rng.normal(size=(1, 32, 64))
    elif network == "lstm":
        path, x = lstm_cell(tmp_path / "m.onnx"), rng.normal(size=(1, 32))
    else:
        path, x = paths[network], _digits()
    check(path, x.astype(np.float32), grid=grid, dtype=dtype)


def test_predictions_are_near():
    """What the placing decides by is what the simulator finds, in all and for every longer step."""
    backend = check(ROOT / "examples" / "digits" / "cnn.onnx", _digits(), grid="8x8")
    (part,) = backend.report().parts
    predicted = sum(step.predicted for step in part.steps)
    assert abs(predicted - part.cycles) <= 0.15 * part.cycles
    for step in part.steps:
        if step.cycles > 1000:
            assert abs(step.predicted - step.cycles) <= 0.15 * step.cycles, step
    assert all(step.quality is None or step.quality >= 1 for step in part.steps)


def test_executables_are_reentrant():
    """Concurrent runs have machines of their own."""
    from concurrent.futures import ThreadPoolExecutor

    images = _digits(4)
    model, *_ = run(ROOT / "examples" / "digits" / "mlp.onnx", images[:1], grid="2x2")
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda i: model.run([images[i : i + 1]])[0], range(4)))
    alone = [model.run([images[i : i + 1]])[0] for i in range(4)]
    assert all(np.array_equal(a, b) for a, b in zip(together, alone, strict=True))

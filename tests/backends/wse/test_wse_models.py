"""Whole models on the simulated wafer: the NumPy backend's results, from several grids, nothing on the host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

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


def _saved(path: Path, nodes: list[Any], inputs: dict[str, list[int]], outputs: list[str]) -> Path:
    """An ONNX model of nodes, with the weights that they name w*, b*, s*, by shape in the name."""
    generator = np.random.default_rng(3)
    weights: dict[str, Array] = {}
    for node in nodes:
        for name in node.input:
            if name.startswith("%"):
                shape = [int(size) for size in name.rpartition(":")[2].split("x")]
                weights[name] = generator.normal(0, 0.2, shape).astype(np.float32)
    constants = {"#heads": [1, 32, 4, 16], "#rows": [1, 32, 64], "#half": 16**-0.5}
    tensors = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    for name, value in constants.items():
        dtype = np.float32 if isinstance(value, float) else np.int64
        tensors.append(numpy_helper.from_array(np.array(value, dtype), name))
    float32 = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes, "network",
        [helper.make_tensor_value_info(name, float32, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, float32, None) for name in outputs],
        tensors,
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), path)
    return path


def _block(number: int, x: str, y: str) -> list[Any]:
    """A transformer block of 4 heads: d = 64."""
    made = helper.make_node

    def name(text: str) -> str:
        return f"{text}{number}"

    def linear(source: str, result: str, size: str) -> list[Any]:
        product, bias = name(f"{result}_product"), f"%{name(result)}_b:{size.split('x')[1]}"
        return [
            made("MatMul", [source, f"%{name(result)}_w:{size}"], [product]),
            made("Add", [product, bias], [name(result)]),
        ]

    nodes = [made("LayerNormalization", [x, f"%{number}s:64", f"%{number}t:64"], [name("n")])]
    for role, perm in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
        nodes += linear(name("n"), role, "64x64")
        nodes.append(made("Reshape", [name(role), "#heads"], [name(f"{role}_heads")]))
        nodes.append(made("Transpose", [name(f"{role}_heads")], [name(f"{role}_t")], perm=perm))
    nodes += [
        made("MatMul", [name("q_t"), name("k_t")], [name("scores")]),
        made("Mul", [name("scores"), "#half"], [name("scaled")]),
        made("Softmax", [name("scaled")], [name("shares")]),
        made("MatMul", [name("shares"), name("v_t")], [name("mixed")]),
        made("Transpose", [name("mixed")], [name("mixed_t")], perm=[0, 2, 1, 3]),
        made("Reshape", [name("mixed_t"), "#rows"], [name("joined")]),
        *linear(name("joined"), "o", "64x64"),
        made("Add", [x, name("o")], [name("middle")]),
        made("LayerNormalization", [name("middle"), f"%{number}u:64", f"%{number}v:64"], [name("m")]),
        *linear(name("m"), "up", "64x128"),
        made("Gelu", [name("up")], [name("gelu")]),
        *linear(name("gelu"), "down", "128x64"),
        made("Add", [name("middle"), name("down")], [y]),
    ]  # fmt: skip
    return nodes


@pytest.mark.parametrize(("grid", "dtype"), [("4x4", "f32"), ("8x8", "f16"), ("8x4", "f32")])
def test_transformer_blocks(grid: str, dtype: str, tmp_path: Path):
    """Attention of whole heads, layer normalization, gelu, residuals that lie as they are needed."""
    nodes = [*_block(1, "x", "half"), *_block(2, "half", "y")]
    path = _saved(tmp_path / "block.onnx", nodes, {"x": [1, 32, 64]}, ["y"])
    x = np.random.default_rng(5).normal(size=(1, 32, 64)).astype(np.float32)
    check(path, x, grid=grid, dtype=dtype)


@pytest.mark.parametrize(("grid", "dtype"), [("4x4", "f32"), ("8x8", "f16"), ("2x3", "f32")])
def test_lstm_cell(grid: str, dtype: str, tmp_path: Path):
    """Gates that are split are products of their own, added to products of the old state."""
    made = helper.make_node
    nodes = [
        made("Gemm", ["x", "%w:128x32", "%b:128"], ["of x"], transB=1),
        made("Gemm", ["x", "%v:128x32", "%c:128"], ["of h"], transB=1),
        made("Add", ["of x", "of h"], ["gates"]),
        made("Split", ["gates"], ["i", "f", "g", "o"], axis=1, num_outputs=4),
        *(made("Sigmoid", [gate], [f"s{gate}"]) for gate in "ifo"),
        made("Tanh", ["g"], ["tg"]),
        made("Mul", ["sf", "x"], ["kept"]),
        made("Mul", ["si", "tg"], ["new"]),
        made("Add", ["kept", "new"], ["c"]),
        made("Tanh", ["c"], ["tc"]),
        made("Mul", ["so", "tc"], ["h"]),
    ]
    path = _saved(tmp_path / "cell.onnx", nodes, {"x": [1, 32]}, ["h", "c"])
    x = np.random.default_rng(5).normal(size=(1, 32)).astype(np.float32)
    check(path, x, grid=grid, dtype=dtype)


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

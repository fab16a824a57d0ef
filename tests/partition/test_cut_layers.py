"""Partitioned modules in one process: every strategy computes what one device computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyflame_rt import compiler, module_files, partition, pipelines
from pyflame_rt.backends.reference import ReferenceBackend
from pyflame_rt.universe import make_context

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"
SHARED = "pfrt-optimize{level=1},cse,pfrt-fuse-conv-bn,"


def outputs(text_or_path: str | Path, pipeline: str, feeds: list[np.ndarray]) -> list[np.ndarray]:
    ctx = make_context()
    if isinstance(text_or_path, Path):
        module = module_files.load(text_or_path, ctx)
    else:
        module = module_files.parse(text_or_path.encode(), ctx, "drawn.mlir")
    return compiler.compile_module(module, ctx, pipeline=pipeline).run(feeds)


@pytest.mark.parametrize(
    "devices", [2, pytest.param(3, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("model", ["cnn", "mlp"])
@pytest.mark.parametrize(
    "options", ["pipeline", "model", "data", "model tensor={k}", "hybrid", "automatic"]
)
def test_digits_in_one_process(model: str, options: str, devices: int):
    """The pass alone: functions of all devices linked in one program."""
    images = np.load(DIGITS / "test.npz")["images"][:5]
    options = options.format(k=devices)
    spread = f"pfrt-partition{{strategy={options} devices={devices} latency=0 seconds=2}}"
    (alone,) = outputs(DIGITS / f"{model}.onnx", SHARED.removesuffix(","), [images])
    (many,) = outputs(DIGITS / f"{model}.onnx", SHARED + spread, [images])
    np.testing.assert_allclose(many, alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("rows", [1, 2, 3, 7])
def test_batches_smaller_than_the_devices(rows: int):
    """A device without a row repeats the last one, which is cut off again."""
    images = np.load(DIGITS / "test.npz")["images"][:rows]
    spread = "pfrt-partition{strategy=data devices=4}"
    (alone,) = outputs(DIGITS / "mlp.onnx", "", [images])
    (many,) = outputs(DIGITS / "mlp.onnx", SHARED + spread, [images])
    assert many.shape == alone.shape
    np.testing.assert_allclose(many, alone, rtol=1e-5, atol=1e-6)


KINDS = ("dense", "gemm", "relu", "softmax", "heads", "square", "center")


class Stack:
    """Layers one after another, as text: what can be cut, and what cannot."""

    def __init__(self, draw, rows: int, heads: int):
        self.draw, self.rows, self.heads = draw, rows, heads
        self.width = heads * 2
        self.lines: list[str] = []
        self.value = "%x"
        self.numbers = np.random.default_rng(rows * 10 + heads)

    @property
    def kind(self) -> str:
        return f"tensor<{self.rows}x{self.width}xf32>"

    def emit(self, text: str) -> str:
        name = f"%v{len(self.lines)}"
        self.lines.append(f"{name} = {text}")
        return name

    def constant(self, *shape: int) -> tuple[str, str]:
        values = (self.numbers.integers(-4, 5, shape) / 4).tolist()
        kind = f"tensor<{'x'.join(map(str, shape))}xf32>"
        return self.emit(f"pfrt.constant dense<{values}> : {kind}"), kind

    def dense(self) -> None:
        x, before = self.value, self.kind
        (w, kind), to = self.constant(self.width, n := self.draw(st.integers(1, 3)) * self.heads), n
        (b, vector), self.width = self.constant(to), to
        y = self.emit(f"pfrt.matmul {x}, {w} : {before}, {kind} -> {self.kind}")
        self.value = self.emit(f"pfrt.add {y}, {b} : ({self.kind}, {vector}) -> {self.kind}")

    def gemm(self) -> None:
        x, before = self.value, self.kind
        to = self.draw(st.integers(1, 3)) * self.heads
        (w, kind), (b, vector) = self.constant(to, self.width), self.constant(to)
        self.width = to
        types = f"({before}, {kind}, {vector}) -> {self.kind}"
        self.value = self.emit(f"pfrt.gemm {x}, {w}, {b} {{trans_b = true}} : {types}")

    def heads_apart(self) -> None:
        rows, heads, depth, t = self.rows, self.heads, self.width // self.heads, self.kind
        h, m = f"tensor<{rows}x{heads}x{depth}xf32>", f"tensor<{heads}x{rows}x{depth}xf32>"
        shape = f"shape = array<i64: {rows}, {heads}, {depth}>"
        a = self.emit(f"pfrt.reshape {self.value} {{{shape}}} : ({t}) -> {h}")
        a = self.emit(f"pfrt.transpose {a} {{perm = array<i64: 1, 0, 2>}} : {h} -> {m}")
        a = self.emit(f"pfrt.softmax {a} {{axis = 2 : i64}} : {m} -> {m}")
        a = self.emit(f"pfrt.transpose {a} {{perm = array<i64: 1, 0, 2>}} : {m} -> {h}")
        shape = f"shape = array<i64: {rows}, {self.width}>"
        self.value = self.emit(f"pfrt.reshape {a} {{{shape}}} : ({h}) -> {t}")

    def add(self, kind: str) -> None:
        x, t = self.value, self.kind
        if kind == "dense":
            self.dense()
        elif kind == "gemm":
            self.gemm()
        elif kind == "heads":
            self.heads_apart()
        elif kind == "square":
            y = self.emit(f"pfrt.tanh {x} : {t} -> {t}")
            self.value = self.emit(f"pfrt.mul {y}, {x} : ({t}, {t}) -> {t}")
        elif kind == "center":
            mean = f"tensor<{self.rows}x1xf32>"
            y = self.emit(f"pfrt.reduce_mean {x} {{axes = array<i64: 1>}} : ({t}) -> {mean}")
            self.value = self.emit(f"pfrt.sub {x}, {y} : ({t}, {mean}) -> {t}")
        else:
            self.value = self.emit(f"pfrt.{kind} {x} : {t} -> {t}")


def stack(draw, rows: int, heads: int) -> tuple[str, np.ndarray]:
    """A module of random layers, and what to feed it."""
    layers = Stack(draw, rows, heads)
    given = layers.kind
    feed = layers.numbers.standard_normal((rows, layers.width), dtype=np.float32)
    for _ in range(draw(st.integers(1, 6))):
        layers.add(draw(st.sampled_from(KINDS)))
    body = "\n".join(layers.lines)
    head = f'func.func @main(%x: {given} {{pfrt.name = "x"}}) -> {layers.kind} {{'
    return f"{head}\n{body}\nfunc.return {layers.value} : {layers.kind}\n}}\n", feed


@settings(max_examples=12, deadline=None)
@given(
    st.integers(1, 5),
    st.integers(1, 5),
    st.data(),
    st.integers(2, 4),
    st.sampled_from(["tensor", "data"]),
)
def test_layers_that_are_shared(rows: int, heads: int, data: st.DataObject, devices: int, how: str):
    """Columns, rows, heads, gathers and sums, wherever a random stack of layers asks for them."""
    text, feed = stack(data.draw, rows, heads)
    options = f"model tensor={devices}" if how == "tensor" else "data"
    pipeline = f"pfrt-partition{{strategy={options} devices={devices}}}"
    ctx = make_context()
    module = module_files.parse(text.encode(), ctx, "drawn.mlir")
    pipelines.verify_module(module)
    (expected,) = ReferenceBackend().compile(module, "main").run([feed])
    (found,) = outputs(text, pipeline, [feed])
    scale = float(np.abs(expected).max(initial=0)) or 1.0
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * scale)
    split = module.clone()
    pipelines.run(ctx, split, pipelines.parse(pipeline), verify_each=True)
    (again,) = ReferenceBackend().compile(split, "main").run([feed])
    np.testing.assert_allclose(again, expected, rtol=1e-5, atol=1e-5 * scale)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["tensor", "data"])
@pytest.mark.parametrize(
    "file", ["mobilenet_v2.torchscript", "vit.torchscript", "unet.dynamo", "gpt2.torchscript"]
)
def test_exports_with_uneven_slices(file: str, strategy: str):
    """Grouped convolutions, attention, resizes, caches: three devices divide none of them evenly."""
    path = Path(__file__).resolve().parents[1] / "networks" / f"{file}.onnx"
    program = compiler.load(path)
    inputs, outputs_ = compiler.signature(program.module)
    generator = np.random.default_rng(0)
    values: dict[str, np.ndarray] = {}
    dims: dict[str, int] = {}
    for spec in inputs:
        sizes = [d if isinstance(d, int) else 8 if axis else 4 for axis, d in enumerate(spec.shape)]
        dims |= {d: n for d, n in zip(spec.shape, sizes, strict=True) if isinstance(d, str)}
        drawn = generator.standard_normal(sizes) if spec.dtype.kind == "f" else np.ones(sizes)
        values[spec.name] = drawn.astype(spec.dtype)
    model = compiler.compile_module(program.module, program.ctx)
    expected = model.run([values[spec.name] for spec in inputs])
    config = partition.PartitionConfig(
        [partition.DeviceSpec(device_id=i) for i in range(3)],
        micro_batch_size=4,
        tensor_parallel=3 if strategy == "tensor" else 0,
    )
    partitioner = partition.GraphPartitioner(config, dims=dims)
    if strategy == "tensor":
        plan = partitioner.partition_model_parallel(program, 3)
    else:
        plan = partitioner.partition_data_parallel(program, 3)
    assert plan.splits
    for stage in partition.stages(program.module, plan, program.ctx):
        part = compiler.compile_module(stage.module, program.ctx, "numpy", "", level=0)
        results = part.run([np.ascontiguousarray(values[name]) for name in stage.inputs])
        values.update(zip(stage.outputs, results, strict=True))
    for spec, value in zip(outputs_, expected, strict=True):
        scale = float(np.abs(value).max(initial=0)) or 1.0
        np.testing.assert_allclose(values[spec.name], value, rtol=1e-5, atol=1e-5 * scale)

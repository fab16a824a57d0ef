"""Predicted cycles beside simulated ones, on shapes that the cost model was not made with.

    python benchmarks/wse_held_out.py [--models DIR] [--json]

The formulas of the emitters follow from the machine's constants; what was looked at when they were written are the cases
of `wse_mapping.py` and the shapes of `tests/passes/wse`. None of the cases here is among them. Each is compiled as
`pfrt-run --device` does, run on random input and compared with NumPy; the last lines say how far off the prediction was.
With `--models`, a folder with mnist_cntk and lenet_ts, those as well.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from xdsl.rewriter import Rewriter

from pyflame_rt import compiler, model_runs, module_files
from pyflame_rt.backends.wse.backend import WseBackend
from pyflame_rt.compiler import Program
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.types import static_shape_of
from pyflame_rt.universe import make_context

DIGITS = Path(__file__).resolve().parents[1] / "examples" / "digits"


@dataclass(frozen=True)
class Case:
    """A function of pfrt as text, or a model file, and where it runs."""

    name: str
    grid: str
    source: str | Path
    machine: str = "wse2"
    dtype: str = "f32"
    schedule: str = "layer"
    shape: tuple[int, ...] | None = None


def product(rows: int, inputs: int, outputs: int) -> str:
    """Rows x inputs by inputs x outputs."""
    x, y = f"tensor<{rows}x{inputs}xf32>", f"tensor<{rows}x{outputs}xf32>"
    w = f"tensor<{inputs}x{outputs}xf32>"
    return f"""func.func @main(%x: {x}) -> {y} {{
  %w = pfrt.constant dense<0.03125> : {w}
  %y = pfrt.gemm %x, %w : ({x}, {w}) -> {y}
  func.return %y : {y}
}}"""


def layers(rows: int, *sizes: int) -> str:
    """Dense layers with relu."""
    kinds = [f"tensor<{rows}x{size}xf32>" for size in sizes]
    lines = [f"func.func @main(%v0: {kinds[0]}) -> {kinds[-1]} {{"]
    for n, (a, b) in enumerate(pairwise(sizes), 1):
        w = f"tensor<{a}x{b}xf32>"
        lines += [
            f"  %w{n} = pfrt.constant dense<0.03125> : {w}",
            f'  %v{n} = pfrt.gemm %v{n - 1}, %w{n} {{activation = #pfrt.activation<"relu">}} :'
            f" ({kinds[n - 1]}, {w}) -> {kinds[n]}",
        ]
    return "\n".join([*lines, f"  func.return %v{len(sizes) - 1} : {kinds[-1]}", "}"])


def convolution(
    inputs: int, outputs: int, size: tuple[int, int], kernel: int, stride: int = 1, images: int = 1
) -> str:
    """A square window with borders of half its width."""
    pad = kernel // 2
    out = [(n + 2 * pad - kernel) // stride + 1 for n in size]
    x = f"tensor<{images}x{inputs}x{size[0]}x{size[1]}xf32>"
    y = f"tensor<{images}x{outputs}x{out[0]}x{out[1]}xf32>"
    w = f"tensor<{outputs}x{inputs}x{kernel}x{kernel}xf32>"
    return f"""func.func @main(%x: {x}) -> {y} {{
  %w = pfrt.constant dense<0.0625> : {w}
  %y = pfrt.conv %x, %w {{strides = array<i64: {stride}, {stride}>, dilations = array<i64: 1, 1>,
    pads = array<i64: {pad}, {pad}, {pad}, {pad}>}} : ({x}, {w}) -> {y}
  func.return %y : {y}
}}"""


def pool(kind: str, channels: int, size: int, kernel: int, stride: int, pad: int = 0) -> str:
    """A pool of square windows."""
    out = (size + 2 * pad - kernel) // stride + 1
    x, y = f"tensor<1x{channels}x{size}x{size}xf32>", f"tensor<1x{channels}x{out}x{out}xf32>"
    return f"""func.func @main(%x: {x}) -> {y} {{
  %y = pfrt.{kind}_pool %x {{kernel_shape = array<i64: {kernel}, {kernel}>,
    strides = array<i64: {stride}, {stride}>, pads = array<i64: {pad}, {pad}, {pad}, {pad}>}} : {x} -> {y}
  func.return %y : {y}
}}"""


def global_pool(channels: int, size: int) -> str:
    """An average over all of an image."""
    x, y = f"tensor<1x{channels}x{size}x{size}xf32>", f"tensor<1x{channels}x1x1xf32>"
    return f"""func.func @main(%x: {x}) -> {y} {{
  %y = pfrt.global_average_pool %x : {x} -> {y}
  func.return %y : {y}
}}"""


def softmax(rows: int, features: int) -> str:
    """Over the last axis."""
    x = f"tensor<{rows}x{features}xf32>"
    return f"""func.func @main(%x: {x}) -> {x} {{
  %y = pfrt.softmax %x : {x} -> {x}
  func.return %y : {x}
}}"""


def norm(rows: int, features: int) -> str:
    """Layer normalization."""
    x, s = f"tensor<{rows}x{features}xf32>", f"tensor<{features}xf32>"
    return f"""func.func @main(%x: {x}) -> {x} {{
  %s = pfrt.constant dense<1.5> : {s}
  %y = pfrt.layer_normalization %x, %s {{axis = -1 : i64}} : ({x}, {s}) -> {x}
  func.return %y : {x}
}}"""


def attention(rows: int, features: int, heads: int) -> str:
    """Of a sequence with itself."""
    x = f"tensor<1x{rows}x{features}xf32>"
    return f"""func.func @main(%x: {x}) -> {x} {{
  %y = pfrt.attention %x, %x, %x {{q_num_heads = {heads} : i64, kv_num_heads = {heads} : i64}} :
    {x}, {x}, {x} -> {x}
  func.return %y : {x}
}}"""


CASES = (
    Case("gemv 700 x 900", "10x14", product(1, 700, 900)),
    Case("gemv 2000 x 150", "20x6", product(1, 2000, 150)),
    Case("gemv 333 x 333", "7x5", product(1, 333, 333), "wse3"),
    Case("gemv 1200 x 800 f16", "12x12", product(1, 1200, 800), "wse3-si", "f16"),
    Case("gemm 40 x 90 x 60", "6x6", product(40, 90, 60)),
    Case("gemm 100 x 64 x 200", "8x4", product(100, 64, 200)),
    Case("gemm 75 x 130 x 45 f16", "5x9", product(75, 130, 45), "wse2", "f16"),
    Case("gemm 160 x 160 x 160", "10x10", product(160, 160, 160), "wse3"),
    Case("gemm 3 x 500 x 500", "9x9", product(3, 500, 500)),
    Case("conv 3x3 20 to 30 on 18 x 18", "5x6", convolution(20, 30, (18, 18), 3)),
    Case("conv 3x3 32 to 48 on 24 x 12", "12x8", convolution(32, 48, (24, 12), 3), "wse3"),
    Case("conv 5x5 6 to 16 on 16 x 16", "4x8", convolution(6, 16, (16, 16), 5)),
    Case("conv 3x3 by 2, 12 to 24 on 20 x 20", "6x4", convolution(12, 24, (20, 20), 3, 2)),
    Case("conv 1x1 48 to 40 on 10 x 14", "8x5", convolution(48, 40, (10, 14), 1), "wse2", "f16"),
    Case("conv 7x7 3 to 12 on 28 x 28", "7x7", convolution(3, 12, (28, 28), 7)),
    Case("max pool 3x3 by 2 on 17 x 17 x 30", "6x4", pool("max", 30, 17, 3, 2)),
    Case("average pool 2x2 on 24 x 24 x 20", "5x6", pool("average", 20, 24, 2, 2)),
    Case("average pool 3x3, border, 16 x 16 x 9", "4x4", pool("average", 9, 16, 3, 1, 1), "wse3"),
    Case("global average pool 14 x 14 x 50", "10x7", global_pool(50, 14)),
    Case("softmax 20 x 120", "6x5", softmax(20, 120)),
    Case("softmax 50 x 40 f16", "4x10", softmax(50, 40), "wse3", "f16"),
    Case("layer norm 24 x 80", "8x6", norm(24, 80)),
    Case("layer norm 64 x 96", "6x16", norm(64, 96), "wse3"),
    Case("attention 20 x 48, 3 heads", "3x5", attention(20, 48, 3)),
    Case("attention 40 x 64, 8 heads f16", "8x4", attention(40, 64, 8), "wse3", "f16"),
    Case("layers 200 200 150 20", "8x8", layers(1, 200, 200, 150, 20)),
    Case("layers of 30 rows", "6x8", layers(30, 96, 120, 60)),
    Case("streamed 400 500 300", "3x3", layers(1, 400, 500, 300)),
    Case("streamed, 12 rows", "3x2", layers(12, 250, 300, 200)),
    Case("images of a batch, conv 3x3", "4x4", convolution(8, 8, (10, 10), 3, 1, 5)),
    Case("pipeline, 12 rows", "9x6", layers(12, 120, 160, 100, 30), schedule="pipeline"),
    Case("average pool 5x5, border, 14 x 14 x 21", "7x2", pool("average", 21, 14, 5, 1, 2), "wse3"),
    Case("max pool 3x3 by 2, border, 32 x 32 x 12", "4x8", pool("max", 12, 32, 3, 2, 1)),
    Case("layer norm 90 x 33", "5x9", norm(90, 33), "wse3", "f16"),
    Case("softmax 7 x 300 f16", "10x3", softmax(7, 300), "wse2", "f16"),
    Case("attention 25 x 36, 6 heads f16", "6x5", attention(25, 36, 6), "wse2", "f16"),
    Case("digits MLP", "6x5", DIGITS / "mlp.onnx", shape=(1, 1, 8, 8)),
    Case("digits MLP, 10 images", "6x5", DIGITS / "mlp.onnx", shape=(10, 1, 8, 8)),
    Case("digits MLP, pipeline", "10x4", DIGITS / "mlp.onnx", "wse2", "f32", "pipeline", (8, 1, 8, 8)),
    Case("digits CNN", "6x6", DIGITS / "cnn.onnx", shape=(1, 1, 8, 8)),
    Case("digits CNN f16", "7x3", DIGITS / "cnn.onnx", "wse3", "f16", shape=(1, 1, 8, 8)),
    Case("digits CNN, pipeline", "12x6", DIGITS / "cnn.onnx", "wse2", "f32", "pipeline", (8, 1, 8, 8)),
)  # fmt: skip


def models(folder: Path) -> Iterator[Case]:
    """Models of a folder that are there."""
    for name, grid, shape in (
        ("mnist_cntk", "7x6", (1, 1, 28, 28)),
        ("lenet_ts", "6x7", (1, 784)),
    ):
        files = sorted(f for f in folder.glob(f"{name}/*") if f.suffix in (".onnx", ".pt"))
        if files:
            yield Case(name, grid, files[0], shape=shape)


def loaded(case: Case) -> tuple[Program, str, np.ndarray[Any, Any]]:
    """The model, the pipeline before it is mapped, and an input."""
    rng = np.random.default_rng(3)
    if isinstance(case.source, Path):
        program = compiler.load(case.source)
        x = rng.uniform(0, 1, case.shape or (1,)).astype(np.float32)
        specs, _ = compiler.signature(program.module)
        return program, model_runs.pipeline_for(specs, [x], 2, specialize=True), x
    ctx = make_context()
    module = module_files.parse(case.source, ctx, case.name)
    for op in [op for op in module.walk() if isinstance(op, ConstantOp)]:
        shape = static_shape_of(op.results[0]) or ()
        spread = np.sqrt(1 / max(np.prod(shape[1:]) if len(shape) == 4 else shape[0], 1))
        new = ConstantOp.get((rng.standard_normal(shape) * spread).astype(np.float32))
        Rewriter.replace_op(op, new)
    specs, _ = compiler.signature(module)
    x = rng.uniform(-1, 1, [int(n) for n in specs[0].shape or ()]).astype(np.float32)  # pyright: ignore[reportArgumentType]
    return Program(ctx, module, case.name), "", x


def measure(case: Case) -> dict[str, Any]:
    """Run one case. Raises SystemExit when it computes something else than NumPy, or not on the wafer."""
    program, pipeline, x = loaded(case)
    expected = compiler.compile_module(program.module, program.ctx, "numpy", pipeline).run([x])[0]
    options = {"grid": case.grid, "dtype": case.dtype, "schedule": case.schedule}
    model = compiler.compile_module(
        program.module, program.ctx, case.machine, pipeline, options=options
    )
    actual = model.run([x])[0]
    error = float(np.abs(actual - expected).max() / np.abs(expected).max())
    if error > (1e-2 if case.dtype == "f16" else 1e-5):
        raise SystemExit(f"{case.name}: relative error {error:.1e}")
    assert isinstance(model.backend, WseBackend)
    report = model.backend.report()
    if not report.parts:
        raise SystemExit(f"{case.name}: nothing ran on the wafer")
    return {
        "case": case.name, "grid": case.grid, "machine": case.machine, "dtype": case.dtype,
        "schedule": case.schedule, "simulated": report.cycles,
        "predicted": round(report.predicted), "off": round(report.predicted / report.cycles - 1, 4),
    }  # fmt: skip


def main() -> None:
    """Print a row for each case, then the worst and the median."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, help="a folder with mnist_cntk and lenet_ts")
    parser.add_argument("--json", action="store_true", help="JSON, one row a line")
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    arguments = parser.parse_args()
    cases = [*CASES, *(models(arguments.models) if arguments.models else ())]
    rows: list[dict[str, Any]] = []
    for case in cases:
        if arguments.only not in case.name:
            continue
        row = measure(case)
        rows.append(row)
        if arguments.json:
            print(json.dumps(row), flush=True)
        else:
            print(
                f"{row['case']:38} {row['grid']:>6} {row['machine']:9} {row['dtype']} {row['schedule']:8}"
                f" {row['simulated']:>9} {row['predicted']:>9} {100 * row['off']:>+6.1f} %",
                flush=True,
            )
    offs = sorted(rows, key=lambda row: abs(row["off"]))
    if offs and not arguments.json:
        worst, median = offs[-1], offs[len(offs) // 2]
        outside = sum(abs(row["off"]) > 0.15 for row in rows)
        print(f"{len(rows)} cases, {outside} more than 15 % off")
        print(
            f"median {100 * median['off']:+.1f} %, worst {100 * worst['off']:+.1f} %: {worst['case']}"
        )


if __name__ == "__main__":
    main()

"""Ops of pfrt on the simulated wafer give what they mean, whatever their operands look like."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pyflame_rt import compiler, module_files
from pyflame_rt.universe import make_context

Array = NDArray[Any]

IMAGE = "tensor<1x4x6x6xf32>"
ROWS = "tensor<3x8xf32>"

CASES = {
    "gemm scaled, bias of one row": f"""
        %w = pfrt.constant dense<{np.arange(40).reshape(8, 5).tolist()}> : tensor<8x5xf32>
        %c = pfrt.constant dense<[[1.0, 2.0, 3.0, 4.0, 5.0]]> : tensor<1x5xf32>
        %y = pfrt.gemm %x, %w, %c {{alpha = 0.5 : f32, beta = 2.0 : f32}} : ({ROWS}, tensor<8x5xf32>, tensor<1x5xf32>) -> tensor<3x5xf32>""",
    "gemm, one number as bias": f"""
        %w = pfrt.constant dense<{np.arange(40).reshape(5, 8).tolist()}> : tensor<5x8xf32>
        %c = pfrt.constant dense<2.0> : tensor<f32>
        %y = pfrt.gemm %x, %w, %c {{trans_b = true, activation = #pfrt.activation<"relu">}} : ({ROWS}, tensor<5x8xf32>, tensor<f32>) -> tensor<3x5xf32>""",
    "matmul of three dimensions": """
        %w = pfrt.constant dense<0.25> : tensor<8x5xf32>
        %b = pfrt.constant dense<[1.0, 2.0, 3.0, 4.0, 5.0]> : tensor<5xf32>
        %y = pfrt.matmul %x, %w bias %b : tensor<2x3x8xf32>, tensor<8x5xf32> bias tensor<5xf32> -> tensor<2x3x5xf32>""",
    "residual from the other axis": f"""
        %w = pfrt.constant dense<0.5> : tensor<8x8xf32>
        %y = pfrt.gemm %x, %w plus %x : ({ROWS}, tensor<8x8xf32>) plus {ROWS} -> {ROWS}""",
    "both operands of an addition, on different axes": f"""
        %w = pfrt.constant dense<0.5> : tensor<8x8xf32>
        %a = pfrt.gemm %x, %w : ({ROWS}, tensor<8x8xf32>) -> {ROWS}
        %y = pfrt.mul %x, %a : ({ROWS}, {ROWS}) -> {ROWS}""",
    "one number a feature, subtracted": f"""
        %c = pfrt.constant dense<{list(range(8))}> : tensor<8xf32>
        %y = pfrt.sub %x, %c : ({ROWS}, tensor<8xf32>) -> {ROWS}""",
    "a number first": f"""
        %c = pfrt.constant dense<3.0> : tensor<f32>
        %y = pfrt.max %c, %x : (tensor<f32>, {ROWS}) -> {ROWS}""",
    "division by a constant of an image's channels": f"""
        %c = pfrt.constant dense<{np.arange(1, 5).reshape(4, 1, 1).tolist()}> : tensor<4x1x1xf32>
        %y = pfrt.div %x, %c : ({IMAGE}, tensor<4x1x1xf32>) -> {IMAGE}""",
    "clip without an upper bound": f"""
        %y = pfrt.clip %x {{min = -0.25 : f32}} : {ROWS} -> {ROWS}""",
    "batch normalization by itself": f"""
        %s = pfrt.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
        %y = pfrt.batch_normalization %x, %s, %s, %s, %s : ({IMAGE}, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> {IMAGE}""",
    "convolution with strides and uneven pads": f"""
        %w = pfrt.constant dense<0.25> : tensor<3x4x3x2xf32>
        %y = pfrt.conv %x, %w {{strides = array<i64: 2, 1>, pads = array<i64: 1, 0, 0, 1>}} : ({IMAGE}, tensor<3x4x3x2xf32>) -> tensor<1x3x3x6xf32>""",
    "average pool that counts its padding": f"""
        %y = pfrt.average_pool %x {{kernel_shape = array<i64: 3, 3>, strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>, count_include_pad = true}} : {IMAGE} -> tensor<1x4x3x3xf32>""",
    "maximum of an image": f"""
        %y = pfrt.global_max_pool %x : {IMAGE} -> tensor<1x4x1x1xf32>""",
    "a pool that is flattened for a product": f"""
        %p = pfrt.max_pool %x {{kernel_shape = array<i64: 2, 2>, strides = array<i64: 2, 2>}} : {IMAGE} -> tensor<1x4x3x3xf32>
        %f = pfrt.flatten %p : tensor<1x4x3x3xf32> -> tensor<1x36xf32>
        %w = pfrt.constant dense<{(np.arange(72) % 7).reshape(36, 2).tolist()}> : tensor<36x2xf32>
        %y = pfrt.gemm %f, %w : (tensor<1x36xf32>, tensor<36x2xf32>) -> tensor<1x2xf32>""",
    "softmax": f"""
        %y = pfrt.softmax %x : {ROWS} -> {ROWS}""",
    "logarithm of softmax": f"""
        %y = pfrt.log_softmax %x : {ROWS} -> {ROWS}""",
    "layer normalization": f"""
        %s = pfrt.constant dense<{list(range(8))}> : tensor<8xf32>
        %y = pfrt.layer_normalization %x, %s, %s : ({ROWS}, tensor<8xf32>, tensor<8xf32>) -> {ROWS}""",
    "an input seen as two matrices": f"""
        %f = pfrt.reshape %x {{shape = array<i64: 1, 24>}} : ({ROWS}) -> tensor<1x24xf32>
        %w = pfrt.constant dense<0.5> : tensor<24x2xf32>
        %v = pfrt.constant dense<0.5> : tensor<8x2xf32>
        %a = pfrt.gemm %f, %w : (tensor<1x24xf32>, tensor<24x2xf32>) -> tensor<1x2xf32>
        %b = pfrt.gemm %x, %v : ({ROWS}, tensor<8x2xf32>) -> tensor<3x2xf32>
        %y = pfrt.relu %b : tensor<3x2xf32> -> tensor<3x2xf32>
        func.return %a, %y : tensor<1x2xf32>, tensor<3x2xf32>""",
    "a result that is reshaped": f"""
        %a = pfrt.relu %x : {ROWS} -> {ROWS}
        %y = pfrt.reshape %a {{shape = array<i64: 4, 6>}} : ({ROWS}) -> tensor<4x6xf32>""",
    "sigmoid, then tanh": f"""
        %a = pfrt.sigmoid %x : {ROWS} -> {ROWS}
        %y = pfrt.tanh %a : {ROWS} -> {ROWS}""",
    "an activation that no reduction applies": f"""
        %w = pfrt.constant dense<0.05> : tensor<8x5xf32>
        %y = pfrt.gemm %x, %w {{activation = #pfrt.activation<"gelu", {{approximate = "tanh"}}>}} : ({ROWS}, tensor<8x5xf32>) -> tensor<3x5xf32>""",
}  # fmt: skip


def _module(body: str) -> str:
    takes = next(kind for kind in (IMAGE, "tensor<2x3x8xf32>", ROWS) if kind in body)
    if "func.return" not in body:
        gives = body.rpartition("->")[2].strip()
        body += f"\n        func.return %y : {gives}"
    gives = body.rpartition(":")[2].strip() if "func.return %a" not in body else ""
    gives = gives or body.rpartition("func.return %a, %y :")[2].strip()
    return f"func.func @main(%x: {takes}) -> ({gives}) {{{body}\n}}"


def test_what_only_reshapes_needs_no_program(tmp_path: Any):
    """A part of views alone, as one between two ops of the host."""
    body = """
        %f = pfrt.reshape %x {shape = array<i64: 1, 24>} : (tensor<3x8xf32>) -> tensor<1x24xf32>
        func.return %f : tensor<1x24xf32>"""
    path = tmp_path / "case.mlir"
    path.write_text(f"func.func @main(%x: {ROWS}) -> tensor<1x24xf32> {{{body}\n}}")
    ctx = make_context()
    module = module_files.load(path, ctx)
    x = np.arange(24, dtype=np.float32).reshape(3, 8)
    (y,) = compiler.compile_module(module, ctx, "wse2", "").run([x])
    assert np.array_equal(y, x.reshape(1, 24))


@pytest.mark.parametrize("grid", ["1x1", "3x2"])
@pytest.mark.parametrize("case", CASES)
def test_ops_mean_what_they_mean(case: str, grid: str, tmp_path: Any):
    """Nothing is left to the host, and the result is that of the reference interpreter."""
    path = tmp_path / "case.mlir"
    path.write_text(_module(CASES[case]), encoding="utf-8")
    ctx = make_context()
    module = module_files.load(path, ctx)
    inputs, _ = compiler.signature(module)
    shape = tuple(dim for dim in inputs[0].shape or () if isinstance(dim, int))
    x = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    expected = compiler.compile_module(module, ctx, "reference", "").run([x])
    model = compiler.compile_module(module, ctx, "wse2", "", options={"grid": grid})
    for actual, wanted in zip(model.run([x]), expected, strict=True):
        assert actual.shape == wanted.shape
        assert np.abs(actual - wanted).max() <= 1e-5 * max(np.abs(wanted).max(), 1)
    assert model.backend is not None
    (part,) = model.backend.report().parts  # type: ignore[attr-defined]
    assert part.cycles == sum(step.cycles for step in part.steps)

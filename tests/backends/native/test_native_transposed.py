"""Transposed convolutions in compiled plans, against their kernel."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("llvmlite", reason="machine code needs llvmlite")

from hypothesis import given, settings
from hypothesis import strategies as st

from pyflame_rt import kernels, pipelines
from pyflame_rt.backends.base import Executable, Threads
from pyflame_rt.backends.native import processors
from pyflame_rt.backends.numpy_backend import NumpyBackend
from pyflame_rt.backends.numpy_backend.compiled.steps import NativeStep
from pyflame_rt.dialects.plan.ops import CallOp
from pyflame_rt.module_files import parse
from pyflame_rt.universe import make_context

KINDS = processors.supported()


def listed(values: np.ndarray) -> str:
    kind = f"tensor<{'x'.join(map(str, values.shape))}xf32>"
    return f"dense<{values.tolist()}> : {kind}"


def compiled(text: str, passes: str, threads: int = 1) -> tuple[Executable, list[str]]:
    """A plan, and its algorithms."""
    ctx = make_context()
    module = parse(text, ctx, "test")
    pipelines.run(ctx, module, pipelines.parse(passes))
    names = [op.algorithm for op in module.walk() if isinstance(op, CallOp)]
    return NumpyBackend().with_threads(Threads(threads)).compile(module), names


def text_of(x: np.ndarray, y: tuple[int, ...], w: np.ndarray, b: np.ndarray, more: str) -> str:
    given, made = (f"tensor<{'x'.join(map(str, shape))}xf32>" for shape in (x.shape, y))
    weights = f"tensor<{'x'.join(map(str, w.shape))}xf32>"
    return f"""func.func @main(%x: {given}) -> {made} {{
      %w = pfrt.constant {listed(w)}
      %b = pfrt.constant {listed(b)}
      %y = pfrt.conv_transpose %x, %w, %b {{{more}}} : ({given}, {weights}, tensor<{b.size}xf32>) -> {made}
      func.return %y : {made}
    }}"""


@settings(max_examples=12, deadline=None, derandomize=True)
@given(st.data())
def test_transposed_convolutions(data: st.DataObject) -> None:
    """Strides, windows that they divide or not, pads up to all that a tap reaches, additions to the end,
    several images, few features and many; by one thread and two."""
    draw = data.draw
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    strides = [draw(st.integers(1, 3)) for _ in range(2)]
    window = [draw(st.integers(stride, stride + 3)) for stride in strides]
    pads = [draw(st.integers(0, k)) for k in (*window, *window)]
    added = [draw(st.integers(0, stride - 1)) for stride in strides]
    sizes = [
        max(draw(st.integers(1, 9)), -(-(before + after) // stride) + 1)
        for stride, before, after in zip(strides, pads[:2], pads[2:], strict=True)
    ]
    channels, features = draw(st.sampled_from(((3, 20), (17, 3), (8, 40))))
    x, b = rng.standard_normal((2, channels, *sizes)), rng.standard_normal(features)
    w = rng.standard_normal((channels, features, *window))
    x, w, b = (a.astype(np.float32) for a in (x, w, b))
    settings = {"strides": strides, "pads": pads, "output_padding": added}
    wanted = kernels.table()["conv_transpose"](x, w, b, **settings)
    more = ", ".join(f"{name} = array<i64: {str(of)[1:-1]}>" for name, of in settings.items())
    more += ', activation = #pfrt.activation<"leaky_relu", {alpha = 1.250000e-01 : f32}>'
    text = text_of(x, wanted.shape, w, b, more)
    wanted = np.where(wanted < 0, wanted / 8, wanted)
    kind = draw(st.sampled_from(KINDS))
    for threads in (1, 2):
        native = f"convert-plan-to-native{{cpu={kind} threads={threads}}}"
        passes = f"pfrt-layout{{target=nhwc}},convert-pfrt-to-plan,{native},plan-allocate"
        plan, names = compiled(text, passes, threads)
        assert "conv_transpose_nhwc" in names
        steps = plan._free[0][0]._steps.calls
        assert sum(isinstance(step, NativeStep) for step in steps) == len(names)
        for _ in range(2):
            np.testing.assert_allclose(plan.run([x])[0], wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("window", "more"),
    [((1, 1), "strides = array<i64: 2, 2>"), ((2, 2), "dilations = array<i64: 2, 2>"),
     ((2, 2), "group = 2 : i64")],
)  # fmt: skip
def test_others_run_the_kernel(window: tuple[int, int], more: str) -> None:
    """Results without a tap, taps that lie apart, and groups."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 4, 5, 6)).astype(np.float32)
    group = 2 if "group" in more else 1
    w = rng.standard_normal((4, 6 // group, *window)).astype(np.float32)
    b = rng.standard_normal(6).astype(np.float32)
    values = (2, 2) if "strides" in more or "dilations" in more else group
    wanted = kernels.table()["conv_transpose"](x, w, b, **{more.partition(" ")[0]: values})
    native = f"convert-plan-to-native{{cpu={KINDS[0]}}}"
    passes = f"pfrt-layout{{target=nhwc}},convert-pfrt-to-plan,{native},plan-allocate"
    plan, _ = compiled(text_of(x, wanted.shape, w, b, more), passes)
    np.testing.assert_allclose(plan.run([x])[0], wanted, rtol=1e-4, atol=1e-4)


def test_between_convolutions() -> None:
    """The layout is that of the convolutions around it, and what it was on NumPy without machine code."""
    conv = "array<i64: 1, 1, 1, 1>"
    x, wide = "tensor<1x32x16x16xf32>", "tensor<1x32x32x32xf32>"
    text = f"""func.func @main(%x: {x}) -> {wide} {{
      %w = pfrt.constant dense<0.01> : tensor<32x32x3x3xf32>
      %v = pfrt.constant dense<0.02> : tensor<32x32x2x2xf32>
      %a = pfrt.conv %x, %w {{pads = {conv}}} : ({x}, tensor<32x32x3x3xf32>) -> {x}
      %t = pfrt.conv_transpose %a, %v {{strides = array<i64: 2, 2>}} : ({x}, tensor<32x32x2x2xf32>) -> {wide}
      %y = pfrt.conv %t, %w {{pads = {conv}}} : ({wide}, tensor<32x32x3x3xf32>) -> {wide}
      func.return %y : {wide}
    }}"""
    native = f"convert-plan-to-native{{cpu={KINDS[0]}}},"
    ours, names = compiled(
        text, f"pfrt-layout{{compiled=true}},convert-pfrt-to-plan,{native}plan-allocate"
    )
    assert sum(name.endswith("_nhwc") for name in names) == 3
    theirs, names = compiled(text, "pfrt-layout,convert-pfrt-to-plan,plan-allocate")
    assert "conv_transpose_gemm" in names
    image = np.random.default_rng(1).standard_normal((1, 32, 16, 16)).astype(np.float32)
    (found,), (wanted,) = ours.run([image]), theirs.run([image])
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)

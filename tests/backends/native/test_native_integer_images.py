"""What quantized convolutional networks do between products, by machine code, bit for bit."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite", reason="machine code needs llvmlite")

from pyflame_rt import kernels, pipelines
from pyflame_rt.backends.native.integers import processors
from pyflame_rt.backends.native.integers import sums as integer_sums
from pyflame_rt.backends.native.integers.products import bound
from pyflame_rt.backends.native.steps import Place
from pyflame_rt.backends.numpy_backend import NumpyBackend
from pyflame_rt.backends.reference import ReferenceBackend
from pyflame_rt.dialects.plan.integer_schedules import INTEGER_SCHEDULES
from pyflame_rt.module_files import parse
from pyflame_rt.universe import make_context

CPUS = processors.supported()
TYPES = {"int8": "i8", "uint8": "ui8"}


def sums(cpu: str, numbers: dict[str, np.ndarray], shares: int = 1) -> None:
    """Add by machine code, and compare with the kernel."""
    expected = kernels.table()["qlinear_add"](*numbers.values())
    parts = [
        integer_sums.Quantization.of(numbers[f"s{name}"], numbers[f"z{name}"]) for name in "aby"
    ]
    schedule = INTEGER_SCHEDULES[cpu]
    schedule = replace(schedule, shares=shares)
    found = np.zeros_like(expected)
    places = (Place(0), Place(1), Place(2))
    step = integer_sums.sum_step(schedule, integer_sums.Sum(*parts), places, found.size)
    bound(step, [numbers["a"], numbers["b"], found])()
    np.testing.assert_array_equal(found, expected)


def operands(
    a: np.ndarray, b: np.ndarray, y: type, scales: tuple[float, float, float], zeros: list[int]
) -> dict[str, np.ndarray]:
    sa, sb, sy = (np.array(s, np.float32) for s in scales)
    za, zb, zy = (np.array(z, d) for z, d in zip(zeros, (a.dtype, b.dtype, y), strict=True))
    return {"a": a, "sa": sa, "za": za, "b": b, "sb": sb, "zb": zb, "sy": sy, "zy": zy}


def every_pair(left: type, right: type) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of bytes."""
    values = np.arange(256, dtype=np.uint8)
    a, b = (part.ravel() for part in np.meshgrid(values, values))
    return a.view(left), b.view(right)


@pytest.mark.parametrize("cpu", CPUS)
def test_every_sum(cpu: str) -> None:
    """All pairs of bytes, with scales for which many quotients are halves."""
    a, b = every_pair(np.uint8, np.int8)
    for scales in ((0.5, 0.25, 1.0), (0.1, 0.3, 0.2), (0.75, 1.5, 0.5), (0.1, 0.1, 0.07)):
        sums(cpu, operands(a, b, np.uint8, scales, [3, -5, 17]))
        sums(cpu, operands(b, b, np.int8, scales, [-128, 127, 0]), shares=3)


SCALES = st.floats(2.0**-126, 2.0**127, width=32) | st.floats(2.0**-7, 2.0**3, width=32)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_drawn_sums(data: st.DataObject) -> None:
    """Whatever scales and zero points, also where reals are infinite or no numbers."""
    kinds = [data.draw(st.sampled_from((np.uint8, np.int8))) for _ in range(3)]
    size = data.draw(st.integers(1, 300))
    r = np.random.default_rng(data.draw(st.integers(0, 999)))
    a, b = (r.integers(0, 256, size).astype(np.uint8).view(kind) for kind in kinds[:2])
    zeros = [data.draw(st.integers(np.iinfo(k).min, np.iinfo(k).max)) for k in kinds]
    scales = tuple(data.draw(SCALES) for _ in range(3))
    sums(data.draw(st.sampled_from(CPUS)), operands(a, b, kinds[2], scales, zeros))


def test_ways() -> None:
    """All three ways to divide are taken: one that was tried, a corrected one, and division."""
    one = integer_sums.Quantization(1.0, 0, False)
    found = []
    for a, y in ((1.0, 1.0), (0.1, 0.3), (3e38, 1.0)):
        parts = [replace(one, scale=a), replace(one, scale=a), replace(one, scale=y)]
        found.append(integer_sums.Sum(*parts).quotients[0])
    assert found[0] == "tried" and found[2] == "divided"
    r = np.random.default_rng(6)
    drawn = [
        integer_sums.Sum(*(replace(one, scale=s, zero_point=9) for s in r.random(3) + 0.1))
        for _ in range(100)
    ]
    ways = {what.quotients[0] for what in drawn}
    assert "tried" in ways
    for what in drawn:
        if what.quotients[0] == "corrected":
            break
    else:
        return
    values = np.arange(256, dtype=np.uint8)
    a, b = (part.ravel() for part in np.meshgrid(values, values))
    scales = what.a.scale, what.b.scale, what.y.scale
    for cpu in CPUS:
        sums(cpu, operands(a, b, np.uint8, scales, [9, 9, 9]))


@pytest.fixture
def _compiling(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYFLAME_RT_CACHE", str(tmp_path))
    monkeypatch.setenv("PYFLAME_RT_JIT", "1")


def agree(text: str, inputs: list[np.ndarray], native: int) -> None:
    """Run a function by machine code, and compare with the reference; so many calls are compiled."""
    ctx = make_context()
    expected = ReferenceBackend().compile(parse(text, ctx, "test"), "main").run(inputs)
    module = parse(text, ctx, "test")
    pipelines.run(ctx, module, pipelines.parse(NumpyBackend().lowering(2)))
    assert str(module).count("plan.schedule") == native
    for a, b in zip(NumpyBackend().compile(module).run(inputs), expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.usefixtures("_compiling")
@pytest.mark.parametrize("kind", [np.uint8, np.int8])
def test_blocks(kind: type) -> None:
    """A residual block with a pool between an input and a result of reals, turned where it begins."""
    k, z, c = TYPES[np.dtype(kind).name], {np.uint8: 0, np.int8: -7}[kind], 21
    r = np.random.default_rng(3)
    w = r.integers(-127, 128, (c, c, 3, 3)).astype(np.int8)
    t = f"tensor<2x{c}x9x7x{k}>"
    f = t.replace(f"x{k}", "xf32")
    conv = f"(tensor<2x{c}x9x7x{k}>, tensor<f32>, tensor<{k}>, tensor<{c}x{c}x3x3xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<{k}>) -> {t}"
    y = f"tensor<2x{2 * c}x4x3x{k}>"
    text = f"""
func.func @main(%x: {f}) -> {y.replace(k, "f32")} {{
  %s = pfrt.constant dense<0.05> : tensor<f32>
  %u = pfrt.constant dense<0.0004> : tensor<f32>
  %z = pfrt.constant dense<{z}> : tensor<{k}>
  %v = pfrt.constant dense<0> : tensor<i8>
  %w = pfrt.constant dense<{w.tolist()}> : tensor<{c}x{c}x3x3xi8>
  %a = pfrt.quantize_linear %x, %s, %z : ({f}, tensor<f32>, tensor<{k}>) -> {t}
  %b = pfrt.qlinear_conv %a, %s, %z, %w, %u, %v, %s, %z {{pads = array<i64: 1, 1, 1, 1>}} : {conv}
  %c = pfrt.dequantize_linear %a, %s, %z : ({t}, tensor<f32>, tensor<{k}>) -> {f}
  %d = pfrt.dequantize_linear %b, %s, %z : ({t}, tensor<f32>, tensor<{k}>) -> {f}
  %e = pfrt.add %c, %d : ({f}, {f}) -> {f}
  %g = pfrt.relu %e : {f} -> {f}
  %h = pfrt.quantize_linear %g, %s, %z : ({f}, tensor<f32>, tensor<{k}>) -> {t}
  %i = pfrt.qlinear_conv %h, %s, %z, %w, %u, %v, %s, %z {{pads = array<i64: 1, 1, 1, 1>}} : {conv}
  %m = pfrt.concat %h, %i {{axis = 1 : i64}} : ({t}, {t}) -> tensor<2x{2 * c}x9x7x{k}>
  %p = pfrt.max_pool %m {{kernel_shape = array<i64: 3, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>}} : tensor<2x{2 * c}x9x7x{k}> -> {y}
  %y = pfrt.dequantize_linear %p, %s, %z : ({y}, tensor<f32>, tensor<{k}>) -> {y.replace(k, "f32")}
  func.return %y : {y.replace(k, "f32")}
}}
"""
    x = r.standard_normal((2, c, 9, 7)).astype(np.float32)
    # Two quantizations, two transposes, two convolutions, one with the sum, concat, pool; and bounds
    # where the least byte is not 0.
    agree(text, [x], 8 + (kind == np.int8))


RESIDUALS = [(20, 18, 3, 1, 1), (19, 33, 1, 0, 2), (32, 70, 1, 0, 1), (5, 4, 2, 1, 1)]


@pytest.mark.usefixtures("_compiling")
@pytest.mark.parametrize("scales", [(0.05, 0.3, 0.11), (0.3, 2.0**-100, 0.11)])
@pytest.mark.parametrize("sizes", RESIDUALS)
def test_residuals(sizes: tuple[int, int, int, int, int], scales: tuple[float, ...]) -> None:
    """Convolutions whose windows are single or not, with residuals of another type, to a third."""
    channels, features, window, pad, stride = sizes
    r = np.random.default_rng(7)
    x = r.integers(0, 256, (2, 9, 8, channels)).astype(np.uint8)
    w = r.integers(-127, 128, (features, channels, window, window)).astype(np.int8)
    high, wide = ((size + 2 * pad - window) // stride + 1 for size in (9, 8))
    more = r.integers(-128, 128, (2, high, wide, features)).astype(np.int8)
    bias = r.integers(-999, 999, features).astype(np.int32)
    t, shape = f"2x9x8x{channels}xui8", f"2x{high}x{wide}x{features}"
    kinds = (
        f"(tensor<{t}>, tensor<f32>, tensor<ui8>, tensor<{features}x{channels}x{window}x{window}xi8>,"
        " tensor<f32>, tensor<i8>, tensor<f32>, tensor<i8>, "
        f"tensor<{shape}xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<ui8>, tensor<{features}xi32>)"
    )
    text = f"""
func.func @main(%x: tensor<{t}>, %r: tensor<{shape}xi8>) -> tensor<{shape}xui8> {{
  %sx = pfrt.constant dense<0.001> : tensor<f32>
  %st = pfrt.constant dense<{scales[0]}> : tensor<f32>
  %sr = pfrt.constant dense<{scales[1]}> : tensor<f32>
  %sy = pfrt.constant dense<{scales[2]}> : tensor<f32>
  %zx = pfrt.constant dense<100> : tensor<ui8>
  %zw = pfrt.constant dense<1> : tensor<i8>
  %zr = pfrt.constant dense<-7> : tensor<i8>
  %w = pfrt.constant dense<{w.tolist()}> : tensor<{features}x{channels}x{window}x{window}xi8>
  %b = pfrt.constant dense<{bias.tolist()}> : tensor<{features}xi32>
  %y = pfrt.qlinear_conv_add %x, %sx, %zx, %w, %st, %zw, %st, %zr, %r, %sr, %zr, %sy, %zx, %b
    {{layout = "nhwc", pads = array<i64: {pad}, {pad}, {pad}, {pad}>, strides = array<i64: {stride}, {stride}>}}
    : {kinds} -> tensor<{shape}xui8>
  func.return %y : tensor<{shape}xui8>
}}
"""
    agree(text, [x, more], 1)


@pytest.mark.usefixtures("_compiling")
@pytest.mark.parametrize("kind", [np.uint8, np.int8])
@pytest.mark.parametrize(
    ("window", "stride", "pads", "dilation"),
    [((3, 3), 2, (1, 1, 1, 1), 1), ((2, 3), 1, (0, 1, 1, 1), 2), ((5, 5), 3, (2, 2, 2, 2), 1)],
)
def test_maxima(
    kind: type, window: tuple[int, int], stride: int, pads: tuple[int, ...], dilation: int
) -> None:
    """Padding counts for nothing; channels are whole registers, and what is left."""
    x = np.random.default_rng(4).integers(0, 256, (2, 11, 10, 83)).astype(np.uint8).view(kind)
    params = {
        "kernel_shape": window, "strides": (stride,) * 2, "pads": pads,
        "dilations": (dilation,) * 2, "layout": "nhwc",
    }  # fmt: skip
    y = kernels.table()["max_pool"](x, **params)
    k = TYPES[np.dtype(kind).name]
    properties = ", ".join(
        f"{name} = array<i64: {', '.join(map(str, value))}>"
        for name, value in params.items()
        if name != "layout"
    )
    shape = "x".join(map(str, y.shape))
    text = f"""
func.func @main(%x: tensor<2x11x10x83x{k}>) -> tensor<{shape}x{k}> {{
  %y = pfrt.max_pool %x {{{properties}, layout = "nhwc"}} : tensor<2x11x10x83x{k}> -> tensor<{shape}x{k}>
  func.return %y : tensor<{shape}x{k}>
}}
"""
    agree(text, [x], 1)


@pytest.mark.parametrize("cpu", CPUS)
@pytest.mark.parametrize("sizes", [(2, 3, 70), (1, 2, 16), (3, 4, 5), (1, 1, 9), (2, 40, 33)])
def test_turned(cpu: str, sizes: tuple[int, int, int]) -> None:
    """Matrices of few rows, whose vectors are mixed, and others."""
    from pyflame_rt.backends.numpy_backend.compiled.integer_convolutions import turning

    x = np.random.default_rng(5).integers(0, 256, sizes).astype(np.uint8)
    y = np.zeros((sizes[0], sizes[2], sizes[1]), np.uint8)
    bound(turning(INTEGER_SCHEDULES[cpu], Place(0), Place(1), sizes), [x, y])()
    np.testing.assert_array_equal(y, x.transpose(0, 2, 1))
    assert math.prod(sizes) == y.size


@pytest.mark.usefixtures("_compiling")
@pytest.mark.parametrize(("channels", "width"), [(16, 20), (21, 5), (600, 3)])
@pytest.mark.parametrize("activation", ["", ', activation = #pfrt.activation<"relu">'])
def test_batch_normalizations(channels: int, width: int, activation: str) -> None:
    """The bits of NumPy's: a product and a sum, each rounded."""
    r = np.random.default_rng(8)
    t, c = f"tensor<2x4x{width}x{channels}xf32>", f"tensor<{channels}xf32>"
    constants = "".join(
        f"%{name} = pfrt.constant dense<{(r.random(channels) + 0.5).astype(np.float32).tolist()}> : {c}\n"
        for name in "abmv"
    )
    text = f"""
func.func @main(%x: {t}) -> {t} {{
  {constants}
  %0 = pfrt.mul %x, %x : ({t}, {t}) -> {t}
  %y = pfrt.batch_normalization %0, %a, %b, %m, %v {{layout = "nhwc"{activation}}} : ({t}, {c}, {c}, {c}, {c}) -> {t}
  func.return %y : {t}
}}
"""
    x = r.standard_normal((2, 4, width, channels)).astype(np.float32)
    found: list[np.ndarray] = []
    for compiling in ("convert-plan-to-native{cpu=generic},", ""):
        ctx = make_context()
        module = parse(text, ctx, "test")
        passes = f"convert-pfrt-to-plan,{compiling}plan-allocate"
        pipelines.run(ctx, module, pipelines.parse(passes))
        assert ("plan.schedule" in str(module)) == bool(compiling)
        found += NumpyBackend().compile(module).run([x])
    np.testing.assert_array_equal(*found)

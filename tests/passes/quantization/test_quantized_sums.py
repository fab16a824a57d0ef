"""Sums of two quantized tensors, and maxima of windows, rounded less often: the same integers for all there are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyflame_rt import module_files, pipelines
from pyflame_rt.backends.base import get_backend
from pyflame_rt.dialects.pfrt.types import element_type
from pyflame_rt.passes.conversion.quantized_sums import equal_factors
from pyflame_rt.passes.quantization.scales import Scale
from pyflame_rt.universe import make_context

PASS = "pfrt-widen-quantization"

SCALES = st.floats(0.0009765625, 16.0, width=32) | st.sampled_from((0.5, 1.0, 2.0, 0.1))


def constant(name: str, array: np.ndarray) -> str:
    dims = "".join(f"{d}x" for d in array.shape)
    return f"%{name} = pfrt.constant dense<{array.tolist()}> : tensor<{dims}{element_type(array.dtype)}>"


def both(text: str, x: list[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray], str]:
    """The results before and after the pass, and what the pass makes."""
    ctx = make_context()
    module = module_files.parse(text, ctx, "case")
    wanted = get_backend("reference").compile(module).run(x)
    pipelines.run(ctx, module, pipelines.parse(PASS))
    return wanted, get_backend("reference").compile(module).run(x), str(module)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.data())
def test_all_pairs_have_the_same_sums(data: st.DataObject) -> None:
    """Each integer with each other one, of all types, zero points and scales, ties among them."""
    kinds = [data.draw(st.sampled_from((np.int8, np.uint8))) for _ in range(3)]
    scales = [np.array(data.draw(SCALES), np.float32) for _ in range(3)]
    zeros = [
        np.array(data.draw(st.integers(np.iinfo(k).min, np.iinfo(k).max))).astype(k) for k in kinds
    ]
    names = ("a", "b", "y")
    lines = [constant(f"s{n}", s) for n, s in zip(names, scales, strict=True)]
    lines += [constant(f"z{n}", z) for n, z in zip(names, zeros, strict=True)]
    a, b, y = (element_type(np.dtype(kind)) for kind in kinds)
    # Only what has been rounded here is known as integers in f32.
    text = f"""func.func @main(%x: tensor<65536xf32>, %t: tensor<65536xf32>) -> tensor<65536x{y}> {{
      {chr(10).join(lines)}
      %qa = pfrt.quantize_linear %x, %sa, %za : (tensor<65536xf32>, tensor<f32>, tensor<{a}>) -> tensor<65536x{a}>
      %qb = pfrt.quantize_linear %t, %sb, %zb : (tensor<65536xf32>, tensor<f32>, tensor<{b}>) -> tensor<65536x{b}>
      %ra = pfrt.dequantize_linear %qa, %sa, %za : (tensor<65536x{a}>, tensor<f32>, tensor<{a}>) -> tensor<65536xf32>
      %rb = pfrt.dequantize_linear %qb, %sb, %zb : (tensor<65536x{b}>, tensor<f32>, tensor<{b}>) -> tensor<65536xf32>
      %s = pfrt.add %ra, %rb : (tensor<65536xf32>, tensor<65536xf32>) -> tensor<65536xf32>
      %y = pfrt.quantize_linear %s, %sy, %zy : (tensor<65536xf32>, tensor<f32>, tensor<{y}>) -> tensor<65536x{y}>
      func.return %y : tensor<65536x{y}>
    }}"""
    integers = np.meshgrid(*(np.arange(np.iinfo(k).min, np.iinfo(k).max + 1) for k in kinds[:2]))
    x = [
        ((i.reshape(-1) - int(z)) * s.astype(np.float64)).astype(np.float32)
        for i, z, s in zip(integers, zeros[:2], scales[:2], strict=True)
    ]
    wanted, found, after = both(text, x)
    np.testing.assert_array_equal(found[0], wanted[0])
    of = [Scale(s.reshape(1), z.reshape(1)) for s, z in zip(scales, zeros, strict=True)]
    is_rewritten = any(equal_factors(*pair, of[2]) is not None for pair in (of[:2], of[1::-1]))
    # Two divisions are those of the data.
    assert after.count("pfrt.div") == (2 if is_rewritten else 3)


def scale(value: float, zero_point: int) -> Scale:
    return Scale(np.array([value], np.float32), np.array([zero_point], np.uint8))


def test_factors_are_those_of_all_pairs() -> None:
    """As in ResNet-50: the nearest floats are not right for all pairs, others beside them are."""
    a, b, y = scale(13.4404935836792, 122), scale(7.815471172332764, 0), scale(8.620772361755371, 0)
    factors = equal_factors(a, b, y)
    assert factors is not None
    i, j = (np.arange(256, dtype=np.float32) - z for z in (122, 0))
    wanted = np.rint((i[:, None] * a.scale + j * b.scale) / y.scale).clip(0, 255)
    found = np.rint((i[:, None] * factors[0] + j) * factors[1]).clip(0, 255)
    np.testing.assert_array_equal(found, wanted)


def test_sums_that_are_no_numbers_have_no_factors() -> None:
    """Infinite reals of both signs make NaN, which no product of finite numbers does."""
    assert equal_factors(scale(3e38, 128), scale(3e38, 128), scale(1.0, 0)) is None


@pytest.mark.parametrize("others", [False, True])
def test_maxima_are_taken_of_sums(others: bool) -> None:
    """Windows beyond the border, ties of rounding, saturation; not where others need all integers."""
    rng = np.random.default_rng(3)
    w = rng.integers(-127, 128, (4, 3, 3, 3)).astype(np.int8)
    lines = [
        constant("w", w), constant("s", np.array(0.5, np.float32)),
        constant("sw", np.array([0.25, 0.5, 0.01, 0.003], np.float32)),
        constant("zw", np.zeros(4, np.int8)), constant("sy", np.array(4.0, np.float32)),
        constant("z", np.array(7, np.uint8)), constant("zy", np.array(100, np.uint8)),
        constant("b", rng.integers(-999, 999, 4).astype(np.int32)),
    ]  # fmt: skip
    text = f"""func.func @main(%x: tensor<1x3x9x9xui8>) -> (tensor<1x4x5x5xui8>, tensor<1x4x9x9xui8>) {{
      {chr(10).join(lines)}
      %y = pfrt.qlinear_conv %x, %s, %z, %w, %sw, %zw, %sy, %zy, %b {{pads = array<i64: 1, 1, 1, 1>}} : (tensor<1x3x9x9xui8>, tensor<f32>, tensor<ui8>, tensor<4x3x3x3xi8>, tensor<4xf32>, tensor<4xi8>, tensor<f32>, tensor<ui8>, tensor<4xi32>) -> tensor<1x4x9x9xui8>
      %p = pfrt.max_pool %y {{kernel_shape = array<i64: 3, 3>, strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>}} : tensor<1x4x9x9xui8> -> tensor<1x4x5x5xui8>
      func.return %p, %y : tensor<1x4x5x5xui8>, tensor<1x4x9x9xui8>
    }}"""
    if not others:
        text = text.replace(", tensor<1x4x9x9xui8>) {", ") {").replace("return %p, %y", "return %p")
        text = text.replace(" : tensor<1x4x5x5xui8>, tensor<1x4x9x9xui8>", " : tensor<1x4x5x5xui8>")
    x = [rng.integers(0, 256, (1, 3, 9, 9)).astype(np.uint8)]
    wanted, found, after = both(text, x)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (after.index("pfrt.max_pool") < after.index("pfrt.round")) is not others
    assert after.count("pfrt.round") == 1

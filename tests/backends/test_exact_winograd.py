"""Winograd's algorithm takes convolutions of integers where it is shown that nothing is rounded."""

from __future__ import annotations

import numpy as np
import pytest

from pyflame_rt import module_files, pipelines
from pyflame_rt.backends.base import get_backend
from pyflame_rt.dialects.plan.algorithms.exactness import is_exact
from pyflame_rt.universe import make_context

TEXT = """
func.func @main(%x: tensor<1x{c}x12x12xui8>) -> tensor<1x{m}x12x12xf32> {{
  %w = pfrt.constant dense<{w}> : tensor<{m}x{c}x3x3xi8>
  %s = pfrt.constant dense<{s}> : tensor<f32>
  %z = pfrt.constant dense<{z}> : tensor<ui8>
  %i = pfrt.constant dense<0> : tensor<i8>
  %h = pfrt.constant dense<9> : tensor<ui8>
  %y = pfrt.qlinear_conv %x, %s, %z, %w, %s, %i, %s, %h {{pads = array<i64: 1, 1, 1, 1>}} : (tensor<1x{c}x12x12xui8>, tensor<f32>, tensor<ui8>, tensor<{m}x{c}x3x3xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<ui8>) -> tensor<1x{m}x12x12xui8>
  %v = pfrt.qlinear_conv %y, %s, %h, %w, %s, %i, %s, %h {{pads = array<i64: 1, 1, 1, 1>}} : (tensor<1x{m}x12x12xui8>, tensor<f32>, tensor<ui8>, tensor<{m}x{c}x3x3xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<ui8>) -> tensor<1x{m}x12x12xui8>
  %r = pfrt.dequantize_linear %v, %s, %h : (tensor<1x{m}x12x12xui8>, tensor<f32>, tensor<ui8>) -> tensor<1x{m}x12x12xf32>
  func.return %r : tensor<1x{m}x12x12xf32>
}}
"""


@pytest.mark.parametrize(("channels", "reach", "taken"), [(32, 40, 1), (64, 127, 0)])
def test_the_same_bits(channels: int, reach: int, taken: int) -> None:
    """Data and weights at their limits; the second convolution knows what its data lie between. Where
    sums could be rounded, windows are multiplied as they are."""
    rng = np.random.default_rng(0)
    w = rng.choice([-reach, reach - 1, reach], (channels, channels, 3, 3))
    w[0] = reach
    text = TEXT.format(c=channels, m=channels, w=w.tolist(), s=0.0113, z=128)
    context = make_context()
    x = rng.choice([0, 255, 3], (1, channels, 12, 12)).astype(np.uint8)
    (wanted,) = get_backend("reference").compile(module_files.parse(text, context, "t")).run([x])
    module = module_files.parse(text, context, "t")
    passes = "pfrt-widen-quantization,pfrt-layout{target=nhwc},pfrt-fuse-elementwise"
    pipelines.run(context, module, pipelines.parse(f"{passes},convert-pfrt-to-plan,plan-allocate"))
    assert str(module).count("@conv_winograd_nhwc") == taken
    (found,) = get_backend("numpy").compile(module).run([x])
    assert found.tobytes() == wanted.tobytes()


def test_what_is_shown_is_so() -> None:
    """The worst data there can be, for one feature and each of the products, give exact sums; with half as
    much again for each weight nothing is promised."""
    w = np.full((1, 14, 3, 3), 127.0)
    assert is_exact(w, (0.0, 255.0))
    assert not is_exact(w * np.float32(0.3), (0.0, 255.0))
    assert not is_exact(np.full((1, 64, 3, 3), 127.0), (0.0, 255.0))
    assert not is_exact(w * 8, (-128.0, 127.0))

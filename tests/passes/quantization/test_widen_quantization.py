"""pfrt-widen-quantization: f32 that hold integers give the bits of the kernels of integers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyflame_rt import module_files, pipelines
from pyflame_rt.backends.base import get_backend
from pyflame_rt.dialects.pfrt.types import element_type
from pyflame_rt.universe import make_context

PASS = "pfrt-widen-quantization"


def constant(name: str, array: np.ndarray) -> str:
    kind = element_type(array.dtype)
    dims = "".join(f"{d}x" for d in array.shape)
    return f"%{name} = pfrt.constant dense<{array.tolist()}> : tensor<{dims}{kind}>"


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_products_have_the_same_bits(data: st.DataObject) -> None:
    """Ties, saturation, bounds, all types, a scale a column or one, sums up to what is exact and above."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    depth, columns = data.draw(st.integers(1, 700)), data.draw(st.integers(1, 5))
    x_type, w_type, y_type = (data.draw(st.sampled_from((np.int8, np.uint8))) for _ in range(3))
    reach = data.draw(st.sampled_from((3, 40, 127)))
    per_column = data.draw(st.booleans())
    low = -reach if w_type is np.int8 else 0
    w = rng.integers(low, reach, (depth, columns), endpoint=True).astype(w_type)
    scales = rng.choice([0.5, 0.25, 0.01, 0.003], columns if per_column else 1).astype(np.float32)
    zeros = rng.integers(0, 3, scales.shape).astype(w_type)
    parameters = {
        "sx": np.array(0.5, np.float32), "zx": np.array(rng.integers(0, 128)).astype(x_type),
        "w": w, "sw": scales, "zw": zeros,
        "sy": np.array(rng.choice([0.5, 1, 64, 300]), np.float32),
        "zy": np.array(rng.integers(0, 128)).astype(y_type),
        "b": rng.integers(-(1 << 12), 1 << 12, columns).astype(np.int32),
    }  # fmt: skip
    xt, wt, yt = (element_type(np.dtype(t)) for t in (x_type, w_type, y_type))
    n = scales.size
    lines = "\n".join(constant(name, value) for name, value in parameters.items())
    text = f"""func.func @main(%x: tensor<6x{depth}x{xt}>) -> (tensor<6x{columns}x{yt}>, tensor<6x{columns}xf32>) {{
      {lines}
      %y = pfrt.qlinear_matmul %x, %sx, %zx, %w, %sw, %zw, %sy, %zy, %b : (tensor<6x{depth}x{xt}>, tensor<f32>, tensor<{xt}>, tensor<{depth}x{columns}x{wt}>, tensor<{n}xf32>, tensor<{n}x{wt}>, tensor<f32>, tensor<{yt}>, tensor<{columns}xi32>) -> tensor<6x{columns}x{yt}>
      %c = pfrt.clip %y {{min = 5 : {yt}, max = 99 : {yt}}} : tensor<6x{columns}x{yt}> -> tensor<6x{columns}x{yt}>
      %r = pfrt.dequantize_linear %c, %sy, %zy : (tensor<6x{columns}x{yt}>, tensor<f32>, tensor<{yt}>) -> tensor<6x{columns}xf32>
      func.return %y, %r : tensor<6x{columns}x{yt}>, tensor<6x{columns}xf32>
    }}"""
    ctx = make_context()
    module = module_files.parse(text, ctx, "case")
    x = rng.integers(
        *(int(v) for v in (np.iinfo(x_type).min, np.iinfo(x_type).max)), (6, depth), endpoint=True
    )
    wanted = get_backend("reference").compile(module).run([x.astype(x_type)])
    pipelines.run(ctx, module, pipelines.parse(PASS))
    found = get_backend("reference").compile(module).run([x.astype(x_type)])
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("value", [0.25, 0.75, 1.25, -0.25, 1e30, -1e30, np.inf, -np.inf])
def test_quantizing_rounds_ties_to_even_and_saturates(value: float) -> None:
    text = """func.func @main(%x: tensor<1xf32>) -> (tensor<1xi8>, tensor<1xf32>) {
      %s = pfrt.constant dense<0.5> : tensor<f32>
      %z = pfrt.constant dense<-3> : tensor<i8>
      %q = pfrt.quantize_linear %x, %s, %z : (tensor<1xf32>, tensor<f32>, tensor<i8>) -> tensor<1xi8>
      %y = pfrt.dequantize_linear %q, %s, %z : (tensor<1xi8>, tensor<f32>, tensor<i8>) -> tensor<1xf32>
      func.return %q, %y : tensor<1xi8>, tensor<1xf32>
    }"""
    ctx = make_context()
    module = module_files.parse(text, ctx, "case")
    x = [np.array([value], np.float32)]
    wanted = get_backend("reference").compile(module).run(x)
    pipelines.run(ctx, module, pipelines.parse(PASS))
    for one, other in zip(get_backend("reference").compile(module).run(x), wanted, strict=True):
        np.testing.assert_array_equal(one, other)

"""Drawn products of dequantized factors: as integer products the same bits everywhere, and the reals'."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper

from pyflame_rt import pipelines
from pyflame_rt.backends.base import get_backend
from pyflame_rt.backends.native import kernels
from pyflame_rt.backends.native.integers import processors
from pyflame_rt.dialects.pfrt.types import element_type
from pyflame_rt.dialects.rewriting import explaining
from pyflame_rt.frontends.onnx import import_onnx
from pyflame_rt.frontends.onnx.export import export_onnx
from pyflame_rt.module_files import parse
from pyflame_rt.universe import make_context

Array = np.ndarray[Any, Any]
FOLDED = "pfrt-fold-quantization,pfrt-canonicalize,pfrt-dce"
PLAN = "convert-pfrt-to-plan,{}plan-allocate"
SCALES = (0.5, 0.25, 0.01, 1.0, 3e-3)


class Drawn:
    """The text of a function of one product, its argument and its residual."""

    def __init__(self, data: st.DataObject) -> None:
        self._draw = data.draw
        self.rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
        self._lines: list[str] = []
        self._count = 0

    def one(self, *values: Any) -> Any:
        return self._draw(st.sampled_from(values))

    def size(self, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))

    def integers(self, dtype: Any, shape: tuple[int, ...] = ()) -> Array:
        limits = np.iinfo(dtype)
        low, high = self.one((limits.min, limits.max), (0, 3), (limits.max - 1, limits.max))
        return np.asarray(self.rng.integers(low, high, shape, endpoint=True)).astype(dtype)

    def kind(self, array: Array) -> str:
        dims = "".join(f"{size}x" for size in array.shape)
        return f"tensor<{dims}{element_type(array.dtype)}>"

    def emit(self, text: str) -> str:
        self._count += 1
        self._lines.append(f"%{self._count} = pfrt.{text}")
        return f"%{self._count}"

    def constant(self, array: Array) -> tuple[str, str]:
        """A value, and its type."""
        return self.emit(f"constant dense<{array.tolist()}> : {self.kind(array)}"), self.kind(array)

    def dequantized(self, value: str, like: Array, count: int, axis: int) -> str:
        """By one scale or by one along an axis; with, or without, zero points."""
        shape = self.one((), (count,)) if count else ()
        operands = [(value, self.kind(like))]
        operands += [self.constant(self.rng.choice(SCALES, shape).astype(np.float32))]
        if self.one(True, False):
            operands += [self.constant(self.integers(like.dtype, shape))]
        names, kinds = (", ".join(part) for part in zip(*operands, strict=True))
        real = self.kind(like.astype(np.float32))
        return self.emit(f"dequantize_linear {names} {{axis = {axis} : i64}} : ({kinds}) -> {real}")

    def text(self, arguments: str, result: str, kind: str) -> str:
        body = "\n".join(self._lines)
        return (
            f"func.func @main({arguments}) -> {kind} {{\n{body}\nfunc.return {result} : {kind}\n}}"
        )


def drawn(d: Drawn) -> tuple[str, list[Array]]:
    """A model of one product, and inputs."""
    kind, depth, columns = d.one("gemm", "matmul"), d.one(1, 7, 258), d.one(1, 5, 40)
    batch = () if kind == "gemm" else d.one((), (2,), (2, 3))
    turned = kind == "gemm" and d.one(True, False)
    x = d.integers(d.one(np.int8, np.uint8), (*batch, d.size(1, 9), depth))
    w = d.integers(d.one(np.int8, np.uint8), (columns, depth) if turned else (depth, columns))
    r = d.rng.standard_normal((*x.shape[:-1], columns)).astype(np.float32)
    a = d.dequantized("%x", x, 0, 0)
    b = d.dequantized(d.constant(w)[0], w, columns, 0 if turned else 1)
    y = d.kind(r)
    values, kinds = [a, b], [d.kind(v.astype(np.float32)) for v in (x, w)]
    more = d.one("", 'activation = #pfrt.activation<"relu">')
    bias = d.rng.standard_normal(columns).astype(np.float32)
    added = ("", "")
    if d.one(True, False):
        name, its = d.constant(bias)
        if kind == "gemm":
            values, kinds = [*values, name], [*kinds, its]
        else:
            added = (f" bias {name}", f" bias {its}")
    if d.one(True, False):
        added = (f"{added[0]} plus %r", f"{added[1]} plus {y}")
    if kind == "gemm":
        flags = ", ".join(filter(None, [more, f"trans_b = {str(turned).lower()}"]))
        types = f"({', '.join(kinds)}){added[1]}"
    else:
        flags, types = more, f"{', '.join(kinds)}{added[1]}"
    made = d.emit(f"{kind} {', '.join(values)}{added[0]} {{{flags}}} : {types} -> {y}")
    return d.text(f"%x: {d.kind(x)}, %r: {y}", made, y), [x, r]


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.data())
def test_products_of_matrices(data: st.DataObject) -> None:
    """Gemm and matmul, turned or not, scales and zero points on both sides, all that can follow."""
    text, inputs = drawn(Drawn(data))
    context = make_context()
    plain, folded = parse(text, context, "t"), parse(text, context, "t")
    pipelines.run(context, folded, pipelines.parse(FOLDED))
    names = [op.name for op in folded.walk()]
    assert "pfrt.matmul_integer_to_float" in names
    assert not {"pfrt.dequantize_linear", "pfrt.gemm", "pfrt.matmul"} & set(names)
    (reals,) = get_backend("reference").compile(plain).run(inputs)
    (wanted,) = get_backend("reference").compile(folded).run(inputs)
    largest = float(np.abs(reals).max(initial=0)) + 1
    np.testing.assert_allclose(wanted, reals, rtol=1e-4, atol=1e-5 * largest)
    pipelines_of = [PLAN.format(""), f"pfrt-widen-quantization,{PLAN.format('')}"]
    if kernels.is_available():
        cpu = processors.best()
        pipelines_of.append(PLAN.format(f"convert-plan-integers-to-native{{cpu={cpu}}},"))
    for pipeline in pipelines_of:
        module = folded.clone()
        pipelines.run(context, module, pipelines.parse(pipeline))
        (found,) = get_backend("numpy").compile(module).run(inputs)
        assert found.tobytes() == wanted.tobytes(), pipeline


@settings(max_examples=10, deadline=None, derandomize=True)
@given(st.data())
def test_exported_products(data: st.DataObject) -> None:
    """A folded product is written as the operators that it was made of, and read back the same."""
    text, inputs = drawn(Drawn(data))
    context = make_context()
    folded = parse(text, context, "t")
    pipelines.run(context, folded, pipelines.parse(FOLDED))
    model = export_onnx(folded)
    assert not any("Integer" in node.op_type for node in model.graph.node)
    back = import_onnx(model.SerializeToString())
    (wanted,) = get_backend("reference").compile(folded).run(inputs)
    pipelines.run(make_context(), back, pipelines.parse("pfrt-optimize{level=2}"))
    assert "pfrt.matmul_integer_to_float" in [op.name for op in back.walk()]
    (found,) = get_backend("reference").compile(back).run(inputs)
    assert found.tobytes() == wanted.tobytes()


@pytest.mark.parametrize(
    "product",
    [
        "matmul_integer_to_float %x, %w, %s, %s : (tensor<2x4x4xi8>, tensor<4x4xi8>,",
        "conv_integer_to_float %x, %w, %s, %s : (tensor<2x4x4xi8>, tensor<4x4x1xi8>,",
    ],
)
def test_exported_data_say_their_zero_point(product: str) -> None:
    """0 too: onnxruntime makes ui8 of i8, and 0 of what does not."""
    weights = "tensor<4x4x1xi8>" if "conv" in product else "tensor<4x4xi8>"
    text = f"""func.func @main(%x: tensor<2x4x4xi8>) -> tensor<2x4x4xf32> {{
      %s = pfrt.constant dense<[0.5]> : tensor<1xf32>
      %w = pfrt.constant dense<3> : {weights}
      %y = pfrt.{product} tensor<1xf32>, tensor<1xf32>) -> tensor<2x4x4xf32>
      func.return %y : tensor<2x4x4xf32>
    }}"""
    graph = export_onnx(parse(text, make_context(), "t")).graph
    (data,) = (node for node in graph.node if node.input[0] == graph.input[0].name)
    zero_points = [t for t in graph.initializer if t.name in data.input[2:]]
    assert (data.op_type, [numpy_helper.to_array(t).tolist() for t in zero_points]) == (
        "DequantizeLinear",
        [[0]],
    )


@pytest.mark.parametrize(
    ("a", "b", "product", "why"),
    [
        ("%x", "%w", "", "its first factor is not quantized"),
        ("%q", "%v", "", "its second factor is no constant"),
        ("%r", "%w", "", "its scales are not one for the data"),
        ("%q", "%w", "alpha = 2.0 : f32, ", "or the product scaled"),
        ("%g", "%h", "", "the product of its scales is no normal number"),
        ("%k", "%l", "", "the product of its scales is no normal number"),
    ],
)
def test_what_stays_one_of_reals_says_why(a: str, b: str, product: str, why: str) -> None:
    text = f"""func.func @main(%x: tensor<2x3xf32>, %i: tensor<2x3xi8>, %j: tensor<3x4xi8>) -> tensor<2x4xf32> {{
      %s = pfrt.constant dense<0.5> : tensor<f32>
      %t = pfrt.constant dense<[0.5, 0.25]> : tensor<2xf32>
      %c = pfrt.constant dense<3> : tensor<3x4xi8>
      %q = pfrt.dequantize_linear %i, %s : (tensor<2x3xi8>, tensor<f32>) -> tensor<2x3xf32>
      %r = pfrt.dequantize_linear %i, %t {{axis = 0 : i64}} : (tensor<2x3xi8>, tensor<2xf32>) -> tensor<2x3xf32>
      %v = pfrt.dequantize_linear %j, %s : (tensor<3x4xi8>, tensor<f32>) -> tensor<3x4xf32>
      %w = pfrt.dequantize_linear %c, %s : (tensor<3x4xi8>, tensor<f32>) -> tensor<3x4xf32>
      %large = pfrt.constant dense<1.0e+20> : tensor<f32>
      %small = pfrt.constant dense<1.0e-20> : tensor<f32>
      %g = pfrt.dequantize_linear %i, %large : (tensor<2x3xi8>, tensor<f32>) -> tensor<2x3xf32>
      %h = pfrt.dequantize_linear %c, %large : (tensor<3x4xi8>, tensor<f32>) -> tensor<3x4xf32>
      %k = pfrt.dequantize_linear %i, %small : (tensor<2x3xi8>, tensor<f32>) -> tensor<2x3xf32>
      %l = pfrt.dequantize_linear %c, %small : (tensor<3x4xi8>, tensor<f32>) -> tensor<3x4xf32>
      %y = pfrt.gemm {a}, {b} {{{product}trans_b = false}} : (tensor<2x3xf32>, tensor<3x4xf32>) -> tensor<2x4xf32>
      func.return %y : tensor<2x4xf32>
    }}"""
    context = make_context()
    module = parse(text, context, "t")
    with explaining() as found:
        pipelines.run(context, module, pipelines.parse(FOLDED))
    assert any(why in one.why for one in found.take())
    assert "pfrt.gemm" in [op.name for op in module.walk()]

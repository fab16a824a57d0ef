"""Drawn products and quantizations: the reference, NumPy, f32 that hold integers, and machine code give
the same bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

pytest.importorskip("llvmlite", reason="machine code needs llvmlite")

from hypothesis import given, settings
from hypothesis import strategies as st

from pyflame_rt import pipelines
from pyflame_rt.backends.base import get_backend
from pyflame_rt.backends.native.integers import processors
from pyflame_rt.dialects.pfrt.types import element_type
from pyflame_rt.dialects.plan.ops import CallOp
from pyflame_rt.dialects.plan.schedules import SCHEDULE
from pyflame_rt.kernels import table
from pyflame_rt.module_files import parse
from pyflame_rt.universe import make_context

PLAN = "convert-pfrt-to-plan,{}plan-allocate"
COMPILED = PLAN.format(f"convert-plan-integers-to-native{{cpu={processors.best()}}},")
WIDENED = f"pfrt-widen-quantization,{PLAN.format('')}"

SCALES = (0.5, 0.25, 0.01, 1.0, 3e-3, 300.0)
"""Of which some make ties, and some what saturates."""


def kind(array: np.ndarray) -> str:
    dims = "".join(f"{size}x" for size in array.shape)
    return f"tensor<{dims}{element_type(array.dtype)}>"


def text_of(given: Mapping[str, np.ndarray], constants: Mapping[str, np.ndarray], body: str) -> str:
    """A function of arguments and constants; `{name}` in the body is a type."""
    kinds = {name: kind(array) for name, array in {**given, **constants}.items()}
    lines = [
        f"%{name} = pfrt.constant dense<{array.tolist()}> : {kinds[name]}"
        for name, array in constants.items()
    ]
    arguments = ", ".join(f"%{name}: {kinds[name]}" for name in given)
    results, *ops = (line.strip() for line in body.strip().format(**kinds).splitlines())
    values, types = results.split(" : ")
    lines += [*ops, f"func.return {values} : {types}"]
    return f"func.func @main({arguments}) -> ({types}) {{\n" + "\n".join(lines) + "\n}"


def check(text: str, feeds: Sequence[Sequence[np.ndarray]], compiled: int, *passes: str) -> None:
    """Compare, of all ways and inputs, each bit; so many calls are to be machine code."""
    context = make_context()
    wanted = [get_backend("reference").compile(parse(text, context, "t")).run(f) for f in feeds]
    for pipeline in (PLAN.format(""), COMPILED, *passes):
        module = parse(text, context, "t")
        pipelines.run(context, module, pipelines.parse(pipeline))
        calls = [op for op in module.walk() if isinstance(op, CallOp) and SCHEDULE in op.attributes]
        assert len(calls) == (compiled if pipeline == COMPILED else 0)
        ran = get_backend("numpy").compile(module)
        for feed, results in zip(feeds, wanted, strict=True):
            for found, expected in zip(ran.run(feed), results, strict=True):
                assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
                assert found.tobytes() == expected.tobytes(), (pipeline, found, expected)


class Drawn:
    """Sizes, scales and integers that hypothesis chose."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data
        self.rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))

    def one(self, *values: object) -> object:
        return self._data.draw(st.sampled_from(values))

    def bytes_of(self, dtype: type, *shape: int) -> np.ndarray:
        """Integers of all sizes, of small ones, or of the largest ones."""
        limits = np.iinfo(dtype)
        low, high = self.one((limits.min, limits.max), (0, 3), (limits.max - 1, limits.max))
        return np.asarray(self.rng.integers(low, high, shape, endpoint=True)).astype(dtype)

    def scales(self, *shape: int) -> np.ndarray:
        return np.asarray(self.rng.choice(SCALES, shape), np.float32)


@settings(max_examples=8, deadline=None, derandomize=True)
@given(st.data())
def test_products(data: st.DataObject) -> None:
    """Sums as they are, quantized, and as reals with bias and residual: signs of all kinds, zero points
    of columns, depths that do not divide, sums near the limits."""
    d = Drawn(data)
    x_type, w_type = d.one(np.int8, np.uint8), d.one(np.int8, np.uint8)
    rows, depth, columns = d.one(1, 13), data.draw(st.integers(1, 300)), d.one(5, 40)
    each = d.one((), (columns,))
    constants = {
        "w": d.bytes_of(w_type, depth, columns), "zw": d.bytes_of(w_type, *each), "sw": d.scales(*each),
        "b": d.rng.integers(-99999, 99999, columns).astype(np.int32), "sy": d.scales(),
        "zy": d.bytes_of(x_type), "c": d.rng.standard_normal(columns).astype(np.float32),
        "sx": d.scales(), "zx": d.bytes_of(x_type),
    }  # fmt: skip
    y = np.zeros((rows, columns))
    given = {"x": d.bytes_of(x_type, rows, depth), "s": d.scales(), "z": d.bytes_of(x_type)}
    given["r"] = y.astype(np.float32)
    real, whole, narrow = (kind(y.astype(t)) for t in (np.float32, np.int32, x_type))
    text = text_of(given, constants, f"""
      %i, %q, %f, %g : {whole}, {narrow}, {real}, {real}
      %i = pfrt.matmul_integer %x, %w a_zero_point(%z : {{z}}) b_zero_point(%zw : {{zw}}) : {{x}}, {{w}} -> {whole}
      %q = pfrt.qlinear_matmul %x, %sx, %zx, %w, %sw, %zw, %sy, %zy, %b : ({{x}}, {{sx}}, {{zx}}, {{w}}, {{sw}}, {{zw}}, {{sy}}, {{zy}}, {{b}}) -> {narrow}
      %f = pfrt.matmul_integer_to_float %x, %w, %s, %sw a_zero_point(%z : {{z}}) b_zero_point(%zw : {{zw}}) bias(%c : {{c}}) plus(%r : {{r}}) {{{{activation = #pfrt.activation<"relu">}}}} : ({{x}}, {{w}}, {{s}}, {{sw}}) -> {real}
      %g = pfrt.matmul_integer_to_float %x, %w, %s, %sw : ({{x}}, {{w}}, {{s}}, {{sw}}) -> {real}
    """)  # fmt: skip
    feeds = [
        [
            d.bytes_of(x_type, rows, depth), d.scales(), d.bytes_of(x_type),
            d.rng.standard_normal(y.shape).astype(np.float32),
        ]
        for _ in range(3)
    ]  # fmt: skip
    check(text, feeds, 4, WIDENED)


@settings(max_examples=8, deadline=None, derandomize=True)
@given(st.data())
def test_data_that_are_measured(data: st.DataObject) -> None:
    """Ranges on either side of 0, empty ones, ties, and the products of what was measured; one shared."""
    d = Drawn(data)
    rows, depth, columns = d.one(1, 13), data.draw(st.integers(1, 300)), d.one(5, 40)
    w_type = d.one(np.int8, np.uint8)
    constants = {
        "w": d.bytes_of(w_type, depth, columns), "v": d.bytes_of(np.int8, depth, 7),
        "zw": d.bytes_of(w_type, columns), "sw": d.scales(columns), "sv": d.scales(),
    }  # fmt: skip
    given = {"x": np.zeros((rows, depth), np.float32)}
    real, other, narrow = (
        f"tensor<{rows}x{n}>" for n in (f"{columns}xf32", "7xf32", f"{depth}xui8")
    )
    text = text_of(given, constants, f"""
      %f, %g, %q, %s, %z : {real}, {other}, {narrow}, tensor<f32>, tensor<ui8>
      %q, %s, %z = pfrt.dynamic_quantize_linear %x : {{x}} -> {narrow}, tensor<f32>, tensor<ui8>
      %f = pfrt.matmul_integer_to_float %q, %w, %s, %sw a_zero_point(%z : tensor<ui8>) b_zero_point(%zw : {{zw}}) : ({narrow}, {{w}}, tensor<f32>, {{sw}}) -> {real}
      %g = pfrt.matmul_integer_to_float %q, %v, %s, %sv a_zero_point(%z : tensor<ui8>) : ({narrow}, {{v}}, tensor<f32>, {{sv}}) -> {other}
    """)  # fmt: skip
    shape = (rows, depth)
    whole = d.rng.integers(-255, 256, shape) / 2
    feeds = [
        np.zeros(shape), np.full(shape, -1e-30), d.rng.standard_normal(shape), np.abs(whole), -np.abs(whole),
        whole, d.rng.standard_normal(shape) * 1e30, np.where(whole > 0, 127.5, -127.5),
    ]  # fmt: skip
    check(text, [[feed.astype(np.float32)] for feed in feeds], 3, WIDENED)


@settings(max_examples=8, deadline=None, derandomize=True)
@given(st.data())
def test_quantizations(data: st.DataObject) -> None:
    """Ties to even, what saturates, infinities, NaN; and back."""
    d = Drawn(data)
    dtype = d.one(np.int8, np.uint8)
    size = data.draw(st.integers(1, 150))
    given = {"x": np.zeros(size, np.float32), "s": d.scales(), "z": d.bytes_of(dtype)}
    narrow = kind(np.zeros(size, dtype))
    text = text_of(given, {}, f"""
      %q, %y : {narrow}, {{x}}
      %q = pfrt.quantize_linear %x, %s, %z : ({{x}}, {{s}}, {{z}}) -> {narrow}
      %y = pfrt.dequantize_linear %q, %s, %z : ({narrow}, {{s}}, {{z}}) -> {{x}}
    """)  # fmt: skip
    odd = d.rng.choice([np.inf, -np.inf, np.nan, 0.0, -0.0, 1e38], size)
    for values in (d.rng.integers(-999, 999, size) / 8, d.rng.standard_normal(size), odd):
        scale, zero = d.scales(), d.bytes_of(dtype)
        check(text, [[values.astype(np.float32), scale, zero]], 2)


def test_functions_of_reals() -> None:
    """Any function that there is code for: as the kernel has it but for rounding, edges included."""
    rng = np.random.default_rng(3)
    columns, numbers = 37, '{activation = #pfrt.activation<"gelu", {approximate = "none"}>}'
    given = {"x": rng.integers(0, 256, (13, 30)).astype(np.uint8)}
    constants = {
        "w": rng.integers(-128, 128, (30, columns)).astype(np.int8), "s": np.array(0.01, np.float32),
        "t": np.array(0.02, np.float32),
    }  # fmt: skip
    y = f"tensor<13x{columns}xf32>"
    call = "pfrt.matmul_integer_to_float %x, %w, %s, %t"
    text = text_of(given, constants, f"""
      %y : {y}
      %y = {call} {numbers.replace("{", "{{").replace("}", "}}")} : ({{x}}, {{w}}, {{s}}, {{t}}) -> {y}
    """)  # fmt: skip
    context = make_context()
    (wanted,) = get_backend("reference").compile(parse(text, context, "t")).run([given["x"]])
    module = parse(text, context, "t")
    pipelines.run(context, module, pipelines.parse(COMPILED))
    (found,) = get_backend("numpy").compile(module).run([given["x"]])
    np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-6)


def test_shares_of_what_is_measured() -> None:
    """Parts of one tensor are quantized by the range of all of them, however many threads there are."""
    from pyflame_rt.backends.native.integers.products import bound
    from pyflame_rt.backends.native.integers.quantize import steps_of, stretches
    from pyflame_rt.backends.native.steps import Place

    x = np.random.default_rng(4).standard_normal(100_003).astype(np.float32)
    x[-1] = 9.0
    y, scale, zero = np.zeros(x.size, np.uint8), np.zeros((), np.float32), np.zeros((), np.uint8)
    places = [Place(k) for k in range(4)]
    steps = steps_of(processors.best(), places, x.size, 3, "dynamic", signed=False)
    assert len(stretches(x.size, 3)) == 3 and [len(step.shares) for step in steps] == [3, 3]
    for step in steps:
        bound(step, (x, y, scale, zero))()
    wanted = table()["dynamic_quantize_linear"](x)
    for found, expected in zip((y, scale, zero), wanted, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_sizes_that_are_known_in_a_run_only() -> None:
    """Quantized by their own range, and multiplied, by the same code; also where a batch is empty."""
    rng = np.random.default_rng(5)
    constants = {
        "w": rng.integers(-128, 128, (30, 40)).astype(np.int8), "t": np.array(0.02, np.float32),
        "c": rng.standard_normal(40).astype(np.float32),
    }  # fmt: skip
    lines = "\n".join(
        f"%{n} = pfrt.constant dense<{a.tolist()}> : {kind(a)}" for n, a in constants.items()
    )
    text = f"""func.func @main(%x: tensor<?x?x30xf32>, %r: tensor<?x?x40xf32>) -> tensor<?x?x40xf32> {{
      {lines}
      %q, %s, %z = pfrt.dynamic_quantize_linear %x : tensor<?x?x30xf32> -> tensor<?x?x30xui8>, tensor<f32>, tensor<ui8>
      %y = pfrt.matmul_integer_to_float %q, %w, %s, %t a_zero_point(%z : tensor<ui8>) bias(%c : tensor<40xf32>) plus(%r : tensor<?x?x40xf32>) : (tensor<?x?x30xui8>, tensor<30x40xi8>, tensor<f32>, tensor<f32>) -> tensor<?x?x40xf32>
      func.return %y : tensor<?x?x40xf32>
    }}"""
    feeds = [
        [rng.standard_normal((*shape, width)).astype(np.float32) for width in (30, 40)]
        for shape in ((1, 7), (3, 13), (1, 7), (0, 4))
    ]
    check(text, feeds, 2, WIDENED, f"pfrt-widen-quantization{{unknown=true}},{PLAN.format('')}")

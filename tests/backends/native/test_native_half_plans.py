"""Plans whose products have weights of 16 bits: compiled, and where they cannot be."""

from __future__ import annotations

import gc
from collections.abc import Sequence

import ml_dtypes
import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp

pytest.importorskip("llvmlite", reason="machine code needs llvmlite")

from pyflame_rt import pipelines
from pyflame_rt.backends.base import Threads
from pyflame_rt.backends.native import processors
from pyflame_rt.backends.numpy_backend import NumpyBackend
from pyflame_rt.dialects.pfrt.types import constant_attr
from pyflame_rt.dialects.plan.ops import CallOp, ConstantOp
from pyflame_rt.dialects.plan.schedules import Schedule
from pyflame_rt.module_files import parse
from pyflame_rt.universe import make_context
from pyflame_rt.weights import Weight

LINEAR = """
func.func @main(%x: tensor<{rows}x67xf32>) -> tensor<{rows}x40xf32> {{
  %w = pfrt.constant dense<0.5> : tensor<67x70x{kind}>
  %v = pfrt.constant dense<0.5> : tensor<40x70x{kind}>
  %b = pfrt.constant dense<0.25> : tensor<40x{kind}>
  %a = pfrt.cast %x {{to = {kind}}} : tensor<{rows}x67xf32> -> tensor<{rows}x67x{kind}>
  %h = pfrt.matmul %a, %w {{activation = #pfrt.activation<"relu">}}
    : tensor<{rows}x67x{kind}>, tensor<67x70x{kind}> -> tensor<{rows}x70x{kind}>
  %g = pfrt.gemm %h, %v, %b {{trans_b = true, activation = #pfrt.activation<"tanh">}}
    : (tensor<{rows}x70x{kind}>, tensor<40x70x{kind}>, tensor<40x{kind}>) -> tensor<{rows}x40x{kind}>
  %y = pfrt.cast %g {{to = f32}} : tensor<{rows}x40x{kind}> -> tensor<{rows}x40xf32>
  func.return %y : tensor<{rows}x40xf32>
}}
"""

CONVOLUTION = """
func.func @main(%x: tensor<2x9x8x{c}xf32>) -> tensor<2x{h}x{v}x{f}xf32> {{
  %w = pfrt.constant dense<0.5> : tensor<{f}x{c}x{k}x{k}x{kind}>
  %a = pfrt.cast %x {{to = {kind}}} : tensor<2x9x8x{c}xf32> -> tensor<2x9x8x{c}x{kind}>
  %b = pfrt.conv %a, %w {{layout = "nhwc", strides = array<i64: {s}, {s}>,
    pads = array<i64: {p}, {p}, {p}, {p}>}}
    : (tensor<2x9x8x{c}x{kind}>, tensor<{f}x{c}x{k}x{k}x{kind}>) -> tensor<2x{h}x{v}x{f}x{kind}>
  %y = pfrt.cast %b {{to = f32}} : tensor<2x{h}x{v}x{f}x{kind}> -> tensor<2x{h}x{v}x{f}xf32>
  func.return %y : tensor<2x{h}x{v}x{f}xf32>
}}
"""

DTYPES = {"f16": np.dtype(np.float16), "bf16": np.dtype(ml_dtypes.bfloat16)}
ROUNDING = {"f16": 2.0**-10, "bf16": 2.0**-7}
"""Two units in the last place of numbers below 1: results are rounded, and sums differ."""

CODE = [*processors.supported(), processors.with_pairs(processors.best())]


def lowered(text: str, cpu: str, threads: int = 1) -> ModuleOp:
    """A plan of drawn weights."""
    ctx = make_context()
    module = parse(text, ctx, "test")
    r = np.random.default_rng(5)
    for op in module.walk():
        if op.name == "pfrt.constant":
            (kind,) = (result.type for result in op.results)
            values = r.standard_normal(kind.get_shape()) / 16
            values = values.astype(DTYPES[str(kind.element_type)])
            op.properties["value"] = constant_attr(values)
    compiling = f"convert-plan-to-native{{cpu={cpu} threads={threads}}}," if cpu else ""
    passes = f"pfrt-widen-floats{{regions=true}},convert-pfrt-to-plan,{compiling}plan-allocate"
    pipelines.run(ctx, module, pipelines.parse(passes))
    return module


def schedules(module: ModuleOp, algorithms: Sequence[str]) -> list[Schedule]:
    calls = [op for op in module.walk() if isinstance(op, CallOp) and op.algorithm in algorithms]
    found = [Schedule.of(call) for call in calls]
    assert all(schedule is not None for schedule in found)
    return [schedule for schedule in found if schedule is not None]


def weights(module: ModuleOp) -> list[str]:
    """The types of large constants."""
    kinds = [op.result.type for op in module.walk() if isinstance(op, ConstantOp)]
    return [str(kind.element_type) for kind in kinds if kind.element_count() > 1024]


@pytest.mark.parametrize("cpu", CODE)
@pytest.mark.parametrize("kind", ["f16", "bf16"])
@pytest.mark.parametrize(("rows", "threads"), [(1, 1), (33, 2)])
def test_linear(cpu: str, kind: str, rows: int, threads: int) -> None:
    """Weights stay what they are, and results are those of the model but for one rounding."""
    text = LINEAR.format(rows=rows, kind=kind)
    module = lowered(text, cpu, threads)
    assert weights(module) == [kind, kind]
    pairs = cpu != processors.base_of(cpu) and kind == "bf16"
    assert {s.elements for s in schedules(module, ("matmul", "gemm"))} == {
        f"{kind}_pairs" if pairs else kind
    }
    x = np.random.default_rng(4).standard_normal((rows, 67)).astype(np.float32)
    backend = NumpyBackend().with_threads(Threads(threads))
    (found,) = backend.compile(module).run([x])
    (expected,) = NumpyBackend().compile(lowered(text, "")).run([x])
    # Pairs round what goes from one product to the next, too.
    np.testing.assert_allclose(found, expected, atol=2 * ROUNDING[kind])


@pytest.mark.parametrize("kind", ["f16", "bf16"])
@pytest.mark.parametrize(
    ("channels", "features", "kernel", "stride", "pad"),
    [(40, 37, 3, 1, 1), (5, 64, 5, 2, 0), (67, 40, 1, 2, 0), (64, 40, 1, 1, 0), (15, 33, 3, 1, 0)],
)
def test_convolution(
    kind: str, channels: int, features: int, kernel: int, stride: int, pad: int
) -> None:
    """Windows of odd depths, padded or not, by tiles or not."""
    high, wide = ((size + 2 * pad - kernel) // stride + 1 for size in (9, 8))
    text = CONVOLUTION.format(
        c=channels, f=features, k=kernel, s=stride, p=pad, h=high, v=wide, kind=kind
    )
    x = np.random.default_rng(4).standard_normal((2, 9, 8, channels)).astype(np.float32)
    (expected,) = NumpyBackend().compile(lowered(text, "")).run([x])
    module = lowered(text, CODE[-1])
    assert weights(module) == [kind]
    (found,) = NumpyBackend().compile(module).run([x])
    np.testing.assert_allclose(found, expected, atol=ROUNDING[kind] * np.abs(expected).max())


@pytest.mark.parametrize("kind", ["f16", "bf16"])
def test_off_means_numpy(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Where nothing is compiled, weights of 16 bits are widened: the bits of the plan without."""
    monkeypatch.setenv("PYFLAME_RT_JIT", "0")
    text = LINEAR.format(rows=3, kind=kind)
    x = np.random.default_rng(4).standard_normal((3, 67)).astype(np.float32)
    (found,) = NumpyBackend().compile(lowered(text, "avx512bf16")).run([x])
    (expected,) = NumpyBackend().compile(lowered(text, "")).run([x])
    np.testing.assert_array_equal(found, expected)


def test_large_casts() -> None:
    """Casts in a row, of more than goes through the cache at once, are not cut in pieces."""
    text = """
    func.func @main(%x: tensor<700x300xf32>) -> tensor<700x300xf32> {
      %a = pfrt.cast %x {to = bf16} : tensor<700x300xf32> -> tensor<700x300xbf16>
      %b = pfrt.cast %a {to = f32} : tensor<700x300xbf16> -> tensor<700x300xf32>
      %c = pfrt.neg %b : tensor<700x300xf32> -> tensor<700x300xf32>
      %d = pfrt.cast %c {to = f16} : tensor<700x300xf32> -> tensor<700x300xf16>
      %y = pfrt.cast %d {to = f32} : tensor<700x300xf16> -> tensor<700x300xf32>
      func.return %y : tensor<700x300xf32>
    }
    """
    module = lowered(text, CODE[-1])
    assert len(schedules(module, ("cast",))) == 4
    x = np.random.default_rng(4).standard_normal((700, 300)).astype(np.float32)
    (found,) = NumpyBackend().compile(module).run([x])
    expected = -x.astype(ml_dtypes.bfloat16).astype(np.float32)
    np.testing.assert_array_equal(found, expected.astype(np.float16).astype(np.float32))


def test_values_are_made_when_they_are_wanted() -> None:
    """A widened weight equals one of the same values, and is let go with its last user."""
    narrow = np.random.default_rng(1).standard_normal((50, 41)).astype(np.float16)
    weight, plain = Weight(narrow), Weight(narrow.astype(np.float32))
    wide = weight.widened
    assert wide is weight.widened
    assert wide.narrow is weight
    assert hash(wide) == hash(plain)
    assert wide == weight.widened == Weight(narrow).widened
    assert (wide.shape, wide.size, wide.sparsity) == (plain.shape, plain.size, plain.sparsity)
    assert wide == plain
    assert plain == wide
    assert wide.digest == plain.digest
    wide.__dict__["mark"] = True
    del wide
    gc.collect()
    assert "mark" not in weight.widened.__dict__

"""Plans with compiled calls against the same plans on NumPy."""

from __future__ import annotations

import platform
import re
from dataclasses import replace

import numpy as np
import pytest

from pyflame_rt import pipelines
from pyflame_rt.backends.base import Threads
from pyflame_rt.backends.numpy_backend import NumpyBackend
from pyflame_rt.dialects.plan.ops import CallOp
from pyflame_rt.dialects.plan.schedules import SCHEDULE, SCHEDULES, Schedule
from pyflame_rt.errors import PassFailed
from pyflame_rt.module_files import parse
from pyflame_rt.universe import make_context

LINEAR = """
func.func @main(%x: tensor<{rows}x20xf32>, %r: tensor<{rows}x70xf32>) -> tensor<{rows}x9xf32> {{
  %w = pfrt.constant {w}
  %b = pfrt.constant {b}
  %h = pfrt.matmul %x, %w bias %b plus %r {{activation = #pfrt.activation<"{activation}">}}
    : tensor<{rows}x20xf32>, tensor<20x70xf32> bias tensor<70xf32> plus tensor<{rows}x70xf32>
    -> tensor<{rows}x70xf32>
  %v = pfrt.constant {v}
  %y = pfrt.gemm %h, %v {{trans_b = true}}
    : (tensor<{rows}x70xf32>, tensor<9x70xf32>) -> tensor<{rows}x9xf32>
  func.return %y : tensor<{rows}x9xf32>
}}
"""

POINTWISE = """
func.func @main(%x: tensor<2x5x7x24xf32>) -> tensor<2x5x7x70xf32> {{
  %w = pfrt.constant {w}
  %b = pfrt.constant {b}
  %y = pfrt.conv %x, %w, %b {{layout = "nhwc", activation = #pfrt.activation<"relu">}}
    : (tensor<2x5x7x24xf32>, tensor<70x24x1x1xf32>, tensor<70xf32>) -> tensor<2x5x7x70xf32>
  func.return %y : tensor<2x5x7x70xf32>
}}
"""


def dense(seed: int, *shape: int) -> str:
    values = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    data = re.sub(r"\s+", " ", np.array2string(values, separator=", ", threshold=10**6))
    return f"dense<{data}> : tensor<{'x'.join(map(str, shape))}xf32>"


def run(text: str, compiling: str, inputs: list[np.ndarray], threads: int = 1) -> np.ndarray:
    ctx = make_context()
    module = parse(text, ctx, "test")
    passes = (
        f"convert-pfrt-to-plan,plan-split{{threads={threads} worth=0}},{compiling}plan-allocate"
    )
    pipelines.run(ctx, module, pipelines.parse(passes))
    calls = [op for op in module.walk() if isinstance(op, CallOp) and SCHEDULE in op.attributes]
    assert bool(calls) == bool(compiling)
    backend = NumpyBackend().with_threads(Threads(threads))
    (result,) = backend.compile(module).run(inputs)
    return result


def compiling() -> str:
    pytest.importorskip("llvmlite", reason="machine code needs llvmlite")
    from pyflame_rt.backends.native.processors import best

    return f"convert-plan-to-native{{cpu={best()} worth=0}},"


@pytest.mark.parametrize("rows", [1, 40])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("threads", [1, 2])
def test_linear(rows: int, activation: str, threads: int) -> None:
    """Bias, residual, activations in registers and by NumPy; on pieces of rows and columns."""
    text = LINEAR.format(
        rows=rows, activation=activation, w=dense(1, 20, 70), b=dense(2, 70), v=dense(3, 9, 70)
    )
    r = np.random.default_rng(4)
    inputs = [r.standard_normal((rows, size)).astype(np.float32) for size in (20, 70)]
    expected = run(text, "", inputs, threads)
    found = run(text, compiling(), inputs, threads)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("rows", [1, 40])
def test_scalar_bias(rows: int) -> None:
    """A product of one column may have a bias without axes."""
    text = f"""
    func.func @main(%x: tensor<{rows}x20xf32>) -> tensor<{rows}x1xf32> {{
      %w = pfrt.constant {dense(0, 20, 1)}
      %b = pfrt.constant dense<-0.5> : tensor<f32>
      %y = pfrt.gemm %x, %w, %b {{beta = 2.0 : f32}}
        : (tensor<{rows}x20xf32>, tensor<20x1xf32>, tensor<f32>) -> tensor<{rows}x1xf32>
      func.return %y : tensor<{rows}x1xf32>
    }}
    """
    inputs = [np.random.default_rng(1).standard_normal((rows, 20)).astype(np.float32)]
    expected = run(text, "", inputs)
    np.testing.assert_allclose(run(text, compiling(), inputs), expected, rtol=1e-5, atol=1e-5)


def test_pointwise_convolution() -> None:
    """A convolution of single elements is a product of all positions."""
    text = POINTWISE.format(w=dense(1, 70, 24, 1, 1), b=dense(2, 70))
    inputs = [np.random.default_rng(4).standard_normal((2, 5, 7, 24)).astype(np.float32)]
    expected = run(text, "", inputs)
    np.testing.assert_allclose(run(text, compiling(), inputs), expected, rtol=1e-5, atol=1e-5)


def test_off_means_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan with schedules runs where nothing is compiled, with the bits of the plan without."""
    monkeypatch.setenv("PYFLAME_RT_JIT", "0")
    text = POINTWISE.format(w=dense(1, 70, 24, 1, 1), b=dense(2, 70))
    inputs = [np.random.default_rng(4).standard_normal((2, 5, 7, 24)).astype(np.float32)]
    found = run(text, "convert-plan-to-native{cpu=avx512 worth=0},", inputs)
    np.testing.assert_array_equal(found, run(text, "", inputs))


def test_sessions_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pass is in the lowering, unless PYFLAME_RT_JIT=0 takes it out."""
    for value in ("1", "", None, "0"):
        if value is None:
            monkeypatch.delenv("PYFLAME_RT_JIT")
        else:
            monkeypatch.setenv("PYFLAME_RT_JIT", value)
        asked = value == "1" or (value != "0" and platform.system() == "Linux")
        lowering = NumpyBackend().lowering(2)
        assert (compiling().partition(" worth")[0] in lowering) == asked
        assert ("native" in lowering) == asked


def test_unknown_processor() -> None:
    """The pass names the processors it knows."""
    with pytest.raises(PassFailed, match="cpu = 'z80' is unknown: it is one of avx512, avx2"):
        run(POINTWISE.format(w=dense(1, 70, 24, 1, 1), b=dense(2, 70)), _Z80, [])


_Z80 = "convert-plan-to-native{cpu=z80},"


@pytest.mark.parametrize("kind", SCHEDULES)
def test_schedules_read_back(kind: str) -> None:
    """A schedule in the IR is the one that was written; one without sense is none."""
    call = CallOp("matmul", [])
    call.attributes[SCHEDULE] = SCHEDULES[kind].to_attribute()
    assert Schedule.of(call) == SCHEDULES[kind]
    for damage in ({"rows": 99}, {"lanes": 3}, {"cpu": "z80"}):
        call.attributes[SCHEDULE] = replace(SCHEDULES[kind], **damage).to_attribute()
        assert Schedule.of(call) is None


CONVOLUTION = """
func.func @main(%x: tensor<2x9x8x{c}xf32>) -> tensor<2x{h}x{v}x37xf32> {{
  %w = pfrt.constant {w}
  %y = pfrt.conv %x, %w {{layout = "nhwc", activation = #pfrt.activation<"relu">,
    strides = array<i64: {s}, {s}>, pads = array<i64: {p}, {p}, {p}, {p}>,
    dilations = array<i64: {d}, 1>}}
    : (tensor<2x9x8x{c}xf32>, tensor<37x{c}x{k}x{k}xf32>) -> tensor<2x{h}x{v}x37xf32>
  func.return %y : tensor<2x{h}x{v}x37xf32>
}}
"""


@pytest.mark.parametrize(
    ("channels", "kernel", "stride", "pad", "dilation"),
    [(24, 3, 1, 1, 1), (5, 3, 2, 1, 1), (3, 5, 2, 0, 1), (6, 1, 2, 0, 1), (4, 3, 1, 2, 2)],
)
def test_convolution(channels: int, kernel: int, stride: int, pad: int, dilation: int) -> None:
    """Windows are read from the image as it lies, with zeros around where there are pads."""
    high = (9 + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1
    wide = (8 + 2 * pad - kernel) // stride + 1
    text = CONVOLUTION.format(
        c=channels, h=high, v=wide, k=kernel, s=stride, p=pad, d=dilation,
        w=dense(1, 37, channels, kernel, kernel),
    )  # fmt: skip
    inputs = [np.random.default_rng(4).standard_normal((2, 9, 8, channels)).astype(np.float32)]
    for threads in (1, 2):
        expected = run(text, "", inputs, threads)
        found = run(text, compiling(), inputs, threads)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)

"""Plans whose calls on integers are compiled against the same plans on NumPy, bit for bit."""

from __future__ import annotations

import re

import numpy as np
import pytest

pytest.importorskip("llvmlite", reason="machine code needs llvmlite")

from pyflame_rt import pipelines
from pyflame_rt.backends.native.integers import processors
from pyflame_rt.backends.numpy_backend import NumpyBackend
from pyflame_rt.dialects.plan.ops import CallOp
from pyflame_rt.dialects.plan.schedules import SCHEDULE
from pyflame_rt.errors import PassFailed
from pyflame_rt.module_files import parse
from pyflame_rt.universe import make_context

TYPES = {"int8": "i8", "uint8": "ui8", "int32": "i32", "float32": "f32"}


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYFLAME_RT_CACHE", str(tmp_path))
    monkeypatch.setenv("PYFLAME_RT_JIT", "1")


def kind(array: np.ndarray) -> str:
    sizes = "".join(f"{size}x" for size in array.shape)
    return f"tensor<{sizes}{TYPES[array.dtype.name]}>"


def constant(name: str, array: np.ndarray) -> str:
    data = np.array2string(array, separator=", ", threshold=10**6) if array.ndim else str(array)
    return f"%{name} = pfrt.constant dense<{re.sub(chr(10), ' ', data)}> : {kind(array)}\n"


def run(text: str, compiling: str, inputs: list[np.ndarray]) -> tuple[list[np.ndarray], int]:
    """The results, and how many calls have a schedule."""
    ctx = make_context()
    module = parse(text, ctx, "test")
    pipelines.run(ctx, module, pipelines.parse(f"convert-pfrt-to-plan,{compiling}plan-allocate"))
    calls = [op for op in module.walk() if isinstance(op, CallOp) and SCHEDULE in op.attributes]
    return NumpyBackend().compile(module).run(inputs), len(calls)


def check(text: str, inputs: list[np.ndarray], count: int) -> None:
    compiling = f"convert-plan-integers-to-native{{cpu={processors.best()}}},"
    expected, none = run(text, "", inputs)
    found, compiled = run(text, compiling, inputs)
    assert (none, compiled) == (0, count)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("a", [np.uint8, np.int8])
def test_matmuls(a: type) -> None:
    """Products, requantized or not, with a bias and zero points of columns."""
    r = np.random.default_rng(0)
    x = r.integers(0, 120, (7, 30)).astype(a)
    arrays = {
        "s": np.float32(0.1).reshape(()), "z": np.array(100, a), "b": r.integers(-99, 99, 40),
        "w": r.integers(-128, 128, (30, 40)).astype(np.int8),
        "t": r.random(40, np.float32), "v": r.integers(-3, 4, 40).astype(np.int8),
    }  # fmt: skip
    arrays["b"] = arrays["b"].astype(np.int32)
    k = {name: kind(array) for name, array in arrays.items()}
    n = TYPES[np.dtype(a).name]
    given = (
        f"{kind(x)}, {k['s']}, {k['z']}, {k['w']}, {k['t']}, {k['v']}, {k['s']}, {k['z']}, {k['b']}"
    )
    text = f"""
func.func @main(%x: {kind(x)}) -> (tensor<7x40x{n}>, tensor<7x40xi32>) {{
  {"".join(constant(*item) for item in arrays.items())}
  %y = pfrt.qlinear_matmul %x, %s, %z, %w, %t, %v, %s, %z, %b : ({given}) -> tensor<7x40x{n}>
  %i = pfrt.matmul_integer %x, %w a_zero_point(%z : {k["z"]}) : {kind(x)}, {k["w"]} -> tensor<7x40xi32>
  func.return %y, %i : tensor<7x40x{n}>, tensor<7x40xi32>
}}
"""
    check(text, [x], 2)


@pytest.mark.parametrize(
    ("channels", "features", "window", "stride", "pad", "group"),
    [(20, 18, 3, 1, 1, 1), (8, 12, 3, 2, 1, 4), (19, 19, 3, 1, 1, 19), (17, 33, 1, 1, 0, 1)],
)
def test_convolutions(
    channels: int, features: int, window: int, stride: int, pad: int, group: int
) -> None:
    """Images are turned before and after, padded with the zero point, or neither."""
    r = np.random.default_rng(1)
    x = r.integers(0, 256, (2, channels, 9, 8)).astype(np.uint8)
    arrays = {
        "s": np.float32(0.1).reshape(()), "z": np.array(100, np.uint8),
        "w": r.integers(-128, 128, (features, channels // group, window, window)).astype(np.int8),
        "t": (r.random(features) * 0.1).astype(np.float32), "v": np.zeros(features, np.int8),
        "b": r.integers(-999, 999, features).astype(np.int32),
    }  # fmt: skip
    k = {name: kind(array) for name, array in arrays.items()}
    high, wide = ((size + 2 * pad - window) // stride + 1 for size in (9, 8))
    y = f"tensor<2x{features}x{high}x{wide}xui8>"
    given = (
        f"{kind(x)}, {k['s']}, {k['z']}, {k['w']}, {k['t']}, {k['v']}, {k['s']}, {k['z']}, {k['b']}"
    )
    text = f"""
func.func @main(%x: {kind(x)}) -> {y} {{
  {"".join(constant(*item) for item in arrays.items())}
  %y = pfrt.qlinear_conv %x, %s, %z, %w, %t, %v, %s, %z, %b {{group = {group} : i64,
    pads = array<i64: {pad}, {pad}, {pad}, {pad}>, strides = array<i64: {stride}, {stride}>}}
    : ({given}) -> {y}
  func.return %y : {y}
}}
"""
    check(text, [x], 1)


def test_quantizations() -> None:
    """By a range that is found, by given numbers, and back; axes are left to the kernels."""
    text = """
func.func @main(%x: tensor<3x70xf32>)
    -> (tensor<3x70xf32>, tensor<3x70xui8>, tensor<f32>, tensor<ui8>, tensor<3x70xi8>) {
  %s = pfrt.constant dense<0.1> : tensor<f32>
  %z = pfrt.constant dense<-7> : tensor<i8>
  %t = pfrt.constant dense<[0.1, 0.2, 0.3]> : tensor<3xf32>
  %u = pfrt.constant dense<[0, 1, 2]> : tensor<3xi8>
  %q, %a, %b = pfrt.dynamic_quantize_linear %x
    : tensor<3x70xf32> -> tensor<3x70xui8>, tensor<f32>, tensor<ui8>
  %r = pfrt.quantize_linear %x, %s, %z : (tensor<3x70xf32>, tensor<f32>, tensor<i8>) -> tensor<3x70xi8>
  %d = pfrt.dequantize_linear %r, %s, %z : (tensor<3x70xi8>, tensor<f32>, tensor<i8>) -> tensor<3x70xf32>
  %e = pfrt.quantize_linear %x, %t, %u {axis = 0 : i64}
    : (tensor<3x70xf32>, tensor<3xf32>, tensor<3xi8>) -> tensor<3x70xi8>
  func.return %d, %q, %a, %b, %e
    : tensor<3x70xf32>, tensor<3x70xui8>, tensor<f32>, tensor<ui8>, tensor<3x70xi8>
}
"""
    x = np.random.default_rng(2).standard_normal((3, 70)).astype(np.float32)
    check(text, [x], 4)


def test_sessions_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    """With machine code, products of integers stay integers; else they are widened to f32."""
    chosen = f"convert-plan-integers-to-native{{cpu={processors.best()}}}"
    assert chosen in NumpyBackend().lowering(2)
    assert "pfrt-widen-quantization{unknown=true}" in NumpyBackend().lowering(2)
    monkeypatch.setenv("PYFLAME_RT_JIT", "0")
    assert "integers" not in NumpyBackend().lowering(2)
    assert "pfrt-widen-quantization," in NumpyBackend().lowering(2)


def test_unknown_processor() -> None:
    """The pass names the processors it knows."""
    text = "func.func @main() { func.return }"
    with pytest.raises(PassFailed, match="cpu = 'z80' is unknown: it is one of avx512vnni, avx512"):
        run(text, "convert-plan-integers-to-native{cpu=z80},", [])
    with pytest.raises(PassFailed, match="threads = 0 is not 1 to 256"):
        run(text, "convert-plan-integers-to-native{threads=0},", [])

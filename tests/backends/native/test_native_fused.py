"""Runs of elementwise calls as one kernel, against the same plans on NumPy."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("llvmlite", reason="machine code needs llvmlite")

from pyflame_rt import pipelines
from pyflame_rt.backends.base import Threads
from pyflame_rt.backends.native import processors
from pyflame_rt.backends.numpy_backend import NumpyBackend
from pyflame_rt.dialects.plan.expressions import FUSED, Expression
from pyflame_rt.dialects.plan.ops import CallOp
from pyflame_rt.errors import PyFlameRTError
from pyflame_rt.module_files import parse
from pyflame_rt.universe import make_context

KINDS = processors.supported()


def run(
    text: str, inputs: list[np.ndarray], cpu: str = "", threads: int = 1
) -> tuple[list[np.ndarray], list[str]]:
    """Results, and the algorithms that were called."""
    ctx = make_context()
    module = parse(text, ctx, "test")
    native = f"convert-plan-to-native{{cpu={cpu} threads={threads}}},plan-fuse-elementwise,"
    passes = f"convert-pfrt-to-plan,{native if cpu else ''}plan-allocate"
    pipelines.run(ctx, module, pipelines.parse(passes))
    calls = [op.algorithm for op in module.walk() if isinstance(op, CallOp)]
    executable = NumpyBackend().with_threads(Threads(threads)).compile(module)
    if cpu and kernels_wanted():
        assert executable.kernels
    return list(executable.run(inputs)), calls


def kernels_wanted() -> bool:
    from pyflame_rt.backends.native import kernels

    return kernels.is_available()


def given(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    r = np.random.default_rng(7)
    return [r.standard_normal(shape).astype(np.float32) for shape in shapes]


MIXED = """
func.func @main(%x: tensor<3x5x17xf32>, %b: tensor<17xf32>, %c: tensor<5x1xf32>)
  -> (tensor<3x5x17xf32>, tensor<3x5x17xi1>, tensor<3x5x17xf32>) {
  %k = pfrt.constant dense<2.0> : tensor<f32>
  %0 = pfrt.mul %x, %b : (tensor<3x5x17xf32>, tensor<17xf32>) -> tensor<3x5x17xf32>
  %1 = pfrt.sub %0, %c : (tensor<3x5x17xf32>, tensor<5x1xf32>) -> tensor<3x5x17xf32>
  %2 = pfrt.pow %1, %k : (tensor<3x5x17xf32>, tensor<f32>) -> tensor<3x5x17xf32>
  %3 = pfrt.tanh %2 : tensor<3x5x17xf32> -> tensor<3x5x17xf32>
  %4 = pfrt.less %3, %x : (tensor<3x5x17xf32>, tensor<3x5x17xf32>) -> tensor<3x5x17xi1>
  %5 = pfrt.where %4, %2, %1
    : (tensor<3x5x17xi1>, tensor<3x5x17xf32>, tensor<3x5x17xf32>) -> tensor<3x5x17xf32>
  %6 = pfrt.sqrt %5 : tensor<3x5x17xf32> -> tensor<3x5x17xf32>
  func.return %6, %4, %1 : tensor<3x5x17xf32>, tensor<3x5x17xi1>, tensor<3x5x17xf32>
}
"""


@pytest.mark.parametrize("cpu", KINDS)
@pytest.mark.parametrize("threads", [1, 3])
def test_one_pass(cpu: str, threads: int) -> None:
    """Operands that broadcast along rows, columns and both; results that others read, booleans too."""
    inputs = given((3, 5, 17), (17,), (5, 1))
    with np.errstate(invalid="ignore"):
        expected, _ = run(MIXED, inputs)
    found, calls = run(MIXED, inputs, cpu, threads)
    assert calls == [FUSED]
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-6, atol=2e-6)


def test_runs_without_machine_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fused call is computed by kernels of NumPy where nothing is compiled: the same bits."""
    monkeypatch.setenv("PYFLAME_RT_JIT", "0")
    inputs = given((3, 5, 17), (17,), (5, 1))
    with np.errstate(invalid="ignore"):
        expected, _ = run(MIXED, inputs)
        found, calls = run(MIXED, inputs, "avx2")
    assert calls == [FUSED]
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


UNARY = ("abs", "ceil", "exp", "floor", "mish", "neg", "relu", "round", "sigmoid", "sign", "softplus",
         "softsign", "tanh", "erf")  # fmt: skip
BINARY = ("add", "sub", "mul", "max", "min", "sum", "mean", "prelu")
COMPARING = ("equal", "greater", "greater_or_equal", "less", "less_or_equal")
LOGIC = ("and", "or", "xor")
SHAPES = ((4, 3, 21), (21,), (3, 1), (4, 1, 1), (1, 3, 21), (1,), (4, 1, 21))


def drawn(seed: int) -> str:
    """A random chain of functions of operands that broadcast."""
    r = np.random.default_rng(seed)
    wide, flag = "tensor<4x3x21xf32>", "tensor<4x3x21xi1>"
    kinds = [f"tensor<{'x'.join(map(str, shape))}xf32>" for shape in SHAPES]
    floats = [(f"%a{i}", kind) for i, kind in enumerate(kinds)]
    flags: list[str] = []
    lines: list[str] = []
    last = floats[0]
    for i in range(int(r.integers(3, 14))):
        other = floats[int(r.integers(len(floats)))]
        match int(r.integers(5)):
            case 0 | 1:
                name = str(r.choice(UNARY))
                lines.append(f"%v{i} = pfrt.{name} {last[0]} : {wide} -> {wide}")
            case 2 | 3:
                name = str(r.choice(BINARY))
                lines.append(
                    f"%v{i} = pfrt.{name} {last[0]}, {other[0]} : "
                    + _taking(name, wide, other[1])
                    + f" -> {wide}"
                )
            case _:
                name = str(r.choice(COMPARING))
                lines.append(
                    f"%c{i} = pfrt.{name} {last[0]}, {other[0]} : ({wide}, {other[1]}) -> {flag}"
                )
                condition = f"%c{i}"
                if flags:
                    lines.append(
                        f"%l{i} = pfrt.{r.choice(LOGIC)} %c{i}, {flags[-1]} : ({flag}, {flag}) -> {flag}"
                    )
                    lines.append(f"%n{i} = pfrt.not %l{i} : {flag} -> {flag}")
                    condition = f"%n{i}"
                flags.append(condition)
                lines.append(f"%k{i} = pfrt.cast {condition} {{to = f32}} : {flag} -> {wide}")
                lines.append(
                    f"%v{i} = pfrt.where {condition}, {last[0]}, %k{i} : ({flag}, {wide}, {wide}) -> {wide}"
                )
        last = (f"%v{i}", wide)
        floats.append(last)
    args = ", ".join(f"%a{i}: {kind}" for i, kind in enumerate(kinds))
    return (
        f"func.func @main({args}) -> {wide} {{\n" + "\n".join(lines)
        + f"\nfunc.return {last[0]} : {wide}\n}}"
    )  # fmt: skip


def _taking(name: str, a: str, b: str) -> str:
    return f"{a}, {b}" if name == "prelu" else f"({a}, {b})"


@pytest.mark.parametrize("seed", range(8))
def test_random_runs(seed: int) -> None:
    """Any mix of functions gives what one by one they give."""
    text, inputs = drawn(seed), given(*SHAPES)
    with np.errstate(all="ignore"):
        (expected,), many = run(text, inputs)
        (found,), calls = run(text, inputs, KINDS[seed % len(KINDS)], 1 + seed % 2)
    assert len(calls) < len(many)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


PARTS = """
func.func @main(%x: tensor<6x40xf32>) -> tensor<6x20xf32> {
  %h = pfrt.exp %x : tensor<6x40xf32> -> tensor<6x40xf32>
  %a, %b = pfrt.split %h {axis = 1 : i64, num_outputs = 2 : i64}
    : (tensor<6x40xf32>) -> (tensor<6x20xf32>, tensor<6x20xf32>)
  %m = pfrt.mul %a, %b : (tensor<6x20xf32>, tensor<6x20xf32>) -> tensor<6x20xf32>
  %y = pfrt.tanh %m : tensor<6x20xf32> -> tensor<6x20xf32>
  func.return %y : tensor<6x20xf32>
}
"""


@pytest.mark.parametrize("cpu", KINDS)
def test_parts(cpu: str) -> None:
    """Rows of an operand may lie apart: it is not copied."""
    inputs = given((6, 40))
    (expected,), _ = run(PARTS, inputs)
    (found,), calls = run(PARTS, inputs, cpu)
    assert calls == ["exp", FUSED]
    np.testing.assert_allclose(found, expected, rtol=2e-6)


MASK = """
func.func @main(%m: tensor<2x1x35xi64>, %n: tensor<35xi32>, %x: tensor<2x3x35xf32>)
  -> tensor<2x3x35xf32> {
  %one = pfrt.constant dense<1.0> : tensor<f32>
  %low = pfrt.constant dense<-1.0e4> : tensor<f32>
  %0 = pfrt.cast %m {to = f32} : tensor<2x1x35xi64> -> tensor<2x1x35xf32>
  %1 = pfrt.sub %one, %0 : (tensor<f32>, tensor<2x1x35xf32>) -> tensor<2x1x35xf32>
  %2 = pfrt.mul %1, %low : (tensor<2x1x35xf32>, tensor<f32>) -> tensor<2x1x35xf32>
  %3 = pfrt.add %x, %2 : (tensor<2x3x35xf32>, tensor<2x1x35xf32>) -> tensor<2x3x35xf32>
  %4 = pfrt.cast %n {to = f32} : tensor<35xi32> -> tensor<35xf32>
  %5 = pfrt.mul %3, %4 : (tensor<2x3x35xf32>, tensor<35xf32>) -> tensor<2x3x35xf32>
  func.return %5 : tensor<2x3x35xf32>
}
"""


@pytest.mark.parametrize("cpu", KINDS)
def test_integers_become_floats(cpu: str) -> None:
    """A mask of integers is read as such; what has another shape is computed by itself."""
    r = np.random.default_rng(2)
    inputs = [
        r.integers(0, 2, (2, 1, 35)), r.integers(-(2**31), 2**31, 35).astype(np.int32),
        *given((2, 3, 35)),
    ]  # fmt: skip
    (expected,), _ = run(MASK, inputs)
    (found,), calls = run(MASK, inputs, cpu)
    assert calls == [FUSED, "cast", FUSED]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({}, "are no expression"),
        ({"body": ({"op": "add", "of": (0, 3)},), "results": (2,)}, "step 2 of @fused takes"),
        ({"body": ({"op": "add", "of": (0, 1)},), "results": (1,)}, "results of @fused are values"),
    ],
)
def test_no_expression(params: dict[str, object], why: str) -> None:
    """What a file may hold instead is refused in words."""
    with pytest.raises(ValueError, match=why):
        Expression.of_params(2, params)


def test_unknown_steps_are_refused() -> None:
    """A step that names no function is an error of the plan, not of Python."""
    text = """
    func.func @main(%x: memref<4xf32>) -> memref<4xf32> {
      %y = plan.new : memref<4xf32>
      plan.call @fused(%x) into(%y) {params = {body = [{op = "gone", of = array<i64: 0>}],
        results = array<i64: 1>}} : (memref<4xf32>) into(memref<4xf32>)
      func.return %y : memref<4xf32>
    }
    """
    module = parse(text, make_context(), "test")
    with pytest.raises(PyFlameRTError, match="'gone', which is no kernel"):
        NumpyBackend().compile(module)

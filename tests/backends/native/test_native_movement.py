"""Transposes, concatenations, slices and pads by machine code: the bits of NumPy's."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

pytest.importorskip("llvmlite", reason="machine code needs llvmlite")

from pyflame_rt import pipelines
from pyflame_rt.backends.base import Threads
from pyflame_rt.backends.native import processors
from pyflame_rt.backends.numpy_backend import NumpyBackend
from pyflame_rt.module_files import parse
from pyflame_rt.universe import make_context

KINDS = processors.supported()


def size(shape: tuple[int, ...]) -> str:
    return "".join(f"{n}x" for n in shape)


def moved(
    op: str, inputs: list[np.ndarray], expected: np.ndarray, cpu: str, threads: int = 1
) -> None:
    """The op with `%0`, `%1`, … for operands gives what is expected, by machine code."""
    args = ", ".join(f"%{i}: tensor<{size(x.shape)}f32>" for i, x in enumerate(inputs))
    kinds = ", ".join(f"tensor<{size(x.shape)}f32>" for x in inputs)
    result = f"tensor<{size(expected.shape)}f32>"
    text = (
        f"func.func @main({args}) -> {result} {{\n%y = {op} : {kinds} -> {result}\n"
        f"func.return %y : {result}\n}}"
    )
    names = {f"%{i}": f"%a{i}" for i in range(len(inputs))}
    for name, new in names.items():
        text = text.replace(name, new)
    ctx = make_context()
    module = parse(text, ctx, "test")
    native = f"convert-plan-to-native{{cpu={cpu} threads={threads}}}"
    pipelines.run(ctx, module, pipelines.parse(f"convert-pfrt-to-plan,{native},plan-allocate"))
    executable = NumpyBackend().with_threads(Threads(threads)).compile(module)
    assert executable.kernels
    np.testing.assert_array_equal(executable.run(inputs)[0], expected)


def given(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    r = np.random.default_rng(0)
    return [r.standard_normal(shape).astype(np.float32) for shape in shapes]


@pytest.mark.parametrize("cpu", KINDS)
def test_orders_of_axes(cpu: str) -> None:
    """Squares in registers, their rests, and rows that stay together."""
    inputs = given((3, 5, 18, 35))
    for perm in list(itertools.permutations(range(4)))[1::2]:
        listed = ", ".join(map(str, perm))
        op = f"pfrt.transpose %0 {{perm = array<i64: {listed}>}}"
        moved(op, inputs, inputs[0].transpose(perm), cpu)


@pytest.mark.parametrize("cpu", KINDS)
@pytest.mark.parametrize("shape", [(1, 7), (16, 16), (33, 47), (64, 3), (200, 130)])
@pytest.mark.parametrize("threads", [1, 3])
def test_matrices(cpu: str, shape: tuple[int, int], threads: int) -> None:
    """Sizes that fill squares and such that do not; shares of whole lines."""
    inputs = given(shape)
    op = "pfrt.transpose %0 {perm = array<i64: 1, 0>}"
    if 1 not in shape:
        moved(op, inputs, inputs[0].T, cpu, threads)


@pytest.mark.parametrize("cpu", KINDS)
def test_many_axes(cpu: str) -> None:
    """More axes than a kernel has: several calls of it."""
    inputs = given((2, 3, 2, 5, 2, 7))
    perm = (4, 0, 5, 2, 1, 3)
    op = f"pfrt.transpose %0 {{perm = array<i64: {', '.join(map(str, perm))}>}}"
    moved(op, inputs, inputs[0].transpose(perm), cpu)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_concat(axis: int) -> None:
    """Operands of several sizes along any axis."""
    shapes = [tuple(n if i == axis else m for i, m in enumerate((2, 3, 21))) for n in (1, 4, 9)]
    inputs = given(*shapes)
    y = np.concatenate(inputs, axis)
    args = ", ".join(f"tensor<{size(x.shape)}f32>" for x in inputs)
    text = (
        f"func.func @main({', '.join(f'%a{i}: tensor<{size(x.shape)}f32>' for i, x in enumerate(inputs))})"
        f" -> tensor<{size(y.shape)}f32> {{\n"
        f"%y = pfrt.concat %a0, %a1, %a2 {{axis = {axis} : i64}} : ({args}) -> tensor<{size(y.shape)}f32>\n"
        f"func.return %y : tensor<{size(y.shape)}f32>\n}}"
    )
    ctx = make_context()
    module = parse(text, ctx, "test")
    passes = f"convert-pfrt-to-plan,convert-plan-to-native{{cpu={KINDS[0]}}},plan-allocate"
    pipelines.run(ctx, module, pipelines.parse(passes))
    executable = NumpyBackend().compile(module)
    assert executable.kernels
    np.testing.assert_array_equal(executable.run(inputs)[0], y)


@pytest.mark.parametrize("cpu", KINDS)
def test_slices_with_steps(cpu: str) -> None:
    """Every other element, and backwards."""
    inputs = given((7, 6, 40))
    op = (
        "pfrt.slice %0 {starts = array<i64: 1, -1>, ends = array<i64: 40, -100>,"
        " axes = array<i64: 2, 0>, steps = array<i64: 3, -2>}"
    )
    moved(op, inputs, inputs[0][::-2, :, 1:40:3], cpu)


@pytest.mark.parametrize("cpu", KINDS)
@pytest.mark.parametrize("factors", [(1, 2, 2, 1), (1, 1, 2, 3), (2, 3, 1, 2)])
def test_repeated_elements(cpu: str, factors: tuple[int, ...]) -> None:
    """Maps are enlarged by whole factors, with channels first or last."""
    inputs = given((2, 4, 5, 19))
    expected = inputs[0]
    for axis, factor in enumerate(factors):
        expected = expected.repeat(factor, axis)
    listed = ", ".join(f"{factor}.0" for factor in factors)
    op = (
        f"pfrt.resize %0 {{scales = dense<[{listed}]> : tensor<4xf32>, mode = "
        '"nearest", nearest_mode = "floor", coordinate_transformation_mode = "asymmetric"}'
    )
    moved(op, inputs, expected, cpu)


@pytest.mark.parametrize("cpu", KINDS)
def test_pad(cpu: str) -> None:
    """Zeros before and after along any axis."""
    inputs = given((3, 5, 18))
    op = "pfrt.pad %0 {pads = array<i64: 1, 0, 2, 0, 3, 1>}"
    moved(op, inputs, np.pad(inputs[0], ((1, 0), (0, 3), (2, 1))), cpu)

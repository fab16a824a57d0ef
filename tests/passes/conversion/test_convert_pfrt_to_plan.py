"""convert-pfrt-to-plan and plan-allocate keep the meaning: plans give what the reference gives."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser

from pyflame_rt.backends.numpy_backend import NumpyBackend
from pyflame_rt.backends.reference import ReferenceBackend
from pyflame_rt.dialects.pfrt import operations
from pyflame_rt.dialects.plan.algorithms import ALGORITHMS, for_op
from pyflame_rt.kernels import table
from pyflame_rt.passes.conversion.convert_pfrt_to_plan import ConvertPfrtToPlanPass
from pyflame_rt.passes.conversion.plan_allocate import PlanAllocatePass
from pyflame_rt.universe import make_context

Array = npt.NDArray[Any]

UNARY = ("relu", "neg", "tanh", "gelu", "sigmoid", "abs", "softmax")
BINARY = ("add", "sub", "mul", "max")


def parse(text: str) -> ModuleOp:
    module = Parser(make_context(), text).parse_module()
    module.verify()
    return module


def lowered(text: str, *, allocate: bool) -> ModuleOp:
    module = parse(text)
    ConvertPfrtToPlanPass().apply(make_context(), module)
    module.verify()
    if allocate:
        PlanAllocatePass().apply(make_context(), module)
        module.verify()
    return module


class Programs:
    """Random programs over values of one shape: chains, views, branches and loops."""

    def __init__(self, seed: int, kind: str) -> None:
        self.random = random.Random(seed)
        self.kind = kind
        self.count = 0

    def text(self, size: int) -> str:
        lines, values = self.lines(["%x"], size, depth=0)
        results = self.random.choices(values, k=3)
        kinds = ", ".join([self.kind] * 3)
        return "\n".join(
            (
                f"func.func @main(%c: tensor<i1>, %m: tensor<i64>, %x: {self.kind}) -> ({kinds}) {{",
                *lines,
                f"  func.return {', '.join(results)} : {kinds}",
                "}",
            )
        )

    def new(self) -> str:
        self.count += 1
        return f"%v{self.count}"

    def lines(self, seen: list[str], size: int, depth: int) -> tuple[list[str], list[str]]:
        lines: list[str] = []
        seen = list(seen)
        for _ in range(size):
            choice, result, kind = self.random.random(), self.new(), self.kind
            a, b = self.random.choices(seen[-6:], k=2)
            if choice < 0.08 and depth < 2:
                branches = [self.lines(seen, 2, depth + 1) for _ in range(2)]
                (then, first), (otherwise, second) = branches
                lines += [
                    f"{result} = pfrt.if %c -> ({kind}) {{",
                    *then,
                    f"pfrt.yield {self.random.choice(first)} : {kind}",
                    "} else {",
                    *otherwise,
                    f"pfrt.yield {self.random.choice(second)} : {kind}",
                    "} : tensor<i1>",
                ]
            elif choice < 0.16 and depth < 2:
                carried = [f"%w{self.new()[1:]}" for _ in range(2)]
                body, values = self.lines([*seen, *carried], 3, depth + 1)
                results = self.random.choices(values, k=2)
                lines += [
                    f"{result}, {result}b = pfrt.loop trip(%m) carry({a}, {b}) -> ({kind}, {kind}) {{",
                    f"^bb0(%i{result[1:]}: tensor<i64>, %g{result[1:]}: tensor<i1>, "
                    f"{carried[0]}: {kind}, {carried[1]}: {kind}):",
                    *body,
                    f"pfrt.yield %g{result[1:]}, {results[0]}, {results[1]} : tensor<i1>, {kind}, {kind}",
                    f"}} : trip tensor<i64> carry({kind}, {kind})",
                ]
                seen.append(f"{result}b")
            elif choice < 0.3:
                flat = kind if "?" in kind else "tensor<12xf32>"
                shape = "-1" if "?" in kind else "12"
                back = "-1, 4" if "?" in kind else "3, 4"
                flat = "tensor<?xf32>" if "?" in kind else flat
                lines += [
                    f"{result}f = pfrt.reshape {a} {{shape = array<i64: {shape}>}} : ({kind}) -> {flat}",
                    f"{result} = pfrt.reshape {result}f {{shape = array<i64: {back}>}} : ({flat}) -> {kind}",
                ]
            elif choice < 0.6:
                op = self.random.choice(UNARY)
                lines.append(f"{result} = pfrt.{op} {a} : {kind} -> {kind}")
            else:
                op = self.random.choice(BINARY)
                operands = f"{a}, {b} : ({kind}, {kind})"
                lines.append(f"{result} = pfrt.{op} {operands} -> {kind}")
            seen.append(result)
        return lines, seen


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    size=st.integers(1, 16),
    static=st.booleans(),
    allocate=st.booleans(),
    condition=st.booleans(),
    trips=st.integers(0, 3),
)
def test_plans_give_what_the_reference_gives(
    seed: int, size: int, static: bool, allocate: bool, condition: bool, trips: int
) -> None:
    """Copies, in-place updates and shared memory are invisible, in the first run and the second;
    outputs never share memory."""
    text = Programs(seed, "tensor<3x4xf32>" if static else "tensor<?x4xf32>").text(size)
    x = np.random.default_rng(seed).standard_normal((3, 4)).astype(np.float32)
    inputs = [np.array(condition), np.array(trips, np.int64), x]
    expected = ReferenceBackend().compile(parse(text)).run(inputs)
    plan = NumpyBackend().compile(lowered(text, allocate=allocate))
    first, kept = plan.run(inputs), x.copy()
    snapshot = [output.copy() for output in first]
    second = plan.run([*inputs[:2], x + 1])
    for output, copy, reference in zip(first, snapshot, expected, strict=True):
        np.testing.assert_allclose(output, reference, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(output, copy)
    np.testing.assert_array_equal(x, kept)
    arrays = [x, *first, *second]
    for index, array in enumerate(arrays):
        assert not any(np.shares_memory(array, other) for other in arrays[:index])


@pytest.mark.parametrize(
    ("x", "w", "y", "attributes"),
    [
        ("2x4x5x6", "3x4x1x1", "2x3x5x6", ""),
        ("2x4x5x6", "4x2x1x1", "2x4x5x6", "group = 2 : i64"),
        ("2x4x5x6", "3x4x3x2", "2x3x5x7", "pads = array<i64: 1, 1, 1, 1>"),
        ("2x4x7x6", "4x1x3x3", "2x4x2x1", "group = 4 : i64, strides = array<i64: 2, 2>, dilations = array<i64: 2, 2>"),
        ("1x2x9", "2x2x4", "1x2x5", "auto_pad = \"SAME_LOWER\", strides = array<i64: 2>"),
        ("1x2x3x3x3", "2x2x2x2x2", "1x2x2x2x2", ""),
    ],
)  # fmt: skip
def test_convolutions(x: str, w: str, y: str, attributes: str) -> None:
    """Each algorithm of the convolution, with the scratch that its table entry promises, and a
    second run in the same scratch."""
    signature = f"(tensor<{x}xf32>, tensor<{w}xf32>) -> tensor<{y}xf32>"
    text = f"""func.func @main(%x: tensor<{x}xf32>, %w: tensor<{w}xf32>) -> tensor<{y}xf32> {{
      %y = pfrt.conv %x, %w {{{attributes}}} : {signature}
      func.return %y : tensor<{y}xf32>
    }}"""
    rng = np.random.default_rng(0)
    inputs = [
        rng.standard_normal([int(d) for d in shape.split("x")]).astype(np.float32)
        for shape in (x, w)
    ]
    (expected,) = ReferenceBackend().compile(parse(text)).run(inputs)
    plan = NumpyBackend().compile(lowered(text, allocate=True))
    for _ in range(2):
        np.testing.assert_allclose(plan.run(inputs)[0], expected, rtol=1e-4, atol=1e-5)


def test_every_algorithm_computes_an_op_that_has_a_kernel() -> None:
    """The table names ops that exist; a backend without an algorithm can fall back to the kernel."""
    for algorithm in ALGORITHMS.values():
        assert algorithm.op in operations()
        assert algorithm in for_op(algorithm.op)
        assert algorithm.op.removeprefix("pfrt.") in table()

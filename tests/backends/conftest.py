"""Builds small modules and runs them on both backends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.ir import Block, Region, SSAValue
from xdsl.parser import Parser

from pyflame_rt.backends.base import Executable
from pyflame_rt.backends.numpy_backend import NumpyBackend
from pyflame_rt.backends.reference import ReferenceBackend
from pyflame_rt.dialects.check import difference
from pyflame_rt.dialects.pfrt import operations
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, constant_attr, element_type, tensor_of
from pyflame_rt.passes.conversion.convert_pfrt_to_plan import ConvertPfrtToPlanPass
from pyflame_rt.passes.conversion.plan_allocate import PlanAllocatePass
from pyflame_rt.universe import make_context


@dataclass(frozen=True)
class Case:
    """One op: its operands (None: absent), properties, and which operands are constants."""

    op: str
    operands: Sequence[np.ndarray | None]
    properties: Mapping[str, Any]
    constants: Sequence[int] = ()
    variadic: bool = False


def build(case: Case, *, dynamic: bool = False, inside: bool = False) -> ModuleOp:
    """A function of the op alone; `inside`, the op's buffers are neither arguments nor results.

    `dynamic` makes every dimension of the arguments `?`.
    """
    arrays = [a for i, a in enumerate(case.operands) if a is not None and i not in case.constants]
    kinds = [
        TensorType(element_type(a.dtype), [DYNAMIC] * a.ndim) if dynamic else tensor_of(a)
        for a in arrays
    ]
    block = Block(arg_types=kinds)
    arguments = iter(block.args)

    def disguised(value: SSAValue, dtype: np.dtype) -> SSAValue:
        if not inside or dtype.kind not in "fib" or dtype.isbuiltin != 1:
            return value
        name = "pfrt.not" if dtype == np.bool_ else "pfrt.neg"
        op = operations()[name].create_op([value])
        block.add_op(op)
        return op.results[0]

    values: list[SSAValue | None] = []
    for index, array in enumerate(case.operands):
        if array is None:
            values.append(None)
        elif index in case.constants:
            constant = ConstantOp.build(
                properties={"value": constant_attr(array)}, result_types=[tensor_of(array)]
            )
            block.add_op(constant)
            values.append(constant.results[0])
        else:
            values.append(disguised(next(arguments), array.dtype))
    operands = [values] if case.variadic else values
    op = operations()[f"pfrt.{case.op}"].create_op(operands, case.properties)
    block.add_op(op)
    results = list(op.results)
    if inside:
        results = [disguised(r, result_dtype(r)) for r in results]
    block.add_op(func.ReturnOp(*results))
    function = func.FuncOp("main", (kinds, [r.type for r in results]), Region(block))
    return ModuleOp([function])


def result_dtype(value: SSAValue) -> np.dtype:
    from pyflame_rt.dialects.pfrt.types import dtype_of

    return dtype_of(value)


def lower(module: ModuleOp, *, allocate: bool = True) -> ModuleOp:
    """A lowered copy."""
    lowered = module.clone()
    ctx = make_context()
    ConvertPfrtToPlanPass().apply(ctx, lowered)
    if allocate:
        PlanAllocatePass().apply(ctx, lowered)
    lowered.verify()
    return lowered


def assert_agree(module: ModuleOp, arrays: Sequence[np.ndarray], *, rtol: float, atol: float):
    """The reference and the NumPy backend give the same, twice, with and without an arena."""
    module.verify()
    expected = ReferenceBackend().compile(module).run(arrays)
    kept = [array.copy() for array in arrays]
    for allocate in (True, False):
        executable = NumpyBackend().compile(lower(module, allocate=allocate))
        for _ in range(2):
            actual = executable.run(arrays)
            assert len(actual) == len(expected)
            for a, e in zip(actual, expected, strict=True):
                tolerances = {"rtol": rtol, "atol": atol} if e.dtype.kind == "f" else {}
                assert difference(a, e, **tolerances) is None, difference(a, e)
    for array, copy in zip(arrays, kept, strict=True):
        assert difference(array, copy) is None, "an input was written to"


@pytest.fixture
def check_case() -> Callable[..., None]:
    """Checks a case as arguments and results, between other ops, and with dynamic shapes."""

    def check(case: Case, *, rtol: float = 1e-5, atol: float = 1e-6) -> None:
        arrays = [
            a for i, a in enumerate(case.operands) if a is not None and i not in case.constants
        ]
        with np.errstate(all="ignore"):
            for options in ({}, {"inside": True}, {"dynamic": True}):
                assert_agree(build(case, **options), arrays, rtol=rtol, atol=atol)

    return check


@pytest.fixture
def new_case() -> type[Case]:
    """The class of cases."""
    return Case


@pytest.fixture
def parse() -> Callable[[str], ModuleOp]:
    """Text to a verified module."""

    def parse_text(text: str) -> ModuleOp:
        module = Parser(make_context(), text).parse_module()
        module.verify()
        return module

    return parse_text


@pytest.fixture
def compile_both(parse: Callable[[str], ModuleOp]) -> Callable[[str], tuple[Executable, ...]]:
    """pfrt text to executables: reference, static or dynamic plan in an arena, plan of allocs."""

    def compile_text(text: str) -> tuple[Executable, ...]:
        module = parse(text)
        return (
            ReferenceBackend().compile(module),
            NumpyBackend().compile(lower(module)),
            NumpyBackend().compile(lower(module, allocate=False)),
        )

    return compile_text

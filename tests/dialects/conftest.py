"""What the tests of op families share: type inference judged by the kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pytest
from xdsl.dialects.builtin import TensorType, UnrankedTensorType
from xdsl.ir import SSAValue
from xdsl.utils.test_value import create_ssa_value

from pyflame_rt import kernels
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.lattice import compatible
from pyflame_rt.dialects.pfrt.types import (
    DYNAMIC,
    AnyTensor,
    PropertyValue,
    from_properties,
    tensor_of,
    type_of,
)

Arrays = Sequence[np.ndarray | None]


@pytest.fixture(scope="session")
def check_inference() -> Callable[..., PfrtOp]:
    """`check(op_class, arrays, properties)`: inferred types are those of the kernel's results, and
    agree with them however much of the operands' types is unknown. Returns the static op."""

    def check(
        op_class: type[PfrtOp],
        arrays: Arrays,
        properties: Mapping[str, PropertyValue] | None = None,
    ) -> PfrtOp:
        types = [None if array is None else tensor_of(array) for array in arrays]
        op = built(op_class, types, properties)
        kernel = kernels.table()[op.name.removeprefix("pfrt.")]
        got = kernel(*arrays, **from_properties(op.kernel_properties()))
        results = got if isinstance(got, tuple) else (got,)
        assert all(isinstance(result, np.ndarray) for result in results)
        want = [tensor_of(result) for result in results]
        assert [result.type for result in op.results] == want
        for blurred in blurrings(types):
            vague = built(op_class, blurred, properties)
            for result, known in zip(vague.results, want, strict=True):
                assert compatible(type_of(result), known), f"{blurred} give {result.type}"
        return op

    return check


def built(
    op_class: type[PfrtOp],
    types: Sequence[AnyTensor | None],
    properties: Mapping[str, PropertyValue] | None,
) -> PfrtOp:
    """A verified op on values of these types."""
    values: list[SSAValue | None] = [None if t is None else create_ssa_value(t) for t in types]
    op = op_class.create_op(values, properties)
    op.verify()
    return op


def blurrings(types: Sequence[TensorType | None]) -> Iterator[list[AnyTensor | None]]:
    """The types with less known of one operand, or of all of them."""
    for blur in (even_dims, odd_dims, all_dims, rank):
        yield [None if t is None else blur(t) for t in types]
        for position, kind in enumerate(types):
            if kind is not None:
                yield [*types[:position], blur(kind), *types[position + 1 :]]


def masked(kind: TensorType, hidden: Callable[[int], bool]) -> AnyTensor:
    shape = [DYNAMIC if hidden(i) else d for i, d in enumerate(kind.get_shape())]
    return TensorType(kind.element_type, shape)


def even_dims(kind: TensorType) -> AnyTensor:
    return masked(kind, lambda i: i % 2 == 0)


def odd_dims(kind: TensorType) -> AnyTensor:
    return masked(kind, lambda i: i % 2 == 1)


def all_dims(kind: TensorType) -> AnyTensor:
    return masked(kind, lambda i: True)


def rank(kind: TensorType) -> AnyTensor:
    return UnrankedTensorType(kind.element_type)

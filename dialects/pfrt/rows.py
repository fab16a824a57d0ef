"""What models of classical learning have in common: samples as rows, arrays as properties."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from typing import Any, cast

from xdsl.dialects.builtin import f32, i64
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import operand_def, opt_prop_def, prop_def, result_def

from pyflame_rt.dialects.pfrt.base import PfrtOp, Shape, TensorConstraint
from pyflame_rt.dialects.pfrt.broadcasting import FLOATS
from pyflame_rt.dialects.pfrt.data import ConstantConstraint
from pyflame_rt.dialects.pfrt.types import (
    DYNAMIC,
    Array,
    ConstantValue,
    constant_array,
    dtype_of,
    shape_of,
    tensor,
)
from pyflame_rt.kernels.scores import POST_TRANSFORMS

UNARY_FORMAT = (
    "$operand custom<ValueNames>($names) attr-dict `:` functional-type(operands, results)"
)


def array_property() -> ConstantValue:
    """A constant tensor that must be given."""
    return cast(ConstantValue, prop_def(ConstantConstraint))


def optional_array_property() -> ConstantValue | None:
    """A constant tensor, or nothing."""
    return cast("ConstantValue | None", opt_prop_def(ConstantConstraint))


def array_of(op: PfrtOp, name: str) -> Array | None:
    """The array of a property; None when it is absent or not at hand."""
    attr = cast("ConstantValue | None", getattr(op, name))
    return None if attr is None else constant_array(attr)


def rows_and_features(x: SSAValue) -> tuple[int, int]:
    """How many samples and features a value holds: a vector is one sample."""
    shape = shape_of(x)
    if shape is None or len(shape) not in (1, 2):
        return DYNAMIC, DYNAMIC
    return (shape[0], shape[1]) if len(shape) == 2 else (1, shape[0])


class RowsOp(PfrtOp, ABC):
    """An op on samples that are the rows of a matrix of floats; a vector is one sample."""

    operand = operand_def(TensorConstraint)

    def check(self) -> None:
        shape, kind = shape_of(self.operand), self.operand.type
        is_rows = shape is None or len(shape) in (1, 2)
        floats = dtype_of(self.operand).name in FLOATS
        self.require("C1", is_rows and floats, f"needs rows of floats, got {kind}")

    def require_vector(self, constraint: str, name: str, kinds: str, size: int | None) -> None:
        """Require that a property, if its array is at hand, is a vector of that size."""
        array = array_of(self, name)
        if array is None:
            return
        fits = array.ndim == 1 and array.dtype.kind in kinds and size in (None, array.size)
        wanted = "a vector" if size is None else f"a vector of {size}"
        got = f"{array.dtype} of the shape {list(array.shape)}"
        self.require(constraint, fits, f"{name} must be {wanted}, got {got}")

    def require_transform(self, constraint: str) -> None:
        """Require that the op's transform of scores exists."""
        name = cast(Any, self).post_transform.data
        self.require(constraint, name in POST_TRANSFORMS, f'there is no transform "{name}"')


class RegressorOp(RowsOp, ABC):
    """Scores of targets for each sample, of the samples' type."""

    operand = operand_def(TensorConstraint)
    result = result_def(TensorConstraint)

    assembly_format = UNARY_FORMAT

    def columns(self) -> int:
        """How many scores there are for a sample."""
        raise NotImplementedError(f"{self.name} does not say how many scores there are")

    def infer_types(self) -> Sequence[Attribute]:
        return [tensor(self.result_dtype(), self.result_shape())]

    def result_shape(self) -> Shape | None:
        return (rows_and_features(self.operand)[0], self.columns())


class ClassifierOp(RowsOp, ABC):
    """The position of the chosen class and f32 scores of the classes for each sample."""

    operand = operand_def(TensorConstraint)
    chosen = result_def(TensorConstraint)
    scores = result_def(TensorConstraint)

    assembly_format = UNARY_FORMAT

    def columns(self) -> int:
        """How many scores there are for a sample."""
        raise NotImplementedError(f"{self.name} does not say how many scores there are")

    def infer_types(self) -> Sequence[Attribute]:
        count, _ = rows_and_features(self.operand)
        return [tensor(i64, (count,)), tensor(f32, (count, self.columns()))]

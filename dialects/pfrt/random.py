"""Draws: ops whose results are random.

Each draw is its own. Two that look alike are not one, and none is computed ahead of its run; one
that nothing uses may go. With a seed a draw is the same in every run, and in every place.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence, Set
from typing import Any, cast

from xdsl.dialects.builtin import FloatAttr, f32, i32, i64
from xdsl.ir import Attribute, Operation
from xdsl.irdl import (
    AnyAttr,
    EqAttrConstraint,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import EffectInstance, MemoryEffect, MemoryEffectKind

from pyflame_rt.dialects.pfrt.base import PfrtOp, Shape, TensorConstraint
from pyflame_rt.dialects.pfrt.broadcasting import BOOLS, FLOATS, FLOATS8, NUMBERS
from pyflame_rt.dialects.pfrt.constraints import (
    can_be_one,
    float_property,
    int_property,
    ints,
    require_floats,
    require_shape,
    required_ints_property,
)
from pyflame_rt.dialects.pfrt.scalars import optional_int_property
from pyflame_rt.dialects.pfrt.types import (
    DYNAMIC,
    dtype_of,
    is_element_type,
    numpy_dtype,
    shape_of,
    tensor,
    type_of,
)

LIKE_FORMAT = "$operand custom<ValueNames>($names) attr-dict `:` type($operand) `->` type($result)"


class MakesAnew(MemoryEffect):
    """What the op returns exists only then: as memory that it allocates would.

    Nobody sees an op of this effect whose results are unused, and two of them differ.
    """

    @classmethod
    def get_effects(cls, op: Operation) -> Set[EffectInstance]:
        return {EffectInstance(MemoryEffectKind.ALLOC, result) for result in op.results}


def optional_float_property() -> FloatAttr[Any] | None:
    """An f32 property, or nothing."""
    constraint = FloatAttr.constr(EqAttrConstraint(f32))
    return cast("FloatAttr[Any] | None", opt_prop_def(constraint))


class RandomOp(PfrtOp, ABC):
    """A draw, from fresh entropy unless it has a seed."""

    traits = traits_def(MakesAnew())

    seed = optional_float_property()
    result = result_def(TensorConstraint)

    def require_element(self, constraint: str, allowed: frozenset[str]) -> None:
        """Require that the result's element type is one whose NumPy name is allowed."""
        kind = self.result_dtype()
        known = is_element_type(kind) and numpy_dtype(kind).name in allowed
        self.require(constraint, known, f"there are no draws of {kind}")


class ShapedRandomOp(RandomOp, ABC):
    """A draw of a given shape."""

    shape = required_ints_property()
    dtype = prop_def(AnyAttr(), default_value=f32)

    assembly_format = "custom<ValueNames>($names) attr-dict `:` type($result)"

    def check(self) -> None:
        self.require_element("C1", FLOATS)
        shape = ints(self.shape)
        self.require("C2", min(shape, default=0) >= 0, f"shape {list(shape)} has a negative size")

    def result_dtype(self) -> Attribute:
        return self.dtype

    def result_shape(self) -> Shape | None:
        return ints(self.shape)


class RandomLikeOp(RandomOp, ABC):
    """A draw of the shape of an operand and, unless told otherwise, of its element type."""

    operand = operand_def(TensorConstraint)
    dtype = opt_prop_def(AnyAttr())

    assembly_format = LIKE_FORMAT

    def check(self) -> None:
        self.require_element("C1", FLOATS)

    def result_dtype(self) -> Attribute:
        return type_of(self.operand).element_type if self.dtype is None else self.dtype

    def result_shape(self) -> Shape | None:
        return shape_of(self.operand)


@irdl_op_definition
class RandomNormalOp(ShapedRandomOp):
    """Draws from the normal distribution of a mean and a standard deviation, `scale`.

    ```mlir
    %0 = pfrt.random_normal {shape = array<i64: 2, 3>, scale = 2.000000e+00 : f32} : tensor<2x3xf32>
    ```
    C1: `dtype` is f16, bf16, f32 or f64.
    C2: no dimension is negative.
    """

    name = "pfrt.random_normal"

    mean = float_property(0.0)
    scale = float_property(1.0)


@irdl_op_definition
class RandomNormalLikeOp(RandomLikeOp):
    """Draws from the normal distribution of a mean and a standard deviation, `scale`, in the shape
    of x.

    ```mlir
    %0 = pfrt.random_normal_like %x {dtype = f16} : tensor<?x3xi64> -> tensor<?x3xf16>
    ```
    C1: `dtype`, or else x's element type, is f16, bf16, f32 or f64.
    """

    name = "pfrt.random_normal_like"

    mean = float_property(0.0)
    scale = float_property(1.0)


@irdl_op_definition
class RandomUniformOp(ShapedRandomOp):
    """Draws from the uniform distribution from `low` to `high`.

    ```mlir
    %0 = pfrt.random_uniform {shape = array<i64: 2, 3>, seed = 7.000000e+00 : f32} : tensor<2x3xf32>
    ```
    C1: `dtype` is f16, bf16, f32 or f64.
    C2: no dimension is negative.
    """

    name = "pfrt.random_uniform"

    low = float_property(0.0)
    high = float_property(1.0)


@irdl_op_definition
class RandomUniformLikeOp(RandomLikeOp):
    """Draws from the uniform distribution from `low` to `high` in the shape of x.

    ```mlir
    %0 = pfrt.random_uniform_like %x {low = -1.000000e+00 : f32} : tensor<?x3xf32> -> tensor<?x3xf32>
    ```
    C1: `dtype`, or else x's element type, is f16, bf16, f32 or f64.
    """

    name = "pfrt.random_uniform_like"

    low = float_property(0.0)
    high = float_property(1.0)


@irdl_op_definition
class BernoulliOp(RandomLikeOp):
    """1 (true) with the probability that x says, else 0 (false).

    ```mlir
    %0 = pfrt.bernoulli %x {dtype = i1} : tensor<?x3xf32> -> tensor<?x3xi1>
    ```
    C1: `dtype`, or else x's element type, is that of numbers or i1.
    C2: x holds floats.
    """

    name = "pfrt.bernoulli"

    def check(self) -> None:
        self.require_element("C1", NUMBERS | BOOLS)
        require_floats(self, "C2", self.operand)


@irdl_op_definition
class MultinomialOp(RandomOp):
    """`sample_size` draws of a class for each row of x: of its logarithmic probabilities, which
    need not add up to 1.

    ```mlir
    %0 = pfrt.multinomial %x {sample_size = 4 : i64} : tensor<?x3xf32> -> tensor<?x4xi32>
    ```
    C1: `dtype` is i32 or i64.
    C2: x is a matrix of floats.
    C3: sample_size is not negative.
    """

    name = "pfrt.multinomial"

    operand = operand_def(TensorConstraint)
    dtype = prop_def(AnyAttr(), default_value=i32)
    sample_size = int_property(1)

    assembly_format = LIKE_FORMAT

    def check(self) -> None:
        self.require("C1", self.dtype in (i32, i64), f"there are no draws of {self.dtype}")
        require_floats(self, "C2", self.operand)
        require_shape(self, "C2", "x", self.operand, (DYNAMIC, DYNAMIC))
        size = self.sample_size.value.data
        self.require("C3", size >= 0, f"sample_size must not be negative, got {size}")

    def infer_types(self) -> Sequence[Attribute]:
        rows = (shape_of(self.operand) or (DYNAMIC,))[0]
        return [tensor(self.dtype, (rows, self.sample_size.value.data))]


@irdl_op_definition
class DropoutOp(PfrtOp):
    """In training each element is dropped, that is 0, with the probability `ratio`, and else
    x / (1 - ratio); otherwise it is x. The mask tells which elements were kept.

    ```mlir
    %0, %1 = pfrt.dropout %x, %ratio, %training {seed = 1 : i64} : (tensor<?x3xf32>, tensor<f32>, tensor<i1>) -> (tensor<?x3xf32>, tensor<?x3xi1>)
    ```
    With a seed the draw is that of NumPy's legacy generator, as ONNX's own tests have it.

    C1: x and the ratio hold floats of 8 bits or more.
    C2: the ratio and whether it is training, an i1, are one element each.
    """

    name = "pfrt.dropout"

    traits = traits_def(MakesAnew())

    operand = operand_def(TensorConstraint)
    ratio = operand_def(TensorConstraint)
    training = operand_def(TensorConstraint)
    seed = optional_int_property()
    result = result_def(TensorConstraint)
    mask = result_def(TensorConstraint)

    assembly_format = (
        "operands custom<ValueNames>($names) attr-dict `:` functional-type(operands, results)"
    )

    def check(self) -> None:
        for value in (self.operand, self.ratio):
            holds = dtype_of(value).name in FLOATS | FLOATS8
            self.require("C1", holds, f"needs floats, got {value.type}")
        for value in (self.ratio, self.training):
            self.require("C2", can_be_one(value, 1), f"needs one element, got {value.type}")
        is_flag = dtype_of(self.training).name in BOOLS
        self.require("C2", is_flag, f"training is an i1, got {self.training.type}")

    def infer_types(self) -> Sequence[Attribute]:
        kind, shape = type_of(self.operand).element_type, shape_of(self.operand)
        return [tensor(kind, shape), tensor(type_of(self.training).element_type, shape)]


OPS: tuple[type[PfrtOp], ...] = (
    BernoulliOp,
    DropoutOp,
    MultinomialOp,
    RandomNormalOp,
    RandomNormalLikeOp,
    RandomUniformOp,
    RandomUniformLikeOp,
)

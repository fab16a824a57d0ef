"""Ops of the indexing family that know where elements stand, or in which order."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import i64
from xdsl.ir import Attribute
from xdsl.irdl import (
    AnyAttr,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    result_def,
)
from xdsl.pattern_rewriter import RewritePattern

from pyflame_rt.dialects.pfrt.axes import NonNegativeAxis
from pyflame_rt.dialects.pfrt.base import (
    PfrtOp,
    Shape,
    TensorConstraint,
    elements,
    normalize_axis,
)
from pyflame_rt.dialects.pfrt.broadcasting import BOOLS, NUMBERS, STRINGS
from pyflame_rt.dialects.pfrt.constraints import (
    flag_property,
    int_property,
    require_axis,
    require_rank,
    require_same_element,
    require_shape,
    string_property,
)
from pyflame_rt.dialects.pfrt.parameters import ShapeChangingOp
from pyflame_rt.dialects.pfrt.scalars import INDICES, ScalarParameterOp, optional_int_property
from pyflame_rt.dialects.pfrt.types import (
    DYNAMIC,
    dtype_of,
    is_element_type,
    numpy_dtype,
    shape_of,
    tensor,
    type_of,
)

UNARY_FORMAT = "$operand custom<ValueNames>($names) attr-dict `:` type($operand) `->` type($result)"


@irdl_op_definition
class TopKOp(ScalarParameterOp):
    """The `k` greatest (or least, not `largest`) elements along `axis`, and their indices.

    ```mlir
    %0, %1 = pfrt.top_k %x {k = 3 : i64} : (tensor<?x8xf32>) -> (tensor<?x3xf32>, tensor<?x3xi64>)
    ```
    Of equal elements the first come first; NaN is the greatest. Unless `sorted`, their order does
    not matter.

    C1: x holds numbers.
    C2: `axis` is one of x's dimensions.
    C3: `k` is a property, or an operand that is one i64 or i32.
    C4: `k` is not negative, and there are that many elements.
    """

    name = "pfrt.top_k"

    operand = operand_def(TensorConstraint)
    k_value = opt_operand_def(TensorConstraint)
    k = optional_int_property()
    axis = int_property(-1)
    largest = flag_property(True)
    sorted = flag_property(True)
    values = result_def(TensorConstraint)
    indices = result_def(TensorConstraint)

    assembly_format = (
        "$operand (`,` $k_value^)? custom<ValueNames>($names) attr-dict"
        " `:` functional-type(operands, results)"
    )

    DYNAMIC_PROPERTIES: ClassVar[tuple[str, ...]] = ("k",)

    def check(self) -> None:
        kind, shape, axis = self.operand.type, shape_of(self.operand), self.axis.value.data
        self.require("C1", dtype_of(self.operand).name in NUMBERS, f"cannot order {kind}")
        require_axis(self, "C2", axis, self.operand)
        self.check_number("C3", "k", INDICES)
        count, dim = self.known_number("k"), DYNAMIC if shape is None else shape[axis]
        fits = count is None or (count >= 0 and (dim == DYNAMIC or count <= dim))
        self.require("C4", fits, f"k is {count} for axis {axis} of {kind}")

    def infer_types(self) -> Sequence[Attribute]:
        self.check()
        shape, count = shape_of(self.operand), self.known_number("k")
        if shape is not None:
            along = normalize_axis(self.axis.value.data, len(shape))
            chosen = DYNAMIC if count is None else count
            shape = (*shape[:along], chosen, *shape[along + 1 :])
        return [tensor(self.result_dtype(), shape), tensor(i64, shape)]

    def flops(self) -> int | None:
        """One for each element of x."""
        return elements(self.operand)

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        return (NonNegativeAxis(), *super().get_canonicalization_patterns())


@irdl_op_definition
class OneHotOp(ShapeChangingOp, ScalarParameterOp):
    """The second of `values` at each index of a new dimension `axis` of size `depth`, the first
    elsewhere.

    ```mlir
    %0 = pfrt.one_hot %i values %v {depth = 3 : i64} : (tensor<?xi64>, tensor<2xf32>) -> tensor<?x3xf32>
    ```
    Negative indices count from the back, those out of range have no place. Floats are truncated.

    C1: the indices hold numbers.
    C2: `depth` is a property, or an operand that is one number.
    C3: `depth` is not negative.
    C4: there are two values.
    C5: `axis` is one of the result's dimensions.
    """

    name = "pfrt.one_hot"

    indices = operand_def(TensorConstraint)
    depth_value = opt_operand_def(TensorConstraint)
    values = operand_def(TensorConstraint)
    depth = optional_int_property()
    axis = int_property(-1)
    result = result_def(TensorConstraint)

    assembly_format = (
        "$indices (`depth` $depth_value^)? `values` $values custom<ValueNames>($names) attr-dict"
        " `:` functional-type(operands, results)"
    )

    DYNAMIC_PROPERTIES: ClassVar[tuple[str, ...]] = ("depth",)

    def check(self) -> None:
        kind, shape, axis = self.indices.type, shape_of(self.indices), self.axis.value.data
        self.require("C1", dtype_of(self.indices).name in NUMBERS, f"{kind} are no indices")
        self.check_number("C2", "depth", NUMBERS)
        depth = self.known_number("depth")
        self.require("C3", depth is None or depth >= 0, f"depth {depth} is negative")
        require_shape(self, "C4", "values", self.values, (2,))
        fits = shape is None or -len(shape) - 1 <= axis <= len(shape)
        self.require("C5", fits, f"axis {axis} is outside the dimensions of the result")

    def result_dtype(self) -> Attribute:
        return type_of(self.values).element_type

    def result_shape(self) -> Shape | None:
        shape, depth = shape_of(self.indices), self.known_number("depth")
        if shape is None:
            return None
        along = normalize_axis(self.axis.value.data, len(shape) + 1)
        return (*shape[:along], DYNAMIC if depth is None else depth, *shape[along:])


@irdl_op_definition
class TriluOp(ShapeChangingOp, ScalarParameterOp):
    """The matrices of x with zeros below their diagonal `k`, or above it (not `upper`).

    ```mlir
    %0 = pfrt.trilu %x {k = 1 : i64} : (tensor<?x4x4xf32>) -> tensor<?x4x4xf32>
    ```
    Diagonal 0, which is meant if `k` is absent, is the main one, positive ones are above it.

    C1: x has at least two dimensions.
    C2: `k`, if given as an operand, is one i64 or i32.
    """

    name = "pfrt.trilu"

    operand = operand_def(TensorConstraint)
    k_value = opt_operand_def(TensorConstraint)
    k = optional_int_property()
    upper = flag_property(True)
    result = result_def(TensorConstraint)

    assembly_format = (
        "$operand (`,` $k_value^)? custom<ValueNames>($names) attr-dict"
        " `:` functional-type(operands, results)"
    )

    DYNAMIC_PROPERTIES: ClassVar[tuple[str, ...]] = ("k",)

    def check(self) -> None:
        require_rank(self, "C1", self.operand, 2)
        self.check_number("C2", "k", INDICES, required=False)

    def result_shape(self) -> Shape | None:
        return shape_of(self.operand)


@irdl_op_definition
class EyeLikeOp(ShapeChangingOp):
    """Ones on diagonal `k` of a matrix of x's shape, zeros elsewhere, of x's type or `dtype`.

    ```mlir
    %0 = pfrt.eye_like %x {dtype = f32, k = 1 : i64} : tensor<?x4xi32> -> tensor<?x4xf32>
    ```
    C1: x is a matrix.
    C2: the type of the result is a number or i1.
    """

    name = "pfrt.eye_like"

    operand = operand_def(TensorConstraint)
    dtype = opt_prop_def(AnyAttr())
    k = int_property(0)
    result = result_def(TensorConstraint)

    assembly_format = UNARY_FORMAT

    def check(self) -> None:
        shape, kind = shape_of(self.operand), self.result_dtype()
        is_matrix = shape is None or len(shape) == 2
        self.require("C1", is_matrix, f"needs a matrix, got {self.operand.type}")
        known = is_element_type(kind) and numpy_dtype(kind).name in NUMBERS | BOOLS
        self.require("C2", known, f"there is no one of {kind}")

    def result_dtype(self) -> Attribute:
        return type_of(self.operand).element_type if self.dtype is None else self.dtype

    def result_shape(self) -> Shape | None:
        shape = shape_of(self.operand)
        return (DYNAMIC, DYNAMIC) if shape is None else shape


class CumulativeOp(ScalarParameterOp, ABC):
    """What comes of the elements along an axis up to each one, or from it on."""

    operand = operand_def(TensorConstraint)
    axis_value = opt_operand_def(TensorConstraint)
    axis = optional_int_property()
    exclusive = flag_property(False)
    reverse = flag_property(False)
    result = result_def(TensorConstraint)

    assembly_format = (
        "$operand (`,` $axis_value^)? custom<ValueNames>($names) attr-dict"
        " `:` functional-type(operands, results)"
    )

    DYNAMIC_PROPERTIES: ClassVar[tuple[str, ...]] = ("axis",)

    def check(self) -> None:
        kind, axis = self.operand.type, self.known_number("axis")
        self.require("C1", dtype_of(self.operand).name in NUMBERS, f"is not defined on {kind}")
        self.check_number("C2", "axis", INDICES)
        if axis is not None:
            require_axis(self, "C3", axis, self.operand)

    def infer_types(self) -> Sequence[Attribute]:
        self.check()
        return [tensor(self.result_dtype(), shape_of(self.operand))]

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        return (NonNegativeAxis(), *super().get_canonicalization_patterns())


@irdl_op_definition
class CumProdOp(CumulativeOp):
    """Products of the elements along `axis` up to each one, or from it on (`reverse`).

    ```mlir
    %0 = pfrt.cum_prod %x {axis = 1 : i64, exclusive = true} : (tensor<?x4xf32>) -> tensor<?x4xf32>
    ```
    With `exclusive`, the element itself does not count. Integers wrap.

    C1: x holds numbers.
    C2: `axis` is a property, or an operand that is one i64 or i32.
    C3: `axis` is one of x's dimensions.
    """

    name = "pfrt.cum_prod"


@irdl_op_definition
class CumSumOp(CumulativeOp):
    """Sums of the elements along `axis` up to each one, or from it on (`reverse`).

    ```mlir
    %0 = pfrt.cum_sum %x {axis = 1 : i64, exclusive = true} : (tensor<?x4xf32>) -> tensor<?x4xf32>
    ```
    With `exclusive`, the element itself does not count. Integers wrap.

    C1: x holds numbers.
    C2: `axis` is a property, or an operand that is one i64 or i32.
    C3: `axis` is one of x's dimensions.
    """

    name = "pfrt.cum_sum"


@irdl_op_definition
class UniqueOp(PfrtOp):
    """The distinct elements of x, or entries along `axis`; where each occurs first; which of them
    each of x's is; how often each occurs.

    ```mlir
    %0, %1, %2, %3 = pfrt.unique %x {axis = 0 : i64} : tensor<8x2xf32> -> tensor<?x2xf32>, tensor<?xi64>, tensor<8xi64>, tensor<?xi64>
    ```
    They are in ascending order if `sorted`, else as they first occur. NaN is the greatest number,
    and there is one of it.

    C1: x holds numbers, complex ones, i1 or strings.
    C2: `axis` is one of x's dimensions.
    """

    name = "pfrt.unique"

    operand = operand_def(TensorConstraint)
    axis = optional_int_property()
    sorted = flag_property(True)
    values = result_def(TensorConstraint)
    indices = result_def(TensorConstraint)
    inverse_indices = result_def(TensorConstraint)
    counts = result_def(TensorConstraint)

    assembly_format = (
        "$operand custom<ValueNames>($names) attr-dict `:` type($operand) `->` type($values) `,`"
        " type($indices) `,` type($inverse_indices) `,` type($counts)"
    )

    ALLOWED: ClassVar[frozenset[str]] = NUMBERS | BOOLS | STRINGS | {"complex64", "complex128"}

    def check(self) -> None:
        kind = self.operand.type
        self.require("C1", dtype_of(self.operand).name in self.ALLOWED, f"cannot order {kind}")
        if self.axis is not None:
            require_axis(self, "C2", self.axis.value.data, self.operand)

    def infer_types(self) -> Sequence[Attribute]:
        self.check()
        shape, axis = shape_of(self.operand), self.axis
        count = elements(self.operand)
        dim, chosen = DYNAMIC if count is None else count, (DYNAMIC,)
        if axis is not None and shape is not None:
            along = normalize_axis(axis.value.data, len(shape))
            dim, chosen = shape[along], (*shape[:along], DYNAMIC, *shape[along + 1 :])
        elif axis is not None:
            chosen = None
        some = tensor(i64, (DYNAMIC,))
        return [tensor(self.result_dtype(), chosen), some, tensor(i64, (dim,)), some]

    def flops(self) -> int | None:
        """One for each element of x."""
        return elements(self.operand)

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        return (NonNegativeAxis(),)


@irdl_op_definition
class TensorScatterOp(ShapeChangingOp):
    """A cache with the update written along `axis`, in each batch from its own index on.

    ```mlir
    %0 = pfrt.tensor_scatter %cache, %u at(%i : tensor<2xi64>) {mode = "circular"} : tensor<2x4x64x8xf32>, tensor<2x4x?x8xf32> -> tensor<2x4x64x8xf32>
    ```
    Without indices it is written from 0 on. In mode "linear" there is room for it behind the index,
    in mode "circular" it goes on at the beginning.

    C1: the update holds the type of the cache; the indices are i64, one for each batch.
    C2: `axis` is one of the dimensions, but not the first.
    C3: the update has the cache's shape, but for `axis`, where it is not longer.
    C4: `mode` is "linear" or "circular".
    """

    name = "pfrt.tensor_scatter"

    operand = operand_def(TensorConstraint)
    update = operand_def(TensorConstraint)
    write_indices = opt_operand_def(TensorConstraint)
    axis = int_property(-2)
    mode = string_property("linear")
    result = result_def(TensorConstraint)

    assembly_format = (
        "$operand `,` $update (`at` `(` $write_indices^ `:` type($write_indices) `)`)?"
        " custom<ValueNames>($names) attr-dict `:` type($operand) `,` type($update) `->`"
        " type($result)"
    )

    def check(self) -> None:
        require_same_element(self, "C1", self.operand, self.update)
        cache, update, axis = shape_of(self.operand), shape_of(self.update), self.axis.value.data
        batch = next((shape[0] for shape in (cache, update) if shape), DYNAMIC)
        if (indices := self.write_indices) is not None:
            is_i64 = dtype_of(indices).name == "int64"
            self.require("C1", is_i64, f"indices must be i64, got {indices.type}")
            require_shape(self, "C1", "indices", indices, (batch,))
        for value, shape in ((self.operand, cache), (self.update, update)):
            require_axis(self, "C2", axis, value)
            first = shape is not None and axis in (0, -len(shape))
            self.require("C2", not first, "the axis must not be the first")
        mode = self.mode.data
        self.require("C4", mode in ("linear", "circular"), f'unknown mode "{mode}"')
        if cache is None or update is None:
            return
        along = axis % len(cache)
        fits = DYNAMIC in (cache[along], *update[along : along + 1])
        fits = fits or update[along : along + 1] <= cache[along : along + 1]
        self.require("C3", fits, f"the update is longer than the cache: {self.update.type}")
        free = (*cache[:along], DYNAMIC, *cache[along + 1 :])
        require_shape(self, "C3", "the update", self.update, free)

    def result_shape(self) -> Shape | None:
        return shape_of(self.operand)

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        return (NonNegativeAxis(),)


OPS: tuple[type[PfrtOp], ...] = (
    TensorScatterOp,
    TopKOp,
    OneHotOp,
    TriluOp,
    EyeLikeOp,
    CumProdOp,
    CumSumOp,
    UniqueOp,
)

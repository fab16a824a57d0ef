"""Features on their way into a model: scaled, filled in, put together, encoded as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, cast

from xdsl.dialects.builtin import FloatAttr, IntegerAttr, f32, i64
from xdsl.ir import Attribute
from xdsl.irdl import (
    EqAttrConstraint,
    irdl_op_definition,
    operand_def,
    prop_def,
    result_def,
    var_operand_def,
)

from pyflame_rt.dialects.pfrt import encoders, maps
from pyflame_rt.dialects.pfrt.activation import UnaryOp
from pyflame_rt.dialects.pfrt.base import PfrtOp, Shape, TensorConstraint, elements
from pyflame_rt.dialects.pfrt.constraints import (
    float_property,
    ints,
    optional_ints_property,
    string_property,
)
from pyflame_rt.dialects.pfrt.parameters import ShapeChangingOp
from pyflame_rt.dialects.pfrt.rows import array_of, array_property, optional_array_property
from pyflame_rt.dialects.pfrt.types import DYNAMIC, dtype_of, shape_of, tensor
from pyflame_rt.kernels.features import NORMS

OPERANDS_FORMAT = (
    "operands custom<ValueNames>($names) attr-dict `:` functional-type(operands, results)"
)

_FEATURES = frozenset({"float16", "float32", "float64", "int32", "int64"})
"""What features are."""

_NUMBER = FloatAttr.constr(EqAttrConstraint(f32)) | IntegerAttr.constr(EqAttrConstraint(i64))


class FeatureOp(UnaryOp):
    """Features, which the last dimension counts, each made into another number."""

    ELEMENTWISE: ClassVar[bool] = False

    def check(self) -> None:
        known = dtype_of(self.operand).name in _FEATURES
        self.require("C1", known, f"needs features, got {self.operand.type}")

    def require_list(self, constraint: str, name: str, kinds: str) -> int | None:
        """Require that a property is a number for all features or one for each; how many."""
        array, shape = array_of(self, name), shape_of(self.operand)
        if array is None:
            return None
        features = DYNAMIC if shape is None else shape[-1] if shape else 1
        right = array.ndim == 1 and array.dtype.kind in kinds and array.size > 0
        right = right and (array.size == 1 or features in (array.size, DYNAMIC))
        got = f"{array.dtype} of the shape {list(array.shape)} for {self.operand.type}"
        self.require(constraint, right, f"{name} must have a number for each feature, got {got}")
        return array.size


class ToFloatOp(FeatureOp):
    """Features made into f32."""

    def result_dtype(self) -> Attribute:
        return f32


@irdl_op_definition
class BinarizerOp(FeatureOp):
    """1 where a feature is greater than the threshold, else 0.

    ```mlir
    %0 = pfrt.binarizer %x {threshold = 5.000000e-01 : f32} : tensor<?x4xf32> -> tensor<?x4xf32>
    ```
    C1: x holds floats, i32 or i64.
    """

    name = "pfrt.binarizer"

    threshold = float_property(0.0)


@irdl_op_definition
class ImputerOp(FeatureOp):
    """x with another number for each one that stands for a missing value.

    ```mlir
    %0 = pfrt.imputer %x {imputed_values = dense<[1.0, 2.0]> : tensor<2xf32>, replaced_value = -1.0 : f32} : tensor<?x2xf32> -> tensor<?x2xf32>
    ```
    NaN stands for every NaN.

    C1: x holds floats, i32 or i64.
    C2: `imputed_values` is one number or one for each feature, `replaced_value` one: f32 where x
        holds floats, i64 where it holds integers.
    """

    name = "pfrt.imputer"

    imputed_values = array_property()
    replaced_value = cast("FloatAttr[Any] | IntegerAttr[Any]", prop_def(_NUMBER))

    def check(self) -> None:
        super().check()
        floats = dtype_of(self.operand).kind == "f"
        fits = isinstance(self.replaced_value, FloatAttr) == floats
        self.require("C2", fits, f"{self.replaced_value} does not stand in {self.operand.type}")
        self.require_list("C2", "imputed_values", "f" if floats else "i")


@irdl_op_definition
class NormalizerOp(ToFloatOp):
    """Each sample divided by its norm, where that is not 0.

    ```mlir
    %0 = pfrt.normalizer %x {norm = "L2"} : tensor<?x4xf64> -> tensor<?x4xf32>
    ```
    A sample is what the last dimension has. "MAX" is its greatest number, "L1" the sum of absolute
    values, "L2" the square root of the sum of squares.

    C1: x holds floats, i32 or i64.
    C2: `norm` is "MAX", "L1" or "L2".
    """

    name = "pfrt.normalizer"

    norm = string_property("MAX")

    def check(self) -> None:
        super().check()
        norm = self.norm.data
        self.require("C2", norm in NORMS, f'there is no norm "{norm}"')


@irdl_op_definition
class ScalerOp(ToFloatOp):
    """(x - offset) * scale.

    ```mlir
    %0 = pfrt.scaler %x {offset = dense<[1.0, 2.0]> : tensor<2xf32>, scale = dense<0.5> : tensor<1xf32>} : tensor<?x2xi64> -> tensor<?x2xf32>
    ```
    C1: x holds floats, i32 or i64.
    C2: `offset` and `scale`, if given, are one number or one for each feature.
    """

    name = "pfrt.scaler"

    offset = optional_array_property()
    scale = optional_array_property()

    def check(self) -> None:
        super().check()
        self.require_list("C2", "offset", "f")
        self.require_list("C2", "scale", "f")


@irdl_op_definition
class FeatureVectorizerOp(PfrtOp):
    """The features of all operands side by side in f32.

    ```mlir
    %0 = pfrt.feature_vectorizer %a, %b {inputdimensions = array<i64: 2, 3>} : (tensor<?x2xf32>, tensor<?x4xi64>) -> tensor<?x5xf32>
    ```
    Of operand k there are `inputdimensions[k]` features, what is missing being 0; all that it has
    without that property. A vector is one sample.

    C1: operands hold floats, i32 or i64, and have a dimension at least.
    C2: there are operands, all of as many samples.
    C3: `inputdimensions` says how many features each operand has.
    """

    name = "pfrt.feature_vectorizer"

    inputs = var_operand_def(TensorConstraint)
    inputdimensions = optional_ints_property()
    result = result_def(TensorConstraint)

    assembly_format = OPERANDS_FORMAT

    def check(self) -> None:
        for value in self.inputs:
            known = dtype_of(value).name in _FEATURES and shape_of(value) != ()
            self.require("C1", known, f"needs features, got {value.type}")
        self.require("C2", len(self.inputs) > 0, "there are no operands")
        samples = {count for count, _ in self._sizes() if count != DYNAMIC}
        self.require("C2", len(samples) < 2, f"operands of {sorted(samples)} samples")
        if self.inputdimensions is not None:
            counts = ints(self.inputdimensions)
            fits = len(counts) == len(self.inputs) and min(counts) >= 0
            self.require("C3", fits, f"{list(counts)} are no sizes of {len(self.inputs)} operands")

    def _sizes(self) -> list[tuple[int, int]]:
        """Samples and features of each operand."""
        sizes: list[tuple[int, int]] = []
        for value in self.inputs:
            shape = shape_of(value)
            if shape is None:
                sizes.append((DYNAMIC, DYNAMIC))
            elif len(shape) == 1:
                sizes.append((1, shape[0]))
            else:
                features = 1
                for dim in shape[1:]:
                    features = DYNAMIC if DYNAMIC in (features, dim) else features * dim
                sizes.append((shape[0], features))
        return sizes

    def infer_types(self) -> Sequence[Attribute]:
        self.check()
        sizes, given = self._sizes(), self.inputdimensions
        counts = [count for _, count in sizes] if given is None else ints(given)
        features = DYNAMIC if DYNAMIC in counts else sum(counts)
        samples = next((count for count, _ in sizes if count != DYNAMIC), DYNAMIC)
        return [tensor(f32, (samples, features))]


@irdl_op_definition
class ArrayFeatureExtractorOp(ShapeChangingOp):
    """The features of x at some indices.

    ```mlir
    %0 = pfrt.array_feature_extractor %x, %i : (tensor<?x8xf32>, tensor<3xi64>) -> tensor<?x3xf32>
    ```
    Indices are along the last dimension, in whatever shape they come. A vector is one sample.

    C1: the indices are i64.
    C2: x has a dimension.
    """

    name = "pfrt.array_feature_extractor"

    operand = operand_def(TensorConstraint)
    indices = operand_def(TensorConstraint)
    result = result_def(TensorConstraint)

    assembly_format = OPERANDS_FORMAT

    def check(self) -> None:
        kind = self.indices.type
        self.require("C1", dtype_of(self.indices).name == "int64", f"indices must be i64: {kind}")
        self.require("C2", shape_of(self.operand) != (), f"{self.operand.type} has no features")

    def result_shape(self) -> Shape | None:
        shape, count = shape_of(self.operand), elements(self.indices)
        if shape is None:
            return None
        samples = shape[:-1] if len(shape) > 1 else (1,)
        return (*samples, DYNAMIC if count is None else count)


OPS: tuple[type[PfrtOp], ...] = (
    ArrayFeatureExtractorOp,
    BinarizerOp,
    FeatureVectorizerOp,
    ImputerOp,
    NormalizerOp,
    ScalerOp,
    *encoders.OPS,
    *maps.OPS,
)
"""The ops of this family."""

"""Maps, which some models of classical learning take and give."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import TensorType, f32, f64, i64
from xdsl.ir import Attribute
from xdsl.irdl import irdl_op_definition, operand_def, result_def

from pyflame_rt.dialects.pfrt.base import PfrtOp, TensorConstraint
from pyflame_rt.dialects.pfrt.constraints import int_property, string_property
from pyflame_rt.dialects.pfrt.containers import MapType, SequenceType, StringType, ValueConstraint
from pyflame_rt.dialects.pfrt.rows import array_of, array_property
from pyflame_rt.dialects.pfrt.types import (
    DYNAMIC,
    dtype_of,
    element_type,
    shape_of,
    tensor,
)

UNARY_FORMAT = "$operand custom<ValueNames>($names) attr-dict `:` type($operand) `->` type($result)"

_CAST_TO = {"TO_FLOAT": f32, "TO_INT64": i64, "TO_STRING": StringType()}


class MapOp(PfrtOp, ABC):
    """An op on maps."""

    TAKES_CONTAINERS: ClassVar[bool] = True

    def flops(self) -> int | None:
        """0: values are only handed on."""
        return 0


@irdl_op_definition
class CastMapOp(MapOp):
    """The values of a map from integers in the order of their keys, as one row.

    ```mlir
    %0 = pfrt.cast_map %m {cast_to = "TO_FLOAT"} : !pfrt.map<i64, !pfrt.string> -> tensor<1x?xf32>
    ```
    With `map_form` "SPARSE" the keys are places among `max_map`, the others of which are 0.

    C1: the operand is a map from i64 to strings or f32.
    C2: `cast_to` is "TO_FLOAT", "TO_STRING" or "TO_INT64".
    C3: `map_form` is "DENSE" or "SPARSE", and `max_map` is not negative.
    """

    name = "pfrt.cast_map"

    operand = operand_def(ValueConstraint)
    cast_to = string_property("TO_FLOAT")
    map_form = string_property("DENSE")
    max_map = int_property(1)
    result = result_def(TensorConstraint)

    assembly_format = UNARY_FORMAT

    def check(self) -> None:
        kind, to, form = self.operand.type, self.cast_to.data, self.map_form.data
        fits = isinstance(kind, MapType) and kind.key == i64 and kind.value in (StringType(), f32)
        self.require("C1", fits, f"cannot cast {kind}")
        self.require("C2", to in _CAST_TO, f'cannot cast to "{to}"')
        self.require("C3", form in ("DENSE", "SPARSE"), f'there is no form "{form}" of maps')
        most = self.max_map.value.data
        self.require("C3", most >= 0, f"max_map is {most}")

    def infer_types(self) -> Sequence[Attribute]:
        count = self.max_map.value.data if self.map_form.data == "SPARSE" else DYNAMIC
        return [TensorType(_CAST_TO[self.cast_to.data], (1, count))]


@irdl_op_definition
class DictVectorizerOp(MapOp):
    """A map's values in the order of a vocabulary, as one row; 0 or "" for what it does not have.

    ```mlir
    %0 = pfrt.dict_vectorizer %m {vocabulary = #pfrt.strings<[2], ["a", "b"]>} : !pfrt.map<!pfrt.string, f32> -> tensor<1x2xf32>
    ```
    C1: the operand is a map to i64, f32, f64 or strings.
    C2: `vocabulary` is a vector of what the keys are.
    """

    name = "pfrt.dict_vectorizer"

    operand = operand_def(ValueConstraint)
    vocabulary = array_property()
    result = result_def(TensorConstraint)

    assembly_format = UNARY_FORMAT

    def check(self) -> None:
        kind, words = self.operand.type, array_of(self, "vocabulary")
        fits = isinstance(kind, MapType) and kind.value in (i64, f32, f64, StringType())
        self.require("C1", fits, f"cannot take values from {kind}")
        if words is None or not isinstance(kind, MapType):
            return
        fits = words.ndim == 1 and element_type(words.dtype) == kind.key
        self.require("C2", fits, f"a vocabulary of {words.dtype} for {kind}")

    def infer_types(self) -> Sequence[Attribute]:
        words, kind = array_of(self, "vocabulary"), self.operand.type
        element = kind.value if isinstance(kind, MapType) else f32
        return [tensor(element, (1, DYNAMIC if words is None else words.size))]

    def kernel_properties(self) -> dict[str, Attribute]:
        """What is computed depends on the type of the map's values too."""
        kind = self.operand.type
        element = kind.value if isinstance(kind, MapType) else f32
        return {**super().kernel_properties(), "dtype": element}


@irdl_op_definition
class ZipMapOp(MapOp):
    """A map for each sample, from the labels of classes to their scores.

    ```mlir
    %0 = pfrt.zip_map %x {labels = #pfrt.strings<[2], ["no", "yes"]>} : tensor<?x2xf32> -> !pfrt.sequence<!pfrt.map<!pfrt.string, f32>>
    ```
    C1: x is samples by scores, or one sample, in f32.
    C2: `labels` is a vector of strings or i64, one for each score.
    """

    name = "pfrt.zip_map"

    operand = operand_def(TensorConstraint)
    labels = array_property()
    result = result_def(ValueConstraint)

    assembly_format = UNARY_FORMAT

    def check(self) -> None:
        shape, kind, labels = shape_of(self.operand), self.operand.type, array_of(self, "labels")
        rows = shape is None or len(shape) in (1, 2)
        self.require("C1", rows and dtype_of(self.operand).name == "float32", f"cannot zip {kind}")
        if labels is None:
            return
        fits = labels.ndim == 1 and labels.dtype.name in ("object", "int64")
        fits = fits and (shape is None or shape[-1] in (labels.size, DYNAMIC))
        self.require("C2", fits, f"{labels.size} labels of {labels.dtype} for {kind}")

    def infer_types(self) -> Sequence[Attribute]:
        labels, declared = array_of(self, "labels"), self.result.type
        # The text of a weight does not say of what type it is; the declared result does.
        if labels is None and isinstance(declared, SequenceType):
            return [declared]
        key = i64 if labels is None else element_type(labels.dtype)
        return [SequenceType(MapType(key, f32))]


OPS: tuple[type[PfrtOp], ...] = (CastMapOp, DictVectorizerOp, ZipMapOp)
"""The ops of this module, which belong to the family `features`."""

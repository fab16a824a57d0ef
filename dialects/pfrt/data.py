"""Constants, and ops that make or describe tensors: shape, size, cast, range."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Self, cast

import numpy as np
from xdsl.dialect_interfaces.constant_materialization import ConstantMaterializationInterface
from xdsl.dialects.builtin import (
    BytesAttr,
    DenseIntOrFPElementsAttr,
    IntegerAttr,
    LocationAttr,
    TensorType,
    f32,
    i64,
)
from xdsl.interfaces import HasFolderInterface
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import (
    AnyAttr,
    AnyOf,
    BaseAttr,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import ConstantLike

from pyflame_rt.dialects.pfrt.attributes import NamesAttr, StringsAttr, WeightAttr
from pyflame_rt.dialects.pfrt.base import PfrtOp, Shape, TensorConstraint, constant_of, elements
from pyflame_rt.dialects.pfrt.bit_cast import BitCastOp
from pyflame_rt.dialects.pfrt.constraints import (
    flag_property,
    int_property,
    optional_ints_property,
    string_property,
)
from pyflame_rt.dialects.pfrt.containers import StringType
from pyflame_rt.dialects.pfrt.literal import parse_literal, print_literal, typed_literal
from pyflame_rt.dialects.pfrt.parameters import (
    ShapeChangingOp,
    check_vector,
    known_ints,
    known_length,
)
from pyflame_rt.dialects.pfrt.types import (
    DYNAMIC,
    AnyTensor,
    Array,
    ConstantValue,
    constant_array,
    constant_attr,
    dtype_of,
    is_element_type,
    numpy_dtype,
    shape_of,
    static_shape_of,
    tensor_of,
    type_of,
)
from pyflame_rt.kernels.data import range_length
from pyflame_rt.kernels.sizes import MAX_BYTES

ConstantConstraint = AnyOf(
    (BaseAttr(DenseIntOrFPElementsAttr), BaseAttr(WeightAttr), BaseAttr(StringsAttr))
)
"""The attribute of a constant: dense, a handle to a weight, or texts."""


@irdl_op_definition
class ConstantOp(PfrtOp, HasFolderInterface):
    """A value known when the program is compiled: a small one as text, a large one as a weight.

    ```mlir
    %0 = pfrt.constant dense<[1, 2]> as "steps" : tensor<2xi64>
    %1 = pfrt.constant #pfrt.weight<"8c0d2b…"> as "fc.weight" : tensor<1000x2048xf32>
    ```
    C1: the type is static, and that of the value (of a weight, if it is at hand).
    """

    name = "pfrt.constant"

    value = prop_def(ConstantConstraint)
    result = result_def(TensorType)

    traits = traits_def(ConstantLike())

    @classmethod
    def get(
        cls,
        array: Array,
        *,
        names: Sequence[str] | None = None,
        location: LocationAttr | None = None,
    ) -> Self:
        """The constant of an array, which must not be written to afterwards."""
        op = cls.of(constant_attr(array), tensor_of(array), names=names, location=location)
        # Made of one array, it cannot say two things.
        op.remember(verified=True)
        return op

    @classmethod
    def of(
        cls,
        value: ConstantValue,
        kind: AnyTensor,
        *,
        names: Sequence[str] | None = None,
        location: LocationAttr | None = None,
    ) -> Self:
        """The constant of an attribute whose type is `kind`."""
        properties: dict[str, Attribute] = {"value": value}
        if names is not None and any(names):
            properties["names"] = NamesAttr.of(names)
        op = cls.build(operands=[], properties=properties, result_types=[kind])
        if location is not None:
            op.location = location
        return op

    @property
    def array(self) -> Array | None:
        """The values, read-only; None for a weight that is not at hand."""
        return constant_array(cast(ConstantValue, self.value))

    def infer_types(self) -> Sequence[Attribute]:
        match cast(ConstantValue, self.value):
            case WeightAttr(data=weight):
                return [tensor_of(weight.array) if weight.is_present else self.result.type]
            case StringsAttr(data=strings):
                return [TensorType(StringType(), strings.shape)]
            case dense:
                return [dense.type]

    def check(self) -> None:
        kind = cast("TensorType[Any]", self.result.type)
        if DYNAMIC in kind.get_shape():
            self.require("C1", False, f"the type {kind} is not static")
        (held,) = self.infer_types()
        if held != kind:
            self.require("C1", False, f"declared {kind}, but the value is a {held}")
        if isinstance(self.value, DenseIntOrFPElementsAttr):
            size = len(cast("DenseIntOrFPElementsAttr[Any]", self.value))
            if size not in (1, math.prod(kind.get_shape())):
                self.require("C1", False, f"{size} elements do not fill {kind}")

    def fold(self) -> Sequence[SSAValue | Attribute] | None:
        return (self.value,)

    def flops(self) -> int | None:
        return 0

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        literal = value = None
        if parser.parse_optional_keyword("dense") is not None:
            literal = parse_literal(parser)
        else:
            value = parser.parse_attribute()
        names = None
        if parser.parse_optional_keyword("as") is not None:
            names = [parser.parse_str_literal(" for a value's name")]
        attributes = parser.parse_optional_attr_dict()
        parser.parse_punctuation(":", " before the type of a constant")
        kind = parser.parse_type()
        if not isinstance(kind, TensorType):
            parser.raise_error(f"a constant is a tensor of static shape, not {kind}")
        kind = cast("TensorType[Any]", kind)
        if literal is not None:
            value = typed_literal(parser, literal, kind)
        if not isinstance(value, DenseIntOrFPElementsAttr | WeightAttr | StringsAttr):
            parser.raise_error(f"the value of a constant is dense, a weight or texts, not {value}")
        op = cls.of(cast(ConstantValue, value), kind, names=names)
        op.attributes.update(attributes)
        return op

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        if isinstance(self.value, WeightAttr | StringsAttr):
            printer.print_attribute(self.value)
        else:
            print_literal(printer, cast("DenseIntOrFPElementsAttr[Any]", self.value))
        if self.names is not None:
            printer.print_string(" as ")
            printer.print_list(self.names.data, printer.print_string_literal)
        printer.print_op_attributes(self.attributes)
        printer.print_string(" : ")
        printer.print_attribute(self.result.type)


class PfrtConstants(ConstantMaterializationInterface):
    """Makes the constants that folders return as attributes."""

    def materialize_constant(self, value: Attribute, type: Attribute) -> Operation | None:
        """A `pfrt.constant`; None when the attribute does not hold a value of that type."""
        if not isinstance(value, DenseIntOrFPElementsAttr | WeightAttr | StringsAttr):
            return None
        op = ConstantOp.of(cast(ConstantValue, value), cast(AnyTensor, type))
        return op if op.infer_types() == [type] else None


@irdl_op_definition
class ConstantOfShapeOp(ShapeChangingOp, HasFolderInterface):
    """A tensor of the given shape, filled with one value (0.0 : f32 if none is given).

    ```mlir
    %0 = pfrt.constant_of_shape %s {value = dense<1> : tensor<1xi64>} : (tensor<2xi64>) -> tensor<?x?xi64>
    ```
    C1: `shape` is a property, or an operand that is a vector of i64 or i32.
    C2: no dimension is negative.
    C3: `value` has one element.
    """

    name = "pfrt.constant_of_shape"

    shape_value = opt_operand_def(TensorConstraint)
    shape = optional_ints_property()
    value = opt_prop_def(ConstantConstraint)
    result = result_def(TensorConstraint)

    assembly_format = (
        "($shape_value^)? custom<ValueNames>($names) attr-dict"
        " `:` functional-type(operands, results)"
    )

    DYNAMIC_PROPERTIES: ClassVar[tuple[str, ...]] = ("shape",)

    def check(self) -> None:
        check_vector(self, "C1", "shape", required=True)
        shape = known_ints(self, "shape") or ()
        self.require("C2", min(shape, default=0) >= 0, f"shape {list(shape)} has a negative size")
        if self.value is not None:
            array = constant_array(cast(ConstantValue, self.value))
            self.require("C3", array is None or array.size == 1, "value must have one element")

    def result_dtype(self) -> Attribute:
        match cast(ConstantValue | None, self.value):
            case None:
                return f32
            case WeightAttr(data=weight):
                return (
                    tensor_of(weight.array).element_type
                    if weight.is_present
                    else type_of(self.result).element_type
                )
            case StringsAttr():
                return StringType()
            case dense:
                return dense.get_element_type()

    def result_shape(self) -> Shape | None:
        if (shape := known_ints(self, "shape")) is not None:
            return shape
        rank = known_length(self, "shape")
        return None if rank is None else (DYNAMIC,) * rank

    def fold(self) -> Sequence[SSAValue | Attribute] | None:
        """constant_of_shape() -> constant that holds one element for all, if the shape is known.

        What no kernel would make stays: it fails where it runs, if it does.
        """
        shape = static_shape_of(self.result)
        if self.operands or shape is None or 0 in shape:
            return None
        kind = type_of(self.result)
        if math.prod(shape) * numpy_dtype(kind.element_type).itemsize > MAX_BYTES:
            return None
        match self.value:
            case None:
                data = bytes(numpy_dtype(kind.element_type).itemsize)
            case DenseIntOrFPElementsAttr(data=BytesAttr(data=data)):
                pass
            case _:
                return None
        return [DenseIntOrFPElementsAttr(cast("TensorType[Any]", kind), BytesAttr(data))]


@irdl_op_definition
class ShapeOp(PfrtOp, HasFolderInterface):
    """The dimensions `start` (inclusive) to `end` (exclusive) of a tensor, as a vector.

    ```mlir
    %0 = pfrt.shape %x {start = 1 : i64} : tensor<?x3x8xf32> -> tensor<2xi64>
    ```
    Both count from the back when negative, and are clamped to the tensor's rank.
    """

    name = "pfrt.shape"

    operand = operand_def(TensorConstraint)
    start = int_property(0)
    end = opt_prop_def(IntegerAttr.constr(i64))
    result = result_def(TensorConstraint)

    assembly_format = (
        "$operand custom<ValueNames>($names) attr-dict `:` type($operand) `->` type($result)"
    )

    def _dimensions(self) -> Shape | None:
        """The dimensions in range, None when the rank is unknown."""
        shape = shape_of(self.operand)
        end = None if self.end is None else self.end.value.data
        return None if shape is None else shape[self.start.value.data : end]

    def infer_types(self) -> Sequence[Attribute]:
        dimensions = self._dimensions()
        return [TensorType(i64, [DYNAMIC if dimensions is None else len(dimensions)])]

    def fold(self) -> Sequence[SSAValue | Attribute] | None:
        """shape(x) -> constant, if the dimensions in range are static."""
        dimensions = self._dimensions()
        if dimensions is None or DYNAMIC in dimensions:
            return None
        return (constant_attr(np.array(dimensions, np.int64)),)

    def flops(self) -> int | None:
        return 0


@irdl_op_definition
class SizeOp(PfrtOp, HasFolderInterface):
    """The number of elements of a tensor, as a scalar.

    ```mlir
    %0 = pfrt.size %x : tensor<?x3xf32> -> tensor<i64>
    ```
    """

    name = "pfrt.size"

    operand = operand_def(TensorConstraint)
    result = result_def(TensorConstraint)

    assembly_format = (
        "$operand custom<ValueNames>($names) attr-dict `:` type($operand) `->` type($result)"
    )

    def infer_types(self) -> Sequence[Attribute]:
        return [TensorType(i64, [])]

    def fold(self) -> Sequence[SSAValue | Attribute] | None:
        """size(x) -> constant, if the shape is static."""
        count = elements(self.operand)
        fits = count is not None and count < 2**63
        return (constant_attr(np.array(count, np.int64)),) if fits else None

    def flops(self) -> int | None:
        return 0


@irdl_op_definition
class CastOp(PfrtOp, HasFolderInterface):
    """The elements converted to the type `to`.

    ```mlir
    %0 = pfrt.cast %x {to = f16} : tensor<4xf32> -> tensor<4xf16>
    ```
    Floats become integers by truncation (out of range: the nearest integer of the type, or the low
    bits where it has less than a byte; NaN: 0), integers wrap, anything but zero becomes true.
    `saturate` says whether what is too large for a float8 becomes its largest number, or else its
    infinity or NaN; `round_mode` ("up", "down", "nearest") is how f8E8M0FNU rounds.
    Floats become strings of at most eight digits, "NaN", "INF" or "-INF"; strings are read as
    decimal or scientific numbers, and what is none is an error, as is an integer out of range.

    C1: `to` is an element type; neither it nor the operand's is complex.
    C2: `round_mode` is "up", "down" or "nearest".
    """

    name = "pfrt.cast"

    ELEMENTWISE: ClassVar[bool] = True

    operand = operand_def(TensorConstraint)
    to = prop_def(AnyAttr())
    saturate = flag_property(True)
    round_mode = string_property("up")
    result = result_def(TensorConstraint)

    assembly_format = (
        "$operand custom<ValueNames>($names) attr-dict `:` type($operand) `->` type($result)"
    )

    def check(self) -> None:
        is_real = is_element_type(self.to) and numpy_dtype(self.to).kind != "c"
        self.require("C1", is_real, f"cannot cast to {self.to}")
        self.require("C1", dtype_of(self.operand).kind != "c", f"cannot cast {self.operand.type}")
        mode = self.round_mode.data
        self.require("C2", mode in ("up", "down", "nearest"), f'unknown round_mode "{mode}"')

    def result_dtype(self) -> Attribute:
        return self.to

    def result_shape(self) -> Shape | None:
        return shape_of(self.operand)

    def fold(self) -> Sequence[SSAValue | Attribute] | None:
        """cast(x : T, to T) -> x"""
        return (self.operand,) if self.operand.type == self.result.type else None


@irdl_op_definition
class RangeOp(PfrtOp):
    """The vector start, start + delta, start + 2 * delta, … up to `limit`, which it excludes.

    ```mlir
    %0 = pfrt.range %start, %limit, %delta : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
    ```
    C1: the operands are one number each, of one type: i16, i32, i64 or a float of at least 16 bits.
    C2: `stash_type` is 1: f16 and bf16 are computed in f32.
    C3: constant operands are finite and `delta` is not zero.
    """

    name = "pfrt.range"

    start = operand_def(TensorConstraint)
    limit = operand_def(TensorConstraint)
    delta = operand_def(TensorConstraint)
    stash_type = int_property(1)
    result = result_def(TensorConstraint)

    assembly_format = (
        "operands custom<ValueNames>($names) attr-dict `:` functional-type(operands, results)"
    )

    def check(self) -> None:
        allowed = ("int16", "int32", "int64", "float16", "bfloat16", "float32", "float64")
        for operand in self.operands:
            is_scalar = shape_of(operand) in (None, (), (1,), (DYNAMIC,))
            same = dtype_of(operand) == dtype_of(self.start)
            self.require(
                "C1",
                is_scalar and same and dtype_of(operand).name in allowed,
                f"needs scalars of one numeric type, got {operand.type}",
            )
        self.require("C2", self.stash_type.value.data == 1, "stash_type must be 1")
        try:
            self._length()
        except ValueError as error:
            self.require("C3", False, str(error))

    def _length(self) -> int | None:
        arrays = [constant_of(operand) for operand in self.operands]
        known = [array for array in arrays if array is not None and array.size == 1]
        return range_length(*known) if len(known) == len(arrays) else None

    def infer_types(self) -> Sequence[Attribute]:
        self.check()
        length = self._length()
        return [TensorType(self.result_dtype(), [DYNAMIC if length is None else length])]


OPS: tuple[type[PfrtOp], ...] = (
    ConstantOp,
    ConstantOfShapeOp,
    ShapeOp,
    SizeOp,
    CastOp,
    BitCastOp,
    RangeOp,
)

"""Sequences and optionals: values made of other values."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from typing import ClassVar, cast

from xdsl.dialects import builtin
from xdsl.dialects.builtin import UnrankedTensorType, i64
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    AnyAttr,
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    var_operand_def,
)
from xdsl.utils.exceptions import VerifyException

from pyflame_rt.dialects.pfrt.base import PfrtOp, TensorConstraint
from pyflame_rt.dialects.pfrt.constraints import can_be_one, flag_property, int_property
from pyflame_rt.dialects.pfrt.containers import OptionalType, SequenceType, ValueConstraint
from pyflame_rt.dialects.pfrt.control import stacked
from pyflame_rt.dialects.pfrt.lattice import join
from pyflame_rt.dialects.pfrt.types import (
    DYNAMIC,
    AnyTensor,
    dtype_of,
    is_element_type,
    is_tensor,
    is_value_type,
    shape_of,
    tensor,
    type_of,
)


def item_of(sequence: SSAValue) -> Attribute:
    """The type of a sequence's items. Raises VerifyException when the value is no sequence."""
    if not isinstance(sequence.type, SequenceType):
        raise VerifyException(f"needs a sequence, got {sequence.type}")
    return sequence.type.item


class SequenceOp(PfrtOp, ABC):
    """An op on sequences or optionals."""

    TAKES_CONTAINERS: ClassVar[bool] = True

    def flops(self) -> int | None:
        """0: values are only handed on."""
        return 0

    def require_position(self, constraint: str, position: SSAValue | None) -> None:
        """Require that a position, if given, holds one i64 or i32."""
        if position is None:
            return
        whole = dtype_of(position).name in ("int64", "int32")
        self.require(
            constraint, can_be_one(position) and whole, f"the position is a {position.type}"
        )


@irdl_op_definition
class SequenceConstructOp(SequenceOp):
    """The sequence of its operands.

    ```mlir
    %s = pfrt.sequence_construct %a, %b : tensor<2xf32>, tensor<3xf32> -> !pfrt.sequence<tensor<?xf32>>
    ```
    C1: there is at least one operand, and all have one element type.
    """

    name = "pfrt.sequence_construct"

    inputs = var_operand_def(TensorConstraint)
    result = result_def(ValueConstraint)

    assembly_format = (
        "$inputs custom<ValueNames>($names) attr-dict `:` type($inputs) `->` type($result)"
    )

    def check(self) -> None:
        kinds = {type_of(value).element_type for value in self.inputs}
        self.require("C1", len(kinds) == 1, f"{len(kinds)} element types in one sequence")

    def infer_types(self) -> Sequence[Attribute]:
        first, *rest = [value.type for value in self.inputs]
        for kind in rest:
            first = cast(Attribute, join(first, kind))
        return [SequenceType(first)]


@irdl_op_definition
class SequenceEmptyOp(SequenceOp):
    """A sequence without items.

    ```mlir
    %s = pfrt.sequence_empty {dtype = f32} : !pfrt.sequence<tensor<*xf32>>
    ```
    C1: `dtype` is an element type.
    """

    name = "pfrt.sequence_empty"

    dtype = prop_def(AnyAttr())
    result = result_def(ValueConstraint)

    assembly_format = "custom<ValueNames>($names) attr-dict `:` type($result)"

    def check(self) -> None:
        self.require("C1", is_element_type(self.dtype), f"no tensor can hold {self.dtype}")

    def infer_types(self) -> Sequence[Attribute]:
        return [SequenceType(tensor(self.dtype, None))]


@irdl_op_definition
class SequenceInsertOp(SequenceOp):
    """The sequence with a tensor inserted before the item at `position`; at the end without one.

    ```mlir
    %t = pfrt.sequence_insert %s, %x at %i : !pfrt.sequence<tensor<?xf32>>, tensor<4xf32> at tensor<i64> -> !pfrt.sequence<tensor<?xf32>>
    ```
    C1: the tensor has the element type of the sequence's items. C2: the position holds one i64 or
    i32; negative ones count from the back.
    """

    name = "pfrt.sequence_insert"

    sequence = operand_def(SequenceType)
    item = operand_def(TensorConstraint)
    position = opt_operand_def(TensorConstraint)
    result = result_def(ValueConstraint)

    assembly_format = (
        "$sequence `,` $item (`at` $position^)? custom<ValueNames>($names) attr-dict "
        "`:` type($sequence) `,` type($item) (`at` type($position)^)? `->` type($result)"
    )

    def check(self) -> None:
        held, kind = item_of(self.sequence), self.item.type
        self.require("C1", join(held, kind) is not None, f"a {kind} is no item of a list of {held}")
        self.require_position("C2", self.position)

    def infer_types(self) -> Sequence[Attribute]:
        joined = join(item_of(self.sequence), self.item.type)
        return [SequenceType(cast(Attribute, joined))]


@irdl_op_definition
class SequenceEraseOp(SequenceOp):
    """The sequence without the item at `position`, or without its last one.

    ```mlir
    %t = pfrt.sequence_erase %s at %i : !pfrt.sequence<tensor<?xf32>> at tensor<i64> -> !pfrt.sequence<tensor<?xf32>>
    ```
    C1: the position holds one i64 or i32; negative ones count from the back.
    """

    name = "pfrt.sequence_erase"

    sequence = operand_def(SequenceType)
    position = opt_operand_def(TensorConstraint)
    result = result_def(ValueConstraint)

    assembly_format = (
        "$sequence (`at` $position^)? custom<ValueNames>($names) attr-dict "
        "`:` type($sequence) (`at` type($position)^)? `->` type($result)"
    )

    def check(self) -> None:
        self.require_position("C1", self.position)

    def infer_types(self) -> Sequence[Attribute]:
        return [self.sequence.type]


@irdl_op_definition
class SequenceAtOp(SequenceOp):
    """The item at a position of a sequence.

    ```mlir
    %x = pfrt.sequence_at %s, %i : !pfrt.sequence<tensor<?xf32>>, tensor<i64> -> tensor<?xf32>
    ```
    C1: the position holds one i64 or i32; negative ones count from the back.
    """

    name = "pfrt.sequence_at"

    sequence = operand_def(SequenceType)
    position = operand_def(TensorConstraint)
    result = result_def(ValueConstraint)

    assembly_format = (
        "$sequence `,` $position custom<ValueNames>($names) attr-dict "
        "`:` type($sequence) `,` type($position) `->` type($result)"
    )

    def check(self) -> None:
        self.require_position("C1", self.position)

    def infer_types(self) -> Sequence[Attribute]:
        return [item_of(self.sequence)]


@irdl_op_definition
class SequenceLengthOp(SequenceOp):
    """The number of items of a sequence.

    ```mlir
    %n = pfrt.sequence_length %s : !pfrt.sequence<tensor<?xf32>> -> tensor<i64>
    ```
    """

    name = "pfrt.sequence_length"

    sequence = operand_def(SequenceType)
    result = result_def(TensorConstraint)

    assembly_format = (
        "$sequence custom<ValueNames>($names) attr-dict `:` type($sequence) `->` type($result)"
    )

    def infer_types(self) -> Sequence[Attribute]:
        return [tensor(i64, ())]


@irdl_op_definition
class SplitToSequenceOp(SequenceOp):
    """Consecutive parts of a tensor along an axis, as a sequence.

    `split` holds the length of each part, or as a scalar that of all but perhaps the last; without
    it the parts have length 1, and lose that dimension unless `keepdims`.

    ```mlir
    %s = pfrt.split_to_sequence %x {axis = 1 : i64} : tensor<2x6xf32> -> !pfrt.sequence<tensor<2x1xf32>>
    ```
    C1: the axis lies in the tensor's rank. C2: `split` is a scalar or vector of i64 or i32.
    """

    name = "pfrt.split_to_sequence"

    operand = operand_def(TensorConstraint)
    split = opt_operand_def(TensorConstraint)
    axis = int_property(0)
    keepdims = flag_property(True)
    result = result_def(ValueConstraint)

    assembly_format = (
        "$operand (`by` $split^)? custom<ValueNames>($names) attr-dict "
        "`:` type($operand) (`by` type($split)^)? `->` type($result)"
    )

    def check(self) -> None:
        shape, axis = shape_of(self.operand), self.axis.value.data
        inside = shape is None or -len(shape) <= axis < len(shape)
        self.require("C1", inside, f"axis {axis} is outside of {self.operand.type}")
        if self.split is None:
            return
        lengths = shape_of(self.split)
        self.require(
            "C2",
            dtype_of(self.split).name in ("int64", "int32")
            and (lengths is None or len(lengths) <= 1),
            f"split is a {self.split.type}",
        )

    def infer_types(self) -> Sequence[Attribute]:
        kind = type_of(self.operand)
        if isinstance(kind, UnrankedTensorType):
            return [SequenceType(kind)]
        shape, axis = list(kind.get_shape()), self.axis.value.data
        shape[axis] = DYNAMIC if self.split is not None else 1
        if self.split is None and not self.keepdims.value.data:
            del shape[axis]
        return [SequenceType(tensor(kind.element_type, shape))]


@irdl_op_definition
class ConcatFromSequenceOp(SequenceOp):
    """The items of a sequence, one after the other along an axis, or along a `new_axis`.

    ```mlir
    %x = pfrt.concat_from_sequence %s {axis = 0 : i64} : !pfrt.sequence<tensor<?x4xf32>> -> tensor<?x4xf32>
    ```
    C1: the items are tensors. C2: the axis lies in the result's rank.
    """

    name = "pfrt.concat_from_sequence"

    sequence = operand_def(SequenceType)
    axis = prop_def(builtin.IntegerAttr.constr(i64))
    new_axis = flag_property(False)
    result = result_def(TensorConstraint)

    assembly_format = (
        "$sequence custom<ValueNames>($names) attr-dict `:` type($sequence) `->` type($result)"
    )

    def _item(self) -> AnyTensor | None:
        item = item_of(self.sequence)
        return item if is_tensor(item) else None

    def check(self) -> None:
        item, axis = self._item(), self.axis.value.data
        if item is None:
            self.require("C1", False, f"the items are {item_of(self.sequence)}")
        elif not isinstance(item, UnrankedTensorType):
            rank = len(item.get_shape()) + bool(self.new_axis.value.data)
            self.require("C2", -rank <= axis < rank, f"axis {axis} is outside of {rank} dimensions")

    def infer_types(self) -> Sequence[Attribute]:
        item, axis = cast(AnyTensor, self._item()), self.axis.value.data
        if isinstance(item, UnrankedTensorType):
            return [item]
        if self.new_axis.value.data:
            return [stacked(item, DYNAMIC, axis)]
        shape = list(item.get_shape())
        shape[axis] = DYNAMIC
        return [tensor(item.element_type, shape)]


@irdl_op_definition
class OptionalOp(SequenceOp):
    """An optional that holds its operand, or nothing.

    ```mlir
    %0 = pfrt.optional %x : tensor<4xf32> -> !pfrt.optional<tensor<4xf32>>
    %1 = pfrt.optional {type = tensor<4xf32>} : -> !pfrt.optional<tensor<4xf32>>
    ```
    C1: exactly one of operand and `type` is there. C2: an optional can be of that type.
    """

    name = "pfrt.optional"

    operand = opt_operand_def(ValueConstraint)
    type = opt_prop_def(AnyAttr())
    result = result_def(ValueConstraint)

    assembly_format = (
        "($operand^)? custom<ValueNames>($names) attr-dict `:` (type($operand)^)? "
        "`->` type($result)"
    )

    def check(self) -> None:
        both = (self.operand is None) == (self.type is None)
        self.require("C1", not both, "needs either an operand or a type")
        (kind,) = self.infer_types()
        self.require("C2", is_value_type(kind), f"there is no {kind}")

    def infer_types(self) -> Sequence[Attribute]:
        kind = self.operand.type if self.operand is not None else self.type
        return [OptionalType(cast(Attribute, kind))]

    def kernel_properties(self) -> dict[str, Attribute]:
        """None: an empty optional is the same value whatever its type."""
        return {}


@irdl_op_definition
class OptionalHasElementOp(SequenceOp):
    """Whether an optional holds something; true of any other value, false of none.

    ```mlir
    %b = pfrt.optional_has_element %o : !pfrt.optional<tensor<4xf32>> -> tensor<i1>
    ```
    """

    name = "pfrt.optional_has_element"

    operand = opt_operand_def(ValueConstraint)
    result = result_def(TensorConstraint)

    assembly_format = (
        "($operand^)? custom<ValueNames>($names) attr-dict `:` (type($operand)^)? "
        "`->` type($result)"
    )

    def infer_types(self) -> Sequence[Attribute]:
        return [tensor(builtin.i1, ())]


@irdl_op_definition
class OptionalGetElementOp(SequenceOp):
    """What an optional holds; any other value itself.

    ```mlir
    %x = pfrt.optional_get_element %o : !pfrt.optional<tensor<4xf32>> -> tensor<4xf32>
    ```
    """

    name = "pfrt.optional_get_element"

    operand = operand_def(ValueConstraint)
    result = result_def(ValueConstraint)

    assembly_format = (
        "$operand custom<ValueNames>($names) attr-dict `:` type($operand) `->` type($result)"
    )

    def infer_types(self) -> Sequence[Attribute]:
        kind = self.operand.type
        return [kind.item if isinstance(kind, OptionalType) else kind]


OPS: tuple[type[IRDLOperation], ...] = (
    ConcatFromSequenceOp,
    OptionalGetElementOp,
    OptionalHasElementOp,
    OptionalOp,
    SequenceAtOp,
    SequenceConstructOp,
    SequenceEmptyOp,
    SequenceEraseOp,
    SequenceInsertOp,
    SequenceLengthOp,
    SplitToSequenceOp,
)
"""The ops of this family."""

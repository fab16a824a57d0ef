"""Control flow over slices of tensors and items of sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self, cast

from xdsl.dialects.builtin import DenseArrayBase, LocationAttr, UnrankedTensorType, i64
from xdsl.ir import Attribute, Region, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    opt_prop_def,
    region_def,
    var_operand_def,
    var_result_def,
)

from pyflame_rt.dialects.pfrt.base import TensorConstraint, normalize_axis
from pyflame_rt.dialects.pfrt.containers import SequenceType, ValueConstraint
from pyflame_rt.dialects.pfrt.control import (
    ControlOp,
    finals,
    require_carried,
    require_tensor,
    stacked,
    yielded,
)
from pyflame_rt.dialects.pfrt.lattice import compatible
from pyflame_rt.dialects.pfrt.types import DYNAMIC, AnyTensor, shape_of, tensor, type_of


@irdl_op_definition
class ScanOp(ControlOp):
    """Runs its region once for each slice of its inputs, as ONNX's Scan.

    The region takes the carried values and one slice of each scanned input, and yields the next
    carried values and one slice of each output. Results are the final carried values and the
    outputs, stacked. Input k is sliced along `scan_input_axes[k]` (0 by default), from the end when
    `scan_input_directions[k]` is 1; output k is stacked along `scan_output_axes[k]`, the first
    slice last when `scan_output_directions[k]` is 1.

    ```mlir
    %sum, %sums = pfrt.scan carry(%s) over(%xs) -> (tensor<2xf32>, tensor<3x2xf32>) {
    ^bb0(%state: tensor<2xf32>, %x: tensor<2xf32>):
      %n = pfrt.add %state, %x : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
      pfrt.yield %n, %n : tensor<2xf32>, tensor<2xf32>
    } : carry(tensor<2xf32>) over(tensor<3x2xf32>)
    ```
    C1: something is scanned, and the region takes an argument for each carried value and input.
    C2: it yields as many values as there are results. C3: an argument describes the initial and the
    yielded carried value. C4: an axis, if given, is given for all, lies in the tensor's rank; a
    direction is 0 or 1. C5: an argument describes a slice of its input. C6: inputs are equally long
    along their axes. C7: outputs are made of tensors.
    """

    name = "pfrt.scan"

    carried = var_operand_def(ValueConstraint)
    scanned = var_operand_def(TensorConstraint)
    scan_input_axes = opt_prop_def(DenseArrayBase.constr(i64))
    scan_input_directions = opt_prop_def(DenseArrayBase.constr(i64))
    scan_output_axes = opt_prop_def(DenseArrayBase.constr(i64))
    scan_output_directions = opt_prop_def(DenseArrayBase.constr(i64))
    outputs = var_result_def(ValueConstraint)
    body = region_def("single_block")

    irdl_options = (ParsePropInAttrDict(), AttrSizedOperandSegments(as_property=True))

    assembly_format = (
        "(`carry` `(` $carried^ `)`)? `over` `(` $scanned `)` "
        "`->` `(` type($outputs) `)` custom<ValueNames>($names) $body attr-dict "
        "`:` (`carry` `(` type($carried)^ `)`)? `over` `(` type($scanned) `)`"
    )

    @classmethod
    def get(
        cls,
        carried: Sequence[SSAValue],
        scanned: Sequence[SSAValue],
        body: Region,
        *,
        input_axes: Sequence[int] | None = None,
        input_directions: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
        output_directions: Sequence[int] | None = None,
        location: LocationAttr | None = None,
    ) -> Self:
        """Build with result types inferred from the region."""
        lists = {
            "scan_input_axes": input_axes,
            "scan_input_directions": input_directions,
            "scan_output_axes": output_axes,
            "scan_output_directions": output_directions,
        }
        op = cls.build(
            operands=[list(carried), list(scanned)],
            regions=[body],
            result_types=[[value.type for value in yielded(body)]],
            properties={
                name: DenseArrayBase.from_list(i64, list(items))
                for name, items in lists.items()
                if items is not None
            },
        )
        if location is not None:
            op.location = location
        op.check()
        op.set_inferred_types()
        return op

    def per_input(self, which: str) -> tuple[int, ...]:
        """One number for each scanned input; `which` is "axes" or "directions"."""
        return _numbers(getattr(self, f"scan_input_{which}"), len(self.scanned))

    def per_output(self, which: str) -> tuple[int, ...]:
        """One number for each stacked output."""
        count = len(self.results) - len(self.carried)
        return _numbers(getattr(self, f"scan_output_{which}"), count)

    def length(self) -> int:
        """How often the region runs, as far as the inputs' types say; `DYNAMIC` if they do not."""
        lengths = {
            shape[normalize_axis(axis, len(shape))]
            for value, axis in zip(self.scanned, self.per_input("axes"), strict=True)
            if (shape := shape_of(value)) is not None
        } - {DYNAMIC}
        self.require("C6", len(lengths) < 2, f"the inputs' lengths are {sorted(lengths)}")
        return lengths.pop() if lengths else DYNAMIC

    def infer_types(self) -> Sequence[Attribute]:
        values, count, length = yielded(self.body), len(self.carried), self.length()
        return [
            *finals(self, "C3", self.carried, values[:count]),
            *(
                stacked(type_of(value), length, axis)
                for value, axis in zip(values[count:], self.per_output("axes"), strict=True)
            ),
        ]

    def check(self) -> None:
        arguments, values = self.body.block.args, yielded(self.body)
        count = len(self.carried)
        self.require(
            "C1",
            len(self.scanned) > 0 and len(arguments) == count + len(self.scanned),
            f"{count} carried values and {len(self.scanned)} inputs, but {len(arguments)} arguments",
        )
        self.require(
            "C2",
            len(values) == len(self.results) >= count,
            f"{len(self.results)} results, but the region yields {len(values)} values",
        )
        require_carried(self, "C3", arguments[:count], self.carried, values[:count])
        for value in values[count:]:
            require_tensor(self, "C7", value)
        self._check_numbers("scan_input", self.scanned, 0)
        self._check_numbers("scan_output", values[count:], 1)
        for argument, value, axis in zip(
            arguments[count:], self.scanned, self.per_input("axes"), strict=True
        ):
            self.require(
                "C5",
                compatible(argument.type, slice_of(type_of(value), axis)),
                f"argument {argument.type} does not describe a slice of {value.type}",
            )
        self.length()

    def _check_numbers(self, which: str, values: Sequence[SSAValue], more: int) -> None:
        axes = getattr(self, f"{which}_axes")
        directions = getattr(self, f"{which}_directions")
        for name, given in (("axes", axes), ("directions", directions)):
            numbers = _numbers(given, len(values))
            self.require(
                "C4",
                len(numbers) == len(values),
                f"{len(numbers)} {which}_{name} for {len(values)} values",
            )
        self.require(
            "C4",
            set(_numbers(directions, 0)) <= {0, 1},
            f"{which}_directions are 0 and 1, not {list(_numbers(directions, 0))}",
        )
        for value, axis in zip(values, _numbers(axes, len(values)), strict=True):
            shape = shape_of(value)
            rank = None if shape is None else len(shape) + more
            self.require(
                "C4",
                rank is None or -rank <= axis < rank,
                f"axis {axis} is outside of {value.type}",
            )


def _numbers(given: DenseArrayBase[Any] | None, count: int) -> tuple[int, ...]:
    return (0,) * count if given is None else tuple(given.get_values())


def slice_of(kind: AnyTensor, axis: int) -> AnyTensor:
    """The type of a slice of a tensor along an axis."""
    if isinstance(kind, UnrankedTensorType):
        return kind
    shape = list(kind.get_shape())
    del shape[axis]
    return tensor(kind.element_type, shape)


@irdl_op_definition
class SequenceMapOp(ControlOp):
    """Runs its region for the items at each position of equally long sequences.

    The region takes one item of each and yields one item of each result.

    ```mlir
    %r = pfrt.sequence_map over(%s) -> (!pfrt.sequence<tensor<?xf32>>) {
    ^bb0(%x: tensor<?xf32>):
      %y = pfrt.neg %x : tensor<?xf32> -> tensor<?xf32>
      pfrt.yield %y : tensor<?xf32>
    } : over(!pfrt.sequence<tensor<?xf32>>)
    ```
    C1: there is a sequence, and the region takes an argument for each. C2: it yields as many values
    as there are results, tensors all. C3: an argument describes an item of its sequence.
    """

    name = "pfrt.sequence_map"

    sequences = var_operand_def(SequenceType)
    outputs = var_result_def(SequenceType)
    body = region_def("single_block")

    assembly_format = (
        "`over` `(` $sequences `)` `->` `(` type($outputs) `)` custom<ValueNames>($names) $body "
        "attr-dict `:` `over` `(` type($sequences) `)`"
    )

    @classmethod
    def get(
        cls, sequences: Sequence[SSAValue], body: Region, *, location: LocationAttr | None = None
    ) -> Self:
        """Build with result types inferred from the region."""
        op = cls.build(
            operands=[list(sequences)],
            regions=[body],
            result_types=[[SequenceType(value.type) for value in yielded(body)]],
        )
        if location is not None:
            op.location = location
        op.check()
        return op

    def infer_types(self) -> Sequence[Attribute]:
        return [SequenceType(value.type) for value in yielded(self.body)]

    def check(self) -> None:
        arguments, values = self.body.block.args, yielded(self.body)
        self.require(
            "C1",
            len(self.sequences) > 0 and len(arguments) == len(self.sequences),
            f"{len(self.sequences)} sequences, but {len(arguments)} region arguments",
        )
        self.require(
            "C2",
            len(values) == len(self.results),
            f"{len(self.results)} results, but the region yields {len(values)} values",
        )
        for value in values:
            require_tensor(self, "C2", value)
        for argument, sequence in zip(arguments, self.sequences, strict=True):
            item = cast(SequenceType, sequence.type).item
            self.require(
                "C3",
                compatible(argument.type, item),
                f"argument {argument.type} does not describe a {item}",
            )


OPS: tuple[type[IRDLOperation], ...] = (ScanOp, SequenceMapOp)
"""The ops of this family."""

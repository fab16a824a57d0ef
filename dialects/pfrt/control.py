"""Control flow: ops whose regions are graphs that see the values around them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self, cast

from xdsl.dialects import builtin
from xdsl.dialects.builtin import (
    LocationAttr,
    UnrankedTensorType,
    i64,
)
from xdsl.ir import Attribute, Region, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    lazy_traits_def,
    operand_def,
    opt_operand_def,
    region_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.traits import HasParent, IsTerminator, Pure, RecursiveMemoryEffect
from xdsl.utils.exceptions import VerifyException

from pyflame_rt.dialects.pfrt.attributes import NamesAttr
from pyflame_rt.dialects.pfrt.base import PfrtOp, TensorConstraint, normalize_axis
from pyflame_rt.dialects.pfrt.constraints import can_be_one
from pyflame_rt.dialects.pfrt.containers import ValueConstraint
from pyflame_rt.dialects.pfrt.lattice import compatible, join
from pyflame_rt.dialects.pfrt.types import DYNAMIC, AnyTensor, is_tensor, tensor, type_of


@irdl_op_definition
class YieldOp(IRDLOperation):
    """Ends a region of a control-flow op with the values that leave it.

    ```mlir
    pfrt.yield %y : tensor<4xf32>
    ```
    """

    name = "pfrt.yield"

    values = var_operand_def(ValueConstraint)

    assembly_format = "($values^ `:` type($values))? attr-dict"

    traits = lazy_traits_def(lambda: (IsTerminator(), Pure(), HasParent(*_parents())))

    def __init__(self, values: Sequence[SSAValue]):
        super().__init__(operands=[values])


def _parents() -> tuple[type[IRDLOperation], ...]:
    from pyflame_rt.dialects.pfrt.fused import FusedOp
    from pyflame_rt.dialects.pfrt.scan import ScanOp, SequenceMapOp

    return (FusedOp, IfOp, LoopOp, ScanOp, SequenceMapOp)


class ControlOp(PfrtOp):
    """An op with regions: effect-free when everything inside is."""

    traits = traits_def(RecursiveMemoryEffect())

    def flops(self) -> int | None:
        """Unknown: how often a region runs is decided at run time."""
        return None

    def bytes(self) -> int | None:
        """Unknown, as `flops`."""
        return None


def require_one(
    op: ControlOp, constraint: str, name: str, value: SSAValue | None, element: Attribute
) -> None:
    """Require that a value, if given, can hold one element, of that type."""
    if value is None:
        return
    kind = value.type
    op.require(
        constraint,
        is_tensor(kind) and kind.element_type == element and can_be_one(value),
        f"the {name} must hold one {element}, got {kind}",
    )


def require_tensor(op: ControlOp, constraint: str, value: SSAValue) -> None:
    """Require that a value is a tensor."""
    op.require(constraint, is_tensor(value.type), f"needs a tensor, got {value.type}")


def require_carried(
    op: ControlOp,
    constraint: str,
    arguments: Sequence[SSAValue],
    initial: Sequence[SSAValue],
    values: Sequence[SSAValue],
) -> None:
    """Require that a region's arguments describe what is carried into and around a loop."""
    for argument, before, after in zip(arguments, initial, values, strict=True):
        op.require(
            constraint,
            compatible(argument.type, before.type) and compatible(argument.type, after.type),
            f"argument {argument.type} does not describe {before.type} and {after.type}",
        )


def finals(
    op: ControlOp, constraint: str, initial: Sequence[SSAValue], values: Sequence[SSAValue]
) -> list[Attribute]:
    """The types of carried values after a loop: those of the initial and the yielded ones."""
    kinds: list[Attribute] = []
    for before, after in zip(initial, values, strict=True):
        kind = join(before.type, after.type)
        if kind is None:
            raise VerifyException(f"{op.name}: {constraint}: {before.type} becomes {after.type}")
        kinds.append(kind)
    return kinds


def stacked(kind: AnyTensor, length: int, axis: int) -> AnyTensor:
    """The type of tensors of one type stacked along a new axis of that length."""
    if isinstance(kind, UnrankedTensorType):
        return kind
    shape = list(kind.get_shape())
    shape.insert(normalize_axis(axis, len(shape) + 1), length)
    return tensor(kind.element_type, shape)


def yielded(region: Region) -> tuple[SSAValue, ...]:
    """The values that leave a region through its `pfrt.yield`."""
    last = region.block.last_op
    return tuple(last.operands) if isinstance(last, YieldOp) else ()


@irdl_op_definition
class IfOp(ControlOp):
    """Runs one of two regions and returns what it yields.

    ```mlir
    %y = pfrt.if %c -> (tensor<4xf32>) {
      pfrt.yield %a : tensor<4xf32>
    } else {
      pfrt.yield %b : tensor<4xf32>
    } : tensor<i1>
    ```
    C1: the condition holds one boolean. C2: both regions yield as many values as there are results.
    C3: what the regions yield has one kind and element type per result.
    """

    name = "pfrt.if"

    condition = operand_def(TensorConstraint)
    outputs = var_result_def(ValueConstraint)
    then_region = region_def("single_block")
    else_region = region_def("single_block")

    assembly_format = (
        "$condition `->` `(` type($outputs) `)` custom<ValueNames>($names) "
        "$then_region `else` $else_region attr-dict `:` type($condition)"
    )

    @classmethod
    def get(
        cls,
        condition: SSAValue,
        then_region: Region,
        else_region: Region,
        *,
        names: Sequence[str] | None = None,
        location: LocationAttr | None = None,
    ) -> Self:
        """Build with result types inferred from what the regions yield."""
        op = cls.build(
            operands=[condition],
            regions=[then_region, else_region],
            result_types=[[value.type for value in yielded(then_region)]],
            properties={"names": NamesAttr.of(names)} if names and any(names) else {},
        )
        if location is not None:
            op.location = location
        op.set_inferred_types()
        return op

    def infer_types(self) -> Sequence[Attribute]:
        pairs = zip(yielded(self.then_region), yielded(self.else_region), strict=True)
        return [self._joined(a, b) for a, b in pairs]

    def check(self) -> None:
        require_one(self, "C1", "condition", self.condition, builtin.i1)
        then_values, else_values = yielded(self.then_region), yielded(self.else_region)
        self.require(
            "C2",
            len(then_values) == len(else_values) == len(self.results),
            f"{len(self.results)} results, but the regions yield {len(then_values)} and {len(else_values)}",
        )
        for a, b in zip(then_values, else_values, strict=True):
            self._joined(a, b)

    def _joined(self, a: SSAValue, b: SSAValue) -> Attribute:
        joined = join(a.type, b.type)
        why = f"the regions yield {a.type} and {b.type} for one result"
        self.require("C3", joined is not None, why)
        return cast(Attribute, joined)


@irdl_op_definition
class LoopOp(ControlOp):
    """Runs its region while a condition holds, at most `trip_count` times, as ONNX's Loop.

    The region takes the iteration number (i64), the condition (i1) and the carried values, and
    yields the next condition, the next carried values, and one value for each scan output. Results
    are the final carried values and the scan outputs, stacked along a new first axis.

    ```mlir
    %n, %s = pfrt.loop trip(%m) while(%c) carry(%x) -> (tensor<4xf32>, tensor<?x4xf32>) {
    ^bb0(%i: tensor<i64>, %cond: tensor<i1>, %v: tensor<4xf32>):
      %w = pfrt.neg %v : tensor<4xf32> -> tensor<4xf32>
      pfrt.yield %cond, %w, %w : tensor<i1>, tensor<4xf32>, tensor<4xf32>
    } : trip tensor<i64> while tensor<i1> carry(tensor<4xf32>)
    ```
    C1: the region takes 2 + (number of carried values) arguments. C2: it yields 1 + (number of
    results) values. C3: a carried value keeps its element type, and its argument's type describes
    both the initial and the yielded value. C4: the trip count and the iteration hold one i64, each
    condition one i1. C5: scan outputs are made of tensors.
    """

    name = "pfrt.loop"

    trip_count = opt_operand_def(TensorConstraint)
    condition = opt_operand_def(TensorConstraint)
    carried = var_operand_def(ValueConstraint)
    outputs = var_result_def(ValueConstraint)
    body = region_def("single_block")

    irdl_options = (ParsePropInAttrDict(), AttrSizedOperandSegments(as_property=True))

    assembly_format = (
        "(`trip` `(` $trip_count^ `)`)? (`while` `(` $condition^ `)`)? (`carry` `(` $carried^ `)`)? "
        "`->` `(` type($outputs) `)` custom<ValueNames>($names) $body attr-dict "
        "`:` (`trip` type($trip_count)^)? (`while` type($condition)^)? (`carry` `(` type($carried)^ `)`)?"
    )

    @classmethod
    def get(
        cls,
        trip_count: SSAValue | None,
        condition: SSAValue | None,
        carried: Sequence[SSAValue],
        body: Region,
        *,
        names: Sequence[str] | None = None,
        location: LocationAttr | None = None,
    ) -> Self:
        """Build with result types inferred from the region."""
        op = cls.build(
            operands=[
                [] if trip_count is None else [trip_count],
                [] if condition is None else [condition],
                list(carried),
            ],
            regions=[body],
            result_types=[[value.type for value in yielded(body)[1:]]],
            properties={"names": NamesAttr.of(names)} if names and any(names) else {},
        )
        if location is not None:
            op.location = location
        op.check()
        op.set_inferred_types()
        return op

    def infer_types(self) -> Sequence[Attribute]:
        values = yielded(self.body)[1:]
        count = len(self.carried)
        return [
            *finals(self, "C3", self.carried, values[:count]),
            *(stacked(type_of(value), DYNAMIC, 0) for value in values[count:]),
        ]

    def check(self) -> None:
        arguments, values = self.body.block.args, yielded(self.body)
        count = len(self.carried)
        self.require(
            "C1",
            len(arguments) == 2 + count,
            f"{count} carried values need {2 + count} region arguments, got {len(arguments)}",
        )
        self.require(
            "C2",
            len(values) == 1 + len(self.results) and len(self.results) >= count,
            f"{len(self.results)} results need {1 + len(self.results)} yielded values, got {len(values)}",
        )
        require_carried(self, "C3", arguments[2:], self.carried, values[1 : 1 + count])
        for value in values[1 + count :]:
            require_tensor(self, "C5", value)
        require_one(self, "C4", "trip count", self.trip_count, i64)
        require_one(self, "C4", "condition", self.condition, builtin.i1)
        require_one(self, "C4", "iteration", arguments[0], i64)
        require_one(self, "C4", "region's condition", arguments[1], builtin.i1)
        require_one(self, "C4", "yielded condition", values[0], builtin.i1)


OPS: tuple[type[IRDLOperation], ...] = (IfOp, LoopOp, YieldOp)
"""The ops of this family."""

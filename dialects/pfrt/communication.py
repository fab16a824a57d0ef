"""Values that travel between devices: what the host of a partitioned model does.

An op stands for all devices that take part: it has the parts of all of them, and in one process it
computes what they get. `passes/partitioning` puts these ops between the devices' functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Attribute
from xdsl.irdl import (
    AttrSizedOperandSegments,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    prop_def,
    result_def,
    var_operand_def,
    var_result_def,
)
from xdsl.utils.exceptions import VerifyException

from pyflame_rt.dialects.pfrt.base import PfrtOp, Shape, TensorConstraint, normalize_axis
from pyflame_rt.dialects.pfrt.constraints import (
    int_property,
    ints,
    require_axis,
    require_numbers,
    require_same_element,
    required_ints_property,
)
from pyflame_rt.dialects.pfrt.containers import ValueConstraint
from pyflame_rt.dialects.pfrt.lattice import compatible
from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of, tensor, type_of
from pyflame_rt.kernels.communication import bounds


class CommunicationOp(PfrtOp):
    """What all of them have: no arithmetic to speak of."""

    def flops(self) -> int | None:
        """What takes time is the way."""
        return 0


class _Moved(CommunicationOp):
    """One value, unchanged."""

    TAKES_CONTAINERS: ClassVar[bool] = True

    def infer_types(self) -> Sequence[Attribute]:
        return [self.operands[0].type]


@irdl_op_definition
class SendOp(_Moved):
    """A value leaves the device `source` for `destination`; the result is what is on its way.

    ```mlir
    %0 = pfrt.send %x {source = "numpy:0", destination = "numpy:1"} : tensor<2x3xf32> -> tensor<2x3xf32>
    ```
    C1: the devices are two.
    """

    name = "pfrt.send"

    operand = operand_def(ValueConstraint)
    result = result_def(ValueConstraint)
    source = prop_def(StringAttr)
    destination = prop_def(StringAttr)

    assembly_format = (
        "$operand custom<ValueNames>($names) attr-dict `:` type($operand) `->` type($result)"
    )

    def check(self) -> None:
        self.require("C1", self.source != self.destination, f"{self.source} sends to itself")


@irdl_op_definition
class ReceiveOp(_Moved):
    """A value that was sent to the device `destination` is there.

    ```mlir
    %0 = pfrt.send %x {source = "numpy:0", destination = "numpy:1"} : tensor<2x3xf32> -> tensor<2x3xf32>
    %1 = pfrt.receive %0 {destination = "numpy:1"} : tensor<2x3xf32> -> tensor<2x3xf32>
    ```
    C1: it was sent there.
    """

    name = "pfrt.receive"

    operand = operand_def(ValueConstraint)
    result = result_def(ValueConstraint)
    destination = prop_def(StringAttr)

    assembly_format = (
        "$operand custom<ValueNames>($names) attr-dict `:` type($operand) `->` type($result)"
    )

    def check(self) -> None:
        sent = self.operand.owner
        if isinstance(sent, SendOp):
            there = sent.destination
            self.require("C1", there == self.destination, f"the value was sent to {there}")


@irdl_op_definition
class BroadcastOp(CommunicationOp):
    """Each device gets the value: a result for each.

    ```mlir
    %0, %1 = pfrt.broadcast %x : (tensor<2x3xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>)
    ```
    C1: there is at least one device.
    """

    name = "pfrt.broadcast"

    operand = operand_def(TensorConstraint)
    parts = var_result_def(TensorConstraint)

    assembly_format = (
        "$operand custom<ValueNames>($names) attr-dict `:` functional-type(operands, results)"
    )

    def check(self) -> None:
        self.require("C1", len(self.results) > 0, "no device gets it")

    def infer_types(self) -> Sequence[Attribute]:
        return [self.operand.type] * len(self.results)

    def kernel_properties(self) -> dict[str, Attribute]:
        """The number of results, which is no property of the op."""
        from pyflame_rt.dialects.pfrt.types import to_property

        return {**super().kernel_properties(), "count": to_property(len(self.results))}


@irdl_op_definition
class ScatterOp(CommunicationOp):
    """Each device gets a slice along `axis`: a result for each.

    ```mlir
    %0, %1 = pfrt.scatter_slices %x {axis = 0 : i64, sizes = array<i64: 2, 1>} : (tensor<3x4xf32>) -> (tensor<2x4xf32>, tensor<1x4xf32>)
    ```
    `sizes` are those of the slices if they add up to the dimension, else shares of it: no slice is
    empty while there is an element for each; where there is none, the last one stands in.

    C1: `axis` is one of the dimensions.
    C2: there is a size above zero for each result.
    """

    name = "pfrt.scatter_slices"

    operand = operand_def(TensorConstraint)
    axis = int_property(0)
    sizes = required_ints_property()
    parts = var_result_def(TensorConstraint)

    assembly_format = (
        "$operand custom<ValueNames>($names) attr-dict `:` functional-type(operands, results)"
    )

    @classmethod
    def _with_placeholders(
        cls, operands: Sequence[object], properties: object, placeholder: Attribute, names: object
    ) -> Self:
        """As many results as sizes."""
        count = len(ints(properties["sizes"]))  # pyright: ignore
        return cls.build(
            operands=operands,  # pyright: ignore
            properties=properties,  # pyright: ignore
            result_types=[[placeholder] * count],
        )

    def check(self) -> None:
        require_axis(self, "C1", self.axis.value.data, self.operand)
        sizes = ints(self.sizes)
        fits = len(sizes) == len(self.results) and min(sizes, default=0) > 0
        self.require("C2", fits, f"the sizes {list(sizes)} of {len(self.results)} results")

    def infer_types(self) -> Sequence[Attribute]:
        shape, sizes = shape_of(self.operand), ints(self.sizes)
        element = type_of(self.operand).element_type
        if shape is None:
            return [tensor(element, None)] * len(sizes)
        axis = normalize_axis(self.axis.value.data, len(shape))
        dim = shape[axis]
        if dim == DYNAMIC:
            lengths = [DYNAMIC] * len(sizes)
        else:
            lengths = [stop - start for start, stop in bounds(dim, sizes)]
        return [tensor(element, (*shape[:axis], n, *shape[axis + 1 :])) for n in lengths]


@irdl_op_definition
class AllGatherOp(CommunicationOp):
    """The slices of all devices one after another along `axis`, which each of them gets.

    ```mlir
    %0 = pfrt.all_gather %a, %b {axis = 0 : i64} : tensor<2x4xf32>, tensor<1x4xf32> -> tensor<3x4xf32>
    ```
    With `of` the result is cut to the first dimension of that value, of which the slices are made:
    what `pfrt.scatter_slices` put in for devices without an element goes.

    C1: there is a slice, and all slices hold one type.
    C2: `axis` is one of the dimensions.
    C3: the slices have one rank and, but for `axis`, the same dimensions.
    """

    name = "pfrt.all_gather"

    parts = var_operand_def(TensorConstraint)
    of = opt_operand_def(TensorConstraint)
    axis = int_property(0)
    result = result_def(TensorConstraint)

    irdl_options = (ParsePropInAttrDict(), AttrSizedOperandSegments(as_property=True))
    assembly_format = (
        "$parts (`of` $of^)? custom<ValueNames>($names) attr-dict"
        " `:` type($parts) (`of` type($of)^)? `->` type($result)"
    )

    def check(self) -> None:
        self.require("C1", len(self.parts) > 0, "gathers nothing")
        require_same_element(self, "C1", *self.parts)
        for part in self.parts:
            require_axis(self, "C2", self.axis.value.data, part)
        try:
            self.result_shape()
        except VerifyException as error:
            self.require("C3", False, str(error))

    def result_dtype(self) -> Attribute:
        return type_of(self.parts[0]).element_type

    def result_shape(self) -> Shape | None:
        shapes = [shape_of(part) for part in self.parts]
        found = [shape for shape in shapes if shape is not None]
        if len(found) < len(shapes):
            return None
        rank = len(found[0])
        axis = normalize_axis(self.axis.value.data, rank)
        rows = [shape[axis] for shape in found if len(shape) == rank]
        element = self.result_dtype()
        for shape in found:
            level = (*shape[:axis], DYNAMIC, *shape[axis + 1 :])
            if len(shape) != rank or not compatible(
                tensor(element, level),
                tensor(element, (*found[0][:axis], DYNAMIC, *found[0][axis + 1 :])),
            ):
                raise VerifyException(f"slices of shapes {list(found[0])} and {list(shape)}")
        whole = None if self.of is None else shape_of(self.of)
        if self.of is not None:
            length = whole[0] if whole else DYNAMIC
        else:
            length = DYNAMIC if DYNAMIC in rows else sum(rows)
        others = [
            next((d for d in dims if d != DYNAMIC), DYNAMIC) for dims in zip(*found, strict=True)
        ]
        return (*others[:axis], length, *others[axis + 1 :])


@irdl_op_definition
class AllReduceOp(CommunicationOp):
    """The sum of what all devices have, which each of them gets; added in order.

    ```mlir
    %0 = pfrt.all_reduce %a, %b : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
    ```
    C1: there is a part, and all parts are numbers of one type.
    """

    name = "pfrt.all_reduce"

    parts = var_operand_def(TensorConstraint)
    result = result_def(TensorConstraint)

    assembly_format = (
        "$parts custom<ValueNames>($names) attr-dict `:` functional-type(operands, results)"
    )

    def check(self) -> None:
        self.require("C1", len(self.parts) > 0, "adds nothing")
        require_numbers(self, "C1", *self.parts)
        first = self.parts[0]
        for part in self.parts:
            self.require(
                "C1",
                compatible(type_of(part), type_of(first)),
                f"adds {first.type} and {part.type}",
            )

    def result_shape(self) -> Shape | None:
        return shape_of(self.parts[0])

    def flops(self) -> int | None:
        """An addition for each element of each part but the first."""
        count = super(CommunicationOp, self).flops()
        return None if count is None else count * (len(self.parts) - 1)


OPS: tuple[type[PfrtOp], ...] = (
    AllGatherOp,
    AllReduceOp,
    BroadcastOp,
    ReceiveOp,
    ScatterOp,
    SendOp,
)

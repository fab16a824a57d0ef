"""Data layouts: ops that say in which order the dimensions of their data lie.

In the layout L an op means to(L, op(from(L, x), …)): its parameters and properties stay those of
"nchw", N x C x spatial. "nhwc" is N x spatial x C; "nc4hw4" is N x ceil(C/4) x spatial x 4.
"""

from __future__ import annotations

from abc import ABC

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, opt_prop_def, result_def

from pyflame_rt.dialects.pfrt.base import PfrtOp, Shape, TensorConstraint
from pyflame_rt.dialects.pfrt.constraints import int_property, require_rank
from pyflame_rt.dialects.pfrt.parameters import ShapeChangingOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of
from pyflame_rt.kernels.layouts import LAYOUTS, PACK

UNARY_FORMAT = "$operand custom<ValueNames>($names) attr-dict `:` type($operand) `->` type($result)"


def blocks_of(channels: int) -> int:
    """How many blocks of "nc4hw4" hold the channels."""
    return DYNAMIC if channels == DYNAMIC else -(-channels // PACK)


def nchw_shape(value: SSAValue, layout: str) -> Shape | None:
    """The shape of a value in a layout as N x C x spatial."""
    shape = shape_of(value)
    if shape is None or len(shape) < 3:
        return shape
    match layout:
        case "nhwc":
            return (shape[0], shape[-1], *shape[1:-1])
        case "nc4hw4":
            blocks = shape[1]
            return (shape[0], DYNAMIC if blocks == DYNAMIC else blocks * PACK, *shape[2:-1])
        case _:
            return shape


class LayoutOp(PfrtOp, ABC):
    """An op on N x C x spatial data that may lie in another `layout`; absent, it is "nchw"."""

    layout = opt_prop_def(StringAttr)

    @property
    def data_layout(self) -> str:
        """The layout of the data."""
        return "nchw" if self.layout is None else self.layout.data

    def kernel_properties(self) -> dict[str, Attribute]:
        """As every op's, without the layout that kernels have by default."""
        properties = super().kernel_properties()
        if self.data_layout == "nchw":
            properties.pop("layout", None)
        return properties

    def check_layout(self, constraint: str, data: SSAValue) -> None:
        """Require that the layout is known and that the data has dimensions for it."""
        layout = self.data_layout
        if layout not in LAYOUTS:
            why = f'layout is one of {", ".join(LAYOUTS)}, not "{layout}"'
            self.require(constraint, False, why)
        shape = shape_of(data)
        if layout != "nc4hw4" or shape is None:
            return
        if len(shape) < 3 or shape[-1] not in (PACK, DYNAMIC):
            self.require(constraint, False, f"{data.type} is not in the layout {layout}")

    def nchw_shape(self, value: SSAValue) -> Shape | None:
        """The shape of a value in this layout as N x C x spatial.

        What fills up "nc4hw4" counts as channels.
        """
        return nchw_shape(value, self.data_layout)

    def in_layout(self, shape: Shape) -> Shape:
        """N x C x spatial in this layout."""
        match self.data_layout:
            case "nhwc":
                return (shape[0], *shape[2:], shape[1])
            case "nc4hw4":
                return (shape[0], blocks_of(shape[1]), *shape[2:], PACK)
            case _:
                return shape

    def holds_channels(self, found: int, wanted: int) -> bool:
        """Whether data of `found` channels can be that of `wanted` ones."""
        if DYNAMIC in (found, wanted):
            return True
        return found == (blocks_of(wanted) * PACK if self.data_layout == "nc4hw4" else wanted)


@irdl_op_definition
class PackChannelsOp(ShapeChangingOp):
    """N x C x spatial to N x ceil(C/4) x spatial x 4, the layout "nc4hw4", filled up with 0.

    ```mlir
    %y = pfrt.pack_channels %x : tensor<?x6x8x8xf32> -> tensor<?x2x8x8x4xf32>
    ```
    C1: x has at least 2 dimensions.
    """

    name = "pfrt.pack_channels"

    operand = operand_def(TensorConstraint)
    result = result_def(TensorConstraint)

    assembly_format = UNARY_FORMAT

    def check(self) -> None:
        require_rank(self, "C1", self.operand, 2)

    def result_shape(self) -> Shape | None:
        shape = shape_of(self.operand)
        return None if shape is None else (shape[0], blocks_of(shape[1]), *shape[2:], PACK)


@irdl_op_definition
class UnpackChannelsOp(ShapeChangingOp):
    """N x ceil(C/4) x spatial x 4 to N x C x spatial: `pack_channels` undone.

    ```mlir
    %y = pfrt.unpack_channels %x {channels = 6 : i64} : tensor<?x2x8x8x4xf32> -> tensor<?x6x8x8xf32>
    ```
    C1: x has at least 3 dimensions, of which the last is 4.
    C2: x has the blocks that `channels` need.
    """

    name = "pfrt.unpack_channels"

    operand = operand_def(TensorConstraint)
    channels = int_property()
    result = result_def(TensorConstraint)

    assembly_format = UNARY_FORMAT

    def check(self) -> None:
        require_rank(self, "C1", self.operand, 3)
        shape, channels = shape_of(self.operand), self.channels.value.data
        if shape is None:
            return
        self.require(
            "C1", shape[-1] in (PACK, DYNAMIC), f"{self.operand.type} does not end in {PACK}"
        )
        fits = channels >= 0 and shape[1] in (blocks_of(channels), DYNAMIC)
        self.require("C2", fits, f"{channels} channels do not lie in {self.operand.type}")

    def result_shape(self) -> Shape | None:
        shape = shape_of(self.operand)
        return None if shape is None else (shape[0], self.channels.value.data, *shape[2:-1])


OPS: tuple[type[PfrtOp], ...] = (PackChannelsOp, UnpackChannelsOp)

"""Windows laid out as columns: bent before they are multiplied, or put back where they were."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    result_def,
)

from pyflame_rt.dialects.pfrt.base import PfrtOp, Shape, TensorConstraint, elements
from pyflame_rt.dialects.pfrt.broadcasting import BOOLS, NUMBERS
from pyflame_rt.dialects.pfrt.constraints import (
    int_property,
    ints,
    ints_property,
    optional_ints_property,
    require_floats,
    require_rank,
    require_same_element,
    require_shape,
)
from pyflame_rt.dialects.pfrt.heads import known, product, quotient
from pyflame_rt.dialects.pfrt.parameters import check_vector, known_ints, known_length
from pyflame_rt.dialects.pfrt.types import DYNAMIC, dtype_of, shape_of, tensor, type_of
from pyflame_rt.dialects.pfrt.windowed import WindowedOp
from pyflame_rt.kernels.windows import window_axes


@irdl_op_definition
class DeformConvOp(WindowedOp):
    """A convolution whose taps lie `offset` beside their places, and count `mask` times.

    ```mlir
    %0 = pfrt.deform_conv %x, %w, %o bias(%b : tensor<16xf32>) {pads = array<i64: 1, 1, 1, 1>} : (tensor<?x3x8x8xf32>, tensor<16x3x3x3xf32>, tensor<?x18x8x8xf32>) -> tensor<?x16x8x8xf32>
    ```
    The channels of offset and mask list groups of x's channels that share them, then the window's
    taps, then (offset only) the spatial axes. Between elements x is interpolated linearly; outside
    it is 0.

    C1: x has at least 3 dimensions.
    C2: w has as many dimensions as x; strides and dilations have one entry a spatial axis, pads two.
    C3: window, strides and dilations are at least 1, pads at least 0.
    C4: `auto_pad` is "NOTSET", "SAME_UPPER", "SAME_LOWER" or "VALID".
    C5: the window fits into the padded tensor.
    C6: all operands hold floats of one type.
    C7: group is at least 1 and divides M; x has group times as many channels as w.
    C8: the bias has M elements.
    C9: offset_group is at least 1 and divides x's channels.
    C10: offset is N x (offset_group x taps x axes) x result, mask N x (offset_group x taps) x result.
    """

    name = "pfrt.deform_conv"

    x = operand_def(TensorConstraint)
    w = operand_def(TensorConstraint)
    offset = operand_def(TensorConstraint)
    bias = opt_operand_def(TensorConstraint)
    mask = opt_operand_def(TensorConstraint)
    result = result_def(TensorConstraint)
    group = int_property(1)
    offset_group = int_property(1)

    irdl_options = (ParsePropInAttrDict(), AttrSizedOperandSegments(as_property=True))
    assembly_format = (
        "$x `,` $w `,` $offset (`bias` `(` $bias^ `:` type($bias) `)`)?"
        " (`mask` `(` $mask^ `:` type($mask) `)`)? custom<ValueNames>($names) attr-dict"
        " `:` `(` type($x) `,` type($w) `,` type($offset) `)` `->` type($result)"
    )

    @property
    def data(self) -> SSAValue:
        return self.x

    @property
    def window(self) -> Shape | None:
        weights = shape_of(self.w)
        return None if weights is None else weights[2:]

    def check(self) -> None:
        require_rank(self, "C2", self.w, 3)
        super().check()
        operands = (self.x, self.w, self.offset, self.bias, self.mask)
        require_floats(self, "C6", *operands)
        require_same_element(self, "C6", *operands)
        group, sharing = self.group.value.data, self.offset_group.value.data
        self.require("C7", group >= 1, f"group must be at least 1, got {group}")
        self.require("C9", sharing >= 1, f"offset_group must be at least 1, got {sharing}")
        x, w = shape_of(self.x), shape_of(self.w)
        channels = DYNAMIC if x is None else x[1]
        splits = channels == DYNAMIC or channels % sharing == 0
        self.require("C9", splits, f"{sharing} offset groups do not divide {channels} channels")
        if w is None:
            return
        splits = w[0] == DYNAMIC or w[0] % group == 0
        self.require("C7", splits, f"{group} groups do not divide {w[0]} features")
        agrees = DYNAMIC in (channels, w[1]) or channels == w[1] * group
        self.require("C7", agrees, f"{group} groups of {w[1]} channels, got {self.x.type}")
        require_shape(self, "C8", "the bias", self.bias, (w[0],))
        taps = product(sharing, *w[2:])
        sizes = self.output_sizes() or (DYNAMIC,) * (len(w) - 2)
        batch = DYNAMIC if x is None else x[0]
        wanted = (batch, product(taps, len(w) - 2), *sizes)
        require_shape(self, "C10", "offset", self.offset, wanted)
        require_shape(self, "C10", "mask", self.mask, (batch, taps, *sizes))

    def result_shape(self) -> Shape | None:
        x, w, offset = shape_of(self.x), shape_of(self.w), shape_of(self.offset)
        sizes = self.output_sizes()
        if x is None or w is None or sizes is None or offset is None:
            return None
        return (x[0], w[0], *map(known, zip(sizes, offset[2:], strict=True)))

    def flops(self) -> int | None:
        """Two for each element of the result and of w's part for one feature, and for each tap of
        each channel and the elements around it."""
        count, w, x = elements(self.result), shape_of(self.w), shape_of(self.x)
        shape = shape_of(self.result)
        if count is None or w is None or x is None or shape is None or DYNAMIC in (*w, x[1]):
            return None
        places = count // max(shape[1], 1) * x[1] * math.prod(w[2:])
        return count * 2 * math.prod(w[1:]) + places * 2 ** (len(w) - 1)


@irdl_op_definition
class Col2ImOp(PfrtOp):
    """Columns, each a block of an image, put back in their places, where they overlap added up.

    ```mlir
    %0 = pfrt.col2_im %x {block_shape = array<i64: 1, 5>, image_shape = array<i64: 5, 5>} : tensor<1x5x5xf32> -> tensor<1x1x5x5xf32>
    ```
    x is (N, C x elements of a block, blocks). Blocks lie `strides` apart in the image with its
    `pads`, in row-major order, their elements `dilations` apart.

    C1: x holds numbers or booleans.
    C2: image_shape and block_shape are properties, or operands that are vectors of i64 or i32.
    C3: x has 3 dimensions; the lists have one entry a spatial axis, pads two.
    C4: block_shape, strides and dilations are at least 1, pads and image_shape at least 0.
    C5: a block's elements divide x's second dimension, the third is the number of blocks.
    """

    name = "pfrt.col2_im"

    operand = operand_def(TensorConstraint)
    image_shape_value = opt_operand_def(TensorConstraint)
    block_shape_value = opt_operand_def(TensorConstraint)
    image_shape = optional_ints_property()
    block_shape = optional_ints_property()
    strides = ints_property()
    pads = ints_property()
    dilations = ints_property()
    result = result_def(TensorConstraint)

    irdl_options = (ParsePropInAttrDict(), AttrSizedOperandSegments(as_property=True))
    assembly_format = (
        "$operand (`image` `(` $image_shape_value^ `:` type($image_shape_value) `)`)?"
        " (`block` `(` $block_shape_value^ `:` type($block_shape_value) `)`)?"
        " custom<ValueNames>($names) attr-dict `:` type($operand) `->` type($result)"
    )

    DYNAMIC_PROPERTIES: ClassVar[tuple[str, ...]] = ("image_shape", "block_shape")

    def check(self) -> None:
        kind = dtype_of(self.operand)
        sound = kind.name in NUMBERS | BOOLS or kind.kind == "c"
        self.require("C1", sound, f"cannot add up {self.operand.type}")
        for name in self.DYNAMIC_PROPERTIES:
            check_vector(self, "C2", name, required=True)
        require_shape(self, "C3", "x", self.operand, (DYNAMIC,) * 3)
        lengths = {name: known_length(self, name) for name in self.DYNAMIC_PROPERTIES}
        for name in ("strides", "dilations", "pads"):
            if values := ints(getattr(self, name)):
                lengths[name] = len(values) // 2 if name == "pads" else len(values)
            even = name != "pads" or len(values) % 2 == 0
            self.require("C3", even, f"{len(values)} pads are not two an axis")
            sound = min(values, default=1) >= (0 if name == "pads" else 1)
            self.require("C4", sound, f"{name} cannot be {list(values)}")
        found = {length for length in lengths.values() if length is not None}
        self.require("C3", len(found) <= 1, "the lists have different numbers of axes")
        image, block = known_ints(self, "image_shape"), known_ints(self, "block_shape")
        sound = image is None or min(image, default=0) >= 0
        self.require("C4", sound, f"image_shape cannot be {list(image or ())}")
        sound = block is None or min(block, default=1) >= 1
        self.require("C4", sound, f"block_shape cannot be {list(block or ())}")
        if (shape := shape_of(self.operand)) is None or block is None:
            return
        splits = shape[1] == DYNAMIC or shape[1] % math.prod(block) == 0
        self.require("C5", splits, f"blocks of {list(block)} do not divide {shape[1]}")
        count = DYNAMIC if image is None else self._blocks(image, block)
        agrees = DYNAMIC in (count, shape[2]) or count == shape[2]
        self.require("C5", agrees, f"there are {count} blocks, got {shape[2]}")

    def _blocks(self, image: Shape, block: Shape) -> int:
        strides, pads, dilations = map(ints, (self.strides, self.pads, self.dilations))
        axes = zip(window_axes(block, strides, pads, dilations), image, strict=True)
        try:
            return math.prod(axis.output_size(size) for axis, size in axes)
        except ValueError as error:
            self.require("C5", False, str(error))
            raise

    def infer_types(self) -> Sequence[Attribute]:
        self.check()
        shape, image = shape_of(self.operand), known_ints(self, "image_shape")
        block, element = known_ints(self, "block_shape"), type_of(self.operand).element_type
        if image is None:
            lengths = (known_length(self, name) for name in self.DYNAMIC_PROPERTIES)
            rank = next((length for length in lengths if length is not None), None)
            if rank is None:
                return [tensor(element, None)]
            image = (DYNAMIC,) * rank
        batch, depth = (DYNAMIC, DYNAMIC) if shape is None else shape[:2]
        channels = DYNAMIC if block is None else quotient(depth, math.prod(block))
        return [tensor(element, (batch, channels, *image))]

    def flops(self) -> int | None:
        """One for each element of x."""
        return elements(self.operand)


OPS: tuple[type[PfrtOp], ...] = (Col2ImOp, DeformConvOp)

"""Ops on images: sampling, and moving elements between channels and space; `resizing.py` resizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from xdsl.ir import Attribute
from xdsl.irdl import irdl_op_definition, operand_def, opt_operand_def, result_def

from pyflame_rt.dialects.pfrt.base import PfrtOp, Shape, TensorConstraint, elements
from pyflame_rt.dialects.pfrt.constraints import (
    flag_property,
    float_property,
    int_property,
    optional_ints_property,
    require_floats,
    require_rank,
    require_same_element,
    require_shape,
    string_property,
)
from pyflame_rt.dialects.pfrt.contraction import agree
from pyflame_rt.dialects.pfrt.parameters import (
    ShapeChangingOp,
    check_vector,
    known_ints,
    known_length,
)
from pyflame_rt.dialects.pfrt.resizing import ResizeOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, dtype_of, shape_of, tensor, type_of

UNARY_FORMAT = "$operand custom<ValueNames>($names) attr-dict `:` type($operand) `->` type($result)"


@irdl_op_definition
class RoiAlignOp(PfrtOp):
    """The mean or maximum of the points sampled in each bin of each region of an image.

    ```mlir
    %y = pfrt.roi_align %x, %rois, %i {output_height = 7 : i64, output_width = 7 : i64, sampling_ratio = 2 : i64} : (tensor<1x256x50x50xf32>, tensor<?x4xf32>, tensor<?xi64>) -> tensor<?x256x7x7xf32>
    ```
    Regions are rows (left, top, right, bottom) in units of 1 / `spatial_scale` pixels, of the image
    that `batch_indices` says. A bin has sampling_ratio^2 points, or with 0 as many as it has pixels.

    C1: x and the regions hold floats of one type, batch_indices i64.
    C2: x has 4 dimensions, and there are as many batch_indices as rows of 4 in the regions.
    C3: `mode` is "avg" or "max", `coordinate_transformation_mode` "half_pixel" or
        "output_half_pixel".
    C4: output_height and output_width are at least 1, sampling_ratio at least 0.
    """

    name = "pfrt.roi_align"

    x = operand_def(TensorConstraint)
    rois = operand_def(TensorConstraint)
    batch_indices = operand_def(TensorConstraint)
    mode = string_property("avg")
    output_height = int_property(1)
    output_width = int_property(1)
    sampling_ratio = int_property(0)
    spatial_scale = float_property(1.0)
    coordinate_transformation_mode = string_property("half_pixel")
    result = result_def(TensorConstraint)

    assembly_format = (
        "$x `,` $rois `,` $batch_indices custom<ValueNames>($names) attr-dict `:` "
        "functional-type(operands, results)"
    )

    def check(self) -> None:
        require_floats(self, "C1", self.x)
        require_same_element(self, "C1", self.x, self.rois)
        kind = self.batch_indices.type
        self.require(
            "C1", dtype_of(self.batch_indices).name == "int64", f"batch_indices cannot be {kind}"
        )
        x = shape_of(self.x)
        self.require("C2", x is None or len(x) == 4, f"needs 4 dimensions, got {self.x.type}")
        count = self._regions()
        require_shape(self, "C2", "the regions", self.rois, (count, 4))
        require_shape(self, "C2", "batch_indices", self.batch_indices, (count,))
        mode, where = self.mode.data, self.coordinate_transformation_mode.data
        self.require("C3", mode in ("avg", "max"), f'unknown mode "{mode}"')
        known = ("half_pixel", "output_half_pixel")
        self.require("C3", where in known, f'unknown coordinate_transformation_mode "{where}"')
        height, width, ratio = self._numbers()
        self.require("C4", min(height, width) >= 1, f"cannot make {height} x {width} bins")
        self.require("C4", ratio >= 0, f"sampling_ratio must be at least 0, got {ratio}")

    def _numbers(self) -> tuple[int, int, int]:
        return (
            self.output_height.value.data,
            self.output_width.value.data,
            self.sampling_ratio.value.data,
        )

    def _regions(self) -> int:
        """How many regions there are, as far as it is known."""
        shapes = (shape_of(self.rois), shape_of(self.batch_indices))
        return next((shape[0] for shape in shapes if shape and shape[0] != DYNAMIC), DYNAMIC)

    def infer_types(self) -> Sequence[Attribute]:
        x = shape_of(self.x)
        height, width, _ = self._numbers()
        shape = (self._regions(), DYNAMIC if x is None else x[1], height, width)
        return [tensor(type_of(self.x).element_type, shape)]

    def flops(self) -> int | None:
        """Eight a point; a bin with no sampling_ratio counts as one of 2 x 2 points."""
        count, points = elements(self.result), self.sampling_ratio.value.data or 2
        return None if count is None else count * 8 * points**2


@irdl_op_definition
class GridSampleOp(PfrtOp):
    """x (N x C x spatial) interpolated at the points of a grid (N x points x spatial axes).

    ```mlir
    %y = pfrt.grid_sample %x, %grid {padding_mode = "border"} : (tensor<?x3x8x8xf32>, tensor<?x4x5x2xf32>) -> tensor<?x3x4x5xf32>
    ```
    A point lists the spatial axes in reverse, each from -1 to 1: between the centers of the first
    and last elements with `align_corners`, else between their outer edges.

    C1: x and the grid hold floats.
    C2: x has at least 3 dimensions and the grid as many, the last of which is the number of spatial
        axes; both have the same batch.
    C3: `mode` is "linear", "nearest" or "cubic", `padding_mode` "zeros", "border" or "reflection".
    """

    name = "pfrt.grid_sample"

    x = operand_def(TensorConstraint)
    grid = operand_def(TensorConstraint)
    mode = string_property("linear")
    padding_mode = string_property("zeros")
    align_corners = flag_property(False)
    result = result_def(TensorConstraint)

    assembly_format = (
        "$x `,` $grid custom<ValueNames>($names) attr-dict `:` functional-type(operands, results)"
    )

    def check(self) -> None:
        require_floats(self, "C1", self.x, self.grid)
        x, grid = shape_of(self.x), shape_of(self.grid)
        for value in (self.x, self.grid):
            require_rank(self, "C2", value, 3)
        for one, other in ((x, grid), (grid, x)):
            agrees = one is None or grid is None or grid[-1] in (len(one) - 2, DYNAMIC)
            agrees = agrees and (
                one is None or other is None or (len(one) == len(other) and agree(one[0], other[0]))
            )
            self.require("C2", agrees, f"{self.grid.type} does not sample {self.x.type}")
        mode, padding = self.mode.data, self.padding_mode.data
        self.require("C3", mode in ("linear", "nearest", "cubic"), f'unknown mode "{mode}"')
        known = padding in ("zeros", "border", "reflection")
        self.require("C3", known, f'unknown padding_mode "{padding}"')

    def infer_types(self) -> Sequence[Attribute]:
        x, grid = shape_of(self.x), shape_of(self.grid)
        element, rank = type_of(self.x).element_type, len(x or grid or ())
        if rank == 0:
            return [tensor(element, None)]
        x, grid = x or (DYNAMIC,) * rank, grid or (DYNAMIC,) * rank
        batch = x[0] if x[0] != DYNAMIC else grid[0]
        return [tensor(element, (batch, x[1], *grid[1:-1]))]

    def flops(self) -> int | None:
        """Two for each element and tap, of which an axis has 1, 2 or 4."""
        count, grid = elements(self.result), shape_of(self.grid)
        taps = {"nearest": 1, "linear": 2, "cubic": 4}[self.mode.data]
        return None if count is None or grid is None else count * 2 * taps ** (len(grid) - 2)


@irdl_op_definition
class DepthToSpaceOp(ShapeChangingOp):
    """Blocks of channels become blocksize x blocksize pixels.

    ```mlir
    %y = pfrt.depth_to_space %x {blocksize = 2 : i64} : tensor<?x12x4x4xf32> -> tensor<?x3x8x8xf32>
    ```
    The channels of one block are apart by the result's channels ("DCR") or side by side ("CRD").

    C1: x has 4 dimensions.
    C2: blocksize is at least 1, and its square divides the channels.
    C3: `mode` is "DCR" or "CRD".
    """

    name = "pfrt.depth_to_space"

    operand = operand_def(TensorConstraint)
    blocksize = int_property()
    mode = string_property("DCR")
    result = result_def(TensorConstraint)

    assembly_format = UNARY_FORMAT

    def check(self) -> None:
        shape, size = shape_of(self.operand), self.blocksize.value.data
        self.require("C1", len(shape or (0,) * 4) == 4, f"not an image: {self.operand.type}")
        self.require("C2", size >= 1, f"blocksize must be at least 1, got {size}")
        channels = DYNAMIC if shape is None else shape[1]
        fits = channels == DYNAMIC or channels % size**2 == 0
        self.require("C2", fits, f"{channels} channels do not make blocks of {size} x {size}")
        self.require("C3", self.mode.data in ("DCR", "CRD"), f'unknown mode "{self.mode.data}"')

    def result_shape(self) -> Shape | None:
        n, c, h, w = shape_of(self.operand) or (DYNAMIC,) * 4
        size = self.blocksize.value.data
        return (
            n,
            DYNAMIC if c == DYNAMIC else c // size**2,
            *(DYNAMIC if dim == DYNAMIC else dim * size for dim in (h, w)),
        )


@irdl_op_definition
class SpaceToDepthOp(ShapeChangingOp):
    """Blocks of blocksize x blocksize pixels become channels.

    ```mlir
    %y = pfrt.space_to_depth %x {blocksize = 2 : i64} : tensor<?x3x8x8xf32> -> tensor<?x12x4x4xf32>
    ```
    The channels of one block are apart by x's channels ("DCR") or side by side ("CRD").

    C1: x has 4 dimensions.
    C2: blocksize is at least 1 and divides height and width.
    C3: `mode` is "DCR" or "CRD".
    """

    name = "pfrt.space_to_depth"

    operand = operand_def(TensorConstraint)
    blocksize = int_property()
    mode = string_property("DCR")
    result = result_def(TensorConstraint)

    assembly_format = UNARY_FORMAT

    def check(self) -> None:
        shape, size = shape_of(self.operand), self.blocksize.value.data
        self.require("C1", len(shape or (0,) * 4) == 4, f"not an image: {self.operand.type}")
        self.require("C2", size >= 1, f"blocksize must be at least 1, got {size}")
        for dim in () if shape is None else shape[2:]:
            fits = dim == DYNAMIC or dim % size == 0
            self.require("C2", fits, f"{dim} pixels do not split into blocks of {size}")
        self.require("C3", self.mode.data in ("DCR", "CRD"), f'unknown mode "{self.mode.data}"')

    def result_shape(self) -> Shape | None:
        n, c, h, w = shape_of(self.operand) or (DYNAMIC,) * 4
        size = self.blocksize.value.data
        return (
            n,
            DYNAMIC if c == DYNAMIC else c * size**2,
            *(DYNAMIC if dim == DYNAMIC else dim // size for dim in (h, w)),
        )


@irdl_op_definition
class AffineGridOp(ShapeChangingOp):
    """The points at which an affine map of an image's points lies: a grid for grid_sample.

    ```mlir
    %0 = pfrt.affine_grid %t {size = array<i64: 2, 3, 5, 6>} : (tensor<2x2x3xf32>) -> tensor<2x5x6x2xf32>
    ```
    `size` is that of the images, (N, C, H, W) or (N, C, D, H, W); theta one 2 x 3 or 3 x 4 matrix an
    image. A point lists the spatial axes in reverse, each from -1 to 1: at the centers of the first
    and last elements with `align_corners`, else at their outer edges.

    C1: theta holds floats.
    C2: `size` is a property, or an operand that is a vector of i64 or i32.
    C3: theta is N x 2 x 3 for a size of 4 numbers, N x 3 x 4 for one of 5.
    C4: sizes are not negative.
    """

    name = "pfrt.affine_grid"

    theta = operand_def(TensorConstraint)
    size_value = opt_operand_def(TensorConstraint)
    size = optional_ints_property()
    align_corners = flag_property(False)
    result = result_def(TensorConstraint)

    assembly_format = (
        "$theta (`,` $size_value^)? custom<ValueNames>($names) attr-dict"
        " `:` functional-type(operands, results)"
    )

    DYNAMIC_PROPERTIES: ClassVar[tuple[str, ...]] = ("size",)

    def check(self) -> None:
        require_floats(self, "C1", self.theta)
        check_vector(self, "C2", "size", required=True)
        size, rank = known_ints(self, "size"), self._rank()
        theta = shape_of(self.theta)
        self.require("C3", theta is None or len(theta) == 3, f"theta cannot be {self.theta.type}")
        self.require("C3", rank in (2, 3, None), f"{rank} spatial axes, 2 or 3 are possible")
        if rank is not None:
            images = DYNAMIC if size is None else size[0]
            require_shape(self, "C3", "theta", self.theta, (images, rank, rank + 1))
        sound = size is None or min(size, default=0) >= 0
        self.require("C4", sound, f"sizes {list(size or ())} must not be negative")

    def _rank(self) -> int | None:
        """How many spatial axes there are; None when not known."""
        length, theta = known_length(self, "size"), shape_of(self.theta)
        if length is not None:
            return length - 2
        return None if theta is None or theta[1] == DYNAMIC else theta[1]

    def result_shape(self) -> Shape | None:
        size, rank, theta = known_ints(self, "size"), self._rank(), shape_of(self.theta)
        if size is not None:
            return (size[0], *size[2:], len(size) - 2)
        if rank is None:
            return None
        return (DYNAMIC if theta is None else theta[0], *(DYNAMIC,) * rank, rank)

    def flops(self) -> int | None:
        """Two for each product of the matrices with the points."""
        count, rank = elements(self.result), self._rank()
        return None if count is None or rank is None else 2 * count * (rank + 1)


@irdl_op_definition
class ImageDecoderOp(PfrtOp):
    """The pixels, height x width x channels, of an encoded image: JPEG, JPEG 2000, PNG, BMP, TIFF,
    WebP or a portable bitmap (PNM).

    ```mlir
    %0 = pfrt.image_decoder %bytes {pixel_format = "BGR"} : tensor<?xui8> -> tensor<?x?x3xui8>
    ```
    Of several images the first is taken. Transparency is ignored.

    C1: the operand is a vector of ui8.
    C2: `pixel_format` is "RGB", "BGR" or "Grayscale".
    """

    name = "pfrt.image_decoder"

    operand = operand_def(TensorConstraint)
    pixel_format = string_property("RGB")
    result = result_def(TensorConstraint)

    assembly_format = UNARY_FORMAT

    def check(self) -> None:
        is_bytes = dtype_of(self.operand).name == "uint8"
        is_vector = len(shape_of(self.operand) or (0,)) == 1
        self.require("C1", is_bytes and is_vector, f"not a vector of ui8: {self.operand.type}")
        known, wanted = ("RGB", "BGR", "Grayscale"), self.pixel_format.data
        self.require("C2", wanted in known, f'unknown pixel_format "{wanted}"')

    def infer_types(self) -> Sequence[Attribute]:
        channels = 1 if self.pixel_format.data == "Grayscale" else 3
        return [tensor(type_of(self.operand).element_type, (DYNAMIC, DYNAMIC, channels))]


OPS: tuple[type[PfrtOp], ...] = (
    AffineGridOp,
    ImageDecoderOp,
    ResizeOp,
    RoiAlignOp,
    GridSampleOp,
    DepthToSpaceOp,
    SpaceToDepthOp,
)

"""Ops on signals: Fourier transforms, the windows they are cut with, and mel filters."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import f32
from xdsl.ir import Attribute
from xdsl.irdl import (
    AnyAttr,
    AttrSizedOperandSegments,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    prop_def,
    result_def,
)

from pyflame_rt.dialects.pfrt.base import PfrtOp, Shape, TensorConstraint, constant_of, elements
from pyflame_rt.dialects.pfrt.broadcasting import FLOATS, NUMBERS
from pyflame_rt.dialects.pfrt.constraints import (
    can_be_one,
    flag_property,
    require_floats,
    require_rank,
    require_same_element,
    require_shape,
)
from pyflame_rt.dialects.pfrt.parameters import is_given
from pyflame_rt.dialects.pfrt.scalars import INDICES, ScalarParameterOp, optional_int_property
from pyflame_rt.dialects.pfrt.types import (
    DYNAMIC,
    dtype_of,
    is_element_type,
    numpy_dtype,
    shape_of,
    tensor,
    type_of,
)
from pyflame_rt.kernels.signal import dft_sizes, frame_count, spectrum_bins

OPERANDS_FORMAT = (
    "operands custom<ValueNames>($names) attr-dict `:` functional-type(operands, results)"
)


def _require_type(op: PfrtOp, constraint: str, kind: Attribute) -> None:
    sound = is_element_type(kind) and numpy_dtype(kind).name in NUMBERS
    op.require(constraint, sound, f"output_datatype cannot be {kind}")


def _require_complex(op: PfrtOp, constraint: str, count: int) -> None:
    sound = count in (1, 2, DYNAMIC)
    op.require(constraint, sound, f"the last dimension is 1 or 2, not {count}")


@irdl_op_definition
class DftOp(ScalarParameterOp):
    """The discrete Fourier transform along `axis`, or with `inverse` what it is the transform of.

    ```mlir
    %0 = pfrt.dft %x {axis = 1 : i64, onesided = true} : tensor<1x8x1xf32> -> tensor<1x5x2xf32>
    ```
    The last dimension is the real and the imaginary part, or the real one alone. The signal is cut
    to `dft_length` elements, or filled up with zeros; by default it is as long as it is.
    `onesided` gives the first half of the transform of real numbers (dft_length / 2 + 1 of them)
    or, inverted, takes such a half and gives real numbers, by default 2 * (size - 1).

    C1: x holds floats.
    C2: x has at least 2 dimensions, the last of which is 1 or 2.
    C3: dft_length and axis are properties, or operands that are one i64 or i32.
    C4: axis, by default -2, is one of the dimensions but the last.
    C5: with `onesided` the numbers are real or, inverted, complex.
    C6: dft_length is at least 1, also when it is the size of the axis.
    """

    name = "pfrt.dft"

    operand = operand_def(TensorConstraint)
    dft_length_value = opt_operand_def(TensorConstraint)
    axis_value = opt_operand_def(TensorConstraint)
    dft_length = optional_int_property()
    axis = optional_int_property()
    inverse = flag_property(False)
    onesided = flag_property(False)
    result = result_def(TensorConstraint)

    irdl_options = (ParsePropInAttrDict(), AttrSizedOperandSegments(as_property=True))
    assembly_format = (
        "$operand (`length` `(` $dft_length_value^ `:` type($dft_length_value) `)`)?"
        " (`axis` `(` $axis_value^ `:` type($axis_value) `)`)?"
        " custom<ValueNames>($names) attr-dict `:` type($operand) `->` type($result)"
    )

    DYNAMIC_PROPERTIES: ClassVar[tuple[str, ...]] = ("dft_length", "axis")

    def check(self) -> None:
        require_floats(self, "C1", self.operand)
        require_rank(self, "C2", self.operand, 2)
        for name in ("dft_length", "axis"):
            self.check_number("C3", name, INDICES, required=False)
        if (shape := shape_of(self.operand)) is None:
            return
        _require_complex(self, "C2", shape[-1])
        axis, rank = self._axis(), len(shape)
        sound = axis is None or (-rank <= axis < rank and axis % rank != rank - 1)
        self.require("C4", sound, f"axis {axis} of {self.operand.type}")
        half, inverse = bool(self.onesided.value.data), bool(self.inverse.value.data)
        sound = not half or shape[-1] in (2 if inverse else 1, DYNAMIC)
        self.require("C5", sound, f"{self.operand.type} is not what onesided takes")
        self._sizes()

    def _axis(self) -> int | None:
        return self.known_number("axis") if is_given(self, "axis") else -2

    def _sizes(self) -> tuple[int, int] | None:
        """Sizes of the axis and of the last dimension; None when the axis' is not known."""
        shape, axis = shape_of(self.operand), self._axis()
        length = self.known_number("dft_length")
        if length is None:
            if is_given(self, "dft_length") or shape is None or axis is None:
                return None
            if shape[axis] == DYNAMIC:
                return None
        size = 0 if shape is None or axis is None else shape[axis]
        try:
            return dft_sizes(
                size,
                length,
                inverse=bool(self.inverse.value.data),
                onesided=bool(self.onesided.value.data),
            )
        except ValueError as error:
            self.require("C6", False, str(error))
            raise

    def infer_types(self) -> Sequence[Attribute]:
        self.check()
        shape, axis, sizes = shape_of(self.operand), self._axis(), self._sizes()
        element = type_of(self.operand).element_type
        if shape is None:
            return [tensor(element, None)]
        real = bool(self.onesided.value.data) and bool(self.inverse.value.data)
        dims = list(shape[:-1]) if axis is not None else [DYNAMIC] * (len(shape) - 1)
        if axis is not None:
            dims[axis % len(shape)] = DYNAMIC if sizes is None else sizes[0]
        return [tensor(element, (*dims, 1 if real else 2))]

    def flops(self) -> int | None:
        """Five for each element of the result, times the logarithm of its number along the axis."""
        count, shape, axis = elements(self.result), shape_of(self.result), self._axis()
        if count is None or shape is None or axis is None:
            return None
        return 5 * count * shape[axis].bit_length()


@irdl_op_definition
class StftOp(ScalarParameterOp):
    """The Fourier transforms of the frames of a signal, one every `frame_step` elements.

    ```mlir
    %0 = pfrt.stft %x window(%w : tensor<16xf32>) {frame_step = 8 : i64} : tensor<1x128x1xf32> -> tensor<1x15x9x2xf32>
    ```
    The signal is (batch, length, 1), or 2 for complex numbers. A frame has `frame_length` elements,
    by default as many as the window, or all of them, and is multiplied by the window. The result is
    (batch, frames, frequencies, 2): with `onesided` only the first frame_length / 2 + 1.

    C1: signal and window hold floats of one type.
    C2: the signal has 3 dimensions, the last of which is 1 or 2; the window has one.
    C3: frame_step and frame_length are properties, or operands that are one i64 or i32.
    C4: with `onesided` the signal is real.
    C5: frame_step is at least 1, a frame has at least 1 element, no more than the signal, and as
        many as the window.
    """

    name = "pfrt.stft"

    operand = operand_def(TensorConstraint)
    frame_step_value = opt_operand_def(TensorConstraint)
    window = opt_operand_def(TensorConstraint)
    frame_length_value = opt_operand_def(TensorConstraint)
    frame_step = optional_int_property()
    frame_length = optional_int_property()
    onesided = flag_property(True)
    result = result_def(TensorConstraint)

    irdl_options = (ParsePropInAttrDict(), AttrSizedOperandSegments(as_property=True))
    assembly_format = (
        "$operand (`step` `(` $frame_step_value^ `:` type($frame_step_value) `)`)?"
        " (`window` `(` $window^ `:` type($window) `)`)?"
        " (`length` `(` $frame_length_value^ `:` type($frame_length_value) `)`)?"
        " custom<ValueNames>($names) attr-dict `:` type($operand) `->` type($result)"
    )

    DYNAMIC_PROPERTIES: ClassVar[tuple[str, ...]] = ("frame_step", "frame_length")

    def check(self) -> None:
        require_floats(self, "C1", self.operand)
        require_same_element(self, "C1", self.operand, self.window)
        require_shape(self, "C2", "the signal", self.operand, (DYNAMIC,) * 3)
        require_shape(self, "C2", "the window", self.window, (DYNAMIC,))
        self.check_number("C3", "frame_step", INDICES)
        self.check_number("C3", "frame_length", INDICES, required=False)
        if (shape := shape_of(self.operand)) is not None:
            _require_complex(self, "C2", shape[2])
            sound = not self.onesided.value.data or shape[2] != 2
            self.require("C4", sound, f"onesided takes real numbers, got {self.operand.type}")
        self._frames()

    def _frames(self) -> tuple[int, int]:
        """Frames and their length, as far as they are known."""
        shape = shape_of(self.operand)
        size = DYNAMIC if shape is None else shape[1]
        window = None if self.window is None else (shape_of(self.window) or (DYNAMIC,))[0]
        given, step = self.known_number("frame_length"), self.known_number("frame_step")
        length = given if given is not None else DYNAMIC
        if given is None and window is not None:
            length = window
        elif given is None and not is_given(self, "frame_length"):
            length = size
        for name, number in (("frame_step", step), ("a frame's length", length)):
            sound = number in (None, DYNAMIC) or number >= 1
            self.require("C5", sound, f"{name} must be at least 1, got {number}")
        agrees = window in (None, DYNAMIC, length) or length == DYNAMIC
        self.require("C5", agrees, f"a window of {window} for frames of {length}")
        if step is None or DYNAMIC in (size, length):
            return DYNAMIC, length
        try:
            return frame_count(size, length, step), length
        except ValueError as error:
            self.require("C5", False, str(error))
            raise

    def infer_types(self) -> Sequence[Attribute]:
        self.check()
        shape, (frames, length) = shape_of(self.operand), self._frames()
        bins = length
        if self.onesided.value.data and length != DYNAMIC:
            bins = spectrum_bins(length)
        batch = DYNAMIC if shape is None else shape[0]
        return [tensor(type_of(self.operand).element_type, (batch, frames, bins, 2))]

    def flops(self) -> int | None:
        """Five for each element of the result, times the logarithm of a frame's frequencies."""
        count, shape = elements(self.result), shape_of(self.result)
        return None if count is None or shape is None else 5 * count * shape[2].bit_length()


class WindowOp(ScalarParameterOp, ABC):
    """A vector of `size` elements that rises from the ends to the middle."""

    size_value = opt_operand_def(TensorConstraint)
    size = optional_int_property()
    output_datatype = prop_def(AnyAttr(), default_value=f32)
    periodic = flag_property(True)
    result = result_def(TensorConstraint)

    assembly_format = OPERANDS_FORMAT

    DYNAMIC_PROPERTIES: ClassVar[tuple[str, ...]] = ("size",)

    def check(self) -> None:
        self.check_number("C1", "size", INDICES)
        size = self.known_number("size")
        self.require("C2", size is None or size >= 0, f"size must not be negative, got {size}")
        _require_type(self, "C3", self.output_datatype)

    def infer_types(self) -> Sequence[Attribute]:
        self.check()
        size = self.known_number("size")
        return [tensor(self.output_datatype, (DYNAMIC if size is None else size,))]

    def flops(self) -> int | None:
        """Four for each element."""
        count = elements(self.result)
        return None if count is None else 4 * count


@irdl_op_definition
class HannWindowOp(WindowOp):
    """0.5 - 0.5 cos(2 pi n / N) for n below `size`, of which N is one less unless `periodic`.

    ```mlir
    %0 = pfrt.hann_window {size = 10 : i64} : () -> tensor<10xf32>
    ```
    C1: size is a property, or an operand that is one i64 or i32.
    C2: size is not negative.
    C3: output_datatype is a type of integers or of floats of at least 16 bits.
    """

    name = "pfrt.hann_window"


@irdl_op_definition
class HammingWindowOp(WindowOp):
    """25/46 - 21/46 cos(2 pi n / N) for n below `size`, of which N is one less unless `periodic`.

    ```mlir
    %0 = pfrt.hamming_window %n {periodic = false} : (tensor<i32>) -> tensor<?xf32>
    ```
    C1: size is a property, or an operand that is one i64 or i32.
    C2: size is not negative.
    C3: output_datatype is a type of integers or of floats of at least 16 bits.
    """

    name = "pfrt.hamming_window"


@irdl_op_definition
class BlackmanWindowOp(WindowOp):
    """0.42 - 0.5 cos(2 pi n / N) + 0.08 cos(4 pi n / N) for n below `size`, of which N is one less
    unless `periodic`.

    ```mlir
    %0 = pfrt.blackman_window {output_datatype = f64, size = 10 : i64} : () -> tensor<10xf64>
    ```
    C1: size is a property, or an operand that is one i64 or i32.
    C2: size is not negative.
    C3: output_datatype is a type of integers or of floats of at least 16 bits.
    """

    name = "pfrt.blackman_window"


@irdl_op_definition
class MelWeightMatrixOp(PfrtOp):
    """Triangular filters that are as wide as they sound, a column each, on the frequencies of a
    onesided transform of `dft_length`.

    ```mlir
    %0 = pfrt.mel_weight_matrix %bins, %length, %rate, %low, %high : (tensor<i64>, tensor<i64>, tensor<i64>, tensor<f32>, tensor<f32>) -> tensor<?x?xf32>
    ```
    The frequencies from `lower_edge_hertz` to `upper_edge_hertz` are split into num_mel_bins + 2
    steps of equal pitch, mel(f) = 2595 log10(1 + f / 700); a filter rises from 0 to 1 over one step
    and falls over the next.

    C1: the operands are one number each: i64 or i32 the first three, floats the last two.
    C2: output_datatype is a type of integers or of floats of at least 16 bits.
    C3: constant numbers of bins are not negative, a constant dft_length is at least 1.
    """

    name = "pfrt.mel_weight_matrix"

    num_mel_bins = operand_def(TensorConstraint)
    dft_length = operand_def(TensorConstraint)
    sample_rate = operand_def(TensorConstraint)
    lower_edge_hertz = operand_def(TensorConstraint)
    upper_edge_hertz = operand_def(TensorConstraint)
    output_datatype = prop_def(AnyAttr(), default_value=f32)
    result = result_def(TensorConstraint)

    assembly_format = OPERANDS_FORMAT

    def check(self) -> None:
        for index, operand in enumerate(self.operands):
            allowed = INDICES if index < 3 else FLOATS
            sound = can_be_one(operand, 1) and dtype_of(operand).name in allowed
            self.require("C1", sound, f"operand {index} cannot be {operand.type}")
        _require_type(self, "C2", self.output_datatype)
        bins, length = self._known()
        self.require("C3", bins is None or bins >= 0, f"{bins} filters")
        self.require("C3", length is None or length >= 1, f"a transform of {length} elements")

    def _known(self) -> list[int | None]:
        arrays = (constant_of(operand) for operand in (self.num_mel_bins, self.dft_length))
        return [None if a is None or a.size != 1 else int(a.reshape(-1)[0]) for a in arrays]

    def infer_types(self) -> Sequence[Attribute]:
        self.check()
        bins, length = self._known()
        shape: Shape = (
            DYNAMIC if length is None else spectrum_bins(length),
            DYNAMIC if bins is None else bins,
        )
        return [tensor(self.output_datatype, shape)]


OPS: tuple[type[PfrtOp], ...] = (
    BlackmanWindowOp,
    DftOp,
    HammingWindowOp,
    HannWindowOp,
    MelWeightMatrixOp,
    StftOp,
)

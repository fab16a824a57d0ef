"""Scales and zero points of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import ml_dtypes
import numpy as np

from pyflame_rt.dtypes import DType, by_dtype
from pyflame_rt.errors import ValidationError
from pyflame_rt.kernels.quantization import parameters_of_range


@dataclass(frozen=True)
class QuantParams:
    """real = (integer - zero point) * scale: one of each, or one for each slice along an axis."""

    scales: list[float]
    zero_points: list[int]
    quantized_dtype: DType = DType.Int8
    channel_axis: int = -1
    """The axis; -1: there is one scale for all."""

    def __post_init__(self) -> None:
        if len(self.scales) != len(self.zero_points) or not self.scales:
            raise ValidationError(
                f"{len(self.scales)} scales and {len(self.zero_points)} zero points",
                where="QuantParams",
            )

    @staticmethod
    def per_tensor(scale: float, zero_point: int, dtype: DType = DType.Int8) -> QuantParams:
        """One scale for all elements."""
        return QuantParams([float(scale)], [int(zero_point)], dtype)

    @staticmethod
    def per_channel(
        scales: Sequence[float],
        zero_points: Sequence[int],
        channel_axis: int,
        dtype: DType = DType.Int8,
    ) -> QuantParams:
        """A scale for each slice along an axis. Raises ValidationError for lists of two lengths."""
        return QuantParams(
            [float(scale) for scale in scales],
            [int(zero) for zero in zero_points],
            dtype,
            channel_axis,
        )

    @staticmethod
    def compute_from_minmax(
        min_val: float, max_val: float, dtype: DType, symmetric: bool = True
    ) -> QuantParams:
        """The scale that covers [min_val, max_val], and 0: see `kernels.parameters_of_range`.

        Raises ValidationError for a type that is not of integers, and for ends that are no numbers
        or in the wrong order.
        """
        row = by_dtype()[dtype]
        if row.numpy.name not in ("int4", "int8", "int16", "uint4", "uint8", "uint16"):
            raise ValidationError(f"{dtype} holds no quantized integers", where="QuantParams")
        if not (np.isfinite(min_val) and np.isfinite(max_val) and min_val <= max_val):
            raise ValidationError(f"[{min_val}, {max_val}] is no range", where="QuantParams")
        scale, zero_point = parameters_of_range(
            np.array(min_val), np.array(max_val), row.numpy, symmetric=symmetric
        )
        return QuantParams.per_tensor(float(scale), int(zero_point), dtype)

    def is_per_channel(self) -> bool:
        """Whether there is a scale for each slice along an axis."""
        return self.channel_axis >= 0

    def num_channels(self) -> int:
        """How many scales there are."""
        return len(self.scales)

    @property
    def range(self) -> tuple[float, float]:
        """The reals that a tensor with one scale covers: the range that has these parameters.

        Around a zero point in the middle they are symmetric, without the least signed integer.
        """
        limits = ml_dtypes.iinfo(by_dtype()[self.quantized_dtype].numpy)
        least, greatest = int(limits.min), int(limits.max)
        scale, zero = self.scales[0], self.zero_points[0]
        half = (greatest - least) // 2
        if zero == greatest - half:
            return -half * scale, half * scale
        return (least - zero) * scale, (greatest - zero) * scale


@dataclass
class GraphQuantInfo:
    """The parameters of a model's tensors, by the model's names."""

    tensor_params: dict[str, QuantParams] = field(default_factory=dict[str, QuantParams])
    weights_quantized: bool = False
    activations_quantized: bool = False

    def has_params(self, tensor_name: str) -> bool:
        """Whether parameters of a tensor are known."""
        return tensor_name in self.tensor_params

    def get_params(self, tensor_name: str) -> QuantParams:
        """The parameters of a tensor. Raises KeyError when they are not known."""
        return self.tensor_params[tensor_name]

    def set_params(self, tensor_name: str, params: QuantParams) -> None:
        """Set the parameters of a tensor."""
        self.tensor_params[tensor_name] = params

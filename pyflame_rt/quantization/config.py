"""Settings of quantization, in the documentation's words; each is a way to spell `pfrt-quantize`."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from pyflame_rt.dtypes import DType
from pyflame_rt.errors import ValidationError
from pyflame_rt.passes.quantization.pfrt_quantize import (
    Granularity,
    Integers,
    Mode,
    PfrtQuantizePass,
)


class QuantMode(Enum):
    """What values become, and when."""

    None_ = 0
    FP16 = 1
    BFloat16 = 2
    DynamicInt8 = 3
    StaticInt8 = 4


class QuantGranularity(Enum):
    """How many scales weights have."""

    PerTensor = 0
    PerChannel = 1


class CalibrationMethod(Enum):
    """How a range is chosen from what was seen; MSE is not in the documentation."""

    MinMax = 0
    Entropy = 1
    Percentile = 2
    MSE = 3


_MODES: Final[dict[QuantMode, Mode]] = {
    QuantMode.FP16: "fp16",
    QuantMode.BFloat16: "bf16",
    QuantMode.DynamicInt8: "dynamic-int8",
    QuantMode.StaticInt8: "static-int8",
}
_GRANULARITIES: Final[dict[QuantGranularity, Granularity]] = {
    QuantGranularity.PerTensor: "tensor",
    QuantGranularity.PerChannel: "channel",
}
_INTEGERS: Final[dict[DType, Integers]] = {DType.Int8: "i8", DType.UInt8: "ui8"}


@dataclass
class QuantConfig:
    """How a model is quantized.

    `exclude_ops`: names of results and types of operators (`Softmax`) that stay as they are.
    `calibration_samples`: how many batches a session asks for where it is not told. `percentile`:
    of method Percentile, in percent.

    `equalize` (`equalize_channels`) changes what integers are made of. `smooth_quant`
    (`smooth_activations`, with `smooth_alpha`) and `bias_correction` (`correct_biases`) are of static
    quantization that calibrates itself; the feeds are kept for them.
    """

    mode: QuantMode = QuantMode.None_
    weight_dtype: DType = DType.Int8
    activation_dtype: DType = DType.Int8
    granularity: QuantGranularity = QuantGranularity.PerTensor
    calibration_method: CalibrationMethod = CalibrationMethod.MinMax
    symmetric: bool = True
    exclude_ops: list[str] = field(default_factory=list[str])
    calibration_samples: int = 100
    percentile: float = 99.999
    equalize: bool = False
    smooth_quant: bool = False
    smooth_alpha: float = 0.5
    bias_correction: bool = False

    @staticmethod
    def fp16() -> QuantConfig:
        """Values in IEEE 754 half precision."""
        return QuantConfig(mode=QuantMode.FP16)

    @staticmethod
    def bfloat16() -> QuantConfig:
        """Values in brain floating point."""
        return QuantConfig(mode=QuantMode.BFloat16)

    @staticmethod
    def dynamic_int8() -> QuantConfig:
        """Weights are integers; data become integers by their own range in each run."""
        return QuantConfig(mode=QuantMode.DynamicInt8)

    @staticmethod
    def static_int8(calibration_samples: int = 100) -> QuantConfig:
        """Weights and data are integers; the ranges of data come from calibration."""
        return QuantConfig(mode=QuantMode.StaticInt8, calibration_samples=calibration_samples)

    def is_valid(self) -> bool:
        """Whether a model can be quantized so."""
        return not self.validation_error()

    def validation_error(self) -> str:
        """What is wrong with the settings, "" if nothing is."""
        kinds: tuple[tuple[str, type], ...] = (
            ("mode", QuantMode),
            ("granularity", QuantGranularity),
            ("calibration_method", CalibrationMethod),
        )
        for name, kind in kinds:
            if not isinstance(getattr(self, name), kind):
                return f"{name} must be a {kind.__name__}, got {getattr(self, name)!r}"
        for name in ("weight_dtype", "activation_dtype"):
            if getattr(self, name) not in _INTEGERS:
                return f"{name} must be Int8 or UInt8, got {getattr(self, name)!r}"
        if self.calibration_samples < 1:
            return f"calibration_samples must be at least 1, got {self.calibration_samples}"
        if not 50 < self.percentile <= 100:
            return f"percentile must be above 50 and at most 100, got {self.percentile}"
        if not 0 <= self.smooth_alpha <= 1:
            return f"smooth_alpha must be from 0 to 1, got {self.smooth_alpha}"
        if isinstance(self.exclude_ops, str):
            return "exclude_ops must be a list of names, got one text"
        return ""

    def require_valid(self) -> None:
        """Raise ValidationError with what is wrong."""
        if why := self.validation_error():
            raise ValidationError(why, where="QuantConfig")

    def to_pass(self) -> PfrtQuantizePass | None:
        """The pass that does what the settings say; None for mode None_. Raises ValidationError."""
        self.require_valid()
        if self.mode is QuantMode.None_:
            return None
        activation = _INTEGERS[self.activation_dtype]
        return PfrtQuantizePass(
            mode=_MODES[self.mode],
            granularity=_GRANULARITIES[self.granularity],
            symmetric=self.symmetric,
            weight_dtype=_INTEGERS[self.weight_dtype],
            activation_dtype="i8" if activation == "i8" else "ui8",
            exclude=tuple(self.exclude_ops),
        )

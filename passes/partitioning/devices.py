"""Devices that a model can be spread over, and the ways to spread it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from pyflame_rt.dialects.targets import WAFER
from pyflame_rt.errors import ValidationError


class DeviceType(Enum):
    """What a device is. CPU and DISTRIBUTED devices run on NumPy, WSE ones are simulated wafers."""

    CPU = 0
    WSE = 1
    GPU = 2
    DISTRIBUTED = 3


class PartitionStrategy(Enum):
    """How a model is spread over devices."""

    MANUAL = 0
    DATA_PARALLEL = 1
    MODEL_PARALLEL = 2
    PIPELINE_PARALLEL = 3
    HYBRID = 4
    AUTOMATIC = 5

    @property
    def word(self) -> str:
        """As passes and plan files spell it: `data`, `pipeline`."""
        return self.name.removesuffix("_PARALLEL").lower()

    @staticmethod
    def of(word: str) -> PartitionStrategy:
        """The strategy of that spelling. Raises ValidationError."""
        found = next((s for s in PartitionStrategy if s.word == word), None)
        if found is None:
            words = ", ".join(s.word for s in PartitionStrategy)
            raise ValidationError(f'there is no strategy "{word}"', hint=f"there are {words}")
        return found


@dataclass
class Link:
    """What moving bytes to or from a device takes: `alpha_us + bytes * beta_us`."""

    alpha_us: float = 10.0
    beta_us: float = 1e-4

    def time_us(self, count: int) -> float:
        """Microseconds for so many bytes."""
        return self.alpha_us + count * self.beta_us


@dataclass
class DeviceSpec:
    """A device: `memory_bytes` for weights and activations, 0 without a limit; `compute_flops` a
    second, 0 for one like the others; `name` says which backend runs it where the type leaves that
    open (`wse3`); `link` is its own, None for the one that all devices of a plan have."""

    type: DeviceType = DeviceType.CPU
    device_id: int = 0
    memory_bytes: int = 0
    compute_flops: float = 0.0
    name: str = ""
    link: Link | None = None

    @property
    def backend(self) -> str:
        """The backend that runs what is placed on it."""
        match self.type:
            case DeviceType.WSE:
                return self.name if self.name in WAFER else WAFER[0]
            case DeviceType.GPU:
                return "cuda"
            case _:
                return "numpy"

    @property
    def target(self) -> str:
        """What functions that it runs are tagged with: backend and number, `numpy:1`."""
        return f"{self.backend}:{self.device_id}"

    def __str__(self) -> str:
        return self.name or f"{self.type.name.lower()}:{self.device_id}"


def devices_of(texts: Sequence[str]) -> list[DeviceSpec]:
    """Devices by a number of them (`4`: CPUs), or one each: `type:id:memory:latency:bandwidth`, in
    bytes, microseconds, and bytes a microsecond, of which the last ones may be left out.

    Raises ValidationError for another spelling and for two devices of one type and number.
    """
    if len(texts) == 1 and texts[0].isdigit():
        count = int(texts[0])
        if not 1 <= count <= 4096:
            raise ValidationError(
                f"{count} devices are asked for", hint="between 1 and 4096 can be"
            )
        return [DeviceSpec(device_id=number) for number in range(count)]
    found = [_device(text, number) for number, text in enumerate(texts)]
    require_distinct(found)
    return found


def require_distinct(devices: Sequence[DeviceSpec]) -> None:
    """Raise ValidationError unless each device has a type and number of its own."""
    seen: set[str] = set()
    for device in devices:
        if device.target in seen:
            raise ValidationError("is there twice", where=f"device {device.target}")
        seen.add(device.target)


def _device(text: str, number: int) -> DeviceSpec:
    kind, *rest = text.strip().split(":")
    name = kind if kind in WAFER else ""
    known = {t.name.lower(): t for t in DeviceType} | dict.fromkeys(WAFER, DeviceType.WSE)
    wrong = ValidationError(
        "is no device",
        where=f'"{text}"',
        hint="write type:id:memory:latency:bandwidth, such as cpu:0, or cpu:0:1000000:10:25000",
    )
    if kind not in known or len(rest) not in (0, 1, 2, 4):
        raise wrong
    if not all(part.isdecimal() and len(part) < 19 for part in rest[:2]):
        raise wrong
    ident = int(rest[0]) if rest else number
    memory = int(rest[1]) if len(rest) > 1 else 0
    return DeviceSpec(known[kind], ident, memory, 0.0, name, _link(rest[2:], wrong))


def _link(texts: Sequence[str], wrong: ValidationError) -> Link | None:
    if not texts:
        return None
    try:
        latency, bandwidth = map(float, texts)
    except ValueError:
        raise wrong from None
    if not (0 <= latency < math.inf and 0 < bandwidth < math.inf):
        raise wrong
    return Link(latency, 1.0 / bandwidth)

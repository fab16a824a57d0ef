"""Settings of partitioning: each is a way to spell `pfrt-partition`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from pyflame_rt.errors import ValidationError
from pyflame_rt.passes.partitioning.devices import (
    DeviceSpec,
    DeviceType,
    PartitionStrategy,
    require_distinct,
)

__all__ = ["DeviceSpec", "DeviceType", "PartitionConfig", "PartitionStrategy", "WSEChipConfig"]


@dataclass
class PartitionConfig:
    """How a graph is to be spread.

    `balance_compute`: the busiest device decides, else only what is sent. `minimize_communication`:
    what is sent counts as work of the devices. `max_pipeline_stages`: 0 for one a device.
    `micro_batch_size`: rows of the batch that pass the pipeline together. `colocate`: groups of
    node names that stay on one device. `tensor_parallel`: devices that share each layer.
    `time_limit`: seconds for the search.
    """

    devices: list[DeviceSpec] = field(default_factory=list[DeviceSpec])
    strategy: PartitionStrategy = PartitionStrategy.AUTOMATIC
    balance_compute: bool = True
    minimize_communication: bool = True
    max_pipeline_stages: int = 0
    micro_batch_size: int = 1
    tensor_parallel: int = 0
    colocate: list[list[str]] = field(default_factory=list[list[str]])
    time_limit: float = 10.0

    def validate(self) -> None:
        """Raise ValidationError for settings that mean nothing."""
        require_distinct(self.devices)
        for name in ("max_pipeline_stages", "tensor_parallel"):
            if getattr(self, name) < 0:
                raise ValidationError(f"is {getattr(self, name)}", where=name, hint="0 is no limit")
        if self.micro_batch_size < 1:
            raise ValidationError(f"is {self.micro_batch_size}", where="micro_batch_size")
        if self.time_limit <= 0:
            raise ValidationError(f"is {self.time_limit}", where="time_limit")


@dataclass
class WSEChipConfig:
    """A grid of wafers: `inter_chip_bandwidth` in bytes a second, `inter_chip_latency` in
    nanoseconds a hop, `chip_memory_bytes` each, 0 without a limit. `num_chips` 0 is what the
    topology says. Simulated are `machine`s with `grid` of PEs at `clock_hz`; with `share_layers`
    all chips have a slice of each large layer, else they are a pipeline."""

    num_chips: int = 0
    topology: list[int] = field(default_factory=lambda: [1, 1])
    inter_chip_bandwidth: float = 1e12
    inter_chip_latency: float = 100.0
    chip_memory_bytes: int = 0
    machine: str = "wse2"
    grid: str = "8x8"
    clock_hz: float = 850e6
    share_layers: bool = False

    @property
    def chips(self) -> int:
        """How many chips there are. Raises ValidationError when the two ways to say it differ."""
        if not self.topology or min(self.topology) < 1:
            raise ValidationError(f"is {self.topology}", where="topology", hint="such as [2, 2]")
        count = math.prod(self.topology)
        if self.num_chips and count not in (1, self.num_chips):
            raise ValidationError(
                f"{self.num_chips} chips in a topology of {count}", where="WSEChipConfig"
            )
        return self.num_chips or count

"""How a convolution is compiled: window by window, or by tiles of Winograd's algorithm, and why."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from xdsl.dialects.builtin import DictionaryAttr, IntegerAttr
from xdsl.ir import Operation

from pyflame_rt.dialects.plan.schedules import SCHEDULE, Schedule

TILES = (2, 4)
"""Outputs along each axis of a tile, of windows of 3 x 3: F(2 x 2, 3 x 3) and F(4 x 4, 3 x 3)."""


@dataclass(frozen=True)
class ConvolutionSchedule(Schedule):
    """The schedule of the products, and of how many outputs along an axis tiles are; the estimates
    by which that was chosen, in nanoseconds of one thread, stand beside it.

    ```mlir
    plan.schedule = {ahead = 4096 : i64, block = 256 : i64, cpu = "avx512", depth = 1536 : i64,
                     lanes = 16 : i64, rows = 12 : i64, shares = 1 : i64, unroll = 2 : i64,
                     vectors = 2 : i64, output_tile = 4 : i64, time_1 = 1103686 : i64,
                     time_2 = 606998 : i64, time_4 = 367511 : i64}
    ```
    """

    output_tile: int = 1
    """1: windows are read where they lie, and multiplied with the weights as they are."""
    time_1: int = 0
    time_2: int = 0
    time_4: int = 0

    @property
    def products(self) -> Schedule:
        """That of the products alone, which many convolutions have in common."""
        return Schedule(**{field.name: getattr(self, field.name) for field in fields(Schedule)})

    @classmethod
    def of(cls, op: Operation) -> Self | None:
        """That of a call; None where it has none, or none of a convolution."""
        base, attribute = Schedule.of(op), op.attributes.get(SCHEDULE)
        if base is None or not isinstance(attribute, DictionaryAttr):
            return None
        found: dict[str, Any] = {}
        for name in ("output_tile", "time_1", "time_2", "time_4"):
            match attribute.data.get(name):
                case IntegerAttr() as number:
                    found[name] = number.value.data
                case _ if name == "output_tile":
                    return None
                case _:
                    pass
        if found["output_tile"] not in (1, *TILES):
            return None
        return cls(**asdict(base), **found)


@dataclass(frozen=True)
class Windows:
    """A convolution with windows of 3 x 3 that go on by one element."""

    positions: tuple[int, int]
    """Of the result of an image, along both axes."""
    batch: int
    channels: int
    features: int

    def schedule(self, schedule: Schedule) -> ConvolutionSchedule:
        """The fastest, as estimated."""
        times = {tile: round(self._time(schedule, tile)) for tile in (1, *TILES)}
        # Of equals the one that multiplies more: its sums are the more exact.
        best = min(times, key=lambda tile: (times[tile], tile))
        known: dict[str, Any] = {f"time_{tile}": time for tile, time in times.items()}
        return ConvolutionSchedule(**asdict(schedule), output_tile=best, **known)

    def _time(self, schedule: Schedule, tile: int) -> float:
        """Multiplications, reading of weights, and for tiles the way to them and back."""
        panel, lanes = schedule.columns, schedule.lanes
        across = -(-self.features // panel) * panel
        speed = _MULTIPLIED * lanes / 16 / (_APART if schedule.cpu == "generic" else 1)
        if tile == 1:
            # Windows are so many rows of an image, which tiles of registers do not reach across.
            rows = math.prod(self.positions) * self.batch
            multiplied = rows * 9 * self.channels * across / speed
            return multiplied + 9 * self.channels * across * 4 / _READ
        places = (tile + 2) ** 2
        tiles = math.prod(-(-count // tile) for count in self.positions) * self.batch
        multiplied = places * tiles * self.channels * across / speed
        # Rows of so few tiles leave registers unused, and weights are not read ahead in time.
        read = places * self.channels * across * 4 / _READ
        vectors = tiles * (-(-self.channels // lanes) + -(-self.features // lanes))
        return multiplied + read + vectors * TRANSFORMED[tile] * _SLOWER.get(lanes, 1.0)


_MULTIPLIED, _READ = 105.0, 55.0
"""Multiply-adds of 16 lanes, and bytes of weights, in a nanosecond."""

_APART = 1.25
"""How much longer a product takes whose multiplications and additions are apart."""

TRANSFORMED = {2: 18.0, 4: 52.0}
"""Nanoseconds for a register of channels of a tile, there or back."""

_SLOWER: dict[int, float] = {16: 1.0, 8: 1.2, 4: 1.4}
"""With fewer registers of fewer lanes a tile is put down in between."""

"""How a product of integers of 8 bits is compiled to machine code.

Sums are of 32 bits and exact, so that a schedule changes nothing but the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

from xdsl.dialects.builtin import DictionaryAttr
from xdsl.ir import Operation

from pyflame_rt.dialects.plan.schedules import SCHEDULE, Elements, values_of, written


@dataclass(frozen=True)
class IntegerSchedule:
    """The tile of a product that is kept in registers, and the way through the depth.

    ```mlir
    plan.schedule = {ahead = 2048 : i64, cpu = "avx512vnni", lanes = 16 : i64, rows = 10 : i64,
                     shares = 1 : i64, unroll = 2 : i64, vectors = 2 : i64}
    ```
    """

    cpu: str
    """The instructions: a key of `INTEGER_SCHEDULES`."""
    lanes: int
    """Sums in a register."""
    rows: int
    """Rows of a tile, at the most."""
    vectors: int
    """Registers of a row; `lanes * vectors` columns are packed together."""
    unroll: int
    """Steps, of four elements of the depth each, in one turn of the loop."""
    ahead: int
    """Bytes of weights between those that are multiplied and those that are asked for."""
    shares: int = 1
    """Parts of the work that may be done at the same time, at the most."""

    @property
    def columns(self) -> int:
        """Columns of a tile."""
        return self.lanes * self.vectors

    def to_attribute(self) -> DictionaryAttr:
        """As it stands in the IR."""
        return written(self)

    @classmethod
    def of(cls, op: Operation) -> Self | None:
        """That of a call; None where it has none that makes sense."""
        found = values_of(cls, op)
        schedule = None if found is None else cls(**found)
        # What has more belongs to a schedule of floats.
        if schedule is None or schedule.to_attribute() != op.attributes[SCHEDULE]:
            return None
        return schedule if schedule.is_sound else None

    @property
    def is_sound(self) -> bool:
        """Whether there are registers of so many lanes, and it is small enough to be compiled."""
        known = INTEGER_SCHEDULES.get(self.cpu)
        sizes = self.rows <= 32 and self.vectors <= 4 and self.unroll <= 8
        is_power = self.unroll & (self.unroll - 1) == 0
        return known is not None and known.lanes == self.lanes and sizes and is_power


INTEGER_SCHEDULES: Mapping[str, IntegerSchedule] = MappingProxyType(
    {
        "avx512vnni": IntegerSchedule("avx512vnni", 16, 10, 2, 2, 2048),
        "avx512": IntegerSchedule("avx512", 16, 10, 2, 1, 2048),
        "avxvnni": IntegerSchedule("avxvnni", 8, 6, 2, 2, 2048),
        "avx2": IntegerSchedule("avx2", 8, 4, 2, 1, 2048),
        "generic": IntegerSchedule("generic", 4, 4, 2, 1, 2048),
    }
)
"""For each kind of processor the tile that fills its registers. Without the instruction that multiplies
bytes ("…vnni"), they are widened to 16 bits first, which takes registers of its own."""

BYTES = Elements(1, 1, 4)
"""What the products are made of."""

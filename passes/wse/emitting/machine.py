"""The machine's constants that decide about a mapping, as plain numbers.

They are those of `backends/wse/machine.py`, which this layer cannot see: a test compares them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True)
class Constants:
    """What a tile program costs on a machine; all times are cycles."""

    name: str
    hop: int = 1
    ramp_down: int = 2
    ramp_up: int = 2
    # Dispatch of an op with a fabric operand to its first word; execution of a word.
    fabric_dispatch: int = 0
    execute: int = 1
    # Issue of a vector op beside its groups.
    vector_issue: int = 1
    # Elements a group: 16-bit ops, 32-bit ops, f32 products; cycles a group with two sources in memory.
    lanes_16: int = 4
    lanes_32: int = 2
    lanes_multiply_32: int = 1
    two_source_interval: int = 1
    # Percent of the nominal time: f32 multiply-add, f16 multiply-add, copy.
    percent_multiply_32: int = 100
    percent_multiply_16: int = 100
    percent_copy: int = 100
    # Scalar code: an instruction, the result of a float one, branches.
    scalar: int = 1
    float_latency: int = 2
    branch_not_taken: int = 3
    branch_taken: int = 6
    # Loading a DSD into a DSR, an op after the last load; `@map`: set-up and an iteration.
    dsr_load: int = 9
    dsr_ready: int = 10
    map_begin: int = 10
    map_next: int = 2
    # A word on a link takes this many eighths of a cycle.
    link_eighths: int = 8

    def rate(self, dtype: str) -> float:
        """Multiply-adds a cycle of one PE, both operands in memory."""
        if dtype == "f16":
            return self.lanes_16 * 100 / (self.two_source_interval * self.percent_multiply_16)
        return self.lanes_multiply_32 * 100 / self.percent_multiply_32

    def loads(self, operands: int) -> int:
        """Cycles before an op whose DSDs are loaded for it."""
        return (operands - 1) * self.dsr_load + self.dsr_ready

    def pair(self, elements: int, lanes: int, *, clash: bool = False) -> float:
        """Cycles of the groups of an op with two sources in memory, which take twice as long in one class of banks."""
        interval = self.two_source_interval if lanes > 1 else 1
        return -(-elements // lanes) * interval * (2 if clash else 1)

    def in_one_class(self, distance: int, lanes: int) -> bool:
        """Whether elements so far apart are in one class of banks; `lanes` tell 16-bit ones from 32-bit ones."""
        unit = 2 if lanes == self.lanes_16 else 1
        return distance // unit % 2 == 0

    @property
    def stage(self) -> int:
        """Cycles that one PE adds to the latency of a chain of additions."""
        return self.ramp_up + self.execute + self.ramp_down + self.hop


_WSE3: Final = Constants(
    "wse3", hop=2, ramp_down=4, ramp_up=3, fabric_dispatch=3, execute=0, vector_issue=0,
    lanes_16=8, lanes_32=4, two_source_interval=2, dsr_load=1, dsr_ready=4, map_next=1,
)  # fmt: skip

CONSTANTS: Final = {
    "wse2": Constants("wse2"),
    "wse3": _WSE3,
    "wse3-si": replace(
        _WSE3, name="wse3-si", percent_multiply_16=137, percent_copy=166, link_eighths=9
    ),
}
"""By the name of the machine."""

DATA_BYTES: Final = 44_976
"""Bytes of a PE that a program may use: the rest of the 48 KiB is the host-copy runtime's."""

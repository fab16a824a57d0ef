"""How a call of a plan is compiled to machine code, said in the IR.

A call with `plan.schedule` is compiled where that can be done and the processor has what the schedule
names; elsewhere it runs as a call without one, which computes the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Self, cast

from xdsl.dialects.builtin import DictionaryAttr, IntegerAttr, StringAttr, i64
from xdsl.ir import Attribute, Operation

SCHEDULE = "plan.schedule"
"""The attribute of a call that says how it is compiled."""


ELEMENTWISE = (
    "abs", "add", "clip", "div", "erf", "exp", "gelu", "hard_sigmoid", "hard_swish", "leaky_relu",
    "max", "min", "mul", "neg", "reciprocal", "relu", "sigmoid", "softsign", "sqrt", "sub", "swish",
    "tanh",
)  # fmt: skip
"""Elementwise algorithms that there is machine code for."""


@dataclass(frozen=True)
class Schedule:
    """The tile of a matrix product that is kept in registers, and the way through the depth.

    ```mlir
    plan.schedule = {ahead = 4096 : i64, cpu = "avx512", depth = 1024 : i64, lanes = 16 : i64,
                     rows = 12 : i64, shares = 1 : i64, unroll = 2 : i64, vectors = 2 : i64}
    ```
    """

    cpu: str
    """The instructions: a key of `SCHEDULES`."""
    lanes: int
    """f32 elements of a register."""
    rows: int
    """Rows of a tile, at the most."""
    vectors: int
    """Registers of a row; `lanes * vectors` columns are packed together."""
    unroll: int
    """Steps along the depth in one turn of the loop."""
    depth: int
    """Steps along the depth after which a sum is put down, so that weights stay in the cache."""
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
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        attributes: dict[str, Attribute] = {
            name: StringAttr(value) if isinstance(value, str) else IntegerAttr(value, i64)
            for name, value in values.items()
        }
        return DictionaryAttr(attributes)

    @classmethod
    def of(cls, op: Operation) -> Self | None:
        """That of a call; None where it has none that makes sense."""
        attribute = op.attributes.get(SCHEDULE)
        if not isinstance(attribute, DictionaryAttr):
            return None
        found: dict[str, object] = {}
        for field in fields(cls):
            match attribute.data.get(field.name):
                case StringAttr(data=text) if field.name == "cpu":
                    found[field.name] = text
                case IntegerAttr() as number if field.name != "cpu" and number.value.data > 0:
                    found[field.name] = number.value.data
                case _:
                    return None
        schedule = cls(**cast("dict[str, int]", found))  # pyright: ignore[reportArgumentType]
        return schedule if schedule.is_sound else None

    @property
    def is_sound(self) -> bool:
        """Whether it is small enough to be compiled."""
        powers = all(n & (n - 1) == 0 for n in (self.lanes, self.unroll))
        sizes = self.lanes <= 64 and self.rows <= 32 and self.vectors <= 8 and self.unroll <= 16
        return self.cpu in SCHEDULES and powers and sizes


SCHEDULES: Mapping[str, Schedule] = MappingProxyType(
    {
        "avx512": Schedule("avx512", 16, 12, 2, 2, 1024, 4096),
        "avx2": Schedule("avx2", 8, 6, 2, 2, 512, 2048),
        "generic": Schedule("generic", 4, 4, 2, 2, 512, 2048),
    }
)
"""For each kind of processor the tile that fills its registers: 32 of 512 bits, 16 of 256 with a fused
multiply-add, 16 of 128 bits. Of 32 registers a few are left over: rows of 4096 bytes begin in the same
places of a first cache that has 12 ways, and with 14 rows no line stays there until it is used up."""

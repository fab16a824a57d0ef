"""How a call of a plan is compiled to machine code, said in the IR.

A call with `plan.schedule` is compiled where that can be done and the processor has what the schedule
names; elsewhere it runs as a call without one, which computes the same.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any, Self

from xdsl.dialects.builtin import DictionaryAttr, IntegerAttr, StringAttr, i64
from xdsl.ir import Attribute, Operation

SCHEDULE = "plan.schedule"
"""The attribute of a call that says how it is compiled."""


ELEMENTWISE = (
    "abs", "add", "and", "cast", "ceil", "celu", "clip", "div", "elu", "equal", "erf", "exp",
    "floor", "gelu", "greater", "greater_or_equal", "hard_sigmoid", "hard_swish", "is_inf",
    "is_nan", "leaky_relu", "less", "less_or_equal", "log", "max", "mean", "min", "mish", "mul",
    "neg", "not", "or", "pow", "prelu", "reciprocal", "relu", "round", "selu", "sigmoid", "sign",
    "softplus", "softsign", "sqrt", "sub", "sum", "swish", "tanh", "thresholded_relu", "where",
    "xor",
)  # fmt: skip
"""Elementwise algorithms that there is machine code for, of f32 and booleans."""


def written(schedule: Any, without: Collection[str] = ()) -> DictionaryAttr:
    """Numbers and texts of a dataclass as an attribute."""
    values = {field.name: getattr(schedule, field.name) for field in fields(schedule)}
    attributes: dict[str, Attribute] = {
        name: StringAttr(value) if isinstance(value, str) else IntegerAttr(value, i64)
        for name, value in values.items()
        if name not in without
    }
    return DictionaryAttr(attributes)


def values_of(cls: Any, op: Operation, optional: Collection[str] = ()) -> dict[str, Any] | None:
    """What the schedule of a call says for the fields of a dataclass; None where one is missing, or no
    positive number."""
    attribute = op.attributes.get(SCHEDULE)
    if not isinstance(attribute, DictionaryAttr):
        return None
    found: dict[str, Any] = {}
    for field in fields(cls):
        match attribute.data.get(field.name):
            case StringAttr(data=text) if field.type == "str":
                found[field.name] = text
            case IntegerAttr() as number if field.type == "int" and number.value.data > 0:
                found[field.name] = number.value.data
            case None if field.name in optional:
                pass
            case _:
                return None
    return found


@dataclass(frozen=True)
class Elements:
    """What a product is made of: bytes of an element of x, and of weights, and how many of these, one
    behind the other in the depth, lie together."""

    x: int
    weights: int
    group: int = 1


ELEMENTS: Mapping[str, Elements] = MappingProxyType(
    {
        "f32": Elements(4, 4),
        "f16": Elements(4, 2),
        "bf16": Elements(4, 2),
        "bf16_pairs": Elements(2, 2, 2),
    }
)
"""Weights of f16 and bf16 are widened when they are in registers. Pairs are of bf16 on both sides: the
processor multiplies two and adds both products to a sum of f32."""

REDUCTIONS = (
    "global_average_pool", "global_max_pool", "reduce_l1", "reduce_l2", "reduce_log_sum",
    "reduce_log_sum_exp", "reduce_max", "reduce_mean", "reduce_min", "reduce_prod", "reduce_sum",
    "reduce_sum_square",
)  # fmt: skip
"""Reductions of f32 that there is machine code for."""

MOVEMENTS = ("concat", "copy", "pad", "resize", "slice", "transpose")
"""Copies of f32 that there is machine code for."""

POWERS = frozenset((-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0, 4.0))
"""Exponents of `pow` that there is machine code for: by multiplications and roots."""


_MOST_ROWS = 32


@dataclass(frozen=True)
class Schedule:
    """The tile of a matrix product that is kept in registers, and the way through the depth.

    ```mlir
    plan.schedule = {ahead = 4096 : i64, block = 256 : i64, cpu = "avx512", depth = 1536 : i64,
                     lanes = 16 : i64, rows = 12 : i64, shares = 1 : i64, unroll = 2 : i64,
                     vectors = 2 : i64}
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
    """Bytes of weights between those that are multiplied and those that are asked for, where several
    panels go by at a time; tiles of one panel ask for the next one."""
    shares: int = 1
    """Parts of the work that may be done at the same time, at the most."""
    block: int = 256
    """Products, about, that are added up before their sum is added to those of other blocks."""
    elements: str = "f32"
    """What weights are packed as: a key of `ELEMENTS`. Not written for f32."""

    @property
    def columns(self) -> int:
        """Columns of a tile."""
        return self.lanes * self.vectors

    def narrowed(self, columns: int) -> Self:
        """One register of a row, and more rows, for products of so few columns that others were empty."""
        if columns > self.lanes or self.vectors == 1:
            return self
        return replace(self, vectors=1, rows=min(2 * self.rows, _MOST_ROWS))

    def to_attribute(self) -> DictionaryAttr:
        """As it stands in the IR."""
        return written(self, {"elements"} if self.elements == "f32" else ())

    @classmethod
    def of(cls, op: Operation) -> Self | None:
        """That of a call; None where it has none that makes sense."""
        found = values_of(cls, op, optional=("block", "elements"))
        schedule = None if found is None else cls(**found)
        return schedule if schedule is not None and schedule.is_sound else None

    @property
    def is_sound(self) -> bool:
        """Whether it is small enough to be compiled."""
        powers = all(n & (n - 1) == 0 for n in (self.lanes, self.unroll))
        sizes = (
            self.lanes <= 64 and self.rows <= _MOST_ROWS and self.vectors <= 8 and self.unroll <= 16
        )
        is_known = self.cpu in SCHEDULES and self.elements in ELEMENTS
        return is_known and powers and sizes


SCHEDULES: Mapping[str, Schedule] = MappingProxyType(
    {
        "avx512": Schedule("avx512", 16, 12, 2, 2, 1536, 4096),
        "avx2": Schedule("avx2", 8, 6, 2, 2, 1024, 2048),
        "generic": Schedule("generic", 4, 4, 2, 4, 512, 2048),
    }
)
"""For each kind of processor the tile that fills its registers: 32 of 512 bits, 16 of 256 with a fused
multiply-add, 16 of 128 bits. Of 32 registers a few are left over: rows of 4096 bytes begin in the same
places of a first cache that has 12 ways, and with 14 rows no line stays there until it is used up."""

WITH_PAIRS: Mapping[str, str] = MappingProxyType({"avx512bf16": "avx512"})
"""Kinds that multiply pairs of bf16 as well, and what they are beside it."""

"""What is done to sums of products of integers before they are put down.

With z the zero point of x, the weights of a column w and t what was not taken off them:

    sum (x - z) (w - t) = sum x w - t sum x - z sum (w - t)

The machine multiplies bytes from 0 to 255 with bytes from -128 to 127. Signed x are read as 128 more
than they are, and z is 128 more as well. Of weights their zero point is taken off when they are packed,
where that leaves bytes; else `t` says what is left to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import f32, i64
from xdsl.ir import SSAValue

from pyflame_rt.backends.native.integers.quotients import SumCode
from pyflame_rt.backends.native.integers.vectors import Integers, Limits
from pyflame_rt.backends.native.writing.activations import activated, is_short
from pyflame_rt.backends.native.writing.builder import POINTER, Builder

RESULTS = ("int32", "bytes", "float32")
"""What is put down: the sums; these times a factor, rounded, in limits; or these times a factor, plus
bias and residual, and not less than a floor if there is one."""

FIELDS = ("@colsums", "@shifts", "@bias", "@factors", "@addends", "@limits")
"""Of each column sum (w - t), t, an i32 that is added, an f32 factor, an f32 that is added after it; and
limits, or a floor."""

ADDED = 64
"""Bytes."""


@dataclass(frozen=True)
class Adding:
    """Bytes that are added to those that sums become, as reals that both stand for; their numbers lie
    `ADDED` bytes behind the limits."""

    signed: bool
    how: str
    """How they are divided: see `integer_quotients`."""


@dataclass(frozen=True)
class Ending:
    """How the sums of a kernel end."""

    result: str
    signed: bool
    """Whether x are signed."""
    has_shifts: bool
    """Whether there are columns with a t."""
    has_floor: bool = False
    """Whether f32 have a least one."""
    activation: str = ""
    """A function of f32, one of `activations`; "" for none."""
    numbers: tuple[float, ...] = ()
    """Its numbers."""
    adds: Adding | None = None
    """What is added to bytes, which become others then."""

    @property
    def size(self) -> int:
        """Bytes of an element of the result."""
        return 1 if self.result == "bytes" else 4


class Finish:
    """The code of an ending, for columns that begin `across` bytes of 4 a column on."""

    def __init__(
        self,
        b: Builder,
        v: Integers,
        ending: Ending,
        given: Mapping[str, SSAValue],
        across: SSAValue,
    ) -> None:
        self._b, self._v, self._ending = b, v, ending
        self._given, self._across = given, across
        self._starts: dict[int, SSAValue] = {}
        self._factors: dict[int, SSAValue] = {}
        self._limits: Limits | None = None
        self._sum: SumCode | None = None

    def _of(self, name: str, vector: int, *, floats: bool = False) -> SSAValue:
        place = self._b.at(self._b.at(self._given[name], self._across), 4 * self._v.lanes * vector)
        return self._b.load_vector(place, self._v.lanes) if floats else self._v.load(place)

    def starts(self, vectors: int) -> Sequence[SSAValue]:
        """What the sums of so many vectors of columns begin with."""
        v, ending = self._v, self._ending
        if not self._starts:
            zero = v.spread_number(v.byte(self._given["zero"], signed=ending.signed))
            for k in range(vectors):
                self._starts[k] = v.minus(
                    self._of("bias", k), v.times(zero, self._of("colsums", k))
                )
        return list(self._starts.values())

    def _factor(self, vector: int) -> SSAValue:
        if vector not in self._factors:
            found = self._of("factors", vector, floats=True)
            if self._ending.result == "float32":
                scale = self._b.load(self._given["scale"], f32, 4)
                found = self._b.multiply(self._v.spread_number(scale), found)
            self._factors[vector] = found
        return self._factors[vector]

    def prepare(self, vectors: int) -> None:
        """Read what belongs to so many vectors of columns now, before a loop."""
        if self._ending.result != "int32":
            for vector in range(vectors):
                self._factor(vector)
        if self._ending.result == "bytes":
            self._limits = self._v.limits(self._given["limits"])

    def prepare_sum(self) -> None:
        """Read the numbers of what is added, if anything is, before branches."""
        if (adds := self._ending.adds) is not None:
            numbers = self._b.at(self._given["limits"], ADDED)
            self._sum = SumCode(self._b, self._v, numbers, adds.how, skips_a=True)

    def value(
        self,
        total: SSAValue,
        vector: int,
        row_sum: SSAValue | None,
        residual: SSAValue | None = None,
    ) -> SSAValue:
        """What is put down of the sums of a vector of columns."""
        b, v = self._b, self._v
        found = total
        if row_sum is not None:
            found = v.minus(found, v.times(row_sum, self._of("shifts", vector)))
        if self._ending.result == "int32":
            return found
        scaled = b.multiply(v.to_floats(found), self._factor(vector))
        if self._ending.result == "bytes":
            limits = self._limits = self._limits or v.limits(self._given["limits"])
            # Factors are finite, and so is every product with them, or infinite.
            if self._ending.adds is not None:
                return v.whole(scaled, limits)
            return v.narrow(v.rounded(scaled, limits, is_number=True))
        scaled = b.add_floats(scaled, self._of("addends", vector, floats=True))
        if residual is not None:
            scaled = b.add_floats(scaled, residual)
        return scaled

    def added(self, value: SSAValue, place: SSAValue, mask: SSAValue | None) -> SSAValue:
        """The bytes that a value of whole numbers and bytes at an address are together."""
        adds = self._ending.adds
        assert adds is not None and self._sum is not None
        return self._sum.of_real(value, self._v.load_bytes(place, mask, signed=adds.signed))

    def activated(self, value: SSAValue, *, is_one: bool = False) -> SSAValue:
        """f32 that are not less than the floor, or a function of them, which is short unless this is the
        one place for it; NaN stays."""
        ending = self._ending
        if ending.activation and (is_one or is_short(ending.activation)):
            value = activated(self._b, ending.activation, ending.numbers, value)
        if not ending.has_floor:
            return value
        floor = self._b.load(self._given["limits"], f32, 4)
        return self._b.larger(value, self._v.spread_number(floor))


def finish_fields(b: Builder, job: SSAValue, first: int) -> dict[str, SSAValue]:
    """Those of `FIELDS` in a record, from so many numbers on."""
    return {
        name.removeprefix("@"): b.load(
            b.at(job, 8 * (first + k)), POINTER if name.startswith("@") else i64, 8
        )
        for k, name in enumerate(FIELDS)
    }

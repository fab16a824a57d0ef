"""What the emitter of a step says to the program's builder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pyflame_rt.passes.wse.emitting.code import Code
from pyflame_rt.passes.wse.emitting.fabric import Line, Used
from pyflame_rt.passes.wse.emitting.interface import Indices, Network, Placement, Value
from pyflame_rt.passes.wse.emitting.machine import Constants


@dataclass(frozen=True)
class Scratch:
    """A buffer that a step needs while it runs; `host` ones are written before the start."""

    name: str
    elements: int
    odd: bool = False
    host: bool = False
    dtype: str | None = None


@dataclass(frozen=True)
class Emitter(ABC):
    """Emits one step: what it needs, who does what, the code, where its tensors go, what it takes."""

    network: Network

    @property
    @abstractmethod
    def name(self) -> str:
        """The step's name."""

    @abstractmethod
    def scratch(self) -> tuple[Scratch, ...]:
        """Buffers beside those of the values."""

    @abstractmethod
    def used(self) -> Mapping[Line, Used]:
        """What it uses of the fabric."""

    @abstractmethod
    def role(self, x: int, y: int) -> Hashable:
        """What PE (x, y) does: PEs with equal roles run the same code."""

    @abstractmethod
    def emit(self, code: Code, x: int, y: int) -> None:
        """The code of a PE that has the role of (x, y)."""

    @abstractmethod
    def predicted(self, machine: Constants) -> float:
        """Cycles, without waiting for the step before."""

    def shrunk(self) -> Emitter | None:
        """The same step with less memory and more cycles, if there is such a way."""
        return None

    def placements(self) -> tuple[Placement, ...]:
        """Where the step's tensors are."""
        return ()

    def constants_of_its_own(self) -> Mapping[str, NDArray[np.float32]]:
        """Tensors among the placements that the step makes."""
        return {}


def buffer_of(value: Value | str) -> str:
    """The buffer of a value: its name with what a symbol may have."""
    return "v_" + _symbol(value if isinstance(value, str) else value.name)


def stem_of(step: str) -> str:
    """What the names of a step's own buffers begin with."""
    return "s_" + _symbol(step)


def _symbol(name: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in name)


@dataclass(frozen=True)
class Lines:
    """How a value lies on the lines of the grid: parts along `across`, slots along `along`.

    The slots of a part are on a line (a column for axis "columns"), the parts of a slot on the other.
    """

    value: Value
    columns: int
    rows: int
    # The line along which the slots of one part are, and the one along which the parts of a slot are.
    along: Line = field(init=False)
    across: Line = field(init=False)

    def __post_init__(self) -> None:
        by_columns = self.value.axis == "columns"
        object.__setattr__(self, "along", "column" if by_columns else "row")
        object.__setattr__(self, "across", "row" if by_columns else "column")

    @property
    def length_along(self) -> int:
        """PEs of the line of slots."""
        return self.rows if self.value.axis == "columns" else self.columns

    @property
    def length_across(self) -> int:
        """PEs of the line of parts."""
        return self.columns if self.value.axis == "columns" else self.rows

    def part(self, x: int, y: int) -> int:
        """The place of a PE on the line of parts."""
        return x if self.value.axis == "columns" else y

    def slot(self, x: int, y: int) -> int:
        """The place of a PE on the line of slots."""
        return y if self.value.axis == "columns" else x

    @property
    def slot_coordinate(self) -> str:
        """The coordinate that is the place of a slot."""
        return "y" if self.value.axis == "columns" else "x"


def per_pe(columns: int, rows: int, block: Indices) -> Indices:
    """[y, x, …] of a block that is the same on every PE."""
    return block.reshape(rows, columns, -1)

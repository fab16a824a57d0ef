"""Matrix products of floats in the registers: how sums begin, and what is done to them.

Bias, residual and activation are applied to the registers before they are put down; a sum whose depth
is multiplied in several parts is put down in between. The code serves products with and without
residual or activation. See `register_tiles` for the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from pyflame_rt.backends.native import processors
from pyflame_rt.backends.native.writing import register_tiles
from pyflame_rt.backends.native.writing.activations import activated, is_short
from pyflame_rt.backends.native.writing.builder import Values, vector_of
from pyflame_rt.backends.native.writing.elements import multiplying
from pyflame_rt.backends.native.writing.register_tiles import PLACES, SIZES, Masks, Registers
from pyflame_rt.dialects.plan.schedules import Schedule

OPERANDS = ("@x", "@y", "@residual", "@jobs", "count")
"""The record of the function: addresses of x, y, a residual (0 without one) and jobs."""

FIELDS = (
    *PLACES, *SIZES, "@bias", "runs", "a_run", "depth", "adds", "finishes", "activates",
)  # fmt: skip
"""What a job says. A row of x is `runs` stretches of `depth` elements, `a_run` apart. A job that `adds`
begins with what lies in y, one that `finishes` adds bias and residual, one that `activates` as well
applies the activation."""


@dataclass(frozen=True)
class GemmKernel:
    """What code is made of: y = activation(x @ w + bias + residual) by tiles of certain sizes."""

    schedule: Schedule
    heights: tuple[int, ...]
    """Rows of tiles: of the high ones, and of the low ones if there are any."""
    panels: int
    """Panels of a wide tile; 1 if there are none."""
    fused: bool
    """Whether the processor multiplies and adds at once."""
    activation: str = ""
    numbers: tuple[float, ...] = ()

    entry = "gemm"
    operands: ClassVar[tuple[str, ...]] = OPERANDS
    fields: ClassVar[tuple[str, ...]] = FIELDS
    size = 4

    def emit(self) -> ModuleOp:
        """The module, in the `llvm` dialect."""
        return register_tiles.emit(self)

    def tile(self, rows: int, panels: int) -> Registers:
        """The code of a tile."""
        return _Tile(self, rows, panels)

    @property
    def cpu(self) -> str:
        """The instructions that the code is made of."""
        cpu = self.schedule.cpu
        return processors.of_pairs(cpu) if self.schedule.elements == "bf16_pairs" else cpu


class _Tile(Registers):
    """The function that computes one tile."""

    AXES = (("runs", "a_run"),)

    def __init__(self, kernel: GemmKernel, rows: int, panels: int) -> None:
        b = Registers.builder(rows, panels, fused=kernel.fused)
        super().__init__(kernel, rows, panels, b, multiplying(b, kernel.schedule))
        self._kernel, self._lanes = kernel, self.elements.lanes

    def begin(self) -> Sequence[SSAValue]:
        """Nothing, or what lies in y."""
        b = self.b
        self._said = self.said("job", "adds", "finishes", "activates", "@bias")
        nothing = [b.splat(0.0, self._lanes)] * len(self.places)
        adds = b.compare("ne", self._said["adds"], 0)
        return b.when(adds, partial(self._loaded, "c"), nothing)

    def _loaded(self, name: str) -> Values:
        def load(masks: Masks) -> Values:
            return [
                self.b.load_vector(self.place(name, r, k, 4), self._lanes, masks[k])
                for r, k in self.places
            ]

        return self.by_edge(load, [vector_of(self._lanes)] * len(self.places))

    def end(self, carried: Sequence[SSAValue]) -> None:
        """Finish the sums, if this is the last part of the depth, and put them down."""
        b = self.b
        finishes = b.compare("ne", self._said["finishes"], 0)
        finished = b.when(finishes, partial(self._finished, carried), carried)
        self.by_edge(partial(self._put, finished))
        if self._activates_after:
            b.when(b.compare("ne", self._said["activates"], 0), self._activate_put_down, ())

    @property
    def _activates_after(self) -> bool:
        name = self._kernel.activation
        return bool(name) and not is_short(name)

    def _activate_put_down(self) -> Values:
        self.activate_put_down(self._kernel.activation, self._kernel.numbers)
        return ()

    def _finished(self, sums: Sequence[SSAValue]) -> Values:
        b, lanes = self.b, self._lanes
        # Bias is packed with as many elements as the panels have columns.
        start = b.at(self._said["bias"], self.given["across"])
        places = (b.at(start, 4 * lanes * k) for k in range(self.panels * self.beside))
        biases = [b.load_vector(place, lanes) for place in places]
        sums = [
            b.add_floats(value, biases[k]) for value, (_, k) in zip(sums, self.places, strict=True)
        ]
        residual = self.said("record", "@residual")["residual"]
        has_residual = b.compare("ne", b.number_of(residual), 0)
        sums = list(b.when(has_residual, partial(self._with_residual, sums), sums))
        if not self._kernel.activation or self._activates_after:
            return sums
        activates = b.compare("ne", self._said["activates"], 0)
        return b.when(activates, partial(self._activated, sums), sums)

    def _with_residual(self, sums: Sequence[SSAValue]) -> Values:
        more = self._loaded("residual")
        return [self.b.add_floats(value, added) for value, added in zip(sums, more, strict=True)]

    def _activated(self, sums: Sequence[SSAValue]) -> Values:
        kernel = self._kernel
        return [activated(self.b, kernel.activation, kernel.numbers, value) for value in sums]

    def _put(self, sums: Values, masks: Masks) -> Values:
        for (r, k), value in zip(self.places, sums, strict=True):
            self.b.store(value, self.place("c", r, k, 4), masks[k])
        return []

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
from pyflame_rt.backends.native.writing.register_tiles import PLACES, SIZES, SOON, Masks, Registers
from pyflame_rt.dialects.plan.schedules import Schedule

OPERANDS = ("@x", "@y", "@residual", "@jobs", "count")
"""The record of the function: addresses of x, y, a residual (0 without one) and jobs."""

FIELDS = (
    *PLACES, *SIZES, "@bias", "runs", "a_run", "depth", "pieces", "piece", "block", "adds",
    "finishes", "activates", *SOON,
)  # fmt: skip
"""What a job says. A row of x is `runs` stretches of `depth` elements, `a_run` apart; a stretch is
`pieces` of `piece` elements, of which the last one may have less. The sums of so many pieces as a
`block` has are added to those of the blocks before: at first to what lies in y, if the job `adds`. One
that `finishes` adds bias and residual, one that `activates` as well applies the activation."""

_LINE = 64


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
        return register_tiles.emit(self, asks_soon=True)

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
        b = Registers.builder(rows, panels, fused=kernel.fused, asks_soon=True)
        super().__init__(kernel, rows, panels, b, multiplying(b, kernel.schedule))
        self._kernel, self._lanes = kernel, self.elements.lanes

    def begin(self) -> Sequence[SSAValue]:
        """Nothing, how many pieces the first block has, and whether there were blocks before it: those
        that lie in y."""
        b = self.b
        self._said = self.said(
            "job", "pieces", "piece", "block", "adds", "finishes", "activates", "@bias"
        )
        self._nothing = [b.splat(0.0, self._lanes)] * len(self.places)
        # Sums of a block leave no registers for those of all blocks.
        self._before = b.room(4 * self._lanes * len(self.places), _LINE)

        def start() -> Values:
            self._keep(self._loaded("c"))
            return ()

        b.when(b.compare("ne", self._said["adds"], 0), start, ())
        return [*self._nothing, self._said["block"], self._said["adds"]]

    def along_run(self, values: Values) -> Values:
        """Piece by piece; before a block begins, the sums of the last one are added to the others."""
        b, said, size = self.b, self._said, len(self.places)

        def end_block(sums: Values, adds: SSAValue) -> Values:
            self._keep(self._added(sums, adds))
            return [*self._nothing, said["block"], b.integer(1)]

        def piece(values: Values) -> Values:
            *before, left, adds, rest = values
            places, sums = before[:-size], before[-size:]
            ended = b.compare("eq", left, 0)
            *sums, left, adds = b.when(ended, partial(end_block, sums, adds), [*sums, left, adds])
            now = b.smallest(rest, said["piece"])
            found = self.along_part([*places, *sums], now)
            return [*found, b.minus(left, 1), adds, b.minus(rest, now)]

        return b.loop(said["pieces"], [*values, self.given["depth"]], piece)[:-1]

    def _kept_at(self, index: int) -> SSAValue:
        return self.b.at(self._before, 4 * self._lanes * index)

    def _keep(self, sums: Values) -> None:
        alignment = min(4 * self.kernel.schedule.lanes, _LINE)
        for index, value in enumerate(sums):
            self.b.store(value, self._kept_at(index), alignment=alignment)

    def _added(self, sums: Values, adds: SSAValue) -> Values:
        """The sums, with those of the blocks before if it `adds`."""
        b = self.b

        def both() -> Values:
            kept = [b.load_vector(self._kept_at(k), self._lanes) for k in range(len(sums))]
            return [b.add_floats(k, value) for k, value in zip(kept, sums, strict=True)]

        return b.when(b.compare("ne", adds, 0), both, sums)

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
        *sums, _, adds = carried
        sums = self._added(sums, adds)
        finishes = b.compare("ne", self._said["finishes"], 0)
        finished = b.when(finishes, partial(self._finished, sums), sums)
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

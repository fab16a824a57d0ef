"""Which layouts the values of a network get: candidates, of which the cheapest that can be built is taken."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from xdsl.ir import Operation

from pyflame_rt.errors import PassFailed
from pyflame_rt.passes.wse.emitting.interface import (
    Attention,
    Axis,
    Contraction,
    DType,
    Elementwise,
    LayerNorm,
    Move,
    Network,
    Piece,
    Pool,
    Rearrange,
    Softmax,
    Transfer,
    Value,
)
from pyflame_rt.passes.wse.placing.predicting import predict
from pyflame_rt.passes.wse.placing.reading import Matrix, Planned, Reading

Spread: TypeAlias = Literal["one", "common", "most"]


@dataclass(frozen=True)
class Grid:
    """The PEs, and what they compute in."""

    machine: str
    columns: int
    rows: int
    dtype: DType

    def across(self, axis: Axis) -> int:
        """PEs along which features are split."""
        return self.columns if axis == "columns" else self.rows

    def along(self, axis: Axis) -> int:
        """PEs along which rows are."""
        return self.rows if axis == "columns" else self.columns


@dataclass(frozen=True)
class Layout:
    """How a matrix lies on the PEs."""

    axis: Axis
    parts: int
    slots: int = 1
    grain: int = 1

    @classmethod
    def of(cls, matrix: Matrix, axis: Axis, slots: int, grid: Grid, grain: int = 1) -> Layout:
        """The layout over an axis with as many parts as have features, `grain` of which stay together."""
        grains = -(-matrix.features // grain)
        each = -(-grains // grid.across(axis))
        return cls(axis, -(-grains // each), slots, grain)


@dataclass
class Placing:
    """Layouts by value, the steps with the moves that they need, and the cycles of each."""

    layouts: dict[str, Layout] = field(default_factory=dict[str, Layout])
    steps: list[Planned] = field(default_factory=list[Planned])
    # Moved values: (op that wants it, value) -> the moved one.
    moves: dict[tuple[Operation, str], str] = field(
        default_factory=dict[tuple[Operation, str], str]
    )
    predicted: Mapping[str, float] = field(default_factory=dict[str, float])
    form: Form = field(default_factory=lambda: Form())

    @property
    def cycles(self) -> float:
        """What all steps take for an image: one after the other, or those of the slowest strip."""
        strips = [0.0]
        for planned in self.steps:
            if isinstance(planned.step, Transfer):
                # Both strips are busy with it.
                strips[-1] += self.predicted[planned.step.name]
                strips.append(0.0)
            strips[-1] += self.predicted[planned.step.name]
        return max(strips)


@dataclass(frozen=True)
class Form:
    """What a program is like: images a run, how many runs, strips of columns, products of streamed weights."""

    images: int = 1
    runs: int = 1
    strips: tuple[int, ...] = ()
    streamed: tuple[str, ...] = ()


def place(reading: Reading, grid: Grid, name: str, form: Form | None = None) -> Placing:
    """The cheapest placing. Raises PassFailed, for the first candidate's reason, when there is none."""
    found: Placing | None = None
    why: PassFailed | None = None
    form = form or Form()
    for start, spread in candidates(reading):
        try:
            placing = assign(reading, grid, start, spread, form)
            network = network_of(reading, placing, grid, name)
            placing.predicted = predict(network)
        except PassFailed as error:
            why = why or error
            continue
        if found is None or placing.cycles < found.cycles:
            found = placing
    if found is None:
        raise why or PassFailed("there is nothing to map")
    return found


def network_of(reading: Reading, placing: Placing, grid: Grid, name: str) -> Network:
    """The network of steps with layouts."""
    values = tuple(
        Value(
            value, matrix.features, matrix.rows, layout.axis, layout.parts, layout.slots,
            matrix.image, layout.grain,
        )
        for value, matrix in reading.matrices.items()
        if (layout := placing.layouts.get(value)) is not None
    )  # fmt: skip
    form = placing.form
    return Network(
        name, grid.columns, grid.rows, values, tuple(planned.step for planned in placing.steps),
        tuple(value for _, value in reading.inputs),
        tuple(dict.fromkeys(value for _, value in reading.outputs)), grid.machine, grid.dtype,
        images=form.images, strips=form.strips, streamed=form.streamed,
    )  # fmt: skip


def assign(reading: Reading, grid: Grid, start: Axis, spread: Spread, form: Form) -> Placing:
    """The layouts of one candidate. Raises PassFailed."""
    return _Assigning(reading, grid, start, spread, form).run()


def candidates(reading: Reading) -> Iterator[tuple[Axis, Spread]]:
    """Where the first input's features go, and how rows are spread."""
    spreads: tuple[Spread, ...] = ("one",)
    if any(matrix.rows > 1 for matrix in reading.matrices.values()):
        spreads = ("one", "common", "most")
    for spread in spreads:
        for start in ("columns", "rows"):
            yield start, spread


class _Assigning:
    """Layouts from the inputs on, for one candidate."""

    def __init__(
        self, reading: Reading, grid: Grid, start: Axis, spread: Spread, form: Form
    ) -> None:
        self._reading, self._form = reading, form
        self._strips = list(form.strips)
        self._grid = replace(grid, columns=self._strips.pop(0)) if self._strips else grid
        self._start: Axis = start
        self._spread: Spread = spread
        self._matrices = reading.matrices
        self._found = Placing(form=form)
        heights = [m.image[0] for m in reading.matrices.values() if m.image is not None]
        self._common = math.gcd(*heights)
        # Heads of attentions stay together.
        self._grains: dict[str, int] = {}
        for step in (planned.step for planned in reading.steps):
            if isinstance(step, Attention):
                size = reading.matrices[step.query].features // step.heads
                names = (step.query, step.key, step.value, step.output)
                self._grains |= dict.fromkeys(names, size)
            elif isinstance(step, Contraction) and step.groups > 1:
                for value in (step.input, step.output):
                    size = reading.matrices[value].features // step.groups
                    self._grains.setdefault(value, size)

    def run(self) -> Placing:
        """Assign a layout to every value."""
        for planned in self._reading.steps:
            self._take(planned)
        for _, name in self._reading.inputs:
            if name not in self._found.layouts:
                self._found.layouts[name] = self._new(name, self._start)
        return self._found

    def _new(self, name: str, axis: Axis) -> Layout:
        """The candidate's own layout over an axis."""
        matrix = self._matrices[name]
        slots = self._slots(matrix, self._grid.along(axis))
        return Layout.of(matrix, axis, slots, self._grid, self._grains.get(name, 1))

    def _slots(self, matrix: Matrix, most: int) -> int:
        if self._spread == "one" or matrix.rows == 1:
            return 1
        if matrix.image is None:
            each = -(-matrix.rows // most)
            return -(-matrix.rows // each)
        height = matrix.image[0] if self._spread == "most" else self._common
        return max(n for n in range(1, most + 1) if height % n == 0)

    def _layout(self, name: str, axis: Axis | None = None) -> Layout:
        """The layout of a value; an input gets its own when it is first used."""
        if name not in self._found.layouts:
            self._found.layouts[name] = self._new(name, axis or self._start)
        return self._found.layouts[name]

    def _take(self, planned: Planned) -> None:
        step = planned.step
        match step:
            case Contraction() if step.groups > 1:
                step = self._grouped(planned.op, step)
            case Contraction():
                step = self._contraction(planned.op, step)
            case Rearrange():
                step = self._rearrange(planned.op, step)
            case Transfer():
                self._found.layouts[step.output] = self._transferred(step)
            case Move():
                source = self._layout(step.input)
                self._found.layouts[step.output] = self._new(step.output, _other(source.axis))
            case Elementwise():
                step = self._elementwise(planned.op, step)
            case Pool():
                source = self._layout(step.input)
                slots = self._pooled(step, source.slots)
                self._found.layouts[step.output] = replace(source, slots=slots)
            case Attention():
                step = self._attention(planned.op, step)
            case Softmax() | LayerNorm():
                self._found.layouts[step.output] = self._layout(step.input)
        self._found.steps.append(Planned(planned.op, step))

    def _transferred(self, step: Transfer) -> Layout:
        """The layout on the next strip, which is the one of all that follows."""
        source = self._layout(step.input)
        self._grid = replace(self._grid, columns=self._strips.pop(0))
        found = self._new(step.output, source.axis)
        if source.axis == "columns":
            return replace(Layout.of(
                self._matrices[step.output], "columns", 1, self._grid, source.grain
            ), slots=source.slots)  # fmt: skip
        return replace(found, parts=source.parts, grain=source.grain)

    def _pooled(self, step: Pool, slots: int) -> int:
        """Slots of a pool's result: those of its operand where they are whole lines."""
        image = self._matrices[step.output].image
        if step.window is None or image is None:
            return 1
        return max(n for n in range(1, slots + 1) if image[0] % n == 0)

    def _contraction(self, op: Operation, step: Contraction) -> Contraction:
        source = self._layout(step.input)
        result = self._new(step.output, _other(source.axis))
        if step.residual is not None:
            residual = self._layout(step.residual, result.axis)
            if residual.axis == result.axis:
                result = residual
            else:
                moved = self._moved(op, step.residual)
                step = replace(step, residual=moved)
                result = self._found.layouts[moved]
        self._found.layouts[step.output] = result
        return step

    def _grouped(self, op: Operation, step: Contraction) -> Contraction:
        """Over the input's axis, with whole groups in a part; if it has none there, over the other one."""
        source, matrix = self._layout(step.input), self._matrices[step.input]
        taken = matrix.features // step.groups
        made = self._matrices[step.output].features // step.groups
        each = -(-matrix.features // source.grain)
        if source.grain * -(-each // source.parts) % taken:
            axis = _other(source.axis)
            slots = self._slots(matrix, self._grid.along(axis))
            wanted = Layout.of(matrix, axis, slots, self._grid, taken)
            moved = self._moved(op, step.input, wanted)
            step, source = replace(step, input=moved), wanted
        image = self._matrices[step.output].image
        height = 1 if image is None else image[0]
        slots = max(n for n in range(1, source.slots + 1) if height % n == 0)
        result = Layout(source.axis, source.parts, slots, made)
        if step.residual is not None and self._layout(step.residual) != result:
            if self._layout(step.residual).axis == result.axis:
                raise PassFailed("its residual has other slots", where=f"step {step.name!r}")
            step = replace(step, residual=self._moved(op, step.residual, result))
        self._found.layouts[step.output] = result
        return step

    def _rearrange(self, op: Operation, step: Rearrange) -> Rearrange:
        """Rows of values with one slot stay where they are; all else goes over the other axis."""
        known = [name for name in step.inputs if name in self._found.layouts]
        first = self._layout((known or step.inputs)[0])
        features = self._matrices[step.output].features
        stay = first.slots == 1 and all(
            piece.features == features == self._matrices[piece.input].features
            and self._found.layouts.get(piece.input, first).slots == 1
            for piece in step.pieces
        )
        pieces: list[Piece] = []
        for piece in step.pieces:
            name = piece.input
            layout = self._found.layouts.get(name)
            if layout is None:
                layout = self._found.layouts[name] = first if stay else self._new(name, first.axis)
            if layout != first if stay else layout.axis != first.axis:
                if layout.axis == first.axis:
                    raise PassFailed("its operands lie differently", where=f"step {step.name!r}")
                name = self._moved(op, name, first if stay else None)
            pieces.append(replace(piece, input=name))
        result = first if stay else self._new(step.output, _other(first.axis))
        self._found.layouts[step.output] = result
        return replace(step, inputs=tuple(p.input for p in pieces), pieces=tuple(pieces))

    def _elementwise(self, op: Operation, step: Elementwise) -> Elementwise:
        known = [name for name in step.inputs if name in self._found.layouts]
        first = self._layout((known or step.inputs)[0])
        inputs: list[str] = []
        for name in step.inputs:
            layout = self._found.layouts.setdefault(name, first)
            if layout == first:
                inputs.append(name)
                continue
            if layout.axis == first.axis:
                raise PassFailed("its operands have different slots", where=f"step {step.name!r}")
            moved = self._moved(op, name, first)
            inputs.append(moved)
        self._found.layouts[step.output] = first
        return replace(step, inputs=tuple(inputs))

    def _attention(self, op: Operation, step: Attention) -> Attention:
        layout = self._layout(step.query)
        names: dict[str, str] = {}
        for role in ("key", "value"):
            name = getattr(step, role)
            known = self._found.layouts.setdefault(name, layout)
            names[role] = name if known == layout else self._moved(op, name, layout)
        self._found.layouts[step.output] = layout
        return replace(step, **names)

    def _moved(self, op: Operation, name: str, layout: Layout | None = None) -> str:
        """The value split over the other axis, by a step before that of the op."""
        moved = f"{name}_moved"
        while moved in self._found.layouts:
            moved += "_again"
        self._matrices = {**self._matrices, moved: self._matrices[name]}
        self._reading.matrices.setdefault(moved, self._matrices[name])
        axis = _other(self._found.layouts[name].axis)
        self._found.layouts[moved] = layout or self._new(moved, axis)
        self._found.steps.append(Planned(op, Move(moved, name, moved)))
        self._found.moves[op, name] = moved
        return moved


def _other(axis: Axis) -> Axis:
    return "rows" if axis == "columns" else "columns"

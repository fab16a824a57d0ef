"""Values one after another in a new one, or a part of a value: blocks of matrices that go where they belong.

Where every PE has what it gets, as with rows of values that have one slot, it copies. Otherwise the inputs are
multicast one after the other as for a contraction, whose sums are the features that a PE has of its output's part.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property

from pyflame_rt.errors import PassFailed
from pyflame_rt.passes.wse.emitting.code import Code
from pyflame_rt.passes.wse.emitting.fabric import Line, Used
from pyflame_rt.passes.wse.emitting.geometry import Geometry
from pyflame_rt.passes.wse.emitting.interface import Piece, Rearrange, Value
from pyflame_rt.passes.wse.emitting.machine import Constants
from pyflame_rt.passes.wse.emitting.multicast import Multicast
from pyflame_rt.passes.wse.emitting.reduction import Reduction
from pyflame_rt.passes.wse.emitting.step import Emitter, Lines, Scratch, buffer_of, stem_of


def stays(pieces: tuple[Piece, ...], inputs: Mapping[str, Value], output: Value) -> bool:
    """Whether each PE has all of what it gets: rows of values with one slot, in the output's parts."""
    return all(
        (value.axis, value.parts, value.grain, value.features)
        == (output.axis, output.parts, output.grain, output.features)
        and (value.slots, output.slots, piece.features) == (1, 1, value.features)
        for piece in pieces
        for value in (inputs[piece.input],)
    )


@dataclass(frozen=True)
class RearrangeEmitter(Emitter):
    """Emits a `Rearrange`."""

    step: Rearrange

    @property
    def name(self) -> str:
        return self.step.name

    @cached_property
    def sources(self) -> tuple[Lines, ...]:
        """How the inputs lie."""
        network = self.network
        values = map(network.value, self.step.inputs)
        return tuple(Lines(value, network.columns, network.rows) for value in values)

    @cached_property
    def result(self) -> Lines:
        """How the output lies."""
        value = self.network.value(self.step.output)
        return Lines(value, self.network.columns, self.network.rows)

    @cached_property
    def local(self) -> bool:
        """Whether every PE copies."""
        inputs = {lines.value.name: lines.value for lines in self.sources}
        return stays(self.step.pieces, inputs, self.result.value)

    def check(self) -> None:
        """Raise PassFailed for layouts that do not fit together."""
        axes = {lines.value.axis for lines in self.sources}
        if not self.local and (len(axes) > 1 or self.result.value.axis in axes):
            raise PassFailed(
                "inputs and output are not split over one axis and the other",
                where=f"step {self.name!r}",
            )

    @property
    def _work(self) -> str:
        return f"{stem_of(self.name)}_x"

    @property
    def _pitch(self) -> int:
        """Elements of a feature in the buffer of all rows of an input."""
        return max(lines.value.padded_rows for lines in self.sources)

    @property
    def _covered(self) -> bool:
        """Whether the pieces are all of the output, and it has no padding."""
        value = self.result.value
        size = sum(piece.features * piece.rows for piece in self.step.pieces)
        return size == value.parts * value.part_features * value.padded_rows

    @cached_property
    def multicasts(self) -> tuple[Multicast, ...]:
        """Each input to every PE of its lines."""
        found: list[Multicast] = []
        for lines in self.sources:
            x = lines.value
            # Only where the rows are and how far apart matters.
            geometry = Geometry(
                2, x.slot_rows, 1, 1, self._pitch, 0, 1, 1, 1, 1, 1, 1, (1, 1), 1, 1
            )
            found.append(Multicast.bordered(lines, geometry, self._work, x.slots))
        return tuple(found)

    @cached_property
    def reduction(self) -> Reduction:
        """What a PE has to where the output lies."""
        y = self.result.value
        return Reduction(
            line=self.result.along,
            coordinate=self.result.slot_coordinate,
            length=self.result.length_along,
            parts=max(lines.value.parts for lines in self.sources),
            slots=y.slots,
            sizes=(y.part_features, y.slot_rows),
            strides=(y.padded_rows, 1),
            offset=0,
            step=y.slot_rows,
            sums=f"{stem_of(self.name)}_y",
            result=buffer_of(y),
            count=y.slots,
        )

    def _overlap(self, number: int, part_in: int, part_out: int) -> tuple[int, int, int]:
        """Of one piece: first feature in the input's part, in the output's, and how many they share."""
        piece, x, y = self.step.pieces[number], self.sources[number].value, self.result.value
        if part_in >= x.parts or part_out >= y.parts:
            return 0, 0, 0
        first, to = piece.source[0], piece.target[0]
        low = max(part_in * x.part_features - first, part_out * y.part_features - to, 0)
        high = min(
            (part_in + 1) * x.part_features - first, (part_out + 1) * y.part_features - to,
            piece.features,
        )  # fmt: skip
        if high <= low:
            return 0, 0, 0
        return (
            low + first - part_in * x.part_features, low + to - part_out * y.part_features,
            high - low,
        )  # fmt: skip

    def scratch(self) -> tuple[Scratch, ...]:
        if self.local:
            return ()
        y = self.result.value
        features = max(lines.value.part_features for lines in self.sources)
        return (
            Scratch(self._work, features * self._pitch),
            Scratch(self.reduction.sums, y.part_features * y.padded_rows, odd=True),
        )

    def used(self) -> Mapping[Line, Used]:
        if self.local:
            return {}
        turns = any(lines.value.slots > 1 for lines in self.sources)
        ring = self.result.value.slots > 1
        second = Used(chain=self.reduction.parts > 1 or ring, ring=ring)
        return {self.sources[0].along: Used(multicast=True, turns=turns), self.result.along: second}

    def role(self, x: int, y: int) -> Hashable:
        part_out = self.result.part(x, y)
        if self.local:
            return part_out < self.result.value.parts and self.result.slot(x, y) == 0
        found: list[Hashable] = []
        for number, lines in enumerate(self.sources):
            part_in = lines.part(x, y)
            if part_in < lines.value.parts:
                found.append(self.multicasts[number].role(x, y))
            found.append(self._overlap(number, part_in, part_out))
        has_output = part_out < self.result.value.parts
        place = self.sources[0].part(x, y)
        return (*found, self.reduction.role(place) if has_output else None)

    def emit(self, code: Code, x: int, y: int) -> None:
        if self.local:
            if self.role(x, y):
                self._copy(code)
            return
        part_out = self.result.part(x, y)
        has_output = part_out < self.result.value.parts
        overlaps = [
            self._overlap(number, lines.part(x, y), part_out)
            for number, lines in enumerate(self.sources)
        ]
        sums = self.reduction.sums
        has_sums = any(count for _, _, count in overlaps)
        if has_sums:
            code.op("fill", code.mem(sums), scalar=0.0)
        for number, lines in enumerate(self.sources):
            if lines.part(x, y) < lines.value.parts:
                self.multicasts[number].emit(code, x, y)
            start, at, count = overlaps[number]
            if count:
                pitch = self._pitch, self.result.value.padded_rows
                self._block(code, number, (self._work, sums), (start, at), count, pitch)
        if has_output:
            self.reduction.emit(code, self.sources[0].part(x, y), has_sums=has_sums)

    def _copy(self, code: Code) -> None:
        """What a PE has, to where it belongs."""
        y = self.result.value
        if not self._covered:
            code.op("fill", code.mem(buffer_of(y)), scalar=0.0)
        for number, lines in enumerate(self.sources):
            names = buffer_of(lines.value), buffer_of(y)
            pitch = lines.value.slot_rows, y.slot_rows
            self._block(code, number, names, (0, 0), y.part_features, pitch)

    def _block(
        self, code: Code, number: int, names: tuple[str, str], first: tuple[int, int], count: int,
        pitch: tuple[int, int],
    ) -> None:  # fmt: skip
        """The rows of a piece, of some features, from one buffer to another."""
        piece = self.step.pieces[number]
        source, target = (
            code.nest_of(name, (count, piece.rows), (step, 1), offset=start * step + row)
            for name, start, step, row in zip(
                names, first, pitch, (piece.source[1], piece.target[1]), strict=True
            )
        )
        code.op("mov", target, source)

    def predicted(self, machine: Constants) -> float:
        m = machine
        lanes = m.lanes_16 if self.network.dtype == "f16" else m.lanes_32
        features = self.result.value.part_features
        fill = features * self.result.value.padded_rows / lanes + m.loads(1)
        copies = sum(
            features * piece.rows / lanes + m.loads(2) + m.vector_issue
            for piece in self.step.pieces
        )
        if self.local:
            return copies + (0.0 if self._covered else fill)
        sent = sum(multicast.predicted(m, self.network.dtype) for multicast in self.multicasts)
        return fill + copies + sent + self.reduction.predicted(m, lanes)

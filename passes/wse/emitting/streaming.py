"""Products whose weights no PE has room for: they come in chunks from the edge while they are used.

The edge is a column of PEs in front of the others, whose memory the host fills round after round. A round has one
chunk for each PE of a row: as many input features' weights as it takes at a time. A PE's router leads words to the
PE (position 0) until it has its chunk; then the edge sends SWITCH_ADV, which that router obeys and nobody behind it
hears, and words pass (position 1). SWITCH_RST after the last chunk puts all of them back. While the others
get theirs a PE multiplies: one buffer is enough.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
from xdsl.ir import SSAValue

from pyflame_rt.dialects.wse.builder import ProgramBuilder
from pyflame_rt.passes.wse.emitting.code import Code
from pyflame_rt.passes.wse.emitting.contraction import ContractionEmitter
from pyflame_rt.passes.wse.emitting.fabric import Line, Used
from pyflame_rt.passes.wse.emitting.interface import Network, Placement, Stream
from pyflame_rt.passes.wse.emitting.machine import DATA_BYTES, Constants
from pyflame_rt.passes.wse.emitting.memory import WIDTH, Buffer
from pyflame_rt.passes.wse.emitting.placing import runs
from pyflame_rt.passes.wse.emitting.product import groups_cycles, times
from pyflame_rt.passes.wse.emitting.step import Emitter, Scratch

COLOR: Final = "feed"
# A chunk is no larger at first: there is little to gain, and buffers need the room.
_CHUNK_BYTES: Final = 8192


@dataclass(frozen=True)
class StreamedEmitter(ContractionEmitter):
    """Emits a product with `chunk` input features' weights at a time; 0: as many as are sensible."""

    chunk: int = 0

    def check(self) -> None:
        super().check()
        if self.step.window is not None:
            self.fail("the weights of a convolution stay where they are")
        if self.features == 0:
            self.fail("one row of weights is too large for the edge")

    @cached_property
    def features(self) -> int:
        """Input features of a chunk."""
        if self.chunk:
            return self.chunk
        p, width = self.product, WIDTH[self.network.dtype]
        at_edge = (DATA_BYTES - 64) // (width * self.places * p.outputs)
        return min(p.features, at_edge, max(_CHUNK_BYTES // (width * p.outputs), 1))

    @property
    def places(self) -> int:
        """PEs of a row that take weights."""
        x = self.source.value
        return x.parts if x.axis == "columns" else self.result.value.parts

    @property
    def fed(self) -> int:
        """Rows of PEs that take weights."""
        x = self.source.value
        return self.result.value.parts if x.axis == "columns" else x.parts

    @property
    def rounds(self) -> int:
        """Chunks of a PE."""
        return -(-self.product.features // self.features)

    @property
    def words(self) -> int:
        """Words of a chunk."""
        return self.features * self.product.outputs

    @property
    def edge(self) -> str:
        """The buffer of the edge."""
        return f"{self.stem}_edge"

    @property
    def function(self) -> str:
        """What the host launches."""
        return f"feed_{self.stem}"

    @property
    def counter(self) -> str:
        """The variable of an edge's PE that counts the rounds that it has sent."""
        return f"sent_{self.stem}"

    def scratch(self) -> tuple[Scratch, ...]:
        found = {scratch.name: scratch for scratch in super().scratch()}
        weights = self.product.weights
        found[weights] = Scratch(weights, self.words, odd=True)
        return tuple(found.values())

    def shrunk(self) -> Emitter | None:
        return replace(self, chunk=self.features // 2) if self.features > 1 else None

    def _pass(self, code: Code, x: int, y: int, base: SSAValue | None) -> None:
        has_input = self.source.part(x, y) < self.source.value.parts
        has_output = self.result.part(x, y) < self.result.value.parts
        if has_input:
            self.multicast.emit(code, x, y, base)
        if has_output:
            if has_input:
                self._sums(code)
            self.reduction.emit(code, self.source.part(x, y), base)

    def _sums(self, code: Code) -> None:
        p = self.product
        by_row = p.form == "outputs"
        if by_row and p.bias is not None:
            sums = code.mem_moving(p.sums, p.outputs)
            code.tile.set_dsd_offset(sums, 0)
            with times(code, p.rows):
                code.op("mov", sums, code.mem(p.bias))
                code.tile.increment_dsd_offset(sums, p.outputs)
        else:
            code.op("fill", code.mem(p.sums, p.elements), scalar=0.0)
        whole, rest = divmod(p.features, self.features)
        chunk = self._by_output if by_row else self._by_weight
        if whole:
            with code.tile.for_(0, whole, kind="i32") as turn:
                chunk(code, turn, self.features)
        if rest:
            chunk(code, code.tile.constant(whole), rest)

    def _take(self, code: Code) -> None:
        into = code.mem(self.product.weights, self.words)
        code.op("mov", into, code.pipe_in(COLOR, self.words))

    def _by_output(self, code: Code, turn: SSAValue, features: int) -> None:
        """Each row's sums <- sums + elements x weights of the chunk."""
        p, g, tile = self.product, self.geometry, code.tile
        pitch = 1 if self.step.flatten else g.feature_pitch
        self._take(code)
        sums = code.mem_moving(p.sums, p.outputs)
        elements = code.mem_moving(p.work, features, stride=pitch)
        tile.set_dsd_offset(sums, 0)
        tile.set_dsd_offset(elements, tile.alu("mul", turn, self.features * pitch))
        dest, first, second = code.dsr("dest"), code.dsr("src0"), code.dsr("src1")
        with times(code, p.rows):
            tile.load_dsr(dest, sums)
            tile.load_dsr(first, sums)
            tile.load_dsr(second, code.mem(p.weights, p.outputs), save_address=True)
            with code.map(elements) as element:
                code.op("fmac", dest, first, second, scalar=element)
            if p.rows > 1:
                tile.increment_dsd_offset(sums, p.outputs)
                tile.increment_dsd_offset(elements, 1)

    def _by_weight(self, code: Code, turn: SSAValue, features: int) -> None:
        """Each output's sums <- sums + a feature x its weight, for the features of the chunk."""
        p, g, tile = self.product, self.geometry, code.tile
        self._take(code)
        x = code.mem_moving(p.work, g.sum_pitch)
        weights = code.mem_moving(p.weights, p.outputs)
        tile.set_dsd_offset(weights, 0)
        tile.set_dsd_offset(x, tile.alu("mul", turn, self.features * g.feature_pitch))
        with times(code, features):
            p.tap(code, x, weights, "fmac", 0)
            tile.increment_dsd_offset(weights, p.outputs)
            tile.increment_dsd_offset(x, g.feature_pitch)

    def predicted(self, machine: Constants) -> float:
        m, p, dtype = machine, self.product, self.network.dtype
        lanes = self.lanes(m)
        if p.form == "outputs":
            vector = groups_cycles(p.outputs, m.rate(dtype)) + m.vector_issue + m.map_next
            around = m.loads(3) + m.loads(1) + m.map_begin + 4 * m.scalar + m.branch_taken
            work = p.rows * (self.features * vector + around)
        else:
            vector = groups_cycles(self.geometry.sum_pitch, m.rate(dtype)) + m.vector_issue
            around = m.loads(3) + m.map_begin + m.loads(1) + 4 * m.scalar + m.branch_taken
            work = self.features * (p.outputs * (vector + m.map_next) + around)
        taken = self.words * m.link_eighths / 8 + m.loads(2) + m.vector_issue
        # A chunk, the command behind it, the turn of the loop.
        sent = taken + m.loads(1) + m.vector_issue + 8 * m.scalar + 2 * m.branch_taken
        # The host looks every few cycles whether a round is over.
        turn = max(self.places * sent + _POLL, taken + work + 4 * m.scalar + m.branch_taken)
        trip = m.ramp_down + m.ramp_up + m.fabric_dispatch + m.hop * self.places
        last = self.product.features % self.features or self.features
        first = max(self.multicast.predicted(m, dtype) - self.places * sent, 0)
        return (
            first + self.rounds * turn + trip + work * last / self.features
            + self.reduction.predicted(m, lanes) + self.epilogue.predicted(m, lanes)
        )  # fmt: skip

    def placements(self) -> tuple[Placement, ...]:
        return tuple(
            place for place in super().placements() if place.buffer != self.product.weights
        )

    def stream(self) -> Stream:
        """What the edge sends, round after round: the first column's buffers."""
        weights = self._weights()
        missing = self.rounds * self.words - weights.shape[2]
        padded = np.pad(weights, ((0, 0), (0, 0), (0, missing)), constant_values=-1)
        # Row, place, round, word.
        chunks = padded[: self.fed, : self.places].reshape(
            self.fed, self.places, self.rounds, self.words
        )
        by_round = chunks.transpose(2, 0, 1, 3).reshape(self.rounds, self.fed, 1, -1)
        return Stream(self.step.weight, self.edge, self.function, self.counter, by_round)

    def used(self) -> dict[Line, Used]:
        return dict(super().used())


_POLL: Final = 16


def route_feed(program: ProgramBuilder, network: Network) -> None:
    """The colour of the edge, and its routes."""
    program.color(COLOR)
    rows, last = slice(0, network.rows), network.columns
    program.route(COLOR, (0, rows), ("ramp", "east"))
    if last > 1:
        program.route(COLOR, (slice(1, last), rows), ("west", "ramp"), ("west", "east"))
    program.route(COLOR, (last, rows), ("west", "ramp"))


def feed(program: ProgramBuilder, network: Network, steps: list[Emitter]) -> None:
    """The tiles of the edge: a function a step, each row's for the steps that it has words for."""
    streamed = [step for step in steps if isinstance(step, StreamedEmitter)]
    by_steps: dict[tuple[str, ...], list[int]] = {}
    for row in range(network.rows):
        key = tuple(step.name for step in streamed if row < step.fed)
        by_steps.setdefault(key, []).append(row)
    for number, (names, rows) in enumerate(by_steps.items()):
        here = [step for step in streamed if step.name in names]
        if not here:
            continue
        # Only one of them is in use at a time.
        buffers = {
            step.edge: Buffer(step.edge, step.places * step.words, network.dtype, -1, 0)
            for step in here
        }
        tile = program.tile(f"edge{number}")
        code = Code(program, tile, network.dtype, buffers, dict.fromkeys(buffers, 0))
        for step in here:
            sent = tile.var(step.counter, "i32", 0)
            with tile.func(step.function, export=True):
                _round(code, step)
                tile.set(sent, tile.alu("add", tile.get(sent), 1))
        for down in runs(rows):
            program.place(tile, (slice(0, 1), down))


def _round(code: Code, step: StreamedEmitter) -> None:
    """One chunk after the other, the nearest PE's first."""
    tile = code.tile
    chunk = code.mem_moving(step.edge, step.words)
    if step.places == 1:
        code.op("mov", code.pipe_out(COLOR, step.words), chunk)
        return
    with tile.for_(0, step.places, kind="i32") as turn:
        tile.set_dsd_offset(chunk, tile.alu("mul", turn, step.words))
        code.op("mov", code.pipe_out(COLOR, step.words), chunk)
        last = tile.alu("eq", turn, step.places - 1)
        with tile.if_(last) as end:
            _command(code, "switch_rst")
        with tile.else_(end):
            _command(code, "switch_adv")


def _command(code: Code, command: str) -> None:
    word = code.tile.control_word(command, ignore=True)
    code.tile.vector("mov32", code.pipe_out(COLOR, 1, control=True), scalar=word)


def streamable(network: Network, name: str) -> bool:
    """Whether a step's weights can come from the edge."""
    step = next(step for step in network.steps if step.name == name)
    return getattr(step, "weight", None) is not None and getattr(step, "window", None) is None

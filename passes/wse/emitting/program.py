"""Builds the program of a network: memory, one tile for each set of roles, colours, placements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from pyflame_rt.dialects.wse.builder import ProgramBuilder, X, Y
from pyflame_rt.errors import PassFailed
from pyflame_rt.passes.wse.emitting.attention import AttentionEmitter
from pyflame_rt.passes.wse.emitting.blocked import BlockedEmitter
from pyflame_rt.passes.wse.emitting.code import END, Code
from pyflame_rt.passes.wse.emitting.contraction import ContractionEmitter
from pyflame_rt.passes.wse.emitting.elementwise import ElementwiseEmitter
from pyflame_rt.passes.wse.emitting.fabric import (
    Line,
    Used,
    color_in,
    color_out,
    declare,
    group_size,
    leader_in,
    leader_out,
)
from pyflame_rt.passes.wse.emitting.interface import (
    Attention,
    Contraction,
    Elementwise,
    Emitted,
    LayerNorm,
    LstmGates,
    Move,
    Network,
    Placement,
    Pool,
    Softmax,
    Step,
    Value,
)
from pyflame_rt.passes.wse.emitting.lstm import LstmEmitter
from pyflame_rt.passes.wse.emitting.machine import CONSTANTS
from pyflame_rt.passes.wse.emitting.memory import Buffer, allocate
from pyflame_rt.passes.wse.emitting.move import MoveEmitter
from pyflame_rt.passes.wse.emitting.placing import groups, rectangles
from pyflame_rt.passes.wse.emitting.pooling import GlobalPoolEmitter, WindowPoolEmitter
from pyflame_rt.passes.wse.emitting.replicated import ReplicatedEmitter
from pyflame_rt.passes.wse.emitting.softmax import LayerNormEmitter, SoftmaxEmitter
from pyflame_rt.passes.wse.emitting.step import Emitter, buffer_of

Heard: TypeAlias = "tuple[tuple[Line, bool, bool, bool], ...]"


def emitter(network: Network, step: Step) -> Emitter:
    """The emitter of a step; raises PassFailed for layouts that do not fit together."""
    match step:
        case Contraction():
            return _contraction(network, step)
        case Move():
            found = MoveEmitter(network, step)
        case Elementwise():
            found = ElementwiseEmitter(network, step)
        case Pool(window=None):
            found = GlobalPoolEmitter(network, step)
        case Pool():
            found = WindowPoolEmitter(network, step)
        case Softmax():
            found = SoftmaxEmitter(network, step)
        case LayerNorm():
            found = LayerNormEmitter(network, step)
        case Attention():
            found = AttentionEmitter(network, step)
        case LstmGates():
            found = LstmEmitter(network, step)
    found.check()
    return found


def _contraction(network: Network, step: Contraction) -> Emitter:
    """The way of a contraction that takes fewest cycles."""
    found = ContractionEmitter(network, step)
    found.check()
    if step.window is None:
        return found
    whole = BlockedEmitter(network, step)
    if found.source.value.parts > 1 or found.result.value.slots == 1:
        return whole if not found.outputs_form else found
    machine = CONSTANTS[network.machine]
    return min(
        found, whole, ReplicatedEmitter(network, step), key=lambda way: way.predicted(machine)
    )


def emitters(network: Network) -> list[Emitter]:
    """The emitters of all steps, blocked so that a PE's memory suffices. Raises PassFailed."""
    steps = [emitter(network, step) for step in network.steps]
    while True:
        try:
            allocate(buffers_of(network, steps).values(), f"network {network.name!r}")
        except PassFailed:
            # The step that needs most for itself gives way first.
            needs = {
                sum(scratch.elements for scratch in step.scratch() if not scratch.host): number
                for number, step in enumerate(steps)
                if step.shrunk() is not None
            }
            if not needs:
                raise
            largest = needs[max(needs)]
            smaller = steps[largest].shrunk()
            assert smaller is not None
            steps[largest] = smaller
        else:
            return steps


def build(network: Network) -> Emitted:
    """The program of a network."""
    steps = emitters(network)
    buffers = buffers_of(network, steps)
    addresses = allocate(buffers.values(), f"network {network.name!r}")
    program = ProgramBuilder(network.name, network.columns, network.rows)
    used = lines_used(steps)
    declare(program, used)
    pes = [(x, y) for y in range(network.rows) for x in range(network.columns)]
    keys = {
        (x, y): (_hears(network, used, x, y), *(step.role(x, y) for step in steps)) for x, y in pes
    }
    for number, members in enumerate(groups(keys).values()):
        code = Code(program, program.tile(f"tile{number}"), network.dtype, buffers, addresses)
        with code.tile.task("main", active=True):
            for step in steps:
                step.emit(code, *members[0])
                if network.marks:
                    code.tile.print(step.name)
        for line, multicast, chain, leaders in _hears(network, used, *members[0]):
            code.listen(line, multicast=multicast, chain=chain, leaders=leaders)
        for name, buffer in buffers.items():
            if buffer.first < 0 or buffer.last >= END:
                code.buffer(name)
        _place(network, code, members)
    return _emitted(network, steps, program)


def _emitted(network: Network, steps: list[Emitter], program: ProgramBuilder) -> Emitted:
    grid = network.columns, network.rows

    def placement(name: str) -> Placement:
        value = network.value(name)
        indices = value.indices(*grid).reshape(network.rows, network.columns, -1)
        return Placement(name, buffer_of(value), indices)

    machine = CONSTANTS[network.machine]
    return Emitted(
        program.module(),
        tuple(map(placement, network.inputs)),
        tuple(place for step in steps for place in step.placements()),
        tuple(map(placement, network.outputs)),
        {name: array for step in steps for name, array in step.constants_of_its_own().items()},
        {step.name: step.predicted(machine) for step in steps},
    )


def lines_used(steps: list[Emitter]) -> dict[Line, Used]:
    """What all steps together want of each line of PEs."""
    total: dict[Line, Used] = {}
    for step in steps:
        for line, used in step.used().items():
            old = total.get(line, Used())
            total[line] = Used(
                old.multicast or used.multicast, old.turns or used.turns, old.chain or used.chain,
                old.ring or used.ring, old.leaders or used.leaders,
            )  # fmt: skip
    return total


def _hears(network: Network, used: Mapping[Line, Used], x: int, y: int) -> Heard:
    """By line: whether words of multicast, chain and leaders go up the ramp of PE (x, y)."""
    found: list[tuple[Line, bool, bool, bool]] = []
    for line, use in used.items():
        place, length = (x, network.columns) if line == "row" else (y, network.rows)
        # A single sender does not hear itself.
        multicast = use.multicast and length > 1 and (use.turns or place > 0)
        chain = use.ring or (use.chain and place < length - 1)
        size = group_size(length)
        leaders = use.leaders and place % size == 0 and place + size < length
        found.append((line, multicast, chain and length > 1, leaders))
    return tuple(found)


_COLORS = {
    "in": color_in, "out": color_out, "leaders_in": leader_in, "leaders_out": leader_out,
}  # fmt: skip
"""The colour of a queue, by the rest of its parameter's name."""


def _place(network: Network, code: Code, members: list[tuple[int, int]]) -> None:
    """Place a tile; PEs with other colours or coordinates are told so by parameters."""
    names = sorted(code.colors)

    def colors(x: int, y: int) -> tuple[str, ...]:
        found: list[str] = []
        for name in names:
            line: Line = "row" if name.startswith("row") else "column"
            place, length = (x, network.columns) if line == "row" else (y, network.rows)
            color = _COLORS[name.removeprefix(f"{line}_")]
            found.append(color(line, place, length))
        return tuple(found)

    expressions = {"x": X, "y": Y}
    given = {axis: expressions[axis] for axis in code.coordinates}
    for pes in groups({pe: colors(*pe) for pe in members}).values():
        chosen = dict(zip(names, colors(*pes[0]), strict=True))
        for across, down in rectangles(pes):
            code.program.place(code.tile, (across, down), {**chosen, **given})


def buffers_of(network: Network, steps: list[Emitter]) -> Mapping[str, Buffer]:
    """All buffers by name, with the steps between which they are live."""
    found: dict[str, Buffer] = {}
    for value in network.values:
        first, last = _life(network, value)
        elements = value.part_features * value.slot_rows
        name = buffer_of(value)
        if name in found:
            raise PassFailed("two values have one name", where=f"value {value.name!r}")
        found[name] = Buffer(name, elements, network.dtype, first, last, odd=True)
    for number, step in enumerate(steps):
        for scratch in step.scratch():
            dtype = scratch.dtype or network.dtype
            # What the host has placed stays for the next run.
            first, last = (-1, END - 1) if scratch.host else (number, number)
            new = Buffer(scratch.name, scratch.elements, dtype, first, last, scratch.odd)
            if scratch.name in found:
                raise PassFailed("two steps have one name", where=f"step {step.name!r}")
            found[scratch.name] = new
    return found


def _life(network: Network, value: Value) -> tuple[int, int]:
    """The steps that make and last use a value."""
    made = -1 if value.name in network.inputs else END
    used = -1
    for number, step in enumerate(network.steps):
        names = _names(step)
        if value.name in names[1]:
            made = min(made, number)
        if value.name in names[0] or value.name in names[1]:
            used = number
    if value.name in network.outputs:
        used = END
    if made == END:
        raise PassFailed("no step makes it", where=f"value {value.name!r}")
    return made, used


def _names(step: Step) -> tuple[set[str], set[str]]:
    """The values that a step reads and writes."""
    from dataclasses import fields

    reads: set[str] = set()
    writes: set[str] = set()
    for entry in fields(step):
        value = getattr(step, entry.name)
        if entry.name in ("input", "residual", "query", "key", "value", "gates", "cell") and value:
            reads.add(value)
        elif entry.name == "inputs":
            reads |= set(value)
        elif entry.name in ("output", "new_cell"):
            writes.add(value)
    return reads, writes

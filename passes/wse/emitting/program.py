"""Builds the program of a network: memory, one tile for each set of roles, colours, placements."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import replace
from itertools import count
from typing import TypeAlias

import numpy as np
from xdsl.ir import Operation, SSAValue

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
from pyflame_rt.passes.wse.emitting.grouped import GroupedEmitter
from pyflame_rt.passes.wse.emitting.interface import (
    Attention,
    Contraction,
    Elementwise,
    Emitted,
    LayerNorm,
    Move,
    Network,
    Placement,
    Pool,
    Rearrange,
    Softmax,
    Step,
    Transfer,
)
from pyflame_rt.passes.wse.emitting.lives import buffers_of, images_in, images_out
from pyflame_rt.passes.wse.emitting.machine import CONSTANTS, Constants
from pyflame_rt.passes.wse.emitting.memory import allocate
from pyflame_rt.passes.wse.emitting.move import MoveEmitter
from pyflame_rt.passes.wse.emitting.placing import groups, rectangles
from pyflame_rt.passes.wse.emitting.pooling import GlobalPoolEmitter, WindowPoolEmitter
from pyflame_rt.passes.wse.emitting.rearrange import RearrangeEmitter
from pyflame_rt.passes.wse.emitting.replicated import ReplicatedEmitter
from pyflame_rt.passes.wse.emitting.softmax import LayerNormEmitter, SoftmaxEmitter
from pyflame_rt.passes.wse.emitting.step import Emitter, Lines, buffer_of
from pyflame_rt.passes.wse.emitting.streaming import StreamedEmitter, feed, route_feed
from pyflame_rt.passes.wse.emitting.strips import Strip, edge_of, strips_of
from pyflame_rt.passes.wse.emitting.tree import TreePlace, tree_in, tree_out

Heard: TypeAlias = "tuple[tuple[Line, bool, bool, bool, bool], ...]"


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
        case Rearrange():
            found = RearrangeEmitter(network, step)
        case Transfer():
            raise PassFailed("leads to no strip", where=f"step {step.name!r}")
    found.check()
    return found


def _contraction(network: Network, step: Contraction) -> Emitter:
    """The way of a contraction that takes fewest cycles."""
    if step.name in network.streamed:
        streamed = StreamedEmitter(network, step)
        streamed.check()
        return streamed
    if step.groups > 1:
        grouped = GroupedEmitter(network, step)
        grouped.check()
        return grouped
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


def emitters(strip: Strip) -> list[Emitter]:
    """The emitters of a strip's steps, blocked so that a PE's memory suffices. Raises PassFailed."""
    network = strip.network
    steps = [emitter(network, step) for step in network.steps]
    if any(use.leaders and use.tree for use in lines_used(steps).values()):
        # They would share queues.
        plain = replace(network, trees=False)
        steps = [emitter(plain, step) for step in network.steps]
    while True:
        try:
            allocate(buffers_of(strip, steps).values(), f"network {network.name!r}")
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
    program = ProgramBuilder(network.name, network.columns + edge_of(network), network.rows)
    found = [(strip, emitters(strip)) for strip in strips_of(network)]
    declare_routes(program, found)
    numbers = count()
    for strip, steps in found:
        _tiles(program, strip, steps, numbers)
    if network.streamed:
        feed(program, network, found[0][1])
    return _emitted(network, found, program)


def declare_routes(program: ProgramBuilder, found: list[tuple[Strip, list[Emitter]]]) -> None:
    """The colours and routes of all strips."""
    declared: set[str] = set()
    for strip, steps in found:
        area = strip.left, strip.network.columns, strip.network.rows
        declare(program, lines_used(steps), area, declared)
        if strip.sent is not None:
            if strip.sent.color not in declared:
                declared.add(strip.sent.color)
                program.color(strip.sent.color)
            strip.sent.route(program, strip.left, strip.network.columns)
        if strip.network.streamed:
            route_feed(program, strip.network)


def _tiles(
    program: ProgramBuilder, strip: Strip, steps: list[Emitter], numbers: Iterator[int]
) -> None:
    """The tiles of a strip."""
    network = strip.network
    buffers = buffers_of(strip, steps)
    addresses = allocate(buffers.values(), f"network {network.name!r}")
    used = lines_used(steps)
    pes = [(x, y) for y in range(network.rows) for x in range(network.columns)]
    keys = {
        (x, y): (
            _hears(network, used, x, y), _images(strip, x, y), _crosses(strip, x, y),
            *(step.role(x, y) for step in steps),
        )
        for x, y in pes
    }  # fmt: skip
    for members in groups(keys).values():
        tile = program.tile(f"tile{next(numbers)}")
        code = Code(program, tile, network.dtype, buffers, addresses)
        with code.tile.task("main", active=True):
            _main(code, strip, steps, members[0])
        for line, multicast, chain, leaders, tree in _hears(network, used, *members[0]):
            code.listen(line, multicast=multicast, chain=chain, leaders=leaders, tree=tree)
        for name, buffer in buffers.items():
            if buffer.first < 0 or buffer.last >= END:
                code.buffer(name)
        _place(strip, code, members)


def _main(code: Code, strip: Strip, steps: list[Emitter], pe: tuple[int, int]) -> None:
    """All that a PE does, once or for each image."""
    if not strip.looped:
        _steps(code, strip, steps, pe)
        return
    with code.tile.for_(0, strip.network.images, kind="i32") as turn:
        for (name, way), here in zip(_host_values(strip), _images(strip, *pe), strict=True):
            if here and way == "in":
                code.op("mov", code.mem(buffer_of(name)), _image(code, name, images_in, turn))
        _steps(code, strip, steps, pe)
        for (name, way), here in zip(_host_values(strip), _images(strip, *pe), strict=True):
            if here and way == "out":
                code.op("mov", _image(code, name, images_out, turn), code.mem(buffer_of(name)))


def _steps(code: Code, strip: Strip, steps: list[Emitter], pe: tuple[int, int]) -> None:
    marks = strip.network.marks
    if strip.received is not None:
        strip.received.receive(code, *pe)
        if marks:
            code.tile.print(strip.received.name)
    for step in steps:
        step.emit(code, *pe)
        if marks:
            code.tile.print(step.name)
    if strip.sent is not None:
        strip.sent.send(code, *pe)
        if marks:
            code.tile.print(sent_mark(strip.sent.name))


def sent_mark(transfer: str) -> str:
    """What a PE of the first strip prints when it is done with a transfer."""
    return f"{transfer} sent"


def _image(code: Code, name: str, whole: Callable[[str], str], turn: SSAValue) -> Operation:
    """One of all images of a value."""
    size = code.buffers[buffer_of(name)].elements
    found = code.mem_moving(whole(name), size)
    code.tile.set_dsd_offset(found, code.tile.alu("mul", turn, size))
    return found


def _host_values(strip: Strip) -> list[tuple[str, str]]:
    network = strip.network
    return [(name, "in") for name in network.inputs] + [(name, "out") for name in network.outputs]


def _images(strip: Strip, x: int, y: int) -> tuple[bool, ...]:
    """Whether a PE has a block of each input and output of a run for several images."""
    if not strip.looped:
        return ()
    found: list[bool] = []
    for name, _ in _host_values(strip):
        value = strip.network.value(name)
        lines = Lines(value, strip.network.columns, strip.network.rows)
        found.append(lines.part(x, y) < value.parts and lines.slot(x, y) < value.slots)
    return tuple(found)


def _crosses(strip: Strip, x: int, y: int) -> tuple[Hashable, Hashable]:
    return (
        None if strip.received is None else strip.received.receives(x, y),
        None if strip.sent is None else strip.sent.sends(x, y),
    )


def _emitted(
    network: Network, found: list[tuple[Strip, list[Emitter]]], program: ProgramBuilder
) -> Emitted:
    """Placements on all columns of the program."""
    width = network.columns + edge_of(network)
    inputs: list[Placement] = []
    tensors: list[Placement] = []
    outputs: list[Placement] = []
    for strip, steps in found:
        for names, whole, places in (
            (strip.network.inputs, images_in, inputs), (strip.network.outputs, images_out, outputs),
        ):  # fmt: skip
            places += [_moved(_placement(strip, name, whole), strip, width) for name in names]
        tensors += [_moved(place, strip, width) for step in steps for place in step.placements()]
    everything = [step for _, steps in found for step in steps]
    streams = tuple(
        stream for step in everything if isinstance(step, StreamedEmitter)
        for stream in (step.stream(),)
    )  # fmt: skip
    return Emitted(
        program.module(), tuple(inputs), tuple(tensors), tuple(outputs),
        {name: array for step in everything for name, array in step.constants_of_its_own().items()},
        predict(network, found), streams,
    )  # fmt: skip


def predict(network: Network, found: list[tuple[Strip, list[Emitter]]]) -> Mapping[str, float]:
    """Cycles by step, for one image."""
    machine = CONSTANTS[network.machine]
    cycles: dict[str, float] = {}
    for strip, steps in found:
        if strip.received is not None:
            cycles[strip.received.name] = strip.received.predicted(machine)
        cycles |= {step.name: step.predicted(machine) for step in steps}
        if strip.looped and steps:
            for name, way in _host_values(strip):
                # Each image comes before the first step, and goes after the last one.
                at = steps[0] if way == "in" else steps[-1]
                cycles[at.name] += _copied(strip, name, machine)
    return cycles


def _copied(strip: Strip, name: str, machine: Constants) -> float:
    """Cycles of taking an image from or to the buffer of all of them."""
    value, m = strip.network.value(name), machine
    lanes = m.lanes_16 if strip.network.dtype == "f16" else m.lanes_32
    scalars = 4 * m.scalar + m.branch_taken
    return value.part_features * value.slot_rows / lanes + m.loads(2) + m.vector_issue + scalars


def _placement(strip: Strip, name: str, whole: Callable[[str], str]) -> Placement:
    network = strip.network
    value = network.value(name)
    indices = value.indices(network.columns, network.rows)
    indices = indices.reshape(network.rows, network.columns, -1)
    if not strip.looped:
        return Placement(name, buffer_of(value), indices)
    size = value.features * value.rows
    images = [np.where(indices >= 0, indices + k * size, -1) for k in range(network.images)]
    return Placement(name, whole(name), np.concatenate(images, axis=2))


def _moved(place: Placement, strip: Strip, width: int) -> Placement:
    """A placement on a strip as one on all columns."""
    indices = place.indices
    if indices.shape[1] == width:
        return place
    wide = np.full((indices.shape[0], width, indices.shape[2]), -1, np.int64)
    wide[:, strip.left : strip.left + indices.shape[1]] = indices
    return replace(place, indices=wide)


def lines_used(steps: list[Emitter]) -> dict[Line, Used]:
    """What all steps together want of each line of PEs."""
    total: dict[Line, Used] = {}
    for step in steps:
        for line, used in step.used().items():
            old = total.get(line, Used())
            total[line] = Used(
                old.multicast or used.multicast, old.turns or used.turns, old.chain or used.chain,
                old.ring or used.ring, old.leaders or used.leaders, old.tree or used.tree,
            )  # fmt: skip
    return total


def _hears(network: Network, used: Mapping[Line, Used], x: int, y: int) -> Heard:
    """By line: whether words of multicast, chain, leaders and tree go up the ramp of PE (x, y)."""
    found: list[tuple[Line, bool, bool, bool, bool]] = []
    for line, use in used.items():
        place, length = (x, network.columns) if line == "row" else (y, network.rows)
        # A single sender does not hear itself.
        multicast = use.multicast and length > 1 and (use.turns or place > 0)
        chain = use.ring or (use.chain and place < length - 1)
        size = group_size(length)
        leaders = use.leaders and place % size == 0 and place + size < length
        tree = use.tree and TreePlace(place, length).received > 0
        found.append((line, multicast, chain and length > 1, leaders, tree))
    return tuple(found)


_COLORS = {
    "in": color_in, "out": color_out, "leaders_in": leader_in, "leaders_out": leader_out,
    "tree_in": tree_in, "tree_out": tree_out,
}  # fmt: skip
"""The colour of a queue, by the rest of its parameter's name."""


def _place(strip: Strip, code: Code, members: list[tuple[int, int]]) -> None:
    """Place a tile; PEs with other colours or coordinates are told so by parameters."""
    network, left = strip.network, strip.left
    names = sorted(code.colors)

    def colors(x: int, y: int) -> tuple[str, ...]:
        found: list[str] = []
        for name in names:
            line: Line = "row" if name.startswith("row") else "column"
            place, length = (x, network.columns) if line == "row" else (y, network.rows)
            color = _COLORS[name.removeprefix(f"{line}_")]
            found.append(color(line, place, length))
        return tuple(found)

    expressions = {"x": X - left if left else X, "y": Y}
    given = {axis: expressions[axis] for axis in code.coordinates}
    for pes in groups({pe: colors(*pe) for pe in members}).values():
        chosen = dict(zip(names, colors(*pes[0]), strict=True))
        for across, down in rectangles((x + left, y) for x, y in pes):
            code.program.place(code.tile, (across, down), {**chosen, **given})

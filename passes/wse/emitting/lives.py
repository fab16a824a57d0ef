"""The buffers of a strip: between which of its steps each is live.

In a run for several images the host has all of them in buffers of their own: before the first step an
image goes from there to that of the value, after the last step the results go back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyflame_rt.errors import PassFailed
from pyflame_rt.passes.wse.emitting.code import END
from pyflame_rt.passes.wse.emitting.interface import Value
from pyflame_rt.passes.wse.emitting.memory import Buffer
from pyflame_rt.passes.wse.emitting.step import Emitter, buffer_of
from pyflame_rt.passes.wse.emitting.strips import Strip, names_of


def images_in(name: str) -> str:
    """The buffer of all images of an input."""
    return f"in_{buffer_of(name)}"


def images_out(name: str) -> str:
    """The buffer of all images of an output."""
    return f"out_{buffer_of(name)}"


def buffers_of(strip: Strip, steps: Sequence[Emitter]) -> Mapping[str, Buffer]:
    """All buffers by name. Raises PassFailed."""
    network, found = strip.network, dict[str, Buffer]()
    for value in network.values:
        first, last = _life(strip, value)
        elements = value.part_features * value.slot_rows
        name = buffer_of(value)
        if name in found:
            raise PassFailed("two values have one name", where=f"value {value.name!r}")
        found[name] = Buffer(name, elements, network.dtype, first, last, odd=True)
        if not strip.looped:
            continue
        for whole, names in ((images_in, network.inputs), (images_out, network.outputs)):
            if value.name in names:
                name, size = whole(value.name), elements * network.images
                found[name] = Buffer(name, size, network.dtype, -1, END)
    for number, step in enumerate(steps):
        for scratch in step.scratch():
            dtype = scratch.dtype or network.dtype
            # What the host has placed stays for the next run.
            first, last = (-1, END - 1) if scratch.host else (number, number)
            new = Buffer(scratch.name, scratch.elements, dtype, first, last, scratch.odd)
            if scratch.name in found:
                raise PassFailed("two steps have one name", where=f"step {step.name!r}")
            found[scratch.name] = new
    if strip.received is not None:
        trash = strip.received.trash
        found[trash] = Buffer(trash, 1, network.dtype, 0, 0)
    return found


def _life(strip: Strip, value: Value) -> tuple[int, int]:
    """The steps that make and last use a value."""
    network, end = strip.network, len(strip.network.steps)
    made = END
    if value.name in network.inputs:
        made = 0 if strip.looped else -1
    if strip.received is not None and value.name == strip.received.target.name:
        made = 0
    used = made if made < END else -1
    for number, step in enumerate(network.steps):
        reads, writes = names_of(step)
        if value.name in writes:
            made = min(made, number)
        if value.name in reads or value.name in writes:
            used = number
    if strip.sent is not None and value.name == strip.sent.source.name:
        used = end
    if value.name in network.outputs:
        used = end if strip.looped else END
    if made == END:
        raise PassFailed("no step makes it", where=f"value {value.name!r}")
    return made, used

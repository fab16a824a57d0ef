"""Texts of what went wrong in a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np

from pyflame_rt.backends.wse.sim import image as im
from pyflame_rt.backends.wse.sim import layout as lo
from pyflame_rt.backends.wse.sim.building import Built
from pyflame_rt.backends.wse.sim.checking import at
from pyflame_rt.backends.wse.sim.sources import Sources
from pyflame_rt.errors import BackendError

_Key = TypeVar("_Key")

# The largest map of PEs in a report.
_MAP_WIDTH: Final = 64
_MAP_HEIGHT: Final = 32
# What is told in full of what waits and what is left.
_TOLD: Final = 40
_MARKS: Final = {
    "?": "an op waits for words", "!": "an op has no room to send", "b": "a task is active but blocked",
    "o": "words are left", "x": "here", ".": "nothing waits",
}  # fmt: skip


class SimulationError(BackendError):
    """The program did something that the machine does not allow; `kind` says what.

    Kinds: `clash`, `route`, `memory`, `program`, `deadlock`, `leftover`, `limit`. The text is one line; `report`
    has all of it in several: a map of the PEs that are involved, who waits for what, and where that
    would have to come from.
    """

    def __init__(
        self, kind: str, message: str, *, where: str | None = None, hint: str | None = None,
        report: str = "",
    ):  # fmt: skip
        super().__init__(message, where=where, hint=hint)
        self.kind = kind
        self.report = report or str(self)


@dataclass(frozen=True)
class Finding:
    """Something that is wrong at a PE: its mark on the map, a text, and the colour that it is about or -1."""

    pe: int
    mark: str
    text: str
    colour: int = -1


_KINDS: Final = {lo.E_CLASH: "clash", lo.E_DANGLING: "route", lo.E_NO_QUEUE: "route"} | {
    lo.E_BOUNDS: "memory",
    lo.E_ALIGNMENT: "memory",
    lo.E_COLOUR: "route",
}


def directions(mask: int) -> str:
    """Names of a set of directions."""
    return ", ".join(name for bit, name in enumerate(im.DIRECTIONS) if mask >> bit & 1)


def fault(image: im.Image, buffer: im.Int32s, built: Built) -> SimulationError:
    """The error that the kernel recorded."""
    code, pe, a, b = (
        int(buffer[place]) for place in (lo.ERROR, lo.ERROR_PE, lo.ERROR_A, lo.ERROR_B)
    )
    texts: dict[int, str] = {
        lo.E_CLASH: f"two words of colour {a} arrive in one cycle, from two of {directions(b)}",
        lo.E_DANGLING: f"colour {a} is sent {im.DIRECTIONS[b % 5]}, where nothing receives it",
        lo.E_NO_QUEUE: f"colour {a} goes up the ramp, but no input queue is bound to it"
        if b == 0
        else f"an op uses {'input' if b == 3 else 'output'} queue {a}, which is bound to no colour",
        lo.E_BOUNDS: f"{b} bytes at address {a} are outside the program's memory",
        lo.E_ALIGNMENT: f"{b} bytes at odd address {a}",
        lo.E_PC: f"execution runs off the code, to instruction {a}",
        lo.E_SPIN: f"an endless loop of instructions without cost at instruction {a}",
        lo.E_OPERANDS: f"instruction {b} has operands that no vector op takes"
        " (a source that sends, a destination that receives, one queue twice, @map over no mem1d)",
        lo.E_NO_CONTROL_TASK: f"a control word of colour {b} names control task {a}, which does not exist",
        lo.E_LENGTH: f"a vector op at instruction {b} has length {a}",
        lo.E_COLOUR: f"queue {b} cannot be bound to colour {a}: no route or no queue",
    }
    text = texts.get(code, "unknown")
    where = f"{at(image, pe)}, cycle {int(buffer[lo.NOW]) - 1}"
    lines = [f"{where}: {text}"]
    if code == lo.E_CLASH:
        found = [Finding(pe, "x", text)]
        sources = Sources(image, buffer, built)
        for direction in range(5):
            if b >> direction & 1:
                senders = sources.through(pe, a, direction)
                names = ", ".join(at(image, sender) for sender in senders) or "nowhere"
                lines.append(f"words from {im.DIRECTIONS[direction]} come from {names}")
                found += [Finding(sender, "o", "") for sender in senders if sender != pe]
        lines += ["", *chart(image, found)]
    return SimulationError(
        _KINDS.get(code, "program"), text, where=where, report="\n".join(lines)
    )  # fmt: skip


def ending(
    image: im.Image, buffer: im.Int32s, built: Built, *, leftover: bool
) -> SimulationError | None:
    """What is wrong with a run in which nothing moves any more: a deadlock, or words that are left."""
    waits = waiting(image, buffer, built)
    left = words_left(image, buffer, built)
    where = f"cycle {int(buffer[lo.NOW])}"
    if waits:
        text = f"deadlock: {_listed(waits)}"
        text += f"; words that wait: {_listed(left)}" if left else ""
        kind = "deadlock"
    elif left and not leftover:
        text, kind = f"words are left at the end: {_listed(left)}", "leftover"
    else:
        return None
    sources = Sources(image, buffer, built)
    lines = [f"{where}: {kind}", "", *chart(image, [*left, *waits]), ""]
    for finding in waits[:_TOLD]:
        lines.append(finding.text)
        if finding.mark == "?" and finding.colour >= 0:
            lines += [f"    {text}" for text in sources.texts(finding.pe, finding.colour)]
    lines += [f"and {len(waits) - _TOLD} more that wait"] if len(waits) > _TOLD else []
    lines += [finding.text for finding in left[:_TOLD]]
    lines += [f"and {len(left) - _TOLD} more queues with words"] if len(left) > _TOLD else []
    return SimulationError(kind, text, where=where, report="\n".join(lines))


def _nonzero(buffer: im.Int32s, table: Mapping[_Key, int], *columns: int) -> list[tuple[_Key, int]]:
    """The few of many records that have anything in one of some columns, with their places."""
    places = np.fromiter(table.values(), np.int64, len(table))
    found = np.zeros(len(table), bool)
    for column in columns:
        found |= buffer[places + column] != 0
    keys = list(table) if found.any() else []
    return [(keys[place], int(places[place])) for place in np.flatnonzero(found)]


def waiting(image: im.Image, buffer: im.Int32s, built: Built) -> list[Finding]:
    """Who waits for what, one for each thread or task."""
    found: list[Finding] = []
    for pe, p in _nonzero(buffer, built.elements, lo.P_THREADS, lo.P_ACTIVE):
        program = image.programs[int(buffer[p + lo.P_PROGRAM])]
        for thread in range(lo.THREADS):
            if buffer[p + lo.P_THREADS] >> thread & 1:
                found.append(_op(image, buffer, pe, p, thread))
        stuck = int(buffer[p + lo.P_ACTIVE] & buffer[p + lo.P_BLOCKED])
        if buffer[p + lo.P_STATE] == lo.HALTED:
            stuck = 0
        for slot, name in enumerate(program.task_names):
            if stuck >> slot & 1:
                text = f"{at(image, pe)}: task {name!r} is active but blocked"
                found.append(Finding(pe, "b", text))
    return found


def _op(image: im.Image, buffer: im.Int32s, pe: int, p: int, thread: int) -> Finding:
    o = p + lo.P_OPS + thread * lo.OP_FIELDS
    name = im.VECTOR_FUNCTIONS[int(buffer[o + lo.O_FUNCTION])]
    who = f"@{name}" if thread == 0 else f"microthread {thread - 1} @{name}"
    done = f"{int(buffer[o + lo.O_DONE])} of {int(buffer[o + lo.O_LENGTH])} done"
    takes = int(buffer[o + lo.O_REASON]) == lo.REASON_INPUT
    mark = "?" if takes else "!"
    operands = (o + lo.O_SRC0, o + lo.O_SRC1) if takes else (o + lo.O_DEST,)
    for operand in operands:
        kind = int(buffer[operand + lo.A_KIND])
        place = int(buffer[operand + lo.A_PLACE])
        if kind == im.FIFO:
            return Finding(pe, mark, f"{at(image, pe)}: {who} waits for its fifo ({done})")
        if kind in (im.FABIN, im.FABOUT):
            empty = buffer[place + lo.Q_HEAD] == buffer[place + lo.Q_TAIL]
            if kind == im.FABIN and not empty and takes:
                what = "finds a control word on"
            elif kind == im.FABIN:
                what = "waits for a word of"
            else:
                what = "has no room on"
            colour = int(buffer[int(buffer[place + lo.Q_RECORD]) + lo.R_COLOUR])
            if kind == im.FABIN and not empty and len(operands) == 2 and operand == operands[0]:
                continue
            text = f"{at(image, pe)}: {who} {what} colour {colour} ({done})"
            return Finding(pe, mark, text, colour)
    return Finding(pe, mark, f"{at(image, pe)}: {who} waits ({done})")


def words_left(image: im.Image, buffer: im.Int32s, built: Built) -> list[Finding]:
    """Words that are still in routers and queues, one for each queue."""
    found: list[Finding] = []
    for (pe, colour), r in _nonzero(buffer, built.records, lo.R_OCCUPIED):
        for direction, name in enumerate(im.DIRECTIONS):
            queue = r + lo.R_QUEUES + direction * int(buffer[lo.K_QUEUE])
            count = int(buffer[queue + lo.RQ_TAIL] - buffer[queue + lo.RQ_HEAD])
            if count:
                text = (
                    f"{at(image, pe)}: {count} of colour {colour} from {name} in the router"
                    f" (switch position {int(buffer[r + lo.R_POSITION])})"
                )
                found.append(Finding(pe, "o", text, colour))
    for pe, p in _nonzero(buffer, built.elements, lo.P_IN_WORDS, lo.P_OUT_WORDS):
        for table, name in ((lo.P_INPUTS, "input"), (lo.P_OUTPUTS, "output")):
            for number in range(8):
                queue = int(buffer[p + table + number])
                count = int(buffer[queue + lo.Q_TAIL] - buffer[queue + lo.Q_HEAD])
                if queue >= 0 and count:
                    colour = int(buffer[int(buffer[queue + lo.Q_RECORD]) + lo.R_COLOUR])
                    text = f"{at(image, pe)}: {count} of colour {colour} in {name} queue {number}"
                    found.append(Finding(pe, "o", text, colour))
    return found


def chart(image: im.Image, findings: Iterable[Finding]) -> list[str]:
    """A map of the PEs that are involved and those beside them, a letter each, with its legend.

    Of several findings at a PE the last one shows.
    """
    marks = {finding.pe: finding.mark for finding in findings}
    places = [(pe % image.width, pe // image.width) for pe in marks]
    if not places:
        return []
    left = max(min(x for x, _ in places) - 1, 0)
    top = max(min(y for _, y in places) - 1, 0)
    right = min(max(x for x, _ in places) + 1, image.width - 1, left + _MAP_WIDTH - 1)
    bottom = min(max(y for _, y in places) + 1, image.height - 1, top + _MAP_HEIGHT - 1)
    margin = len(str(bottom)) + 2
    lines = [f"{'':{margin}} x = {left} to {right}"]
    for y in range(top, bottom + 1):
        row = (marks.get(y * image.width + x, ".") for x in range(left, right + 1))
        lines.append(f"{f'y={y}':>{margin}} {' '.join(row)}")
    shown = {marks.get(y * image.width + x, ".") for x, y in places} | {"."}
    lines += [f"{'':{margin}} {mark} {text}" for mark, text in _MARKS.items() if mark in shown]
    hidden = sum(not (left <= x <= right and top <= y <= bottom) for x, y in places)
    return [*lines, f"{'':{margin}} and {hidden} PEs more"] if hidden else lines


def _listed(findings: list[Finding], count: int = 6) -> str:
    rest = f"; and {len(findings) - count} more" if len(findings) > count else ""
    return "; ".join(finding.text for finding in findings[:count]) + rest

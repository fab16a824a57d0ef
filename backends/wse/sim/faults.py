"""Texts of what went wrong in a run."""

from __future__ import annotations

from typing import Any, Final

from pyflame_rt.backends.wse.sim import image as im
from pyflame_rt.backends.wse.sim import layout as lo
from pyflame_rt.backends.wse.sim.checking import at
from pyflame_rt.errors import BackendError


class SimulationError(BackendError):
    """The program did something that the machine does not allow; `kind` says what.

    Kinds: `clash`, `route`, `memory`, `program`, `deadlock`, `leftover`, `limit`.
    """

    def __init__(
        self, kind: str, message: str, *, where: str | None = None, hint: str | None = None
    ):
        super().__init__(message, where=where, hint=hint)
        self.kind = kind


_KINDS: Final = {lo.E_CLASH: "clash", lo.E_DANGLING: "route", lo.E_NO_QUEUE: "route"} | {
    lo.E_BOUNDS: "memory",
    lo.E_ALIGNMENT: "memory",
    lo.E_COLOUR: "route",
}


def directions(mask: int) -> str:
    """Names of a set of directions."""
    return ", ".join(name for bit, name in enumerate(im.DIRECTIONS) if mask >> bit & 1)


def fault(image: im.Image, buffer: im.Int32s) -> SimulationError:
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
    where = f"{at(image, pe)}, cycle {int(buffer[lo.NOW]) - 1}"
    return SimulationError(_KINDS.get(code, "program"), texts.get(code, "unknown"), where=where)


def waiting(image: im.Image, buffer: im.Int32s, elements: dict[int, int]) -> list[str]:
    """Who waits for what, one text a thread or task."""
    found: list[str] = []
    for pe, p in elements.items():
        program = image.programs[int(buffer[p + lo.P_PROGRAM])]
        for thread in range(lo.THREADS):
            if buffer[p + lo.P_THREADS] >> thread & 1:
                found.append(_op(image, buffer, pe, p, thread))
        stuck = int(buffer[p + lo.P_ACTIVE] & buffer[p + lo.P_BLOCKED])
        if buffer[p + lo.P_STATE] == lo.HALTED:
            stuck = 0
        for slot, name in enumerate(program.task_names):
            if stuck >> slot & 1:
                found.append(f"{at(image, pe)}: task {name!r} is active but blocked")
    return found


def _op(image: im.Image, buffer: Any, pe: int, p: int, thread: int) -> str:
    o = p + lo.P_OPS + thread * lo.OP_FIELDS
    name = im.VECTOR_FUNCTIONS[int(buffer[o + lo.O_FUNCTION])]
    who = f"@{name}" if thread == 0 else f"microthread {thread - 1} @{name}"
    done = f"{int(buffer[o + lo.O_DONE])} of {int(buffer[o + lo.O_LENGTH])} done"
    reason = int(buffer[o + lo.O_REASON])
    operands = (o + lo.O_SRC0, o + lo.O_SRC1) if reason == lo.REASON_INPUT else (o + lo.O_DEST,)
    for operand in operands:
        kind = int(buffer[operand + lo.A_KIND])
        place = int(buffer[operand + lo.A_PLACE])
        if kind == im.FIFO:
            return f"{at(image, pe)}: {who} waits for its fifo ({done})"
        if kind in (im.FABIN, im.FABOUT):
            empty = buffer[place + lo.Q_HEAD] == buffer[place + lo.Q_TAIL]
            if kind == im.FABIN and not empty and reason == lo.REASON_INPUT:
                what = "finds a control word on"
            elif kind == im.FABIN:
                what = "waits for a word of"
            else:
                what = "has no room on"
            colour = int(buffer[int(buffer[place + lo.Q_RECORD]) + lo.R_COLOUR])
            if kind == im.FABIN and not empty and len(operands) == 2 and operand == operands[0]:
                continue
            return f"{at(image, pe)}: {who} {what} colour {colour} ({done})"
    return f"{at(image, pe)}: {who} waits ({done})"


def words_left(
    image: im.Image, buffer: im.Int32s, records: dict[tuple[int, int], int],
    elements: dict[int, int],
) -> list[str]:  # fmt: skip
    """Words that are still in routers and queues, one text a queue."""
    found: list[str] = []
    for (pe, colour), r in records.items():
        for direction, name in enumerate(im.DIRECTIONS):
            queue = r + lo.R_QUEUES + direction * int(buffer[lo.K_QUEUE])
            count = int(buffer[queue + lo.RQ_TAIL] - buffer[queue + lo.RQ_HEAD])
            if count:
                found.append(
                    f"{at(image, pe)}: {count} of colour {colour} from {name} in the router"
                    f" (switch position {int(buffer[r + lo.R_POSITION])})"
                )
    for pe, p in elements.items():
        for table, name in ((lo.P_INPUTS, "input"), (lo.P_OUTPUTS, "output")):
            for number in range(8):
                queue = int(buffer[p + table + number])
                count = int(buffer[queue + lo.Q_TAIL] - buffer[queue + lo.Q_HEAD])
                if queue >= 0 and count:
                    colour = int(buffer[int(buffer[queue + lo.Q_RECORD]) + lo.R_COLOUR])
                    found.append(
                        f"{at(image, pe)}: {count} of colour {colour} in {name} queue {number}"
                    )
    return found


def listed(texts: list[str], count: int = 6) -> str:
    """The first few texts, and how many more there are."""
    rest = f"; and {len(texts) - count} more" if len(texts) > count else ""
    return "; ".join(texts[:count]) + rest

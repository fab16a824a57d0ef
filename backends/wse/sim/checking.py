"""What must hold of an image before it is run on a machine, so that the kernel need not look."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from pyflame_rt.backends.wse.machine import Machine
from pyflame_rt.backends.wse.sim import image as im
from pyflame_rt.backends.wse.sim.layout import MAX_CYCLES
from pyflame_rt.errors import ValidationError

_REGISTER_COLUMNS = {
    im.LI: "a", im.MOVE: "ab", im.ALU: "abc", im.ALUI: "ab", im.FMA: "abcd", im.CONVERT: "ab",
    im.LOAD: "a", im.STORE: "a", im.BRANCH: "a", im.CALL: "b", im.RETURN: "a", im.TIMESTAMP: "a",
    im.SET_DSD: "c", im.ADD_DSD: "c", im.MAP_ELEMENT: "c", im.MAP_STORE: "c",
}  # fmt: skip
_TARGET_COLUMNS = {im.JUMP: "a", im.BRANCH: "b", im.CALL: "a", im.MAP_BEGIN: "b", im.MAP_NEXT: "b"}
_TYPED = (im.ALU, im.ALUI, im.FMA, im.CONVERT, im.LOAD, im.STORE, im.PRINT, im.MAP_ELEMENT)
_DYNAMIC_COLUMNS = (im.DSD_BASE, im.DSD_LENGTH, im.DSD_STRIDE, im.DSD_OFFSET)
_NO_REGISTER = (im.LOAD, im.STORE, im.PRINT)


def _wrong(where: str, what: str, hint: str | None = None) -> NoReturn:
    raise ValidationError(what, where=where, hint=hint)


def check(image: im.Image, machine: Machine) -> None:
    """Raise ValidationError (one line: where, what) when the image cannot run on the machine."""
    if not (1 <= image.width <= machine.max_width and 1 <= image.height <= machine.max_height):
        _wrong(
            "image",
            f"a fabric of {image.width} x {image.height} does not fit {machine.name}'s"
            f" {machine.max_width} x {machine.max_height}",
        )
    _check_machine(machine)
    count = image.width * image.height
    for name, rows in (("routes", image.routes), ("placements", image.placements)):
        if rows.size and not (rows[:, 0].min() >= 0 and rows[:, 0].max() < count):
            _wrong("image", f"{name} name a PE outside the fabric")
    if not _distinct(image.placements[:, 0]):
        _wrong("image", "two programs are placed on one PE")
    _check_routes(image, machine)
    for program in image.programs:
        _check_program(program, machine, len(image.strings))
    _check_queues(image, machine)


def _check_machine(machine: Machine) -> None:
    if machine.router_depth + machine.ramp_down > 1024:
        _wrong(f"machine {machine.name}", "router_depth + ramp_down is more than 1024")
    if machine.cycle_limit > MAX_CYCLES:
        _wrong(f"machine {machine.name}", f"cycle_limit is more than {MAX_CYCLES}")


def _distinct(numbers: NDArray[np.integer[Any]]) -> bool:
    return bool(np.all(np.diff(np.sort(numbers)) != 0))


def _all_among(numbers: NDArray[np.integer[Any]], known: NDArray[np.integer[Any]]) -> bool:
    if not len(known):
        return not len(numbers)
    known = np.sort(known)
    return bool(np.all(known[np.searchsorted(known, numbers) % len(known)] == numbers))


def _routes_are_right(image: im.Image, machine: Machine) -> bool:
    """All at once, as a whole wafer needs it; what is wrong is found row by row."""
    rows = image.routes.astype(np.int64)
    colour, positions = rows[:, im.ROUTE_COLOUR], rows[:, im.ROUTE_POSITIONS]
    masks = rows[:, im.ROUTE_RX : im.ROUTE_RX + 8]
    initial, modes = rows[:, im.ROUTE_INITIAL], rows[:, [im.ROUTE_FILTER, im.ROUTE_POP]]
    swaps = rows[:, [im.ROUTE_SWAP_X, im.ROUTE_SWAP_Y]]
    used = np.arange(4) < positions[:, None]
    one = (masks[:, :4] & (masks[:, :4] - 1)) == 0
    return bool(
        np.all((colour >= 0) & (colour < im.COLOURS))
        and _distinct(rows[:, im.ROUTE_PE] * im.COLOURS + colour)
        and np.all((positions >= 1) & (positions <= 4) & (initial >= 0) & (initial < positions))
        and np.all((masks >= 0) & (masks < 32))
        and (machine.several_receive or np.all(one | ~used))
        and np.all((modes >= 0) & (modes <= 2))
        and np.all((swaps >= -1) & (swaps < im.COLOURS))
    )


def _check_routes(image: im.Image, machine: Machine) -> None:
    if _routes_are_right(image, machine):
        return
    seen: set[tuple[int, int]] = set()
    for row in image.routes.tolist():
        pe, colour = row[im.ROUTE_PE], row[im.ROUTE_COLOUR]
        where = f"colour {colour} at {at(image, pe)}"
        if not 0 <= colour < im.COLOURS:
            _wrong(where, f"colours are 0 to {im.COLOURS - 1}")
        if (pe, colour) in seen:
            _wrong(where, "two routes of one colour")
        seen.add((pe, colour))
        positions = row[im.ROUTE_POSITIONS]
        if not (1 <= positions <= 4 and 0 <= row[im.ROUTE_INITIAL] < positions):
            _wrong(where, "a route has one to four switch positions and begins at one of them")
        masks = row[im.ROUTE_RX : im.ROUTE_RX + 4], row[im.ROUTE_TX : im.ROUTE_TX + 4]
        if not all(0 <= mask < 32 for both in masks for mask in both):
            _wrong(where, "a set of directions has a bit beyond RAMP")
        several = [mask for mask in masks[0][:positions] if mask.bit_count() > 1]
        if several and not machine.several_receive:
            _wrong(
                where,
                f"{machine.name} takes one receive direction a switch position, not {several[0].bit_count()}",
            )
        if row[im.ROUTE_FILTER] not in (0, 1, 2) or row[im.ROUTE_POP] not in (0, 1, 2):
            _wrong(where, "an unknown filter or pop mode")
        if not all(-1 <= row[column] < im.COLOURS for column in (18, 19)):
            _wrong(where, "a colour swap to a colour that does not exist")


def _check_program(program: im.Program, machine: Machine, strings: int) -> None:
    where = f"program {program.name!r}"
    if max(program.memory_bytes, len(program.data)) > machine.sram_bytes:
        sizes = sorted(program.symbols.items(), key=lambda item: -item[1].size)
        table = ", ".join(f"{name} {symbol.size}" for name, symbol in sizes[:8])
        _wrong(
            where, f"needs {program.memory_bytes} bytes of the PE's {machine.sram_bytes}: {table}"
        )
    if len(program.data) > program.memory_bytes:
        _wrong(where, f"has {len(program.data)} bytes of data in {program.memory_bytes} of memory")
    for name, symbol in program.symbols.items():
        if not 0 <= symbol.address <= symbol.address + symbol.size <= program.memory_bytes:
            _wrong(where, f"array {name!r} is outside the program's memory")
    if len(program.tasks) > im.MAX_TASKS:
        _wrong(where, f"has {len(program.tasks)} tasks of at most {im.MAX_TASKS}")
    rows = len(program.code)
    for task, name in zip(program.tasks.tolist(), program.task_names, strict=False):
        if not 0 <= task[im.TASK_ENTRY] < rows or task[im.TASK_KIND] not in (0, 1, 2):
            _wrong(where, f"task {name!r} has no code")
    for dsd in program.dsds.tolist():
        fifo = dsd[im.DSD_KIND] == im.FIFO
        queues = len(program.fifos) if fifo else 8
        if not (0 <= dsd[im.DSD_KIND] <= 4 and 0 <= dsd[im.DSD_QUEUE] < queues):
            _wrong(where, "a DSD of an unknown kind, queue or fifo")
        if dsd[im.DSD_WIDTH] not in (2, 4):
            _wrong(where, "an element of a DSD has 2 or 4 bytes")
    for fifo in program.fifos.tolist():
        if fifo[1] < 1 or fifo[2] not in (2, 4):
            _wrong(where, "a fifo holds at least one element of 2 or 4 bytes")
    for number, row in enumerate(program.code.tolist()):
        _check_instruction(program, row, f"{where}, instruction {number}", rows, strings)


def _check_instruction(
    program: im.Program, row: list[int], where: str, rows: int, strings: int
) -> None:
    opcode, cost = row[0], row[1]
    column = dict(zip("abcdef", row[2:], strict=True))
    if not 0 <= opcode < im.OPCODES:
        _wrong(where, f"unknown opcode {opcode}")
    if not im.COST_TASK <= cost <= 1_000_000:
        _wrong(where, f"unknown cost {cost}")
    for letter in _REGISTER_COLUMNS.get(opcode, ""):
        if not 0 <= column[letter] < im.REGISTERS:
            _wrong(where, f"register {column[letter]} does not exist")
    if opcode in _NO_REGISTER and not -1 <= column["b"] < im.REGISTERS:
        _wrong(where, f"register {column['b']} does not exist")
    for letter in _TARGET_COLUMNS.get(opcode, ""):
        if not 0 <= column[letter] < rows:
            _wrong(where, f"jumps to {column[letter]}, outside the code")
    if opcode in _TYPED and not 0 <= column["e"] < len(im.TYPES):
        _wrong(where, "unknown type")
    if opcode in (im.ALU, im.ALUI, im.CONVERT):
        limit = len(im.TYPES) if opcode == im.CONVERT else len(im.ALU_FUNCTIONS)
        if not 0 <= column["d"] < limit:
            _wrong(where, "unknown function or type")
    if opcode in (im.ACTIVATE, im.BLOCK, im.UNBLOCK):
        _check_slot(program, column["a"], where)
    if opcode == im.PRINT and not 0 <= column["a"] < strings:
        _wrong(where, "unknown string")
    dsrs = {im.LOAD_DSR: "a", im.VECTOR: "bcd", im.MAP_BEGIN: "a", im.MAP_NEXT: "a"}
    dsrs |= {im.MAP_ELEMENT: "a", im.MAP_STORE: "a"}
    least = -1 if opcode == im.VECTOR else 0
    for letter in dsrs.get(opcode, ""):
        if not least <= column[letter] < im.DSRS:
            _wrong(where, f"DSR {column[letter]} does not exist")
    dsds = {im.LOAD_DSR: "b"} | dict.fromkeys(range(im.SET_DSD, im.ADD_DSD_CONSTANT + 1), "a")
    for letter in dsds.get(opcode, ""):
        if not 0 <= column[letter] < len(program.dsds):
            _wrong(where, f"DSD {column[letter]} does not exist")
    if im.SET_DSD <= opcode <= im.ADD_DSD_CONSTANT and not (
        column["b"] in _DYNAMIC_COLUMNS or im.DSD_SIZES <= column["b"] < im.DSD_FIELDS
    ):
        _wrong(where, "that column of a DSD is fixed")
    if opcode == im.VECTOR:
        _check_vector(program, column, where)
    if opcode == im.SET_COLOUR and not 0 <= column["b"] < 8:
        _wrong(where, "that queue does not exist")


def _check_slot(program: im.Program, slot: int, where: str) -> None:
    if not 0 <= slot < len(program.tasks):
        _wrong(where, f"task {slot} does not exist")


def _check_vector(program: im.Program, column: dict[str, int], where: str) -> None:
    flags = column["f"]
    if not 0 <= column["a"] < len(im.VECTOR_FUNCTIONS):
        _wrong(where, "unknown vector function")
    name = im.VECTOR_FUNCTIONS[column["a"]]
    if not -1 <= column["e"] < im.REGISTERS:
        _wrong(where, f"register {column['e']} does not exist")
    if flags < 0 or flags & 15 > im.MICROTHREADS or flags >> 4 & 15 > 2 or flags >> 8 & 15 > 2:
        _wrong(where, "unknown microthread, priority or completion action")
    if flags >> 8 & 15:
        _check_slot(program, flags >> 12, where)
    if name.startswith("fmac") and min(column["c"], column["d"], column["e"]) < 0:
        _wrong(where, f"@{name} takes two source vectors and a scalar")
    if column["b"] < 0 and name != "dfilt":
        _wrong(where, f"@{name} has no destination")
    if column["c"] < 0 and column["d"] >= 0:
        _wrong(where, f"@{name} has a second source and no first")
    if column["c"] < 0 and column["e"] < 0:
        _wrong(where, f"@{name} has no source")


def _queues_are_right(image: im.Image, machine: Machine) -> bool:
    """All at once; programs are placed on PEs of the fabric, each on one that exists."""
    rows = image.queues.astype(np.int64)
    pe, way, queue, colour = rows.T
    if not np.all((way >= 0) & (way <= 1) & (queue >= 0) & (queue < 8)):
        return False
    depths = np.array([machine.input_depths, machine.output_depths])
    routes = image.routes[:, :2].astype(np.int64)
    colours = (pe * im.COLOURS + colour)[(colour >= 0) & (colour < im.COLOURS)]
    receiving = (pe * im.COLOURS + colour)[way == im.INPUT]
    return bool(
        len(colours) == len(rows)
        and np.all(depths[way, queue] >= 0)
        and _all_among(pe, image.placements[:, 0])
        and _all_among(colours, routes[:, 0] * im.COLOURS + routes[:, 1])
        and _distinct((pe * 2 + way) * 8 + queue)
        and _distinct(receiving)
    )


def _check_queues(image: im.Image, machine: Machine) -> None:
    programs: dict[int, int] = dict(image.placements.tolist())
    for pe, program in programs.items():
        if not 0 <= program < len(image.programs):
            _wrong(at(image, pe), f"program {program} does not exist")
    if not _queues_are_right(image, machine):
        _find_wrong_queue(image, machine, programs)
    for pe, number, _ in image.registers.tolist():
        if pe not in programs or not 0 <= number < im.REGISTERS:
            _wrong(f"register {number} at {at(image, pe)}", "there is no such register")
    for patch in image.patches:
        number = programs.get(patch.pe, -1)
        bytes_there = image.programs[number].memory_bytes if number >= 0 else -1
        if not 0 <= patch.address <= patch.address + len(patch.data) <= bytes_there:
            _wrong(f"initial data at {at(image, patch.pe)}", "is outside the program's memory")


def _find_wrong_queue(image: im.Image, machine: Machine, programs: dict[int, int]) -> None:
    routed = {(pe, colour) for pe, colour in image.routes[:, :2].tolist()}
    seen: set[tuple[int, ...]] = set()
    for pe, way, queue, colour in image.queues.tolist():
        where = f"{'output' if way else 'input'} queue {queue} at {at(image, pe)}"
        depths = machine.output_depths if way else machine.input_depths
        if way not in (im.INPUT, im.OUTPUT) or not 0 <= queue < 8 or depths[queue] < 0:
            _wrong(where, f"{machine.name} has no such queue")
        if pe not in programs:
            _wrong(where, "no program is placed on the PE")
        if (pe, colour) not in routed:
            _wrong(where, f"colour {colour} has no route there")
        if (pe, way, queue) in seen:
            _wrong(where, "is bound twice")
        if way == im.INPUT and (pe, colour) in seen:
            _wrong(where, f"another input queue has colour {colour}")
        seen |= {(pe, way, queue)} | ({(pe, colour)} if way == im.INPUT else set())


def at(image: im.Image, pe: int) -> str:
    """`PE (x, y)`."""
    return f"PE ({pe % image.width}, {pe // image.width})"

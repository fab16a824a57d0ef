"""From an image and a machine to the simulator's buffer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from pyflame_rt.backends.wse.machine import Machine
from pyflame_rt.backends.wse.sim import image as im
from pyflame_rt.backends.wse.sim import layout as lo
from pyflame_rt.errors import ValidationError

Words = im.Int32s

_MULTIPLY_32: Final = ("fmacs", "fmachs", "fmuls")
_MULTIPLY_16: Final = ("fmach",)
_COPIES: Final = ("fmovs", "fmovh", "mov16", "mov32")
_OF_32_BITS: Final = (
    *("fadds", "fsubs", "fmaxs", "fnegs", "fmovs", "mov32", "fs2h", "fh2s", "faddhs", "fmins"),
    "add32",
)
# A buffer's 16-bit places must have int32 numbers.
_MAX_WORDS: Final = 1 << 30


@dataclass(frozen=True, eq=False)
class Built:
    """The buffer, and where the PEs and routers of the image are in it."""

    buffer: Words
    # PE number to the word number of its record: those that compute, those that route.
    elements: dict[int, int]
    nodes: dict[int, int]
    records: dict[tuple[int, int], int]


def build(image: im.Image, machine: Machine, trace_rows: int) -> Built:
    """Lay everything out; the image has been checked."""
    placements: dict[int, int] = dict(image.placements.tolist())
    routes: dict[int, list[list[int]]] = {pe: [] for pe in placements}
    for row in image.routes.tolist():
        routes.setdefault(row[0], []).append(row)
    order = sorted(routes)

    # A ring holds the queue and the pipeline registers of the ramp beside it.
    ring = _power_of_two(machine.router_depth + machine.ramp_down - 1)
    queue_words = lo.RQ_RING + 2 * ring
    record_words = lo.R_QUEUES + len(im.DIRECTIONS) * queue_words
    cursor = lo.HEADER
    functions, cursor = cursor, cursor + 2 * len(im.VECTOR_FUNCTIONS)
    half, cursor = cursor, cursor + 65536
    codes: list[int] = []
    tasks: list[int] = []
    for program in image.programs:
        codes.append(cursor)
        cursor += program.code.size
        tasks.append(cursor)
        cursor += program.tasks.size
    trace, cursor = cursor, cursor + lo.TRACE_FIELDS * trace_rows
    nodes_at, cursor = cursor, cursor + lo.NODE_FIELDS * len(order)
    nodes = {pe: nodes_at + lo.NODE_FIELDS * place for place, pe in enumerate(order)}
    records: dict[tuple[int, int], int] = {}
    for pe in order:
        for row in routes[pe]:
            records[pe, row[im.ROUTE_COLOUR]] = cursor
            cursor += record_words
    queue_rows: dict[int, list[tuple[int, int, int]]] = {}
    for pe, way, queue, colour in image.queues.tolist():
        queue_rows.setdefault(pe, []).append((way, queue, colour))
    elements: dict[int, int] = {}
    parts: dict[int, tuple[int, int, int]] = {}
    queues: dict[tuple[int, int, int], tuple[int, int]] = {}
    dsr_counts = [_dsr_count(program) for program in image.programs]
    for pe in order:
        if pe not in placements:
            continue
        program = image.programs[placements[pe]]
        elements[pe], cursor = cursor, cursor + lo.PE_FIELDS
        for way, queue, _ in queue_rows.get(pe, ()):
            capacity = _capacity(machine, way, queue)
            queues[pe, way, queue] = cursor, capacity
            cursor += lo.Q_RING + 2 * _power_of_two(capacity)
        dsds, cursor = cursor, cursor + im.DSD_FIELDS * len(program.dsds)
        dsrs, cursor = cursor, cursor + im.DSD_FIELDS * dsr_counts[placements[pe]]
        parts[pe] = dsds, dsrs, cursor
        cursor += lo.FIFO_FIELDS * len(program.fifos)
    memories: dict[int, int] = {}
    for pe in elements:
        memories[pe] = cursor
        cursor += -(-image.programs[placements[pe]].memory_bytes // 4) + 1
    if cursor > _MAX_WORDS:
        raise ValidationError(f"the program's memories need {4 * cursor} bytes of the host")

    buffer = np.zeros(cursor, np.int32)
    _fill_header(buffer, machine, functions, half)
    buffer[[lo.NODES, lo.NODE_COUNT, lo.TRACE, lo.TRACE_CAPACITY]] = (
        nodes_at,
        len(order),
        trace,
        trace_rows,
    )
    buffer[[lo.K_RING_MASK, lo.K_QUEUE, lo.K_RECORD]] = (ring - 1, queue_words, record_words)
    for program, code, table in zip(image.programs, codes, tasks, strict=True):
        buffer[code : code + program.code.size] = program.code.ravel()
        buffer[table : table + program.tasks.size] = program.tasks.ravel()
    bound = {
        (pe, colour): queues[pe, way, queue][0]
        for pe, way, queue, colour in image.queues.tolist()
        if way == im.INPUT
    }
    for pe in order:
        node = nodes[pe]
        own = routes[pe]
        buffer[node + lo.N_FIRST] = records[pe, own[0][im.ROUTE_COLOUR]] if own else 0
        buffer[node + lo.N_RECORDS] = len(own)
        buffer[node + lo.N_PE] = elements.get(pe, -1)
        buffer[node + lo.N_NUMBER] = pe
        for row in own:
            r = records[pe, row[im.ROUTE_COLOUR]]
            _fill_record(buffer, image, records, row, r, node, bound)
    for (pe, way, queue), (place, capacity) in queues.items():
        colour = next(c for w, q, c in queue_rows[pe] if (w, q) == (way, queue))
        program = image.programs[placements[pe]]
        buffer[place + lo.Q_CAPACITY] = capacity
        buffer[place + lo.Q_MASK] = _power_of_two(capacity) - 1
        buffer[place + lo.Q_RECORD] = records[pe, colour]
        buffer[place + lo.Q_TASK] = _data_task(program, queue) if way == im.INPUT else -1
        buffer[place + lo.Q_NUMBER] = queue
    memory_bytes = buffer.view(np.uint8)
    for pe, p in elements.items():
        program = image.programs[placements[pe]]
        _fill_element(buffer, program, p, parts[pe])
        buffer[p + lo.P_NODE] = nodes[pe]
        buffer[p + lo.P_NUMBER] = pe
        buffer[p + lo.P_PROGRAM] = placements[pe]
        buffer[p + lo.P_CODE] = codes[placements[pe]]
        buffer[p + lo.P_TASKS] = tasks[placements[pe]]
        buffer[p + lo.P_MEMORY] = 2 * memories[pe]
        buffer[p + lo.P_DSR_COUNT] = dsr_counts[placements[pe]]
        for way, table in ((im.INPUT, lo.P_INPUTS), (im.OUTPUT, lo.P_OUTPUTS)):
            for queue in range(8):
                buffer[p + table + queue] = queues.get((pe, way, queue), (-1, 0))[0]
        start = 4 * memories[pe]
        if program.data:
            memory_bytes[start : start + len(program.data)] = np.frombuffer(program.data, np.uint8)
    for pe, number, value in image.registers.tolist():
        buffer[elements[pe] + lo.P_REGISTERS + number] = value
    for patch in image.patches:
        start = 4 * memories[patch.pe] + patch.address
        memory_bytes[start : start + len(patch.data)] = np.frombuffer(patch.data, np.uint8)
    return Built(buffer, elements, nodes, records)


def _capacity(machine: Machine, way: int, queue: int) -> int:
    # The pipeline registers of the ramp are beside the queue.
    if way == im.INPUT:
        return machine.input_depths[queue] + machine.ramp_up
    pipeline = max(machine.fabric_dispatch, machine.execute)
    return max(machine.output_depths[queue], 1) + pipeline


def _power_of_two(count: int) -> int:
    return 1 << max(count - 1, 1).bit_length()


def _dsr_count(program: im.Program) -> int:
    numbers = [-1]
    for row in program.code.tolist():
        if row[0] in (im.LOAD_DSR, im.MAP_BEGIN, im.MAP_ELEMENT, im.MAP_NEXT, im.MAP_STORE):
            numbers.append(row[2])
        elif row[0] == im.VECTOR:
            numbers += row[3:6]
    return max(numbers) + 1


def _data_task(program: im.Program, queue: int) -> int:
    for slot, row in enumerate(program.tasks.tolist()):
        if row[im.TASK_KIND] == im.DATA and row[im.TASK_QUEUE] == queue:
            return slot
    return -1


def _fill_header(buffer: Words, machine: Machine, functions: int, half: int) -> None:
    buffer[lo.FUNCTIONS] = functions
    buffer[lo.HALF] = half
    table = np.arange(65536, dtype=np.uint16).view(np.float16).astype(np.float32)
    buffer.view(np.float32)[half : half + 65536] = table
    constants = {
        lo.K_HOP: machine.hop,
        lo.K_LINK: machine.link_eighths,
        lo.K_DOWN: machine.ramp_down,
        lo.K_UP: machine.ramp_up,
        lo.K_FABRIC_DISPATCH: machine.fabric_dispatch,
        lo.K_EXECUTE: machine.execute,
        lo.K_MEMORY_DISPATCH: machine.memory_dispatch,
        lo.K_VECTOR_ISSUE: machine.vector_issue,
        lo.K_TWO_SOURCE: machine.two_source_interval,
        lo.K_CONFLICT: machine.bank_conflict,
        lo.K_BANK_BYTES: machine.bank_bytes,
        lo.K_BANK_CLASSES: machine.bank_classes,
        lo.K_DATA_TASK: machine.data_task,
        lo.K_LOCAL_TASK: machine.local_task,
        lo.K_FLOAT_LATENCY: machine.float_latency,
        lo.K_BRANCH_NOT: machine.branch_not_taken,
        lo.K_BRANCH_TAKEN: machine.branch_taken,
        lo.K_DSR_READY: machine.dsr_ready,
        lo.K_DEPTH: machine.router_depth,
        lo.K_COSTS + im.COST_SCALAR: machine.scalar,
        lo.K_COSTS + im.COST_FLOAT: machine.scalar,
        lo.K_COSTS + im.COST_BRANCH: machine.branch_taken,
        lo.K_COSTS + im.COST_TIMESTAMP: machine.timestamp,
        lo.K_COSTS + im.COST_DSR: machine.dsr_load,
        lo.K_COSTS + im.COST_VECTOR: machine.scalar,
        lo.K_COSTS + im.COST_MAP_BEGIN: machine.map_begin,
        lo.K_COSTS + im.COST_MAP_NEXT: machine.map_next,
        lo.K_COSTS + im.COST_MEMORY: machine.memory_access,
        lo.K_COSTS + im.COST_TASK: machine.local_task,
    }
    for place, value in constants.items():
        buffer[place] = value
    for number, name in enumerate(im.VECTOR_FUNCTIONS):
        lanes, percent = machine.lanes_16, 100
        if name in _MULTIPLY_32:
            lanes, percent = machine.lanes_multiply_32, machine.percent_multiply_32
        elif name in _MULTIPLY_16:
            percent = machine.percent_multiply_16
        elif name in _OF_32_BITS:
            lanes = machine.lanes_32
        if name in _COPIES:
            percent = machine.percent_copy
        buffer[functions + 2 * number] = lanes
        buffer[functions + 2 * number + 1] = percent


def _fill_record(
    buffer: Words, image: im.Image, records: dict[tuple[int, int], int], row: list[int], r: int,
    node: int, bound: dict[tuple[int, int], int],
) -> None:  # fmt: skip
    pe, colour = row[im.ROUTE_PE], row[im.ROUTE_COLOUR]
    x, y = pe % image.width, pe // image.width
    buffer[r + lo.R_COLOUR] = colour
    buffer[r + lo.R_NODE] = node
    buffer[r + lo.R_POSITIONS] = row[im.ROUTE_POSITIONS]
    buffer[r + lo.R_POSITION] = buffer[r + lo.R_INITIAL] = row[im.ROUTE_INITIAL]
    buffer[r + lo.R_RING] = row[im.ROUTE_RING]
    buffer[r + lo.R_POP] = row[im.ROUTE_POP]
    buffer[r + lo.R_RX : r + lo.R_RX + 8] = row[im.ROUTE_RX : im.ROUTE_RX + 8]
    # A filter's third parameter is its counter's start.
    kind, low, high, start = row[im.ROUTE_FILTER : im.ROUTE_FILTER + 4]
    buffer[r + lo.R_FILTER : r + lo.R_FILTER + 3] = (kind, low, high)
    buffer[r + lo.R_COUNT] = start
    buffer[r + lo.R_INPUT] = bound.get((pe, colour), -1)
    neighbours = ((x, y - 1), (x + 1, y), (x, y + 1), (x - 1, y))
    for direction, (column, line) in enumerate(neighbours):
        swap = row[im.ROUTE_SWAP_X if direction in (im.EAST, im.WEST) else im.ROUTE_SWAP_Y]
        inside = 0 <= column < image.width and 0 <= line < image.height
        there = (line * image.width + column, colour if swap < 0 else swap)
        buffer[r + lo.R_NEXT + direction] = records.get(there, -1) if inside else -1
    for direction in range(5):
        buffer[r + lo.R_QUEUES + direction * int(buffer[lo.K_QUEUE]) + lo.RQ_POPPED] = -1


def _fill_element(buffer: Words, program: im.Program, p: int, parts: tuple[int, int, int]) -> None:
    dsds, dsrs, fifos = parts
    buffer[p + lo.P_BYTES] = program.memory_bytes
    buffer[p + lo.P_TASK_COUNT] = len(program.tasks)
    buffer[p + lo.P_ROWS] = len(program.code)
    buffer[p + lo.P_DSDS] = dsds
    buffer[p + lo.P_DSRS] = dsrs
    buffer[p + lo.P_FIFOS] = fifos
    buffer[p + lo.P_FIRST] = -1
    buffer[p + lo.P_LAST] = -1
    buffer[p + lo.P_FLOAT_REGISTER] = -1
    buffer[dsds : dsds + program.dsds.size] = program.dsds.ravel()
    for number, (base, capacity, width) in enumerate(program.fifos.tolist()):
        place = fifos + lo.FIFO_FIELDS * number
        buffer[place : place + 3] = (base, capacity, width)
    for slot, row in enumerate(program.tasks.tolist()):
        if row[im.TASK_ACTIVE]:
            buffer[p + lo.P_ACTIVE] |= 1 << slot
        if row[im.TASK_BLOCKED]:
            buffer[p + lo.P_BLOCKED] |= 1 << slot

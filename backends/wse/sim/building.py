"""From an image and a machine to the simulator's buffer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pyflame_rt.backends.wse.machine import Machine
from pyflame_rt.backends.wse.sim import image as im
from pyflame_rt.backends.wse.sim import layout as lo
from pyflame_rt.errors import ValidationError

Words = im.Int32s
Longs = NDArray[np.int64]

_MULTIPLY_32: Final = ("fmacs", "fmachs", "fmuls")
_MULTIPLY_16: Final = ("fmach",)
_COPIES: Final = ("fmovs", "fmovh", "mov16", "mov32")
_OF_32_BITS: Final = (
    *("fadds", "fsubs", "fmaxs", "fnegs", "fmovs", "mov32", "fs2h", "fh2s", "faddhs", "fmins"),
    "add32",
)
_AT_ONCE: Final = 512
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

    routes = image.routes[np.argsort(image.routes[:, im.ROUTE_PE], kind="stable")]
    placements = image.placements[np.argsort(image.placements[:, 0], kind="stable")]
    order = np.sort(np.concatenate([routes[:, im.ROUTE_PE], placements[:, 0]])).astype(np.int64)
    order = order[np.diff(order, prepend=-1) > 0]
    nodes_at, cursor = cursor, cursor + lo.NODE_FIELDS * len(order)
    nodes = _Places(order, nodes_at + lo.NODE_FIELDS * np.arange(len(order)))
    groups = -(-len(order) // 1024)
    slot_words = groups + -(-len(order) // 32)
    wheel, cursor = cursor, cursor + (lo.SLOTS + 1) * slot_words
    records = _Places(_keys(routes), cursor + record_words * np.arange(len(routes)))
    cursor += record_words * len(routes)
    parts = [_Parts.of(program) for program in image.programs]
    queues = _Queues.of(image, machine)
    elements, starts, memories, cursor = _elements(placements, parts, queues, cursor)
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
    buffer[[lo.WHEEL, lo.WHEEL_WORDS, lo.WHEEL_GROUPS]] = (wheel, slot_words, groups)
    buffer[[lo.K_RING_MASK, lo.K_QUEUE, lo.K_RECORD]] = (ring - 1, queue_words, record_words)
    for program, code, table in zip(image.programs, codes, tasks, strict=True):
        buffer[code : code + program.code.size] = program.code.ravel()
        buffer[table : table + program.tasks.size] = program.tasks.ravel()
    _fill_nodes(buffer, routes, nodes, records, elements)
    _fill_records(buffer, image, routes, nodes, records)
    for number, program in enumerate(image.programs):
        here = placements[:, 1] == number
        p, there = elements.places[here], starts[here]
        _fill_program(buffer, program, parts[number], p, there, memories[here])
        buffer[p + lo.P_CODE] = codes[number]
        buffer[p + lo.P_TASKS] = tasks[number]
        buffer[p + lo.P_PROGRAM] = number
        buffer[p + lo.P_NUMBER] = placements[here, 0]
        buffer[p + lo.P_NODE] = nodes.find(placements[here, 0])
    _fill_queues(buffer, image, queues, elements, records, placements)
    registers = image.registers
    buffer[elements.find(registers[:, 0]) + lo.P_REGISTERS + registers[:, 1]] = registers[:, 2]
    memory_bytes = buffer.view(np.uint8)
    for patch in image.patches:
        start = 2 * int(buffer[elements.find(np.array([patch.pe]))[0] + lo.P_MEMORY])
        start += patch.address
        memory_bytes[start : start + len(patch.data)] = np.frombuffer(patch.data, np.uint8)
    named = zip(routes[:, im.ROUTE_PE].tolist(), routes[:, im.ROUTE_COLOUR].tolist(), strict=True)
    return Built(
        buffer,
        elements.table(),
        nodes.table(),
        dict(zip(named, records.places.tolist(), strict=True)),
    )


@dataclass(frozen=True, eq=False)
class _Places:
    """Word numbers of things by their keys."""

    keys: Longs
    places: Longs

    def find(self, keys: NDArray[np.integer[Any]]) -> Longs:
        """The place of each key, or -1."""
        if not len(self.keys):
            return np.full(len(keys), -1, np.int64)
        order = np.argsort(self.keys, kind="stable")
        at = np.minimum(np.searchsorted(self.keys, keys, sorter=order), len(order) - 1)
        found = order[at]
        return np.where(self.keys[found] == keys, self.places[found], -1)

    def table(self) -> dict[int, int]:
        """As Python numbers."""
        return dict(zip(self.keys.tolist(), self.places.tolist(), strict=True))


@dataclass(frozen=True)
class _Parts:
    """Words that a program needs on each of its PEs."""

    dsds: int
    dsrs: int
    fifos: int
    memory: int

    @staticmethod
    def of(program: im.Program) -> _Parts:
        memory = -(-program.memory_bytes // 4) + 1
        dsrs = im.DSD_FIELDS * _dsr_count(program)
        return _Parts(program.dsds.size, dsrs, lo.FIFO_FIELDS * len(program.fifos), memory)


@dataclass(frozen=True, eq=False)
class _Queues:
    """The rows of the image by PE, the words that each takes and where it is among those of its PE."""

    rows: Longs
    capacities: Longs
    words: Longs
    offsets: Longs

    @staticmethod
    def of(image: im.Image, machine: Machine) -> _Queues:
        rows = image.queues[np.argsort(image.queues[:, 0], kind="stable")].astype(np.int64)
        table = np.array([[_capacity(machine, way, queue) for queue in range(8)] for way in (0, 1)])
        capacities = table[rows[:, 1], rows[:, 2]]
        words = np.array(
            [0, *(lo.Q_RING + 2 * _power_of_two(n) for n in range(1, table.max() + 1))]
        )
        before = np.cumsum(words[capacities]) - words[capacities]
        first = np.searchsorted(rows[:, 0], rows[:, 0])
        return _Queues(rows, capacities, words[capacities], before - before[first])


def _keys(rows: NDArray[np.integer[Any]]) -> Longs:
    # A PE and a colour, the columns of a route.
    return rows[:, 0].astype(np.int64) * 32 + rows[:, 1]


def _elements(
    placements: Words, parts: list[_Parts], queues: _Queues, cursor: int
) -> tuple[_Places, Longs, Longs, int]:
    """Where the PEs are, where their DSDs begin, where their memories are, and the end of it all."""
    pes, numbers = placements[:, 0].astype(np.int64), placements[:, 1]
    own = np.array([part.dsds + part.dsrs + part.fifos for part in parts] or [0], np.int64)
    ends = np.concatenate([[0], np.cumsum(queues.words)])
    left, right = (np.searchsorted(queues.rows[:, 0], pes, side) for side in ("left", "right"))
    in_queues = ends[right] - ends[left]
    words = lo.PE_FIELDS + in_queues + own[numbers]
    places = cursor + np.cumsum(words) - words
    cursor += int(words.sum())
    sizes = np.array([part.memory for part in parts] or [0], np.int64)[numbers]
    memories = cursor + np.cumsum(sizes) - sizes
    starts = places + lo.PE_FIELDS + in_queues
    return _Places(pes, places), starts, memories, cursor + int(sizes.sum())


def _fill_nodes(
    buffer: Words, routes: Words, nodes: _Places, records: _Places, elements: _Places
) -> None:
    place = nodes.places
    left, right = (
        np.searchsorted(routes[:, im.ROUTE_PE], nodes.keys, side) for side in ("left", "right")
    )
    # One more place, for nodes that only compute after the last that routes.
    firsts = np.append(records.places, 0)[left]
    buffer[place + lo.N_FIRST] = np.where(right > left, firsts, 0)
    buffer[place + lo.N_RECORDS] = right - left
    buffer[place + lo.N_PE] = elements.find(nodes.keys)
    buffer[place + lo.N_NUMBER] = nodes.keys


def _fill_records(
    buffer: Words, image: im.Image, routes: Words, nodes: _Places, records: _Places
) -> None:
    r = records.places
    pe = routes[:, im.ROUTE_PE].astype(np.int64)
    x, y = pe % image.width, pe // image.width
    buffer[r + lo.R_NODE] = nodes.find(pe)
    copied = {
        lo.R_COLOUR: im.ROUTE_COLOUR, lo.R_POSITIONS: im.ROUTE_POSITIONS,
        lo.R_POSITION: im.ROUTE_INITIAL, lo.R_INITIAL: im.ROUTE_INITIAL, lo.R_RING: im.ROUTE_RING,
        lo.R_POP: im.ROUTE_POP,
        # A filter's third parameter is its counter's start.
        lo.R_FILTER: im.ROUTE_FILTER, lo.R_FILTER + 1: im.ROUTE_FILTER + 1,
        lo.R_FILTER + 2: im.ROUTE_FILTER + 2, lo.R_COUNT: im.ROUTE_FILTER + 3,
    }  # fmt: skip
    copied |= {lo.R_RX + column: im.ROUTE_RX + column for column in range(8)}
    for column, source in copied.items():
        buffer[r + column] = routes[:, source]
    buffer[r + lo.R_INPUT] = -1
    for direction, (dx, dy) in enumerate(((0, -1), (1, 0), (0, 1), (-1, 0))):
        column = im.ROUTE_SWAP_X if dx else im.ROUTE_SWAP_Y
        colour = np.where(routes[:, column] < 0, routes[:, im.ROUTE_COLOUR], routes[:, column])
        inside = (x + dx >= 0) & (x + dx < image.width) & (y + dy >= 0) & (y + dy < image.height)
        beside = pe + dx + dy * image.width
        there = records.find(beside * 32 + colour)
        buffer[r + lo.R_BESIDE + direction] = np.where(inside, nodes.find(beside), -1)
        buffer[r + lo.R_NEXT + direction] = np.where(inside, there, -1)
    for direction in range(5):
        buffer[r + lo.R_QUEUES + direction * int(buffer[lo.K_QUEUE]) + lo.RQ_POPPED] = -1


def _fill_queues(
    buffer: Words, image: im.Image, queues: _Queues, elements: _Places, records: _Places,
    placements: Words,
) -> None:  # fmt: skip
    pe, way, queue, colour = queues.rows.T
    p = elements.find(pe)
    place = p + lo.PE_FIELDS + queues.offsets
    record = records.find(pe * 32 + colour)
    powers = np.array(
        [0, *(_power_of_two(n) for n in range(1, queues.capacities.max(initial=0) + 1))]
    )
    buffer[place + lo.Q_CAPACITY] = queues.capacities
    buffer[place + lo.Q_MASK] = powers[queues.capacities] - 1
    buffer[place + lo.Q_RECORD] = record
    buffer[place + lo.Q_NUMBER] = queue
    tables = np.array(
        [[_data_task(program, number) for number in range(8)] for program in image.programs]
    )
    numbers = placements[np.searchsorted(placements[:, 0], pe), 1]
    receives = way == im.INPUT
    buffer[place + lo.Q_TASK] = np.where(receives, tables.reshape(-1, 8)[numbers, queue], -1)
    buffer[record[receives] + lo.R_INPUT] = place[receives]
    buffer[p + np.where(receives, lo.P_INPUTS, lo.P_OUTPUTS) + queue] = place


def _fill_program(
    buffer: Words, program: im.Program, parts: _Parts, p: Longs, dsds: Longs, memories: Longs
) -> None:
    """What a program says of its PEs, whose records, DSDs and memories begin there."""
    fifos = dsds + parts.dsds + parts.dsrs
    fields: dict[int, int | Longs] = {
        lo.P_BYTES: program.memory_bytes, lo.P_TASK_COUNT: len(program.tasks),
        lo.P_ROWS: len(program.code), lo.P_DSDS: dsds, lo.P_DSRS: dsds + parts.dsds,
        lo.P_FIFOS: fifos, lo.P_FIRST: -1, lo.P_LAST: -1, lo.P_FLOAT_REGISTER: -1,
        lo.P_MEMORY: 2 * memories, lo.P_DSR_COUNT: parts.dsrs // im.DSD_FIELDS,
        lo.P_ACTIVE: _slots(program, im.TASK_ACTIVE), lo.P_BLOCKED: _slots(program, im.TASK_BLOCKED),
    }  # fmt: skip
    started = lo.P_OPS + lo.O_STARTED
    fields |= dict.fromkeys(range(started, started + lo.OP_FIELDS * lo.THREADS, lo.OP_FIELDS), -1)
    fields |= dict.fromkeys(range(lo.P_INPUTS, lo.P_INPUTS + 8), -1)
    fields |= dict.fromkeys(range(lo.P_OUTPUTS, lo.P_OUTPUTS + 8), -1)
    numbers = {column: value for column, value in enumerate(program.dsds.ravel().tolist()) if value}
    # A few hundred PEs at a time: what is written of them stays in the cache.
    for start in range(0, len(p), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        for column, value in fields.items():
            buffer[p[some] + column] = value[some] if isinstance(value, np.ndarray) else value
        for column, value in numbers.items():
            buffer[dsds[some] + column] = value
    for number, row in enumerate(program.fifos.tolist()):
        for column, value in enumerate(row):
            buffer[fifos + lo.FIFO_FIELDS * number + column] = value
    data = np.frombuffer(program.data.rstrip(b"\0"), np.uint8)
    if data.size:
        memory_bytes = buffer.view(np.uint8)
        for start in (4 * memories).tolist():
            memory_bytes[start : start + data.size] = data


def _slots(program: im.Program, column: int) -> int:
    return sum(1 << slot for slot, row in enumerate(program.tasks.tolist()) if row[column])


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

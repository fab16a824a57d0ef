"""Random programs for the fabric: streams over crossing paths, and tiles that take them in many ways."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pyflame_rt.backends.wse.machine import MACHINES, Machine
from pyflame_rt.backends.wse.sim import image as im
from pyflame_rt.backends.wse.sim import layout as lo
from pyflame_rt.backends.wse.sim.assembly import Assembler, Dsd, Position, ProgramBuilder, Task
from pyflame_rt.backends.wse.sim.image import EAST, NORTH, RAMP, SOUTH, WEST
from pyflame_rt.backends.wse.sim.simulator import Simulator
from pyflame_rt.errors import PyFlameRTError

Place = tuple[int, int]
_DATA = 400
_QUEUES = 6
_STEPS = {NORTH: (0, -1), EAST: (1, 0), SOUTH: (0, 1), WEST: (-1, 0)}


def machine_of(seed: int) -> Machine:
    """The machine that a seed's program is run on."""
    return MACHINES[sorted(MACHINES)[seed % len(MACHINES)]]


class _Tile:
    """A PE: the streams that it takes and gives, and other things to do between them."""

    def __init__(self, program: ProgramBuilder, rng: random.Random):
        self.program = program
        self.rng = rng
        self.inputs: dict[int, int] = {}
        self.outputs: dict[int, int] = {}
        self.takes: list[tuple[str, int, int]] = []
        self.gives: list[Callable[[], None]] = []
        self.data = program.array("data", _DATA, values=np.arange(_DATA) * rng.random())

    def receive(self, colour: int, words: int, ends: int = -1) -> None:
        """Take a stream; `ends`: the control task that a word at its end names."""
        queue = len(self.inputs)
        self.inputs[queue] = colour
        ways = ["mov32", "fadds", "fmaxs", "task", "task", "dfilt", "fs2h"]
        # These wait for the main thread, which may be waiting for them elsewhere.
        ways = ["slow", "fifo"] if self.rng.random() < 0.08 else ways
        self.takes.append(("task" if ends >= 0 else self.rng.choice(ways), queue, words))

    def send(self, colour: int) -> int:
        queue = len(self.outputs)
        self.outputs[queue] = colour
        return queue

    def emit(self, controls: list[int]) -> None:
        program, rng = self.program, self.rng
        done, blocked = program.declare("done"), program.declare("blocked")
        program.task("main", active=True)
        program.li(3, rng.random(), "f32")
        late: list[Callable[[], None]] = []
        tasks: list[int] = []
        for thread, (how, queue, words) in enumerate(self.takes):
            if how == "task":
                tasks.append(queue)
                continue
            self._take(how, queue, words, thread, done, late)
        for give in self.gives:
            self._work()
            give()
        if rng.random() < 0.5:
            program.activate(blocked)
        for take in late:
            self._work()
            take()
        program.unblock(blocked)
        program.end()
        program.define(done)
        program.alui("mul", 7, 7, 3)
        program.alui("add", 7, 7, 1)
        program.end()
        program.define(blocked, blocked=True)
        self._work()
        program.end()
        for queue in tasks:
            program.task(f"word{queue}", kind=im.DATA, queue=queue)
            program.alu("add", 8, 8, 0, "f32")
            for _ in range(rng.randrange(4)):
                program.alui(rng.choice(["add", "xor", "shl", "mul"]), 9, 9, rng.randrange(99))
            if rng.random() < 0.4:
                program.vector("fmacs", *(program.mem1d(self.data, 9),) * 3, scalar=8)
            program.end()
        for number in controls:
            program.task(f"control{number}", kind=im.CONTROL, id=number)
            program.alui("add", 10, 10, 1)
            program.end()

    def _take(
        self,
        how: str,
        queue: int,
        words: int,
        thread: int,
        done: Task,
        late: list[Callable[[], None]],
    ) -> None:
        program, rng = self.program, self.rng
        into = program.fabin(queue, words)
        priority = rng.randrange(3)
        if how == "dfilt":
            program.vector("dfilt", None, into, microthread=thread, activate=done)
            return
        if how == "fifo":
            store = program.array(f"fifo{queue}", rng.randrange(1, 9))
            end = program.fifo(store, words)
            program.vector("mov32", end, into, microthread=thread, priority=priority)
            out = program.mem1d(program.array(f"in{queue}", words))
            late.append(lambda: program.vector("fnegs", out, program.fifo_end(end, words)))
            return
        kind = "f16" if how == "fs2h" else "f32"
        dest = program.mem1d(program.array(f"in{queue}", words, kind, offset=rng.choice([0, 2])))
        if how == "slow":
            late.append(lambda: program.vector("mov32", dest, into))
        elif how in ("mov32", "fs2h"):
            program.vector(how, dest, into, microthread=thread, activate=done, priority=priority)
        else:
            other = program.mem1d(self.data, words, stride=rng.choice([0, 1]))
            program.vector(how, dest, into, other, microthread=thread, unblock=done)

    def _work(self) -> None:
        program, rng, data = self.program, self.rng, self.data
        for _ in range(rng.randrange(3)):
            vector = program.mem1d(data, rng.randrange(1, 60))
            other = program.mem1d(data, 60, offset=rng.randrange(100), stride=rng.choice([1, 2]))
            square = program.mem4d(data, [3, 5, 4], [1, 7, 2], offset=rng.randrange(9))
            function = rng.choice(["fmacs", "fadds", "fmuls"])
            sources: list[Dsd] = [rng.choice([vector, square]), rng.choice([other, square])]
            dest = rng.choice([vector, vector, square])
            thread = rng.choice([-1, -1, 7]) if len(self.takes) < 7 else -1
            program.vector(function, dest, *sources, scalar=3, microthread=thread)
        for _ in range(rng.randrange(6)):
            function = rng.choice(["add", "sub", "mul", "div", "min"])
            program.alu(function, 4, rng.choice([3, 4]), rng.choice([3, 4]), "f32")
        how = rng.random()
        if how < 0.3:
            program.li(60, 0, cost=rng.choice([20, 70, 200, 1500]))
        elif how < 0.5:
            program.li(11, 0)
            loop = program.here()
            program.load(12, data, "f32")
            program.alui("add", 11, 11, 1)
            program.alui("lt", 13, 11, rng.randrange(1, 8))
            program.branch(13, loop)
            program.timestamp(14)
        elif how < 0.65:
            vector = program.load_dsr(1, program.mem1d(data, rng.randrange(9)), 3)
            end = program.label()
            program.emit(im.MAP_BEGIN, vector.number, end, cost=im.COST_MAP_BEGIN)
            loop = program.here()
            program.emit(im.MAP_ELEMENT, vector.number, 0, 15, 0, im.F32, cost=0)
            program.alu("max", 16, 16, 15, "f32")
            program.emit(im.MAP_NEXT, vector.number, loop, cost=im.COST_MAP_NEXT)
            program.bind(end)

    def words(
        self, queue: int, count: int, *, advance: bool = False, thread: int = -1
    ) -> Callable[[], None]:
        """A send of data."""
        start = self.rng.randrange(_DATA - count)

        def give() -> None:
            out = self.program.fabout(queue, count, advance_switch=advance)
            vector = self.program.mem1d(self.data, count, offset=start)
            self.program.vector("mov32", out, vector, microthread=thread)

        return give

    def control(self, queue: int, *commands: int, task: int = -1) -> Callable[[], None]:
        """A send of one control word."""

        def give() -> None:
            value = im.control_word(*commands, task=task, ignore=task < 0)
            name = f"control{queue}" if task < 0 else f"end{queue}"
            word = self.program.array(name, 1, "i32", values=value)
            out = self.program.fabout(queue, 1, control=True)
            self.program.vector("mov32", out, self.program.mem1d(word))

        return give


class _Fabric:
    """A fabric that streams are laid on, each with a colour of its own."""

    def __init__(self, rng: random.Random):
        self.rng = rng
        self.asm = Assembler(rng.randrange(2, 7), rng.randrange(1, 4))
        self.tiles: dict[Place, _Tile] = {}
        self.controls: dict[Place, list[int]] = {}
        for y in range(self.asm.height):
            for x in range(self.asm.width):
                self.tiles[x, y] = _Tile(self.asm.program(f"{x},{y}"), rng)
                self.controls[x, y] = []

    def path(self) -> list[Place]:
        """A way between two PEs, along a row and a column in either order."""
        places = sorted(self.tiles)
        (x, y), end = self.rng.sample(places, 2)
        way = [(x, y)]
        for axis in self.rng.choice([(0, 1), (1, 0)]):
            while way[-1][axis] != end[axis]:
                step = 1 if end[axis] > way[-1][axis] else -1
                here = way[-1]
                way.append((here[0] + step, here[1]) if axis == 0 else (here[0], here[1] + step))
        return way

    def stream(self, colour: int) -> None:
        """Lay one stream, unless a PE on its way has no queue left."""
        rng = self.rng
        way = self.path()
        crowded = any(len(self.tiles[place].inputs) >= _QUEUES for place in way)
        if crowded or len(self.tiles[way[0]].outputs) >= _QUEUES:
            return
        words = rng.randrange(30, 90)
        kinds = ["taps", "taps", "taps", "switch", "own switch", "filter", "control"]
        kind = rng.choice(kinds)
        if kind == "switch" and len(way) > 2:
            self._switched(way, colour, words)
        elif kind == "own switch":
            self._own_switch(way, colour, words)
        else:
            self._taps(way, colour, words, kind)

    def _taps(self, way: list[Place], colour: int, words: int, kind: str) -> None:
        rng = self.rng
        sender = self.tiles[way[0]]
        queue = sender.send(colour)
        thread = 6 if kind != "control" and rng.random() < 0.5 else -1
        sender.gives.append(sender.words(queue, words, thread=thread))
        self.asm.route(*way[0], colour, ([RAMP], [_toward(way, 0)]))
        ends = rng.randrange(8, 24) if kind == "control" else -1
        if ends >= 0:
            sender.gives.append(sender.control(queue, im.SWITCH_NOP, task=ends))
        for place in range(1, len(way)):
            last = place == len(way) - 1
            tap = last or rng.random() < 0.6
            ports = ([RAMP] if tap else []) + ([] if last else [_toward(way, place)])
            every = rng.randrange(2, 5) if tap and kind == "filter" else 1
            counter = (im.FILTER_COUNTER, every - 1, 0, 0) if every > 1 else (0, 0, 0, 0)
            self.asm.route(*way[place], colour, ([_back(way, place)], ports), filter=counter)
            if tap:
                self.tiles[way[place]].receive(colour, -(-words // every), ends)
                if ends >= 0 and ends not in self.controls[way[place]]:
                    self.controls[way[place]].append(ends)

    def _switched(self, way: list[Place], colour: int, words: int) -> None:
        """The first words end at a PE on the way, the others pass it."""
        stop = self.rng.randrange(1, len(way) - 1)
        sender = self.tiles[way[0]]
        queue = sender.send(colour)
        sender.gives.append(sender.words(queue, words))
        sender.gives.append(sender.control(queue, im.SWITCH_ADV))
        sender.gives.append(sender.words(queue, 2 * words))
        self.asm.route(*way[0], colour, ([RAMP], [_toward(way, 0)]))
        for place in range(1, len(way)):
            back = [_back(way, place)]
            to = [RAMP] if place == len(way) - 1 else [_toward(way, place)]
            first: list[Position] = [(back, [RAMP])] if place == stop else []
            ring = self.rng.random() < 0.5
            pop = self.rng.choice([im.POP_NEVER, im.POP_ALWAYS, im.POP_ON_ADVANCE])
            self.asm.route(*way[place], colour, *first, (back, to), ring=ring, pop=pop)
        self.tiles[way[stop]].receive(colour, words)
        self.tiles[way[-1]].receive(colour, 2 * words)

    def _own_switch(self, way: list[Place], colour: int, words: int) -> None:
        """The PE beside the sender gives its own words first, then lets the sender's pass."""
        if len(way) < 3:
            return self._taps(way, colour, words, "taps")
        for place, advance in ((1, True), (0, False)):
            tile = self.tiles[way[place]]
            tile.gives.append(tile.words(tile.send(colour), words, advance=advance))
        self.asm.route(*way[0], colour, ([RAMP], [_toward(way, 0)]))
        away = [_toward(way, 1)]
        self.asm.route(*way[1], colour, ([RAMP], away), ([_back(way, 1)], away))
        for place in range(2, len(way)):
            to = [RAMP] if place == len(way) - 1 else [_toward(way, place)]
            self.asm.route(*way[place], colour, ([_back(way, place)], to))
        return self.tiles[way[-1]].receive(colour, 2 * words)


def _toward(way: list[Place], place: int) -> int:
    step = (way[place + 1][0] - way[place][0], way[place + 1][1] - way[place][1])
    return next(direction for direction, delta in _STEPS.items() if delta == step)


def _back(way: list[Place], place: int) -> int:
    return (_toward(way, place - 1) + 2) & 3


def random_image(seed: int) -> im.Image:
    """Streams with multicast, switches, filters and control words to tiles that take them at their own pace."""
    rng = random.Random(seed)
    fabric = _Fabric(rng)
    for colour in range(rng.randrange(3, 9)):
        fabric.stream(colour)
    for place, tile in fabric.tiles.items():
        tile.emit(fabric.controls[place])
        fabric.asm.place(tile.program, *place, inputs=tile.inputs, outputs=tile.outputs)
    return fabric.asm.image()


@dataclass(frozen=True, eq=False)
class Outcome:
    """How a run ended, its last cycle, all state but what says how it was run, and what it used."""

    end: str
    cycle: int
    state: np.ndarray
    wavelets: int
    used: frozenset[str]
    # A fault of one PE may find others at different places inside a vector op.
    failed: bool

    def same(self, other: Outcome) -> bool:
        """Whether two forms of a run agree in everything."""
        return (
            self.end == other.end
            and self.cycle == other.cycle
            and (self.failed or self.wavelets == other.wavelets)
            and (self.failed or np.array_equal(self.state, other.state))
        )


def outcome(image: im.Image, machine: Machine, **form: bool) -> Outcome:
    """Run an image to whatever end it has."""
    simulator = Simulator(image, machine, trace="ops", **form)
    try:
        simulator.run()
        end = "done"
    except PyFlameRTError as error:
        end = str(error)
    buffer = simulator.snapshot().buffer
    wavelets, used = _used(simulator, image, buffer)
    return Outcome(
        end, simulator.cycle, buffer[lo.HEADER :], wavelets, used, bool(buffer[lo.ERROR])
    )


def _used(simulator: Simulator, image: im.Image, buffer: np.ndarray) -> tuple[int, frozenset[str]]:
    used: set[str] = set()
    wavelets = 0
    for r in simulator._built.records.values():
        queues = r + lo.R_QUEUES + np.arange(5) * buffer[lo.K_QUEUE] + lo.RQ_HEAD
        moved = buffer[queues]
        wavelets += int(moved[RAMP])
        ports = [
            int(mask) for mask in buffer[r + lo.R_TX : r + lo.R_TX + buffer[r + lo.R_POSITIONS]]
        ]
        if moved.any() and max(mask.bit_count() for mask in ports) > 1:
            used.add("multicast")
        if buffer[r + lo.R_POSITION] != buffer[r + lo.R_INITIAL]:
            used.add("switches")
    for element in simulator.statistics().elements:
        if element.cycles["output full"] > 0:
            used.add("back-pressure")
        if any(task.runs and task.name.startswith("word") for task in element.tasks):
            used.add("data tasks")
    if any(event.kind == "op" and event.value > 0 for event in simulator.events()):
        used.add("microthreads")
    return wavelets, frozenset(used)

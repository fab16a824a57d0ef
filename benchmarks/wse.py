"""Speed of the wafer simulator: PE-cycles and wavelet hops a second, against the size of the fabric.

    python benchmarks/wse.py [--sizes 8 16 32 64 128] [--seconds 1] [--rounds 5] [--machine wse2]
        [--interpreted] [--load] [--sparse] [--json]

The workload keeps every PE busy: each row is a chain in which a PE takes a word off the fabric, adds its own and
sends it on, one word a cycle. Compiling, building and filling the chain are outside the measured window.
Time is this process's CPU time, since other work shares the machine; the figures are medians over
rounds and the best round. `--load` builds and runs the largest fabric with a small active region in
a process of its own; `--sparse` times programs in which most PEs wait, skip-ahead against none.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable
from typing import Any

from pyflame_rt.backends.wse.machine import MACHINES, Machine
from pyflame_rt.backends.wse.sim import image as im
from pyflame_rt.backends.wse.sim.assembly import Assembler, ProgramBuilder
from pyflame_rt.backends.wse.sim.image import EAST, NORTH, RAMP, SOUTH, WEST
from pyflame_rt.backends.wse.sim.simulator import Simulator

# Cycles that a word spends from one adding PE to the next, at most, on any machine.
STAGE = 12


def chain(
    asm: Assembler, width: int, y: int, words: int, programs: dict[str, ProgramBuilder]
) -> None:
    """Row y: the first PE sends `words` words, each next one adds its own, the last one keeps them."""
    for x in range(width):
        role = "first" if x == 0 else "last" if x == width - 1 else "inner"
        if role not in programs:
            program = programs[role] = asm.program(role)
            # A stride of zero: the stream may be longer than the memory.
            own = program.mem1d(program.array("own", 2, values=1.0), words, stride=0)
            out, into = program.fabout(0, words), program.fabin(0, words)
            program.task("main", active=True)
            if role == "first":
                program.vector("mov32", out, own)
            else:
                program.vector("fadds", own if role == "last" else out, into, own)
            program.end()
        sends, receives = {0: x % 2}, {0: 1 - x % 2}
        asm.place(
            programs[role], x, y, outputs=sends if role != "last" else {},
            inputs=receives if x else {},
        )  # fmt: skip
        if role != "last":
            asm.route(x, y, x % 2, ([RAMP], [EAST]))
        if x:
            asm.route(x, y, 1 - x % 2, ([WEST], [RAMP]))


def stream(width: int, height: int, words: int) -> im.Image:
    """A chain on each row."""
    asm = Assembler(width, height)
    programs: dict[str, ProgramBuilder] = {}
    for y in range(height):
        chain(asm, width, y, words, programs)
    return asm.image()


def rates(
    size: int, machine: Machine, seconds: float, rounds: int, *, jit: bool, skip: bool
) -> dict[str, Any]:
    """Million PE-cycles and hops, and cycles, a CPU second on a busy square: median and best round."""
    fill = STAGE * size + 200
    image = stream(size, size, 1_000_000)
    simulator = Simulator(image, machine, jit=jit, skip_ahead=skip)
    simulator.run(fill)
    filled = simulator.snapshot()
    before = simulator.statistics().hops
    simulator.run(fill + 10)
    step = max(10, int(10 * seconds / clocked(lambda: simulator.run(fill + 20))))
    times: list[float] = []
    hops = 0
    for _ in range(rounds):
        simulator.restore(filled)
        times.append(clocked(lambda: simulator.run(fill + step)))
        hops = simulator.statistics().hops - before
    middle, best = statistics.median(times), min(times)
    return {
        "size": size,
        "cycles/s": step / middle,
        "MPE-cycles/s": size * size * step / middle / 1e6,
        "best MPE-cycles/s": size * size * step / best / 1e6,
        "Mhops/s": hops / middle / 1e6,
        "best Mhops/s": hops / best / 1e6,
    }


def clocked(run: Callable[[], object]) -> float:
    """CPU seconds of a call."""
    start = time.process_time()
    run()
    return max(time.process_time() - start, 1e-6)


def multicast(size: int, words: int) -> im.Image:
    """One stream to every PE of a square, along row 0 and down each column: the others wait for it."""
    asm = Assembler(size, size)
    send, take = asm.program("send"), asm.program("take")
    data = send.array("data", 2, values=1.0)
    send.task("main", active=True)
    send.vector("mov32", send.fabout(0, words), send.mem1d(data, words, stride=0))
    send.end()
    last = take.array("last", 1)
    take.task("main", active=True)
    take.vector("mov32", take.mem1d(last, words, stride=0), take.fabin(0, words))
    take.end()
    for y in range(size):
        for x in range(size):
            ports = ([SOUTH] if y < size - 1 else []) + ([EAST] if y == 0 and x < size - 1 else [])
            if x == y == 0:
                asm.place(send, x, y, outputs={0: 0})
                asm.route(x, y, 0, ([RAMP], ports))
                continue
            asm.place(take, x, y, inputs={0: 0})
            asm.route(x, y, 0, ([NORTH] if y else [WEST], [*ports, RAMP]))
    return asm.image()


def products(size: int, rows: int, columns: int) -> im.Image:
    """A column of `@fmacs` for each element of x on every PE, then the partial sums along each row."""
    asm = Assembler(size, size)
    programs: dict[str, ProgramBuilder] = {}
    for y in range(size):
        for x in range(size):
            role = "first" if x == 0 else "last" if x == size - 1 else "inner"
            if role not in programs:
                programs[role] = _product(asm, role, rows, columns)
            inputs, outputs = ({0: 1 - x % 2} if x else {}), {0: x % 2}
            asm.place(
                programs[role], x, y, inputs=inputs, outputs=outputs if role != "last" else {}
            )
            if role != "last":
                asm.route(x, y, x % 2, ([RAMP], [EAST]))
            if x:
                asm.route(x, y, 1 - x % 2, ([WEST], [RAMP]))
    return asm.image()


def _product(asm: Assembler, role: str, rows: int, columns: int) -> ProgramBuilder:
    program = asm.program(role)
    y, matrix = program.array("y", rows), program.array("matrix", rows * columns, values=0.5)
    program.task("main", active=True)
    program.li(1, 2.0, "f32")
    sums, into, out = program.mem1d(y), program.fabin(0, rows), program.fabout(0, rows)
    for column in range(columns):
        program.vector(
            "fmacs", sums, sums, program.mem1d(matrix, rows, offset=column * rows), scalar=1
        )
    if role == "first":
        program.vector("mov32", out, sums)
    else:
        program.vector("fadds", sums if role == "last" else out, into, sums)
    program.end()
    return program


def waiting(machine: Machine, rounds: int) -> list[dict[str, Any]]:
    """Programs in which most PEs wait most of the time: CPU seconds, skip-ahead against none."""
    programs = {
        "a chain through 128x128 PEs, 64 words": crossing(128, 64),
        "a multicast to 64x64 PEs, 8 words": multicast(64, 8),
        "chain reduce, 512 PEs, 64 words": stream(512, 1, 64),
        "chain reduce, 512 PEs, 512 words": stream(512, 1, 512),
        "chain reduce, 512 PEs, 4096 words": stream(512, 1, 4096),
        "GEMV, 32x32 PEs, 64x16 a PE": products(32, 64, 16),
    }
    found: list[dict[str, Any]] = []
    for name, image in programs.items():
        times: dict[bool, list[float]] = {False: [], True: []}
        cycles: set[int] = set()
        for _ in range(rounds):
            for skip, taken in times.items():
                simulator = Simulator(image, machine, jit=True, skip_ahead=skip)
                simulator.run(1)
                taken.append(clocked(simulator.run))
                cycles.add(simulator.cycle)
        (count,) = cycles
        plain, skipping = (statistics.median(taken) for taken in times.values())
        found.append(
            {"program": name, "cycles": count, "plain s": plain, "skip-ahead s": skipping,
             "times faster": plain / skipping}
        )  # fmt: skip
    return found


def idle(asm: Assembler, width: int, height: int) -> None:
    """A program that nobody starts, and its routes, on every PE outside the first `width` x `height`."""
    program = asm.program("idle")
    vector = program.mem1d(program.array("data", 16))
    program.task("main", function=True)
    program.vector("fadds", program.fabout(0, 16), program.fabin(0, 16), vector)
    program.end()
    for y in range(asm.height):
        for x in range(width if y < height else 0, asm.width):
            asm.place(program, x, y, inputs={0: 1 - x % 2}, outputs={0: x % 2})
            asm.route(x, y, x % 2, ([RAMP], [EAST]))
            asm.route(x, y, 1 - x % 2, ([WEST], [RAMP]))


def crossing(size: int, words: int) -> im.Image:
    """One chain through a square of PEs that wait."""
    asm = Assembler(size, size)
    chain(asm, size, 0, words, {})
    idle(asm, size, 1)
    return asm.image()


def whole(machine: Machine, placed: bool) -> im.Image:
    """The largest fabric with 16 busy rows of 16 PEs; `placed`: a program waits on all the others."""
    asm = Assembler(machine.max_width, machine.max_height)
    programs: dict[str, ProgramBuilder] = {}
    for y in range(16):
        chain(asm, 16, y, 1000, programs)
    if not placed:
        return asm.image()
    idle(asm, 16, 16)
    return asm.image()


def loaded(machine: Machine, placed: bool) -> dict[str, Any]:
    """CPU seconds to make the image, to load it and to run it, and the process's peak memory."""
    made: list[Any] = []
    assembling = clocked(lambda: made.append(whole(machine, placed)))
    loading = clocked(lambda: made.append(Simulator(made[0], machine, jit=True)))
    # The compiled form is read from its cache once.
    Simulator(stream(4, 1, 4), machine, jit=True).run()
    running = clocked(made[1].run)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {
        "fabric": f"{machine.max_width}x{machine.max_height}",
        "a program on every PE": placed,
        "image s": assembling,
        "load s": loading,
        "run s": running,
        "cycles": made[1].cycle,
        "peak GiB": peak,
    }


def in_its_own_process(machine: Machine, placed: bool) -> dict[str, Any]:
    """`loaded`, whose peak is not to be another measurement's."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(loaded, (machine, placed))


def table(title: str, rows: list[dict[str, Any]]) -> None:
    """Print rows of one shape."""
    print(title)
    names = list(rows[0])
    cells = [names, *([_text(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(names))]
    for line in cells:
        print("  " + "  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)))


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
    return str(value)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=[8, 16, 32, 64, 128])
    parser.add_argument("--seconds", type=float, default=1.0, help="CPU seconds of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--machine", choices=sorted(MACHINES), default="wse2")
    parser.add_argument("--interpreted", action="store_true", help="without numba, on 8x8")
    parser.add_argument("--sparse", action="store_true", help="programs that mostly wait")
    parser.add_argument("--load", action="store_true", help="the largest fabric")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    args = parser.parse_args()
    machine = MACHINES[args.machine]
    figures: dict[str, list[dict[str, Any]]] = {}
    for skip in (False, True) if args.sizes else ():
        title = f"every PE busy, compiled, skip-ahead {'on' if skip else 'off'}"
        figures[title] = [
            rates(size, machine, args.seconds, args.rounds, jit=True, skip=skip)
            for size in args.sizes
        ]
    if args.interpreted:
        figures["every PE busy, interpreted, skip-ahead off"] = [
            rates(8, machine, args.seconds, args.rounds, jit=False, skip=False)
        ]
    if args.sparse:
        figures["most PEs wait, compiled"] = waiting(machine, args.rounds)
    if args.load:
        figures["16x16 PEs busy on the largest fabric"] = [
            in_its_own_process(machine, placed) for placed in (False, True)
        ]
    if args.json:
        print(json.dumps({"machine": machine.name, "rounds": args.rounds, **figures}))
        return
    for title, rows in figures.items():
        table(f"{title} ({machine.name}, median of {args.rounds} rounds, CPU time)", rows)


if __name__ == "__main__":
    main()

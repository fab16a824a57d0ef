"""The host's side: arrays to and from a program on the simulated machine, and its functions.

runtime = Runtime(module, "wse2")
runtime.memcpy_h2d("x", values, 0, 0, 4, 1)       # values of shape (1, 4, count)
runtime.launch("main")
runtime.run()
result = runtime.memcpy_d2h("y", 0, 0, 4, 1)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from xdsl.dialects.builtin import ModuleOp

from pyflame_rt.backends.wse import machine as machines
from pyflame_rt.backends.wse.loading.loaded import Loaded, Tile
from pyflame_rt.backends.wse.loading.loader import load
from pyflame_rt.backends.wse.machine import Machine
from pyflame_rt.backends.wse.sim import image as im
from pyflame_rt.backends.wse.sim import jit as compiling
from pyflame_rt.backends.wse.sim.simulator import Simulator
from pyflame_rt.backends.wse.sim.statistics import Statistics
from pyflame_rt.errors import DTypeMismatchError, InputError, ShapeMismatchError

Array: TypeAlias = NDArray[Any]

# Cycles of all PEs together that are run as plain Python first.
_INTERPRETED: Final = 100_000
# Cycles from one look of the host at what it waits for to the next.
_POLL: Final = 16


@dataclass(frozen=True)
class Print:
    """What `wse.print` recorded on a PE."""

    cycle: int
    x: int
    y: int
    text: str
    value: float | None


class Runtime:
    """A `wse` program on a simulated machine, as the vendor's SDK shows one to the host.

    `set_const` overrides constants of the machine: `Runtime(module, "wse3", hop=1)`. `trace` is
    "prints", "tasks", "ops" or "path". With `jit` None a run that gets long goes on in compiled form, in another
    `simulator` with the same state. Raises ValidationError for a program that the machine cannot run.
    """

    def __init__(
        self,
        program: ModuleOp | Loaded,
        machine: str | Machine = "wse2",
        *,
        jit: bool | None = None,
        skip_ahead: bool = True,
        trace: str = "prints",
        trace_rows: int | None = None,
        **set_const: int,
    ):
        profile = machines.machine(machine) if isinstance(machine, str) else machine
        profile = profile.override(f"{name}={value}" for name, value in set_const.items())
        self.machine = profile
        self.loaded = program if isinstance(program, Loaded) else load(program, profile)
        self._simulator = partial(
            Simulator, self.loaded.image, profile, skip_ahead=skip_ahead, trace=trace,
            trace_rows=trace_rows,
        )  # fmt: skip
        # A short run is over before a compiled one has begun.
        self._interpreted = jit is None and compiling.wanted()
        self.simulator = self._simulator(jit=False if self._interpreted else jit)
        self._programs: dict[int, int] = dict(self.loaded.image.placements.tolist())

    @property
    def width(self) -> int:
        """Columns of the program's PEs."""
        return self.loaded.image.width

    @property
    def height(self) -> int:
        """Rows of the program's PEs."""
        return self.loaded.image.height

    @property
    def symbols(self) -> tuple[str, ...]:
        """The buffers that some tile exports."""
        return tuple(dict.fromkeys(name for tile in self.loaded.tiles for name in tile.exported))

    @property
    def functions(self) -> tuple[str, ...]:
        """What can be launched."""
        programs = self.loaded.image.programs
        return tuple(dict.fromkeys(name for program in programs for name in program.functions))

    @property
    def cycle(self) -> int:
        """The next cycle to be run."""
        return self.simulator.cycle

    def rectangle(self, symbol: str) -> tuple[int, int, int, int]:
        """x, y, width and height of the smallest rectangle of the PEs that have a symbol."""
        self._known(symbol)
        found = np.array(self._holders(symbol))
        (x, y), (right, bottom) = found.min(0).tolist(), found.max(0).tolist()
        return x, y, right - x + 1, bottom - y + 1

    def memcpy_h2d(
        self, symbol: str, data: ArrayLike, x: int = 0, y: int = 0, width: int = 1, height: int = 1
    ) -> None:
        """Write a buffer of the PEs of a rectangle.

        `data` is of shape (height, width, *the buffer's) or (height, width, count), one of these
        without the first two (the same for each PE), or anything of height * width * count elements
        in that order. Raises InputError, ShapeMismatchError, DTypeMismatchError.
        """
        found = self._symbol(symbol, x, y, width, height)
        block = self._block(symbol, found, np.asarray(data), width, height)
        self.simulator.memcpy_h2d(symbol, x, y, block)

    def memcpy_d2h(
        self, symbol: str, x: int = 0, y: int = 0, width: int = 1, height: int = 1
    ) -> Array:
        """A buffer of the PEs of a rectangle: an array of shape (height, width, *the buffer's)."""
        self._symbol(symbol, x, y, width, height)
        found = self.simulator.memcpy_d2h(symbol, x, y, width, height)
        tile = cast(Tile, self._tile(x, y))
        return found.reshape(height, width, *tile.exported[symbol])

    def write(self, symbol: str, data: ArrayLike) -> None:
        """Write a buffer on every PE that exports it; `data` is as for `memcpy_h2d` of `rectangle`.

        What it has for PEs of the rectangle without the buffer is left out.
        """
        x, y, width, height = self.rectangle(symbol)
        holders = self._holders(symbol)
        found = self._symbol(symbol, *holders[0], 1, 1)
        block = self._block(symbol, found, np.asarray(data), width, height)
        for column, row in holders:
            self._symbol(symbol, column, row, 1, 1)
            self.simulator.write(symbol, column, row, block[row - y, column - x])

    def read(self, symbol: str) -> Array:
        """A buffer of all PEs of `rectangle`; zeros where a PE does not export it."""
        x, y, width, height = self.rectangle(symbol)
        holders = self._holders(symbol)
        first = self.memcpy_d2h(symbol, *holders[0])
        block = np.zeros((height, width, *first.shape[2:]), first.dtype)
        for column, row in holders:
            block[row - y, column - x] = self.memcpy_d2h(symbol, column, row)[0, 0]
        return block

    def variable(self, name: str, x: int = 0, y: int = 0) -> float:
        """The value that a variable or scalar parameter of a PE has now. Raises InputError."""
        tile = self._tile(x, y)
        if tile is None or name not in tile.variables:
            raise InputError(f'PE ({x}, {y}) has no variable "{name}"')
        variable = tile.variables[name]
        return self.simulator.register(variable.register, x, y, variable.type_name)

    def launch(self, function: str) -> None:
        """Activate a function on every PE that has it; `run` then runs it. Raises InputError."""
        self.require_function(function)
        self.simulator.launch(function)

    def require_function(self, function: str) -> None:
        """Raises InputError when there is no such function."""
        if function not in self.functions:
            raise InputError(
                f'there is no function "{function}"',
                hint=f"functions are {', '.join(self.functions) or 'none'}",
            )

    def feed(self, symbol: str, data: ArrayLike, function: str, counter: str, rounds: int) -> None:
        """Write a buffer, launch what sends it on, and run until its PEs have done so.

        They have when their variable `counter` is `rounds`. Raises SimulationError.
        """
        self.write(symbol, data)
        self.launch(function)
        words = int(np.size(data)) // max(len(self._holders(symbol)), 1)
        holders = self._holders(symbol)
        until = self.cycle + words
        while True:
            still = self.run(until, waiting=True)
            if all(self.variable(counter, x, y) >= rounds for x, y in holders):
                return
            if still:
                # Nothing moves and the words have not gone: say who waits for what.
                self.run()
            until = self.cycle + _POLL

    def run(
        self, until: int | None = None, *, leftover: bool = False, waiting: bool = False
    ) -> bool:
        """Run to the end or up to a cycle; whether the program has ended. Raises SimulationError.

        With `waiting` it is no fault that PEs wait for what the host has yet to send.
        """
        if self._interpreted:
            stop = min(_INTERPRETED // max(len(self._programs), 1), self.machine.cycle_limit)
            if until is not None and until <= stop:
                return self.simulator.run(until, leftover=leftover, waiting=waiting)
            if self.cycle < stop and self.simulator.run(stop, leftover=leftover, waiting=waiting):
                return True
            state = self.simulator.snapshot()
            self.simulator = self._simulator(jit=True)
            self.simulator.restore(state)
            self._interpreted = False
        return self.simulator.run(until, leftover=leftover, waiting=waiting)

    def prints(self) -> list[Print]:
        """What the program printed, in order."""
        bare = self.loaded.bare_texts
        return [
            Print(e.cycle, e.x, e.y, e.text, None if e.text in bare else e.value)
            for e in self.simulator.events()
            if e.kind == "print"
        ]

    def statistics(self) -> Statistics:
        """Cycles, stalls and loads so far."""
        return self.simulator.statistics()

    def _holders(self, symbol: str) -> list[tuple[int, int]]:
        """Where a buffer is, row by row."""
        self._known(symbol)
        programs = self._programs.items()
        found = sorted(pe for pe, p in programs if symbol in self.loaded.tiles[p].exported)
        if not found:
            raise InputError(f'no tile that exports "{symbol}" is placed')
        images = {self._programs[pe] for pe in found}
        kinds = {
            (
                self.loaded.tiles[p].exported[symbol],
                self.loaded.image.programs[p].symbols[symbol].dtype,
            )
            for p in images
        }
        if len(kinds) > 1:
            raise InputError(
                "tiles export it in different shapes or types", where=f'buffer "{symbol}"'
            )
        return [(pe % self.width, pe // self.width) for pe in found]

    def _block(
        self, symbol: str, found: im.Symbol, values: Array, width: int, height: int
    ) -> Array:
        """Values for each PE: shape (height, width, count)."""
        values = self._typed(symbol, values, np.dtype(found.dtype))
        if values.size == height * width * found.count:
            return values.reshape(height, width, found.count)
        if values.size in (1, found.count):
            return np.broadcast_to(values.reshape(values.size), (height, width, found.count))
        raise ShapeMismatchError(
            f"{list(values.shape)} are not {found.count} elements for each of"
            f" {width} x {height} PEs",
            where=f'buffer "{symbol}"',
        )

    def _known(self, symbol: str) -> None:
        if symbol not in self.symbols:
            raise InputError(
                f'there is no exported buffer "{symbol}"',
                hint=f"exported are {', '.join(self.symbols) or 'none'}",
            )

    def _tile(self, x: int, y: int) -> Tile | None:
        inside = 0 <= x < self.width and 0 <= y < self.height
        program = self._programs.get(y * self.width + x) if inside else None
        return None if program is None else self.loaded.tiles[program]

    def _symbol(self, symbol: str, x: int, y: int, width: int, height: int) -> im.Symbol:
        """The buffer, which all PEs of the rectangle have in the same size."""
        self._known(symbol)
        if (
            width < 1
            or height < 1
            or x < 0
            or y < 0
            or x + width > self.width
            or y + height > self.height
        ):
            raise InputError(
                f"{width} x {height} PEs at ({x}, {y}) are not inside of the program's"
                f" {self.width} x {self.height}",
                where=f'buffer "{symbol}"',
            )
        found: im.Symbol | None = None
        for row in range(y, y + height):
            for column in range(x, x + width):
                number = self._programs.get(row * self.width + column, -1)
                if number < 0 or symbol not in self.loaded.tiles[number].exported:
                    raise InputError(
                        f"PE ({column}, {row}) exports no such buffer", where=f'buffer "{symbol}"'
                    )
                here = self.loaded.image.programs[number].symbols[symbol]
                if found is not None and (here.count, here.dtype) != (found.count, found.dtype):
                    raise InputError(
                        f"PEs ({x}, {y}) and ({column}, {row}) have it in different sizes or types",
                        where=f'buffer "{symbol}"',
                    )
                found = here
        return cast(im.Symbol, found)

    def _typed(self, symbol: str, values: Array, dtype: np.dtype[Any]) -> Array:
        if values.dtype.kind in "iu" and dtype.kind == "i":
            limits = np.iinfo(dtype)
            # Raw bits may come as unsigned numbers of the same width.
            if values.dtype.kind == "u" and values.dtype.itemsize == dtype.itemsize:
                return values.view(dtype)
            if values.size and (values.min() < limits.min or values.max() > limits.max):
                raise DTypeMismatchError(
                    f"values do not fit {dtype.name}", where=f'buffer "{symbol}"'
                )
            return values.astype(dtype)
        if values.dtype.kind in "iuf" and dtype.kind == "f":
            with np.errstate(over="ignore"):
                return values.astype(dtype)
        raise DTypeMismatchError(
            f"values are {values.dtype.name}, the buffer's elements {dtype.name}",
            where=f'buffer "{symbol}"',
        )

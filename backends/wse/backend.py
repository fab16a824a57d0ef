"""The simulated wafer as a backend: what can be mapped runs there, the rest on NumPy."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import Final

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation

from pyflame_rt.backends.base import Backend, Executable, find_function
from pyflame_rt.backends.reference import ReferenceBackend
from pyflame_rt.backends.wse import machine as machines
from pyflame_rt.backends.wse.executable import WseExecutable
from pyflame_rt.backends.wse.machine import Machine
from pyflame_rt.backends.wse.runs import WseReport
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.wse.mappable import obstacle
from pyflame_rt.dialects.wse.program import ProgramOp
from pyflame_rt.errors import BackendError

OPTIONS: Final = ("machine", "grid", "dtype", "schedule", "set_const", "trace")
"""The names of a backend's options."""
_DTYPES: Final = ("f32", "f16")
SCHEDULES: Final = ("layer", "pipeline")
"""How layers share the PEs: each in turn all of them, or each some of them at once."""


class WseBackend(Backend):
    """Maps functions to a rectangle of PEs of a simulated machine.

    Options: `grid` "8x8", `dtype` "f32" or "f16", `schedule` "layer" or "pipeline", `set_const` "hop=2 ramp_up=3" for
    the machine's constants, `trace` "prints", "tasks", "ops" or "path" for what runs record, `machine`.
    """

    name = "wse2"
    device_type = "wse"
    optimization_level = 2
    preparation = "wse-prepare"
    static_shapes = True

    def __init__(self, machine: str = "wse2") -> None:
        self._machine: Machine = machines.machine(machine)
        self._grid = 8, 8
        self._dtype = "f32"
        self._schedule = "layer"
        self._trace = "prints"
        self._lock = threading.Lock()
        self._parts: list[WseExecutable] = []

    @property
    def machine(self) -> Machine:
        """The machine that is simulated."""
        return self._machine

    def initialize(self, options: Mapping[str, str]) -> bool:
        """Take options. Raises BackendError for one that makes no sense."""
        for name in options:
            if name not in OPTIONS:
                raise self._failure(f'has no option "{name}"', f"options are {', '.join(OPTIONS)}")
        if "machine" in options:
            self._machine = machines.machine(options["machine"])
        self._machine = self._machine.override(options.get("set_const", "").split())
        found = re.fullmatch(r"([1-9]\d{0,3})x([1-9]\d{0,3})", options.get("grid", "8x8"))
        if found is None:
            raise self._failure(
                f'its grid is no "{options["grid"]}"', 'a grid is COLUMNSxROWS: "8x8"'
            )
        self._grid = int(found[1]), int(found[2])
        self._dtype = options.get("dtype", "f32")
        if self._dtype not in _DTYPES:
            raise self._failure(
                f'does not compute in "{self._dtype}"', f"use {' or '.join(_DTYPES)}"
            )
        self._schedule = options.get("schedule", "layer")
        if self._schedule not in SCHEDULES:
            raise self._failure(
                f'has no schedule "{self._schedule}"', f"there are {', '.join(SCHEDULES)}"
            )
        self._trace = options.get("trace", "prints")
        return True

    def preparing(self) -> str:
        return f"{self.preparation},wse-fit{{{self._place}}}"

    @property
    def _place(self) -> str:
        """Options of the passes that place."""
        width, height = self._grid
        return (
            f"machine={self._profile} width={width} height={height}"
            f" dtype={self._dtype} schedule={self._schedule}"
        )

    def _failure(self, why: str, hint: str) -> BackendError:
        return BackendError(why, where=f'backend "{self._machine.name}"', hint=hint)

    def lowering(self, level: int) -> str:
        return f"convert-pfrt-to-wse{{{self._place} marks=true}}"

    @property
    def _profile(self) -> str:
        """The machine's name in a pipeline, where a hyphen needs quotes."""
        name = self._machine.name
        return f'"{name}"' if "-" in name else name

    def supports(self, op: Operation) -> bool:
        return isinstance(op, PfrtOp) and obstacle(op) is None

    def compile(self, module: ModuleOp, function: str = "main") -> Executable:
        """Load the program of a function that has been lowered to `wse`."""
        if not any(isinstance(op, ProgramOp) for op in module.ops):
            # What only sees its arguments in other ways has no program.
            return ReferenceBackend().compile(module, function)
        executable = WseExecutable(
            module, find_function(module, function), self._machine, self._trace
        )
        with self._lock:
            self._parts.append(executable)
        return executable

    def report(self) -> WseReport:
        """What the last run of each part took."""
        with self._lock:
            parts = tuple(self._parts)
        runs = tuple(run for part in parts if (run := part.last) is not None)
        grid, dtype, schedule = self._grid, self._dtype, self._schedule
        # What came lowered was placed with options of its own.
        for placed in (part.grid for part in parts):
            if placed is not None:
                grid, dtype = (placed.width.data, placed.height.data), placed.dtype.data
        if any(part.is_pipeline for part in parts):
            schedule = "pipeline"
        return WseReport(self._machine.name, grid, dtype, runs, schedule)


class Wse2Backend(WseBackend):
    """The WSE-2."""

    name = "wse2"


class Wse3Backend(WseBackend):
    """The WSE-3."""

    name = "wse3"

    def __init__(self) -> None:
        super().__init__("wse3")


class Wse3SiliconBackend(WseBackend):
    """The WSE-3 with what was measured on silicon."""

    name = "wse3-si"

    def __init__(self) -> None:
        super().__init__("wse3-si")

"""A grid of simulated wafers that run a plan: outputs, cycles, and what went from chip to chip."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pyflame_rt.backends.wse.backend import WseBackend
from pyflame_rt.compiler import CompiledModel, Program, compile_module, signature
from pyflame_rt.errors import MissingInputError, ValidationError
from pyflame_rt.partition.config import DeviceType, WSEChipConfig
from pyflame_rt.partition.staging import Stage, stages
from pyflame_rt.passes.partitioning.plan_files import PartitionPlan

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Transfer:
    """A value that went from chip to chip: hops of the grid, bytes, cycles on the way."""

    value: str
    source: int
    destination: int
    hops: int
    bytes: int
    cycles: int


@dataclass(frozen=True)
class StageRun:
    """A part of the model on a chip: its cycles, and when in the run it began and was done."""

    name: str
    chip: int
    cycles: int
    began: int
    done: int


@dataclass(frozen=True)
class MultiChipReport:
    """A run: from the inputs on their chips to the outputs."""

    chips: int
    stages: tuple[StageRun, ...]
    transfers: tuple[Transfer, ...]

    @property
    def cycles(self) -> int:
        """Cycles from the first input to the last output."""
        return max((stage.done for stage in self.stages), default=0)

    @property
    def interval(self) -> int:
        """Cycles from one result to the next, with inputs that follow each other: the busiest chip's."""
        return max((self.busy(chip) for chip in range(self.chips)), default=0)

    @property
    def traffic_bytes(self) -> int:
        """Bytes between chips."""
        return sum(transfer.bytes for transfer in self.transfers)

    def busy(self, chip: int) -> int:
        """The cycles in which a chip computes."""
        return sum(stage.cycles for stage in self.stages if stage.chip == chip)

    def lines(self) -> list[str]:
        """For people."""
        rows = [
            f"chip {s.chip}: {s.name}, {s.cycles} cycles, {s.began} to {s.done}"
            for s in self.stages
        ]
        rows += [
            f"chip {t.source} to {t.destination}: {t.value}, {t.bytes} bytes, {t.hops} hops, {t.cycles} cycles"
            for t in self.transfers
        ]
        total = f"{self.cycles} cycles, {self.interval} from one result to the next"
        return [*rows, f"{total}, {self.traffic_bytes} bytes between {self.chips} chips"]

    def as_json(self) -> dict[str, object]:
        """For programs."""
        return {
            "chips": self.chips,
            "cycles": self.cycles,
            "interval": self.interval,
            "traffic_bytes": self.traffic_bytes,
            "stages": [vars(stage) for stage in self.stages],
            "transfers": [vars(transfer) for transfer in self.transfers],
        }


class MultiChip:
    """A plan of `partition_for_wse` on simulated chips.

    A value waits for nobody: it leaves when it is made, takes `inter_chip_latency` a hop of the grid
    and its bytes by `inter_chip_bandwidth`, and a part begins when all its values are there and its
    chip is free. Raises PassFailed, BackendError, ValidationError for a plan of other devices.
    """

    def __init__(self, plan: PartitionPlan, config: WSEChipConfig, program: Program | None = None):
        program = plan.program if program is None else program
        if program is None:
            raise ValidationError("comes from a file", where="plan", hint="give the program")
        if any(p.device.type is not DeviceType.WSE for p in plan.partitions):
            raise ValidationError("has devices that are no wafers", where="plan")
        self._config = config
        self._plan = plan
        self._outputs = tuple(spec.name for spec in signature(program.module)[1])
        self._inputs = tuple(spec.name for spec in signature(program.module)[0])
        self._stages: list[tuple[Stage, CompiledModel]] = []
        for stage in stages(program.module, plan, program.ctx):
            options = {"grid": config.grid}
            compiled = compile_module(
                stage.module, program.ctx, stage.device.backend, "", options=options
            )
            self._stages.append((stage, compiled))
        self._report = MultiChipReport(config.chips, (), ())

    @property
    def report(self) -> MultiChipReport:
        """What the last run took."""
        return self._report

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs by name. Raises MissingInputError, BackendError."""
        values: dict[str, Array] = {}
        for name in self._inputs:
            if name not in inputs:
                raise MissingInputError("is not given", where=f'input "{name}"')
            values[name] = np.ascontiguousarray(inputs[name])
        made: dict[str, tuple[int, int]] = {}
        there: dict[tuple[str, int], int] = {}
        free = dict.fromkeys(range(self._config.chips), 0)
        runs: list[StageRun] = []
        transfers: list[Transfer] = []
        for stage, compiled in self._stages:
            chip = stage.device.device_id
            began = free[chip]
            for name in stage.inputs:
                if name not in made:
                    continue
                source, done = made[name]
                if source != chip and (name, chip) not in there:
                    transfer = self._transfer(name, source, chip, values[name].nbytes)
                    transfers.append(transfer)
                    there[name, chip] = done + transfer.cycles
                began = max(began, there.get((name, chip), done))
            results = compiled.run([values[name] for name in stage.inputs])
            values.update(zip(stage.outputs, results, strict=True))
            backend = compiled.backend
            cycles = backend.report().cycles if isinstance(backend, WseBackend) else 0
            free[chip] = began + cycles
            made.update((name, (chip, free[chip])) for name in stage.outputs)
            runs.append(StageRun(stage.name, chip, cycles, began, free[chip]))
        self._report = MultiChipReport(self._config.chips, tuple(runs), tuple(transfers))
        return {name: values[name] for name in self._outputs}

    def _transfer(self, name: str, source: int, chip: int, count: int) -> Transfer:
        config = self._config
        shape = _shape(config)
        hops = sum(
            abs(a - b) for a, b in zip(_place(source, shape), _place(chip, shape), strict=True)
        )
        seconds = hops * config.inter_chip_latency * 1e-9 + count / config.inter_chip_bandwidth
        return Transfer(name, source, chip, hops, count, math.ceil(seconds * config.clock_hz))


def _shape(config: WSEChipConfig) -> Sequence[int]:
    """The grid; chips that are only counted stand in a row."""
    product = math.prod(config.topology)
    return config.topology if product == config.chips else [config.chips]


def _place(chip: int, shape: Sequence[int]) -> list[int]:
    """Where in the grid a chip is, rows first."""
    found: list[int] = []
    for side in reversed(shape):
        chip, place = divmod(chip, side)
        found.append(place)
    return found[::-1]

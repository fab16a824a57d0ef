"""Images with wrong numbers in them: a clear error or a run that ends, and no word outside the buffer."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from wse_random_programs import machine_of, random_image

from pyflame_rt.backends.wse.machine import Machine
from pyflame_rt.backends.wse.sim import engine, jit
from pyflame_rt.backends.wse.sim import image as im
from pyflame_rt.backends.wse.sim import layout as lo
from pyflame_rt.backends.wse.sim.faults import SimulationError
from pyflame_rt.backends.wse.sim.simulator import Simulator
from pyflame_rt.errors import ValidationError

_ARRAYS = ("routes", "placements", "queues", "registers")
_PARTS = ("code", "tasks", "dsds", "fifos")
_LEAST, _MOST = -(2**31), 2**31 - 1


class _Guarded:
    """A view that refuses what compiled code would not notice: places before its start or past its end."""

    def __init__(self, view: memoryview):
        self._view = view
        self._count = len(view)

    def __getitem__(self, place: int) -> float:
        if not 0 <= place < self._count:
            raise IndexError(place)
        return self._view[place]

    def __setitem__(self, place: int, value: float) -> None:
        if not 0 <= place < self._count:
            raise IndexError(place)
        self._view[place] = value


def _guarded(buffer: np.ndarray, until: int) -> None:
    views = (buffer.data, buffer.view(np.float32).data, buffer.view(np.int16).data)
    engine.enter(*map(_Guarded, views), until)


def _wrong(array: np.ndarray, row: int, column: int, rng: random.Random) -> int:
    """Another number for a place: near it, from elsewhere in the array, or out of all ranges."""
    old = int(array[row, column])
    others = (int(array[rng.randrange(len(array)), column]), int(rng.choice(array.ravel())))
    near = (-1, 0, 1, 2, old + 1, old - 1, -old, 2 * old, old ^ 1 << rng.randrange(31))
    far = (_LEAST, _MOST, rng.randrange(_LEAST, _MOST), 1000, 65536, 1_000_000, -1000)
    value = rng.choice(rng.choice([near, others, far, (rng.randrange(40),)]))
    return max(_LEAST, min(_MOST, value))


def _mutated(image: im.Image, rng: random.Random) -> im.Image:
    """One to three numbers of an image changed."""
    arrays = {name: getattr(image, name).copy() for name in _ARRAYS}
    programs = [{name: getattr(p, name).copy() for name in _PARTS} for p in image.programs]
    sizes = [program.memory_bytes for program in image.programs]
    for _ in range(rng.randrange(1, 4)):
        if rng.random() < 0.05:
            number = rng.randrange(len(sizes))
            sizes[number] = rng.choice([-1, 0, 1, 7, sizes[number] // 2, 49_152, 60_000])
            continue
        victims = [*arrays.values(), *(part for parts in programs for part in parts.values())]
        array = rng.choice([victim for victim in victims if victim.size])
        row, column = rng.randrange(array.shape[0]), rng.randrange(array.shape[1])
        array[row, column] = _wrong(array, row, column, rng)
    changed = zip(image.programs, programs, sizes, strict=True)
    return dataclasses.replace(
        image,
        **arrays,
        programs=tuple(dataclasses.replace(p, **parts, memory_bytes=n) for p, parts, n in changed),
    )


def _ended(image: im.Image, machine: Machine, guard: bool, **form: bool) -> tuple[str, Any, Any]:
    simulator = Simulator(image, machine, **form)
    if guard:
        simulator._run = _guarded
    kind = "done"
    try:
        simulator.run()
    except SimulationError as error:
        kind = error.kind
        assert str(error)
        assert "\n" not in str(error)
        return kind, (str(error), simulator.cycle), simulator.snapshot().buffer[lo.HEADER :]
    return kind, ("", simulator.cycle), simulator.snapshot().buffer[lo.HEADER :]


def _assert_survived(seeds: Iterable[int]) -> Counter[str]:
    """How runs of mutated images end: guarded, and compiled exactly the same."""
    ends: Counter[str] = Counter()
    for seed in seeds:
        machine = dataclasses.replace(machine_of(seed), cycle_limit=3000)
        image = _mutated(random_image(seed), random.Random(seed))
        try:
            kind, *first = _ended(image, machine, guard=True, jit=False, skip_ahead=seed % 2 == 0)
        except ValidationError as error:
            assert "\n" not in str(error)
            ends["refused"] += 1
            continue
        ends[kind] += 1
        for skip in (False, True) if jit.available() else ():
            _, *again = _ended(image, machine, guard=False, jit=True, skip_ahead=skip)
            assert again[0] == first[0], seed
            if kind in ("done", "deadlock", "leftover", "limit"):
                assert np.array_equal(again[1], first[1]), seed
    return ends


def _assert_varied(ends: Counter[str], count: int) -> None:
    assert sum(ends.values()) == count
    assert ends["refused"] > 0.2 * count
    assert ends["done"] > 0
    assert len(ends) >= 4


def test_mutated_programs_end_clearly() -> None:
    """Some are refused, some stop with an error, some run: none hangs, and no form differs."""
    _assert_varied(_assert_survived(range(40)), 40)


@pytest.mark.slow
def test_many_mutated_programs_end_clearly() -> None:
    """Two hundred more of them."""
    _assert_varied(_assert_survived(range(100, 300)), 200)


def test_a_program_with_more_data_than_memory() -> None:
    """Initial data that does not fit is refused before anything is built."""
    image = random_image(0)
    first = dataclasses.replace(image.programs[0], memory_bytes=8, symbols={})
    image = dataclasses.replace(image, programs=(first, *image.programs[1:]))
    with pytest.raises(ValidationError, match="bytes of data in 8 of memory"):
        Simulator(image, machine_of(0))


def test_an_array_outside_the_memory() -> None:
    """The host could read another PE's memory through it."""
    image = random_image(0)
    symbols = {"far": im.Symbol(40_000, 4, "float32")}
    first = dataclasses.replace(image.programs[0], symbols=symbols)
    image = dataclasses.replace(image, programs=(first, *image.programs[1:]))
    with pytest.raises(ValidationError, match="array 'far' is outside the program's memory"):
        Simulator(image, machine_of(0))

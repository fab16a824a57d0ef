"""Random programs in every form of the simulator: the same cycles, the same words, the same errors."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable

import numpy as np
import pytest
from wse_random_programs import Outcome, machine_of, outcome, random_image

from pyflame_rt.backends.wse.sim import jit
from pyflame_rt.backends.wse.sim import layout as lo
from pyflame_rt.backends.wse.sim.faults import SimulationError
from pyflame_rt.backends.wse.sim.simulator import Simulator

_NEEDS_NUMBA = pytest.mark.skipif(not jit.available(), reason="needs numba")
_FEATURES = ("multicast", "switches", "back-pressure", "data tasks", "microthreads")


def _assert_same(seeds: Iterable[int], *forms: dict[str, bool]) -> list[Outcome]:
    """The outcomes of the plain run, cycle by cycle, which all forms have too."""
    firsts: list[Outcome] = []
    for seed in seeds:
        image, machine = random_image(seed), machine_of(seed)
        first = outcome(image, machine, jit=False, skip_ahead=False)
        for form in forms:
            assert outcome(image, machine, **form).same(first), (seed, form)
        firsts.append(first)
    return firsts


def _assert_busy(outcomes: list[Outcome]) -> None:
    """Most run to the end with a hundred wavelets, and each feature is in many of those."""
    busy = [one for one in outcomes if one.end == "done" and one.wavelets >= 100]
    assert len(busy) >= 0.8 * len(outcomes)
    used = Counter(feature for one in busy for feature in one.used)
    assert set(used) >= set(_FEATURES)
    assert min(used[feature] for feature in _FEATURES) >= 0.25 * len(busy), used


def test_skipping_ahead_changes_nothing() -> None:
    """Nodes that are left out while they wait end as those that are looked at in every cycle."""
    _assert_busy(_assert_same(range(20), {"jit": False, "skip_ahead": True}))


@pytest.mark.parametrize("seed", range(30, 38))
def test_stopping_anywhere_shows_the_same(seed: int) -> None:
    """At any cycle at which a run is stopped, and goes on, what was skipped cannot be told."""
    image, machine = random_image(seed), machine_of(seed)
    forms = [Simulator(image, machine, jit=False, skip_ahead=skip) for skip in (False, True)]
    rng = random.Random(seed)
    ended = [False]
    while not any(ended):
        until = forms[0].cycle + rng.choice([1, 7, 40, 300])
        ended = [_stopped(form, until) for form in forms]
        assert ended[0] == ended[1]
        assert forms[0].cycle == forms[1].cycle
        plain, skipping = (form.snapshot().buffer[lo.HEADER :] for form in forms)
        assert np.array_equal(plain, skipping), until


def _stopped(simulator: Simulator, until: int) -> bool:
    try:
        return simulator.run(until)
    except SimulationError as error:
        assert error.kind in ("deadlock", "leftover")
        return True


@_NEEDS_NUMBA
def test_compiled_is_the_same() -> None:
    """Random programs end in the same cycle with the same state in every form."""
    forms = ({"jit": True, "skip_ahead": False}, {"jit": True})
    _assert_busy(_assert_same(range(100, 120), *forms))


@_NEEDS_NUMBA
@pytest.mark.slow
def test_many_compiled_are_the_same() -> None:
    """Five hundred of them."""
    forms = ({"jit": True, "skip_ahead": False}, {"jit": True})
    _assert_busy(_assert_same(range(1000, 1500), *forms))

"""The cheapest forms of values are those that trying everything finds."""

from __future__ import annotations

import itertools
import random

import pytest

from pyflame_rt.passes.layout.assignment import SOURCE, TARGET, Choice, Conversions, assign

Steps = list[list[Choice]]


def cost_of(steps: Steps, values: list[Conversions], chosen: tuple[int, ...]) -> float:
    """The cost of one choice for every step, by its definition."""
    there: dict[int, int] = {}
    total = 0.0
    for choices, index in zip(steps, chosen, strict=True):
        choice = choices[index]
        total += choice.cost
        for value, form in choice.reads:
            if not there.setdefault(value, SOURCE) & form:
                total += values[value].to(form)
                there[value] |= form
        for value, form in choice.writes:
            there[value] = form
    return total


def drawn(seed: int) -> tuple[Steps, list[Conversions]]:
    """A few steps, each reading what earlier ones wrote or what was given."""
    draw = random.Random(seed)
    values = [Conversions(draw.randint(0, 9), draw.randint(0, 9)) for _ in range(10)]
    steps: Steps = []
    for written in range(2, 10):
        reads = draw.sample(range(written), draw.randint(1, 2))
        choices = [
            Choice(draw.randint(0, 6), tuple((v, form) for v in reads), ((written, form),))
            for form in (SOURCE, TARGET)
        ]
        steps.append(choices[: draw.choice((1, 2, 2))])
    return steps, values


@pytest.mark.parametrize("seed", range(40))
def test_least_cost(seed: int):
    """States dropped on the way were never part of the best answer."""
    steps, values = drawn(seed)
    cost, chosen = assign(steps, values)
    every = itertools.product(*(range(len(choices)) for choices in steps))
    assert cost == min(cost_of(steps, values, option) for option in every)
    assert cost == cost_of(steps, values, tuple(chosen))


def test_nothing_changes_without_a_gain():
    """Of equals the first choice, which leaves an op as it is."""
    both = [Choice(0.0, ((0, form),), ((1, form),)) for form in (SOURCE, TARGET)]
    assert assign([both], [Conversions(0.0, 0.0)] * 2) == (0.0, [0])

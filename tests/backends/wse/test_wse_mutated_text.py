"""Programs with a few words changed give an error of one line or run to their end, and never hang."""

from __future__ import annotations

import random
import re
from pathlib import Path

import numpy as np
import pytest

from pyflame_rt import ir_text
from pyflame_rt.backends.wse.host import Runtime
from pyflame_rt.errors import PyFlameRTError
from pyflame_rt.universe import make_context

_TEXTS = sorted((Path(__file__).parents[3] / "lit_tests" / "wse").glob("*.mlir"))
_TOKENS = re.compile(r"\d+|[@%#!]?[A-Za-z_][\w.]*|->|[\[\]{}():=,<>]")
_NUMBERS = ("-1", "0", "1", "2", "7", "31", "300", "70000", "4294967296", "9" * 20)


def _mutated(text: str, rng: random.Random) -> str:
    for _ in range(rng.randrange(1, 4)):
        lines = text.splitlines()
        if rng.random() < 0.25:
            place = rng.randrange(len(lines))
            line = lines.pop(place)
            if rng.random() < 0.5:
                lines.insert(rng.randrange(len(lines)), line)
            text = "\n".join(lines)
            continue
        tokens = list(_TOKENS.finditer(text))
        named = [t for t in tokens if t.group()[0] == "@" or t.group().isdigit()]
        token = rng.choice(named if rng.random() < 0.6 else tokens)
        alike = [t.group() for t in tokens if t.group()[0] == token.group()[0]]
        new = rng.choice(alike)
        if token.group().isdigit() and rng.random() < 0.7:
            new = rng.choice(_NUMBERS)
        elif rng.random() < 0.2:
            new = ""
        text = text[: token.start()] + new + text[token.end() :]
    return text


def _outcome(text: str) -> str:
    try:
        module = ir_text.parse(text, make_context(), "mutated")
        runtime = Runtime(module, "wse2", jit=False, cycle_limit=5000)
        runtime.run()
        for function in runtime.functions:
            runtime.launch(function)
            runtime.run()
        for symbol in runtime.symbols:
            runtime.write(symbol, 1)
            runtime.read(symbol)
        return "done"
    except PyFlameRTError as error:
        return str(error)


def _check(seeds: range) -> None:
    texts = [
        "\n".join(line for line in path.read_text().splitlines() if not line.startswith("//"))
        for path in _TEXTS
    ]
    outcomes: list[str] = []
    for seed in seeds:
        rng = random.Random(seed)
        outcome = _outcome(_mutated(texts[seed % len(texts)], rng))
        assert "\n" not in outcome, seed
        assert len(outcome) < 1000, seed
        outcomes.append(outcome)
    done = outcomes.count("done")
    assert 0.05 * len(outcomes) < done < 0.9 * len(outcomes)


def test_mutated_programs_end_with_a_clear_error() -> None:
    """A hundred of them, made of the lit tests' programs."""
    with np.errstate(all="ignore"):
        _check(range(100))


@pytest.mark.slow
def test_many_mutated_programs() -> None:
    """A thousand more."""
    with np.errstate(all="ignore"):
        _check(range(100, 1100))

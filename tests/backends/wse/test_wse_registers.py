"""Random structured code: whatever registers its values share, it computes what its meaning is."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pytest

from pyflame_rt import ir_text
from pyflame_rt.backends.wse.host import Runtime
from pyflame_rt.universe import make_context

# A value's name; all are i32.
Env: TypeAlias = dict[str, int]
Step: TypeAlias = Callable[[Env], None]

_VARIABLES = 4
_OPS: dict[str, Callable[[int, int], int]] = {
    "addi": lambda x, y: x + y,
    "subi": lambda x, y: x - y,
    "muli": lambda x, y: x * y,
    "xori": lambda x, y: x ^ y,
    "minsi": min,
}


def _wrapped(value: int) -> int:
    return (value + 2**31) % 2**32 - 2**31


class _Code:
    """Text and, step by step, its meaning in Python."""

    def __init__(self, rng: random.Random):
        self.rng = rng
        self.lines: list[str] = []
        self.count = 0

    def fresh(self) -> str:
        self.count += 1
        return f"%v{self.count}"

    def block(self, known: list[str], depth: int, size: int) -> list[Step]:
        """Random ops; `known` grows by the values that they define."""
        steps: list[Step] = []
        for _ in range(size):
            kinds = ["op"] * 5 + ["constant", "get", "get", "set", "set"]
            kinds += ["if", "for", "while"] * (depth > 0)
            steps.append(getattr(self, f"_{self.rng.choice(kinds)}")(known, depth))
        return steps

    def _op(self, known: list[str], depth: int) -> Step:
        name, function = self.rng.choice(list(_OPS.items()))
        left, right, to = self.rng.choice(known), self.rng.choice(known), self.fresh()
        self.lines.append(f"{to} = arith.{name} {left}, {right} : i32")
        known.append(to)

        def step(env: Env) -> None:
            env[to] = _wrapped(function(env[left], env[right]))

        return step

    def _constant(self, known: list[str], depth: int) -> Step:
        to, value = self.fresh(), self.rng.randrange(-9, 10)
        self.lines.append(f"{to} = arith.constant {value} : i32")
        known.append(to)
        return lambda env: env.update({to: value})

    def _get(self, known: list[str], depth: int) -> Step:
        to, name = self.fresh(), f"x{self.rng.randrange(_VARIABLES)}"
        self.lines.append(f"{to} = wse.get @{name} : i32")
        known.append(to)
        return lambda env: env.update({to: env[name]})

    def _set(self, known: list[str], depth: int) -> Step:
        value, name = self.rng.choice(known), f"x{self.rng.randrange(_VARIABLES)}"
        self.lines.append(f"wse.set @{name}, {value} : i32")
        return lambda env: env.update({name: env[value]})

    def _if(self, known: list[str], depth: int) -> Step:
        left, right, test = self.rng.choice(known), self.rng.choice(known), self.fresh()
        results = [self.fresh() for _ in range(self.rng.randrange(3))]
        types = ", ".join(["i32"] * len(results))
        self.lines.append(f"{test} = arith.cmpi slt, {left}, {right} : i32")
        head = f"{', '.join(results)} = " if results else ""
        self.lines.append(f"{head}scf.if {test}{f' -> ({types})' if results else ''} {{")
        parts: list[tuple[list[Step], list[str]]] = []
        for part in range(2):
            inner = list(known)
            steps = self.block(inner, depth - 1, self.rng.randrange(1, 5))
            yielded = [self.rng.choice(inner) for _ in results]
            if results:
                self.lines.append(f"scf.yield {', '.join(yielded)} : {types}")
            self.lines.append("} else {" if part == 0 else "}")
            parts.append((steps, yielded))
        known += results

        def step(env: Env) -> None:
            steps, yielded = parts[0 if env[left] < env[right] else 1]
            _run(steps, env)
            env.update(zip(results, [env[name] for name in yielded], strict=True))

        return step

    def _for(self, known: list[str], depth: int) -> Step:
        start, trips = self.rng.randrange(3), self.rng.randrange(4)
        ends = [self.fresh() for _ in range(3)]
        for name, value in zip(ends, (start, start + trips, 1), strict=True):
            self.lines.append(f"{name} = arith.constant {value} : i32")
        end = self.rng.random() < 0.3
        if end:
            # An end that is not known before it runs.
            self.lines.append(f"{ends[1]}x = arith.addi {ends[1]}, {known[0]} : i32")
        counter = self.fresh()
        arguments = [self.fresh() for _ in range(self.rng.randrange(3))]
        initial = [self.rng.choice(known) for _ in arguments]
        results = [self.fresh() for _ in arguments]
        pairs = ", ".join(f"{a} = {b}" for a, b in zip(arguments, initial, strict=True))
        types = ", ".join(["i32"] * len(results))
        carried = f" iter_args({pairs}) -> ({types})" if results else ""
        self.lines.append(
            f"{', '.join(results)}{' = ' if results else ''}scf.for {counter} = {ends[0]} to"
            f" {ends[1]}{'x' if end else ''} step {ends[2]}{carried} : i32 {{"
        )
        inner = [*known, counter, *arguments]
        steps = self.block(inner, depth - 1, self.rng.randrange(1, 5))
        yielded = [self.rng.choice(inner) for _ in arguments]
        if results:
            self.lines.append(f"scf.yield {', '.join(yielded)} : {types}")
        self.lines.append("}")
        first = known[0]
        known += results

        def step(env: Env) -> None:
            values = [env[name] for name in initial]
            stop = start + trips + (env[first] if end else 0)
            for turn in range(start, stop):
                env.update({counter: turn, **dict(zip(arguments, values, strict=True))})
                _run(steps, env)
                values = [env[name] for name in yielded]
            env.update(zip(results, values, strict=True))

        return step

    def _while(self, known: list[str], depth: int) -> Step:
        one, zero, trips = self.fresh(), self.fresh(), self.fresh()
        count, other, more, less, result, last = (self.fresh() for _ in range(6))
        start, begin = self.rng.choice(known), self.rng.randrange(4)
        self.lines += [
            f"{one} = arith.constant 1 : i32",
            f"{zero} = arith.constant 0 : i32",
            f"{trips} = arith.constant {begin} : i32",
            f"{result}, {last} = scf.while ({count} = {trips}, {other} = {start})"
            f" : (i32, i32) -> (i32, i32) {{",
        ]
        inner = [*known, count, other]
        before = self.block(inner, depth - 1, self.rng.randrange(3))
        passed = self.rng.choice(inner)
        self.lines += [
            f"{more} = arith.cmpi sgt, {count}, {zero} : i32",
            f"scf.condition({more}) {count}, {passed} : i32, i32",
            "} do {",
        ]
        name, value = self.fresh(), self.fresh()
        self.lines.append(f"^bb0({name}: i32, {value}: i32):")
        inside = [*known, name, value]
        after = self.block(inside, depth - 1, self.rng.randrange(3))
        handed = self.rng.choice(inside)
        self.lines += [
            f"{less} = arith.subi {name}, {one} : i32",
            f"scf.yield {less}, {handed} : i32, i32",
            "}",
        ]
        known += [result, last]

        def step(env: Env) -> None:
            left, kept = begin, env[start]
            while True:
                env.update({count: left, other: kept})
                _run(before, env)
                out = env[passed]
                if left <= 0:
                    break
                env.update({name: left, value: out})
                _run(after, env)
                left, kept = left - 1, env[handed]
            env.update({result: left, last: out})

        return step


def _run(steps: list[Step], env: Env) -> None:
    for step in steps:
        step(env)


def _check(seed: int) -> None:
    rng = random.Random(seed)
    code = _Code(rng)
    code.lines.append("%v0 = arith.constant 2 : i32")
    steps = code.block(["%v0"], 3, rng.randrange(4, 14))
    variables = "\n".join(
        f"wse.var @x{n} : i32 = {n - 1}\nwse.buffer @b{n} : memref<1xi32>"
        for n in range(_VARIABLES)
    )
    text = f"""wse.program @random width 1 height 1 {{
      wse.place @t at [0, 0]
      wse.tile @t {{
        {variables}
        wse.task @main local active {{
          {chr(10).join(code.lines)}
        }}
      }}
    }}"""
    runtime = Runtime(
        ir_text.parse(text, make_context(), "test"), "wse3", jit=False, cycle_limit=200_000
    )
    runtime.run()
    env = {f"x{n}": n - 1 for n in range(_VARIABLES)} | {"%v0": 2}
    _run(steps, env)
    found = [runtime.variable(f"x{n}") for n in range(_VARIABLES)]
    assert found == [env[f"x{n}"] for n in range(_VARIABLES)], text


@pytest.mark.parametrize("seed", range(60))
def test_random_code(seed: int) -> None:
    """Nested branches and loops that carry values, between reads and writes of variables."""
    with np.errstate(all="ignore"):
        _check(seed)


@pytest.mark.slow
def test_much_random_code() -> None:
    """Five hundred of them."""
    for seed in range(1000, 1500):
        _check(seed)

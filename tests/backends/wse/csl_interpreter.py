"""Runs the scalar code of emitted CSL: what it says, in CSL's types, for comparison with the simulator."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pyflame_rt.backends.wse.csl import syntax as s

FLOATS = {"f16": np.float16, "f32": np.float32}


class Left(Exception):
    """A loop has been left by `break`."""


@dataclass
class Value:
    """A number of a type; a literal has none until it meets one."""

    kind: str | None
    number: Any

    def to(self, kind: str | None) -> Value:
        """`@as`, and what a literal becomes beside a typed number."""
        if kind in (None, "bool"):
            return Value(kind, self.number)
        if kind in FLOATS:
            with np.errstate(over="ignore"):
                return Value(kind, FLOATS[kind](self.number))
        bits, number = int(kind[1:]), int(self.number) & ((1 << int(kind[1:])) - 1)
        negative = kind[0] == "i" and number >> (bits - 1)
        return Value(kind, number - (1 << bits) if negative else number)


@dataclass
class Interpreter:
    """The state of a tile: arrays by name, and the variables of its file."""

    arrays: dict[str, np.ndarray]
    names: dict[str, Value] = field(default_factory=dict)

    def run(self, node: s.Node) -> None:
        """Run a statement."""
        match node:
            case s.Block():
                for statement in node.statements:
                    self.run(statement)
            case s.Declaration(name=name, kind=s.Name(name=kind), value=value):
                self.names[name] = self.value(value).to(kind)
            case s.Assign(target=s.Index() as target):
                name, place = target.value.name, int(self.value(target.indices[0]).number)
                self.arrays[name][place] = self.value(node.value).number
            case s.Assign(target=s.Name(name=name)):
                self.names[name] = self.value(node.value).to(self.names[name].kind)
            case s.For(range=s.Builtin(arguments=(_, *bounds))):
                for index in range(*(int(self.value(bound).number) for bound in bounds)):
                    self.names[node.names[0]] = Value("i32", index)
                    self.run(node.body)
            case s.While():
                try:
                    while self.value(node.condition).number:
                        self.run(node.body)
                except Left:
                    return
            case s.Choice():
                branch = node.yes if self.value(node.condition).number else node.no
                if branch is not None:
                    self.run(branch)
            case s.Leave(keyword="break"):
                raise Left
            case s.Call():
                return
            case _:
                raise AssertionError(node)

    def value(self, node: s.Node) -> Value:
        """The value of an expression."""
        match node:
            case s.Name(name=name):
                return self.names[name]
            case s.Literal(kind="constant", text=text):
                return Value("bool", text == "true")
            case s.Literal(text=text):
                return Value(None, float(text) if "." in text or "e" in text else int(text))
            case s.Index(value=s.Name(name=name), indices=(index,)):
                array = self.arrays[name]
                kind = f"{array.dtype.kind}{array.itemsize * 8}"
                return Value(kind, array[int(self.value(index).number)]).to(kind)
            case s.Builtin(name="@as", arguments=(s.Name(name=kind), inner)):
                return self.value(inner).to(kind)
            case s.Builtin(name="@bitcast", arguments=(s.Name(name=kind), inner)):
                found = self.value(inner)
                array = np.array([found.number], np_type(found.kind))
                return Value(kind, array.view(np_type(kind))[0]).to(kind)
            case s.Choice(condition=condition, yes=yes, no=no):
                return self.value(yes if self.value(condition).number else no)
            case s.Operation(sign="-", operands=(inner,)):
                found = self.value(inner)
                return Value(found.kind, -found.number).to(found.kind)
            case s.Operation(sign="!", operands=(inner,)):
                return Value("bool", not self.value(inner).number)
            case s.Operation(sign=sign, operands=(left, right)):
                return self.binary(sign, self.value(left), self.value(right))
            case _:
                raise AssertionError(node)

    def binary(self, sign: str, left: Value, right: Value) -> Value:
        """An operator; both sides have one type, but for the number of bits of a shift."""
        if sign in ("and", "or"):
            both = (bool(left.number), bool(right.number))
            return Value("bool", all(both) if sign == "and" else any(both))
        if sign in ("<<", ">>"):
            shifted = left.number << right.number if sign == "<<" else left.number >> right.number
            return Value(left.kind, shifted).to(left.kind)
        kind = left.kind or right.kind
        assert {left.kind, right.kind} <= {kind, None}, (left, right)
        a, b = left.to(kind).number, right.to(kind).number
        if sign in ("==", "!=", "<", "<=", ">", ">="):
            return Value("bool", bool(COMPARED[sign](a, b)))
        with np.errstate(all="ignore"):
            if sign == "/" and kind not in FLOATS:
                return Value(kind, abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)).to(kind)
            if sign == "%":
                return Value(kind, abs(a) % abs(b) * (-1 if a < 0 else 1)).to(kind)
            return Value(kind, COMPUTED[sign](a, b)).to(kind)


def np_type(kind: str | None) -> Any:
    """NumPy's type of one of CSL's."""
    return FLOATS.get(str(kind)) or np.dtype(f"{str(kind)[0]}{int(str(kind)[1:]) // 8}")


COMPARED = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
COMPUTED = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "&": lambda a, b: a & b,
    "|": lambda a, b: a | b,
    "^": lambda a, b: a ^ b,
}

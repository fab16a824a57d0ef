"""Elementwise functions put together: what one call of `@fused` computes, as data.

```mlir
plan.call @fused(%a, %b) into(%y) {params = {
  body = [{of = array<i64: 0, 1>, op = "mul"},
          {of = array<i64: 2>, op = "clip", params = {max = 6.0 : f32, min = 0.0 : f32}}],
  results = array<i64: 3>}} : …
```

Values are numbered: operands first, then what each step makes. A step names an elementwise op of `pfrt`,
the values that it takes and its properties. Results are values, one for each `into` buffer; all have one
shape, to which operands broadcast, and are computed element by element.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from xdsl.dialects.builtin import ArrayAttr, DenseArrayBase, DictionaryAttr, StringAttr, i64
from xdsl.ir import Attribute

FUSED = "fused"
"""The callee of calls that compute an expression."""

MOST_OPERANDS = 16
"""Operands and results that code goes over side by side, at the most."""


@dataclass(frozen=True)
class Step:
    """An op on values before it."""

    op: str
    of: tuple[int, ...]
    params: tuple[tuple[str, Any], ...] = ()
    """Properties by name, in the order of names."""

    @property
    def properties(self) -> dict[str, Any]:
        """The op's properties."""
        return dict(self.params)


@dataclass(frozen=True)
class Expression:
    """Steps in order, and which values are the results."""

    operands: int
    steps: tuple[Step, ...]
    results: tuple[int, ...]

    @staticmethod
    def of_one(op: str, operands: int, properties: Mapping[str, Any]) -> Expression:
        """That of a single op."""
        params = tuple(sorted(properties.items()))
        return Expression(operands, (Step(op, tuple(range(operands)), params),), (operands,))

    @staticmethod
    def of_params(operands: int, params: Mapping[str, Any]) -> Expression:
        """That of a call of `@fused`, of its parameters as Python values.

        Raises ValueError for parameters that are none.
        """
        try:
            steps = tuple(
                Step(str(s["op"]), tuple(map(int, s["of"])), _sorted(s.get("params", {})))
                for s in params["body"]
            )
            found = Expression(operands, steps, tuple(map(int, params["results"])))
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"the parameters of @{FUSED} are no expression: {error}") from error
        found.require_sound()
        return found

    def require_sound(self) -> None:
        """Raise ValueError where a step takes what is not there before it."""
        for number, step in enumerate(self.steps, self.operands):
            if not step.of or not all(0 <= value < number for value in step.of):
                raise ValueError(f"step {number} of @{FUSED} takes values {list(step.of)}")
        last = self.operands + len(self.steps)
        if not self.results or not all(self.operands <= r < last for r in self.results):
            raise ValueError(f"the results of @{FUSED} are values {list(self.results)}")


def _sorted(properties: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(properties.items()))


@dataclass
class Body:
    """Builds the parameters of a call of `@fused`."""

    operands: int
    steps: list[DictionaryAttr] = field(default_factory=list[DictionaryAttr])

    def add(self, op: str, of: Sequence[int], params: DictionaryAttr | None) -> int:
        """Append a step; the number of the value it makes."""
        entry: dict[str, Attribute] = {
            "op": StringAttr(op),
            "of": DenseArrayBase.from_list(i64, list(of)),
        }
        if params is not None and params.data:
            entry["params"] = params
        self.steps.append(DictionaryAttr(entry))
        return self.operands + len(self.steps) - 1

    def params(self, results: Sequence[int]) -> dict[str, Attribute]:
        """As they stand in the IR."""
        body = cast("ArrayAttr[Attribute]", ArrayAttr(self.steps))
        return {"body": body, "results": DenseArrayBase.from_list(i64, list(results))}

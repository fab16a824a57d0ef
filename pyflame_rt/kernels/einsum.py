"""Sums of products as Einstein wrote them; the one place where equations are read."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pyflame_rt.kernels.numerics import rounding_once
from pyflame_rt.kernels.sizes import check_size

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Equation:
    """The subscripts of each operand and of the result; "..." stands among them as ".".

    A letter names a dimension: products are summed over those that the result lacks.
    """

    operands: tuple[str, ...]
    result: str

    @staticmethod
    def parse(text: str) -> Equation:
        """Read "ij,jk->ik"; without an arrow the result has "..." and the letters that occur once,
        in alphabetical order. Raises ValueError when the text makes no sense."""
        left, arrow, right = text.replace(" ", "").partition("->")
        terms = tuple(_subscripts(term, text) for term in left.split(","))
        if not arrow:
            letters = sorted(set(left) - set(".,"))
            once = "".join(letter for letter in letters if left.count(letter) == 1)
            dots = "." if any("." in term for term in terms) else ""
            return Equation(terms, dots + once)
        result = _subscripts(right, text)
        for letter in result:
            if result.count(letter) > 1:
                raise ValueError(f'"{letter}" occurs twice in the result of "{text}"')
            if not any(letter in term for term in terms) and letter != ".":
                raise ValueError(f'"{letter}" of the result is in no operand of "{text}"')
        return Equation(terms, result)

    def dimensions(
        self, shapes: Sequence[Sequence[int] | None], unknown: int = -1
    ) -> dict[str, int] | None:
        """The size of each letter, and of each dimension under "..." by its place from the back;
        None when the rank of "..." is not known.

        A dimension of 1 broadcasts. `unknown` marks dimensions whose size is not known. Raises
        ValueError when shapes do not fit the equation or each other.
        """
        if len(shapes) != len(self.operands):
            raise ValueError(f"the equation has {len(self.operands)} operands, not {len(shapes)}")
        sizes: dict[str, int] = {}
        ranked = True
        for term, shape in zip(self.operands, shapes, strict=True):
            if shape is None:
                ranked = ranked and "." not in term
                for letter in term.replace(".", ""):
                    sizes[letter] = _merged(letter, sizes.get(letter, 1), unknown, unknown)
                continue
            for name, size in zip(_named(term, len(shape)), shape, strict=True):
                sizes[name] = _merged(name, sizes.get(name, 1), size, unknown)
        return sizes if ranked else None

    def result_shape(self, sizes: dict[str, int]) -> tuple[int, ...]:
        """The shape of the result, given the sizes of its dimensions."""
        dots = sorted((int(name) for name in sizes if name.isdigit()), reverse=True)
        shape: list[int] = []
        for letter in self.result:
            shape += [sizes[str(at)] for at in dots] if letter == "." else [sizes[letter]]
        return tuple(shape)


def _subscripts(term: str, text: str) -> str:
    short = term.replace("...", ".", 1)
    wrong = set(short) - set(string.ascii_letters) - {"."}
    if wrong or short.count(".") > 1 or (term.count(".") not in (0, 3)):
        raise ValueError(f'"{term}" of the equation "{text}" is not letters and one "..."')
    return short


def _named(term: str, rank: int) -> list[str]:
    """The name of each of an operand's dimensions."""
    dots = rank - len(term.replace(".", ""))
    if dots < 0 or (dots > 0 and "." not in term):
        raise ValueError(f'subscripts "{term.replace(".", "...")}" for {rank} dimensions')
    names: list[str] = []
    for letter in term:
        names += [str(at) for at in reversed(range(dots))] if letter == "." else [letter]
    return names


def _merged(name: str, size: int, other: int, unknown: int) -> int:
    known = {dim for dim in (size, other) if dim not in (1, unknown)}
    if len(known) > 1:
        where = f'"{name}"' if name.isalpha() else '"..."'
        raise ValueError(f"dimensions {sorted(known)} of {where} differ")
    if known:
        return known.pop()
    return unknown if unknown in (size, other) else 1


@rounding_once
def einsum(*operands: Array, equation: str) -> Array:
    """The sum over all dimensions that the result lacks of the product of the operands."""
    parsed = Equation.parse(equation)
    sizes = parsed.dimensions([operand.shape for operand in operands])
    check_size(parsed.result_shape(sizes or {}), operands[0].dtype)
    text = f"{','.join(parsed.operands)}->{parsed.result}".replace(".", "...")
    return np.einsum(text, *operands, optimize=True)

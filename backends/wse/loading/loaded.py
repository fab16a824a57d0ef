"""What loading gives: the image, and what the names of the program mean in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyflame_rt.backends.wse.sim import image as im


@dataclass(frozen=True)
class Variable:
    """A variable or scalar parameter: the register that holds it, and its type."""

    register: int
    type_name: str


@dataclass(frozen=True)
class Tile:
    """The names of a tile: exported buffers with their shapes, and what is in registers."""

    name: str
    exported: Mapping[str, tuple[int, ...]]
    variables: Mapping[str, Variable]


@dataclass(frozen=True, eq=False)
class Loaded:
    """A program that has been loaded; `tiles` are in the order of the image's programs.

    `costs` are the declared costs in cycles by name, `colours` the numbers of the colours.
    """

    name: str
    image: im.Image
    tiles: tuple[Tile, ...]
    colours: Mapping[str, int]
    costs: Mapping[str, tuple[int, ...]]
    # Texts that are printed without a value.
    bare_texts: frozenset[str]

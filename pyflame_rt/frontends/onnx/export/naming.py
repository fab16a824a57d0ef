"""Names of values and nodes: the model's own where there are any, each used once."""

from __future__ import annotations

from collections.abc import Iterable

from xdsl.dialects.builtin import NameLoc
from xdsl.ir import Operation


class Names:
    """Names that are taken, and some that are reserved for those who claim them.

    A graph and its subgraphs share one.
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._reserved: set[str] = set()
        self._counts: dict[str, int] = {}

    def reserve(self, names: Iterable[str]) -> None:
        """Keep names from being given to anything that does not claim them."""
        self._reserved.update(names)

    def claim(self, name: str) -> str:
        """The name, or one like it if another has claimed it before."""
        if not name or name in self._taken:
            return self.fresh(name)
        self._taken.add(name)
        return name

    def fresh(self, like: str) -> str:
        """A name that nothing else has: the one given, with a number after it if need be."""
        count = self._counts.get(like, 0)
        name = like if count == 0 else f"{like}_{count}"
        while not name or name in self._taken or name in self._reserved:
            count += 1
            name = f"{like}_{count}"
        self._counts[like] = count
        self._taken.add(name)
        return name


def label_of(op: Operation) -> str:
    """The name of the node that an op came from, or what kind of op it is."""
    location = op.location
    name = location.desc.data if isinstance(location, NameLoc) else ""
    return name or op.name.rpartition(".")[2]

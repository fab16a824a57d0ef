"""What a pass changed, as a unified diff of the IR."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import unified_diff
from io import StringIO

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from pyflame_rt.ir_text import IRPrinter


class IRDiff:
    """The diffs of one module between passes.

    Values that a pass leaves keep the names they were printed with, so that lines differ only where
    the IR does.
    """

    def __init__(self, module: ModuleOp):
        self._names: dict[SSAValue, str] = {}
        self._before = self._lines(module)

    def after(self, instance: ModulePass, module: ModuleOp) -> str:
        """The diff of a pass that has just run; empty when it changed nothing."""
        lines = self._lines(module)
        before, self._before = self._before, lines
        name = instance.name
        return "".join(unified_diff(before, lines, f"before {name}", f"after {name}"))

    def _lines(self, module: ModuleOp) -> list[str]:
        self._names = _assigned(module, self._names)
        output = StringIO()
        _NamingPrinter(output).print_named(module, self._names)
        return [f"{line}\n" for line in output.getvalue().splitlines()]


class _NamingPrinter(IRPrinter):
    def print_named(self, module: ModuleOp, names: dict[SSAValue, str]) -> None:
        self._ssa_values.update(names)
        self.print_op(module)


def _assigned(module: ModuleOp, known: dict[SSAValue, str]) -> dict[SSAValue, str]:
    """A name for each value: the one it has, or a new one that no other value has."""
    values = list(_values(module))
    names = {value: known[value] for value in values if value in known}
    taken = set(names.values())
    number = 1 + max((int(n) for n in known.values() if n.isdecimal()), default=-1)
    counts: dict[str, int] = {}
    for value in values:
        if value in names:
            continue
        hint = value.name_hint
        if hint is None:
            name, number = str(number), number + 1
        else:
            name = hint
            while name in taken:
                counts[hint] = counts.get(hint, 0) + 1
                name = f"{hint}_{counts[hint]}"
        names[value] = name
        taken.add(name)
    return names


def _values(module: ModuleOp) -> Iterator[SSAValue]:
    for op in module.walk():
        yield from op.results
        for region in op.regions:
            for block in region.blocks:
                yield from block.args

"""Algorithms chosen by times that were measured before."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.passes import ModulePass

from pyflame_rt.dialects.plan import algorithms, times
from pyflame_rt.errors import PassFailed


@dataclass(frozen=True)
class PfrtTunePass(ModulePass):
    """Chooses the algorithm of each op that has several by a file of measured times.

    Before: `%y = pfrt.conv %x, %w … : (tensor<1x56x56x64xf32>, …`
    After: `%y = pfrt.conv %x, %w {plan.algorithm = "conv_winograd_nhwc", …} : …`

    An op of which the file says nothing stays as it is. Belongs behind `pfrt-layout`, which decides
    what algorithms there are, and before `convert-pfrt-to-plan`, which does as the attribute says.
    `pfrt-run --tune` measures, and writes such files.
    """

    name = "pfrt-tune"

    times: str
    """The file of times."""

    machine: str = ""
    """The machine whose times count, as the file names it; "" when there is one only."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        rows = self._rows()
        for choice, names in times.choices(op):
            row = rows.get(times.signature(choice), {})
            if set(names) <= row.keys():
                known = {name: row[name] for name in names}
                best = times.fastest(choice, known)
                choice.attributes[algorithms.ALGORITHM] = StringAttr(best)

    def _rows(self) -> times.Rows:
        try:
            found = times.read(Path(self.times))
        except (OSError, ValueError) as error:
            raise PassFailed(f"pfrt-tune: {self.times}: cannot read times: {error}") from error
        if self.machine in found:
            return found[self.machine]
        if self.machine or len(found) != 1:
            known = "; ".join(f'"{name}"' for name in found) or "none"
            asked = f'"{self.machine}"' if self.machine else "one machine only"
            raise PassFailed(f"pfrt-tune: {self.times}: is not of {asked}; machines are {known}")
        return next(iter(found.values()))

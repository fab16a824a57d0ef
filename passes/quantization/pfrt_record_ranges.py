"""The ranges of a file, in the IR."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from pyflame_rt.dialects.rewriting import failed
from pyflame_rt.passes.quantization.observed import name_observed
from pyflame_rt.passes.quantization.range_files import load_ranges
from pyflame_rt.passes.quantization.ranges import record

_SHOWN = 3


@dataclass(frozen=True)
class PfrtRecordRangesPass(ModulePass):
    """Records between which numbers values lie, from a file that `pfrt-run --calibrate` has written.

    Before: `%h = pfrt.relu %x as "h" : tensor<1x8xf32> -> tensor<1x8xf32>`
    After: the same with `{pfrt.ranges = array<f32: 0.0, 6.5>}`, of an argument `pfrt.range` beside its name.

    Ranges go by the model's names of values. Calibration sees a model after
    `pfrt-optimize{level=1},pfrt-fuse-conv-bn,pfrt-fuse-bias`: run these before, so that a
    convolution with its batch norm is the one value that was measured. Fails when the file speaks of values that are not there.
    """

    name = "pfrt-record-ranges"

    file: str
    """The JSON file."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        name_observed(op)
        missing = sorted(record(op, load_ranges(self.file)))
        if missing:
            names = ", ".join(f'"{name}"' for name in missing[:_SHOWN])
            more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
            raise failed(op, f"{self.file} has ranges of {names}{more}, which no value is named")

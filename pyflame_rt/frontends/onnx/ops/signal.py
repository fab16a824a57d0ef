"""Rules for ops on signals."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import SSAValue

from pyflame_rt.frontends.onnx.builder import NodeBuilder
from pyflame_rt.frontends.onnx.rules import Rule, inputs, onnx_op, row

_WINDOW = "output_datatype: dtype, periodic: flag"


@onnx_op("DFT", since=17)
def dft_17(b: NodeBuilder) -> Sequence[SSAValue]:
    """Until opset 20 the axis is an attribute, by default 1."""
    b.limit_inputs(2)
    operands, properties = inputs(b, "dft")
    flags = {name: b.flag(name) for name in ("inverse", "onesided")}
    return b.emit("dft", operands, {**properties, **flags, "axis": b.integer("axis", 1)})


RULES: tuple[Rule, ...] = (
    row("BlackmanWindow", 17, _WINDOW),
    dft_17,
    row("DFT", 20, "inverse: flag, onesided: flag"),
    row("HammingWindow", 17, _WINDOW),
    row("HannWindow", 17, _WINDOW),
    row("MelWeightMatrix", 17, "output_datatype: dtype"),
    row("STFT", 17, "onesided: flag"),
)
"""The rules of this family."""

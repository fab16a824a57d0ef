"""Rules for reductions."""

from __future__ import annotations

from pyflame_rt.frontends.onnx.rules import Rule, row

_AXES_FROM_18 = (
    "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean",
    "ReduceMin", "ReduceProd", "ReduceSumSquare",
)  # fmt: skip


def _reduction(op_type: str, axes_since: int) -> tuple[Rule, Rule]:
    """The axes were an attribute, and are an input since an opset that differs by operator."""
    return (
        row(op_type, 1, "axes: ints, keepdims: flag", most=1),
        row(op_type, axes_since, "keepdims: flag, noop_with_empty_axes: flag"),
    )


_ARG = "axis: int, keepdims: flag, select_last_index: flag"

RULES: tuple[Rule, ...] = (
    *(rule for op_type in _AXES_FROM_18 for rule in _reduction(op_type, 18)),
    *_reduction("ReduceSum", 13),
    row("ArgMax", 1, _ARG),
    row("ArgMin", 1, _ARG),
)
"""The rules of this family."""

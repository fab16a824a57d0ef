"""Calls that compute several elementwise functions at once, where there is no machine code for them."""

from __future__ import annotations

import numpy as np

from pyflame_rt import kernels
from pyflame_rt.backends.numpy_backend.calls import Call, Function, late
from pyflame_rt.backends.runtime import Array
from pyflame_rt.dialects.plan.expressions import FUSED, Expression


def _prepare(call: Call) -> Function:
    """One function after the other, by their kernels.

    Raises ValueError for parameters that are no expression.
    """
    count = len(call.input_types)
    expression, table = Expression.of_params(count, call.params), kernels.table()
    for step in expression.steps:
        if step.op not in table:
            raise ValueError(f"@{FUSED} has a step {step.op!r}, which is no kernel")

    def run(*arrays: Array) -> None:
        values = list(arrays[:count])
        for step in expression.steps:
            values.append(table[step.op](*(values[value] for value in step.of), **step.properties))
        for value, into in zip(expression.results, arrays[count:], strict=True):
            np.copyto(into, values[value], casting="no")

    return run


EXPRESSION = late(FUSED, _prepare, "body", "results")
"""The implementation of such calls."""

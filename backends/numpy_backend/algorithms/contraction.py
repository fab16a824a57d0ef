"""Matrix products through `np.matmul(..., out=)`, which calls BLAS on f32 and f64.

Transposed views go to BLAS as they are: it takes either order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pyflame_rt.backends.numpy_backend.calls import Call, Function, Implementation, late
from pyflame_rt.backends.runtime import Array


def _matmul(call: Call) -> Function | None:
    return np.matmul if call.computes("fiu") else None


def _gemm(call: Call) -> Function | None:
    alpha, beta = float(call.params["alpha"]), float(call.params["beta"])
    added = call.has(2) and beta != 0
    if not call.computes("fiu"):
        return None
    if call.dtype.kind != "f" and (alpha != 1 or (added and beta != 1)):
        return None
    trans_a, trans_b = bool(call.params["trans_a"]), bool(call.params["trans_b"])
    scale, factor = call.dtype.type(alpha), call.dtype.type(beta)
    scaled = np.empty(call.shape(2), call.dtype) if added and beta != 1 else None

    def run(a: Array, b: Array, c: Any, out: Array) -> None:
        np.matmul(a.T if trans_a else a, b.T if trans_b else b, out)
        if alpha != 1:
            np.multiply(out, scale, out)
        if scaled is not None:
            c = np.multiply(c, factor, scaled)
        if added:
            np.add(out, c, out)

    return run


IMPLEMENTATIONS: tuple[Implementation, ...] = (
    late("gemm", _gemm, "alpha", "beta", "trans_a", "trans_b", arity=3),
    late("matmul", _matmul),
)

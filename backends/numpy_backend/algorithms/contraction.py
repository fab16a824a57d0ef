"""Matrix products through `np.matmul(..., out=)`, which calls BLAS on f32 and f64.

Transposed views go to BLAS as they are: it takes either order. What follows the product is done in
the result, or in scratch where an activation does not work in place.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pyflame_rt.backends.numpy_backend.calls import Call, Function, Implementation, late
from pyflame_rt.backends.numpy_backend.epilogue import Finish
from pyflame_rt.backends.runtime import Array


def _matmul(call: Call) -> Function | None:
    if not call.computes("fiu"):
        return None
    finish, has_bias = Finish.of(call, 3), call.has(2)
    if finish is None and not has_bias:
        return _plain

    def run(a: Array, b: Array, bias: Any, residual: Any, out: Array, *scratch: Array) -> None:
        y = out if finish is None else finish.target(out, scratch)
        np.matmul(a, b, y)
        if has_bias:
            np.add(y, bias, y)
        if finish is not None:
            finish(y, residual, out)

    return run


def _plain(a: Array, b: Array, _bias: None, _residual: None, out: Array) -> None:
    np.matmul(a, b, out)


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
    finish = Finish.of(call, 3)

    def run(a: Array, b: Array, c: Any, residual: Any, out: Array, *scratch: Array) -> None:
        y = out if finish is None else finish.target(out, scratch)
        np.matmul(a.T if trans_a else a, b.T if trans_b else b, y)
        if alpha != 1:
            np.multiply(y, scale, y)
        if scaled is not None:
            c = np.multiply(c, factor, scaled)
        if added:
            np.add(y, c, y)
        if finish is not None:
            finish(y, residual, out)

    return run


IMPLEMENTATIONS: tuple[Implementation, ...] = (
    late("gemm", _gemm, "alpha", "beta", "trans_a", "trans_b", "activation", arity=4),
    late("matmul", _matmul, "activation", arity=4),
)

"""Products with weights that are mostly 0: by SciPy, or packed where their pattern is N:M.

SciPy multiplies a sparse matrix with columns, so rows of x are columns of its transpose, and windows
are laid out as columns. Where it is not installed, the dense forms run.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np

from pyflame_rt import packed_nm
from pyflame_rt.backends.numpy_backend.algorithms import contraction, convolution
from pyflame_rt.backends.numpy_backend.blocks import sequence
from pyflame_rt.backends.numpy_backend.calls import (
    BoundCall,
    Call,
    Function,
    Implementation,
    Run,
    bound,
    late,
)
from pyflame_rt.backends.numpy_backend.epilogue import Finish
from pyflame_rt.backends.runtime import Array

_BLOCK = (4, 4)

_DENSE = {entry.name: entry for entry in contraction.IMPLEMENTATIONS + convolution.IMPLEMENTATIONS}


@dataclass(frozen=True, eq=False)
class _Held:
    """A sparse matrix of outputs x inputs; kept among the packed forms of its constant."""

    matrix: Any
    base: None = None
    """As that of an array whose memory is its own."""


def _matrix(call: Call, form: str, turned: bool = False) -> Any:
    """The constant weights in a form; None where there is none, and the dense product runs."""
    make, kind = _maker(form), call.input_types[1]
    if make is None or kind is None or not call.is_constant(1) or not call.computes():
        return None
    if len(kind.static_shape) < 2 or 0 in (*kind.static_shape, *call.output_shape):
        return None
    found = call.pack(1, (form, turned), cast("Callable[[Array], Array]", partial(make, turned)))
    return cast(_Held, found).matrix


def _maker(form: str) -> Callable[[bool, Array], _Held] | None:
    if form == "nm":
        return _pattern
    try:
        from scipy import sparse  # pyright: ignore[reportMissingTypeStubs]
    except ImportError:
        return None
    return partial(_by_scipy, sparse, form)


def _by_scipy(sparse: Any, form: str, turned: bool, w: Array) -> _Held:
    # Fortran's order would be read column by column.
    matrix = np.ascontiguousarray(packed_nm.matrix_of(w, turned))
    rows = sparse.csr_array(matrix)
    if form == "csr":
        return _Held(rows)
    has_blocks = not any(size % block for size, block in zip(matrix.shape, _BLOCK, strict=True))
    return _Held(rows.tobsr(blocksize=_BLOCK) if has_blocks else None)


def _pattern(turned: bool, w: Array) -> _Held:
    matrix = packed_nm.matrix_of(w, turned)
    found = packed_nm.pattern_of(matrix)
    return _Held(None if found is None else packed_nm.PackedNM.from_dense(matrix, *found))


def _product(form: str, dense: str, call: Call) -> Function | None:
    """y = activation(x @ w + bias + residual)."""
    matrix = _matrix(call, form, bool(call.params.get("trans_b")))
    if matrix is None:
        return _DENSE[dense].prepare(call)
    rows = math.prod(call.output_shape[:-1])
    finish, has_bias = Finish.of(call, 3), call.has(2)
    shape, depth = (rows, call.output_shape[-1]), call.shape(0)[-1]

    def run(x: Array, w: Array, bias: Any, residual: Any, out: Array) -> None:
        if rows == 1:
            np.copyto(out.reshape(-1), matrix @ x.reshape(depth))
        else:
            np.copyto(out.reshape(shape), (matrix @ x.reshape(rows, depth).T).T)
        if has_bias:
            np.add(out, bias, out)
        if finish is not None:
            finish(out, residual)

    return run


def _convolution(form: str, call: BoundCall) -> Run | None:
    """y = w @ columns, an image at a time; the channels of a tap lie together in a column."""
    matrix = _matrix(call, form)
    if matrix is None or call.params.get("group", 1) != 1 or not call.in_layout("nchw"):
        return _DENSE["conv_im2col"].prepare(call)
    axes, outputs = convolution.axes_of(call), call.output.shape[2:]
    steps, x, scratch = convolution.with_border(call, axes)
    windows = np.moveaxis(convolution.windows_of(x, axes, outputs), 1, 1 + len(axes))
    for image, y in zip(windows, call.output.reshape(len(x), len(call.input(1)), -1), strict=True):
        columns = _as_columns(image, y.shape[1])
        if columns is None:
            buffer = call.scratch_of(scratch, image.shape, x.dtype)
            steps.append(partial(np.copyto, buffer, image))
            columns = buffer.reshape(-1, y.shape[1])
        steps.append(partial(_multiplied, matrix, columns, y))
    return sequence([*steps, *convolution.finishing(call)])


def _as_columns(windows: Array, positions: int) -> Array | None:
    """Windows as a matrix, where they lie so: those of one element, all over x."""
    return windows.reshape(-1, positions) if windows.flags.c_contiguous else None


def _multiplied(matrix: Any, columns: Array, y: Array) -> None:
    np.copyto(y, matrix @ columns)


_FORMS = ("csr", "bsr", "nm")
_PRODUCT = ("alpha", "beta", "trans_a", "trans_b", "activation")

IMPLEMENTATIONS: tuple[Implementation, ...] = tuple(
    implementation
    for form in _FORMS
    for implementation in (
        late(f"gemm_{form}", partial(_product, form, "gemm"), *_PRODUCT, arity=4, raw=(1,)),
        late(f"matmul_{form}", partial(_product, form, "matmul"), "activation", arity=4, raw=(1,)),
        bound(f"conv_{form}", partial(_convolution, form), *_DENSE["conv_im2col"].params, raw=(1,)),
    )
)

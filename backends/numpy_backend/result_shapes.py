"""What shapes the results of calls have, for the shapes that operands have in a run.

A rule answers None where operands do not go together, which the op's kernel says why, and where it
leaves an unusual case to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from pyflame_rt.backends.numpy_backend.algorithms.attention import agree
from pyflame_rt.backends.runtime import Array
from pyflame_rt.dialects.plan.schedules import ELEMENTWISE
from pyflame_rt.kernels.windows import WindowAxis, window_axes

Shape: TypeAlias = tuple[int, ...]
Shapes: TypeAlias = tuple[Shape, ...]
Rule: TypeAlias = Callable[[Mapping[str, Any], Sequence[Array | None]], Shapes | None]


def _same(params: Mapping[str, Any], arrays: Sequence[Array | None]) -> Shapes | None:
    return (_shape(arrays, 0),)


def _broadcast(params: Mapping[str, Any], arrays: Sequence[Array | None]) -> Shapes | None:
    try:
        shape = np.broadcast_shapes(*(a.shape for a in arrays if a is not None))
    except ValueError:
        return None
    return (shape,) * len(params.get("results", (0,)))


def _normalized(params: Mapping[str, Any], arrays: Sequence[Array | None]) -> Shapes | None:
    shape = _shape(arrays, 0)
    row = shape[int(params["axis"]) % max(len(shape), 1) :]
    given = (a.shape for a in arrays[1:] if a is not None)
    return (shape,) if all(other == row for other in given) else None


def _transposed(params: Mapping[str, Any], arrays: Sequence[Array | None]) -> Shapes | None:
    shape = _shape(arrays, 0)
    perm = params.get("perm") or tuple(reversed(range(len(shape))))
    if sorted(perm) != list(range(len(shape))):
        return None
    return (tuple(shape[axis] for axis in perm),)


def _gemm(params: Mapping[str, Any], arrays: Sequence[Array | None]) -> Shapes | None:
    a, b = _shape(arrays, 0), _shape(arrays, 1)
    if len(a) != 2 or len(b) != 2:
        return None
    rows, depth = reversed(a) if params["trans_a"] else a
    other, columns = reversed(b) if params["trans_b"] else b
    return _finished((rows, columns), arrays) if depth == other else None


def _matmul(params: Mapping[str, Any], arrays: Sequence[Array | None]) -> Shapes | None:
    a, b = _shape(arrays, 0), _shape(arrays, 1)
    if len(a) < 2 or len(b) < 2 or a[-1] != b[-2]:
        return None
    try:
        batch = np.broadcast_shapes(a[:-2], b[:-2])
    except ValueError:
        return None
    return _finished((*batch, a[-2], b[-1]), arrays)


def _integer_product(params: Mapping[str, Any], arrays: Sequence[Array | None]) -> Shapes | None:
    found = _matmul({}, arrays[:2])
    residual = arrays[7] if len(arrays) > 7 else None
    fits = found is None or residual is None or residual.shape == found[0]
    return found if fits else None


def _quantized(params: Mapping[str, Any], arrays: Sequence[Array | None]) -> Shapes | None:
    return _shape(arrays, 0), (), ()


def _finished(shape: Shape, arrays: Sequence[Array | None]) -> Shapes | None:
    """The shape of a product, if what is added to it fits."""
    for array in arrays[2:4]:
        if array is None:
            continue
        missing = len(shape) - array.ndim
        if missing < 0 or any(
            n not in (1, whole) for n, whole in zip(array.shape, shape[missing:], strict=True)
        ):
            return None
    return (shape,)


def _attention(params: Mapping[str, Any], arrays: Sequence[Array | None]) -> Shapes | None:
    q, k, v, mask, past_key, past_value = arrays[:6]
    if q is None or k is None or v is None or (past_key is None) != (past_value is None):
        return None
    heads, kv_heads = params["q_num_heads"], params["kv_num_heads"]
    if q.ndim == 4 and k.ndim == 4:
        heads, kv_heads = q.shape[1], k.shape[1]
    if not agree(heads, kv_heads, q, k, v, mask, past_key, past_value):
        return None
    four = q.ndim == 4
    size, v_size = (x.shape[3] if four else x.shape[2] // n for x, n in ((q, heads), (v, kv_heads)))
    queries, length = (x.shape[2 if four else 1] for x in (q, k))
    out = (q.shape[0], heads, queries, v_size) if four else (q.shape[0], queries, heads * v_size)
    if not params["present"]:
        return (out,)
    total = length + (0 if past_key is None else past_key.shape[2])
    return (out, *((q.shape[0], kv_heads, total, n) for n in (size, v_size)))


def _conv(params: Mapping[str, Any], arrays: Sequence[Array | None]) -> Shapes | None:
    x, w = _shape(arrays, 0), _shape(arrays, 1)
    if params.get("layout") != "nhwc" or len(x) != 4 or len(w) != 4:
        return None
    channels, sizes = x[3], x[1:3]
    if params.get("x_layout") == "nchw":
        channels, sizes = x[1], x[2:]
    group = int(params.get("group", 1))
    if group < 1 or channels != w[1] * group or w[0] % group:
        return None
    outputs = _outputs(_windows(params, w[2:]), sizes)
    bias = arrays[2] if len(arrays) > 2 else None
    if outputs is None or (bias is not None and bias.shape != w[:1]):
        return None
    return _finished((x[0], *outputs, w[0]), (*arrays[:2], None, *arrays[3:]))


def _pool(params: Mapping[str, Any], arrays: Sequence[Array | None]) -> Shapes | None:
    x = _shape(arrays, 0)
    if params.get("layout") != "nhwc" or len(x) != 4 or len(params["kernel_shape"]) != 2:
        return None
    outputs = _outputs(_windows(params, params["kernel_shape"]), x[1:3])
    return None if outputs is None else ((x[0], *outputs, x[3]),)


def _global_pool(params: Mapping[str, Any], arrays: Sequence[Array | None]) -> Shapes | None:
    x = _shape(arrays, 0)
    if params.get("layout") != "nhwc" or len(x) < 3:
        return None
    return ((x[0], *(1,) * (len(x) - 2), x[-1]),)


def _windows(params: Mapping[str, Any], kernel: Sequence[int]) -> tuple[WindowAxis, ...]:
    return window_axes(
        kernel,
        params.get("strides", ()),
        params.get("pads", ()),
        params.get("dilations", ()),
        params.get("auto_pad", "NOTSET"),
        params.get("ceil_mode", False),
    )


def _outputs(axes: Sequence[WindowAxis], sizes: Sequence[int]) -> tuple[int, ...] | None:
    try:
        return tuple(axis.output_size(size) for axis, size in zip(axes, sizes, strict=True))
    except ValueError:
        return None


def algorithm_of(callee: str, params: Mapping[str, Any], arrays: Sequence[Array | None]) -> str:
    """The algorithm for a call on operands for which there is a rule."""
    if callee == "conv":
        w = _shape(arrays, 1)
        if w[1] == 1 and params.get("group", 1) == w[0] > 1:
            return "conv_depthwise_nhwc"
        axes = _windows(params, w[2:])
        is_single = all(axis.kernel == axis.stride == 1 and not any(axis.pads) for axis in axes)
        is_plain = params.get("group", 1) == 1 and params.get("x_layout", "nhwc") == "nhwc"
        return "conv_gemm_1x1_nhwc" if is_single and is_plain else "conv_im2col_nhwc"
    return f"{callee}_nhwc" if "_pool" in callee else callee


def _shape(arrays: Sequence[Array | None], index: int) -> Shape:
    array = arrays[index]
    assert array is not None
    return array.shape


RESULTS: Mapping[str, Rule] = MappingProxyType(
    {
        "attention": _attention,
        "average_pool": _pool,
        "conv": _conv,
        **dict.fromkeys(ELEMENTWISE, _broadcast),
        "dynamic_quantize_linear": _quantized,
        "fused": _broadcast,
        "gemm": _gemm,
        "global_average_pool": _global_pool,
        "global_max_pool": _global_pool,
        "layer_normalization": _normalized,
        "matmul": _matmul,
        "matmul_integer_to_float": _integer_product,
        "max_pool": _pool,
        "rms_normalization": _normalized,
        "softmax": _same,
        "transpose": _transposed,
    }
)
"""Algorithms that run as machine code whatever their sizes."""

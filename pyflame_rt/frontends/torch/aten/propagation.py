"""Which dimensions of an op's results are those of its operands, so that equal sizes stay equal.

What is not told here is a size of its own: nothing depends on it being known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, TypeAlias, cast

from xdsl.dialects.builtin import DenseArrayBase, IntegerAttr
from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.constraints import ints
from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of
from pyflame_rt.frontends.torch.aten import sizes
from pyflame_rt.frontends.torch.aten.sizes import Int, Size

Dims: TypeAlias = tuple[Int, ...]
Found: TypeAlias = Sequence[Int | None]
Known: TypeAlias = Callable[[SSAValue], Dims]


def propagate(op: PfrtOp, known: dict[SSAValue, Dims]) -> None:
    """Note the dimensions of an op's results that are not all static."""
    result = op.results[0] if op.results else None
    shape = None if result is None else shape_of(result)
    if result is None or shape is None or DYNAMIC not in shape:
        return
    if any(shape_of(operand) is None for operand in op.operands):
        return

    def dims(value: SSAValue) -> Dims:
        given = known.get(value)
        if given is None:
            rank = len(shape_of(value) or ())
            given = tuple(Size.of_dim(value, axis) for axis in range(rank))
        return given

    name = op.name.removeprefix("pfrt.")
    rule = _broadcast_all if op.ELEMENTWISE else _RULES.get(name)
    found = None if rule is None else rule(op, dims)
    if found is None or len(found) != len(shape):
        return
    known[result] = tuple(
        Size.of_dim(result, axis) if dim is None or shape[axis] != DYNAMIC else dim
        for axis, dim in enumerate(found)
    )


def broadcast(shapes: Sequence[Dims]) -> Found:
    """The shape to which shapes broadcast; None for a dimension that depends on the unknowns."""
    rows = zip_longest(*(reversed(shape) for shape in shapes), fillvalue=1)
    return tuple(_broadcast_dim(row) for row in rows)[::-1]


def _broadcast_dim(row: Sequence[Int]) -> Int | None:
    left = [dim for dim in row if dim != 1]
    for dim in left:
        if isinstance(dim, int):
            return dim
    if not left:
        return 1
    return left[0] if all(dim == left[0] for dim in left) else None


def _broadcast_all(op: PfrtOp, dims: Known) -> Found:
    return broadcast([dims(operand) for operand in op.operands])


def _same(op: PfrtOp, dims: Known) -> Found:
    return dims(op.operands[0])


def _transpose(op: PfrtOp, dims: Known) -> Found:
    given = dims(op.operands[0])
    perm = _ints(op, "perm")
    return given[::-1] if perm is None else [given[axis] for axis in perm]


def _unsqueeze(op: PfrtOp, dims: Known) -> Found | None:
    if (axes := _ints(op, "axes")) is None:
        return None
    given = dims(op.operands[0])
    rank = len(given) + len(axes)
    new = {axis % rank for axis in axes}
    rest = iter(given)
    return [1 if axis in new else next(rest) for axis in range(rank)]


def _squeeze(op: PfrtOp, dims: Known) -> Found | None:
    if (axes := _ints(op, "axes")) is None:
        return None
    given = dims(op.operands[0])
    gone = {axis % len(given) for axis in axes}
    return [dim for axis, dim in enumerate(given) if axis not in gone]


def _concat(op: PfrtOp, dims: Known) -> Found:
    rows = [dims(operand) for operand in op.operands]
    axis = _int(op, "axis") % len(rows[0])
    total: Int = 0
    for row in rows:
        total = sizes.add(total, row[axis])
    found = [_known_one(column) for column in zip(*rows, strict=True)]
    found[axis] = total
    return found


def _known_one(column: Sequence[Int]) -> Int:
    """A dimension that several operands share, as precisely as any says it."""
    return next((dim for dim in column if isinstance(dim, int)), column[0])


def _matmul(op: PfrtOp, dims: Known) -> Found | None:
    a, b = dims(op.operands[0]), dims(op.operands[1])
    if len(a) < 2 or len(b) < 2:
        return None
    return (*broadcast([a[:-2], b[:-2]]), a[-2], b[-1])


def _gemm(op: PfrtOp, dims: Known) -> Found:
    a, b = dims(op.operands[0]), dims(op.operands[1])
    return (a[1] if _int(op, "trans_a") else a[0], b[0] if _int(op, "trans_b") else b[1])


def _gather(op: PfrtOp, dims: Known) -> Found:
    given, indices = dims(op.operands[0]), dims(op.operands[1])
    axis = _int(op, "axis") % len(given)
    return (*given[:axis], *indices, *given[axis + 1 :])


def _gather_elements(op: PfrtOp, dims: Known) -> Found:
    return dims(op.operands[1])


def _but_axis(op: PfrtOp, dims: Known) -> Found:
    given: list[Int | None] = list(dims(op.operands[0]))
    given[_int(op, "axis") % len(given)] = None
    return given


def _slice(op: PfrtOp, dims: Known) -> Found | None:
    given: list[Int | None] = list(dims(op.operands[0]))
    if (axes := _ints(op, "axes")) is None:
        return None
    for axis in axes:
        given[axis % len(given)] = None
    return given


def _pad(op: PfrtOp, dims: Known) -> Found | None:
    pads = _ints(op, "pads")
    given = dims(op.operands[0])
    if pads is None or len(pads) != 2 * len(given):
        return None
    before, after = pads[: len(given)], pads[len(given) :]
    return [sizes.add(dim, a + b) for dim, a, b in zip(given, before, after, strict=True)]


def _reduce(op: PfrtOp, dims: Known) -> Found | None:
    given = dims(op.operands[0])
    axes = _ints(op, "axes")
    if axes is None:
        return None
    gone = {axis % len(given) for axis in axes}
    if not _int(op, "keepdims"):
        return [dim for axis, dim in enumerate(given) if axis not in gone]
    return [1 if axis in gone else dim for axis, dim in enumerate(given)]


def _arg_reduce(op: PfrtOp, dims: Known) -> Found:
    given = list(dims(op.operands[0]))
    axis = _int(op, "axis") % len(given)
    if _int(op, "keepdims"):
        given[axis] = 1
    else:
        del given[axis]
    return given


def _window(op: PfrtOp, dims: Known) -> Found:
    """Batch and, where strides and pads leave it as it is, each spatial dimension."""
    given = dims(op.operands[0])
    spatial = len(given) - 2
    is_conv = op.name == "pfrt.conv"
    channels = dims(op.operands[1])[0] if is_conv else given[1]
    kernel = dims(op.operands[1])[2:] if is_conv else (_ints(op, "kernel_shape") or ())
    strides = _ints(op, "strides") or (1,) * spatial
    dilations = _ints(op, "dilations") or (1,) * spatial
    pads = _ints(op, "pads") or (0,) * (2 * spatial)
    found: list[Int | None] = [given[0], channels]
    for i in range(spatial):
        size = kernel[i]
        grown = (
            pads[i] + pads[i + spatial] - dilations[i] * (size - 1) if isinstance(size, int) else 1
        )
        found.append(given[2 + i] if grown == 0 and strides[i] == 1 else None)
    return found


def _batch_only(op: PfrtOp, dims: Known) -> Found:
    rank = len(shape_of(op.results[0]) or ())
    return (dims(op.operands[0])[0], *(None,) * (rank - 1))


def _int(op: PfrtOp, name: str) -> int:
    return cast("IntegerAttr[Any]", getattr(op, name)).value.data


def _ints(op: PfrtOp, name: str) -> tuple[int, ...] | None:
    attr: object = getattr(op, name)
    return ints(cast(Any, attr)) if isinstance(attr, DenseArrayBase) else None


_RULES: Mapping[str, Callable[[PfrtOp, Known], Found | None]] = {
    **dict.fromkeys(
        (
            "batch_normalization",
            "cast",
            "clip",
            "cum_prod",
            "cum_sum",
            "group_normalization",
            "hardmax",
            "identity",
            "instance_normalization",
            "layer_normalization",
            "log_softmax",
            "lp_normalization",
            "prelu",
            "quantize_linear",
            "dequantize_linear",
            "rms_normalization",
            "scatter_elements",
            "scatter_nd",
            "softmax",
            "trilu",
        ),
        _same,
    ),
    **dict.fromkeys(
        ("reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_prod", "reduce_l1"),
        _reduce,
    ),
    **dict.fromkeys(("reduce_l2", "reduce_log_sum_exp", "reduce_sum_square"), _reduce),
    "arg_max": _arg_reduce,
    "arg_min": _arg_reduce,
    "average_pool": _window,
    "concat": _concat,
    "conv": _window,
    "conv_transpose": _batch_only,
    "gather": _gather,
    "gather_elements": _gather_elements,
    "gemm": _gemm,
    "matmul": _matmul,
    "max_pool": _window,
    "pad": _pad,
    "resize": _batch_only,
    "slice": _slice,
    "split": _but_axis,
    "squeeze": _squeeze,
    "top_k": _but_axis,
    "transpose": _transpose,
    "unsqueeze": _unsqueeze,
}
"""Op -> the dimensions of its first result from those of its operands."""

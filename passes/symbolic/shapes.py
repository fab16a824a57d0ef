"""The sizes of an op's results from those of its operands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeAlias

from xdsl.ir import Operation

from pyflame_rt.dialects.pfrt import normalization as norms
from pyflame_rt.dialects.pfrt.base import PfrtOp, normalize_axis
from pyflame_rt.dialects.pfrt.contraction import GemmOp, MatmulOp
from pyflame_rt.dialects.pfrt.convolution import ConvOp
from pyflame_rt.dialects.pfrt.data import ConstantOfShapeOp, RangeOp
from pyflame_rt.dialects.pfrt.indexing import GatherElementsOp, ScatterElementsOp, ScatterNdOp
from pyflame_rt.dialects.pfrt.integer_products import (
    ConvIntegerOp,
    MatmulIntegerOp,
    QlinearConvOp,
    QlinearMatmulOp,
    QuantizedConvOp,
    QuantizedProductOp,
)
from pyflame_rt.dialects.pfrt.integer_to_float import ConvIntegerToFloatOp, MatmulIntegerToFloatOp
from pyflame_rt.dialects.pfrt.parameters import known_ints, known_length
from pyflame_rt.dialects.pfrt.pieces import (
    ConcatOp,
    GatherOp,
    PadOp,
    SliceOp,
    SplitOp,
    TileOp,
)
from pyflame_rt.dialects.pfrt.pooling import AveragePoolOp, LpPoolOp, MaxPoolOp
from pyflame_rt.dialects.pfrt.positions import TriluOp
from pyflame_rt.dialects.pfrt.quantization import (
    DequantizeLinearOp,
    DynamicQuantizeLinearOp,
    QuantizeLinearOp,
)
from pyflame_rt.dialects.pfrt.recurrent import RecurrentOp
from pyflame_rt.dialects.pfrt.reduction import ArgOp, ReduceOp
from pyflame_rt.dialects.pfrt.shape import (
    ExpandOp,
    FlattenOp,
    IdentityOp,
    ReshapeOp,
    SqueezeOp,
    TransposeOp,
    UnsqueezeOp,
)
from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of, static_shape_of
from pyflame_rt.dialects.pfrt.windowed import WindowedOp
from pyflame_rt.kernels.reduction import reduced_axes
from pyflame_rt.kernels.windows import WindowAxis
from pyflame_rt.passes.symbolic.facts import Facts, Partial, Sizes
from pyflame_rt.passes.symbolic.reshaping import given, reshaped
from pyflame_rt.passes.symbolic.sizes import (
    Size,
    add,
    is_never_negative,
    multiply,
    product,
    smaller,
    subtract,
    total,
)

Rule: TypeAlias = Callable[[Facts, Any], Partial | None]


def visit_shapes(facts: Facts, op: PfrtOp) -> None:
    """Record the sizes of an op's results."""
    if all(static_shape_of(result) is not None for result in op.results):
        return
    if isinstance(op, SplitOp):
        _split(facts, op)
    elif isinstance(op, RecurrentOp):
        _recurrent(facts, op)
    else:
        rule = _rule(type(op))
        facts.set_shape(op.results[0], None if rule is None else rule(facts, op))


@cache
def _rule(kind: type[Operation]) -> Rule | None:
    if (rule := _RULES.get(kind)) is not None:
        return rule
    if issubclass(kind, ReduceOp):
        return _reduce
    if issubclass(kind, ArgOp):
        return _arg
    if issubclass(kind, norms.NormalizationOp):
        return _first
    return _elementwise if issubclass(kind, PfrtOp) and kind.ELEMENTWISE else None


def _first(facts: Facts, op: PfrtOp) -> Partial | None:
    return facts.shape(op.operands[0])


def _elementwise(facts: Facts, op: PfrtOp) -> Partial | None:
    return _broadcast(facts, [facts.shape(operand) for operand in op.operands])


def _broadcast(facts: Facts, shapes: Sequence[Sizes | None]) -> Partial | None:
    known = [shape for shape in shapes if shape is not None]
    if len(known) < len(shapes) or not known:
        return None
    rank = max(map(len, known))
    padded = [(1,) * (rank - len(shape)) + shape for shape in known]
    return [facts.broadcast(sizes) for sizes in zip(*padded, strict=True)]


def _transpose(facts: Facts, op: TransposeOp) -> Partial | None:
    shape, perm = facts.shape(op.operand), op.permutation()
    return None if shape is None or perm is None else [shape[axis] for axis in perm]


def _reshape(facts: Facts, op: ReshapeOp) -> Partial | None:
    shape, wanted = facts.shape(op.operand), given(facts, op, "shape")
    if shape is None or wanted is None:
        return None
    return reshaped(shape, wanted, allowzero=bool(op.allowzero.value.data))


def _flatten(facts: Facts, op: FlattenOp) -> Partial | None:
    shape, axis = facts.shape(op.operand), op.axis.value.data
    return None if shape is None else [product(shape[:axis]), product(shape[axis:])]


def _squeeze(facts: Facts, op: SqueezeOp) -> Partial | None:
    shape, axes = facts.shape(op.operand), known_ints(op, "axes")
    if shape is None or axes is None:
        return None
    dropped = {axis % len(shape) for axis in axes}
    return [size for axis, size in enumerate(shape) if axis not in dropped]


def _unsqueeze(facts: Facts, op: UnsqueezeOp) -> Partial | None:
    shape, axes = facts.shape(op.operand), known_ints(op, "axes")
    if shape is None or axes is None:
        return None
    rank = len(shape) + len(axes)
    new, left = {axis % rank for axis in axes}, iter(shape)
    return [1 if axis in new else next(left) for axis in range(rank)]


def _expand(facts: Facts, op: ExpandOp) -> Partial | None:
    return _broadcast(facts, [facts.shape(op.operand), given(facts, op, "shape")])


def _concat(facts: Facts, op: ConcatOp) -> Partial | None:
    shapes = [facts.shape(operand) for operand in op.operands]
    known = [shape for shape in shapes if shape is not None]
    if len(known) < len(shapes):
        return None
    along = normalize_axis(op.axis.value.data, len(known[0]))
    result: list[Size | None] = [
        next((size for size in sizes if isinstance(size, int)), sizes[0])
        for sizes in zip(*known, strict=True)
    ]
    result[along] = total(shape[along] for shape in known)
    return result


def _split(facts: Facts, op: SplitOp) -> None:
    shape, sizes = facts.shape(op.operand), known_ints(op, "split")
    for index, part in enumerate(op.results):
        if shape is None:
            facts.set_shape(part, None)
            continue
        partial: list[Size | None] = list(shape)
        partial[op.axis.value.data] = None if sizes is None else sizes[index]
        facts.set_shape(part, partial)


def _slice(facts: Facts, op: SliceOp) -> Partial | None:
    shape, starts, ends = (
        facts.shape(op.operand),
        given(facts, op, "starts"),
        given(facts, op, "ends"),
    )
    axes, steps = known_ints(op, "axes"), known_ints(op, "steps")
    if shape is None or op.axes_value is not None or op.steps_value is not None:
        return None
    result: list[Size | None] = list(shape)
    if axes is None:
        count = next((n for name in ("starts", "ends") if (n := known_length(op, name))), None)
        if count is None:
            return None
        axes = tuple(range(count))
    for index, axis in enumerate(axes):
        step = steps[index] if steps is not None else 1
        result[axis] = None
        if starts is not None and ends is not None and step == 1:
            size, start, end = shape[axis], starts[index], ends[index]
            result[axis] = _sliced(size, start, end)
            if start == 0 and result[axis] is None and isinstance(size, int):
                result[axis] = _capped(facts, op, axis % len(shape), end, size)
    return result


def _capped(facts: Facts, op: SliceOp, axis: int, size: Size, cap: int) -> Size | None:
    if cap < 1 or not is_never_negative(size):
        return None
    return facts.capped(size, cap, op.result, axis)


def _sliced(size: Size, start: Size, end: Size) -> Size | None:
    """The length of x[start:end] in a dimension of that size; None when it depends."""
    low, high = _bound(size, start), _bound(size, end)
    if low is None or high is None:
        return None
    length = subtract(high, low)
    return length if length is not None and is_never_negative(length) else None


def _bound(size: Size, bound: Size) -> Size | None:
    if isinstance(bound, int) and bound < 0:
        counted = add(size, bound)
        return counted if counted is not None and is_never_negative(counted) else None
    if isinstance(bound, int) and bound >= 2**31 - 1:
        return size
    return smaller(size, bound) if is_never_negative(bound) else None


def _gather(facts: Facts, op: GatherOp) -> Partial | None:
    shape, indices = facts.shape(op.operand), facts.shape(op.indices)
    if shape is None or indices is None:
        return None
    along = normalize_axis(op.axis.value.data, len(shape))
    return [*shape[:along], *indices, *shape[along + 1 :]]


def _indices(facts: Facts, op: GatherElementsOp) -> Partial | None:
    return facts.shape(op.indices)


def _tile(facts: Facts, op: TileOp) -> Partial | None:
    shape, times = facts.shape(op.operand), given(facts, op, "repeats")
    if shape is None or times is None or len(shape) != len(times):
        return None
    return [multiply(size, count) for size, count in zip(shape, times, strict=True)]


def _pad(facts: Facts, op: PadOp) -> Partial | None:
    shape, pads = facts.shape(op.operand), given(facts, op, "pads")
    if shape is None or pads is None or op.axes_value is not None:
        return None
    axes = known_ints(op, "axes")
    axes = range(len(shape)) if axes is None else [axis % len(shape) for axis in axes]
    result: list[Size | None] = list(shape)
    for index, axis in enumerate(axes):
        result[axis] = total((shape[axis], pads[index], pads[index + len(axes)]))
    return result


def _constant_of_shape(facts: Facts, op: ConstantOfShapeOp) -> Partial | None:
    return given(facts, op, "shape")


def _range(facts: Facts, op: RangeOp) -> Partial | None:
    start, limit, delta = (facts.contents(operand) for operand in op.operands)
    if start is None or limit is None or delta != (1,):
        return None
    length = subtract(limit[0], start[0])
    return [length if length is not None and is_never_negative(length) else None]


def _reduce(facts: Facts, op: ReduceOp) -> Partial | None:
    shape, axes = facts.shape(op.operand), op.known_axes()
    if shape is None or axes is None:
        return None
    reduced = reduced_axes(len(shape), axes, bool(op.noop_with_empty_axes))
    if op.keepdims:
        return [1 if axis in reduced else size for axis, size in enumerate(shape)]
    return [size for axis, size in enumerate(shape) if axis not in reduced]


def _arg(facts: Facts, op: ArgOp) -> Partial | None:
    shape = facts.shape(op.operand)
    if shape is None:
        return None
    axis = normalize_axis(op.axis.value.data, len(shape))
    return [*shape[:axis], *((1,) if op.keepdims else ()), *shape[axis + 1 :]]


def _matmul(facts: Facts, op: MatmulOp) -> Partial | None:
    return _multiplied(facts, facts.shape(op.lhs), facts.shape(op.rhs))


def _integer_product(facts: Facts, op: QuantizedProductOp) -> Partial | None:
    return _multiplied(facts, *map(facts.shape, op.factors))


def _multiplied(facts: Facts, left: Sizes | None, right: Sizes | None) -> Partial | None:
    if not left or not right:
        return None
    batch = _broadcast(facts, [left[:-2], right[:-2]]) or ()
    return [*batch, *left[-2:-1], *(right[-1:] if len(right) > 1 else ())]


def _gemm(facts: Facts, op: GemmOp) -> Partial | None:
    a, b = facts.shape(op.a), facts.shape(op.b)
    if a is None or b is None:
        return None
    return [a[1] if op.trans_a else a[0], b[0] if op.trans_b else b[1]]


def _conv(facts: Facts, op: ConvOp | QuantizedConvOp) -> Partial | None:
    weights = shape_of(op.w)
    channels = None if weights is None or weights[0] == DYNAMIC else weights[0]
    return _windowed(facts, op, channels)


def _pool(facts: Facts, op: WindowedOp) -> Partial | None:
    shape = facts.shape(op.data)
    return None if shape is None else _windowed(facts, op, shape[1])


def _windowed(facts: Facts, op: WindowedOp, channels: Size | None) -> Partial | None:
    shape, axes = facts.shape(op.data), op.window_axes()
    if shape is None or axes is None or op.data_layout != "nchw":
        return None
    positions = [
        _positions(facts, op, window, axis, shape[axis]) for axis, window in enumerate(axes, 2)
    ]
    return [shape[0], channels, *positions]


def _positions(
    facts: Facts, op: WindowedOp, window: WindowAxis, axis: int, size: Size
) -> Size | None:
    """How often a window fits along an axis: ops of like windows on equal sizes agree."""
    if DYNAMIC in (window.kernel, *window.pads):
        return None
    if window.stride == 1 and window.auto_pad == "NOTSET":
        return add(size, sum(window.pads) - window.extent + 1)
    return facts.keyed((window, size), op.results[0], axis)


def _recurrent(facts: Facts, op: RecurrentOp) -> None:
    shape = facts.shape(op.x)
    if shape is None or len(shape) != 3:
        return
    batch = shape[0] if op.layout.value.data else shape[1]
    steps = shape[1] if op.layout.value.data else shape[0]
    y = (batch, steps, None, None) if op.layout.value.data else (steps, None, batch, None)
    last = (batch, None, None) if op.layout.value.data else (None, batch, None)
    for result, partial in zip(op.results, (y, last, last), strict=False):
        facts.set_shape(result, partial)


_RULES: dict[type[Operation], Rule] = {
    AveragePoolOp: _pool,
    ConcatOp: _concat,
    ConstantOfShapeOp: _constant_of_shape,
    ConvIntegerOp: _conv,
    ConvIntegerToFloatOp: _conv,
    ConvOp: _conv,
    DequantizeLinearOp: _first,
    DynamicQuantizeLinearOp: _first,
    ExpandOp: _expand,
    FlattenOp: _flatten,
    GatherElementsOp: _indices,
    GatherOp: _gather,
    GemmOp: _gemm,
    IdentityOp: _first,
    LpPoolOp: _pool,
    MatmulIntegerOp: _integer_product,
    MatmulIntegerToFloatOp: _integer_product,
    MatmulOp: _matmul,
    MaxPoolOp: _pool,
    PadOp: _pad,
    QlinearConvOp: _conv,
    QlinearMatmulOp: _integer_product,
    QuantizeLinearOp: _first,
    RangeOp: _range,
    ReshapeOp: _reshape,
    ScatterElementsOp: _first,
    ScatterNdOp: _first,
    SliceOp: _slice,
    SqueezeOp: _squeeze,
    TileOp: _tile,
    TransposeOp: _transpose,
    TriluOp: _first,
    UnsqueezeOp: _unsqueeze,
}

"""How calls of a plan are cut into pieces that can be computed at the same time.

A piece is a call of the same algorithm on parts of the buffers. Cuts go along batches, rows or heads,
where pieces have no sum in common: their results are those of the whole call, up to how the algorithm
rounds for other sizes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, TypeAlias, cast

from xdsl.dialects.builtin import MemRefType, TensorType
from xdsl.ir import Attribute, Block, SSAValue
from xdsl.irdl import OptOperandDef, VarOperandDef, VarResultDef

from pyflame_rt.dialects.pfrt import operations
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.types import from_properties, to_property
from pyflame_rt.dialects.plan.algorithms import ALGORITHMS
from pyflame_rt.dialects.plan.algorithms.elementwise import ELEMENTWISE
from pyflame_rt.dialects.plan.ops import CallOp, ConstantOp, is_static
from pyflame_rt.dialects.plan.places import Box, Shape, shape_of_buffer
from pyflame_rt.kernels.windows import WindowAxis, window_axes
from pyflame_rt.passes.conversion.plan_scope import ranked_buffer

Range: TypeAlias = tuple[int, int]

_COLUMNS = 64
"""Columns of weights are packed in multiples of so many; parts of them are not packed again."""

_TILE = 2
"""Rows of a tile of a convolution by tiles."""

_FEW_ROWS = 16
_MANY_WEIGHTS = 1 << 18
"""With fewer rows and more elements of weights, a product takes as long as it takes to read them:
workers must not read the same."""


@dataclass(frozen=True)
class Piece:
    """The parts that a piece takes of each input (None for all of it) and of each result, and the
    params in which it differs from the whole call."""

    inputs: tuple[Box | None, ...]
    into: tuple[Box, ...]
    params: Mapping[str, Attribute] = field(default_factory=dict[str, Attribute])


Way: TypeAlias = tuple[Piece, ...]
"""A way to cut a call: a piece for each worker."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A call that may be cut."""

    call: CallOp

    @cached_property
    def inputs(self) -> tuple[Shape | None, ...]:
        """The shape of each input, None for an absent one."""
        return tuple(None if v is None else shape_of_buffer(v) for v in self.call.slots())

    @cached_property
    def into(self) -> tuple[Shape, ...]:
        """The shape of each result."""
        return tuple(shape_of_buffer(value) for value in self.call.into)

    @cached_property
    def params(self) -> Mapping[str, Any]:
        """The op's properties as Python values."""
        params = self.call.params
        return {} if params is None else cast("dict[str, Any]", from_properties(params.data))

    def input(self, index: int) -> Shape | None:
        """The shape of an input; None if it is absent or left out."""
        return self.inputs[index] if index < len(self.inputs) else None

    def op(self) -> PfrtOp | None:
        """The op that the call computes, on tensors of the same shapes."""
        return _op_of(self.call, [None if v is None else v.type for v in self.call.slots()])

    def scratch(self, piece: Piece) -> Sequence[MemRefType[Any]]:
        """The scratch buffers of a piece."""
        algorithm = ALGORITHMS.get(self.call.algorithm)
        if algorithm is None or not self.call.scratch:
            return ()
        kinds = [
            None if value is None else part_type(value, box)
            for value, box in zip(self.call.slots(), piece.inputs, strict=True)
        ]
        into = [part_type(v, box) for v, box in zip(self.call.into, piece.into, strict=True)]
        op = _op_of(self.call, kinds, into, piece.params)
        return () if op is None else algorithm.scratch(op)


def part_type(value: SSAValue, box: Box | None) -> MemRefType[Any]:
    """The type of a part of a buffer."""
    kind = cast("MemRefType[Any]", value.type)
    return kind if box is None else ranked_buffer(kind.element_type, box.sizes)


def _op_of(
    call: CallOp,
    inputs: Sequence[Attribute | None],
    into: Sequence[Attribute] | None = None,
    params: Mapping[str, Attribute] | None = None,
) -> PfrtOp | None:
    """The op of a call, apart from everything; None if there is no such."""
    algorithm = ALGORITHMS.get(call.algorithm)
    name = f"pfrt.{call.algorithm}" if algorithm is None else algorithm.op
    known = operations().get(name)
    if known is None or not issubclass(known, PfrtOp):
        return None
    kinds = [None if kind is None else _tensor(kind) for kind in inputs]
    values = iter(Block(arg_types=[kind for kind in kinds if kind is not None]).args)
    slots = [None if kind is None else next(values) for kind in kinds]
    definition = known.get_irdl_definition()
    operands: list[Sequence[SSAValue] | SSAValue] = []
    for _, kind in definition.operands:
        if isinstance(kind, OptOperandDef):
            taken, slots = slots[:1], slots[1:]
            operands.append([value for value in taken if value is not None])
        elif isinstance(kind, VarOperandDef):
            operands.append([value for value in slots if value is not None])
            slots = []
        elif slots and slots[0] is not None:
            operands.append(slots[0])
            slots = slots[1:]
        else:
            return None
    results = [_tensor(kind) for kind in (into or [value.type for value in call.into])]
    types: list[Sequence[Attribute] | Attribute] = []
    for _, kind in definition.results:
        if isinstance(kind, VarResultDef):
            types.append(results)
            results = []
        elif not results:
            return None
        else:
            types.append(results[0])
            results = results[1:]
    attributes = {**({} if call.params is None else call.params.data), **(params or {})}
    properties = {n: a for n, a in attributes.items() if n in definition.properties}
    return known.build(operands=operands, properties=properties, result_types=types)


def _tensor(kind: Attribute) -> TensorType[Any]:
    buffer = cast("MemRefType[Any]", kind)
    return _ranked_tensor(buffer.element_type, buffer.get_shape())


@lru_cache(maxsize=4096)
def _ranked_tensor(element: Attribute, shape: tuple[int, ...]) -> TensorType[Any]:
    return TensorType(element, shape)


def ways(subject: Subject, count: int) -> Iterator[Way]:
    """The ways to cut a call into so many pieces, the best first."""
    call = subject.call
    cut = _CUTS.get(call.algorithm)
    if cut is None or not call.into or not all(is_static(v.type) for v in call.operands):
        return
    if any(0 in shape for shape in (*subject.into, *subject.inputs) if shape is not None):
        return
    yield from cut(subject, count)


def _ranges(size: int, count: int, multiple: int = 1) -> list[Range]:
    """Nearly equal stretches of an axis, each but the last one a multiple of something; none if the
    axis is too short."""
    units = -(-size // multiple)
    if units < count:
        return []
    ends = [min(size, units * (i + 1) // count * multiple) for i in range(count)]
    return list(zip([0, *ends], ends, strict=False))


def _along(shape: Shape, axis: int, taken: Range) -> Box:
    """A stretch of one axis, and all of the others."""
    offsets = tuple(taken[0] if i == axis else 0 for i in range(len(shape)))
    sizes = tuple(taken[1] - taken[0] if i == axis else size for i, size in enumerate(shape))
    return Box(offsets, sizes)


def _leading(shape: Shape) -> int:
    """The first axis that has more than one element: stretches of it lie together."""
    return next((axis for axis, size in enumerate(shape) if size > 1), 0)


def _broadcast(shape: Shape | None, rank: int, axis: int, taken: Range) -> Box | None:
    """What a stretch of a result's axis takes of an operand that broadcasts to it."""
    if shape is None:
        return None
    own = axis - (rank - len(shape))
    return None if own < 0 or shape[own] == 1 else _along(shape, own, taken)


def _elementwise(s: Subject, count: int) -> Iterator[Way]:
    """Along the first axis there is; operands broadcast."""
    y = s.into[0]
    if not y:
        return
    axis = _leading(y)
    if found := _ranges(y[axis], count):
        yield tuple(
            Piece(
                tuple(_broadcast(shape, len(y), axis, r) for shape in s.inputs),
                (_along(y, axis, r),),
            )
            for r in found
        )


def _first_only(s: Subject, count: int, axis: int) -> Iterator[Way]:
    """Along an axis of the first input and of the result; other inputs are taken whole."""
    x, y = s.inputs[0], s.into[0]
    if x is None or len(x) <= axis or len(y) <= axis or x[axis] != y[axis]:
        return
    others = (None,) * (len(s.inputs) - 1)
    if found := _ranges(y[axis], count):
        yield tuple(Piece((_along(x, axis, r), *others), (_along(y, axis, r),)) for r in found)


def _rows(s: Subject, count: int) -> Iterator[Way]:
    """Rows of which each is computed by itself, along the axes before `axis`."""
    x = s.inputs[0] or ()
    last = int(s.params.get("axis", -1)) % max(len(x), 1)
    axis = _leading(x)
    if axis < last:
        yield from _first_only(s, count, axis)


def _images(s: Subject, count: int) -> Iterator[Way]:
    """Images of a batch."""
    yield from _first_only(s, count, 0)


def _reduction(s: Subject, count: int) -> Iterator[Way]:
    """Along the first axis, if it is not reduced."""
    rank, axes = len(s.inputs[0] or ()), s.params.get("axes")
    if axes and 0 not in {int(axis) % max(rank, 1) for axis in axes}:
        yield from _first_only(s, count, 0)


def _transpose(s: Subject, count: int) -> Iterator[Way]:
    """Along the first axis, if it stays the first."""
    perm = s.params.get("perm")
    if perm and perm[0] == 0:
        yield from _first_only(s, count, 0)


def _concat(s: Subject, count: int) -> Iterator[Way]:
    """Along the first axis, if it is another one than that of the concatenation."""
    y = s.into[0]
    if not y or int(s.params.get("axis", 0)) % len(y) == 0:
        return
    for r in [_ranges(y[0], count)]:
        if r:
            yield tuple(
                Piece(
                    tuple(None if x is None else _along(x, 0, taken) for x in s.inputs),
                    (_along(y, 0, taken),),
                )
                for taken in r
            )


def _matmul(s: Subject, count: int) -> Iterator[Way]:
    """Along the first axis: matrices of a batch, or rows; a few rows along columns."""
    a, b, y = s.inputs[0], s.inputs[1], s.into[0]
    if a is None or b is None or len(a) < 2 or len(b) < 2 or len(y) < 2:
        return
    axis, rank, rows = _leading(y), len(y), math.prod(y[:-1])
    if len(b) == 2 and rows < _FEW_ROWS and (rows == 1 or math.prod(b) > _MANY_WEIGHTS):
        yield from _columns(s, count, 1)
        return
    if axis == rank - 1:
        return
    for r in [_ranges(y[axis], count)]:
        if r:
            yield tuple(
                Piece(
                    (
                        _broadcast(a, rank, axis, taken),
                        None if axis == rank - 2 else _broadcast(b, rank, axis, taken),
                        *(_broadcast(x, rank, axis, taken) for x in s.inputs[2:]),
                    ),
                    (_along(y, axis, taken),),
                )
                for taken in r
            )


def _gemm(s: Subject, count: int) -> Iterator[Way]:
    """Along rows; a few of them along columns."""
    a, b, y = s.inputs[0], s.inputs[1], s.into[0]
    if a is None or b is None or s.params.get("trans_a"):
        return
    if y[0] < _FEW_ROWS and (y[0] == 1 or math.prod(b) > _MANY_WEIGHTS):
        yield from _columns(s, count, 0 if s.params.get("trans_b") else 1)
        return
    for r in [_ranges(y[0], count)]:
        if r:
            yield tuple(
                Piece(
                    (
                        _along(a, 0, taken),
                        None,
                        *(_broadcast(x, 2, 0, taken) for x in s.inputs[2:]),
                    ),
                    (_along(y, 0, taken),),
                )
                for taken in r
            )


def _columns(s: Subject, count: int, axis: int) -> Iterator[Way]:
    """Along the columns of a matrix of weights, of which `axis` is that axis."""
    b, y = s.inputs[1], s.into[0]
    last, weights = len(y) - 1, s.call.slots()[1]
    if b is None or weights is None or not isinstance(weights.owner, ConstantOp):
        return
    if found := _ranges(y[last], count, _COLUMNS):
        yield tuple(
            Piece(
                (
                    None,
                    _along(b, axis, r),
                    *(_broadcast(x, len(y), last, r) for x in s.inputs[2:]),
                ),
                (_along(y, last, r),),
            )
            for r in found
        )


def _attention(s: Subject, count: int) -> Iterator[Way]:
    """Along the batch, or along the heads of keys with the heads of queries that they serve."""
    q, k = s.inputs[0], s.inputs[1]
    if q is None or k is None:
        return
    if q[0] > 1:
        for r in [_ranges(q[0], count)]:
            if r:
                yield tuple(
                    Piece(
                        tuple(_of_batch(i, x, taken) for i, x in enumerate(s.inputs)),
                        tuple(_along(x, 0, taken) for x in s.into),
                    )
                    for taken in r
                )
        return
    is_packed = len(q) == 3
    heads = int(s.params["q_num_heads"]) if is_packed else q[1]
    kv_heads = int(s.params["kv_num_heads"]) if is_packed else k[1]
    if not heads or not kv_heads or heads % kv_heads:
        return
    if found := _ranges(kv_heads, count):
        yield tuple(_heads(s, r, heads, kv_heads) for r in found)


def _of_batch(index: int, shape: Shape | None, taken: Range) -> Box | None:
    if shape is None or (index == 3 and (len(shape) < 4 or shape[0] == 1)):
        return None
    return _along(shape, 0, taken)


def _heads(s: Subject, taken: Range, heads: int, kv_heads: int) -> Piece:
    """The piece for some heads of keys, of a batch of one."""
    group, axis = heads // kv_heads, 2 if len(s.into[0]) == 3 else 1

    def of(shape: Shape | None, where: int, all_heads: int) -> Box | None:
        if shape is None:
            return None
        unit = shape[where] * (group if all_heads == heads else 1) // all_heads
        return _along(shape, where, (taken[0] * unit, taken[1] * unit))

    mask, own = s.input(3), None
    if mask is not None and len(mask) >= 3 and mask[-3] != 1:
        own = _along(mask, len(mask) - 3, (taken[0] * group, taken[1] * group))
    kv = (of(s.inputs[i], axis, kv_heads) for i in (1, 2))
    past = (of(s.input(i), 1, kv_heads) for i in (4, 5))
    # What is left are the lengths of the batch.
    inputs = (of(s.inputs[0], axis, heads), *kv, own, *past, None)
    y, *present = s.into
    into = (of(y, axis, heads), *(of(shape, 1, kv_heads) for shape in present))
    count = taken[1] - taken[0]
    params: dict[str, Attribute] = {}
    if axis == 2:
        params["q_num_heads"] = to_property(count * group)
        params["kv_num_heads"] = to_property(count)
    return Piece(inputs[: len(s.inputs)], tuple(box for box in into if box is not None), params)


def _convolution(s: Subject, count: int) -> Iterator[Way]:
    """Along the batch, or along rows of one image, whose windows see a few rows more."""
    x, y = s.inputs[0], s.into[0]
    if x is None:
        return
    residual = s.input(3)
    found = _ranges(y[0], count)
    if found:
        yield tuple(
            Piece(
                (
                    _along(x, 0, r),
                    *(
                        _broadcast(shape, len(y), 0, r) if i == 3 else None
                        for i, shape in enumerate(s.inputs[1:], start=1)
                    ),
                ),
                (_along(y, 0, r),),
            )
            for r in found
        )
    if s.params.get("layout") != "nhwc" or y[0] != 1:
        return
    weights = s.inputs[1] or ()
    multiple = _TILE if s.call.algorithm == "conv_winograd_nhwc" else 1
    rows = 2 if s.params.get("x_layout") == "nchw" else 1
    for piece in [_rows_of_windows(s, count, weights[2:], rows, multiple)]:
        if piece:
            yield tuple(
                Piece(
                    (
                        seen,
                        *(
                            _along(residual, 1, taken) if i == 3 and residual is not None else None
                            for i in range(1, len(s.inputs))
                        ),
                    ),
                    (_along(y, 1, taken),),
                    params,
                )
                for taken, seen, params in piece
            )


def _pool(s: Subject, count: int) -> Iterator[Way]:
    """Along the batch, or along rows of one image."""
    x, y = s.inputs[0], s.into[0]
    if x is None:
        return
    if y[0] > 1:
        yield from _first_only(s, count, 0)
        return
    if s.params.get("layout") != "nhwc" or s.params.get("ceil_mode"):
        return
    pieces = _rows_of_windows(s, count, s.params["kernel_shape"], 1, 1)
    if pieces:
        yield tuple(
            Piece((seen,), (_along(y, 1, taken),), params) for taken, seen, params in pieces
        )


def _rows_of_windows(
    s: Subject, count: int, kernel: Sequence[int], rows: int, multiple: int
) -> list[tuple[Range, Box, dict[str, Attribute]]]:
    """Stretches of the result's rows, what their windows see of the rows of x, which are its axis
    `rows`, and the padding that is theirs; none where a piece would see padding alone."""
    y, params = s.into[0], s.params
    x: Shape = s.inputs[0] or y
    axes = window_axes(
        tuple(kernel),
        params.get("strides", ()),
        params.get("pads", ()),
        params.get("dilations", ()),
        params.get("auto_pad", "NOTSET"),
    )
    sizes: Shape = x[rows : rows + len(axes)]
    pads = [axis.resolved_pads(size) for axis, size in zip(axes, sizes, strict=True)]
    found: list[tuple[Range, Box, dict[str, Attribute]]] = []
    for taken in _ranges(y[1], count, multiple):
        (low, high), own = _seen(axes[0], pads[0][0], sizes[0], taken)
        if low >= high:
            return []
        begins, ends = ([pair[i] for pair in (own, *pads[1:])] for i in range(2))
        changed: dict[str, Attribute] = {
            "pads": to_property((*begins, *ends)),
            "auto_pad": to_property("NOTSET"),
        }
        found.append((taken, _along(x, rows, (low, high)), changed))
    return found


def _seen(axis: WindowAxis, begin: int, size: int, taken: Range) -> tuple[Range, Range]:
    """The elements that some windows see, and their padding before and after."""
    first = taken[0] * axis.stride - begin
    last = (taken[1] - 1) * axis.stride - begin + axis.extent
    return (max(first, 0), min(last, size)), (max(-first, 0), max(last - size, 0))


_Cut: TypeAlias = Callable[[Subject, int], Iterator[Way]]

_CUTS: Mapping[str, _Cut] = {
    **dict.fromkeys((entry.name for entry in ELEMENTWISE), _elementwise),
    **dict.fromkeys(("cast", "copy"), _elementwise),
    **dict.fromkeys(
        ("layer_normalization", "log_softmax", "rms_normalization", "softmax"), _rows
    ),
    **dict.fromkeys(
        (
            "batch_normalization", "batch_normalization_folded", "batch_normalization_folded_nhwc",
            "conv_integer", "global_average_pool", "global_average_pool_nhwc", "global_max_pool",
            "global_max_pool_nhwc", "qlinear_conv",
        ),
        _images,
    ),
    **dict.fromkeys(("reduce_max", "reduce_mean", "reduce_min", "reduce_sum"), _reduction),
    **dict.fromkeys(("average_pool", "average_pool_nhwc", "max_pool", "max_pool_nhwc"), _pool),
    **dict.fromkeys(
        (
            "conv_depthwise_nhwc", "conv_gemm_1x1", "conv_gemm_1x1_nhwc", "conv_im2col",
            "conv_im2col_nhwc", "conv_winograd_nhwc",
        ),
        _convolution,
    ),
    "attention": _attention,
    "concat": _concat,
    "gemm": _gemm,
    "matmul": _matmul,
    "transpose": _transpose,
}  # fmt: skip

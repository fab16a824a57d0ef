"""Attention by machine code: products, a softmax between them, head by head.

Of many queries, keys and values are packed, and the products are those of `native/gemm.py`; few
queries read them where they lie.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pyflame_rt.backends.numpy_backend.blocks import Rooms
from pyflame_rt.backends.numpy_backend.calls import Call
from pyflame_rt.backends.numpy_backend.compiled_steps import Compiled, Known
from pyflame_rt.backends.runtime import Array
from pyflame_rt.dialects.plan.schedules import Schedule

if TYPE_CHECKING:
    from pyflame_rt.backends.native import steps as native

_FLOAT = 4
_MULTIPLIED = 50.0
"""Multiplications in a nanosecond; about."""
_FEW = 4
"""Queries: for more, keys are read often enough to pack them."""
_SCORES = 1 << 17
"""Bytes of scores that are computed before their softmax."""
_ROOM = 16
"""The number of the first room for scores and packed keys and values."""

_Q, _K, _V, _MASK, _PAST_K, _PAST_V, _OUT = 0, 1, 2, 3, 4, 5, 7


def prepare(schedule: Schedule, call: Call) -> CompiledAttention | None:
    """The attention of a call; None where it asks for what there is no code for."""
    params = call.params
    windows = params["left_window_size"], params["right_window_size"]
    stages = params.get("qk_matmul_output_mode"), params.get("softmax_precision")
    if windows != (-1, -1) or stages != (None, None) or params["broadcast_mask"]:
        return None
    if call.has(6) or params["softcap"] or not call.one_dtype() or call.dtype != np.float32:
        return None
    shapes = [call.shape(i) if call.has(i) else None for i in range(7)]
    return _of_shapes(schedule, shapes, params, call.rooms)


def _of_shapes(
    schedule: Schedule,
    shapes: Sequence[tuple[int, ...] | None],
    params: dict[str, Any],
    rooms: Rooms,
) -> CompiledAttention | None:
    q, k, v, mask, past_key = shapes[:5]
    assert q is not None and k is not None and v is not None
    four = len(q) == 4
    heads, kv_heads = (q[1], k[1]) if four else (params["q_num_heads"], params["kv_num_heads"])
    size, v_size = (x[3] if four else x[2] // n for x, n in ((q, heads), (v, kv_heads)))
    queries, length = (q[2], k[2]) if four else (q[1], k[1])
    past = 0 if past_key is None else past_key[2]
    scale = params.get("scale")
    found = CompiledAttention(
        schedule, four, q[0], heads, kv_heads, queries, length, past, size, v_size,
        size**-0.5 if scale is None else float(scale),
        bool(params["is_causal"]), bool(params["present"]), past_key is not None, mask, rooms,
    )  # fmt: skip
    if 0 in (q[0], heads, queries, found.keys, size, v_size):
        return None
    return found if mask is None or _fits(mask, found) else None


def _fits(mask: tuple[int, ...], of: CompiledAttention) -> bool:
    shape = (1,) * (4 - len(mask)) + mask
    whole = (of.batch, of.heads, of.queries, of.keys)
    return (
        len(shape) == 4
        and shape[3] == of.keys
        and all(n in (1, m) for n, m in zip(shape, whole, strict=True))
    )


@dataclass(frozen=True)
class _Lies:
    """Where (batch, heads, length, size) of an operand lie; bytes."""

    operand: int
    """-1 for memory whose address is known: the offset."""
    batch: int
    head: int
    row: int
    offset: int = 0

    def at(self, batch: int, head: int, row: int = 0, more: int = 0) -> native.Number:
        """The address of a row's element so many bytes on."""
        from pyflame_rt.backends.native.steps import Place

        place = self.offset + batch * self.batch + head * self.head + row * self.row + more
        return place if self.operand < 0 else Place(self.operand, place)


@dataclass(frozen=True, eq=False)
class CompiledAttention(Compiled):
    """softmax(q @ k * scale + mask) @ v for each head of each batch."""

    schedule: Schedule
    four: bool
    """Whether heads are an axis of their own, before that of the length."""
    batch: int
    heads: int
    kv_heads: int
    queries: int
    length: int
    past: int
    size: int
    v_size: int
    scale: float
    causal: bool
    present: bool
    has_past: bool
    mask: tuple[int, ...] | None
    rooms: Rooms

    @property
    def cpu(self) -> str:
        """The kind of code."""
        return self.schedule.cpu

    @property
    def keys(self) -> int:
        """Those of the past, and those that are new."""
        return self.past + self.length

    def steps(self, arrays: Sequence[Known], late: Sequence[int]) -> tuple[native.Step, ...] | None:
        """As `Compiled.steps`, of inputs, results and scratch."""
        from pyflame_rt.backends.native.steps import Step

        sizes = {_Q: (self.heads, self.size), _K: (self.kv_heads, self.size)}
        sizes |= {_V: (self.kv_heads, self.v_size), _OUT: (self.heads, self.v_size)}
        places: dict[int, _Lies] = {}
        for index, (heads, size) in sizes.items():
            length = self.length if index in (_K, _V) else self.queries
            lies = _lies(index, arrays[index], index in late, self.four, heads, length, size)
            if lies is None:
                return None
            places[index] = lies
        others = [i for i in (_MASK, _PAST_K, _PAST_V, 8, 9) if i < len(arrays)]
        for index in others:
            array = arrays[index]
            if array is not None and not (array.flags.c_contiguous and array.flags.aligned):
                return None
        found: list[Step] = []
        if self.has_past or self.present:
            whole = [self._whole(arrays, i, n) for i, n in ((0, self.size), (1, self.v_size))]
            copies = [
                tuple(self._copies(past, places[new], held, n))
                for past, new, held, n in (
                    (_PAST_K, _K, whole[0], self.size), (_PAST_V, _V, whole[1], self.v_size),
                )
            ]  # fmt: skip
            found.append(Step(tuple(copies)))
            places[_K], places[_V] = whole
        heads = [(n, h) for n in range(self.batch) for h in range(self.kv_heads)]
        count = min(self.schedule.shares, len(heads))
        shares: list[native.Share] = []
        for share in range(count):
            some = heads[len(heads) * share // count : len(heads) * (share + 1) // count]
            shares.append(tuple(self._share(share, some, places)))
        multiplied = self.batch * self.heads * self.queries * self.keys * (self.size + self.v_size)
        return (*found, Step(tuple(shares), multiplied / _MULTIPLIED))

    def _whole(self, arrays: Sequence[Known], index: int, size: int) -> _Lies:
        """Where keys or values with those of the past are put: a result, or memory of their own."""
        row = size * _FLOAT
        head = self.keys * row
        if self.present:
            return _Lies(8 + index, self.kv_heads * head, head, row)
        room = self.room(3 + index, self.batch * self.kv_heads * self.keys * size)
        return _Lies(-1, self.kv_heads * head, head, row, room.ctypes.data)

    def room(self, number: int, count: int) -> Array:
        """Memory that this call may use, for so many elements."""
        return self.rooms.get(_ROOM + number, np.dtype(np.float32), count * _FLOAT)

    def _copies(self, past: int, new: _Lies, whole: _Lies, size: int) -> Iterator[native.Call]:
        from pyflame_rt.backends.native.copying import CopyKernel, copy_call
        from pyflame_rt.backends.native.steps import Place

        kernel = CopyKernel(self.cpu, self.schedule.lanes)
        ways = (whole.batch, whole.head, whole.row, _FLOAT)
        if self.has_past:
            head = self.past * size * _FLOAT
            sizes = (self.batch, self.kv_heads, self.past, size)
            source = (self.kv_heads * head, head, size * _FLOAT, _FLOAT)
            yield copy_call(kernel, Place(past), whole.at(0, 0), sizes, source, ways)
        sizes = (self.batch, self.kv_heads, self.length, size)
        source = (new.batch, new.head, new.row, _FLOAT)
        yield copy_call(kernel, new.at(0, 0), whole.at(0, 0, self.past), sizes, source, ways)

    def _share(
        self, share: int, heads: Sequence[tuple[int, int]], places: dict[int, _Lies]
    ) -> Iterator[native.Call]:
        """The calls for some heads of k and v, one after the other in the same memory."""
        head_of = _Few if self.queries <= _FEW else _Many
        one = head_of(self, share, places)
        for batch, head in heads:
            yield from one.calls(batch, head)

    def softmax(
        self, scores: Array, way: int, batch: int, head: int, first: int, rows: int
    ) -> native.Call:
        """That of some queries' scores, in their place."""
        from pyflame_rt.backends.native import kernels
        from pyflame_rt.backends.native.processors import instructions
        from pyflame_rt.backends.native.rows import SoftmaxKernel
        from pyflame_rt.backends.native.steps import Call, Place

        kind = instructions(self.cpu)
        assert kind is not None
        kernel = SoftmaxKernel(self.cpu, self.schedule.lanes, kind.has_fma)
        place, added, added_row = scores.ctypes.data, 0, 0
        if self.mask is not None:
            shape = (1,) * (4 - len(self.mask)) + self.mask
            ways = [math.prod(shape[i + 1 :]) * _FLOAT if shape[i] > 1 else 0 for i in range(3)]
            added_row = ways[2]
            added = Place(_MASK, batch * ways[0] + head * ways[1] + first * ways[2])
        limit, step = (self.past + 1 + first, 1) if self.causal else (self.keys, 0)
        record = (
            place, place, added, rows, self.keys, way, way, added_row, limit, step,
            bits(self.scale), 1,
        )  # fmt: skip
        return Call(kernels.loaded(kernel), record, (scores,))


class _Few:
    """Few queries, which read keys and values as they lie."""

    def __init__(self, of: CompiledAttention, share: int, places: dict[int, _Lies]) -> None:
        self._of, self._places = of, places
        self._scores = of.room(8 + 4 * share, of.queries * of.keys)

    def calls(self, batch: int, head: int) -> Iterator[native.Call]:
        """Those for a head of k and v."""
        from pyflame_rt.backends.native import kernels
        from pyflame_rt.backends.native.processors import instructions
        from pyflame_rt.backends.native.small_products import SmallProductKernel
        from pyflame_rt.backends.native.steps import Call

        of, places, way = self._of, self._places, self._of.keys * _FLOAT
        kind, scores = instructions(of.cpu), self._scores
        assert kind is not None
        dots, mixture = (
            kernels.loaded(SmallProductKernel(of.cpu, of.schedule.lanes, kind.has_fma, transposed))
            for transposed in (True, False)
        )
        group = of.heads // of.kv_heads
        for q_head in range(head * group, (head + 1) * group):
            q, k, v, y = (places[i] for i in (_Q, _K, _V, _OUT))
            at = scores.ctypes.data
            record = (
                q.at(batch, q_head), k.at(batch, head), at,
                of.queries, of.keys, of.size, q.row, k.row, way,
            )  # fmt: skip
            yield Call(dots, record, (scores,))
            yield of.softmax(scores, way, batch, q_head, 0, of.queries)
            record = (
                at, v.at(batch, head), y.at(batch, q_head),
                of.queries, of.v_size, of.keys, way, v.row, y.row,
            )  # fmt: skip
            yield Call(mixture, record, (scores,))


class _Many:
    """Many queries: keys and values are packed as weights are."""

    def __init__(self, of: CompiledAttention, share: int, places: dict[int, _Lies]) -> None:
        self._of, self._places = of, places
        width = of.schedule.columns
        self._width = width
        self._way = -(-of.keys // width) * width * _FLOAT
        self._rows = max(1, min(of.queries, _SCORES // self._way))
        numbers = iter(range(8 + 4 * share, 12 + 4 * share))
        self._packed_k = of.room(next(numbers), of.size * self._way // _FLOAT).reshape(
            -1, of.size, width
        )
        v_panels = -(-of.v_size // width)
        self._packed_v = of.room(next(numbers), v_panels * of.keys * width).reshape(
            v_panels, of.keys, width
        )
        self._scores = of.room(next(numbers), self._rows * self._way // _FLOAT)
        self._products: dict[int, Any] = {}

    def calls(self, batch: int, head: int) -> Iterator[native.Call]:
        """Those for a head of k and v."""
        of, places = self._of, self._places
        yield from self._pack_keys(places[_K], batch, head)
        yield from self._pack_values(places[_V], batch, head)
        group, scores = of.heads // of.kv_heads, self._scores
        for q_head in range(head * group, (head + 1) * group):
            for first in range(0, of.queries, self._rows):
                rows = min(self._rows, of.queries - first)
                to_scores, to_result = self._pair(rows)
                q, y = places[_Q], places[_OUT]
                at = scores.ctypes.data
                yield from to_scores.step(q.at(batch, q_head, first), at, None).calls
                yield of.softmax(scores, self._way, batch, q_head, first, rows)
                yield from to_result.step(at, y.at(batch, q_head, first), None).calls

    def _pair(self, rows: int) -> Any:
        from pyflame_rt.backends.native.products import Finish, Layout, Product

        if rows not in self._products:
            of = self._of
            q, y = self._places[_Q], self._places[_OUT]
            to_scores = Layout(rows, of.keys, of.size, q.row, self._way)
            to_result = Layout(rows, of.v_size, of.keys, self._way, y.row)
            self._products[rows] = (
                Product.of(of.schedule, to_scores, self._packed_k, None, Finish()),
                Product.of(of.schedule, to_result, self._packed_v, None, Finish()),
            )
        return self._products[rows]

    def _pack_keys(self, k: _Lies, batch: int, head: int) -> Iterator[native.Call]:
        from pyflame_rt.backends.native.copying import CopyKernel, copy_call

        of, width = self._of, self._width
        kernel, target = CopyKernel(of.cpu, of.schedule.lanes), self._packed_k.ctypes.data
        panel = of.size * width * _FLOAT
        whole, rest = divmod(of.keys, width)
        ways = (width * k.row, k.row, _FLOAT), (panel, _FLOAT, width * _FLOAT)
        if whole:
            sizes = (whole, width, of.size)
            yield copy_call(kernel, k.at(batch, head), target, sizes, *ways)
        if rest:
            source, sizes = k.at(batch, head, whole * width), (1, rest, of.size)
            yield copy_call(kernel, source, target + whole * panel, sizes, *ways)

    def _pack_values(self, v: _Lies, batch: int, head: int) -> Iterator[native.Call]:
        from pyflame_rt.backends.native.copying import CopyKernel, copy_call

        of, width = self._of, self._width
        kernel, target = CopyKernel(of.cpu, of.schedule.lanes), self._packed_v.ctypes.data
        for panel in range(len(self._packed_v)):
            columns = min(width, of.v_size - panel * width)
            source = v.at(batch, head, 0, panel * width * _FLOAT)
            at = target + panel * of.keys * width * _FLOAT
            yield copy_call(
                kernel, source, at, (of.keys, columns), (v.row, _FLOAT), (width * _FLOAT, _FLOAT)
            )


def _lies(
    operand: int, array: Known, is_late: bool, four: bool, heads: int, length: int, size: int
) -> _Lies | None:
    """Where an operand's heads are; None if elements of a row do not lie side by side."""
    row = size * _FLOAT
    if is_late:
        whole = heads * length * row
        ways = (whole, length * row, row) if four else (whole, row, heads * row)
        return _Lies(operand, *ways)
    assert array is not None
    if array.strides[-1] != _FLOAT or not array.flags.aligned:
        return None
    if array.ndim == 4:
        return _Lies(operand, *array.strides[:3])
    return _Lies(operand, array.strides[0], row, array.strides[1])


def bits(number: float) -> int:
    """Those of an f32."""
    return int(struct.unpack("<I", struct.pack("<f", number))[0])

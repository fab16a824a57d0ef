"""Attention by machine code, head by head.

Of many queries, keys and values are packed, and blocks of scores stay in the cache; few queries read
keys and values where they lie.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from pyflame_rt.backends.numpy_backend.blocks import Rooms
from pyflame_rt.backends.numpy_backend.calls import Call
from pyflame_rt.backends.numpy_backend.compiled.steps import Compiled, Known
from pyflame_rt.backends.runtime import Array
from pyflame_rt.dialects.plan.schedules import Schedule

if TYPE_CHECKING:
    from pyflame_rt.backends.native import steps as native
    from pyflame_rt.backends.native.compiling import Loaded
    from pyflame_rt.backends.native.tiles import Tiles

_FLOAT = 4
_MULTIPLIED = 80.0
"""Multiplications in a nanosecond; about."""
_MOVED = 20.0
"""Bytes of keys and values read or written in a nanosecond; about."""
_WORTH_SHARING = 30_000
"""Nanoseconds that are divided: records of several shares take longer to write."""
_FEW, _FEW_AND_PAST = 2, 4
"""Queries: for more, keys are read often enough to pack them; where they are put after those of the past
right before they are read, that begins later."""
_ROWS, _KEYS = 48, 256
"""Queries and keys, about, whose scores are computed before their softmax: they stay in the cache."""
_LINE = 16
"""Numbers of a line of the cache."""
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
        max(size, 1) ** -0.5 if scale is None else float(scale),
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


@lru_cache(maxsize=1024)
def _place(operand: int, offset: int) -> native.Place:
    """A step of a decoding loop asks for those of the step before."""
    from pyflame_rt.backends.native.steps import Place

    return Place(operand, offset)


@cache
def _code_of_few(cpu: str, lanes: int) -> Loaded:
    from pyflame_rt.backends.native import kernels
    from pyflame_rt.backends.native.floats.attention import AttentionKernel
    from pyflame_rt.backends.native.processors import instructions

    kind = instructions(cpu)
    assert kind is not None
    return kernels.loaded(AttentionKernel(cpu, lanes, kind.has_fma))


@cache
def _code_of_many(schedule: Schedule, height: int) -> Loaded:
    from pyflame_rt.backends.native import kernels
    from pyflame_rt.backends.native.floats.attention_blocks import AttentionBlocksKernel
    from pyflame_rt.backends.native.processors import instructions

    kind = instructions(schedule.cpu)
    assert kind is not None
    heights = (height, height - 1) if height > 1 else (height,)
    return kernels.loaded(AttentionBlocksKernel(schedule, heights, kind.has_fma))


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
        place = self.offset + batch * self.batch + head * self.head + row * self.row + more
        return place if self.operand < 0 else _place(self.operand, place)


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
        new = places[_K], places[_V]
        if self.has_past or self.present:
            whole = [self._whole(i, n) for i, n in ((0, self.size), (1, self.v_size))]
            places[_K], places[_V] = whole
            if not self._are_few:
                copies = [
                    tuple(self._copies(past, source, held, n))
                    for past, source, held, n in (
                        (_PAST_K, new[0], whole[0], self.size),
                        (_PAST_V, new[1], whole[1], self.v_size),
                    )
                ]
                found.append(Step(tuple(copies)))
        work = self._work()
        shares = [
            tuple(
                self._few(share, some, places, new)
                if self._are_few
                else self._many(share, some, places)
            )
            for share, some in enumerate(self._heads_of_shares(work))
        ]
        return (*found, Step(tuple(shares), work))

    @property
    def _are_few(self) -> bool:
        return self.queries <= (_FEW_AND_PAST if self.has_past or self.present else _FEW)

    def _work(self) -> float:
        """Nanoseconds, as estimated."""
        elements = self.batch * self.keys * (self.size + self.v_size)
        multiplied = self.heads * self.queries * elements
        moved = self.kv_heads * elements * _FLOAT * (3 if self.has_past else 1)
        return max(multiplied / _MULTIPLIED, moved / _MOVED)

    def _heads_of_shares(self, work: float) -> list[list[tuple[int, range]]]:
        """For each share the heads of k and v that it computes, of each batch."""
        total = self.batch * self.kv_heads
        shares = self.schedule.shares if work > _WORTH_SHARING else 1
        count, size = min(shares, total), self.kv_heads
        found: list[list[tuple[int, range]]] = []
        for share in range(count):
            first, stop = total * share // count, total * (share + 1) // count
            batches = range(first // size, -(-stop // size))
            found.append(
                [(n, range(max(first - n * size, 0), min(stop - n * size, size))) for n in batches]
            )
        return found

    def _whole(self, index: int, size: int) -> _Lies:
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
        from pyflame_rt.backends.native.floats.copying import CopyKernel, copy_call
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

    def _few(
        self,
        share: int,
        heads: Sequence[tuple[int, range]],
        places: dict[int, _Lies],
        new: tuple[_Lies, _Lies],
    ) -> Iterator[native.Call]:
        """The calls for some heads of k and v, of few queries."""
        from pyflame_rt.backends.native.steps import Call

        code = _code_of_few(self.cpu, self.schedule.lanes)
        scores = self.room(8 + share, self.queries * self.keys)
        q, k, v, y = (places[index] for index in (_Q, _K, _V, _OUT))
        copied, group = (self.has_past or self.present), self.heads // self.kv_heads
        limit, step = self.limit()
        ways = self.mask_ways()
        for batch, some in heads:
            first, before = some.start, self.past * (batch * self.kv_heads + some.start) * _FLOAT
            yield Call(
                code,
                (
                    q.at(batch, first * group), k.at(batch, first), v.at(batch, first),
                    y.at(batch, first * group), self.mask_at(batch, first * group),
                    scores.ctypes.data,
                    _place(_PAST_K, before * self.size) if self.has_past else 0,
                    _place(_PAST_V, before * self.v_size) if self.has_past else 0,
                    new[0].at(batch, first), new[1].at(batch, first),
                    len(some), group, self.queries, self.keys, self.size, self.v_size,
                    self.past, self.length if copied else 0,
                    q.head, q.row, k.head, k.row, v.head, v.row, y.head, y.row,
                    ways[1], ways[2], new[0].head, new[0].row, new[1].head, new[1].row,
                    limit, step, bits(self.scale),
                ),
                (scores,),
            )  # fmt: skip

    def _many(
        self, share: int, heads: Sequence[tuple[int, range]], places: dict[int, _Lies]
    ) -> Iterator[native.Call]:
        """The calls for some heads of k and v."""
        many = _Many(self, share, places)
        return (many.call(batch, some) for batch, some in heads)

    def limit(self) -> tuple[int, int]:
        """How many keys the first query sees, and how many more the next one."""
        return (self.past + 1, 1) if self.causal else (self.keys, 0)

    def mask_ways(self) -> list[int]:
        """Bytes from one batch, head and query to the next in the mask."""
        shape = () if self.mask is None else self.mask
        shape = (1,) * (4 - len(shape)) + shape
        return [math.prod(shape[i + 1 :]) * _FLOAT if shape[i] > 1 else 0 for i in range(3)]

    def mask_at(self, batch: int, head: int) -> native.Number:
        """Where the mask of a head begins; 0 if there is none."""
        if self.mask is None:
            return 0
        by_batch, by_head, _ = self.mask_ways()
        return _place(_MASK, batch * by_batch + head * by_head)


class _Many:
    """Many queries: keys and values are packed as weights are, head by head, in the same memory."""

    def __init__(self, of: CompiledAttention, share: int, places: dict[int, _Lies]) -> None:
        from pyflame_rt.backends.native.floats.attention_blocks import state_size

        self._of, self._places = of, places
        # Code takes vectors as wide as a panel.
        vectors = 1 << (of.schedule.vectors.bit_length() - 1)
        schedule = replace(of.schedule, vectors=vectors, shares=1, elements="f32")
        tiles, width = _tiles(schedule.rows, of.queries), schedule.columns
        self._code = _code_of_many(schedule, tiles.height)
        together = min(max(1, _ROWS // tiles.height), tiles.high + tiles.low)
        rows = together * tiles.height
        keys = _rounded(-(-of.keys // -(-of.keys // _KEYS)), width)
        self._sizes = (tiles.high, tiles.low, together, keys)
        columns = _rounded(of.v_size, width)
        sizes = (
            _rounded(of.keys, width) * of.size, of.keys * columns,
            rows * of.size, rows * keys, rows * columns, rows * state_size(schedule), _LINE,
        )  # fmt: skip
        ends = list(accumulate(_rounded(size, _LINE) for size in sizes))
        self._room = of.room(8 + share, ends[-1] + _LINE)
        start = _rounded(self._room.ctypes.data, _LINE * _FLOAT)
        self._rooms = tuple(start + end * _FLOAT for end in (0, *ends[:-1]))

    def call(self, batch: int, heads: range) -> native.Call:
        """That for some heads of k and v."""
        from pyflame_rt.backends.native.steps import Call

        of = self._of
        q, k, v, y = (self._places[index] for index in (_Q, _K, _V, _OUT))
        group = of.heads // of.kv_heads
        first, ways = heads.start * group, of.mask_ways()
        return Call(
            self._code,
            (
                q.at(batch, first), k.at(batch, heads.start), v.at(batch, heads.start),
                y.at(batch, first), of.mask_at(batch, first), *self._rooms,
                len(heads), group, of.keys, of.size, of.v_size, *self._sizes,
                q.head, q.row, k.head, k.row, v.head, v.row, y.head, y.row,
                ways[1], ways[2], *of.limit(), bits(of.scale),
            ),
            (self._room,),
        )  # fmt: skip


def _tiles(most: int, rows: int) -> Tiles:
    """As few as there can be. Many rows are tiles of `most` and of one row less, whatever their number,
    so that lengths of texts have their code in common."""
    from pyflame_rt.backends.native.tiles import Tiles

    count = -(-rows // most)
    height = most if rows >= count * (most - 1) else -(-rows // count)
    high = rows - count * (height - 1)
    return Tiles(high, count - high, height)


def _rounded(number: int, to: int) -> int:
    """Up, to a multiple."""
    return -(-number // to) * to


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

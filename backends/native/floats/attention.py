"""Attention of few queries, which read keys and values where they lie, head by head.

Where there is a past, keys and values are put together first, those of a head right before they are
read: so that they are in the cache, and memory is read but once.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp, f32
from xdsl.ir import SSAValue

from pyflame_rt.backends.native.floats.rows import SoftmaxRow
from pyflame_rt.backends.native.floats.small_products import dots, mixture
from pyflame_rt.backends.native.writing.builder import POINTER, Builder, Values
from pyflame_rt.backends.native.writing.loops import Pointers, fields, over, vectors

FIELDS = (
    "@q", "@k", "@v", "@y", "@added", "@scores", "@past_k", "@past_v", "@new_k", "@new_v",
    "heads", "group", "queries", "keys", "size", "v_size", "past", "length",
    "q_head", "q_row", "k_head", "k_row", "v_head", "v_row", "y_head", "y_row",
    "added_head", "added_row", "new_k_head", "new_k_row", "new_v_head", "new_v_row",
    "limit", "limit_step", "scale",
)  # fmt: skip
"""For `heads` heads of k and v, each with a `group` of those of q: y = softmax(q @ k * scale + added) @ v.

`past` keys from `past_k`, without gaps, and `length` from `new_k` on are copied to k before, and values
likewise; both are 0 where k and v are there. `added` may be 0. The first query sees `limit` keys, the
next ones `limit_step` more each. `scores` has room for those of all queries with a head. Ways from head
to head and row to row are in bytes; `scale` holds the bits of f32."""


@dataclass(frozen=True)
class AttentionKernel:
    """Code of attention of few queries."""

    cpu: str
    lanes: int
    fused: bool

    entry = "attention"

    def emit(self) -> ModuleOp:
        """The module, in the `llvm` dialect."""
        b = Builder(self.entry, [POINTER], public=True, fused=self.fused)
        (record,) = b.arguments
        given = fields(b, record, FIELDS)
        scale = b.load(b.at(record, 8 * FIELDS.index("scale")), f32, 4)
        head = _Head(self, b, given, scale)
        size, v_size = (b.times(given[name], 4) for name in ("size", "v_size"))
        past_k, past_v = (b.times(given["past"], way) for way in (size, v_size))
        group = given["group"]
        over(
            b,
            given["heads"],
            [given[n] for n in ("q", "k", "v", "y", "added", "past_k", "past_v", "new_k", "new_v")],
            [
                b.times(given["q_head"], group), given["k_head"], given["v_head"],
                b.times(given["y_head"], group), b.times(given["added_head"], group),
                past_k, past_v, given["new_k_head"], given["new_v_head"],
            ],
            head.emit,
        )  # fmt: skip
        return ModuleOp([b.finish()])


class _Head:
    """A head of k and v."""

    def __init__(
        self, kernel: AttentionKernel, b: Builder, given: dict[str, SSAValue], scale: SSAValue
    ) -> None:
        self._kernel, self._b, self._given, self._scale = kernel, b, given, scale

    def emit(self, places: Pointers) -> None:
        """All that is done for it."""
        b, given = self._b, self._given
        q, k, v, y, added, past_k, past_v, new_k, new_v = places
        self._continue("k", given["size"], past_k, new_k, k)
        self._continue("v", given["v_size"], past_v, new_v, v)

        def one(values: Pointers) -> None:
            self._attend(*values, k=k, v=v)

        ways = [given[name] for name in ("q_head", "y_head", "added_head")]
        over(b, given["group"], [q, y, added], ways, one)

    def _continue(
        self, name: str, size: SSAValue, past: SSAValue, new: SSAValue, whole: SSAValue
    ) -> None:
        """Those of the past and the new ones, in one place."""
        b, given = self._b, self._given
        before = b.times(given["past"], size)
        self._copy(before, past, whole)

        def row(values: Pointers) -> None:
            self._copy(size, *values)

        ways = [given[f"new_{name}_row"], given[f"{name}_row"]]
        over(b, given["length"], [new, b.at(whole, b.times(before, 4))], ways, row)

    def _copy(self, count: SSAValue, source: SSAValue, target: SSAValue) -> None:
        b, lanes = self._b, 4 * self._kernel.lanes

        def some(places: Pointers, mask: SSAValue | None, _: Values) -> Values:
            b.store(b.load_vector(places[0], lanes, mask), places[1], mask)
            return ()

        vectors(b, count, lanes, [source, target], some)

    def _attend(
        self, q: SSAValue, y: SSAValue, added: SSAValue, *, k: SSAValue, v: SSAValue
    ) -> None:
        """A head of q."""
        b, given, kernel = self._b, self._given, self._kernel
        queries, keys, scores = given["queries"], given["keys"], given["scores"]
        way = b.times(keys, 4)
        to_scores = {"columns": keys, "depth": given["size"], "w": k, "w_row": given["k_row"]}
        to_y = {"columns": given["v_size"], "depth": keys, "w": v, "w_row": given["v_row"]}

        def score(values: Pointers) -> None:
            dots(kernel, b, to_scores, *values)

        def weigh(values: Pointers) -> Values:
            row, more, limit = values
            count = b.smallest(b.largest(limit, 0), keys)
            of = {"added": given["added"], "blind": b.integer(1), "count": keys}
            SoftmaxRow(kernel, b, of, self._scale).emit(row, row, more, count)
            after = b.plus(limit, given["limit_step"])
            return [b.at(row, way), b.at(more, given["added_row"]), after]

        def mix(values: Pointers) -> None:
            mixture(kernel, b, to_y, *values)

        over(b, queries, [q, scores], [given["q_row"], way], score)
        b.loop(queries, [scores, added, given["limit"]], weigh)
        over(b, queries, [scores, y], [way, given["y_row"]], mix)

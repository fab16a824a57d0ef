"""Elements chosen and written by indices and masks, and elements in order."""

from __future__ import annotations

import torch

from aten_cases.case import b, case, constant, f, i

_ROWS = i(4, low=0, high=5)
_DISTINCT = constant(3, 0, 2)
_PLACES = i(3, 4, low=0, high=3)

CASES = (
    case("gather", f(3, 4), 1, i(3, 2, low=0, high=4)),
    case("gather", f(5, 4), 0, i(2, 3, low=0, high=5), label="smaller"),
    case("gather", f(4), 0, i(low=0, high=4), label="no dimensions"),
    case("index_select", f(5, 3), 0, _ROWS),
    case("index_select", f(3, 5), -1, i(2, low=0, high=5), label="last"),
    case("embedding", f(5, 3), i(2, 4, low=0, high=5)),
    case("embedding", f(5, 3), i(2, 4, low=0, high=5, dtype=torch.int32), 0, label="i32"),
    case("take", f(3, 4), i(5, low=0, high=12)),
    case("index.Tensor", f(5, 3), [i(4, low=-5, high=5)]),
    case("index.Tensor", f(3, 5), [None, i(2, 2, low=0, high=5)], label="second"),
    case("index.Tensor", f(4, 5, 6), [i(3, low=0, high=4), i(3, low=0, high=5)], label="two"),
    case("index.Tensor", f(2, 4, 5), [None, i(3, low=0, high=4), i(2, 1, low=0, high=5)], label="behind"),
    case("index.Tensor", f(4, 2, 5), [i(3, low=0, high=4), None, i(3, low=0, high=5)], label="apart"),
    case("index.Tensor", f(4, 5), [b(4, 5)], label="mask", loose=True),
    case("index.Tensor", f(4, 5), [b(4)], label="row mask", loose=True),
    case("index.Tensor", f(2, 4, 5), [None, b(4, 5)], label="mask behind", loose=True),
    case("index_put", f(5, 3), [_DISTINCT], f(3, 3)),
    case("index_put", f(5, 3), [_DISTINCT], f(), label="number"),
    case("index_put", f(5, 3), [i(6, low=0, high=5)], f(6, 3), True, label="add"),
    case("index_put", f(2, 5, 3), [None, _DISTINCT], f(2, 3, 3), label="second"),
    case("index_put", f(5, 4, 2), [_DISTINCT, constant(1, 2, 3)], f(3, 2), label="two"),
    case("index_put", f(4, 5), [b(4, 5)], f(), label="mask"),
    case("index_put", f(4, 5), [b(4)], f(5), label="row mask"),
    case("scatter.src", f(3, 5), 1, constant(*[[2, 0], [1, 4], [0, 3]]), f(3, 5)),
    case("scatter.value", f(3, 5), 1, constant(*[[2, 0], [1, 4], [0, 3]]), 1.5),
    case("scatter.reduce", f(3, 4), 0, _PLACES, f(3, 4), kw={"reduce": "add"}),
    case("scatter_add", f(3, 4), 0, _PLACES, f(3, 4)),
    *(
        case("scatter_reduce.two", f(3, 4), 0, _PLACES, f(3, 4), how, label=how)
        for how in ("sum", "prod", "amax", "amin")
    ),
    case("index_add", f(5, 3), 0, _ROWS, f(4, 3)),
    case("index_add", f(3, 5), 1, _ROWS, f(3, 4), kw={"alpha": 2}, label="alpha"),
    case("index_fill.int_Scalar", f(5, 3), 0, _DISTINCT, 2.5),
    case("index_fill.int_Scalar", i(3, 5), 1, _DISTINCT, 2, label="second"),
    case("index_copy", f(5, 3), 0, _DISTINCT, f(3, 3)),
    case("select_scatter", f(3, 4), f(3), 1, 2),
    case("select_scatter", f(3, 4), f(4), 0, -1, label="negative"),
    case("slice_scatter", f(6, 3), f(2, 3), 0, 1, 3),
    case("slice_scatter", f(3, 6), f(3, 3), 1, 0, 6, 2, label="step"),
    case("masked_fill.Scalar", f(3, 4), b(4), 0.5),
    case("masked_fill.Scalar", f(3, 4), b(3, 4), float("-inf"), label="infinity"),
    case("masked_fill.Tensor", f(3, 4), b(3, 1), f()),
    case("masked_select", f(3, 4), b(3, 4), loose=True, static_only=True),
    case("masked_select", f(3, 4), b(4), loose=True, static_only=True, label="rows"),
    case("where.self", b(3, 1), f(4), i(3, 4)),
    case("where.ScalarOther", b(3, 4), f(4), 1),
    case("where.ScalarSelf", b(3, 4), 2.5, i(4)),
    case("where.Scalar", b(3, 4), 1, 0.5),
    case("where", b(3, 4), loose=True),
    case("nonzero", i(3, 4, low=0, high=2), loose=True),
    case("topk", f(3, 6), 2),
    case("topk", f(6, 3), 4, 0, False, label="least"),
    case("sort", f(3, 6)),
    case("sort", f(6, 3), 0, True, label="descending"),
    case("sort.stable", i(9, low=0, high=3), kw={"stable": True, "descending": True}),
    case("argsort", f(3, 6)),
    case("argsort.stable", i(9, low=0, high=3), kw={"stable": True}),
    case("one_hot", i(2, 3, low=0, high=4), 5),
    case("bucketize.Tensor", f(3, 4), constant(-0.5, 0.0, 0.7)),
    case("bucketize.Tensor", i(9, low=0, high=5), constant(1, 3, 4), kw={"right": True, "out_int32": True}, label="right"),
    case("copy", f(2, 3), i(3)),
    case("fill.Scalar", f(2, 3), 2),
    case("fill.Tensor", i(2, 3), f()),
    case("zero", f(2, 3)),
    case("_unsafe_index.Tensor", f(5, 3), [i(4, low=0, high=5)]),
    case("index.Tensor_hacked_twin", f(5, 3), [i(4, low=0, high=5)]),
    case("index_put.hacked_twin", f(5, 3), [_DISTINCT], f(3, 3)),
    case("masked_scatter", f(3, 4), b(3, 4), f(12)),
    case("searchsorted.Tensor", constant(-0.5, 0.0, 0.7), f(3, 4)),
    case("isin.Tensor_Tensor", i(3, 4), i(3)),
    case("isin.Tensor_Tensor", i(3, 4), i(3), kw={"invert": True}, label="not"),
)  # fmt: skip

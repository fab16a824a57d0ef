"""Views, and tensors put together and taken apart."""

from __future__ import annotations

import torch

from aten_cases.case import case, constant, f, i

CASES = (
    *(
        row
        for name in ("view", "reshape", "_unsafe_view")
        for row in (
            case(name, f(2, 3, 4), [6, 4]),
            case(name, f(2, 3, 4), [-1, 12], label="rest"),
            case(name, f(2, 3, 4), [2, 1, 3, 4], label="one"),
            case(name, f(1), [], label="no dimensions"),
            case(name, f(0, 3), [3, 0], label="empty"),
        )
    ),
    case("view.dtype", f(2, 3), torch.int32),
    case("view_as", f(2, 6), f(3, 4)),
    case("reshape_as", f(2, 6), f(3, 4)),
    case("flatten.using_ints", f(2, 3, 4)),
    case("flatten.using_ints", f(2, 3, 4), 1, label="from 1"),
    case("flatten.using_ints", f(2, 3, 4), 0, 1, label="to 1"),
    case("flatten.using_ints", f(), label="no dimensions"),
    case("ravel", f(2, 3)),
    case("unflatten.int", f(2, 12), 1, [3, 4]),
    case("unflatten.int", f(2, 12), -1, [3, -1], label="rest"),
    case("squeeze", f(1, 2, 1), dynamic=()),
    case("squeeze.dim", f(1, 2, 1), 1),
    case("squeeze.dims", f(1, 2), [1]),
    case("unsqueeze", f(2, 3), 1),
    case("unsqueeze", f(2, 3), -1, label="last"),
    case("unsqueeze", f(), 0, label="no dimensions"),
    case("transpose.int", f(2, 3, 4), 0, -1),
    case("swapaxes", f(2, 3, 4), 1, 2),
    case("t", f(2, 3)),
    case("t", f(3), label="vector"),
    case("numpy_T", f(2, 3, 4)),
    case("mT", f(2, 3, 4)),
    case("permute", f(2, 3, 4), [2, 0, -2]),
    case("movedim.int", f(2, 3, 4), 0, -1),
    case("movedim.intlist", f(2, 3, 4), [0, 1], [2, 0]),
    case("expand", f(3, 1), [2, 3, 4]),
    case("expand", f(3, 1), [-1, 4], label="kept"),
    case("expand_as", f(3, 1), f(3, 4)),
    case("broadcast_to", f(3), [2, 3]),
    case("repeat", f(2, 3), [2, 1, 3]),
    case("tile", f(2, 3), [2]),
    *(
        row
        for name in ("cat", "concat")
        for row in (
            case(name, [f(2, 3), f(1, 3)]),
            case(name, [f(2, 3), i(2, 2)], -1, label="promotes"),
        )
    ),
    case("cat", [f(0), f(2, 3)], label="empty", static_only=True),
    case("stack", [f(2, 3), f(2, 3)], 1),
    case("stack", [f(2), f(2)], -1, label="last"),
    case("hstack", [f(2, 3), f(2, 1)]),
    case("hstack", [f(2), f(3)], label="vectors"),
    case("vstack", [f(2, 3), f(3)]),
    *(
        row
        for name in ("chunk", "unsafe_chunk")
        for row in (
            case(name, f(6, 2), 3, static_only=True),
            case(name, f(2, 7), 3, 1, label="uneven", static_only=True),
        )
    ),
    *(
        row
        for name in ("split.Tensor", "unsafe_split.Tensor")
        for row in (
            case(name, f(6, 2), 3, static_only=True),
            case(name, f(2, 7), 3, -1, label="uneven", static_only=True),
        )
    ),
    case("split.sizes", f(6, 2), [1, 5]),
    case("split_with_sizes", f(2, 6), [1, 2, 3], 1),
    case("unbind.int", f(3, 2), static_only=True),
    case("unbind.int", f(3, 2), -1, label="last", static_only=True),
    case("select.int", f(3, 4), 0, 1),
    case("select.int", f(3, 4), -1, -2, label="negative"),
    case("slice.Tensor", f(6, 4)),
    case("slice.Tensor", f(6, 4), 0, 1, 4, label="middle"),
    case("slice.Tensor", f(6, 4), 1, -3, None, label="back"),
    case("slice.Tensor", f(6, 4), 0, None, 100, 2, label="step"),
    case("slice.Tensor", f(6, 4), 0, 5, 2, label="nothing"),
    case("slice.Tensor", f(6, 4), 0, 0, -1, label="but last"),
    case("slice.Tensor", f(6, 4), 0, 0, 9223372036854775807, label="all"),
    case("narrow", f(6, 4), 0, 1, 3),
    case("narrow", f(6, 4), 1, -2, 2, label="negative"),
    case("flip", f(3, 4), [0, 1]),
    case("flip", i(3, 4), [-1], label="last"),
    case("roll", f(3, 4), [1], [0]),
    case("roll", f(3, 4), [-1, 2], [0, 1], label="both"),
    case("roll", f(3, 4), [5], label="flat"),
    case("tril", f(3, 4)),
    case("tril", f(2, 3, 3), -1, label="below"),
    case("triu", f(3, 4), 1),
    case("triu", i(3, 4), label="integers"),
    case("diagonal", f(3, 4), static_only=True),
    case("diagonal", f(2, 3, 4), -1, -1, 1, label="offset", static_only=True),
    case("diagonal", f(3, 4), 1, label="above", static_only=True),
    case("unfold", f(2, 7), 1, 3, 2, static_only=True),
    case("unfold", f(5, 2), 0, 2, 1, label="first", static_only=True),
    case("meshgrid", [f(2), f(3)]),
    case("meshgrid.indexing", [f(2), f(3), f(4)], kw={"indexing": "xy"}),
    case("meshgrid.indexing", [f(2), f(3)], kw={"indexing": "ij"}, label="ij"),
    case("pixel_shuffle", f(2, 8, 3, 4), 2),
    case("pixel_unshuffle", f(2, 2, 6, 4), 2),
    case("channel_shuffle", f(2, 6, 3, 2), 3),
    case("repeat_interleave.self_int", f(2, 3), 2, 1),
    case("repeat_interleave.self_int", f(2, 3), 3, label="flat"),
    case("repeat_interleave.self_Tensor", f(3, 2), constant(1, 0, 2), 0, constants=(1,), static_only=True),
    case("moveaxis.int", f(2, 3, 4), 0, 2),
    case("atleast_1d", f()),
    case("adjoint", f(2, 3, 4)),
    *(case("rot90", f(3, 4), k, label=f"{k}") for k in (0, 1, 2, -1)),
    *(case("diag_embed", f(2, 3), k, label=f"{k}", static_only=True) for k in (0, 1, -2)),
    case("diag_embed", f(2, 3), 1, 0, 2, label="dims", static_only=True),
    case("narrow.Tensor", f(6, 4), 0, lambda draw: torch.tensor(2), 3, loose=True),
)  # fmt: skip

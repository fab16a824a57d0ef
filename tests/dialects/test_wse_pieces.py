"""Which masks and which pieces of values the wafer takes, and what it says of others."""

from __future__ import annotations

import numpy as np
import pytest

from pyflame_rt import module_files
from pyflame_rt.dialects.pfrt.attention import AttentionOp
from pyflame_rt.dialects.wse.mappable import left_to_host, matrix_of
from pyflame_rt.dialects.wse.masks import LEAST, mask_of
from pyflame_rt.dialects.wse.pieces import Block, blocks_of
from pyflame_rt.universe import make_context

ATTENTION = """
func.func @main(%q: tensor<1x3x8xf32>, %m: tensor<3x3xf32>) -> tensor<1x3x8xf32> {{
  %c = pfrt.constant {mask} : tensor<{shape}>
  %y = pfrt.attention %q, %q, %q {operand} {{q_num_heads = 2 : i64, kv_num_heads = 2 : i64{more}}}
    : tensor<1x3x8xf32>, tensor<1x3x8xf32>, tensor<1x3x8xf32> -> tensor<1x3x8xf32>
  func.return %y : tensor<1x3x8xf32>
}}
"""


def attention(
    mask: str = "dense<0.0>", shape: str = "3x3xf32", *, more: str = "", operand: str = ""
) -> AttentionOp:
    """An attention of two heads on three rows."""
    operand = operand or f"mask(%c : tensor<{shape}>)"
    text = ATTENTION.format(mask=mask, shape=shape, more=more, operand=operand)
    module = module_files.parse(text, make_context(), "attention")
    return next(op for op in module.walk() if isinstance(op, AttentionOp))


def test_masks_are_numbers_that_are_added():
    """Truths, numbers, what comes later, windows: together, for all heads or for each."""
    assert mask_of(attention()) is None
    seen = attention("dense<[[true, false, true]]>", "1x3xi1", more=", is_causal = true")
    expected = np.array([[0, LEAST, LEAST], [0, LEAST, LEAST], [0, LEAST, 0]], np.float32)
    np.testing.assert_array_equal(mask_of(seen), expected[None])
    near = attention(more=", left_window_size = 1 : i64, right_window_size = 0 : i64")
    expected = np.array([[0, LEAST, LEAST], [0, 0, LEAST], [LEAST, 0, 0]], np.float32)
    np.testing.assert_array_equal(mask_of(near), expected[None])
    by_head = mask_of(attention("dense<1.5>", "1x2x1x3xf32"))
    assert isinstance(by_head, np.ndarray)
    assert by_head.shape == (2, 3, 3)


@pytest.mark.parametrize(
    ("mask", "shape", "more", "operand", "why"),
    [
        ("dense<0.0>", "3x3xf32", "", "mask(%m : tensor<3x3xf32>)", "its mask is no constant"),
        ("dense<false>", "3x3xi1", "", "", "its mask leaves a query nothing"),
        ("dense<0.0>", "3x2xf32", "", "", "its mask is not one of its heads"),
        ("dense<0.0>", "3x3xf32", ", softcap = 2.0 : f32", "", "its scores are capped"),
    ],
)
def test_masks_that_are_left_to_the_host(mask: str, shape: str, more: str, operand: str, why: str):
    op = attention(mask, shape, more=more, operand=operand)
    module = op.get_toplevel_object()
    assert [reason for _, reason in left_to_host(module)] == [why]


PIECES = """
func.func @main(%x: tensor<2x3x8xf32>, %y: tensor<1x3x4x4xf32>, %r: tensor<4x8xf32>) -> ({kind}) {{
  %z = {op} -> {kind}
  func.return %z : {kind}
}}
"""


def pieces(op: str, kind: str) -> list[Block] | str:
    """The blocks of the result of an op."""
    module = module_files.parse(PIECES.format(op=op, kind=kind), make_context(), "pieces")
    left = left_to_host(module)
    (work,) = (op for op in module.walk() if op.name in ("pfrt.concat", "pfrt.slice"))
    found = blocks_of(work, matrix_of)  # pyright: ignore[reportArgumentType]
    assert [why for _, why in left] == ([found] if isinstance(found, str) else [])
    return found


def test_blocks_of_rows_and_features():
    """The first axis of rows, the last one, channels of an image."""
    (block,) = pieces(
        "pfrt.slice %x {starts = array<i64: 1, -2>, ends = array<i64: 2, 99>, axes = array<i64: 0, 2>}"
        " : tensor<2x3x8xf32>",
        "tensor<1x3x2xf32>",
    )  # fmt: skip
    assert (block.source, block.size) == ((6, 3), (2, 3))
    first, second = pieces(
        "pfrt.concat %y, %y {axis = 1 : i64} : (tensor<1x3x4x4xf32>, tensor<1x3x4x4xf32>)",
        "tensor<1x6x4x4xf32>",
    )
    assert (first.target, second.target, second.size) == ((0, 0), (3, 0), (3, 16))
    _, second = pieces(
        "pfrt.concat %r, %r {axis = 0 : i64} : (tensor<4x8xf32>, tensor<4x8xf32>)",
        "tensor<8x8xf32>",
    )
    assert second.target == (0, 4)


@pytest.mark.parametrize(
    ("op", "kind", "why"),
    [
        (
            "pfrt.concat %y, %y {axis = 2 : i64} : (tensor<1x3x4x4xf32>, tensor<1x3x4x4xf32>)",
            "tensor<1x3x8x4xf32>", "it is along the pixels of an image",
        ),
        (
            "pfrt.concat %x, %x {axis = 1 : i64} : (tensor<2x3x8xf32>, tensor<2x3x8xf32>)",
            "tensor<2x6x8xf32>", "it is along an inner dimension of rows",
        ),
        (
            "pfrt.slice %r {starts = array<i64: 0>, ends = array<i64: 4>, steps = array<i64: 2>}"
            " : tensor<4x8xf32>",
            "tensor<2x8xf32>", "it skips elements",
        ),
    ],
)  # fmt: skip
def test_pieces_that_are_left_to_the_host(op: str, kind: str, why: str):
    assert pieces(op, kind) == why

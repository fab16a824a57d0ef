"""Attention and what goes with it."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from operator_cases.case import Array, Case
from operator_cases.strategies import (
    FLAG,
    Cases,
    Draw,
    Shape,
    draw_array,
    draw_case,
    draw_dtype,
    draw_opset,
    draw_some,
    ints,
)


def _mask(draw: Draw, shape: Shape, dtype: np.dtype) -> Array:
    """Truths or summands for scores of that shape: for each batch and head, or for all.

    ONNX Runtime has none that broadcast along queries.
    """
    sides = [side if draw(st.booleans()) else 1 for side in shape[:2]]
    kept = (*sides, *shape[2:])[draw(st.integers(0, 2)) :]
    if draw(st.booleans()):
        return draw_array(draw, np.bool_, kept)
    mask = draw_array(draw, dtype, kept, special=False)
    return np.where(mask > 3, dtype.type(-np.inf), mask)


@st.composite
def attention(draw: Draw) -> Case:
    """Heads packed or not, shared or not; masks, windows, a past or lengths; all four outputs."""
    # The windows came in opset 25, of which ONNX Runtime 1.31 does not know.
    opset = draw(st.sampled_from((23, 24)))
    # Doubles run as the operator's function there, which has the scale in float32.
    dtype = draw_dtype(draw, "f4 f4 f2")
    batch, queries, keys = (draw(st.integers(1, 3)) for _ in range(3))
    kv_heads, size, v_size = draw(st.integers(1, 2)), *(draw(st.integers(1, 4)) for _ in range(2))
    heads, past = kv_heads * draw(st.integers(1, 3)), draw(st.integers(0, 3))
    is_packed, form = draw(st.booleans()), draw(st.sampled_from(("plain", "past", "lengths")))
    attributes = draw_some(
        draw,
        is_causal=FLAG,
        scale=st.sampled_from((0.25, 1.0, 2.0)),
        softcap=st.sampled_from((0.0, 1.5)),
    )

    def array(heads: int, length: int, size: int) -> Array:
        shape = (batch, length, heads * size) if is_packed else (batch, heads, length, size)
        return draw_array(draw, dtype, shape, special=False, low=-2, high=2)

    inputs: list[Array | None] = [
        array(heads, queries, size),
        array(kv_heads, keys, size),
        array(kv_heads, keys, v_size),
    ]
    total = keys + past if form == "past" else keys
    masked = draw(st.booleans())
    inputs.append(_mask(draw, (batch, heads, queries, total), dtype) if masked else None)
    if is_packed:
        attributes |= {"q_num_heads": heads, "kv_num_heads": kv_heads}
    # With a past ONNX Runtime needs a place for all of it.
    outputs = draw(st.sampled_from((3, 4))) if form == "past" else 1
    if form == "past":
        for side in (size, v_size):
            shape = (batch, kv_heads, past, side)
            inputs.append(draw_array(draw, dtype, shape, special=False, low=-2, high=2))
    elif form == "lengths" and opset > 23:
        counts = ints(draw(st.integers(0, keys)) for _ in range(batch))
        inputs += [None, None, counts]
    if outputs == 4:
        attributes["qk_matmul_output_mode"] = draw(st.integers(0, 3))
    return draw_case(draw, "Attention", opset, inputs, attributes, outputs=outputs, magnitude=8)


@st.composite
def rotary_embedding(draw: Draw) -> Case:
    """Heads packed or not, turned in part or as a whole, with positions or a row for each."""
    opset = draw_opset(draw, "RotaryEmbedding", 23)
    dtype = draw_dtype(draw, "f4 f2")
    batch, length, heads = (draw(st.integers(1, 3)) for _ in range(3))
    size = 2 * draw(st.integers(1, 4))
    turned = 2 * draw(st.integers(0, size // 2))
    half = (turned or size) // 2
    attributes: dict[str, object] = draw_some(draw, interleaved=FLAG)
    if is_packed := draw(st.booleans()):
        attributes["num_heads"] = heads
    if turned:
        attributes |= {"rotary_embedding_dim": turned, "num_heads": heads}
    shape = (batch, length, heads * size) if is_packed else (batch, heads, length, size)
    inputs: list[Array | None] = [draw_array(draw, dtype, shape)]
    positions = None
    rows: Shape = (batch, length, half)
    if draw(st.booleans()):
        rows = (6, half)
        places = [draw(st.integers(0, 5)) for _ in range(batch * length)]
        positions = ints(places).reshape(batch, length)
    inputs += [draw_array(draw, dtype, rows, special=False, low=-1, high=1) for _ in range(2)]
    if positions is not None:
        inputs.append(positions)
    return draw_case(draw, "RotaryEmbedding", opset, inputs, attributes, parameters=(1, 2, 3))


CASES: dict[str, Cases] = {
    "Attention": attention(),
    "RotaryEmbedding": rotary_embedding(),
}
"""The operators of this family."""

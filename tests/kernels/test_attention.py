"""Attention, LinearAttention, RotaryEmbedding, and CausalConvWithState, SwiGLU, TensorScatter that
go with them, where ONNX Runtime 1.31 is no judge: it knows no windows and none of the others' forms
beyond opset 26. ONNX's reference evaluator is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from pyflame_rt import dtypes
from pyflame_rt.kernels import table
from pyflame_rt.kernels.attention import (
    UPDATE_RULES,
    attention,
    linear_attention,
    rotary_embedding,
)
from pyflame_rt.kernels.convolution import causal_conv_with_state
from pyflame_rt.kernels.indexing import tensor_scatter

DRAWN = settings(max_examples=150, deadline=None, derandomize=True)
SIDES = st.integers(1, 3)


def normal(*shape: int, seed: int = 0, dtype: Any = np.float32) -> np.ndarray:
    """Reproducible values."""
    return np.random.default_rng(seed + sum(shape)).normal(size=shape).astype(dtype)


def expected(
    op: str, inputs: Sequence[np.ndarray | None], outputs: int, opset: int, **attributes: Any
) -> list[np.ndarray]:
    """What ONNX's reference evaluator computes."""
    names = ["" if array is None else f"i{k}" for k, array in enumerate(inputs)]
    feeds = {n: a for n, a in zip(names, inputs, strict=True) if a is not None}
    results = [f"o{k}" for k in range(outputs)]
    node = helper.make_node(op, names, results, **attributes)
    values = [
        helper.make_tensor_value_info(n, dtypes.by_numpy()[a.dtype].onnx, a.shape)
        for n, a in feeds.items()
    ]
    shown = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in results]
    graph = helper.make_graph([node], "one_node", values, shown)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    with np.errstate(all="ignore"):
        return list(ReferenceEvaluator(model).run(None, feeds))


def assert_close(actual: Sequence[np.ndarray], wanted: Sequence[np.ndarray], rtol: float) -> None:
    """Shapes, types and values agree."""
    assert len(actual) == len(wanted)
    for one, other in zip(actual, wanted, strict=True):
        assert one.dtype == other.dtype
        left, right = one.astype(np.float64), other.astype(np.float64)
        np.testing.assert_allclose(left, right, rtol=rtol, atol=rtol)


@DRAWN
@given(data=st.data())
def test_attention_is_the_references(data: st.DataObject):
    """Windows, masks that are too short, lengths and pasts, all outputs, each precision."""
    draw = data.draw
    batch, queries, keys, kv_heads, size, v_size = (draw(SIDES) for _ in range(6))
    heads, past, form = kv_heads * draw(SIDES), draw(st.integers(0, 2)), draw(st.integers(0, 2))
    total = keys + past if form == 1 else keys
    inputs = [
        normal(batch, heads, queries, size),
        normal(batch, kv_heads, keys, size, seed=1),
        normal(batch, kv_heads, keys, v_size, seed=2),
    ]
    shape = [draw(st.sampled_from((1, side))) for side in (batch, heads, queries)]
    shape = [*shape, draw(st.integers(1, total))][draw(st.integers(0, 3)) :]
    masks = [None, normal(*shape), normal(*shape) < 0.5]
    inputs.append(draw(st.sampled_from(masks)))
    if form == 1:
        inputs += [normal(batch, kv_heads, past, side, seed=3) for side in (size, v_size)]
    elif form == 2:
        counts = [draw(st.integers(0, keys)) for _ in range(batch)]
        inputs += [None, None, np.array(counts, np.int64)]
    how: dict[str, Any] = {
        "is_causal": draw(st.integers(0, 1)),
        "left_window_size": draw(st.integers(-1, 3)),
        "right_window_size": draw(st.integers(-1, 3)),
        "qk_matmul_output_mode": draw(st.integers(0, 3)),
    }
    if draw(st.booleans()):
        how["scale"] = 2.0
    # Of a capped score the reference has no uncapped one to give.
    if how["qk_matmul_output_mode"] and draw(st.booleans()):
        how["softcap"] = 1.5
    if draw(st.booleans()):
        how["softmax_precision"] = TensorProto.DOUBLE
    wanted = expected("Attention", inputs, 4, 25, **how)
    if "softmax_precision" in how:
        how["softmax_precision"] = np.dtype(np.float64)
    how["is_causal"] = bool(how["is_causal"])
    assert_close(attention(*inputs, present=True, **how), wanted, 2e-5)


def test_uncapped_scores():
    """Mode 0 gives the scores as multiplied even if a cap follows."""
    x = normal(1, 2, 3, 4)
    _, scores = attention(x, x, x, softcap=0.5, qk_matmul_output_mode=0, scale=1.0)
    np.testing.assert_allclose(scores, x @ x.swapaxes(2, 3), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_attention_rounds_once(dtype: Any):
    """Narrow floats are as near to the exact result as their type allows."""
    q, k, v = (normal(2, 2, 5, 16, seed=seed, dtype=dtype) for seed in range(3))
    y = attention(q, k, v, is_causal=True)
    exact = attention(*(x.astype(np.float64) for x in (q, k, v)), is_causal=True)
    assert y.dtype == dtype
    steps = np.abs(y.astype(np.float64) - exact) / np.abs(exact)
    assert steps.max() <= float(ml_dtypes.finfo(dtype).eps) * 0.51


def test_softmax_of_another_precision():
    """What goes into the softmax and what comes out of it is rounded to the type it is told."""
    x = normal(1, 1, 4, 8)
    how: dict[str, Any] = {"softmax_precision": np.dtype(np.float16), "qk_matmul_output_mode": 3}
    y, weights = attention(x, x, x, **how)
    assert y.dtype == weights.dtype == np.float32
    assert np.array_equal(weights, weights.astype(np.float16).astype(np.float32))


def test_values_of_another_type():
    """The result has the type of the queries, the present values keep their own."""
    x = normal(1, 2, 3, 4)
    y, key, value = attention(x.astype(np.float16), x.astype(np.float16), x, present=True)
    assert (y.dtype, key.dtype, value.dtype) == (np.float16, np.float16, np.float32)


def test_a_query_that_sees_nothing_gives_0():
    """Also where its scores are infinite, and where there are no keys at all."""
    x = normal(1, 1, 2, 4)
    x[0, 0, 0, 0] = np.inf
    mask = np.array([[False, False], [False, True]])
    y, weights = attention(x, x, normal(1, 1, 2, 4), mask, qk_matmul_output_mode=3)
    assert not y[0, 0, 0].any() and not weights[0, 0, 0].any()
    none = attention(x, np.ones((1, 1, 0, 4), np.float32), np.ones((1, 1, 0, 3), np.float32))
    assert none.shape == (1, 1, 2, 3) and not none.any()


def test_negative_scale():
    """Half of the scale goes to each factor, its sign only to one."""
    q, k, v = (normal(1, 1, 3, 4, seed=seed) for seed in range(3))
    np.testing.assert_array_equal(attention(q, k, v, scale=-2.0), attention(-q, k, v, scale=2.0))


def test_attention_refuses_values_that_make_no_sense():
    """Lengths, masks and shapes that only the run shows."""
    x = normal(1, 2, 3, 4)
    with pytest.raises(ValueError, match=r"lengths \[4\] are not all among 0 to 3"):
        attention(x, x, x, nonpad_kv_seqlen=np.array([4]))
    with pytest.raises(ValueError, match=r"lengths of \[2\] for a batch of 1"):
        attention(x, x, x, nonpad_kv_seqlen=np.array([1, 2]))
    with pytest.raises(ValueError, match=r"a mask of \[3, 4\] does not suit scores"):
        attention(x, x, x, np.ones((3, 4), np.bool_))
    with pytest.raises(ValueError, match="do not go together"):
        attention(x, x[:, :, :2], x)
    with pytest.raises(ValueError, match="a past of"):
        attention(x, x, x, None, x[:, :1], x)
    with pytest.raises(ValueError, match=r"\[3, 4\] does not hold 2 heads"):
        attention(x[0, 0], x, x, q_num_heads=2)
    with pytest.raises(ValueError, match="would be too large"):
        many = np.broadcast_to(x[:, :, :1], (1, 2, 1 << 20, 4))
        attention(many, many, many)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("interleaved", [False, True])
def test_rotary_embedding_rounds_once(dtype: Any, interleaved: bool):
    """Turned by angles, as complex numbers are multiplied."""
    x, angles = normal(2, 3, 5, 8, dtype=dtype), normal(2, 5, 4)
    cos, sin = np.cos(angles).astype(dtype), np.sin(angles).astype(dtype)
    y = rotary_embedding(x, cos, sin, interleaved=interleaved)
    order = np.arange(8).reshape(4, 2).T if interleaved else np.arange(8).reshape(2, 4)
    wide = x.astype(np.float64)[..., order]
    turn = (cos.astype(np.float64) + 1j * sin.astype(np.float64))[:, None]
    turned = (wide[..., 0, :] + 1j * wide[..., 1, :]) * turn
    exact = np.stack([turned.real, turned.imag], axis=-2).astype(np.float32).astype(dtype)
    np.testing.assert_array_equal(y[..., order], exact)


def test_rotary_embedding_refuses():
    """Positions that the caches do not have, and caches of other shapes."""
    x, cache = normal(1, 2, 3, 4), normal(5, 2)
    with pytest.raises(ValueError, match="positions are not all among the 5"):
        rotary_embedding(x, cache, cache, np.array([[0, 1, 5]]))
    with pytest.raises(ValueError, match="positions are not all among the 5"):
        rotary_embedding(x, cache, cache, np.array([[0, 1, -1]]))
    with pytest.raises(ValueError, match=r"a cache of \[5, 2\] does not suit \[1, 3, 2\]"):
        rotary_embedding(x, cache, cache)
    with pytest.raises(ValueError, match="cannot turn 3 elements"):
        rotary_embedding(x, cache, cache, rotary_embedding_dim=3)


@DRAWN
@given(data=st.data(), rule=st.sampled_from(UPDATE_RULES))
def test_linear_attention_is_the_references(data: st.DataObject, rule: str):
    """LinearAttention: each rule, each form of its gates, a state or none, any length."""
    draw = data.draw
    batch, kv_heads, size, v_size = (draw(SIDES) for _ in range(4))
    heads, length = kv_heads * draw(SIDES), draw(st.integers(0, 4))
    dtype = draw(st.sampled_from((np.float32, np.float16)))
    state = normal(batch, kv_heads, size, v_size) if draw(st.booleans()) else None
    decays, rates = (kv_heads, kv_heads * size), (kv_heads, 1)
    inputs = [
        normal(batch, length, heads * size, dtype=dtype),
        normal(batch, length, kv_heads * size, dtype=dtype, seed=1),
        normal(batch, length, kv_heads * v_size, dtype=dtype, seed=2),
        state,
        normal(batch, length, draw(st.sampled_from(decays)), dtype=dtype)
        if "gated" in rule
        else None,
        normal(batch, length, draw(st.sampled_from(rates)), dtype=dtype)
        if "delta" in rule
        else None,
    ]
    how: dict[str, Any] = {"q_num_heads": heads, "kv_num_heads": kv_heads, "update_rule": rule}
    if draw(st.booleans()):
        how["scale"] = 0.5
    wanted = expected("LinearAttention", inputs, 2, 27, **how)
    rtol = 1e-4 if dtype == np.float32 else 1e-3
    assert_close(linear_attention(*inputs, **how), wanted, rtol)


def test_linear_attention_refuses():
    """Gates and states of other shapes."""
    x = normal(1, 2, 4)
    heads: dict[str, Any] = {"q_num_heads": 2, "kv_num_heads": 2, "update_rule": "gated"}
    with pytest.raises(ValueError, match=r"gates of \[1, 2, 3\] do not suit"):
        linear_attention(x, x, x, decay=normal(1, 2, 3), **heads)
    with pytest.raises(ValueError, match=r"a state of \[1, 2, 2, 3\], not \[1, 2, 2, 2\]"):
        linear_attention(x, x, x, normal(1, 2, 2, 3), normal(1, 2, 2), **heads)


@DRAWN
@given(data=st.data(), activation=st.sampled_from(("none", "silu", "swish")))
def test_causal_conv_is_the_references(data: st.DataObject, activation: str):
    """CausalConvWithState: windows longer than the input too, with and without what came before."""
    draw = data.draw
    batch, channels, size = draw(SIDES), draw(SIDES), draw(st.integers(1, 4))
    length = draw(st.integers(1, 4))
    dtype = draw(st.sampled_from((np.float32, np.float16)))
    inputs = [
        normal(batch, channels, length, dtype=dtype),
        normal(channels, 1, size, dtype=dtype, seed=1),
        normal(channels, dtype=dtype) if draw(st.booleans()) else None,
        normal(batch, channels, size - 1, dtype=dtype) if draw(st.booleans()) else None,
    ]
    wanted = expected("CausalConvWithState", inputs, 2, 27, activation=activation)
    # In float16 the reference rounds each sum.
    rtol = 1e-5 if dtype == np.float32 else 1e-2
    assert_close(causal_conv_with_state(*inputs, activation=activation), wanted, rtol)


def test_causal_conv_goes_on():
    """In two parts, the second from the state that the first left, it gives the same."""
    x, w = normal(2, 3, 7), normal(3, 1, 4)
    whole, end = causal_conv_with_state(x, w)
    first, state = causal_conv_with_state(x[:, :, :2], w)
    second, last = causal_conv_with_state(x[:, :, 2:], w, None, state)
    np.testing.assert_allclose(np.concatenate((first, second), 2), whole, rtol=1e-6)
    np.testing.assert_array_equal(last, end)
    with pytest.raises(ValueError, match=r"a state of \[2, 3, 7\], not \[2, 3, 3\]"):
        causal_conv_with_state(x, w, None, x)
    with pytest.raises(ValueError, match=r"windows of \[3, 4\] do not suit"):
        causal_conv_with_state(x, w[:, 0])


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
def test_swiglu(dtype: Any):
    """SwiGLU: rounded once, for gates of any size."""
    gate, x = normal(4, 5, dtype=dtype) * dtype(30), normal(4, 5, dtype=dtype, seed=1)
    y = table()["swiglu"](gate, x, alpha=1.5)
    wide = gate.astype(np.float64)
    exact = wide / (1 + np.exp(-1.5 * wide)) * x.astype(np.float64)
    assert y.dtype == dtype
    eps = float(ml_dtypes.finfo(dtype).eps)
    np.testing.assert_allclose(y.astype(np.float64), exact, rtol=4 * eps, atol=eps * 1e-3)
    with pytest.raises(ValueError, match="gates of"):
        table()["swiglu"](gate, x[:1], alpha=1.0)


def test_tensor_scatter_refuses():
    """TensorScatter: no writing outside the cache, unless it goes around."""
    cache, update = np.zeros((2, 4, 1), np.int8), np.ones((2, 3, 1), np.int8)
    for start in (-1, 2):
        with pytest.raises(ValueError, match="there is no room for 3 in 4"):
            tensor_scatter(cache, update, np.array([0, start]))
    around = tensor_scatter(cache, update, np.array([2**63 - 1, -1]), mode="circular")
    assert around[..., 0].tolist() == [[1, 1, 0, 1]] * 2
    with pytest.raises(ValueError, match="the axis must not be the first"):
        tensor_scatter(cache, update, axis=0)
    with pytest.raises(ValueError, match="an update of"):
        tensor_scatter(cache, np.ones((2, 5, 1), np.int8))


def test_a_mask_of_one_key_is_for_all_if_told():
    """Otherwise the keys beyond the mask's last dimension are not seen."""
    q, k, v = normal(1, 2, 4, 8), normal(1, 2, 6, 8), normal(1, 2, 6, 8, seed=1)
    for mask in (normal(4, 1), np.array([[True], [False], [True], [True]])):
        wide = attention(q, k, v, np.broadcast_to(mask, (4, 6)))
        np.testing.assert_array_equal(attention(q, k, v, mask, broadcast_mask=True), wide)
        assert not np.allclose(attention(q, k, v, mask), wide)

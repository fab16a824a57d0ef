"""Steps of optimizers against ONNX's reference evaluator, and against the definition at its edges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper
from onnx.reference import ReferenceEvaluator

from pyflame_rt import dtypes
from pyflame_rt.kernels import training

DOMAIN = "ai.onnx.preview.training"
KINDS = {"Adagrad": 3, "Adam": 4, "Momentum": 3}
ATTRIBUTES = {
    "Adagrad": {"decay_factor": 0.25, "epsilon": 0.125, "norm_coefficient": 0.5},
    "Adam": {
        "alpha": 0.75,
        "beta": 0.875,
        "epsilon": 0.125,
        "norm_coefficient": 0.5,
        "norm_coefficient_post": 0.25,
    },
    "Momentum": {"alpha": 0.75, "beta": 0.5, "mode": "standard", "norm_coefficient": 0.25},
    "Nesterov": {"alpha": 0.75, "beta": 0.5, "mode": "nesterov", "norm_coefficient": 0.25},
}
KERNELS = {"Adagrad": training.adagrad, "Adam": training.adam, "Momentum": training.momentum}


def drawn(kinds: int, *shapes: tuple[int, ...], dtype: Any = np.float32) -> list[np.ndarray]:
    """Reproducible tensors: all of one kind, then all of the next; squares are positive."""
    rng = np.random.default_rng(5)
    return [np.abs(rng.normal(size=shape)).astype(dtype) for _ in range(kinds) for shape in shapes]


def reference(op: str, arrays: list[np.ndarray], attributes: dict[str, Any], count: int) -> Any:
    """What ONNX's reference evaluator computes."""
    names = [f"i{k}" for k in range(len(arrays))]
    results = [f"o{k}" for k in range(count)]
    node = helper.make_node(op, names, results, domain=DOMAIN, **attributes)
    inputs = [
        helper.make_tensor_value_info(n, dtypes.by_numpy()[a.dtype].onnx, a.shape)
        for n, a in zip(names, arrays, strict=True)
    ]
    outputs = [helper.make_empty_tensor_value_info(n) for n in results]
    graph = helper.make_graph([node], "g", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid(DOMAIN, 1)])
    return ReferenceEvaluator(model).run(None, dict(zip(names, arrays, strict=True)))


@pytest.mark.parametrize("steps", [0, 1, 7])
@pytest.mark.parametrize("name", ATTRIBUTES)
@pytest.mark.parametrize("shapes", [[(3,)], [(2, 3), (), (4,)]])
def test_step_equals_onnxs(name: str, shapes: list[tuple[int, ...]], steps: int):
    """One tensor and several, in the first step and later."""
    op = "Momentum" if name == "Nesterov" else name
    attributes, kinds = ATTRIBUTES[name], KINDS[op]
    arrays = [np.array(0.25, np.float32), np.array(steps), *drawn(kinds, *shapes)]
    got = KERNELS[op](*arrays, **attributes)
    assert [a.shape for a in got] == shapes * (kinds - 1)
    want = reference(op, arrays, attributes, len(got))
    for ours, theirs in zip(got, want, strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_each_tensor_keeps_its_type():
    """The rate's does not matter."""
    narrow, wide = drawn(3, (2,)), drawn(3, (3,), dtype=np.float64)
    both = [tensor for pair in zip(narrow, wide, strict=True) for tensor in pair]
    rate = np.array([0.5], np.float64)
    got = training.adagrad(rate, np.array(1), *both, **ATTRIBUTES["Adagrad"])
    assert [a.dtype for a in got] == [np.float32, np.float64] * 2
    alone = training.adagrad(rate, np.array(1), *wide, **ATTRIBUTES["Adagrad"])
    np.testing.assert_array_equal(got[1], alone[0])


def test_divisions_by_zero_give_what_floats_give():
    """Without a warning: coefficients of 1 in Adam, and a rate that decays to nothing."""
    tensors = drawn(4, (2,))
    attributes = {**ATTRIBUTES["Adam"], "alpha": 1.0}
    (x, *_) = training.adam(np.array(1.0), np.array(2), *tensors, **attributes)
    assert np.isneginf(x).all()
    attributes = {**ATTRIBUTES["Adagrad"], "decay_factor": -1.0}
    (x, _) = training.adagrad(np.array(1.0), np.array(1), *drawn(3, (2,)), **attributes)
    assert np.isneginf(x).all()


def test_values_that_make_no_sense_are_refused():
    x = drawn(3, (2,))
    with pytest.raises(ValueError, match="one number each"):
        training.adagrad(np.ones(2), np.array(1), *x, **ATTRIBUTES["Adagrad"])
    with pytest.raises(ValueError, match="tensor 0 has others"):
        training.adagrad(np.array(1.0), np.array(1), *x[:2], x[2][:1], **ATTRIBUTES["Adagrad"])

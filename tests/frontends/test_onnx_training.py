"""Operators of training and chance: what each opset says of them, executed and compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from pyflame_rt.backends.reference import ReferenceBackend
from pyflame_rt.errors import InvalidModelError, UnsupportedOperatorError
from pyflame_rt.frontends.onnx import import_onnx

DOMAIN = "ai.onnx.preview.training"
RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((2, 6, 4), dtype=np.float32)
S, V = RANDOM.random((2, 6), dtype=np.float32) + np.float32(0.5)


def run(
    made: Any,
    opset: int,
    feeds: Mapping[str, np.ndarray],
    known: Mapping[str, np.ndarray] | None = None,
    ranked: bool = True,
) -> tuple[list[np.ndarray], list[str]]:
    """What a model of one node gives, and the names of the ops that it became."""
    inputs = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape if ranked else None
        )
        for name, array in feeds.items()
    ]
    outputs = [helper.make_empty_tensor_value_info(name) for name in made.output if name]
    tensors = [numpy_helper.from_array(array, name) for name, array in (known or {}).items()]
    graph = helper.make_graph([made], "g", inputs, outputs, tensors)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(DOMAIN, 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    module = import_onnx(model.SerializeToString())
    module.verify()
    found = ReferenceBackend().compile(module, "main").run(list(feeds.values()))
    (main,) = module.ops
    return found, [op.name.removeprefix("pfrt.") for op in main.body.block.ops][:-1]


def node(op: str, inputs: str = "x", outputs: str = "y", domain: str = "", **attributes: Any):
    return helper.make_node(op, inputs.split(), outputs.split(), domain=domain, **attributes)


@pytest.mark.parametrize(("opset", "training"), [(7, {}), (9, {}), (15, {"training_mode": 1})])
def test_batch_normalization_in_training(opset: int, training: dict[str, int]):
    """Told by its outputs until opset 14, by an attribute since."""
    made = node("BatchNormalization", "x s b m v", "y a c", momentum=0.75, **training)
    (y, mean, var), names = run(made, opset, {"x": X}, {"s": S, "b": V, "m": S, "v": V})
    assert names[-1] == "batch_normalization_training"
    now, spread = X.mean((0, 2)), X.var((0, 2))
    np.testing.assert_allclose(mean, S * 0.75 + now * 0.25, rtol=1e-5)
    np.testing.assert_allclose(var, V * 0.75 + spread * 0.25, rtol=1e-5)
    normal = (X - now[:, None]) / np.sqrt(spread + 1e-5)[:, None]
    np.testing.assert_allclose(y, normal * S[:, None] + V[:, None], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("ranked", [True, False])
def test_batch_normalization_by_element(ranked: bool):
    """What `spatial` = 0 meant until opset 9."""
    mean = X[0] / 2
    known = {"s": X[0], "b": X[1], "m": mean, "v": np.ones((6, 4), np.float32)}
    made = node("BatchNormalization", "x s b m v", spatial=0, epsilon=0.0)
    (y,), _ = run(made, 7, {"x": X}, known, ranked)
    np.testing.assert_allclose(y, (X - mean) * X[0] + X[1], rtol=1e-5, atol=1e-6)


def test_outputs_of_training_belong_to_training():
    known = {"s": S, "b": V, "m": S, "v": V}
    with pytest.raises(InvalidModelError, match="outputs of training"):
        run(node("BatchNormalization", "x s b m v", "y a c"), 15, {"x": X}, known)
    with pytest.raises(UnsupportedOperatorError, match="spatial = 0"):
        run(node("BatchNormalization", "x s b m v", "y a c", spatial=0), 7, {"x": X}, known)


@pytest.mark.parametrize("ranked", [True, False])
def test_group_normalization_had_a_scale_a_group(ranked: bool):
    """Until opset 21; since then one a channel."""
    scale, bias = np.array([1, 2, 3], np.float32), np.array([4, 5, 6], np.float32)
    made = node("GroupNormalization", "x s b", num_groups=3)
    (old,), names = run(made, 18, {"x": X}, {"s": scale, "b": bias}, ranked)
    assert "instance_normalization" in names
    wide = {"s": np.repeat(scale, 2), "b": np.repeat(bias, 2)}
    (new,), names = run(made, 21, {"x": X}, wide, ranked)
    assert names[-1] == "group_normalization"
    np.testing.assert_allclose(old, new, rtol=1e-5, atol=1e-5)


def test_hardmax_was_of_all_from_an_axis_on():
    """Until opset 13."""
    (old,), _ = run(node("Hardmax"), 11, {"x": X})
    assert old.reshape(2, -1).sum(1).tolist() == [1, 1]
    (new,), _ = run(node("Hardmax"), 13, {"x": X})
    assert new.sum() == 12


@pytest.mark.parametrize("outputs", ["y", "y p"])
def test_cross_entropy_is_the_loss_of_logarithms_of_softmax(outputs: str):
    """Which are the second output."""
    target = np.array([[0, 5, 2, -1], [1, 1, 1, 1]])
    made = node("SoftmaxCrossEntropyLoss", "x t w", outputs, ignore_index=-1, reduction="none")
    found, names = run(made, 13, {"x": X, "t": target}, {"w": S})
    assert names[-2:] == ["log_softmax", "negative_log_likelihood_loss"]
    logs = X - np.log(np.exp(X).sum(1, keepdims=True))
    kept = np.maximum(target, 0)
    picked = -np.take_along_axis(logs, kept[:, None], 1)[:, 0] * S[kept]
    np.testing.assert_allclose(found[0], np.where(target < 0, 0, picked), rtol=1e-5)
    for log_prob in found[1:]:
        np.testing.assert_allclose(log_prob, logs, rtol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_whether_dropout_trains_may_be_known_at_run_time_only(training: bool):
    """The ratio is a half unless it is given."""
    helper_inputs = {"x": np.ones((40, 50), np.float32), "t": np.array(training)}
    made = helper.make_node("Dropout", ["x", "", "t"], ["y", "m"], seed=3)
    (y, mask), names = run(made, 13, helper_inputs)
    assert names[-1] == "dropout"
    assert np.array_equal(y, np.where(mask, 2 if training else 1, 0))
    assert bool(mask.all()) is not training


def test_dropout_that_does_not_train_draws_nothing():
    _, names = run(node("Dropout", "x r t"), 22, {"x": X}, {"r": S[0], "t": np.array(False)})
    assert names == ["identity"]


@pytest.mark.parametrize(
    ("made", "dtype", "shape"),
    [
        (node("RandomNormal", "", shape=[2, 3]), np.float32, (2, 3)),
        (node("RandomNormal", "", shape=[4], dtype=TensorProto.DOUBLE), np.float64, (4,)),
        (node("RandomNormalLike", dtype=TensorProto.FLOAT16), np.float16, X.shape),
        (node("RandomUniform", "", shape=[0], low=1.0, high=2.0), np.float32, (0,)),
        (node("RandomUniformLike", seed=1.5), np.float32, X.shape),
        (node("Bernoulli", dtype=TensorProto.BOOL, seed=0.0), np.bool_, X.shape),
        (node("Multinomial", "s", sample_size=5), np.int32, (2, 5)),
        (node("Multinomial", "s", dtype=TensorProto.INT64), np.int64, (2, 1)),
    ],
)
@pytest.mark.parametrize("opset", [15, 22])
def test_draws_have_the_type_and_shape_they_are_told(
    made: Any, dtype: Any, shape: tuple[int, ...], opset: int
):
    (y,), _ = run(made, opset, {"x": X, "s": X[:, :, 0]})
    assert (y.dtype, y.shape) == (dtype, shape)


def test_optimizers_take_several_tensors():
    """All x, all gradients, all momenta; the coefficients have no defaults."""
    made = node(
        "Momentum",
        "r t x z g h u v",
        "x2 z2 u2 v2",
        domain=DOMAIN,
        alpha=0.5,
        beta=2.0,
        mode="standard",
        norm_coefficient=0.0,
    )
    feeds = {"r": np.array(0.1, np.float32), "t": np.array(1)}
    feeds |= dict.fromkeys("xghzuv", X)
    feeds |= dict.fromkeys("zhv", S)
    feeds = {name: feeds[name] for name in made.input}
    (x, z, u, v), _ = run(made, 15, feeds)
    np.testing.assert_allclose(u, X * 2.5, rtol=1e-6)
    np.testing.assert_allclose(v, S * 2.5, rtol=1e-6)
    np.testing.assert_allclose(x, X * 0.75, rtol=1e-5)
    np.testing.assert_allclose(z, S * 0.75, rtol=1e-5)
    incomplete = node("Momentum", "r t x g u", "y v", domain=DOMAIN, alpha=0.5)
    with pytest.raises(InvalidModelError, match="is missing"):
        run(incomplete, 15, {name: feeds[name] for name in "rtxgu"})

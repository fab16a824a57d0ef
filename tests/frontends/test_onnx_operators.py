"""Operators whose meaning or form changed between opsets, executed and compared."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper, numpy_helper

from pyflame_rt.backends.reference import ReferenceBackend
from pyflame_rt.dialects.pfrt import operations
from pyflame_rt.dialects.pfrt.names import op_name_of
from pyflame_rt.errors import InvalidModelError, UnsupportedOperatorError
from pyflame_rt.frontends.onnx import import_onnx
from pyflame_rt.frontends.onnx.ops import rules

RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((2, 3, 4), dtype=np.float32)
V = np.array([1.0, -2.0, 3.0], np.float32)


def run(node, opset: int, feeds, initializers=None, ranked: bool = True):
    """Import one node, execute it with the reference backend, return outputs and ops' names."""
    outputs = [helper.make_empty_tensor_value_info(name) for name in node.output if name]
    inputs = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape if ranked else None
        )
        for name, array in feeds.items()
    ]
    tensors = [numpy_helper.from_array(a, n) for n, a in (initializers or {}).items()]
    graph = helper.make_graph([node], "g", inputs, outputs, tensors)
    opsets = [helper.make_opsetid("", opset)]
    proto = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    module = import_onnx(proto.SerializeToString())
    module.verify()
    found = ReferenceBackend().compile(module, "main").run(list(feeds.values()))
    (main,) = module.ops
    return found, [op.name for op in main.body.block.ops][:-1]


def node(op: str, inputs="x", outputs="y", **attributes):
    return helper.make_node(op, inputs.split(), outputs.split(), **attributes)


def softmax(x: np.ndarray, axes) -> np.ndarray:
    shifted = np.exp(x - x.max(axes, keepdims=True))
    return shifted / shifted.sum(axes, keepdims=True)


C = np.array
PADDED = np.pad(X, [(0, 0), (0, 0), (1, 1)], constant_values=2)


@pytest.mark.parametrize(
    ("made", "opset", "feeds", "initializers", "expected"),
    [
        # Softmax is along one axis since 13, before that over all from the axis on.
        (node("Softmax", axis=1), 13, {"x": X}, {}, softmax(X, 1)),
        (node("Softmax"), 13, {"x": X}, {}, softmax(X, 2)),
        (node("Softmax"), 11, {"x": X}, {}, softmax(X, (1, 2))),
        (node("Softmax", axis=-1), 11, {"x": X}, {}, softmax(X, 2)),
        (node("Softmax", axis=0), 9, {"x": X}, {}, softmax(X, (0, 1, 2))),
        (node("LogSoftmax"), 11, {"x": X}, {}, np.log(softmax(X, (1, 2)))),
        # Bounds of Clip were attributes.
        (node("Clip", min=-0.5, max=0.5), 6, {"x": X}, {}, X.clip(-0.5, 0.5)),
        (node("Clip", max=0.5), 10, {"x": X}, {}, X.clip(None, 0.5)),
        (node("Clip", "x lo"), 11, {"x": X}, {"lo": np.float32(0)}, X.clip(0)),
        # Axes were attributes, and became inputs in 13 or 18.
        (node("ReduceSum", axes=[1], keepdims=0), 11, {"x": X}, {}, X.sum(1)),
        (node("ReduceSum", "x a", keepdims=0), 13, {"x": X}, {"a": C([1])}, X.sum(1)),
        (node("ReduceMean", axes=[-1]), 13, {"x": X}, {}, X.mean(2, keepdims=True)),
        (node("ReduceMean", "x a"), 18, {"x": X}, {"a": C([2])}, X.mean(2, keepdims=True)),
        (node("Squeeze", axes=[0]), 11, {"x": X[:1]}, {}, X[0]),
        (node("Squeeze", "x a"), 13, {"x": X[:1]}, {"a": C([0])}, X[0]),
        (node("Unsqueeze", axes=[0]), 11, {"x": X}, {}, X[None]),
        (node("Unsqueeze", "x a"), 13, {"x": X}, {"a": C([0])}, X[None]),
        # So were shapes, pads, and what is sliced or split.
        (node("Reshape", shape=[0, -1]), 1, {"x": X}, {}, X.reshape(2, 12)),
        (node("Reshape", "x s"), 5, {"x": X}, {"s": C([0, -1])}, X.reshape(2, 12)),
        (node("Slice", starts=[1], ends=[9], axes=[2]), 9, {"x": X}, {}, X[:, :, 1:]),
        (
            node("Slice", "x s e a t"),
            13,
            {"x": X},
            {"s": C([3]), "e": C([0]), "a": C([2]), "t": C([-2])},
            X[:, :, 3:0:-2],
        ),
        (node("Pad", pads=[0, 0, 1, 0, 0, 1], value=2.0), 2, {"x": X}, {}, PADDED),
        (node("Pad", paddings=[0, 0, 1, 0, 0, 1], value=2.0), 1, {"x": X}, {}, PADDED),
        (
            node("Pad", "x p v"),
            13,
            {"x": X},
            {"p": C([0, 0, 1, 0, 0, 1]), "v": np.float32(2)},
            PADDED,
        ),
        (node("Split", outputs="y z", split=[1, 3], axis=2), 11, {"x": X}, {}, X[:, :, :1]),
        (node("Split", "x s", "y z", axis=2), 13, {"x": X}, {"s": C([1, 3])}, X[:, :, :1]),
        (node("Split", outputs="y z", axis=2), 13, {"x": X}, {}, X[:, :, :2]),
        (node("Split", outputs="y z", axis=1, num_outputs=2), 18, {"x": X}, {}, X[:, :2]),
        # Broadcasting was an attribute, from an axis on.
        (node("Add", "x v", broadcast=1, axis=1), 6, {"x": X, "v": V}, {}, X + V[:, None]),
        (node("Mul", "x v", broadcast=1), 6, {"x": X, "v": X[0]}, {}, X * X[0]),
        (
            node("Gemm", "x v b", broadcast=1),
            6,
            {"x": X[0], "v": X[0].T, "b": V},
            {},
            X[0] @ X[0].T + V,
        ),
        (node("PRelu", "x v"), 6, {"x": X, "v": V}, {}, np.where(X < 0, X * V[:, None], X)),
        (node("Relu", consumed_inputs=[0]), 1, {"x": X}, {}, np.maximum(X, 0)),
        (node("Abs", consumed_inputs=[0]), 1, {"x": X}, {}, np.abs(X)),
    ],
)
def test_forms_of_every_opset(made, opset, feeds, initializers, expected):
    found, _ = run(made, opset, feeds, initializers)
    np.testing.assert_allclose(found[0], expected, rtol=1e-5)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_old_softmax_without_a_known_rank(axis):
    """It is flattened and brought back into its shape, whatever that is."""
    found, names = run(node("Softmax", axis=axis), 11, {"x": X}, ranked=False)
    np.testing.assert_allclose(found[0], softmax(X, tuple(range(axis, 3))), rtol=1e-5)
    assert names == ["pfrt.flatten", "pfrt.softmax", "pfrt.shape", "pfrt.reshape"]


def test_old_softmax_along_one_wide_dimension_stays_one_op():
    _, names = run(node("Softmax"), 9, {"x": X[:, :, :1]})
    assert names == ["pfrt.softmax"]


@pytest.mark.parametrize(("opset", "kind"), [(7, np.float32), (10, np.bool_)])
def test_the_mask_of_dropout_keeps_everything(opset, kind):
    (kept, mask), _ = run(node("Dropout", outputs="y m", ratio=0.5), opset, {"x": X})
    np.testing.assert_array_equal(kept, X)
    assert mask.dtype == kind
    assert mask.all()


def test_dropout_of_later_opsets_has_its_ratio_as_input():
    known = {"r": np.float32(0.5), "t": np.array(False)}
    (kept,), names = run(node("Dropout", "x r t", seed=3), 13, {"x": X}, known)
    np.testing.assert_array_equal(kept, X)
    assert names == ["pfrt.identity"]


def test_the_second_output_of_max_pool_makes_it_another_op():
    (top, where), names = run(node("MaxPool", outputs="y i", kernel_shape=[2]), 12, {"x": X})
    assert names == ["pfrt.max_pool_with_indices"]
    np.testing.assert_array_equal(X.reshape(-1)[where], top)
    assert run(node("MaxPool", kernel_shape=[2]), 12, {"x": X})[1] == ["pfrt.max_pool"]


@pytest.mark.parametrize("ranked", [True, False])
@pytest.mark.parametrize("axis", [1, -2])
def test_statistics_of_layer_normalization(axis, ranked):
    """Also where the rank, and with it the axes from a positive one on, is known at run time."""
    made = node("LayerNormalization", "x s", "y m d", axis=axis)
    scale = np.ones((3, 4), np.float32)
    (_, mean, deviation), _ = run(made, 17, {"x": X}, {"s": scale}, ranked)
    np.testing.assert_allclose(mean, X.mean((1, 2), keepdims=True), rtol=1e-5, atol=1e-6)
    expected = 1 / np.sqrt(X.var((1, 2), keepdims=True) + 1e-5)
    np.testing.assert_allclose(deviation, expected, rtol=1e-5)


def test_properties_keep_the_values_of_constants():
    """f64 bounds that f32 cannot hold stay operands."""
    wide, low = X.astype(np.float64), np.array(0.1)
    (found,), _ = run(node("Clip", "x lo"), 13, {"x": wide}, {"lo": low})
    np.testing.assert_array_equal(found, wide.clip(low))


STATISTICS = dict.fromkeys(("s", "b", "m", "v"), V)


@pytest.mark.parametrize(
    ("made", "opset", "initializers", "why"),
    [
        (node("BatchNormalization", "x s b m v"), 6, STATISTICS, "training mode"),
        (
            node("BatchNormalization", "x s b m v", "y a b2 c"),
            9,
            STATISTICS,
            "saved statistics",
        ),
        (node("LayerNormalization", "x s", stash_type=16), 17, {"s": X[0]}, "another type"),
        (node("RMSNormalization", "x s", stash_type=10), 23, {"s": X[0, 0]}, "another type"),
        (node("Selu"), 1, {}, "supported from opset 6 on"),
        (node("NoSuchThing"), 13, {}, "no such operator"),
    ],
)
def test_forms_that_are_not_supported(made, opset, initializers, why):
    with pytest.raises(UnsupportedOperatorError, match=why):
        run(made, opset, {"x": X}, initializers)


@pytest.mark.parametrize(
    ("made", "opset", "why"),
    [
        (node("Add", "x x", broadcast=1), 7, 'no attribute "broadcast"'),
        (node("Add", "x x", broadcast=1, axis=2), 6, "does not broadcast"),
        (node("Clip", min=1.0), 11, 'no attribute "min"'),
        (node("Clip", "x x"), 6, "2 inputs, at most 1"),
        (node("ReduceSum", axes=[1]), 13, 'no attribute "axes"'),
        (node("Split", outputs="y z", num_outputs=3), 18, "not the number of its outputs, 2"),
        (node("Split", outputs="y z", split=[1, 1], axis=2), 11, "C4"),
        (node("Conv", "x x", kernel_shape=[9]), 11, "not that of the weights"),
        (node("Cast"), 13, '"to" is missing'),
        (node("Gelu", approximate="sin"), 20, "C2"),
        (node("Gelu", approximate=b"\xff"), 20, "not UTF-8"),
        (node("ArgMax", keepdims=2), 13, "must be 0 or 1"),
    ],
)
def test_forms_that_an_opset_does_not_have(made, opset, why):
    with pytest.raises(InvalidModelError, match=why):
        run(made, opset, {"x": X})


def test_every_op_has_a_rule_and_no_rule_lacks_its_op():
    """What the dialect can say, the frontend can import; onnxruntime's own operators (of the domain
    com.microsoft) are all said with ops that ONNX's have."""
    imported = {op_name_of(op_type) for domain, op_type in rules() if domain != "com.microsoft"}
    made_otherwise = {
        "pfrt.all_gather",
        "pfrt.all_reduce",
        "pfrt.batch_normalization_training",
        "pfrt.broadcast",
        "pfrt.conv_integer_to_float",
        "pfrt.fused",
        "pfrt.matmul_integer_to_float",
        "pfrt.max_pool_with_indices",
        "pfrt.pack_channels",
        "pfrt.qlinear_add",
        "pfrt.qlinear_conv_add",
        "pfrt.receive",
        "pfrt.scatter_slices",
        "pfrt.send",
        "pfrt.unpack_channels",
        "pfrt.yield",
    }
    assert set(operations()) - imported <= made_otherwise
    # These are said with another op.
    assert imported - set(operations()) == {
        "pfrt.cast_like",
        "pfrt.category_mapper",
        "pfrt.gradient",
        "pfrt.flex_attention",
        "pfrt.scatter",
        "pfrt.softmax_cross_entropy_loss",
        "pfrt.tree_ensemble_regressor",
        "pfrt.upsample",
    }

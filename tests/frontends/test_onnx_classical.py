"""Models of ai.onnx.ml as a whole, their maps and labels, and ensembles that are not sound."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from pyflame_rt import InferenceSession, compiler, module_files
from pyflame_rt.errors import InvalidModelError
from pyflame_rt.frontends.onnx import import_onnx

ML = "ai.onnx.ml"
X = np.array([[0, 1], [1, 0], [0.25, 0.75]], np.float32)


def typed(name: str, kind: Any = None) -> Any:
    """A value of a type, or of one to be inferred."""
    if kind is None:
        return helper.make_empty_tensor_value_info(name)
    return helper.make_value_info(name, kind)


def tensor_type(element: int, shape: list[int | None] | None = None) -> Any:
    return helper.make_tensor_type_proto(element, [] if shape is None else shape)


def model(nodes: list[Any], x: Any, *outputs: Any, opset: int = 1) -> bytes:
    graph = helper.make_graph(nodes, "g", [x], list(outputs))
    opsets = [helper.make_opsetid(ML, opset), helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()


def node(op: str, outputs: str = "y", *, x: str = "x", **attributes: Any) -> Any:
    return helper.make_node(op, [x], outputs.split(), domain=ML, **attributes)


def judged(blob: bytes, feed: dict[str, Any]) -> list[Any]:
    """What ONNX Runtime gives."""
    ort = pytest.importorskip("onnxruntime")
    return ort.InferenceSession(blob, providers=["CPUExecutionProvider"]).run(None, feed)


@pytest.mark.parametrize(
    ("key", "value", "x", "op", "attributes"),
    [
        ("i", "f", {3: 1.5, 1: -2.25}, "CastMap", {}),
        ("i", "f", {3: 1.5, 1: -2.25}, "CastMap", {"cast_to": "TO_INT64"}),
        (
            "i", "f", {3: 1.5, 1: -2.25}, "CastMap",
            {"cast_to": "TO_STRING", "map_form": "SPARSE", "max_map": 5},
        ),
        ("s", "f", {"a": 1.5, "z": -2.25}, "DictVectorizer", {"string_vocabulary": ["z", "q", "a"]}),
        ("i", "f", {7: 1.5, 9: -2.25}, "DictVectorizer", {"int64_vocabulary": [9, 8, 7]}),
    ],
)  # fmt: skip
def test_maps_that_are_fed(key, value, x, op, attributes):
    """CastMap and DictVectorizer give what ONNX Runtime does."""
    element = {"i": TensorProto.INT64, "s": TensorProto.STRING, "f": TensorProto.FLOAT}
    kind = helper.make_map_type_proto(element[key], tensor_type(element[value]))
    blob = model([node(op, **attributes)], typed("x", kind), typed("y"))
    (expected,), (actual,) = judged(blob, {"x": x}), InferenceSession(blob).run(None, {"x": x})
    assert (actual.dtype, actual.tolist()) == (expected.dtype, expected.tolist())


@pytest.mark.parametrize(
    ("op", "attributes", "x", "expected"),
    [
        ("CastMap", {}, {2: "1.5", 0: "-1"}, [[-1.0, 1.5]]),
        ("DictVectorizer", {"int64_vocabulary": [2, 1]}, {2: "b"}, [["b", ""]]),
    ],
)
def test_maps_to_strings(op, attributes, x, expected):
    """ONNX Runtime's Python API cannot be fed them."""
    kind = helper.make_map_type_proto(TensorProto.INT64, tensor_type(TensorProto.STRING))
    blob = model([node(op, **attributes)], typed("x", kind), typed("y"))
    (y,) = InferenceSession(blob).run(None, {"x": x})
    assert y.tolist() == expected


@pytest.mark.parametrize("labels", [["no", "yes"], [7, 9]])
def test_a_classifier_with_its_map(labels):
    """What converters write: labels and, by ZipMap, the score of each class by its label."""
    strings = isinstance(labels[0], str)
    key = TensorProto.STRING if strings else TensorProto.INT64
    map_type = helper.make_map_type_proto(key, tensor_type(TensorProto.FLOAT))
    blob = model(
        [
            node("LinearClassifier", "label scores", coefficients=[1.0, -1.0, -1.0, 1.0],
                 intercepts=[0.25, -0.25], post_transform="LOGISTIC",
                 **{"classlabels_strings" if strings else "classlabels_ints": labels}),
            node("Normalizer", "chances", x="scores", norm="L1"),
            node("ZipMap", "maps", x="chances",
                 **{"classlabels_strings" if strings else "classlabels_int64s": labels}),
        ],
        typed("x", tensor_type(TensorProto.FLOAT, [None, 2])),
        typed("label"),
        typed("maps", helper.make_sequence_type_proto(map_type)),
    )  # fmt: skip
    expected, actual = judged(blob, {"x": X}), InferenceSession(blob).run(None, {"x": X})
    assert actual[0].tolist() == expected[0].tolist()
    assert [list(found) for found in actual[1]] == [list(found) for found in expected[1]]
    for one, other in zip(actual[1], expected[1], strict=True):
        np.testing.assert_allclose(list(one.values()), list(other.values()), rtol=1e-6)


def old_tree(**changes: Any) -> dict[str, Any]:
    """A node and two leaves, as before TreeEnsemble."""
    return {
        "nodes_treeids": [0, 0, 0],
        "nodes_nodeids": [0, 1, 2],
        "nodes_featureids": [0, 0, 0],
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"],
        "nodes_values": [0.5, 0.0, 0.0],
        "nodes_truenodeids": [1, 0, 0],
        "nodes_falsenodeids": [2, 0, 0],
        "target_treeids": [0, 0],
        "target_nodeids": [1, 2],
        "target_ids": [0, 0],
        "target_weights": [1.0, 2.0],
        "n_targets": 1,
        **changes,
    }


def new_tree(**changes: Any) -> dict[str, Any]:
    """A node and two leaves, as TreeEnsemble has them."""
    arrays = {
        "nodes_modes": np.array([0], np.uint8),
        "nodes_splits": np.array([0.5], np.float32),
        "leaf_weights": np.array([1, 2], np.float32),
    }
    found: dict[str, Any] = {
        "tree_roots": [0],
        "nodes_featureids": [0],
        "nodes_truenodeids": [0],
        "nodes_trueleafs": [1],
        "nodes_falsenodeids": [1],
        "nodes_falseleafs": [1],
        "leaf_targetids": [0, 0],
        "n_targets": 1,
        **arrays,
        **changes,
    }
    return {
        name: numpy_helper.from_array(value, name) if isinstance(value, np.ndarray) else value
        for name, value in found.items()
        if value is not None
    }


def trees(op: str, attributes: dict[str, Any], outputs: str = "y") -> bytes:
    names = [typed(name) for name in outputs.split()]
    x = typed("x", tensor_type(TensorProto.FLOAT, [None, 2]))
    return model(
        [node(op, outputs, **attributes)], x, *names, opset=5 if op == "TreeEnsemble" else 3
    )


def test_old_and_new_ensembles_become_one_form():
    """The same op with the same properties."""
    texts = set()
    for blob in (trees("TreeEnsembleRegressor", old_tree()), trees("TreeEnsemble", new_tree())):
        (op,) = (op for op in import_onnx(blob).walk() if op.name == "pfrt.tree_ensemble")
        texts.add(str({name: attr for name, attr in op.properties.items() if name != "names"}))
    assert len(texts) == 1


def test_nodes_are_put_in_order():
    """Roots last in the lists, and two branches to one node, which is no cycle."""
    attributes = new_tree(
        tree_roots=[2],
        nodes_modes=np.array([6, 0, 0], np.uint8),
        nodes_splits=np.array([0, 0.5, 0.125], np.float32),
        nodes_featureids=[1, 0, 1],
        nodes_truenodeids=[0, 0, 0],
        nodes_trueleafs=[1, 0, 0],
        nodes_falsenodeids=[1, 2, 1],
        nodes_falseleafs=[1, 1, 0],
        leaf_weights=np.array([1, 2, 4], np.float32),
        leaf_targetids=[0, 0, 0],
        membership_values=np.array([0, 1, np.nan], np.float32),
    )
    blob = trees("TreeEnsemble", attributes)
    (y,) = InferenceSession(blob).run(None, {"x": X})
    assert y.ravel().tolist() == [1, 1, 2]


def test_trees_may_share_their_numbers():
    """Each tree counts its own nodes; roots are the first nodes."""
    one = old_tree()
    two = {
        name: value if name == "n_targets" else [*value, *value] for name, value in one.items()
    }  # fmt: skip
    two["nodes_treeids"] = [4, 4, 4, 2, 2, 2]
    two["target_treeids"] = [4, 4, 2, 2]
    (y,) = InferenceSession(trees("TreeEnsembleRegressor", two)).run(None, {"x": X})
    assert y.ravel().tolist() == [2, 4, 2]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"nodes_truenodeids": [0, 0, 0]}, "the nodes of a tree form a cycle"),
        ({"nodes_falsenodeids": [3, 0, 0]}, "tree 0 has no node 3"),
        ({"nodes_nodeids": [0, 1, 1]}, "tree 0 has two nodes 1"),
        ({"nodes_values": [0.5]}, "nodes_values has 1 elements for 3 nodes"),
        ({"nodes_modes": ["BRANCH_LEQ", "LEAF", "TWIG"]}, "nodes_modes"),
        ({"nodes_featureids": [2, 0, 0]}, "C3: a node asks for feature 2"),
        ({"target_nodeids": [1, 7]}, "tree 0 has no node 7"),
        ({"target_ids": [0, 1]}, "C5: a leaf votes for a target that is none of 1"),
        ({"target_ids": [0]}, "the attributes target_* have different lengths"),
        ({"base_values": [1.0, 2.0]}, "C7: base_values must be a vector of 1"),
        ({"aggregate_function": "MEDIAN"}, 'C8: cannot put votes together by "MEDIAN"'),
        ({"post_transform": "LOG"}, 'C7: there is no transform "LOG"'),
        ({"n_targets": 0}, "C5: n_targets is 0"),
    ],
)
def test_old_ensembles_that_are_not_sound(changes, why):
    """One line that says what is wrong, and no walk without end."""
    with pytest.raises(InvalidModelError) as caught:
        import_onnx(trees("TreeEnsembleRegressor", old_tree(**changes)))
    assert why in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"nodes_trueleafs": [0]}, "the nodes of a tree form a cycle"),
        ({"nodes_falsenodeids": [2]}, "C4: nodes_false leads out of the ensemble"),
        ({"nodes_falsenodeids": [-1]}, "nodes_falsenodeids holds -1"),
        ({"tree_roots": [1]}, "C4: tree_roots leads out of the ensemble"),
        ({"tree_roots": [-1]}, "tree_roots holds -1"),
        ({"nodes_featureids": [0, 0]}, "nodes_featureids has 2 elements for 1 nodes"),
        ({"nodes_modes": np.array([9], np.uint8)}, "C3: modes are 0 to 6, got 9"),
        ({"nodes_modes": np.array([np.nan], np.float32)}, "nodes_modes holds float32"),
        ({"nodes_modes": np.array([6], np.uint8)}, "C6: 0 sets of members for 1 nodes"),
        ({"membership_values": np.array([1, np.nan], np.float32)}, "C6: 1 sets of members"),
        ({"leaf_targetids": [0]}, "C5: 1 targets for 2 weights of leaves"),
        ({"aggregate_function": 4}, "aggregate_function is 4"),
        ({"post_transform": -1}, "post_transform is -1"),
        ({"n_targets": None}, 'attribute "n_targets" is missing'),
    ],
)
def test_new_ensembles_that_are_not_sound(changes, why):
    """One line that says what is wrong, and no walk without end."""
    with pytest.raises(InvalidModelError) as caught:
        import_onnx(trees("TreeEnsemble", new_tree(**changes)))
    assert why in str(caught.value)


def test_one_class_is_a_yes_or_no():
    """The label of a classifier with one class is 1 where its score is positive, else 0."""
    attributes = {
        name.replace("target_", "class_"): value
        for name, value in old_tree(target_weights=[-1.0, 2.0]).items()
        if name != "n_targets"
    }
    blob = trees(
        "TreeEnsembleClassifier", {**attributes, "classlabels_int64s": [5]}, "label scores"
    )
    expected, actual = judged(blob, {"x": X}), InferenceSession(blob).run(None, {"x": X})
    assert [found.tolist() for found in actual] == [found.tolist() for found in expected]


def test_two_classes_with_votes_are_compared():
    """The label is that of the higher score (ONNX Runtime's is 1 where the second is positive)."""
    attributes = {
        name.replace("target_", "class_"): value
        for name, value in old_tree(
            target_treeids=[0] * 4,
            target_nodeids=[1, 1, 2, 2],
            target_ids=[0, 1, 0, 1],
            target_weights=[0.75, 0.25, 0.25, 0.75],
        ).items()
        if name != "n_targets"
    }
    blob = trees(
        "TreeEnsembleClassifier",
        {**attributes, "classlabels_strings": ["no", "yes"]},
        "label scores",
    )
    label, scores = InferenceSession(blob).run(None, {"x": X})
    assert label.tolist() == ["no", "yes", "no"]
    assert scores.tolist() == [[0.75, 0.25], [0.25, 0.75], [0.75, 0.25]]


@pytest.mark.parametrize(
    ("op", "attributes", "why"),
    [
        ("LinearRegressor", {}, 'attribute "coefficients" is missing'),
        ("LinearClassifier", {"coefficients": [1.0, 2.0]}, "either classlabels_ints or"),
        ("LabelEncoder", {"keys_int64s": [1]}, "one of the attributes values_*"),
        ("Imputer", {"imputed_value_int64s": [1]}, 'attribute "imputed_value_floats" is missing'),
        ("OneHotEncoder", {}, "needs either cats_int64s or cats_strings"),
        ("SVMRegressor", {"coefficients": [1.0, 2.0], "rho": [0.0], "kernel_params": [1.0]},
         "kernel_params must be gamma, coef0 and degree"),
        ("SVMRegressor", {"coefficients": [1.0, 2.0], "rho": [0.0], "n_supports": 3},
         "n_supports is 3 with 2 coefficients"),
        ("ZipMap", {"classlabels_int64s": [1, 2, 3]}, "C2: 3 labels of int64"),
    ],
)  # fmt: skip
def test_what_is_missing_or_does_not_fit(op, attributes, why):
    """An error of the node, in one line."""
    outputs = "y z" if op.endswith("Classifier") else "y"
    x = typed("x", tensor_type(TensorProto.FLOAT, [None, 2]))
    blob = model([node(op, outputs, **attributes)], x, *map(typed, outputs.split()), opset=2)
    with pytest.raises(InvalidModelError) as caught:
        import_onnx(blob)
    assert why in str(caught.value)


def test_large_ensembles_are_weights_and_survive_a_file(tmp_path):
    """More than a thousand nodes are not text; saved and loaded they give the same."""
    rng = np.random.default_rng(0)
    count = 5000
    here = np.arange(count)
    attributes = new_tree(
        nodes_modes=np.zeros(count, np.uint8),
        nodes_splits=rng.random(count).astype(np.float32),
        nodes_featureids=rng.integers(0, 2, count).tolist(),
        nodes_truenodeids=np.where(here % 2, here, (here + 1) % count).tolist(),
        nodes_trueleafs=(here % 2).tolist(),
        nodes_falsenodeids=here.tolist(),
        nodes_falseleafs=[1] * count,
        tree_roots=list(range(0, count, 2)),
        leaf_weights=rng.random(count).astype(np.float32),
        leaf_targetids=[0] * count,
    )
    program = compiler.load(trees("TreeEnsemble", attributes))
    (expected,) = compiler.compile_module(program.module, program.ctx, "reference", "").run([X])
    text = module_files.to_text(program.module)
    assert "nodes_splits = #pfrt.weight<" in text
    assert len(text) < 3000
    module_files.save(program.module, tmp_path / "trees.mlir")
    (actual,) = InferenceSession(str(tmp_path / "trees.mlir")).run(None, {"x": X})
    assert np.array_equal(actual, expected)

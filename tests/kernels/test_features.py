"""Features, labels and maps: what ONNX Runtime, which judges the differential tests, cannot."""

from __future__ import annotations

import numpy as np
import pytest

from pyflame_rt.kernels import features as kernels


def words(*texts: str) -> np.ndarray:
    array = np.empty(len(texts), object)
    array[:] = texts
    return array


def test_nan_is_not_greater():
    """ONNX Runtime refuses it."""
    x = np.array([np.nan, 1, -1, np.inf])
    assert kernels.binarizer(x).tolist() == [0, 1, 0, 1]
    assert kernels.binarizer(np.array([2, 3], np.int32), threshold=2.5).tolist() == [0, 1]


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_missing_integers(dtype):
    """The last dimension has the features, whatever the rank."""
    x = np.array([[[1, -1], [-1, 2]]], dtype)
    y = kernels.imputer(x, imputed_values=np.array([7, 9]), replaced_value=-1)
    assert y.dtype == dtype
    assert y.tolist() == [[[1, 9], [7, 2]]]


def test_missing_nan():
    """Every NaN is the one that stands for a missing value; -0.0 is 0.0."""
    x = np.array([np.nan, 0.0, -0.0])
    values = np.array([5.0])
    assert kernels.imputer(x, imputed_values=values, replaced_value=np.nan).tolist() == [5, 0, 0]
    y = kernels.imputer(x, imputed_values=values, replaced_value=0.0)
    assert np.isnan(y[0])
    assert y[1:].tolist() == [5, 5]


def test_norms_of_any_rank():
    """The last dimension is divided; a norm of 0 divides nothing."""
    x = np.array([[[3, -4], [0, 0]]], np.int64)
    assert kernels.normalizer(x, norm="L1").tolist() == [
        [np.float32([3 / 7, -4 / 7]).tolist(), [0, 0]]
    ]
    np.testing.assert_allclose(kernels.normalizer(x, norm="L2")[0], [[0.6, -0.8], [0, 0]])
    np.testing.assert_allclose(kernels.normalizer(x)[0], [[1, -4 / 3], [0, 0]], rtol=1e-6)
    assert kernels.normalizer(np.zeros((2, 0))).shape == (2, 0)


def test_scaling_loses_nothing_before_the_end():
    """Large integers are exact until they are rounded once."""
    x = np.array([2**40 + 1], np.int64)
    y = kernels.scaler(x, offset=np.array([2.0**40], np.float32))
    assert (y.dtype, y.tolist()) == (np.float32, [1])
    assert kernels.scaler(x.astype(np.float64)).dtype == np.float32


def test_the_last_of_equal_keys_counts():
    """As ONNX says since opset 4 (ONNX Runtime takes the first)."""
    keys, values = np.array([1, 2, 1]), words("a", "b", "c")
    y = kernels.label_encoder(np.array([1, 2, 3]), keys=keys, values=values, default=words("-"))
    assert y.tolist() == ["c", "b", "-"]
    y = kernels.label_encoder(values, keys=words("a", "a"), values=keys[:2], default=keys[2:] - 2)
    assert y.tolist() == [2, -1, -1]


def test_nan_is_a_key():
    """Of any sign; infinities are keys too."""
    keys, values = np.array([np.inf, np.nan, 1]), np.array([1, 2, 3])
    x = np.array([-np.nan, np.inf, -np.inf, 1])
    y = kernels.label_encoder(x, keys=keys, values=values, default=np.array([0]))
    assert y.tolist() == [2, 1, 0, 3]


def test_nothing_to_look_up_or_to_look_in():
    """No keys, no elements, one element of rank 0."""
    none, one = np.zeros(0, np.int64), np.array([5])
    look = kernels.label_encoder
    assert look(np.array([1, 2]), keys=none, values=none, default=one).tolist() == [5, 5]
    assert look(none, keys=one, values=words("a"), default=words("b")).shape == (0,)
    scalar = look(np.array(5), keys=one, values=words("a"), default=words("b"))
    assert (scalar.shape, scalar[()]) == ((), "a")


def test_categories():
    """Floats are cut to integers; of equal categories the last counts; NaN and infinity are none."""
    cats = np.array([1, 2, 1])
    y = kernels.one_hot_encoder(np.array([1.9, -0.5, np.nan, np.inf]), cats=cats)
    assert y.tolist() == [[0, 0, 1], [0, 0, 0], [0, 0, 0], [0, 0, 0]]
    with pytest.raises(ValueError, match="'c' is none of the 2 categories"):
        kernels.one_hot_encoder(words("a", "c"), cats=words("a", "b"), zeros=False)
    with pytest.raises(ValueError, match=r"^5 is none of the 3 categories"):
        kernels.one_hot_encoder(np.array([1, 5]), cats=cats, zeros=False)


def test_features_side_by_side():
    """More than two dimensions are features; what is missing is 0."""
    x, y = np.arange(8).reshape(2, 2, 2), np.array([[1.5], [2.5]])
    found = kernels.feature_vectorizer(x, y, inputdimensions=(3, 2))
    assert found.tolist() == [[0, 1, 2, 1.5, 0], [4, 5, 6, 2.5, 0]]
    with pytest.raises(ValueError, match=r"operands of \[1, 2\] samples"):
        kernels.feature_vectorizer(x, np.zeros(3))


def test_indices_of_features():
    """In range, from the front only."""
    x = np.array([[1.0, 2, 3]])
    assert kernels.array_feature_extractor(x, np.zeros((2, 0), np.int64)).shape == (1, 0)
    for index in (3, -1):
        with pytest.raises(ValueError, match=f"index {index} is outside of 3 features"):
            kernels.array_feature_extractor(x, np.array([0, index]))


def test_maps_are_cast():
    """Values in the order of their keys, or at the places that those are."""
    x = {3: 1.5, 1: -2.25}
    assert kernels.cast_map(x).tolist() == [[-2.25, 1.5]]
    dense = kernels.cast_map({2: "7", 0: "-1"}, cast_to="TO_INT64")
    assert (dense.dtype, dense.tolist()) == (np.int64, [[-1, 7]])
    sparse = kernels.cast_map(x, cast_to="TO_STRING", map_form="SPARSE", max_map=4)
    assert sparse.tolist() == [["0.f", "-2.250000", "0.f", "1.500000"]]
    assert kernels.cast_map({}).shape == (1, 0)


@pytest.mark.parametrize(
    ("x", "form", "why"),
    [
        ({4: 1.0}, "SPARSE", "keys 4 to 4 are not below 4"),
        ({-1: 1.0}, "SPARSE", "keys -1 to -1 are not below 4"),
        ({1: "one"}, "DENSE", "cannot be cast to_float"),
    ],
)
def test_maps_that_cannot_be_cast(x, form, why):
    """With what is wrong."""
    with pytest.raises(ValueError, match=why):
        kernels.cast_map(x, map_form=form, max_map=4)


def test_a_vocabulary_orders_a_map():
    """What it does not have is 0 or ""; what is no word is left out."""
    x = {"a": 4, "c": 8, "x": 1}
    y = kernels.dict_vectorizer(x, vocabulary=words("a", "c", "b"), dtype=np.dtype(np.int64))
    assert (y.dtype, y.tolist()) == (np.int64, [[4, 8, 0]])
    y = kernels.dict_vectorizer({1: "a"}, vocabulary=np.array([2, 1]), dtype=np.dtype(object))
    assert y.tolist() == [["", "a"]]


def test_scores_with_their_labels():
    """Plain Python keys and values."""
    x = np.array([[0.5, 0.25]], np.float32)
    assert kernels.zip_map(x, labels=np.array([7, 9])) == [{7: 0.5, 9: 0.25}]
    assert kernels.zip_map(x[0], labels=words("a", "b")) == [{"a": 0.5, "b": 0.25}]
    with pytest.raises(ValueError, match="3 labels for 2 scores"):
        kernels.zip_map(x, labels=np.arange(3))

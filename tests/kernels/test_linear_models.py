"""Linear models and support vector machines, written another way.

ONNX Runtime judges them in the differential tests; here are what it cannot, and limits.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from pyflame_rt.kernels import linear_models as kernels
from pyflame_rt.kernels.scores import POST_TRANSFORMS, transformed, two_scores


def test_transforms_of_scores():
    """Each from its formula."""
    scores = np.array([[0.25, 0.0, 0.75], [0.5, 0.5, 0.5]])
    powers = np.exp(scores)
    np.testing.assert_array_equal(transformed(scores, "NONE"), scores)
    np.testing.assert_allclose(transformed(scores, "LOGISTIC"), 1 / (1 + 1 / powers))
    np.testing.assert_allclose(
        transformed(scores, "SOFTMAX"), powers / powers.sum(1, keepdims=True)
    )
    powers[0, 1] = 0
    np.testing.assert_allclose(
        transformed(scores, "SOFTMAX_ZERO"), powers / powers.sum(1, keepdims=True)
    )
    probits = transformed(scores, "PROBIT")
    assert probits[0, 1] == -np.inf
    np.testing.assert_allclose(probits[1], 0, atol=1e-12)
    # The quantiles of the normal distribution, which the approximation meets within 0.003.
    np.testing.assert_allclose(probits[0, [0, 2]], [-0.67449, 0.67449], atol=3e-3)


@pytest.mark.parametrize("name", POST_TRANSFORMS)
def test_transforms_of_nothing_and_of_extremes(name):
    """No samples, no classes, and no warning where numbers have no transform."""
    assert transformed(np.zeros((0, 3)), name).shape == (0, 3)
    assert transformed(np.zeros((2, 0)), name).shape == (2, 0)
    assert transformed(np.array([[1e300, -1e300, np.inf, np.nan]]), name).shape == (1, 4)


def test_two_scores_of_one():
    """1 - x and x, or -x and x; chances where the logistic function makes them."""
    x = np.array([0.25])
    assert two_scores(x, "NONE", complement=True).tolist() == [[0.75, 0.25]]
    assert two_scores(x, "SOFTMAX", complement=False).tolist() == [[-0.25, 0.25]]
    np.testing.assert_allclose(two_scores(x, "LOGISTIC", complement=True).sum(), 1)


def test_sums_are_rounded_once():
    """f32 numbers whose sum in f32 would lose the small one."""
    coefficients = np.array([1e8, 1, -1e8], np.float32)
    y = kernels.linear_regressor(np.ones((1, 3), np.float32), coefficients=coefficients)
    assert y.tolist() == [[1]]


def likeness(kind: str, a: np.ndarray, b: np.ndarray) -> float:
    gamma, coef0, degree = 0.5, 0.25, 3
    dot = float((a * b).sum())
    return {
        "LINEAR": dot,
        "POLY": (gamma * dot + coef0) ** degree,
        "RBF": math.exp(-gamma * float(((a - b) ** 2).sum())),
        "SIGMOID": math.tanh(gamma * dot + coef0),
    }[kind]


@pytest.mark.parametrize("kind", kernels.KERNELS)
def test_pairs_of_classes_vote(kind):
    """Three classes with two, one and three vectors: the sums of libsvm's definition."""
    rng = np.random.default_rng(0)
    x, vectors = rng.standard_normal((5, 2)), rng.standard_normal((6, 2)).astype(np.float32)
    weights, rho = rng.standard_normal((2, 6)).astype(np.float32), np.array([0.5, -0.5, 0.25])
    owner = np.array([0, 0, 1, 2, 2, 2])
    chosen, scores = kernels.svm_classifier(
        x, coefficients=weights.ravel(), rho=rho.astype(np.float32), classes=3,
        support_vectors=vectors.ravel(), vectors_per_class=(2, 1, 3),
        kernel_type=kind, gamma=0.5, coef0=0.25, degree=3.0,
    )  # fmt: skip
    for sample, label, row in zip(x, chosen, scores, strict=True):
        wins, expected = [0, 0, 0], []
        for at, (i, j) in enumerate(itertools.combinations(range(3), 2)):
            total = float(rho[at])
            for vector, own, column in zip(vectors, owner, weights.T, strict=True):
                alike = likeness(kind, sample, vector)
                total += alike * (column[j - 1] if own == i else column[i] if own == j else 0)
            expected.append(total)
            wins[i if total > 0 else j] += 1
        np.testing.assert_allclose(row, expected, rtol=1e-5, atol=1e-6)
        assert label == int(np.argmax(wins))


def test_probabilities_are_those_that_explain_the_pairs():
    """p_i / (p_i + p_j) of known probabilities gives them back, and they sum to 1."""
    known = np.array([0.2, 0.5, 0.3])
    pairs = [known[i] / (known[i] + known[j]) for i, j in itertools.combinations(range(3), 2)]
    # With prob_a -1 and prob_b 0 a pair's chance is the logistic function of its score.
    rho = np.array([math.log(p / (1 - p)) for p in pairs])
    _, found = kernels.svm_classifier(
        np.zeros((2, 1)), coefficients=np.zeros(6), rho=rho, classes=3,
        support_vectors=np.zeros(3), vectors_per_class=(1, 1, 1),
        prob_a=np.full(3, -1.0), prob_b=np.zeros(3),
    )  # fmt: skip
    np.testing.assert_allclose(found, [known, known], atol=2e-3)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)


def test_one_class_is_inside_or_outside():
    """Zero is outside."""
    x = np.array([[1], [0], [-1]], np.float32)
    y = kernels.svm_regressor(x, coefficients=np.ones(1, np.float32), one_class=True)
    assert y.tolist() == [[1], [-1], [-1]]


def test_what_does_not_fit_is_refused():
    """Before anything is computed."""
    x, numbers = np.zeros((2, 3), np.float32), np.zeros(4, np.float32)
    with pytest.raises(ValueError, match="4 coefficients are no 3 rows"):
        kernels.linear_regressor(x, coefficients=numbers, targets=3)
    with pytest.raises(ValueError, match="3 features of samples for weights of 4"):
        kernels.linear_regressor(x, coefficients=numbers)
    with pytest.raises(ValueError, match="4 coefficients for 3 classes of samples with 3 features"):
        kernels.linear_classifier(x, coefficients=numbers, classes=3)
    with pytest.raises(ValueError, match="rows of features"):
        kernels.linear_regressor(np.zeros((1, 1, 1)), coefficients=numbers)
    with pytest.raises(ValueError, match="no kernel"):
        kernels.svm_regressor(
            x, coefficients=np.ones(1), support_vectors=np.ones(3), kernel_type="COSINE"
        )

"""Linear models and support vector machines."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from operator_cases.case import Array, Case
from operator_cases.strategies import Cases, Draw, draw_array, draw_dtype, draw_some
from operator_cases.trees import TRANSFORMS, draw_labels, draw_samples, ml_case


def _numbers(draw: Draw, *shape: int) -> list[float]:
    """Small numbers, of which there are no exact ties in sums of several."""
    array = draw_array(draw, "f4", shape, special=False, low=-2, high=2)
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    return (array + rng.random(shape, np.float32) / 64).reshape(-1).tolist()


def _samples(draw: Draw, features: int, dtypes: str = "f4 f8 i4 i8") -> Array:
    dtype = draw_dtype(draw, dtypes)
    return draw_array(draw, dtype, (draw(st.integers(1, 6)), features), special=False)


@st.composite
def linear_regressor(draw: Draw) -> Case:
    """One target or some."""
    features, targets = draw(st.integers(1, 4)), draw(st.sampled_from((1, 2, 3)))
    attributes = {
        "coefficients": _numbers(draw, targets, features),
        "targets": targets,
        **draw_some(
            draw,
            intercepts=st.just(_numbers(draw, targets)),
            post_transform=st.sampled_from(TRANSFORMS),
        ),
    }
    x = draw_samples(draw, "f4", features)
    return ml_case(draw, "LinearRegressor", 1, [x], attributes, magnitude=64)


@st.composite
def linear_classifier(draw: Draw) -> Case:
    """One score for two classes, or one for each class."""
    features, classes = draw(st.integers(1, 4)), draw(st.sampled_from((2, 2, 3, 4)))
    scores = draw(st.sampled_from((1, 2))) if classes == 2 else classes
    attributes = {
        "coefficients": _numbers(draw, scores, features),
        "intercepts": _numbers(draw, scores),
        **draw_labels(draw, "classlabels_ints", classes),
        **draw_some(
            draw,
            post_transform=st.sampled_from(TRANSFORMS),
            multi_class=st.integers(0, 1),
        ),
    }
    x = _samples(draw, features)
    return ml_case(draw, "LinearClassifier", 1, [x], attributes, outputs=2, magnitude=64)


def _kernel(draw: Draw) -> dict[str, Any]:
    kind = draw(st.sampled_from(("LINEAR", "POLY", "RBF", "SIGMOID")))
    gamma = draw(st.sampled_from((0.5, 0.125)))
    coef0, degree = draw(st.sampled_from((0.0, 0.25))), draw(st.sampled_from((1.0, 2.0, 3.0)))
    return {"kernel_type": kind, "kernel_params": [gamma, coef0, degree]}


@st.composite
def svm_regressor(draw: Draw) -> Case:
    """With support vectors, or linear."""
    features, count = draw(st.integers(1, 4)), draw(st.integers(0, 4))
    attributes = {
        **_kernel(draw),
        "coefficients": _numbers(draw, count or features),
        "rho": _numbers(draw, 1),
        "n_supports": count,
        **draw_some(draw, one_class=st.integers(0, 1), post_transform=st.sampled_from(TRANSFORMS)),
    }
    if count:
        attributes["support_vectors"] = _numbers(draw, count, features)
    x = _samples(draw, features, "f4")
    return ml_case(draw, "SVMRegressor", 1, [x], attributes, magnitude=512)


@st.composite
def svm_classifier(draw: Draw) -> Case:
    """Pairs of classes with support vectors, with and without probabilities, or linear."""
    features, classes = draw(st.integers(1, 4)), draw(st.sampled_from((2, 2, 3, 4)))
    x = _samples(draw, features)
    attributes = {
        **_kernel(draw),
        **draw_labels(draw, "classlabels_ints", classes),
        **draw_some(draw, post_transform=st.sampled_from(TRANSFORMS)),
    }
    if draw(st.integers(0, 3)) == 0:
        attributes |= {"coefficients": _numbers(draw, classes, features), "rho": _numbers(draw, 1)}
        return ml_case(draw, "SVMClassifier", 1, [x], attributes, outputs=2, magnitude=64)
    counts = [draw(st.integers(1, 3)) for _ in range(classes)]
    pairs = classes * (classes - 1) // 2
    attributes |= {
        "coefficients": _numbers(draw, classes - 1, sum(counts)),
        "support_vectors": _numbers(draw, sum(counts), features),
        "vectors_per_class": counts,
        "rho": _numbers(draw, pairs),
    }
    if draw(st.booleans()):
        attributes |= {"prob_a": _numbers(draw, pairs), "prob_b": _numbers(draw, pairs)}
    # Where a chance is nearly 1 its quantile shows every rounding.
    magnitude = 2**14 if attributes.get("post_transform") == "PROBIT" else 512
    return ml_case(draw, "SVMClassifier", 1, [x], attributes, outputs=2, magnitude=magnitude)


CASES: dict[str, Cases] = {
    "LinearClassifier": linear_classifier(),
    "LinearRegressor": linear_regressor(),
    "SVMClassifier": svm_classifier(),
    "SVMRegressor": svm_regressor(),
}

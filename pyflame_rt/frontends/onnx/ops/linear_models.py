"""Rules for linear models and support vector machines."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import SSAValue

from pyflame_rt.frontends.onnx.builder import Array, NodeBuilder, Properties
from pyflame_rt.frontends.onnx.labels import (
    ML,
    chosen_by_sign,
    class_labels,
    floats,
    labelled,
    single,
)
from pyflame_rt.frontends.onnx.rules import Rule, onnx_op


def _numbers(b: NodeBuilder, name: str) -> Array | None:
    """An attribute of floats; None when it is absent or empty."""
    array = b.number_array(name)
    return None if array is None or array.size == 0 else array


def _required(b: NodeBuilder, name: str) -> Array:
    if (array := _numbers(b, name)) is None:
        raise b.missing(name)
    return array


@onnx_op("LinearRegressor", domain=ML)
def linear_regressor(b: NodeBuilder) -> Sequence[SSAValue]:
    """Results are f32, whatever is computed with."""
    b.limit_inputs(1)
    properties: Properties = {
        "coefficients": _required(b, "coefficients"),
        "intercepts": _numbers(b, "intercepts"),
        "targets": b.integer("targets"),
        "post_transform": b.text("post_transform"),
    }
    (scores,) = b.emit("linear_regressor", [floats(b, b.operand(0))], properties)
    return [single(b, scores)]


@onnx_op("LinearClassifier", domain=ML)
def linear_classifier(b: NodeBuilder) -> Sequence[SSAValue]:
    """One score without two classes says 1 where it is positive, else 0."""
    b.limit_inputs(1)
    labels = class_labels(b, "classlabels_ints")
    # Whether classes were learnt together or one against the rest does not matter any more.
    b.integer("multi_class")
    x = floats(b, b.operand(0))
    properties: Properties = {
        "coefficients": _required(b, "coefficients"),
        "intercepts": _numbers(b, "intercepts"),
    }
    transform = b.text("post_transform", "NONE")
    if labels.size == 1:
        (score,) = b.emit("linear_regressor", [x], properties)
        (found,) = b.emit("linear_regressor", [x], {**properties, "post_transform": transform})
        return [chosen_by_sign(b, single(b, score), labels), single(b, found)]
    properties = {**properties, "classes": labels.size, "post_transform": transform}
    chosen, scores = b.emit("linear_classifier", [x], properties)
    return [labelled(b, chosen, labels), scores]


def _kernel(b: NodeBuilder) -> Properties:
    """The properties that say how samples and support vectors are compared."""
    given = b.numbers("kernel_params") or (0.0, 0.0, 0.0)
    if len(given) != 3:
        raise b.error(f"kernel_params must be gamma, coef0 and degree, got {len(given)} numbers")
    kind = b.text("kernel_type")
    return {"kernel_type": kind, **dict(zip(("gamma", "coef0", "degree"), given, strict=True))}


@onnx_op("SVMRegressor", domain=ML)
def svm_regressor(b: NodeBuilder) -> Sequence[SSAValue]:
    """Results are f32, whatever is computed with."""
    b.limit_inputs(1)
    vectors, count = _numbers(b, "support_vectors"), b.integer("n_supports", 0)
    coefficients, rho = _required(b, "coefficients"), _required(b, "rho")
    if count and (vectors is None or count != coefficients.size):
        raise b.error(f"n_supports is {count} with {coefficients.size} coefficients")
    properties: Properties = {
        **_kernel(b),
        "coefficients": coefficients,
        "support_vectors": vectors if count else None,
        "rho": float(rho[0]),
        "one_class": bool(b.integer("one_class", 0)),
        "post_transform": b.text("post_transform"),
    }
    (scores,) = b.emit("svm_regressor", [floats(b, b.operand(0))], properties)
    return [single(b, scores)]


@onnx_op("SVMClassifier", domain=ML)
def svm_classifier(b: NodeBuilder) -> Sequence[SSAValue]:
    b.limit_inputs(1)
    labels = class_labels(b, "classlabels_ints")
    counts, vectors = b.integers("vectors_per_class") or (), _numbers(b, "support_vectors")
    rho = _required(b, "rho")
    linear = vectors is None or not any(counts)
    properties: Properties = {
        **_kernel(b),
        "classes": labels.size,
        "coefficients": _required(b, "coefficients"),
        "rho": rho[:1] if linear else rho,
        "support_vectors": None if linear else vectors,
        "vectors_per_class": None if linear else counts,
        "prob_a": None if linear else _numbers(b, "prob_a"),
        "prob_b": None if linear else _numbers(b, "prob_b"),
        "post_transform": b.text("post_transform"),
    }
    for name in ("prob_a", "prob_b"):
        b.number_array(name)
    chosen, scores = b.emit("svm_classifier", [floats(b, b.operand(0))], properties)
    return [labelled(b, chosen, labels), scores]


RULES: tuple[Rule, ...] = (
    linear_classifier,
    linear_regressor,
    svm_classifier,
    svm_regressor,
)
"""The rules of this family."""

"""What rules of ai.onnx.ml share: class labels, and samples in a type to compute with."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.types import dtype_of
from pyflame_rt.dtypes import strings
from pyflame_rt.frontends.onnx.builder import NodeBuilder

Array = npt.NDArray[Any]

ML = "ai.onnx.ml"
"""The domain of classical learning."""


def class_labels(b: NodeBuilder, integers: str) -> Array:
    """The labels of the classes: the attribute of that name, or `classlabels_strings`."""
    numbers, texts = b.integers(integers) or (), b.texts("classlabels_strings") or ()
    if bool(numbers) == bool(texts):
        raise b.error(f"needs either {integers} or classlabels_strings")
    return strings(texts) if texts else np.array(numbers, np.int64)


def labelled(b: NodeBuilder, chosen: SSAValue, labels: Array) -> SSAValue:
    """The labels of chosen classes, which are given by their positions."""
    if labels.dtype != object and np.array_equal(labels, np.arange(labels.size)):
        return chosen
    return b.emit("gather", [b.constant(labels), chosen])[0]


def chosen_by_sign(b: NodeBuilder, score: SSAValue, labels: Array) -> SSAValue:
    """The label of a model with one class: "1" where its score is positive, else "0"."""
    (flat,) = b.emit("reshape", [score, None], {"shape": (-1,)})
    (positive,) = b.emit("greater", [flat, b.constant(np.array(0, np.float32))])
    (chosen,) = b.emit("cast", [positive], {"to": np.dtype(np.int64)})
    return labelled(b, chosen, strings(("0", "1")) if labels.dtype == object else np.arange(2))


def floats(b: NodeBuilder, x: SSAValue) -> SSAValue:
    """Samples in floats: in those they are in, else in f64, which holds integers exactly."""
    if dtype_of(x).kind == "f":
        return x
    return b.emit("cast", [x], {"to": np.dtype(np.float64)})[0]


def single(b: NodeBuilder, x: SSAValue) -> SSAValue:
    """A result in f32."""
    if dtype_of(x) == np.float32:
        return x
    return b.emit("cast", [x], {"to": np.dtype(np.float32)})[0]

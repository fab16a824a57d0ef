"""What prepares features and encodes labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from onnx import numpy_helper

from operator_cases.case import Array, Case
from operator_cases.strategies import Cases, Draw, draw_array, draw_dtype, draw_shape, draw_some
from operator_cases.trees import ml_case

FEATURES = "f4 f8 i4 i8"
WORDS = ("", "a", "b", "a b", "ä", "class 1")


def _rows(draw: Draw, dtypes: str = FEATURES, *, special: bool = True) -> Array:
    """Samples, or one."""
    shape = draw_shape(draw, 1, 2, empty=False)
    return draw_array(draw, draw_dtype(draw, dtypes), shape, special=special)


def _words(draw: Draw, shape: tuple[int, ...]) -> Array:
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    array = np.empty(shape, object)
    array[...] = rng.choice(WORDS, shape)
    return array


def _floats(draw: Draw, count: int) -> list[float]:
    return draw_array(draw, "f4", (count,), special=False).tolist()


@st.composite
def array_feature_extractor(draw: Draw) -> Case:
    """Indices in any shape, of features of samples of any rank."""
    shape = draw_shape(draw, 1, 3, empty=False)
    words = draw(st.integers(0, 3)) == 0
    x = _words(draw, shape) if words else draw_array(draw, draw_dtype(draw, FEATURES), shape)
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    indices = rng.integers(0, shape[-1], draw_shape(draw, 1, 2, empty=False))
    return ml_case(draw, "ArrayFeatureExtractor", 1, [x, indices], {})


@st.composite
def binarizer(draw: Draw) -> Case:
    """Above and below a threshold, and at it."""
    x = draw_array(draw, draw_dtype(draw, "f4"), draw_shape(draw, 0, 3))
    attributes = draw_some(draw, threshold=st.sampled_from((0.5, -1.0, 2.0)))
    return ml_case(draw, "Binarizer", 1, [x], attributes)


@st.composite
def category_mapper(draw: Draw) -> Case:
    """Strings to integers and back."""
    count = draw(st.integers(1, 4))
    attributes = {
        "cats_strings": list(draw(st.permutations(WORDS)))[:count],
        "cats_int64s": list(draw(st.permutations(range(-3, 4))))[:count],
        **draw_some(draw, default_int64=st.just(9), default_string=st.just("none")),
    }
    shape = draw_shape(draw, 0, 3)
    x = (
        _words(draw, shape)
        if draw(st.booleans())
        else draw_array(draw, "i8", shape, high=1, low=-1)
    )
    return ml_case(draw, "CategoryMapper", 1, [x], attributes)


@st.composite
def feature_vectorizer(draw: Draw) -> Case:
    """All of the features of each operand, or some, or more than there are."""
    count, samples = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    widths = [draw(st.integers(1, 3)) for _ in range(count)]
    dtype = draw_dtype(draw, FEATURES)
    inputs = [
        draw_array(draw, dtype, (width,) if samples == 1 and k % 2 else (samples, width))
        for k, width in enumerate(widths)
    ]
    sizes = [max(0, width + draw(st.sampled_from((0, 0, 1, -1)))) for width in widths]
    return ml_case(draw, "FeatureVectorizer", 1, inputs, {"inputdimensions": sizes})


@st.composite
def imputer(draw: Draw) -> Case:
    """One value for all features, or one for each."""
    x = _rows(draw, "f4 i8")
    count = draw(st.sampled_from((1, x.shape[-1])))
    if x.dtype.kind == "f":
        missing = draw(st.sampled_from((0.0, float("nan"), 1.0, float(x.flat[0]))))
        values = {"imputed_value_floats": _floats(draw, count), "replaced_value_float": missing}
    else:
        values = {
            "imputed_value_int64s": [int(value) for value in _floats(draw, count)],
            "replaced_value_int64": draw(st.sampled_from((0, 1, int(x.flat[0])))),
        }
    return ml_case(draw, "Imputer", 1, [x], values)


def _typed(draw: Draw, kind: str, count: int, *, distinct: bool) -> Array:
    """Values of a kind: a list attribute's, or that of a tensor."""
    if kind == "string":
        words = list(draw(st.permutations(WORDS)))[:count]
        array = np.empty(count, object)
        array[:] = words
        return array
    dtype = np.dtype({"int64": "i8", "float": "f4", "int16": "i2", "int32": "i4"}.get(kind, "f8"))
    numbers = list(draw(st.permutations(range(-3, 4))))[:count]
    array = np.array(numbers, dtype)
    if dtype.kind == "f" and distinct and draw(st.booleans()):
        array[0] = np.nan
    return array


@st.composite
def label_encoder(draw: Draw) -> Case:
    """Lists, and tensors since opset 4; in opset 1 strings and their positions."""
    opset = draw(st.sampled_from((1, 2, 4)))
    shape, count = draw_shape(draw, 0, 3), draw(st.integers(1, 4))
    if opset == 1:
        words = list(draw(st.permutations(WORDS)))[:count]
        defaults = draw_some(draw, default_int64=st.just(9), default_string=st.just("none"))
        strings = draw(st.booleans())
        x = _words(draw, shape) if strings else draw_array(draw, "i8", shape, low=-1, high=2)
        return ml_case(draw, "LabelEncoder", 1, [x], {"classes_strings": words, **defaults})
    kinds = [("string", "int64"), ("int64", "string"), ("int64", "float"), ("float", "int64"),
             ("string", "float"), ("float", "string"), ("string", "string"), ("int64", "int64"),
             ("float", "float")]  # fmt: skip
    tensors = opset == 4 and draw(st.integers(0, 2)) == 0
    if tensors:
        kinds = [("double", "double"), ("string", "int16"), ("int64", "int64"), ("string", "string"),
                 ("double", "string"), ("string", "double")]  # fmt: skip
    key, value = draw(st.sampled_from(kinds))
    keys, values = (
        _typed(draw, key, count, distinct=True),
        _typed(draw, value, count, distinct=False),
    )
    if key == "string":
        x = _words(draw, shape)
    else:
        x = draw_array(draw, keys.dtype, shape, low=-1, high=1)
        x = np.asarray(np.trunc(x), keys.dtype) if keys.dtype.kind == "f" else x
    if tensors:
        attributes: dict[str, Any] = {
            "keys_tensor": numpy_helper.from_array(keys, "k"),
            "values_tensor": numpy_helper.from_array(values, "v"),
            "default_tensor": numpy_helper.from_array(values[:1], "d"),
        }
    else:
        attributes = {f"keys_{key}s": keys.tolist(), f"values_{value}s": values.tolist()}
        default = {"int64": 9, "float": 2.5, "string": "none"}[value]
        attributes |= draw_some(draw, **{f"default_{value}": st.just(default)})
    return ml_case(draw, "LabelEncoder", opset, [x], attributes)


@st.composite
def normalizer(draw: Draw) -> Case:
    """Each norm, zeros among the samples."""
    x = _rows(draw, special=False)
    attributes = draw_some(draw, norm=st.sampled_from(("MAX", "L1", "L2")))
    if x.ndim == 2 and draw(st.booleans()):
        x[0] = 0
    return ml_case(draw, "Normalizer", 1, [x], attributes)


@st.composite
def one_hot_encoder(draw: Draw) -> Case:
    """Numbers and strings, of which some are no category."""
    shape, count = draw_shape(draw, 0, 2), draw(st.integers(1, 5))
    if draw(st.booleans()):
        x: Array = _words(draw, shape)
        attributes: dict[str, Any] = {"cats_strings": list(draw(st.permutations(WORDS)))[:count]}
    else:
        x = draw_array(draw, draw_dtype(draw, "i8 f4 f8"), shape, special=False, low=-1, high=1)
        attributes = {"cats_int64s": list(draw(st.permutations(range(-3, 4))))[:count]}
    return ml_case(draw, "OneHotEncoder", 1, [x], attributes | draw_some(draw, zeros=st.just(1)))


@st.composite
def scaler(draw: Draw) -> Case:
    """One number for all features, or one for each."""
    x = _rows(draw)
    count = draw(st.sampled_from((1, x.shape[-1])))
    attributes = {"offset": _floats(draw, count), "scale": _floats(draw, count)}
    return ml_case(draw, "Scaler", 1, [x], attributes)


CASES: dict[str, Cases] = {
    "ArrayFeatureExtractor": array_feature_extractor(),
    "Binarizer": binarizer(),
    "CategoryMapper": category_mapper(),
    "FeatureVectorizer": feature_vectorizer(),
    "Imputer": imputer(),
    "LabelEncoder": label_encoder(),
    "Normalizer": normalizer(),
    "OneHotEncoder": one_hot_encoder(),
    "Scaler": scaler(),
}
"""Maps are neither fed nor returned as arrays: their operators have tests of their own."""

"""Rules for operators that prepare features and encode labels, and for those on maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.types import dtype_of
from pyflame_rt.dtypes import strings
from pyflame_rt.frontends.onnx.builder import Array, NodeBuilder
from pyflame_rt.frontends.onnx.labels import ML, class_labels
from pyflame_rt.frontends.onnx.rules import Rule, onnx_op, row


def _texts(b: NodeBuilder, name: str) -> Array | None:
    texts = b.texts(name)
    return None if texts is None else strings(texts)


@onnx_op("Scaler", domain=ML)
def scaler(b: NodeBuilder) -> Sequence[SSAValue]:
    b.limit_inputs(1)
    properties = {name: b.number_array(name) for name in ("offset", "scale")}
    return b.emit("scaler", [b.operand(0)], properties)


@onnx_op("Imputer", domain=ML)
def imputer(b: NodeBuilder) -> Sequence[SSAValue]:
    """Of the two kinds of numbers those count that x holds."""
    b.limit_inputs(1)
    x = b.operand(0)
    floats, integers = (
        b.number_array("imputed_value_floats"),
        b.integer_array("imputed_value_int64s"),
    )
    number, whole = b.number("replaced_value_float", 0.0), b.integer("replaced_value_int64", 0)
    is_float = dtype_of(x).kind == "f"
    values = floats if is_float else integers
    if values is None:
        raise b.missing("imputed_value_floats" if is_float else "imputed_value_int64s")
    replaced = number if is_float else whole
    return b.emit("imputer", [x], {"imputed_values": values, "replaced_value": replaced})


@onnx_op("OneHotEncoder", domain=ML)
def one_hot_encoder(b: NodeBuilder) -> Sequence[SSAValue]:
    b.limit_inputs(1)
    numbers, texts = b.integer_array("cats_int64s"), _texts(b, "cats_strings")
    cats = texts if numbers is None or numbers.size == 0 else numbers
    if cats is None or (cats is numbers and texts is not None and texts.size):
        raise b.error("needs either cats_int64s or cats_strings")
    return b.emit("one_hot_encoder", [b.operand(0)], {"cats": cats, "zeros": b.flag("zeros")})


def _encode(b: NodeBuilder, keys: Array, values: Array, default: Array) -> Sequence[SSAValue]:
    b.limit_inputs(1)
    properties = {"keys": keys, "values": values, "default": default.reshape(-1)}
    return b.emit("label_encoder", [b.operand(0)], properties)


def _string_or_integer(b: NodeBuilder, texts: Array, numbers: Array) -> Sequence[SSAValue]:
    """Strings as integers, integers as strings, whichever x holds."""
    integer = np.array([b.integer("default_int64", -1)], np.int64)
    text = strings((b.text("default_string", "_Unused"),))
    if dtype_of(b.operand(0)) == np.object_:
        return _encode(b, texts, numbers, integer)
    return _encode(b, numbers, texts, text)


@onnx_op("CategoryMapper", domain=ML)
def category_mapper(b: NodeBuilder) -> Sequence[SSAValue]:
    """A LabelEncoder that goes either way."""
    texts, numbers = _texts(b, "cats_strings"), b.integer_array("cats_int64s")
    if texts is None or numbers is None:
        raise b.missing("cats_strings" if texts is None else "cats_int64s")
    return _string_or_integer(b, texts, numbers)


@onnx_op("LabelEncoder", since=1, domain=ML)
def label_encoder_1(b: NodeBuilder) -> Sequence[SSAValue]:
    """Strings and their positions in a list."""
    texts = _texts(b, "classes_strings")
    texts = strings(()) if texts is None else texts
    return _string_or_integer(b, texts, np.arange(texts.size))


_DEFAULTS: dict[str, Any] = {"f": -0.0, "i": -1, "O": "_Unused"}


def _given(b: NodeBuilder, side: str) -> Array:
    """The keys or the values, of which one attribute may say what they are."""
    lists = (
        b.integer_array(f"{side}_int64s"),
        b.number_array(f"{side}_floats"),
        _texts(b, f"{side}_strings"),
        b.tensor(f"{side}_tensor") if b.node.opset >= 4 else None,
    )
    given = [array for array in lists if array is not None]
    if len(given) != 1:
        raise b.error(f"needs one of the attributes {side}_*, got {len(given)}")
    return given[0].reshape(-1)


@onnx_op("LabelEncoder", since=2, domain=ML)
def label_encoder_2(b: NodeBuilder) -> Sequence[SSAValue]:
    """Anything as anything; with opset 4 keys and values may be tensors of more types."""
    keys, values = _given(b, "keys"), _given(b, "values")
    # One of them counts, the others may be there all the same.
    defaults: dict[str, Any] = {
        "f": b.number("default_float"),
        "i": b.integer("default_int64"),
        "O": b.text("default_string"),
    }
    tensor = b.tensor("default_tensor") if b.node.opset >= 4 else None
    kind = values.dtype.kind
    if tensor is not None and tensor.size == 1:
        return _encode(b, keys, values, tensor)
    default = np.empty(1, values.dtype)
    default[0] = _DEFAULTS[kind] if defaults[kind] is None else defaults[kind]
    return _encode(b, keys, values, default)


@onnx_op("CastMap", domain=ML)
def cast_map(b: NodeBuilder) -> Sequence[SSAValue]:
    b.limit_inputs(1)
    properties = {
        "cast_to": b.text("cast_to"),
        "map_form": b.text("map_form"),
        "max_map": b.integer("max_map"),
    }
    return b.emit("cast_map", [b.value(0)], properties)


@onnx_op("DictVectorizer", domain=ML)
def dict_vectorizer(b: NodeBuilder) -> Sequence[SSAValue]:
    b.limit_inputs(1)
    numbers, texts = b.integer_array("int64_vocabulary"), _texts(b, "string_vocabulary")
    if (numbers is None) == (texts is None):
        raise b.error("needs either int64_vocabulary or string_vocabulary")
    words = texts if numbers is None else numbers
    return b.emit("dict_vectorizer", [b.value(0)], {"vocabulary": words})


@onnx_op("ZipMap", domain=ML)
def zip_map(b: NodeBuilder) -> Sequence[SSAValue]:
    b.limit_inputs(1)
    labels = class_labels(b, "classlabels_int64s")
    return b.emit("zip_map", [b.operand(0)], {"labels": labels})


RULES: tuple[Rule, ...] = (
    row("ArrayFeatureExtractor", 1, domain=ML),
    row("Binarizer", 1, "threshold: float", domain=ML),
    cast_map,
    category_mapper,
    dict_vectorizer,
    row("FeatureVectorizer", 1, "inputdimensions: ints", domain=ML),
    imputer,
    label_encoder_1,
    label_encoder_2,
    row("Normalizer", 1, "norm: string", domain=ML),
    one_hot_encoder,
    scaler,
    zip_map,
)
"""The rules of this family."""

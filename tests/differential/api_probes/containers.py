"""Probes of sequences, optionals and maps."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper

from api_probes.base import FLOAT, Api, Y, kinds, model, probe, tensor

SEQUENCE = helper.make_tensor_sequence_value_info("s", FLOAT, None)
OPTIONAL = helper.make_value_info(
    "o", helper.make_optional_type_proto(helper.make_tensor_type_proto(FLOAT, [3]))
)


def at() -> bytes:
    node = helper.make_node("SequenceAt", ["s", "i"], ["y"])
    inputs = [SEQUENCE, tensor("i", [], TensorProto.INT64)]
    return model([node], inputs, [tensor("y", None)])


def run(ort: Api, value: object) -> object:
    return kinds(ort.session(at()).run(None, {"s": value, "i": np.array(0)}))


@probe("a sequence")
def _(ort: Api) -> object:
    return run(ort, [Y, Y])


@probe("a sequence's description")
def _(ort: Api) -> object:
    return [(a.type, a.shape) for a in ort.session(at()).get_inputs()]


@probe("an empty sequence")
def _(ort: Api) -> object:
    return run(ort, [])


@probe("an array for a sequence")
def _(ort: Api) -> object:
    return run(ort, Y)


@probe("a sequence of two dtypes")
def _(ort: Api) -> object:
    return run(ort, [Y, Y.astype(np.float64)])


@probe("a sequence of another dtype")
def _(ort: Api) -> object:
    return run(ort, [Y.astype(np.float64)])


@probe("a sequence comes out as a list")
def _(ort: Api) -> object:
    node = helper.make_node("SequenceConstruct", ["x", "x"], ["s"])
    (result,) = ort.session(model([node], [tensor("x", [3])], [SEQUENCE])).run(None, {"x": Y})
    return type(result).__name__, kinds(result)


def has_element() -> bytes:
    node = helper.make_node("OptionalHasElement", ["o"], ["y"])
    return model([node], [OPTIONAL], [tensor("y", [], TensorProto.BOOL)])


@probe("an optional without value")
def _(ort: Api) -> object:
    session = ort.session(has_element())
    return session.get_inputs()[0].type, session.run(None, {"o": None})[0].tolist()


@probe("an optional with a value")
def _(ort: Api) -> object:
    return ort.session(has_element()).run(None, {"o": Y})[0].tolist()


@probe("an optional left out")
def _(ort: Api) -> object:
    return ort.session(has_element()).run(None, {})[0].tolist()

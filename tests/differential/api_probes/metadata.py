"""Probes of what a session tells about itself and its model."""

from __future__ import annotations

import copy
import pickle  # noqa: TID251

import numpy as np
from onnx import helper

from api_probes.base import Api, X, Y, add_and_multiply, identity, model, probe, tensor


def described(arguments: list[object]) -> list[object]:
    return [(a.name, a.type, a.shape) for a in arguments]


@probe("inputs and outputs")
def _(ort: Api) -> object:
    session = ort.session(add_and_multiply())
    return described(session.get_inputs()), described(session.get_outputs())


@probe("modelmeta")
def _(ort: Api) -> object:
    about = ort.session(add_and_multiply()).get_modelmeta()
    return (
        about.custom_metadata_map, about.description, about.domain, about.graph_description,
        about.graph_name, about.producer_name, about.version,
    )  # fmt: skip


@probe("node argument as text")
def _(ort: Api) -> object:
    session = ort.session(add_and_multiply())
    return str(session.get_inputs()[0]), str(session.get_outputs()[0])


@probe("scalar input shape")
def _(ort: Api) -> object:
    session = ort.session(identity(shape=()))
    result = session.run(None, {"x": np.array(1, np.float32)})[0]
    return session.get_inputs()[0].shape, type(result).__name__, result.shape


@probe("no shape information")
def _(ort: Api) -> object:
    session = ort.session(identity(shape=None))
    return session.get_inputs()[0].shape, session.run(None, {"x": X})[0].tolist()


@probe("dim_value -1")
def _(ort: Api) -> object:
    return ort.session(identity(shape=[-1, 3])).get_inputs()[0].shape


@probe("dim_value 0")
def _(ort: Api) -> object:
    return ort.session(identity(shape=[0, 3])).get_inputs()[0].shape


def scaled(ir_version: int) -> bytes:
    return model(
        [helper.make_node("Mul", ["x", "w"], ["y"])],
        [tensor("x", ["N", 3]), tensor("w", [3])],
        [tensor("y", ["N", 3])],
        [("w", Y)],
        ir_version=ir_version,
    )


@probe("overridable initializers")
def _(ort: Api) -> object:
    session = ort.session(scaled(10))
    return described(session.get_inputs()), described(session.get_overridable_initializers())


@probe("an overridden initializer")
def _(ort: Api) -> object:
    return ort.session(scaled(10)).run(None, {"x": X, "w": Y * 2})[0].tolist()


@probe("an initializer that is an input, IR version 3")
def _(ort: Api) -> object:
    session = ort.session(scaled(3))
    assert described(session.get_overridable_initializers()) == []
    return session.run(None, {"x": X, "w": Y * 2})


@probe("pickle a session")
def _(ort: Api) -> object:
    return pickle.dumps(ort.session(identity()))


@probe("deepcopy a session")
def _(ort: Api) -> object:
    return copy.deepcopy(ort.session(identity()))


@probe("get_device")
def _(ort: Api) -> object:
    return ort.get_device()


@probe("get_available_providers")
def _(ort: Api) -> object:
    return "CPUExecutionProvider" in ort.get_available_providers()


@probe("get_all_providers")
def _(ort: Api) -> object:
    return set(ort.get_available_providers()) <= set(ort.get_all_providers())


@probe("version")
def _(ort: Api) -> object:
    return ort.get_version_string() == ort.__version__


@probe("providers and their options")
def _(ort: Api) -> object:
    session = ort.session(identity())
    return session.get_providers(), session.get_provider_options()

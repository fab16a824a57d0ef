"""Probes of models that contradict themselves, or use what there is not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper

from api_probes.base import FLOAT, Api, X, identity, kinds, model, one_node, probe, tensor


def register(name: str, make: Callable[[], bytes]) -> None:
    def body(ort: Api) -> object:
        session = ort.session(make())
        return kinds(session.run(None, {"x": X[0, :1]}))

    probe(name)(body)


def chain(*nodes: tuple[list[str], list[str]], op: str = "Neg") -> bytes:
    made = [helper.make_node(op, inputs, outputs) for inputs, outputs in nodes]
    return model(made, [tensor("x", [1])], [tensor("y", [1])])


def in_domain(domain: str, *, imported: bool) -> bytes:
    node = helper.make_node("Foo", ["x"], ["y"], domain=domain)
    domains = {domain: 1} if imported else {}
    return model([node], [tensor("x", [1])], [tensor("y", [1])], domains=domains)


def with_initializer(dims: list[int], data: bytes) -> bytes:
    w = TensorProto(data_type=FLOAT, dims=dims, name="w", raw_data=data)
    node = helper.make_node("Add", ["x", "w"], ["y"])
    return model([node], [tensor("x", [1])], [tensor("y", [1])], [w])


def changed(change: Callable[[onnx.ModelProto], object]) -> bytes:
    made = onnx.load_from_string(identity(shape=[1]))
    change(made)
    return made.SerializeToString()


def convolution() -> bytes:
    node = helper.make_node("Conv", ["x", "w"], ["y"], foo=1)
    inputs = [tensor("x", [1, 1, 3]), tensor("w", [1, 1, 1])]
    return model([node], inputs, [tensor("y", None)])


def mixed() -> bytes:
    node = helper.make_node("Add", ["x", "w"], ["y"])
    return model([node], [tensor("x", [1])], [tensor("y", [1])], [("w", np.ones(1, np.int64))])


def never_produced() -> bytes:
    node = helper.make_node("Neg", ["x"], ["y"])
    return model([node], [tensor("x", [1])], [tensor("zz", [1])])


register("an unknown operator", lambda: one_node("FooBar"))
register("an unknown operator with a name", lambda: one_node("FooBar", name="foo0"))
register("a domain that is not imported", lambda: in_domain("com.acme", imported=False))
register("an unknown operator of a domain", lambda: in_domain("com.acme", imported=True))
register("a cycle", lambda: chain((["z"], ["y"]), (["y"], ["z"])))
register("a name defined twice", lambda: chain((["x"], ["y"]), (["x"], ["y"])))
register("an undefined value", lambda: chain((["x", "q"], ["y"]), op="Add"))
register("an output that nothing produces", never_produced)
register("two types of one parameter", mixed)
register("nodes in no order", lambda: chain((["z"], ["y"]), (["x"], ["z"])))
register("opset 6", lambda: one_node("Neg", opset=6))
register("opset 28", lambda: one_node("Neg", opset=28))
register("IR version 14", lambda: identity(shape=[1], ir_version=14))
register("no opset import", lambda: changed(lambda m: m.ClearField("opset_import")))
register("no graph", lambda: changed(lambda m: m.ClearField("graph")))
register("an initializer too short", lambda: with_initializer([3], b"1234"))
register("an initializer of 2^40 elements", lambda: with_initializer([2**40], b"1234"))
register("an initializer of -3 elements", lambda: with_initializer([-3], b"1234"))
register("an unknown attribute", convolution)

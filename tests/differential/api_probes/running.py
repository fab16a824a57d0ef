"""Probes of `run`: which outputs, which inputs, in which order things are checked."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper

from api_probes.base import Api, X, Y, add_and_multiply, kinds, model, probe, tensor

FEED = {"x": X, "y": Y}


def run(ort: Api, feed: object, names: object = None) -> object:
    return kinds(ort.session(add_and_multiply()).run(names, feed))


@probe("run(None)")
def _(ort: Api) -> object:
    return run(ort, FEED)


@probe("run([])")
def _(ort: Api) -> object:
    return run(ort, FEED, [])


@probe("outputs in another order")
def _(ort: Api) -> object:
    results = ort.session(add_and_multiply()).run(["product", "sum"], FEED)
    return [a.tolist() for a in results]


@probe("an output twice")
def _(ort: Api) -> object:
    return run(ort, FEED, ["sum", "sum"])


@probe("output names as a tuple")
def _(ort: Api) -> object:
    return run(ort, FEED, ("sum",))


@probe("output names as a string")
def _(ort: Api) -> object:
    return run(ort, FEED, "sum")


@probe("an unknown output")
def _(ort: Api) -> object:
    return run(ort, FEED, ["nope"])


@probe("an input as output")
def _(ort: Api) -> object:
    return run(ort, FEED, ["x"])


@probe("a missing input")
def _(ort: Api) -> object:
    return run(ort, {"x": X})


@probe("no inputs")
def _(ort: Api) -> object:
    return run(ort, {})


@probe("an unknown input")
def _(ort: Api) -> object:
    return run(ort, {**FEED, "q": X})


@probe("a wrong name instead")
def _(ort: Api) -> object:
    return run(ort, {"x": X, "w": Y})


@probe("a key that is no string")
def _(ort: Api) -> object:
    return run(ort, {0: X, "y": Y})


@probe("a feed that is no dict")
def _(ort: Api) -> object:
    return run(ort, [X, Y])


@probe("wrong rank")
def _(ort: Api) -> object:
    return run(ort, {"x": X[0], "y": Y})


@probe("wrong dimension")
def _(ort: Api) -> object:
    return run(ort, {"x": np.ones((2, 4), np.float32), "y": Y})


@probe("two wrong dimensions")
def _(ort: Api) -> object:
    node = helper.make_node("Neg", ["x"], ["y"])
    session = ort.session(model([node], [tensor("x", [2, "N", 3])], [tensor("y", [2, "N", 3])]))
    return session.run(None, {"x": np.ones((1, 1, 1), np.float32)})


@probe("0-d for rank 1")
def _(ort: Api) -> object:
    return run(ort, {"x": X, "y": np.array(1, np.float32)})


@probe("float64 for float32")
def _(ort: Api) -> object:
    return run(ort, {"x": X.astype(np.float64), "y": Y})


@probe("int32 for float32")
def _(ort: Api) -> object:
    return run(ort, {"x": X.astype(np.int32), "y": Y})


@probe("float16 for float32")
def _(ort: Api) -> object:
    return run(ort, {"x": X.astype(np.float16), "y": Y})


@probe("missing comes before dtype")
def _(ort: Api) -> object:
    return run(ort, {"x": X.astype(np.float64)})


@probe("dtype comes before unknown input")
def _(ort: Api) -> object:
    return run(ort, {"x": X, "y": Y.astype(np.float64), "q": X})


@probe("dtype comes before rank")
def _(ort: Api) -> object:
    return run(ort, {"x": X[0], "y": Y.astype(np.float64)})


@probe("rank comes before unknown output")
def _(ort: Api) -> object:
    return run(ort, {"x": X[0], "y": Y}, ["nope"])


@probe("unknown input comes before unknown output")
def _(ort: Api) -> object:
    return run(ort, {**FEED, "q": X}, ["nope"])


@probe("an empty batch")
def _(ort: Api) -> object:
    return run(ort, {"x": X[:0], "y": Y})


@probe("results are writable")
def _(ort: Api) -> object:
    return ort.session(add_and_multiply()).run(None, FEED)[0].flags.writeable


@probe("results alias nothing")
def _(ort: Api) -> object:
    node = helper.make_node("Identity", ["x"], ["y"])
    session = ort.session(model([node], [tensor("x", ["N", 3])], [tensor("y", ["N", 3])]))
    return np.shares_memory(session.run(None, {"x": X})[0], X)


@probe("a symbol of two sizes")
def _(ort: Api) -> object:
    node = helper.make_node("MatMul", ["x", "y"], ["z"])
    inputs = [tensor("x", ["N", "K"]), tensor("y", ["K", "M"])]
    session = ort.session(model([node], inputs, [tensor("z", ["N", "M"])]))
    return session.run(None, {"x": np.ones((2, 3), "f4"), "y": np.ones((4, 2), "f4")})


@probe("dimensions that do not fit an operator")
def _(ort: Api) -> object:
    node = helper.make_node("MatMul", ["x", "y"], ["z"], "mm0")
    inputs = [tensor("x", ["N", "K"]), tensor("y", ["L", "M"])]
    session = ort.session(model([node], inputs, [tensor("z", ["N", "M"])]))
    return session.run(None, {"x": np.ones((2, 3), "f4"), "y": np.ones((4, 2), "f4")})


@probe("a declared output shape that is wrong")
def _(ort: Api) -> object:
    node = helper.make_node("Neg", ["x"], ["y"])
    session = ort.session(model([node], [tensor("x", ["N"])], [tensor("y", [4])]))
    return session.run(None, {"x": Y})[0].tolist()


@probe("an index out of range")
def _(ort: Api) -> object:
    node = helper.make_node("Gather", ["x", "i"], ["y"], "gather_x")
    inputs = [tensor("x", [3]), tensor("i", ["N"], TensorProto.INT64)]
    session = ort.session(model([node], inputs, [tensor("y", ["N"])]))
    return session.run(None, {"x": Y, "i": np.array([7])})


@probe("a reshape that does not fit")
def _(ort: Api) -> object:
    node = helper.make_node("Reshape", ["x", "s"], ["y"], "rs0")
    inputs = [tensor("x", ["N"]), tensor("s", [2], TensorProto.INT64)]
    session = ort.session(model([node], inputs, [tensor("y", None)]))
    return session.run(None, {"x": Y, "s": np.array([7, 1])})


@probe("division of the least integer by -1")
def _(ort: Api) -> object:
    if ort.module.__name__ == "onnxruntime":
        raise AssertionError("kills the process")
    node = helper.make_node("Div", ["x", "y"], ["z"])
    inputs = [tensor(n, [1], TensorProto.INT32) for n in "xy"]
    session = ort.session(model([node], inputs, [tensor("z", [1], TensorProto.INT32)]))
    least = np.array([-(2**31)], np.int32)
    return session.run(None, {"x": least, "y": np.array([-1], np.int32)})[0].tolist()


@probe("terminate")
def _(ort: Api) -> object:
    options = ort.RunOptions()
    options.terminate = True
    return ort.session(add_and_multiply()).run(None, FEED, options)

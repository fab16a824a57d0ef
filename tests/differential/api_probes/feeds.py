"""Probes of what can be fed: layouts, lists, scalars, subclasses, other objects."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from api_probes.base import Api, X, Y, add_and_multiply, identity, kinds, probe


def run(ort: Api, x: object, y: object = Y) -> object:
    return kinds(ort.session(add_and_multiply()).run(None, {"x": x, "y": y}))


def same(ort: Api, x: np.ndarray) -> object:
    return ort.session(identity(shape=["N", "M"])).run(None, {"x": x})[0].tolist()


@probe("a nested list")
def _(ort: Api) -> object:
    return run(ort, [[1.0, 2.0, 3.0]])


@probe("a nested list and a list")
def _(ort: Api) -> object:
    return run(ort, [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [1.0, 1.0, 1.0])


@probe("a list of ints")
def _(ort: Api) -> object:
    return run(ort, [[1, 2, 3]])


@probe("a Python float")
def _(ort: Api) -> object:
    return run(ort, 1.0)


@probe("a Python float for a scalar")
def _(ort: Api) -> object:
    return ort.session(identity(shape=())).run(None, {"x": 1.0})


@probe("a NumPy scalar")
def _(ort: Api) -> object:
    return ort.session(identity(shape=())).run(None, {"x": np.float32(1)})[0].tolist()


@probe("None")
def _(ort: Api) -> object:
    return run(ort, X, None)


@probe("a string")
def _(ort: Api) -> object:
    return run(ort, "abc")


@probe("a transposed array")
def _(ort: Api) -> object:
    return same(ort, np.arange(6, dtype=np.float32).reshape(3, 2).T)


@probe("a strided slice")
def _(ort: Api) -> object:
    return same(ort, np.arange(8, dtype=np.float32).reshape(2, 4)[:, ::2])


@probe("negative strides")
def _(ort: Api) -> object:
    return same(ort, X[:, ::-1])


@probe("big-endian")
def _(ort: Api) -> object:
    return same(ort, X.astype(">f4"))


@probe("unaligned")
def _(ort: Api) -> object:
    raw = np.frombuffer(b"x" + X.tobytes(), np.uint8)[1:].view(np.float32)
    return same(ort, raw.reshape(X.shape))


@probe("read-only")
def _(ort: Api) -> object:
    frozen = X.copy()
    frozen.flags.writeable = False
    return run(ort, frozen)


@probe("a matrix")
def _(ort: Api) -> object:
    return run(ort, np.matrix(X))


@probe("a masked array")
def _(ort: Api) -> object:
    return run(ort, np.ma.masked_array(X, mask=X > 2))


@probe("a memoryview")
def _(ort: Api) -> object:
    return run(ort, memoryview(X))


@probe("an OrtValue")
def _(ort: Api) -> object:
    return run(ort, ort.OrtValue.ortvalue_from_numpy(X), ort.OrtValue.ortvalue_from_numpy(Y))


@probe("an OrtValue and an array")
def _(ort: Api) -> object:
    return run(ort, ort.OrtValue.ortvalue_from_numpy(X), Y)


@probe("datetime64")
def _(ort: Api) -> object:
    return run(ort, X.astype("datetime64[s]"))


@probe("longdouble")
def _(ort: Api) -> object:
    return run(ort, X.astype(np.longdouble))


@probe("a structured array")
def _(ort: Api) -> object:
    return run(ort, np.zeros((2, 3), [("a", "f4")]))


@probe("an array of objects")
def _(ort: Api) -> object:
    return run(ort, X.astype(object))


@probe("(1,) for a scalar")
def _(ort: Api) -> object:
    return kinds(ort.session(identity(shape=())).run(None, {"x": np.ones(1, np.float32)}))


TEXTS = identity(TensorProto.STRING)


def texts(ort: Api, value: object) -> object:
    (result,) = ort.session(TEXTS).run(None, {"x": value})
    return str(result.dtype), result.tolist()


@probe("strings of NumPy")
def _(ort: Api) -> object:
    return texts(ort, np.array(["aé", "b"]))


@probe("strings as objects")
def _(ort: Api) -> object:
    return texts(ort, np.array(["a", "b"], object))


@probe("strings as bytes")
def _(ort: Api) -> object:
    return texts(ort, np.array([b"a", b"bc"]))


@probe("strings in a list")
def _(ort: Api) -> object:
    return texts(ort, ["a", "b"])


@probe("objects that are no strings")
def _(ort: Api) -> object:
    return texts(ort, np.array(["a", 1], object))

"""Probes of where models come from: paths, bytes, files that are no models; providers."""

from __future__ import annotations

import numpy as np
import onnx

from api_probes.base import Api, X, Y, add_and_multiply, identity, probe


def written(ort: Api, name: str, data: bytes) -> str:
    path = ort.folder / name
    path.write_bytes(data)
    return str(path)


@probe("a path")
def _(ort: Api) -> object:
    return ort.session(written(ort, "m.onnx", identity())).get_inputs()[0].name


@probe("a missing file")
def _(ort: Api) -> object:
    return ort.session(str(ort.folder / "nope.onnx"))


@probe("a missing file by pathlib")
def _(ort: Api) -> object:
    return ort.session(ort.folder / "nope.onnx")


@probe("a folder")
def _(ort: Api) -> object:
    return ort.session(str(ort.folder))


@probe("an empty file")
def _(ort: Api) -> object:
    return ort.session(written(ort, "empty.onnx", b""))


@probe("empty bytes")
def _(ort: Api) -> object:
    return ort.session(b"")


@probe("a junk file")
def _(ort: Api) -> object:
    return ort.session(written(ort, "junk.onnx", b"this is no model" * 9))


@probe("junk bytes")
def _(ort: Api) -> object:
    return ort.session(b"this is no model" * 9)


@probe("a truncated file")
def _(ort: Api) -> object:
    return ort.session(written(ort, "cut.onnx", add_and_multiply()[:-30]))


@probe("truncated bytes")
def _(ort: Api) -> object:
    return ort.session(add_and_multiply()[:-30])


@probe("random bytes")
def _(ort: Api) -> object:
    return ort.session(np.random.default_rng(1).bytes(1000))


@probe("an int")
def _(ort: Api) -> object:
    return ort.session(3)


@probe("a ModelProto")
def _(ort: Api) -> object:
    return ort.session(onnx.load_from_string(identity()))


@probe("a bytearray")
def _(ort: Api) -> object:
    return ort.session(bytearray(identity()))


def providers(ort: Api, *given: object, **keywords: object) -> object:
    session = ort.InferenceSession(identity(), *given, **keywords)
    assert session.run(None, {"x": Y})[0].tolist() == Y.tolist()
    return session.get_providers()


@probe("an unknown provider")
def _(ort: Api) -> object:
    return providers(ort, providers=["FooExecutionProvider"])


@probe("a provider that is not there")
def _(ort: Api) -> object:
    return providers(ort, providers=["CUDAExecutionProvider", "CPUExecutionProvider"])


@probe("no providers")
def _(ort: Api) -> object:
    return providers(ort, providers=[])


@probe("providers as a tuple")
def _(ort: Api) -> object:
    return providers(ort, providers=("CPUExecutionProvider",))


@probe("a provider with options")
def _(ort: Api) -> object:
    return providers(ort, providers=[("CPUExecutionProvider", {"a": 1})])


@probe("provider_options")
def _(ort: Api) -> object:
    return providers(ort, None, ["CPUExecutionProvider"], [{}])


@probe("a provider twice")
def _(ort: Api) -> object:
    return providers(ort, providers=["CPUExecutionProvider", "CPUExecutionProvider"])


@probe("providers that are no sequence")
def _(ort: Api) -> object:
    return providers(ort, providers={"CPUExecutionProvider"})


@probe("a provider that is no name")
def _(ort: Api) -> object:
    return providers(ort, providers=[3])


@probe("more options than providers")
def _(ort: Api) -> object:
    return providers(ort, providers=["CPUExecutionProvider"], provider_options=[{}, {}])


@probe("default providers")
def _(ort: Api) -> object:
    return providers(ort)[-1]


@probe("an unknown keyword")
def _(ort: Api) -> object:
    return providers(ort, providers=["CPUExecutionProvider"], nonsense=3)


@probe("disabled_optimizers")
def _(ort: Api) -> object:
    return providers(
        ort, providers=["CPUExecutionProvider"], disabled_optimizers=["ConstantFolding"]
    )


@probe("set_providers")
def _(ort: Api) -> object:
    session = ort.session(add_and_multiply())
    session.set_providers(["CPUExecutionProvider"])
    session.disable_fallback()
    session.enable_fallback()
    return session.get_providers(), session.run(None, {"x": X, "y": Y})[0].tolist()

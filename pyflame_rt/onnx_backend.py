"""onnx's backend protocol over InferenceSession, as `onnx.backend.test` and its users speak it.

```python
import onnx
import pyflame_rt.onnx_backend as backend

outputs = backend.prepare(onnx.load("model.onnx"), optimization_level=3).run([images])
```
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from difflib import get_close_matches
from typing import Any, TypeAlias, cast

import numpy as np
import onnx.backend.base as protocol
from google.protobuf.message import EncodeError
from onnx import ModelProto, NodeProto, TypeProto, ValueInfoProto
from onnx.defs import get_all_schemas as schemas
from onnx.helper import (
    make_empty_tensor_value_info,
    make_graph,
    make_model,
    make_opsetid,
    make_sequence_type_proto,
    make_tensor_type_proto,
    make_tensor_value_info,
    make_value_info,
    np_dtype_to_tensor_dtype,
)

from pyflame_rt.errors import InputError, InvalidModelError, PyFlameRTError, ValidationError
from pyflame_rt.frontends.onnx import inspect_onnx
from pyflame_rt.frontends.onnx.ops import LATEST_OPSET
from pyflame_rt.options import SessionOptions
from pyflame_rt.session import Array, InferenceSession

Source: TypeAlias = ModelProto | str | os.PathLike[str] | bytes
Info: TypeAlias = Sequence[tuple[Any, Sequence[int]]]

_TOLERANCES = ("atol", "rtol")
"""What the runner of `onnx.backend.test` compares with, and passes to `prepare` too."""


class BackendRep(protocol.BackendRep):
    """A prepared model; `session` is what runs it."""

    def __init__(self, session: InferenceSession):
        self.session = session
        self._inputs = [value.name for value in session.get_inputs()]
        names = [value.name for value in session.get_outputs()]
        # One class for all runs: making one takes longer than many models do.
        self._outputs: Callable[..., tuple[Any, ...]] = protocol.namedtupledict("Outputs", names)

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Run the model; the outputs in order, also by name: `outputs["y"]`.

        `inputs` are a list in the order of `session.get_inputs()`, where trailing ones that the
        model does not require may be left out; a mapping of names, which can override initializers
        too; or, for a model of one input, an array.
        Raises what `InferenceSession.run` raises.
        """
        if kwargs:
            raise InputError(f"run has no option {sorted(kwargs)[0]!a}", where="onnx_backend")
        return self._outputs(*self.session.run(None, self._feed(inputs)))

    def _feed(self, inputs: object) -> Mapping[str, object]:
        if isinstance(inputs, Mapping):
            return cast("Mapping[str, object]", inputs)
        given = cast("Sequence[object]", inputs if isinstance(inputs, list | tuple) else [inputs])
        if len(given) > len(self._inputs):
            raise InputError(
                f"{len(given)} inputs for a model of {len(self._inputs)}",
                where="onnx_backend",
                hint="its inputs are " + (", ".join(self._inputs) or "none"),
            )
        return dict(zip(self._inputs, given, strict=False))


class Backend(protocol.Backend):
    """onnx's `Backend`: classmethods, which this module has as functions too."""

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Whether models run on a device, in onnx's notation: "CPU", "CPU:0", "CUDA:1".

        Raises InputError for what is no string.
        """
        if not isinstance(cast(object, device), str):
            raise InputError(
                f"a device must be a string, not {type(device).__name__}",
                where="onnx_backend",
                hint='use "CPU"',
            )
        kind, _, number = device.partition(":")
        return kind.upper() == "CPU" and number in ("", "0")

    @classmethod
    def is_opset_supported(cls, model: ModelProto) -> tuple[bool, str]:
        """Whether the version of ONNX's operators that a model imports is known, and if not, why."""
        for entry in model.opset_import:
            if entry.domain in ("", "ai.onnx") and entry.version > LATEST_OPSET:
                return (
                    False,
                    f"opset {entry.version} is newer than {LATEST_OPSET}, the newest known",
                )
        return True, ""

    @classmethod
    def is_compatible(cls, model: Source, device: str = "CPU", **kwargs: Any) -> bool:
        """Whether a model can be read and each of its operators has an implementation."""
        if not cls.supports_device(device):
            return False
        try:
            return not inspect_onnx(_readable(model)).unsupported
        except PyFlameRTError:
            return False

    @classmethod
    def prepare(
        cls, model: Source | InferenceSession, device: str = "CPU", **kwargs: Any
    ) -> BackendRep:
        """Compile a model: a ModelProto, its bytes, or a path, which external data needs.

        `kwargs` are SessionOptions by name, or `options`, all of them.
        Raises ValidationError (device, options) and what `InferenceSession` raises.
        """
        if not cls.supports_device(device):
            raise ValidationError(
                f"device {device!a} is not available", where="onnx_backend", hint="use CPU"
            )
        if isinstance(model, InferenceSession):
            return BackendRep(model)
        return BackendRep(InferenceSession(_readable(model), _options(kwargs)))

    @classmethod
    def run_model(
        cls, model: Source | InferenceSession, inputs: Any, device: str = "CPU", **kwargs: Any
    ) -> tuple[Any, ...]:
        """Prepare a model and run it once."""
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(
        cls,
        node: NodeProto,
        inputs: Any,
        device: str = "CPU",
        outputs_info: Info | None = None,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        """Run one node on inputs in its order, absent ones left out, or by name.

        `outputs_info` declares dtype and shape of each output. Another dtype than the node's is an
        error; another shape is not, as in any model. `opset_version` is that of the node's domain, the newest known by
        default; other `kwargs` are as for `prepare`.
        Raises InputError and what `prepare` and `run` raise.
        """
        opset = kwargs.pop("opset_version", None)
        feed = _by_name(node, inputs)
        model = _model_of(node, feed, outputs_info, opset)
        return cls.prepare(model, device, **kwargs).run(feed)


supports_device = Backend.supports_device
is_opset_supported = Backend.is_opset_supported
is_compatible = Backend.is_compatible
prepare = Backend.prepare
run_model = Backend.run_model
run_node = Backend.run_node


def _readable(model: Source) -> str | os.PathLike[str] | bytes:
    """What a session reads."""
    if not isinstance(model, ModelProto):
        return model
    try:
        return model.SerializeToString()
    except (EncodeError, ValueError) as error:
        raise InvalidModelError(
            f"the ModelProto cannot be serialized: {error}",
            where="onnx_backend",
            hint="above 2 GiB save it with external data and give the path",
        ) from error


def _options(kwargs: Mapping[str, Any]) -> SessionOptions:
    given = kwargs.get("options")
    if not isinstance(given, SessionOptions | None):
        raise ValidationError(
            f"options must be SessionOptions, not {type(given).__name__}", where="onnx_backend"
        )
    options = SessionOptions() if given is None else copy(given)
    known = [name for name in dir(SessionOptions()) if not name.startswith("_")]
    known.remove("validate")
    for name, value in kwargs.items():
        if name in ("options", *_TOLERANCES):
            continue
        if name not in known:
            close = get_close_matches(name, known, n=1)
            raise ValidationError(
                f"there is no option {name!a}",
                where="onnx_backend",
                hint=f'did you mean "{close[0]}"' if close else f"options are {', '.join(known)}",
            )
        try:
            setattr(options, name, value)
        except (TypeError, ValueError) as error:
            raise ValidationError(
                f"{name} cannot be {value!a}: {error}", where="onnx_backend"
            ) from error
    return options


def _by_name(node: NodeProto, inputs: object) -> Mapping[str, object]:
    """The inputs of a node by name."""
    if isinstance(inputs, Mapping):
        return cast("Mapping[str, object]", inputs)
    given = cast("Sequence[object]", inputs if isinstance(inputs, list | tuple) else [inputs])
    names = list(dict.fromkeys(name for name in node.input if name))
    if len(given) != len(names):
        raise InputError(f"{len(given)} inputs for a node of {len(names)}", where=node.op_type)
    return dict(zip(names, given, strict=True))


def _model_of(
    node: NodeProto, feed: Mapping[str, object], outputs_info: Info | None, opset: int | None
) -> ModelProto:
    """A model of one node, with inputs of the types of what is fed."""
    domain = "" if node.domain == "ai.onnx" else node.domain
    versions = [schema.since_version for schema in schemas() if schema.domain == domain]
    newest = max(versions, default=1) if domain else LATEST_OPSET
    inputs = [make_value_info(name, _type_of(value, name)) for name, value in feed.items()]
    names = [name for name in node.output if name]
    infos = [None] * len(names) if outputs_info is None else list(outputs_info)
    if len(infos) != len(names):
        raise InputError(f"outputs_info tells of {len(infos)} of {len(names)} outputs")
    outputs = [_output(name, info) for name, info in zip(names, infos, strict=True)]
    graph = make_graph([node], node.op_type, inputs, outputs)
    if not isinstance(cast(object, opset), int | None):
        raise InputError(f"opset_version must be a number, got {opset!a}", where="onnx_backend")
    opsets = [make_opsetid(domain, newest if opset is None else opset)]
    return make_model(graph, opset_imports=opsets)


def _output(name: str, info: tuple[Any, Sequence[int]] | None) -> ValueInfoProto:
    if info is None:
        return make_empty_tensor_value_info(name)
    try:
        dtype, shape = info
        return make_tensor_value_info(name, np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"outputs_info holds {info!a}",
            where=f'output "{name}"',
            hint="give a dtype of ONNX and a shape",
        ) from error


def _type_of(value: object, name: str) -> TypeProto:
    """The ONNX type of an array, a number, or a list of arrays."""
    if isinstance(value, list):
        items = cast("list[object]", value)
        if not items:
            raise InputError("an empty list has no type", where=f'input "{name}"')
        return make_sequence_type_proto(_type_of(items[0], name))
    array = np.asarray(value)
    if array.dtype.kind in "OUT" and (value is None or not _holds_text(array)):
        raise InputError(f"{type(value).__name__} has no ONNX type", where=f'input "{name}"')
    try:
        code = np_dtype_to_tensor_dtype(array.dtype)
    except (KeyError, ValueError) as error:
        raise InputError(f"{array.dtype} is no ONNX type", where=f'input "{name}"') from error
    return make_tensor_type_proto(code, array.shape)


def _holds_text(array: Array) -> bool:
    return all(isinstance(item, str) for item in array.flat)

"""Probes of every element type through an Identity."""

from __future__ import annotations

import ml_dtypes
import numpy as np
from onnx import TensorProto

from api_probes.base import Api, identity, probe

PLAIN = {
    "bool": TensorProto.BOOL, "int8": TensorProto.INT8, "uint8": TensorProto.UINT8,
    "int16": TensorProto.INT16, "uint16": TensorProto.UINT16, "int32": TensorProto.INT32,
    "uint32": TensorProto.UINT32, "int64": TensorProto.INT64, "uint64": TensorProto.UINT64,
    "float16": TensorProto.FLOAT16, "float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE,
    "complex64": TensorProto.COMPLEX64,
}  # fmt: skip
NARROW = {
    "bfloat16": (TensorProto.BFLOAT16, np.uint16),
    "float8_e4m3fn": (TensorProto.FLOAT8E4M3FN, np.uint8),
    "int4": (TensorProto.INT4, np.uint8),
}


def passed(ort: Api, element: int, value: object) -> object:
    (result,) = ort.session(identity(element)).run(None, {"x": value})
    return str(result.dtype), result.tolist()


def register() -> None:
    for name, element in PLAIN.items():
        value = np.ones(1, name)
        probe(f"Identity {name}")(lambda ort, e=element, v=value: passed(ort, e, v))
    for name, (element, raw) in NARROW.items():
        fed = np.ones(2, getattr(ml_dtypes, name))
        probe(f"Identity {name}")(lambda ort, e=element, v=fed: passed(ort, e, v))
        bits = fed.view(raw)

        def by_value(ort: Api, element: int = element, bits: np.ndarray = bits) -> object:
            value = ort.OrtValue.ortvalue_from_numpy_with_onnx_type(bits, element)
            return passed(ort, element, value)

        probe(f"Identity {name} as OrtValue")(by_value)


register()

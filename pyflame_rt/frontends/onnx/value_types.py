"""The types that a file declares, in IR."""

from __future__ import annotations

from xdsl.ir import Attribute

from pyflame_rt.dialects.pfrt.containers import MapType, OptionalType, SequenceType
from pyflame_rt.dialects.pfrt.types import DYNAMIC, element_type, is_value_type, tensor
from pyflame_rt.errors import InvalidModelError, UnsupportedOperatorError
from pyflame_rt.frontends.onnx.model import ValueInfo
from pyflame_rt.frontends.onnx.tensors import dtype_of_code

_SHOWN = 100


def value_type(value: ValueInfo, where: str) -> Attribute:
    """The type of a value as declared.

    Raises InvalidModelError when there is none, UnsupportedOperatorError for one we lack.
    """
    kind = _type(value, where)
    if not is_value_type(kind):
        text = str(kind)
        shown = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
        raise UnsupportedOperatorError(f"type {shown} is not supported", where=where)
    return kind


def _type(value: ValueInfo, where: str) -> Attribute:
    match value:
        case ValueInfo(kind="tensor", shape=None):
            return tensor(element_type(dtype_of_code(value.element, where)), None)
        case ValueInfo(kind="tensor", shape=dims):
            shape = [dim if isinstance(dim, int) else DYNAMIC for dim in dims or ()]
            return tensor(element_type(dtype_of_code(value.element, where)), shape)
        case ValueInfo(kind="sequence", item=ValueInfo() as item):
            return SequenceType(_type(item, where))
        case ValueInfo(kind="optional", item=ValueInfo() as item):
            return OptionalType(_type(item, where))
        case ValueInfo(kind="map", item=ValueInfo() as item):
            if item.kind != "tensor":
                raise UnsupportedOperatorError(
                    f"a map to {item.kind} is not supported", where=where
                )
            codes = (value.element, item.element)
            return MapType(*(element_type(dtype_of_code(code, where)) for code in codes))
        case ValueInfo(kind=""):
            raise InvalidModelError("has no type", where=where)
        case _:
            raise UnsupportedOperatorError(f"type {value.kind} is not supported", where=where)

"""Types of values that are no tensors of numbers: strings, sequences, optionals and maps.

| type | a value at run time |
|---|---|
| `tensor<2x!pfrt.string>` | an array of dtype object that holds `str` |
| `!pfrt.sequence<tensor<?xf32>>` | a list of what the sequence is of |
| `!pfrt.optional<tensor<4xf32>>` | None, or what the optional is of |
| `!pfrt.map<!pfrt.string, f32>` | a dict from `int` or `str` to Python numbers or `str` |

Values are never written to, so that a list may hold arrays that other values are too.
"""

from __future__ import annotations

from xdsl.dialects.builtin import MemRefType, TensorType, UnrankedMemRefType, UnrankedTensorType
from xdsl.ir import Attribute, ParametrizedAttribute, TypeAttribute
from xdsl.irdl import AnyOf, BaseAttr, irdl_attr_definition, param_def


@irdl_attr_definition
class StringType(ParametrizedAttribute, TypeAttribute):
    """The element type of a tensor of texts."""

    name = "pfrt.string"


@irdl_attr_definition
class SequenceType(ParametrizedAttribute, TypeAttribute):
    """A list of any length of values of one type, which is a tensor's or a map's."""

    name = "pfrt.sequence"

    item: Attribute = param_def()


@irdl_attr_definition
class OptionalType(ParametrizedAttribute, TypeAttribute):
    """A value that may be missing; of a tensor or a sequence."""

    name = "pfrt.optional"

    item: Attribute = param_def()


@irdl_attr_definition
class MapType(ParametrizedAttribute, TypeAttribute):
    """A map from integers or strings to numbers or strings: both parameters are element types."""

    name = "pfrt.map"

    key: Attribute = param_def()
    value: Attribute = param_def()


CONTAINERS = (SequenceType, OptionalType, MapType)
"""The types whose values are no arrays."""

_Container = AnyOf(tuple(BaseAttr(kind) for kind in CONTAINERS))

ValueConstraint = AnyOf((BaseAttr(TensorType), BaseAttr(UnrankedTensorType), _Container))
"""Any value of the pfrt dialect."""

PlacedConstraint = AnyOf((BaseAttr(MemRefType), BaseAttr(UnrankedMemRefType), _Container))
"""Any value of the plan dialect: a buffer, or a container that some call owns."""

TYPES: tuple[type[ParametrizedAttribute], ...] = (StringType, *CONTAINERS)
"""The types of the dialect."""

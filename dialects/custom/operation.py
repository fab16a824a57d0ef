"""The op class of a custom operator, made from its schema.

The class is a `PfrtOp`: the optimiser, the reference interpreter and the lowering treat it as one
of pfrt's own. Accessors are prefixed (`in_`, `out_`, `attr_`), so that no name that a user gives
hides one of xDSL's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, cast

from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseArrayBase,
    FloatAttr,
    IntegerAttr,
    StringAttr,
    f64,
    i64,
)
from xdsl.ir import Attribute
from xdsl.irdl import (
    AttrSizedOperandSegments,
    BaseAttr,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.traits import MemoryWriteEffect
from xdsl.utils.exceptions import VerifyException

from pyflame_rt.dialects.custom import evaluation
from pyflame_rt.dialects.custom.evaluation import Dims
from pyflame_rt.dialects.custom.schema import (
    AttributeKind,
    AttributeSpec,
    AttributeValue,
    InputSpec,
    OpSchema,
)
from pyflame_rt.dialects.pfrt.base import PfrtOp, TensorConstraint
from pyflame_rt.dialects.pfrt.types import (
    DYNAMIC,
    dtype_of,
    element_type,
    from_property,
    shape_of,
    tensor,
)

_CONSTRAINTS: dict[AttributeKind, Any] = {
    AttributeKind.INT: IntegerAttr.constr(i64),
    AttributeKind.FLOAT: BaseAttr(FloatAttr),
    AttributeKind.STRING: BaseAttr(StringAttr),
    AttributeKind.INTS: DenseArrayBase.constr(i64),
    AttributeKind.FLOATS: DenseArrayBase.constr(f64),
    AttributeKind.STRINGS: ArrayAttr.constr(BaseAttr(StringAttr)),
}
_RESERVED = ("names", "operandSegmentSizes", "resultSegmentSizes")
"""Properties that ops have by themselves."""


class CustomOperation(PfrtOp):
    """Base class of the ops of custom operators."""

    SCHEMA: ClassVar[OpSchema]
    ATTRIBUTES: ClassVar[dict[str, str]]
    """Property -> attribute of the operator."""

    def kernel_properties(self) -> dict[str, Attribute]:
        """The attributes that are given, and the defaults of others, by the properties' names."""
        found: dict[str, Attribute] = {}
        for spec, name in zip(self.SCHEMA.attributes, self.ATTRIBUTES, strict=True):
            if (attr := self.properties.get(name)) is not None:
                found[name] = attr
            elif spec.default is not None:
                found[name] = to_attribute(spec, spec.default)
        return found

    def attribute_values(self) -> dict[str, AttributeValue]:
        """The attributes as Python values, by the operator's names."""
        return {
            self.ATTRIBUTES[name]: cast(AttributeValue, from_property(attr))
            for name, attr in self.kernel_properties().items()
        }

    def check(self) -> None:
        slots = self.operand_slots()
        for index, value in enumerate(slots):
            spec = self.SCHEMA.inputs[min(index, len(self.SCHEMA.inputs) - 1)]
            if value is not None and spec.dtype is not None and dtype_of(value) != spec.dtype:
                raise VerifyException(
                    f'{self.name}: input "{spec.name}" must hold {spec.dtype.name}, '
                    f"not {dtype_of(value).name}"
                )

    def infer_types(self) -> Sequence[Attribute]:
        slots = self.operand_slots()
        attributes = self.attribute_values()
        try:
            dtypes = evaluation.output_dtypes(
                self.SCHEMA, [None if v is None else dtype_of(v) for v in slots], attributes
            )
            shapes = evaluation.output_shapes(
                self.SCHEMA, [None if v is None else _dims(shape_of(v)) for v in slots], attributes
            )
        except ValueError as error:
            raise VerifyException(f"{self.name}: {error}") from error
        return [
            tensor(element_type(dtype), _shape(shape))
            for dtype, shape in zip(dtypes, shapes, strict=True)
        ]

    def flops(self) -> int | None:
        """Unknown: only its author could tell."""
        return None


def _dims(shape: tuple[int, ...] | None) -> Dims | None:
    return None if shape is None else tuple(None if d == DYNAMIC else d for d in shape)


def _shape(dims: Dims | None) -> tuple[int, ...] | None:
    return None if dims is None else tuple(DYNAMIC if d is None else d for d in dims)


def to_attribute(spec: AttributeSpec, value: object) -> Attribute:
    """The IR form of an attribute's value. Raises ValueError when it is of another kind."""
    converted = spec.converted(value)
    match spec.kind:
        case AttributeKind.INT:
            return _integer(cast(int, converted))
        case AttributeKind.FLOAT:
            return FloatAttr(cast(float, converted), f64)
        case AttributeKind.STRING:
            return StringAttr(cast(str, converted))
        case AttributeKind.INTS:
            return DenseArrayBase.from_list(i64, cast("tuple[int, ...]", converted))
        case AttributeKind.FLOATS:
            return DenseArrayBase.from_list(f64, cast("tuple[float, ...]", converted))
        case AttributeKind.STRINGS:
            return ArrayAttr([StringAttr(text) for text in cast("tuple[str, ...]", converted)])


def _integer(value: int) -> IntegerAttr[Any]:
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"{value} does not fit into 64 bits")
    return IntegerAttr(value, i64)


def property_names(schema: OpSchema) -> dict[str, str]:
    """Property -> attribute: the same name, but for those that ops have by themselves."""
    own = {spec.name for spec in schema.attributes}
    names: dict[str, str] = {}
    for spec in schema.attributes:
        name = spec.name
        while name in _RESERVED or (name != spec.name and name in own):
            name += "_"
        names[name] = spec.name
    return names


def operation_class(schema: OpSchema, name: str) -> type[CustomOperation]:
    """The op class of an operator; `name` is the op's in IR, `dialect.op`."""
    fields: dict[str, Any] = {
        "__module__": __name__,
        "__doc__": schema.doc or f"The custom operator {schema.full_name}.",
        "__annotations__": {
            "SCHEMA": ClassVar[OpSchema],
            "ATTRIBUTES": ClassVar[dict[str, str]],
        },
        "SCHEMA": schema,
        "ATTRIBUTES": property_names(schema),
        "name": name,
        "irdl_options": (ParsePropInAttrDict(),),
        "assembly_format": _assembly_format(schema),
    }
    for index, spec in enumerate(schema.inputs):
        fields[_accessor("in", index, spec.name)] = _operand_kind(spec)(TensorConstraint)
    if sum(spec.optional or spec.variadic for spec in schema.inputs) > 1:
        segments = AttrSizedOperandSegments(as_property=True)
        fields["irdl_options"] = (ParsePropInAttrDict(), segments)
    for (name_in_ir, _), spec in zip(
        property_names(schema).items(), schema.attributes, strict=True
    ):
        # What is left out is filled in by `kernel_properties`.
        define = prop_def if spec.must_be_given else opt_prop_def
        fields[f"attr_{_identifier(spec.name)}_{len(fields)}"] = define(
            _CONSTRAINTS[spec.kind], prop_name=name_in_ir
        )
    for index, spec in enumerate(schema.outputs):
        fields[_accessor("out", index, spec.name)] = result_def(TensorConstraint)
    if not schema.pure:
        fields["traits"] = traits_def(MemoryWriteEffect())
    return irdl_op_definition(type(schema.name, (CustomOperation,), fields))


def _operand_kind(spec: InputSpec) -> Callable[..., Any]:
    if spec.variadic:
        return var_operand_def
    return opt_operand_def if spec.optional else operand_def


def _assembly_format(schema: OpSchema) -> str:
    """`%x, %y bias(%b : tensor<…>) as "y" {…} : (tensor<…>, tensor<…>) -> tensor<…>`"""
    inputs = [(_accessor("in", k, spec.name), spec) for k, spec in enumerate(schema.inputs)]
    plain = [name for name, spec in inputs if not spec.optional and not spec.variadic]
    parts = [" `,` ".join(f"${name}" for name in plain)]
    for name, spec in inputs:
        if spec.optional or spec.variadic:
            # "as" begins the names of the results.
            word = "as_" if spec.name == "as" else _identifier(spec.name)
            parts.append(f"(`{word}` `(` ${name}^ `:` type(${name}) `)`)?")
    parts.append("custom<ValueNames>($names) attr-dict `:`")
    parts.append(_types(plain))
    parts.append("`->`")
    parts.append(_types([_accessor("out", k, s.name) for k, s in enumerate(schema.outputs)]))
    return " ".join(part for part in parts if part)


def _types(names: Sequence[str]) -> str:
    listed = " `,` ".join(f"type(${name})" for name in names)
    return listed if len(names) == 1 else f"`(` {listed} `)`"


def _accessor(prefix: str, index: int, name: str) -> str:
    # Names that differ in characters no identifier has are still two.
    return f"{prefix}_{index}_{_identifier(name)}"


def _identifier(name: str) -> str:
    text = re.sub(r"\W", "_", name, flags=re.ASCII)
    return text if text and not text[0].isdigit() else f"_{text}"

"""The same model in float64: what the errors of a model in smaller floats are measured against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from xdsl.dialects import func
from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    ModuleOp,
    TensorType,
    UnrankedTensorType,
    f64,
)
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.rewriter import Rewriter

from pyflame_rt import pipelines
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.containers import OptionalType, SequenceType
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.elementwise import MulOp
from pyflame_rt.dialects.pfrt.types import (
    ConstantValue,
    constant_array,
    constant_attr,
    numpy_dtype,
    tensor,
)
from pyflame_rt.errors import ValidationError

_UNITS = {"float16": 2.0**-11, "bfloat16": 2.0**-8, "float32": 2.0**-24, "float64": 2.0**-53}
"""The relative error of one rounding to each type that becomes float64."""

_VALUES = ("value",)
_DTYPES = ("to", "dtype", "output_dtype", "output_datatype")


_SUMS = (
    "conv conv_transpose gemm matmul einsum reduce_sum reduce_mean reduce_l1 reduce_l2 "
    "reduce_sum_square reduce_log_sum reduce_log_sum_exp average_pool global_average_pool "
    "lp_pool global_lp_pool cum_sum sum mean attention lstm gru rnn layer_normalization "
    "rms_normalization instance_normalization group_normalization lp_normalization lrn "
    "mean_variance_normalization batch_normalization softmax log_softmax"
)
SUMS = frozenset(f"pfrt.{name}" for name in _SUMS.split())
"""Ops whose errors are those of sums, and may be large beside their results."""


class NotPromotable(Exception):
    """The model computes with something that has no float64 form."""


@dataclass(frozen=True)
class Promoted:
    """A module in float64; `units` are the relative roundings of the values that each op had."""

    module: ModuleOp
    units: Mapping[Operation, float]

    def feed(self, array: Any) -> Any:
        """An input of the model as it is fed here."""
        if isinstance(array, list):
            return [self.feed(item) for item in array]
        return array.astype(np.float64) if _unit(array.dtype) else array


def promoted(module: ModuleOp, *, loosened: bool = False) -> Promoted:
    """A copy in which every tensor of floats is one of float64.

    In a `loosened` copy, what goes into ops that add up many products is multiplied by 1 before:
    rounding these products at random is as good as rounding within the sums.
    Raises NotPromotable where an op demands another type.
    """
    copy = module.clone()
    if loosened:
        _loosen(copy)
    units: dict[Operation, float] = {}
    for op in copy.walk():
        found = [unit for result in op.results if (unit := _unit_of(result.type))]
        if found:
            units[op] = max(found)
        for result in op.results:
            _widen(result)
        for region in op.regions:
            for block in region.blocks:
                for argument in block.args:
                    _widen(argument)
        if isinstance(op, PfrtOp):
            _widen_properties(op)
    for op in copy.walk():
        if isinstance(op, func.FuncOp):
            op.update_function_type()
            _widen_defaults(op)
    try:
        pipelines.verify_module(copy)
    except ValidationError as error:
        raise NotPromotable(str(error)) from error
    return Promoted(copy, units)


def _loosen(module: ModuleOp) -> None:
    for op in list(module.walk()):
        if op.name not in SUMS or op.parent is None:
            continue
        for index, operand in enumerate(op.operands):
            if _unit_of(operand.type) is not None and isinstance(operand.type, TensorType):
                one = np.ones((), numpy_dtype(cast("TensorType[Any]", operand.type).element_type))
                constant = ConstantOp.get(one)
                product = MulOp.create_op([operand, constant.result])
                op.parent.insert_ops_before([constant, product], op)
                op.operands[index] = product.results[0]


def _unit(dtype: np.dtype[Any]) -> float | None:
    return _UNITS.get(dtype.name)


def _unit_of(kind: Attribute) -> float | None:
    match kind:
        case TensorType() | UnrankedTensorType():
            element = cast("TensorType[Any]", kind).element_type
            return _unit(numpy_dtype(element))
        case SequenceType(item=item) | OptionalType(item=item):
            return _unit_of(item)
        case _:
            return None


def _wide(kind: Attribute) -> Attribute:
    if _unit_of(kind) is None:
        return kind
    match kind:
        case SequenceType(item=item):
            return SequenceType(_wide(item))
        case OptionalType(item=item):
            return OptionalType(_wide(item))
        case _:
            shape = kind.get_shape() if isinstance(kind, TensorType) else None
            return tensor(f64, shape)


def _widen(value: SSAValue) -> None:
    kind = _wide(value.type)
    if kind != value.type:
        Rewriter.replace_value_with_new_type(value, kind)


def _widen_properties(op: PfrtOp) -> None:
    for name in _VALUES:
        if name in op.properties:
            op.properties[name] = _wide_constant(op.properties[name])
    for name in _DTYPES:
        attr = op.properties.get(name)
        if attr is not None and _is_float_type(attr):
            op.properties[name] = f64


def _is_float_type(attr: Attribute) -> bool:
    try:
        return _unit(numpy_dtype(attr)) is not None
    except KeyError:
        return False


def _wide_constant(attr: Attribute) -> Attribute:
    array = constant_array(cast(ConstantValue, attr))
    if array is None or _unit(array.dtype) is None or array.dtype == np.float64:
        return attr
    return constant_attr(array.astype(np.float64))


def _widen_defaults(function: func.FuncOp) -> None:
    if function.arg_attrs is None:
        return
    rows: list[DictionaryAttr] = []
    for row in function.arg_attrs:
        data = dict(row.data)
        if "pfrt.default" in data:
            data["pfrt.default"] = _wide_constant(data["pfrt.default"])
        rows.append(DictionaryAttr(data))
    function.arg_attrs = ArrayAttr(rows)

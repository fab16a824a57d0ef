"""Channels that go: weights and types without them, or weights in which they are zero."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp, StringAttr
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import VerifyException

from pyflame_rt.dialects.pfrt.base import constant_of
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.types import constant_attr, shape_of, tensor, type_of
from pyflame_rt.dialects.rewriting import failed, verify_failed
from pyflame_rt.passes.pruning import channel_walk, records
from pyflame_rt.passes.pruning.relations.kept import Kept, Mask
from pyflame_rt.passes.pruning.relations.table import rule_of

Array: TypeAlias = npt.NDArray[Any]


def unshare_vectors(module: ModuleOp) -> None:
    """Give each op a constant of its own in place of one, of a single axis, that several share.

    They share the values still. A vector of zeros that is the bias of all convolutions would
    otherwise tie their channels.
    """
    for op in _constants(module):
        if sum(dim > 1 for dim in shape_of(op.result) or ()) != 1:
            continue
        users = list(dict.fromkeys(use.operation for use in op.result.uses))
        for user in users[1:]:
            if user.parent is not op.parent:
                continue
            copy = ConstantOp.of(op.value, op.result.type, location=op.location)
            Rewriter.insert_op(copy, InsertPoint.after(op))
            for index, operand in enumerate(user.operands):
                if operand is op.result:
                    user.operands[index] = copy.result


def remove(module: ModuleOp, kept: Kept) -> None:
    """Take what is not kept out of constants, properties and types.

    Raises PassFailed if an op is invalid afterwards, which would be a mistake in its rule.
    """
    changed = [op for op in _operations(module) if kept.changes(op)]
    for op in changed:
        rule = rule_of(type(op))
        if rule is not None and rule.adapt is not None:
            rule.adapt(op, kept)
    for op in changed:
        if isinstance(op, ConstantOp):
            op.properties["value"] = constant_attr(_compressed(op, _at_hand(op), kept))
            # What was pruned to zeros before is noted for what is left.
            if (record := records.read(op)) is not None:
                records.write(op, replace(record, mask=_compressed(op, record.mask, kept)))
    for value in kept.values:
        kind = tensor(type_of(value).element_type, kept.shape(value))
        Rewriter.replace_value_with_new_type(value, kind)
    _update_overridable(module)
    for op in changed:
        try:
            op.verify(verify_nested_ops=False)
        except VerifyException as error:
            raise verify_failed(op, error) from error


def _update_overridable(module: ModuleOp) -> None:
    """Initializers that callers may override have the types that the constants have now."""
    model = module.attributes.get("pfrt.model")
    rows = model.data.get(_OVERRIDABLE) if isinstance(model, DictionaryAttr) else None
    if not isinstance(model, DictionaryAttr) or not isinstance(rows, ArrayAttr):
        return
    types = {op.names.data[0]: op.result.type for op in _constants(module) if op.names is not None}
    updated: list[Attribute] = []
    for row in cast("ArrayAttr[DictionaryAttr]", rows):
        name = row.data["pfrt.name"]
        kind = types.get(name.data) if isinstance(name, StringAttr) else None
        updated.append(row if kind is None else DictionaryAttr({**row.data, "type": kind}))
    fields = {**model.data, _OVERRIDABLE: ArrayAttr(updated)}
    module.attributes["pfrt.model"] = DictionaryAttr(fields)


_OVERRIDABLE = "overridable_initializers"


def _compressed(op: ConstantOp, array: Array, kept: Kept) -> Array:
    """An array of a constant's shape without what is not kept."""
    for axis in range(array.ndim):
        mask = kept.mask(op.result, axis)
        if mask is not None:
            array = np.compress(mask, array, axis)
    return np.ascontiguousarray(array)


def weight_masks(module: ModuleOp, kept: Kept) -> dict[str, Mask]:
    """True for what stays of each named constant that loses something, in its shape."""
    return {
        op.names.data[0]: _mask(op.result, kept)
        for op in _constants(module)
        if op.names is not None and kept.changes(op)
    }


def masked_module(module: ModuleOp, kept: Kept, linear: frozenset[SSAValue]) -> ModuleOp:
    """A copy with zeros in the place of what is not kept, in all weights that are used linearly."""
    copies: dict[SSAValue, SSAValue] = {}
    copy = module.clone(copies)
    for op in _constants(module):
        if op.result in linear and kept.changes(op):
            zeroed = np.where(
                _mask(op.result, kept), _at_hand(op), np.zeros((), _at_hand(op).dtype)
            )
            target = copies[op.result].owner
            if isinstance(target, Operation):
                target.properties["value"] = constant_attr(np.ascontiguousarray(zeroed))
    return copy


def _mask(value: SSAValue, kept: Kept) -> Mask:
    shape = shape_of(value) or ()
    whole = np.ones(shape, bool)
    for axis in range(len(shape)):
        mask = kept.mask(value, axis)
        if mask is not None:
            whole &= mask.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    return whole


def _at_hand(op: ConstantOp) -> Array:
    array = constant_of(op.result)
    if array is None:
        raise failed(op, "its values are not at hand")
    return array


def _operations(module: ModuleOp) -> list[Operation]:
    bodies = channel_walk.blocks(module)
    return [op for block in bodies for op in channel_walk.operations(block)]


def _constants(module: ModuleOp) -> list[ConstantOp]:
    return [op for op in _operations(module) if isinstance(op, ConstantOp)]

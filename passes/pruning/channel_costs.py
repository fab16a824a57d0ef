"""What a module costs with some channels gone: counted from types, before anything is removed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.rewriter import Rewriter

from pyflame_rt.dialects.pfrt.base import PfrtOp, is_constant
from pyflame_rt.dialects.pfrt.types import DYNAMIC, is_tensor, shape_of, tensor, type_of
from pyflame_rt.passes.pruning import channel_walk
from pyflame_rt.passes.pruning.channel_groups import ChannelGroups
from pyflame_rt.passes.pruning.channel_importance import is_floating
from pyflame_rt.passes.pruning.relations.kept import Kept
from pyflame_rt.passes.pruning.relations.table import rule_of


@dataclass(frozen=True)
class Cost:
    """What a module holds and does: features made by weights, floats in constants, floating-point
    operations (dimensions that are not known count as 1)."""

    channels: int
    parameters: int
    flops: int


class CostModel:
    """Costs of a module under any choice of channels, on a copy that has types and no new weights."""

    def __init__(self, module: ModuleOp, groups: ChannelGroups):
        self._groups = groups
        copies: dict[SSAValue, SSAValue] = {}
        self._module = module.clone(copies)
        self._copies = copies
        self._ops = [
            op
            for block in channel_walk.blocks(self._module)
            for op in block.ops
            if isinstance(op, PfrtOp) and not is_constant(type(op))
        ]
        self._constants = [
            op.results[0]
            for block in channel_walk.blocks(module)
            for op in channel_walk.operations(block)
            if is_constant(type(op)) and is_floating(op.results[0])
        ]
        self._changed: tuple[SSAValue, ...] = ()
        rules = ((op, rule_of(type(op))) for op in self._ops)
        self._adapted = [
            (op, dict(op.properties), rule.adapt)
            for op, rule in rules
            if rule is not None and rule.costs_properties and rule.adapt is not None
        ]
        for value in tuple(copies):
            shape = shape_of(value) if is_tensor(value.type) else None
            if shape is not None and DYNAMIC in shape:
                self._set_shape(value, shape)

    def cost(self, kept: Kept) -> Cost:
        """What the module costs with what is kept."""
        for value in self._changed:
            self._set_shape(value, shape_of(value) or ())
        self._adapt(kept)
        self._changed = kept.values
        for value in self._changed:
            self._set_shape(value, kept.shape(value))
        parameters = sum(
            int(np.prod(kept.shape(value), dtype=np.int64)) for value in self._constants
        )
        flops = sum(op.flops() or 0 for op in self._ops)
        return Cost(self.channels(kept), parameters, flops)

    def _adapt(self, kept: Kept) -> None:
        if not self._adapted:
            return
        view = kept.of_copies({copy: value for value, copy in self._copies.items()})
        for op, properties, adapt in self._adapted:
            op.properties = dict(properties)
            adapt(op, view)

    def channels(self, kept: Kept) -> int:
        """How many features weights make."""
        features = int(kept.stays[self._groups.features].sum())
        return features + self._groups.single_features

    def _set_shape(self, value: SSAValue, shape: tuple[int, ...]) -> None:
        copy = self._copies.get(value)
        if copy is not None:
            static = tuple(1 if dim == DYNAMIC else dim for dim in shape)
            kind = tensor(type_of(copy).element_type, static)
            self._copies[value] = Rewriter.replace_value_with_new_type(copy, kind)

"""Ops that are put before another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from xdsl.ir import Attribute, Block, Operation, SSAValue

from pyflame_rt.dialects.pfrt import operations
from pyflame_rt.dialects.pfrt.attributes import ActivationAttr
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.types import PropertyValue

Array: TypeAlias = npt.NDArray[Any]


class Place:
    """Where ops are made: before an op of a block, with the location of another."""

    def __init__(self, before: Operation, like: Operation | None = None) -> None:
        self._before = before
        self._like = before if like is None else like
        self.made: list[Operation] = []

    @staticmethod
    def after(value: SSAValue) -> Place:
        """Behind what defines a value."""
        owner = value.owner
        if isinstance(owner, Block):
            first = owner.first_op
            assert first is not None
            return Place(first)
        assert owner.next_op is not None
        return Place(owner.next_op, owner)

    def add(self, op: Operation) -> Sequence[SSAValue]:
        """Put an op there; its results."""
        block = self._before.parent
        assert block is not None
        op.location = self._like.location
        block.insert_op_before(op, self._before)
        self.made.append(op)
        return op.results

    def emit(
        self,
        name: str,
        operands: Sequence[SSAValue | Sequence[SSAValue] | None],
        properties: Mapping[str, PropertyValue | Attribute | None] | None = None,
    ) -> SSAValue:
        """Make `pfrt.<name>` of one result."""
        kind = cast("type[PfrtOp]", operations()[f"pfrt.{name}"])
        (result,) = self.add(kind.create_op(operands, properties))
        return result

    def emit_activation(self, activation: ActivationAttr, value: SSAValue) -> SSAValue:
        """Make the op of an activation."""
        kind = cast("type[PfrtOp]", operations()[f"pfrt.{activation.op.data}"])
        nothing = [None] * (len(kind.get_irdl_definition().operands) - 1)
        return self.emit(activation.op.data, [value, *nothing], activation.properties.data)

    def constant(self, array: Array) -> SSAValue:
        """Make a constant."""
        (result,) = self.add(ConstantOp.get(array))
        return result

    def scalar(self, number: float) -> SSAValue:
        """Make a constant of f32."""
        return self.constant(np.array(number, np.float32))

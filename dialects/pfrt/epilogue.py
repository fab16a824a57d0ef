"""Ops that do what follows them too: y = activation(op(…) + residual)."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from functools import lru_cache

from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import opt_operand_def, opt_prop_def
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.test_value import create_ssa_value

from pyflame_rt.dialects.pfrt.attributes import ActivationAttr
from pyflame_rt.dialects.pfrt.base import PfrtOp, TensorConstraint, elements
from pyflame_rt.dialects.pfrt.lattice import compatible
from pyflame_rt.dialects.pfrt.types import is_tensor


class ActivatedOp(PfrtOp, ABC):
    """An op whose result an `activation` may be applied to: any elementwise op of one operand.

    Each step rounds to the result's type, as separate ops would.
    """

    activation = opt_prop_def(ActivationAttr)

    def extra_flops(self) -> int:
        """Operations of the epilogue, given static shapes: one an element for each step."""
        residual = getattr(self, "residual", None)
        steps = (self.activation is not None) + (residual is not None)
        return (elements(self.results[0]) or 0) * steps

    def check_activation(self, constraint: str) -> None:
        """Require that the activation is an elementwise op of one operand with such properties."""
        if self.activation is None:
            return
        try:
            verify_activation(self.activation, self.results[0].type)
        except VerifyException as error:
            self.require(constraint, False, f"the activation: {error}")


class EpilogueOp(ActivatedOp, ABC):
    """An op that can also add a `residual` of its result's shape, before its activation."""

    residual = opt_operand_def(TensorConstraint)

    def check_residual(self, constraint: str) -> None:
        """Require that the residual can have the type of the result."""
        if self.residual is None:
            return
        (kind,) = self.infer_types()
        if not compatible(self.residual.type, kind):
            why = f"the residual is a {self.residual.type}, the result a {kind}"
            self.require(constraint, False, why)


@lru_cache(maxsize=256)
def verify_activation(activation: ActivationAttr, kind: Attribute) -> None:
    """Raise VerifyException unless an activation maps a tensor to one of the same type."""
    from pyflame_rt.dialects.pfrt import operations

    op = operations().get(f"pfrt.{activation.op.data}")
    if op is None or not issubclass(op, PfrtOp) or not op.ELEMENTWISE:
        raise VerifyException(f'"{activation.op.data}" is no elementwise op')
    if not is_tensor(kind):
        raise VerifyException(f"a {kind} has no elements")
    for name, definition in op.get_irdl_definition().properties.items():
        # Only an op that is parsed, or made, has what its properties are usually.
        if definition.default_value is not None and name not in activation.properties.data:
            raise VerifyException(f'{op.name} needs "{name}"')
    operands: list[SSAValue | Sequence[SSAValue]] = [create_ssa_value(kind)]
    operands += [() for _ in op.get_irdl_definition().operands[1:]]
    try:
        made = op.build(
            operands=operands, properties=activation.properties.data, result_types=[kind]
        )
    except ValueError as error:
        raise VerifyException(f"{op.name} takes more than one operand") from error
    made.verify()
    if made.infer_types() != [kind]:
        raise VerifyException(f"{op.name} gives no {kind}")

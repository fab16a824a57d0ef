"""What people call an operation: ONNX's operator types, and the documentation's for fused ones."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.traits import ConstantLike

from pyflame_rt.dialects.custom.operation import CustomOperation
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.contraction import MatmulOp
from pyflame_rt.dialects.pfrt.epilogue import ActivatedOp
from pyflame_rt.dialects.pfrt.fused import FusedOp
from pyflame_rt.dialects.pfrt.names import op_type_of

_SHORT = {"BatchNormalization": "BN"}
_LONGEST = 4
"""Operations that a fused one's name lists; more of them are `FusedElementwise`."""


def operator_type(op: PfrtOp) -> str:
    """`Conv`, `FusedConvRelu` with an activation, `FusedConvAddRelu` with a residual before it,
    `FusedMatMulAdd` with a bias; of fused elementwise operations `FusedAddRelu`, and `FMA` for a
    product to which something is added. A custom operator has its domain: `custom::MyGELU`.
    """
    if isinstance(op, CustomOperation):
        return op.SCHEMA.full_name
    if isinstance(op, FusedOp):
        return _fused(op)
    if not isinstance(op, ActivatedOp):
        return op_type_of(op.name)
    parts = [op_type_of(op.name)]
    if isinstance(op, MatmulOp) and op.bias is not None:
        parts.append("Add")
    if getattr(op, "residual", None) is not None:
        parts.append("Add")
    if op.activation is not None:
        parts.append(op_type_of(op.activation.op.data))
    return parts[0] if len(parts) == 1 else _joined(parts)


def _fused(op: FusedOp) -> str:
    parts = [op_type_of(inner.name) for inner in op.ops if not inner.has_trait(ConstantLike)]
    if parts == ["Mul", "Add"]:
        return "FMA"
    return _joined(parts) if len(parts) <= _LONGEST else "FusedElementwise"


def _joined(parts: Sequence[str]) -> str:
    return "Fused" + "".join(_SHORT.get(part, part) for part in parts)

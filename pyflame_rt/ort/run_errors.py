"""Why a run failed, in the form that ONNX Runtime gives it, and with what it leaves out: where the
operands of the failing operator come from, and which sizes the symbols had."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xdsl.dialects.builtin import ModuleOp, NameLoc
from xdsl.ir import Operation, SSAValue
from xdsl.traits import ConstantLike

from pyflame_rt.compiler import TensorSpec
from pyflame_rt.dialects.operator_names import operator_type
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.rewriting import location_text
from pyflame_rt.errors import BackendError, MissingWeightsError, PyFlameRTError
from pyflame_rt.ort.errors import Fail, InvalidArgument, Status, combined, has_status, with_status


def run_error(
    error: PyFlameRTError, module: ModuleOp, specs: Sequence[TensorSpec], values: Sequence[Any]
) -> PyFlameRTError:
    """The error to raise when a run of a module on these inputs has failed with `error`."""
    if isinstance(error, Status) or not has_status(error):
        return with_status(error)
    if not isinstance(error, BackendError) or isinstance(error, MissingWeightsError):
        return with_status(error, bare=not isinstance(error, BackendError))
    op = _at(module, error.where or "")
    # As ONNX Runtime tells them apart: indices are the caller's, shapes may be the model's.
    status = InvalidArgument if isinstance(error.__cause__, IndexError) else Fail
    if op is None:
        return with_status(error, status)
    details = [*_operands(op, specs), *_symbols(specs, values)]
    text = (
        f"Non-zero status code returned while running {operator_type(op)} node. "
        f"Name:'{node_name(op)}' Status Message: {error.message}"
        + (f" ({'; '.join(details)})" if details else "")
    )
    made = combined(status, type(error))(text, where=error.where, hint=error.hint)
    made.__cause__ = error.__cause__
    return made


def node_name(op: Operation) -> str:
    """The name of the node that an op comes from, "" when unknown."""
    location = op.location
    return location.desc.data if isinstance(location, NameLoc) else ""


def _at(module: ModuleOp, where: str) -> PfrtOp | None:
    """The op that an error's place speaks of: `gather (node "gather_x", model.onnx:1)`."""
    place = where.partition("(")[2].removesuffix(")")
    if not place:
        return None
    found = (op for op in module.walk() if isinstance(op, PfrtOp) and location_text(op) == place)
    return next((op for op in found if not op.has_trait(ConstantLike)), None)


def _operands(op: PfrtOp, specs: Sequence[TensorSpec]) -> list[str]:
    """Where the operands come from, one text each."""
    texts: list[str] = []
    for index, value in enumerate(op.operand_slots()):
        if value is not None:
            texts.append(f"input {index} {_origin(value, specs)}")
    return texts


def _origin(value: SSAValue, specs: Sequence[TensorSpec]) -> str:
    owner = value.owner
    if isinstance(owner, Operation):
        if owner.has_trait(ConstantLike):
            return f"is a constant {value.type}"
        kind = operator_type(owner) if isinstance(owner, PfrtOp) else owner.name
        return f"comes from {kind} '{node_name(owner)}'"
    arguments: list[SSAValue] = list(owner.args)
    if owner.parent_op() is not None and len(arguments) == len(specs):
        return f"is '{specs[arguments.index(value)].name}'"
    return "comes from the graph around it"


def _symbols(specs: Sequence[TensorSpec], values: Sequence[Any]) -> list[str]:
    sizes: dict[str, int] = {}
    for spec, value in zip(specs, values, strict=True):
        for dim, size in zip(spec.shape or (), getattr(value, "shape", ()), strict=False):
            if isinstance(dim, str):
                sizes[dim] = size
    return [f"{symbol} = {size}" for symbol, size in sizes.items()]

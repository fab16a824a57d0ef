"""A backend in its simplest form: a function for each operator that a device has."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.traits import ConstantLike

from pyflame_rt.backends.base import Backend, Executable, find_function, only_block, require_count
from pyflame_rt.backends.runtime import Array, ValueType, detached, failure, last_uses, value_type
from pyflame_rt.dialects.custom.operation import CustomOperation
from pyflame_rt.dialects.custom.schema import BackendType
from pyflame_rt.dialects.operator_names import operator_type
from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.types import from_properties
from pyflame_rt.dialects.rewriting import describe
from pyflame_rt.errors import BackendError, MissingWeightsError

OpFunction: TypeAlias = Callable[[list[Any], dict[str, Any]], Any]
"""Inputs (None for an absent one) and attributes to the output, or the list of several."""


class OperatorBackend(Backend):
    """Runs what it has functions for, op by op; NumPy runs the rest of a model.

    Subclasses say which by `operators`. Inputs are those of the op in pfrt: what ONNX passes as a
    constant input is an attribute there. Attributes have ONNX's names in snake case, those of a
    custom operator its own. A custom operator is also run by its kernel for this `device_type`.
    """

    @abstractmethod
    def operators(self) -> Mapping[str, OpFunction]:
        """Operator type -> what computes it."""

    def supports_op(self, op_type: str) -> bool:
        return op_type in self.operators()

    def supports(self, op: Operation) -> bool:
        return isinstance(op, PfrtOp) and not op.regions and self._function(op) is not None

    def supported_ops(self) -> list[str]:
        return sorted(self.operators())

    def compile(self, module: ModuleOp, function: str = "main") -> Executable:
        """Find the function of every op. Raises BackendError when one has none."""
        found = find_function(module, function)
        block = only_block(found)
        dead = last_uses(block)
        constants: dict[SSAValue, Array] = {}
        steps: list[_Step] = []
        for op in block.ops:
            if op is block.last_op:
                break
            if op.has_trait(ConstantLike):
                constants[op.results[0]] = _constant(op)
                continue
            compute = self._function(op) if isinstance(op, PfrtOp) else None
            if compute is None or not isinstance(op, PfrtOp):
                raise BackendError(f"the {self.name} backend does not run it", where=describe(op))
            kinds = tuple(value_type(result.type) for result in op.results)
            gone = tuple(value for value in dead[op] if value not in constants)
            steps.append(_Step(op, compute, _slots(op), _attributes(op), kinds, gone))
        return _OperatorExecutable(found, tuple(steps), constants)

    def _function(self, op: PfrtOp) -> OpFunction | None:
        compute = self.operators().get(operator_type(op))
        if compute is not None or not isinstance(op, CustomOperation):
            return compute
        device = self.device_type.upper()
        kinds = BackendType.__members__
        return op.SCHEMA.kernel(kinds[device]) if device in kinds else None


@dataclass(frozen=True)
class _Step:
    op: PfrtOp
    compute: OpFunction
    slots: tuple[SSAValue | None, ...]
    attributes: Mapping[str, Any]
    kinds: tuple[ValueType, ...]
    dead: tuple[SSAValue, ...]


class _OperatorExecutable(Executable):
    def __init__(
        self, function: func.FuncOp, steps: Sequence[_Step], constants: Mapping[SSAValue, Array]
    ) -> None:
        block = function.body.block
        self._arguments = block.args
        self._results = () if block.last_op is None else tuple(block.last_op.operands)
        self._steps = steps
        self._constants = constants

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        require_count(inputs, len(self._arguments))
        values: dict[SSAValue, Any] = dict(self._constants)
        values.update(zip(self._arguments, inputs, strict=True))
        for step in self._steps:
            try:
                arrays = [None if v is None else values[v] for v in step.slots]
                returned: object = step.compute(arrays, dict(step.attributes))
                is_list = isinstance(returned, list | tuple)
                results = cast("Sequence[Any]", returned) if is_list else [returned]
                if len(results) != len(step.kinds):
                    raise ValueError(f"returned {len(results)} values, not {len(step.kinds)}")
                checked = [k.require(r) for k, r in zip(step.kinds, results, strict=True)]
            except Exception as error:
                raise failure(describe(step.op), error) from error
            values.update(zip(step.op.results, checked, strict=True))
            for value in step.dead:
                del values[value]
        return detached([values[value] for value in self._results], inputs)


def _slots(op: PfrtOp) -> tuple[SSAValue | None, ...]:
    """The operands, without absent ones at the end: some of them ONNX does not know."""
    slots = op.operand_slots()
    present = [index for index, value in enumerate(slots, 1) if value is not None]
    return slots[: max(present, default=0)]


def _attributes(op: PfrtOp) -> dict[str, Any]:
    if isinstance(op, CustomOperation):
        return dict(op.attribute_values())
    return dict(from_properties(op.kernel_properties()))


def _constant(op: Operation) -> Array:
    array = constant_of(op.results[0])
    if array is None:
        raise MissingWeightsError("its weight is not at hand", where=describe(op))
    return array

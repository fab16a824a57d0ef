"""What a module shows as a graph: nodes, constants and types by the model's own names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy.typing as npt
from xdsl.dialects.builtin import NameLoc
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.traits import ConstantLike

from pyflame_rt.backends.base import find_function, only_block
from pyflame_rt.compiler import Program, TensorSpec, signature, spec_of
from pyflame_rt.dialects.operator_names import operator_type
from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.types import from_properties
from pyflame_rt.graph.node import Node

Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True)
class View:
    """A program's main function; fused operations are single nodes, weights views of the file."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    nodes: tuple[Node, ...]
    initializers: Mapping[str, Array]
    types: Mapping[str, Attribute]

    @staticmethod
    def of(program: Program) -> View:
        """The view of a program."""
        inputs, outputs = signature(program.module)
        block = only_block(find_function(program.module, "main"))
        names: dict[SSAValue, str] = {
            argument: spec.name for argument, spec in zip(block.args, inputs, strict=True)
        }
        # A rewritten output may come from an op that has another name, or none.
        returned = block.last_op.operands if block.last_op is not None else ()
        for value, spec in zip(returned, outputs, strict=False):
            names.setdefault(value, spec.name)
        nodes: list[Node] = []
        initializers: dict[str, Array] = {}
        for op in block.ops:
            if not isinstance(op, PfrtOp):
                continue
            _name_results(op, names)
            if not op.has_trait(ConstantLike):
                nodes.append(_node(op, names))
            elif (array := constant_of(op.results[0])) is not None:
                initializers[names[op.results[0]]] = array
        types = {name: value.type for value, name in names.items()}
        return View(tuple(inputs), tuple(outputs), tuple(nodes), initializers, types)

    def spec(self, name: str) -> TensorSpec | None:
        """What is known of a value; None when there is none of that name."""
        for spec in (*self.inputs, *self.outputs):
            if spec.name == name:
                return spec
        kind = self.types.get(name)
        return None if kind is None else spec_of(name, kind)


def _name_results(op: PfrtOp, names: dict[SSAValue, str]) -> None:
    own = op.names.data if op.names is not None else ("",) * len(op.results)
    for result, name in zip(op.results, own, strict=True):
        names.setdefault(result, name or f"%{result.name_hint or len(names)}")


def _node(op: PfrtOp, names: Mapping[SSAValue, str]) -> Node:
    location = cast(Operation, op).location
    inputs = ["" if slot is None else names[slot] for slot in op.operand_slots()]
    while inputs and not inputs[-1]:
        inputs.pop()
    return Node(
        operator_type(op),
        location.desc.data if isinstance(location, NameLoc) else "",
        tuple(inputs),
        tuple(names[result] for result in op.results),
        from_properties(op.kernel_properties()),
    )

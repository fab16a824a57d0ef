"""The nodes of a model under the names that plans call them by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.ir import Block, Operation, SSAValue
from xdsl.traits import ConstantLike, is_side_effect_free

from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.errors import PassFailed
from pyflame_rt.passes.partitioning.stages import operands_of
from pyflame_rt.passes.shape_inference import functions


@dataclass(frozen=True)
class Nodes:
    """The ops of a model's main function that devices run, by name and in order, and the names of
    its values."""

    function: func.FuncOp
    block: Block
    ops: dict[str, Operation]
    names: dict[Operation, str]
    values: dict[SSAValue, str]

    @staticmethod
    def of(module: ModuleOp) -> Nodes:
        """The nodes of a module. Raises PassFailed when it has no main function of one block."""
        found = next((f for f in functions(module) if f.sym_name.data == "main"), None)
        if found is None or len(found.body.blocks) != 1:
            raise PassFailed("there is no function @main of one block to partition")
        block = found.body.block
        last = block.last_op
        ops = [op for op in block.ops if op is not last and not op.has_trait(ConstantLike)]
        count = Counter(name for op in ops for name in _own_names(op) if name)
        inputs: dict[SSAValue, str] = dict(zip(block.args, input_names(found), strict=True))
        taken = set(inputs.values())
        values: dict[SSAValue, str] = dict(inputs)
        names: dict[Operation, str] = {}
        for index, op in enumerate(ops):
            for place, (result, own) in enumerate(zip(op.results, _own_names(op), strict=True)):
                unique = own and count[own] == 1 and own not in taken
                values[result] = (
                    own if unique else f"{op.name}#{index}" + (f":{place}" * bool(place))
                )
            names[op] = values[op.results[0]] if op.results else f"{op.name}#{index}"
        return Nodes(found, block, {name: op for op, name in names.items()}, names, values)

    def above(self, op: Operation) -> Operation:
        """The op of the function's own block that an op is, or is in."""
        while op.parent is not self.block:
            parent = op.parent_op()
            assert parent is not None
            op = parent
        return op

    def edges(self) -> Iterable[tuple[SSAValue, Operation, Operation]]:
        """Each value of a node that another one reads: value, producer, reader."""
        for op in self.ops.values():
            for value in dict.fromkeys(operands_of(op)):
                owner = value.owner
                if isinstance(owner, Operation) and owner in self.names and owner is not op:
                    yield value, owner, op

    def in_order_of_effects(self) -> Iterable[tuple[Operation, Operation]]:
        """Pairs of nodes of which the second must come after the first, whatever they read."""
        last: Operation | None = None
        for op in self.ops.values():
            if not is_side_effect_free(op):
                if last is not None:
                    yield last, op
                last = op

    def inputs(self) -> list[str]:
        """The names of what is fed."""
        return [self.values[argument] for argument in self.block.args]


def _own_names(op: Operation) -> tuple[str, ...]:
    if isinstance(op, PfrtOp) and op.names is not None:
        return tuple(op.names.data)
    return ("",) * len(op.results)


def input_names(function: func.FuncOp) -> list[str]:
    """What the inputs of a function are called."""
    return _names(function.arg_attrs, len(function.function_type.inputs.data), "arg")


def output_names(function: func.FuncOp) -> list[str]:
    """What the outputs of a function are called."""
    return _names(function.res_attrs, len(function.function_type.outputs.data), "result")


def _names(rows: object, count: int, prefix: str) -> list[str]:
    attrs = [None] * count if rows is None else [row.data for row in rows]  # pyright: ignore
    found = [None if row is None else row.get("pfrt.name") for row in attrs]  # pyright: ignore
    return [
        attr.data if isinstance(attr, StringAttr) else f"{prefix}{index}"
        for index, attr in enumerate(found)  # pyright: ignore
    ]

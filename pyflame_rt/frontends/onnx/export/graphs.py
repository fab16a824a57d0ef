"""Functions and regions as graphs: names, initializers, nodes and their subgraphs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy.typing as npt
from onnx.onnx_ml_pb2 import AttributeProto, GraphProto, NodeProto
from xdsl.dialects import func
from xdsl.ir import Block, Operation, SSAValue

from pyflame_rt.dialects.pfrt.attributes import PRUNED
from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.shape import IdentityOp
from pyflame_rt.dialects.rewriting import describe
from pyflame_rt.errors import MissingWeightsError
from pyflame_rt.frontends.onnx.export.lowering import steps_of
from pyflame_rt.frontends.onnx.export.messages import attribute_proto, value_info
from pyflame_rt.frontends.onnx.export.naming import Names, label_of
from pyflame_rt.frontends.onnx.export.nodes import Body, Node, Refused
from pyflame_rt.frontends.onnx.export.schemas import Schema, Target, schema
from pyflame_rt.frontends.onnx.export.tensors import Initializer, tensor_proto

Array: TypeAlias = npt.NDArray[Any]

_SHARED = 256
"""Bytes of a parameter up to which equal ones are written once."""
_LIFTED = 4096
"""Bytes of a constant in a subgraph from which on it is written to the graph around all."""


@dataclass(frozen=True)
class Refusal:
    """An op that the target has no operator for, and why."""

    op: Operation
    why: str


@dataclass
class _Graph:
    """A graph under way; the initializers of the outermost one are not in its message."""

    proto: GraphProto
    initializers: list[Initializer] | None = None
    parameters: dict[tuple[str, tuple[int, ...], bytes], str] = field(
        default_factory=dict[tuple[str, tuple[int, ...], bytes], str]
    )


class GraphWriter:
    """Writes a flattened function, whose every op means one operator, for a target."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.initializers: list[Initializer] = []
        """Those of the outermost graph."""
        self.refusals: list[Refusal] = []
        """Ops that could not be written."""
        self.domains: dict[str, int] = {}
        """The domains of the nodes, and their versions."""
        self._values, self._nodes = Names(), Names()
        self._names: dict[SSAValue, str] = {}
        self._stands_for: dict[SSAValue, SSAValue] = {}

    def function(
        self, function: func.FuncOp, inputs: Sequence[str], outputs: Sequence[str]
    ) -> GraphProto:
        """The graph of a function, without inputs, outputs and initializers of its own.

        `inputs` and `outputs` are the names of its arguments and results, each there once.
        """
        for op in function.walk():
            if isinstance(op, PfrtOp) and op.names is not None:
                self._values.reserve(op.names.data)
        for name in {*inputs, *outputs}:
            self._values.claim(name)
        block = function.body.block
        self._names.update(zip(block.args, inputs, strict=True))
        graph = _Graph(GraphProto(), self.initializers)
        self._block(block, graph, outputs)
        return graph.proto

    def name_of(self, value: SSAValue) -> str | None:
        """The name that a value has got; None when nothing needed one."""
        return self._names.get(self._stands_for.get(value, value))

    def _block(self, block: Block, graph: _Graph, outputs: Sequence[str] | None) -> list[str]:
        """Write the ops of a block; the names of what it returns, which may be given."""
        last = block.last_op
        returned = () if last is None else tuple(last.operands)
        copied: list[tuple[SSAValue, str]] = []
        names: list[str] = []
        for index, value in enumerate(returned):
            # A graph's outputs are results of its own nodes, each once.
            own = _is_made_in(value, block) and value not in self._names
            if outputs is not None:
                name = outputs[index]
            else:
                name = self._result_name(value) if own else self._values.fresh("output")
            names.append(name)
            if own:
                self._names[value] = name
            else:
                copied.append((value, name))
        for op in block.ops:
            if op is not last:
                self._op(op, graph)
        for value, name in copied:
            copy = IdentityOp.create_op([value])
            self._names[copy.result] = name
            self._op(copy, graph, needed=True)
            copy.drop_all_references()
        return names

    def _op(self, op: Operation, graph: _Graph, *, needed: bool = False) -> None:
        if isinstance(op, ConstantOp):
            self._constant(op, graph)
            return
        try:
            found = steps_of(op, self.target)
        except Refused as refused:
            self.refusals.append(Refusal(op, str(refused)))
            for result in op.results:
                self._names.setdefault(result, self._result_name(result))
            return
        self._stands_for.update(found.stands_for)
        for step in found.steps:
            if isinstance(step, ConstantOp):
                self._constant(step, graph)
            else:
                self._node(step, op, graph, needed=needed)

    def _node(self, node: Node, op: Operation, graph: _Graph, *, needed: bool) -> None:
        version = node.version or self.target.version(node.domain)
        self.domains[node.domain] = max(version, self.domains.get(node.domain, 0))
        definition = schema(node.op_type, node.domain, version)
        label = self._nodes.fresh(label_of(op))
        proto = NodeProto(op_type=node.op_type, domain=node.domain, name=label)
        for index, value in enumerate(node.inputs):
            if value is None:
                proto.input.append("")
            elif isinstance(value, SSAValue):
                proto.input.append(self._known(value))
            else:
                proto.input.append(self._parameter(value, label, definition, index, graph))
        for index, value in enumerate(node.outputs):
            proto.output.append(self._output(value, definition, index, needed=needed))
        while proto.output and not proto.output[-1]:
            del proto.output[-1]
        for name, entry in node.attributes.items():
            if isinstance(entry.value, Body):
                attribute = AttributeProto(name=name, type=AttributeProto.GRAPH)
                attribute.g.CopyFrom(self._body(entry.value))
                proto.attribute.append(attribute)
            else:
                proto.attribute.append(attribute_proto(name, entry))
        graph.proto.node.append(proto)

    def _body(self, body: Body) -> GraphProto:
        block, graph = body.region.block, _Graph(GraphProto(name=body.name))
        for argument in block.args:
            name = self._values.fresh(argument.name_hint or "input")
            self._names[argument] = name
            graph.proto.input.append(value_info(name, argument.type))
        names = self._block(block, graph, None)
        last = block.last_op
        for name, value in zip(names, () if last is None else last.operands, strict=True):
            graph.proto.output.append(value_info(name, value.type))
        return graph.proto

    def _constant(self, op: ConstantOp, graph: _Graph) -> None:
        if op.result.first_use is None:
            return
        array = constant_of(op.result)
        if array is None:
            raise MissingWeightsError(
                "the values of a weight are missing",
                where=describe(op),
                hint="give the side file with --weights FILE",
            )
        name = self._result_name(op.result)
        self._names[op.result] = name
        self._initializer(name, array, graph, PRUNED in op.attributes)

    def _initializer(self, name: str, array: Array, graph: _Graph, is_pruned: bool = False) -> None:
        if graph.initializers is not None or array.nbytes >= _LIFTED:
            self.initializers.append(Initializer(name, array, is_pruned))
        else:
            graph.proto.initializer.append(tensor_proto(name, array))

    def _parameter(
        self, array: Array, label: str, definition: Schema | None, index: int, graph: _Graph
    ) -> str:
        """The name of an initializer for an input that the op has as a property."""
        key = None
        if array.nbytes <= _SHARED and array.dtype.kind != "O":
            key = (array.dtype.name, array.shape, array.tobytes())
            if (known := graph.parameters.get(key)) is not None:
                return known
        rule = None if definition is None else definition.input(index)
        name = self._values.fresh(f"{label}_{index if rule is None else rule.name}")
        self._initializer(name, array, graph)
        if key is not None:
            graph.parameters[key] = name
        return name

    def _output(
        self, value: SSAValue | None, definition: Schema | None, index: int, *, needed: bool
    ) -> str:
        if value is None:
            return ""
        value = self._stands_for.get(value, value)
        rule = None if definition is None else definition.output(index)
        if value.first_use is None and rule is not None and rule.optional and not needed:
            return ""
        if value not in self._names:
            self._names[value] = self._result_name(value)
        return self._names[value]

    def _known(self, value: SSAValue) -> str:
        return self._names[self._stands_for.get(value, value)]

    def _result_name(self, value: SSAValue) -> str:
        """A name for a value: the model's, or one like it."""
        value = self._stands_for.get(value, value)
        owner = value.owner
        if not isinstance(owner, Operation):
            return self._values.fresh(value.name_hint or "input")
        index = owner.results.index(value)  # pyright: ignore[reportArgumentType]
        given = owner.names if isinstance(owner, PfrtOp) else None
        if given is not None and given.data[index]:
            return self._values.claim(given.data[index])
        return self._values.fresh(value.name_hint or f"{label_of(owner)}_output")


def _is_made_in(value: SSAValue, block: Block) -> bool:
    """Whether a value is the result of a node in a block."""
    owner = value.owner
    return (
        isinstance(owner, Operation) and owner.parent is block and not isinstance(owner, ConstantOp)
    )

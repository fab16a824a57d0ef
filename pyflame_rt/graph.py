"""Graph and Node: a model as a list of nodes over named values.

A Graph is either built by hand (`add_input`, `add_initializer`, `add_node`, `add_output`, in ONNX's
vocabulary) or a read-only view of a module. Both become a program for a session.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper
from xdsl.dialects.builtin import NameLoc
from xdsl.ir import Operation, SSAValue
from xdsl.traits import ConstantLike

from pyflame_rt import dtypes
from pyflame_rt.backends.base import find_function
from pyflame_rt.compiler import Dim, Program, TensorSpec, signature
from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.types import STRING, PropertyValue, from_properties
from pyflame_rt.errors import ValidationError
from pyflame_rt.frontends.onnx import import_onnx
from pyflame_rt.operator_names import operator_type
from pyflame_rt.universe import make_context

Array: TypeAlias = npt.NDArray[Any]
AttributeValue: TypeAlias = PropertyValue | list[int] | list[float] | list[str]

OPSET = 21
"""The version of ai.onnx that hand-built graphs speak."""


@dataclass(frozen=True)
class Node:
    """One operation: what it is, and the values it reads and defines by name; "" is an absent one."""

    op_type: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict[str, AttributeValue])


class Graph:
    """A model's nodes, inputs, outputs and initializers."""

    def __init__(self, name: str = "graph"):
        self.name = name
        self._nodes: list[Node] = []
        self._inputs: list[TensorSpec] = []
        self._outputs: list[TensorSpec] = []
        self._initializers: dict[str, Array] = {}
        self._program: Program | None = None

    @staticmethod
    def of_program(program: Program) -> Graph:
        """A read-only view of a program's main function."""
        graph = Graph(program.name)
        graph.become_view_of(program)
        return graph

    def become_view_of(self, program: Program) -> None:
        """Show another program's main function instead of what it showed so far."""
        inputs, outputs = signature(program.module)
        block = find_function(program.module, "main").body.block
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
                nodes.append(_view(op, names))
            elif (array := constant_of(op.results[0])) is not None:
                initializers[names[op.results[0]]] = array
        self._nodes, self._initializers = nodes, initializers
        self._inputs, self._outputs = list(inputs), list(outputs)
        self._program = program

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes, in order."""
        return tuple(self._nodes)

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """What is fed."""
        return tuple(self._inputs)

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """What comes out."""
        return tuple(self._outputs)

    @property
    def initializers(self) -> Mapping[str, Array]:
        """Constants by name."""
        return dict(self._initializers)

    def add_input(self, name: str, dtype: npt.DTypeLike, shape: Sequence[Dim]) -> None:
        """Declare an input; a str in the shape is a symbolic dimension, None an unnamed one.

        The dtype of strings is `str` or `object`.
        """
        self._require_builder()
        self._inputs.append(TensorSpec(name, _dtype(dtype, name), tuple(shape)))

    def add_output(self, name: str, dtype: npt.DTypeLike, shape: Sequence[Dim] | None) -> None:
        """Declare which value is an output; `shape` may be None when it is not known."""
        self._require_builder()
        self._outputs.append(
            TensorSpec(name, _dtype(dtype, name), None if shape is None else tuple(shape))
        )

    def add_initializer(self, name: str, array: Array) -> None:
        """Add a constant. Raises ValidationError for a dtype that no tensor has."""
        self._require_builder()
        array = array.astype(_dtype(array.dtype, name), copy=False)
        if array.dtype == STRING and not all(isinstance(item, str) for item in array.flat):
            raise ValidationError("holds objects that are not str", where=f'"{name}"')
        self._initializers[name] = array

    def add_node(
        self,
        op_type: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        name: str = "",
        **attributes: AttributeValue,
    ) -> Node:
        """Add an operation of ai.onnx opset `OPSET`."""
        self._require_builder()
        node = Node(op_type, name, tuple(inputs), tuple(outputs), attributes)
        self._nodes.append(node)
        return node

    def program(self) -> Program:
        """The graph as a verified module.

        Raises InvalidModelError, UnsupportedOperatorError, as importing an ONNX file does.
        """
        if self._program is not None:
            return self._program
        module = import_onnx(self._to_onnx().SerializeToString(), name=self.name)
        return Program(make_context(), module, self.name)

    def _require_builder(self) -> None:
        if self._program is not None:
            raise ValidationError(
                "a view of a model cannot be changed", where=self.name, hint="build a new Graph"
            )

    def _to_onnx(self) -> onnx.ModelProto:
        nodes = [_node_proto(n) for n in self._nodes]
        graph = helper.make_graph(
            nodes,
            self.name,
            [_value_info(spec) for spec in self._inputs],
            [_value_info(spec) for spec in self._outputs],
            [numpy_helper.from_array(a, name) for name, a in self._initializers.items()],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])


def _node_proto(node: Node) -> onnx.NodeProto:
    proto = helper.make_node(node.op_type, node.inputs, node.outputs, node.name)
    for name, value in node.attributes.items():
        try:
            proto.attribute.append(helper.make_attribute(name, value))
        except (TypeError, ValueError) as error:
            where = f'{node.op_type} "{node.name}", attribute "{name}"'
            raise ValidationError(str(error), where=where) from error
    return proto


def _dtype(dtype: npt.DTypeLike, name: str) -> np.dtype[Any]:
    try:
        found = np.dtype(dtype)
    except TypeError as error:
        raise ValidationError(str(error), where=f'"{name}"') from error
    if found.kind in "OU":
        return STRING
    if found not in dtypes.by_numpy():
        raise ValidationError(f"no tensor has elements of {found}", where=f'"{name}"')
    return found


def _value_info(spec: TensorSpec) -> onnx.ValueInfoProto:
    is_text = spec.dtype == STRING
    code = onnx.TensorProto.STRING if is_text else dtypes.by_numpy()[spec.dtype].onnx
    return helper.make_tensor_value_info(spec.name, code, spec.shape)


def _name_results(op: PfrtOp, names: dict[SSAValue, str]) -> None:
    own = op.names.data if op.names is not None else ("",) * len(op.results)
    for result, name in zip(op.results, own, strict=True):
        names.setdefault(result, name or f"%{result.name_hint or len(names)}")


def _view(op: PfrtOp, names: Mapping[SSAValue, str]) -> Node:
    location = cast(Operation, op).location
    return Node(
        operator_type(op),
        location.desc.data if isinstance(location, NameLoc) else "",
        tuple("" if slot is None else names[slot] for slot in op.operand_slots()),
        tuple(names[result] for result in op.results),
        from_properties(op.kernel_properties()),
    )

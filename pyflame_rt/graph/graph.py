"""Graph: what a model is made of, to look at or to build."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper
from xdsl.dialects.builtin import DictionaryAttr, StringAttr

from pyflame_rt import pipelines
from pyflame_rt.compiler import Dim, Program, TensorSpec
from pyflame_rt.dialects.pfrt.types import STRING
from pyflame_rt.dtypes import DType
from pyflame_rt.errors import ArgumentTypeError, PyFlameRTError, ValidationError
from pyflame_rt.frontends.onnx import import_onnx
from pyflame_rt.graph import checks, onnx_form
from pyflame_rt.graph.node import AttributeValue, Node
from pyflame_rt.graph.view import View
from pyflame_rt.model_info import TensorInfo, element_dtype
from pyflame_rt.tensor import Tensor
from pyflame_rt.universe import make_context

Array: TypeAlias = npt.NDArray[Any]


class Graph:
    """A model's nodes, inputs, outputs and initializers.

    One that is made here is empty and to be filled, with `add_input`, `add_initializer`, `add_node`
    and `add_output` in any order, in ONNX's vocabulary. One of a session or a file is a view of its
    module, and cannot be added to.
    """

    def __init__(self, name: str = "graph"):
        self.name = name
        self._nodes: list[Node] = []
        self._inputs: list[TensorSpec] = []
        self._outputs: list[TensorSpec] = []
        self._initializers: dict[str, Array] = {}
        self._opsets: dict[str, int] = {}
        self._program: Program | None = None
        self._view: View | None = None

    @staticmethod
    def of_onnx(model: onnx.ModelProto) -> Graph:
        """The graph of an ONNX model, as one built by hand is.

        Raises ValidationError for what such a graph cannot say: subgraphs, values that are no
        tensors, sparse initializers, functions.
        """
        graph = Graph(model.graph.name)
        if model.functions or model.graph.sparse_initializer:
            raise ValidationError("functions and sparse initializers have no Graph form")
        for tensor in model.graph.initializer:
            graph.add_initializer(tensor.name, numpy_helper.to_array(tensor))
        for value in model.graph.input:
            if value.name not in graph._initializers:
                graph._inputs.append(onnx_form.spec_of_message(value))
        graph._outputs += [onnx_form.spec_of_message(value) for value in model.graph.output]
        graph._nodes += [onnx_form.node_of_message(proto) for proto in model.graph.node]
        graph._opsets = {entry.domain: entry.version for entry in model.opset_import}
        return graph

    @staticmethod
    def of_program(program: Program) -> Graph:
        """A read-only view of a program's main function."""
        graph = Graph(_name_of(program))
        graph.become_view_of(program)
        return graph

    def become_view_of(self, program: Program) -> None:
        """Show another program's main function instead of what it showed so far."""
        self._program, self._view = program, View.of(program)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes: of a view in the order they run, else in the order they were added."""
        return tuple(self._nodes) if self._program is None else self._viewed().nodes

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """What is fed."""
        return _infos(self._inputs if self._program is None else self._viewed().inputs)

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """What comes out."""
        return _infos(self._outputs if self._program is None else self._viewed().outputs)

    @property
    def initializers(self) -> Mapping[str, Array]:
        """Constants by name, read-only."""
        known = self._initializers if self._program is None else self._viewed().initializers
        return dict(known)

    def add_input(
        self, name: str, shape: Sequence[Dim] | None, dtype: DType | npt.DTypeLike = DType.Float32
    ) -> None:
        """Declare an input.

        A str in the shape is a symbolic dimension, None an unnamed one; no shape is any. The dtype
        is a DType, or what NumPy takes for one; of strings it is `str` or `object`.
        Raises ValidationError for a dtype that no tensor has.
        """
        spec = TensorInfo(name, dtype, shape).spec
        self._changing()
        self._inputs.append(spec)

    def add_output(
        self, name: str, shape: Sequence[Dim] | None, dtype: DType | npt.DTypeLike = DType.Float32
    ) -> None:
        """Declare which value is an output; what is said of its shape is as for inputs."""
        spec = TensorInfo(name, dtype, shape).spec
        self._changing()
        self._outputs.append(spec)

    def add_initializer(self, name: str, tensor: Tensor | Array) -> None:
        """Add a constant: a Tensor, or an array. It is copied unless its memory is read-only.

        Raises ValidationError for a dtype that no tensor has.
        """
        self._changing()
        array = np.asarray(tensor)
        array = array.astype(element_dtype(array.dtype.newbyteorder("="), name), copy=False)
        if array.dtype == STRING and not all(isinstance(item, str) for item in array.flat):
            raise ValidationError("holds objects that are not str", where=f'"{name}"')
        array = array.copy() if array.flags.writeable else array.view()
        array.flags.writeable = False
        self._initializers[name] = array

    def add_node(
        self,
        name: str,
        op_type: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        **attributes: AttributeValue,
    ) -> Node:
        """Add an operation of ONNX's opset 21, or a custom one; its name may be "".

        Raises ArgumentTypeError for arguments in another order.
        """
        self._changing()
        if not isinstance(cast(object, op_type), str) or isinstance(inputs, str):
            raise ArgumentTypeError(
                "add_node() takes name, op_type, inputs and outputs", where=self.name
            )
        node = Node(op_type, name, tuple(inputs), tuple(outputs), attributes)
        self._nodes.append(node)
        return node

    def get_tensor_info(self, name: str) -> TensorInfo:
        """Type and shape of a value, as far as they follow from the inputs'.

        Raises ValidationError when there is no such value, and as `program` does.
        """
        if (spec := self._viewed().spec(name)) is not None:
            return TensorInfo.of(spec)
        if (array := self._initializers.get(name)) is not None:
            return TensorInfo(name, array.dtype, array.shape)
        raise ValidationError(f'there is no value "{name}"', where=self.name)

    def topological_sort(self) -> list[Node]:
        """The nodes, each after those whose outputs it reads. Raises ValidationError for a circle."""
        return checks.ordered(self.nodes)

    def validate(self) -> list[str]:
        """What is wrong with the graph, one sentence each; empty when it is a model."""
        if self._program is None:
            found = checks.problems(
                [spec.name for spec in self._inputs],
                self._initializers,
                self._nodes,
                [spec.name for spec in self._outputs],
            )
            if found:
                return found
        try:
            pipelines.verify_module(self.program().module)
        except PyFlameRTError as error:
            return [str(error)]
        return []

    def program(self) -> Program:
        """The graph as a module; a verified one if it is a view of a session's or a file's.

        Raises InvalidModelError, UnsupportedOperatorError, as importing an ONNX file does.
        """
        if self._program is not None:
            return self._program
        proto = onnx_form.message(
            self.name,
            self._nodes,
            self._inputs,
            self._outputs,
            self._initializers,
            self._opsets,
        )
        module = import_onnx(
            proto.SerializeToString(), name=self.name, initializers=self._initializers
        )
        return Program(make_context(), module, self.name)

    def _changing(self) -> None:
        """Raise ValidationError for a view; forget what was derived of a builder."""
        if self._program is not None:
            raise ValidationError(
                "a view of a model cannot be changed", where=self.name, hint="build a new Graph"
            )
        self._view = None

    def _viewed(self) -> View:
        if self._view is None:
            self._view = View.of(self.program())
        return self._view


def _infos(specs: Iterable[TensorSpec]) -> tuple[TensorInfo, ...]:
    return tuple(TensorInfo.of(spec) for spec in specs)


def _name_of(program: Program) -> str:
    """The graph's name in the model's file, or else the program's."""
    about = program.module.attributes.get("pfrt.model")
    name = about.data.get("graph_name") if isinstance(about, DictionaryAttr) else None
    return name.data if isinstance(name, StringAttr) and name.data else program.name

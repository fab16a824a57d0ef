"""What an operator's rule builds with: a node's inputs and attributes, and the ops it emits."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np
import numpy.typing as npt
from onnx.onnx_ml_pb2 import AttributeProto
from xdsl.dialects.builtin import LocationAttr
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.utils.exceptions import VerifyException

from pyflame_rt.dialects.pfrt import operations
from pyflame_rt.dialects.pfrt.attributes import NamesAttr
from pyflame_rt.dialects.pfrt.base import OperandArg, PfrtOp, property_of_constant
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, PropertyValue, is_tensor, shape_of, to_property
from pyflame_rt.errors import InvalidModelError, UnsupportedOperatorError
from pyflame_rt.frontends.onnx.model import Graph, Node
from pyflame_rt.frontends.onnx.reading import value_info
from pyflame_rt.frontends.onnx.tensors import TensorReader, dtype_of_code
from pyflame_rt.frontends.onnx.value_types import value_type
from pyflame_rt.frontends.quoting import quoted

Array: TypeAlias = npt.NDArray[Any]
Properties: TypeAlias = Mapping[str, "PropertyValue | Attribute | None"]
T = TypeVar("T")

_HINT = re.compile(r"[^\w$.-]", re.ASCII)
_MAX_HINT = 48
_MAX_LIST = 1 << 20
_ONE_LIST = to_property((0,))


@dataclass
class Constant:
    """A value known at import; it becomes an op when, and where, it is first used."""

    array: Array
    name: str
    location: LocationAttr
    value: SSAValue | None = None


@dataclass
class Scope:
    """The values that a graph defines, and those of the graphs around it."""

    block: Block
    parent: Scope | None = None
    values: dict[str, SSAValue | Constant] = field(default_factory=dict[str, "SSAValue | Constant"])
    pending: dict[str, Callable[[], Constant]] = field(
        default_factory=dict[str, Callable[[], Constant]]
    )
    """Initializers that nothing has used yet."""
    loops: int = 0
    """Loops around it."""

    def define(self, name: str, value: SSAValue | Constant) -> None:
        """Give a value its name in this graph."""
        self.values[name] = value

    def _find(self, name: str) -> tuple[Scope, SSAValue | Constant] | None:
        scope: Scope | None = self
        while scope is not None:
            if (make := scope.pending.pop(name, None)) is not None:
                scope.values[name] = make()
            if (found := scope.values.get(name)) is not None:
                return scope, found
            scope = scope.parent
        return None

    def value(self, name: str) -> SSAValue | None:
        """The value of that name; None when it is not defined."""
        found = self._find(name)
        if found is None:
            return None
        scope, value = found
        if isinstance(value, SSAValue):
            return value
        if value.value is None:
            op = ConstantOp.get(value.array, names=[value.name], location=value.location)
            scope.block.add_op(op)
            value.value = op.result
            value.value.name_hint = hint(value.name)
        return value.value

    def known(self, name: str) -> Array | None:
        """The array of a value known at import."""
        found = self._find(name)
        return found[1].array if found is not None and isinstance(found[1], Constant) else None


def hint(name: str) -> str | None:
    """An SSA name that resembles a model's name of a value."""
    text = _HINT.sub("_", name.lstrip("/"))[:_MAX_HINT].strip("_")
    if not text:
        return None
    return f"v{text}" if text[0].isdigit() else text


class NodeBuilder:
    """One node on its way into IR.

    Rules read inputs and attributes, `emit` ops and return the values of the node's outputs. What
    they read is remembered: an attribute that no rule asked for is an error.
    """

    def __init__(
        self,
        node: Node,
        file: str,
        scope: Scope,
        tensors: TensorReader,
        location: LocationAttr,
        build_graph: Callable[[Graph, Scope], Sequence[SSAValue]],
    ):
        self.node = node
        self.scope = scope
        self.location = location
        self.build_graph = build_graph
        self._file = file
        self._tensors = tensors
        self._read: set[str] = set()

    @property
    def where(self) -> str:
        """The node's place, for error messages."""
        return self.node.where(self._file)

    def error(self, why: str, hint: str | None = None) -> InvalidModelError:
        """The error for a node that contradicts its operator's definition."""
        return InvalidModelError(why, where=self.where, hint=hint)

    def unsupported(self, why: str, hint: str | None = None) -> UnsupportedOperatorError:
        """The error for a correct node of a form that cannot be imported."""
        return UnsupportedOperatorError(why, where=self.where, hint=hint)

    # Inputs.

    def has_input(self, index: int) -> bool:
        """Whether the node has an input at this position."""
        return index < len(self.node.inputs) and self.node.inputs[index] != ""

    def any_value(self, index: int) -> SSAValue | None:
        """The value of an input, which need not be a tensor; None when it is absent."""
        return self.named(self.node.inputs[index]) if self.has_input(index) else None

    def optional(self, index: int) -> SSAValue | None:
        """The tensor of an input, None when it is absent."""
        value = self.any_value(index)
        if value is not None and not is_tensor(value.type):
            raise self.error(f"input {index} must be a tensor, not a {value.type}")
        return value

    def value(self, index: int) -> SSAValue:
        """The value of an input that must be there, tensor or not."""
        if (value := self.any_value(index)) is None:
            raise self.error(f"input {index} is missing")
        return value

    def operand(self, index: int) -> SSAValue:
        """The tensor of an input that must be there."""
        if (value := self.optional(index)) is None:
            raise self.error(f"input {index} is missing")
        return value

    def named(self, name: str) -> SSAValue:
        """The value of that name."""
        if (value := self.scope.value(name)) is None:
            raise self.error(f"value {quoted(name)} is not defined")
        return value

    def known(self, index: int) -> Array | None:
        """The array of an input that is an initializer or a Constant."""
        return self.scope.known(self.node.inputs[index]) if self.has_input(index) else None

    def parameter(
        self, index: int, accepts: Callable[[Attribute], bool]
    ) -> tuple[SSAValue | None, Attribute | None]:
        """An input as an operand or, when it is known and the op accepts it, as a property.

        A scalar stands for a list of one where the op takes lists.
        """
        array = self.known(index)
        if array is not None and _is_property(array):
            for form in (array, array.reshape(-1)):
                if accepts(attribute := property_of_constant(form)):
                    return None, attribute
        value = self.optional(index)
        if value is not None and shape_of(value) == () and accepts(_ONE_LIST):
            (value,) = self.emit("reshape", [value, None], {"shape": (1,)})
        return value, None

    def limit_inputs(self, most: int) -> None:
        """Refuse more inputs than the operator has."""
        if len(self.node.inputs) > most:
            raise self.error(f"has {len(self.node.inputs)} inputs, at most {most}")

    # Attributes.

    def _attribute(self, name: str, kind: int, what: str) -> AttributeProto | None:
        self._read.add(name)
        attribute = self.node.attributes.get(name)
        if attribute is not None and attribute.ref_attr_name:
            raise self.error(f"attribute {quoted(name)} refers to a function's, but is in none")
        if attribute is not None and attribute.type != kind:
            raise self.error(f"attribute {quoted(name)} must be {what}")
        return attribute

    def integer(self, name: str, default: T = None) -> int | T:
        """An integer attribute."""
        attribute = self._attribute(name, AttributeProto.INT, "an integer")
        return default if attribute is None else attribute.i

    def flag(self, name: str, default: T = None) -> bool | T:
        """An integer attribute that says yes or no."""
        number = self.integer(name)
        if number not in (None, 0, 1):
            raise self.error(f"attribute {quoted(name)} must be 0 or 1, got {number}")
        return default if number is None else bool(number)

    def number(self, name: str, default: T = None) -> float | T:
        """A number attribute."""
        attribute = self._attribute(name, AttributeProto.FLOAT, "a number")
        return default if attribute is None else attribute.f

    def integers(self, name: str, default: T = None) -> tuple[int, ...] | T:
        """An attribute that lists integers."""
        attribute = self._attribute(name, AttributeProto.INTS, "a list of integers")
        return default if attribute is None else self._list(name, attribute.ints)

    def numbers(self, name: str, default: T = None) -> tuple[float, ...] | T:
        """An attribute that lists numbers."""
        attribute = self._attribute(name, AttributeProto.FLOATS, "a list of numbers")
        return default if attribute is None else self._list(name, attribute.floats)

    def _list(self, name: str, items: Sequence[T]) -> tuple[T, ...]:
        if len(items) > _MAX_LIST:
            raise self.error(f"attribute {quoted(name)} has {len(items)} elements")
        return tuple(items)

    def integer_array(self, name: str) -> Array | None:
        """An attribute that lists integers, however many, as an array."""
        attribute = self._attribute(name, AttributeProto.INTS, "a list of integers")
        return None if attribute is None else np.array(attribute.ints, np.int64)

    def number_array(self, name: str) -> Array | None:
        """An attribute that lists numbers, however many, as an array."""
        attribute = self._attribute(name, AttributeProto.FLOATS, "a list of numbers")
        return None if attribute is None else np.array(attribute.floats, np.float32)

    def codes(self, name: str, known: Sequence[str]) -> Array | None:
        """An attribute that lists texts, however many, each as its position among those known."""
        attribute = self._attribute(name, AttributeProto.STRINGS, "a list of texts")
        if attribute is None:
            return None
        position = {text.encode(): k for k, text in enumerate(known)}
        codes = np.array([position.get(text, -1) for text in attribute.strings], np.int64)
        if codes.size and codes.min() < 0:
            raise self.error(f"attribute {quoted(name)} holds more than {', '.join(known)}")
        return codes

    def text(self, name: str, default: T = None) -> str | T:
        """A text attribute."""
        attribute = self._attribute(name, AttributeProto.STRING, "text")
        if attribute is None:
            return default
        try:
            return attribute.s.decode()
        except UnicodeDecodeError as error:
            raise self.error(f"attribute {quoted(name)} is not UTF-8 text") from error

    def texts(self, name: str) -> tuple[str, ...] | None:
        """An attribute that lists texts."""
        attribute = self._attribute(name, AttributeProto.STRINGS, "a list of texts")
        if attribute is None:
            return None
        try:
            return tuple(text.decode() for text in self._list(name, attribute.strings))
        except UnicodeDecodeError as error:
            raise self.error(f"attribute {quoted(name)} is not UTF-8 text") from error

    def dtype(self, name: str) -> np.dtype[Any] | None:
        """An attribute that names an element type."""
        code = self.integer(name)
        return None if code is None else dtype_of_code(code, f"{self.where}: {name}")

    def tensor(self, name: str) -> Array | None:
        """A tensor attribute as a read-only array."""
        attribute = self._attribute(name, AttributeProto.TENSOR, "a tensor")
        if attribute is None:
            return None
        return self._tensors.array(attribute.t, f"{self.where}: {name}")

    def sparse_tensor(self, name: str) -> Array | None:
        """A sparse tensor attribute as a dense array."""
        attribute = self._attribute(name, AttributeProto.SPARSE_TENSOR, "a sparse tensor")
        if attribute is None:
            return None
        return self._tensors.sparse(attribute.sparse_tensor, f"{self.where}: {name}")

    def type_(self, name: str) -> Attribute | None:
        """A type attribute."""
        attribute = self._attribute(name, AttributeProto.TYPE_PROTO, "a type")
        if attribute is None:
            return None
        where = f"{self.where}: {name}"
        return value_type(value_info(name, attribute.tp, where), where)

    def graph(self, name: str) -> Graph:
        """A subgraph attribute, which must be there."""
        if self._attribute(name, AttributeProto.GRAPH, "a graph") is None:
            raise self.missing(name)
        if name not in self.node.graphs:
            raise self.unsupported(f"a function's default graph {quoted(name)} is not supported")
        return self.node.graphs[name]

    def missing(self, name: str) -> InvalidModelError:
        """The error for a required attribute that is not there."""
        return self.error(f"attribute {quoted(name)} is missing")

    def unread_attributes(self) -> Iterator[str]:
        """Attributes that nothing asked for."""
        # A hint about memory that any operator could have before opset 6.
        ignored = {"consumed_inputs"} if self.node.opset < 6 else set[str]()
        return (name for name in self.node.attributes if name not in self._read | ignored)

    # Ops.

    def emit(
        self,
        name: str,
        operands: Sequence[OperandArg],
        properties: Properties | None = None,
        *,
        names: Sequence[str] | None = None,
    ) -> Sequence[SSAValue]:
        """Append `pfrt.<name>` and return its results, their types inferred.

        `names` are only for an op that takes the number of its results from them.
        Raises InvalidModelError with the constraint of the op that the node breaks.
        """
        kind = cast("type[PfrtOp]", operations()[f"pfrt.{name}"])
        with self.verifying():
            op = kind.create_op(operands, properties, names=names, location=self.location)
        return self.append(op)

    def append(self, op: Operation) -> Sequence[SSAValue]:
        """Append an op and return its results."""
        self.scope.block.add_op(op)
        return op.results

    def inside(self, scope: Scope) -> NodeBuilder:
        """The same node, building in another scope."""
        inner = copy(self)
        inner.scope = scope
        return inner

    def verifying(self) -> _Verifying:
        """A block in which what the verifier finds is an error of the node."""
        return _Verifying(self)

    def constant(self, array: Array) -> SSAValue:
        """A constant that the rule adds."""
        op = ConstantOp.get(array, location=self.location)
        self.scope.block.add_op(op)
        return op.result

    def reshape_like(self, value: SSAValue, like: SSAValue) -> Sequence[SSAValue]:
        """A value with the shape of another, which has as many elements."""
        shape = shape_of(like)
        unknown = 2 if shape is None else shape.count(DYNAMIC)
        if shape is not None and (unknown == 0 or (unknown == 1 and 0 not in shape)):
            dims = tuple(-1 if dim == DYNAMIC else dim for dim in shape)
            return self.emit("reshape", [value, None], {"shape": dims, "allowzero": True})
        (dims_value,) = self.emit("shape", [like])
        return self.emit("reshape", [value, dims_value], {"allowzero": True})

    def name_results(self, values: Sequence[SSAValue]) -> None:
        """Give the values of the node's outputs the names they have in the model."""
        names = dict(zip(values, self.node.outputs, strict=False))
        for value, name in names.items():
            owner = value.owner
            # A rule may return a value that it did not make.
            if not isinstance(owner, PfrtOp) or owner.location != self.location:
                continue
            value.name_hint = hint(name)
            given = [names.get(result, "") for result in owner.results]
            if owner.names is None and any(given):
                owner.names = NamesAttr.of(given)


def _is_property(array: Array) -> bool:
    """Whether a property holds a constant exactly: numbers are f32, lists are of i64."""
    match array.dtype.kind:
        case "i" | "u":
            fits = array.dtype != np.uint64 or bool((array < 2**63).all())
            return fits and array.ndim <= 1 and array.size <= _MAX_LIST
        case "f":
            with np.errstate(over="ignore", invalid="ignore"):
                return array.size == 1 and bool((array.astype(np.float32) == array).all())
        case _:
            return False


class _Verifying:
    def __init__(self, builder: NodeBuilder):
        self._builder = builder

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, VerifyException):
            raise self._builder.error(str(error).strip().split("\n")[-1]) from error

"""A model's inputs: what its code declares, what a trace recorded, and what the caller gave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, cast

import numpy as np
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, StringAttr
from xdsl.ir import Attribute, BlockArgument

from pyflame_rt.dialects.pfrt.containers import SequenceType
from pyflame_rt.dialects.pfrt.types import DYNAMIC, element_type, tensor
from pyflame_rt.errors import InvalidModelError, PyFlameRTError
from pyflame_rt.frontends.quoting import quoted
from pyflame_rt.frontends.torch.archive import Archive
from pyflame_rt.frontends.torch.aten.sizes import Size
from pyflame_rt.frontends.torch.aten.values import Dtype, TensorValue
from pyflame_rt.frontends.torch.pickle_machine import load
from pyflame_rt.frontends.torch.script.symbols import Symbols
from pyflame_rt.frontends.torch.script.syntax import (
    Body,
    Expression,
    Function,
    Name,
    Parameter,
    Subscript,
    dotted,
)
from pyflame_rt.frontends.torch.script.tensors import fresh
from pyflame_rt.frontends.torch.script.values import Known, ListObject
from pyflame_rt.frontends.torch.storage import Storage, TensorRecord, TorchDType

Dim: TypeAlias = int | str | None
Shape: TypeAlias = Sequence[Dim]
_FLOAT = np.dtype(np.float32)
_SCALARS: Mapping[str, Dtype] = {
    "int": np.dtype(np.int64),
    "float": np.dtype(np.float64),
    "bool": np.dtype(np.bool_),
}


@dataclass(frozen=True)
class Input:
    """An input of the module.

    `shape` is None when the rank is not known, `dtype` when nothing tells the element type, which
    is then taken to be f32. `kind` is what the code takes it as.
    """

    name: str
    kind: str
    dtype: Dtype | None
    shape: tuple[Dim, ...] | None
    traced: tuple[int, ...] | None = None
    """The shape that it had when the model was traced, where the caller gave none."""

    @property
    def type(self) -> Attribute:
        """The type of the argument."""
        element = element_type(_FLOAT if self.dtype is None else self.dtype)
        shape = None
        if self.shape is not None:
            shape = [dim if isinstance(dim, int) else DYNAMIC for dim in self.shape]
        found = tensor(element, shape)
        return SequenceType(found) if self.kind == "list" else found

    def attributes(self) -> DictionaryAttr:
        """What the argument's attributes say."""
        attrs: dict[str, Attribute] = {"pfrt.name": StringAttr(self.name)}
        dims = [dim if isinstance(dim, str) else "" for dim in self.shape or ()]
        if any(dims):
            attrs["pfrt.dims"] = ArrayAttr([StringAttr(dim) for dim in dims])
        return DictionaryAttr(attrs)

    def value(self, argument: BlockArgument) -> Known:
        """What the code gets."""
        match self.kind:
            case "int":
                return Size.of_item(argument)
            case "float" | "bool":
                return TensorValue(argument, wrapped=True)
            case "list":
                return ListObject([], argument)
            case _:
                return fresh(TensorValue(argument))

    def with_rank(self, rank: int) -> Input:
        """The input with that many dimensions."""
        return replace(self, shape=(None,) * rank)


@dataclass(frozen=True)
class Argument:
    """An argument of the model's method: one input, several that make a tuple, or a value."""

    inputs: tuple[int, ...] = ()
    is_tuple: bool = False
    value: Known = None


@dataclass(frozen=True)
class Signature:
    """The inputs of a model and how its method's arguments are made of them."""

    inputs: tuple[Input, ...]
    arguments: tuple[Argument | None, ...]
    """None where the parameter's default is taken."""


@dataclass(frozen=True)
class Given:
    """What the caller says of the inputs, by name: with or without the `.1`."""

    shapes: Mapping[str, Shape]
    types: Mapping[str, Dtype]
    values: Mapping[str, Known]

    def names(self) -> set[str]:
        """Every name that is mentioned."""
        return {*self.shapes, *self.types, *self.values}


def signature(
    method: Function, symbols: Symbols, traced: Sequence[Known], given: Given
) -> Signature:
    """The inputs of a method, without its `self`.

    Raises InvalidModelError for inputs that cannot be fed, and names that are no input's.
    """
    reader = _Reader(method, symbols, traced, given)
    return reader.signature()


class _Reader:
    def __init__(self, method: Function, symbols: Symbols, traced: Sequence[Known], given: Given):
        self._method = method
        self._symbols = symbols
        self._traced = traced
        self._given = given
        self._inputs: list[Input] = []

    def signature(self) -> Signature:
        used = set(_names(self._method.body))
        arguments: list[Argument | None] = []
        known: set[str] = set()
        for position, row in enumerate(self._method.parameters[1:]):
            # torch numbers a value when it gives it a second name, which using it does.
            name = f"{row.name}.1" if row.name in used else row.name
            known |= {row.name, name}
            first = len(self._inputs)
            arguments.append(self._argument(row, name, position))
            known.update(entry.name for entry in self._inputs[first:])
        unknown = sorted(self._given.names() - known)
        if unknown:
            names = ", ".join(entry.name for entry in self._inputs)
            raise InvalidModelError(
                f"{quoted(unknown[0])} is not an input", hint=f"inputs are {names or 'none'}"
            )
        return Signature(tuple(self._inputs), tuple(arguments))

    def _argument(self, row: Parameter, name: str, position: int) -> Argument | None:
        given = self._given
        for each in (name, row.name):
            if each in given.values:
                return Argument(value=given.values[each])
        is_named = any(each in given.shapes or each in given.types for each in (name, row.name))
        if row.default is not None and not is_named:
            return None
        kind = row.annotation
        traced = self._traced[position] if position < len(self._traced) else None
        return self._of_kind(row, kind, name, traced)

    def _of_kind(
        self, row: Parameter, kind: Expression | None, name: str, traced: Known
    ) -> Argument:
        match kind:
            case None:
                return self._tensor(row, name, traced)
            case Subscript(Name("Optional"), (inner,)):
                return self._of_kind(row, inner, name, traced)
            case Subscript(Name("Tuple"), items) if all(dotted(i) == "Tensor" for i in items):
                indices: list[int] = []
                recorded: Sequence[Known] = ()
                if isinstance(traced, tuple | list):
                    recorded = cast("Sequence[Known]", traced)
                for index in range(len(items)):
                    record = recorded[index] if index < len(recorded) else None
                    indices += self._tensor(row, f"{name}.{index}", record).inputs
                return Argument(tuple(indices), is_tuple=True)
            case Subscript(Name("List"), (inner,)) if dotted(inner) == "Tensor":
                return self._tensor(row, name, None, kind="list")
            case _:
                pass
        text = dotted(kind) or ""
        if text == "Tensor":
            return self._tensor(row, name, traced)
        if text in _SCALARS:
            return self._add(Input(name, text, _SCALARS[text], ()))
        raise InvalidModelError(
            f"parameter {quoted(row.name)} cannot be an input",
            hint=f"give it a fixed value: values={{{row.name!r}: …}}",
        )

    def _tensor(self, row: Parameter, name: str, traced: Known, kind: str = "tensor") -> Argument:
        given = self._given
        dtype: Dtype | None = None
        shape: tuple[Dim, ...] | None = None
        if isinstance(traced, TensorRecord):
            dtype, shape = traced.dtype.numpy, (None,) * len(traced.sizes)
        recorded = traced.sizes if isinstance(traced, TensorRecord) else None
        for each in (name, row.name):
            dtype = given.types.get(each, dtype)
            if each in given.shapes:
                shape, recorded = tuple(given.shapes[each]), None
        return self._add(Input(name, kind, dtype, shape, recorded))

    def _add(self, entry: Input) -> Argument:
        self._inputs.append(entry)
        return Argument((len(self._inputs) - 1,))


def _names(body: Body) -> Iterator[str]:
    """Every name in statements."""
    stack: list[object] = [*body]
    while stack:
        node = stack.pop()
        if isinstance(node, Name):
            yield node.name
        elif isinstance(node, tuple):
            stack.extend(cast("tuple[object, ...]", node))
        elif hasattr(node, "__dataclass_fields__"):
            fields = cast("Sequence[str]", node.__dataclass_fields__)  # pyright: ignore
            stack.extend(getattr(node, name) for name in fields)


def traced_inputs(archive: Archive, method: str) -> Sequence[Known]:
    """The tensors that a model was traced with, without their elements; none if it was not."""
    if "traced_inputs.pkl" not in archive:
        return ()

    def storage(key: str, dtype: TorchDType | None, length: int) -> Storage:
        return Storage(key, dtype, length, archive.where)

    try:
        data = archive.read("traced_inputs.pkl")
        found = load(data, storages=storage, classes=True, where="traced_inputs.pkl")
    except PyFlameRTError:
        # A hint that cannot be read is none.
        return ()
    if not isinstance(found, dict):
        return ()
    rows = cast("Mapping[object, object]", found).get(method)
    return cast("Sequence[Known]", rows) if isinstance(rows, list | tuple) else ()

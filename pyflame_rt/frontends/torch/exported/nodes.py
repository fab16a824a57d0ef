"""The nodes of a graph: their arguments, their operators, and what these give."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from xdsl.dialects.builtin import FileLineColLoc, IntAttr, NameLoc, StringAttr
from xdsl.ir import Block, Region
from xdsl.utils.exceptions import VerifyException

from pyflame_rt.dialects.pfrt.attributes import NamesAttr
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.control import IfOp, YieldOp
from pyflame_rt.frontends.torch.aten import rules
from pyflame_rt.frontends.torch.aten.builder import AtenBuilder
from pyflame_rt.frontends.torch.aten.promotion import BOOL, FLOAT64
from pyflame_rt.frontends.torch.aten.rules import Rule
from pyflame_rt.frontends.torch.aten.sizes import Size
from pyflame_rt.frontends.torch.aten.values import Argument, Scalar, TensorValue, Value, numpy_of
from pyflame_rt.frontends.torch.exported import scalars
from pyflame_rt.frontends.torch.exported.json_text import Json
from pyflame_rt.frontends.torch.exported.memory import Step, Tensor
from pyflame_rt.frontends.torch.exported.program import (
    Graph,
    Node,
    TensorMeta,
    dtype,
    read_graph_argument,
)
from pyflame_rt.frontends.torch.exported.sizing import Symbols

_TARGET = re.compile(r"torch\.ops\.(\w+)\.(\w+)\.(\w+)")
_COND = "torch.ops.higher_order.cond"
_WRAPPED = {
    "torch.ops.higher_order.wrap_with_set_grad_enabled": 1,
    "torch.ops.higher_order.wrap_with_autocast": 4,
}
"""Operators that run a graph, and where it is among their arguments."""
_MAX_HINT = 48


def hint(name: str) -> str | None:
    """An SSA name that resembles a program's name of a value."""
    text = re.sub(r"[^\w$]", "_", name, flags=re.ASCII)[:_MAX_HINT].strip("_")
    return None if not text else f"v{text}" if text[0].isdigit() else text


def known_targets() -> Callable[[str], bool]:
    """Whether there is a way to build an operator of a name."""

    def is_known(target: str) -> bool:
        if target in scalars.FUNCTIONS or target == _COND or target in _WRAPPED:
            return True
        return _rule(target) is not None

    return is_known


def _rule(target: str) -> tuple[Rule[Any, Any], bool] | None:
    """The rule of an operator, and whether its result replaces its first argument."""
    found = _TARGET.fullmatch(target)
    if found is None:
        return None
    namespace, name, overload = found.groups()
    rule = rules.lookup(name, overload, namespace)
    if rule is not None:
        return rule, False
    if name.endswith("_") and not name.endswith("__"):
        rule = rules.lookup(name[:-1], overload, namespace)
    return None if rule is None else (rule, True)


def is_in_place(target: str) -> bool:
    """Whether an operator writes to its first argument."""
    found = _rule(target)
    return found is not None and found[1]


def is_view(target: str) -> bool:
    """Whether an operator gives a view of its first argument."""
    found = _rule(target)
    return found is not None and found[0].view is not None


@dataclass
class Frame:
    """A graph on its way into a block."""

    graph: Graph
    builder: AtenBuilder
    depth: int
    values: dict[str, Tensor | Argument]

    def define(self, name: str, value: TensorValue) -> Tensor:
        """Give a tensor that nothing is a view of its name."""
        made = Tensor.of(value, self.depth)
        self.values[name] = made
        return made

    def tensor(self, name: str, json: Json) -> Tensor:
        """The tensor of a name."""
        found = self.values.get(name)
        if not isinstance(found, Tensor):
            raise json.fail(f"names a tensor {name[:64]!a} that is not defined")
        return found


@dataclass
class Interpreter:
    """Builds graphs."""

    file: str
    symbols: Symbols = field(default_factory=Symbols)

    def run(self, frame: Frame) -> None:
        """Build the nodes of a graph."""
        main = frame.builder
        for node in frame.graph.nodes:
            name, line = node.line or (self.file, 0)
            place = FileLineColLoc(StringAttr(name), IntAttr(line), IntAttr(0))
            module = f" of {node.module}" if node.module else ""
            where = f"{self.file}: node {node.label}{module}"
            frame.builder = main.at(NameLoc(StringAttr(node.module or node.label), place), where)
            last = frame.builder.block.last_op
            self._node(frame, node)
            self._name_results(frame, node, last)
        frame.builder = main

    def _node(self, frame: Frame, node: Node) -> None:
        b = frame.builder
        if node.target in scalars.FUNCTIONS:
            values = [self.argument(frame, arg) for _, arg, _ in node.inputs]
            flat: list[Scalar] = []
            for value in values:
                flat += cast("list[Scalar]", value) if isinstance(value, list) else [value]
            result = scalars.compute(b, node.target, flat)
            self._define(frame, node, result)
            return
        if node.target == _COND:
            self._define(frame, node, self._cond(frame, node))
            return
        if node.target in _WRAPPED:
            self._define(frame, node, self._wrapped(frame, node))
            return
        found = _rule(node.target)
        if found is None:
            raise b.unsupported(f"{node.target} is not supported")
        rule, in_place = found
        args = [self.argument(frame, arg) for name, arg, _ in node.inputs if not name]
        kwargs = {name: self.argument(frame, arg) for name, arg, _ in node.inputs if name}
        if len(args) + len(kwargs) != len(node.inputs):
            raise b.error("an argument is given twice")
        args = [
            _tensor(b, row.kind, value) for row, value in zip(rule.parameters, args, strict=False)
        ] + args[len(rule.parameters) :]
        kinds = {row.name: row.kind for row in rule.parameters}
        kwargs = {name: _tensor(b, kinds.get(name, ""), value) for name, value in kwargs.items()}
        result = rule.call(b, args, kwargs)
        first = node.inputs[0][1] if node.inputs else None
        base = self._base(frame, first)
        if in_place:
            if base is None or not isinstance(result, TensorValue):
                raise b.error("writes to what is no tensor")
            base.write(b, result, frame.depth)
            for output in node.outputs:
                frame.values[_tensor_name(output)] = base
            return
        if rule.view is None or base is None:
            self._define(frame, node, result)
            return
        named = {row.name: value for row, value in zip(rule.parameters, args, strict=False)}
        rest = {k: v for k, v in {**named, **kwargs}.items() if k != rule.parameters[0].name}
        self._define(
            frame, node, result, lambda value, index: base.view(Step(rule, (), rest, index), value)
        )

    def _base(self, frame: Frame, arg: Json | None) -> Tensor | None:
        if arg is None or arg.tag != "as_tensor":
            return None
        found = frame.values.get(_tensor_name(arg))
        return found if isinstance(found, Tensor) else None

    def _define(
        self,
        frame: Frame,
        node: Node,
        result: Argument,
        view: Callable[[Value, int | None], Tensor] | None = None,
    ) -> None:
        """Give the results of a node their names."""
        b = frame.builder
        outputs = node.outputs
        if len(outputs) == 1 and outputs[0].tag == "as_tensors":
            listed = list(outputs[0].union()[1].items)
            if not isinstance(result, list | tuple):
                raise b.error("gives no list of tensors")
            values = list(cast("Sequence[Argument]", result))
            if len(values) != len(listed):
                raise b.error(f"gives {len(values)} tensors, not {len(listed)}")
            for index, (item, value) in enumerate(zip(listed, values, strict=True)):
                self._assign(frame, item.fields(("name",))["name"].name, value, index, view)
            return
        is_many = isinstance(result, list | tuple)
        values = list(cast("Sequence[Argument]", result)) if is_many else [result]
        if len(outputs) > len(values):
            raise b.error(f"has {len(outputs)} results, at most {len(values)}")
        for index, (output, value) in enumerate(zip(outputs, values, strict=False)):
            tag, item = output.union()
            if tag == "as_none":
                continue
            if tag == "as_tensor":
                name = item.fields(("name",))["name"].name
            elif tag in ("as_sym_int", "as_sym_bool", "as_sym_float"):
                kind, inner = item.union()
                if kind != "as_name":
                    continue
                name = inner.name
            else:
                raise item.unsupported("is a result of a kind that is not supported")
            if value is None:
                continue
            self._assign(frame, name, value, index if is_many else None, view)

    def _assign(
        self,
        frame: Frame,
        name: str,
        value: Argument,
        index: int | None,
        view: Callable[[Value, int | None], Tensor] | None,
    ) -> None:
        b = frame.builder
        if not isinstance(value, TensorValue) or value.wrapped:
            if isinstance(value, Size) and name in frame.graph.numbers:
                self.symbols.tell(frame.graph.numbers[name], value)
            frame.values[name] = value
            return
        meta = frame.graph.tensors.get(name)
        if meta is not None:
            self.note(b, value, meta)
        frame.values[name] = Tensor.of(value, frame.depth) if view is None else view(value, index)

    def note(self, b: AtenBuilder, value: Value, meta: TensorMeta) -> None:
        """Note what the program says of a value: it must be so, and may tell more."""
        if value.dtype != numpy_of(meta.dtype):
            raise b.error(f"gives {value.dtype} where the program says {numpy_of(meta.dtype)}")
        rank = value.rank
        if rank is not None and rank != len(meta.sizes):
            raise b.error(f"gives {rank} dimensions where the program says {len(meta.sizes)}")
        if rank is not None:
            for axis, size in enumerate(meta.sizes):
                self.symbols.tell(size, b.sizes(value)[axis])
        told = [self.symbols.value(size) for size in meta.sizes]
        if any(isinstance(size, int) and size < 0 for size in told):
            raise b.error("has a negative size")
        if rank is None:
            if all(size is not None for size in told):
                b.type_as(value, [size for size in told if size is not None])
            return
        own = b.sizes(value)
        b.type_as(value, [a if size is None else size for a, size in zip(own, told, strict=True)])

    def _name_results(self, frame: Frame, node: Node, last: object) -> None:
        """Give the ops of a node the names that their results have in the program."""
        names: dict[object, str] = {}
        for name in _output_names(node):
            found = frame.values.get(name)
            if isinstance(found, Tensor):
                names[found.value.ssa] = name
        for value, name in names.items():
            owner = getattr(value, "owner", None)
            if not isinstance(owner, PfrtOp) or owner.location != frame.builder.location:
                continue
            value.name_hint = hint(name)  # pyright: ignore[reportAttributeAccessIssue]
            if owner.names is None:
                owner.names = NamesAttr.of([names.get(result, "") for result in owner.results])

    # Arguments.

    def argument(self, frame: Frame, arg: Json) -> Argument:
        """An argument's value."""
        tag, value = arg.union()
        match tag:
            case "as_none":
                return None
            case "as_tensor":
                return self._read(frame, value)
            case "as_tensors":
                return [self._read(frame, item) for item in value.items]
            case "as_optional_tensor":
                return self._optional(frame, value)
            case "as_optional_tensors":
                return [self._optional(frame, item) for item in value.items]
            case "as_int":
                return value.integer
            case "as_ints":
                return [item.integer for item in value.items]
            case "as_float":
                return value.number
            case "as_floats":
                return [item.number for item in value.items]
            case "as_complex":
                fields = value.fields(("real", "imag"))
                return complex(fields["real"].number, fields["imag"].number)
            case "as_string":
                return value.text
            case "as_strings":
                return [item.text for item in value.items]
            case "as_bool":
                return value.flag
            case "as_bools":
                return [item.flag for item in value.items]
            case "as_sym_int" | "as_sym_float" | "as_sym_bool":
                return self._symbolic(frame, value)
            case "as_sym_ints" | "as_sym_floats" | "as_sym_bools":
                return [self._symbolic(frame, item) for item in value.items]
            case "as_scalar_type":
                return dtype(value)
            case "as_memory_format" | "as_layout":
                return value.integer
            case "as_device":
                return value.fields(("type",), ("index",))["type"].text
            case _:
                raise value.unsupported(
                    f"is an argument of a kind that is not supported: {tag[:32]}"
                )

    def _read(self, frame: Frame, value: Json) -> Value:
        tensor = frame.tensor(value.fields(("name",))["name"].name, value)
        return tensor.read(frame.builder, frame.depth)

    def _optional(self, frame: Frame, value: Json) -> Value | None:
        tag, item = value.union()
        if tag == "as_none":
            return None
        if tag != "as_tensor":
            raise item.fail("is neither a tensor nor none")
        return self._read(frame, item)

    def _symbolic(self, frame: Frame, value: Json) -> Argument:
        tag, item = value.union()
        match tag:
            case "as_int":
                return item.integer
            case "as_float":
                return item.number
            case "as_bool":
                return item.flag
            case "as_name":
                name = item.name
                if name not in frame.values or isinstance(frame.values[name], Tensor):
                    raise item.fail(f"names a number {name[:64]!a} that is not defined")
                return frame.values[name]
            case _:
                raise item.fail("is neither a number nor the name of one")

    # Graphs in graphs.

    def _cond(self, frame: Frame, node: Node) -> list[Value]:
        b = frame.builder
        if len(node.inputs) != 4:
            raise b.error(f"has {len(node.inputs)} arguments, not 4")
        condition, if_true, if_false, operands = (arg for _, arg, _ in node.inputs)
        said = self.argument(frame, condition)
        if isinstance(said, bool):
            return self._inline(frame, if_true if said else if_false, operands)
        if not isinstance(said, TensorValue):
            raise b.error("the condition is no truth")
        regions: list[Region] = []
        for graph in (if_true, if_false):
            block = Block()
            inner = Frame(_graph(graph), b.inside(block), frame.depth + 1, {})
            values = self._called(frame, inner, graph, operands)
            block.add_op(YieldOp([value.ssa for value in values]))
            regions.append(Region(block))
        flag = b.reshape(b.cast(said, BOOL), ())
        try:
            op = IfOp.get(flag.ssa, *regions, location=b.location)
            op.verify_()
        except (VerifyException, ValueError) as error:
            raise b.error(f"the branches do not agree: {error}") from error
        b.block.add_op(op)
        return [TensorValue(result) for result in op.results]

    def _wrapped(self, frame: Frame, node: Node) -> list[Value]:
        b = frame.builder
        place = _WRAPPED[node.target]
        if len(node.inputs) <= place:
            raise b.error("has too few arguments")
        if place == 4 and self.argument(frame, node.inputs[2][1]) is not False:
            raise b.unsupported("automatic casts are not supported")
        graph = _graph(node.inputs[place][1])
        inner = Frame(graph, b, frame.depth, {})
        given = [arg for _, arg, _ in node.inputs[place + 1 :]]
        return self._results(frame, inner, given)

    def _inline(self, frame: Frame, graph: Json, operands: Json) -> list[Value]:
        inner = Frame(_graph(graph), frame.builder, frame.depth, {})
        return self._called(frame, inner, graph, operands)

    def _called(self, frame: Frame, inner: Frame, graph: Json, operands: Json) -> list[Value]:
        tag, value = operands.union()
        key = {"as_tensors": "as_tensor"}.get(tag)
        if key is None:
            # Numbers and tensors of mixed kinds are no list of one kind.
            raise graph.unsupported(
                f"is called with operands of a kind that is not supported: {tag[:32]}"
            )
        given = [item.at(key, {key: item.value}) for item in value.items]
        return self._results(frame, inner, given)

    def _results(self, frame: Frame, inner: Frame, given: Sequence[Json]) -> list[Value]:
        """Build a graph called with arguments; the values of its outputs."""
        b = frame.builder
        if len(given) != len(inner.graph.inputs):
            raise b.error(f"a graph takes {len(inner.graph.inputs)} inputs, not {len(given)}")
        for item, parameter in zip(given, inner.graph.inputs, strict=True):
            tag, name = parameter.union()
            if tag == "as_tensor":
                found = frame.tensor(_tensor_name(item), item)
                inner.values[_tensor_name(parameter)] = found
            elif tag == "as_sym_int" and name.union()[0] == "as_name":
                inner.values[name.union()[1].name] = self.argument(frame, item)
            else:
                raise name.unsupported("is a parameter of a kind that is not supported")
        self.run(inner)
        values = [self.argument(inner, output) for output in inner.graph.outputs]
        return [inner.builder.tensor(cast(Scalar, value)) for value in values if value is not None]


def _tensor(b: AtenBuilder, kind: str, value: Argument) -> Argument:
    """A number where an operator takes a tensor stands for one that gives way to others' types."""
    if kind != "Value" or not isinstance(value, bool | int | float | complex | Size):
        return value
    made = b.tensor(value, FLOAT64 if isinstance(value, float) else None)
    return TensorValue(made.ssa, wrapped=True)


def _graph(arg: Json) -> Graph:
    tag, value = arg.union()
    if tag != "as_graph":
        raise value.fail("is no graph")
    return read_graph_argument(value)


def _tensor_name(arg: Json) -> str:
    tag, value = arg.union()
    if tag != "as_tensor":
        raise value.fail("is no tensor")
    return value.fields(("name",))["name"].name


def _output_names(node: Node) -> list[str]:
    found: list[str] = []
    for output in node.outputs:
        tag, value = output.union()
        if tag == "as_tensor":
            found.append(_tensor_name(output))
        elif tag == "as_tensors":
            found += [item.fields(("name",))["name"].name for item in value.items]
    return found

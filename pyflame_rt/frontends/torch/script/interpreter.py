"""The code of an archive, interpreted: what is known is computed, and tensors become ops."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from pyflame_rt.frontends.quoting import quoted
from pyflame_rt.frontends.torch.script import containers, language, operators, scalars
from pyflame_rt.frontends.torch.script.branches import branch
from pyflame_rt.frontends.torch.script.hints import refine_for_layer
from pyflame_rt.frontends.torch.script.loops import for_loop, while_loop
from pyflame_rt.frontends.torch.script.machine import Machine, Place
from pyflame_rt.frontends.torch.script.symbols import ROOT, Symbols
from pyflame_rt.frontends.torch.script.syntax import (
    Assign,
    Attribute,
    Body,
    Call,
    DictOf,
    Evaluate,
    Expression,
    For,
    Function,
    If,
    ListOf,
    Literal,
    Name,
    Negative,
    Pass,
    Return,
    Statement,
    Subscript,
    TupleOf,
    While,
    With,
    dotted,
)
from pyflame_rt.frontends.torch.script.values import (
    MISSING,
    BoundMethod,
    Choice,
    ClassInfo,
    Device,
    DictObject,
    EnumItem,
    FunctionInfo,
    Instance,
    Known,
    ListObject,
    Packed,
    Record,
    Unbound,
)


@dataclass
class Frame:
    """A call: its variables, and what it returned."""

    names: dict[str, Known] = field(default_factory=dict[str, Known])
    result: Known = None
    is_done: bool = False


class Interpreter:
    """Runs functions of an archive on what is known; tensors become values of the module."""

    def __init__(self, machine: Machine, symbols: Symbols, constants: Sequence[Known]):
        self.m = machine
        self.symbols = symbols
        self.constants = constants
        self.first_serial = 0
        """Objects that are older belong to the model."""
        self._depth = 0
        self.reads: set[tuple[int, str]] = set()
        """Attributes that were read before anything was written to them."""
        self.writes: set[tuple[int, str]] = set()

    # Calls.

    def call(
        self,
        function: FunctionInfo,
        arguments: Sequence[Known],
        keywords: Mapping[str, Known] | None = None,
        path: str | None = None,
    ) -> Known:
        """Interpret a function; `path` is the module whose method it is."""
        m = self.m
        if self._depth >= m.limits.script_call_depth:
            raise m.over("call_depth", f"calls are nested too deeply, at {quoted(function.name)}")
        caller = m.place
        bound = self.bind(function, arguments, keywords or {})
        m.place = Place(caller.path if path is None else path, function.file, function.syntax.line)
        self._depth += 1
        try:
            m.enter(3)
            frame = Frame({**(function.around or {}), **bound})
            self.execute_all(function.syntax.body, frame)
            m.leave(3)
        finally:
            self._depth -= 1
        m.place = caller
        return frame.result

    def bind(
        self,
        function: FunctionInfo,
        arguments: Sequence[Known],
        keywords: Mapping[str, Known],
    ) -> dict[str, Known]:
        """The arguments of a call by the names of the parameters."""
        m = self.m
        parameters = function.syntax.parameters
        if len(arguments) > len(parameters):
            raise m.error(f"{quoted(function.name)} is called with too many arguments")
        bound = dict(zip((row.name for row in parameters), arguments, strict=False))
        known = {row.name for row in parameters}
        for name, value in keywords.items():
            if name in bound or name not in known:
                raise m.error(f"{quoted(function.name)} has no open parameter {quoted(name)}")
            bound[name] = value
        for row in parameters:
            if row.name not in bound:
                if row.default is None:
                    raise m.error(f"{quoted(function.name)} is called without {quoted(row.name)}")
                bound[row.name] = self.evaluate(row.default, Frame())
        return bound

    def call_method(
        self,
        instance: Instance,
        name: str,
        arguments: Sequence[Known],
        keywords: Mapping[str, Known] | None = None,
    ) -> Known:
        """Interpret a method of an object."""
        method = self.method(instance, name)
        if method is None:
            raise self.m.error(f"class {quoted(instance.info.name)} has no method {quoted(name)}")
        path = instance.path if instance.is_loaded else None
        if name == "forward":
            refine_for_layer(self, instance.info.name, arguments[:3])
        return self.call(method.function, [instance, *arguments], keywords, path)

    def method(self, instance: Instance, name: str) -> BoundMethod | None:
        """A method of an object, if there is one of that name."""
        info = instance.info
        function = info.methods.get(name)
        if function is None:
            return None
        return BoundMethod(instance, FunctionInfo(f"{info.name}.{name}", info.file, function))

    def call_value(
        self, value: Known, arguments: Sequence[Known], keywords: Mapping[str, Known]
    ) -> Known:
        """Call what a variable holds."""
        match value:
            case FunctionInfo():
                return self.call(value, arguments, keywords)
            case BoundMethod():
                name = value.function.syntax.name
                return self.call_method(value.instance, name, arguments, keywords)
            case ClassInfo():
                return self.make(value, arguments, keywords)
            case Instance():
                return self.call_method(value, "__call__", arguments, keywords)
            case _ if value is MISSING:
                return MISSING
            case _:
                raise self.m.error("calls what is no function")

    def make(
        self, info: ClassInfo, arguments: Sequence[Known], keywords: Mapping[str, Known]
    ) -> Known:
        """Call a class: of named tuples."""
        if info.syntax.base != "NamedTuple":
            raise self.m.error(f"class {quoted(info.name)} is made by __new__")
        fields = tuple(name for name, _ in info.syntax.fields)
        given = dict(zip(fields, arguments, strict=False)) | dict(keywords)
        for name, default in info.syntax.constants:
            given.setdefault(name, self.evaluate(default, Frame()))
        if len(arguments) > len(fields) or given.keys() != set(fields):
            raise self.m.error(f"{quoted(info.name)} is made of other than its fields")
        return Record(info, fields, tuple(given[name] for name in fields))

    # Statements.

    def execute_all(self, body: Body, frame: Frame) -> None:
        """Run statements until one returns."""
        for statement in body:
            if frame.is_done:
                return
            self.m.tick()
            self.m.place.line = statement.line
            _STATEMENTS[type(statement)](self, statement, frame)

    def execute_inner(self, body: Body, frame: Frame) -> None:
        """Run the statements of a block."""
        self.m.enter(3)
        self.execute_all(body, frame)
        self.m.leave(3)

    def _assign(self, statement: Assign, frame: Frame) -> None:
        self.assign(statement.target, self.evaluate(statement.value, frame), frame)

    def assign(self, target: Expression, value: Known, frame: Frame) -> None:
        """Give variables or an attribute a value."""
        m = self.m
        match target:
            case Name(name):
                frame.names[name] = value
            case TupleOf(items):
                if value is MISSING:
                    value = (MISSING,) * len(items)
                if isinstance(value, Unbound):
                    value = tuple(self.slice_of(value, index) for index in range(len(items)))
                for item, part in zip(
                    items, containers.unpacked(m, m.settled(value), len(items)), strict=True
                ):
                    self.assign(item, part, frame)
            case Attribute(owner, name):
                instance = self.evaluate(owner, frame)
                if not isinstance(instance, Instance):
                    raise m.error("sets an attribute of what is no object")
                m.touch(instance)
                self.writes.add((id(instance), name))
                instance.attributes[name] = value
            case _:
                raise m.error("assigns to what is neither variable nor attribute")

    def _evaluate_only(self, statement: Evaluate, frame: Frame) -> None:
        self.evaluate(statement.value, frame)

    def _return(self, statement: Return, frame: Frame) -> None:
        if statement.value is not None:
            frame.result = self.evaluate(statement.value, frame)
        frame.is_done = True

    def _if(self, statement: If, frame: Frame) -> None:
        m = self.m
        value = self.evaluate(statement.condition, frame)
        if value is MISSING:
            self.execute_inner(statement.then_body, frame)
            self.execute_inner(statement.else_body, frame)
            return
        condition = m.truth(value)
        if isinstance(condition, bool):
            body = statement.then_body if condition else statement.else_body
            self.execute_inner(body, frame)
            return
        if frame.is_done or _returns(statement.then_body) or _returns(statement.else_body):
            raise m.unsupported("returns from inside of an if known only at run time")
        m.enter(2)
        branch(self, frame, condition, statement.then_body, statement.else_body)
        m.leave(2)

    def _while(self, statement: While, frame: Frame) -> None:
        while_loop(self, frame, statement)

    def _for(self, statement: For, frame: Frame) -> None:
        for_loop(self, frame, statement)

    def _with(self, statement: With, frame: Frame) -> None:
        manager = self.evaluate(statement.manager, frame)
        if not isinstance(manager, Instance):
            raise self.m.error("enters what is no context")
        entered = self.call_method(manager, "__enter__", [])
        if statement.target is not None:
            self.assign(statement.target, entered, frame)
        self.execute_inner(statement.body, frame)
        self.call_method(manager, "__exit__", [None, None, None])

    def _define(self, statement: Function, frame: Frame) -> None:
        frame.names[statement.name] = FunctionInfo(
            statement.name, self.m.place.file, statement, dict(frame.names)
        )

    def _pass(self, statement: Pass, frame: Frame) -> None:
        del statement, frame

    # Expressions.

    def evaluate(self, expression: Expression, frame: Frame) -> Known:
        """The value of an expression."""
        m = self.m
        m.tick()
        m.enter(3)
        value = _EXPRESSIONS[type(expression)](self, expression, frame)
        m.leave(3)
        return value

    def _literal(self, expression: Literal, frame: Frame) -> Known:
        return expression.value

    def _name(self, expression: Name, frame: Frame) -> Known:
        name = expression.name
        if name not in frame.names:
            raise self.m.error(f"variable {quoted(name)} has no value")
        value = frame.names[name]
        return self.m.settled(value) if isinstance(value, Choice) else value

    def _list(self, expression: ListOf, frame: Frame) -> Known:
        return ListObject([self.evaluate(item, frame) for item in expression.items])

    def _tuple(self, expression: TupleOf, frame: Frame) -> Known:
        return tuple(self.evaluate(item, frame) for item in expression.items)

    def _dict(self, expression: DictOf, frame: Frame) -> Known:
        made = DictObject({})
        for key, value in expression.items:
            containers.set_item(
                self.m, made, self.evaluate(key, frame), self.evaluate(value, frame)
            )
        return made

    def _negative(self, expression: Negative, frame: Frame) -> Known:
        value = self.evaluate(expression.value, frame)
        return MISSING if value is MISSING else self.scalar("neg", value)

    def _subscript(self, expression: Subscript, frame: Frame) -> Known:
        if len(expression.items) != 1:
            raise self.m.error("a value is indexed by several values")
        value = self.evaluate(expression.value, frame)
        index = self.evaluate(expression.items[0], frame)
        if value is MISSING or index is MISSING:
            return MISSING
        self.m.place.line = expression.line
        if isinstance(value, Unbound):
            return self.slice_of(value, index)
        return containers.item(self.m, value, index)

    def _attribute(self, expression: Attribute, frame: Frame) -> Known:
        name = dotted(expression)
        if name is not None and name.partition(".")[0] not in frame.names:
            return self._qualified(name)
        return self.attribute(self.evaluate(expression.value, frame), expression.name)

    def attribute(self, value: Known, name: str) -> Known:
        """An attribute of an object."""
        match value:
            case Instance():
                if name in value.attributes:
                    if (id(value), name) not in self.writes:
                        self.reads.add((id(value), name))
                    return value.attributes[name]
                for constant, given in value.info.syntax.constants:
                    if constant == name:
                        return self.evaluate(given, Frame())
                if (method := self.method(value, name)) is not None:
                    return method
            case Record() if name in value.fields:
                return value.items[value.fields.index(name)]
            case EnumItem():
                if name in ("name", "value"):
                    return value.name if name == "name" else value.value
            case Device() if name == "type":
                return value.name.partition(":")[0]
            case _ if value is MISSING:
                return MISSING
            case _:
                pass
        raise self.m.error(f"there is no attribute {quoted(name)}")

    def _qualified(self, name: str) -> Known:
        """A constant, class, function or enumeration item by its qualified name."""
        root, _, rest = name.partition(".")
        if root == "CONSTANTS" and rest[:1] == "c" and rest[1:].isdigit() and len(rest) < 9:
            index = int(rest[1:])
            if index < len(self.constants):
                return self.constants[index]
        if root == ROOT:
            if (function := self.symbols.find_function(name)) is not None:
                return function
            if (info := self.symbols.find_class(name)) is not None:
                return info
            owner, _, last = name.rpartition(".")
            info = self.symbols.find_class(owner)
            if info is not None and info.syntax.base == "Enum":
                for item, value in info.syntax.constants:
                    if item == last:
                        return EnumItem(owner, last, self.evaluate(value, Frame()))
        raise self.m.error(f"{quoted(name)} is not in the archive")

    def _call(self, expression: Call, frame: Frame) -> Known:
        m = self.m
        function = expression.function
        if isinstance(function, Name) and function.name not in frame.names:
            m.place.line = expression.line
            return language.call(self, function.name, expression, frame)
        name = dotted(function)
        root = None if name is None else name.partition(".")[0]
        if name is None or root in frame.names:
            return self._call_on_value(expression, frame)
        if isinstance(function, Attribute) and function.name == "__new__":
            return self._new(name.removesuffix(".__new__"))
        arguments, keywords = self.arguments(expression, frame)
        m.place.line = expression.line
        if root == "torch":
            return operators.call(self, "aten", name[6:], arguments, keywords)
        if root == "ops":
            _, _, rest = name.partition(".")
            namespace, _, operator = rest.partition(".")
            return operators.call(self, namespace, operator, arguments, keywords)
        return self.call_value(self._qualified(name), arguments, keywords)

    def _call_on_value(self, expression: Call, frame: Frame) -> Known:
        """`variable(…)`, `(value).method(…)`"""
        m = self.m
        function = expression.function
        if not isinstance(function, Attribute):
            callee = self.evaluate(function, frame)
            arguments, keywords = self.arguments(expression, frame)
            m.place.line = expression.line
            return self.call_value(callee, arguments, keywords)
        owner = self.evaluate(function.value, frame)
        arguments, keywords = self.arguments(expression, frame)
        m.place.line = expression.line
        match owner:
            case Instance():
                if function.name in owner.info.methods:
                    return self.call_method(owner, function.name, arguments, keywords)
                return self.call_value(self.attribute(owner, function.name), arguments, keywords)
            case Packed():
                return operators.call(
                    self, "quantized", function.name, [owner, *arguments], keywords
                )
            case _ if owner is MISSING:
                return MISSING
            case _:
                raise m.error(f"calls method {quoted(function.name)} of what is no object")

    def arguments(self, expression: Call, frame: Frame) -> tuple[list[Known], dict[str, Known]]:
        """The values of a call's arguments."""
        arguments = [self.evaluate(item, frame) for item in expression.arguments]
        keywords = {name: self.evaluate(item, frame) for name, item in expression.keywords}
        return arguments, keywords

    def _new(self, name: str) -> Known:
        info = self.symbols.require_class(name, self.m.where)
        return Instance(info, {})

    # Helpers.

    def operator(
        self, namespace: str, name: str, arguments: Sequence[Known], keywords: Mapping[str, Known]
    ) -> Known:
        """Call an operator."""
        return operators.call(self, namespace, name, arguments, keywords)

    def scalar(self, name: str, *values: Known) -> Known:
        """An operator on numbers."""
        found = scalars.compute(self.m, name, values)
        if found is NotImplemented:
            raise self.m.error(f"{name} is called on what are no numbers")
        return found

    def slice_of(self, value: Unbound, index: Known) -> Known:
        """One of the slices of a tensor."""
        return self.operator("aten", "select", [value.tensor, value.dim, index], {})

    def items(self, value: Known) -> Sequence[Known]:
        """What a for goes through."""
        return containers.items_of(self.m, value)


def _returns(body: Body) -> bool:
    for statement in body:
        match statement:
            case Return():
                return True
            case If():
                if _returns(statement.then_body) or _returns(statement.else_body):
                    return True
            case While() | For() | With():
                if _returns(statement.body):
                    return True
            case _:
                pass
    return False


# pyright: reportPrivateUsage=false
_STATEMENTS = cast(
    "Mapping[type[Statement], Callable[[Interpreter, Statement, Frame], None]]",
    {
        Assign: Interpreter._assign,
        Evaluate: Interpreter._evaluate_only,
        Return: Interpreter._return,
        If: Interpreter._if,
        While: Interpreter._while,
        For: Interpreter._for,
        With: Interpreter._with,
        Function: Interpreter._define,
        Pass: Interpreter._pass,
    },
)
_EXPRESSIONS = cast(
    "Mapping[type[Expression], Callable[[Interpreter, Expression, Frame], Known]]",
    {
        Literal: Interpreter._literal,
        Name: Interpreter._name,
        ListOf: Interpreter._list,
        TupleOf: Interpreter._tuple,
        DictOf: Interpreter._dict,
        Negative: Interpreter._negative,
        Subscript: Interpreter._subscript,
        Attribute: Interpreter._attribute,
        Call: Interpreter._call,
    },
)

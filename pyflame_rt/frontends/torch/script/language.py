"""What the language itself offers by a plain name: casts, ranges, attributes by text, forks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias, cast

from pyflame_rt.frontends.quoting import quoted
from pyflame_rt.frontends.torch.aten import sizes
from pyflame_rt.frontends.torch.aten.sizes import Size
from pyflame_rt.frontends.torch.aten.values import TensorValue
from pyflame_rt.frontends.torch.script import containers, scalars
from pyflame_rt.frontends.torch.script.loops import RunTimeRange
from pyflame_rt.frontends.torch.script.syntax import (
    Call,
    Expression,
    Literal,
    Subscript,
    TupleOf,
    dotted,
)
from pyflame_rt.frontends.torch.script.tensors import read
from pyflame_rt.frontends.torch.script.values import (
    MISSING,
    UNSET,
    Choice,
    Device,
    DictObject,
    EnumItem,
    Future,
    Instance,
    Known,
    ListObject,
    Record,
    Tensor,
    Unset,
)

if TYPE_CHECKING:
    from pyflame_rt.frontends.torch.script.interpreter import Frame, Interpreter

Special: TypeAlias = "Callable[[Interpreter, Call, Frame], Known]"
Plain: TypeAlias = "Callable[[Interpreter, Sequence[Known]], Known]"

_UNION = ("Optional", "Union")
_DEPTH = 16


def call(interpreter: Interpreter, name: str, expression: Call, frame: Frame) -> Known:
    """Call a function of the language."""
    if (special := _SPECIAL.get(name)) is not None:
        return special(interpreter, expression, frame)
    plain = _PLAIN.get(name)
    m = interpreter.m
    if plain is None:
        raise m.error(f"{quoted(name)} is neither a variable nor a function of the language")
    arguments, keywords = interpreter.arguments(expression, frame)
    if MISSING in arguments:
        return MISSING
    if keywords:
        raise m.error(f"{quoted(name)} takes no named arguments")
    try:
        return plain(interpreter, arguments)
    except (IndexError, ValueError, TypeError, OverflowError) as error:
        raise m.error(f"{quoted(name)} is called with arguments that it does not take") from error


# Types.


def fits(interpreter: Interpreter, kind: Expression, value: Known, depth: int = _DEPTH) -> bool:
    """Whether a value is of a type, as `isinstance` asks."""
    m = interpreter.m
    if depth == 0:
        raise m.error("a type is nested too deeply")
    name, items = _type(kind)
    match name:
        case "Any":
            return True
        case "NoneType" | "None":
            return value is None
        case "Tensor":
            return isinstance(value, Tensor)
        case "int":
            return scalars.is_int(value)
        case "float":
            return isinstance(value, float) or _is_run_time(value, bools=False)
        case "bool":
            return isinstance(value, bool) or _is_run_time(value, bools=True)
        case "str":
            return isinstance(value, str)
        case "complex":
            return isinstance(value, complex)
        case "number" | "Scalar":
            return scalars.is_scalar(value)
        case "Device":
            return isinstance(value, Device)
        case "Optional" if value is None:
            return True
        case "Optional" | "Union":
            return any(fits(interpreter, item, value, depth - 1) for item in items)
        case "List":
            return isinstance(value, ListObject) and all(
                fits(interpreter, items[0], each, depth - 1) for each in value.items
            )
        case "Dict":
            return isinstance(value, DictObject) and all(
                fits(interpreter, items[1], each, depth - 1) for each in value.items.values()
            )
        case "Tuple":
            if not isinstance(value, tuple):
                return False
            parts = cast("tuple[Known, ...]", value)
            return len(parts) == len(items) and all(
                fits(interpreter, item, each, depth - 1)
                for item, each in zip(items, parts, strict=True)
            )
        case "list" | "List[t]":
            return isinstance(value, ListObject)
        case "tuple":
            return isinstance(value, tuple | Record)
        case _:
            return _is_of_class(interpreter, name, value)


def _type(kind: Expression) -> tuple[str, Sequence[Expression]]:
    if isinstance(kind, Subscript):
        return dotted(kind.value) or "", kind.items
    if isinstance(kind, Literal) and kind.value is None:
        return "None", ()
    return dotted(kind) or "", ()


def _is_run_time(value: Known, *, bools: bool) -> bool:
    return isinstance(value, TensorValue) and value.wrapped and (value.dtype.kind == "b") == bools


def _is_of_class(interpreter: Interpreter, name: str, value: Known) -> bool:
    if isinstance(value, EnumItem):
        return value.class_name == name
    if not isinstance(value, Instance | Record):
        return False
    if value.info.name == name:
        return True
    info = interpreter.symbols.find_class(name)
    if info is None or info.syntax.base != "Interface":
        return False
    return info.methods.keys() <= value.info.methods.keys()


def _is_instance(interpreter: Interpreter, expression: Call, frame: Frame) -> Known:
    m = interpreter.m
    if len(expression.arguments) != 2:
        raise m.error("isinstance takes a value and a type")
    value = interpreter.evaluate(expression.arguments[0], frame)
    kind = expression.arguments[1]
    kinds = kind.items if isinstance(kind, TupleOf) else (kind,)
    if value is MISSING:
        return MISSING
    return by_choice(
        interpreter, value, lambda each: any(fits(interpreter, k, each) for k in kinds)
    )


def by_choice(
    interpreter: Interpreter, value: Known, ask: Callable[[Known], bool]
) -> bool | TensorValue:
    """What a question about a value is answered, where that may depend on the run."""
    m = interpreter.m
    value = m.settled(value)
    if not isinstance(value, Choice):
        return ask(value)
    answers = [by_choice(interpreter, arm, ask) for arm in (value.if_true, value.if_false)]
    if answers[0] is answers[1]:
        return answers[0]
    if answers == [True, False]:
        return value.condition
    if answers == [False, True]:
        return m.negated(value.condition)
    raise m.unsupported("what a value is depends on several conditions known only at run time")


def _cast(interpreter: Interpreter, expression: Call, frame: Frame) -> Known:
    """unchecked_cast(T, value), annotate(T, value): the value; of a choice, the one of that type."""
    m = interpreter.m
    if len(expression.arguments) != 2:
        raise m.error("a cast takes a type and a value")
    kind, operand = expression.arguments
    value = interpreter.evaluate(operand, frame)
    if isinstance(value, Tensor) and _type(kind)[0] == "number":
        return interpreter.operator("aten", "ScalarImplicit", [value], {})
    if isinstance(value, Choice):
        return settled_as(interpreter, value, lambda each: fits(interpreter, kind, each))
    return value


def settled_as(interpreter: Interpreter, value: Known, ask: Callable[[Known], bool]) -> Known:
    """The arm of a choice that is as asked, if one is; what is unset is neither."""
    value = interpreter.m.settled(value)
    if not isinstance(value, Choice):
        return value
    arms = [settled_as(interpreter, arm, ask) for arm in (value.if_true, value.if_false)]
    fitting = [arm for arm in arms if not isinstance(arm, Choice | Unset) and ask(arm)]
    return fitting[0] if len(fitting) == 1 else value


def _uninitialized(interpreter: Interpreter, expression: Call, frame: Frame) -> Known:
    return UNSET


def _getattr(interpreter: Interpreter, expression: Call, frame: Frame) -> Known:
    arguments, _ = interpreter.arguments(expression, frame)
    if len(arguments) != 2 or not isinstance(arguments[1], str):
        raise interpreter.m.error("getattr takes an object and a name")
    return interpreter.attribute(arguments[0], arguments[1])


def _hasattr(interpreter: Interpreter, expression: Call, frame: Frame) -> Known:
    arguments, _ = interpreter.arguments(expression, frame)
    if len(arguments) != 2 or not isinstance(arguments[0], Instance):
        raise interpreter.m.error("hasattr takes an object and a name")
    return arguments[1] in arguments[0].attributes


def _fork(interpreter: Interpreter, expression: Call, frame: Frame) -> Known:
    arguments, keywords = interpreter.arguments(expression, frame)
    if not arguments:
        raise interpreter.m.error("fork takes a function")
    return Future(interpreter.call_value(arguments[0], arguments[1:], keywords))


_SPECIAL: Mapping[str, Special] = {
    "annotate": _cast,
    "unchecked_cast": _cast,
    "uninitialized": _uninitialized,
    "isinstance": _is_instance,
    "getattr": _getattr,
    "hasattr": _hasattr,
    "fork": _fork,
    "awaitable": _fork,
}


# Functions of values.


def tensor_or_number(interpreter: Interpreter, value: Known) -> Known:
    """A tensor's value now; anything else as it is."""
    return read(interpreter.m, value) if isinstance(value, Tensor) else value


def _int(interpreter: Interpreter, values: Sequence[Known]) -> Known:
    return scalars.to_int(interpreter.m, tensor_or_number(interpreter, values[0]))


def _float(interpreter: Interpreter, values: Sequence[Known]) -> Known:
    return scalars.to_float(interpreter.m, tensor_or_number(interpreter, values[0]))


def _bool(interpreter: Interpreter, values: Sequence[Known]) -> Known:
    return scalars.to_bool(interpreter.m, tensor_or_number(interpreter, values[0]))


def _complex(interpreter: Interpreter, values: Sequence[Known]) -> Known:
    return complex(*values)


def _str(interpreter: Interpreter, values: Sequence[Known]) -> Known:
    return scalars.text_of(values[0])


def make_range(interpreter: Interpreter, values: Sequence[Known]) -> range | RunTimeRange:
    """range(values)"""
    m = interpreter.m
    if not 1 <= len(values) <= 3 or not all(map(scalars.is_int, values)):
        raise m.error("range takes one to three integers")
    start, end = (0, values[0]) if len(values) == 1 else values[:2]
    step = values[2] if len(values) == 3 else 1
    if step == 0:
        raise m.error("range has a step of 0")
    if all(isinstance(value, int) for value in (start, end, step)):
        found = range(start, end, step)
        m.require_iterable(found)
        return found
    if isinstance(step, Size):
        raise m.unsupported("a range has a step known only at run time")
    # ceil((end - start) / step)
    distance = sizes.subtract(end, start)
    count = sizes.multiply(sizes.floor_divide(sizes.multiply(distance, -1), step), -1)
    if isinstance(count, int):
        count = max(count, 0)
        return RunTimeRange(start, count, step)
    return RunTimeRange(start, sizes.larger(count, 0), step)


def _sorted(interpreter: Interpreter, values: Sequence[Known]) -> Known:
    return containers.ordered(interpreter.m, *values)


def _nothing(interpreter: Interpreter, values: Sequence[Known]) -> Known:
    return None


def _len(interpreter: Interpreter, values: Sequence[Known]) -> Known:
    return containers.length(interpreter.m, values[0])


_PLAIN: Mapping[str, Plain] = {
    "int": _int,
    "float": _float,
    "bool": _bool,
    "complex": _complex,
    "str": _str,
    "range": make_range,
    "sorted": _sorted,
    "len": _len,
    "print": _nothing,
}

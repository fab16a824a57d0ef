"""Calls of operators: on known values computed here, on tensors through the rules of `aten`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias, cast

from pyflame_rt.frontends.quoting import quoted
from pyflame_rt.frontends.torch.aten import rules
from pyflame_rt.frontends.torch.aten.rules import Rule
from pyflame_rt.frontends.torch.aten.sizes import Size
from pyflame_rt.frontends.torch.aten.values import TensorValue, code_of_dtype
from pyflame_rt.frontends.torch.aten.views import SAME
from pyflame_rt.frontends.torch.script import containers, language, quantized, scalars
from pyflame_rt.frontends.torch.script.hints import refine
from pyflame_rt.frontends.torch.script.machine import ScriptRaise
from pyflame_rt.frontends.torch.script.tensors import fresh, link, read, view, write
from pyflame_rt.frontends.torch.script.values import (
    MISSING,
    Choice,
    Device,
    DictObject,
    EnumItem,
    Future,
    Instance,
    Known,
    ListObject,
    Packed,
    Record,
    Tensor,
    Unbound,
    Unset,
)

if TYPE_CHECKING:
    from pyflame_rt.frontends.torch.script.interpreter import Interpreter

Arguments: TypeAlias = Sequence[Known]
Keywords: TypeAlias = Mapping[str, Known]
Own: TypeAlias = "Callable[[Interpreter, Arguments, Keywords], Known]"


def call(
    interpreter: Interpreter,
    namespace: str,
    name: str,
    arguments: Arguments,
    keywords: Keywords,
) -> Known:
    """Call `namespace::name`."""
    m = interpreter.m
    own = _OWN.get((namespace, name))
    if own is not None:
        try:
            found = own(interpreter, arguments, keywords)
        except (IndexError, ValueError, TypeError) as error:
            raise m.error(f"{quoted(name)} is called with arguments it does not take") from error
        if found is not NotImplemented:
            return found
    if any(_is_missing(value) for value in (*arguments, *keywords.values())):
        if not _has_rule(namespace, name):
            m.miss(f"{namespace}::{name}")
        return MISSING
    arguments = [m.settled(value) for value in arguments]
    found = quantized.call(interpreter, namespace, name, arguments, keywords)
    if found is not NotImplemented:
        return found
    if namespace in ("aten", "prim") and not keywords:
        found = _on_known(interpreter, name, arguments)
        if found is not NotImplemented:
            return found
    return _by_rule(interpreter, namespace, name, arguments, keywords)


def _is_missing(value: Known) -> bool:
    if isinstance(value, ListObject):
        return MISSING in value.items
    return value is MISSING


def _has_rule(namespace: str, name: str) -> bool:
    if quantized.knows(namespace, name):
        return True
    if namespace in ("aten", "prim") and (scalars.knows(name) or containers.knows(name)):
        return True
    plain = name.removesuffix("_") if not name.endswith("__") else name
    return any(rules.overloads(each, namespace) for each in (name, plain))


def _on_known(interpreter: Interpreter, name: str, arguments: Arguments) -> Known:
    """An operator on numbers, texts and containers; NotImplemented when it is none of those."""
    m = interpreter.m
    if arguments:
        method = containers.find(arguments[0], name)
        if method is not None and not _is_for_tensors(name, arguments):
            try:
                return method(m, *arguments)
            except (TypeError, ValueError, AttributeError) as error:
                raise m.error(f"{quoted(name)} is called with arguments it does not take") from (
                    error
                )
    if not any(isinstance(value, Tensor) for value in arguments):
        return scalars.compute(m, name, arguments)
    return NotImplemented


def _is_for_tensors(name: str, arguments: Arguments) -> bool:
    """Whether a list is one of tensors that an operator computes with."""
    if name not in ("max", "min", "sum", "add", "mul", "index"):
        return False
    first = arguments[0]
    return (
        isinstance(first, ListObject)
        and name != "add"
        and any(isinstance(item, Tensor) for item in first.items)
    )


def _by_rule(
    interpreter: Interpreter,
    namespace: str,
    name: str,
    arguments: Arguments,
    keywords: Keywords,
) -> Known:
    m = interpreter.m
    keywords = dict(keywords)
    target = keywords.pop("out", None)
    plain = name
    if not rules.overloads(name, namespace) and name.endswith("_") and not name.endswith("__"):
        plain = name[:-1]
        target = arguments[0] if arguments else None
    if not rules.overloads(plain, namespace):
        m.miss(f"{namespace}::{name}")
        return MISSING
    refine(interpreter, namespace, plain, arguments)
    args = [as_argument(interpreter, value) for value in arguments]
    kwargs = {key: as_argument(interpreter, value) for key, value in keywords.items()}
    rule = rules.resolve(plain, args, kwargs, namespace)
    if rule is None:
        signatures = " or ".join(row.signature for row in rules.overloads(plain, namespace))
        raise m.error(f"the arguments of {namespace}::{name} do not fit {signatures}")
    try:
        result: Known = rule.call(m.b, args, kwargs)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise m.error(f"{namespace}::{name}: {error}") from error
    if target is not None:
        return _written(interpreter, name, target, result)
    first = arguments[0] if arguments else None
    if not isinstance(first, Tensor) and rule.parameters:
        first = keywords.get(rule.parameters[0].name)
    return _result(interpreter, rule, first, args, kwargs, result, arguments)


def as_argument(interpreter: Interpreter, value: Known) -> Known:
    """A value in the form that rules take."""
    m = interpreter.m
    match value:
        case Tensor():
            return read(m, value)
        case ListObject(sequence=None):
            return [as_argument(interpreter, item) for item in value.items]
        case ListObject():
            raise m.unsupported("needs a list whose length is known at import")
        case tuple():
            return [as_argument(interpreter, item) for item in cast("tuple[Known, ...]", value)]
        case Record():
            return [as_argument(interpreter, item) for item in value.items]
        case Device():
            return value.name
        case Size() if not m.is_size_visible(value):
            raise m.unsupported("uses a size that is computed in only one of the arms of an if")
        case Choice():
            raise m.unsupported("uses a value that depends on a condition known only at run time")
        case Unbound():
            raise m.unsupported("needs a number of slices that is known at import")
        case Unset():
            raise m.error("uses a variable before it has a value")
        case Instance() | DictObject() | Future() | Packed():
            raise m.error("an operator is called on an object")
        case EnumItem():
            return value.value
        case _:
            return value


def _written(interpreter: Interpreter, name: str, target: Known, result: Known) -> Known:
    """What an in-place operator, or one with `out`, leaves in its target."""
    m = interpreter.m
    if isinstance(target, ListObject | tuple):
        items = containers.items_of(m, target)
        for item, each in zip(items, cast("Sequence[Known]", result), strict=True):
            _written(interpreter, name, item, each)
        return cast(Known, target)
    if not isinstance(target, Tensor) or not isinstance(result, TensorValue):
        raise m.error(f"{quoted(name)} writes to what is no tensor")
    write(m, target, result)
    return target


def _result(
    interpreter: Interpreter,
    rule: Rule[..., Known],
    first: Known,
    args: Sequence[Known],
    kwargs: Keywords,
    result: Known,
    given: Arguments,
) -> Known:
    """The result of a rule: tensors that are views of the first argument, or new ones."""

    def made(value: Known, index: int | None) -> Known:
        if isinstance(value, list):
            items = cast("list[Known]", value)
            return ListObject([made(item, position) for position, item in enumerate(items)])
        if isinstance(value, tuple):
            items = cast("tuple[Known, ...]", value)
            return tuple(made(item, position) for position, item in enumerate(items))
        if not isinstance(value, TensorValue) or (value.wrapped and _gives_number(rule)):
            return value
        if value.wrapped:
            value = TensorValue(value.ssa)
        if rule.view is not None and isinstance(first, Tensor):
            same = value.ssa is args[0].ssa
            if rule.view.always or same:
                return view(interpreter.m, first, rule, args[1:], kwargs, value, index)
            found = fresh(value)
            if rule.view.scatter is not SAME.scatter:
                link(found, first)
            return found
        found = fresh(value)
        for each in given:
            # A rule that has nothing to do gives back what it got.
            if rule.name not in _COPIES and isinstance(each, Tensor) and _is_value_of(each, value):
                link(found, each)
        return found

    return made(result, None)


def _gives_number(rule: Rule[..., Known]) -> bool:
    """Whether the result of a rule is a number, of which a tensor may be the form at run time."""
    return rule.build.__annotations__.get("return") in ("Scalar", "Int")


_COPIES = frozenset({"clone", "_to_copy"})
"""Operators whose result is never their argument."""


def _is_value_of(tensor: Tensor, value: TensorValue) -> bool:
    now = tensor.value if tensor.steps else tensor.storage.value
    return now is not None and now.ssa is value.ssa


# Operators that are not about elements.


def _raise(interpreter: Interpreter, arguments: Arguments, keywords: Keywords) -> Known:
    text = scalars.text_of(arguments[0]) if arguments else ""
    raise ScriptRaise(text, interpreter.m.where)


def _nothing(interpreter: Interpreter, arguments: Arguments, keywords: Keywords) -> Known:
    return None


def _false(interpreter: Interpreter, arguments: Arguments, keywords: Keywords) -> Known:
    return False


def _device(interpreter: Interpreter, arguments: Arguments, keywords: Keywords) -> Known:
    name, *index = arguments
    return Device(f"{name}:{index[0]}" if index else str(name))


def _device_of(interpreter: Interpreter, arguments: Arguments, keywords: Keywords) -> Known:
    return MISSING if arguments[0] is MISSING else Device("cpu")


def _device_type(interpreter: Interpreter, arguments: Arguments, keywords: Keywords) -> Known:
    value = arguments[0]
    return value.name.partition(":")[0] if isinstance(value, Device) else NotImplemented


def _true(interpreter: Interpreter, arguments: Arguments, keywords: Keywords) -> Known:
    return True


def _wait(interpreter: Interpreter, arguments: Arguments, keywords: Keywords) -> Known:
    value = arguments[0]
    return value.value if isinstance(value, Future) else value


def _dtype(interpreter: Interpreter, arguments: Arguments, keywords: Keywords) -> Known:
    if isinstance(arguments[0], quantized.Quantized):
        return arguments[0].code
    if not isinstance(arguments[0], Tensor):
        return NotImplemented
    return code_of_dtype(read(interpreter.m, arguments[0]).dtype)


def _size(interpreter: Interpreter, arguments: Arguments, keywords: Keywords) -> Known:
    first, *dim = arguments
    m = interpreter.m
    if isinstance(first, quantized.Quantized):
        first = first.integers
    if not isinstance(first, Tensor):
        return NotImplemented
    if dim:
        return m.b.size(read(m, first), dim[0]) if isinstance(dim[0], int) else NotImplemented
    return ListObject(list(m.b.sizes(read(m, first))))


def _dim(interpreter: Interpreter, arguments: Arguments, keywords: Keywords) -> Known:
    first = arguments[0]
    m = interpreter.m
    return m.b.rank(read(m, first)) if isinstance(first, Tensor) else NotImplemented


def _length(interpreter: Interpreter, arguments: Arguments, keywords: Keywords) -> Known:
    first = arguments[0]
    return containers.length(interpreter.m, first) if isinstance(first, Tensor) else NotImplemented


def _unbind(interpreter: Interpreter, arguments: Arguments, keywords: Keywords) -> Known:
    """The slices of a tensor, which may be as many as there are names for them."""
    m = interpreter.m
    first, *rest = arguments
    dim = rest[0] if rest else keywords.get("dim", 0)
    if not isinstance(first, Tensor) or not isinstance(dim, int):
        return NotImplemented
    count = m.b.size(read(m, first), dim)
    return NotImplemented if isinstance(count, int) else Unbound(first, dim, count)


def _is_none(interpreter: Interpreter, arguments: Arguments, keywords: Keywords) -> Known:
    a, b = arguments
    if a is MISSING or b is MISSING:
        return MISSING
    if b is None:
        return language.by_choice(interpreter, a, lambda each: each is None)
    found = scalars.compute(interpreter.m, "__is__", [a, b])
    return a is b if found is NotImplemented else found


def _is_not_none(interpreter: Interpreter, arguments: Arguments, keywords: Keywords) -> Known:
    said = _is_none(interpreter, arguments, keywords)
    return MISSING if said is MISSING else interpreter.m.negated(said)


def _unwrap(interpreter: Interpreter, arguments: Arguments, keywords: Keywords) -> Known:
    value = language.settled_as(interpreter, arguments[0], lambda each: each is not None)
    if value is None:
        raise ScriptRaise("Unwrapping null optional", interpreter.m.where)
    return value


def _truth_of_tensor(convert: Callable[..., Known]) -> Own:
    def compute(interpreter: Interpreter, arguments: Arguments, keywords: Keywords) -> Known:
        if arguments[0] is MISSING:
            return MISSING
        value = language.tensor_or_number(interpreter, arguments[0])
        return convert(interpreter.m, value)

    return compute


def _number_to_tensor(interpreter: Interpreter, arguments: Arguments, keywords: Keywords) -> Known:
    value = arguments[0]
    if not scalars.is_scalar(value) or isinstance(value, str | complex) or value is None:
        return NotImplemented
    return fresh(TensorValue(scalars.tensor_of(interpreter.m, value).ssa))


def _stack(interpreter: Interpreter, arguments: Arguments, keywords: Keywords) -> Known:
    return _of_sequence(interpreter, arguments, keywords, new_axis=True)


def _concatenate(interpreter: Interpreter, arguments: Arguments, keywords: Keywords) -> Known:
    return _of_sequence(interpreter, arguments, keywords, new_axis=False)


def _of_sequence(
    interpreter: Interpreter, arguments: Arguments, keywords: Keywords, *, new_axis: bool
) -> Known:
    """Join the tensors of a list whose length is known only at run time."""
    tensors = arguments[0]
    if not isinstance(tensors, ListObject) or tensors.sequence is None:
        return NotImplemented
    dim = arguments[1] if len(arguments) > 1 else keywords.get("dim", 0)
    made = interpreter.m.b.one(
        "concat_from_sequence",
        [TensorValue(tensors.sequence)],
        {"axis": dim, "new_axis": new_axis},
    )
    return fresh(made)


def _range_length(interpreter: Interpreter, arguments: Arguments, keywords: Keywords) -> Known:
    found = language.make_range(interpreter, arguments)
    return len(found) if isinstance(found, range) else found.count


def _derive_index(interpreter: Interpreter, arguments: Arguments, keywords: Keywords) -> Known:
    index, start, step = arguments
    offset = interpreter.scalar("mul", index, step)
    return interpreter.scalar("add", start, offset)


def _dict(interpreter: Interpreter, arguments: Arguments, keywords: Keywords) -> Known:
    """dict(), or of pairs."""
    made = DictObject({})
    if arguments and isinstance(arguments[0], DictObject):
        return NotImplemented
    for pair in containers.items_of(interpreter.m, arguments[0]) if arguments else ():
        containers.set_item(interpreter.m, made, *pair)
    return made


_OWN: Mapping[tuple[str, str], Own] = {
    ("prim", "RaiseException"): _raise,
    ("prim", "dtype"): _dtype,
    ("prim", "device"): _device_of,
    ("prim", "layout"): _nothing,
    ("prim", "type"): _device_type,
    ("prim", "is_cpu"): _true,
    ("prim", "NumToTensor"): _number_to_tensor,
    ("prim", "unchecked_unwrap_optional"): _unwrap,
    **{
        ("prim", name): _false
        for name in (
            "is_cuda", "is_xla", "is_mps", "is_mkldnn", "is_meta", "is_ort", "is_vulkan",
            "is_sparse", "is_sparse_csr", "is_nested", "is_ipu", "is_hpu", "is_maia", "is_mtia",
            "requires_grad",
        )
    },
    ("aten", "_unwrap_optional"): _unwrap,
    ("aten", "__is__"): _is_none,
    ("aten", "__isnot__"): _is_not_none,
    ("aten", "Bool"): _truth_of_tensor(scalars.to_bool),
    ("aten", "Int"): _truth_of_tensor(scalars.to_int),
    ("aten", "Float"): _truth_of_tensor(scalars.to_float),
    ("aten", "IntImplicit"): _truth_of_tensor(scalars.to_int),
    ("aten", "FloatImplicit"): _truth_of_tensor(scalars.to_float),
    ("aten", "size"): _size,
    ("aten", "dim"): _dim,
    ("aten", "len"): _length,
    ("aten", "device"): _device,
    ("aten", "wait"): _wait,
    ("aten", "unbind"): _unbind,
    ("aten", "stack"): _stack,
    ("aten", "cat"): _concatenate,
    ("aten", "dict"): _dict,
    ("aten", "__range_length"): _range_length,
    ("aten", "__derive_index"): _derive_index,
    **{
        ("aten", name): _nothing
        for name in (
            "warn", "manual_seed", "set_grad_enabled", "_assert", "backward", "requires_grad_",
            "_record_function_exit",
        )
    },
    **{
        ("aten", name): _false
        for name in (
            "is_grad_enabled", "is_autocast_enabled", "is_autocast_cpu_enabled", "is_inference",
            "requires_grad", "is_sparse", "is_mkldnn", "is_quantized", "is_tracing",
        )
    },
}  # fmt: skip
"""What the interpreter does itself, before any rule is asked."""

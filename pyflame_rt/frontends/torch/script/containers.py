"""Operators on lists, dicts and texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, cast

from xdsl.ir import SSAValue

from pyflame_rt.frontends.torch.aten.sizes import Size
from pyflame_rt.frontends.torch.aten.values import TensorValue
from pyflame_rt.frontends.torch.script import scalars
from pyflame_rt.frontends.torch.script.machine import Machine
from pyflame_rt.frontends.torch.script.tensors import fresh, read
from pyflame_rt.frontends.torch.script.values import (
    Choice,
    DictObject,
    Known,
    ListObject,
    Record,
    Tensor,
    Unbound,
    VagueText,
)

Method: TypeAlias = Callable[..., Known]


def items_of(m: Machine, value: Known) -> Sequence[Known]:
    """The items of a list, tuple, named tuple or text; a list's must be as many in every run."""
    match value:
        case ListObject(sequence=None):
            return value.items
        case ListObject():
            raise m.unsupported("needs a list whose length is known at import")
        case Record():
            return value.items
        case tuple():
            return cast("tuple[Known, ...]", value)
        case DictObject():
            return list(value.items)
        case str():
            return value
        case _:
            raise m.error("needs a list or tuple")


def length(m: Machine, value: Known) -> Known:
    """len(value)"""
    if isinstance(value, ListObject) and value.sequence is not None:
        (found,) = m.b.emit("sequence_length", [TensorValue(value.sequence)])
        return Size.of_item(found.ssa)
    if isinstance(value, Tensor):
        return m.b.size(read(m, value), 0)
    if isinstance(value, Unbound):
        return value.count
    return len(items_of(m, value))


def item(m: Machine, value: Known, index: Known) -> Known:
    """value[index]"""
    if isinstance(value, DictObject):
        key = _key(m, index)
        if key not in value.items:
            raise m.error(f"a dict has no key {scalars.text_of(key)[:64]!a}")
        return value.items[key]
    if isinstance(value, ListObject) and value.sequence is not None:
        position = scalars.tensor_of(m, index)
        (found,) = m.b.emit("sequence_at", [TensorValue(value.sequence), position])
        taken = fresh(found)
        taken.storage.captured = True
        return taken
    items = items_of(m, value)
    return items[_position(m, index, len(items))]


def _position(m: Machine, index: Known, count: int) -> int:
    if not isinstance(index, int):
        raise m.unsupported("indexes a list by a number known only at run time")
    if not -count <= index < count:
        raise m.error(f"index {index} is outside a list of {count}")
    return index


def _key(m: Machine, key: Known) -> Known:
    if not isinstance(key, bool | int | float | str):
        raise m.unsupported("uses a dict by a key that is not known at import")
    return key


def _append(m: Machine, target: ListObject, value: Known) -> Known:
    m.touch(target)
    if target.sequence is not None:
        target.sequence = _inserted(m, target.sequence, value, None)
        return target
    m.require_length(len(target.items) + 1)
    target.items.append(value)
    return target


def _inserted(m: Machine, sequence: SSAValue, value: Known, position: Known) -> SSAValue:
    if not isinstance(value, Tensor):
        raise m.unsupported("a list of a length known at run time holds tensors only")
    value.storage.captured = True
    at = None if position is None else scalars.tensor_of(m, position)
    (found,) = m.b.emit("sequence_insert", [TensorValue(sequence), read(m, value), at])
    return found.ssa


def set_item(m: Machine, target: ListObject | DictObject, index: Known, value: Known) -> Known:
    m.touch(target)
    if isinstance(target, DictObject):
        m.require_length(len(target.items) + 1)
        target.items[_key(m, index)] = value
        return target
    items = _mutable(m, target)
    items[_position(m, index, len(items))] = value
    return target


def _mutable(m: Machine, target: ListObject) -> list[Known]:
    items_of(m, target)
    m.touch(target)
    return target.items


def _insert(m: Machine, target: ListObject, index: Known, value: Known) -> Known:
    if not isinstance(index, int):
        raise m.unsupported("inserts into a list at a position known only at run time")
    if target.sequence is not None:
        m.touch(target)
        target.sequence = _inserted(m, target.sequence, value, index)
    else:
        _mutable(m, target).insert(index, value)
    return None


def _extend(m: Machine, target: ListObject, other: Known) -> Known:
    added = list(items_of(m, other))
    m.require_length(len(target.items) + len(added))
    for each in added:
        _append(m, target, each)
    return None


def _pop(m: Machine, target: ListObject | DictObject, *args: Known) -> Known:
    if isinstance(target, DictObject):
        found = _get(m, target, *args)
        m.touch(target)
        target.items.pop(_key(m, args[0]), None)
        return found
    items = _mutable(m, target)
    return items.pop(_position(m, args[0] if args else -1, len(items)))


def _clear(m: Machine, target: ListObject | DictObject) -> Known:
    m.touch(target)
    target.items.clear()
    if isinstance(target, ListObject):
        target.sequence = None
    return None


def _delete(m: Machine, target: ListObject | DictObject, key: Known) -> Known:
    _pop(m, target, key)
    return None


def _reverse(m: Machine, target: ListObject) -> Known:
    _mutable(m, target).reverse()
    return None


def _sorted_items(m: Machine, items: Sequence[Known], reverse: Known) -> list[Known]:
    if not all(isinstance(each, bool | int | float | str) for each in items):
        raise m.unsupported("sorts a list whose items are not known at import")
    try:
        return sorted(items, reverse=bool(reverse))
    except TypeError as error:
        raise m.error("sorts a list of values that cannot be compared") from error


def _sort(m: Machine, target: ListObject, reverse: Known = False) -> Known:
    items = _mutable(m, target)
    items[:] = _sorted_items(m, items, reverse)
    return None


def ordered(m: Machine, value: Known, reverse: Known = False) -> Known:
    """sorted(value)"""
    return ListObject(_sorted_items(m, items_of(m, value), reverse))


def _slice(
    m: Machine, target: Known, start: Known = None, end: Known = None, step: Known = 1
) -> Known:
    if not all(bound is None or isinstance(bound, int) for bound in (start, end, step)):
        raise m.unsupported("slices a list by a number known only at run time")
    if step == 0:
        raise m.error("slices a list with a step of 0")
    taken = items_of(m, target)[start:end:step]
    return taken if isinstance(taken, str | tuple) else ListObject(list(taken))


def _concatenated(m: Machine, target: Known, other: Known) -> Known:
    a, b = items_of(m, target), items_of(m, other)
    m.require_length(len(a) + len(b))
    return ListObject([*a, *b])


def _repeated(m: Machine, target: Known, times: Known) -> Known:
    if not isinstance(times, int):
        raise m.unsupported("repeats a list a number of times known only at run time")
    items = items_of(m, target)
    m.require_length(len(items) * max(times, 0))
    return ListObject([*items] * times)


def _contains(m: Machine, target: Known, value: Known) -> Known:
    if isinstance(target, DictObject):
        return _key(m, value) in target.items
    found: Known = False
    for each in items_of(m, target):
        same = equal(m, each, value)
        found = scalars.compute(m, "__or__", [found, same])
    return found


def equal(m: Machine, a: Known, b: Known) -> Known:
    """a == b, also of lists and tuples of numbers."""
    if isinstance(a, ListObject | tuple) and isinstance(b, ListObject | tuple):
        left, right = items_of(m, a), items_of(m, b)
        if len(left) != len(right):
            return False
        same: Known = True
        for x, y in zip(left, right, strict=True):
            same = scalars.compute(m, "__and__", [same, equal(m, x, y)])
        return same
    found = scalars.compute(m, "eq", [a, b])
    if found is NotImplemented:
        raise m.unsupported("compares lists of values that are no numbers or texts")
    return found


def _different(m: Machine, a: Known, b: Known) -> Known:
    return scalars.compute(m, "__not__", [equal(m, a, b)])


def _index(m: Machine, target: ListObject, value: Known) -> Known:
    for position, each in enumerate(items_of(m, target)):
        same = equal(m, each, value)
        if not isinstance(same, bool):
            raise m.unsupported("searches a list for a number known only at run time")
        if same:
            return position
    raise m.error("searches a list for a value that it does not hold")


def _count(m: Machine, target: ListObject, value: Known) -> Known:
    return sum(equal(m, each, value) is True for each in items_of(m, target))


def _remove(m: Machine, target: ListObject, value: Known) -> Known:
    del _mutable(m, target)[_index(m, target, value)]
    return None


def _fold(name: str) -> Method:
    def compute(m: Machine, target: Known, other: Known = None) -> Known:
        items = list(items_of(m, target))
        if other is not None:
            raise m.unsupported(f"{name} of two lists")
        if not items:
            raise m.error(f"{name} of an empty list")
        found = items[0]
        for each in items[1:]:
            found = scalars.compute(m, name, [found, each])
        return found

    return compute


def _total(m: Machine, target: Known) -> Known:
    total: Known = 0
    for each in items_of(m, target):
        total = scalars.compute(m, "add", [total, each])
    return total


def _quantifier(name: str, neutral: bool) -> Method:
    def compute(m: Machine, target: Known) -> Known:
        found: Known = neutral
        for each in items_of(m, target):
            said = m.truth(each)
            found = scalars.compute(m, name, [found, said])
        return found

    return compute


def _copied(m: Machine, target: Known) -> Known:
    if isinstance(target, DictObject):
        return DictObject(dict(target.items))
    if isinstance(target, ListObject) and target.sequence is not None:
        return ListObject([], target.sequence)
    return ListObject(list(items_of(m, target)))


def _get(m: Machine, target: DictObject, key: Known, default: Known = None) -> Known:
    return target.items.get(_key(m, key), default)


def _setdefault(m: Machine, target: DictObject, key: Known, default: Known = None) -> Known:
    if _key(m, key) not in target.items:
        set_item(m, target, key, default)
    return target.items[key]


def _update(m: Machine, target: DictObject, other: DictObject) -> Known:
    m.touch(target)
    target.items.update(other.items)
    return None


def _unpack(m: Machine, target: ListObject) -> Known:
    return tuple(items_of(m, target))


def _extended(m: Machine, target: ListObject, other: Known) -> Known:
    _extend(m, target, other)
    return target


def _keys(m: Machine, target: DictObject) -> Known:
    return ListObject(list(target.items))


def _values(m: Machine, target: DictObject) -> Known:
    return ListObject(list(target.items.values()))


def _pairs(m: Machine, target: DictObject) -> Known:
    return ListObject(list(target.items.items()))


def _joined_tuples(m: Machine, a: Known, b: Known) -> Known:
    return (*items_of(m, a), *items_of(m, b))


_LISTS: Mapping[str, Method] = {
    "append": _append,
    "insert": _insert,
    "extend": _extend,
    "pop": _pop,
    "clear": _clear,
    "Delete": _delete,
    "reverse": _reverse,
    "sort": _sort,
    "sorted": ordered,
    "slice": _slice,
    "add": _concatenated,
    "add_": _extended,
    "mul": _repeated,
    "_set_item": set_item,
    "__getitem__": item,
    "__contains__": _contains,
    "eq": equal,
    "ne": _different,
    "index": _index,
    "count": _count,
    "remove": _remove,
    "max": _fold("max"),
    "min": _fold("min"),
    "sum": _total,
    "any": _quantifier("__or__", neutral=False),
    "all": _quantifier("__and__", neutral=True),
    "list": _copied,
    "copy": _copied,
    "len": length,
    "ListUnpack": _unpack,
}
_DICTS: Mapping[str, Method] = {
    "_set_item": set_item,
    "__getitem__": item,
    "__contains__": _contains,
    "keys": _keys,
    "values": _values,
    "items": _pairs,
    "get": _get,
    "setdefault": _setdefault,
    "update": _update,
    "pop": _pop,
    "clear": _clear,
    "Delete": _delete,
    "copy": _copied,
    "dict": _copied,
    "len": length,
}
_TUPLES: Mapping[str, Method] = {
    "slice": _slice,
    "__getitem__": item,
    "__contains__": _contains,
    "eq": equal,
    "ne": _different,
    "len": length,
    "add": _joined_tuples,
}


def _text_method(method: Callable[..., Known]) -> Method:
    pads = method.__name__ in ("ljust", "rjust", "center", "zfill")

    def call(m: Machine, text: str, *args: Known) -> Known:
        if not all(each is None or isinstance(each, str | int) for each in args):
            raise m.unsupported("a method of a text takes a value that is not known at import")
        if pads and args:
            m.require_length(cast(int, args[0]))
        found = method(text, *args)
        return ListObject(list(cast("list[str]", found))) if isinstance(found, list) else found

    return call


def _has_part(m: Machine, text: str, part: str) -> Known:
    return part in text


def _ord(m: Machine, text: str) -> Known:
    return ord(text)


def _replace(m: Machine, text: str, old: str, new: str, most: int = -1) -> Known:
    m.require_length(len(text) + (text.count(old) if old else len(text) + 1) * len(new))
    return text.replace(old, new, most)


def _join(m: Machine, text: str, parts: Known) -> Known:
    items = items_of(m, parts)
    if not all(isinstance(part, str) for part in items):
        raise m.error("joins what is no text")
    m.require_length(sum(map(len, items)) + len(text) * len(items))
    return text.join(items)


def _format(m: Machine, text: str, *args: Known) -> Known:
    pieces = text.split("{}")
    values = args[: len(pieces) - 1]
    if len(pieces) - 1 > len(args):
        raise m.error("formats a text with too few values")
    vague = [value for value in values if "?" in scalars.text_of(value) and value != "?"]
    if any(not isinstance(value, Size | str) for value in vague):
        # Good enough for the message of an exception, which is what it nearly always is.
        return VagueText("".join(_interleaved(pieces, list(map(scalars.text_of, values)))))
    shown = [value if isinstance(value, Size) else scalars.text_of(value) for value in values]
    parts = [part for part in _interleaved(pieces, shown) if part != ""]
    return scalars.concatenated(m, parts or [""])


def _interleaved(pieces: Sequence[str], values: Sequence[Known]) -> Sequence[Known]:
    pairs = zip(pieces, [*values, ""], strict=True)
    return [part for pair in pairs for part in pair]


_TEXTS: Mapping[str, Method] = {
    **{
        method.__name__: _text_method(method)
        for method in (
            str.capitalize, str.center, str.count, str.endswith, str.find, str.index, str.isalnum,
            str.isalpha, str.isdecimal, str.isdigit, str.isidentifier, str.islower, str.isnumeric,
            str.isprintable, str.isspace, str.istitle, str.isupper, str.ljust, str.lower,
            str.lstrip, str.rfind, str.rindex, str.rjust, str.rsplit, str.rstrip, str.split,
            str.splitlines, str.startswith, str.strip, str.swapcase, str.title, str.upper,
            str.zfill,
        )
    },
    "replace": _replace,
    "join": _join,
    "format": _format,
    "slice": _slice,
    "__getitem__": item,
    "__contains__": _has_part,
    "list": _copied,
    "len": length,
    "ord": _ord,
}  # fmt: skip


def find(value: Known, name: str) -> Method | None:
    """The operator of that name on a list, dict, tuple or text."""
    match value:
        case Unbound():
            return length if name == "len" else None
        case ListObject():
            return _LISTS.get(name)
        case DictObject():
            return _DICTS.get(name)
        case str():
            return _TEXTS.get(name)
        case tuple() | Record():
            return _TUPLES.get(name)
        case _:
            return None


def knows(name: str) -> bool:
    """Whether there is an operator of that name on any kind of container."""
    return any(name in table for table in (_LISTS, _DICTS, _TEXTS, _TUPLES))


def unpacked(m: Machine, value: Known, count: int) -> Sequence[Known]:
    """The parts of a value that is assigned to as many targets."""
    if isinstance(value, Choice):
        raise m.unsupported("takes apart a value that depends on the run")
    parts = items_of(m, value)
    if len(parts) != count:
        raise m.error(f"takes apart {len(parts)} values into {count}")
    return parts

"""Options of a pass or target: from pipeline text to its typed dataclass fields, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from types import NoneType, UnionType
from typing import (
    Any,
    Literal,
    TypeAlias,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from xdsl.utils.arg_spec import ArgSpecConvertible

from pyflame_rt.errors import PipelineError
from pyflame_rt.pipeline_syntax import OptionText, Word, is_number, read, spell

Scalar: TypeAlias = bool | int | float | str
Value: TypeAlias = Scalar | tuple[Scalar, ...] | None

_MISMATCH = object()
P = TypeVar("P", bound=ArgSpecConvertible)


def build(kind: type[P], options: dict[str, OptionText]) -> P:
    """The pass with these options; the others keep their defaults.

    Raises PipelineError for an unknown option, a missing one, and a value of the wrong type.
    """
    types = option_types(kind)
    arguments: dict[str, Value] = {}
    for name, text in options.items():
        if name not in types:
            raise PipelineError(
                f'unknown option "{_cli(name)}"',
                where=kind.name,
                hint=suggestion(_cli(name), [_cli(n) for n in types]) + _known(types),
            )
        arguments[name] = _convert(kind, name, text, types[name])
    for field in dataclasses.fields(kind):
        if field.name in types and field.name not in arguments and not _has_default(field):
            if NoneType not in _alternatives(types[field.name]):
                raise PipelineError(
                    f'needs option "{_cli(field.name)}"', where=kind.name, hint=_known(types)
                )
            arguments[field.name] = None
    try:
        return kind(**arguments)
    except (ValueError, TypeError) as error:
        raise PipelineError(str(error), where=kind.name) from error


@lru_cache(maxsize=256)
def option_types(kind: type[ArgSpecConvertible]) -> Mapping[str, Any]:
    """The options a pass takes, by field name, with their annotated types."""
    hints = get_type_hints(kind)
    return {
        field.name: hints[field.name]
        for field in dataclasses.fields(kind)
        if field.init and field.name != "name"
    }


def to_text(instance: ArgSpecConvertible) -> str:
    """`name{option=value …}` with the options that differ from their defaults."""
    types = option_types(type(instance))
    parts = [
        _option_text(
            _cli(field.name), cast(Value, getattr(instance, field.name)), types[field.name]
        )
        for field in dataclasses.fields(instance)
        if field.name in types and not _is_default(field, getattr(instance, field.name))
    ]
    return f"{instance.name}{{{' '.join(parts)}}}" if parts else instance.name


def type_text(hint: Any) -> str:
    """A type in words: `int`, `list of str`, `"a" or "b"`."""
    return " or ".join(_one_type_text(t) for t in _alternatives(hint) if t is not NoneType)


def suggestion(name: str, names: Sequence[str]) -> str:
    """`did you mean "x"? `, or nothing when no name is close."""
    close = get_close_matches(name, names, n=1)
    return f'did you mean "{close[0]}"? ' if close else ""


def _known(types: Mapping[str, Any]) -> str:
    known = ", ".join(f"{_cli(name)} ({type_text(hint)})" for name, hint in types.items())
    return f"its options are {known}" if known else "it has no options"


def _cli(name: str) -> str:
    return name.replace("_", "-")


def _convert(kind: type[ArgSpecConvertible], name: str, text: OptionText, hint: Any) -> Value:
    value = _value_of(text, hint)
    if value is _MISMATCH:
        written = ",".join(spell(w.text) if w.quoted else w.text for w in text.words)
        raise PipelineError(
            f'option "{_cli(name)}" takes {type_text(hint)}, got {written or "no value"}',
            where=kind.name,
        )
    return cast(Value, value)


def _value_of(text: OptionText, hint: Any) -> object:
    alternatives = list(_alternatives(hint))
    if not text.words and not text.is_tuple:
        if NoneType in alternatives:
            return None
        if bool in alternatives:
            return True
        return () if any(_is_list(t) for t in alternatives) else _MISMATCH
    if len(text.words) == 1 and not text.is_tuple:
        value = _scalar(text.words[0], alternatives)
        if value is not _MISMATCH:
            return value
    for alternative in alternatives:
        if get_origin(alternative) is tuple:
            value = _tuple(text.words, alternative)
            if value is not _MISMATCH:
                return value
    return _MISMATCH


def _tuple(words: Sequence[Word], hint: Any) -> object:
    args = get_args(hint)
    kinds = [args[0]] * len(words) if _is_list(hint) else list(args)
    if len(kinds) != len(words):
        return _MISMATCH
    values = [_scalar(w, list(_alternatives(k))) for w, k in zip(words, kinds, strict=True)]
    return _MISMATCH if any(value is _MISMATCH for value in values) else tuple(values)


def _scalar(word: Word, kinds: Sequence[Any]) -> object:
    literals = [value for kind in kinds if get_origin(kind) is Literal for value in get_args(kind)]
    if word.text in literals:
        return word.text
    if not word.quoted:
        for kind in (bool, int, float):
            if kind in kinds and (value := _parsed(word.text, kind)) is not _MISMATCH:
                return value
    return word.text if str in kinds else _MISMATCH


def _parsed(text: str, kind: type[bool | int | float]) -> object:
    if kind is bool:
        return {"true": True, "false": False}.get(text, _MISMATCH)
    try:
        return kind(text) if is_number(text) else _MISMATCH
    except (ValueError, OverflowError):
        return _MISMATCH


def _option_text(name: str, value: Value, hint: Any) -> str:
    if value is None:
        return name
    if not isinstance(value, tuple):
        return f"{name}={spell(value)}"
    words = ",".join(map(spell, value))
    text = f"{name}={words}" if value else name
    # A one-tuple beside a scalar of its type, and an empty one beside None, need parentheses.
    (option,) = read(f"p{{{text}}}")[0].options.values()
    return text if _value_of(option, hint) == value else f"{name}=({words})"


def _is_default(field: dataclasses.Field[Any], value: object) -> bool:
    if field.default is not dataclasses.MISSING:
        default = field.default
    elif field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    else:
        return False
    # repr tells 0.0 from -0.0 and 1 from True.
    return value == default and repr(value) == repr(default)


def _has_default(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is not missing or field.default_factory is not missing


def _is_list(hint: Any) -> bool:
    return get_origin(hint) is tuple and get_args(hint)[-1] is Ellipsis


def _alternatives(hint: Any) -> Iterator[Any]:
    if get_origin(hint) in (Union, UnionType):
        for part in get_args(hint):
            yield from _alternatives(part)
    else:
        yield hint


def _one_type_text(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return " or ".join(f'"{value}"' for value in get_args(hint))
    if _is_list(hint):
        return f"list of {type_text(get_args(hint)[0])}"
    if get_origin(hint) is tuple:
        return f"({', '.join(type_text(part) for part in get_args(hint))})"
    return getattr(hint, "__name__", str(hint))

"""Attributes of option objects: typed, checked when they are set, refused when there is no such."""

from __future__ import annotations

import operator
from collections.abc import Callable
from enum import IntEnum
from typing import Any, Generic, TypeVar, cast, overload

from pyflame_rt.errors import ArgumentTypeError, SettingError

T = TypeVar("T")
E = TypeVar("E", bound=IntEnum)

_STATE = "pyflame_rt.capi.onnxruntime_pybind11_state"
_LONGEST_KEY = 1024


class Settings:
    """Base of option objects: attributes that are no setting are refused, which catches typing
    errors."""

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("_") and not hasattr(type(self), name):
            kind = f"{_STATE}.{type(self).__name__}"
            raise AttributeError(f"'{kind}' object has no attribute '{name}'", name=name, obj=self)
        super().__setattr__(name, value)


class Setting(Generic[T]):
    """One attribute of a `Settings` class: its default, and what makes a value of what is set.

    `take` raises TypeError or ValueError for what it does not take; `wanted` is the name of what
    it does.
    """

    def __init__(self, default: T, take: Callable[[Any], T], wanted: str, doc: str):
        self._default = default
        self._take = take
        self._wanted = wanted
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self._slot = f"_{name}"

    @overload
    def __get__(self, instance: None, owner: type) -> Setting[T]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> Setting[T] | T:
        if instance is None:
            return self
        return cast(T, instance.__dict__.get(self._slot, self._default))

    def __set__(self, instance: object, value: object) -> None:
        try:
            instance.__dict__[self._slot] = self._take(value)
        except (TypeError, ValueError) as error:
            kind = f"{_STATE}.{type(instance).__name__}"
            raise incompatible(
                "", f"(arg0: {kind}, arg1: {self._wanted}) -> None", instance, value
            ) from error


def flag(default: bool, doc: str) -> Setting[bool]:
    """A setting that is on or off."""
    return Setting(default, bool, "bool", doc)


def number(default: int, doc: str) -> Setting[int]:
    """A whole number."""
    return Setting(default, operator.index, "typing.SupportsInt | typing.SupportsIndex", doc)


def text(default: str, doc: str) -> Setting[str]:
    """A string."""
    return Setting(default, _string, "str", doc)


def member(default: E, doc: str) -> Setting[E]:
    """A member of an enumeration, or the documentation's name of one: "parallel"."""
    kind = type(default)

    def take(value: object) -> E:
        if isinstance(value, kind):
            return value
        named = {name.lower().removeprefix("ort_"): one for name, one in kind.__members__.items()}
        if isinstance(value, str) and value in named:
            return named[value]
        raise TypeError(value)

    return Setting(default, take, f"{_STATE}.{kind.__name__}", doc)


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def incompatible(function: str, signature: str, *given: object) -> ArgumentTypeError:
    """The error for arguments of wrong types, in the words of ONNX Runtime's extension module."""
    shown = ", ".join(_shown(value) for value in given)
    return ArgumentTypeError(
        f"{function}(): incompatible function arguments. The following argument types are "
        f"supported:\n    1. {signature}\n\nInvoked with: {shown}"
    )


def _shown(value: object) -> str:
    if type(value).__module__.startswith("pyflame_rt."):
        return f"<{_STATE}.{type(value).__name__} object at {id(value):#x}>"
    return repr(value)


class Entries:
    """Configuration entries: texts by key. `owner` is who has them, for the error texts."""

    def __init__(self, owner: str):
        self._owner = owner
        self._values: dict[str, str] = {}

    def add(self, function: str, holder: object, key: object, value: object) -> None:
        """Set an entry. Raises ArgumentTypeError for what is no text, SettingError for no key."""
        if not isinstance(key, str) or not isinstance(value, str):
            signature = f"(self: {_STATE}.{self._owner}, arg0: str, arg1: str) -> None"
            raise incompatible(function, signature, holder, key, value)
        if not 0 < len(key) <= _LONGEST_KEY:
            raise SettingError(f"Config key is empty or longer than maximum length {_LONGEST_KEY}")
        self._values[key] = value

    def get(self, key: str) -> str:
        """An entry. Raises SettingError when there is none."""
        if key not in self._values:
            raise SettingError(f"{self._owner} does not have configuration with key: {key}")
        return self._values[key]

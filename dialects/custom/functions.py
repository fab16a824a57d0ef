"""Functions that users wrote: called with what they take, and what they raise told in one line."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

Function: TypeAlias = Callable[..., Any]


@dataclass(frozen=True)
class UserFunction:
    """A user's function; `what` is what errors call it. It may take fewer arguments than it gets."""

    what: str
    function: Function
    takes: int | None

    @staticmethod
    def of(what: str, function: Function) -> UserFunction:
        """The function, asked once how many arguments it takes."""
        if isinstance(function, UserFunction):
            return function
        return UserFunction(what, function, _positional(function))

    def __call__(self, *arguments: object) -> Any:
        """What the function returns. Raises ValueError that says what it raised, and where."""
        try:
            return self.function(*arguments[: self.takes])
        except Exception as error:
            raise ValueError(f"its {self.what} failed: {self._told(error)}") from error

    def _told(self, error: Exception) -> str:
        said = str(error)
        if not isinstance(error, ValueError) or not said:
            said = f"{type(error).__name__}: {said}" if said else type(error).__name__
        code = getattr(self.function, "__code__", None)
        file = "" if code is None else code.co_filename
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == file]
        place = f" ({file.rpartition('/')[2]}:{frames[-1].lineno})" if frames else ""
        return f"{said}{place}"


def _positional(function: Function) -> int | None:
    """How many arguments a function takes; None when there is no limit, or nobody knows."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return None
    places = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in places for p in parameters)

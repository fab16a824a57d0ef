"""Tables that programs and plugins add to: custom operators, backends, formats.

What is registered while `recording` is in force can be taken back in one go, which is how a plugin
is unloaded.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Generic, TypeVar

from pyflame_rt.errors import ValidationError

T = TypeVar("T")
Undo = Callable[[], None]

_RECORDS: ContextVar[list[Undo] | None] = ContextVar("records", default=None)


@contextmanager
def recording() -> Generator[list[Undo]]:
    """A list of what undoes, last first, each registration made while the context lasts.

    When the body raises, they are undone at once.
    """
    undone: list[Undo] = []
    token = _RECORDS.set(undone)
    try:
        yield undone
    except BaseException:
        undo_all(undone)
        raise
    finally:
        _RECORDS.reset(token)


def undo_all(undos: list[Undo]) -> None:
    """Take back registrations, the last one first; the list is empty afterwards."""
    while undos:
        undos.pop()()


def note(undo: Undo) -> None:
    """Say how to take back a registration that was just made."""
    if (records := _RECORDS.get()) is not None:
        records.append(undo)


class Registry(Generic[T]):
    """Values by name, in the order of registration; may be used from several threads.

    `what` says in errors what the names are of: `custom operator`.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._entries: dict[str, T] = {}
        self._lock = threading.RLock()

    def add(self, name: str, value: T) -> None:
        """Register a value. Raises ValidationError when the name is taken."""
        with self._lock:
            if name in self._entries:
                raise ValidationError(
                    "is registered already", where=f'{self._what} "{name}"', hint="unregister it"
                )
            self._entries[name] = value
        note(lambda: self._drop(name, value))

    def remove(self, name: str) -> bool:
        """Forget a name; whether it was known."""
        with self._lock:
            return self._entries.pop(name, None) is not None

    def get(self, name: str) -> T | None:
        """The value of that name."""
        return self._entries.get(name)

    def names(self) -> tuple[str, ...]:
        """The names, in the order of registration."""
        with self._lock:
            return tuple(self._entries)

    def values(self) -> tuple[T, ...]:
        """The values, in the order of registration."""
        with self._lock:
            return tuple(self._entries.values())

    def _drop(self, name: str, value: T) -> None:
        # Somebody may have unregistered it, and registered another.
        with self._lock:
            if self._entries.get(name) is value:
                del self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

"""The backends there are: ours, and those that programs and plugins register."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import TypeAlias, cast

from xdsl.ir import Operation

from pyflame_rt.backends.base import Backend
from pyflame_rt.dialects.targets import TARGETS
from pyflame_rt.errors import BackendError
from pyflame_rt.registrations import Registry, note

Factory: TypeAlias = Callable[[], Backend]
Options: TypeAlias = Mapping[str, str]

_OURS = {
    "numpy": "pyflame_rt.backends.numpy_backend:NumpyBackend",
    "reference": "pyflame_rt.backends.reference:ReferenceBackend",
}
_WAFER = {
    "wse2": "pyflame_rt.backends.wse.backend:Wse2Backend",
    "wse3": "pyflame_rt.backends.wse.backend:Wse3Backend",
    "wse3-si": "pyflame_rt.backends.wse.backend:Wse3SiliconBackend",
}
"""The simulated machines, each backend for one compiled model."""


class BackendRegistry:
    """Backends by name, each made by its factory when it is first asked for.

    A name may be an execution provider's: `MyExecutionProvider`.
    """

    def __init__(self) -> None:
        self._factories: Registry[Factory] = Registry("backend")
        self._running: dict[tuple[str, tuple[tuple[str, str], ...]], Backend] = {}
        self._lock = threading.RLock()

    @staticmethod
    def instance() -> BackendRegistry:
        """The registry."""
        return _instance()

    def register_backend(self, name: str, factory: Factory) -> None:
        """Make a backend known. Its code runs when it is asked for.

        Raises ValidationError when the name is taken, BackendError for one of PyFlameRT's own.
        """
        if name in _OURS or name in _WAFER:
            raise BackendError("is a backend of PyFlameRT", where=f'backend "{name}"')
        self._factories.add(name, factory)
        TARGETS.add(name, lambda op: self._supports(name, op))
        note(lambda: self._shut_down(name))

    def unregister_backend(self, name: str) -> bool:
        """Shut a backend down and forget it; whether it was known."""
        if not self._factories.remove(name):
            return False
        TARGETS.remove(name)
        self._shut_down(name)
        return True

    def create(self, name: str, options: Options | None = None) -> Backend | None:
        """The backend of that name, initialised with these options; None when it is unknown.

        The same options give the same backend. Raises BackendError when it cannot start.
        """
        if name in _OURS:
            module, _, attribute = _OURS[name].partition(":")
            return cast(Factory, getattr(import_module(module), attribute))()
        if name in _WAFER:
            module, _, attribute = _WAFER[name].partition(":")
            wafer = cast(Factory, getattr(import_module(module), attribute))()
            wafer.initialize(options or {})
            return wafer
        factory = self._factories.get(name)
        if factory is None:
            return None
        given = dict(options or {})
        key = (name, tuple(sorted(given.items())))
        with self._lock:
            if (backend := self._running.get(key)) is None:
                backend = self._running[key] = _started(name, factory, given)
            return backend

    def available_backends(self) -> list[str]:
        """The names of all backends, ours first."""
        return [*_OURS, *_WAFER, *self._factories]

    def registered_backends(self) -> list[str]:
        """The names of those that were registered."""
        return list(self._factories)

    def _supports(self, name: str, op: Operation) -> bool:
        with self._lock:
            running = next((b for (n, _), b in self._running.items() if n == name), None)
        backend = running or self.create(name)
        return backend is not None and backend.supports(op)

    def _shut_down(self, name: str) -> None:
        with self._lock:
            for key in [key for key in self._running if key[0] == name]:
                self._running.pop(key).shutdown()


def _started(name: str, factory: Factory, options: dict[str, str]) -> Backend:
    where = f'backend "{name}"'
    try:
        backend = factory()
        started: object = backend.initialize(options)
    except (Exception, SystemExit) as error:
        why = f"cannot be started: {error or type(error).__name__}"
        raise BackendError(why, where=where) from error
    if started is False:
        raise BackendError("cannot be started: its device did not initialise", where=where)
    return backend


@cache
def _instance() -> BackendRegistry:
    return BackendRegistry()


def backend_names() -> tuple[str, ...]:
    """The names of the backends of PyFlameRT."""
    return tuple(_OURS)


def get_backend(name: str, options: Options | None = None) -> Backend:
    """The backend of that name; its code is imported now. Raises BackendError when unknown."""
    registry = BackendRegistry.instance()
    backend = registry.create(name, options)
    if backend is None:
        known = registry.available_backends()
        raise BackendError(f'there is no backend "{name}"', hint=f"use {' or '.join(known)}")
    return backend

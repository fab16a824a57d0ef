"""Plugins: code that adds operators, backends and formats, and can be taken out again.

A plugin is a class that an installed package names as an entry point of the group
`pyflame_rt.plugins`, that code registers by `register_plugin`, or that `load_plugin` is told by
`module:Class`; or a Python file, which is run as it is. What it registers is its own: unloading it
takes that back. Nothing is loaded unless it is asked for by name.
"""

from __future__ import annotations

import runpy
import threading
import traceback
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, TypeVar, cast

from xdsl.universe import Universe

from pyflame_rt import registrations, requirements
from pyflame_rt.errors import ModelNotFoundError, PyFlameRTError, ValidationError
from pyflame_rt.files import write_text

GROUP = "pyflame_rt.plugins"
"""The entry point group."""


class PluginError(ValidationError):
    """A plugin cannot be found, loaded or unloaded."""


class Plugin(ABC):
    """Base class of plugins.

    `dependencies` are other plugins, which are loaded first; `requires` are installed packages,
    with the least version if that matters: `("numpy>=1.26", "pyflame-rt>=0.1")`.
    """

    name: str = "unnamed-plugin"
    version: str = "0.0.0"
    description: str = ""
    dependencies: list[str] = []
    requires: list[str] = []

    @abstractmethod
    def setup(self) -> None:
        """Register what the plugin brings."""

    def teardown(self) -> None:  # noqa: B027
        """Release what `setup` acquired; registrations are taken back without it."""

    def get_custom_ops(self) -> dict[str, Any]:
        """Functions by operator name, each registered as `custom_op(name)` does."""
        return {}

    def get_integrations(self) -> dict[str, Any]:
        """Objects that other programs ask the plugin for, by name."""
        return {}


P = TypeVar("P", bound=type[Plugin])


@dataclass(frozen=True)
class _Loaded:
    plugin: Plugin
    undo: list[registrations.Undo]
    file: str = ""


class _Plugins:
    """What is known and what is loaded."""

    def __init__(self) -> None:
        self.known: dict[str, type[Plugin]] = {}
        self.loaded: dict[str, _Loaded] = {}
        self.lock = threading.RLock()


@cache
def _plugins() -> _Plugins:
    return _Plugins()


def register_plugin(plugin_class: P) -> P:
    """Make a plugin known by its name; a decorator. It is loaded by `load_plugin`."""
    known = _plugins().known
    known[plugin_class.name] = plugin_class
    registrations.note(lambda: _forget(plugin_class))
    return plugin_class


def load_plugin(name: str) -> Plugin:
    """Load a plugin: the name of one that is registered or installed, `module:Class`, or a `.py`
    file. One that is loaded already is returned as it is.

    Raises PluginError when there is none, when something it needs is missing, and when it fails;
    nothing that it registered is left then.
    """
    if name.endswith(".py"):
        return load_plugin_file(name)
    with _plugins().lock:
        return _load(name, ())


def load_plugin_file(path: str) -> Plugin:
    """Run a Python file, which registers what it brings, and plugins that it defines are loaded.

    Raises PluginError that says which line failed, ModelNotFoundError when there is no such file.
    """
    file = Path(path)
    if not file.is_file():
        raise ModelNotFoundError("no such file", where=path, hint="check the path")
    state = _plugins()
    name = str(file.resolve())
    with state.lock:
        if name in state.loaded:
            return state.loaded[name].plugin
        before = set(state.known)
        with registrations.recording() as undo:
            try:
                runpy.run_path(path, run_name=file.stem)
            except PyFlameRTError as error:
                raise PluginError(str(error), where=_place(path, error)) from error
            except (Exception, SystemExit) as error:
                raise PluginError(_told(error), where=_place(path, error)) from error
            defined = [known for known in state.known if known not in before]
            for known in defined:
                if known not in state.loaded:
                    _load(known, ())
                    undo.append(partial(_unload, known))
        plugin = _FilePlugin(name, defined)
        state.loaded[name] = _Loaded(plugin, undo, path)
        return plugin


def unload_plugin(name: str) -> bool:
    """Take back what a plugin registered; whether it was loaded. A file is named by its path.

    Raises PluginError while another plugin depends on it, and when its teardown fails, after which
    it is unloaded all the same.
    """
    state = _plugins()
    with state.lock:
        if name.endswith(".py"):
            name = str(Path(name).resolve())
        if name not in state.loaded:
            return False
        users = [n for n, other in state.loaded.items() if name in other.plugin.dependencies]
        if users:
            raise PluginError(f"is needed by {', '.join(users)}", where=_where(name))
        loaded = state.loaded.pop(name)
        try:
            loaded.plugin.teardown()
        except (Exception, SystemExit) as error:
            raise PluginError(f"its teardown failed: {_told(error)}", where=_where(name)) from error
        finally:
            registrations.undo_all(loaded.undo)
        return True


def list_plugins() -> list[dict[str, Any]]:
    """Name, version and description of each plugin that is loaded, in the order of loading."""
    with _plugins().lock:
        plugins = [loaded.plugin for loaded in _plugins().loaded.values()]
    return [{"name": p.name, "version": p.version, "description": p.description} for p in plugins]


def available_plugins() -> list[str]:
    """The names of plugins that `load_plugin` finds: registered ones, and entry points."""
    return sorted({*_plugins().known, *_entry_points()})


def loaded_files() -> list[str]:
    """The paths of the files that were loaded as plugins, as they were given."""
    with _plugins().lock:
        return [loaded.file for loaded in _plugins().loaded.values() if loaded.file]


def loadable_names() -> list[str]:
    """What `load_plugin` takes, in another process of this machine, for the plugins loaded here.

    Those that a program's own script defines are not among them: nobody else can import it.
    """
    with _plugins().lock:
        loaded = list(_plugins().loaded.items())
    defined = {name for _, entry in loaded for name in _defined(entry.plugin)}
    given: list[str] = []
    for name, entry in loaded:
        kind = type(entry.plugin)
        if entry.file:
            given.append(name)
        elif name not in defined and kind.__module__ != "__main__":
            given.append(f"{kind.__module__}:{kind.__qualname__}")
    return given


def write_files(folder: Path) -> list[str]:
    """Copy the files that were loaded as plugins into a folder; what `--load-plugin` takes there.

    Those are the copies' names, and the names of plugins that come from no file.
    """
    with _plugins().lock:
        loaded = list(_plugins().loaded.items())
    defined = {name for _, entry in loaded for name in _defined(entry.plugin)}
    given: list[str] = []
    for name, entry in loaded:
        if entry.file:
            copy = folder / f"plugin_{len(given)}_{Path(name).name}"
            write_text(copy, Path(name).read_text(encoding="utf-8"))
            given.append(copy.name)
        elif name not in defined:
            given.append(name)
    return given


def _defined(plugin: Plugin) -> list[str]:
    return plugin.defines if isinstance(plugin, _FilePlugin) else []


def register_universe(universe: Universe) -> None:
    """Add a plugin's dialects, passes and targets, as xDSL's entry point `xdsl.universe` would.

    Raises PyFlameRTError when one of its names is taken.
    """
    from pyflame_rt import universe as ours

    ours.extend(universe)


class _FilePlugin(Plugin):
    """A file of code."""

    def __init__(self, name: str, defines: list[str]) -> None:
        self.name = name
        self.description = "a file"
        self.defines = defines

    def setup(self) -> None:
        """Nothing: the file has run."""


def _load(name: str, above: tuple[str, ...]) -> Plugin:
    state = _plugins()
    if name in state.loaded:
        return state.loaded[name].plugin
    if name in above:
        circle = " needs ".join((*above[above.index(name) :], name))
        raise PluginError(f"plugins need each other: {circle}", where=_where(name))
    plugin = _made(name)
    if plugin.name in state.loaded:
        return state.loaded[plugin.name].plugin
    for requirement in plugin.requires:
        if why := requirements.problem(requirement):
            raise PluginError(f"needs {requirement}, but {why}", where=_where(plugin.name))
    for other in plugin.dependencies:
        if other not in state.loaded and other not in available_plugins():
            raise PluginError(f'needs the plugin "{other}", which there is not', where=_where(name))
        _load(other, (*above, name))
    with registrations.recording() as undo:
        try:
            plugin.setup()
            _register_ops(plugin)
        except (Exception, SystemExit) as error:
            raise PluginError(f"its setup failed: {_told(error)}", where=_where(name)) from error
    state.loaded[plugin.name] = _Loaded(plugin, undo)
    return plugin


def _unload(name: str) -> None:
    unload_plugin(name)


def _made(name: str) -> Plugin:
    kind = _plugins().known.get(name) or _found(name)
    if not (isinstance(kind, type) and issubclass(kind, Plugin)):
        raise PluginError("is no subclass of pyflame_rt.plugins.Plugin", where=_where(name))
    try:
        return kind()
    except (Exception, SystemExit) as error:
        raise PluginError(f"cannot be made: {_told(error)}", where=_where(name)) from error


def _found(name: str) -> object:
    point = _entry_points().get(name)
    try:
        if point is not None:
            return cast(object, point.load())
        module, _, attribute = name.partition(":")
        if not attribute and "." not in name:
            known = ", ".join(available_plugins()) or "none"
            raise PluginError(
                "there is no such plugin",
                where=_where(name),
                hint=f"there are: {known}; others are given as module:Class or a .py file",
            )
        return getattr(import_module(module), attribute or "Plugin")
    except PluginError:
        raise
    except (Exception, SystemExit) as error:
        raise PluginError(f"cannot be imported: {_told(error)}", where=_where(name)) from error


def _entry_points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _register_ops(plugin: Plugin) -> None:
    functions = plugin.get_custom_ops()
    if functions:
        from pyflame_rt.custom import register_custom_op

        for name, function in functions.items():
            register_custom_op(name, function)


def _forget(plugin_class: type[Plugin]) -> None:
    known = _plugins().known
    if known.get(plugin_class.name) is plugin_class:
        del known[plugin_class.name]


def _where(name: str) -> str:
    return f'plugin "{name}"'


def _told(error: BaseException) -> str:
    if isinstance(error, PyFlameRTError):
        return str(error)
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _place(path: str, error: BaseException) -> str:
    """The file, and the last of its lines that ran."""
    if isinstance(error, SyntaxError) and error.filename == path:
        return f"{path}:{error.lineno}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == path]
    return f"{path}:{frames[-1].lineno}" if frames else path

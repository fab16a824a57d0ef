"""Options of one run, under the names of the documentation and of ONNX Runtime."""

from __future__ import annotations

from typing import Any

from pyflame_rt import logs
from pyflame_rt.ort.errors import NotImplemented as Unsupported
from pyflame_rt.settings import Entries, Setting, Settings, flag, incompatible, number, text


def _milliseconds(value: Any) -> float | None:
    return None if value is None else float(value)


class RunOptions(Settings):
    """How one call of `run` behaves; may be used for several, also at the same time.

    `terminate` and `timeout_ms` are looked at between the operators of a run that is given
    options; a run without options does not spend the time.
    """

    terminate = flag(
        False,
        "Set to True, by any thread, to end the runs that use these options: they raise Fail.",
    )
    timeout_ms: Setting[float | None] = Setting(
        None, _milliseconds, "float", "Milliseconds after which a run fails; None for no limit."
    )
    tag = text("", "What the run is called in the profile.")
    logid = text("", "What the run is called in the log.")
    log_severity_level = number(
        logs.DEFAULT, "Least severity that is logged: 0 verbose to 4 fatal; -1: as the session's."
    )
    log_verbosity_level = number(0, "Accepted and without effect.")
    only_execute_path_to_fetches = flag(
        False, "Whether operators that the requested outputs do not need are left out."
    )

    def __init__(self) -> None:
        self._entries = Entries("RunOptions")

    @property
    def log_level(self) -> str | None:
        """`log_severity_level` by its documented name; None: as the session's."""
        level = self.log_severity_level
        return None if level == logs.DEFAULT else logs.name_of(level)

    @log_level.setter
    def log_level(self, name: str | None) -> None:
        self.log_severity_level = logs.DEFAULT if name is None else logs.severity_of(name)

    def add_run_config_entry(self, key: str, value: str) -> None:
        """Set an entry by key. Raises ArgumentTypeError, SettingError."""
        self._entries.add("add_run_config_entry", self, key, value)

    def get_run_config_entry(self, key: str) -> str:
        """An entry. Raises SettingError when there is none."""
        return self._entries.get(key)

    def add_active_adapter(self, adapter: object) -> None:
        """Raises NotImplemented: there are no adapters."""
        raise Unsupported("LoRA adapters are not supported")


def require_run_options(given: object, *call: object) -> RunOptions | None:
    """The options of a call of `run`. Raises ArgumentTypeError for another kind of object."""
    if given is None or isinstance(given, RunOptions):
        return given
    raise run_mismatch(*call, given)


def run_mismatch(*call: object) -> Exception:
    """The error of a call of `run` with arguments of wrong types."""
    state = "pyflame_rt.capi.onnxruntime_pybind11_state"
    return incompatible(
        "run",
        f"(self: {state}.InferenceSession, arg0: collections.abc.Sequence[str], "
        f"arg1: collections.abc.Mapping[str, object], arg2: {state}.RunOptions) -> list",
        *call,
    )

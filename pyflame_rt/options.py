"""Options of a session, under the names of the documentation and of ONNX Runtime."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, SupportsIndex, cast

from pyflame_rt import logs
from pyflame_rt.errors import SettingError
from pyflame_rt.ort import embedding, providers
from pyflame_rt.ort.enums import ExecutionMode, ExecutionOrder, GraphOptimizationLevel
from pyflame_rt.ort.errors import NotImplemented as Unsupported
from pyflame_rt.ort.value import OrtValue
from pyflame_rt.settings import (
    Entries,
    Setting,
    Settings,
    flag,
    incompatible,
    member,
    number,
    text,
)

if TYPE_CHECKING:
    from pyflame_rt.quantization.config import QuantConfig

__all__ = ["GraphOptimizationLevel", "OptLevel", "SessionOptions"]

_STATE = "pyflame_rt.capi.onnxruntime_pybind11_state"
_LEVEL_OF = {
    GraphOptimizationLevel.ORT_DISABLE_ALL: 0,
    GraphOptimizationLevel.ORT_ENABLE_BASIC: 1,
    GraphOptimizationLevel.ORT_ENABLE_EXTENDED: 2,
    GraphOptimizationLevel.ORT_ENABLE_LAYOUT: 3,
    GraphOptimizationLevel.ORT_ENABLE_ALL: 3,
}


class OptLevel(IntEnum):
    """The documentation's names for optimization levels."""

    NONE = 0
    BASIC = 1
    EXTENDED = 2
    ALL = 3


def _anything(value: Any) -> Any:
    return value


def _quantization(value: object) -> QuantConfig | None:
    if value is None:
        return None
    from pyflame_rt.quantization.config import QuantConfig

    if not isinstance(value, QuantConfig):
        raise TypeError(value)
    return value


def _function(value: Any) -> Any:
    if value is not None and not callable(value):
        raise TypeError(value)
    return value


def _path(value: str | os.PathLike[str]) -> str:
    return os.fspath(value)


class SessionOptions(Settings):
    """How a session compiles and runs a model.

    `optimization_level` is 0-3 (default 2); `graph_optimization_level` is the same setting in ONNX
    Runtime's spelling, and the last one set wins. `specialize_after` is the number of runs with one
    input signature before the model is compiled for it (0: never; a new signature runs on the
    dynamic plan at once), by a thread of its own; where nothing but the batch is open, the first
    signature is compiled before its first run. `max_specialized_plans` bounds how many such
    plans are kept; the least recently used is dropped, and runs count only as long as no more other
    signatures than that came between them.

    `skip_passes` are passes of the level that are left out (`cse`, or the documentation's `CSEPass`);
    `verbose_optimization` says what each pass did; `validate_after_pass` verifies the model after
    each pass; `optimized_model_filepath` is a file that the optimised model is saved to.

    `quantization` is a `QuantConfig`: the model is quantized when the session is made, a static one by
    what its values hold on `calibration_batches` feeds that `calibration_data` returns.
    """

    device: Setting[str] = text("cpu", "The device the model runs on.")
    intra_op_num_threads = number(0, "Threads of a run; 0: as many as there are cores.")
    inter_op_num_threads = number(0, "Accepted: `intra_op_num_threads` are all there are.")
    execution_mode = member(
        ExecutionMode.ORT_SEQUENTIAL, "Whether independent parts of the graph run side by side."
    )
    execution_order = member(ExecutionOrder.DEFAULT, "Accepted: operators run in the plan's order.")
    enable_cpu_mem_arena = flag(True, "Accepted: buffers of static shape lie in one arena.")
    enable_mem_pattern = flag(True, "Accepted: the arena is laid out when a plan is made.")
    enable_mem_reuse = flag(True, "Accepted: buffers share memory when their lifetimes allow it.")
    use_deterministic_compute = flag(False, "Accepted: a plan computes the same in every run.")
    use_per_session_threads = flag(True, "Accepted.")
    enable_profiling = flag(False, "Whether runs are recorded, until `end_profiling`.")
    profile_file_prefix = text("pyflame_rt_profile_", "What the profile's file name begins with.")
    log_severity_level = number(
        logs.DEFAULT, "Least severity that is logged: 0 verbose to 4 fatal; -1: the default."
    )
    log_verbosity_level = number(0, "Accepted and without effect.")
    logid = text("", "What the session is called in the log.")
    memory_limit = number(0, "Bytes that a run may take beside weights and inputs; 0: no limit.")
    specialize_after = number(2, "Runs of one signature before the model is compiled for it.")
    max_specialized_plans = number(8, "Signatures for which compiled models are kept.")
    skip_passes: Setting[Sequence[str]] = Setting((), _anything, "list[str]", "Passes left out.")
    verbose_optimization = flag(False, "Whether each pass says what it did.")
    validate_after_pass = flag(False, "Whether the model is verified after each pass.")
    optimized_model_filepath = Setting("", _path, "str", "Where the optimised model is saved.")
    quantization: Setting[QuantConfig | None] = Setting(
        None, _quantization, "QuantConfig", "How the model is quantized; None: it is not."
    )
    calibration_data: Setting[Callable[[], Mapping[str, Any]] | None] = Setting(
        None, _function, "Callable[[], dict]", "Gives a feed that static quantization observes."
    )
    calibration_batches = number(0, "Feeds that are observed; 0: as many as the config says.")

    def __init__(self) -> None:
        self._level = 2
        self._spelled: GraphOptimizationLevel | None = None
        self._entries = Entries("SessionOptions")
        self._free_dimensions: dict[str, int] = {}
        self._denoted_dimensions: dict[str, int] = {}
        self._initializers: dict[str, OrtValue] = {}
        self._files: dict[str, memoryview] = {}
        self._providers: dict[str, dict[str, str]] = {}
        self._cancelled = False

    @property
    def optimization_level(self) -> int:
        """0: none, 1: folding and cleanup, 2: with common subexpressions and fusion, 3: everything."""
        return self._level

    @optimization_level.setter
    def optimization_level(self, level: int) -> None:
        self._level, self._spelled = int(level), None

    @property
    def graph_optimization_level(self) -> GraphOptimizationLevel:
        """The level in ONNX Runtime's spelling; level 3 reads as ORT_ENABLE_ALL."""
        if self._spelled is not None:
            return self._spelled
        if self._level >= 3:
            return GraphOptimizationLevel.ORT_ENABLE_ALL
        return GraphOptimizationLevel(self._level)

    @graph_optimization_level.setter
    def graph_optimization_level(self, level: GraphOptimizationLevel) -> None:
        if not isinstance(level, GraphOptimizationLevel):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise incompatible(
                "",
                f"(arg0: {_STATE}.SessionOptions, arg1: {_STATE}.GraphOptimizationLevel) -> None",
                self,
                level,
            )
        self._level, self._spelled = _LEVEL_OF[level], level

    @property
    def num_threads(self) -> int:
        """`intra_op_num_threads` by its documented name."""
        return self.intra_op_num_threads

    @num_threads.setter
    def num_threads(self, count: int) -> None:
        self.intra_op_num_threads = count

    @property
    def log_level(self) -> str:
        """`log_severity_level` by its documented name."""
        return logs.name_of(self.log_severity_level)

    @log_level.setter
    def log_level(self, name: str) -> None:
        self.log_severity_level = logs.severity_of(name)

    @property
    def free_dimensions(self) -> Mapping[str, int]:
        """Sizes of symbolic dimensions that were given by name."""
        return self._free_dimensions

    @property
    def denoted_dimensions(self) -> Mapping[str, int]:
        """Sizes of dimensions that were given by what they denote."""
        return self._denoted_dimensions

    @property
    def initializers(self) -> Mapping[str, OrtValue]:
        """What replaces initializers of the model."""
        return self._initializers

    @property
    def files(self) -> Mapping[str, memoryview]:
        """The contents of files of external data."""
        return self._files

    @property
    def added_providers(self) -> Mapping[str, dict[str, str]]:
        """Providers that were added, with their options."""
        return self._providers

    @property
    def load_is_cancelled(self) -> bool:
        """Whether no session is to be made of these options any more."""
        return self._cancelled

    def add_session_config_entry(self, key: str, value: str) -> None:
        """Set an entry by key. Raises ArgumentTypeError, SettingError."""
        self._entries.add("add_session_config_entry", self, key, value)

    def get_session_config_entry(self, key: str) -> str:
        """An entry. Raises SettingError when there is none."""
        return self._entries.get(key)

    def add_free_dimension_override_by_name(self, name: str, size: int) -> None:
        """Give a symbolic dimension of the model's inputs a size; one that has no such is as it is.

        Raises ArgumentTypeError.
        """
        _add_size(self, "add_free_dimension_override_by_name", self._free_dimensions, name, size)

    def add_free_dimension_override_by_denotation(self, denotation: str, size: int) -> None:
        """Give the dimensions of an ONNX model's inputs that denote the same, `DATA_BATCH`, a size.

        Raises ArgumentTypeError.
        """
        function = "add_free_dimension_override_by_denotation"
        _add_size(self, function, self._denoted_dimensions, denotation, size)

    def add_initializer(self, name: str, ortvalue: OrtValue) -> None:
        """Replace what the model has as the initializer of that name; ignored where it has none.

        The value is not copied, and must have the initializer's type and shape.
        Raises SettingError for what is no OrtValue.
        """
        if not isinstance(ortvalue, OrtValue):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise SettingError("The provided Python object must be an OrtValue")
        self._initializers[name] = ortvalue

    def add_external_initializers(
        self, names: Sequence[str], ortvalues: Sequence[OrtValue]
    ) -> None:
        """`add_initializer` for several. Raises SettingError."""
        if len(names) != len(ortvalues):
            raise SettingError("Expecting names and ort_values lists to have equal length")
        for name, value in zip(names, ortvalues, strict=True):
            self.add_initializer(name, value)

    def add_provider(self, name: str, options: Mapping[str, str]) -> None:
        """Ask for a provider. Raises SettingError for one that does not exist."""
        if name not in providers.get_all_providers():
            raise SettingError(f"Unknown Provider Type: {name}")
        self._providers[name] = dict(options)

    def has_providers(self) -> bool:
        """Whether a provider was added."""
        return bool(self._providers)

    def set_load_cancellation_flag(self, cancelled: bool) -> None:
        """With True, making a session of these options raises ModelLoadCanceled."""
        self._cancelled = bool(cancelled)

    def register_custom_ops_library(self, path: str) -> NoReturn:
        """Raises NotImplemented: operators are written in Python."""
        raise Unsupported(
            f"{path} cannot be loaded: there are no libraries of compiled operators; "
            "register operators written in Python with pyflame_rt.custom"
        )

    def add_external_initializers_from_files_in_memory(
        self, names: Sequence[str], buffers: Sequence[object], lengths: Sequence[int]
    ) -> None:
        """Give the contents of files that hold external data of an ONNX model; they are copied when
        a session is made. Raises SettingError, ArgumentTypeError."""
        if not len(names) == len(buffers) == len(lengths):
            raise SettingError(
                "add_external_initializers_from_files_in_memory: expecting 'names', 'buffers' and "
                "'lengths' to have equal length"
            )
        for name, buffer, length in zip(names, buffers, lengths, strict=True):
            try:
                self._files[name] = embedding.memory(buffer, length)
            except (TypeError, ValueError) as error:
                raise incompatible(
                    "add_external_initializers_from_files_in_memory",
                    f"(self: {_STATE}.SessionOptions, arg0: collections.abc.Sequence[str], "
                    "arg1: collections.abc.Sequence[typing_extensions.Buffer], "
                    "arg2: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex]) "
                    "-> None",
                    self,
                    names,
                    buffers,
                    lengths,
                ) from error

    def add_provider_for_devices(self, *arguments: object) -> NoReturn:
        """Raises NotImplemented: providers are asked for by name."""
        raise _no_devices()

    def set_provider_selection_policy(self, *arguments: object) -> NoReturn:
        """Raises NotImplemented: providers are asked for by name."""
        raise _no_devices()

    def set_provider_selection_policy_delegate(self, *arguments: object) -> NoReturn:
        """Raises NotImplemented: providers are asked for by name."""
        raise _no_devices()

    def set_ep_context_data_read_func(self, *arguments: object) -> NoReturn:
        """Raises NotImplemented: there are no models compiled for a provider."""
        raise Unsupported("models compiled for an execution provider are not supported")

    def clear_ep_context_data_read_func(self) -> None:
        """Without effect: there is no such function."""

    def validate(self) -> list[str]:
        """What is wrong with the values, one sentence each; empty when they are fine."""
        from pyflame_rt.passes import optimization_levels

        problems: list[str] = []
        if self.device not in providers.DEVICES:
            known = ", ".join(providers.DEVICES)
            problems.append(f'device "{self.device}" is not available; available: {known}')
        if self._level not in range(4):
            problems.append(f"optimization_level {self._level} is not in 0..3")
        if self.specialize_after < 0:
            problems.append(f"specialize_after {self.specialize_after} is negative")
        if self.max_specialized_plans < 1:
            problems.append(f"max_specialized_plans {self.max_specialized_plans} is below 1")
        if self.memory_limit < 0:
            problems.append(f"memory_limit {self.memory_limit} is negative")
        if self.log_severity_level not in range(logs.DEFAULT, len(logs.LEVELS)):
            problems.append(f"log_severity_level {self.log_severity_level} is not in -1..4")
        if self.calibration_batches < 0:
            problems.append(f"calibration_batches {self.calibration_batches} is negative")
        if self.quantization is not None and (why := self.quantization.validation_error()):
            problems.append(f"quantization: {why}")
        if isinstance(self.skip_passes, str):
            problems.append(f'skip_passes is a list of names, not the string "{self.skip_passes}"')
        else:
            problems += optimization_levels.problems(0, self.skip_passes)
        return problems + self._problems_of_file()

    def _problems_of_file(self) -> list[str]:
        path = self.optimized_model_filepath
        if not path or Path(path).suffix.lower() in _writers():
            return []
        kind = Path(path).suffix or "no extension"
        known = " or ".join(_writers())
        return [f"optimized_model_filepath {path} must end in {known}; {kind} cannot be written"]


def _writers() -> tuple[str, ...]:
    from pyflame_rt.module_files import savers

    return tuple(savers())


def _add_size(
    options: SessionOptions, function: str, sizes: dict[str, int], name: object, size: object
) -> None:
    if not isinstance(name, str) or not hasattr(size, "__index__"):
        raise incompatible(
            function,
            f"(self: {_STATE}.SessionOptions, arg0: str, "
            "arg1: typing.SupportsInt | typing.SupportsIndex) -> None",
            options,
            name,
            size,
        )
    sizes[name] = operator.index(cast(SupportsIndex, size))


def _no_devices() -> Unsupported:
    return Unsupported("devices are not enumerated; ask for providers by name")

"""Execution providers: which there are, which a session was asked for, and what else there is of
global functions in ONNX Runtime's API."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

from pyflame_rt.errors import SettingError
from pyflame_rt.logs import LEVELS

Provider: TypeAlias = str | tuple[str, dict[str, Any]]

CPU = "CPUExecutionProvider"
WAFER = "WSEExecutionProvider"
"""The simulated wafer; its options are those of `backends.wse.backend`. It is never used unasked."""
DEVICES = ("cpu", "wse", "wse2", "wse3", "wse3-si")
"""What `SessionOptions.device` may be."""
_SUFFIX = "ExecutionProvider"
_STACK = 4
"""Where the caller of a session's constructor stands, seen from `normalized`."""


def get_available_providers() -> list[str]:
    """The execution providers that a session can use: backends that were registered under such a
    name, and the CPU's."""
    from pyflame_rt.backends.registry import BackendRegistry

    registered = BackendRegistry.instance().registered_backends()
    return [*(name for name in registered if name.endswith(_SUFFIX)), CPU]


def get_all_providers() -> list[str]:
    """The execution providers there are, available or not."""
    return [*get_available_providers(), WAFER]


def backend_of(providers: Sequence[str]) -> str:
    """The backend that runs a session with these providers, the first one first."""
    if not providers or providers[0] == CPU:
        return "numpy"
    return "wse2" if providers[0] == WAFER else providers[0]


def for_device(
    device: str,
    providers: Sequence[Provider] | None,
    provider_options: Sequence[dict[str, Any]] | None,
) -> tuple[Sequence[Provider] | None, Sequence[dict[str, Any]] | None]:
    """What a session on a device was asked for: on a wafer its provider, unless others are named."""
    if device == "cpu" or providers is not None:
        return providers, provider_options
    given = dict(provider_options[0]) if provider_options else {}
    if device != "wse":
        given.setdefault("machine", device)
    return [WAFER], [given]


def get_device() -> str:
    """The device that sessions run on by default."""
    return "CPU"


def get_device_count(device_type: str) -> int:
    """How many devices of a type there are: "cpu" is one, of others those of registered backends."""
    from pyflame_rt.backends.registry import BackendRegistry

    if device_type == "cpu":
        return 1
    registry = BackendRegistry.instance()
    backends = [registry.create(name) for name in registry.registered_backends()]
    return sum(b is not None and b.device_type == device_type for b in backends)


def get_version_string() -> str:
    """The version of PyFlameRT."""
    from pyflame_rt import __version__

    return __version__


def get_build_info() -> str:
    """What this is a build of."""
    return f"PyFlameRT {get_version_string()}"


def has_collective_ops() -> bool:
    """False: operators of several processes do not exist."""
    return False


def set_seed(seed: int) -> None:
    """Accepted and without effect: random operators without a seed draw from the system's."""


def set_default_logger_severity(severity: int) -> None:
    """What sessions log unless their options say otherwise: 0 everything, 2 warnings, 4 nothing
    but what is fatal. Raises SettingError for another number."""
    if severity not in range(len(LEVELS)):
        raise SettingError(
            "Invalid logging severity. 0:Verbose, 1:Info, 2:Warning, 3:Error, 4:Fatal"
        )
    logging.getLogger("pyflame_rt").setLevel(LEVELS[severity])


def set_default_logger_verbosity(verbosity: int) -> None:
    """Accepted and without effect: there is one level of detail below information."""


def disable_telemetry_events() -> None:
    """Without effect: there is no telemetry."""


def enable_telemetry_events() -> None:
    """Without effect: there is no telemetry."""


def normalized(
    providers: Sequence[Provider] | None,
    provider_options: Sequence[dict[str, Any]] | None,
    added: Mapping[str, Mapping[str, str]],
) -> dict[str, dict[str, str]]:
    """The options of each available provider that a session was asked for, the CPU's at the end.

    As in ONNX Runtime, one that is not available is warned about and left out, and so is one that
    is named twice. `added` are those of the session's options, which count when none is given here.
    Arguments that make no sense are warned about too, and the CPU's provider is used.
    """
    found: dict[str, dict[str, str]] = {}
    available = get_available_providers()
    try:
        given = _pairs(providers, provider_options)
    except ValueError as error:
        _warn(f"{error} Falling back to ['{CPU}'].")
        return {CPU: {}}
    for name, options in given or added.items():
        if name not in (*available, WAFER):
            _warn(
                f"Specified provider '{name}' is not in available provider names."
                f"Available providers: '{', '.join(available)}'"
            )
        elif name in found:
            _warn(f"Duplicate provider '{name}' encountered, ignoring.")
        else:
            found[name] = {str(key): str(value) for key, value in options.items()}
    found.setdefault(CPU, {})
    return found


def _warn(text: str) -> None:
    warnings.warn(text, UserWarning, stacklevel=_STACK)


def _pairs(
    providers: Sequence[Provider] | None, provider_options: Sequence[dict[str, Any]] | None
) -> list[tuple[str, dict[str, Any]]]:
    if providers is None:
        return []
    if isinstance(providers, str):
        raise ValueError(f"'providers' should be a list of names, not the string \"{providers}\".")
    if not isinstance(cast(object, providers), Sequence):
        raise ValueError("'providers' should be a sequence.")
    if provider_options is None:
        return [_pair(entry) for entry in providers]
    if len(providers) != len(provider_options):
        raise ValueError(
            "'providers' and 'provider_options' should be the same length if both are given."
        )
    if not all(isinstance(provider, str) for provider in providers):
        raise ValueError(
            "Only string values for 'providers' are supported if 'provider_options' is given."
        )
    return list(zip(cast("Sequence[str]", providers), provider_options, strict=True))


def _pair(entry: object) -> tuple[str, dict[str, Any]]:
    match entry:
        case str():
            return entry, {}
        case (str() as name, dict()):
            return name, cast("tuple[str, dict[str, Any]]", entry)[1]
        case _:
            raise ValueError("'providers' values must be either strings or (string, dict) tuples.")

"""The exception classes of ONNX Runtime, which are ours as well, and who becomes which.

A program written for ONNX Runtime catches `InvalidArgument` and reads its text; one written from
the documentation catches `InputError`, `ShapeMismatchError` and so on. What a session raises is
both: an instance of the status, and of the class that the same failure has everywhere else in
PyFlameRT. Its text is ONNX Runtime's where that has one for the failure, our line where not; what
our line says beyond ONNX Runtime's text is in the exception's notes, which tracebacks show.
"""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar, TypeVar

from pyflame_rt.errors import (
    BackendError,
    InputError,
    InvalidModelError,
    ModelNotFoundError,
    PyFlameRTError,
    UnsupportedFormatError,
    UnsupportedOperatorError,
    ValidationError,
)

_HOME = "pyflame_rt.capi.onnxruntime_pybind11_state"

Raised = TypeVar("Raised", bound=PyFlameRTError)


class Status(PyFlameRTError):
    """An error with a status of ONNX Runtime's: `[ONNXRuntimeError] : <code> : <name> : <text>`."""

    CODE: ClassVar[int] = 1
    NAME: ClassVar[str] = "FAIL"

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None):
        super().__init__(message, where=where, hint=hint)
        retold(self, f"[ONNXRuntimeError] : {self.CODE} : {self.NAME} : {message}")

    def __reduce__(self) -> tuple[Any, ...]:
        # Combined classes have no name of their own to be found by.
        bases: tuple[type[Any], ...] = type(self).__bases__
        others = (b for b in bases if issubclass(b, PyFlameRTError) and not issubclass(b, Status))
        ours = next(others, PyFlameRTError)
        arguments = (status_of(self), ours, str(self), self.message, self.where, self.hint)
        return _restored, arguments


class Fail(Status):
    """What has no status of its own; most failures of a run."""


class InvalidArgument(Status, InputError):
    """What was given does not fit: an input, an output's name, a value in a tensor."""

    CODE = 2
    NAME = "INVALID_ARGUMENT"


class NoSuchFile(Status, ModelNotFoundError):
    """There is no model file at the given path."""

    CODE = 3
    NAME = "NO_SUCHFILE"


class NoModel(Status, InvalidModelError):
    """No model has been loaded."""

    CODE = 4
    NAME = "NO_MODEL"


class EngineError(Status, BackendError):
    """A backend failed."""

    CODE = 5
    NAME = "ENGINE_ERROR"


class RuntimeException(Status, BackendError):
    """A run failed for a reason that is not the caller's."""

    CODE = 6
    NAME = "RUNTIME_EXCEPTION"


class InvalidProtobuf(Status, InvalidModelError):
    """The bytes are not a model's."""

    CODE = 7
    NAME = "INVALID_PROTOBUF"


class ModelLoaded(Status):
    """A model has been loaded already."""

    CODE = 8
    NAME = "MODEL_LOADED"


class NotImplemented(Status, NotImplementedError):
    """Part of ONNX Runtime's API, or of ONNX, that is not there."""

    CODE = 9
    NAME = "NOT_IMPLEMENTED"


class InvalidGraph(Status, InvalidModelError):
    """The model contradicts ONNX's rules."""

    CODE = 10
    NAME = "INVALID_GRAPH"


class EPFail(Status, BackendError):
    """An execution provider failed."""

    CODE = 11
    NAME = "EP_FAIL"


class ModelLoadCanceled(Status):
    """Loading was cancelled."""

    CODE = 12
    NAME = "MODEL_LOAD_CANCELED"


class ModelRequiresCompilation(Status, InvalidModelError):
    """The model must be compiled before it is loaded."""

    CODE = 13
    NAME = "MODEL_REQUIRES_COMPILATION"


class NotFound(Status):
    """Something that was asked for is not there."""

    CODE = 14
    NAME = "NOT_FOUND"


class DeviceReset(Status, BackendError):
    """A device was reset."""

    CODE = 15
    NAME = "DEVICE_RESET"


STATUSES: tuple[type[Status], ...] = (
    Fail,
    InvalidArgument,
    NoSuchFile,
    NoModel,
    EngineError,
    RuntimeException,
    InvalidProtobuf,
    ModelLoaded,
    NotImplemented,
    InvalidGraph,
    EPFail,
    ModelLoadCanceled,
    ModelRequiresCompilation,
    NotFound,
    DeviceReset,
)
for _status in STATUSES:
    # Where programs look for them, and what logs show.
    _status.__module__ = _HOME

_STATUS_OF: tuple[tuple[type[PyFlameRTError], type[Status]], ...] = (
    (ModelNotFoundError, NoSuchFile),
    (UnsupportedFormatError, InvalidProtobuf),
    (UnsupportedOperatorError, NotImplemented),
    (ValidationError, InvalidArgument),
)
_BUILTIN = (ValueError, RuntimeError, TypeError, AttributeError)
"""What ONNX Runtime's Python code raises where it has no status."""


def has_status(error: PyFlameRTError) -> bool:
    """Whether an error is, to ONNX Runtime, more than a builtin exception."""
    return isinstance(error, Status) or not (
        isinstance(error, ValidationError) and isinstance(error, _BUILTIN)
    )


def with_status(
    error: PyFlameRTError,
    status: type[Status] | None = None,
    text: str | None = None,
    *,
    bare: bool = False,
) -> PyFlameRTError:
    """The error that a session raises for one of ours.

    `status` and the `text` after it are given where ONNX Runtime has its own for the failure.
    Without a text it says our whole line; `bare` says that the error's message is ONNX Runtime's.
    """
    if isinstance(error, Status):
        return error
    if not has_status(error):
        return retold(error, error.message)
    kind = status or next((s for c, s in _STATUS_OF if isinstance(error, c)), Fail)
    line = str(error)
    made = combined(kind, type(error))(
        error.message if text is None else text, where=error.where, hint=error.hint
    )
    made.__cause__ = error.__cause__
    if text is not None:
        made.add_note(f"{type(error).__name__}: {line}")
    elif not bare:
        made.__dict__.pop("__notes__", None)
        made.args = (line,)
    return made


def retold(error: Raised, text: str) -> Raised:
    """An error with another text; what its own line said of place and remedy becomes notes."""
    error.args = (text,)
    for note in (error.where, error.hint):
        if note is not None:
            error.add_note(note)
    return error


@cache
def combined(status: type[Status], ours: type[PyFlameRTError]) -> type[Status]:
    """A class that is both; to who prints its name, the status."""
    if issubclass(status, ours):
        return status
    bases: tuple[type[Exception], ...] = (status, ours)
    if issubclass(ours, BackendError) and not issubclass(ours, RuntimeError):
        # As the documentation says of failing runs.
        bases = (status, ours, RuntimeError)
    return type(status.__name__, bases, {"__module__": _HOME, "__doc__": status.__doc__})


def status_of(error: Status) -> type[Status]:
    """The plain class of an error's status."""
    return next(kind for kind in type(error).__mro__ if kind in STATUSES)


def _restored(
    status: type[Status],
    ours: type[PyFlameRTError],
    text: str,
    message: str,
    where: str | None,
    hint: str | None,
) -> Status:
    made = combined(status, ours)(message, where=where, hint=hint)
    made.args = (text,)
    return made

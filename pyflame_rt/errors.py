"""The one family of errors: every failure a user can cause is a `PyFlameRTError` of one line.

A message says what failed, where (file, node, op), why, and what to do about it.
"""

from __future__ import annotations

_LONGEST = 1900
"""Characters of a message: names may be of any length, and xDSL quotes types as large as a model."""


def _shortened(text: str) -> str:
    """A text without the middle of a name or value that is longer than anybody reads."""
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST - 400]} … {text[-380:]}"


class PyFlameRTError(Exception):
    """Base of all errors; `str(error)` is one line: `where: message; hint`.

    `where` names the file, node or op; `hint` says what the user can do.
    """

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None):
        self.message = message
        self.where = where
        self.hint = hint
        text = message if where is None else f"{where}: {message}"
        text = text if hint is None else f"{text}; {hint}"
        super().__init__(_shortened(" ".join(text.split())))


class InvalidModelError(PyFlameRTError):
    """The bytes are not a model, or the model is inconsistent."""


class ModelNotFoundError(InvalidModelError, FileNotFoundError):
    """There is no file at the given path."""


class UnsupportedFormatError(PyFlameRTError):
    """The file's format (by extension or content) has no frontend."""


class UnsupportedOperatorError(PyFlameRTError):
    """The model uses operators that have no builder; the message lists them all."""


class ValidationError(PyFlameRTError):
    """A graph or module breaks a rule of the IR."""

    @property
    def errors(self) -> list[str]:
        """What is wrong, one text each."""
        return self.message.split("; ")


class ShapeMismatchError(ValidationError):
    """The shape of a fed array does not fit the declared one."""


class DTypeMismatchError(ValidationError):
    """The element type of a fed array is not the declared one."""


class InputError(ValidationError):
    """An input is missing, unknown, or of a kind that cannot be fed."""


class MissingInputError(InputError, ValueError):
    """An input that the model requires is not fed."""


class UnfeedableError(InputError, RuntimeError):
    """An object of a kind that no input can be fed from, or that no value can be made of."""


class ArgumentTypeError(ValidationError, TypeError):
    """An argument is of a type that the function does not take."""


class ArgumentKindError(ValidationError, AttributeError):
    """An argument lacks a method that is needed of it."""


class SettingError(ValidationError, RuntimeError):
    """A setting or a binding that does not exist is asked for, or one that cannot be honoured."""


class BackendError(PyFlameRTError):
    """A backend could not compile or execute a program."""


class MissingWeightsError(BackendError):
    """The value of a weight is needed but its side file was not given."""


class PipelineError(PyFlameRTError):
    """A pass pipeline does not parse, or names an unknown pass or option."""


class PassFailed(PyFlameRTError):
    """A pass cannot handle the IR it was given; `where` names the op and its location."""

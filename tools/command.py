"""What the command-line tools share: every failure is one line on stderr and an exit code."""

from __future__ import annotations

import gc
import os
import sys
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

from xdsl.utils.exceptions import ArgSpecParseError

from pyflame_rt.errors import (
    InvalidModelError,
    MissingWeightsError,
    PipelineError,
    PyFlameRTError,
    UnsupportedFormatError,
    UnsupportedOperatorError,
    ValidationError,
)

FAILURE = 1
USAGE = 2
PLUGIN_OPTION = "--load-plugin"
PLUGIN_HELP = "run a .py file, or load an installed plugin, that adds operators, backends, formats"
INTERRUPTED = 130


class UsageError(PyFlameRTError):
    """The command line makes no sense; exit code 2."""


def load_plugins(arguments: Sequence[str] | None) -> None:
    """Load what a command line gives as `--load-plugin`, before anything else is read of it: what
    plugins bring decides what the rest may say. Raises PyFlameRTError.
    """
    words = iter(sys.argv[1:] if arguments is None else arguments)
    for word in words:
        option, equals, value = word.partition("=")
        if word == "--":
            return
        if option == PLUGIN_OPTION:
            from pyflame_rt.plugins import load_plugin

            name = value if equals else next(words, "")
            if not name:
                raise UsageError(f"{PLUGIN_OPTION} takes a .py file or a plugin's name")
            load_plugin(name)


_BAD_INPUT = (
    InvalidModelError,
    MissingWeightsError,
    UnsupportedFormatError,
    UnsupportedOperatorError,
    ValidationError,
)


def guarded(program: str, body: Callable[[], int], *, bad_input: int = FAILURE) -> int:
    """The exit code of `body`, or of the error it raised, which is printed in one line.

    `bad_input` is the code for input that cannot be used; a wrong command line always gives 2.
    """
    try:
        with _without_garbage_collection():
            code = body()
        sys.stdout.flush()
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 0
    except PyFlameRTError as error:
        _report(program, str(error))
        if isinstance(error, (UsageError, PipelineError)):
            return USAGE
        return bad_input if isinstance(error, _BAD_INPUT) else FAILURE
    except ArgSpecParseError as error:
        _report(program, str(error).splitlines()[-1].strip())
        return USAGE
    except BrokenPipeError:
        # Who read our output has gone; keep the interpreter from flushing into the closed pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return FAILURE
    except KeyboardInterrupt:
        _report(program, "interrupted")
        return INTERRUPTED
    except Exception as error:
        _report(program, _internal(error))
        return FAILURE
    return code


@contextmanager
def _without_garbage_collection() -> Generator[None]:
    # IR is one large cyclic structure that lives as long as the process: scanning it for garbage
    # costs a fifth of the time and finds nothing.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _report(program: str, message: str) -> None:
    print(f"{program}: error: {' '.join(message.split())}", file=sys.stderr)


def _internal(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{os.path.basename(frame.filename)}:{frame.lineno}"
    first = next(iter(str(error).splitlines()), "")
    return f"internal error: {type(error).__name__}: {first} ({place}); please report it"

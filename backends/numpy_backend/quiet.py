"""NumPy's settings during a run: no warnings, and small buffers."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from typing import Any, TypeAlias, cast

import numpy as np

from pyflame_rt.backends.runtime import Array

Caller: TypeAlias = Callable[..., list[Array]]

_BUFFERED_ELEMENTS = 128
"""What ufuncs buffer of an operand when they broadcast or stride. NumPy's 8,192 are allocated in each
such call, and do not stay in the cache (scale and shift of 64 x 56 x 56 take twice the time)."""


def quiet() -> Caller:
    """Calls functions with NumPy's settings for a run.

    NumPy 2 keeps them in a context variable. A context in which that is set once is entered in a
    twentieth of the time that setting and resetting it takes; each frame has one of its own, since
    no two threads may be in the same one.
    """
    if np.lib.NumpyVersion(np.__version__) < "2.0.0":
        return _with_settings
    context = copy_context()
    context.run(be_quiet)
    return cast(Caller, context.run)


def be_quiet() -> None:
    """Make these the settings of this thread, or of the context it is in."""
    np.seterr(all="ignore")
    np.setbufsize(_BUFFERED_ELEMENTS)


def _with_settings(function: Callable[..., list[Array]], *args: Any) -> list[Array]:
    with np.errstate(all="ignore"):
        # Before NumPy 2 errstate does not restore the size.
        before = np.setbufsize(_BUFFERED_ELEMENTS)
        try:
            return function(*args)
        finally:
            np.setbufsize(before)

"""How kernels compute on floats: in float32 at least, rounded once, without warnings."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, cast

import ml_dtypes
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
P = ParamSpec("P")

_NARROW = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))


def widened(value: Any) -> Any:
    """An f16 or bf16 array as f32; anything else as it is."""
    if isinstance(value, np.ndarray) and (array := cast(Array, value)).dtype in _NARROW:
        return array.astype(np.float32)
    return cast(Any, value)


def rounding_once(kernel: Callable[P, Array]) -> Callable[P, Array]:
    """Run a kernel on f16 and bf16 operands as f32; round its result to the first one's dtype.

    Overflow and invalid operations give inf and NaN, as IEEE 754 says, and no warning.
    """
    compute: Callable[..., Array] = kernel

    @wraps(kernel)
    def rounded(*args: P.args, **kwargs: P.kwargs) -> Array:
        dtype: np.dtype[Any] = cast(Array, args[0]).dtype
        with np.errstate(all="ignore"):
            result = compute(*map(widened, args), **kwargs)
            return np.asarray(result).astype(dtype, copy=False)

    return rounded


def lowest(dtype: np.dtype[Any]) -> Any:
    """The maximum of nothing: -inf, the least integer, False."""
    if dtype == np.bool_:
        return np.False_
    return dtype.type(np.iinfo(dtype).min if dtype.kind in "iu" else -np.inf)


def highest(dtype: np.dtype[Any]) -> Any:
    """The minimum of nothing: inf, the greatest integer, True."""
    if dtype == np.bool_:
        return np.True_
    return dtype.type(np.iinfo(dtype).max if dtype.kind in "iu" else np.inf)

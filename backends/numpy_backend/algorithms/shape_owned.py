"""Parts of operands whose shapes are known at run time only, as views."""

from __future__ import annotations

from functools import partial
from itertools import accumulate, pairwise

from pyflame_rt import kernels
from pyflame_rt.backends.numpy_backend.calls import Call, Function, Implementation, by_kernel, late
from pyflame_rt.backends.runtime import Array


def _own_split(call: Call) -> Function | None:
    """Parts of known sizes; what does not fit goes to the kernel."""
    sizes, axis = call.params.get("split"), int(call.params.get("axis", 0))
    if call.has(1) or not sizes or min(sizes) < 0:
        return None
    kernel = partial(kernels.table()["split"], **call.params)
    whole = sum(sizes)
    parts = tuple(slice(first, end) for first, end in pairwise(accumulate(sizes, initial=0)))

    def run(x: Array, *_: object) -> tuple[Array, ...]:
        rank = x.ndim
        if not -rank <= axis < rank or x.shape[axis] != whole:
            return kernel(x)
        before = (slice(None),) * (axis % rank)
        return tuple([x[(*before, part)] for part in parts])

    return run


IMPLEMENTATIONS: tuple[Implementation, ...] = (
    late("split", by_kernel, "axis", "num_outputs", "split", own=_own_split),
)

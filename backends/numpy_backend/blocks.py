"""Elementwise work of several passes, done on stretches that stay in the cache between them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, TypeAlias

import numpy as np

from pyflame_rt.backends.runtime import Array

BLOCK = 1 << 17
"""Bytes of each operand that a function of several passes goes over at once."""

Bound: TypeAlias = Callable[[], object]


class Bindable(ABC):
    """A function that is bound to known arrays better than by `functools.partial`."""

    @abstractmethod
    def __call__(self, *arrays: Any) -> object:
        """The call on arrays that are known at run time."""

    @abstractmethod
    def on(self, *arrays: Any) -> Bound:
        """The call on these arrays."""

    def knowing(self, arrays: Sequence[Any], late: int) -> Callable[[Any], object] | None:
        """The function of the array at `late`, the others being known; None if that gains nothing."""
        return None


class Rooms:
    """Memory of a frame for what a call needs between its passes, the same for all of its calls.

    A call may use it from its beginning to its end: calls of one frame run one after the other, but
    for those of several lanes, which have rooms of their own.
    """

    def __init__(self) -> None:
        self._held: dict[int, Array] = {}
        self._lanes: dict[int, Rooms] = {}
        self.prepared: OrderedDict[Hashable, Any] = OrderedDict()
        """What one call has prepared that others like it may use."""
        self.alike: Counter[Hashable] = Counter()
        """How many calls there are of each kind of these."""
        self.spare: list[Array] = []
        """Memory that calls in a row have for what only they need, while they run."""

    @property
    def nbytes(self) -> int:
        """The bytes of all rooms so far, those of lanes included."""
        own = sum(held.nbytes for held in (*self._held.values(), *self.spare))
        return own + sum(lane.nbytes for lane in self._lanes.values())

    def of_lane(self, index: int) -> Rooms:
        """The rooms of calls that run at the same time as those of other lanes."""
        return self._lanes.setdefault(index, Rooms())

    def get(self, index: int, dtype: np.dtype[Any], size: int = BLOCK) -> Array:
        """The room of that number: one dimension, as many elements as `size` bytes hold."""
        held = self._held.get(index)
        if held is None or held.size < size:
            held = self._held[index] = np.empty(size, np.uint8)
        return held[:size].view(dtype)


@dataclass(frozen=True)
class Blockwise(Bindable):
    """A function of contiguous arrays of one size, applied to stretches of them.

    `function` gets one-dimensional operands and result, which may be an operand, and then what is
    in `held`, cut to the same size: temporaries and constants. It reads nothing of an operand after
    it has written to the result.
    """

    function: Callable[..., object]
    held: tuple[Array, ...]
    size: int

    def __call__(self, *arrays: Array) -> None:
        for part in self._parts(arrays):
            self.function(*part)

    def on(self, *arrays: Array) -> Bound:
        """The call on these arrays."""
        return sequence([partial(self.function, *part) for part in self._parts(arrays)])

    def _parts(self, arrays: Sequence[Array]) -> Iterator[list[Array]]:
        flat, size = [array.reshape(-1) for array in arrays], self.size
        count = flat[-1].size
        if count <= size:
            yield [*flat, *(array[:count] for array in self.held)]
            return
        for start in range(0, count, size):
            stop = min(start + size, count)
            part = [array[start:stop] for array in flat]
            yield [*part, *(array[: stop - start] for array in self.held)]


def sequence(runs: Sequence[Bound]) -> Bound:
    """One step that does several."""
    if len(runs) == 1:
        return runs[0]
    steps = tuple(runs)

    def run() -> None:
        for step in steps:
            step()

    return run


@cache
def zeros(dtype: np.dtype[Any]) -> Array:
    """As many zeros as `BLOCK` bytes hold, read-only."""
    array = np.zeros(BLOCK // dtype.itemsize, dtype)
    array.flags.writeable = False
    return array

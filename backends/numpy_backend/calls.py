"""What an algorithm is told when its call is prepared, and how it answers.

A late implementation answers with a function of the arrays (inputs, into, scratch; None for an
absent input), called with them in every run. A bound one gets the arrays now, in buffers that keep
their place, and answers with a function of nothing. Either may answer None: then the kernel of the
op runs and its result is copied.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from pyflame_rt.backends.numpy_backend.program import Constant, Invoke
from pyflame_rt.backends.runtime import Array, ArrayType

Run: TypeAlias = Callable[[], object]
Function: TypeAlias = Callable[..., object]


@dataclass(frozen=True)
class Call:
    """A call with `into` buffers; all its shapes are static."""

    invoke: Invoke
    input_types: tuple[ArrayType | None, ...]
    into_types: tuple[ArrayType, ...]
    scratch_types: tuple[ArrayType, ...]

    @property
    def params(self) -> dict[str, Any]:
        """The op's properties as Python values."""
        return self.invoke.params

    def shape(self, index: int) -> tuple[int, ...]:
        """The shape of a present input."""
        kind = self.input_types[index]
        assert kind is not None
        return kind.static_shape

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of the first `into` buffer."""
        return self.into_types[0].static_shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The element type of the first `into` buffer."""
        return self.into_types[0].dtype

    def has(self, index: int) -> bool:
        """Whether an optional input is given."""
        return index < len(self.input_types) and self.input_types[index] is not None

    def is_constant(self, index: int) -> bool:
        """Whether an input is given and its values are known now."""
        return self.has(index) and isinstance(self.invoke.inputs[index], Constant)

    def constant(self, index: int) -> Array:
        """The values of a constant input."""
        ref = self.invoke.inputs[index]
        assert isinstance(ref, Constant)
        return ref.array

    def packed(self, key: str, make: Callable[[], Array]) -> Array:
        """What `make` derives from constants; done once for all frames."""
        return self.invoke.packed(key, make)

    def in_layout(self, layout: str) -> bool:
        """Whether the data lies so; where the op says nothing, it is "nchw"."""
        return self.params.get("layout", "nchw") == layout

    def one_dtype(self) -> bool:
        """Whether all inputs and outputs have the same element type."""
        kinds = (*self.input_types, *self.into_types)
        return len({kind.dtype for kind in kinds if kind is not None}) == 1

    def computes(self, kinds: str = "f") -> bool:
        """Whether NumPy computes in the one element type of this call as it is: f32, f64, and
        integers when `kinds` has them. Narrow floats need kernels, which round once."""
        dtype = self.dtype
        native = dtype.kind in kinds and (dtype.kind != "f" or dtype.itemsize in (4, 8))
        return native and self.one_dtype()


@dataclass(frozen=True)
class BoundCall(Call):
    """A call whose buffers are known."""

    inputs: tuple[Array | None, ...]
    into: tuple[Array, ...]
    scratch: tuple[Array, ...]

    @property
    def output(self) -> Array:
        """The first `into` buffer."""
        return self.into[0]

    def input(self, index: int) -> Array:
        """A present input."""
        array = self.inputs[index]
        assert array is not None
        return array

    def optional(self, index: int) -> Array | None:
        """An input that may be absent."""
        return self.inputs[index] if index < len(self.inputs) else None

    def scratch_of(self, index: int, shape: Sequence[int], dtype: np.dtype[Any]) -> Array:
        """The scratch buffer at `index` under that shape; memory of the frame's own if the plan
        gives none large enough."""
        wanted = math.prod(shape) * dtype.itemsize
        if index < len(self.scratch) and self.scratch[index].nbytes >= wanted:
            raw = self.scratch[index].reshape(-1).view(np.uint8)
            return raw[:wanted].view(dtype).reshape(shape)
        return np.empty(shape, dtype)


@dataclass(frozen=True)
class Into:
    """A binary ufunc that is called with its output by keyword, as NumPy 2.4 wants it of `maximum`
    and `minimum`; `second` is its second operand unless the call has one.

    On known arrays it is called without a function in between.
    """

    ufunc: np.ufunc
    second: Array | None = None

    def __call__(self, a: Array, *rest: Array) -> None:
        if self.second is None:
            self.ufunc(a, rest[0], out=rest[1])
        else:
            self.ufunc(a, self.second, out=rest[0])

    def on(self, a: Array, *rest: Array) -> Run:
        """The call on these arrays."""
        ufunc, b, out = self.ufunc, rest[0] if self.second is None else self.second, rest[-1]

        def run() -> None:
            ufunc(a, b, out=out)

        return run


@dataclass(frozen=True)
class Implementation:
    """How this backend runs an algorithm. A call with params not in `params` runs the kernel."""

    name: str
    late: bool
    prepare: Callable[[Any], Function | None]
    params: frozenset[str] = frozenset()
    arity: int = 0
    """At least as many inputs are passed: trailing optional ones that a call omits are None."""


def late(
    name: str, prepare: Callable[[Call], Function | None], *params: str, arity: int = 0
) -> Implementation:
    """An implementation that takes its buffers at call time."""
    return Implementation(name, True, prepare, frozenset(params), arity)


def bound(name: str, prepare: Callable[[BoundCall], Run | None], *params: str) -> Implementation:
    """An implementation that is bound to its buffers."""
    return Implementation(name, False, prepare, frozenset(params))


def by_kernel(call: Call) -> None:
    """The answer of an algorithm for which this backend has nothing better than the kernel."""


def sequence(runs: Sequence[Run]) -> Run:
    """One step that does several."""
    if len(runs) == 1:
        return runs[0]
    steps = tuple(runs)

    def run() -> None:
        for step in steps:
            step()

    return run

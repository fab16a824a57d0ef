"""What an algorithm is told when its call is prepared, and how it answers.

A late implementation answers with a function of the arrays (inputs, into, scratch; None for an
absent input), called with them in every run. A bound one gets the arrays now, in buffers that keep
their place, and answers with a function of nothing. Either may answer None: then the kernel of the
op runs and its result is copied.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from pyflame_rt.backends.numpy_backend import packing
from pyflame_rt.backends.numpy_backend.blocks import BLOCK, Bindable, Blockwise, Rooms
from pyflame_rt.backends.numpy_backend.program import Constant, Invoke
from pyflame_rt.backends.runtime import Array, ArrayType

Run: TypeAlias = Callable[[], object]
Function: TypeAlias = Callable[..., object]


@dataclass(frozen=True)
class Call:
    """A call with `into` buffers, all of whose shapes are static, unless it owns its results."""

    invoke: Invoke
    input_types: tuple[ArrayType | None, ...]
    into_types: tuple[ArrayType, ...]
    scratch_types: tuple[ArrayType, ...]
    rooms: Rooms

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

    def has_scratch(self, *shapes: Sequence[int]) -> bool:
        """Whether the plan gives scratch buffers of these shapes, in that order."""
        given = [kind.static_shape for kind in self.scratch_types]
        return given == [tuple(shape) for shape in shapes]

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

    def packed(self, key: Hashable, make: Callable[[], Array]) -> Array:
        """What `make` derives from constants; done once for all frames."""
        return self.invoke.packed(key, make)

    def pack(self, index: int, key: Hashable, make: Callable[[Array], Array]) -> Array:
        """What `make` derives from a constant input; done once for all plans that use it."""
        ref = self.invoke.inputs[index]
        assert isinstance(ref, Constant)
        return self.invoke.packed(
            (index, key), lambda: packing.packed(ref.packs, ref.array, key, make)
        )

    def blockwise(
        self, function: Callable[..., object], temporaries: int = 0, *constants: Array
    ) -> Blockwise:
        """A function of operands and result, applied stretch by stretch (see `Blockwise`).

        It gets so many temporaries after them, and then stretches of constants of `BLOCK` bytes.
        """
        held = (self.rooms.get(index, self.dtype) for index in range(temporaries))
        return Blockwise(function, (*held, *constants), BLOCK // self.dtype.itemsize)

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
        return _is_native(self.dtype, kinds) and self.one_dtype()

    def computes_all(self, kinds: Sequence[ArrayType]) -> bool:
        """Whether the results and these inputs hold f32, or all f64."""
        dtypes = {kind.dtype for kind in (*kinds, *self.into_types)}
        return len(dtypes) == 1 and _is_native(self.dtype, "f")


def _is_native(dtype: np.dtype[Any], kinds: str) -> bool:
    return dtype.kind in kinds and (dtype.kind != "f" or dtype.itemsize in (4, 8))


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
class Into(Bindable):
    """A binary ufunc that is called with its output by keyword, as NumPy 2.4 wants it of `maximum`
    and `minimum`; `second` is its second operand unless the call has one.

    On known arrays it is called without a function in between.
    """

    ufunc: np.ufunc
    second: Array | None = None

    def __call__(self, *arrays: Array) -> None:
        a, *rest = arrays
        if self.second is None:
            self.ufunc(a, rest[0], out=rest[1])
        else:
            self.ufunc(a, self.second, out=rest[0])

    def on(self, *arrays: Array) -> Run:
        """The call on these arrays."""
        a, *rest = arrays
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

    raw: frozenset[int] = frozenset()
    """Inputs that it takes as they are if they are constants, to pack them itself."""

    own: Callable[[Call], Function | None] | None = None
    """Prepares a function of the inputs that returns what it makes, for calls whose shapes are known
    at run time only; its types may lack them. None: the kernel does."""


def late(
    name: str,
    prepare: Callable[[Call], Function | None],
    *params: str,
    arity: int = 0,
    raw: Sequence[int] = (),
    own: Callable[[Call], Function | None] | None = None,
) -> Implementation:
    """An implementation that takes its buffers at call time."""
    return Implementation(name, True, prepare, frozenset(params), arity, frozenset(raw), own)


def bound(
    name: str,
    prepare: Callable[[BoundCall], Run | None],
    *params: str,
    raw: Sequence[int] = (),
) -> Implementation:
    """An implementation that is bound to its buffers."""
    return Implementation(name, False, prepare, frozenset(params), raw=frozenset(raw))


def by_kernel(call: Call) -> None:
    """The answer of an algorithm for which this backend has nothing better than the kernel."""

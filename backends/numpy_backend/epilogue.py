"""What follows a product in its own call: bias, residual and activation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from pyflame_rt.backends.numpy_backend.calls import BoundCall, Call, Function, Into, Run
from pyflame_rt.backends.numpy_backend.program import Invoke
from pyflame_rt.backends.runtime import Array, ArrayType
from pyflame_rt.dialects.plan.algorithms import ALGORITHMS
from pyflame_rt.kernels.epilogue import Activation

_BLOCK = 1 << 16
"""Bytes of a result that an activation which does not work in place goes over at once."""


@dataclass(frozen=True)
class Activate:
    """An activation by the algorithm of the separate op: a function of the operand and the result,
    which may be the same array if `overwrites`."""

    function: Function
    overwrites: bool

    def on(self, y: Array, out: Array) -> Run:
        """The call on these arrays."""
        return (
            self.function.on(y, out) if isinstance(self.function, Into) else partial(self, y, out)
        )

    def __call__(self, y: Array, out: Array) -> None:
        self.function(y, out)


@dataclass(frozen=True)
class InPlace:
    """An activation that overwrites a contiguous array, block by block where it needs `room`."""

    activate: Activate
    room: Array | None

    def __call__(self, y: Array) -> None:
        if self.room is None:
            self.activate(y, y)
            return
        flat = y.reshape(-1)
        for start in range(0, flat.size, self.room.size):
            part = flat[start : start + self.room.size]
            made = self.room[: part.size]
            self.activate(part, made)
            np.copyto(part, made)

    def on(self, y: Array) -> Run:
        """The call on this array."""
        return self.activate.on(y, y) if self.room is None else partial(self, y)


def activate_of(call: Call) -> Activate | None:
    """The activation that makes a call's result of a sum; None if it has none."""
    activation = call.params.get("activation")
    if not isinstance(activation, Activation):
        return None
    return _prepared(activation, call.into_types[0], call.invoke.where)


def activation_of(call: Call) -> InPlace | None:
    """The activation of parts of a call's result, in their place; None if it has none."""
    activation = call.params.get("activation")
    if not isinstance(activation, Activation):
        return None
    return in_place(activation, call.into_types[0], call.invoke.where)


def in_place(activation: Activation, kind: ArrayType, where: str) -> InPlace:
    """An activation in the place of an array of that type."""
    activate = _prepared(activation, kind, where)
    if activate.overwrites:
        return InPlace(activate, None)
    size = int(np.prod(kind.static_shape, dtype=np.int64))
    block = max(1, min(size, _BLOCK // kind.dtype.itemsize))
    return InPlace(activate, np.empty(block, kind.dtype))


def _prepared(activation: Activation, kind: ArrayType, where: str) -> Activate:
    """The activation as its own call would be prepared, or by its kernel."""
    from pyflame_rt.backends.numpy_backend.algorithms import table

    by_kernel = Activate(partial(_by_kernel, activation), overwrites=True)
    implementation = table().get(activation.op)
    if implementation is None or not activation.properties.keys() <= implementation.params:
        return by_kernel
    absent = (None,) * max(0, implementation.arity - 1)
    invoke = Invoke(activation.op, (None, *absent), (), (), (), dict(activation.properties), where)
    function = implementation.prepare(Call(invoke, (kind, *absent), (kind,), ()))
    if function is None:
        return by_kernel
    algorithm = ALGORITHMS.get(activation.op)
    overwrites = algorithm is not None and 0 in algorithm.in_place
    return Activate(partial(_with_absent, function, absent) if absent else function, overwrites)


def _by_kernel(activation: Activation, y: Array, out: Array) -> None:
    np.copyto(out, activation(y))


def _with_absent(function: Function, absent: tuple[None, ...], y: Array, out: Array) -> None:
    function(y, *absent, out)


def residual_steps(call: BoundCall, index: int, part: Array, where: Any) -> list[Run]:
    """part += residual[where], where the residual is an input of the call that may be absent."""
    residual = call.optional(index)
    if residual is None:
        return []
    return [partial(np.add, part, residual[where].reshape(part.shape), part)]


def activation_steps(call: Call, part: Array) -> list[Run]:
    """part = activation(part)."""
    activate = activation_of(call)
    return [] if activate is None else [activate.on(part)]


@dataclass(frozen=True)
class Finish:
    """What a late call does to a sum: adds the residual, and writes the activation to the result.

    `room` is where the sum goes unless the plan has a buffer for it, or it is the result.
    """

    is_added: bool
    activate: Activate | None
    room: Array | None

    @staticmethod
    def of(call: Call, residual: int | None) -> Finish | None:
        """That of a call whose residual is the input of that index; None if nothing is done."""
        is_added, activate = residual is not None and call.has(residual), activate_of(call)
        if activate is None or activate.overwrites:
            return Finish(is_added, activate, None) if is_added or activate is not None else None
        kind = ArrayType(call.dtype, call.output_shape)
        is_given = kind in call.scratch_types[:1]
        return Finish(
            is_added, activate, None if is_given else np.empty(kind.static_shape, kind.dtype)
        )

    def target(self, out: Array, scratch: tuple[Array, ...]) -> Array:
        """Where the sum is to be made."""
        if self.activate is None or self.activate.overwrites:
            return out
        return scratch[0] if self.room is None else self.room

    def __call__(self, y: Array, residual: Any, out: Array) -> None:
        if self.is_added:
            np.add(y, residual, y)
        if self.activate is not None:
            self.activate.function(y, out)

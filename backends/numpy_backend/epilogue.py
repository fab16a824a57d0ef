"""What follows a product in its own call: bias, residual and activation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from pyflame_rt.backends.numpy_backend.blocks import Bindable, Rooms
from pyflame_rt.backends.numpy_backend.calls import Call, Function, Run
from pyflame_rt.backends.numpy_backend.program import Invoke
from pyflame_rt.backends.runtime import Array, ArrayType
from pyflame_rt.dialects.plan.algorithms import ALGORITHMS
from pyflame_rt.kernels.epilogue import Activation


@dataclass(frozen=True)
class Activate:
    """An activation in the place of contiguous arrays, by the algorithm of the separate op."""

    function: Function

    def __call__(self, y: Array) -> None:
        if y.flags.c_contiguous:
            self.function(y, y)
            return
        whole = np.ascontiguousarray(y)
        self.function(whole, whole)
        np.copyto(y, whole)

    def on(self, y: Array) -> Run:
        """The call on this array."""
        function = self.function
        return function.on(y, y) if isinstance(function, Bindable) else partial(function, y, y)


def activate_of(call: Call) -> Activate | None:
    """The activation of parts of a call's result, in their place; None if it has none."""
    activation = call.params.get("activation")
    if not isinstance(activation, Activation):
        return None
    return in_place(activation, call.into_types[0], call.invoke.where, call.rooms)


def in_place(activation: Activation, kind: ArrayType, where: str, rooms: Rooms) -> Activate:
    """An activation as its own call would be prepared, or by its kernel."""
    from pyflame_rt.backends.numpy_backend.algorithms import table

    by_kernel = Activate(partial(_by_kernel, activation))
    implementation, algorithm = table().get(activation.op), ALGORITHMS.get(activation.op)
    if implementation is None or not activation.properties.keys() <= implementation.params:
        return by_kernel
    if algorithm is None or 0 not in algorithm.in_place:
        return by_kernel
    absent = (None,) * max(0, implementation.arity - 1)
    invoke = Invoke(activation.op, (None, *absent), (), (), (), dict(activation.properties), where)
    function = implementation.prepare(Call(invoke, (kind, *absent), (kind,), (), rooms))
    if function is None:
        return by_kernel
    return Activate(partial(_with_absent, function, absent) if absent else function)


def _by_kernel(activation: Activation, y: Array, out: Array) -> None:
    np.copyto(out, activation(y))


def _with_absent(function: Function, absent: tuple[None, ...], y: Array, out: Array) -> None:
    function(y, *absent, out)


def activation_steps(call: Call, part: Array) -> list[Run]:
    """part = activation(part)."""
    activate = activate_of(call)
    return [] if activate is None else [activate.on(part)]


@dataclass(frozen=True)
class Finish:
    """What a late call does to a sum in its place: adds the residual, applies the activation."""

    is_added: bool
    activate: Activate | None

    @staticmethod
    def of(call: Call, residual: int | None) -> Finish | None:
        """That of a call whose residual is the input of that index; None if nothing is done."""
        is_added, activate = residual is not None and call.has(residual), activate_of(call)
        return Finish(is_added, activate) if is_added or activate is not None else None

    def __call__(self, y: Array, residual: Any) -> None:
        if self.is_added:
            np.add(y, residual, y)
        if self.activate is not None:
            self.activate(y)

"""Elementwise calls, and several of them put together, by machine code."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from pyflame_rt.backends.numpy_backend.calls import Call
from pyflame_rt.backends.numpy_backend.compiled.steps import Compiled, Known
from pyflame_rt.dialects.plan.expressions import FUSED, Expression, Step
from pyflame_rt.dialects.plan.schedules import Schedule

if TYPE_CHECKING:
    from pyflame_rt.backends.native import steps as native
    from pyflame_rt.backends.native.floats.elementwise import ElementwiseKernel, Operation

_MOST_AXES = 3
"""Axes that operands are gone over in, beside that of a row."""

_BYTES = 40.0
"""Bytes read or written in a nanosecond; about."""

_LONG = 0.15
"""Nanoseconds that a function by a polynomial takes for an element; about."""

_SHORT = frozenset(
    ("abs", "add", "and", "clip", "equal", "greater", "less", "max", "min", "mul", "neg", "not", "or",
     "relu", "sub", "where")
)  # fmt: skip

Ways = tuple[int, ...]
Axis = tuple[int, Ways]
"""A size, and for each operand and result the bytes from one element to the next."""


def prepare(schedule: Schedule, call: Call) -> CompiledElementwise | None:
    """The function of a call; None where there is no code for a part of it, or for how operands
    broadcast."""
    from pyflame_rt.backends.native.processors import instructions

    present = [i for i, kind in enumerate(call.input_types) if kind is not None]
    known = [kind for kind in call.input_types if kind is not None]
    kind = instructions(schedule.cpu)
    if kind is None or present != list(range(len(known))):
        return None
    if not {t.dtype for t in known} <= _READ or not {t.dtype for t in call.into_types} <= _WRITTEN:
        return None
    if 0 in call.output_shape or any(t.static_shape != call.output_shape for t in call.into_types):
        return None
    name, params = call.invoke.callee, call.params
    expression = (
        Expression.of_params(len(known), params)
        if name == FUSED
        else Expression.of_one(name, len(known), params)
    )
    operations = _operations(call, expression)
    if operations is None:
        return None
    found = CompiledElementwise(
        schedule, kind.has_fma, tuple(t.static_shape for t in known), call.output_shape,
        tuple(t.dtype for t in known), tuple(operations), expression.results,
        len(call.input_types),
    )  # fmt: skip
    flags = found.flags()
    if flags is None or [t.dtype == _FLAG for t in call.into_types] != flags:
        return None
    return found if found.kernel_and_axes([None] * found.streams, ()) is not None else None


_FLOAT, _FLAG = np.dtype(np.float32), np.dtype(np.bool_)
_INTEGERS = (np.dtype(np.int32), np.dtype(np.int64))
_READ, _WRITTEN = frozenset((_FLOAT, _FLAG, *_INTEGERS)), frozenset((_FLOAT, _FLAG))


def _operations(call: Call, expression: Expression) -> list[Operation] | None:
    """The steps of an expression as operations of a kernel."""
    kinds = [kind.dtype for kind in call.input_types if kind is not None]
    flags = [kind == _FLAG for kind in kinds]
    integers = {i for i, kind in enumerate(kinds) if kind in _INTEGERS}
    found: list[Operation] = []
    for step in expression.steps:
        if integers & set(step.of) and not _is_to_float(step):
            # They are f32 from the beginning.
            return None
        operation = _operation(call, step, flags)
        if operation is None:
            return None
        found.append(operation)
        flags.append(operation.name in _PREDICATES)
    return found


def _is_to_float(step: Step) -> bool:
    return step.op == "cast" and np.dtype(step.properties["to"]) == _FLOAT


_PREDICATES = frozenset(
    ("and", "equal", "flag", "greater", "greater_or_equal", "is_inf", "is_nan", "less",
     "less_or_equal", "not", "or", "where_flags", "xor")
)  # fmt: skip


def _operation(call: Call, step: Step, flags: Sequence[bool]) -> Operation | None:
    from pyflame_rt.backends.native.floats.elementwise import Operation
    from pyflame_rt.backends.native.writing.activations import numbers_of, power_of

    name, of, properties = step.op, step.of, step.properties
    match name:
        case "cast":
            is_flag, to = flags[of[0]], np.dtype(properties["to"])
            if to not in (_FLOAT, _FLAG):
                return None
            if is_flag == (to == _FLAG):
                return Operation(
                    "where_flags" if is_flag else "identity", of * (3 if is_flag else 1)
                )
            return Operation("number" if is_flag else "flag", of)
        case "pow":
            power = power_of(_scalar(call, of[1]))
            return None if power is None else Operation("power", of[:1], (power,))
        case "where":
            return Operation("where_flags" if flags[of[1]] else "where", of)
        case "is_inf" if not all(properties.values()):
            return None
        case "is_inf":
            return Operation(name, of)
        case _ if len(of) == 1 and not flags[of[0]] and name != "is_nan":
            numbers = numbers_of(name, properties)
            return None if numbers is None else Operation(name, of, numbers)
        case _:
            return None if properties else Operation(name, of)


def _scalar(call: Call, value: int) -> float | None:
    """The only element of an operand that is a constant."""
    if value >= len(call.input_types) or not call.is_constant(value):
        return None
    array = call.constant(value)
    return float(array.reshape(())) if array.size == 1 else None


@dataclass(frozen=True, eq=False)
class CompiledElementwise(Compiled):
    """Operations on operands that broadcast to one shape."""

    schedule: Schedule
    has_fma: bool
    shapes: tuple[tuple[int, ...], ...]
    """Those of the operands."""
    shape: tuple[int, ...]
    dtypes: tuple[np.dtype[Any], ...]
    """Those of the operands."""
    operations: tuple[Operation, ...]
    results: tuple[int, ...]
    inputs: int
    """Operands that the call has; trailing ones may be absent."""

    @property
    def cpu(self) -> str:
        """The kind of code."""
        return self.schedule.cpu

    @property
    def streams(self) -> int:
        """Operands and results."""
        return len(self.shapes) + len(self.results)

    def flags(self) -> list[bool] | None:
        """Which results are booleans; None where there is no code for a function."""
        from pyflame_rt.backends.native.floats.elementwise import Operand, flags_of

        try:
            found = flags_of([Operand(kind == _FLAG) for kind in self.dtypes], self.operations)
        except ValueError:
            return None
        return [found[value] for value in self.results]

    def kernel_and_axes(
        self, arrays: Sequence[Known], late: Sequence[int]
    ) -> tuple[ElementwiseKernel, list[Axis]] | None:
        """The code for arrays that lie so, and the axes in which it goes over them, that of a row
        last; None if there is none."""
        from pyflame_rt.backends.native.floats.elementwise import ElementwiseKernel, Operand

        results = self.flags()
        assert results is not None
        sizes = (*(kind.itemsize for kind in self.dtypes), *(1 if flag else 4 for flag in results))
        shapes = (*self.shapes, *(self.shape,) * len(self.results))
        ways = [
            _ways(None if i in late else array, shape, self.shape, size)
            for i, (array, shape, size) in enumerate(zip(arrays, shapes, sizes, strict=True))
        ]
        axes = merged(self.shape, list(zip(*ways, strict=True))) or [(1, sizes)]
        (_, row), count = axes[-1], len(self.shapes)
        if len(axes) - 1 > _MOST_AXES or any(
            way not in ((0, size) if i < count else (size,))
            for i, (way, size) in enumerate(zip(row, sizes, strict=True))
        ):
            return None
        operands = tuple(
            Operand(kind == _FLAG, way != 0, 8 * kind.itemsize if kind in _INTEGERS else 0)
            for kind, way in zip(self.dtypes, row[:count], strict=True)
        )
        kernel = ElementwiseKernel(
            self.cpu, self.schedule.lanes, self.has_fma, len(axes) - 1, operands,
            self.operations, self.results,
        )  # fmt: skip
        return kernel, axes

    def steps(self, arrays: Sequence[Known], late: Sequence[int]) -> tuple[native.Step, ...] | None:
        """As `Compiled.steps`, of operands and results."""
        from pyflame_rt.backends.native import kernels
        from pyflame_rt.backends.native.steps import Call, Place, Step

        numbers = [*range(len(self.shapes)), *range(self.inputs, self.inputs + len(self.results))]
        given = [arrays[number] for number in numbers]
        if not all(a.flags.aligned for a in given if a is not None):
            return None
        found = self.kernel_and_axes(given, [i for i, n in enumerate(numbers) if n in late])
        if found is None:
            return None
        kernel, axes = found
        loaded = kernels.loaded(kernel)
        outer = list(zip(*axes[:-1], strict=True)) if len(axes) > 1 else [(), ()]
        shares: list[native.Share] = []
        (first_size, first_ways), grain = axes[0], 1 if len(axes) > 1 else 64
        for first, stop in pairwise(_bounds(first_size, self.schedule.shares, grain)):
            places = [
                Place(number, first * way) for number, way in zip(numbers, first_ways, strict=True)
            ]
            sizes = [size for size, _ in axes]
            sizes[0] = stop - first
            ways = [way[i] for i in range(self.streams) for way in outer[1]]
            shares.append((Call(loaded, (*places, *sizes, *ways)),))
        return (Step(tuple(shares), self._work()),)

    def _work(self) -> float:
        """Nanoseconds, as estimated."""
        size = math.prod(self.shape)
        moved = 4 * (len(self.results) * size + sum(map(math.prod, self.shapes)))
        long = sum(operation.name not in _SHORT for operation in self.operations)
        return moved / _BYTES + long * size * _LONG


def _bounds(size: int, shares: int, grain: int) -> list[int]:
    """Where shares of an axis begin and end, none of them empty, at multiples of a grain."""
    pieces = -(-size // grain)
    shares = max(1, min(shares, pieces))
    return [min(size, pieces * share // shares * grain) for share in range(shares + 1)]


def _ways(array: Known, shape: Sequence[int], wide: Sequence[int], size: int) -> tuple[int, ...]:
    """Bytes from one element to the next along each axis of the shape that an operand broadcasts to."""
    strides: Sequence[int] = (
        [math.prod(shape[axis + 1 :]) * size for axis in range(len(shape))]
        if array is None
        else array.strides
    )
    missing = len(wide) - len(shape)
    own = [
        way if n != 1 or whole == 1 else 0
        for way, n, whole in zip(strides, shape, wide[missing:], strict=True)
    ]
    return (*(0,) * missing, *own)


def merged(sizes: Sequence[int], ways: Sequence[Ways]) -> list[Axis]:
    """Axes, neighbours that are one for all put together; none of one element."""
    found: list[Axis] = []
    for size, way in zip(sizes, ways, strict=True):
        if size == 1:
            continue
        if found:
            before, its_ways = found[-1]
            if all(a == size * b for a, b in zip(its_ways, way, strict=True)):
                found[-1] = (before * size, way)
                continue
        found.append((size, way))
    return found

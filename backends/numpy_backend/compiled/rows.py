"""Softmax and normalizations along the last axes, by machine code."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from pyflame_rt.backends.numpy_backend.calls import Call
from pyflame_rt.backends.numpy_backend.compiled.attention import bits
from pyflame_rt.backends.numpy_backend.compiled.steps import Compiled, Known
from pyflame_rt.dialects.plan.schedules import Schedule

if TYPE_CHECKING:
    from pyflame_rt.backends.native import steps as native
    from pyflame_rt.backends.native.floats.channel_norms import ChannelNormKernel
    from pyflame_rt.backends.native.floats.group_norms import GroupNormKernel
    from pyflame_rt.backends.native.floats.softmaxes import ShortSoftmaxKernel, SoftmaxesKernel
    from pyflame_rt.backends.native.kernels import Kernel

_FLOAT = 4
_ELEMENTS = 4.0
"""Elements in a nanosecond; about."""


def softmax(
    schedule: Schedule, call: Call
) -> CompiledRows | CompiledSoftmax | CompiledShortSoftmax | None:
    """That of a call along an axis."""
    from pyflame_rt.backends.native.floats.rows import SoftmaxKernel
    from pyflame_rt.backends.native.floats.softmaxes import MOST_OF_SHORT
    from pyflame_rt.backends.native.processors import instructions

    shape, kind = call.shape(0), instructions(schedule.cpu)
    axis = int(call.params["axis"]) % max(len(shape), 1)
    is_last = len(shape) > 0 and axis == len(shape) - 1
    if not is_last or shape[axis] <= MOST_OF_SHORT:
        return any_softmax("softmax", schedule, call)
    if kind is None or not _is_f32(call):
        return None
    kernel = SoftmaxKernel(schedule.cpu, schedule.lanes, kind.has_fma)
    size = shape[axis]
    return CompiledRows(
        schedule, kernel, math.prod(shape[:-1]), size, 1, (None,), (0, size, 0, bits(1.0), 0)
    )


def any_softmax(
    name: str, schedule: Schedule, call: Call
) -> CompiledSoftmax | CompiledShortSoftmax | None:
    """Softmax along another axis than the last one, and the logarithm of softmax along any."""
    from pyflame_rt.backends.native.floats.softmaxes import (
        MOST_OF_SHORT,
        ShortSoftmaxKernel,
        SoftmaxesKernel,
    )
    from pyflame_rt.backends.native.processors import instructions

    shape, kind = call.shape(0), instructions(schedule.cpu)
    if kind is None or not shape or not _is_f32(call):
        return None
    axis = int(call.params["axis"]) % len(shape)
    inner = math.prod(shape[axis + 1 :])
    if inner == 1 and shape[axis] <= MOST_OF_SHORT:
        short = ShortSoftmaxKernel(
            schedule.cpu, schedule.lanes, kind.has_fma, shape[axis], name == "log_softmax"
        )
        return CompiledShortSoftmax(schedule, short, math.prod(shape[:axis]))
    kernel = SoftmaxesKernel(
        schedule.cpu, schedule.lanes, kind.has_fma, "columns" if inner > 1 else "rows",
        name == "log_softmax",
    )  # fmt: skip
    return CompiledSoftmax(schedule, kernel, math.prod(shape[:axis]), shape[axis], inner)


def group_norm(name: str, schedule: Schedule, call: Call) -> CompiledGroupNorm | None:
    """Normalization by groups of channels, or of each channel by itself."""
    from pyflame_rt.backends.native.floats.group_norms import GroupNormKernel
    from pyflame_rt.backends.native.processors import instructions

    shape, kind = call.shape(0), instructions(schedule.cpu)
    if kind is None or len(shape) < 2 or not _is_f32(call) or not call.in_layout("nchw"):
        return None
    groups = shape[1] if name == "instance_normalization" else int(call.params["num_groups"])
    if groups < 1 or shape[1] % groups or any(call.shape(i) != shape[1:2] for i in (1, 2)):
        return None
    kernel = GroupNormKernel(schedule.cpu, schedule.lanes, kind.has_fma)
    sizes = (shape[0], groups, shape[1] // groups, math.prod(shape[2:]))
    return CompiledGroupNorm(schedule, kernel, sizes, float(call.params["epsilon"]))


def channel_norm(schedule: Schedule, call: Call) -> CompiledChannelNorm | None:
    """Each element by the squares of its neighbours in other channels."""
    from pyflame_rt.backends.native.floats.channel_norms import BETAS, ChannelNormKernel
    from pyflame_rt.backends.native.processors import instructions

    shape, params, kind = call.shape(0), call.params, instructions(schedule.cpu)
    beta = float(params["beta"])
    if kind is None or len(shape) < 2 or not _is_f32(call) or beta not in BETAS:
        return None
    kernel = ChannelNormKernel(schedule.cpu, schedule.lanes, kind.has_fma, beta)
    size = int(params["size"])
    window = (min((size - 1) // 2, shape[1]), min(size // 2, shape[1]))
    numbers = (bits(params["alpha"] / size), bits(params["bias"]))
    return CompiledChannelNorm(schedule, kernel, shape, (*window, *numbers))


def layer_norm(schedule: Schedule, call: Call) -> CompiledRows | None:
    """(x - mean) / sqrt(variance + epsilon) * scale + bias for each row."""
    return _norm(schedule, call, centred=True)


def rms_norm(schedule: Schedule, call: Call) -> CompiledRows | None:
    """x / sqrt(mean square + epsilon) * scale for each row."""
    return _norm(schedule, call, centred=False)


def _norm(schedule: Schedule, call: Call, centred: bool) -> CompiledRows | None:
    from pyflame_rt.backends.native.floats.rows import NormKernel
    from pyflame_rt.backends.native.processors import instructions

    shape, kind = call.shape(0), instructions(schedule.cpu)
    axis = int(call.params["axis"]) % max(len(shape), 1)
    rows, size = math.prod(shape[:axis]), math.prod(shape[axis:])
    given = [math.prod(call.shape(i)) for i in (1, 2) if call.has(i)]
    if kind is None or any(n != size for n in given) or not _is_f32(call):
        return None
    kernel = NormKernel(schedule.cpu, schedule.lanes, kind.has_fma, centred)
    numbers = (bits(call.params["epsilon"]), bits(1 / max(size, 1)))
    y = len(call.input_types)
    return CompiledRows(schedule, kernel, rows, size, y, (1, 2 if y > 2 else None), numbers)


def _is_f32(call: Call) -> bool:
    return call.one_dtype() and call.dtype == np.float32 and 0 not in call.shape(0)


@dataclass(frozen=True, eq=False)
class CompiledRows(Compiled):
    """A function of each row of x."""

    schedule: Schedule
    kernel: Kernel
    rows: int
    size: int
    y: int
    """The number of the result among the operands."""
    vectors: tuple[int | None, ...]
    """Operands that are the same for all rows, if there are any."""
    numbers: tuple[int, ...]
    """What stands at the end of the record."""

    @property
    def cpu(self) -> str:
        """The kind of code."""
        return self.schedule.cpu

    def steps(self, arrays: Sequence[Known], late: Sequence[int]) -> tuple[native.Step, ...] | None:
        """As `Compiled.steps`, of x, the vectors and y."""
        from pyflame_rt.backends.native import kernels
        from pyflame_rt.backends.native.steps import Call, Place, Step

        y = self.y
        if not _lie_well(arrays[: y + 1], late):
            return None
        loaded, way = kernels.loaded(self.kernel), self.size * _FLOAT
        others: list[native.Number] = [
            0 if i is None or (arrays[i] is None and i not in late) else Place(i)
            for i in self.vectors
        ]
        bounds = [self.rows * i // self.schedule.shares for i in range(self.schedule.shares + 1)]
        shares: list[native.Share] = []
        for first, stop in pairwise(bounds):
            if first == stop:
                continue
            x_place, y_place = Place(0, first * way), Place(y, first * way)
            record = (x_place, y_place, *others, stop - first, self.size, way, way)
            shares.append((Call(loaded, (*record, *self.numbers)),))
        return (Step(tuple(shares), self.rows * self.size / _ELEMENTS),)


def _lie_well(arrays: Sequence[Known], late: Sequence[int]) -> bool:
    known = [a for i, a in enumerate(arrays) if a is not None and i not in late]
    return all(a.flags.c_contiguous and a.flags.aligned for a in known)


def _bounds(size: int, shares: int, grain: int = 1) -> list[int]:
    """Where shares begin and end, none of them empty, at multiples of a grain."""
    pieces = -(-size // grain)
    shares = max(1, min(shares, pieces))
    return [min(size, pieces * share // shares * grain) for share in range(shares + 1)]


@dataclass(frozen=True, eq=False)
class CompiledSoftmax(Compiled):
    """A softmax, or its logarithm, along an axis with others around it."""

    schedule: Schedule
    kernel: SoftmaxesKernel
    outer: int
    size: int
    inner: int

    @property
    def cpu(self) -> str:
        """The kind of code."""
        return self.schedule.cpu

    def steps(self, arrays: Sequence[Known], late: Sequence[int]) -> tuple[native.Step, ...] | None:
        """As `Compiled.steps`, of x and y."""
        from pyflame_rt.backends.native import kernels
        from pyflame_rt.backends.native.steps import Call, Place, Step

        if not _lie_well(arrays[:2], late):
            return None
        loaded, way = kernels.loaded(self.kernel), self.inner * _FLOAT
        whole = self.size * way
        # Columns are shared where there are not enough rows of them.
        by_columns = self.outer < self.schedule.shares and self.inner > 1
        size, step, grain = (self.inner, _FLOAT, 32) if by_columns else (self.outer, whole, 1)
        shares: list[native.Share] = []
        for first, stop in pairwise(_bounds(size, self.schedule.shares, grain)):
            outer, inner = (self.outer, stop - first) if by_columns else (stop - first, self.inner)
            record = (outer, whole, inner, _FLOAT, self.size, way)
            shares.append(
                (Call(loaded, (Place(0, first * step), Place(1, first * step), *record)),)
            )
        return (Step(tuple(shares), self.outer * self.size * self.inner / _ELEMENTS),)


@dataclass(frozen=True, eq=False)
class CompiledShortSoftmax(Compiled):
    """A softmax, or its logarithm, of rows of a few elements."""

    schedule: Schedule
    kernel: ShortSoftmaxKernel
    rows: int

    @property
    def cpu(self) -> str:
        """The kind of code."""
        return self.schedule.cpu

    def steps(self, arrays: Sequence[Known], late: Sequence[int]) -> tuple[native.Step, ...] | None:
        """As `Compiled.steps`, of x and y."""
        from pyflame_rt.backends.native import kernels
        from pyflame_rt.backends.native.steps import Call, Place, Step

        if not _lie_well(arrays[:2], late):
            return None
        loaded, way = kernels.loaded(self.kernel), self.kernel.size * _FLOAT
        shares = tuple(
            (Call(loaded, (Place(0, first * way), Place(1, first * way), stop - first)),)
            for first, stop in pairwise(_bounds(self.rows, self.schedule.shares, self.kernel.lanes))
        )
        return (Step(shares, self.rows * self.kernel.size / _ELEMENTS),)


@dataclass(frozen=True, eq=False)
class CompiledChannelNorm(Compiled):
    """A normalization across channels."""

    schedule: Schedule
    kernel: ChannelNormKernel
    shape: tuple[int, ...]
    numbers: tuple[int, ...]
    """What stands at the end of the record."""

    @property
    def cpu(self) -> str:
        """The kind of code."""
        return self.schedule.cpu

    def steps(self, arrays: Sequence[Known], late: Sequence[int]) -> tuple[native.Step, ...] | None:
        """As `Compiled.steps`, of x and y; images are shared."""
        from pyflame_rt.backends.native import kernels
        from pyflame_rt.backends.native.steps import Call, Place, Step

        if not _lie_well(arrays[:2], late):
            return None
        loaded, (images, channels, *rest) = kernels.loaded(self.kernel), self.shape
        positions = math.prod(rest)
        way = channels * positions * _FLOAT
        shares: list[native.Share] = []
        for first, stop in pairwise(_bounds(images, self.schedule.shares)):
            places = (Place(0, first * way), Place(1, first * way))
            record = (*places, stop - first, channels, positions, *self.numbers)
            shares.append((Call(loaded, record),))
        return (Step(tuple(shares), images * channels * positions / _ELEMENTS),)


@dataclass(frozen=True, eq=False)
class CompiledGroupNorm(Compiled):
    """A normalization by groups of channels."""

    schedule: Schedule
    kernel: GroupNormKernel
    sizes: tuple[int, int, int, int]
    """Images, groups, channels of a group, positions."""
    epsilon: float

    @property
    def cpu(self) -> str:
        """The kind of code."""
        return self.schedule.cpu

    def steps(self, arrays: Sequence[Known], late: Sequence[int]) -> tuple[native.Step, ...] | None:
        """As `Compiled.steps`, of x, scale, bias and y."""
        from pyflame_rt.backends.native import kernels
        from pyflame_rt.backends.native.steps import Call, Place, Step

        if not _lie_well(arrays[:4], late):
            return None
        loaded = kernels.loaded(self.kernel)
        images, groups, each, positions = self.sizes
        count = each * positions
        ending = (each, positions, bits(self.epsilon), bits(1 / max(count, 1)))
        by_groups = images < self.schedule.shares
        shares: list[native.Share] = []
        for image in range(images if by_groups else 1):
            size = groups if by_groups else images
            for first, stop in pairwise(_bounds(size, self.schedule.shares)):
                begin = first if by_groups else 0
                x = (image * groups + begin if by_groups else first * groups) * count * _FLOAT
                vector = begin * each * _FLOAT
                number = (1, stop - first) if by_groups else (stop - first, groups)
                places = (Place(0, x), Place(3, x), Place(1, vector), Place(2, vector))
                shares.append((Call(loaded, (*places, *number, *ending)),))
        return (Step(tuple(shares), images * groups * count / _ELEMENTS),)

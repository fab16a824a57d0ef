"""Products of two operands that are both known in a run only, or of several matrices, by machine code.

The second operand is packed as weights are, matrix by matrix, and multiplied by the same code. Few rows
read it where it lies.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from pyflame_rt.backends.numpy_backend.blocks import Rooms
from pyflame_rt.backends.numpy_backend.calls import Call
from pyflame_rt.backends.numpy_backend.compiled.steps import Compiled, Known
from pyflame_rt.backends.runtime import Array
from pyflame_rt.dialects.plan.schedules import Schedule

if TYPE_CHECKING:
    from pyflame_rt.backends.native import steps as native
    from pyflame_rt.backends.native.floats import products as native_products
    from pyflame_rt.backends.numpy_backend.compiled.forms import Ending

_FLOAT = 4
_FEW = 4
"""Rows: for more, the second operand is read often enough to pack it."""
_MULTIPLIED = 50.0
"""Multiplications in a nanosecond; about."""
_ROOM = 48
"""The number of the first room for packed operands."""

_X, _W, _RESIDUAL = 0, 1, 3
Ways = tuple[int, ...]


def prepare(
    schedule: Schedule, call: Call, ending: Ending, turned: tuple[bool, bool]
) -> CompiledProducts | None:
    """The products of a call; `turned` says which operands are taken transposed."""
    x, w, shape = call.shape(0), call.shape(1), call.output_shape
    if len(x) < 2 or len(w) < 2 or len(shape) < 2 or 0 in (*x, *w, *shape):
        return None
    return CompiledProducts(
        schedule,
        x,
        w,
        shape,
        turned,
        ending,
        call.has(_RESIDUAL),
        len(call.input_types),
        call.rooms,
    )


@dataclass(frozen=True)
class _Matrices:
    """Where the matrices of an operand lie; bytes. `batches` are the beginnings of those it has for the
    matrices of the result."""

    operand: int
    batches: tuple[int, ...]
    row: int
    column: int

    def at(self, index: int, row: int = 0, column: int = 0) -> native.Number:
        """The address of an element of the matrix for one of the result."""
        from pyflame_rt.backends.native.steps import Place

        place = self.batches[index] + row * self.row + column * self.column
        return Place(self.operand, place)


@dataclass(frozen=True, eq=False)
class CompiledProducts(Compiled):
    """y = activation(x @ w + bias + residual) for each of several pairs of matrices."""

    schedule: Schedule
    x_shape: tuple[int, ...]
    w_shape: tuple[int, ...]
    shape: tuple[int, ...]
    turned: tuple[bool, bool]
    ending: Ending
    has_residual: bool
    y: int
    """The number of the result among the operands."""
    rooms: Rooms

    @property
    def cpu(self) -> str:
        """The kind of code."""
        return self.schedule.cpu

    @property
    def rows(self) -> int:
        """Those of each result."""
        return self.shape[-2]

    @property
    def columns(self) -> int:
        """Those of each result."""
        return self.shape[-1]

    @property
    def depth(self) -> int:
        """How many products an element adds up."""
        return self.x_shape[-2 if self.turned[0] else -1]

    @property
    def count(self) -> int:
        """How many results there are."""
        return math.prod(self.shape[:-2])

    def steps(self, arrays: Sequence[Known], late: Sequence[int]) -> tuple[native.Step, ...] | None:
        """As `Compiled.steps`, of x, w, bias, residual and y."""
        from pyflame_rt.backends.native.steps import Step

        known = [None if i in late else array for i, array in enumerate(arrays)]
        if not all(array is None or array.flags.aligned for array in known):
            return None
        x = self._lies(_X, known[_X], self.x_shape, self.turned[0])
        w = self._lies(_W, known[_W], self.w_shape, self.turned[1])
        y = self._lies(self.y, known[self.y], self.shape, False)
        residual = y
        if self.has_residual:
            residual = self._lies(_RESIDUAL, known[_RESIDUAL], self.shape, False)
        if any(lies.column != _FLOAT for lies in (y, residual)):
            return None
        is_few = self.rows <= _FEW and x.column == _FLOAT and self._is_plain
        is_few = is_few and _FLOAT in (w.row, w.column)
        work = self.count * self.rows * self.columns * self.depth / _MULTIPLIED
        if self.count == 1 and not is_few:
            return self._one(x, w, y, residual, work)
        shares: list[native.Share] = []
        for share, some in enumerate(self._some()):
            calls = (
                self._few(some, x, w, y) if is_few else self._many(share, some, x, w, y, residual)
            )
            shares.append(tuple(calls))
        return (Step(tuple(shares), work),)

    @property
    def _is_plain(self) -> bool:
        ending = self.ending
        return ending.bias is None and not ending.finish.activation and not self.has_residual

    def _some(self) -> list[range]:
        """The results of each share."""
        count = min(self.schedule.shares, self.count)
        ends = [self.count * share // count for share in range(count + 1)]
        return [range(first, end) for first, end in pairwise(ends)]

    def _lies(
        self, operand: int, array: Known, shape: tuple[int, ...], is_turned: bool
    ) -> _Matrices:
        ways = _ways(shape) if array is None else array.strides
        *outer, row, column = ways
        if is_turned:
            row, column = column, row
        # One row or column is as far from the next as is expected of it.
        rows, columns = (shape[-1], shape[-2]) if is_turned else shape[-2:]
        if columns == 1:
            column = _FLOAT
        if rows == 1:
            row = columns * _FLOAT
        batch = self.shape[:-2]
        missing = len(batch) - len(outer)
        sizes = shape[:-2]
        steps = [0] * missing + [way if n > 1 else 0 for way, n in zip(outer, sizes, strict=True)]
        starts = np.zeros(batch, np.int64)
        for axis, step in enumerate(steps):
            along = np.arange(batch[axis]) * step
            starts = starts + along.reshape(-1, *(1,) * (len(batch) - axis - 1))
        return _Matrices(operand, tuple(map(int, starts.reshape(-1))), row, column)

    def _one(
        self, x: _Matrices, w: _Matrices, y: _Matrices, residual: _Matrices, work: float
    ) -> tuple[native.Step, ...]:
        """The steps of a single product, which is divided as those with weights are."""
        from pyflame_rt.backends.native.steps import Step

        packed = self._room(0, self._packed_size)
        before = [*self._pack(w, 0, packed)]
        address, row = self._straight(x, 0, 1, before)
        product = self._product(packed, row, y, residual, self.schedule.shares)
        more = residual.at(0) if self.has_residual else None
        return (Step((tuple(before),)), product.step(address, y.at(0), more))

    def _few(self, some: range, x: _Matrices, w: _Matrices, y: _Matrices) -> Iterator[native.Call]:
        """The calls for few rows."""
        from pyflame_rt.backends.native import kernels
        from pyflame_rt.backends.native.floats.small_products import SmallProductKernel
        from pyflame_rt.backends.native.processors import instructions
        from pyflame_rt.backends.native.steps import Call

        kind, is_turned = instructions(self.cpu), w.column != _FLOAT
        assert kind is not None
        kernel = SmallProductKernel(self.cpu, self.schedule.lanes, kind.has_fma, is_turned)
        code, w_row = kernels.loaded(kernel), w.column if is_turned else w.row
        for index in some:
            record = (
                x.at(index), w.at(index), y.at(index),
                self.rows, self.columns, self.depth, x.row, w_row, y.row,
            )  # fmt: skip
            yield Call(code, record)

    def _many(
        self,
        share: int,
        some: range,
        x: _Matrices,
        w: _Matrices,
        y: _Matrices,
        residual: _Matrices,
    ) -> Iterator[native.Call]:
        """The calls for some results, one after the other in the same memory."""
        packed, last = self._room(2 * share, self._packed_size), -1
        product: native_products.Product | None = None
        for index in some:
            if w.batches[index] != last:
                last = w.batches[index]
                yield from self._pack(w, index, packed)
            copies: list[native.Call] = []
            address, row = self._straight(x, index, 2 * share + 1, copies)
            yield from copies
            if product is None:
                product = self._product(packed, row, y, residual)
            more = residual.at(index) if self.has_residual else None
            yield from product.step(address, y.at(index), more).calls

    def _product(
        self, packed: Array, row: int, y: _Matrices, residual: _Matrices, shares: int = 1
    ) -> native_products.Product:
        from pyflame_rt.backends.native.floats.products import Layout, Product

        layout = Layout(self.rows, self.columns, self.depth, row, y.row, residual.row)
        ending = self.ending
        return Product.of(self.schedule, layout, packed, ending.bias, ending.finish, shares)

    def _straight(
        self, x: _Matrices, index: int, room: int, copies: list[native.Call]
    ) -> tuple[native.Number, int]:
        """The address of x and the way from row to row; of a copy if its rows do not lie in one piece."""
        if x.column == _FLOAT:
            return x.at(index), x.row
        from pyflame_rt.backends.native.floats.copying import CopyKernel, copy_call

        held, row = self._room(room, self.rows * self.depth), self.depth * _FLOAT
        sizes, target = (self.rows, self.depth), held.ctypes.data
        kernel = CopyKernel(self.cpu, self.schedule.lanes)
        copies.append(
            copy_call(kernel, x.at(index), target, sizes, (x.row, x.column), (row, _FLOAT))
        )
        return target, row

    @property
    def _packed_size(self) -> int:
        width = self.schedule.columns
        return -(-self.columns // width) * self.depth * width

    def _room(self, number: int, count: int) -> Array:
        return self.rooms.get(_ROOM + number, np.dtype(np.float32), count * _FLOAT)

    def _pack(self, w: _Matrices, index: int, packed: Array) -> Iterator[native.Call]:
        """Copies of a matrix of w to where it is as weights are packed."""
        from pyflame_rt.backends.native.floats.copying import CopyKernel, copy_call

        width, depth = self.schedule.columns, self.depth
        kernel, target = CopyKernel(self.cpu, self.schedule.lanes), packed.ctypes.data
        panel = depth * width * _FLOAT
        whole, rest = divmod(self.columns, width)
        for first, count, columns in ((0, whole, width), (whole, 1, rest)):
            if not count or not columns:
                continue
            source, at = w.at(index, 0, first * width), target + first * panel
            if w.column == _FLOAT:
                sizes = (count, depth, columns)
                ways = (width * w.column, w.row, w.column), (panel, width * _FLOAT, _FLOAT)
            else:
                sizes = (count, columns, depth)
                ways = (width * w.column, w.column, w.row), (panel, _FLOAT, width * _FLOAT)
            yield copy_call(kernel, source, at, sizes, *ways)


def _ways(shape: Sequence[int]) -> Ways:
    return tuple(math.prod(shape[axis + 1 :]) * _FLOAT for axis in range(len(shape)))

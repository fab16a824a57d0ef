"""Matrix products through `np.matmul(..., out=)`, which calls BLAS on f32 and f64.

A product with constant weights is made of blocks of rows and columns that stay in the cache until
bias, residual and activation are done with them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from pyflame_rt import kernels
from pyflame_rt.backends.numpy_backend import packing
from pyflame_rt.backends.numpy_backend.blocks import Bindable, Bound, Rooms, sequence
from pyflame_rt.backends.numpy_backend.calls import Call, Function, Implementation, late
from pyflame_rt.backends.numpy_backend.epilogue import Activate, Finish, activate_of
from pyflame_rt.backends.numpy_backend.packing import aligned, on_lines
from pyflame_rt.backends.numpy_backend.products import Product, Shape
from pyflame_rt.backends.numpy_backend.program import Constant
from pyflame_rt.backends.numpy_backend.team import Team, Together, teams
from pyflame_rt.backends.runtime import Array
from pyflame_rt.dialects.plan.algorithms.contraction import WORTH_CONVERTING

_CACHED = 1 << 19
"""Bytes of a product that are finished before the next ones are computed."""

_FEW_ROWS = 64
"""Blocks of fewer rows are no faster to finish, but slower to compute."""

_SMALL = 1 << 22
"""Bytes of weights that are kept as they are as well, which vectors are multiplied with fastest: the
blocks of packed ones are up to a fifth slower."""

_EXACT = 1 << 53
"""Integers that f64 holds exactly."""

_ROWS_EACH = 16
"""Rows of a product that is divided; with fewer, columns are."""

_COLUMNS = 64
"""Columns that are dealt out together."""

_PRODUCT, _PART = 4, 5
"""The numbers of the rooms for such products, out of the way of what activations use."""


def _matmul(call: Call) -> Function | None:
    if not call.computes("fiu"):
        return None
    if call.dtype.kind != "f":
        return _integers(call)
    if (linear := _linear(call, transposed=False)) is not None:
        return linear
    finish, has_bias = Finish.of(call, 3), call.has(2)
    known = _aligned_weights(call)
    if finish is None and not has_bias and known is None:
        return _plain

    def run(a: Array, b: Array, bias: Any, residual: Any, out: Array) -> None:
        np.matmul(a, b if known is None else known, out)
        if has_bias:
            np.add(out, bias, out)
        if finish is not None:
            finish(out, residual)

    return run


def _integers(call: Call) -> Function | None:
    """Products of integers by BLAS, in f64, while that is exact: as long as no sum can reach 2^53."""
    if call.has(2) or call.has(3) or activate_of(call) is not None:
        return None
    shapes = call.shape(0), call.shape(1), call.output_shape, call.output_shape
    depth = shapes[0][-1] if shapes[0] else 1
    if depth * math.prod(call.output_shape) < WORTH_CONVERTING or min(map(len, shapes[:2])) < 2:
        return _plain
    own: list[Array] = []
    if not call.has_scratch(*shapes):
        own = [
            *(np.empty(shape, np.float64) for shape in shapes[:3]),
            np.empty(shapes[3], np.int64),
        ]

    def run(a: Array, b: Array, _bias: None, _residual: None, out: Array, *scratch: Array) -> None:
        if _largest(a) * _largest(b) * depth >= _EXACT:
            np.matmul(a, b, out)
            return
        left, right, product, whole = own or scratch
        np.copyto(left, a)
        np.copyto(right, b)
        np.matmul(left, right, product)
        # As the low bits of what it is, whatever the sign.
        np.copyto(whole, product, casting="unsafe")
        np.copyto(out, whole, casting="unsafe")

    return run


def _largest(x: Array) -> int:
    """The largest absolute value."""
    return max(abs(int(x.max(initial=0))), abs(int(x.min(initial=0))))


def _plain(a: Array, b: Array, _bias: None, _residual: None, out: Array, *_scratch: Array) -> None:
    np.matmul(a, b, out)


def _gemm(call: Call) -> Function | None:
    alpha, beta = float(call.params["alpha"]), float(call.params["beta"])
    added = call.has(2) and beta != 0
    trans_a, trans_b = bool(call.params["trans_a"]), bool(call.params["trans_b"])
    if not call.computes("fiu"):
        return None
    if call.dtype.kind != "f" and (alpha != 1 or (added and beta != 1)):
        return None
    if alpha == 1 and not trans_a and (added or not call.has(2)) and (beta == 1 or not added):
        linear = _linear(call, trans_b)
        if linear is not None:
            return linear
    scale, factor = call.dtype.type(alpha), call.dtype.type(beta)
    scaled = np.empty(call.shape(2), call.dtype) if added and beta != 1 else None
    finish, known = Finish.of(call, 3), _aligned_weights(call)

    def run(a: Array, b: Array, c: Any, residual: Any, out: Array) -> None:
        b = b if known is None else known
        np.matmul(a.T if trans_a else a, b.T if trans_b else b, out)
        if alpha != 1:
            np.multiply(out, scale, out)
        if scaled is not None:
            c = np.multiply(c, factor, scaled)
        if added:
            np.add(out, c, out)
        if finish is not None:
            finish(out, residual)

    return run


def _aligned_weights(call: Call) -> Array | None:
    return call.pack(1, "aligned", aligned) if call.is_constant(1) else None


def _linear(call: Call, transposed: bool) -> Bindable | None:
    """x @ w + a vector, w being constant; None where it is something else."""
    sizes, bias, out = _matrix(call, transposed), call.input_types[2], call.output_shape
    if sizes is None or 0 in out or len(call.shape(0)) < 1:
        return None
    _, columns = sizes
    if bias is not None and not _is_vector(bias.static_shape, columns):
        return None
    rows, activate = math.prod(out) // columns, activate_of(call)
    if rows == 1 and _is_small(call):
        return _vector(call, transposed, activate)
    return _prepared(_constant_product(call, transposed, sizes), rows, activate, call.rooms)


def _matrix(call: Call, transposed: bool) -> tuple[int, int] | None:
    """Depth and columns of the constant second input; None if it is no matrix, or not constant."""
    weights = call.input_types[1]
    if not (call.is_constant(1) and call.computes()) or weights is None:
        return None
    shape = weights.static_shape
    if len(shape) != 2 or 0 in shape:
        return None
    return (shape[1], shape[0]) if transposed else (shape[0], shape[1])


def _is_small(call: Call) -> bool:
    """Whether there may be another form of the constant second input, for vectors."""
    return call.constant(1).nbytes <= _SMALL


def _vector(call: Call, transposed: bool, activate: Activate | None) -> _Vector:
    # BLAS is faster where the weights of a column lie together, by half for few columns.
    turned = on_lines if transposed else _turned
    return _Vector(call.pack(1, ("vector", transposed), turned).T, activate)


def _turned(w: Array) -> Array:
    return on_lines(w.T)


def _constant_product(call: Call, transposed: bool, sizes: tuple[int, int]) -> Product:
    """The product with the constant second input, of such depth and columns."""
    if (some := _columns_of_whole(call, transposed)) is not None:
        return some
    cut = Shape.of(*sizes, call.dtype)
    return Product(cut, call.pack(1, (cut, transposed), partial(_pack, cut, transposed)))


def _columns_of_whole(call: Call, transposed: bool) -> Product | None:
    """The product with some columns of a constant, packed as all of them are for other calls; None
    for all of them, or where they are not whole blocks."""
    part = call.invoke.inputs[1]
    assert isinstance(part, Constant)
    if part.whole is None or part.whole.array.ndim != 2:
        return None
    whole, taken = part.whole, part.index[0 if transposed else 1]
    shape = whole.array.shape
    depth, columns = (shape[1], shape[0]) if transposed else shape
    cut = Shape.of(depth, columns, call.dtype)
    is_one = cut.blocks == 1
    if part.array.size != depth * (taken.stop - taken.start) or not (
        is_one or taken.start % cut.width == taken.stop % cut.width == 0
    ):
        return None
    key, make = (cut, transposed), partial(_pack, cut, transposed)
    weights = call.packed(
        (1, "whole", key), lambda: packing.packed(whole.packs, whole.array, key, make)
    )
    return Product(cut, weights).some_columns(taken)


def _pack(cut: Shape, transposed: bool, w: Array) -> Array:
    return cut.pack(w.T if transposed else w)


def _prepared(product: Product, rows: int, activate: Activate | None, rooms: Rooms) -> Bindable:
    """The function for so many rows of x."""
    cut, dtype = product.shape, product.weights.dtype
    columns, itemsize, blocks = cut.columns, dtype.itemsize, cut.blocks
    if rows * columns * itemsize > _CACHED:
        most = max(1, _CACHED // (min(rows, 2 * _FEW_ROWS) * cut.width * itemsize))
        blocks = next(n for n in range(min(most, cut.blocks), 0, -1) if cut.blocks % n == 0)
    width = blocks * cut.width
    at_once = min(rows, max(_FEW_ROWS, _CACHED // (width * itemsize)))
    size = at_once * width * itemsize
    room = part = None
    if width < columns and activate is not None:
        room = rooms.get(_PRODUCT, dtype, size)
    if cut.parts > 1:
        part = rooms.get(_PART, dtype, size)
    products = [product.columns(first, blocks) for first in range(0, cut.blocks, blocks)]
    return Linear(tuple(products), rows, at_once, activate, room, part)


def _own_linear(call: Call, transposed: bool) -> Function | None:
    """As `_linear`, for any number of rows; what it does not take goes to the kernel."""
    sizes = _matrix(call, transposed)
    if sizes is None:
        return None
    product = _constant_product(call, transposed, sizes)
    activate, cut = activate_of(call), product.shape
    vector = _vector(call, transposed, activate) if _is_small(call) else None
    kernel = partial(kernels.table()[call.invoke.callee], **call.params)
    prepared: dict[int, Bindable] = {}

    def run(x: Array, w: Array, bias: Any, residual: Any) -> Array:
        shape = (*x.shape[:-1], cut.columns)
        rows = math.prod(shape[:-1])
        if x.ndim < 1 or x.shape[-1] != cut.depth or not rows:
            return kernel(x, w, bias, residual)
        is_vector = bias is None or (
            bias.ndim <= len(shape) and _is_vector(bias.shape, cut.columns)
        )
        if not is_vector or (residual is not None and residual.shape != shape):
            return kernel(x, w, bias, residual)
        if vector is not None and rows == 1 and call.invoke.shares < 2:
            out = np.empty(shape, x.dtype)
            vector(x, w, bias, residual, out)
            return out
        if rows not in prepared:
            # Only the last: a sequence that grows never comes back.
            prepared.clear()
            prepared[rows] = Divided.of(call, product, vector, rows) or _prepared(
                product, rows, activate, call.rooms
            )
        out = np.empty(shape, x.dtype)
        prepared[rows](x, w, bias, residual, out)
        return out

    return run


def _own_matmul(call: Call) -> Function | None:
    return _own_linear(call, transposed=False)


def _own_gemm(call: Call) -> Function | None:
    params = call.params
    if params["trans_a"] or params["alpha"] != 1 or (params["beta"] != 1 and call.has(2)):
        return None
    return _own_linear(call, bool(params["trans_b"]))


def _is_vector(shape: tuple[int, ...], size: int) -> bool:
    """Whether an operand that broadcasts to a result is a row of that size, for all rows."""
    return math.prod(shape) == size and shape[-1:] == (size,)


@dataclass(frozen=True)
class _Vector(Bindable):
    """y = activation(x @ w + bias + residual) for a vector x.

    Most of a small one's time is taken by the calls. `ndarray.dot` of two matrices is the shortest
    way to BLAS, which it takes to be the product of a vector when there is but one row.
    """

    weights: Array
    """(depth, columns), the elements of a column together."""
    activate: Activate | None

    def __call__(self, *arrays: Any) -> None:
        self.on(*arrays)()

    def on(self, *arrays: Any) -> Bound:
        """The steps on these arrays."""
        x, _, bias, residual, out = arrays
        y = out.reshape(1, -1)
        multiply = partial(x.reshape(1, -1).dot, self.weights, y)
        return sequence([multiply, *self._finishing(y.reshape(-1), bias, residual)])

    def _finishing(self, y: Array, bias: Any, residual: Any) -> list[Bound]:
        added = (partial(np.add, y, a.reshape(-1), y) for a in (bias, residual) if a is not None)
        return [*added, *([] if self.activate is None else [self.activate.on(y)])]

    def knowing(self, arrays: Sequence[Any], late: int) -> Callable[[Array], object] | None:
        """As `Bindable.knowing`, for x of what comes into a plan, and y of what leaves it."""
        x, _, bias, residual, out = arrays
        weights, last = self.weights, len(arrays) - 1
        if late == 0:
            y = out.reshape(1, -1)
            rest = self._finishing(y.reshape(-1), bias, residual)

            def multiply(x: Array) -> None:
                (x if x.ndim == 2 else x.reshape(1, -1)).dot(weights, y)
                for step in rest:
                    step()

            return multiply
        if late != last or self.activate is not None:
            return None
        vector = x.reshape(1, -1)
        added = [a.reshape(1, -1) for a in (bias, residual) if a is not None]

        def fill(out: Array) -> None:
            y = out if out.ndim == 2 else out.reshape(1, -1)
            vector.dot(weights, y)
            for addend in added:
                np.add(y, addend, y)

        return fill


@dataclass(frozen=True)
class Linear(Bindable):
    """y = activation(x @ w + bias + residual): some columns after the others, `at_once` rows of them.

    `room` is where a block is made whose rows do not lie together in y, `part` where parts of its
    sum are.
    """

    products: tuple[Product, ...]
    rows: int
    at_once: int
    activate: Activate | None
    room: Array | None
    part: Array | None

    def __call__(self, *arrays: Any) -> None:
        for step in self._steps(*arrays):
            step()

    def on(self, *arrays: Any) -> Bound:
        """The steps on these arrays."""
        return sequence(list(self._steps(*arrays)))

    def _steps(self, x: Array, _w: Array, bias: Any, residual: Any, out: Array) -> Iterator[Bound]:
        rows, shape = self.rows, self.products[0].shape
        x, y = x.reshape(rows, shape.depth), out.reshape(rows, -1)
        bias = None if bias is None else bias.reshape(-1)
        residual = None if residual is None else residual.reshape(y.shape)
        if rows <= self.at_once and len(self.products) == 1:
            yield from self._block(self.products[0], x, bias, residual, y)
            return
        for start in range(0, rows, self.at_once):
            taken = slice(start, start + self.at_once)
            for index, product in enumerate(self.products):
                part = slice(index * shape.columns, (index + 1) * shape.columns)
                yield from self._block(
                    product,
                    x[taken],
                    None if bias is None else bias[part],
                    None if residual is None else residual[taken, part],
                    y[taken, part],
                )

    def _block(
        self, product: Product, x: Array, bias: Any, residual: Any, y: Array
    ) -> Iterator[Bound]:
        room = self.room
        if room is None and self.activate is not None and not y.flags.c_contiguous:
            # Some columns of a few rows.
            room = np.empty(y.size, y.dtype)
        target = y if room is None else room[: y.size].reshape(y.shape)
        yield from product.steps(x, target, self.part)
        if bias is not None:
            yield partial(np.add, target, bias, target)
        if residual is not None:
            yield partial(np.add, target, residual, target)
        if self.activate is not None:
            yield self.activate.on(target)
        if target is not y:
            yield partial(np.copyto, y, target)


@dataclass(frozen=True)
class Divided(Bindable):
    """A product with a constant matrix, some rows or some columns of it a thread."""

    depth: int
    columns: int
    lanes: tuple[tuple[Bindable, slice, slice], ...]
    """Each thread's product, and the rows and the columns of the result that it makes."""
    team: Team

    @staticmethod
    def of(call: Call, product: Product, vector: _Vector | None, rows: int) -> Divided | None:
        """The product for so many rows; None where it is not to be divided, or cannot be."""
        count, shape = call.invoke.shares, product.shape
        if count < 2:
            return None
        by_rows = rows >= _ROWS_EACH * count
        unit = shape.width if shape.blocks > 1 else _COLUMNS
        units = rows if by_rows else shape.columns // unit
        lanes: list[tuple[Bindable, slice, slice]] = []
        for index, (first, last) in enumerate(_stretches(units, count)):
            own = replace(call, rooms=call.rooms.of_lane(index))
            activate = activate_of(own)
            if by_rows:
                lane = _prepared(product, last - first, activate, own.rooms)
                lanes.append((lane, slice(first, last), slice(None)))
                continue
            stop = shape.columns if last == units else last * unit
            columns = slice(first * unit, stop)
            if rows == 1 and vector is not None:
                lanes.append((_Vector(vector.weights[:, columns], activate), slice(None), columns))
            else:
                some = product.some_columns(columns)
                lanes.append((_prepared(some, rows, activate, own.rooms), slice(None), columns))
        if len(lanes) < 2:
            return None
        return Divided(shape.depth, shape.columns, tuple(lanes), teams().join())

    def __call__(self, *arrays: Any) -> None:
        self.on(*arrays)()

    def on(self, *arrays: Any) -> Bound:
        """The steps of all threads on these arrays."""
        x, w, bias, residual, out = arrays
        x, y = x.reshape(-1, self.depth), out.reshape(-1, self.columns)
        bias = None if bias is None else bias.reshape(-1)
        residual = None if residual is None else residual.reshape(y.shape)
        return Together(
            [
                partial(
                    product,
                    x[rows],
                    w,
                    None if bias is None else bias[columns],
                    None if residual is None else residual[rows, columns],
                    y[rows, columns],
                )
                for product, rows, columns in self.lanes
            ],
            self.team,
        )


def _stretches(size: int, count: int) -> list[tuple[int, int]]:
    """Nearly equal parts, none of them empty."""
    ends = [size * (index + 1) // count for index in range(count)]
    return [(a, b) for a, b in zip([0, *ends], ends, strict=False) if a < b]


IMPLEMENTATIONS: tuple[Implementation, ...] = (
    late(
        "gemm", _gemm, "alpha", "beta", "trans_a", "trans_b", "activation", arity=4, raw=(1,),
        own=_own_gemm,
    ),
    late("matmul", _matmul, "activation", arity=4, raw=(1,), own=_own_matmul),
)  # fmt: skip

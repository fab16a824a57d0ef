"""Copies of up to four axes of f32, and zeros: padded images, transposes, parts of tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp, f32, i64
from xdsl.ir import SSAValue

from pyflame_rt.backends.native import kernels
from pyflame_rt.backends.native.builder import POINTER, Builder, Values
from pyflame_rt.backends.native.loops import Pointers, fields, over, vectors
from pyflame_rt.backends.native.steps import Call, Number

_AXES = 4

FIELDS = ("@source", "@target", *(f"{what}{axis}" for axis in range(_AXES) for what in "nst"))
"""Addresses, and for each axis its size and the ways in source and target; bytes. Without a source (0)
zeros are written."""


@dataclass(frozen=True)
class CopyKernel:
    """Code that copies, by vectors where elements lie side by side."""

    cpu: str
    lanes: int

    entry = "copy"

    def emit(self) -> ModuleOp:
        """The module, in the `llvm` dialect."""
        b = Builder(self.entry, [POINTER], public=True)
        given = fields(b, b.arguments[0], FIELDS)
        is_zero = b.compare("eq", b.load(b.arguments[0], i64, 8), 0)

        def zeros() -> Values:
            def row(values: Pointers) -> None:
                _Row(self, b, given).zeros(values[0])

            _nest(b, given, [given["target"]], ["t"], row)
            return ()

        def copies() -> Values:
            def row(values: Pointers) -> None:
                _Row(self, b, given).copies(*values)

            _nest(b, given, [given["source"], given["target"]], ["s", "t"], row)
            return ()

        b.either(is_zero, zeros, copies)
        return ModuleOp([b.finish()])


def _nest(
    b: Builder,
    given: dict[str, SSAValue],
    pointers: list[SSAValue],
    ways: list[str],
    body: Callable[[Pointers], None],
    axis: int = 0,
) -> None:
    """`body` of the pointers for each place along all axes but the last."""
    if axis == _AXES - 1:
        body(tuple(pointers))
        return

    def turn(values: Pointers) -> None:
        _nest(b, given, list(values), ways, body, axis + 1)

    over(b, given[f"n{axis}"], pointers, [given[f"{way}{axis}"] for way in ways], turn)


class _Row:
    """The last axis."""

    def __init__(self, kernel: CopyKernel, b: Builder, given: dict[str, SSAValue]) -> None:
        self._b, self._lanes = b, kernel.lanes
        self._count, self._source, self._target = given["n3"], given["s3"], given["t3"]

    def zeros(self, target: SSAValue) -> None:
        b, lanes = self._b, self._lanes

        def some(places: Pointers, mask: SSAValue | None, _: Values) -> Values:
            b.store(b.splat(0.0, lanes), places[0], mask)
            return ()

        vectors(b, self._count, lanes, [target], some)

    def copies(self, source: SSAValue, target: SSAValue) -> None:
        b, lanes = self._b, self._lanes

        def some(places: Pointers, mask: SSAValue | None, _: Values) -> Values:
            b.store(b.load_vector(places[0], lanes, mask), places[1], mask)
            return ()

        def side_by_side() -> Values:
            vectors(b, self._count, lanes, [source, target], some)
            return ()

        def one(places: Pointers) -> None:
            b.store(b.load(places[0], f32, 4), places[1])

        def one_by_one() -> Values:
            over(b, self._count, [source, target], [self._source, self._target], one)
            return ()

        apart = b.bits_of_both(b.minus(self._source, 4), b.minus(self._target, 4))
        b.either(b.compare("eq", apart, 0), side_by_side, one_by_one)


def copy_call(
    kernel: CopyKernel,
    source: Number,
    target: Number,
    sizes: Sequence[int],
    source_ways: Sequence[int],
    target_ways: Sequence[int],
) -> Call:
    """The copy of an array of these sizes; source 0 writes zeros, side by side along the last axis."""
    missing = _AXES - len(sizes)
    axes = [(1, 0, 0)] * missing + list(zip(sizes, source_ways, target_ways, strict=True))
    return Call(kernels.loaded(kernel), (source, target, *(n for axis in axes for n in axis)))

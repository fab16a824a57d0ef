"""Functions of single elements put together: all that one pass over memory computes, in registers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from types import MappingProxyType

from xdsl.dialects.builtin import ModuleOp, f32, i8, i32, i64
from xdsl.dialects.llvm import SIToFPOp, ZExtOp
from xdsl.ir import SSAValue

from pyflame_rt.backends.native.writing.activations import FUNCTIONS, activated
from pyflame_rt.backends.native.writing.builder import POINTER, Builder, Values
from pyflame_rt.backends.native.writing.loops import Pointers, fields, over
from pyflame_rt.backends.native.writing.vector_math import like

Several = Callable[[Builder, Sequence[SSAValue]], SSAValue]


@dataclass(frozen=True)
class Operation:
    """A function by name, of the values with these numbers: operands come first, then what each
    operation makes. `numbers` are the function's own."""

    name: str
    of: tuple[int, ...]
    numbers: tuple[float, ...] = ()


@dataclass(frozen=True)
class Operand:
    """What is read or written along a row: f32 or booleans, one for each element or one for all, or
    integers of so many bits, which become f32."""

    flags: bool = False
    moves: bool = True
    bits: int = 0

    @property
    def size(self) -> int:
        """Bytes of an element."""
        return self.bits // 8 or (1 if self.flags else 4)


def record_fields(streams: int, axes: int) -> tuple[str, ...]:
    """The numbers of a record: addresses, sizes of outer axes, elements of a row, and for each address
    the ways along the outer axes; bytes."""
    return (
        *(f"@p{i}" for i in range(streams)),
        *(f"n{axis}" for axis in range(axes)),
        "count",
        *(f"w{i}_{axis}" for i in range(streams) for axis in range(axes)),
    )


@dataclass(frozen=True)
class ElementwiseKernel:
    """Code of operations on rows of operands, which lie in so many outer axes."""

    cpu: str
    lanes: int
    fused: bool
    axes: int
    operands: tuple[Operand, ...]
    operations: tuple[Operation, ...]
    results: tuple[int, ...]
    """The values that are put down."""

    entry = "elementwise"

    @property
    def streams(self) -> tuple[Operand, ...]:
        """Operands, then results."""
        flags = flags_of(self.operands, self.operations)
        return (*self.operands, *(Operand(flags[value]) for value in self.results))

    def emit(self) -> ModuleOp:
        """The module, in the `llvm` dialect."""
        b = Builder(self.entry, [POINTER], public=True, fused=self.fused)
        count = len(self.streams)
        given = fields(b, b.arguments[0], record_fields(count, self.axes))

        def nest(pointers: Pointers, axis: int) -> None:
            if axis == self.axes:
                _Row(self, b, given["count"]).emit(pointers)
                return
            ways = [given[f"w{i}_{axis}"] for i in range(count)]
            over(b, given[f"n{axis}"], pointers, ways, lambda inner: nest(inner, axis + 1))

        nest(tuple(given[f"p{i}"] for i in range(count)), 0)
        return ModuleOp([b.finish()])


class _Row:
    """The elements of a row, vector by vector."""

    def __init__(self, kernel: ElementwiseKernel, b: Builder, count: SSAValue) -> None:
        self._kernel, self._b, self._count, self._lanes = kernel, b, count, kernel.lanes
        self._used = {value for operation in kernel.operations for value in operation.of}

    def emit(self, pointers: Pointers) -> None:
        b, lanes, bits = self._b, self._lanes, self._lanes.bit_length() - 1
        fixed = [
            None if kind.moves or i not in self._used else self._fixed(kind, pointers[i])
            for i, kind in enumerate(self._kernel.operands)
        ]

        def turn(values: Pointers) -> Values:
            self._vector(pointers, fixed, values[0], None)
            return [b.plus(values[0], lanes)]

        (place,) = b.loop(b.shifted(self._count, bits), [b.integer(0)], turn)
        rest = b.masked(self._count, lanes - 1)

        def last() -> Values:
            self._vector(pointers, fixed, place, b.lanes_below(rest, lanes))
            return ()

        b.when(b.compare("sgt", rest, 0), last, ())

    def _fixed(self, kind: Operand, pointer: SSAValue) -> SSAValue:
        b = self._b
        if kind.bits:
            number = b.load(pointer, i64 if kind.bits == 64 else i32, kind.size)
            return b.spread(b.add(SIToFPOp, (number,), f32, {}), self._lanes)
        if not kind.flags:
            return b.broadcast(pointer, self._lanes)
        flag = b.add(ZExtOp, (b.load(pointer, i8, 1),), b.integer(0).type, {})
        number = b.spread(b.add(SIToFPOp, (flag,), f32, {}), self._lanes)
        return b.compare_lanes("une", number, like(b, number, 0.0))

    def _vector(
        self,
        pointers: Pointers,
        fixed: Sequence[SSAValue | None],
        index: SSAValue,
        mask: SSAValue | None,
    ) -> None:
        """All of it for the elements from an index on. Nothing is put down before all is read: a
        result may lie where an operand does."""
        b, kernel = self._b, self._kernel
        sizes = sorted({kind.size for kind in kernel.streams if kind.moves})
        bytes_on = {size: b.times(index, size) for size in sizes}
        places = [
            b.at(pointer, bytes_on[kind.size]) if kind.moves else pointer
            for pointer, kind in zip(pointers, kernel.streams, strict=True)
        ]
        values: dict[int, SSAValue] = {}
        for i, kind in enumerate(kernel.operands):
            if i in self._used:
                known = fixed[i]
                values[i] = self._loaded(kind, places[i], mask) if known is None else known
        for number, operation in enumerate(kernel.operations, len(kernel.operands)):
            values[number] = computed(b, operation, [values[value] for value in operation.of])
        for place, kind, value in zip(
            places[len(kernel.operands) :],
            kernel.streams[len(kernel.operands) :],
            kernel.results,
            strict=True,
        ):
            (b.store_flags if kind.flags else b.store)(values[value], place, mask)

    def _loaded(self, kind: Operand, place: SSAValue, mask: SSAValue | None) -> SSAValue:
        b, lanes = self._b, self._lanes
        if kind.bits:
            return b.load_numbers(place, lanes, kind.bits, mask)
        return (b.load_flags if kind.flags else b.load_vector)(place, lanes, mask)


def computed(b: Builder, operation: Operation, values: Sequence[SSAValue]) -> SSAValue:
    """The function of each lane."""
    several = _SEVERAL.get(operation.name)
    if several is not None:
        return several(b, values)
    return activated(b, operation.name, operation.numbers, values[0])


def flags_of(operands: Sequence[Operand], operations: Sequence[Operation]) -> list[bool]:
    """Which values are booleans.

    Raises ValueError for a function of what it does not take.
    """
    flags = [operand.flags for operand in operands]
    for operation in operations:
        kinds = tuple(flags[value] for value in operation.of)
        flags.append(_kind_of_result(operation.name, kinds))
    return flags


def _kind_of_result(name: str, kinds: tuple[bool, ...]) -> bool:
    if name in FUNCTIONS:
        expected, result = (False,), False
    elif name in _FOLDED:
        expected, result = (False,) * max(len(kinds), 1), False
    else:
        expected, result = _KINDS.get(name, ((), False))
    if kinds != expected or not kinds:
        raise ValueError(f"there is no code for {name!r} of {len(kinds)} such values")
    return result


def _folded(function: Callable[[Builder, SSAValue, SSAValue], SSAValue]) -> Several:
    return lambda b, values: reduce(lambda x, y: function(b, x, y), values)


def _mean(b: Builder, values: Sequence[SSAValue]) -> SSAValue:
    total = _folded(Builder.add_floats)(b, values)
    return b.divide(total, like(b, total, len(values)))


def _compared(how: str) -> Several:
    return lambda b, values: b.compare_lanes(how, values[0], values[1])


def _where(b: Builder, values: Sequence[SSAValue]) -> SSAValue:
    condition, x, y = values
    return b.choose(condition, x, y)


def _prelu(b: Builder, values: Sequence[SSAValue]) -> SSAValue:
    x, slope = values
    is_below = b.compare_lanes("olt", x, like(b, x, 0.0))
    return b.choose(is_below, b.multiply(slope, x), x)


def _not(b: Builder, values: Sequence[SSAValue]) -> SSAValue:
    (flags,) = values
    yes = b.compare_lanes("oeq", b.splat(0.0, _lanes(flags)), b.splat(0.0, _lanes(flags)))
    return b.exclusive(flags, yes)


def _number(b: Builder, values: Sequence[SSAValue]) -> SSAValue:
    (flags,) = values
    lanes = _lanes(flags)
    return b.choose(flags, b.splat(1.0, lanes), b.splat(0.0, lanes))


def _lanes(flags: SSAValue) -> int:
    from pyflame_rt.backends.native.writing.vector_math import lanes_of

    return lanes_of(flags)


def _is_nan(b: Builder, values: Sequence[SSAValue]) -> SSAValue:
    return b.compare_lanes("uno", values[0], values[0])


def _is_inf(b: Builder, values: Sequence[SSAValue]) -> SSAValue:
    size = b.unary("fabs", values[0])
    return b.compare_lanes("oeq", size, like(b, size, float("inf")))


_FOLDED: Mapping[str, Several] = MappingProxyType(
    {
        "max": _folded(Builder.larger),
        "mean": _mean,
        "min": _folded(Builder.smaller),
        "sum": _folded(Builder.add_floats),
    }
)
"""Functions of any number of operands."""

_TWO = (False, False)
_KINDS: Mapping[str, tuple[tuple[bool, ...], bool]] = MappingProxyType(
    {
        **dict.fromkeys(("add", "div", "mul", "prelu", "sub"), (_TWO, False)),
        **dict.fromkeys(
            ("equal", "greater", "greater_or_equal", "less", "less_or_equal"), (_TWO, True)
        ),
        **dict.fromkeys(("and", "or", "xor"), ((True, True), True)),
        "flag": ((False,), True),
        "is_inf": ((False,), True),
        "is_nan": ((False,), True),
        "not": ((True,), True),
        "number": ((True,), False),
        "where": ((True, False, False), False),
        "where_flags": ((True, True, True), True),
    }
)
"""Which operands of a function are booleans, and whether its result is."""

_SEVERAL: Mapping[str, Several] = MappingProxyType(
    {
        **_FOLDED,
        "add": _folded(Builder.add_floats),
        "and": _folded(Builder.bits_of_all),
        "div": _folded(Builder.divide),
        "equal": _compared("oeq"),
        "flag": lambda b, values: b.compare_lanes("une", values[0], like(b, values[0], 0.0)),
        "greater": _compared("ogt"),
        "greater_or_equal": _compared("oge"),
        "is_inf": _is_inf,
        "is_nan": _is_nan,
        "less": _compared("olt"),
        "less_or_equal": _compared("ole"),
        "mul": _folded(Builder.multiply),
        "not": _not,
        "number": _number,
        "or": _folded(Builder.bits_of_both),
        "prelu": _prelu,
        "sub": _folded(Builder.subtract),
        "where": _where,
        "where_flags": _where,
        "xor": _folded(Builder.exclusive),
    }
)
"""Functions of more than one operand, or of booleans."""

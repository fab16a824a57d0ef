"""Functions of one number: as vector ops where there are some, else as scalar code for each element.

Scalar code works in f32. exp(x) = 2^n exp(f), n = round(x / ln 2), with a polynomial for |f| <= ln 2 / 2 whose
relative error is below 1e-7 (Taylor's, of degree 7); the others come from exp: the logistic function and tanh by
their definitions, erf by Abramowitz and Stegun 7.1.26 (absolute error below 2e-7).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from xdsl.dialects import arith
from xdsl.dialects.builtin import f32, i32
from xdsl.ir import SSAValue

from pyflame_rt.dialects.wse.builder import TileBuilder
from pyflame_rt.passes.wse.emitting.code import Code
from pyflame_rt.passes.wse.emitting.machine import Constants

_LN2_HIGH: Final = 0.693359375
_LN2_LOW: Final = math.log(2) - _LN2_HIGH
# exp gives 2^-125 below, and stays finite above.
_LEAST: Final = -86.5
_MOST: Final = 88.0


def apply(
    code: Code, function: str, buffer: str, *, source: str | None = None,
    limits: tuple[float, float] = (0.0, 0.0),
) -> None:  # fmt: skip
    """buffer <- function(source), or of itself."""
    whole = code.mem(buffer)
    given = whole if source is None else code.mem(source)
    match function:
        case "relu":
            code.op("max", whole, given, scalar=0.0)
        case "clip":
            code.op("max", whole, given, scalar=limits[0])
            code.op("min", whole, whole, scalar=limits[1])
        case "neg":
            code.op("neg", whole, given)
        case _:
            if source is not None:
                code.op("mov", whole, given)
            each(code, buffer, FUNCTIONS[function])


def apply_cycles(function: str, elements: int, machine: Constants, lanes: int) -> float:
    """Cycles of `apply` in place."""
    loads = machine.loads(2) + machine.vector_issue
    match function:
        case "relu" | "neg":
            return elements / lanes + loads
        case "clip":
            return 2 * (elements / lanes + loads)
        case _:
            dtype = "f16" if lanes == machine.lanes_16 else "f32"
            return each_cycles(elements, FUNCTIONS[function], machine, dtype)


def each(
    code: Code, buffer: str, function: Scalar, length: int | None = None, *, offset: int = 0
) -> None:
    """buffer[i] <- function(buffer[i]) by scalar code."""
    with code.map(code.mem(buffer, length, offset=offset)) as element:
        value = code.tile.convert(element, "f32")
        code.tile.yield_(code.tile.convert(function(code.tile, value), code.dtype))


def each_cycles(elements: int, function: Scalar, machine: Constants, dtype: str = "f32") -> float:
    """Cycles of `each`: what its scalar instructions take, a float one after the other."""
    counter = TileBuilder("count")
    with counter.task("main") as task:
        function(counter, counter.constant(0.5, "f32"))
    floats = others = 0
    for op in task.body.block.ops:
        if isinstance(op, arith.ConstantOp | arith.BitcastOp):
            continue
        if op.results and op.results[0].type == f32:
            floats += 1
        else:
            others += 1
    # To f32 and back.
    floats += 2 * (dtype == "f16")
    body = floats * machine.float_latency + others * machine.scalar
    return machine.map_begin + machine.loads(1) + elements * (body + machine.map_next)


def exp(tile: TileBuilder, x: SSAValue) -> SSAValue:
    """e^x."""
    x = tile.alu("min", tile.alu("max", x, _LEAST), _MOST)
    # Truncation is that towards zero: numbers are made positive for it.
    scaled = tile.fma(x, 1 / math.log(2), 126.5)
    whole = tile.convert(scaled, "i32")
    power = tile.alu("sub", tile.convert(whole, "f32"), 126.0)
    rest = tile.fma(power, -_LN2_HIGH, x)
    rest = tile.fma(power, -_LN2_LOW, rest)
    total = tile.constant(1 / math.factorial(7), "f32")
    for degree in range(6, -1, -1):
        total = tile.fma(rest, total, 1 / math.factorial(degree))
    bits = tile.alu("shl", tile.alu("add", whole, 1), 23)
    return tile.alu("mul", total, tile.emit(arith.BitcastOp(bits, f32)).result)


def sigmoid(tile: TileBuilder, x: SSAValue) -> SSAValue:
    """1 / (1 + e^-x)."""
    return tile.alu("div", 1.0, tile.alu("add", exp(tile, tile.alu("neg", x)), 1.0))


def tanh(tile: TileBuilder, x: SSAValue) -> SSAValue:
    """2 / (1 + e^-2x) - 1."""
    below = tile.alu("add", exp(tile, tile.alu("mul", x, -2.0)), 1.0)
    return tile.alu("sub", tile.alu("div", 2.0, below), 1.0)


def erf(tile: TileBuilder, x: SSAValue) -> SSAValue:
    """The error function."""
    size = tile.alu("abs", x)
    t = tile.alu("div", 1.0, tile.fma(size, 0.3275911, 1.0))
    total = tile.constant(1.061405429, "f32")
    for factor in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        total = tile.fma(total, t, factor)
    tail = exp(tile, tile.alu("neg", tile.alu("mul", size, size)))
    found = tile.alu("sub", 1.0, tile.alu("mul", tile.alu("mul", total, t), tail))
    negative = tile.alu("lt", x, 0.0)
    return tile.select(negative, tile.alu("neg", found), found)


def gelu(tile: TileBuilder, x: SSAValue) -> SSAValue:
    """x (1 + erf(x / sqrt 2)) / 2."""
    half = tile.alu("mul", x, 0.5)
    return tile.fma(half, erf(tile, tile.alu("mul", x, math.sqrt(0.5))), half)


def gelu_tanh(tile: TileBuilder, x: SSAValue) -> SSAValue:
    """x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2."""
    factor = math.sqrt(2 / math.pi)
    inner = tile.fma(tile.alu("mul", x, x), factor * 0.044715, factor)
    half = tile.alu("mul", x, 0.5)
    return tile.fma(half, tanh(tile, tile.alu("mul", inner, x)), half)


def swish(tile: TileBuilder, x: SSAValue) -> SSAValue:
    """x / (1 + e^-x)."""
    return tile.alu("div", x, tile.alu("add", exp(tile, tile.alu("neg", x)), 1.0))


def reciprocal(tile: TileBuilder, x: SSAValue) -> SSAValue:
    """1 / x."""
    return tile.alu("div", 1.0, x)


def logarithm(tile: TileBuilder, x: SSAValue) -> SSAValue:
    """The natural logarithm of a positive number: 2^n m with m in [1/sqrt 2, sqrt 2), 2 artanh((m-1)/(m+1))."""
    bits = tile.emit(arith.BitcastOp(x, i32)).result
    power = tile.alu("shr", tile.alu("sub", bits, 0x3F3504F3), 23)
    rest = tile.alu("sub", bits, tile.alu("shl", power, 23))
    m = tile.emit(arith.BitcastOp(rest, f32)).result
    ratio = tile.alu("div", tile.alu("sub", m, 1.0), tile.alu("add", m, 1.0))
    square = tile.alu("mul", ratio, ratio)
    total = tile.constant(2 / 9, "f32")
    for odd in (7, 5, 3, 1):
        total = tile.fma(total, square, 2 / odd)
    n = tile.convert(power, "f32")
    return tile.fma(n, math.log(2), tile.alu("mul", ratio, total))


def square_root(tile: TileBuilder, x: SSAValue) -> SSAValue:
    """The square root."""
    return tile.alu("sqrt", x)


Scalar = Callable[[TileBuilder, SSAValue], SSAValue]

FUNCTIONS: Final[dict[str, Scalar]] = {
    "exp": exp, "sigmoid": sigmoid, "tanh": tanh, "erf": erf, "gelu": gelu, "gelu_tanh": gelu_tanh,
    "swish": swish, "reciprocal": reciprocal, "sqrt": square_root,
    "log": logarithm,
}  # fmt: skip
"""Functions that take scalar code."""

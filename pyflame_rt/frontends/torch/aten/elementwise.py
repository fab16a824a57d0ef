"""Elementwise arithmetic on two tensors, or a tensor and a number, that broadcast."""

from __future__ import annotations

from pyflame_rt.dialects.pfrt.base import property_of_constant
from pyflame_rt.frontends.torch.aten.builder import AtenBuilder
from pyflame_rt.frontends.torch.aten.promotion import BOOL, INT64, is_complex, is_float
from pyflame_rt.frontends.torch.aten.rules import aten, rules_in
from pyflame_rt.frontends.torch.aten.values import Dtype, Scalar, TensorValue, Value

_LOGICAL = {"add": "or", "mul": "and", "max": "or", "min": "and"}
_POWERS = frozenset({"float16", "bfloat16", "float32", "float64", "int32", "int64"})


def binary(b: AtenBuilder, name: str, lhs: Scalar, rhs: Scalar) -> Value:
    """An op on operands of their result type; sums and products of bools are `or` and `and`."""
    x, y = b.promote(lhs, rhs)
    if x.dtype == BOOL and name in _LOGICAL:
        return b.one(_LOGICAL[name], [x, y])
    if name in ("max", "min"):
        return b.one(name, [[x, y]])
    return b.one(name, [x, y])


def scaled(b: AtenBuilder, value: Scalar, alpha: Scalar, dtype: Dtype) -> Value:
    """value * alpha in a type."""
    given = b.tensor(value, dtype)
    if isinstance(alpha, bool | int | float) and alpha == 1:
        return given
    if isinstance(alpha, float | complex) and not (is_float(dtype) or is_complex(dtype)):
        raise b.error("an integral tensor cannot be multiplied by a fraction")
    return binary(b, "mul", given, b.tensor(alpha, dtype))


def _sum(b: AtenBuilder, name: str, self: Scalar, other: Scalar, alpha: Scalar) -> Value:
    dtype = b.result_type(self, other)
    if name == "sub" and dtype == BOOL:
        raise b.error("bools cannot be subtracted")
    return binary(b, name, b.tensor(self, dtype), scaled(b, other, alpha, dtype))


@aten("add", overload="Tensor")
def add(b: AtenBuilder, self: Value, other: Value, *, alpha: Scalar = 1) -> Value:
    """self + alpha * other"""
    return _sum(b, "add", self, other, alpha)


@aten("add", overload="Scalar")
def add_scalar(b: AtenBuilder, self: Value, other: Scalar, alpha: Scalar = 1) -> Value:
    """self + alpha * other"""
    return _sum(b, "add", self, other, alpha)


@aten("sub", overload="Tensor")
def sub(b: AtenBuilder, self: Value, other: Value, *, alpha: Scalar = 1) -> Value:
    """self - alpha * other"""
    return _sum(b, "sub", self, other, alpha)


@aten("sub", overload="Scalar")
def sub_scalar(b: AtenBuilder, self: Value, other: Scalar, alpha: Scalar = 1) -> Value:
    """self - alpha * other"""
    return _sum(b, "sub", self, other, alpha)


@aten("rsub", overload="Tensor")
def rsub(b: AtenBuilder, self: Value, other: Value, *, alpha: Scalar = 1) -> Value:
    """other - alpha * self"""
    return _sum(b, "sub", other, self, alpha)


@aten("rsub", overload="Scalar")
def rsub_scalar(b: AtenBuilder, self: Value, other: Scalar, alpha: Scalar = 1) -> Value:
    """other - alpha * self"""
    return _sum(b, "sub", other, self, alpha)


@aten("mul", overload="Tensor")
def mul(b: AtenBuilder, self: Value, other: Value) -> Value:
    """self * other"""
    return binary(b, "mul", self, other)


@aten("mul", overload="Scalar")
def mul_scalar(b: AtenBuilder, self: Value, other: Scalar) -> Value:
    """self * other"""
    return binary(b, "mul", self, other)


def divide(b: AtenBuilder, lhs: Scalar, rhs: Scalar, rounding_mode: str | None = None) -> Value:
    """lhs / rhs: a quotient of floats, or rounded towards zero or minus infinity."""
    if rounding_mode not in (None, "trunc", "floor"):
        raise b.error("rounding_mode must be None, trunc or floor")
    if rounding_mode is None:
        x, y = b.promote(lhs, rhs, dtype=b.float_type(lhs, rhs))
        return b.one("div", [x, y])
    dtype = b.result_type(lhs, rhs)
    x, y = b.promote(lhs, rhs, dtype=INT64 if dtype == BOOL else dtype)
    if not is_float(x.dtype):
        return b.one("div", [x, y]) if rounding_mode == "trunc" else b.floor_divide(x, y)
    return (truncated if rounding_mode == "trunc" else _floor)(b, x, y)


def truncated(b: AtenBuilder, x: Value, y: Value | None = None) -> Value:
    """x, or x / y, rounded towards zero."""
    quotient = x if y is None else b.one("div", [x, y])
    negative = b.one("less", [quotient, b.constant(0, quotient.dtype)])
    up, down = b.one("ceil", [quotient]), b.one("floor", [quotient])
    return b.one("where", [negative, up, down])


def _floor(b: AtenBuilder, x: Value, y: Value) -> Value:
    """floor(x / y) of floats as torch has it: exact where the quotient is rounded up to an integer."""
    dtype = x.dtype
    zero, one, half = (b.constant(number, dtype) for number in (0, 1, 0.5))
    rest = b.one("mod", [x, y], {"fmod": True})
    quotient = b.one("div", [b.one("sub", [x, rest]), y])
    lower = b.one("sub", [quotient, one])
    quotient = b.one("where", [_wraps(b, rest, y, zero), lower, quotient])
    floor = b.one("floor", [quotient])
    above = b.one("greater", [b.one("sub", [quotient, floor]), half])
    floor = b.one("where", [above, b.one("add", [floor, one]), floor])
    return b.one("where", [b.one("equal", [y, zero]), b.one("div", [x, y]), floor])


def _wraps(b: AtenBuilder, rest: Value, divisor: Value, zero: Value) -> Value:
    """Where a remainder of the dividend's sign is not one of the divisor's."""
    signs = [b.one("less", [value, zero]) for value in (rest, divisor)]
    differs = b.one("xor", signs)
    return b.one("and", [b.one("not", [b.one("equal", [rest, zero])]), differs])


@aten("div", overload="Tensor")
def div(b: AtenBuilder, self: Value, other: Value) -> Value:
    """self / other, of floats"""
    return divide(b, self, other)


@aten("div", overload="Scalar")
def div_scalar(b: AtenBuilder, self: Value, other: Scalar) -> Value:
    """self / other, of floats"""
    return divide(b, self, other)


@aten("div", overload="Tensor_mode")
def div_mode(b: AtenBuilder, self: Value, other: Value, *, rounding_mode: str | None) -> Value:
    """self / other, rounded as `rounding_mode` says"""
    return divide(b, self, other, rounding_mode)


@aten("div", overload="Scalar_mode")
def div_scalar_mode(
    b: AtenBuilder, self: Value, other: Scalar, *, rounding_mode: str | None
) -> Value:
    """self / other, rounded as `rounding_mode` says"""
    return divide(b, self, other, rounding_mode)


@aten("true_divide", overload="Tensor")
def true_divide(b: AtenBuilder, self: Value, other: Value) -> Value:
    """self / other, of floats"""
    return divide(b, self, other)


@aten("true_divide", overload="Scalar")
def true_divide_scalar(b: AtenBuilder, self: Value, other: Scalar) -> Value:
    """self / other, of floats"""
    return divide(b, self, other)


@aten("divide", overload="Tensor")
def divide_tensor(b: AtenBuilder, self: Value, other: Value) -> Value:
    """self / other, of floats"""
    return divide(b, self, other)


@aten("multiply", overload="Tensor")
def multiply(b: AtenBuilder, self: Value, other: Value) -> Value:
    """self * other"""
    return binary(b, "mul", self, other)


@aten("floor_divide")
def floor_divide(b: AtenBuilder, self: Value, other: Value) -> Value:
    """self / other, rounded towards minus infinity"""
    return divide(b, self, other, "floor")


@aten("floor_divide", overload="Scalar")
def floor_divide_scalar(b: AtenBuilder, self: Value, other: Scalar) -> Value:
    """self / other, rounded towards minus infinity"""
    return divide(b, self, other, "floor")


def _remainder(b: AtenBuilder, lhs: Scalar, rhs: Scalar) -> Value:
    x, y = b.promote(lhs, rhs)
    if not is_float(x.dtype):
        return b.one("mod", [x, y])
    rest = b.one("mod", [x, y], {"fmod": True})
    wraps = _wraps(b, rest, y, b.constant(0, x.dtype))
    return b.one("where", [wraps, b.one("add", [rest, y]), rest])


@aten("remainder", overload="Tensor")
def remainder(b: AtenBuilder, self: Value, other: Value) -> Value:
    """What is left of self after division by other, of other's sign"""
    return _remainder(b, self, other)


@aten("remainder", overload="Scalar")
def remainder_scalar(b: AtenBuilder, self: Value, other: Scalar) -> Value:
    """What is left of self after division by other, of other's sign"""
    return _remainder(b, self, other)


@aten("remainder", overload="Scalar_Tensor")
def remainder_of_scalar(b: AtenBuilder, self: Scalar, other: Value) -> Value:
    """What is left of self after division by other, of other's sign"""
    return _remainder(b, self, other)


@aten("fmod", overload="Tensor")
def fmod(b: AtenBuilder, self: Value, other: Value) -> Value:
    """What is left of self after division by other, of self's sign"""
    x, y = b.promote(self, other)
    return b.one("mod", [x, y], {"fmod": True})


@aten("fmod", overload="Scalar")
def fmod_scalar(b: AtenBuilder, self: Value, other: Scalar) -> Value:
    """What is left of self after division by other, of self's sign"""
    x, y = b.promote(self, other)
    return b.one("mod", [x, y], {"fmod": True})


def power(b: AtenBuilder, lhs: Scalar, rhs: Scalar) -> Value:
    """lhs to the power of rhs; common powers by what torch computes them by."""
    dtype = b.result_type(lhs, rhs)
    if not isinstance(rhs, TensorValue) and isinstance(rhs, int | float):
        if isinstance(rhs, int) and rhs < 0 and dtype.kind in "iu":
            raise b.error("integers have no negative powers")
        x = b.tensor(lhs, dtype)
        match rhs:
            case 1:
                return x
            case 2:
                return b.one("mul", [x, x])
            case 3:
                return b.one("mul", [b.one("mul", [x, x]), x])
            case 0.5 if is_float(dtype):
                return b.one("sqrt", [x])
            case -1 if is_float(dtype):
                return b.one("reciprocal", [x])
            case _:
                pass
    wide = dtype if dtype.name in _POWERS else INT64
    x, y = b.promote(lhs, rhs, dtype=wide)
    return b.cast(b.one("pow", [x, y]), dtype)


@aten("pow", overload="Tensor_Tensor")
def pow_(b: AtenBuilder, self: Value, exponent: Value) -> Value:
    """self to the power of exponent"""
    return power(b, self, exponent)


@aten("pow", overload="Tensor_Scalar")
def pow_scalar(b: AtenBuilder, self: Value, exponent: Scalar) -> Value:
    """self to the power of exponent"""
    return power(b, self, exponent)


@aten("pow", overload="Scalar")
def pow_of_scalar(b: AtenBuilder, self: Scalar, exponent: Value) -> Value:
    """self to the power of exponent"""
    return power(b, self, exponent)


@aten("maximum")
def maximum(b: AtenBuilder, self: Value, other: Value) -> Value:
    """The larger of each two elements"""
    return binary(b, "max", self, other)


@aten("minimum")
def minimum(b: AtenBuilder, self: Value, other: Value) -> Value:
    """The smaller of each two elements"""
    return binary(b, "min", self, other)


@aten("max", overload="other")
def max_other(b: AtenBuilder, self: Value, other: Value) -> Value:
    """The larger of each two elements"""
    return binary(b, "max", self, other)


@aten("min", overload="other")
def min_other(b: AtenBuilder, self: Value, other: Value) -> Value:
    """The smaller of each two elements"""
    return binary(b, "min", self, other)


def clip(b: AtenBuilder, self: Value, least: Scalar | None, most: Scalar | None) -> Value:
    """min(max(self, least), most), of the result type of all."""
    bounds = [bound for bound in (least, most) if bound is not None]
    if not bounds:
        raise b.error("at least one of min and max must be given")
    dtype = b.result_type(self, *bounds)
    x = b.cast(self, dtype)
    numbers = [b.known(b.tensor(bound, dtype)) for bound in bounds]
    if all(array is not None and array.ndim == 0 for array in numbers):
        named = zip(("min", "max"), (least, most), strict=True)
        properties = {
            name: property_of_constant(b.scalar_array(bound, dtype))
            for name, bound in named
            if isinstance(bound, bool | int | float)
        }
        if len(properties) == len(bounds):
            return b.one("clip", [x], properties)
    for name, bound in (("max", least), ("min", most)):
        if bound is not None:
            x = b.one(name, [[x, b.tensor(bound, dtype)]])
    return x


@aten("clamp")
def clamp(
    b: AtenBuilder, self: Value, min: Scalar | None = None, max: Scalar | None = None
) -> Value:
    """min(max(self, min), max)"""
    return clip(b, self, min, max)


@aten("clamp", overload="Tensor")
def clamp_tensor(
    b: AtenBuilder, self: Value, min: Value | None = None, max: Value | None = None
) -> Value:
    """min(max(self, min), max)"""
    return clip(b, self, min, max)


@aten("clamp_min")
def clamp_min(b: AtenBuilder, self: Value, min: Scalar) -> Value:
    """max(self, min)"""
    return clip(b, self, min, None)


@aten("clamp_min", overload="Tensor")
def clamp_min_tensor(b: AtenBuilder, self: Value, min: Value) -> Value:
    """max(self, min)"""
    return clip(b, self, min, None)


@aten("clamp_max")
def clamp_max(b: AtenBuilder, self: Value, max: Scalar) -> Value:
    """min(self, max)"""
    return clip(b, self, None, max)


@aten("clamp_max", overload="Tensor")
def clamp_max_tensor(b: AtenBuilder, self: Value, max: Value) -> Value:
    """min(self, max)"""
    return clip(b, self, None, max)


@aten("clip")
def clip_(
    b: AtenBuilder, self: Value, min: Scalar | None = None, max: Scalar | None = None
) -> Value:
    """min(max(self, min), max)"""
    return clip(b, self, min, max)


@aten("lerp", overload="Scalar")
def lerp_scalar(b: AtenBuilder, self: Value, end: Value, weight: Scalar) -> Value:
    """self + weight * (end - self)"""
    way = binary(b, "sub", end, self)
    return binary(b, "add", self, binary(b, "mul", way, weight))


@aten("lerp", overload="Tensor")
def lerp(b: AtenBuilder, self: Value, end: Value, weight: Value) -> Value:
    """self + weight * (end - self)"""
    way = binary(b, "sub", end, self)
    return binary(b, "add", self, binary(b, "mul", way, weight))


@aten("addcmul")
def addcmul(
    b: AtenBuilder, self: Value, tensor1: Value, tensor2: Value, *, value: Scalar = 1
) -> Value:
    """self + value * tensor1 * tensor2"""
    product = binary(b, "mul", tensor1, tensor2)
    return binary(b, "add", self, scaled(b, product, value, product.dtype))


@aten("addcdiv")
def addcdiv(
    b: AtenBuilder, self: Value, tensor1: Value, tensor2: Value, *, value: Scalar = 1
) -> Value:
    """self + value * tensor1 / tensor2"""
    quotient = divide(b, tensor1, tensor2)
    return binary(b, "add", self, scaled(b, quotient, value, quotient.dtype))


RULES = rules_in(globals())

"""Quantized tensors and the operators on them.

A quantized tensor is its integers, with a scale and zero point that are known at import. Operators
compute on the reals that it stands for, and quantize what they give: `q(op(dq(x)))`, which passes
recognise as integer kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from pyflame_rt.frontends.quoting import quoted
from pyflame_rt.frontends.torch.aten import rules
from pyflame_rt.frontends.torch.aten.values import QUANTIZED, Value, numpy_of
from pyflame_rt.frontends.torch.script import containers
from pyflame_rt.frontends.torch.script.machine import Machine
from pyflame_rt.frontends.torch.script.tensors import fresh, read, write
from pyflame_rt.frontends.torch.script.values import Known, ListObject, Packed, Tensor

if TYPE_CHECKING:
    from pyflame_rt.frontends.torch.script.interpreter import Interpreter

Array: TypeAlias = npt.NDArray[Any]
Own: TypeAlias = "Callable[[Interpreter, Sequence[Known], Mapping[str, Known]], Known]"

_FLOAT = np.dtype(np.float32)
_QINT8 = 12
_QUINT8 = 13


@dataclass(frozen=True, eq=False)
class Quantized:
    """A quantized tensor: integers, and what they stand for. `axis` has one scale for each index."""

    integers: Tensor
    scale: Array
    zero_point: Array
    code: int
    axis: int | None = None


def quantized_of(
    integers: Tensor, scale: float, zero_point: int, code: int, m: Machine
) -> Quantized:
    """A tensor of integers with one scale."""
    if code not in QUANTIZED:
        raise m.error(f"torch's type {code} is not a quantized one")
    dtype = numpy_of(QUANTIZED[code])
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    if not low <= zero_point <= high or not scale > 0:
        raise m.error(f"scale {scale} and zero point {zero_point} are none of {dtype}")
    return Quantized(integers, np.array(scale, np.float32), np.array(zero_point, dtype), code)


def reals(m: Machine, value: Quantized) -> Value:
    """What a quantized tensor stands for."""
    b = m.b
    integers = read(m, value.integers)
    if value.code not in (_QINT8, _QUINT8):
        shifted = b.one("sub", [integers, b.constant(value.zero_point)])
        return b.one("mul", [b.cast(shifted, _FLOAT), b.constant(value.scale)])
    properties = {} if value.axis is None else {"axis": value.axis}
    operands = [integers, b.constant(value.scale), b.constant(value.zero_point)]
    return b.one("dequantize_linear", operands, properties)


def quantize(m: Machine, value: Value, scale: Known, zero_point: Known, code: Known) -> Quantized:
    """A tensor of reals, quantized."""
    b = m.b
    numbers = [_number(m, number) for number in (scale, zero_point)]
    made = quantized_of(fresh(value), float(numbers[0]), int(numbers[1]), int(code), m)
    if code not in (_QINT8, _QUINT8):
        scaled = b.one("round", [b.one("div", [value, b.constant(made.scale)])])
        integers = b.one(
            "add", [b.cast(scaled, made.zero_point.dtype), b.constant(made.zero_point)]
        )
    else:
        operands = [value, b.constant(made.scale), b.constant(made.zero_point)]
        integers = b.one("quantize_linear", operands)
    return replace(made, integers=fresh(integers))


def _number(m: Machine, value: Known) -> Any:
    """A scale or zero point, which may be a tensor that is known."""
    if isinstance(value, Tensor):
        array = m.b.known(read(m, value))
        value = None if array is None or array.size != 1 else array.reshape(-1)[0].item()
    if not isinstance(value, int | float):
        raise m.unsupported("quantizes by a scale that is known only at run time")
    return value


def call(
    interpreter: Interpreter,
    namespace: str,
    name: str,
    arguments: Sequence[Known],
    keywords: Mapping[str, Known],
) -> Known:
    """An operator of torch's on a quantized tensor; NotImplemented when no argument is one."""
    m = interpreter.m
    own = _OWN.get((namespace, name))
    if own is not None:
        try:
            return own(interpreter, arguments, keywords)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise m.error(f"{quoted(name)} is called with arguments it does not take") from error
    first = next((each for each in _flat(arguments) if isinstance(each, Quantized)), None)
    if first is None:
        return NotImplemented
    plain = name.removesuffix("_") if not rules.overloads(name, namespace) else name
    computed = [_dequantized(m, each) for each in arguments]
    found = interpreter.operator(namespace, plain, computed, keywords)
    if not isinstance(found, Tensor):
        return found
    value = read(m, found)
    if value.dtype != _FLOAT or first.axis is not None:
        return found
    made = quantize(m, value, first.scale.item(), first.zero_point.item(), first.code)
    if plain != name:
        write(m, first.integers, read(m, made.integers))
        return first
    return made


def _flat(values: Sequence[Known]) -> Sequence[Known]:
    return [
        each
        for value in values
        for each in (value.items if isinstance(value, ListObject) else [value])
    ]


def _dequantized(m: Machine, value: Known) -> Known:
    if isinstance(value, Quantized):
        return fresh(reals(m, value))
    if isinstance(value, ListObject):
        return ListObject([_dequantized(m, each) for each in value.items])
    return value


# Operators.


def _quantize_per_tensor(
    interpreter: Interpreter, arguments: Sequence[Known], keywords: Mapping[str, Known]
) -> Known:
    tensor, scale, zero_point, code = arguments
    m = interpreter.m
    return quantize(m, read(m, tensor), scale, zero_point, code)


def _dequantize(
    interpreter: Interpreter, arguments: Sequence[Known], keywords: Mapping[str, Known]
) -> Known:
    return _dequantized(interpreter.m, arguments[0])


def _integers(
    interpreter: Interpreter, arguments: Sequence[Known], keywords: Mapping[str, Known]
) -> Known:
    return arguments[0].integers


def _scale(
    interpreter: Interpreter, arguments: Sequence[Known], keywords: Mapping[str, Known]
) -> Known:
    return arguments[0].scale.item()


def _zero_point(
    interpreter: Interpreter, arguments: Sequence[Known], keywords: Mapping[str, Known]
) -> Known:
    return arguments[0].zero_point.item()


def _prepack(kind: str) -> Own:
    def pack(
        interpreter: Interpreter, arguments: Sequence[Known], keywords: Mapping[str, Known]
    ) -> Known:
        return Packed(kind, (*arguments, *keywords.values()))

    return pack


def _unpack(
    interpreter: Interpreter, arguments: Sequence[Known], keywords: Mapping[str, Known]
) -> Known:
    return _packed(interpreter, arguments[0]).items[:2]


def _packed(interpreter: Interpreter, value: Known) -> Packed:
    if not isinstance(value, Packed):
        raise interpreter.m.error("a quantized operator is called without packed weights")
    return value


def _finish(interpreter: Interpreter, found: Known, relu: bool, scale: Known, zero: Known) -> Known:
    """The result of a quantized operator."""
    m = interpreter.m
    value = read(m, found)
    if relu:
        value = m.b.one("relu", [value])
    return quantize(m, value, scale, zero, _QUINT8)


def _convolution(name: str, *, relu: bool) -> Own:
    def compute(
        interpreter: Interpreter, arguments: Sequence[Known], keywords: Mapping[str, Known]
    ) -> Known:
        m = interpreter.m
        x, weights, scale, zero_point = arguments
        weight, bias, *rest = _packed(interpreter, weights).items
        computed = [_dequantized(m, each) for each in (x, weight, bias, *rest)]
        found = interpreter.operator("aten", name, computed, {})
        return _finish(interpreter, found, relu, scale, zero_point)

    return compute


def _linear(*, relu: bool) -> Own:
    def compute(
        interpreter: Interpreter, arguments: Sequence[Known], keywords: Mapping[str, Known]
    ) -> Known:
        x, weights, scale, zero_point = arguments
        found = _linear_of(interpreter, _dequantized(interpreter.m, x), weights)
        return _finish(interpreter, found, relu, scale, zero_point)

    return compute


def _linear_of(interpreter: Interpreter, x: Known, weights: Known) -> Known:
    weight, bias, *_ = _packed(interpreter, weights).items
    computed = [x, _dequantized(interpreter.m, weight), bias]
    return interpreter.operator("aten", "linear", computed, {})


def _linear_dynamic(*, relu: bool) -> Own:
    """The input is quantized by its own range, to 7 bits where sums could overflow 16."""

    def compute(
        interpreter: Interpreter, arguments: Sequence[Known], keywords: Mapping[str, Known]
    ) -> Known:
        m = interpreter.m
        x, weights, *rest = arguments
        reduce_range = rest[0] if rest else keywords.get("reduce_range", False)
        rounded = _by_own_range(m, read(m, x), 127 if reduce_range is True else 255)
        found = _linear_of(interpreter, fresh(rounded), weights)
        return fresh(m.b.one("relu", [read(m, found)])) if relu else found

    return compute


def _by_own_range(m: Machine, x: Value, levels: int) -> Value:
    """x rounded to that many steps from its least to its largest element, 0 being one of them."""
    b = m.b
    zero, top = b.constant(np.array(0, np.float32)), b.constant(np.array(levels, np.float32))
    low = b.one("min", [[b.one("reduce_min", [x, None], {"keepdims": False}), zero]])
    high = b.one("max", [[b.one("reduce_max", [x, None], {"keepdims": False}), zero]])
    scale = b.one("div", [b.one("sub", [high, low]), top])
    usable = b.one("equal", [scale, zero])
    scale = b.one("where", [usable, b.constant(np.array(0.1, np.float32)), scale])
    offset = b.one("round", [b.one("neg", [b.one("div", [low, scale])])])
    steps = b.one("add", [b.one("round", [b.one("div", [x, scale])]), offset])
    steps = b.one("min", [[b.one("max", [[steps, zero]]), top]])
    return b.one("mul", [b.one("sub", [steps, offset]), scale])


def _binary(name: str, *, relu: bool) -> Own:
    def compute(
        interpreter: Interpreter, arguments: Sequence[Known], keywords: Mapping[str, Known]
    ) -> Known:
        m = interpreter.m
        a, b, scale, zero_point = arguments
        computed = [_dequantized(m, a), _dequantized(m, b)]
        found = interpreter.operator("aten", name, computed, {})
        return _finish(interpreter, found, relu, scale, zero_point)

    return compute


def _concatenated(
    interpreter: Interpreter, arguments: Sequence[Known], keywords: Mapping[str, Known]
) -> Known:
    m = interpreter.m
    tensors, dim, *rest = arguments
    first = containers.items_of(m, tensors)[0]
    scale, zero = rest[:2] if len(rest) >= 2 else (None, None)
    scale = keywords.get("scale", scale)
    zero = keywords.get("zero_point", zero)
    found = interpreter.operator("aten", "cat", [_dequantized(m, tensors), dim], {})
    return _finish(
        interpreter,
        found,
        False,
        first.scale.item() if scale is None else scale,
        first.zero_point.item() if zero is None else zero,
    )


def _unary(name: str) -> Own:
    def compute(
        interpreter: Interpreter, arguments: Sequence[Known], keywords: Mapping[str, Known]
    ) -> Known:
        x, *rest, scale, zero_point = arguments
        found = interpreter.operator("aten", name, [_dequantized(interpreter.m, x), *rest], {})
        return _finish(interpreter, found, False, scale, zero_point)

    return compute


_OWN: Mapping[tuple[str, str], Own] = {
    ("aten", "quantize_per_tensor"): _quantize_per_tensor,
    ("aten", "dequantize"): _dequantize,
    ("aten", "int_repr"): _integers,
    ("aten", "q_scale"): _scale,
    ("aten", "q_zero_point"): _zero_point,
    ("quantized", "linear"): _linear(relu=False),
    ("quantized", "linear_relu"): _linear(relu=True),
    ("quantized", "linear_dynamic"): _linear_dynamic(relu=False),
    ("quantized", "linear_relu_dynamic"): _linear_dynamic(relu=True),
    ("quantized", "linear_prepack"): _prepack("linear"),
    ("quantized", "linear_unpack"): _unpack,
    ("quantized", "unpack"): _unpack,
    **{("quantized", f"conv{n}d_prepack"): _prepack(f"conv{n}d") for n in (1, 2, 3)},
    **{("quantized", f"conv{n}d_unpack"): _unpack for n in (1, 2, 3)},
    **{
        ("quantized", f"conv{n}d{'_relu' if relu else ''}"): _convolution(f"conv{n}d", relu=relu)
        for n in (1, 2, 3)
        for relu in (False, True)
    },
    **{
        ("quantized", f"{name}{'_relu' if relu else ''}"): _binary(name, relu=relu)
        for name in ("add", "mul")
        for relu in (False, True)
    },
    ("quantized", "cat"): _concatenated,
    **{("quantized", name): _unary(name) for name in ("hardswish", "leaky_relu", "sigmoid", "elu")},
}


def knows(namespace: str, name: str) -> bool:
    """Whether there is an operator of that name here."""
    return (namespace, name) in _OWN


def unpacked_state(m: Machine, name: str, state: Known) -> Packed:
    """Packed weights of a pickle, by the class of torch's that they are an object of."""
    if name.endswith(".LinearPackedParamsBase") and isinstance(state, tuple):
        return Packed("linear", cast("tuple[Known, ...]", state))
    raise m.unsupported(f"packed weights of class {quoted(name)} are not read")


def of_record(
    integers: Tensor, scale: Array, zero: Array, code: int, axis: int | None
) -> Quantized:
    """A quantized tensor of a file."""
    dtype = numpy_of(QUANTIZED[code])
    return Quantized(
        integers, np.asarray(scale, np.float32), np.asarray(zero).astype(dtype), code, axis
    )

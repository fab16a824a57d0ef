"""Example operators, in the domain "examples": swish, gelu, power and layer_norm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pyflame_rt.custom.builder import CustomOpBuilder
from pyflame_rt.custom.operators import CustomOp, CustomOpRegistry
from pyflame_rt.errors import ValidationError

Array: TypeAlias = npt.NDArray[Any]
Arrays: TypeAlias = Sequence[Array]
Attributes: TypeAlias = Mapping[str, Any]

_DOMAIN = "examples"
_SLOPE = float(np.sqrt(2 / np.pi))


def register_example_custom_ops() -> list[CustomOp]:
    """Register swish(x), gelu(x), power(base, exponent) and layer_norm(x, weight, bias)."""
    return [
        _elementwise("swish", "x * sigmoid(x)", _swish, _swish_gradient),
        _elementwise("gelu", "x * Phi(x), Phi by its tanh form", _gelu, _gelu_gradient),
        CustomOpBuilder("power")
        .domain(_DOMAIN)
        .doc("base ** exponent, element by element")
        .input("base")
        .input("exponent")
        .output("Y")
        .forward(_power)
        .validate(_equal_shapes)
        .same_shape()
        .gradient(_power_gradient)
        .build(),
        CustomOpBuilder("layer_norm")
        .domain(_DOMAIN)
        .doc("(x - mean) / sqrt(variance + eps) over the last axis, scaled and shifted")
        .input("X")
        .input("weight")
        .input("bias")
        .output("Y")
        .attr_float("eps", default=1e-5)
        .forward(_layer_norm)
        .validate(_last_axis)
        .same_shape()
        .gradient(_layer_norm_gradient)
        .build(),
    ]


def list_custom_ops_py() -> list[str]:
    """The names of all custom operators."""
    return CustomOpRegistry.instance().list()


def is_custom_op_registered_py(name: str) -> bool:
    """Whether there is a custom operator of that name."""
    return CustomOpRegistry.instance().has(name)


def execute_custom_op_py(name: str, inputs: Sequence[object]) -> Any:
    """The output of a custom operator, or the list of several. Raises ValidationError if unknown."""
    op = CustomOpRegistry.instance().get(name)
    if op is None:
        known = ", ".join(list_custom_ops_py()) or "none"
        raise ValidationError(f'there is no custom operator "{name}"', hint=f"known are {known}")
    outputs = op.execute(inputs)
    return outputs[0] if len(outputs) == 1 else outputs


def _elementwise(name: str, doc: str, forward: Any, backward: Any) -> CustomOp:
    builder = CustomOpBuilder(name).domain(_DOMAIN).doc(doc).input("X").output("Y")
    return builder.forward(forward).same_shape().gradient(backward).build()


def _sigmoid(x: Array) -> Array:
    # exp of what is negative cannot overflow.
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small) / (1 + small)


def _swish(inputs: Arrays) -> list[Array]:
    return [inputs[0] * _sigmoid(inputs[0])]


def _swish_gradient(inputs: Arrays, grads: Arrays) -> list[Array]:
    sigmoid = _sigmoid(inputs[0])
    return [grads[0] * sigmoid * (1 + inputs[0] * (1 - sigmoid))]


def _gelu(inputs: Arrays) -> list[Array]:
    x = inputs[0]
    return [x * 0.5 * (1 + np.tanh(_SLOPE * (x + 0.044715 * x**3)))]


def _gelu_gradient(inputs: Arrays, grads: Arrays) -> list[Array]:
    x = inputs[0]
    tanh = np.tanh(_SLOPE * (x + 0.044715 * x**3))
    slope = _SLOPE * (1 + 3 * 0.044715 * x**2) * (1 - tanh**2)
    return [grads[0] * 0.5 * (1 + tanh + x * slope)]


def _equal_shapes(inputs: Arrays) -> None:
    base, exponent = (array.shape for array in inputs)
    if base != exponent:
        raise ValueError(f"shapes {list(base)} and {list(exponent)} differ")


def _power(inputs: Arrays) -> list[Array]:
    return [inputs[0] ** inputs[1]]


def _power_gradient(inputs: Arrays, grads: Arrays) -> list[Array]:
    base, exponent = inputs
    return [
        grads[0] * exponent * base ** (exponent - 1),
        grads[0] * base**exponent * np.log(base),
    ]


def _last_axis(inputs: Arrays) -> None:
    x, weight, bias = inputs
    if x.ndim == 0 or weight.shape != x.shape[-1:] or bias.shape != x.shape[-1:]:
        shapes = " and ".join(str(list(array.shape)) for array in (weight, bias))
        raise ValueError(f"weight and bias of shapes {shapes} do not suit {list(x.shape)}")


def _normalized(x: Array, eps: float) -> tuple[Array, Array]:
    centered = x - x.mean(axis=-1, keepdims=True)
    inverse = 1 / np.sqrt((centered**2).mean(axis=-1, keepdims=True) + eps)
    return centered * inverse, inverse


def _layer_norm(inputs: Arrays, attrs: Attributes) -> list[Array]:
    x, weight, bias = inputs
    return [_normalized(x, attrs["eps"])[0] * weight + bias]


def _layer_norm_gradient(inputs: Arrays, grads: Arrays, attrs: Attributes) -> list[Array]:
    x, weight, _ = inputs
    unit, inverse = _normalized(x, attrs["eps"])
    scaled = grads[0] * weight
    mean, along = scaled.mean(axis=-1, keepdims=True), (scaled * unit).mean(axis=-1, keepdims=True)
    rest = tuple(range(x.ndim - 1))
    return [
        inverse * (scaled - mean - unit * along),
        (grads[0] * unit).sum(axis=rest),
        grads[0].sum(axis=rest),
    ]

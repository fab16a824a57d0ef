"""Operators in one call, or by a decorator of the function that computes them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, cast

from pyflame_rt.custom.builder import CustomOpBuilder
from pyflame_rt.custom.operators import CustomOp, CustomOpRegistry
from pyflame_rt.dialects.custom.functions import Function
from pyflame_rt.errors import ValidationError


def register_custom_op(
    name: str,
    forward_fn: Function | None = None,
    backward_fn: Function | None = None,
    csl_template: str | None = None,
    *,
    domain: str = "custom",
    version: int = 1,
    doc: str = "",
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] = ("Y",),
    kernel_fn: Function | None = None,
    shape_inference: Function | None = None,
    gradient_fn: Function | None = None,
) -> CustomOp:
    """Register an operator in one call.

    Either `kernel_fn(inputs, attrs)` returns the list of outputs, or `forward_fn(*inputs, **attrs)`
    the output, or a tuple of several. The parameters of `forward_fn` are the inputs (optional with
    the default None, variadic with a star), its keyword-only ones the attributes: of the kind of
    their default or annotation (int, float, str, or a tuple of these). The gradient is
    `gradient_fn(inputs, grad_outputs)` or `backward_fn(*grad_outputs, *inputs)`.
    `csl_template` is for the wafer backend, which does not take custom operators yet: giving one
    raises ValidationError, as a definition that is not complete does.
    """
    builder = CustomOpBuilder(name).domain(domain).version(version)
    where = f'custom operator "{name}"'
    if csl_template is not None:
        raise ValidationError("csl_template is not supported yet", where=where)
    if (forward_fn is None) == (kernel_fn is None):
        raise ValidationError("give it either a kernel_fn or a forward_fn", where=where)
    builder.doc(doc or inspect.getdoc(forward_fn or kernel_fn) or "")
    if forward_fn is not None:
        _declare_by_signature(builder, forward_fn, input_names, where)
        builder.kernel(_kernel_of(forward_fn))
    elif kernel_fn is not None:
        for input_name in input_names or ("X",):
            builder.input(input_name)
        builder.kernel(kernel_fn)
    for output_name in output_names:
        builder.output(output_name)
    if shape_inference is not None:
        builder.shape_inference(shape_inference)
    if gradient_fn is not None:
        builder.gradient(gradient_fn)
    elif backward_fn is not None:
        builder.gradient(_gradient_of(backward_fn))
    return builder.build()


def custom_op(
    name: str,
    backward_fn: Function | None = None,
    csl_template: str | None = None,
    **options: Any,
) -> Callable[[Function], CustomOp]:
    """Make a function of arrays an operator; the options are those of `register_custom_op`.

    ```python
    @custom_op("ScaledAdd")
    def scaled_add(x, y, *, scale: float = 1.0):
        return x + scale * y
    ```
    """

    def decorate(function: Function) -> CustomOp:
        return register_custom_op(name, function, backward_fn, csl_template, **options)

    return decorate


def get_custom_op(name: str) -> CustomOp | None:
    """The operator of that name, None when there is none."""
    return CustomOpRegistry.instance().get(name)


def list_custom_ops() -> list[str]:
    """The names of all operators."""
    return CustomOpRegistry.instance().list()


def _kernel_of(forward: Function) -> Function:
    def kernel(inputs: Sequence[Any], attrs: dict[str, Any]) -> list[Any]:
        result: object = forward(*inputs, **attrs)
        return list(cast("tuple[Any, ...]", result)) if isinstance(result, tuple) else [result]

    return kernel


def _gradient_of(backward: Function) -> Function:
    def gradient(
        inputs: Sequence[Any], grad_outputs: Sequence[Any], attrs: dict[str, Any]
    ) -> list[Any]:
        result: object = backward(*grad_outputs, *inputs, **attrs)
        return list(cast("tuple[Any, ...]", result)) if isinstance(result, tuple) else [result]

    return gradient


_DECLARE: dict[object, Callable[..., object]] = {
    int: CustomOpBuilder.attr_int,
    float: CustomOpBuilder.attr_float,
    str: CustomOpBuilder.attr_string,
    "int": CustomOpBuilder.attr_int,
    "float": CustomOpBuilder.attr_float,
    "str": CustomOpBuilder.attr_string,
    (int,): CustomOpBuilder.attr_ints,
    (float,): CustomOpBuilder.attr_floats,
    (str,): CustomOpBuilder.attr_strings,
}


def _declare_by_signature(
    builder: CustomOpBuilder, forward: Function, input_names: Sequence[str] | None, where: str
) -> None:
    places: list[inspect.Parameter] = []
    for parameter in inspect.signature(forward).parameters.values():
        match parameter.kind:
            case parameter.KEYWORD_ONLY:
                _declare_attribute(builder, parameter, where)
            case parameter.VAR_KEYWORD:
                raise ValidationError("its attributes cannot be any", where=where)
            case _:
                places.append(parameter)
    names = [parameter.name for parameter in places] if input_names is None else list(input_names)
    if len(names) != len(places):
        raise ValidationError(f"{len(names)} names for {len(places)} inputs", where=where)
    for name, parameter in zip(names, places, strict=True):
        optional = parameter.default is not parameter.empty
        builder.input(name, None, optional, parameter.kind is parameter.VAR_POSITIONAL)


def _declare_attribute(builder: CustomOpBuilder, parameter: inspect.Parameter, where: str) -> None:
    default: object = None if parameter.default is parameter.empty else parameter.default
    kind: object = parameter.annotation
    if isinstance(default, tuple | list):
        items = cast("Sequence[object]", default)
        kind = (type(items[0]),) if items else kind
    elif default is not None:
        kind = type(default)
    declare = _DECLARE.get(kind)
    if declare is None:
        raise ValidationError(
            f'the kind of attribute "{parameter.name}" is not known',
            where=where,
            hint="annotate it int, float or str, or give it a default",
        )
    declare(builder, parameter.name, parameter.default is parameter.empty, default)

"""Custom operators as objects: what they are, running one by itself, and the registry of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from pyflame_rt.dialects.custom import registry
from pyflame_rt.dialects.custom.evaluation import (
    Dims,
    array_of,
    compute,
    output_dtypes,
    output_shapes,
)
from pyflame_rt.dialects.custom.schema import (
    AttributeValue,
    BackendType,
    OpSchema,
    numpy_dtype_of,
)
from pyflame_rt.errors import BackendError, InputError, PyFlameRTError, ValidationError
from pyflame_rt.tensor import Tensor

Array: TypeAlias = npt.NDArray[Any]


class CustomOp:
    """A custom operator.

    Called with arrays it computes: `op(x, y, scale=2.0)`, one result, or a tuple of several.
    """

    def __init__(self, schema: OpSchema) -> None:
        self._schema = schema

    def __repr__(self) -> str:
        return f"CustomOp({self._schema.full_name!r})"

    @property
    def schema(self) -> OpSchema:
        """What the operator is."""
        return self._schema

    def name(self) -> str:
        """The name within its domain."""
        return self._schema.name

    def domain(self) -> str:
        """The domain."""
        return self._schema.domain

    def version(self) -> int:
        """The version."""
        return self._schema.version

    def doc(self) -> str:
        """What its author says about it."""
        return self._schema.doc

    def full_name(self) -> str:
        """`domain::name`."""
        return self._schema.full_name

    def num_inputs(self) -> int:
        """The number of inputs, a variadic one counting once."""
        return len(self._schema.inputs)

    def num_outputs(self) -> int:
        """The number of outputs."""
        return len(self._schema.outputs)

    def supports_backend(self, backend: BackendType) -> bool:
        """Whether there is a kernel for a kind of device; `ALL`: whether there is one for all."""
        return self._schema.kernel(backend) is not None

    def has_gradient(self) -> bool:
        """Whether `gradient` can be called."""
        return self._schema.gradient is not None

    def __call__(self, *inputs: object, **attributes: object) -> Any:
        outputs = self.execute(inputs, attributes)
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def execute(
        self,
        inputs: Sequence[object],
        attrs: Mapping[str, object] | None = None,
        backend: BackendType = BackendType.CPU,
    ) -> list[Any]:
        """The outputs for these inputs, arrays or Tensors, of which None is an absent one.

        Tensors are returned where some are given, arrays otherwise.
        Raises InputError for inputs and attributes that do not suit, BackendError when the kernel
        fails or returns something else than the operator declares.
        """
        arrays, attributes = self._arrays(inputs), self._attributes(attrs or {})
        try:
            with np.errstate(all="ignore"):
                results = compute(self._schema, arrays, attributes, backend)
            self._check_shapes(results, arrays, attributes)
        except ValueError as error:
            raise self._error(BackendError, str(error)) from error
        return _like(inputs, results)

    def validate_inputs(
        self, inputs: Sequence[object], attrs: Mapping[str, object] | None = None
    ) -> None:
        """Raise InputError for inputs that the operator does not take."""
        arrays, attributes = self._arrays(inputs), self._attributes(attrs or {})
        if self._schema.validate is None:
            return
        try:
            problem: object = self._schema.validate(list(arrays), dict(attributes))
        except ValueError as error:
            raise self._error(InputError, str(error)) from error
        if isinstance(problem, str) or problem is False:
            raise self._error(InputError, problem or "its inputs are not valid")

    def gradient(
        self,
        inputs: Sequence[object],
        grad_outputs: Sequence[object],
        attrs: Mapping[str, object] | None = None,
    ) -> list[Any]:
        """The gradients of the inputs, given those of the outputs; None where there is none.

        Raises ValidationError when the operator has no gradient, BackendError when it fails or
        its gradients are not of the inputs' shapes.
        """
        if self._schema.gradient is None:
            raise self._error(ValidationError, "it has no gradient")
        arrays, attributes = self._arrays(inputs), self._attributes(attrs or {})
        grads = [None if value is None else array_of(value) for value in grad_outputs]
        try:
            returned: object = self._schema.gradient(list(arrays), grads, dict(attributes))
        except ValueError as error:
            raise self._error(BackendError, str(error)) from error
        is_list = isinstance(returned, list | tuple)
        found = list(cast("Sequence[object]", returned)) if is_list else [returned]
        if len(found) != len(arrays):
            why = f"it returned {len(found)} gradients for {len(arrays)} inputs"
            raise self._error(BackendError, why)
        results = [None if value is None else array_of(value) for value in found]
        for index, (array, result) in enumerate(zip(arrays, results, strict=True)):
            if array is not None and result is not None and array.shape != result.shape:
                why = f"its gradient of input {index} has shape {result.shape}, not {array.shape}"
                raise self._error(BackendError, why)
        return _like((*inputs, *grad_outputs), results)

    def output_shape(
        self, input_shapes: Sequence[Dims | None], attrs: Mapping[str, object] | None = None
    ) -> list[Dims | None]:
        """The outputs' shapes: None for an unknown dimension or rank."""
        attributes = self._attributes(attrs or {})
        try:
            return output_shapes(self._schema, input_shapes, attributes)
        except ValueError as error:
            raise self._error(ValidationError, str(error)) from error

    def output_dtype(
        self, input_dtypes: Sequence[object], attrs: Mapping[str, object] | None = None
    ) -> list[np.dtype[Any]]:
        """The outputs' dtypes."""
        attributes = self._attributes(attrs or {})
        try:
            dtypes = [numpy_dtype_of(dtype) for dtype in input_dtypes]
            return output_dtypes(self._schema, dtypes, attributes)
        except ValueError as error:
            raise self._error(ValidationError, str(error)) from error

    def _error(self, kind: type[PyFlameRTError], why: str) -> PyFlameRTError:
        return kind(why, where=f'custom operator "{self.full_name()}"')

    def _attributes(self, given: Mapping[str, object]) -> dict[str, AttributeValue]:
        try:
            return self._schema.with_defaults(given)
        except ValueError as error:
            raise self._error(InputError, str(error)) from error

    def _arrays(self, inputs: Sequence[object]) -> list[Array | None]:
        specs, schema = self._schema.inputs, self._schema
        variadic = bool(specs) and specs[-1].variadic
        if len(inputs) < schema.required_inputs or (len(inputs) > len(specs) and not variadic):
            raise self._error(InputError, f"takes {_count(schema, variadic)}, got {len(inputs)}")
        arrays: list[Array | None] = []
        for index, value in enumerate(inputs):
            spec = specs[min(index, len(specs) - 1)]
            if value is None and not spec.optional:
                raise self._error(InputError, f'input "{spec.name}" is missing')
            array = None if value is None else array_of(value)
            if array is not None and spec.dtype is not None and array.dtype != spec.dtype:
                raise self._error(
                    InputError,
                    f'input "{spec.name}" must be {spec.dtype.name}, not {array.dtype.name}',
                )
            arrays.append(array)
        plain = len(specs) - variadic
        return arrays + [None] * (plain - len(arrays))

    def _check_shapes(
        self,
        results: Sequence[Array],
        inputs: Sequence[Array | None],
        attributes: Mapping[str, AttributeValue],
    ) -> None:
        given = [None if array is None else array.shape for array in inputs]
        shapes = output_shapes(self._schema, given, attributes)
        for spec, result, shape in zip(self._schema.outputs, results, shapes, strict=True):
            if shape is not None and (
                len(shape) != result.ndim
                or any(d not in (None, n) for d, n in zip(shape, result.shape, strict=True))
            ):
                raise ValueError(
                    f'its kernel returned shape {list(result.shape)} for output "{spec.name}", '
                    f"its shape inference says {['?' if d is None else d for d in shape]}"
                )


def _count(schema: OpSchema, variadic: bool) -> str:
    least, most = schema.required_inputs, len(schema.inputs)
    if variadic:
        return f"at least {least} inputs"
    return f"{most} inputs" if least == most else f"{least} to {most} inputs"


def _like(given: Sequence[object], arrays: Sequence[Array | None]) -> list[Any]:
    """The arrays, as Tensors where some were given."""
    if not any(isinstance(value, Tensor) for value in given):
        return list(arrays)
    return [None if array is None else Tensor.viewing(array) for array in arrays]


class CustomOpRegistry:
    """All custom operators. Names may be with or without domain, `MyGELU` or `custom::MyGELU`."""

    @staticmethod
    def instance() -> CustomOpRegistry:
        """The registry."""
        return _instance()

    def register_op(self, schema: OpSchema) -> CustomOp:
        """Register an operator, in place of another of that name. Raises ValidationError."""
        return CustomOp(registry.register(schema).schema)

    def get(self, name: str) -> CustomOp | None:
        """The operator of that name; None when there is none, or several domains have one."""
        schema = self._schema(name)
        return None if schema is None else CustomOp(schema)

    def has(self, name: str) -> bool:
        """Whether there is an operator of that name."""
        return self._schema(name) is not None

    def list(self) -> list[str]:
        """The names of all operators, with the domain where the name alone would not do."""
        schemas = [definition.schema for definition in registry.definitions()]
        names = [schema.name for schema in schemas]
        return [s.name if names.count(s.name) == 1 else s.full_name for s in schemas]

    def unregister(self, name: str) -> bool:
        """Forget an operator; whether there was one. Models compiled already still run."""
        schema = self._schema(name)
        return schema is not None and registry.unregister(schema.full_name)

    def clear(self) -> None:
        """Forget all operators."""
        for definition in registry.definitions():
            registry.unregister(definition.schema.full_name)

    def size(self) -> int:
        """The number of operators."""
        return len(registry.definitions())

    def _schema(self, name: str) -> OpSchema | None:
        schemas = [definition.schema for definition in registry.definitions()]
        exact = [schema for schema in schemas if schema.full_name == name]
        found = exact or [schema for schema in schemas if schema.name == name]
        return found[0] if len(found) == 1 else None


@cache
def _instance() -> CustomOpRegistry:
    return CustomOpRegistry()

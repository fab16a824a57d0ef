"""Calling what users wrote: their kernels, with what they return checked, and their inference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from pyflame_rt.dialects.custom.schema import (
    AttributeValue,
    BackendType,
    OpSchema,
    OutputSpec,
    numpy_dtype_of,
)

Array: TypeAlias = npt.NDArray[Any]
Dims: TypeAlias = tuple[int | None, ...]


def array_of(value: object) -> Array:
    """The array of an array, a Tensor, or anything else that NumPy makes one of."""
    if isinstance(value, np.ndarray):
        return cast(Array, value)
    as_numpy = None if hasattr(value, "__array__") else getattr(value, "numpy", None)
    return np.asarray(as_numpy() if callable(as_numpy) else value)


@dataclass(frozen=True)
class Kernel:
    """A user's kernel in the form that backends call: operands in order, properties as keywords.

    `attributes` maps the properties' names to those of the operator's attributes.
    """

    schema: OpSchema
    attributes: Mapping[str, str]
    backend: BackendType = BackendType.CPU

    def __call__(self, *operands: Array | None, **properties: AttributeValue) -> tuple[Array, ...]:
        """The outputs. Raises ValueError for whatever is wrong with inputs, kernel or outputs."""
        named = {self.attributes[name]: value for name, value in properties.items()}
        return compute(self.schema, operands, named, self.backend)


def compute(
    schema: OpSchema,
    operands: Sequence[Array | None],
    attributes: Mapping[str, AttributeValue],
    backend: BackendType = BackendType.CPU,
) -> tuple[Array, ...]:
    """The outputs of an operator by its kernel, of the number and dtypes that it declares.

    Raises ValueError for whatever is wrong with inputs, kernel or outputs.
    """
    kernel = schema.kernel(backend)
    if kernel is None:
        raise ValueError(f"it has no kernel for {backend.name}")
    inputs = [None if array is None else _read_only(array) for array in operands]
    if schema.validate is not None:
        problem: object = schema.validate(inputs, dict(attributes))
        if isinstance(problem, str) or problem is False:
            raise ValueError(problem or "its inputs are not valid")
    returned: object = kernel(inputs, dict(attributes))
    values = (
        cast("Sequence[object]", returned) if isinstance(returned, list | tuple) else [returned]
    )
    if len(values) != len(schema.outputs):
        raise ValueError(f"its kernel returned {len(values)} values, not {len(schema.outputs)}")
    dtypes = output_dtypes(schema, [None if a is None else a.dtype for a in inputs], attributes)
    return tuple(
        _declared(spec, array_of(value), dtype)
        for spec, value, dtype in zip(schema.outputs, values, dtypes, strict=True)
    )


def _read_only(array: Array) -> Array:
    # The memory may be the caller's, a weight's, or another value's.
    view = array.view()
    view.flags.writeable = False
    return view


def _declared(spec: OutputSpec, array: Array, dtype: np.dtype[Any]) -> Array:
    if array.dtype == dtype:
        return array
    # A Python program computes in doubles without meaning to: what follows its input is rounded.
    if spec.dtype is None and array.dtype.kind == dtype.kind == "f":
        return array.astype(dtype)
    raise ValueError(
        f'its kernel returned {array.dtype.name} for output "{spec.name}", declared {dtype.name}'
    )


def output_dtypes(
    schema: OpSchema,
    dtypes: Sequence[np.dtype[Any] | None],
    attributes: Mapping[str, AttributeValue],
) -> list[np.dtype[Any]]:
    """The dtypes of the outputs: as declared, as inferred, or the first input's."""
    inferred: Sequence[object] = [None] * len(schema.outputs)
    if schema.type_inference is not None:
        answer: object = schema.type_inference(dtypes, dict(attributes))
        is_list = isinstance(answer, list | tuple)
        inferred = cast("Sequence[object]", answer) if is_list else [answer]
        if len(inferred) != len(schema.outputs):
            raise ValueError(f"its type inference gave {len(inferred)} dtypes")
    first = next((dtype for dtype in dtypes if dtype is not None), None)
    found: list[np.dtype[Any]] = []
    for spec, kind in zip(schema.outputs, inferred, strict=True):
        dtype = spec.dtype or numpy_dtype_of(kind) or first
        if dtype is None:
            raise ValueError(f'nothing says what output "{spec.name}" holds')
        found.append(dtype)
    return found


def output_shapes(
    schema: OpSchema,
    shapes: Sequence[Dims | None],
    attributes: Mapping[str, AttributeValue],
) -> list[Dims | None]:
    """The shapes of the outputs; None for one of unknown rank.

    Raises ValueError when shape inference fails though every dimension is known.
    """
    unknown: list[Dims | None] = [None] * len(schema.outputs)
    if schema.shape_inference is None:
        return unknown
    try:
        answer: object = schema.shape_inference(shapes, dict(attributes))
        return _shapes(answer, len(schema.outputs))
    except ValueError:
        if any(shape is None or None in shape for shape in shapes):
            return unknown
        raise


def _shapes(answer: object, count: int) -> list[Dims | None]:
    items = list(cast("Sequence[object]", answer)) if isinstance(answer, list | tuple) else [answer]
    # One shape may come alone.
    alone = not any(isinstance(item, list | tuple) for item in items) and items != [None]
    if count == 1 and alone:
        items = [tuple(items)]
    if len(items) != count:
        raise ValueError(f"its shape inference gave {len(items)} shapes, not {count}")
    return [_shape(item) for item in items]


def _shape(item: object) -> Dims | None:
    if item is None:
        return None
    if not isinstance(item, list | tuple):
        raise ValueError(f"its shape inference gave {item!r}, which is no shape")
    dims: list[int | None] = []
    for dim in cast("Sequence[object]", item):
        if not (dim is None or isinstance(dim, str | int | np.integer)):
            raise ValueError(f"its shape inference gave {dim!r}, which is no dimension")
        known = isinstance(dim, int | np.integer) and dim >= 0
        dims.append(int(cast(Any, dim)) if known else None)
    return tuple(dims)

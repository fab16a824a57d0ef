"""CustomOpBuilder: an operator, part by part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from pyflame_rt.custom.operators import CustomOp, CustomOpRegistry
from pyflame_rt.dialects.custom.functions import Function
from pyflame_rt.dialects.custom.schema import (
    AttributeKind,
    AttributeSpec,
    AttributeValue,
    BackendType,
    InputSpec,
    OpSchema,
    OutputSpec,
    numpy_dtype_of,
)


class CustomOpBuilder:
    """Defines an operator and, by `build`, registers it. See `OpSchema` for what functions take.

    `num_inputs` declares that many inputs X0, X1, … and, unless `output` is called, one output Y.
    A dtype is a `DType`, or anything that NumPy takes for one; without it, any will do.
    """

    def __init__(self, name: str, num_inputs: int = 0) -> None:
        self._name = name
        self._domain = "custom"
        self._version = 1
        self._doc = ""
        self._inputs = [InputSpec(f"X{index}") for index in range(num_inputs)]
        self._outputs: list[OutputSpec] = []
        self._attributes: list[AttributeSpec] = []
        self._kernels: dict[BackendType, Function] = {}
        self._functions: dict[str, Function] = {}
        self._pure = True

    def domain(self, name: str) -> Self:
        """The domain; "custom" if it is not set."""
        self._domain = name
        return self

    def version(self, v: int) -> Self:
        """The version of its domain since which the operator means this; 1 if it is not set."""
        self._version = v
        return self

    def doc(self, text: str) -> Self:
        """What it does."""
        self._doc = text
        return self

    def input(
        self, name: str, dtype: object = None, optional: bool = False, variadic: bool = False
    ) -> Self:
        """The next input. The last one may be variadic: any number of them."""
        self._inputs.append(InputSpec(name, self._dtype(name, dtype), optional, variadic))
        return self

    def output(self, name: str, dtype: object = None) -> Self:
        """The next output; without a dtype that of the first input, or as `type_inference` says."""
        self._outputs.append(OutputSpec(name, self._dtype(name, dtype)))
        return self

    def attr_int(self, name: str, required: bool = False, default: int | None = None) -> Self:
        """An integer attribute."""
        return self._attribute(name, AttributeKind.INT, required, default)

    def attr_float(self, name: str, required: bool = False, default: float | None = None) -> Self:
        """A number attribute."""
        return self._attribute(name, AttributeKind.FLOAT, required, default)

    def attr_string(self, name: str, required: bool = False, default: str | None = None) -> Self:
        """A text attribute."""
        return self._attribute(name, AttributeKind.STRING, required, default)

    def attr_ints(
        self, name: str, required: bool = False, default: Sequence[int] | None = None
    ) -> Self:
        """An attribute that lists integers."""
        return self._attribute(name, AttributeKind.INTS, required, _tuple(default))

    def attr_floats(
        self, name: str, required: bool = False, default: Sequence[float] | None = None
    ) -> Self:
        """An attribute that lists numbers."""
        return self._attribute(name, AttributeKind.FLOATS, required, _tuple(default))

    def attr_strings(
        self, name: str, required: bool = False, default: Sequence[str] | None = None
    ) -> Self:
        """An attribute that lists texts."""
        return self._attribute(name, AttributeKind.STRINGS, required, _tuple(default))

    def kernel(self, fn: Function, backend: BackendType = BackendType.CPU) -> Self:
        """What computes it on a kind of device: `fn(inputs, attrs)` returns the outputs."""
        self._kernels[backend] = fn
        return self

    def forward(self, fn: Function) -> Self:
        """`kernel` for every device."""
        return self.kernel(fn, BackendType.ALL)

    def shape_inference(self, fn: Function) -> Self:
        """`fn(input_shapes)` returns the outputs' shapes."""
        self._functions["shape_inference"] = fn
        return self

    def same_shape(self) -> Self:
        """Each output has the shape of the first input."""
        return self.shape_inference(self._first_shape)

    def type_inference(self, fn: Function) -> Self:
        """`fn(input_dtypes)` returns the outputs' dtypes."""
        self._functions["type_inference"] = fn
        return self

    def validate(self, fn: Function) -> Self:
        """`fn(inputs)` raises ValueError, or returns a text, for inputs that are not valid."""
        self._functions["validate"] = fn
        return self

    def gradient(self, fn: Function) -> Self:
        """`fn(inputs, grad_outputs)` returns the gradients of the inputs."""
        self._functions["gradient"] = fn
        return self

    def backward(self, fn: Function) -> Self:
        """`gradient` by another name."""
        return self.gradient(fn)

    def stateful(self) -> Self:
        """Equal inputs may give different outputs, or something else happens: the operator is
        never merged, computed ahead of time or removed."""
        self._pure = False
        return self

    def schema(self) -> OpSchema:
        """What was defined so far. Raises ValidationError when that is no operator."""
        functions: Mapping[str, Any] = self._functions
        return OpSchema(
            self._name,
            self._domain,
            self._version,
            self._doc,
            tuple(self._inputs),
            tuple(self._outputs) or (OutputSpec("Y"),),
            tuple(self._attributes),
            dict(self._kernels),
            pure=self._pure,
            **functions,
        )

    def build(self) -> CustomOp:
        """Register the operator. Raises ValidationError when what was defined is none."""
        return CustomOpRegistry.instance().register_op(self.schema())

    def _first_shape(self, input_shapes: Sequence[Any]) -> list[Any]:
        return [input_shapes[0]] * max(1, len(self._outputs))

    def _dtype(self, name: str, dtype: object) -> Any:
        try:
            return numpy_dtype_of(dtype)
        except ValueError as error:
            schema = OpSchema.__new__(OpSchema)
            object.__setattr__(schema, "name", self._name)
            object.__setattr__(schema, "domain", self._domain)
            raise schema.error(f'dtype of "{name}": {error}') from error

    def _attribute(
        self, name: str, kind: AttributeKind, required: bool, default: AttributeValue | None
    ) -> Self:
        self._attributes.append(AttributeSpec(name, kind, required, default))
        return self


def _tuple(items: Sequence[Any] | None) -> tuple[Any, ...] | None:
    return None if items is None else tuple(items)

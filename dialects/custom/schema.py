"""What a custom operator is: its name, what goes in and out, and the functions that give it meaning."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias, cast

import numpy as np

from pyflame_rt import dtypes
from pyflame_rt.dialects.custom.functions import Function, UserFunction
from pyflame_rt.dtypes import STRING, DType
from pyflame_rt.errors import ValidationError

AttributeValue: TypeAlias = (
    int | float | str | tuple[int, ...] | tuple[float, ...] | tuple[str, ...]
)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DOMAIN = re.compile(r"[A-Za-z0-9_.:/-]*")


class BackendType(Enum):
    """For which kind of device a kernel is written."""

    CPU = 0
    WSE = 1
    CUDA = 2
    ALL = 3


class AttributeKind(Enum):
    """What an attribute holds; the value is what errors call it."""

    INT = "an integer"
    FLOAT = "a number"
    STRING = "a text"
    INTS = "a list of integers"
    FLOATS = "a list of numbers"
    STRINGS = "a list of texts"


_ITEM: dict[AttributeKind, tuple[type, ...]] = {
    AttributeKind.INT: (int,),
    AttributeKind.FLOAT: (float, int),
    AttributeKind.STRING: (str,),
    AttributeKind.INTS: (int,),
    AttributeKind.FLOATS: (float, int),
    AttributeKind.STRINGS: (str,),
}


@dataclass(frozen=True)
class InputSpec:
    """An input: `dtype` None takes any element type. Only the last one may be variadic."""

    name: str
    dtype: np.dtype[Any] | None = None
    optional: bool = False
    variadic: bool = False


@dataclass(frozen=True)
class OutputSpec:
    """An output: of `dtype` None, its element type is what type inference says, or the first
    input's."""

    name: str
    dtype: np.dtype[Any] | None = None


@dataclass(frozen=True)
class AttributeSpec:
    """An attribute; one that is neither required nor has a default may be absent."""

    name: str
    kind: AttributeKind
    required: bool = False
    default: AttributeValue | None = None

    @property
    def must_be_given(self) -> bool:
        """Whether an op without it makes no sense."""
        return self.required and self.default is None

    def converted(self, value: object) -> AttributeValue:
        """The value in the form that kernels get. Raises ValueError when it is of another kind."""
        if isinstance(value, np.ndarray | np.generic):
            value = cast(object, value.tolist())
        kinds = _ITEM[self.kind]
        if self.kind in (AttributeKind.INT, AttributeKind.FLOAT, AttributeKind.STRING):
            if isinstance(value, kinds):
                return cast(AttributeValue, kinds[0](value))
        elif isinstance(value, list | tuple):
            items = cast("Sequence[object]", value)
            if all(isinstance(item, kinds) for item in items):
                return cast(AttributeValue, tuple(kinds[0](cast(Any, item)) for item in items))
        raise ValueError(f'attribute "{self.name}" is {self.kind.value}, not {value!r}')


@dataclass(frozen=True)
class OpSchema:
    """A custom operator.

    `kernels` compute it: `kernel(inputs, attrs)` takes the list of input arrays (read-only, None
    for an absent one) and the attributes by name, and returns the list of outputs. The other
    functions are optional:

    * `shape_inference(input_shapes)`: the outputs' shapes; an unknown dimension is None, and so is
      a shape of unknown rank. Where it fails because something is unknown, so is the result.
    * `type_inference(input_dtypes)`: the outputs' dtypes, NumPy's.
    * `validate(inputs)`: raises ValueError, or returns a text, for inputs that cannot be computed.
    * `gradient(inputs, grad_outputs)`: the gradients of the inputs, None where there is none.

    Each may take the attributes as one more argument. `pure` says that equal inputs give equal
    outputs and that nothing else happens: such an operator is merged with its like, computed ahead
    of time and removed when nobody needs it.

    Raises ValidationError when the parts do not make an operator.
    """

    name: str
    domain: str = "custom"
    version: int = 1
    doc: str = ""
    inputs: tuple[InputSpec, ...] = ()
    outputs: tuple[OutputSpec, ...] = ()
    attributes: tuple[AttributeSpec, ...] = ()
    kernels: Mapping[BackendType, Function] = field(default_factory=dict[BackendType, Function])
    shape_inference: Function | None = None
    type_inference: Function | None = None
    validate: Function | None = None
    gradient: Function | None = None
    pure: bool = True

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None:
            raise self.error("an operator's name is letters, digits and underscores")
        if _DOMAIN.fullmatch(self.domain) is None:
            raise self.error(f'"{self.domain}" is no domain')
        if not self.outputs:
            raise self.error("it has no output")
        if not self.kernels:
            raise self.error("it has no kernel", hint="give it one with kernel(fn)")
        if any(spec.variadic for spec in self.inputs[:-1]):
            raise self.error("only the last input may be variadic")
        if self.version < 1:
            raise self.error(f"its version is {self.version}, the first one is 1")
        for what, specs in (
            ("inputs", self.inputs),
            ("outputs", self.outputs),
            ("attributes", self.attributes),
        ):
            names = [spec.name for spec in specs]
            if len(set(names)) != len(names):
                raise self.error(f"two {what} have one name: {', '.join(names)}")
        for spec in self.attributes:
            if spec.default is not None:
                try:
                    spec.converted(spec.default)
                except ValueError as error:
                    raise self.error(f"default of {error}") from error
        for name in ("shape_inference", "type_inference", "validate", "gradient"):
            if (function := getattr(self, name)) is not None:
                self._set(name, UserFunction.of(name.replace("_", " "), function))
        kernels = {kind: UserFunction.of("kernel", fn) for kind, fn in self.kernels.items()}
        self._set("kernels", kernels)

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    @property
    def full_name(self) -> str:
        """`domain::name`; the name alone for ONNX's own domain."""
        return f"{self.domain}::{self.name}" if self.domain else self.name

    @property
    def required_inputs(self) -> int:
        """How many inputs there are at least."""
        needed = [k for k, s in enumerate(self.inputs, 1) if not s.optional and not s.variadic]
        return max(needed, default=0)

    def kernel(self, backend: BackendType = BackendType.CPU) -> Function | None:
        """The kernel for a kind of device: its own, or one for all."""
        return self.kernels.get(backend) or self.kernels.get(BackendType.ALL)

    def error(self, why: str, hint: str | None = None) -> ValidationError:
        """An error about the operator itself."""
        return ValidationError(why, where=f'custom operator "{self.full_name}"', hint=hint)

    def with_defaults(self, values: Mapping[str, object]) -> dict[str, AttributeValue]:
        """Attributes by name, with the defaults of those left out.

        Raises ValueError for one that is unknown, missing, or of another kind.
        """
        known = {spec.name: spec for spec in self.attributes}
        for name in values:
            if name not in known:
                names = ", ".join(known) or "none"
                raise ValueError(f'there is no attribute "{name}"; the attributes are: {names}')
        given: dict[str, AttributeValue] = {}
        for name, spec in known.items():
            value = values.get(name, spec.default)
            if value is not None:
                given[name] = spec.converted(value)
            elif spec.must_be_given:
                raise ValueError(f'attribute "{name}" is missing')
        return given


def numpy_dtype_of(dtype: object) -> np.dtype[Any] | None:
    """The NumPy dtype of what a user gives for one: a DType, anything NumPy takes, or None for any.

    Raises ValueError for something that no tensor has.
    """
    if dtype is None:
        return None
    if isinstance(dtype, DType):
        return next(row.numpy for row in dtypes.table() if row.dtype is dtype)
    try:
        found = np.dtype(cast(Any, dtype))
    except TypeError as error:
        raise ValueError(str(error)) from error
    if found.kind in "OU":
        return STRING
    if found not in dtypes.by_numpy():
        raise ValueError(f"no tensor has elements of {found}")
    return found

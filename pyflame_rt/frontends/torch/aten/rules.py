"""Rules: how an operator of torch becomes pfrt ops, found by name, overload and arguments.

A rule is a function whose signature is the operator's schema: torch's parameter names, order and
defaults, and the annotations of `KINDS`. It takes an `AtenBuilder` first:

    @aten("max", overload="dim")
    def max_dim(b: AtenBuilder, self: Value, dim: int, keepdim: bool = False) -> tuple[Value, Value]:

A rule returns what the operator does: a value, a tuple for several results, a list for `Tensor[]`,
a plain Python value or a `Size` for numbers. In-place variants (`add_`) and those with `out` have no
rules of their own. Every module of families lists its rules in `RULES`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from typing import Any, Generic, ParamSpec, TypeVar, cast

from pyflame_rt.dtypes import DType
from pyflame_rt.frontends.torch.aten.builder import AtenBuilder
from pyflame_rt.frontends.torch.aten.sizes import Size
from pyflame_rt.frontends.torch.aten.values import Argument, TensorValue, Value, dtype_of_code

P = ParamSpec("P")
R = TypeVar("R")

FAMILIES = (
    "activation",
    "attention",
    "comparison",
    "convolution",
    "elementwise",
    "factories",
    "functions",
    "indexing",
    "linear",
    "normalization",
    "numbers",
    "pieces",
    "pooling",
    "recurrent",
    "reduction",
    "resizing",
    "shape",
)
"""The modules of this package that list rules in `RULES`."""


def _is_int(value: Argument) -> bool:
    return isinstance(value, int | Size) and not isinstance(value, bool)


def _is_scalar(value: Argument) -> bool:
    if isinstance(value, TensorValue):
        return value.wrapped
    return isinstance(value, bool | int | float | complex | Size)


def _each(accepts: Callable[[Argument], bool]) -> Callable[[Argument], bool]:
    def accepts_all(value: Argument) -> bool:
        return isinstance(value, list | tuple) and all(
            map(accepts, cast("Sequence[Argument]", value))
        )

    return accepts_all


def _is_value(value: Argument) -> bool:
    return isinstance(value, TensorValue)


def _is_float(value: Argument) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


KINDS: Mapping[str, Callable[[Argument], bool]] = {
    "Value": _is_value,
    "Values": _each(_is_value),
    "Indices": _each(lambda value: value is None or _is_value(value)),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "Int": _is_int,
    # A list of a fixed length may be given as one number.
    "Ints": lambda value: _is_int(value) or _each(_is_int)(value),
    "float": _is_float,
    "Floats": lambda value: _is_float(value) or _each(_is_float)(value),
    "bool": lambda value: isinstance(value, bool),
    "Bools": _each(lambda value: isinstance(value, bool)),
    "str": lambda value: isinstance(value, str),
    "Scalar": _is_scalar,
    "Scalars": _each(_is_scalar),
    # torch's code stands for the type.
    "DType": lambda value: isinstance(value, DType) or (
        isinstance(value, int) and not isinstance(value, bool)
    ),
    "Argument": lambda _: True,
}  # fmt: skip
"""Annotation of a parameter -> whether it takes a value; `| None` may follow each."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of an operator."""

    name: str
    kind: str
    optional: bool
    """Whether None is a value of it."""
    default: Argument
    """`inspect.Parameter.empty` when it must be given."""
    keyword_only: bool

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.default is inspect.Parameter.empty

    def accepts(self, value: Argument) -> bool:
        """Whether a value is of the parameter's kind."""
        return (value is None and self.optional) or KINDS[self.kind](value)

    def converted(self, b: AtenBuilder, value: Argument) -> Argument:
        """The value in the form that the rule takes: lists for numbers, types for codes."""
        if value is None:
            return None
        if self.kind in ("Ints", "Floats") and not isinstance(value, list | tuple):
            return (value,)
        if self.kind == "float":
            return float(cast(float, value))
        if self.kind == "DType" and isinstance(value, int):
            dtype = dtype_of_code(value)
            if dtype is None:
                raise b.unsupported(f"{self.name}: torch's type {value} is not supported")
            return dtype
        return cast(Argument, value)


@dataclass(frozen=True)
class View:
    """How a new value of a result is written back into what it is a view of.

    `scatter(b, rule, base, arguments, part, index)` is the base after `part` has been written to
    the result `index` of the rule called on it. Without it, such writes cannot be expressed.
    """

    scatter: (
        Callable[[AtenBuilder, Rule[Any, Any], Value, Mapping[str, Argument], Value, int], Value]
        | None
    )
    always: bool = True
    """Whether the result is always a view; else it may be a copy."""


@dataclass(frozen=True)
class Rule(Generic[P, R]):
    """An overload of an operator, and how it is built."""

    namespace: str
    name: str
    overload: str
    build: Callable[P, R]
    view: View | None = None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Build the operator; the first argument is the builder."""
        return self.build(*args, **kwargs)

    @property
    def full_name(self) -> str:
        """`aten::add.Tensor`"""
        return f"{self.namespace}::{self.name}" + (f".{self.overload}" if self.overload else "")

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The operator's parameters in order."""
        rows = list(inspect.signature(self.build).parameters.values())[1:]
        return tuple(map(_parameter, rows))

    def arguments(
        self, args: Sequence[Argument], kwargs: Mapping[str, Argument]
    ) -> dict[str, Argument] | None:
        """The value of every parameter; None when the arguments are not this operator's."""
        positional = [row for row in self.parameters if not row.keyword_only]
        if len(args) > len(positional):
            return None
        given = dict(zip((row.name for row in positional), args, strict=False))
        names = {row.name for row in self.parameters}
        if any(name in given or name not in names for name in kwargs):
            return None
        given.update(kwargs)
        for row in self.parameters:
            if row.name not in given:
                if row.required:
                    return None
                given[row.name] = row.default
            elif not row.accepts(given[row.name]):
                return None
        return given

    def call(
        self, b: AtenBuilder, args: Sequence[Argument], kwargs: Mapping[str, Argument]
    ) -> Argument:
        """Build the operator with arguments as a model gives them.

        Raises InvalidModelError when they are not the operator's.
        """
        return self._build(b, self._bound(b, args, kwargs))

    def scatter(
        self,
        b: AtenBuilder,
        args: Sequence[Argument],
        kwargs: Mapping[str, Argument],
        part: Value,
        index: int = 0,
    ) -> Value:
        """What the first argument is after `part` has been written to result `index`, its view."""
        if self.view is None or self.view.scatter is None:
            raise b.unsupported(f"writing through {self.full_name} is not supported")
        bound = self._bound(b, args, kwargs)
        base = cast(Value, bound[self.parameters[0].name])
        return self.view.scatter(b, self, base, bound, part, index)

    def with_base(self, b: AtenBuilder, base: Value, arguments: Mapping[str, Argument]) -> Argument:
        """Build the operator with bound arguments, the first replaced."""
        return self._build(b, {**arguments, self.parameters[0].name: base})

    def _bound(
        self, b: AtenBuilder, args: Sequence[Argument], kwargs: Mapping[str, Argument]
    ) -> dict[str, Argument]:
        given = self.arguments(args, kwargs)
        if given is None:
            raise b.error(f"arguments do not fit {self.signature}")
        return {row.name: row.converted(b, given[row.name]) for row in self.parameters}

    def _build(self, b: AtenBuilder, arguments: Mapping[str, Argument]) -> Argument:
        build = cast("Callable[..., Argument]", self.build)
        positional = [arguments[row.name] for row in self.parameters if not row.keyword_only]
        keywords = {
            _python_name(row.name): arguments[row.name]
            for row in self.parameters
            if row.keyword_only
        }
        try:
            return build(b, *positional, **keywords)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise b.error(f"{self.full_name} cannot be built: {error}"[:200]) from error

    @property
    def signature(self) -> str:
        """The operator with the names of its parameters, for messages."""
        return f"{self.full_name}({', '.join(row.name for row in self.parameters)})"


_KEYWORDS = frozenset({"from", "lambda", "in"})


def _python_name(name: str) -> str:
    return f"{name}_" if name in _KEYWORDS else name


def _parameter(row: inspect.Parameter) -> Parameter:
    kind, _, optional = str(row.annotation).partition(" | ")
    if kind not in KINDS or optional not in ("", "None"):
        raise TypeError(f"no parameter of an operator is a {row.annotation}")
    name = row.name.removesuffix("_")
    return Parameter(
        name if name in _KEYWORDS else row.name,
        kind,
        bool(optional),
        row.default,
        row.kind is inspect.Parameter.KEYWORD_ONLY,
    )


def aten(
    name: str, *, overload: str = "", namespace: str = "aten", view: View | None = None
) -> Callable[[Callable[P, R]], Rule[P, R]]:
    """Make a function the rule for an overload of an operator; `default` is spelled ``."""
    return lambda build: Rule(namespace, name, overload, build, view)


def rules_in(names: Mapping[str, Any]) -> tuple[Rule[Any, Any], ...]:
    """The rules that a module defines, among its globals, in the order of their definition."""
    found = (cast("Rule[Any, Any]", item) for item in names.values() if isinstance(item, Rule))
    return tuple(rule for rule in found if rule.build.__module__ == names["__name__"])


@cache
def table() -> dict[tuple[str, str], tuple[Rule[Any, Any], ...]]:
    """(namespace, name) -> rules of all overloads, the one to try first first."""
    found: dict[tuple[str, str], list[Rule[Any, Any]]] = {}
    for family in FAMILIES:
        module = import_module(f"{__name__.rpartition('.')[0]}.{family}")
        for rule in cast("Iterable[Rule[Any, Any]]", module.RULES):
            found.setdefault((rule.namespace, rule.name), []).append(rule)
    return {key: tuple(rows) for key, rows in found.items()}


def overloads(name: str, namespace: str = "aten") -> tuple[Rule[Any, Any], ...]:
    """The rules of an operator; none when it is not supported."""
    return table().get((namespace, name), ())


def lookup(name: str, overload: str, namespace: str = "aten") -> Rule[Any, Any] | None:
    """The rule of an overload; None when it is not supported."""
    overload = "" if overload == "default" else overload
    return next((r for r in overloads(name, namespace) if r.overload == overload), None)


def resolve(
    name: str,
    args: Sequence[Argument],
    kwargs: Mapping[str, Argument] | None = None,
    namespace: str = "aten",
) -> Rule[Any, Any] | None:
    """The first rule of an operator whose signature the arguments fit; None when there is none."""
    given = kwargs or {}
    rows = overloads(name, namespace)
    return next((row for row in rows if row.arguments(args, given) is not None), None)

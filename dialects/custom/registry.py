"""The custom operators that are known, and the dialects that their ops make.

Importing this costs nothing: every Context asks it for dialects.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xdsl.ir import Dialect, Operation
from xdsl.universe import XDSL_UNIVERSE

from pyflame_rt import kernels
from pyflame_rt.registrations import Registry

if TYPE_CHECKING:
    from pyflame_rt.dialects.custom.operation import CustomOperation
    from pyflame_rt.dialects.custom.schema import OpSchema

_OURS = ("check", "pfrt", "plan", "wse")
_BARE = "unnamed"
"""The dialect of operators that extend ONNX's own domain, which has no name."""


@dataclass(frozen=True)
class Definition:
    """A registered operator: its schema, and the class of its op in IR."""

    schema: OpSchema
    op: type[CustomOperation]


@dataclass(frozen=True)
class CustomNode:
    """What an op is in the words of its operator: what a file that can hold any operator says."""

    domain: str
    op_type: str
    version: int
    attributes: Mapping[str, Any]


_DEFINITIONS: Registry[Definition] = Registry("custom operator")


def register(schema: OpSchema) -> Definition:
    """Make an operator known, in place of one of that name that was registered before.

    Raises ValidationError when its op in IR would be called as another operator's, and for one of
    ONNX's own, which a model's nodes would never be.
    """
    from pyflame_rt.dialects.custom.evaluation import Kernel
    from pyflame_rt.dialects.custom.operation import operation_class
    from pyflame_rt.dialects.custom.schema import BackendType
    from pyflame_rt.dialects.pfrt import operations
    from pyflame_rt.dialects.pfrt.names import op_name_of

    if schema.domain in ("", "ai.onnx") and op_name_of(schema.name) in operations():
        raise schema.error("ONNX's own operators cannot be replaced; give it a domain")
    name = op_name(schema.domain, schema.name)
    for other in _DEFINITIONS.values():
        domain = other.schema.domain
        if dialect_name(domain) == dialect_name(schema.domain) and domain != schema.domain:
            raise schema.error(
                f'domain "{domain}" has the dialect {dialect_name(domain)} in IR already'
            )
        if other.op.name == name and other.schema.name != schema.name:
            raise schema.error(f'"{other.schema.full_name}" is the op {name} in IR already')
    op = operation_class(schema, name)
    unregister(schema.full_name)
    definition = Definition(schema, op)
    _DEFINITIONS.add(schema.full_name, definition)
    if schema.kernel(BackendType.CPU) is not None:
        kernels.REGISTERED.add(name, Kernel(schema, op.ATTRIBUTES))
    return definition


def unregister(full_name: str) -> bool:
    """Forget an operator; whether it was known. What is compiled already still runs."""
    definition = _DEFINITIONS.get(full_name)
    if definition is None:
        return False
    kernels.REGISTERED.remove(definition.op.name)
    return _DEFINITIONS.remove(full_name)


def definitions() -> tuple[Definition, ...]:
    """Every registered operator, in the order of registration."""
    return _DEFINITIONS.values()


def lookup(domain: str, op_type: str) -> Definition | None:
    """The operator that a model means by a domain and an operator type."""
    return _DEFINITIONS.get(f"{domain}::{op_type}" if domain else op_type)


def find(op: Operation) -> CustomNode | None:
    """Domain, operator type and attributes of a custom operator's op; None for any other op."""
    from pyflame_rt.dialects.custom.operation import CustomOperation

    if not isinstance(op, CustomOperation):
        return None
    schema = op.SCHEMA
    return CustomNode(schema.domain, schema.name, schema.version, op.attribute_values())


def dialects() -> dict[str, Callable[[], Dialect]]:
    """Dialect name -> factory, for every domain that has operators now."""
    names = dict.fromkeys(dialect_name(d.schema.domain) for d in _DEFINITIONS.values())
    return {name: _factory(name) for name in names}


def _factory(name: str) -> Callable[[], Dialect]:
    def make() -> Dialect:
        found = (d for d in _DEFINITIONS.values() if dialect_name(d.schema.domain) == name)
        return Dialect(name, [definition.op for definition in found], [])

    return make


def dialect_name(domain: str) -> str:
    """The dialect of a domain's operators: `com.example` -> `com_example`.

    A domain called as a dialect that there is gets `_ops` after its name.
    """
    name = re.sub(r"\W", "_", domain, flags=re.ASCII) or _BARE
    if name[0].isdigit():
        name = f"_{name}"
    return f"{name}_ops" if name in XDSL_UNIVERSE.all_dialects or name in _OURS else name


def op_name(domain: str, op_type: str) -> str:
    """The op of an operator: `com.example`, `FusedBiasRelu` -> `com_example.fused_bias_relu`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", op_type).lower()
    return f"{dialect_name(domain)}.{words}"

"""What variables hold while an archive's code is interpreted.

| value | form |
|---|---|
| `int`, `float`, `bool`, `complex`, `str`, None known at import | Python's own |
| an `int` known at run time | `Size` |
| a `float` or `bool` known at run time | `TensorValue` that is `wrapped` |
| a tensor | `Tensor`: what it is a view of, and how |
| a list, dict, tuple | `ListObject`, `DictObject`, `tuple` |
| a module or an object | `Instance` |
| one of two values, by a condition known at run time | `Choice` |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeAlias

from xdsl.ir import SSAValue

from pyflame_rt.frontends.torch.aten.rules import Rule
from pyflame_rt.frontends.torch.aten.values import TensorValue
from pyflame_rt.frontends.torch.script.syntax import Class, Function

Known: TypeAlias = Any
"""Any value of the table above."""

_serials = count()


def next_serial() -> int:
    """A number greater than any before: what is older has a smaller one."""
    return next(_serials)


@dataclass(eq=False, slots=True)
class Storage:
    """What a tensor and its views share: its value now, and whose value it is.

    Two storages in one `group` may be the same memory, which cannot be told: after one of them was
    written to, the others are `stale` (the place of the write) and cannot be read.
    """

    value: TensorValue | None
    make: Callable[[], TensorValue] | None = None
    """Makes the value of a parameter when it is first read."""
    group: list[Storage] | None = None
    stale: str = ""
    captured: bool = False
    """Whether a list of a length known only at run time holds the tensor: it holds its value."""
    owner: AttributeOf | None = None
    """The attribute of a module whose tensor it is from the beginning."""
    version: int = field(default_factory=next_serial)
    serial: int = field(default_factory=next_serial)

    def written(self, value: TensorValue) -> None:
        """Note a new value."""
        self.value = value
        self.version = next_serial()


@dataclass(frozen=True, eq=False, slots=True)
class AttributeOf:
    """An attribute of a module, and its name from the model on: `encoder.state`."""

    instance: Instance
    attribute: str

    @property
    def path(self) -> str:
        """The attribute's name from the model on."""
        path = self.instance.path
        return f"{path}.{self.attribute}" if path else self.attribute


@dataclass(frozen=True, eq=False, slots=True)
class Step:
    """One step of a chain of views: the operator, its arguments but the first, and which result."""

    rule: Rule[Any, Any]
    arguments: Sequence[Known]
    keywords: Mapping[str, Known]
    index: int | None


@dataclass(eq=False, slots=True)
class Tensor:
    """A tensor: a storage, or the view of one that a chain of operators gives.

    The value of a view is kept until its storage is written to, and is made again then.
    """

    storage: Storage
    steps: tuple[Step, ...] = ()
    value: TensorValue | None = None
    version: int = -1


@dataclass(frozen=True, eq=False, slots=True)
class Unbound:
    """The slices of a tensor along a dimension whose size is known only at run time."""

    tensor: Tensor
    dim: int
    count: Known


@dataclass(eq=False, slots=True)
class ListObject:
    """A list: its items or, when its length is known only at run time, a sequence."""

    items: list[Known]
    sequence: SSAValue | None = None
    serial: int = field(default_factory=next_serial)


@dataclass(eq=False, slots=True)
class DictObject:
    """A dict, whose keys are known."""

    items: dict[Known, Known]
    serial: int = field(default_factory=next_serial)


@dataclass(frozen=True, eq=False, slots=True)
class ClassInfo:
    """A class of the archive."""

    name: str
    """Qualified: `__torch__.models.Net`."""
    file: str
    syntax: Class
    methods: Mapping[str, Function]


@dataclass(frozen=True, eq=False, slots=True)
class FunctionInfo:
    """A function of the archive, or one inside of another with the variables around it."""

    name: str
    file: str
    syntax: Function
    around: Mapping[str, Known] | None = None


@dataclass(eq=False, slots=True)
class Instance:
    """An object of a class of the archive; `path` is a module's name from the model on."""

    info: ClassInfo
    attributes: dict[str, Known]
    path: str = ""
    is_loaded: bool = False
    """Whether it belongs to the model, rather than being made while the model runs."""
    serial: int = field(default_factory=next_serial)


@dataclass(frozen=True, eq=False, slots=True)
class Record:
    """A named tuple."""

    info: ClassInfo
    fields: tuple[str, ...]
    items: tuple[Known, ...]


@dataclass(frozen=True, slots=True)
class EnumItem:
    """An item of an enumeration."""

    class_name: str
    name: str
    value: Known


@dataclass(frozen=True, slots=True)
class Device:
    """A device, none of which matters."""

    name: str


@dataclass(frozen=True, slots=True)
class VagueText:
    """A text with values that are known only at run time: enough for a message."""

    text: str


@dataclass(frozen=True, eq=False, slots=True)
class Packed:
    """Weights that were packed for a quantized operator: the arguments of its prepack."""

    kind: str
    items: tuple[Known, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Future:
    """What a forked call gives."""

    value: Known


@dataclass(frozen=True, eq=False, slots=True)
class BoundMethod:
    """A method of an object."""

    instance: Instance
    function: FunctionInfo


@dataclass(frozen=True, eq=False, slots=True)
class Choice:
    """One of two values of different kinds, by a condition known at run time."""

    condition: TensorValue
    if_true: Known
    if_false: Known


class Unset:
    """What an uninitialised variable holds; nothing reads it."""

    __slots__ = ()


class Missing:
    """The result of an operator that is not supported: the import goes on to find the others."""

    __slots__ = ()


UNSET = Unset()
MISSING = Missing()


def is_number(value: Known) -> bool:
    """Whether a value is a number known at import; no bool."""
    return isinstance(value, int | float | complex) and not isinstance(value, bool)

"""A machine for the 33 opcodes that torch's pickles are made of; it makes values and runs nothing.

The library module of that format is not imported: its opcodes call what a file names. Here a
GLOBAL is an inert token of an allow-list, a REDUCE builds a record from checked arguments, and
every other opcode takes only the exact types that torch writes. Objects of other libraries,
protocols above 2 and the opcodes that only they have are refused.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from struct import unpack_from
from typing import TypeAlias, cast

from pyflame_rt.errors import InvalidModelError
from pyflame_rt.frontends.torch.archive import Archive
from pyflame_rt.frontends.torch.pickle_globals import (
    Args,
    ClassRecord,
    Context,
    Dict,
    EnumRecord,
    Function,
    List,
    ObjectRecord,
    OpaqueRecord,
    OpaqueType,
    StorageType,
    dict_key,
    resolve,
)
from pyflame_rt.frontends.torch.storage import ArchiveStorages, Budget, Storages
from pyflame_rt.limits import DEFAULT_LIMITS, Limits

_PROTOCOL = 2


def load(
    data: memoryview | bytes,
    *,
    storages: Storages,
    classes: bool,
    where: str = "pickle",
    limits: Limits = DEFAULT_LIMITS,
) -> object:
    """What a pickle holds, which must end where the data does.

    Plain Python values, `TensorRecord`s of the storages that `storages` gives, and the records of
    `pickle_globals`; `classes` admits the classes of a TorchScript archive, as `ObjectRecord`s.
    Raises InvalidModelError for anything else that the bytes may be.
    """
    value, end = load_prefix(
        data, 0, storages=storages, classes=classes, where=where, limits=limits
    )
    if end != len(data):
        raise InvalidModelError(f"{len(data) - end} bytes follow the pickle", where=where)
    return value


def load_member(
    archive: Archive,
    name: str,
    *,
    folder: str = "data",
    classes: bool = False,
    verify: bool = True,
) -> object:
    """What a member of an archive holds, its tensors' bytes in the members of `folder`.

    Without `verify` the CRCs of tensor bytes are not compared, and they stay unread.
    Raises InvalidModelError as `load` does.
    """
    return load(
        archive.read(name),
        storages=ArchiveStorages(archive, folder, verify=verify),
        classes=classes,
        where=f"{archive.where}: {name}",
        limits=archive.limits,
    )


def load_prefix(
    data: memoryview | bytes,
    start: int,
    *,
    storages: Storages,
    classes: bool = False,
    where: str = "pickle",
    limits: Limits = DEFAULT_LIMITS,
) -> tuple[object, int]:
    """What the pickle at `start` holds, and where it ends; else as `load`."""
    machine = _Machine(data, start, storages, classes, where, limits)
    value = machine.run()
    check_nesting(value, machine.context, limits)
    return value, machine.position


def check_nesting(value: object, context: Context, limits: Limits) -> None:
    """Refuse what a walk would not come to an end of: cycles but of objects, depth, repetition.

    A list of a list of … of lists, each twice, is small in memory and endless to walk; objects
    are met once each, since whoever walks them knows them by identity.
    """
    heights: dict[int, int] = {}
    nodes: dict[int, int] = {}
    path: list[tuple[object, list[object]]] = [(value, list(_children(value)))]
    entered = {id(value)}
    while path:
        parent, left = path[-1]
        if left:
            child = left.pop()
            grandchildren = _children(child)
            if not grandchildren or id(child) in heights:
                continue
            if id(child) not in entered:
                entered.add(id(child))
                path.append((child, list(grandchildren)))
            elif type(child) is not ObjectRecord:
                raise context.invalid("the pickle has a list or dict that contains itself")
            if len(path) > limits.pickle_depth:
                raise context.invalid(f"the pickle nests more than {limits.pickle_depth} deep")
            continue
        path.pop()
        children = _children(parent)
        # Objects that are not finished contain this one.
        height = 1 + max((heights.get(id(child), 0) for child in children), default=0)
        count = 1 + sum(
            1 if type(child) is ObjectRecord else nodes.get(id(child), 1) for child in children
        )
        if height > limits.pickle_depth:
            raise context.invalid(f"the pickle nests more than {limits.pickle_depth} deep")
        if count > limits.pickle_nodes:
            raise context.invalid(f"the pickle repeats values to more than {limits.pickle_nodes}")
        heights[id(parent)], nodes[id(parent)] = height, count


def _children(value: object) -> Collection[object]:
    kind = type(value)
    if kind is tuple or kind is list:
        return cast(Args, value)
    if kind is dict or kind is OrderedDict:
        return cast(Dict, value).values()
    if isinstance(value, ObjectRecord):
        return (value.state,)
    return (value.value,) if isinstance(value, EnumRecord) else ()


class _Machine:
    """A stack, the places of its marks, and a memo."""

    def __init__(
        self,
        data: memoryview | bytes,
        start: int,
        storages: Storages,
        classes: bool,
        where: str,
        limits: Limits,
    ):
        self.position = start
        self.context = Context(self._here, Budget(limits, where))
        self._data = data
        self._storages = storages
        self._classes = classes
        self._where = where
        self._limits = limits
        self._stack: list[object] = []
        self._marks: list[int] = []
        # Values above the last mark; what is below is out of reach until the mark is taken.
        self._floor = 0
        self._memo: dict[int, object] = {}
        self._tokens: dict[tuple[str, str], object] = {}
        self._containers = 0

    def run(self) -> object:
        """The value at STOP."""
        limits, data, table = self._limits, self._data, _OPCODES
        end = min(len(data), self.position + limits.pickle_bytes)
        for _ in range(limits.pickle_opcodes):
            if self.position >= end:
                raise self._invalid("ends before its STOP")
            opcode = data[self.position]
            self.position += 1
            if opcode == _STOP:
                return self._result()
            if opcode not in table:
                raise self._unknown(opcode)
            table[opcode](self)
        raise self._invalid(f"has more than {limits.pickle_opcodes} opcodes")

    def _result(self) -> object:
        value = self._pop()
        if self._stack or self._marks:
            raise self._invalid("leaves values on its stack")
        return value

    def _invalid(self, why: str, hint: str | None = None) -> InvalidModelError:
        return self.context.invalid(f"the pickle {why}", hint)

    def _here(self) -> str:
        return f"{self._where}, byte {self.position}"

    def _unknown(self, opcode: int) -> InvalidModelError:
        return self._invalid(
            f"has opcode {opcode:#04x}, which torch does not write",
            hint="save it again with torch.save(…), which uses protocol 2",
        )

    # Reading operands

    def _take(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self._data):
            raise self._invalid("ends inside an opcode")
        taken = bytes(self._data[self.position : end])
        self.position = end
        return taken

    def _byte(self) -> int:
        at = self.position
        if at >= len(self._data):
            raise self._invalid("ends inside an opcode")
        self.position = at + 1
        return self._data[at]

    def _number(self, size: int, *, signed: bool = False) -> int:
        return int.from_bytes(self._take(size), "little", signed=signed)

    def _line(self) -> str:
        most = self._limits.name_bytes
        chunk = bytes(self._data[self.position : self.position + most + 1])
        length = chunk.find(b"\n")
        if length < 0:
            raise self._invalid("has a name without an end")
        self.position += length + 1
        return self._text(chunk[:length])

    def _text(self, raw: bytes) -> str:
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            raise self._invalid("has a text that is not UTF-8") from error

    # The stack

    def _push(self, value: object) -> None:
        if len(self._stack) >= self._limits.pickle_stack:
            raise self._invalid(f"puts more than {self._limits.pickle_stack} values on its stack")
        self._stack.append(value)

    def _push_new(self, value: object) -> None:
        self._count()
        self._push(value)

    def _count(self) -> None:
        self._containers += 1
        if self._containers > self._limits.pickle_containers:
            raise self._invalid(f"makes more than {self._limits.pickle_containers} containers")

    def _pop(self) -> object:
        if len(self._stack) <= self._floor:
            raise self._invalid("takes a value that is not on its stack")
        return self._stack.pop()

    def _top(self) -> object:
        if len(self._stack) <= self._floor:
            raise self._invalid("takes a value that is not on its stack")
        return self._stack[-1]

    def _pop_mark(self) -> list[object]:
        if not self._marks:
            raise self._invalid("takes a mark that it did not set")
        at = self._marks.pop()
        self._floor = self._marks[-1] if self._marks else 0
        items = self._stack[at:]
        del self._stack[at:]
        return items

    # Opcodes

    def _proto(self) -> None:
        protocol = self._byte()
        if protocol != _PROTOCOL:
            raise self._invalid(
                f"is of protocol {protocol}",
                hint="save it again with torch.save(…), which uses protocol 2",
            )

    def _mark(self) -> None:
        if len(self._marks) >= self._limits.pickle_stack:
            raise self._invalid("sets too many marks")
        self._floor = len(self._stack)
        self._marks.append(self._floor)

    def _long(self) -> None:
        self._push(int.from_bytes(self._take(self._byte()), "little", signed=True))

    def _float(self) -> None:
        self._push(unpack_from(">d", self._take(8))[0])

    def _unicode(self) -> None:
        length = self._number(4)
        if length > self._limits.pickle_string_bytes:
            raise self._invalid(f"has a text of {length} bytes")
        self._push(self._text(self._take(length)))

    def _short_string(self) -> None:
        # A `str` of Python 2, of which torch writes only names.
        self._push(self._text(self._take(self._byte())))

    def _tuple(self) -> None:
        self._push_new(tuple(self._pop_mark()))

    def _tuple_of(self, count: int) -> None:
        items = [self._pop() for _ in range(count)]
        self._push_new(tuple(reversed(items)))

    def _append(self) -> None:
        item = self._pop()
        self._list().append(item)

    def _appends(self) -> None:
        items = self._pop_mark()
        self._list().extend(items)

    def _list(self) -> list[object]:
        target = self._top()
        if type(target) is not list:
            raise self._invalid(f"appends to a {type(target).__name__}")
        return cast(List, target)

    def _setitem(self) -> None:
        value = self._pop()
        self._set((self._pop(), value))

    def _setitems(self) -> None:
        self._set(self._pop_mark())

    def _set(self, items: Iterable[object]) -> None:
        items = list(items)
        target = self._top()
        if type(target) is not dict and type(target) is not OrderedDict:
            raise self._invalid(f"sets items of a {type(target).__name__}")
        if len(items) % 2:
            raise self._invalid("sets a key without a value")
        entries = cast(Dict, target)
        for key, value in zip(items[::2], items[1::2], strict=True):
            entries[dict_key(key, self.context)] = value

    def _put(self, index: int) -> None:
        self._memo[index] = self._top()

    def _get(self, index: int) -> None:
        if index not in self._memo:
            raise self._invalid(f"takes entry {index} of its memo, which is not there")
        self._push(self._memo[index])

    def _global(self) -> None:
        names = self._line(), self._line()
        if names not in self._tokens:
            self._tokens[names] = resolve(*names, self.context, classes=self._classes)
        self._push(self._tokens[names])

    def _reduce(self) -> None:
        args, token = self._pop(), self._pop()
        # The only thing that is called on one value: an enum of TorchScript.
        if type(token) is ClassRecord:
            self._push_new(EnumRecord(token.qualified_name, args))
            return
        if type(args) is not tuple:
            raise self._invalid(f"calls with a {type(args).__name__} for arguments")
        if type(token) is OpaqueType:
            self._push_new(OpaqueRecord(token.kind))
        elif type(token) is Function:
            self._push_new(token.build(cast(Args, args), self.context))
        else:
            raise self._invalid(f"calls a {type(token).__name__}")

    def _newobj(self) -> None:
        args, token = self._pop(), self._pop()
        if type(token) is OpaqueType and type(args) is tuple:
            self._push_new(OpaqueRecord(token.kind))
        elif type(token) is ClassRecord and args == ():
            self._push_new(ObjectRecord(token.qualified_name))
        else:
            raise self._invalid(f"makes an object of a {type(token).__name__}")

    def _build(self) -> None:
        state, target = self._pop(), self._top()
        if type(target) is ObjectRecord and not target.is_built:
            target.state, target.is_built = state, True
        # The attributes of a dict (a module's versions) and of what is not read are nothing to us.
        elif type(target) not in (OrderedDict, OpaqueRecord):
            raise self._invalid(f"gives a state to a {type(target).__name__}")

    def _persistent(self) -> None:
        name = self._pop()
        parts = cast(Args, name) if type(name) is tuple else ()
        # The sixth part, of legacy files, would be a view of another storage: torch 0.3 wrote it.
        if len(parts) == 6 and parts[5] is None:
            parts = parts[:5]
        if len(parts) != 5 or parts[0] != "storage":
            raise self._invalid("refers to something that is not a storage")
        _, kind, key, location, length = parts
        if type(kind) is not StorageType or type(key) is not str or type(location) is not str:
            raise self._invalid("refers to a storage without a type, key and location")
        if type(length) is not int or not 0 <= length < 2**63:
            raise self._invalid("refers to a storage without a length")
        self._push_new(self._storages(key, kind.dtype, length))


def _constant(value: object) -> Callable[[_Machine], None]:
    return lambda machine: machine._push(value)  # pyright: ignore[reportPrivateUsage]


_Opcode: TypeAlias = Callable[[_Machine], None]
_STOP = ord(".")

# pyright: reportPrivateUsage=false
_OPCODES: dict[int, _Opcode] = {
    0x80: _Machine._proto,
    ord("("): _Machine._mark,
    ord("N"): _constant(None),
    0x88: _constant(True),
    0x89: _constant(False),
    ord("K"): lambda m: m._push(m._byte()),
    ord("M"): lambda m: m._push(m._number(2)),
    ord("J"): lambda m: m._push(m._number(4, signed=True)),
    0x8A: _Machine._long,
    ord("G"): _Machine._float,
    ord("X"): _Machine._unicode,
    ord("U"): _Machine._short_string,
    ord(")"): _constant(()),
    ord("t"): _Machine._tuple,
    0x85: lambda m: m._tuple_of(1),
    0x86: lambda m: m._tuple_of(2),
    0x87: lambda m: m._tuple_of(3),
    ord("]"): lambda m: m._push_new([]),
    ord("a"): _Machine._append,
    ord("e"): _Machine._appends,
    ord("}"): lambda m: m._push_new({}),
    ord("s"): _Machine._setitem,
    ord("u"): _Machine._setitems,
    ord("q"): lambda m: m._put(m._byte()),
    ord("r"): lambda m: m._put(m._number(4)),
    ord("h"): lambda m: m._get(m._byte()),
    ord("j"): lambda m: m._get(m._number(4)),
    ord("c"): _Machine._global,
    ord("R"): _Machine._reduce,
    0x81: _Machine._newobj,
    ord("b"): _Machine._build,
    ord("Q"): _Machine._persistent,
}
"""What each opcode does; STOP is the machine's own."""

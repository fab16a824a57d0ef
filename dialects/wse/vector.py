"""What the vector builtins share: operands, scalar, microthread, and what they do when they are done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self, cast

from xdsl.dialects.builtin import (
    Float16Type,
    Float32Type,
    IntegerType,
    StringAttr,
    SymbolRefAttr,
)
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import opt_operand_def, opt_prop_def, traits_def
from xdsl.parser import Parser, UnresolvedOperand
from xdsl.printer import Printer
from xdsl.traits import MemoryReadEffect, MemoryWriteEffect

from pyflame_rt.dialects.wse.base import (
    INTEGER,
    Scope,
    WseOp,
    bits_of,
    integer,
    number,
    reference,
    word,
)
from pyflame_rt.dialects.wse.dsds import (
    DSR_FILES,
    DsdOp,
    DsrOp,
    FabinDsdOp,
    FaboutDsdOp,
    Mem1dDsdOp,
    Mem4dDsdOp,
)
from pyflame_rt.dialects.wse.tasks import TaskOp
from pyflame_rt.dialects.wse.tile import BufferOp

MICROTHREADS: Final = 8
PRIORITIES: Final = ("low", "normal", "high")

_OPTIONS: Final = {"async": "thread", "priority": "priority"} | {
    name: name for name in ("activate", "unblock")
}


@dataclass(frozen=True)
class Signature:
    """What a builtin takes: element types of its operands; `16` and `32` are any of that width.

    None for an operand that it doesn't take; `scalar` is the type of the scalar, which stands in for
    the last source when `instead`, and is always there when not.
    """

    dest: str | None
    src0: str
    src1: str | None = None
    scalar: str | None = None
    instead: bool = True


class VectorOp(WseOp):
    """Base of the vector builtins.

    What they have in common is said in `builtins`.
    """

    SIGNATURE: ClassVar[Signature]

    dest = opt_prop_def(SymbolRefAttr)
    src0 = opt_prop_def(SymbolRefAttr)
    src1 = opt_prop_def(SymbolRefAttr)
    scalar = opt_operand_def()
    thread = opt_prop_def(INTEGER)
    priority = opt_prop_def(StringAttr)
    activate = opt_prop_def(SymbolRefAttr)
    unblock = opt_prop_def(SymbolRefAttr)

    traits = traits_def(MemoryReadEffect(), MemoryWriteEffect())

    def __init__(
        self, dest: str | None = None, src0: str | None = None, src1: str | None = None, *,
        scalar: SSAValue | None = None, thread: int | None = None, priority: str | None = None,
        activate: str | None = None, unblock: str | None = None,
    ):  # fmt: skip
        super().__init__(
            operands=[scalar],
            properties={
                "dest": reference(dest),
                "src0": reference(src0),
                "src1": reference(src1),
                "thread": integer(thread),
                "priority": word(priority),
                "activate": reference(activate),
                "unblock": reference(unblock),
            },
        )

    @property
    def builtin(self) -> str:
        """The builtin's name, `fmacs`."""
        return self.name.removeprefix("wse.")

    def vectors(self) -> tuple[SymbolRefAttr | None, SymbolRefAttr | None, SymbolRefAttr | None]:
        """The vector operands by file: dest, src0, src1."""
        return self.dest, self.src0, self.src1

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        names: list[SymbolRefAttr] = []
        scalar: UnresolvedOperand | None = None
        while True:
            if (name := parser.parse_optional_symbol_name()) is not None:
                names.append(SymbolRefAttr(name))
            else:
                scalar = parser.parse_unresolved_operand(
                    "expected the name of a DSD or DSR, or a scalar"
                )
            if scalar is not None or parser.parse_optional_punctuation(",") is None:
                break
        takes = cls.SIGNATURE
        given = zip(DSR_FILES, (takes.dest, takes.src0, takes.src1), strict=True)
        files = [file for file, kind in given if kind is not None]
        if len(names) > len(files):
            most = f"{len(files)} vector{'s' if len(files) > 1 else ''}"
            parser.raise_error(f"{cls.name} takes {most}, not {len(names)}")
        properties: dict[str, Attribute] = dict(zip(files, names, strict=False))
        while (option := parser.parse_optional_keyword_in(_OPTIONS)) is not None:
            properties[_OPTIONS[option]] = _parse_option(parser, option)
        attributes = parser.parse_optional_attr_dict()
        operands: list[SSAValue] = []
        if scalar is not None:
            parser.parse_punctuation(":")
            operands.append(parser.resolve_operand(scalar, parser.parse_type()))
        return cls.build(
            operands=[operands],
            properties=properties,
            attributes=attributes,
        )

    def print(self, printer: Printer) -> None:
        operands = [name for name in self.vectors() if name is not None]
        printer.print_string(" ")
        printer.print_list(operands, printer.print_attribute)
        if self.scalar is not None:
            printer.print_string(", " if operands else "")
            printer.print_ssa_value(self.scalar)
        for option, name in _OPTIONS.items():
            value = self.properties.get(name)
            if isinstance(value, StringAttr):
                printer.print_string(f" {option} {value.data}")
            elif isinstance(value, SymbolRefAttr):
                printer.print_string(f" {option} {value}")
            elif value is not None:
                printer.print_string(f" {option} {number(cast(Any, value))}")
        printer.print_op_attributes(self.attributes)
        if self.scalar is not None:
            printer.print_string(" : ")
            printer.print_attribute(self.scalar.type)

    def verify_(self) -> None:
        takes = self.SIGNATURE
        self.require(
            "C1", (self.dest is not None) == (takes.dest is not None), "has no destination"
        )
        given = (self.src0 is not None, self.src1 is not None, self.scalar is not None)
        self.require("C1", given in _forms(takes), f"takes {_shown(takes)}")
        if self.scalar is not None:
            kind = self.scalar.type
            self.require("C2", _fits(kind, str(takes.scalar)), f"its scalar is a {kind}")
        thread, priority = number(self.thread), self.priority
        self.require(
            "C3",
            0 <= thread < MICROTHREADS,
            f"microthreads are 0 to {MICROTHREADS - 1}, not {thread}",
        )
        known = priority is None or priority.data in PRIORITIES
        self.require("C3", known, f"a priority is {', '.join(PRIORITIES)}")
        once = self.activate is None or self.unblock is None
        self.require("C4", once, "activates a task and unblocks one")

    def check(self, scope: Scope) -> None:
        takes = self.SIGNATURE
        types = (takes.dest, takes.src0, takes.src1)
        for file, name, kind in zip(DSR_FILES, self.vectors(), types, strict=True):
            if name is not None:
                self._check_operand(scope, file, name, str(kind))
        if self.SIGNATURE.dest is None and self.src0 is not None:
            self.found("C5", scope, self.src0, "fabin DSD", FabinDsdOp, DsrOp)
        first, second = (
            scope.find(name) if name is not None else None for name in (self.src0, self.src1)
        )
        if isinstance(first, FabinDsdOp) and isinstance(second, FabinDsdOp):
            both = f"{self.src0} and {self.src1}"
            self.require("C7", first.queue != second.queue, f"{both} take words of one queue")
        for name in (self.activate, self.unblock):
            if name is not None:
                task = self.found("C4", scope, name, "task", TaskOp)
                local = name is self.unblock or task.kind.data == "local"
                self.require("C4", local, f"{name} is a {task.kind.data} task")

    def _check_operand(self, scope: Scope, file: str, name: SymbolRefAttr, kind: str) -> None:
        op = self.found("C5", scope, name, "DSD or DSR", DsdOp, DsrOp)
        if isinstance(op, DsrOp):
            self.require(
                "C5", op.file.data == file, f"{name} is a DSR of {op.file.data}, not {file}"
            )
            return
        wrong = FabinDsdOp if file == "dest" else FaboutDsdOp
        way = "written" if file == "dest" else "read"
        self.require("C5", not isinstance(op, wrong), f"{name} cannot be {way}")
        element = element_type(op, scope)
        if element is None:
            return
        in_memory = isinstance(op, Mem1dDsdOp | Mem4dDsdOp)
        fits = _fits(element, kind) if in_memory else bits_of(element) == _bits(kind)
        self.require("C6", fits, f"{file} {name} has elements of {element}, not {_name(kind)}")


def element_type(dsd: Operation, scope: Scope) -> Attribute | None:
    """The type of a DSD's elements: its buffer's, or of its words; None for a fifo of no buffer."""
    from pyflame_rt.dialects.wse.dsds import FifoDsdOp, FifoOp

    if isinstance(dsd, FabinDsdOp | FaboutDsdOp):
        return dsd.kind
    if isinstance(dsd, FifoDsdOp):
        dsd = scope.find(dsd.fifo) or dsd
    if isinstance(dsd, Mem1dDsdOp | Mem4dDsdOp | FifoOp):
        buffer = scope.find(dsd.buffer)
        return buffer.buffer_type.element_type if isinstance(buffer, BufferOp) else None
    return None


def _forms(takes: Signature) -> set[tuple[bool, bool, bool]]:
    """Which of src0, src1 and scalar may be given together."""
    two, scalar = takes.src1 is not None, takes.scalar is not None
    if scalar and not takes.instead:
        return {(True, two, True)}
    vectors = (True, two, False)
    return {vectors, (two, False, True)} if scalar else {vectors}


def _shown(takes: Signature) -> str:
    dest = "dest, " if takes.dest is not None else ""
    sources = "src0, src1" if takes.src1 is not None else "src0"
    if takes.scalar is None:
        return dest + sources
    if not takes.instead:
        return f"{dest}{sources}, scalar"
    other = "src0, scalar" if takes.src1 is not None else "scalar"
    return f"{dest}{sources} or {dest}{other}"


def _parse_option(parser: Parser, option: str) -> Attribute:
    match option:
        case "async":
            return cast(Attribute, integer(parser.parse_integer(allow_boolean=False)))
        case "priority":
            return StringAttr(parser.parse_identifier())
        case _:
            return SymbolRefAttr(parser.parse_symbol_name())


def _bits(kind: str) -> int:
    return int(kind.lstrip("fi"))


def _name(kind: str) -> str:
    return kind if not kind.isdigit() else f"{kind} bits"


def _fits(given: Attribute, kind: str) -> bool:
    if bits_of(given) != _bits(kind):
        return False
    match kind[0]:
        case "f":
            return isinstance(given, Float16Type | Float32Type)
        case "i":
            return isinstance(given, IntegerType)
        case _:
            return True

"""Statements of CSL: a subclass of xDSL's printer for what tile programs do.

xDSL's printer knows the csl dialect. Here it keeps what it does well (nesting, modules, imports, calls of
libraries), and is overruled where its text would be wrong: it repeats a load wherever its value is
used, divides unsigned numbers as signed ones, has no routes, queues, DSRs or microthreads, and prints an op
that it does not know as a comment. Here that is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias, cast

from xdsl.backend.csl.print_csl import CslPrintContext
from xdsl.dialects import arith, csl, math, memref, scf
from xdsl.dialects.builtin import Float16Type, Float32Type, MemRefType, NoneAttr, SymbolRefAttr
from xdsl.ir import Attribute, Block, Operation, SSAValue

from pyflame_rt.backends.wse.csl.names import Names
from pyflame_rt.backends.wse.csl.scalars import expression, literal, router_commands, type_name
from pyflame_rt.dialects.wse.attributes import CostAttr
from pyflame_rt.dialects.wse.base import COST, name_of, number
from pyflame_rt.dialects.wse.dsds import (
    FifoDsdOp,
    IncrementDsdOffsetOp,
    LoadToDsrOp,
    Mem1dDsdOp,
    SetDsdBaseAddrOp,
    SetDsdLengthOp,
    SetDsdOffsetOp,
    SetDsdStrideOp,
)
from pyflame_rt.dialects.wse.maps import MapOp, YieldOp
from pyflame_rt.dialects.wse.scalars import ControlWordOp, DeclareCostOp, PrintOp, TimestampOp
from pyflame_rt.dialects.wse.tasks import (
    ActivateOp,
    BlockOp,
    CallOp,
    HaltOp,
    UnblockOp,
)
from pyflame_rt.dialects.wse.tile import BufferOp, GetBufferOp, GetOp, ParamOp, SetOp
from pyflame_rt.dialects.wse.vector import VectorOp
from pyflame_rt.errors import BackendError

LONGEST: Final = 60
"""Characters of an expression that is still written where its value is used."""

_MATH: Final[Mapping[type[Operation], str]] = {math.SqrtOp: "sqrt", math.AbsFOp: "abs"}


@dataclass(frozen=True)
class TileNames:
    """What the symbols of a tile are called in its file."""

    tile: str
    machine: str
    symbols: Mapping[str, Operation] = field(default_factory=dict[str, Operation])
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    tasks: Mapping[str, str] = field(default_factory=dict[str, str])
    libraries: Mapping[str, str] = field(default_factory=dict[str, str])
    maps: Mapping[Operation, str] = field(default_factory=dict[Operation, str])
    # Elements in front of a buffer that put it off its alignment.
    pads: Mapping[str, int] = field(default_factory=dict[str, int])
    used: Names = field(default_factory=Names)

    def __getitem__(self, symbol: SymbolRefAttr) -> str:
        return self.names[name_of(symbol)]

    def task(self, symbol: SymbolRefAttr) -> str:
        """The id of a task."""
        return self.tasks[name_of(symbol)]


def unsupported(op: Operation, tile: str, why: str = "has no form in CSL") -> BackendError:
    """The error for what cannot be written."""
    parent: Operation | None = op
    while parent is not None and parent.properties.get("sym_name") is None:
        parent = parent.parent_op()
    named = "" if parent is None else f" in @{getattr(parent.properties['sym_name'], 'data', '')}"
    return BackendError(f"{op.name}: {why}", where=f"tile @{tile}{named}")


@dataclass
class CslPrinter(CslPrintContext):
    """Prints the code of a tile."""

    tile: TileNames = field(default_factory=lambda: TileNames("", "wse3"))

    def print(self, text: str, prefix: str = "", end: str = "\n") -> None:
        for line in text.split("\n"):
            self.output.write((f"{self._prefix}{prefix}{line}" if line else "") + end)

    def text(self, value: SSAValue) -> str:
        """A value as an operand: a name, a literal, or an expression in parentheses."""
        return self.variables[value]

    def bare(self, value: SSAValue) -> str:
        """A value where a whole expression stands."""
        text = self.variables[value]
        return text[1:-1] if text.startswith("(") and _closing(text) == len(text) - 1 else text

    def note(self, op: Operation) -> str:
        """The comment that a declared cost is."""
        cost = op.attributes.get(COST)
        if not isinstance(cost, CostAttr):
            return ""
        return f" // declared cost {_comment(cost.label.data)}: {cost.cycles.data} cycles"

    def fail(self, op: Operation, why: str = "has no form in CSL") -> BackendError:
        """The error for an op that cannot be written."""
        return unsupported(op, self.tile.tile, why)

    def type_of(self, op: Operation, kind: Attribute) -> str:
        """The type of a scalar. Raises BackendError."""
        name = type_name(kind)
        if name is None:
            raise self.fail(op, f"CSL has no scalar {kind}")
        return name

    def fresh(self, prefix: str = "v") -> str:
        """A name that nothing in the file has."""
        self._counter += 1
        name = f"{prefix}{self._counter - 1}"
        return self.fresh(prefix) if name in self.tile.used.taken else name

    def define(self, op: Operation, text: str, *, pure: bool = True, note: str = "") -> None:
        """Bind an op's result: to its expression if it is used once nearby, else to a constant."""
        (result,) = op.results
        uses = list(result.uses)
        once = len(uses) == 1 and uses[0].operation.parent is op.parent
        if pure and once and len(text) <= LONGEST and not self.note(op):
            self.variables[result] = f"({text})"
            return
        name = self.fresh()
        note = f" // {note}" if note else self.note(op)
        self.print(f"const {name}: {self.type_of(op, result.type)} = {text};{note}")
        self.variables[result] = name

    def print_op(self, op: Operation) -> None:
        rule = _RULES.get(type(op))
        if rule is not None:
            rule(self, op)
        elif isinstance(op, VectorOp):
            self.vector(op)
        elif isinstance(op, csl.MemberCallOp):
            super().print_op(op)
        elif (found := expression(op, self.text)) is not None:
            self.define(op, found)
        else:
            raise self.fail(op)

    def nested(self) -> CslPrinter:
        """A printer for what is inside of braces."""
        return replace(
            self, variables=self.variables.copy(), _prefix=f"{self._prefix}{self._INDENT}"
        )

    def vector(self, op: VectorOp) -> None:
        """`@fmacs(dest, src0, src1, scalar, .{ .async = true, … });`."""
        operands = [self.operand(name) for name in op.vectors() if name is not None]
        if op.scalar is not None:
            operands.append(self.bare(op.scalar))
        done = ((kind, name) for kind in ("activate", "unblock")
                if (name := getattr(op, kind)) is not None)  # fmt: skip
        ends = [(kind, self.tile.task(name)) for kind, name in done]
        if op.thread is not None:
            settings = [".async = true"]
            if self.tile.machine != "wse2":
                settings.append(f".ut_id = @get_ut_id({number(op.thread)})")
            if op.priority is not None:
                level = {"normal": "medium"}.get(op.priority.data, op.priority.data)
                settings.append(f".priority = .{{ .{level} = true }}")
            settings += [f".{kind} = {task}" for kind, task in ends]
            operands.append(f".{{ {', '.join(settings)} }}")
            ends = []
        self.print(f"@{op.builtin}({', '.join(operands)});{self.note(op)}")
        for kind, task in ends:
            self.print(f"@{kind}({task});")

    def operand(self, symbol: SymbolRefAttr) -> str:
        """A vector operand; a fifo's DSD is the fifo itself."""
        op = self.tile.symbols[name_of(symbol)]
        return self.tile[op.fifo] if isinstance(op, FifoDsdOp) else self.tile[symbol]

    def results(self, op: Operation, values: Sequence[SSAValue]) -> list[str]:
        """Declare variables for results that a nested block assigns."""
        names: list[str] = []
        for value in values:
            name, kind = self.fresh(), self.type_of(op, value.type)
            zero = "false" if kind == "bool" else "0.0" if kind[0] == "f" else "0"
            self.print(f"var {name}: {kind} = {zero};")
            self.variables[value] = name
            names.append(name)
        return names

    def started(self, op: Operation, values: Sequence[SSAValue]) -> list[str]:
        """Declare variables that begin with some values."""
        names: list[str] = []
        for value in values:
            names.append(self.fresh())
            kind = self.type_of(op, value.type)
            self.print(f"var {names[-1]}: {kind} = {self.bare(value)};")
        return names

    def assign(self, op: Operation, names: Sequence[str], values: Sequence[SSAValue]) -> None:
        """Give variables their next values, all at once."""
        pairs = [(n, self.bare(v), v) for n, v in zip(names, values, strict=True)]
        pairs = [pair for pair in pairs if pair[0] != pair[1]]
        if len(pairs) > 1:
            held: list[tuple[str, str, SSAValue]] = []
            for name, text, value in pairs:
                other = self.fresh()
                self.print(f"const {other}: {self.type_of(op, value.type)} = {text};")
                held.append((name, other, value))
            pairs = held
        for name, text, _ in pairs:
            self.print(f"{name} = {text};")

    def inside(self, block: Block, *, last: bool = False) -> None:
        """Print the ops of a block but, unless `last`, for its terminator."""
        for op in block.ops:
            if last or op is not block.last_op or not isinstance(op, scf.YieldOp | scf.ConditionOp):
                self.print_op(op)


def _closing(text: str) -> int:
    """Where the parenthesis is closed that a text begins with."""
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if not depth:
            return place
    return -1


def _comment(text: str) -> str:
    """A text that ends no comment."""
    return '"' + "".join(c if c.isprintable() else " " for c in text) + '"'


def _constant(printer: CslPrinter, op: arith.ConstantOp) -> None:
    text = literal(op.value)
    if text is None or type_name(op.result.type) is None:
        raise printer.fail(op, f"CSL has no scalar {op.result.type}")
    printer.variables[op.result] = text


def _call_math(printer: CslPrinter, op: Operation) -> None:
    library, (value,) = printer.tile.libraries["<math>"], op.operands
    if not isinstance(value.type, Float16Type | Float32Type):
        raise printer.fail(op, f"CSL has no {_MATH[type(op)]} of {value.type}")
    printer.define(op, f"{library}.{_MATH[type(op)]}({printer.text(value)})", pure=False)


def _if(printer: CslPrinter, op: scf.IfOp) -> None:
    names = printer.results(op, op.output)
    printer.print(f"if ({printer.bare(op.cond)}) {{")
    _branch(printer.nested(), op, names, op.true_region.block)
    if op.false_region.blocks and (names or len(op.false_region.block.ops) > 1):
        printer.print("} else {")
        _branch(printer.nested(), op, names, op.false_region.block)
    printer.print("}")


def _branch(inner: CslPrinter, op: Operation, names: Sequence[str], block: Block) -> None:
    inner.inside(block)
    if block.last_op is not None and names:
        inner.assign(op, names, block.last_op.operands)


def _for(printer: CslPrinter, op: scf.ForOp) -> None:
    index, *carried = op.body.block.args
    names = printer.started(op, op.iter_args)
    for name, *values in zip(names, carried, op.res, strict=True):
        printer.variables |= dict.fromkeys(values, name)
    kind, counter = printer.type_of(op, index.type), printer.fresh("i")
    bounds = ", ".join(printer.bare(value) for value in (op.lb, op.ub, op.step))
    printer.variables[index] = counter
    with printer.descend(f"for (@range({kind}, {bounds})) |{counter}|") as inner:
        _branch(inner, op, names, op.body.block)


def _while(printer: CslPrinter, op: scf.WhileOp) -> None:
    before, after = op.before_region.block, op.after_region.block
    names = printer.started(op, op.arguments)
    printer.variables |= zip(before.args, names, strict=True)
    results = printer.results(op, op.res)
    printer.variables |= zip(after.args, results, strict=True)
    condition = before.last_op
    if not isinstance(condition, scf.ConditionOp) or after.last_op is None:
        raise printer.fail(op)
    with printer.descend("while (true)") as inner:
        inner.inside(before)
        inner.assign(op, results, condition.operands[1:])
        with inner.descend(f"if (!{inner.text(condition.operands[0])})") as leaving:
            leaving.print("break;")
        _branch(inner, op, names, after)


def _address(printer: CslPrinter, op: Operation, buffer: SSAValue, indices: Any) -> str:
    """An element of a buffer, which is a vector in CSL, its last dimension innermost."""
    kind = cast("MemRefType[Any]", buffer.type)
    source = buffer.owner
    if not isinstance(kind.layout, NoneAttr) or not isinstance(source, GetBufferOp):
        raise printer.fail(op, "is no access to a buffer of the tile, row by row")
    constant, stride = printer.tile.pads.get(name_of(source.buffer), 0), 1
    terms: list[str] = []
    for index, size in zip(reversed(indices), reversed(kind.get_shape()), strict=True):
        text = printer.text(index)
        if text.isdigit():
            constant += int(text) * stride
        else:
            terms.insert(0, text if stride == 1 else f"{text} * {stride}")
        stride *= size
    if len(terms) == 1 and not constant and terms[0] == printer.text(indices[-1]):
        terms = [printer.bare(indices[-1])]
    terms += [str(constant)] if constant or not terms else []
    return f"{printer.tile[source.buffer]}[{' + '.join(terms)}]"


def _load(printer: CslPrinter, op: memref.LoadOp) -> None:
    printer.define(op, _address(printer, op, op.memref, op.indices), pure=False)


def _store(printer: CslPrinter, op: memref.StoreOp) -> None:
    place = _address(printer, op, op.memref, op.indices)
    printer.print(f"{place} = {printer.bare(op.value)};{printer.note(op)}")


def _get(printer: CslPrinter, op: GetOp) -> None:
    name = printer.tile[op.var]
    if isinstance(printer.tile.symbols[name_of(op.var)], ParamOp):
        printer.variables[op.result] = name
    elif not op.result.uses:
        printer.print(f"// reads {name}{printer.note(op)}")
    else:
        printer.define(op, name, pure=False)


def _set(printer: CslPrinter, op: SetOp) -> None:
    printer.print(f"{printer.tile[op.var]} = {printer.bare(op.value)};{printer.note(op)}")


def _task(builtin: str) -> Callable[[CslPrinter, Any], None]:
    def rule(printer: CslPrinter, op: ActivateOp | BlockOp | UnblockOp) -> None:
        printer.print(f"@{builtin}({printer.tile.task(op.task)});{printer.note(op)}")

    return rule


def _halt(printer: CslPrinter, op: HaltOp) -> None:
    for task in printer.tile.tasks.values():
        printer.print(f"@block({task});")
    printer.print("return;")


def _map(printer: CslPrinter, op: MapOp) -> None:
    vector = printer.tile[op.vector]
    captured = [printer.text(value) for value in captures(op)]
    given = [printer.tile.maps[op], vector, *captured]
    printer.print(f"@map({', '.join(given + [vector] * (op.yielded is not None))});")


def captures(op: MapOp) -> list[SSAValue]:
    """The values of a map's body that come from outside, but for constants."""
    found: dict[SSAValue, None] = {}
    for inner in op.walk():
        for value in inner.operands:
            block = value.owner if isinstance(value.owner, Block) else value.owner.parent
            while block is not None and block is not op.body.block:
                parent = block.parent_op()
                block = None if parent is None else parent.parent
            if block is None and not isinstance(value.owner, arith.ConstantOp | GetBufferOp):
                found[value] = None
    return list(found)


def _yield(printer: CslPrinter, op: YieldOp) -> None:
    printer.print(f"return {printer.bare(op.value)};")


def _element(printer: CslPrinter, op: Operation, dsd: SymbolRefAttr) -> tuple[str, str, int]:
    """A DSD's buffer, the type of its elements, and its pad."""
    declared = printer.tile.symbols[name_of(dsd)]
    buffer = printer.tile.symbols.get(name_of(cast(Any, declared).buffer))
    if not isinstance(buffer, BufferOp):
        raise printer.fail(op)
    name = name_of(buffer.sym_name)
    kind = printer.type_of(op, buffer.buffer_type.element_type)
    return printer.tile.names[name], kind, printer.tile.pads.get(name, 0)


def _amount(printer: CslPrinter, value: SSAValue, kind: str, more: int = 0) -> str:
    """A number of elements, and some more, as a number of a type."""
    text = printer.bare(value)
    if text.lstrip("-").isdigit():
        return str(int(text) + more)
    return f"@as({kind}, {text})" + (f" + {more}" if more else "")


def _increment(printer: CslPrinter, op: IncrementDsdOffsetOp) -> None:
    name = printer.tile[op.dsd]
    _, kind, _ = _element(printer, op, op.dsd)
    amount = _amount(printer, op.value, "i16")
    printer.print(f"{name} = @increment_dsd_offset({name}, {amount}, {kind});{printer.note(op)}")


def _offset(printer: CslPrinter, op: SetDsdOffsetOp) -> None:
    name = printer.tile[op.dsd]
    buffer, kind, pad = _element(printer, op, op.dsd)
    moved = any(isinstance(o, SetDsdBaseAddrOp) and o.dsd == op.dsd for o in _around(op))
    if moved:
        raise printer.fail(op, f"{op.dsd} has been moved to a buffer that is not known here")
    amount = _amount(printer, op.value, "i16", pad)
    base = f"@set_dsd_base_addr({name}, {buffer})"
    printer.print(f"{name} = @increment_dsd_offset({base}, {amount}, {kind});{printer.note(op)}")


def _base(printer: CslPrinter, op: SetDsdBaseAddrOp) -> None:
    name = printer.tile[op.dsd]
    if any(isinstance(o, IncrementDsdOffsetOp | SetDsdOffsetOp) and o.dsd == op.dsd
           for o in _around(op)):  # fmt: skip
        raise printer.fail(op, f"the offset that {op.dsd} has by then is not known here")
    dsd = cast(Mem1dDsdOp, printer.tile.symbols[name_of(op.dsd)])
    _, kind, _ = _element(printer, op, op.dsd)
    offset = number(dsd.offset) + printer.tile.pads.get(name_of(op.buffer), 0)
    text = f"@set_dsd_base_addr({name}, {printer.tile[op.buffer]})"
    text = f"@increment_dsd_offset({text}, {offset}, {kind})" if offset else text
    printer.print(f"{name} = {text};{printer.note(op)}")


def _around(op: Operation) -> list[Operation]:
    """All ops of the tile."""
    top = op
    while not isinstance(top, csl.CslModuleOp) and (parent := top.parent_op()) is not None:
        top = parent
    return list(top.walk())


def _resize(builtin: str, kind: str) -> Callable[[CslPrinter, Any], None]:
    def rule(printer: CslPrinter, op: SetDsdLengthOp | SetDsdStrideOp) -> None:
        if isinstance(printer.tile.symbols[name_of(op.dsd)], FifoDsdOp):
            raise printer.fail(op, f"{op.dsd} is a fifo, which is as long as the other operand")
        name = printer.tile[op.dsd]
        value = _amount(printer, op.value, kind)
        printer.print(f"{name} = @{builtin}({name}, {value});{printer.note(op)}")

    return rule


def _load_dsr(printer: CslPrinter, op: LoadToDsrOp) -> None:
    names = f"{printer.tile[op.dsr]}, {printer.operand(op.dsd)}"
    save = "" if op.save_address is None else ", .{ .save_address = true }"
    printer.print(f"@load_to_dsr({names}{save});{printer.note(op)}")


def _timestamp(printer: CslPrinter, op: TimestampOp) -> None:
    printer.define(op, f"{printer.tile.libraries['now']}()", pure=False)


def _print(printer: CslPrinter, op: PrintOp) -> None:
    library = printer.tile.libraries["<simprint>"]
    text = op.text.data.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    printer.print(f'{library}.print_string("{text} ");')
    if op.value is not None:
        value, kind = printer.text(op.value), printer.type_of(op, op.value.type)
        value = f"@as(i32, if ({value}) 1 else 0)" if kind == "bool" else value
        bits = "16" if kind in ("i16", "f16") else "32"
        printer.print(f"{library}.print_u{bits}_decimal(@bitcast(u{bits}, {value}));")
    printer.print(f'{library}.print_string("\\n");')


def _control_word(printer: CslPrinter, op: ControlWordOp) -> None:
    commands = [command.data for command in op.commands]
    if len(commands) > 1:
        if op.task is not None:
            raise printer.fail(op, "a word of several commands has no place for a task")
        word = router_commands(commands, ignore=op.ignore is not None)
        shown = ", ".join(command.upper() for command in commands)
        printer.define(op, f"@bitcast(i32, @as(u32, {word:#010x}))", pure=False, note=shown)
        return
    control = printer.tile.libraries["<control>"]
    ignore = "true" if op.ignore is not None else "false"
    task = "{}" if op.task is None else f"@get_control_task_id({number(op.task)})"
    word = f"{control}.encode_single_payload({control}.opcode.{commands[0].upper()}, {ignore}, {task}, 0)"
    printer.define(op, f"@bitcast(i32, {word})", pure=False)


def _declare_cost(printer: CslPrinter, op: DeclareCostOp) -> None:
    printer.print(f"// declared cost {_comment(op.label.data)}: {number(op.cycles)} cycles")


def _call(printer: CslPrinter, op: CallOp) -> None:
    printer.print(f"{printer.tile[op.callee]}();{printer.note(op)}")


def _nothing(printer: CslPrinter, op: Operation) -> None:
    return None


_Rule: TypeAlias = Callable[[CslPrinter, Any], None]
_RULES: Final[Mapping[type[Operation], _Rule]] = {
    arith.ConstantOp: _constant,
    math.SqrtOp: _call_math,
    math.AbsFOp: _call_math,
    scf.IfOp: _if,
    scf.ForOp: _for,
    scf.WhileOp: _while,
    memref.LoadOp: _load,
    memref.StoreOp: _store,
    GetOp: _get,
    SetOp: _set,
    GetBufferOp: _nothing,
    ActivateOp: _task("activate"),
    BlockOp: _task("block"),
    UnblockOp: _task("unblock"),
    HaltOp: _halt,
    CallOp: _call,
    MapOp: _map,
    YieldOp: _yield,
    IncrementDsdOffsetOp: _increment,
    SetDsdOffsetOp: _offset,
    SetDsdBaseAddrOp: _base,
    SetDsdLengthOp: _resize("set_dsd_length", "u16"),
    SetDsdStrideOp: _resize("set_dsd_stride", "i8"),
    LoadToDsrOp: _load_dsr,
    TimestampOp: _timestamp,
    PrintOp: _print,
    ControlWordOp: _control_word,
    DeclareCostOp: _declare_cost,
}
"""How each op is printed that is not an expression."""

"""The file of a tile program."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from io import StringIO
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import csl, math
from xdsl.dialects.arith import ConstantOp
from xdsl.dialects.builtin import (
    DenseIntOrFPElementsAttr,
    FloatAttr,
    IntegerAttr,
    SymbolRefAttr,
    f32,
    i32,
)
from xdsl.ir import Attribute, Operation

from pyflame_rt.backends.wse.csl.names import Names
from pyflame_rt.backends.wse.csl.printer import CslPrinter, TileNames, captures, unsupported
from pyflame_rt.backends.wse.csl.scalars import literal
from pyflame_rt.backends.wse.csl.sharing import overlap, shared
from pyflame_rt.dialects.wse.attributes import ColorType
from pyflame_rt.dialects.wse.base import WseOp, name_of, number
from pyflame_rt.dialects.wse.dsds import (
    ChangeDsdOp,
    DsrOp,
    FabinDsdOp,
    FaboutDsdOp,
    FifoDsdOp,
    FifoOp,
    Mem1dDsdOp,
    Mem4dDsdOp,
    SetDsdBaseAddrOp,
)
from pyflame_rt.dialects.wse.maps import MapOp
from pyflame_rt.dialects.wse.program import symbols_of
from pyflame_rt.dialects.wse.queues import InputQueueOp, OutputQueueOp
from pyflame_rt.dialects.wse.scalars import ControlWordOp, PrintOp, TimestampOp
from pyflame_rt.dialects.wse.tasks import FuncOp, TaskOp
from pyflame_rt.dialects.wse.tile import BufferOp, GetBufferOp, ParamOp, VarOp

_LINE: Final = 96
_DIMENSIONS: Final = ("i", "j", "k", "l")

# Libraries that ops need, by the name that they get; `<time>` and `<memcpy/memcpy>` are imported by the IR.
_NEEDED: Final[Mapping[type[Operation], tuple[str, str]]] = {
    ControlWordOp: ("<control>", "ctrl"),
    PrintOp: ("<simprint>", "simprint"),
    math.SqrtOp: ("<math>", "math"),
    math.AbsFOp: ("<math>", "math"),
}

_NOW: Final = """
fn {now}() i32 {{
  var words = @zeros([3]u16);
  {time}.get_timestamp(&words);
  return @bitcast(i32, (@as(u32, words[1]) << @as(u16, 16)) | @as(u32, words[0]));
}}"""


def tile_file(module: csl.CslModuleOp, program: str, machine: str) -> str:
    """The source of a tile program. Raises BackendError for what CSL cannot say."""
    output = StringIO()
    _TileFile(module, machine, output).write(program)
    return output.getvalue()


class _TileFile:
    def __init__(self, module: csl.CslModuleOp, machine: str, output: StringIO):
        self.name = name_of(module.sym_name)
        self.ops = list(module.body.block.ops)
        self.symbols = symbols_of(module.body.block)
        self.module = module
        used = Names()
        params = {op: used.take(op.param_name.data) for op in self.of(csl.ParamOp)}
        names = {name: used.take(name) for name in self.symbols}
        tasks = {
            name: used.take(f"{names[name]}_id")
            for name, op in self.symbols.items()
            if isinstance(op, TaskOp)
        }
        libraries: dict[str, str] = {}
        imported = {op: used.take(op.result.name_hint or "module") for op in self.imports()}
        libraries |= {op.module.data: name for op, name in imported.items()}
        present = {type(op) for op in module.walk()}
        self.needed = {
            library: used.take(wanted)
            for kind, (library, wanted) in _NEEDED.items()
            if kind in present
        }
        libraries |= self.needed
        if TimestampOp in present:
            libraries["now"] = used.take("now")
        self.maps: dict[Operation, str] = {
            op: used.take(f"{name_of(op.vector)}_map")
            for op in module.walk()
            if isinstance(op, MapOp)
        }
        self.pointers = {
            name: used.take(f"{names[name]}_ptr")
            for name, op in self.symbols.items()
            if isinstance(op, BufferOp) and op.export is not None
        }
        pads = self.pads()
        self.shared = shared(self.of(BufferOp), self.ops)
        self.array = used.take("memory") if self.shared is not None else ""
        if self.shared is not None:
            names |= dict.fromkeys(self.shared.first, self.array)
            pads = {**self.shared.first}
        self.tile = TileNames(
            self.name, machine, self.symbols, names, tasks, libraries, self.maps, pads, used
        )
        self.printer = CslPrinter(output, tile=self.tile)
        self.printer.variables |= {op.result: name for op, name in imported.items()}
        self.printer.variables |= {op.res: name for op, name in params.items()}

    def of(self, *kinds: type[Any]) -> list[Any]:
        """The ops of some kinds at the top of the module."""
        return [op for op in self.ops if isinstance(op, kinds)]

    def imports(self) -> list[csl.ImportModuleConstOp]:
        """The libraries that the IR imports."""
        return self.of(csl.ImportModuleConstOp)

    def pads(self) -> dict[str, int]:
        """Elements in front of buffers that lie off their alignment. Raises BackendError."""
        pads: dict[str, int] = {}
        for op in self.of(BufferOp):
            if offset := number(op.offset):
                if offset % op.element_bytes:
                    raise unsupported(op, self.name, f"an offset of {offset} bytes is no element")
                pads[name_of(op.sym_name)] = offset // op.element_bytes
        return pads

    def write(self, program: str) -> None:
        """Print the file."""
        self.line(f"// Tile @{self.name} of the program @{program}.")
        known = (
            csl.ParamOp, csl.ImportModuleConstOp, ParamOp, InputQueueOp, OutputQueueOp, BufferOp, VarOp,
            Mem1dDsdOp, Mem4dDsdOp, FabinDsdOp, FaboutDsdOp, FifoOp, FifoDsdOp, DsrOp, TaskOp, FuncOp,
        )  # fmt: skip
        for op in self.ops:
            if not isinstance(op, known):
                raise unsupported(op, self.name)
        self.group(self.of(csl.ParamOp, ParamOp), self.param)
        self.group(self.imports(), self.library)
        for library, name in self.needed.items():
            self.line(f'const {name} = @import_module("{library}");')
        self.group(self.of(InputQueueOp, OutputQueueOp, TaskOp), self.identity)
        if self.shared is not None:
            self.memory_array(self.shared.elements)
        self.group(self.of(BufferOp, VarOp), self.state)
        self.sharing()
        self.group(
            self.of(Mem1dDsdOp, Mem4dDsdOp, FabinDsdOp, FaboutDsdOp, FifoOp, DsrOp), self.dsd
        )
        if "now" in self.tile.libraries:
            names = self.tile.libraries
            self.line(_NOW.format(now=names["now"], time=names["<time>"]))
        self.functions()
        for op in self.of(FuncOp, TaskOp):
            self.code(op)
        self.line("")
        with self.printer.descend("comptime") as inner:
            for line in self.bindings():
                inner.print(line)

    def line(self, text: str) -> None:
        """Print a line."""
        self.printer.print(text)

    def group(self, ops: Iterable[Any], rule: Any) -> None:
        """Print declarations after an empty line."""
        for index, op in enumerate(ops):
            if not index:
                self.line("")
            rule(op)

    def param(self, op: csl.ParamOp | ParamOp) -> None:
        """Print a parameter."""
        if isinstance(op, csl.ParamOp):
            self.line(f"param {self.printer.variables[op.res]};")
            return
        kind = "color" if isinstance(op.kind, ColorType) else self.scalar(op, op.kind)
        default = "" if op.value is None else f" = {literal(op.value)}"
        self.line(f"param {self.tile.names[name_of(op.sym_name)]}: {kind}{default};")

    def library(self, op: csl.ImportModuleConstOp) -> None:
        """Print an import."""
        params = "" if op.params is None else f", {self.printer.text(op.params)}"
        name = self.printer.text(op.result)
        self.line(f'const {name} = @import_module("{op.module.data}"{params});')

    def scalar(self, op: Operation, kind: Attribute) -> str:
        """The type of a scalar."""
        return self.printer.type_of(op, kind)

    def identity(self, op: InputQueueOp | OutputQueueOp | TaskOp) -> None:
        """Print the handle of a queue or a task."""
        name = name_of(op.sym_name)
        if not isinstance(op, TaskOp):
            way = "input" if isinstance(op, InputQueueOp) else "output"
            queue = f"@get_{way}_queue({number(op.number)})"
            self.line(f"const {self.tile.names[name]}: {way}_queue = {queue};")
            return
        kind, handle = op.kind.data, self.tile.tasks[name]
        if op.queue is None:
            value = f"@get_{kind}_task_id({number(op.id)})"
            self.line(f"const {handle}: {kind}_task_id = {value};")
            return
        queue = cast(InputQueueOp, self.symbols[name_of(op.queue)])
        self.line(f"const {handle}: data_task_id =")
        color = f"@get_data_task_id({self.tile[queue.color]})"
        self.line(f'  if (@is_arch("wse2")) {color}')
        self.line(f"  else @get_data_task_id({self.tile[op.queue]});")

    def state(self, op: BufferOp | VarOp) -> None:
        """Print a buffer or a variable."""
        name = name_of(op.sym_name)
        own = self.tile.names[name]
        if isinstance(op, VarOp):
            zero = "0.0" if self.scalar(op, op.kind).startswith("f") else "0"
            value = zero if op.value is None else literal(op.value)
            self.line(f"var {own}: {self.scalar(op, op.kind)} = {value};")
            return
        pad = self.tile.pads.get(name, 0)
        element = self.scalar(op, op.buffer_type.element_type)
        if self.shared is not None:
            self.line(f"// {name}: {op.count} from {own}[{pad}]")
            self.pointer(name, element, f"@ptrcast([*]{element}, &{own}[{pad}])")
            return
        kind = f"[{op.count + pad}]{element}"
        align = "" if op.align is None else f" align({number(op.align)})"
        notes: list[str] = []
        if len(op.buffer_type.get_shape()) != 1:
            notes.append(" x ".join(map(str, op.buffer_type.get_shape())))
        if pad:
            notes.append(f"from element {pad}")
        if op.address is not None:
            notes.append(f"at byte {number(op.address)} when simulated")
        note = f" // {', '.join(notes)}" if notes else ""
        value = initial(op.value, kind, pad)
        self.line(f"var {own}: {kind}{align} = {value};{note}")
        self.pointer(name, element, f"@ptrcast([*]{element}, &{own}[{pad}])" if pad else f"&{own}")

    def pointer(self, name: str, element: str, place: str) -> None:
        """Print the pointer by which the host sees a buffer, if it does."""
        if name in self.pointers:
            self.line(f"var {self.pointers[name]}: [*]{element} = {place};")

    def memory_array(self, elements: int) -> None:
        """Print the array that buffers share."""
        op: BufferOp = self.of(BufferOp)[0]
        kind = f"[{elements}]{self.scalar(op, op.buffer_type.element_type)}"
        self.line("")
        self.line("// Buffers share memory: those that are not needed at once.")
        self.line(f"var {self.array}: {kind} align(16) = @zeros({kind});")

    def sharing(self) -> None:
        """Say so when buffers share memory in the simulator, but each has its own here."""
        buffers: list[BufferOp] = self.of(BufferOp)
        if self.shared is None and overlap(buffers):
            total = sum(op.bytes for op in buffers)
            self.line(f"// Buffers share memory when simulated; here they take {total} bytes.")

    def dsd(self, op: WseOp) -> None:
        """Print a DSD, a fifo or a DSR."""
        name = name_of(cast(Any, op).sym_name)
        own = self.tile.names[name]
        match op:
            case DsrOp():
                self.line(f"const {own} = @get_dsr(dsr_{op.file.data}, {number(op.number)});")
            case FifoOp():
                self.line(f"const {own} = @allocate_fifo({self.tile[op.buffer]});")
            case Mem1dDsdOp():
                buffer = cast(BufferOp, self.symbols[name_of(op.buffer)])
                length, stride, offset = op.elements(buffer.count)
                self.memory(own, op, (length,), (stride,), offset)
            case Mem4dDsdOp():
                self.memory(own, op, *op.nest(), number(op.offset))
            case FabinDsdOp() | FaboutDsdOp():
                self.fabric(own, op)
            case _:
                raise unsupported(op, self.name)

    def memory(
        self, own: str, op: Mem1dDsdOp | Mem4dDsdOp, sizes: tuple[int, ...],
        strides: tuple[int, ...], offset: int,
    ) -> None:  # fmt: skip
        """Print a DSD of memory."""
        terms = [
            index if stride == 1 else f"{index} * {stride if stride >= 0 else f'({stride})'}"
            for index, stride in zip(_DIMENSIONS, strides, strict=False)
        ]
        offset += self.tile.pads.get(name_of(op.buffer), 0)
        terms += [str(offset)] if offset else []
        indices = ", ".join(_DIMENSIONS[: len(sizes)])
        access = f"|{indices}|{{{', '.join(map(str, sizes))}}} -> {self.tile[op.buffer]}"
        kind = "mem1d_dsd" if len(sizes) == 1 else "mem4d_dsd"
        self.line(
            f"{self.constness(op)} {own} = @get_dsd({kind}, .{{ "
            f".tensor_access = {access}[{' + '.join(terms)}] }});"
        )

    def fabric(self, own: str, op: FabinDsdOp | FaboutDsdOp) -> None:
        """Print a DSD of the fabric."""
        queue = cast("InputQueueOp | OutputQueueOp", self.symbols[name_of(op.queue)])
        way = "input" if isinstance(op, FabinDsdOp) else "output"
        fields = [
            f".extent = {number(op.length)}",
            f".fabric_color = {self.tile[queue.color]}",
            f".{way}_queue = {self.tile[op.queue]}",
        ]
        if isinstance(op, FaboutDsdOp):
            for flag, value in (("advance_switch", op.advance_switch), ("control", op.control)):
                fields += [f".{flag} = true"] if value is not None else []
        kind = "fabin_dsd" if way == "input" else "fabout_dsd"
        self.line(f"{self.constness(op)} {own} = @get_dsd({kind}, .{{ {', '.join(fields)} }});")

    def constness(self, op: Operation) -> str:
        """Whether a DSD changes: `var` or `const`."""
        name = name_of(cast(Any, op).sym_name)
        changes = (o for o in self.module.walk() if isinstance(o, ChangeDsdOp | SetDsdBaseAddrOp))
        return "var" if any(name_of(change.dsd) == name for change in changes) else "const"

    def functions(self) -> None:
        """Print the functions of maps: maps that do the same share one."""
        bodies: dict[str, str] = {}
        for op, name in tuple(self.maps.items()):
            output = StringIO()
            self.map(cast(MapOp, op), CslPrinter(output, tile=self.tile))
            text = output.getvalue()
            body = text.replace(f"fn {name}(", "fn (", 1)
            self.maps[op] = bodies.setdefault(body, name)
            if self.maps[op] == name:
                self.printer.output.write(text)

    def map(self, op: MapOp, inner: CslPrinter) -> None:
        """Print the function that a map calls: its element, then what it captures."""
        parameters: list[str] = []
        outside = captures(op)
        for value in (op.element, *outside):
            name = inner.fresh("e")
            kind = self.scalar(op, value.type)
            parameters.append(f"{name}: {kind}")
            inner.variables[value] = name
        for used in dict.fromkeys(value for o in op.walk() for value in o.operands):
            source = used.owner
            if isinstance(source, ConstantOp | GetBufferOp) and source.parent is not op.body.block:
                inner.print_op(source)
        result = "void" if op.yielded is None else self.scalar(op, op.yielded.type)
        inner.print("")
        with inner.descend(f"fn {self.tile.maps[op]}({', '.join(parameters)}) {result}") as body:
            body.inside(op.body.block)

    def code(self, op: FuncOp | TaskOp) -> None:
        """Print a task or a function."""
        name = self.tile.names[name_of(op.sym_name)]
        arguments: list[str] = []
        printer = CslPrinter(self.printer.output, tile=self.tile)
        printer.variables |= self.printer.variables
        if isinstance(op, TaskOp) and op.kind.data != "local":
            word = printer.fresh("word")
            kind = "u32" if op.word is None else self.scalar(op, op.word.type)
            arguments.append(f"{word}: {kind}")
            if op.word is not None:
                printer.variables[op.word] = word
        keyword = "fn" if isinstance(op, FuncOp) else "task"
        self.line("")
        with printer.descend(f"{keyword} {name}({', '.join(arguments)}) void") as inner:
            inner.inside(op.body.block)

    def unblocked(self) -> Iterable[str]:
        """Let control words in: a queue is blocked at first unless it has a data task."""
        tasks: list[TaskOp] = self.of(TaskOp)
        if all(task.kind.data != "control" for task in tasks):
            return
        taken = {name_of(task.queue) for task in tasks if task.queue is not None}
        for op in self.of(InputQueueOp):
            name = name_of(op.sym_name)
            if name not in taken:
                color = self.tile[cast(SymbolRefAttr, op.color)]
                queue = f"@unblock({self.tile.names[name]})"
                yield f'if (@is_arch("wse3")) {queue} else @unblock({color});'

    def bindings(self) -> Iterable[str]:
        """What the comptime block says: tasks, queues, and what the host sees."""
        for op in self.of(TaskOp):
            name = name_of(op.sym_name)
            handle = self.tile.tasks[name]
            yield f"@bind_{op.kind.data}_task({self.tile.names[name]}, {handle});"
            if op.blocked is not None:
                yield f"@block({handle});"
        queues = self.of(InputQueueOp, OutputQueueOp)
        if queues:
            yield 'if (@is_arch("wse3")) {'
            for op in queues:
                color = self.tile[cast(SymbolRefAttr, op.color)]
                own = self.tile.names[name_of(op.sym_name)]
                yield f"  @initialize_queue({own}, .{{ .color = {color} }});"
            yield "}"
        yield from self.unblocked()
        for name, pointer in self.pointers.items():
            yield f'@export_symbol({pointer}, "{name}");'
        for op in self.of(FuncOp):
            if op.export is not None:
                name = name_of(op.sym_name)
                own = self.tile.names[name]
                alias = "" if own == name else f', "{name}"'
                yield f"@export_symbol({own}{alias});"


def values_of(value: DenseIntOrFPElementsAttr) -> NDArray[Any]:
    """The elements of a dense attribute, in one dimension."""
    numbers = np.array(value.get_values())
    count = int(np.prod(value.get_shape(), dtype=np.int64))
    return np.full(count, numbers[0]) if len(numbers) == 1 else numbers


def initial(value: DenseIntOrFPElementsAttr | None, kind: str, pad: int = 0) -> str:
    """The value that an array begins with, after `pad` zeros."""
    if value is None:
        return f"@zeros({kind})"
    numbers = values_of(value)
    if not numbers.any():
        return f"@zeros({kind})"
    if not pad and (numbers == numbers[0]).all():
        return f"@constants({kind}, {_number(numbers[0])})"
    return array(kind, [*[type(numbers[0].item())(0)] * pad, *numbers.tolist()])


def array(kind: str, numbers: Iterable[Any]) -> str:
    """An array of numbers, on as many lines as it takes."""
    texts = [_number(number) for number in numbers]
    whole = f"{kind}{{ {', '.join(texts)} }}"
    if len(whole) <= _LINE:
        return whole
    lines = [" "]
    for text in texts:
        if len(lines[-1]) + len(text) > _LINE:
            lines.append(" ")
        lines[-1] += f" {text},"
    return "\n".join([f"{kind}{{", *lines, "}"])


def _number(value: Any) -> str:
    number: int | float = np.asarray(value).item()
    attribute = FloatAttr(number, f32) if isinstance(number, float) else IntegerAttr(number, i32)
    text = literal(attribute)
    return (text or "0").strip("()") if text and text[0] == "(" else text or "0"

"""A wafer program in the form of an SDK project: a layout, and one module for each tile program."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from xdsl.context import Context
from xdsl.dialects import arith, csl, func
from xdsl.dialects.builtin import (
    DictionaryAttr,
    IntegerAttr,
    ModuleOp,
    StringAttr,
    SymbolRefAttr,
    UnitAttr,
    i16,
)
from xdsl.ir import Attribute, Block, Operation, Region
from xdsl.passes import ModulePass

from pyflame_rt.dialects.rewriting import failed
from pyflame_rt.dialects.wse.attributes import ColorType, Rectangle
from pyflame_rt.dialects.wse.base import name_of, number
from pyflame_rt.dialects.wse.host import RunOp
from pyflame_rt.dialects.wse.limits import LIMITS
from pyflame_rt.dialects.wse.program import ColorOp, DataOp, PlaceOp, ProgramOp, RouteOp
from pyflame_rt.dialects.wse.queues import QueueOp, SetColorOp
from pyflame_rt.dialects.wse.scalars import TimestampOp
from pyflame_rt.dialects.wse.tasks import ActivateOp, CallOp, FuncOp, TaskOp, UnblockOp
from pyflame_rt.dialects.wse.tile import BufferOp, ParamOp, TileOp
from pyflame_rt.dialects.wse.vector import VectorOp
from pyflame_rt.errors import ValidationError
from pyflame_rt.passes.wse.csl_numbers import (
    empty_rectangles,
    free_name,
    number_colors,
    number_queues,
    number_tasks,
)

MEMCPY: Final = "<memcpy/memcpy>"
TIME: Final = "<time>"


@dataclass(frozen=True)
class ConvertWseToCslPass(ModulePass):
    """Puts a program into `csl.module`s: its layout, and a module for each tile program.

    What xDSL's csl dialect has is that dialect's (modules, layout, rectangle, imports, calls of the
    libraries); routes, queues, DSDs by name and vector ops, which it lacks, stay those of wse. Colours,
    queues and local tasks get the numbers that the SDK's memcpy library leaves; colours that a tile
    names become its parameters; tasks that are active from the start are activated by a function that
    the host launches; every function that the host launches is on every PE, and unblocks memcpy's
    command stream, or the task does that it ends in; buffers that have
    values for some PEs are exported, for the host to fill. The target wse-csl prints the result.

    Before:
        wse.program @p width 1 height 1 {
          wse.tile @t {
            wse.task @main local active {
            }
          }
          wse.place @t at [0, 0]
        }
    After:
        csl.module @layout (kind layout) {
          csl.layout {
            csl.set_rectangle(%width, %height)
            wse.place @t at [0, 0]
          }
        }
        csl.module @t (kind program) {
          %memcpy_params = csl.param
          %sys_mod = csl.import_module "<memcpy/memcpy>", %memcpy_params
          wse.task @main local id 8 {
            csl.member_call %sys_mod, "unblock_cmd_stream"
          }
          wse.func @start export {
            wse.activate @main
          }
        }
    Requires a module of one program, which is valid. Functions beside it, with what a host does, stay.
    """

    name = "convert-wse-to-csl"

    machine: str = ""
    """wse2, wse3 or wse3-si: which queues there are, and what is the id of a data task. By default
    the machine of the module's wse.run, or wse3."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        runs = [run.machine.data for run in op.walk() if isinstance(run, RunOp)]
        machine = self.machine or (runs[0] if runs else "wse3")
        if machine not in LIMITS:
            raise ValidationError(
                f"there is no machine {machine!r}", hint=f"machines: {', '.join(LIMITS)}"
            )
        programs = [program for program in op.body.ops if isinstance(program, ProgramOp)]
        if len(programs) != 1:
            raise failed(op, f"the module has {len(programs)} programs, not one")
        (program,) = programs
        for other in op.body.ops:
            if not isinstance(other, ProgramOp | func.FuncOp):
                raise failed(other, "is neither the program nor a function of the host")
        modules = _Conversion(program, machine).modules()
        program.detach()
        for module in modules:
            module.location = program.location
            op.body.block.add_op(module)
        program.erase()


@dataclass(frozen=True)
class _Conversion:
    program: ProgramOp
    machine: str

    def modules(self) -> list[csl.CslModuleOp]:
        """The layout's module and the tiles'. Raises PassFailed."""
        number_colors(self.program, self.machine)
        holes = empty_rectangles(self.program)
        if holes:
            self._fill(holes)
        tiles = [op for op in self.program.body.block.ops if isinstance(op, TileOp)]
        colors = [
            number(op.number) for op in self.program.body.block.ops if isinstance(op, ColorOp)
        ]
        entry = self._entry(tiles)
        launched = self._launched(tiles, entry)
        self._export_filled()
        for tile in tiles:
            self._pass_colors(tile)
            number_queues(tile, self.machine)
            number_tasks(tile, colors, self.machine)
            self._start(tile, entry, launched)
        programs = [self._tile_module(tile, launched) for tile in tiles]
        return [self._layout(), *programs]

    def _fill(self, holes: Iterable[Rectangle]) -> None:
        """Place a tile that does nothing where there is none: memcpy runs on every PE."""
        block = self.program.body.block
        name = free_name("empty", self.program.symbols())
        block.add_op(TileOp(name))
        block.add_ops([PlaceOp(name, hole) for hole in holes])

    def _export_filled(self) -> None:
        """Export the buffers that `wse.data` fills: the host copies the values in."""
        tiles = self.program.symbols()
        for op in self.program.body.block.ops:
            if isinstance(op, DataOp):
                tile = tiles[op.names[0]]
                buffer = tile.symbols()[op.names[1]] if isinstance(tile, TileOp) else tile
                if isinstance(buffer, BufferOp):
                    buffer.export = UnitAttr()

    def _entry(self, tiles: list[TileOp]) -> str | None:
        """The name of the function that starts the program; None when the host starts all of it."""
        if not any(_active(tile) for tile in tiles):
            return None
        return free_name("start", *(tile.symbols() for tile in tiles))

    def _launched(self, tiles: list[TileOp], entry: str | None) -> dict[str, None]:
        """The functions that the host launches, in order."""
        found = dict.fromkeys([entry] if entry is not None else [])
        for tile in tiles:
            found |= dict.fromkeys(name_of(op.sym_name) for op in _exported(tile))
        return found

    def _pass_colors(self, tile: TileOp) -> None:
        """Make parameters of the program's colours that a tile names."""
        own = tile.symbols()
        used = dict.fromkeys(
            name_of(op.color)
            for op in tile.walk()
            if isinstance(op, QueueOp | SetColorOp) and name_of(op.color) not in own
        )
        if not used:
            return
        first = tile.body.block.first_op
        params = [ParamOp(name, ColorType()) for name in used]
        if first is not None:
            tile.body.block.insert_ops_before(params, first)
        for place in self.program.body.block.ops:
            if isinstance(place, PlaceOp) and name_of(place.tile) == name_of(tile.sym_name):
                colors: Mapping[str, Attribute] = {name: SymbolRefAttr(name) for name in used}
                place.params = DictionaryAttr({**place.values(), **colors})

    def _start(self, tile: TileOp, entry: str | None, launched: Iterable[str]) -> None:
        """Add the functions of the host's that a tile has not."""
        block, own = tile.body.block, tile.symbols()
        for name in launched:
            if name in own:
                function = own[name]
                if not isinstance(function, FuncOp) or function.export is None:
                    raise failed(
                        function, f"@{name} is a function that the host launches in another tile"
                    )
                continue
            body = Block()
            if name == entry:
                for task in _active(tile):
                    body.add_op(ActivateOp(name_of(task.sym_name)))
                    task.active = None
            block.add_op(FuncOp(name, export=True, body=body))

    def _tile_module(self, tile: TileOp, launched: Iterable[str]) -> csl.CslModuleOp:
        name = name_of(tile.sym_name)
        params = csl.ParamOp("memcpy_params", csl.ComptimeStructType())
        params.res.name_hint = "memcpy_params"
        memcpy = csl.ImportModuleConstOp(MEMCPY, params)
        memcpy.result.name_hint = "sys_mod"
        block = Block([params, memcpy])
        symbols = tile.symbols()
        functions = [op for n in launched if isinstance(op := symbols[n], FuncOp)]
        for end in _ends(tile, functions):
            end.add_op(csl.MemberCallOp("unblock_cmd_stream", None, memcpy, []))
        if any(isinstance(op, TimestampOp) for op in tile.walk()):
            time = csl.ImportModuleConstOp(TIME)
            time.result.name_hint = "time"
            block.add_op(time)
            for function in functions:
                _insert_first(function.body.block, csl.MemberCallOp("enable_tsc", None, time, []))
        _move(tile.body.block, block)
        return _module(csl.ModuleKind.PROGRAM, name, block)

    def _layout(self) -> csl.CslModuleOp:
        height, width = self.program.shape
        sizes = [arith.ConstantOp(IntegerAttr(size, i16)) for size in (width, height)]
        rectangle = csl.SetRectangleOp.build(operands=[size.result for size in sizes])
        inside = Block([rectangle])
        block = Block(sizes)
        for op in list(self.program.body.block.ops):
            if isinstance(op, ColorOp):
                op.detach()
                block.add_op(op)
            elif isinstance(op, RouteOp | PlaceOp | DataOp):
                op.detach()
                inside.add_op(op)
        block.add_op(csl.LayoutOp(Region(inside)))
        names = {name_of(op.sym_name) for op in self.program.walk() if isinstance(op, TileOp)}
        if "layout" in names:
            raise failed(self.program, "a tile has the name of the layout", hint="rename @layout")
        module = _module(csl.ModuleKind.LAYOUT, "layout", block)
        module.attributes["wse.program"] = StringAttr(name_of(self.program.sym_name))
        module.attributes["wse.machine"] = StringAttr(self.machine)
        return module


def _active(tile: TileOp) -> list[TaskOp]:
    return [op for op in tile.body.block.ops if isinstance(op, TaskOp) and op.active is not None]


def _exported(tile: TileOp) -> list[FuncOp]:
    return [op for op in tile.body.block.ops if isinstance(op, FuncOp) and op.export is not None]


def _ends(tile: TileOp, functions: Sequence[FuncOp]) -> list[Block]:
    """Where memcpy's commands go on: at the end of the one task that a function ends in, or of it.

    A function that activates nothing ends by itself. One that does ends in the only local task that
    is reached and lets no other run; data and control tasks run on behalf of the last function. If
    there is no such task, or there are several, the function lets the next command come at once.
    """
    symbols = tile.symbols()
    sent = [n for n, op in symbols.items() if isinstance(op, TaskOp) and op.kind.data != "local"]
    ends: dict[str, Block] = {}
    for function in functions:
        own = name_of(function.sym_name)
        reached = dict.fromkeys([own, *(sent if function is functions[-1] else ())])
        waiting, last = list(reached), list[str]()
        while waiting:
            name = waiting.pop()
            followers = dict.fromkeys(_followers(symbols[name]))
            if not any(isinstance(symbols[other], TaskOp) for other in followers):
                last.append(name)
            waiting += [other for other in followers if other not in reached]
            reached |= followers
        tasks = [op for n in last if isinstance(op := symbols[n], TaskOp)]
        if len(tasks) == 1 and tasks[0].kind.data == "local":
            ends[name_of(tasks[0].sym_name)] = tasks[0].body.block
        else:
            ends[own] = function.body.block
    return list(ends.values())


def _followers(code: Operation) -> Iterable[str]:
    """The tasks that a task or function lets run, and the functions that it calls."""
    for op in code.walk():
        if isinstance(op, ActivateOp | UnblockOp):
            yield name_of(op.task)
        elif isinstance(op, CallOp):
            yield name_of(op.callee)
        elif isinstance(op, VectorOp):
            for name in (op.activate, op.unblock):
                if name is not None:
                    yield name_of(name)


def _insert_first(block: Block, op: Operation) -> None:
    if block.first_op is None:
        block.add_op(op)
    else:
        block.insert_op_before(op, block.first_op)


def _move(source: Block, target: Block) -> None:
    for op in list(source.ops):
        op.detach()
        target.add_op(op)


def _module(kind: csl.ModuleKind, name: str, block: Block) -> csl.CslModuleOp:
    return csl.CslModuleOp(
        properties={"kind": csl.ModuleKindAttr(kind), "sym_name": StringAttr(name)},
        regions=[Region(block)],
    )

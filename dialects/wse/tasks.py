"""Tasks and functions: the code of a tile, and what starts it."""

from __future__ import annotations

from typing import Final, cast

from xdsl.dialects.builtin import StringAttr, SymbolNameConstraint, SymbolRefAttr, UnitAttr, i32
from xdsl.ir import Block, BlockArgument, Region
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    opt_prop_def,
    prop_def,
    region_def,
    traits_def,
)
from xdsl.irdl.declarative_assembly_format import (
    AttributeVariable,
    CustomDirective,
    ParsingState,
    PrintingState,
    irdl_custom_directive,
)
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import MemoryWriteEffect, NoTerminator, SymbolOpInterface

from pyflame_rt.dialects.wse.base import (
    INTEGER,
    ArgumentBody,
    Body,
    Scope,
    WseOp,
    body_of,
    flag,
    integer,
    is_scalar,
    number,
    reference,
)
from pyflame_rt.dialects.wse.queues import InputQueueOp

TASK_KINDS: Final = ("local", "data", "control")

MAX_TASKS = 31
CONTROL_TASKS = 63


@irdl_custom_directive
class StartedBy(CustomDirective):
    """A task's kind, and after `data` its queue."""

    kind: AttributeVariable
    queue: AttributeVariable

    def parse(self, parser: Parser, state: ParsingState) -> None:
        self.kind.set(state, StringAttr(parser.parse_identifier()))
        if (name := parser.parse_optional_symbol_name()) is not None:
            self.queue.set(state, SymbolRefAttr(name))

    def print(self, printer: Printer, state: PrintingState, op: IRDLOperation) -> None:
        state.print_whitespace(printer)
        printer.print_string(cast(StringAttr, self.kind.get(op)).data)
        if (queue := self.queue.get(op)) is not None:
            printer.print_string(f" {queue}")


@irdl_op_definition
class TaskOp(WseOp):
    """A task, which runs to its end once it is active and not blocked.

    A local task is made active by `wse.activate`, by a vector op at its end, or from the start
    (`active`). A data task runs for each word of an input queue, a control task for each control word
    that names its `id`; both may take the word as an argument. `blocked` is how it starts.

    ```mlir
    wse.task @main local active {
    }
    wse.task @word data @iq (%w: f32) {
    }
    wse.task @stop control id 7 (%w: i32) {
    }
    ```
    C1: it is local, data or control. C2: a data task, and no other, names an input queue of the tile.
    C3: a control task has an id of 0 to 62, a local one of 0 to 30 if any, a data task none. C4: a local
    task has no argument; a data task may have one of i16, i32, f16, f32, a control task an i32. C5: only
    a local task is active from the start.
    """

    name = "wse.task"

    sym_name = prop_def(SymbolNameConstraint())
    kind = prop_def(StringAttr)
    queue = opt_prop_def(SymbolRefAttr)
    id = opt_prop_def(INTEGER)
    active = opt_prop_def(UnitAttr)
    blocked = opt_prop_def(UnitAttr)
    body = region_def("single_block")

    custom_directives = (ArgumentBody, StartedBy)
    assembly_format = (
        "$sym_name custom<StartedBy>($kind, $queue) (`id` $id^)? (`active` $active^)? "
        "(`blocked` $blocked^)? attr-dict-with-keyword custom<ArgumentBody>($body)"
    )
    traits = traits_def(SymbolOpInterface(), NoTerminator())

    def __init__(
        self, name: str, kind: str = "local", *, queue: str | None = None, id: int | None = None,
        active: bool = False, blocked: bool = False, body: Region | Block | None = None,
    ):  # fmt: skip
        super().__init__(
            properties={
                "sym_name": StringAttr(name),
                "kind": StringAttr(kind),
                "queue": reference(queue),
                "id": integer(id),
                "active": flag(active),
                "blocked": flag(blocked),
            },
            regions=[body_of(body)],
        )

    @property
    def word(self) -> BlockArgument | None:
        """The argument that is the word of a data or control task, if it takes it."""
        arguments = self.body.block.args
        return arguments[0] if arguments else None

    def verify_(self) -> None:
        kind = self.kind.data
        self.require("C1", kind in TASK_KINDS, f"{kind} is none of {', '.join(TASK_KINDS)}")
        names = "names no input queue" if kind == "data" else f"is {kind} and names a queue"
        self.require("C2", (self.queue is not None) == (kind == "data"), names)
        limit = {"local": MAX_TASKS, "control": CONTROL_TASKS}.get(kind, 0)
        if self.id is not None or kind == "control":
            value = number(self.id, -1)
            self.require("C3", 0 <= value < limit, f"{value} is no id of a {kind} task")
        arguments = self.body.block.args
        allowed = len(arguments) <= (kind != "local") and all(
            argument.type == i32 if kind == "control" else is_scalar(argument.type)
            for argument in arguments
        )
        shown = ", ".join(str(argument.type) for argument in arguments)
        self.require("C4", allowed, f"a {kind} task takes no ({shown})")
        self.require("C5", self.active is None or kind == "local", f"a {kind} task is not active")

    def check(self, scope: Scope) -> None:
        if self.queue is not None:
            self.found("C2", scope, self.queue, "input queue", InputQueueOp)


@irdl_op_definition
class FuncOp(WseOp):
    """A function of a tile, called by `wse.call`; the host launches it when it is exported.

    ```mlir
    wse.func @compute export {
    }
    ```
    """

    name = "wse.func"

    sym_name = prop_def(SymbolNameConstraint())
    export = opt_prop_def(UnitAttr)
    body = region_def("single_block")

    custom_directives = (Body,)
    assembly_format = "$sym_name (`export` $export^)? attr-dict-with-keyword custom<Body>($body)"
    traits = traits_def(SymbolOpInterface(), NoTerminator())

    def __init__(self, name: str, *, export: bool = False, body: Region | Block | None = None):
        super().__init__(
            properties={"sym_name": StringAttr(name), "export": flag(export)},
            regions=[body_of(body)],
        )


@irdl_op_definition
class CallOp(WseOp):
    """Calls a function of the tile: a jump there and one back.

    ```mlir
    wse.call @compute
    ```
    C1: it is a function of the tile. C2: a function does not call itself, nor through others.
    """

    name = "wse.call"

    callee = prop_def(SymbolRefAttr)

    assembly_format = "$callee attr-dict"

    def __init__(self, callee: str):
        super().__init__(properties={"callee": SymbolRefAttr(callee)})

    def check(self, scope: Scope) -> None:
        self.found("C1", scope, self.callee, "function", FuncOp)


class TaskStateOp(WseOp):
    """Base of the ops that change whether a task may start."""

    task = prop_def(SymbolRefAttr)

    assembly_format = "$task attr-dict"
    traits = traits_def(MemoryWriteEffect())

    def __init__(self, task: str):
        super().__init__(properties={"task": SymbolRefAttr(task)})

    def check(self, scope: Scope) -> None:
        self.found("C1", scope, self.task, "task", TaskOp)


@irdl_op_definition
class ActivateOp(TaskStateOp):
    """Makes a local task active: it runs once, when nothing else does and it is not blocked.

    ```mlir
    wse.activate @next
    ```
    C1: it is a local task of the tile.
    """

    name = "wse.activate"

    def check(self, scope: Scope) -> None:
        task = self.found("C1", scope, self.task, "task", TaskOp)
        self.require("C1", task.kind.data == "local", f"{self.task} is a {task.kind.data} task")


@irdl_op_definition
class BlockOp(TaskStateOp):
    """Keeps a task from starting until it is unblocked.

    ```mlir
    wse.block @next
    ```
    C1: it is a task of the tile.
    """

    name = "wse.block"


@irdl_op_definition
class UnblockOp(TaskStateOp):
    """Lets a task start again.

    ```mlir
    wse.unblock @next
    ```
    C1: it is a task of the tile.
    """

    name = "wse.unblock"


@irdl_op_definition
class HaltOp(WseOp):
    """Stops the PE: no task starts there any more.

    ```mlir
    wse.halt
    ```
    """

    name = "wse.halt"

    assembly_format = "attr-dict"

    def __init__(self) -> None:
        super().__init__()


OPS = (TaskOp, FuncOp, CallOp, ActivateOp, BlockOp, UnblockOp, HaltOp)
"""The ops of this module."""

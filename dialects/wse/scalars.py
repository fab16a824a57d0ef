"""What scalar code needs beside `arith`, `scf` and `memref`: time, printing, control words, declared costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from xdsl.dialects.builtin import ArrayAttr, StringAttr, UnitAttr, i32
from xdsl.ir import SSAValue
from xdsl.irdl import (
    IRDLOperation,
    eq,
    irdl_op_definition,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    result_def,
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
from xdsl.traits import ConstantLike, MemoryReadEffect, MemoryWriteEffect, Pure

from pyflame_rt.dialects.wse.base import INTEGER, WseOp, bits_of, flag, integer, number
from pyflame_rt.dialects.wse.tasks import CONTROL_TASKS

COMMANDS: Final = ("nop", "switch_adv", "switch_rst", "teardown")
"""What a control word tells the routers that it passes, by code."""

MAX_COST: Final = 1_000_000

_IGNORE: Final = 1 << 6
_FIRST_COMMAND: Final = 16


@irdl_op_definition
class TimestampOp(WseOp):
    """The cycle in which it issues (the low 32 bits).

    ```mlir
    %t = wse.timestamp : i32
    ```
    """

    name = "wse.timestamp"

    result = result_def(eq(i32))

    assembly_format = "attr-dict `:` type($result)"
    traits = traits_def(MemoryReadEffect(), MemoryWriteEffect())

    def __init__(self) -> None:
        super().__init__(result_types=[i32])


@irdl_op_definition
class PrintOp(WseOp):
    """Records a text and a value with PE and cycle, for free.

    ```mlir
    wse.print "sum", %x : f32
    wse.print "done"
    ```
    C1: the value fits a register.
    """

    name = "wse.print"

    text = prop_def(StringAttr)
    value = opt_operand_def()

    assembly_format = "$text (`,` $value^ `:` type($value))? attr-dict"
    traits = traits_def(MemoryWriteEffect())

    def __init__(self, text: str, value: SSAValue | None = None):
        super().__init__(operands=[value], properties={"text": StringAttr(text)})

    def verify_(self) -> None:
        if self.value is not None:
            self.require("C1", bits_of(self.value.type) > 0, f"{self.value.type} is no scalar")


@irdl_op_definition
class DeclareCostOp(WseOp):
    """Takes a declared number of cycles, by name: code that a vendor's compiler scheduled.

    ```mlir
    wse.declare_cost "broadcast call", 520
    ```
    C1: it is 0 to 1,000,000 cycles.
    """

    name = "wse.declare_cost"

    label = prop_def(StringAttr)
    cycles = prop_def(INTEGER)

    assembly_format = "$label `,` $cycles attr-dict"
    traits = traits_def(MemoryWriteEffect())

    def __init__(self, label: str, cycles: int):
        super().__init__(properties={"label": StringAttr(label), "cycles": integer(cycles)})

    def verify_(self) -> None:
        cycles = number(self.cycles)
        self.require("C1", 0 <= cycles <= MAX_COST, f"{cycles} is no cost")


@irdl_custom_directive
class Commands(CustomDirective):
    """One bare word or several in brackets."""

    commands: AttributeVariable

    def parse(self, parser: Parser, state: ParsingState) -> None:
        words = parser.parse_optional_comma_separated_list(
            parser.Delimiter.SQUARE, parser.parse_identifier
        )
        words = [parser.parse_identifier()] if words is None else words
        self.commands.set(state, ArrayAttr(StringAttr(text) for text in words))

    def print(self, printer: Printer, state: PrintingState, op: IRDLOperation) -> None:
        state.print_whitespace(printer)
        commands = cast("ArrayAttr[StringAttr]", self.commands.get(op))
        words = [command.data for command in commands]
        printer.print_string(words[0] if len(words) == 1 else f"[{', '.join(words)}]")


@irdl_op_definition
class ControlWordOp(WseOp):
    """A constant: the word that, sent through a `control` fabric DSD, commands routers and PEs.

    Each router that it passes obeys its first command and, by its pop mode, takes it off. A single
    command fills all eight places. At a PE it starts the control task of that `task` id; with `ignore`
    it never goes up the ramp.

    ```mlir
    %w = wse.control_word switch_adv ignore : i32
    %s = wse.control_word [nop, switch_adv] task 7 : i32
    ```
    C1: one to eight commands of nop, switch_adv, switch_rst, teardown. C2: a task's id is 0 to 62.
    """

    name = "wse.control_word"

    commands = prop_def(ArrayAttr[StringAttr])
    task = opt_prop_def(INTEGER)
    ignore = opt_prop_def(UnitAttr)
    result = result_def(eq(i32))

    custom_directives = (Commands,)
    assembly_format = (
        "custom<Commands>($commands) (`task` $task^)? (`ignore` $ignore^)? attr-dict "
        "`:` type($result)"
    )
    traits = traits_def(Pure(), ConstantLike())

    def __init__(self, commands: Sequence[str], *, task: int | None = None, ignore: bool = False):
        super().__init__(
            properties={
                "commands": ArrayAttr(StringAttr(command) for command in commands),
                "task": integer(task),
                "ignore": flag(ignore),
            },
            result_types=[i32],
        )

    @property
    def payload(self) -> int:
        """The word as a signed 32-bit integer."""
        return control_word(
            *(command.data for command in self.commands),
            task=number(self.task, -1),
            ignore=self.ignore is not None,
        )

    def verify_(self) -> None:
        names = [command.data for command in self.commands]
        known = 1 <= len(names) <= 8 and set(names) <= set(COMMANDS)
        self.require("C1", known, f"commands {', '.join(names)}")
        task = number(self.task)
        self.require("C2", 0 <= task < CONTROL_TASKS, f"{task} is no id of a control task")


def control_word(*commands: str, task: int = -1, ignore: bool = False) -> int:
    """The payload of a control word as a signed 32-bit integer; a single command fills all places."""
    codes = [COMMANDS.index(command) for command in commands]
    codes = codes * 8 if len(codes) == 1 else codes
    bits = (task + 1) | (_IGNORE if ignore else 0)
    for place, code in enumerate(codes):
        bits |= code << (_FIRST_COMMAND + 2 * place)
    return bits - (1 << 32) if bits >> 31 else bits


OPS = (TimestampOp, PrintOp, DeclareCostOp, ControlWordOp)
"""The ops of this module."""

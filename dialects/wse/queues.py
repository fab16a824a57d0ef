"""The queues between a PE and its router, each bound to a colour."""

from __future__ import annotations

from xdsl.dialects.builtin import StringAttr, SymbolNameConstraint, SymbolRefAttr
from xdsl.irdl import irdl_op_definition, prop_def, traits_def
from xdsl.traits import MemoryWriteEffect, SymbolOpInterface

from pyflame_rt.dialects.wse.attributes import ColorType
from pyflame_rt.dialects.wse.base import INTEGER, Scope, WseOp, integer, number
from pyflame_rt.dialects.wse.program import ColorOp
from pyflame_rt.dialects.wse.tile import ParamOp

QUEUES = 8


class QueueOp(WseOp):
    """Base of the two queues between a PE and its router."""

    sym_name = prop_def(SymbolNameConstraint())
    number = prop_def(INTEGER)
    color = prop_def(SymbolRefAttr)

    assembly_format = "$sym_name `=` $number `color` $color attr-dict"
    traits = traits_def(SymbolOpInterface())

    def __init__(self, name: str, number: int, color: str):
        super().__init__(
            properties={
                "sym_name": StringAttr(name),
                "number": integer(number),
                "color": SymbolRefAttr(color),
            }
        )

    def verify_(self) -> None:
        value = number(self.number)
        self.require("C1", 0 <= value < QUEUES, f"queues are 0 to {QUEUES - 1}, not {value}")

    def check(self, scope: Scope) -> None:
        check_color(self, "C2", scope, self.color)


def check_color(op: WseOp, constraint: str, scope: Scope, symbol: SymbolRefAttr) -> None:
    """That a name means a colour: of the program, or a parameter of the tile."""
    if scope.program is None and scope.find(symbol) is None:
        return
    found = op.found(constraint, scope, symbol, "colour", ColorOp, ParamOp)
    if isinstance(found, ParamOp):
        op.require(constraint, isinstance(found.kind, ColorType), f"{symbol} is a {found.kind}")


@irdl_op_definition
class InputQueueOp(QueueOp):
    """An input queue of the PE, bound to a colour: words that its routes send up the ramp.

    ```mlir
    wse.input_queue @iq = 2 color @in
    ```
    C1: the number is 0 to 7. C2: the colour is one of the program, or a parameter of the tile.
    """

    name = "wse.input_queue"


@irdl_op_definition
class OutputQueueOp(QueueOp):
    """An output queue of the PE, bound to a colour: words that go down the ramp.

    ```mlir
    wse.output_queue @oq = 3 color @out
    ```
    C1: the number is 0 to 7. C2: the colour is one of the program, or a parameter of the tile.
    """

    name = "wse.output_queue"


@irdl_op_definition
class SetColorOp(WseOp):
    """Binds a queue to another colour from now on.

    ```mlir
    wse.set_color @oq, @blue
    ```
    C1: it is a queue of the tile. C2: the colour is one of the program, or a parameter of the tile.
    """

    name = "wse.set_color"

    queue = prop_def(SymbolRefAttr)
    color = prop_def(SymbolRefAttr)

    assembly_format = "$queue `,` $color attr-dict"
    traits = traits_def(MemoryWriteEffect())

    def __init__(self, queue: str, color: str):
        super().__init__(properties={"queue": SymbolRefAttr(queue), "color": SymbolRefAttr(color)})

    def check(self, scope: Scope) -> None:
        self.found("C1", scope, self.queue, "queue", InputQueueOp, OutputQueueOp)
        check_color(self, "C2", scope, self.color)


OPS = (InputQueueOp, OutputQueueOp, SetColorOp)
"""The ops of this module."""

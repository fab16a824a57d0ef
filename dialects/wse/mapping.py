"""How a network lies on the wafer, as attributes of pfrt ops: the grid, and the layout of each value."""

from __future__ import annotations

from typing import Final

from xdsl.dialects.builtin import IntAttr, StringAttr
from xdsl.ir import Attribute, ParametrizedAttribute
from xdsl.irdl import irdl_attr_definition, param_def
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

GRID: Final = "wse.grid"
"""The attribute of a function that is mapped."""
LAYOUT: Final = "wse.layout"
"""The attribute of an op whose result is on the wafer, and of a function's argument."""
HOST: Final = "wse.host"
"""The attribute of an op that cannot be mapped: why."""
MOVE: Final = "wse.move"
"""The attribute of a `pfrt.identity` that splits its operand over the other axis."""
TRANSFER: Final = "wse.transfer"
"""The attribute of a `pfrt.identity` that takes its operand to the next strip of columns."""
STRIPS: Final = "wse.strips"
"""The attribute of a function that is a pipeline: the columns of each strip."""
IMAGES: Final = "wse.images"
"""The attribute of a function of several images: how many a run takes, one after the other."""
RUNS: Final = "wse.runs"
"""The attribute of such a function: how many runs take all of them."""
STREAMED: Final = "wse.streamed"
"""The attribute of an op whose weights come from the edge while it is computed."""
STEPS: Final = "wse.steps"
"""The attribute of an op: what it comes to on the wafer, with the cycles that are predicted."""

AXES: Final = ("columns", "rows")
DTYPES: Final = ("f32", "f16")


@irdl_attr_definition
class GridAttr(ParametrizedAttribute):
    """The PEs that a function is mapped to: the machine, columns and rows, the type it computes in.

    ```mlir
    #wse.grid<"wse2", 8 x 4, f32>
    ```
    """

    name = "wse.grid"

    machine: StringAttr = param_def()
    width: IntAttr = param_def()
    height: IntAttr = param_def()
    dtype: StringAttr = param_def()

    @classmethod
    def of(cls, machine: str, width: int, height: int, dtype: str) -> GridAttr:
        """The attribute of these."""
        return cls(StringAttr(machine), IntAttr(width), IntAttr(height), StringAttr(dtype))

    def verify(self) -> None:
        if min(self.width.data, self.height.data) < 1:
            raise VerifyException("wse.grid: columns and rows are at least 1")
        if self.dtype.data not in DTYPES:
            raise VerifyException(f"wse.grid: {self.dtype.data} is none of {', '.join(DTYPES)}")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> list[Attribute]:
        with parser.in_angle_brackets():
            machine = parser.parse_str_literal(" for the name of a machine")
            parser.parse_punctuation(",")
            # "8 x 4" with blanks: the lexer would take 8x4 for one word.
            width = parser.parse_integer(allow_negative=False, allow_boolean=False)
            parser.parse_keyword("x")
            height = parser.parse_integer(allow_negative=False, allow_boolean=False)
            parser.parse_punctuation(",")
            dtype = parser.parse_identifier()
        return [StringAttr(machine), IntAttr(width), IntAttr(height), StringAttr(dtype)]

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string_literal(self.machine.data)
            printer.print_string(f", {self.width.data} x {self.height.data}, {self.dtype.data}")


@irdl_attr_definition
class LayoutAttr(ParametrizedAttribute):
    """How a matrix of features x rows lies on the PEs.

    Features are split into parts, one a column (or row) of PEs; the rows of the matrix into slots, along the
    other axis. `grain` is the number of features that stay together.

    ```mlir
    #wse.layout<columns, 8 parts, 1 slots>
    #wse.layout<rows, 4 parts, 2 slots, grain 16>
    ```
    """

    name = "wse.layout"

    axis: StringAttr = param_def()
    parts: IntAttr = param_def()
    slots: IntAttr = param_def()
    grain: IntAttr = param_def()

    @classmethod
    def of(cls, axis: str, parts: int, slots: int = 1, grain: int = 1) -> LayoutAttr:
        """The attribute of these."""
        return cls(StringAttr(axis), IntAttr(parts), IntAttr(slots), IntAttr(grain))

    def verify(self) -> None:
        if self.axis.data not in AXES:
            raise VerifyException(f"wse.layout: {self.axis.data} is neither columns nor rows")
        if min(self.parts.data, self.slots.data, self.grain.data) < 1:
            raise VerifyException("wse.layout: parts, slots and grain are at least 1")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> list[Attribute]:
        def count(word: str) -> IntAttr:
            parser.parse_punctuation(",")
            number = parser.parse_integer(allow_negative=False, allow_boolean=False)
            parser.parse_keyword(word)
            return IntAttr(number)

        with parser.in_angle_brackets():
            axis = StringAttr(parser.parse_identifier())
            parts, slots, grain = count("parts"), count("slots"), 1
            if parser.parse_optional_punctuation(",") is not None:
                parser.parse_keyword("grain")
                grain = parser.parse_integer(allow_negative=False, allow_boolean=False)
        return [axis, parts, slots, IntAttr(grain)]

    def print_parameters(self, printer: Printer) -> None:
        grain = f", grain {self.grain.data}" if self.grain.data != 1 else ""
        with printer.in_angle_brackets():
            printer.print_string(
                f"{self.axis.data}, {self.parts.data} parts, {self.slots.data} slots{grain}"
            )


ATTRIBUTES: tuple[type[Attribute], ...] = (GridAttr, LayoutAttr)
"""The attributes of this module."""

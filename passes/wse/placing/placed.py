"""Reads back what `wse-place` wrote on a function."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, cast

from xdsl.dialects import func
from xdsl.dialects.builtin import ArrayAttr, DenseArrayBase, DictionaryAttr, IntegerAttr
from xdsl.ir import Attribute, Operation

from pyflame_rt.dialects.pfrt.base import is_constant
from pyflame_rt.dialects.rewriting import failed
from pyflame_rt.dialects.wse.mappable import VIEWS
from pyflame_rt.dialects.wse.mapping import (
    GRID,
    HOST,
    IMAGES,
    LAYOUT,
    RUNS,
    STEPS,
    STREAMED,
    STRIPS,
    GridAttr,
    LayoutAttr,
)
from pyflame_rt.errors import PassFailed
from pyflame_rt.passes.wse.emitting.interface import Axis, Network
from pyflame_rt.passes.wse.placing.layouts import Form, Grid, Layout, Placing, network_of
from pyflame_rt.passes.wse.placing.reading import Reading, read


@dataclass(frozen=True)
class Placed:
    """A function whose values have their places."""

    function: func.FuncOp
    reading: Reading
    network: Network
    # What the pass says of each step, in order.
    steps: ArrayAttr[Attribute]
    # How often the program runs.
    runs: int = 1

    @property
    def program(self) -> str:
        """The name of its program."""
        return self.network.name


def program_of(function: func.FuncOp) -> str:
    """The name of a function's program."""
    return f"{function.sym_name.data}_wafer"


def is_placed(function: func.FuncOp) -> bool:
    """Whether `wse-place` has mapped a function."""
    return isinstance(function.attributes.get(GRID), GridAttr)


def placed(function: func.FuncOp) -> Placed:
    """A mapped function. Raises PassFailed when something has no place."""
    attribute = function.attributes[GRID]
    assert isinstance(attribute, GridAttr)
    grid = Grid(
        attribute.machine.data, attribute.width.data, attribute.height.data,
        cast(Literal["f32", "f16"], attribute.dtype.data),
    )  # fmt: skip
    form = _form(function)
    reading = read(function, form.images * form.runs)
    streamed = tuple(
        planned.step.name for planned in reading.steps if STREAMED in planned.op.attributes
    )
    placing = Placing(steps=reading.steps, form=replace(form, streamed=streamed))
    seen: dict[int, int] = {}
    for argument, name in reading.inputs:
        number = seen[argument.index] = seen.get(argument.index, -1) + 1
        rows = () if function.arg_attrs is None else function.arg_attrs.data
        found = rows[argument.index].data.get(LAYOUT) if rows else None
        layouts = cast("ArrayAttr[Attribute]", found).data if isinstance(found, ArrayAttr) else ()
        if number >= len(layouts):
            raise failed(function, f"argument {argument.index} has no place: run wse-place")
        placing.layouts[name] = _layout(layouts[number], function)
    for planned in reading.steps:
        layout = _layout(planned.op.attributes.get(LAYOUT), planned.op)
        placing.layouts[planned.step.name] = layout
    network = network_of(reading, placing, grid, program_of(function))
    return Placed(function, reading, network, _steps(reading), form.runs)


def _form(function: func.FuncOp) -> Form:
    """Images, runs and strips, as the function's attributes say."""
    counts = {"images": 1, "runs": 1}
    for name, key in (("images", IMAGES), ("runs", RUNS)):
        found = function.attributes.get(key)
        if isinstance(found, IntegerAttr):
            counts[name] = max(found.value.data, 1)
    strips = function.attributes.get(STRIPS)
    widths = strips.get_values() if isinstance(strips, DenseArrayBase) else ()
    return Form(counts["images"], counts["runs"], tuple(int(width) for width in widths))


def _layout(attribute: Attribute | None, where: Operation) -> Layout:
    if not isinstance(attribute, LayoutAttr):
        raise failed(where, "has no place: run wse-place")
    return Layout(
        cast(Axis, attribute.axis.data), attribute.parts.data, attribute.slots.data,
        attribute.grain.data,
    )  # fmt: skip


def _steps(reading: Reading) -> ArrayAttr[Attribute]:
    """What is said of the steps; those of an op stand on it in their order."""
    found: list[Attribute] = []
    for op in dict.fromkeys(planned.op for planned in reading.steps):
        said = op.attributes.get(STEPS)
        if isinstance(said, ArrayAttr):
            found += cast("ArrayAttr[Attribute]", said).data
    return ArrayAttr([step for step in found if isinstance(step, DictionaryAttr)])


def is_idle(function: func.FuncOp) -> bool:
    """Whether a function has nothing for a wafer to do: it sees its arguments in other ways at most."""
    return all(
        HOST not in op.attributes
        and (isinstance(op, func.ReturnOp) or is_constant(type(op)) or op.name in VIEWS)
        for op in function.body.block.ops
    )


def require_all_mapped(function: func.FuncOp) -> None:
    """Raise PassFailed, with the reason, when some op of a function stays on the host."""
    for op in function.body.block.ops:
        why = op.attributes.get(HOST)
        if why is not None:
            raise failed(
                op, f"cannot be mapped: {str(why).strip(chr(34))}",
                hint="pfrt-outline leaves such ops to the host",
            )  # fmt: skip
    raise PassFailed(
        "no value has a place on the wafer", where=f"function @{function.sym_name.data}",
        hint="run wse-place before",
    )  # fmt: skip

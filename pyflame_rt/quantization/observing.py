"""Programs that tell what some of their values hold when they run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy.typing as npt
from xdsl.dialects import func
from xdsl.dialects.builtin import FunctionType
from xdsl.ir import SSAValue

from pyflame_rt import compiler, feeds
from pyflame_rt.backends.base import find_function, only_block
from pyflame_rt.compiler import Program

Array: TypeAlias = npt.NDArray[Any]


class Observer:
    """A program on NumPy whose results are these values of its main function."""

    def __init__(self, program: Program, values: Sequence[SSAValue]) -> None:
        mapped: dict[SSAValue, SSAValue] = {}
        module = program.module.clone(value_mapper=mapped)
        main = find_function(module, "main")
        block = only_block(main)
        terminator = block.last_op
        assert isinstance(terminator, func.ReturnOp)
        shown = [mapped[value] for value in values]
        block.insert_op_before(func.ReturnOp(*shown), terminator)
        terminator.detach()
        terminator.erase()
        kinds = [value.type for value in shown]
        main.function_type = FunctionType.from_lists(main.function_type.inputs.data, kinds)
        main.res_attrs = None
        self._model = compiler.compile_module(module, program.ctx, "numpy", "")

    def __call__(self, feed: Mapping[str, Array]) -> list[Array]:
        """What the values hold in a run. Raises as runs do."""
        return self._model.run(feeds.prepare(feed, self._model.inputs))

"""The form of a model in which it is calibrated and quantized."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from xdsl.ir import BlockArgument, OpResult, SSAValue

from pyflame_rt import pipelines
from pyflame_rt.compiler import Program, optimization_pipeline, signature
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.graph import Graph
from pyflame_rt.passes.quantization.observed import name_observed, observed

BEFORE: Final = f"{optimization_pipeline(1)},pfrt-fuse-conv-bn,pfrt-fuse-bias"
"""What is done before: batch norms and biases belong to the products that are quantized."""


def prepared(graph: Graph, *more: str) -> Program:
    """A copy of a graph's program, ready to be calibrated; `more` are passes after the usual ones.

    Values that products take have names, those of the model where it gives any.
    """
    given = graph.program()
    module = given.module.clone()
    pipelines.run(given.ctx, module, pipelines.parse(",".join((BEFORE, *more))))
    program = Program(given.ctx, module, given.name)
    name_observed(program.module)
    return program


def taken(program: Program) -> Sequence[SSAValue]:
    """The values of the main function that products are made of, constants apart; each once."""
    return observed(program.module)


def name_of(program: Program, value: SSAValue) -> str:
    """The model's name of a value of the main function, "" if it has none."""
    if isinstance(value, BlockArgument):
        return signature(program.module)[0][value.index].name
    op = value.owner
    if not isinstance(op, PfrtOp) or op.names is None:
        return ""
    assert isinstance(value, OpResult)
    return op.names.data[value.index]

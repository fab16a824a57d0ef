"""The values of a module whose ranges quantization asks for."""

from __future__ import annotations

from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, BlockArgument, OpResult, SSAValue

from pyflame_rt.dialects.pfrt.attributes import NamesAttr
from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.passes.quantization.products import Outcome, factors, products
from pyflame_rt.passes.quantization.static_products import source


def observed(module: ModuleOp) -> tuple[SSAValue, ...]:
    """The values of `@main` that products are made of, constants apart; each once."""
    main = _main(module)
    found: dict[SSAValue, None] = {}
    for op in products(module, (), Outcome()):
        for value in factors(op):
            origin = source(value)
            owner = origin.owner if isinstance(origin, BlockArgument) else origin.owner.parent
            if owner is main and constant_of(origin) is None:
                found[origin] = None
    return tuple(found)


def name_observed(module: ModuleOp) -> None:
    """Give names to those of the values that a pass has made, of which the model knows none."""
    for index, value in enumerate(observed(module)):
        if not isinstance(value, OpResult):
            continue
        op = value.owner
        assert isinstance(op, PfrtOp)
        names = [""] * len(op.results) if op.names is None else list(op.names.data)
        if not names[value.index]:
            names[value.index] = f"{op.name.removeprefix('pfrt.')}#{index}"
            op.names = NamesAttr.of(names)


def _main(module: ModuleOp) -> Block | None:
    for op in module.body.ops:
        if isinstance(op, func.FuncOp) and op.sym_name.data == "main":
            return op.body.first_block
    return None

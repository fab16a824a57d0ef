"""From tensors to buffers, and from ops to algorithms."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import FunctionType, ModuleOp
from xdsl.ir import Operation
from xdsl.passes import ModulePass

from pyflame_rt.dialects.pfrt.types import is_value_type
from pyflame_rt.dialects.rewriting import describe, failed
from pyflame_rt.errors import PassFailed
from pyflame_rt.passes.conversion.plan_lowering import FunctionLowering, can_lower
from pyflame_rt.passes.conversion.plan_scope import buffer_type

_MOST_LISTED = 5


@dataclass(frozen=True)
class ConvertPfrtToPlanPass(ModulePass):
    """Lowers each function to calls of algorithms on buffers.

    Before: `%y = pfrt.relu %x : tensor<4xf32> -> tensor<4xf32>`
    After: `%y = plan.alloc : memref<4xf32>`, `plan.call @relu(%x) into(%y) : …`

    An op of static shapes fills buffers that the plan places, by the cheapest algorithm that
    applies, or by its kernel. An op of other shapes returns results that it owns. What leaves a
    function or a region is a fresh buffer of its own, copied where need be. Requires canonical
    pfrt; `pfrt-specialize-shapes` before it makes shapes static.
    """

    name = "convert-pfrt-to-plan"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        _require_lowerable(op)
        for function in op.ops:
            if isinstance(function, func.FuncOp):
                _lower(function)
        if left := [nested for nested in op.walk() if nested.name.startswith("pfrt.")]:
            raise _not_lowered(left)


def _require_lowerable(module: ModuleOp) -> None:
    rejected: list[Operation] = []
    for op in module.ops:
        if not isinstance(op, func.FuncOp):
            rejected.append(op)
            continue
        if len(op.body.blocks) > 1:
            raise failed(op, f"@{op.sym_name.data} has branches between blocks")
        for kind in (*op.function_type.inputs, *op.function_type.outputs):
            if not is_value_type(kind):
                why = f"@{op.sym_name.data} takes or returns a {kind}, which is no value of pfrt"
                raise failed(op, why)
        rejected += [nested for nested in op.walk() if nested is not op and not can_lower(nested)]
    if rejected:
        raise _not_lowered(rejected)


def _not_lowered(ops: list[Operation]) -> PassFailed:
    listed = ", ".join(describe(op) for op in ops[:_MOST_LISTED])
    more = f", and {len(ops) - _MOST_LISTED} more" if len(ops) > _MOST_LISTED else ""
    return PassFailed(f"cannot lower {listed}{more}")


def _lower(function: func.FuncOp) -> None:
    kind = function.function_type
    function.properties["function_type"] = FunctionType.from_lists(
        [buffer_type(t) for t in kind.inputs], [buffer_type(t) for t in kind.outputs]
    )
    if function.body.blocks:
        old = function.body.blocks[0]
        new = FunctionLowering().lower_function(old)
        function.body.insert_block(new, 0)
        function.body.erase_block(old, safe_erase=False)

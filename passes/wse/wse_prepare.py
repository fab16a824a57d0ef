"""Rewrites forms that the wafer has not into ones that it has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from pyflame_rt.dialects.pfrt import operations
from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.contraction import GemmOp, MatmulOp
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.fused import FusedOp
from pyflame_rt.dialects.pfrt.pieces import SplitOp
from pyflame_rt.dialects.pfrt.recurrent import GruOp, LstmOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of
from pyflame_rt.dialects.wse.mappable import activation_of, function_of, obstacle
from pyflame_rt.passes.fusion.inlining import inlined
from pyflame_rt.passes.shape_inference import functions
from pyflame_rt.passes.wse.unrolling import slice_parts, unroll


@dataclass(frozen=True)
class WsePreparePass(ModulePass):
    """Takes apart what optimisation put together and the wafer does in parts.

    Before: `%y = pfrt.matmul %x, %w {activation = #pfrt.activation<"sin">} : …`
    After: `%0 = pfrt.matmul %x, %w : …`, `%y = pfrt.sin %0 : …`, so that only the latter stays on the host

    The region of a `pfrt.fused` goes where it stands. The parts of a product that is split are products
    with parts of its weight: `split(x w + r)` is `x split(w) + split(r)`; other splits are slices. A `pfrt.lstm`
    or `pfrt.gru` of few steps is the products and functions of each step. Run it before `pfrt-outline`.
    """

    name = "wse-prepare"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in functions(op):
            for block in function.body.blocks:
                for each in tuple(block.ops):
                    if isinstance(each, FusedOp):
                        inlined(each)
                for each in tuple(block.ops):
                    if isinstance(each, LstmOp | GruOp):
                        unroll(each)
                for each in tuple(block.ops):
                    if isinstance(each, SplitOp):
                        _split_product(each)
                for each in tuple(block.ops):
                    if isinstance(each, SplitOp):
                        slice_parts(each)
                for each in tuple(block.ops):
                    _separate_activation(each)


def _separate_activation(op: Operation) -> None:
    """op(x) {activation = f} -> f(op(x)) where the wafer has no f."""
    activation = activation_of(op)
    if activation is None or not isinstance(op, PfrtOp):
        return
    if function_of(activation.op.data, activation.properties.data) is not None:
        return
    kind = operations()[f"pfrt.{activation.op.data}"]
    assert issubclass(kind, PfrtOp)
    del op.properties["activation"]
    result = op.results[0]
    properties: dict[str, Attribute] = dict(activation.properties.data)
    new = kind.create_op([result], properties, location=op.location)
    new.names, op.names = op.names, None
    Rewriter.insert_op(new, InsertPoint.after(op))
    result.replace_uses_with_if(new.results[0], lambda use: use.operation is not new)


def _split_product(op: SplitOp) -> None:
    shape = shape_of(op.operand) or ()
    if not shape or op.axis.value.data % len(shape) != len(shape) - 1:
        return
    sizes = tuple((shape_of(result) or (DYNAMIC,))[-1] for result in op.results)
    if DYNAMIC in sizes or not _is_splittable(op.operand):
        return
    values = _parts(op.operand, sizes)
    product = op.operand.owner
    for value, result in zip(values, op.results, strict=True):
        value.name_hint = result.name_hint
    Rewriter.replace_op(op, [], values)
    _erase_dead(product)


def _is_splittable(value: SSAValue) -> bool:
    """Whether a value is a product of which nobody needs the whole."""
    op = value.owner
    if not isinstance(op, GemmOp | MatmulOp) or value.get_user_of_unique_use() is None:
        return False
    if obstacle(op) is not None:
        return False
    return op.residual is None or _is_splittable(op.residual)


def _parts(value: SSAValue, sizes: tuple[int, ...]) -> list[SSAValue]:
    """Products for the parts of a product's columns."""
    op = value.owner
    assert isinstance(op, GemmOp | MatmulOp)
    residuals: list[SSAValue | None] = [None] * len(sizes)
    if op.residual is not None:
        residuals = [*_parts(op.residual, sizes)]
    is_gemm = isinstance(op, GemmOp)
    axis = 0 if is_gemm and op.trans_b.value.data else 1
    weight, bias = op.operands[1], op.c if isinstance(op, GemmOp) else op.bias
    found: list[SSAValue] = []
    at = 0
    for size, residual in zip(sizes, residuals, strict=True):
        part = slice(at, at + size)
        at += size
        left = op.operands[0]
        w = _constant(op, weight, (part, slice(None)) if axis == 0 else (slice(None), part))
        b = None if bias is None else _constant(op, bias, (..., part))
        properties = {k: v for k, v in op.properties.items() if k not in ("names", _SEGMENTS)}
        new = type(op).create_op(_operands(op, left, w, b, residual), properties)
        new.location = op.location
        Rewriter.insert_op(new, InsertPoint.before(op))
        found.append(new.results[0])
    return found


_SEGMENTS = "operandSegmentSizes"


def _operands(
    op: GemmOp | MatmulOp, left: SSAValue, weight: SSAValue, bias: SSAValue | None,
    residual: SSAValue | None,
) -> list[SSAValue | None]:  # fmt: skip
    """Operands in the order of the op's definition."""
    by_name = {"a": left, "lhs": left, "b": weight, "rhs": weight, "c": bias, "bias": bias}
    names = [name for name, _ in type(op).get_irdl_definition().operands]
    return [residual if name == "residual" else by_name[name] for name in names]


def _constant(op: Operation, value: SSAValue, part: tuple[object, ...]) -> SSAValue:
    array = constant_of(value)
    assert array is not None
    # One number for all columns stays what it is.
    if array.ndim == 0 or (part[0] is ... and array.shape[-1] == 1):
        return value
    new = ConstantOp.get(np.ascontiguousarray(array[part]))  # pyright: ignore[reportArgumentType, reportCallIssue, reportUnknownArgumentType]
    Rewriter.insert_op(new, InsertPoint.before(op))
    return new.results[0]


def _erase_dead(op: object) -> None:
    """Erase a product that nobody uses any more, and the ones that it added."""
    if not isinstance(op, GemmOp | MatmulOp) or op.results[0].first_use is not None:
        return
    before = [value.owner for value in op.operands]
    op.detach()
    op.erase()
    for owner in before:
        _erase_dead(owner)

"""Compute at compile time what does not depend on the inputs."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter
from xdsl.traits import ConstantLike, HasFolder, is_side_effect_free

from pyflame_rt.dialects.pfrt import operations
from pyflame_rt.dialects.pfrt.attributes import NamesAttr
from pyflame_rt.dialects.pfrt.base import (
    ConstantOperandToProperty,
    PfrtOp,
    constant_of,
    elements,
)
from pyflame_rt.dialects.pfrt.control import ControlOp
from pyflame_rt.dialects.pfrt.data import ConstantOp, ShapeOp, SizeOp
from pyflame_rt.dialects.pfrt.lattice import compatible
from pyflame_rt.dialects.pfrt.names import op_name_of
from pyflame_rt.dialects.pfrt.types import (
    ConstantValue,
    from_properties,
    numpy_dtype,
    static_shape_of,
    tensor_of,
    type_of,
)
from pyflame_rt.dialects.rewriting import carrying_listener, failed
from pyflame_rt.errors import MissingWeightsError
from pyflame_rt.kernels import find
from pyflame_rt.passes.function_calls import (
    enter_call,
    entry_functions,
    inline_calls_in_loops,
    leave_call,
)
from pyflame_rt.passes.shape_inference import infer_op, update_signature

Array = npt.NDArray[Any]

_BOUNDED = frozenset(("pfrt.compress", "pfrt.non_zero", "pfrt.unique"))
"""Ops whose results, of unknown shape, hold at most eight bytes a dimension for each element."""


_EXPENSIVE_FLOPS = 1 << 26
"""Work from which an op of constants may be expensive: some tens of milliseconds of its kernel."""

_EXPENSIVE_REUSE = 16
"""Operations per element read or written from which it is: movement and elementwise ops do one."""


@dataclass(frozen=True)
class PfrtFoldConstantsPass(ModulePass):
    """Replaces ops of constant operands by their results, which their kernels compute.

    Before: `%s = pfrt.shape %x : tensor<2x3xf32> -> tensor<2xi64>`, `%y = pfrt.neg %c` of a constant
    After: `%s = pfrt.constant dense<[2, 3]> : tensor<2xi64>`, `%y = pfrt.constant dense<…>`

    Types are refined on the way, as by `pfrt-infer-shapes`: a folded shape makes later ones known.
    Constants that nothing uses any more are removed. An op that cannot be computed is an error,
    unless it is in a region that perhaps never runs. Weights that are not at hand stay.
    Something in `exclude` that is not in the module is a warning: an earlier pass may have removed
    it.
    """

    name = "pfrt-fold-constants"

    max_bytes: int = 64 * 1024 * 1024
    """A result that is larger than this and than its operands together is not folded."""

    fold_shape_ops: bool = True
    """Whether the shape and the size of a static tensor are folded; canonicalization does it too."""

    fold_expensive_ops: bool = False
    """Whether also those ops of constants are folded that take long to compute: more than 2^26
    operations, and more than 16 for each element they touch, as large matmuls and convolutions."""

    exclude: tuple[str, ...] = ()
    """What is to stay computed at run time: names of values, and op types (`Cast`, `pfrt.cast`)."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        self._warn_of_unknown(op)
        inline_calls_in_loops(op)
        for function in entry_functions(op):
            self._fold_function(ctx, function)
        _remove_unused_constants(op)

    def _fold_function(self, ctx: Context, function: func.FuncOp) -> None:
        for block in function.body.blocks:
            self._fold_block(ctx, block)
        update_signature(function)

    def _fold_block(self, ctx: Context, block: Block) -> None:
        for op in tuple(block.ops):
            if isinstance(op, func.CallOp):
                if (callee := enter_call(op)) is not None:
                    self._fold_function(ctx, callee)
                    leave_call(op, callee)
                continue
            if isinstance(op, PfrtOp) and not isinstance(op, ControlOp | ConstantOp):
                op = _with_known_properties(op)
                infer_op(op)
                self._fold(ctx, op)
                continue
            infer_op(op)
            for region in op.regions:
                for inner in region.blocks:
                    self._fold_block(ctx, inner)
            if op.regions:
                infer_op(op)

    def _warn_of_unknown(self, module: ModuleOp) -> None:
        unknown = set(self.exclude)
        if not unknown:
            return
        for op in module.walk():
            if isinstance(op, PfrtOp):
                unknown.difference_update(_excluding_names(op))
        unknown.difference_update(
            item
            for item in tuple(unknown)
            if op_name_of(item) in operations() or item in operations()
        )
        for item in sorted(unknown):
            warnings.warn(f'{self.name}: nothing is called "{item}" in exclude', stacklevel=2)

    def _is_excluded(self, op: PfrtOp) -> bool:
        if isinstance(op, ShapeOp | SizeOp) and not self.fold_shape_ops:
            return True
        if not self.exclude:
            return False
        return any(
            item in _excluding_names(op) or op_name_of(item) == op.name for item in self.exclude
        )

    def _fold(self, ctx: Context, op: PfrtOp) -> None:
        if self._is_excluded(op):
            return
        folded = _fold_by_rule(op)
        folded = self._evaluate(op) if folded is None else folded
        if folded is None:
            return
        names = op.names.data if op.names is not None else ("",) * len(folded)
        for new, result, name in zip(folded, op.results, names, strict=True):
            if isinstance(new, ConstantOp):
                new.location = op.location
                new.names = NamesAttr.get((name,)) if name else None
                new.result.name_hint = result.name_hint
        new_ops = [new for new in folded if isinstance(new, ConstantOp)]
        values = [new.result if isinstance(new, ConstantOp) else new for new in folded]
        _rewriter(op).replace(op, new_ops, values)

    def _evaluate(self, op: PfrtOp) -> Sequence[ConstantOp] | None:
        """Constants of the results of an op by its kernel; None when it is not to be folded."""
        if not is_side_effect_free(op):
            return None
        slots = op.operand_slots()
        arrays = [None if value is None else constant_of(value) for value in slots]
        if any(a is None and v is not None for a, v in zip(arrays, slots, strict=True)):
            return None
        kernel = find(op.name.removeprefix("pfrt."))
        present = [array for array in arrays if array is not None]
        if kernel is None or not self._fits(op, present):
            return None
        if not self.fold_expensive_ops and _is_expensive(op, present):
            return None
        try:
            with np.errstate(all="ignore"):
                outcome = kernel(*arrays, **from_properties(op.kernel_properties()))
        except MissingWeightsError:
            return None
        except Exception as error:
            if not isinstance(op.parent_op(), func.FuncOp):
                return None
            raise failed(op, f"cannot be computed: {error or type(error).__name__}") from error
        results = cast("tuple[Array, ...]", outcome if isinstance(outcome, tuple) else (outcome,))
        for array, result in zip(results, op.results, strict=True):
            if not compatible(type_of(result), tensor_of(array)):
                raise failed(op, f"was computed as {tensor_of(array)}, declared {result.type}")
        return [ConstantOp.get(array) for array in results]

    def _fits(self, op: PfrtOp, operands: Sequence[Array]) -> bool:
        held = sum(_held_bytes(array) for array in operands)
        limit = max(self.max_bytes, held)
        shapes = [static_shape_of(result) for result in op.results]
        if any(shape is None for shape in shapes):
            return (
                op.name in _BOUNDED and 8 * sum(a.size * max(1, a.ndim) for a in operands) <= limit
            )
        sizes = [numpy_dtype(type_of(result).element_type).itemsize for result in op.results]
        return sum(math.prod(s or ()) * n for s, n in zip(shapes, sizes, strict=True)) <= limit


def _excluding_names(op: PfrtOp) -> tuple[str, ...]:
    """What an op can be excluded by, besides its ONNX type."""
    return (op.name, *(name for name in (op.names.data if op.names is not None else ()) if name))


def _is_expensive(op: PfrtOp, operands: Sequence[Array]) -> bool:
    flops = op.flops()
    if flops is None or flops <= _EXPENSIVE_FLOPS:
        return False
    touched = sum(array.size for array in operands) + sum(elements(r) or 0 for r in op.results)
    return flops > _EXPENSIVE_REUSE * touched


def _held_bytes(array: Array) -> int:
    """The memory behind an array: one element for a broadcast scalar."""
    return array.itemsize if not any(array.strides) else array.nbytes


def _with_known_properties(op: PfrtOp) -> PfrtOp:
    """The op with its constant operands as properties where it has them."""
    if not op.DYNAMIC_PROPERTIES:
        return op
    before = op.prev_op
    block = cast(Block, op.parent)
    ConstantOperandToProperty().match_and_rewrite(op, _rewriter(op))
    return cast(PfrtOp, block.first_op if before is None else before.next_op)


def _fold_by_rule(op: PfrtOp) -> Sequence[SSAValue | ConstantOp] | None:
    """What the op's own folder gives, which needs no values: the shape of a static tensor."""
    folder = op.get_trait(HasFolder)
    folded = None if folder is None else folder.fold(op)
    if folded is None:
        return None
    return [
        new if isinstance(new, SSAValue) else ConstantOp.of(cast(ConstantValue, new), type_of(old))
        for new, old in zip(folded, op.results, strict=True)
    ]


def _rewriter(op: Operation) -> PatternRewriter:
    rewriter = PatternRewriter(op)
    rewriter.extend_from_listener(carrying_listener())
    return rewriter


def _remove_unused_constants(module: ModuleOp) -> None:
    for op in tuple(_constants(module)):
        if not any(result.uses for result in op.results):
            op.detach()
            op.erase()


def _constants(module: ModuleOp) -> Iterator[Operation]:
    return (op for op in module.walk() if isinstance(op, PfrtOp) and op.has_trait(ConstantLike))

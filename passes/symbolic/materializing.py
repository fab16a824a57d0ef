"""IR for sizes: read from the value they come from, by as few ops as possible."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from xdsl.dialects.builtin import i64
from xdsl.ir import Block, Operation, OpResult, SSAValue

from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.data import ConstantOp, ShapeOp
from pyflame_rt.dialects.pfrt.pieces import ConcatOp
from pyflame_rt.dialects.pfrt.shape import SqueezeOp
from pyflame_rt.dialects.pfrt.types import type_of
from pyflame_rt.passes.symbolic.facts import Facts, Sizes
from pyflame_rt.passes.symbolic.sizes import symbol_of

Piece = tuple[SSAValue, int, int] | tuple[int, ...]
"""Dimensions from one to another (excluded) of a value, or numbers."""


class Materializer:
    """Makes values of sizes, each size once, right behind the value whose dimension it is."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._read: dict[tuple[SSAValue, int, int], SSAValue] = {}
        self._numbers: dict[tuple[Block, Sizes], SSAValue] = {}

    def value_of(self, op: PfrtOp, contents: Sizes) -> SSAValue | None:
        """A value to use instead of an op's result, a tensor of i64 that holds these integers.

        None when the op is as good, or when an integer is not the size of anything visible.
        """
        (result,) = op.results
        if type_of(result).element_type != i64:
            return None
        pieces = self._pieces(op, contents)
        if pieces is None:
            return None
        if isinstance(op, ShapeOp):
            if len(pieces) > 1 or _reads(op) == pieces[0]:
                first = self._read.setdefault(_reads(op), op.result)
                return None if first is op.result else first
        elif isinstance(op, SqueezeOp) and self._is_read(op.operand):
            return None
        values = [self._value(op, piece) for piece in pieces]
        if len(cast(Any, result.type).get_shape()) == 0:
            return self._insert(op, SqueezeOp.create_op([values[0], None], {"axes": (0,)}))
        if len(values) == 1:
            return values[0]
        if isinstance(op, ConcatOp) and list(op.operands) == values:
            return None
        return self._insert(op, ConcatOp.create_op([values], {"axis": 0}))

    def _insert(self, op: PfrtOp, new: PfrtOp) -> SSAValue:
        cast(Block, op.parent).insert_op_before(new, op)
        return new.results[0]

    def _is_read(self, value: SSAValue) -> bool:
        owner = value.owner
        return isinstance(owner, ShapeOp) and self._read.get(_reads(owner)) is value

    def _value(self, op: PfrtOp, piece: Piece) -> SSAValue:
        match piece:
            case (SSAValue() as source, int() as start, int() as end):
                return self._dimensions(source, start, end)
            case numbers:
                return self._constant(op, numbers)

    def _dimensions(self, source: SSAValue, start: int, end: int) -> SSAValue:
        key = (source, start, end)
        if key not in self._read:
            rank = len(self._facts.shape(source) or ())
            bounds = {"start": start} if end == rank else {"start": start, "end": end}
            new = ShapeOp.create_op([source], bounds)
            if isinstance(source, OpResult):
                block = cast(Block, source.op.parent)
                block.insert_op_after(new, source.op)
                new.location = source.op.location
            else:
                block = cast(Block, source.owner)
                block.insert_op_before(new, cast(Operation, block.first_op))
            self._facts.set_contents(new.result, (self._facts.shape(source) or ())[start:end])
            self._read[key] = new.result
        return self._read[key]

    def _constant(self, op: PfrtOp, numbers: tuple[int, ...]) -> SSAValue:
        if isinstance(op, ConcatOp):
            # The one that is there, if the concat takes just these numbers already.
            for operand in op.operands:
                if (
                    self._facts.contents(operand) == numbers
                    and type_of(operand).element_type == i64
                ):
                    return operand
        key = (cast(Block, op.parent), numbers)
        if key not in self._numbers:
            new = ConstantOp.get(np.array(numbers, np.int64), location=op.location)
            self._numbers[key] = self._insert(op, new)
        return self._numbers[key]

    def _pieces(self, op: PfrtOp, contents: Sizes) -> list[Piece] | None:
        """The integers as runs of dimensions of one value and runs of numbers."""
        pieces: list[Piece] = []
        numbers: list[int] = []
        index = 0
        while index < len(contents):
            size = contents[index]
            if isinstance(size, int):
                numbers.append(size)
                index += 1
                continue
            symbol = symbol_of(size)
            source = None if symbol is None else self._facts.source(symbol)
            if symbol is None or source is None or not _is_visible(source, op):
                return None
            shape = self._facts.shape(source) or ()
            start, end = symbol.axis, symbol.axis + 1
            while start > 0 and numbers and shape[start - 1] == numbers[-1]:
                numbers.pop()
                start -= 1
            index += 1
            while end < len(shape) and index < len(contents) and shape[end] == contents[index]:
                end += 1
                index += 1
            if numbers:
                pieces.append(tuple(numbers))
                numbers = []
            pieces.append((source, start, end))
        if numbers:
            pieces.append(tuple(numbers))
        return pieces


def _reads(op: ShapeOp) -> tuple[SSAValue, int, int]:
    rank = len(cast(Any, op.operand.type).get_shape())
    start, end, _ = slice(op.start.value.data, op.end and op.end.value.data).indices(rank)
    return op.operand, start, end


def _is_visible(source: SSAValue, op: Operation) -> bool:
    """Whether a value that comes before an op is defined in a block around it."""
    home = source.op.parent if isinstance(source, OpResult) else source.owner
    block = op.parent
    while block is not None and block is not home:
        parent = block.parent_op()
        block = None if parent is None else parent.parent
    return block is not None

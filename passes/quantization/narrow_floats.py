"""Floats of 16 bits for those of 32."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from xdsl.dialects.builtin import ModuleOp, f32
from xdsl.ir import Operation, SSAValue
from xdsl.rewriter import Rewriter
from xdsl.utils.exceptions import VerifyException

from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.data import CastOp, ConstantOp
from pyflame_rt.dialects.pfrt.fused import FusedOp
from pyflame_rt.dialects.pfrt.types import element_type, is_tensor, shape_of, tensor
from pyflame_rt.passes.quantization.placing import Place
from pyflame_rt.passes.quantization.products import Outcome, is_excluded

_LARGEST = {"float16": 65504.0, "bfloat16": 2.0**128 - 2.0**120}


def make_narrow(
    module: ModuleOp, narrow: np.dtype[Any], exclude: Collection[str], outcome: Outcome
) -> None:
    """Make ops of f32 ops of a narrow type; what is excluded, and what takes no such type, stays.

    Constants become narrow where only narrow ops use them. Arguments and results stay f32.
    """
    blocks = [b for op in module.walk() for r in op.regions for b in r.blocks]
    for block in blocks:
        if not isinstance(block.parent_op(), ModuleOp | FusedOp):
            _Narrowing(narrow, exclude, outcome).narrow(tuple(block.ops))


class _Narrowing:
    """The values of one block that are there in the narrow type."""

    def __init__(self, narrow: np.dtype[Any], exclude: Collection[str], outcome: Outcome) -> None:
        self._dtype = narrow
        self._type = element_type(narrow)
        self._exclude = exclude
        self._outcome = outcome
        self._narrow: dict[SSAValue, SSAValue] = {}
        self._widened: list[Operation] = []

    def narrow(self, ops: Collection[Operation]) -> None:
        """Rewrite ops, in order."""
        constants = [op for op in ops if isinstance(op, ConstantOp)]
        for op in ops:
            if not isinstance(op, PfrtOp) or isinstance(op, ConstantOp) or op.regions:
                continue
            if not any(map(_is_wide, (*op.operands, *op.results))):
                continue
            if is_excluded(op, self._exclude):
                self._outcome.skip(op, "it is excluded")
            elif why := self._unfit(op):
                self._outcome.skip(op, why)
            else:
                self._rewrite(op)
        for op in (*reversed(self._widened), *constants):
            if not op.results[0].uses:
                Rewriter.erase_op(op)

    def _unfit(self, op: PfrtOp) -> str:
        """Why an op stays as it is."""
        if isinstance(op, CastOp):
            return "it converts on purpose"
        for value in op.operands:
            array = constant_of(value)
            if array is None or not _is_wide(value):
                continue
            largest = _LARGEST[self._dtype.name]
            if np.isfinite(array).all() and np.abs(array).max(initial=0) > largest:
                return f"a constant of it is larger than the largest number of {self._type}"
        return ""

    def _rewrite(self, op: PfrtOp) -> None:
        at = Place(op)
        operands = [self._narrowed(v, op) if _is_wide(v) else v for v in op.operands]
        kinds = [tensor(self._type, shape_of(r)) if _is_wide(r) else r.type for r in op.results]
        new = type(op).create(operands=operands, result_types=kinds, properties=dict(op.properties))
        new.attributes.update(op.attributes)
        new.location = op.location
        try:
            new.verify()
        except VerifyException:
            new.drop_all_references()
            self._outcome.skip(op, f"it takes no {self._dtype.name}")
            return
        at.add(new)
        results: list[SSAValue] = []
        for old, result in zip(op.results, new.results, strict=True):
            if not _is_wide(old):
                results.append(result)
                continue
            wide = at.emit("cast", [result], {"to": np.dtype(np.float32)})
            self._widened.append(at.made[-1])
            self._narrow[wide] = result
            results.append(wide)
        self._outcome.done(op)
        Rewriter.replace_op(op, [], results)

    def _narrowed(self, value: SSAValue, user: PfrtOp) -> SSAValue:
        if (known := self._narrow.get(value)) is not None:
            return known
        array = constant_of(value)
        at = Place.after(value)
        if array is not None:
            with np.errstate(over="ignore"):
                found = at.constant(array.astype(self._dtype))
            self._outcome.weights += 1
        else:
            found = at.emit("cast", [value], {"to": self._dtype})
        self._narrow[value] = found
        return found


def _is_wide(value: SSAValue) -> bool:
    return is_tensor(value.type) and value.type.element_type == f32

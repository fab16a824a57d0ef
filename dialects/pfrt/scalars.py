"""Parameters that are one number: an i64 property or, when known only at run time, an operand."""

from __future__ import annotations

from abc import ABC
from typing import Any, cast

import numpy as np
from xdsl.dialects.builtin import IntegerAttr, i64
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import opt_prop_def

from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.parameters import is_given
from pyflame_rt.dialects.pfrt.types import DYNAMIC, Array, dtype_of, shape_of

INDICES = frozenset({"int32", "int64"})
"""NumPy names of the types that indices have."""


def optional_int_property() -> IntegerAttr[Any] | None:
    """An i64 property, or nothing."""
    return cast("IntegerAttr[Any] | None", opt_prop_def(IntegerAttr.constr(i64)))


class ScalarParameterOp(PfrtOp, ABC):
    """An op whose dynamic properties are single numbers."""

    @classmethod
    def constant_property(cls, name: str, array: Array) -> Attribute | None:
        """As i64, whatever the type and the rank of the operand; floats are truncated."""
        if array.size != 1 or not np.isfinite(number := array.reshape(-1)[0]):
            return None
        whole = int(number)
        return IntegerAttr(whole, 64) if -(2**63) <= whole < 2**63 else None

    def known_number(self, name: str) -> int | None:
        """A parameter's value: its property, or its operand's if that is constant."""
        attr = cast("IntegerAttr[Any] | None", getattr(self, name))
        value = cast(SSAValue | None, getattr(self, f"{name}_value"))
        array = None if value is None else constant_of(value)
        if attr is None and array is not None:
            attr = cast("IntegerAttr[Any] | None", self.constant_property(name, array))
        return None if attr is None else attr.value.data

    def check_number(
        self, constraint: str, name: str, allowed: frozenset[str], *, required: bool = True
    ) -> None:
        """Require that a parameter given as an operand is one number of an allowed type, and that
        it is given at all if `required`."""
        if required:
            given = is_given(self, name)
            self.require(constraint, given, f"needs {name}, a property or an operand")
        value = cast(SSAValue | None, getattr(self, f"{name}_value"))
        if value is None:
            return
        is_one = shape_of(value) in (None, (), (1,), (DYNAMIC,))
        fits = is_one and dtype_of(value).name in allowed
        self.require(constraint, fits, f"{name} must be one number, got {value.type}")

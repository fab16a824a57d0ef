"""The check dialect: numeric expectations inside IR, for tests.

Both backends execute its ops; `expect` is what they call.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import FloatAttr, f32
from xdsl.ir import Attribute, Dialect, SSAValue
from xdsl.irdl import IRDLOperation, irdl_op_definition, operand_def, prop_def
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from pyflame_rt.dialects.pfrt.base import TensorConstraint
from pyflame_rt.dialects.pfrt.lattice import compatible
from pyflame_rt.dialects.pfrt.types import STRING, from_properties, type_of
from pyflame_rt.errors import BackendError

Array = npt.NDArray[Any]

_MAX_SHOWN = 60


class ExpectOp(IRDLOperation):
    """Base of the check ops: two tensors, of one printed type when their types are equal.

    Without an effect trait, so that nothing removes them.
    """

    actual = operand_def(TensorConstraint)
    expected = operand_def(TensorConstraint)

    @classmethod
    def parse(cls, parser: Parser) -> ExpectOp:
        operands = [parser.parse_unresolved_operand()]
        parser.parse_punctuation(",")
        operands.append(parser.parse_unresolved_operand())
        position = parser.pos
        attributes: dict[str, Attribute] = parser.parse_optional_attr_dict()
        if unknown := attributes.keys() - cls.get_irdl_definition().properties.keys():
            parser.raise_error(f"{cls.name} has no property {sorted(unknown)[0]}", position)
        parser.parse_punctuation(":")
        kind = parser.parse_type()
        other = parser.parse_type() if parser.parse_optional_punctuation(",") else kind
        values = parser.resolve_operands(operands, [kind, other], position)
        return cls.build(operands=values, properties=attributes)

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        printer.print_list(self.operands, printer.print_ssa_value)
        defaults = self.get_irdl_definition().properties
        printer.print_op_attributes(
            {n: a for n, a in self.properties.items() if a != defaults[n].default_value}
        )
        printer.print_string(" : ")
        kinds: list[Attribute] = [self.actual.type]
        if self.expected.type != self.actual.type:
            kinds.append(self.expected.type)
        printer.print_list(kinds, printer.print_attribute)

    def verify_(self) -> None:
        if not compatible(type_of(self.actual), type_of(self.expected)):
            raise VerifyException(
                f"{self.name}: C1: {self.actual.type} and {self.expected.type} cannot be equal"
            )

    def arguments(self) -> dict[str, float]:
        """The tolerances to call `expect` with."""
        present = {name: getattr(self, name) for name in self.get_irdl_definition().properties}
        return cast("dict[str, float]", from_properties(present))


@irdl_op_definition
class CheckExpectEqOp(ExpectOp):
    """Fails the run unless two tensors are equal; NaN equals NaN.

    ```mlir
    check.expect_eq %y, %expected : tensor<4xi64>
    ```
    C1: the types agree; where they differ in `?`, both are printed: `: tensor<?xi64>, tensor<4xi64>`.
    """

    name = "check.expect_eq"

    def __init__(self, actual: SSAValue, expected: SSAValue):
        super().__init__(operands=[actual, expected])


@irdl_op_definition
class CheckExpectCloseOp(ExpectOp):
    """Fails the run unless |actual - expected| <= atol + rtol * |expected|; NaN equals NaN.

    ```mlir
    check.expect_close %y, %expected {rtol = 1.000000e-03 : f32} : tensor<4xf32>
    ```
    C1: the types agree; where they differ in `?`, both are printed.
    """

    name = "check.expect_close"

    rtol = prop_def(FloatAttr, default_value=FloatAttr(1e-5, f32))
    atol = prop_def(FloatAttr, default_value=FloatAttr(1e-8, f32))

    def __init__(
        self, actual: SSAValue, expected: SSAValue, *, rtol: float = 1e-5, atol: float = 1e-8
    ):
        super().__init__(
            operands=[actual, expected],
            properties={"rtol": FloatAttr(rtol, f32), "atol": FloatAttr(atol, f32)},
        )


OPS: tuple[type[ExpectOp], ...] = (CheckExpectEqOp, CheckExpectCloseOp)
"""The ops of the dialect."""


def get_check() -> Dialect:
    """The dialect object."""
    return Dialect("check", list(OPS), [])


def expect(
    actual: Array, expected: Array, *, rtol: float = 0.0, atol: float = 0.0, where: str
) -> None:
    """What both ops do; without tolerances, `check.expect_eq`.

    Raises BackendError at `where`, with the first differing index.
    """
    if (why := difference(actual, expected, rtol=rtol, atol=atol)) is not None:
        raise BackendError(why, where=where)


def difference(
    actual: Array, expected: Array, *, rtol: float = 0.0, atol: float = 0.0
) -> str | None:
    """How two arrays differ, None when they do not. Infinities are close to themselves only."""
    if actual.dtype != expected.dtype:
        left, right = (
            "strings" if array.dtype == STRING else array.dtype.name for array in (actual, expected)
        )
        return f"got {left}, expected {right}"
    if actual.shape != expected.shape:
        return f"got shape {list(actual.shape)}, expected {list(expected.shape)}"
    left, right = _widened(actual), _widened(expected)
    with np.errstate(all="ignore"):
        same = left == right
        if left.dtype.kind in "fc":
            same |= np.isnan(left) & np.isnan(right)
        if (rtol or atol) and left.dtype.kind != "O":
            same |= np.isfinite(right) & (_distance(left, right) <= atol + rtol * np.abs(right))
    if same.all():
        return None
    index = tuple(int(i) for i in np.argwhere(~same)[0])
    wrong = int(same.size - np.count_nonzero(same))
    return (
        f"got {_shown(left[index])}, expected {_shown(right[index])} at index {list(index)}; "
        f"{wrong} of {same.size} elements differ"
    )


def _shown(element: object) -> str:
    if not isinstance(element, str):
        return str(element)
    return ascii(element if len(element) <= _MAX_SHOWN else f"{element[:_MAX_SHOWN]}…")


def _widened(array: Array) -> Array:
    """Extension floats and sub-byte integers in a type that NumPy computes with."""
    match array.dtype.kind:
        case "V" if "int" in array.dtype.name:
            return array.astype(np.int64)
        case "f" | "V":
            return array.astype(np.float64)
        case "c":
            return array.astype(np.complex128)
        case _:
            return array


def _distance(left: Array, right: Array) -> Array:
    """|left - right| without overflow of integers."""
    if left.dtype.kind in "fc":
        return np.abs(left - right)
    return np.abs(left.astype(np.float64) - right.astype(np.float64))

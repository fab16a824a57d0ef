"""The text of small constants: `dense<[1, 2]> as "name" : tensor<2xi64>`, the type said last.

The text carries every value exactly, also those that `dense` as a builtin attribute does not:
non-finite and very large floats, and the extension types.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias, cast

import ml_dtypes
import numpy as np
from xdsl.dialects.builtin import (
    AnyFloat,
    BytesAttr,
    ComplexType,
    DenseIntOrFPElementsAttr,
    TensorType,
)
from xdsl.parser import Parser
from xdsl.printer import Printer

from pyflame_rt.dialects.pfrt.types import (
    DYNAMIC,
    Array,
    constant_array,
    element_type,
    is_element_type,
    numpy_dtype,
)

Number: TypeAlias = int | float
Nested: TypeAlias = "Number | list[Nested]"
Literal: TypeAlias = "Nested | bytes"
"""What stands between the angle brackets: numbers nested as their tensor, or raw bytes."""

_MAX_LISTED = 100
"""Longer constants are written as the hexadecimal digits of their bytes, as MLIR does."""

_MAX_RANK = 64
_MAX_BYTES = 1 << 30


def parse_literal(parser: Parser) -> Literal:
    """Parse `<…>` after `dense`, before the type is known."""
    with parser.in_angle_brackets():
        if (text := parser.parse_optional_str_literal()) is not None:
            if not text.startswith(("0x", "0X")):
                parser.raise_error("a string in a dense literal must be hexadecimal digits: 0x…")
            try:
                return bytes.fromhex(text[2:])
            except ValueError:
                parser.raise_error("a string in a dense literal must be hexadecimal digits: 0x…")
        nested = _parse_nested(parser, 0)
        return [] if nested is None else nested


def _parse_nested(parser: Parser, depth: int) -> Nested | None:
    if depth > _MAX_RANK:
        parser.raise_error(f"a dense literal is nested more than {_MAX_RANK} deep")
    rows = parser.parse_optional_comma_separated_list(
        parser.Delimiter.SQUARE,
        lambda: parser.expect(lambda: _parse_nested(parser, depth + 1), "expected a number"),
    )
    return parser.parse_optional_number(allow_boolean=True) if rows is None else rows


def typed_literal(
    parser: Parser, literal: Literal, kind: TensorType[Any]
) -> DenseIntOrFPElementsAttr[Any]:
    """The dense attribute of a literal and its type; a parse error when they do not fit."""
    shape = kind.get_shape()
    if DYNAMIC in shape or not is_element_type(kind.element_type):
        parser.raise_error(f"a dense literal cannot have the type {kind}")
    dtype, count = numpy_dtype(kind.element_type), math.prod(shape)
    if count * dtype.itemsize > _MAX_BYTES:
        parser.raise_error(f"a dense literal of type {kind} is too large; use constant_of_shape")
    data = literal if isinstance(literal, bytes) else _encode(parser, literal, kind)
    if len(data) == dtype.itemsize:
        data *= count
    if len(data) != count * dtype.itemsize:
        parser.raise_error(f"a dense literal of {len(data)} bytes does not fill {kind}")
    return DenseIntOrFPElementsAttr(kind, BytesAttr(data))


def _encode(parser: Parser, literal: Nested, kind: TensorType[Any]) -> bytes:
    element = kind.element_type
    if isinstance(element, ComplexType):
        parser.raise_error("complex constants are written as hexadecimal digits")
    shape = _literal_shape(literal)
    if shape is None:
        parser.raise_error("the rows of a dense literal differ in length")
    if shape not in ((), kind.get_shape()) and not (shape == (0,) and 0 in kind.get_shape()):
        parser.raise_error(f"a dense literal of shape {list(shape)} cannot have the type {kind}")
    dtype, numbers = numpy_dtype(element), _flatten(literal)
    if isinstance(element, AnyFloat):
        try:
            wide = np.array(numbers, np.float64)
        except OverflowError:
            parser.raise_error("a number in a dense literal is too large for a float")
        with np.errstate(over="ignore"):
            return wide.astype(dtype).tobytes()
    low, high = (0, 1) if dtype == np.bool_ else _int_range(dtype)
    for number in numbers:
        if isinstance(number, float) or not low <= number <= high:
            parser.raise_error(f"{number} is not an element of {kind}")
    if dtype == np.bool_:
        return bytes(0xFF if number else 0 for number in numbers)
    return np.array(numbers, np.uint64 if low == 0 else np.int64).astype(dtype).tobytes()


def _int_range(dtype: np.dtype[Any]) -> tuple[int, int]:
    info = ml_dtypes.iinfo(dtype)
    return int(info.min), int(info.max)


def _literal_shape(literal: Nested) -> tuple[int, ...] | None:
    if not isinstance(literal, list):
        return ()
    rows = {_literal_shape(row) for row in literal}
    if len(rows) > 1 or None in rows:
        return None
    return (len(literal), *(rows.pop() or ())) if rows else (0,)


def _flatten(literal: Nested) -> list[Number]:
    if not isinstance(literal, list):
        return [literal]
    return [number for row in literal for number in _flatten(row)]


def print_literal(printer: Printer, value: DenseIntOrFPElementsAttr[Any]) -> None:
    """Print `dense<…>` without the type; `parse_literal` and `typed_literal` give it back."""
    array = cast(Array, constant_array(value))
    printer.print_string("dense")
    with printer.in_angle_brackets():
        if array.size == 0:
            return
        text = _splat_text(array) or _nested_text(array)
        printer.print_string(text or f'"0x{value.data.data.hex().upper()}"')


def _splat_text(array: Array) -> str | None:
    data, size = array.tobytes(), array.itemsize
    return _number_text(array.reshape(-1)[0]) if data == data[:size] * array.size else None


def _nested_text(array: Array) -> str | None:
    if array.size > _MAX_LISTED:
        return None
    if array.ndim == 0:
        return _number_text(array[()])
    rows = [_nested_text(row) for row in array]
    return None if None in rows else f"[{', '.join(cast(list[str], rows))}]"


def _number_text(number: Any) -> str | None:
    """The text that parses to exactly this number; None when only its bytes will do."""
    dtype: np.dtype[Any] = number.dtype
    if dtype.kind == "c":
        return None
    if dtype == np.bool_:
        return "true" if number else "false"
    if not isinstance(element_type(dtype), AnyFloat):
        return str(int(number))
    value = float(number)
    if not math.isfinite(value):
        return None
    rounded = f"{value:.6e}"
    if float(np.float64(rounded).astype(dtype)) == value:
        return rounded
    exact = f"{value!r}"
    mantissa, e, exponent = exact.partition("e")
    return exact if "." in mantissa else f"{mantissa}.0{e}{exponent}"

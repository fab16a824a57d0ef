"""Masks in the IR: what was pruned stands at the constant that it was pruned of.

```mlir
%w = pfrt.constant #pfrt.weight<"…"> as "fc.weight" {pfrt.pruned = {criterion = "magnitude",
       granularity = "nm", pattern = array<i64: 2, 4>, mask = dense<…>}} : tensor<8x16xf32>
```
The mask has one bit an element, the first in the highest bit of a byte; a long one is a weight.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import DenseArrayBase, DictionaryAttr, StringAttr, i64
from xdsl.ir import Attribute

from pyflame_rt.dialects.pfrt.attributes import PRUNED
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.types import (
    ConstantValue,
    constant_array,
    constant_attr,
    static_shape_of,
)

Mask: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Record:
    """How a constant was pruned: `pattern` is N and M, or the size of blocks, else empty."""

    granularity: str
    criterion: str
    mask: Mask
    """Of the constant's shape, true for what stays."""
    pattern: tuple[int, ...] = ()


def write(constant: ConstantOp, record: Record) -> None:
    """Note at a constant how it was pruned."""
    bits = np.packbits(record.mask.reshape(-1))
    entries: dict[str, Attribute] = {
        "criterion": StringAttr(record.criterion),
        "granularity": StringAttr(record.granularity),
        "mask": constant_attr(bits),
    }
    if record.pattern:
        entries["pattern"] = DenseArrayBase.from_list(i64, list(record.pattern))
    constant.attributes[PRUNED] = DictionaryAttr(entries)


def read(constant: ConstantOp) -> Record | None:
    """How a constant was pruned; None when nothing (or nothing readable) is noted."""
    found = constant.attributes.get(PRUNED)
    shape = static_shape_of(constant.result)
    if not isinstance(found, DictionaryAttr) or shape is None:
        return None
    bits = found.data.get("mask")
    array = None if bits is None else _array(bits)
    size = math.prod(shape)
    if array is None or array.dtype != np.uint8 or array.size != -(-size // 8):
        return None
    mask = np.unpackbits(array.reshape(-1), count=size).astype(np.bool_).reshape(shape)
    return Record(
        _text(found.data.get("granularity")),
        _text(found.data.get("criterion")),
        mask,
        tuple(_numbers(found.data.get("pattern"))),
    )


def _array(attr: Attribute) -> npt.NDArray[Any] | None:
    try:
        return constant_array(cast(ConstantValue, attr))
    except (TypeError, ValueError, AttributeError):
        # Anybody can write any attribute.
        return None


def _text(attr: Attribute | None) -> str:
    return attr.data if isinstance(attr, StringAttr) else ""


def _numbers(attr: Attribute | None) -> Sequence[int]:
    if not isinstance(attr, DenseArrayBase):
        return ()
    return [int(number) for number in cast("DenseArrayBase[Any]", attr).get_values()]

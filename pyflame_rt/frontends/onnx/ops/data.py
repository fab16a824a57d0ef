"""Rules for constants, and for what describes or converts tensors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.types import type_of
from pyflame_rt.dtypes import strings
from pyflame_rt.frontends.onnx.builder import Array, NodeBuilder
from pyflame_rt.frontends.onnx.rules import Rule, onnx_op, row

_FORMS = (
    "value", "sparse_value", "value_float", "value_floats", "value_int", "value_ints",
    "value_string", "value_strings",
)  # fmt: skip


def constant_value(b: NodeBuilder) -> Array:
    """The array of a Constant, in whichever attribute it is."""
    b.limit_inputs(0)
    given = [form for form in _FORMS if form in b.node.attributes]
    if len(given) != 1:
        raise b.error(f"needs one of the attributes {', '.join(_FORMS)}, got {len(given)}")
    array: Array | None
    match given[0]:
        case "value":
            array = b.tensor("value")
        case "sparse_value":
            array = b.sparse_tensor("sparse_value")
        case "value_float":
            array = np.array(b.number("value_float"), np.float32)
        case "value_floats":
            array = np.array(b.numbers("value_floats"), np.float32)
        case "value_int":
            array = np.array(b.integer("value_int"), np.int64)
        case "value_ints":
            array = np.array(b.integers("value_ints"), np.int64)
        case "value_string":
            array = strings((b.text("value_string", ""),), ())
        case _:
            texts = b.texts("value_strings") or ()
            array = strings(texts, (len(texts),))
    if array is None:
        raise b.missing(given[0])
    return array


@onnx_op("CastLike", since=15)
def cast_like(b: NodeBuilder) -> Sequence[SSAValue]:
    """Only the second input's type matters."""
    b.limit_inputs(2)
    return b.emit(
        "cast",
        [b.operand(0)],
        {
            "to": type_of(b.operand(1)).element_type,
            "saturate": b.flag("saturate"),
            "round_mode": b.text("round_mode"),
        },
    )


RULES: tuple[Rule, ...] = (
    row("BitCast", 26, "to: dtype!"),
    # In opset 1 the type is a word.
    row("Cast", 6, "to: dtype!, saturate: flag, round_mode: string"),
    cast_like,
    Rule("Constant", 1, constant=constant_value),
    row("ConstantOfShape", 9, "value: tensor"),
    row("Range", 11, "stash_type: int"),
    row("Shape", 1, "start: int, end: int"),
    row("Size", 1),
)
"""The rules of this family."""

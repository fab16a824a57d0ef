"""Ops of custom operators: nodes of the operator's own domain."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from xdsl.ir import Operation

from pyflame_rt.dialects.custom.registry import find
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.frontends.onnx.export.nodes import AttributeEntry, AttributeValue, Node, Refused

_KINDS = {int: ("INT", "INTS"), float: ("FLOAT", "FLOATS"), str: ("STRING", "STRINGS")}


def custom_nodes(op: Operation) -> Sequence[Node]:
    """The node of an op that is not pfrt's. Raises Refused when it is no custom operator's."""
    found = find(op)
    if found is None or not isinstance(op, PfrtOp):
        raise Refused("only ops of pfrt and of custom operators are nodes")
    return [
        Node(
            found.op_type,
            op.operand_slots(),
            tuple(op.results),
            {name: _entry(name, value) for name, value in found.attributes.items()},
            found.domain,
            found.version,
        )
    ]


def _entry(name: str, value: object) -> AttributeEntry:
    match value:
        case np.ndarray():
            return _entry(name, tuple(value.reshape(-1).tolist()))
        case bool():
            return AttributeEntry(int(value), "INT")
        case int() | float() | str():
            return AttributeEntry(value, _KINDS[type(value)][0])
        case tuple():
            items: AttributeValue = value  # pyright: ignore[reportUnknownVariableType]
            kind = type(value[0]) if value else int  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
            return AttributeEntry(items, _KINDS[kind][1])
        case _:
            raise Refused(f"attribute {name} has a value that no attribute can have")

"""The versions of ONNX's operators that models of opset 7 and later use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import onnx.defs
from onnx.defs import OpSchema

FIRST = 7
"""The oldest opset that counts."""

NEWEST_JUDGED = 26
"""The newest opset that ONNX Runtime 1.31 accepts."""


@dataclass(frozen=True, order=True)
class Version:
    """The definition of `op` for the opsets `since` to `last`, both included."""

    op: str
    since: int
    last: int

    def __str__(self) -> str:
        return f"{self.op}-{self.since}"

    @property
    def opsets(self) -> tuple[int, ...]:
        """The first opset that counts, and the last."""
        return tuple(sorted({max(self.since, FIRST), self.last}))

    @property
    def schema(self) -> OpSchema:
        """The definition."""
        return schemas()[self.op][self.since]


@cache
def schemas() -> Mapping[str, Mapping[int, OpSchema]]:
    """The definitions of ONNX's own operators by name and opset."""
    found: dict[str, dict[int, OpSchema]] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if not schema.domain:
            found.setdefault(schema.name, {})[schema.since_version] = schema
    return found


@cache
def versions() -> tuple[Version, ...]:
    """Every version that some opset from 7 on has, but for those that only forbid the operator."""
    newest = onnx.defs.onnx_opset_version()
    found: list[Version] = []
    for op, history in schemas().items():
        starts = sorted(history)
        ends = [*(start - 1 for start in starts[1:]), newest]
        for since, last in zip(starts, ends, strict=True):
            if last >= FIRST and not history[since].deprecated:
                found.append(Version(op, since, last))
    return tuple(sorted(found))


def version_at(op: str, opset: int) -> int:
    """The version of an operator that an opset has; 0 when it has none."""
    return max((since for since in schemas().get(op, ()) if since <= opset), default=0)


def only_types_differ(op: str, opset: int) -> bool:
    """Whether an opset's version of an operator says what the one before it did, of other types."""
    since = version_at(op, opset)
    before = version_at(op, since - 1)
    return before > 0 and _meaning(schemas()[op][since]) == _meaning(schemas()[op][before])


def _meaning(schema: OpSchema) -> tuple[object, ...]:
    attributes = [
        (a.name, a.required, a.default_value.SerializeToString())
        for a in schema.attributes.values()
    ]
    parameters = [(p.name, p.option) for p in (*schema.inputs, *schema.outputs)]
    return schema.doc.split(), sorted(attributes), parameters

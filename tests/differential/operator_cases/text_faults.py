"""What ONNX Runtime does of its own with texts."""

from __future__ import annotations

from operator_cases.case import Case
from operator_cases.fault import Fault


def _splits_nothing(case: Case) -> bool:
    return bool(case.attributes.get("delimiter")) and "" in case.arrays[0].reshape(-1).tolist()


FAULTS: tuple[Fault, ...] = (
    Fault(
        "empty-text-has-no-part",
        ("StringSplit",),
        "between delimiters an empty text has no part, though its neighbours have one that is empty",
        _splits_nothing,
    ),
)
"""Of the family `text`."""

"""Where ONNX Runtime is no judge: what it does instead, and of which cases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from operator_cases.case import Case


@dataclass(frozen=True)
class Fault:
    """What ONNX Runtime does, of which operators, where `applies`."""

    name: str
    ops: tuple[str, ...]
    what: str
    applies: Callable[[Case], bool]

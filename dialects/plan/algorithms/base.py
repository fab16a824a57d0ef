"""What an entry of the table of algorithms says."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from xdsl.dialects.builtin import MemRefType

from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.layouts import LayoutOp
from pyflame_rt.dialects.pfrt.types import dtype_of

Buffers: TypeAlias = Sequence[MemRefType[Any]]

ALGORITHM = "plan.algorithm"
"""The attribute of an op that names its algorithm."""

_NATIVE_KINDS = "biufc"
FAST_FLOATS = ("float32", "float64")
"""Element types that NumPy computes with as fast as memory is."""


EVERY = range(1 << 31)
"""All inputs, however many there are."""


def no_scratch(op: PfrtOp) -> Buffers:
    """The scratch of an algorithm that needs none."""
    return ()


def native(op: PfrtOp) -> bool:
    """Whether every operand and result has a type that NumPy computes in directly.

    Half precision and the extension types are left to the kernels, which widen and round once.
    """
    dtypes = [dtype_of(value) for value in (*op.operands, *op.results)]
    return all(d.kind in _NATIVE_KINDS and d.name != "float16" for d in dtypes)


def floats(op: PfrtOp) -> bool:
    """Whether every operand and result holds f32 or f64."""
    return all(dtype_of(value).name in FAST_FLOATS for value in (*op.operands, *op.results))


def channels_first(op: PfrtOp) -> bool:
    """Whether the data lies as N x C x spatial, and all of it is f32 or f64."""
    return floats(op) and isinstance(op, LayoutOp) and op.data_layout == "nchw"


def channels_last(op: PfrtOp) -> bool:
    """Whether the data lies as N x spatial x C, and all of it is f32 or f64."""
    return floats(op) and isinstance(op, LayoutOp) and op.data_layout == "nhwc"


def bytes_moved(op: PfrtOp) -> float:
    """The cost of an algorithm that reads its operands and writes its results once."""
    return float(op.bytes() or 0)


def arithmetic(op: PfrtOp) -> float:
    """The cost of one that also computes: bytes moved plus flops."""
    return bytes_moved(op) + float(op.flops() or 0)


@dataclass(frozen=True)
class Algorithm:
    """A way to compute one op on buffers of static shape.

    `late` algorithms take their buffers at call time, so that they read function arguments and fill
    `plan.new` buffers directly; the others are bound once to buffers that keep their place.
    `scratch` buffers hold nothing from one call to the next. `in_place` lists the inputs, by
    position, whose buffer the first result may reuse if it has the same size: the algorithm reads
    such an input no more once it has written to the result. `strided` are the inputs that may be
    parts of a buffer whose elements do not lie together. `cost` is in bytes moved plus flops;
    only comparisons between algorithms of one op count.
    """

    name: str
    op: str
    late: bool
    applies: Callable[[PfrtOp], bool] = native
    scratch: Callable[[PfrtOp], Buffers] = no_scratch
    in_place: tuple[int, ...] = ()
    strided: Container[int] = ()
    cost: Callable[[PfrtOp], float] = bytes_moved

"""Loads and stores of buffers: `memref.load` and `memref.store` of a static layout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from xdsl.dialects import memref
from xdsl.dialects.builtin import MemRefType, NoneAttr
from xdsl.ir import Operation, SSAValue

from pyflame_rt.backends.wse.loading.arithmetic import Unsupported, type_name
from pyflame_rt.backends.wse.loading.code import Constant, Register
from pyflame_rt.backends.wse.sim import image as im

if TYPE_CHECKING:
    from pyflame_rt.backends.wse.loading.body import Body


def lower(op: Operation, body: Body) -> bool:
    """Append the code of a memory access; False for any other op."""
    match op:
        case memref.LoadOp():
            to = Register()
            base, address = _address(body, op.memref, op.indices)
            kind = im.TYPES.index(type_name(op.res.type))
            body.code.add(im.LOAD, to, base, address, 0, kind, cost=im.COST_MEMORY)
            body.define((op.res,), (to,))
        case memref.StoreOp():
            value = body.register(op.value)
            base, address = _address(body, op.memref, op.indices)
            kind = im.TYPES.index(type_name(op.value.type))
            body.code.add(im.STORE, value, base, address, 0, kind, cost=im.COST_MEMORY)
        case _:
            return False
    return True


def _address(
    body: Body, buffer: SSAValue, indices: Sequence[SSAValue]
) -> tuple[Register | int, int]:
    """The base register (-1: none) and the constant part of an element's byte address."""
    kind = cast("MemRefType[Any]", buffer.type)
    if not isinstance(kind.layout, NoneAttr):
        raise Unsupported(f"an access through the layout {kind.layout}")
    symbol = body.tile.buffer_of(buffer)
    width = symbol.size // max(symbol.count, 1)
    constant, base = symbol.address, None
    stride = width
    strides: list[int] = []
    for size in reversed(kind.get_shape()):
        strides.insert(0, stride)
        stride *= size
    for index, stride, size in zip(indices, strides, kind.get_shape(), strict=True):
        value = body.value(index)
        if isinstance(value, Constant):
            if not 0 <= value.value < size:
                raise Unsupported(f"index {int(value.value)} is outside of {kind}")
            constant += int(value.value) * stride
            continue
        if stride & (stride - 1):
            part = body.code.alu("mul", "i32", value, Constant(stride, "i32"))
        else:
            shift = Constant(stride.bit_length() - 1, "i32")
            part = body.code.alu("shl", "i32", value, shift)
        base = part if base is None else body.code.alu("add", "i32", base, part)
    return -1 if base is None else base, constant

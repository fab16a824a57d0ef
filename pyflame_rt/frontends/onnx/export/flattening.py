"""What only the optimiser makes, taken apart again: every op means one operator of ONNX afterwards.

* `fused(…) {ops}` and calls of other functions become the ops inside;
* y = activation(op(…) + bias + residual) becomes an op for each step;
* an op in another layout than "nchw" stands between transposes. Two that undo each other vanish.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from pyflame_rt.dialects.pfrt import operations
from pyflame_rt.dialects.pfrt.attributes import NamesAttr
from pyflame_rt.dialects.pfrt.base import OperandArg, PfrtOp
from pyflame_rt.dialects.pfrt.contraction import MatmulOp
from pyflame_rt.dialects.pfrt.control import yielded
from pyflame_rt.dialects.pfrt.convolution import ConvOp, ConvTransposeOp
from pyflame_rt.dialects.pfrt.epilogue import ActivatedOp
from pyflame_rt.dialects.pfrt.fused import FusedOp
from pyflame_rt.dialects.pfrt.layouts import LayoutOp, PackChannelsOp, UnpackChannelsOp
from pyflame_rt.dialects.pfrt.normalization import BatchNormalizationOp
from pyflame_rt.dialects.pfrt.shape import TransposeOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, PropertyValue, is_value_type, shape_of
from pyflame_rt.dialects.rewriting import describe
from pyflame_rt.errors import UnsupportedOperatorError, ValidationError

_EXTRAS = ("activation", "layout", "x_layout", "names", "operandSegmentSizes")
_MAX_CALLS = 10_000
"""Calls that are inlined: functions that call others twice may make any number of them."""


def flattened(module: ModuleOp, name: str) -> func.FuncOp:
    """A copy of the function of that name, of which every op means one operator.

    Raises ValidationError when there is no such function, UnsupportedOperatorError.
    """
    functions = {
        op.sym_name.data: op for op in module.body.block.ops if isinstance(op, func.FuncOp)
    }
    if name not in functions or functions[name].is_declaration:
        raise ValidationError(f'there is no function "{name}" with a body in the module')
    for value in (*functions[name].function_type.inputs, *functions[name].function_type.outputs):
        if not is_value_type(value):
            raise UnsupportedOperatorError(f"ONNX has no {value}", where=f"@{name}")
    for caller in functions.values():
        if len(caller.body.blocks) > 1:
            where = f"@{caller.sym_name.data}"
            raise UnsupportedOperatorError("branches between blocks are no graph", where=where)
    function = functions[name].clone()
    _inline_calls(function, functions)
    for op in list(function.walk()):
        if isinstance(op, FusedOp):
            _inline(op, op.body.block, yielded(op.body))
    for op in list(function.walk()):
        if isinstance(op, ActivatedOp | LayoutOp):
            _separate(op)
    _erase_unused(function)
    return function


def _inline_calls(function: func.FuncOp, functions: dict[str, func.FuncOp]) -> None:
    """Inline calls, and those in what was inlined, each with the functions that it is in."""
    chain = (function.sym_name.data,)
    waiting = [(op, chain) for op in function.walk() if isinstance(op, func.CallOp)]
    count = 0
    while waiting:
        call, chain = waiting.pop()
        name, count = call.callee.root_reference.data, count + 1
        callee = functions.get(name)
        if callee is None or callee.is_declaration:
            raise UnsupportedOperatorError(f"@{name} has no body", where=describe(call))
        if name in chain or count > _MAX_CALLS:
            why = "calls itself" if name in chain else "is called too often"
            raise UnsupportedOperatorError(f"@{name} {why}", where=describe(call))
        copy = callee.clone()
        inner = (op for op in copy.walk() if isinstance(op, func.CallOp))
        waiting += [(op, (*chain, name)) for op in inner]
        block = copy.body.block
        last = block.last_op
        _inline(call, block, () if last is None else tuple(last.operands))


def _inline(op: Operation, block: Block, results: Sequence[SSAValue]) -> None:
    """Put the ops of a block, whose arguments are the op's operands, where the op is."""
    operands: dict[SSAValue, SSAValue] = dict(zip(block.args, op.operands, strict=True))
    if isinstance(op, PfrtOp) and op.names is not None:
        for value, name in zip(results, op.names.data, strict=True):
            if isinstance(value.owner, PfrtOp) and value.owner.names is None and name:
                value.owner.names = NamesAttr.of([name])
    last = block.last_op
    found = [operands.get(value, value) for value in results]  # pyright: ignore[reportArgumentType, reportCallIssue]
    if last is not None:
        Rewriter.erase_op(last)
    Rewriter.inline_block(block, InsertPoint.before(op), list(op.operands))
    Rewriter.replace_op(op, [], found)


def _separate(op: ActivatedOp | LayoutOp) -> None:
    """act(op(x) + bias + residual) in a layout -> to(act(op(from(x)) + bias + from(residual)))."""
    made: list[PfrtOp] = []

    def add(
        kind: type[PfrtOp], operands: Sequence[OperandArg], **properties: PropertyValue | Attribute
    ) -> PfrtOp:
        new = kind.create_op(operands, properties, location=op.location)
        made.append(new)
        return new

    activation = op.activation if isinstance(op, ActivatedOp) else None
    residual = cast("SSAValue | None", getattr(op, "residual", None))
    bias = op.bias if isinstance(op, MatmulOp) else None
    layout = op.data_layout if isinstance(op, LayoutOp) else "nchw"
    if activation is None and residual is None and bias is None and layout == "nchw":
        return
    own = {name: attr for name, attr in op.properties.items() if name not in _EXTRAS}
    operands = _plain_operands(op)
    if isinstance(op, LayoutOp) and layout != "nchw":
        layouts = _Layouts(op, add)
        if op.properties.get("x_layout") is None:
            operands[0] = layouts.from_(cast(SSAValue, operands[0]), _channels(op))
        if residual is not None:
            residual = layouts.from_(residual, _features(op))
    plain = add(type(op), operands, **own)
    results = list(plain.results)
    for addend in (bias, residual):
        if addend is not None:
            results[0] = add(_kind("add"), [results[0], addend]).results[0]
    if activation is not None:
        kind = _kind(activation.op.data)
        results[0] = add(kind, [results[0]], **activation.properties.data).results[0]
    if op.names is not None:
        last = results[0].owner
        assert isinstance(last, PfrtOp)
        last.names = NamesAttr.of(op.names.data[: len(last.results)])
    if isinstance(op, LayoutOp) and layout != "nchw":
        layouts = _Layouts(op, add)
        results = [layouts.to(value) for value in results]
    Rewriter.replace_op(op, made, results)


def _kind(name: str) -> type[PfrtOp]:
    return cast("type[PfrtOp]", operations()[f"pfrt.{name}"])


def _plain_operands(op: PfrtOp) -> list[OperandArg]:
    """The operands by declaration, without those of the steps that follow the op itself."""
    left_out = {"residual", "bias"} if isinstance(op, MatmulOp) else {"residual"}
    names = [name for name, _ in op.get_irdl_definition().operands]
    return [None if name in left_out else cast(OperandArg, getattr(op, name)) for name in names]


def _channels(op: LayoutOp) -> int | None:
    """The channels of the data that an op takes; None for as many as its layout has room for."""
    match op:
        case ConvOp():
            shape = shape_of(op.w)
            return None if shape is None else shape[1] * op.group.value.data
        case ConvTransposeOp():
            shape = shape_of(op.w)
        case BatchNormalizationOp():
            shape = shape_of(op.scale)
        case _:
            return None
    return None if shape is None or shape[0] == DYNAMIC else shape[0]


def _features(op: LayoutOp) -> int | None:
    """The channels of what a convolution gives."""
    shape = shape_of(op.w) if isinstance(op, ConvOp) else None
    return None if shape is None or shape[0] == DYNAMIC else shape[0]


class _Layouts:
    """From the layout of an op to "nchw", and back."""

    def __init__(self, op: LayoutOp, add: Callable[..., PfrtOp]):
        self._op = op
        self._layout = op.data_layout
        self._add = add

    def from_(self, value: SSAValue, channels: int | None) -> SSAValue:
        """A value in the layout as "nchw"."""
        owner = value.owner
        if self._layout == "nc4hw4":
            if channels is None:
                shape = shape_of(value)
                if shape is None or shape[1] == DYNAMIC:
                    raise self._unknown(value)
                channels = shape[1] * shape[-1]
            if isinstance(owner, PackChannelsOp):
                before = shape_of(owner.operand)
                if before is not None and before[1] == channels:
                    return owner.operand
            return self._add(UnpackChannelsOp, [value], channels=channels).results[0]
        rank = self._rank(value)
        perm = (0, rank - 1, *range(1, rank - 1))
        if isinstance(owner, TransposeOp) and owner.permutation() == (0, *range(2, rank), 1):
            return owner.operand
        return self._transposed(value, perm)

    def to(self, value: SSAValue) -> SSAValue:
        """A value that is "nchw" in the layout."""
        if self._layout == "nc4hw4":
            return self._add(PackChannelsOp, [value]).results[0]
        return self._transposed(value, (0, *range(2, self._rank(value)), 1))

    def _transposed(self, value: SSAValue, perm: tuple[int, ...]) -> SSAValue:
        return self._add(TransposeOp, [value], perm=perm).results[0]

    def _rank(self, value: SSAValue) -> int:
        shape = shape_of(value)
        if shape is None:
            raise self._unknown(value)
        return len(shape)

    def _unknown(self, value: SSAValue) -> UnsupportedOperatorError:
        return UnsupportedOperatorError(
            f"the layout {self._layout} of a {value.type} cannot be changed",
            where=describe(self._op),
            hint="export the module before pfrt-layout",
        )


def _erase_unused(function: func.FuncOp) -> None:
    """Erase conversions that nothing uses any more."""
    kinds = (TransposeOp, PackChannelsOp, UnpackChannelsOp)
    for op in reversed(list(function.walk())):
        if isinstance(op, kinds) and op.result.first_use is None:
            Rewriter.erase_op(op)

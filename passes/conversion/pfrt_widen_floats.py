"""Computing on f16 and bf16 as f32, with conversions where the narrow values are needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, TensorType, UnrankedTensorType, f32
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter

from pyflame_rt.dialects.pfrt.attributes import WeightAttr
from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.data import CastOp, ConstantOp
from pyflame_rt.dialects.pfrt.fused import FusedOp
from pyflame_rt.dialects.pfrt.types import constant_attr, dtype_of, shape_of, tensor, type_of
from pyflame_rt.passes.fusion.inlining import inlined

_NARROW = frozenset(("float16", "bfloat16"))

_COSTLY = frozenset(
    ("attention", "average_pool", "batch_normalization", "conv", "conv_transpose", "deform_conv",
     "einsum", "gemm", "global_average_pool", "global_lp_pool", "global_max_pool",
     "group_normalization", "gru", "instance_normalization", "layer_normalization", "log_softmax",
     "lp_normalization", "lp_pool", "lrn", "lstm", "matmul", "max_pool",
     "mean_variance_normalization", "reduce_l1", "reduce_l2", "reduce_log_sum",
     "reduce_log_sum_exp", "reduce_max", "reduce_mean", "reduce_min", "reduce_prod", "reduce_sum",
     "reduce_sum_square", "resize", "rms_normalization", "rnn", "softmax", "top_k")
)  # fmt: skip
"""Ops whose kernels compute in f32 and round once, and for which there are better forms than those."""

_CHEAP = frozenset(
    ("abs", "acos", "acosh", "add", "arg_max", "arg_min", "asin", "asinh", "atan", "atanh", "ceil",
     "celu", "clip", "cos", "cosh", "div", "elu", "equal", "erf", "exp", "floor", "gelu", "greater",
     "greater_or_equal", "hard_sigmoid", "hard_swish", "is_inf", "is_nan", "leaky_relu", "less",
     "less_or_equal", "log", "max", "mean", "min", "mish", "mul", "neg", "pow", "prelu",
     "reciprocal", "relu", "round", "rotary_embedding", "selu", "shrink", "sigmoid", "sign", "sin",
     "sinh", "softplus", "softsign", "sqrt", "sub", "sum", "swiglu", "swish", "tan", "tanh",
     "thresholded_relu")
)  # fmt: skip
"""Elementwise ops and the like: not worth conversions of their own."""

_MOVING = frozenset(
    ("concat", "depth_to_space", "expand", "flatten", "gather", "identity", "reshape", "slice",
     "space_to_depth", "split", "squeeze", "tile", "transpose", "unsqueeze", "where")
)  # fmt: skip
"""Ops that move elements: in f32 where what they move is."""


@dataclass(frozen=True)
class PfrtWidenFloatsPass(ModulePass):
    """Makes ops on f16 and bf16 compute in f32, of which NumPy has the fast forms.

    Before: `%y = pfrt.matmul %x, %w : (tensor<2x3xf16>, tensor<3x4xf16>) -> tensor<2x4xf16>`
    After: `%a = pfrt.cast %x {to = f32}`, `%b = pfrt.matmul %a, %v : … -> tensor<2x4xf32>`,
    `%y = pfrt.cast %b {to = f16}`; `%v` is `%w` as f32, if that is constant.

    Each op's result is rounded as the kernels round it: once, from f32. With `regions`, values
    between ops that compute in f32 are not rounded at all, and elementwise ops are among those; the
    result is then at least as exact, but what overflows f16 in between does not become infinite.
    Casts of the model itself stay. Requires nothing.
    """

    name = "pfrt-widen-floats"

    regions: bool = False
    """Whether values stay f32 from one op to the next."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        blocks = [b for inner in op.walk() for r in inner.regions for b in r.blocks]
        for block in blocks:
            if isinstance(block.parent_op(), ModuleOp | FusedOp):
                continue
            _Widening(self.regions).widen(block)


class _Widening:
    """The values of one block that are there as f32."""

    def __init__(self, regions: bool) -> None:
        self._names = _COSTLY | _CHEAP if regions else _COSTLY
        self._regions = regions
        self._wide: dict[SSAValue, SSAValue] = {}
        self._computed: dict[SSAValue, Operation] = {}
        """Narrow values that a cast of this pass makes of what was computed."""
        self._constants: dict[Operation, None] = {}
        """Those that are there as f32 now."""

    def widen(self, block: Block) -> None:
        """Rewrite the ops of a block, in order."""
        for op in tuple(block.ops):
            if isinstance(op, FusedOp) and self._regions and any(map(_is_narrow, _values(op))):
                for inner in inlined(op):
                    self._visit(inner)
            else:
                self._visit(op)
        for op in (*reversed(self._computed.values()), *self._constants):
            if op.results[0].first_use is None:
                Rewriter.erase_op(op)

    def _visit(self, op: Operation) -> None:
        if not isinstance(op, PfrtOp) or op.regions:
            return
        name = op.name.removeprefix("pfrt.")
        computes = name in self._names and any(map(_is_narrow, _values(op)))
        moves = self._regions and name in _MOVING
        if computes or (moves and any(operand in self._computed for operand in op.operands)):
            self._rewrite(op)

    def _rewrite(self, op: PfrtOp) -> None:
        operands = [self._widened(v, op) if _is_narrow(v) else v for v in op.operands]
        kinds = [_wide_type(r) if _is_narrow(r) else r.type for r in op.results]
        new = type(op).create(operands=operands, result_types=kinds, properties=dict(op.properties))
        new.location = op.location
        casts: list[SSAValue] = []
        added: list[Operation] = [new]
        for old, result in zip(op.results, new.results, strict=True):
            result.name_hint = old.name_hint
            if not _is_narrow(old):
                casts.append(result)
                continue
            back = _cast(result, type_of(old).element_type, op)
            added.append(back)
            casts.append(back.result)
            self._computed[back.result] = back
            if self._regions:
                self._wide[back.result] = result
        Rewriter.replace_op(op, added, casts)

    def _widened(self, value: SSAValue, user: Operation) -> SSAValue:
        """A narrow value as f32, before a user of it."""
        if (found := self._wide.get(value)) is not None:
            return found
        owner = value.owner
        if isinstance(owner, ConstantOp) and constant_of(value) is not None:
            new: Operation = ConstantOp.create(
                result_types=[_wide_type(value)], properties={"value": _wide_constant(owner)}
            )
            new.location = owner.location
            self._constants[owner] = None
        else:
            new = _cast(value, f32, user)
        block = user.parent
        assert block is not None
        block.insert_op_before(new, user)
        self._wide[value] = new.results[0]
        return new.results[0]


def _values(op: Operation) -> Sequence[SSAValue]:
    return (*op.operands, *op.results)


def _is_narrow(value: SSAValue) -> bool:
    kind = value.type
    return isinstance(kind, TensorType | UnrankedTensorType) and dtype_of(value).name in _NARROW


def _wide_type(value: SSAValue) -> Attribute:
    return tensor(f32, shape_of(value))


def _cast(value: SSAValue, to: Attribute, like: Operation) -> CastOp:
    kind = tensor(to, shape_of(value))
    new = CastOp.build(operands=[value], properties={"to": to}, result_types=[kind])
    new.location = like.location
    return new


def _wide_constant(op: ConstantOp) -> Attribute:
    """The value of a narrow constant as f32; made once for all plans if it is a weight, and only if
    somebody wants it."""
    array = constant_of(op.result)
    assert array is not None
    value = op.value if isinstance(op.value, WeightAttr) else constant_attr(array)
    if isinstance(value, WeightAttr):
        return WeightAttr(value.data.widened)
    return constant_attr(array.astype(np.float32))

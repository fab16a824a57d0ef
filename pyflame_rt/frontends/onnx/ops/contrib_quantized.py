"""Rules for onnxruntime's own quantized operators (domain com.microsoft), as its quantizer writes them.

Each is what it means: its inputs dequantized, the operator of reals, the result quantized. So a model
of such operators and one of `DequantizeLinear` and `QuantizeLinear` around plain operators are the
same module, and the same passes make integer operators of both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import ml_dtypes
import numpy as np
from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.types import dtype_of, shape_of
from pyflame_rt.frontends.onnx.builder import Array, NodeBuilder, Properties
from pyflame_rt.frontends.onnx.ops import quantization
from pyflame_rt.frontends.onnx.ops.recurrent import recurrent_properties
from pyflame_rt.frontends.onnx.rules import Build, Rule, attribute_rows, read_attributes

DOMAIN: Final = "com.microsoft"

_POOL = attribute_rows(
    "auto_pad: string, ceil_mode: flag, count_include_pad: flag, kernel_shape: ints!, pads: ints,"
    " strides: ints"
)
_REDUCTION = attribute_rows("keepdims: flag, axes: ints")
_FLOAT = np.dtype(np.float32)
_BYTE = np.dtype(np.uint8)
_FOUR_BITS = np.dtype(ml_dtypes.uint4)


def _real(b: NodeBuilder, first: int) -> SSAValue:
    """Inputs `first` to `first + 2`, a tensor with its scale and zero point, dequantized."""
    operands = [b.operand(first), b.operand(first + 1), b.optional(first + 2)]
    return b.emit("dequantize_linear", operands)[0]


def _quantized(b: NodeBuilder, value: SSAValue, scale: int, like: int = 0) -> Sequence[SSAValue]:
    """A real quantized by inputs `scale` and `scale + 1`; without a zero point as input `like` is."""
    zero_point = b.optional(scale + 1)
    output = dtype_of(b.operand(like)) if zero_point is None else None
    operands = [value, b.operand(scale), zero_point]
    return b.emit("quantize_linear", operands, {"output_dtype": output})


def _refuse_channels_last(b: NodeBuilder) -> None:
    if b.flag("channels_last", False):
        raise b.unsupported("channels_last = 1 is not supported")


def _binary(op_type: str) -> Rule:
    """QLinear<Name>(A, its scale and zero point, B, …, those of the result)."""
    name = op_type.removeprefix("QLinear").lower()

    def build(b: NodeBuilder) -> Sequence[SSAValue]:
        b.limit_inputs(8)
        (value,) = b.emit(name, [_real(b, 0), _real(b, 3)])
        return _quantized(b, value, 6)

    return Rule(op_type, 1, build, domain=DOMAIN)


def _unary(
    op_type: str, name: str, read: Callable[[NodeBuilder], Properties] | None = None
) -> Rule:
    """QLinear<Name>(X, its scale and zero point, those of the result)."""

    def build(b: NodeBuilder) -> Sequence[SSAValue]:
        b.limit_inputs(5)
        (value,) = b.emit(name, [_real(b, 0)], read(b) if read is not None else {})
        return _quantized(b, value, 3)

    return Rule(op_type, 1, build, domain=DOMAIN)


def _softmax(b: NodeBuilder) -> Properties:
    axis, opset = b.integer("axis", -1), b.integer("opset", 13)
    shape = shape_of(b.operand(0))
    if opset < 13 and (shape is None or axis % max(len(shape), 1) != len(shape) - 1):
        raise b.unsupported("a softmax of several axes, as before opset 13, is not supported")
    return {"axis": axis}


def _average_pool(b: NodeBuilder) -> Properties:
    _refuse_channels_last(b)
    return read_attributes(b, _POOL)


def _global_average_pool(b: NodeBuilder) -> Properties:
    _refuse_channels_last(b)
    return {}


def _reduce_mean(b: NodeBuilder) -> Sequence[SSAValue]:
    b.limit_inputs(5)
    (value,) = b.emit("reduce_mean", [_real(b, 0), None], read_attributes(b, _REDUCTION))
    return _quantized(b, value, 3)


def _concat(b: NodeBuilder) -> Sequence[SSAValue]:
    """The scale and zero point of the result, then a tensor, its scale and zero point, and so on."""
    if len(b.node.inputs) < 5 or len(b.node.inputs) % 3 != 2:
        raise b.error(f"has {len(b.node.inputs)} inputs, not 2 and 3 for each tensor")
    axis = b.integer("axis")
    if axis is None:
        raise b.missing("axis")
    parts = [_real(b, first) for first in range(2, len(b.node.inputs), 3)]
    (value,) = b.emit("concat", [parts], {"axis": axis})
    return _quantized(b, value, 0, like=2)


def _where(b: NodeBuilder) -> Sequence[SSAValue]:
    b.limit_inputs(9)
    (value,) = b.emit("where", [b.operand(0), _real(b, 1), _real(b, 4)])
    return _quantized(b, value, 7, like=1)


def _gemm(b: NodeBuilder) -> Sequence[SSAValue]:
    """alpha * a' b' + c; c is in i32, in the scale of the product. Without a scale the result is real.

    The scales of columns, where there are several, are those of the result, whichever way b stands.
    """
    b.limit_inputs(9)
    trans_b = bool(b.flag("transB", False))
    columns = [b.operand(3), b.operand(4), b.optional(5)]
    right = b.emit("dequantize_linear", columns, {"axis": 0 if trans_b else 1})[0]
    alpha = b.number("alpha", 1.0)
    flags = {"trans_a": b.flag("transA", False), "trans_b": trans_b}
    bias: SSAValue | None = None
    if b.has_input(6):
        bias = _dequantized_sum(b, 6, (1, 4), alpha)
    (value,) = b.emit("gemm", [_real(b, 0), right, bias, None], {"alpha": alpha, **flags})
    return _quantized(b, value, 7) if b.has_input(7) else [value]


def _dequantized_sum(b: NodeBuilder, index: int, scales: tuple[int, int], alpha: float) -> SSAValue:
    """An input of integers in the scale of a product's sums."""
    known = [b.known(scale) for scale in scales]
    left, right = known
    if left is None or right is None:
        raise b.unsupported("the scales of what is multiplied must be constants")
    scale = b.constant((left * right * np.float32(alpha)).astype(np.float32).reshape(-1))
    axis = len(shape_of(b.operand(index)) or ()) - 1
    return b.emit("dequantize_linear", [b.operand(index), scale, None], {"axis": max(axis, 0)})[0]


def scaled_product(
    b: NodeBuilder,
    left: Sequence[SSAValue | None],
    scale: SSAValue,
    right: Sequence[int],
    bias: int,
) -> Sequence[SSAValue]:
    """(a - zero point) (b - zero point) * a's scale * b's scale + bias, from inputs by number."""
    values, zero_point = left
    weights, weights_scale, weights_zero_point = right
    operands = [values, b.operand(weights), zero_point, b.optional(weights_zero_point)]
    (sums,) = b.emit("matmul_integer", operands)
    (wide,) = b.emit("cast", [sums], {"to": _FLOAT})
    (factor,) = b.emit("mul", [scale, b.operand(weights_scale)])
    (value,) = b.emit("mul", [wide, factor])
    return b.emit("add", [value, b.operand(bias)]) if b.has_input(bias) else [value]


def _matmul_integer_to_float(b: NodeBuilder) -> Sequence[SSAValue]:
    b.limit_inputs(7)
    return scaled_product(b, [b.operand(0), b.optional(4)], b.operand(2), (1, 3, 5), 6)


def _dynamic_quantize_matmul(b: NodeBuilder) -> Sequence[SSAValue]:
    b.limit_inputs(5)
    values, scale, zero_point = b.emit("dynamic_quantize_linear", [b.operand(0)])
    return scaled_product(b, [values, zero_point], scale, (1, 2, 3), 4)


def _dynamic_quantize_lstm(b: NodeBuilder) -> Sequence[SSAValue]:
    """An LSTM whose weights are bytes, [directions, inputs, 4 * hidden]; it computes with reals.

    onnxruntime quantizes the inputs of the products too, each step by its own range.
    """
    b.limit_inputs(12)
    w, r = (_lstm_weights(b, at, scale) for at, scale in ((1, 8), (2, 10)))
    rest = [b.optional(at) for at in range(3, 8)]
    b.integer("hidden_size")
    properties = recurrent_properties(b, "input_forget: flag")
    return b.emit("lstm", [b.operand(0), w, r, *rest], properties)


def _lstm_weights(b: NodeBuilder, weights: int, scale: int) -> SSAValue:
    """(w - zero point) * scale, turned: one scale a direction, or one for each of its columns too."""
    factor, zero_point = b.operand(scale), b.optional(scale + 1)

    def aligned(value: SSAValue) -> SSAValue:
        axes = (1,) if len(shape_of(value) or ()) == 2 else (1, 2)
        return b.emit("unsqueeze", [value, None], {"axes": axes})[0]

    (real,) = b.emit("cast", [b.operand(weights)], {"to": _FLOAT})
    if zero_point is not None:
        (shift,) = b.emit("cast", [aligned(zero_point)], {"to": _FLOAT})
        (real,) = b.emit("sub", [real, shift])
    (real,) = b.emit("mul", [real, aligned(factor)])
    return b.emit("transpose", [real], {"perm": (0, 2, 1)})[0]


def _matmul_n_bits(b: NodeBuilder) -> Sequence[SSAValue]:
    """A matrix of 4- or 8-bit blocks along K, each with its scale: [N, K/block, block * bits / 8] bytes."""
    b.limit_inputs(6)
    bits, block = b.integer("bits", 4), b.integer("block_size", 0)
    columns, depth = b.integer("N", 0), b.integer("K", 0)
    b.integer("accuracy_level")
    if b.flag("weight_prepacked", False) or b.has_input(4):
        raise b.unsupported("prepacked weights and g_idx are not supported")
    if bits not in (4, 8) or block < 1 or depth < 1 or columns < 1:
        raise b.unsupported(f"bits {bits}, block_size {block}, K {depth}, N {columns}")
    packed = b.known(1)
    if packed is None or packed.dtype != _BYTE:
        raise b.unsupported("the matrix must be a constant of bytes")
    blocks = -(-depth // block)
    if packed.size != columns * blocks * block * bits // 8:
        raise b.error(f"{packed.size} bytes are not {columns} x {blocks} blocks of {block}")
    kind = _FOUR_BITS if bits == 4 else _BYTE
    levels = _unpacked(packed.reshape(-1), bits).reshape(columns, blocks * block)[:, :depth]
    zero_point = _zero_points(b, 3, (columns, blocks), bits).astype(kind)
    scale = b.emit("reshape", [b.operand(2), None], {"shape": (columns, blocks)})[0]
    operands = [b.constant(levels.astype(kind)), scale, b.constant(zero_point)]
    (real,) = b.emit("dequantize_linear", operands, {"axis": 1, "block_size": block})
    (real,) = b.emit("transpose", [real], {"perm": (1, 0)})
    (value,) = b.emit("matmul", [b.operand(0), real, None, None])
    return b.emit("add", [value, b.operand(5)]) if b.has_input(5) else [value]


def _unpacked(data: Array, bits: int) -> Array:
    """Bytes as levels, the low half of each first."""
    if bits == 8:
        return data
    return np.stack([data & 15, data >> 4], axis=-1).reshape(-1)


def _zero_points(b: NodeBuilder, index: int, shape: tuple[int, int], bits: int) -> Array:
    """Packed as the matrix is, a row padded to a whole byte; absent: half of the range."""
    if not b.has_input(index):
        return np.full(shape, 1 << (bits - 1), np.uint8)
    packed = b.known(index)
    columns, blocks = shape
    if packed is None or packed.dtype != _BYTE:
        raise b.unsupported("zero points must be constants of bytes")
    row = -(-blocks * bits // 8)
    if packed.size != columns * row:
        raise b.error(f"{packed.size} bytes of zero points are not {columns} x {row}")
    return _unpacked(packed.reshape(-1), bits).reshape(columns, -1)[:, :blocks]


def _own(op_type: str, build: Build) -> Rule:
    return Rule(op_type, 1, build, domain=DOMAIN)


def _same(rule: Rule) -> Rule:
    """An operator of ONNX that onnxruntime's domain has too, for more element types."""
    return Rule(rule.op_type, 1, rule.build, domain=DOMAIN)


RULES: tuple[Rule, ...] = (
    _same(quantization.quantize_linear),
    _same(quantization.dequantize_linear),
    _binary("QLinearAdd"),
    _binary("QLinearMul"),
    _unary("QLinearSigmoid", "sigmoid"),
    _unary("QLinearLeakyRelu", "leaky_relu", lambda b: {"alpha": b.number("alpha")}),
    _unary("QLinearSoftmax", "softmax", _softmax),
    _unary("QLinearAveragePool", "average_pool", _average_pool),
    _unary("QLinearGlobalAveragePool", "global_average_pool", _global_average_pool),
    _own("QLinearReduceMean", _reduce_mean),
    _own("QLinearConcat", _concat),
    _own("QLinearWhere", _where),
    _own("QGemm", _gemm),
    _own("MatMulIntegerToFloat", _matmul_integer_to_float),
    _own("DynamicQuantizeMatMul", _dynamic_quantize_matmul),
    _own("DynamicQuantizeLSTM", _dynamic_quantize_lstm),
    _own("MatMulNBits", _matmul_n_bits),
)
"""The rules of this family."""

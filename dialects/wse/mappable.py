"""Which pfrt ops can be mapped to the wafer; where one cannot, why.

A value is a matrix of features x rows: for images of shape N x C x H x W the channels are the features and the pixels
of one image the rows; else the last dimension holds the features, all others the rows. Of several images each
is a matrix of its own, and so is then each row of what else has as many.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import Float16Type, Float32Type, FloatAttr, ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, BlockArgument, Operation, SSAValue
from xdsl.traits import ConstantLike

from pyflame_rt.dialects.pfrt.attention import AttentionOp
from pyflame_rt.dialects.pfrt.attributes import ActivationAttr
from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.constraints import ints
from pyflame_rt.dialects.pfrt.contraction import GemmOp, MatmulOp
from pyflame_rt.dialects.pfrt.convolution import ConvOp
from pyflame_rt.dialects.pfrt.normalization import BatchNormalizationOp, LayerNormalizationOp
from pyflame_rt.dialects.pfrt.pieces import ConcatOp, SliceOp
from pyflame_rt.dialects.pfrt.pooling import AveragePoolOp, MaxPoolOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of, type_of
from pyflame_rt.dialects.pfrt.windowed import WindowedOp
from pyflame_rt.dialects.wse.mapping import HOST
from pyflame_rt.dialects.wse.masks import mask_of
from pyflame_rt.dialects.wse.pieces import blocks_of

Array = npt.NDArray[Any]
Shape = tuple[int, ...]

UNARY: Final = {
    "pfrt.relu": "relu", "pfrt.sigmoid": "sigmoid", "pfrt.tanh": "tanh", "pfrt.exp": "exp",
    "pfrt.gelu": "gelu", "pfrt.neg": "neg", "pfrt.clip": "clip", "pfrt.erf": "erf",
    "pfrt.swish": "swish", "pfrt.reciprocal": "reciprocal", "pfrt.sqrt": "sqrt",
}  # fmt: skip
"""Functions of one number by op."""
BINARY: Final = {
    "pfrt.add": "add", "pfrt.sub": "sub", "pfrt.mul": "mul", "pfrt.div": "div",
    "pfrt.max": "max", "pfrt.min": "min",
}  # fmt: skip
"""Functions of two numbers by op."""
VIEWS: Final = ("pfrt.identity", "pfrt.reshape", "pfrt.flatten", "pfrt.squeeze", "pfrt.unsqueeze")
"""Ops whose result has the elements of their operand, in order."""
COMMUTATIVE: Final = ("add", "mul", "max", "min")


def matrix_of(shape: Shape, images: int = 1) -> tuple[int, int, tuple[int, int] | None]:
    """Features, rows and, of an image, its height and width; of one of `images`, the first dimension."""
    if images > 1:
        shape = (1, *shape[1:])
    if len(shape) == 4:
        return shape[1], shape[2] * shape[3], (shape[2], shape[3])
    return (shape[-1], math.prod(shape[:-1]), None) if shape else (1, 1, None)


def obstacle(op: Operation) -> str | None:
    """Why an op cannot be mapped; None when it can."""
    told = op.attributes.get(HOST)
    if isinstance(told, StringAttr):
        return told.data
    rule = _RULES.get(op.name)
    if rule is None or not isinstance(op, PfrtOp):
        return f"the wafer has no {op.name.removeprefix('pfrt.')}"
    for value in (*op.operands, *op.results):
        shape = shape_of(value)
        if shape is None or DYNAMIC in shape:
            return "its shape is known at run time only"
        if 0 in shape:
            return "it has no elements"
        is_data = constant_of(value) is None
        if is_data and not isinstance(type_of(value).element_type, Float32Type | Float16Type):
            return f"{type_of(value).element_type} is neither f32 nor f16"
    return rule(op) or _activation(op)


def activation_of(op: Operation) -> ActivationAttr | None:
    """What an op does to its result."""
    found = op.properties.get("activation")
    return found if isinstance(found, ActivationAttr) else None


def _activation(op: Operation) -> str | None:
    found = activation_of(op)
    if found is None or function_of(found.op.data, found.properties.data) is not None:
        return None
    return f"the wafer has no activation {found.op.data}"


def function_of(name: str, properties: Mapping[str, Attribute]) -> str | None:
    """The wafer's function that an elementwise op of one operand is; None when it has none."""
    function = UNARY.get(f"pfrt.{name}")
    match function, properties.get("approximate"), properties.get("alpha"):
        case "gelu", StringAttr(data="tanh"), _:
            return "gelu_tanh"
        case "swish", _, FloatAttr() as alpha if alpha.value.data != 1.0:
            return None
        case _:
            return function


def _constant(value: SSAValue | None, what: str) -> str | None:
    known = value is None or constant_of(value) is not None
    return None if known else f"its {what} is no constant"


def _gemm(op: Operation) -> str | None:
    assert isinstance(op, GemmOp)
    if op.trans_a.value.data:
        return "its first operand is transposed"
    (rows, columns), c = cast("tuple[int, int]", shape_of(op.result)), op.c
    if c is not None and (shape := shape_of(c)) is not None:
        # One number a column, or one for all.
        if len(shape) == 2 and shape[0] == rows and rows > 1:
            return "its addend has more than one row"
        if shape and shape[-1] not in (1, columns):
            return "its addend is no bias"
    return _constant(op.b, "weight") or _constant(c, "bias") or _many_rows(op.a)


def _matmul(op: Operation) -> str | None:
    assert isinstance(op, MatmulOp)
    shapes = shape_of(op.lhs) or (), shape_of(op.rhs) or ()
    if len(shapes[1]) != 2 or len(shapes[0]) < 2:
        return "its operands are no matrices"
    return _constant(op.rhs, "weight") or _constant(op.bias, "bias") or _many_rows(op.lhs)


def _many_rows(value: SSAValue) -> str | None:
    shape = shape_of(value) or ()
    return "its operand is an image" if matrix_of(shape)[2] is not None else None


def _image(op: Operation) -> str | None:
    if isinstance(op.properties.get("layout"), StringAttr):
        layout = cast(StringAttr, op.properties["layout"]).data
        if layout != "nchw":
            return f"its layout is {layout}"
    return None if len(shape_of(op.operands[0]) or ()) == 4 else "it is not about images"


def _windowed(op: Operation) -> str | None:
    assert isinstance(op, WindowedOp)
    if op.auto_pad.data != "NOTSET":
        return "its pads are not resolved"
    return _image(op)


def _conv(op: Operation) -> str | None:
    assert isinstance(op, ConvOp)
    return _windowed(op) or _constant(op.w, "weight") or _constant(op.bias, "bias")


def _pool(op: Operation) -> str | None:
    assert isinstance(op, MaxPoolOp | AveragePoolOp)
    if op.ceil_mode.value.data and op.output_sizes() != _floor_sizes(op):
        return "a last window hangs over the end"
    return _windowed(op)


def _floor_sizes(op: MaxPoolOp | AveragePoolOp) -> Shape:
    shape, kernel = shape_of(op.operand) or (), ints(op.kernel_shape)
    strides = ints(op.strides) or (1, 1)
    dilations, pads = ints(op.dilations) or (1, 1), ints(op.pads) or (0, 0, 0, 0)
    return tuple(
        (size + pads[i] + pads[i + 2] - dilations[i] * (kernel[i] - 1) - 1) // strides[i] + 1
        for i, size in enumerate(shape[2:4])
    )


def _batch_normalization(op: Operation) -> str | None:
    assert isinstance(op, BatchNormalizationOp)
    shape = shape_of(op.operand) or ()
    if len(shape) == 4 and (why := _image(op)):
        return why
    if len(shape) not in (2, 4):
        return "it is not about images"
    values = {"scale": op.scale, "bias": op.bias, "mean": op.mean, "variance": op.var}
    return next((why for what, v in values.items() if (why := _constant(v, what))), None)


def _unary(op: Operation) -> str | None:
    if function_of(op.name.removeprefix("pfrt."), op.properties) is None:
        return "the wafer has it without a factor only"
    return "its bounds are no constants" if len(op.operands) > 1 else None


def _binary(op: Operation) -> str | None:
    if len(op.operands) != 2:
        return "it has not two operands"
    function = BINARY[op.name]
    left, right = op.operands
    shape = shape_of(op.results[0]) or ()
    constants = [constant_of(value) for value in op.operands]
    if constants[0] is None and constants[1] is None:
        if shape_of(left) != shape or shape_of(right) != shape:
            return "its operands have different shapes"
        return "the wafer divides by constants only" if function == "div" else None
    if constants[0] is not None and (constants[1] is not None or function not in COMMUTATIVE):
        return "its first operand is a constant"
    value = left if constants[1] is not None else right
    constant = cast(Array, constants[1] if constants[1] is not None else constants[0])
    if shape_of(value) != shape or by_feature(constant, shape) is None:
        return "its constant is neither a number nor one a feature"
    return None


def by_feature(constant: Array, shape: Shape) -> Array | None:
    """A constant that is broadcast to a shape: one number, or one for each feature; else None."""
    if constant.size == 1:
        return constant.reshape(())
    features, _, image = matrix_of(shape)
    if constant.ndim > len(shape) or constant.size != features:
        return None
    axis = 1 if image is not None else len(shape) - 1
    aligned = (1,) * (len(shape) - constant.ndim) + constant.shape
    return np.ascontiguousarray(constant).reshape(-1) if aligned[axis] == features else None


def _softmax(op: Operation) -> str | None:
    shape = shape_of(op.operands[0]) or ()
    axis = cast(Any, op).axis.value.data % max(len(shape), 1)
    if matrix_of(shape)[2] is not None or axis != len(shape) - 1:
        return "it is not over the last axis"
    return None


def _layer_normalization(op: Operation) -> str | None:
    assert isinstance(op, LayerNormalizationOp)
    shape = shape_of(op.operand) or ()
    features = matrix_of(shape)[0]
    for what, value in (("scale", op.scale), ("bias", op.bias)):
        if value is None:
            continue
        if why := _constant(value, what):
            return why
        if math.prod(shape_of(value) or ()) != features:
            return f"its {what} is not one a feature"
    return _softmax(op)


def _view(op: Operation) -> str | None:
    """A view is nothing but another way to see a value, unless the matrix becomes another one."""
    source, result = op.operands[0], op.results[0]
    if len(op.operands) > 1:
        return "its shape is known at run time only"
    old, new = shape_of(source) or (), shape_of(result) or ()
    images = max((shape[0] for shape in (old, new) if len(shape) == 4), default=1)
    if images > 1 and (old[:1] != new[:1] or not old):
        return "it rearranges images"
    matrix = matrix_of(new, images)
    if matrix_of(old, images)[:2] == matrix[:2]:
        return None
    if isinstance(source, BlockArgument) or all(
        isinstance(use.operation, ReturnOp) for use in result.uses
    ):
        return None
    if isinstance(source.owner, Operation) and source.owner.name in VIEWS:
        return None if obstacle(source.owner) is None else "it rearranges a matrix"
    users = all(
        isinstance(use.operation, GemmOp | MatmulOp) and use.index == 0 for use in result.uses
    )
    one_row = matrix[1] == 1 and matrix_of(old)[2] is not None
    return None if one_row and users else "it rearranges a matrix"


def _attention(op: Operation) -> str | None:
    assert isinstance(op, AttentionOp)
    if op.past_key is not None or op.nonpad_kv_seqlen is not None or len(op.results) != 1:
        return "it has a cache"
    shapes = [shape_of(value) or () for value in (op.q, op.k, op.v)]
    heads = op.q_num_heads.value.data
    if len(shapes[0]) != 3 or shapes[0][0] != 1 or shapes[1:] != shapes[:1] * 2:
        return "its operands are not one sequence of one size"
    if heads < 1 or op.kv_num_heads.value.data != heads:
        return "its keys have other heads than its queries"
    if op.softcap.value.data != 0:
        return "its scores are capped"
    mask = mask_of(op)
    return mask if isinstance(mask, str) else None


def _pieces(op: Operation) -> str | None:
    assert isinstance(op, ConcatOp | SliceOp)
    values = op.inputs if isinstance(op, ConcatOp) else (op.operand,)
    if any(constant_of(value) is not None for value in values):
        return "one of its operands is a constant"
    found = blocks_of(op, matrix_of)
    return found if isinstance(found, str) else None


_RULES: Final[Mapping[str, Callable[[Operation], str | None]]] = {
    "pfrt.gemm": _gemm,
    "pfrt.matmul": _matmul,
    "pfrt.conv": _conv,
    "pfrt.max_pool": _pool,
    "pfrt.average_pool": _pool,
    "pfrt.global_average_pool": _image,
    "pfrt.global_max_pool": _image,
    "pfrt.batch_normalization": _batch_normalization,
    "pfrt.softmax": _softmax,
    "pfrt.log_softmax": _softmax,
    "pfrt.layer_normalization": _layer_normalization,
    "pfrt.attention": _attention,
    "pfrt.concat": _pieces,
    "pfrt.slice": _pieces,
    **dict.fromkeys(UNARY, _unary),
    **dict.fromkeys(BINARY, _binary),
    **dict.fromkeys(VIEWS, _view),
}


def left_to_host(module: ModuleOp) -> list[tuple[Operation, str]]:
    """The ops of a module's functions that cannot be mapped, each with the reason."""
    found: list[tuple[Operation, str]] = []
    for function in module.ops:
        if not isinstance(function, FuncOp):
            continue
        for block in function.body.blocks:
            for op in block.ops:
                is_work = isinstance(op, PfrtOp) and not op.has_trait(ConstantLike)
                if is_work and (why := obstacle(op)) is not None:
                    found.append((op, why))
    return found

"""What products do after them in one call: the bits of the separate calls, prepared as they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from xdsl.dialects import func
from xdsl.dialects.builtin import DYNAMIC_INDEX, ModuleOp, TensorType
from xdsl.ir import Block, Region, SSAValue

from pyflame_rt import pipelines
from pyflame_rt.backends.numpy_backend import NumpyBackend, frame
from pyflame_rt.dialects.pfrt import operations
from pyflame_rt.dialects.pfrt.attributes import ActivationAttr
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.types import element_type
from pyflame_rt.universe import make_context

FUSE = "pfrt-fuse-bias,pfrt-fuse-residual,pfrt-fuse-activation,"
LOWER = "convert-pfrt-to-plan,plan-allocate"

ACTIVATIONS = (
    ("relu", {}), ("clip", {"min": 0.0, "max": 6.0}), ("leaky_relu", {}), ("sigmoid", {}),
    ("tanh", {}), ("hard_swish", {}), ("gelu", {"approximate": "tanh"}), ("gelu", {}),
    ("swish", {}), ("elu", {}), ("selu", {}), ("softplus", {}), ("mish", {}), ("erf", {}),
    ("neg", {}),
)  # fmt: skip


class Program:
    """A function that is built op by op."""

    def __init__(self, arrays: Sequence[np.ndarray], *, dynamic: bool = False):
        self.kinds = [
            TensorType(element_type(a.dtype), [DYNAMIC_INDEX if dynamic else d for d in a.shape])
            for a in arrays
        ]
        self.block = Block(arg_types=self.kinds)
        self.arguments = list(self.block.args)

    def add(self, name: str, operands: Sequence[SSAValue | None], **properties) -> SSAValue:
        op = operations()[f"pfrt.{name}"].create_op(operands, properties)
        self.block.add_op(op)
        return op.results[0]

    def constant(self, array: np.ndarray) -> SSAValue:
        op = ConstantOp.get(array)
        self.block.add_op(op)
        return op.result

    def module(self, result: SSAValue) -> ModuleOp:
        self.block.add_op(func.ReturnOp(result))
        function = func.FuncOp("main", (self.kinds, [result.type]), Region(self.block))
        return ModuleOp([function])


def draw(*shape: int, dtype=np.float32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def pointwise(program: Program, x: SSAValue, dtype) -> SSAValue:
    w, b = program.constant(draw(6, 2, 1, 1, dtype=dtype)), program.constant(draw(6, dtype=dtype))
    return program.add("conv", [x, w, b, None], group=2)


def windows(program: Program, x: SSAValue, dtype) -> SSAValue:
    w = program.constant(draw(6, 4, 3, 3, dtype=dtype))
    return program.add("conv", [x, w, None, None], pads=(1, 1, 1, 1))


def unpadded(program: Program, x: SSAValue, dtype) -> SSAValue:
    w = program.constant(draw(6, 4, 2, 2, dtype=dtype))
    return program.add("conv", [x, w, None, None], strides=(2, 2))


def gemm(program: Program, x: SSAValue, dtype) -> SSAValue:
    x = program.add("reshape", [x, None], shape=(8, 35))
    b, c = program.constant(draw(9, 35, dtype=dtype)), program.constant(draw(9, dtype=dtype))
    return program.add("gemm", [x, b, c, None], trans_b=True, alpha=0.5, beta=0.25)


def matmul_and_row(program: Program, x: SSAValue, dtype) -> SSAValue:
    b, c = program.constant(draw(5, 9, dtype=dtype)), program.constant(draw(9, dtype=dtype))
    return program.add("add", [program.add("matmul", [x, b, None, None]), c])


def matrices_and_row(program: Program, x: SSAValue, dtype) -> SSAValue:
    return matmul_and_row(program, program.add("reshape", [x, None], shape=(56, 5)), dtype)


def conv_transpose(program: Program, x: SSAValue, dtype) -> SSAValue:
    return program.add("conv_transpose", [x, program.constant(draw(4, 3, 2, 2, dtype=dtype)), None])


def normalized(program: Program, x: SSAValue, dtype) -> SSAValue:
    parts = [program.constant(np.abs(draw(4, dtype=dtype, seed=i)) + 1) for i in range(4)]
    return program.add("batch_normalization", [x, *parts])


def normalized_late(program: Program, x: SSAValue, dtype) -> SSAValue:
    """Statistics that are no constants: the kernel runs, fused or not."""
    parts = [program.constant(np.abs(draw(4, dtype=dtype, seed=i)) + 1) for i in range(4)]
    parts = [program.add("abs", [part]) for part in parts]
    return program.add("batch_normalization", [x, *parts])


WITH_RESIDUAL = (pointwise, windows, unpadded, gemm, matmul_and_row, matrices_and_row)
PREPARED = (*WITH_RESIDUAL, normalized)
ALL = (*PREPARED, normalized_late, conv_transpose)


def build(make, activation, dtype=np.float32, *, residual: bool, inside: bool) -> tuple:
    """A module and its inputs; `inside`, no operand and no result is the function's."""
    x = draw(2, 4, 7, 5, dtype=dtype, seed=1)
    probe = Program([x])
    shape = make(probe, probe.arguments[0], dtype).type.get_shape()
    r = draw(*shape, dtype=dtype, seed=2)
    program = Program([x, r])
    values = [program.add("neg", [v]) if inside else v for v in program.arguments]
    y = make(program, values[0], dtype)
    if residual:
        y = program.add("add", [y, values[1]])
    y = program.add(activation[0], [y], **activation[1])
    if inside:
        y = program.add("transpose", [y], perm=tuple(reversed(range(len(shape)))))
    return program.module(y), [x, r]


def compiled(module: ModuleOp, pipeline: str):
    """An executable, and the module before it was lowered."""
    ctx, copy = make_context(), module.clone()
    pipelines.run(ctx, copy, pipelines.parse(pipeline.removesuffix(",")), verify=True)
    high = copy.clone()
    pipelines.run(ctx, copy, pipelines.parse(LOWER), verify=True)
    return NumpyBackend().compile(copy), high


def assert_same_bits(module: ModuleOp, arrays: Sequence[np.ndarray]) -> ModuleOp:
    (plain, before), (fused, after) = compiled(module, ""), compiled(module, FUSE)
    assert len(list(after.walk())) < len(list(before.walk()))
    for _ in range(2):
        (expected,), (actual,) = plain.run(arrays), fused.run(arrays)
        assert actual.tobytes() == expected.tobytes()
    return after


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
@pytest.mark.parametrize("make", ALL)
def test_same_bits_as_separate_calls(make, activation):
    """Between other ops, where buffers are the arena's."""
    residual = make in WITH_RESIDUAL
    module, arrays = build(make, activation, residual=residual, inside=True)
    after = assert_same_bits(module, arrays)
    assert any(isinstance(op.properties.get("activation"), ActivationAttr) for op in after.walk())


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
@pytest.mark.parametrize("activation", [("relu", {}), ("swish", {})], ids=str)
@pytest.mark.parametrize("make", ALL)
def test_as_arguments_and_results(make, activation, dtype):
    """Late buffers; and half precision, whose kernels run, with the activation of its own call."""
    residual = make in WITH_RESIDUAL
    module, arrays = build(make, activation, dtype, residual=residual, inside=False)
    assert_same_bits(module, arrays)


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("make", PREPARED)
def test_no_fused_form_needs_the_kernel(make, residual, activation, monkeypatch):
    """A form that is not prepared allocates its result, copies it, and computes it slower."""
    if residual and make not in WITH_RESIDUAL:
        return
    for inside in (False, True):
        module, _ = build(make, activation, residual=residual, inside=inside)

        def refuse(kernel, *rest):
            raise AssertionError(f"{kernel} was called")

        monkeypatch.setattr(frame, "_fill", refuse)
        executable, after = compiled(module, FUSE)
        executable.run([np.zeros(t.get_shape(), np.float32) for t in _arguments(after)])


def _arguments(module: ModuleOp) -> list[TensorType]:
    (function,) = module.ops
    return list(function.function_type.inputs)


def test_several_images_and_large_results():
    """More than one block of columns, and more elements than any buffer of blocks holds."""
    x = draw(3, 8, 60, 60)
    program = Program([x])
    w, v = program.constant(draw(16, 8, 3, 3)), program.constant(draw(16, 16, 1, 1))
    y = program.add("conv", [program.arguments[0], w, None, None], pads=(1, 1, 1, 1))
    y = program.add("swish", [y])
    z = program.add("conv", [y, v, None, None])
    module = program.module(program.add("leaky_relu", [program.add("add", [y, z])]))
    assert_same_bits(module, [x])


def test_dynamic_shapes():
    """Where results are owned kernels run, and they know the fused forms."""
    a, b = draw(3, 4), draw(4, 5)
    program = Program([a, b], dynamic=True)
    y = program.add("relu", [program.add("matmul", [*program.arguments, None, None])])
    assert_same_bits(program.module(y), [a, b])


@pytest.mark.parametrize("activation", [("relu", {}), ("hard_swish", {})], ids=str)
@pytest.mark.parametrize("make", [gemm, matmul_and_row, pointwise, normalized])
def test_empty_results(make, activation):
    """No images: nothing is computed, and nothing fails."""
    x = np.zeros((0, 4, 7, 5), np.float32)
    program = Program([x])
    y = program.arguments[0]
    if make is gemm:
        y = program.add("reshape", [y, None], shape=(0, 140), allowzero=True)
        y = program.add("gemm", [y, program.constant(draw(140, 3)), None, None])
    else:
        y = make(program, y, np.float32)
    module = program.module(program.add(activation[0], [y]))
    assert_same_bits(module, [x])

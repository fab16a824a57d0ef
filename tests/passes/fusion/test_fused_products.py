"""pfrt-fuse-bias, -residual and -activation: the fused op has the bits of the separate ones."""

from __future__ import annotations

from collections.abc import Sequence

import ml_dtypes
import numpy as np
import pytest
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Region, SSAValue

from pyflame_rt import pipelines
from pyflame_rt.backends.reference import ReferenceBackend
from pyflame_rt.dialects.pfrt import operations
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.types import tensor_of
from pyflame_rt.universe import make_context

PIPELINE = "pfrt-fuse-bias,pfrt-fuse-residual,pfrt-fuse-activation"

ACTIVATIONS = (
    ("relu", {}), ("clip", {"min": -0.5, "max": 6.0}), ("leaky_relu", {"alpha": 0.1}),
    ("sigmoid", {}), ("tanh", {}), ("hard_swish", {}), ("hard_sigmoid", {"alpha": 0.2}),
    ("gelu", {}), ("gelu", {"approximate": "tanh"}), ("swish", {}), ("swish", {"alpha": 1.702}),
    ("elu", {}), ("selu", {}), ("celu", {"alpha": 2.0}), ("softplus", {}), ("softsign", {}),
    ("mish", {}), ("thresholded_relu", {}), ("neg", {}), ("exp", {}), ("erf", {}), ("abs", {}),
)  # fmt: skip

DTYPES = (np.float16, ml_dtypes.bfloat16, np.float32, np.float64)


class Program:
    """A function that is built op by op."""

    def __init__(self, arrays: Sequence[np.ndarray]):
        self.kinds = [tensor_of(array) for array in arrays]
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


def sample(shape: Sequence[int], dtype, seed: int = 0) -> np.ndarray:
    """Normal numbers, among them zeros of both signs and numbers of which powers overflow."""
    x = np.random.default_rng(seed).standard_normal(shape)
    for index, value in enumerate((0.0, -0.0, 30.0, -300.0)):
        x.flat[index * 7 % x.size] = value
    return x.astype(dtype)


def fused(module: ModuleOp, pipeline: str = PIPELINE) -> ModuleOp:
    """A fused copy, verified."""
    copy = module.clone()
    pipelines.run(make_context(), copy, pipelines.parse(pipeline), verify=True)
    return copy


def count(module: ModuleOp) -> int:
    ops = (op.name for op in module.walk())
    return sum(name.startswith("pfrt.") and name != "pfrt.constant" for name in ops)


def assert_same_bits(module: ModuleOp, arrays: Sequence[np.ndarray], ops: int) -> None:
    """The fused module has that many ops and, in the interpreter, the same bits."""
    after = fused(module)
    assert count(after) == ops, str(after)
    (expected,), (actual,) = (ReferenceBackend().compile(m).run(arrays) for m in (module, after))
    assert actual.dtype == expected.dtype
    assert actual.tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "properties"), ACTIVATIONS)
def test_activations(name, properties, dtype):
    """After a matmul of several dimensions with bias and residual, in every type."""
    a, b, c, r = (sample(s, dtype, i) for i, s in enumerate(((2, 3, 4), (4, 5), (5,), (2, 3, 5))))
    program = Program([a, b, c, r])
    x = program.arguments
    product = program.add("matmul", x[:2])
    total = program.add("add", [x[3], program.add("add", [product, x[2]])])
    module = program.module(program.add(name, [total], **properties))
    assert_same_bits(module, [a, b, c, r], 1)


@pytest.mark.parametrize("dtype", DTYPES)
def test_convolutions(dtype):
    """A bias of its own, then residual and activation: in narrow types too."""
    x, w, c = sample((2, 4, 6, 5), dtype), sample((6, 2, 3, 3), dtype, 1), sample((6,), dtype, 2)
    r = sample((2, 6, 6, 5), dtype, 3)
    program = Program([x, w, c, r])
    values = program.arguments
    y = program.add("conv", [*values[:3], None], group=2, pads=(1, 1, 1, 1))
    module = program.module(program.add("relu", [program.add("add", [values[3], y])]))
    assert_same_bits(module, [x, w, c, r], 1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["conv", "conv_transpose"])
def test_constants_of_a_channel(name, dtype):
    """A bias where nothing rounds twice; else, and along other axes, an addition."""
    x, w = sample((2, 4, 6, 5), dtype), sample((4, 4, 1, 1), dtype, 1)
    for shape, is_bias in (((4, 1, 1), True), ((1, 1, 1, 1), True), ((5,), False)):
        program = Program([x, w])
        operands = [*program.arguments, None] + ([None] if name == "conv" else [])
        y = program.add(name, operands)
        c = program.constant(sample(shape, dtype, 2))
        module = program.module(program.add("add", [y, c]))
        is_wide = dtype in (np.float32, np.float64)
        assert_same_bits(module, [x, w], 1 if is_bias and is_wide else 2)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(5,), (1,), (), (3, 1), (1, 5), (3, 5)])
def test_addends_of_matrices(shape, dtype):
    """Rows, columns and scalars go into a gemm, what is as large as the product is a residual."""
    a, b, c = sample((3, 4), dtype), sample((4, 5), dtype, 1), sample(shape, dtype, 2)
    for name in ("matmul", "gemm"):
        program = Program([a, b, c])
        x = program.arguments
        operands = x[:2] if name == "matmul" else [*x[:2], None, None]
        module = program.module(program.add("add", [x[2], program.add(name, operands)]))
        # Narrow types round the product first, which only matmul does before it adds a vector.
        is_wide = dtype in (np.float32, np.float64)
        taken = is_wide or shape == (3, 5) or (shape == (5,) and name == "matmul")
        assert_same_bits(module, [a, b, c], 1 if taken else 2)


@pytest.mark.parametrize("dtype", DTYPES)
def test_factors(dtype):
    """One factor, of one element that f32 holds."""
    a, b = sample((3, 4), dtype), sample((4, 5), dtype, 1)
    for factor, is_held in ((0.25, True), (0.1, dtype == np.float32)):
        program = Program([a, b])
        y = program.add("matmul", program.arguments)
        s = program.constant(np.full((1, 1), factor, dtype))
        module = program.module(program.add("mul", [y, s]))
        taken = is_held and dtype in (np.float32, np.float64)
        assert_same_bits(module, [a, b], 1 if taken else 2)


def test_integers():
    """Products of integers take a bias, a residual and an activation as other types do."""
    rng = np.random.default_rng(0)
    a, b, c, r = (
        rng.integers(-(2**31), 2**31, s, np.int32) for s in ((3, 4), (4, 5), (5,), (3, 5))
    )
    program = Program([a, b, c, r])
    x = program.arguments
    total = program.add("add", [program.add("add", [program.add("matmul", x[:2]), x[2]]), x[3]])
    module = program.module(program.add("relu", [total]))
    assert_same_bits(module, [a, b, c, r], 1)


def test_vectors():
    """A row times a matrix plus a row; two vectors have no columns to give a bias."""
    a, b, c, d = (sample(s, np.float32, i) for i, s in enumerate(((4,), (4, 5), (5,), (1,))))
    program = Program([a, b, c])
    module = program.module(
        program.add("add", [program.add("matmul", program.arguments[:2]), program.arguments[2]])
    )
    assert_same_bits(module, [a, b, c], 1)
    program = Program([a, d])
    product = program.add("matmul", [program.arguments[0]] * 2)
    module = program.module(program.add("add", [product, program.arguments[1]]))
    assert_same_bits(module, [a, d], 2)

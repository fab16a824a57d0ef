"""f16 and bf16 compute as f32: one op within a rounding of the interpreter, regions at least as exact."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.ir import Block, Region, SSAValue

from pyflame_rt import pipelines
from pyflame_rt.backends.numpy_backend import NumpyBackend
from pyflame_rt.backends.reference import ReferenceBackend
from pyflame_rt.dialects.pfrt import operations
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.types import element_type
from pyflame_rt.universe import make_context

NARROW = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))
DIGITS = {NARROW[0]: 2.0**-10, NARROW[1]: 2.0**-7}
"""The distance of a number from the next one, relative to it, at most."""


class Model:
    """A function of f64 drawings that is built once for each element type."""

    def __init__(self, dtype: np.dtype[Any], *shapes: tuple[int, ...]):
        rng = np.random.default_rng(len(shapes))
        self.dtype = dtype
        # Of few digits: what is fed and constant is the same in every type.
        self.fed = [self._drawn(rng, shape) for shape in shapes]
        self.block = Block(arg_types=[TensorType(element_type(dtype), s) for s in shapes])
        self._rng = rng

    @staticmethod
    def _drawn(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return np.round(rng.standard_normal(shape) * 16) / 32

    def constant(self, *shape: int) -> SSAValue:
        op = ConstantOp.get(self._drawn(self._rng, shape).astype(self.dtype))
        self.block.add_op(op)
        return op.result

    def add(self, name: str, *operands: SSAValue | None, **properties: Any) -> SSAValue:
        op = operations()[f"pfrt.{name}"].create_op(operands, properties)
        self.block.add_op(op)
        return op.results[0]

    def run(self, result: SSAValue, level: int | None) -> np.ndarray:
        """On the interpreter, or lowered as at that level."""
        block = self.block
        if block.last_op is None or not isinstance(block.last_op, func.ReturnOp):
            block.add_op(func.ReturnOp(result))
            kinds = (block.arg_types, [result.type])
            self.module = ModuleOp([func.FuncOp("main", kinds, Region(block))])
        module, backend = self.module.clone(), NumpyBackend()
        inputs = [array.astype(self.dtype) for array in self.fed]
        if level is None:
            return ReferenceBackend().compile(module, "main").run(inputs)[0]
        pipelines.run(make_context(), module, pipelines.parse(backend.lowering(level)), verify=True)
        return backend.compile(module).run(inputs)[0]


def convolution(model: Model) -> SSAValue:
    return model.add("conv", model.block.args[0], model.constant(5, 3, 3, 3), None, None)


def product(model: Model) -> SSAValue:
    return model.add("matmul", model.block.args[0], model.constant(8, 6), None, None)


def softmax(model: Model) -> SSAValue:
    return model.add("softmax", model.block.args[0])


def layer_norm(model: Model) -> SSAValue:
    x = model.block.args[0]
    return model.add("layer_normalization", x, model.constant(8), model.constant(8), axis=-1)


def pool(model: Model) -> SSAValue:
    return model.add("average_pool", model.block.args[0], kernel_shape=(3, 3), pads=(1, 1, 1, 1))


def total(model: Model) -> SSAValue:
    return model.add("reduce_sum", model.block.args[0], axes=(1,))


SINGLE = {
    convolution: (2, 3, 8, 8), product: (3, 8), softmax: (4, 8), layer_norm: (4, 8),
    pool: (1, 3, 8, 8), total: (4, 50),
}  # fmt: skip


@pytest.mark.parametrize("dtype", NARROW, ids=str)
@pytest.mark.parametrize("build", SINGLE, ids=lambda f: f.__name__)
@pytest.mark.parametrize("level", [0, 2])
def test_one_op_is_within_a_rounding(build: Any, dtype: np.dtype[Any], level: int):
    """The kernel computes in f32 and rounds once, and so does what is lowered."""
    model = Model(dtype, SINGLE[build])
    result = build(model)
    expected = model.run(result, None)
    found = model.run(result, level)
    assert found.dtype == dtype
    expected, found = expected.astype(np.float64), found.astype(np.float64)
    step = np.maximum(np.abs(expected), 1e-3) * DIGITS[dtype]
    assert np.all(np.abs(found - expected) <= step)


def network(model: Model) -> SSAValue:
    x, skip = model.block.args
    y = model.add("conv", x, model.constant(4, 3, 3, 3), model.constant(4), None, pads=(1,) * 4)
    y = model.add("tanh", model.add("add", y, skip))
    y = model.add("transpose", y, perm=(0, 2, 3, 1))
    y = model.add("layer_normalization", y, model.constant(4), model.constant(4), axis=-1)
    y = model.add("matmul", y, model.constant(4, 8), None, None)
    return model.add("softmax", model.add("mul", y, y))


@pytest.mark.parametrize("dtype", NARROW, ids=str)
def test_a_region_is_at_least_as_exact(dtype: np.dtype[Any]):
    """Values that are not rounded between ops come closer to what f64 gives."""
    shapes = (1, 3, 8, 8), (1, 4, 8, 8)
    exact_model, model = Model(np.dtype(np.float64), *shapes), Model(dtype, *shapes)
    exact = exact_model.run(network(exact_model), None)
    result = network(model)
    errors = [np.abs(model.run(result, level).astype(np.float64) - exact) for level in (None, 2)]
    assert errors[1].mean() < errors[0].mean()
    assert errors[1].max() <= np.abs(exact).max() * DIGITS[dtype]


def test_nothing_overflows_that_f32_holds():
    """300 squared is no f16, but its hundredth is."""
    model = Model(NARROW[0], (2, 4))
    model.fed = [np.full((2, 4), 300.0)]
    x = model.block.args[0]
    hundredth = ConstantOp.get(np.array(0.01, np.float16))
    square = model.add("mul", x, x)
    model.block.add_op(hundredth)
    result = model.add("mul", square, hundredth.result)
    assert np.isinf(model.run(result, 0)).all()
    assert np.allclose(model.run(result, 2).astype(float), 900, rtol=1e-3)

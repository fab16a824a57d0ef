"""pfrt-fuse-conv-bn: what is folded is as exact as what it was."""

from __future__ import annotations

import numpy as np
import pytest
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Region

from pyflame_rt import pipelines
from pyflame_rt.backends.reference import ReferenceBackend
from pyflame_rt.dialects.pfrt import operations
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.types import tensor_of
from pyflame_rt.universe import make_context


class Network:
    """A function of one input whose parameters are constants, drawn from a seed."""

    def __init__(self, x: np.ndarray, seed: int):
        self.dtype = x.dtype
        self.rng = np.random.default_rng(seed)
        self.kinds = [tensor_of(x)]
        self.block = Block(arg_types=self.kinds)
        self.value = self.block.args[0]

    def constant(self, array):
        op = ConstantOp.get(np.asarray(array, np.float32).astype(self.dtype))
        self.block.add_op(op)
        return op.result

    def normal(self, *shape: int):
        return self.constant(self.rng.standard_normal(shape))

    def then(self, name: str, *operands, **properties) -> Network:
        op = operations()[f"pfrt.{name}"].create_op([self.value, *operands], properties)
        self.block.add_op(op)
        self.value = op.results[0]
        return self

    def normalized(self, channels: int) -> Network:
        """With statistics as trained networks have them: variances of several magnitudes."""
        var = self.constant(10 ** self.rng.uniform(-4, 2, channels))
        parts = [self.normal(channels) for _ in range(3)]
        return self.then("batch_normalization", *parts, var)

    def module(self) -> ModuleOp:
        self.block.add_op(func.ReturnOp(self.value))
        function = func.FuncOp("main", (self.kinds, [self.value.type]), Region(self.block))
        return ModuleOp([function])


def conv(n: Network) -> Network:
    return n.then(
        "conv", n.normal(6, 4, 3, 3), n.normal(6), None, group=2, pads=(1, 1, 1, 1)
    ).normalized(6)


def conv_without_bias(n: Network) -> Network:
    return n.then("conv", n.normal(6, 8, 1, 1), None, None).normalized(6)


def conv_transpose(n: Network) -> Network:
    weights = n.normal(8, 3, 3, 3)
    return n.then("conv_transpose", weights, n.normal(6), group=2).normalized(6)


def twice(n: Network) -> Network:
    return n.normalized(8).normalized(8)


def arithmetic(n: Network) -> Network:
    n.then("conv", n.normal(6, 8, 3, 3), n.normal(6), None)
    n.then("mul", n.normal(1, 6, 1, 1)).then("add", n.normal(6, 1, 1))
    return n.then("div", n.constant(3.0)).then("sub", n.normal(6, 1, 1))


def gemm(n: Network) -> Network:
    n.then("global_average_pool").then("flatten")
    weights = n.normal(6, 8)
    n.then("gemm", weights, n.normal(1, 6), None, alpha=0.5, beta=3.0, trans_b=True)
    return n.normalized(6)


def matmul(n: Network) -> Network:
    n.then("global_average_pool").then("flatten")
    return n.then("matmul", n.normal(8, 6)).normalized(6)


MAKERS = (conv, conv_without_bias, conv_transpose, twice, arithmetic, gemm, matmul)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("seed", range(4))
def test_folded_is_as_exact(make, seed):
    """Against float64 the error is within 1e-5 of the largest result, and at most twice the one
    of the separate ops (and four units in the last place)."""
    x = np.random.default_rng(seed + 100).standard_normal((2, 8, 9, 9)).astype(np.float32)
    results = {}
    for dtype in (np.float32, np.float64):
        module = make(Network(x.astype(dtype), seed)).module()
        results[dtype] = ReferenceBackend().compile(module).run([x.astype(dtype)])[0]
    module = make(Network(x, seed)).module()
    before = sum(op.name.startswith("pfrt.") for op in module.walk())
    pipelines.run(make_context(), module, pipelines.parse("pfrt-fuse-conv-bn"), verify=True)
    names = [op.name for op in module.walk()]
    assert len([name for name in names if name.startswith("pfrt.")]) < before
    assert names.count("pfrt.batch_normalization") == (make is twice)
    assert not {"pfrt.mul", "pfrt.add", "pfrt.div", "pfrt.sub"} & set(names)
    (folded,) = ReferenceBackend().compile(module).run([x])
    exact = results[np.float64]
    largest = float(np.abs(exact).max())
    error = float(np.abs(folded - exact).max())
    separate = float(np.abs(results[np.float32] - exact).max())
    assert error <= 1e-5 * largest
    assert error <= 2 * separate + 4 * np.spacing(np.float32(largest))


def test_statistics_of_another_type_lose_no_digits():
    """Thirds in f64 times 3 give 1, where thirds in f32 would not."""
    n = Network(np.ones((1, 1, 1), np.float32), 0)
    n.then("conv", n.constant(np.full((1, 1, 1), 3)), None, None)
    statistics = [ConstantOp.get(np.full(1, value)) for value in (1 / 3, 0.0, 0.0, 1.0)]
    n.block.add_ops(statistics)
    module = n.then("batch_normalization", *(op.result for op in statistics), epsilon=0.0).module()
    pipelines.run(make_context(), module, pipelines.parse("pfrt-fuse-conv-bn"), verify=True)
    assert "pfrt.batch_normalization" not in [op.name for op in module.walk()]
    (y,) = ReferenceBackend().compile(module).run([np.ones((1, 1, 1), np.float32)])
    assert y.dtype == np.float32
    assert y.item() == 1.0

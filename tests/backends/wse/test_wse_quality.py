"""Mapping quality: simulated cycles by the bound, of single layers from pfrt to the simulator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp, TensorType, f32
from xdsl.ir import Block, Region

from pyflame_rt import compiler
from pyflame_rt.backends.wse.backend import WseBackend
from pyflame_rt.dialects.pfrt.contraction import GemmOp
from pyflame_rt.dialects.pfrt.convolution import ConvOp
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.universe import make_context

Array = NDArray[Any]


def _layer(x: Array, weight: Array) -> ModuleOp:
    """A product with a matrix, or a 3 x 3 convolution with a border."""
    block = Block(arg_types=[TensorType(f32, x.shape)])
    constant = ConstantOp.get(weight)
    operands = [block.args[0], constant.results[0]]
    ones = {"strides": (1, 1), "dilations": (1, 1)}
    layer = (
        GemmOp.create_op(operands)
        if weight.ndim == 2
        else ConvOp.create_op(operands, {"pads": (1, 1, 1, 1), **ones})
    )
    block.add_ops([constant, layer, func.ReturnOp(layer.results[0])])
    kinds = [block.args[0].type], [layer.results[0].type]
    return ModuleOp([func.FuncOp("main", kinds, Region(block))])


@pytest.mark.parametrize(
    ("x", "weight", "grid", "machine", "dtype", "most"),
    [
        ((1, 1024), (1024, 1024), "16x16", "wse2", "f32", 1.25),
        pytest.param((1, 4096), (4096, 4096), "64x64", "wse2", "f32", 1.25, marks=pytest.mark.slow),
        ((56, 56), (56, 56), "4x4", "wse2", "f32", 1.6),
        ((112, 112), (112, 112), "8x8", "wse2", "f32", 1.6),
        ((240, 240), (240, 240), "8x8", "wse2", "f32", 1.3),
        ((240, 240), (240, 240), "8x8", "wse3", "f16", 2.0),
        ((1, 64, 32, 32), (64, 64, 3, 3), "16x16", "wse2", "f32", 1.5),
    ],
)
def test_quality(
    x: tuple[int, ...], weight: tuple[int, ...], grid: str, machine: str, dtype: str, most: float
):
    """What the project asks of itself; and the prediction is within 15 %."""
    generator = np.random.default_rng(0)
    values = generator.normal(size=x).astype(np.float32)
    module = _layer(values, generator.normal(size=weight).astype(np.float32))
    ctx = make_context()
    (expected,) = compiler.compile_module(module, ctx, "numpy", "").run([values])
    options = {"grid": grid, "dtype": dtype}
    model = compiler.compile_module(module, ctx, machine, "", options=options)
    (actual,) = model.run([values])
    allowed = 1e-5 if dtype == "f32" else 1e-2
    assert np.abs(actual - expected).max() <= allowed * np.abs(expected).max()
    assert isinstance(model.backend, WseBackend)
    (part,) = model.backend.report().parts
    (step,) = part.steps
    assert step.quality is not None
    assert 1 <= step.quality <= most
    assert abs(step.predicted - step.cycles) <= 0.15 * step.cycles

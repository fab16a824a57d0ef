"""Algorithms on nhwc data agree with the interpreter on nchw, whatever blocks they work in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from xdsl.dialects import func
from xdsl.dialects.builtin import FunctionType, ModuleOp
from xdsl.ir import Block, Region

from pyflame_rt import kernels, pipelines
from pyflame_rt.backends.numpy_backend import NumpyBackend
from pyflame_rt.dialects.pfrt import operations
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.types import tensor_of
from pyflame_rt.dialects.plan.ops import CallOp
from pyflame_rt.kernels.epilogue import Activation
from pyflame_rt.kernels.layouts import to_layout
from pyflame_rt.universe import make_context


def floats(*shape: int) -> np.ndarray:
    """Normal numbers."""
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def computed(
    name: str, x: np.ndarray, others: list, properties: dict[str, Any], constant: bool = True
) -> tuple[np.ndarray, set[str]]:
    """The result of the op on nhwc data by a plan, and the algorithms that the plan calls.

    The last of the other operands is nhwc data too if it has x's rank and no constant.
    """
    inputs = [x, *(o for o in others if o is not None and not constant)]
    block = Block(arg_types=[tensor_of(a) for a in inputs])
    operands: list[Any] = [block.args[0]]
    for other in others:
        if other is None:
            operands.append(None)
        elif constant:
            made = ConstantOp.get(other)
            block.add_op(made)
            operands.append(made.result)
        else:
            operands.append(block.args[len([o for o in operands if o is not None])])
    op = operations()[f"pfrt.{name}"].create_op(operands, {**properties, "layout": "nhwc"})
    block.add_ops([op, func.ReturnOp(*op.results)])
    kind = FunctionType.from_lists(block.arg_types, op.result_types)
    module = ModuleOp([func.FuncOp("main", kind, Region(block))])
    pipelines.run(make_context(), module, pipelines.parse("convert-pfrt-to-plan,plan-allocate"))
    callees = {call.algorithm for call in module.walk() if isinstance(call, CallOp)}
    executable = NumpyBackend().compile(module, "main")
    # Twice: what the first run leaves in the arena must not matter.
    executable.run([np.full_like(a, np.nan) for a in inputs])
    return executable.run(inputs)[0], callees


CONVOLUTIONS = {
    # x, w, properties, algorithm
    "columns": ((1, 3, 9, 8), (5, 3, 3, 3), {"pads": (1, 0, 1, 1)}, "conv_im2col_nhwc"),
    "several_blocks": ((1, 64, 40, 40), (16, 64, 5, 5), {"pads": (2,) * 4}, "conv_im2col_nhwc"),
    "several_images": ((9, 8, 30, 30), (16, 8, 3, 3), {}, "conv_im2col_nhwc"),
    "groups": ((2, 4, 7, 7), (6, 2, 3, 3), {"group": 2, "strides": (2, 2)}, "conv_im2col_nhwc"),
    "strided_points": ((1, 4, 6, 6), (4, 4, 1, 1), {"strides": (2, 2)}, "conv_im2col_nhwc"),
    "points": ((2, 5, 6, 6), (7, 5, 1, 1), {}, "conv_gemm_1x1_nhwc"),
    "points_in_blocks": ((1, 64, 90, 90), (96, 64, 1, 1), {}, "conv_gemm_1x1_nhwc"),
    "depthwise": ((3, 6, 6, 5), (6, 1, 3, 3), {"group": 6, "pads": (1,) * 4}, "conv_depthwise_nhwc"),
    "depthwise_dilated": (
        (2, 6, 9, 8), (6, 1, 3, 3), {"group": 6, "dilations": (2, 2), "strides": (2, 1)},
        "conv_depthwise_nhwc",
    ),
    "depthwise_wide": ((1, 600, 9, 8), (600, 1, 3, 3), {"group": 600}, "conv_depthwise_nhwc"),
    "depthwise_phases": (
        (2, 6, 17, 16), (6, 1, 5, 5),
        {"group": 6, "strides": (2, 3), "pads": (2, 1, 2, 3), "dilations": (1, 2)},
        "conv_depthwise_nhwc",
    ),
    "depthwise_few_taps": (
        (1, 8, 9, 9), (8, 1, 1, 2), {"group": 8, "strides": (2, 4)}, "conv_depthwise_nhwc",
    ),
    "depthwise_one_axis": (
        (2, 6, 19), (6, 1, 3), {"group": 6, "strides": (2,), "pads": (1, 1)}, "conv_depthwise_nhwc",
    ),
    "depthwise_three_axes": (
        (1, 5, 6, 7, 8), (5, 1, 3, 2, 3), {"group": 5, "strides": (1, 2, 2), "pads": (1,) * 6},
        "conv_depthwise_nhwc",
    ),
    "depthwise_strips": (
        (2, 48, 70, 61), (48, 1, 3, 3), {"group": 48, "pads": (1,) * 4}, "conv_depthwise_nhwc",
    ),
    "depthwise_strips_of_phases": (
        (1, 48, 70, 61), (48, 1, 3, 3), {"group": 48, "strides": (2, 2), "pads": (0, 0, 1, 1)},
        "conv_depthwise_nhwc",
    ),
    "groups_in_strips": (
        (1, 32, 60, 60), (64, 8, 3, 3), {"group": 4, "pads": (1,) * 4}, "conv_im2col_nhwc",
    ),
    "tiles": ((2, 32, 8, 12), (40, 32, 3, 3), {"pads": (1,) * 4}, "conv_winograd_nhwc"),
    "half_tiles": ((2, 33, 7, 9), (32, 33, 3, 3), {"pads": (1, 0, 0, 2)}, "conv_winograd_nhwc"),
    "strips_of_tiles": ((1, 64, 61, 37), (96, 64, 3, 3), {}, "conv_winograd_nhwc"),
    "deep_tiles": ((1, 2000, 5, 4), (32, 2000, 3, 3), {"pads": (1,) * 4}, "conv_winograd_nhwc"),
    "one_axis": ((2, 4, 9), (6, 4, 3), {"auto_pad": "SAME_UPPER"}, "conv_im2col_nhwc"),
    "three_axes": ((2, 3, 5, 6, 7), (6, 3, 2, 3, 3), {"pads": (1,) * 6}, "conv_im2col_nhwc"),
    "no_images": ((0, 3, 5, 5), (4, 3, 3, 3), {}, "conv_im2col_nhwc"),
}  # fmt: skip


@pytest.mark.parametrize("case", CONVOLUTIONS)
@pytest.mark.parametrize("constant", [True, False])
def test_convolutions(case: str, constant: bool):
    """With weights that are packed once, and with some that are known at run time only."""
    shape, window, properties, algorithm = CONVOLUTIONS[case]
    x, w, bias = floats(*shape), floats(*window), floats(window[0])
    wanted = kernels.table()["conv"](x, w, bias, **properties)
    others = [w, bias, None]
    found, callees = computed("conv", to_layout(x, "nhwc"), others, properties, constant)
    if algorithm == "conv_winograd_nhwc" and not constant:
        algorithm = "conv_im2col_nhwc"
    assert algorithm in callees
    np.testing.assert_allclose(found, to_layout(wanted, "nhwc"), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    "case", ["columns", "several_blocks", "several_images", "points", "three_axes"]
)
def test_convolutions_of_channels_first(case: str):
    """Read as nchw, padded or not, the columns are the same."""
    shape, window, properties, _ = CONVOLUTIONS[case]
    x, w, bias = floats(*shape), floats(*window), floats(window[0])
    wanted = to_layout(kernels.table()["conv"](x, w, bias, **properties), "nhwc")
    properties = {**properties, "layout": "nhwc", "x_layout": "nchw"}
    np.testing.assert_array_equal(
        kernels.table()["conv"](x, w, bias, **properties), wanted, strict=True
    )
    found, callees = computed("conv", x, [w, bias, None], properties)
    assert "conv_im2col_nhwc" in callees
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    "case", ["several_blocks", "points_in_blocks", "depthwise", "one_axis", "half_tiles"]
)
@pytest.mark.parametrize(
    "activation", [Activation("relu"), Activation("elu", {"alpha": 0.5}), Activation("erf")]
)
def test_what_follows_a_convolution(case: str, activation: Activation):
    """Bias, residual and activation are done block by block: in place, beside, by a kernel."""
    shape, window, properties, algorithm = CONVOLUTIONS[case]
    x, w, bias = floats(*shape), floats(*window), floats(window[0])
    plain = kernels.table()["conv"](x, w, bias, **properties)
    residual = floats(*plain.shape)
    wanted = to_layout(activation(plain + residual), "nhwc")
    others = [w, bias, to_layout(residual, "nhwc")]
    properties = {**properties, "activation": activation}
    found, callees = computed("conv", to_layout(x, "nhwc"), others, properties)
    assert algorithm in callees
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-3)


POOL = {"kernel_shape": (3, 2), "strides": (2, 2), "pads": (1, 0, 1, 1), "ceil_mode": True}


@pytest.mark.parametrize(
    ("name", "others", "properties", "algorithm"),
    [
        ("max_pool", [], POOL, "max_pool_nhwc"),
        ("average_pool", [], POOL, "average_pool_nhwc"),
        ("average_pool", [], {**POOL, "count_include_pad": True}, "average_pool_nhwc"),
        ("lp_pool", [], POOL, "lp_pool"),
        ("global_average_pool", [], {}, "global_average_pool_nhwc"),
        ("global_max_pool", [], {}, "global_max_pool_nhwc"),
        (
            "batch_normalization", [floats(5), floats(5), floats(5), abs(floats(5))],
            {"epsilon": 1e-3}, "batch_normalization_folded_nhwc",
        ),
        ("instance_normalization", [floats(5), floats(5)], {"epsilon": 1e-3},
         "instance_normalization"),
    ],
)  # fmt: skip
def test_pools_and_normalizations(name: str, others: list, properties: dict, algorithm: str):
    """By their own form, or by the kernel."""
    x = floats(2, 5, 9, 7)
    wanted = kernels.table()[name](x, *others, **properties)
    found, callees = computed(name, to_layout(x, "nhwc"), others, properties)
    assert algorithm in callees
    np.testing.assert_allclose(found, to_layout(wanted, "nhwc"), rtol=1e-5, atol=1e-5)


def test_statistics_known_at_run_time_go_to_the_kernel():
    """Its name is also that of an algorithm on nchw."""
    x, others = floats(2, 5, 9, 7), [floats(5), floats(5), floats(5), abs(floats(5))]
    wanted = kernels.table()["batch_normalization"](x, *others, epsilon=1e-3)
    properties = {"epsilon": 1e-3}
    found, _ = computed(
        "batch_normalization", to_layout(x, "nhwc"), others, properties, constant=False
    )
    np.testing.assert_allclose(found, to_layout(wanted, "nhwc"), rtol=1e-5, atol=1e-5)

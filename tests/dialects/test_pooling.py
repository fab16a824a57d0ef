"""Type inference and costs of pools."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pyflame_rt.dialects.pfrt import pooling
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.kernels.windows import AUTO_PADS, window_axes

WINDOWED = [
    pooling.AveragePoolOp,
    pooling.LpPoolOp,
    pooling.MaxPoolOp,
    pooling.MaxPoolWithIndicesOp,
]
GLOBAL = [pooling.GlobalAveragePoolOp, pooling.GlobalLpPoolOp, pooling.GlobalMaxPoolOp]


@pytest.mark.parametrize("op", WINDOWED)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    data=st.data(),
    rank=st.integers(1, 3),
    auto_pad=st.sampled_from(AUTO_PADS),
    ceil_mode=st.booleans(),
)
def test_inference_agrees_with_the_kernel(
    check_inference: Callable[..., PfrtOp],
    op: type[PfrtOp],
    data: st.DataObject,
    rank: int,
    auto_pad: str,
    ceil_mode: bool,
):
    """1 to 3 spatial axes, strides, dilations, pads, every auto_pad, ceil_mode."""

    def draw(low: int, high: int, count: int = rank) -> tuple[int, ...]:
        return tuple(data.draw(st.integers(low, high)) for _ in range(count))

    sizes = draw(0, 6)
    how: dict[str, Any] = {
        "kernel_shape": draw(1, 3),
        "strides": data.draw(st.sampled_from([(), draw(1, 3)])),
        "dilations": data.draw(st.sampled_from([(), draw(1, 2)])),
        "pads": data.draw(st.sampled_from([(), draw(0, 2, 2 * rank)])),
        "auto_pad": auto_pad,
        "ceil_mode": ceil_mode,
    }
    axes = window_axes(**how)
    fits = (n + sum(a.resolved_pads(n)) >= a.extent for a, n in zip(axes, sizes, strict=True))
    assume(auto_pad.startswith("SAME") or all(fits))
    x = np.ones((data.draw(st.integers(0, 2)), 2, *sizes), np.float32)
    check_inference(op, [x], how)


@pytest.mark.parametrize("op", GLOBAL)
@pytest.mark.parametrize("shape", [(2, 3, 4), (0, 3, 4, 5), (1, 0, 2), (1, 2, 0)])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_global_inference_agrees_with_the_kernel(
    check_inference: Callable[..., PfrtOp], op: type[PfrtOp], shape: tuple[int, ...], dtype: Any
):
    """Also of empty tensors, which reduce to NaN, -inf or 0."""
    check_inference(op, [np.ones(shape, dtype)])


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.float64])
def test_max_pools_take_every_ordered_type(check_inference: Callable[..., PfrtOp], dtype: Any):
    """Bytes too."""
    for op in (pooling.MaxPoolOp, pooling.MaxPoolWithIndicesOp):
        check_inference(op, [np.ones((1, 2, 4), dtype)], {"kernel_shape": (2,), "pads": (1, 1)})


def test_flops_count_taps(check_inference: Callable[..., PfrtOp]):
    """One for each element of each window."""
    x = np.ones((1, 2, 6, 6), np.float32)
    how = {"kernel_shape": (2, 3), "strides": (2, 3)}
    assert check_inference(pooling.MaxPoolOp, [x], how).flops() == 2 * 6 * 6
    assert check_inference(pooling.GlobalMaxPoolOp, [x]).flops() == 2 * 6 * 6

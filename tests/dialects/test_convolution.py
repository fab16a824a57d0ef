"""Type inference and costs of convolutions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.test_value import create_ssa_value

from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.convolution import ConvOp
from pyflame_rt.dialects.pfrt.types import tensor_of
from pyflame_rt.kernels.windows import AUTO_PADS, window_axes


def ones(*shape: int) -> np.ndarray:
    """A float32 array."""
    return np.ones(shape, np.float32)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data(), rank=st.integers(1, 3), auto_pad=st.sampled_from(AUTO_PADS))
def test_inference_agrees_with_the_kernel(
    check_inference: Callable[..., PfrtOp], data: st.DataObject, rank: int, auto_pad: str
):
    """1 to 3 spatial axes, strides, dilations, groups, pads, every auto_pad."""

    def draw(low: int, high: int, count: int = rank) -> tuple[int, ...]:
        return tuple(data.draw(st.integers(low, high)) for _ in range(count))

    kernel, sizes = draw(1, 3), draw(0, 6)
    how = {
        "strides": data.draw(st.sampled_from([(), draw(1, 3)])),
        "dilations": data.draw(st.sampled_from([(), draw(1, 2)])),
        "pads": data.draw(st.sampled_from([(), draw(0, 2, 2 * rank)])),
        "auto_pad": auto_pad,
    }
    axes = window_axes(kernel, **how)
    fits = (n + sum(a.resolved_pads(n)) >= a.extent for a, n in zip(axes, sizes, strict=True))
    assume(auto_pad.startswith("SAME") or all(fits))
    group = data.draw(st.integers(1, 2))
    x, w = ones(data.draw(st.integers(0, 2)), 2 * group, *sizes), ones(3 * group, 2, *kernel)
    bias = ones(3 * group) if data.draw(st.booleans()) else None
    check_inference(ConvOp, [x, w, bias], {**how, "group": group})


def test_flops_count_the_taps_of_one_group(check_inference: Callable[..., PfrtOp]):
    """Two a multiply-add, one a bias."""
    x, w = ones(1, 4, 5, 5), ones(6, 2, 3, 3)
    assert check_inference(ConvOp, [x, w, None], {"group": 2}).flops() == 6 * 9 * 2 * 18
    assert check_inference(ConvOp, [x, w, ones(6)], {"group": 2}).flops() == 6 * 9 * (2 * 18 + 1)


def test_a_window_that_does_not_fit_is_named():
    """Inference contradicts, as the verifier does."""
    values = [create_ssa_value(tensor_of(a)) for a in (ones(1, 1, 2), ones(1, 1, 3))]
    with pytest.raises(VerifyException, match=r"pfrt\.conv: C5: a window of 3 elements"):
        ConvOp.create_op([*values, None])

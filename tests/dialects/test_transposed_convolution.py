"""Type inference and costs of transposed convolutions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.convolution import ConvTransposeOp
from pyflame_rt.kernels.windows import AUTO_PADS, transposed_axes


def ones(*shape: int) -> np.ndarray:
    """A float32 array."""
    return np.ones(shape, np.float32)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(data=st.data(), rank=st.integers(1, 3), auto_pad=st.sampled_from(AUTO_PADS))
def test_inference_agrees_with_the_kernel(
    check_inference: Callable[..., PfrtOp], data: st.DataObject, rank: int, auto_pad: str
):
    """1 to 3 spatial axes, empty ones too, every property; what it resolves to is the same."""

    def draw(low: int, high: int, count: int = rank) -> tuple[int, ...]:
        return tuple(data.draw(st.integers(low, high)) for _ in range(count))

    kernel, sizes = draw(1, 3), draw(0, 4)
    how = {
        "strides": data.draw(st.sampled_from([(), draw(1, 3)])),
        "dilations": data.draw(st.sampled_from([(), draw(1, 2)])),
        "pads": data.draw(st.sampled_from([(), draw(0, 2, 2 * rank)])),
        "auto_pad": auto_pad,
        "output_padding": data.draw(st.sampled_from([(), draw(0, 2)])),
        "output_shape": data.draw(st.sampled_from([(), draw(0, 9)])),
    }
    axes = transposed_axes(kernel, **how)
    for axis, size in zip(axes, sizes, strict=True):
        begin, end, added = axis.resolved(size)
        assume((size - 1) * axis.stride + axis.extent + added - begin - end >= 0)
    group = data.draw(st.integers(1, 2))
    x, w = ones(data.draw(st.integers(0, 2)), 2 * group, *sizes), ones(2 * group, 3, *kernel)
    bias = ones(3 * group) if data.draw(st.booleans()) else None
    op = check_inference(ConvTransposeOp, [x, w, bias], {**how, "group": group})
    assert isinstance(op, ConvTransposeOp)
    begins, ends, added = zip(*(op.resolved_axes() or ()), strict=True)
    plain = {"pads": (*begins, *ends), "output_padding": added, "group": group}
    given = {"strides": how["strides"], "dilations": how["dilations"]}
    same = check_inference(ConvTransposeOp, [x, w, bias], {**given, **plain})
    assert same.results[0].type == op.results[0].type


def test_flops_count_the_taps_of_each_element(check_inference: Callable[..., PfrtOp]):
    """Two a multiply-add, one a bias."""
    x, w = ones(1, 4, 5, 5), ones(4, 2, 3, 3)
    op = check_inference(ConvTransposeOp, [x, w, None], {"group": 2})
    assert op.flops() == 4 * 25 * 2 * 18
    biased = check_inference(ConvTransposeOp, [x, w, ones(4)], {"group": 2})
    assert biased.flops() == 4 * 25 * 2 * 18 + 4 * 49

"""A kernel in another layout is the kernel between two conversions."""

from __future__ import annotations

import numpy as np
import pytest

from pyflame_rt import kernels
from pyflame_rt.kernels.layouts import from_layout, pack_channels, to_layout, unpack_channels


def floats(*shape: int) -> np.ndarray:
    """Normal numbers."""
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 4, 6])
def test_packed_channels_lie_beside_each_other(channels: int):
    """Channel c is lane c % 4 of block c // 4; what fills up the last block is 0."""
    x = floats(2, channels, 3, 5)
    packed = pack_channels(x)
    assert packed.shape == (2, -(-channels // 4), 3, 5, 4)
    for c in range(packed.shape[1] * 4):
        wanted = x[:, c] if c < channels else np.zeros((2, 3, 5))
        assert np.array_equal(packed[:, c // 4, ..., c % 4], wanted)
    assert np.array_equal(unpack_channels(packed, channels=channels), x)


@pytest.mark.parametrize("layout", ["nhwc", "nc4hw4"])
@pytest.mark.parametrize(
    ("name", "operands", "properties"),
    [
        ("conv", [floats(6, 3, 3, 3), floats(6)], {"group": 2, "pads": (1, 1, 1, 1)}),
        ("conv_transpose", [floats(6, 5, 2, 2), floats(5)], {"strides": (2, 2)}),
        ("max_pool", [], {"kernel_shape": (2, 2), "strides": (2, 2)}),
        ("average_pool", [], {"kernel_shape": (3, 3), "pads": (1, 1, 1, 1)}),
        ("lp_pool", [], {"kernel_shape": (2, 2)}),
        ("global_average_pool", [], {}),
        ("global_lp_pool", [], {}),
        ("global_max_pool", [], {}),
        ("batch_normalization", [*(floats(6),) * 3, abs(floats(6))], {"epsilon": 1e-5}),
        ("instance_normalization", [floats(6), floats(6)], {"epsilon": 1e-5}),
        ("group_normalization", [floats(6), floats(6)], {"num_groups": 3, "epsilon": 1e-5}),
    ],
)
def test_kernels(name: str, operands: list, properties: dict, layout: str):
    """Bit for bit; six channels do not fill their second block."""
    x, kernel = floats(2, 6, 5, 4), kernels.table()[name]
    wanted = kernel(x, *operands, **properties)
    found = kernel(to_layout(x, layout), *operands, layout=layout, **properties)
    assert np.array_equal(from_layout(found, layout, wanted.shape[1]), wanted)
    assert found.shape == to_layout(wanted, layout).shape


def test_indices_are_those_of_nchw():
    """The values of max_pool_with_indices do not depend on the layout, only their places do."""
    x, properties = floats(2, 3, 5, 4), {"kernel_shape": (2, 2), "layout": "nhwc"}
    kernel = kernels.table()["max_pool_with_indices"]
    _, wanted = kernel(x, kernel_shape=(2, 2))
    _, found = kernel(to_layout(x, "nhwc"), **properties)
    assert np.array_equal(found, to_layout(wanted, "nhwc"))


def test_errors_say_what_does_not_suit():
    """Values that reach a kernel by an unverified way."""
    with pytest.raises(ValueError, match='unknown layout "chwn"'):
        kernels.table()["global_max_pool"](floats(1, 2, 3), layout="chwn")
    with pytest.raises(ValueError, match="2 blocks of 4 do not hold 9 channels"):
        unpack_channels(floats(1, 2, 3, 4), channels=9)

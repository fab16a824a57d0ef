"""The bound of contractions, by numbers that were worked out by hand."""

from __future__ import annotations

import pytest

from pyflame_rt.passes.wse.emitting.interface import Window
from pyflame_rt.passes.wse.placing.bound import Bound, bound, valid_taps


def test_gemv_is_bound_by_its_products():
    """1024² products on 256 PEs; 1024/16 words of x and as many of y; 30 hops and both ramps."""
    assert bound(1, 1024, 1024, 16, 16) == Bound(compute=4096, words=128, latency=34)
    assert bound(1, 4096, 4096, 64, 64).cycles == 4096


def test_gemm_takes_the_better_family():
    """Tiles of 30³ on 8 x 8: X and W but for the PE's own share, 2 * 57600/8 * 7/8, beat x and y."""
    assert bound(240, 240, 240, 8, 8) == Bound(compute=216_000, words=12_600, latency=18)


def test_half_precision_halves_words_and_quarters_compute():
    """Four products a cycle, two elements a word."""
    found = bound(240, 240, 240, 8, 8, dtype="f16")
    assert found == Bound(compute=54_000, words=6300, latency=18)


def test_wse3_has_slower_hops_and_ramps():
    """14 hops of two cycles, ramps of 4 and 3; two sources in memory halve the eight lanes of f16."""
    found = bound(64, 64, 64, 8, 8, "wse3", "f16")
    assert (found.compute, found.latency) == (1024, 35)


def test_one_element_has_everything():
    """Nothing passes its ramp."""
    assert bound(4, 5, 6, 1, 1) == Bound(compute=120, words=0, latency=0)


@pytest.mark.parametrize(
    ("window", "image", "taps"),
    [
        # Three taps on 4 pixels: the first and the last pixel miss one, in each direction.
        (Window((3, 3), pads=(1, 1, 1, 1)), (4, 4), (3 * 4 - 2) ** 2),
        (Window((2, 2), strides=(2, 2)), (4, 6), 24),
        # Taps two apart: outputs 0 and 1 of each side miss the first, and 2 and 3 the last.
        (Window((3, 3), pads=(2, 2, 2, 2), dilations=(2, 2)), (4, 4), (3 * 4 - 4) ** 2),
        # A window that begins in the border: only the bottom right taps count for pixel (0, 0).
        (Window((2, 2), pads=(1, 1, 0, 0)), (2, 2), 9),
    ],
)
def test_convolutions_count_valid_taps(window: Window, image: tuple[int, int], taps: int):
    """A tap on a border multiplies by zero, which nobody has to do."""
    assert valid_taps(window, image) == taps


def test_convolution_of_the_benchmark():
    """3 x 3, 64 to 64 features, 32 x 32 pixels, 16 x 16 PEs."""
    pairs = valid_taps(Window((3, 3), pads=(1, 1, 1, 1)), (32, 32))
    found = bound(
        1024, 64, 576, 16, 16, products=pairs * 64 * 64, elements=64 * 1024
    )  # fmt: skip
    assert found.compute == 94 * 94 * 64 * 64 // 256
    # X once and Y once, 65,536 each, beat X and W, which is 36,864.
    assert found.words == min(2 * 4096, (65_536 + 36_864) * 15 // 256)

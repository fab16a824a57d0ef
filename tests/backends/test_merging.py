"""Elementwise calls in a row run block by block, with the same results as one after the other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from pyflame_rt.backends.numpy_backend import merging
from pyflame_rt.backends.numpy_backend.merging import Elementwise, merged

CHAIN = """
func.func @main(%x: tensor<7x100xf32>, %s: tensor<1x1xf32>) -> tensor<7x100xi1> {
  %c = pfrt.constant dense<2.0> : tensor<f32>
  %a = pfrt.neg %x : tensor<7x100xf32> -> tensor<7x100xf32>
  %t = pfrt.neg %s : tensor<1x1xf32> -> tensor<1x1xf32>
  %b = pfrt.mul %a, %c : (tensor<7x100xf32>, tensor<f32>) -> tensor<7x100xf32>
  %d = pfrt.sigmoid %b : tensor<7x100xf32> -> tensor<7x100xf32>
  %e = pfrt.add %d, %t : (tensor<7x100xf32>, tensor<1x1xf32>) -> tensor<7x100xf32>
  %f = pfrt.swish %e : tensor<7x100xf32> -> tensor<7x100xf32>
  %g = pfrt.clip %f {min = -0.5 : f32, max = 0.5 : f32} : tensor<7x100xf32> -> tensor<7x100xf32>
  %h = pfrt.cast %g {to = f64} : tensor<7x100xf32> -> tensor<7x100xf64>
  %i = pfrt.exp %h : tensor<7x100xf64> -> tensor<7x100xf64>
  %j = pfrt.cast %a {to = f64} : tensor<7x100xf32> -> tensor<7x100xf64>
  %k = pfrt.sub %i, %j : (tensor<7x100xf64>, tensor<7x100xf64>) -> tensor<7x100xf64>
  %l = pfrt.greater %k, %i : (tensor<7x100xf64>, tensor<7x100xf64>) -> tensor<7x100xi1>
  %m = pfrt.not %l : tensor<7x100xi1> -> tensor<7x100xi1>
  func.return %m : tensor<7x100xi1>
}
"""


@pytest.mark.parametrize("block", [1 << 17, 400, 64])
def test_a_chain(block: int, compile_both: Callable, monkeypatch):
    """Of several types, with numbers for all elements, with results in the place of operands."""
    monkeypatch.setattr(merging, "BLOCK", block)
    reference, *others = compile_both(CHAIN)
    x = np.random.default_rng(0).standard_normal((7, 100)).astype(np.float32)
    arrays = [x, np.array([[0.25]], np.float32)]
    (wanted,) = reference.run(arrays)
    for executable in others:
        for _ in range(2):
            (found,) = executable.run(arrays)
            np.testing.assert_array_equal(found, wanted)


def step(calls: list[str], name: str, *arrays: np.ndarray) -> Elementwise:
    """A call that says when it is made."""

    def function(*given: np.ndarray) -> None:
        calls.append(f"{name}{given[-1].size}")

    return Elementwise(lambda: function(*arrays), function, arrays)


def test_blocks_of_all_calls_before_the_next_block(monkeypatch):
    """What is not elementwise, or of another size, comes between."""
    monkeypatch.setattr(merging, "BLOCK", 160)
    calls: list[str] = []
    x, y, z = (np.empty(60, np.float32) for _ in range(3))
    small = np.empty(50, np.float32)
    steps = [
        step(calls, "a", x, y),
        step(calls, "b", y, z),
        step(calls, "c", small, small),
        lambda: calls.append("d"),
        step(calls, "e", x, y),
    ]
    runs = merged(steps)
    assert [index for _, index in runs] == [0, 2, 3, 4]
    for run, _ in runs:
        run()
    assert calls == ["a40", "b40", "a20", "b20", "c50", "d", "e60"]


def test_memory_that_is_shared_out_of_step_is_not_merged(monkeypatch):
    """The second result lies half over the first one's operand."""
    monkeypatch.setattr(merging, "BLOCK", 16)
    calls: list[str] = []
    memory, other = np.empty(90, np.float32), np.empty(60, np.float32)
    steps = [step(calls, "a", memory[:60], other), step(calls, "b", other, memory[30:])]
    assert len(merged(steps)) == 2
    same = [step(calls, "a", memory[:60], other), step(calls, "b", other, memory[:60])]
    assert len(merged(same)) == 1


@pytest.mark.parametrize("block", [1 << 17, 1000, 64])
@pytest.mark.parametrize("shape", [(3, 5, 7), (40, 40), (1, 41, 64)])
def test_constants_of_rows(block: int, shape: tuple[int, ...], monkeypatch):
    """Repeated as often as is fast, they meet the same elements, in the last and shorter stretches too."""
    monkeypatch.setattr(merging, "BLOCK", block)
    monkeypatch.setattr(merging, "_WIDE", 130)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, *shape)).astype(np.float32)
    factor, shift = rng.standard_normal((2, 1, shape[-1])).astype(np.float32)
    for constant in (factor, shift):
        constant.flags.writeable = False
    z = np.empty_like(x)
    wanted = np.rint(x * factor) * y + shift
    calls = [
        (np.multiply, x, factor, z),
        (np.rint, z, z),
        (np.multiply, z, y, z),
        (np.add, z, shift, z),
    ]
    steps = [
        Elementwise(partial(function, *arrays), function, tuple(arrays))
        for function, *arrays in calls
    ]
    for run, _ in merged(steps):
        run()
    np.testing.assert_array_equal(z, wanted)

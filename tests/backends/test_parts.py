"""Parts of buffers: what reads them gets the elements they mean, wherever the buffer is."""

from __future__ import annotations

import numpy as np
import pytest


def run(compile_both, text: str, *arrays: np.ndarray) -> None:
    """All executables of a text agree with the interpreter, twice."""
    reference, *others = compile_both(text)
    expected = reference.run(list(arrays))
    for executable in others:
        for _ in range(2):
            for found, wanted in zip(executable.run(list(arrays)), expected, strict=True):
                np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


SPLIT = """
func.func @main(%x: tensor<2x3x12xf32>) -> (tensor<2x3x4xf32>, tensor<2x3x4xf32>, tensor<2x3x4xf32>) {{
  {source}
  %p, %q, %r = pfrt.split %a {{axis = 2 : i64, num_outputs = 3 : i64}} : (tensor<2x3x12xf32>) -> (tensor<2x3x4xf32>, tensor<2x3x4xf32>, tensor<2x3x4xf32>)
  %s = pfrt.add %p, %q : (tensor<2x3x4xf32>, tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %t = pfrt.relu %q : tensor<2x3x4xf32> -> tensor<2x3x4xf32>
  %u = pfrt.add %s, %t : (tensor<2x3x4xf32>, tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  func.return %u, %r, %p : tensor<2x3x4xf32>, tensor<2x3x4xf32>, tensor<2x3x4xf32>
}}
"""


@pytest.mark.parametrize(
    "source",
    [
        "%a = pfrt.identity %x : tensor<2x3x12xf32> -> tensor<2x3x12xf32>",
        "%a = pfrt.neg %x : tensor<2x3x12xf32> -> tensor<2x3x12xf32>",
        "%a = pfrt.constant dense<1.5> : tensor<2x3x12xf32>",
    ],
)
def test_split_of_an_argument_a_buffer_and_a_constant(source: str, compile_both):
    """Parts that lie apart are read in place where that is possible, and leave as copies."""
    x = np.random.default_rng(0).standard_normal((2, 3, 12)).astype(np.float32)
    run(compile_both, SPLIT.format(source=source), x)


def test_parts_that_lie_together_are_offsets(compile_both):
    """Also those of parts, and what is reshaped of them."""
    text = """
    func.func @main(%x: tensor<6x4xf32>) -> (tensor<8xf32>, tensor<1x2xf32>) {
      %a = pfrt.neg %x : tensor<6x4xf32> -> tensor<6x4xf32>
      %p = pfrt.slice %a {starts = array<i64: 2>, ends = array<i64: 6>} : tensor<6x4xf32> -> tensor<4x4xf32>
      %q, %r = pfrt.split %p {num_outputs = 2 : i64} : (tensor<4x4xf32>) -> (tensor<2x4xf32>, tensor<2x4xf32>)
      %f = pfrt.reshape %r {shape = array<i64: 8>} : (tensor<2x4xf32>) -> tensor<8xf32>
      %y = pfrt.relu %f : tensor<8xf32> -> tensor<8xf32>
      %s = pfrt.slice %q {starts = array<i64: 1, 1>, ends = array<i64: 2, 3>} : tensor<2x4xf32> -> tensor<1x2xf32>
      %z = pfrt.relu %s : tensor<1x2xf32> -> tensor<1x2xf32>
      func.return %y, %z : tensor<8xf32>, tensor<1x2xf32>
    }
    """
    x = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)
    run(compile_both, text, x)


def test_nothing_takes_the_place_of_what_parts_still_show(compile_both):
    """The sum may not be computed in the buffer that the other part is read from later."""
    text = """
    func.func @main(%x: tensor<2x8xf32>) -> tensor<2x4xf32> {
      %a = pfrt.neg %x : tensor<2x8xf32> -> tensor<2x8xf32>
      %p, %q = pfrt.split %a {axis = 1 : i64, num_outputs = 2 : i64} : (tensor<2x8xf32>) -> (tensor<2x4xf32>, tensor<2x4xf32>)
      %s = pfrt.mul %p, %p : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
      %t = pfrt.exp %s : tensor<2x4xf32> -> tensor<2x4xf32>
      %u = pfrt.add %t, %q : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
      %y = pfrt.sub %u, %p : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
      func.return %y : tensor<2x4xf32>
    }
    """
    x = np.random.default_rng(0).standard_normal((2, 8)).astype(np.float32)
    run(compile_both, text, x)

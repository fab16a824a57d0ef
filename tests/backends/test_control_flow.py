"""If and loop on both backends: branches, trip counts, carried values, scan outputs, nesting."""

from __future__ import annotations

import numpy as np
import pytest

from pyflame_rt.dialects.check import difference
from pyflame_rt.errors import BackendError

IF = """
func.func @main(%c: tensor<i1>, %x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %n = pfrt.neg %x : tensor<4xf32> -> tensor<4xf32>
  %y, %z = pfrt.if %c -> (tensor<4xf32>, tensor<4xf32>) {
    %e = pfrt.exp %n : tensor<4xf32> -> tensor<4xf32>
    pfrt.yield %e, %x : tensor<4xf32>, tensor<4xf32>
  } else {
    pfrt.yield %n, %n : tensor<4xf32>, tensor<4xf32>
  } : tensor<i1>
  func.return %y, %z : tensor<4xf32>, tensor<4xf32>
}
"""

LOOP = """
func.func @main(%m: tensor<i64>, %limit: tensor<f32>, %x: tensor<4xf32>) -> (tensor<4xf32>, tensor<?x4xf32>, tensor<?xi64>) {
  %true = pfrt.constant dense<true> : tensor<i1>
  %axes = pfrt.constant dense<0> : tensor<1xi64>
  %outer = pfrt.exp %x : tensor<4xf32> -> tensor<4xf32>
  %n, %s, %i = pfrt.loop trip(%m) while(%true) carry(%x) -> (tensor<4xf32>, tensor<?x4xf32>, tensor<?xi64>) {
  ^bb0(%k: tensor<i64>, %cond: tensor<i1>, %v: tensor<4xf32>):
    %w = pfrt.add %v, %outer : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    %sum = pfrt.reduce_sum %w {keepdims = false} : (tensor<4xf32>) -> tensor<f32>
    %go = pfrt.less %sum, %limit : (tensor<f32>, tensor<f32>) -> tensor<i1>
    pfrt.yield %go, %w, %v, %k : tensor<i1>, tensor<4xf32>, tensor<4xf32>, tensor<i64>
  } : trip tensor<i64> while tensor<i1> carry(tensor<4xf32>)
  func.return %n, %s, %i : tensor<4xf32>, tensor<?x4xf32>, tensor<?xi64>
}
"""

GROWING = """
func.func @main(%m: tensor<i64>, %x: tensor<?x2xf32>) -> (tensor<?x2xf32>) {
  %n = pfrt.loop trip(%m) carry(%x) -> (tensor<?x2xf32>) {
  ^bb0(%k: tensor<i64>, %cond: tensor<i1>, %v: tensor<?x2xf32>):
    %zero = pfrt.constant dense<0> : tensor<i64>
    %first = pfrt.equal %k, %zero : (tensor<i64>, tensor<i64>) -> tensor<i1>
    %w = pfrt.if %first -> (tensor<?x2xf32>) {
      pfrt.yield %v : tensor<?x2xf32>
    } else {
      %d = pfrt.concat %v, %x {axis = 0 : i64} : (tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x2xf32>
      pfrt.yield %d : tensor<?x2xf32>
    } : tensor<i1>
    pfrt.yield %cond, %w : tensor<i1>, tensor<?x2xf32>
  } : trip tensor<i64> carry(tensor<?x2xf32>)
  func.return %n : tensor<?x2xf32>
}
"""

CALL = """
func.func @twice(%x: tensor<4xf32>) -> (tensor<4xf32>) {
  %y = pfrt.add %x, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}
func.func @main(%x: tensor<4xf32>) -> (tensor<4xf32>) {
  %e = pfrt.exp %x : tensor<4xf32> -> tensor<4xf32>
  %a = func.call @twice(%e) : (tensor<4xf32>) -> tensor<4xf32>
  %b = func.call @twice(%a) : (tensor<4xf32>) -> tensor<4xf32>
  %s = pfrt.sub %b, %e : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  func.return %s : tensor<4xf32>
}
"""


def run_all(executables, *inputs: np.ndarray) -> list[np.ndarray]:
    """Run each executable twice; all must agree exactly, and no output may show an input."""
    expected = executables[0].run(inputs)
    for executable in executables:
        for _ in range(2):
            actual = executable.run(inputs)
            for a, e in zip(actual, expected, strict=True):
                assert difference(a, e) is None, difference(a, e)
                assert not any(np.shares_memory(a, x) for x in inputs)
    return expected


@pytest.mark.parametrize("condition", [True, False])
def test_if(condition, compile_both):
    """A region reads values around it; what it yields may be an argument, or one value twice."""
    x = np.arange(4, dtype=np.float32)
    y, z = run_all(compile_both(IF), np.array(condition), x)
    np.testing.assert_allclose(y, np.exp(-x) if condition else -x, rtol=1e-6)
    np.testing.assert_array_equal(z, x if condition else -x)


@pytest.mark.parametrize(("trips", "limit", "expected"), [(3, 1e9, 3), (5, 10.0, 3), (0, 1e9, 0)])
def test_loop(trips, limit, expected, compile_both):
    """Ended by the count, by the condition, and not entered: then scan outputs are empty."""
    x = np.zeros(4, np.float32)
    final, seen, numbers = run_all(
        compile_both(LOOP), np.array(trips, np.int64), np.array(limit, np.float32), x
    )
    assert final.tolist() == [float(expected)] * 4
    assert seen.tolist() == [[float(k)] * 4 for k in range(expected)]
    assert seen.shape == (expected, 4)
    assert numbers.tolist() == list(range(expected))


@pytest.mark.parametrize("trips", [0, 1, 3])
def test_growing_value(trips, compile_both):
    """A carried value whose shape changes; the first iterations return the argument itself."""
    x = np.ones((1, 2), np.float32)
    (grown,) = run_all(compile_both(GROWING), np.array(trips, np.int64), x)
    assert grown.shape == (max(1, trips), 2)


def test_function_calls(compile_both):
    """A function called twice; its results do not overwrite what the caller still needs."""
    x = np.arange(4, dtype=np.float32)
    (y,) = run_all(compile_both(CALL), x)
    np.testing.assert_allclose(y, 3 * np.exp(x), rtol=1e-6)


def test_recursion_is_refused(compile_both):
    """A function that calls itself would never be decoded."""
    text = CALL.replace(
        "%y = pfrt.add %x, %x : (tensor<4xf32>, tensor<4xf32>)",
        "%y = func.call @main(%x) : (tensor<4xf32>)",
    )
    with pytest.raises(BackendError, match="function @main calls itself"):
        compile_both(text)


def test_condition_of_several_elements(compile_both):
    """A condition whose shape is known at run time only must hold one element."""
    text = IF.replace("%c: tensor<i1>", "%c: tensor<?xi1>").replace(
        ": tensor<i1>", ": tensor<?xi1>"
    )
    for executable in compile_both(text):
        with pytest.raises(BackendError, match=r"must hold one element, got shape \[2\]"):
            executable.run([np.array([True, False]), np.zeros(4, np.float32)])


def test_stacked_values_of_several_shapes(compile_both):
    """What a loop stacks may change its shape as far as types tell, not at run time."""
    text = """
    func.func @main(%m: tensor<i64>, %x: tensor<1x2xf32>) -> (tensor<?x?x2xf32>) {
      %n, %s = pfrt.loop trip(%m) carry(%x) -> (tensor<?x2xf32>, tensor<?x?x2xf32>) {
      ^bb0(%k: tensor<i64>, %cond: tensor<i1>, %v: tensor<?x2xf32>):
        %w = pfrt.concat %v, %x {axis = 0 : i64} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x2xf32>
        pfrt.yield %cond, %w, %v : tensor<i1>, tensor<?x2xf32>, tensor<?x2xf32>
      } : trip tensor<i64> carry(tensor<1x2xf32>)
      func.return %s : tensor<?x?x2xf32>
    }
    """
    for executable in compile_both(text):
        with pytest.raises(
            BackendError, match=r"stacks has different shapes: \[\[1, 2\], \[2, 2\]\]"
        ):
            executable.run([np.array(2), np.zeros((1, 2), np.float32)])

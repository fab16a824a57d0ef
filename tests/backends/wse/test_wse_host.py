"""The host's calls: arrays of a rectangle of PEs in and out, functions, prints, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pyflame_rt import ir_text
from pyflame_rt.backends.wse import host
from pyflame_rt.backends.wse.host import Runtime
from pyflame_rt.backends.wse.sim import jit
from pyflame_rt.errors import PyFlameRTError, ValidationError
from pyflame_rt.universe import make_context

_TEXT = """wse.program @scale width 3 height 2 {
  wse.place @t at [0:3:2, 0:2] params {factor = affine_map<(x, y) -> (x + 1)>}
  wse.place @other at [1, 0]
  wse.tile @t {
    wse.param @factor : i16
    wse.var @runs : i32 = 0
    wse.buffer @x export : memref<2x3xf32>
    wse.buffer @h export : memref<4xf16>
    wse.buffer @n export : memref<2xi16>
    wse.buffer @hidden : memref<1xf32>
    wse.mem1d_dsd @v = @x
    wse.func @scale export {
      %n = wse.get @factor : i16
      %f = arith.sitofp %n : i16 to f32
      wse.fmuls @v, @v, %f : f32
      %one = arith.constant 1 : i32
      %old = wse.get @runs : i32
      %new = arith.addi %old, %one : i32
      wse.set @runs, %new : i32
      wse.print "runs", %new : i32
    }
  }
  wse.tile @other {
    wse.buffer @x export : memref<2xf32>
    wse.func @nothing export {
    }
  }
}"""


def _runtime(text: str = _TEXT, **options: Any) -> Runtime:
    return Runtime(ir_text.parse(text, make_context(), "test"), "wse2", **options)


def test_arrays_go_to_a_rectangle_and_come_back() -> None:
    """In the buffer's shape, flat, the same for all, with what fits converted."""
    runtime = _runtime(jit=False)
    x = np.arange(12).reshape(2, 1, 2, 3)
    runtime.memcpy_h2d("x", x, 2, 0, 1, 2)
    assert runtime.memcpy_d2h("x", 2, 0, 1, 2).dtype == np.float32
    assert np.array_equal(runtime.memcpy_d2h("x", 2, 0, 1, 2), x)
    runtime.memcpy_h2d("h", np.float32([1, 2, 3, 1e6]), 0, 1)
    assert runtime.memcpy_d2h("h", 0, 1).tolist() == [[[1, 2, 3, np.inf]]]
    runtime.memcpy_h2d("n", np.array([0xFFFF, 1], np.uint16))
    assert runtime.memcpy_d2h("n").tolist() == [[[-1, 1]]]
    assert runtime.rectangle("n") == (0, 0, 3, 2)
    runtime.write("n", np.arange(12, dtype=np.int64))
    # PE (1, …) has no such buffer.
    assert runtime.read("n").tolist() == [[[0, 1], [0, 0], [4, 5]], [[6, 7], [0, 0], [10, 11]]]


def test_functions_run_where_they_are() -> None:
    """Every launch runs on the PEs that have the function; variables keep their values."""
    runtime = _runtime(jit=False)
    assert runtime.functions == ("scale", "nothing")
    runtime.memcpy_h2d("x", 1, 0, 0)
    runtime.memcpy_h2d("x", np.ones((2, 3)), 2, 1)
    for _ in range(2):
        runtime.launch("scale")
        assert runtime.run()
    assert runtime.memcpy_d2h("x", 2, 1).tolist() == [[[[9] * 3] * 2]]
    assert runtime.variable("runs", 0, 0) == 2
    assert [(p.x, p.y, p.text, p.value) for p in runtime.prints()][-1] == (2, 1, "runs", 2)
    assert len(runtime.prints()) == 8
    assert runtime.statistics().elements[0].tasks[0].runs == 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: r.memcpy_h2d("y", 1), 'no exported buffer "y"; exported are x, h, n'),
        (lambda r: r.memcpy_h2d("hidden", 1), 'no exported buffer "hidden"'),
        (lambda r: r.memcpy_d2h("x", 2, 1, 2, 1), "2 x 1 PEs at (2, 1) are not inside"),
        (lambda r: r.memcpy_d2h("x", 0, 0, 0, 1), "0 x 1 PEs at (0, 0) are not inside"),
        (lambda r: r.memcpy_d2h("h", 0, 0, 2, 1), "PE (1, 0) exports no such buffer"),
        (lambda r: r.memcpy_d2h("x", 0, 0, 2, 1), "PEs (0, 0) and (1, 0) have it in different sizes"),
        (lambda r: r.read("x"), "tiles export it in different shapes or types"),
        (lambda r: r.memcpy_h2d("x", np.ones(5)), "[5] are not 6 elements for each of 1 x 1 PEs"),
        (lambda r: r.memcpy_h2d("n", np.ones(2)), "values are float64, the buffer's elements int16"),
        (lambda r: r.memcpy_h2d("n", [1, 40000]), "values do not fit int16"),
        (lambda r: r.memcpy_h2d("x", ["a"] * 6), "the buffer's elements float32"),
        (lambda r: r.launch("main"), 'no function "main"; functions are scale, nothing'),
        (lambda r: r.variable("count"), 'PE (0, 0) has no variable "count"'),
        (lambda r: r.variable("runs", 1, 1), 'PE (1, 1) has no variable "runs"'),
    ],
)  # fmt: skip
def test_what_is_not_there(call: Any, message: str) -> None:
    """Each wrong call is an error that says what there is."""
    with pytest.raises(PyFlameRTError) as caught:
        call(_runtime(jit=False))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_machines_and_constants() -> None:
    """Machines have names, and constants that can be set."""
    assert _runtime(jit=False, hop=3).machine.hop == 3
    with pytest.raises(ValidationError, match="there is no machine 'wse9'"):
        Runtime(ir_text.parse(_TEXT, make_context(), "test"), "wse9")
    with pytest.raises(ValidationError, match="'hops=3' does not set a constant"):
        _runtime(hops=3)
    with pytest.raises(ValidationError, match="a module to load has one"):
        _runtime("func.func @main() { func.return }")


@pytest.mark.skipif(not jit.available(), reason="needs numba")
def test_a_long_run_goes_on_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first cycles are plain Python, the rest are compiled: the same end, whenever it changes."""
    monkeypatch.setenv("PYFLAME_RT_JIT", "1")
    monkeypatch.setattr(host, "_INTERPRETED", 50)
    ends: list[tuple[int, list[float]]] = []
    for form in (None, False):
        runtime = _runtime(jit=form)
        runtime.memcpy_h2d("x", np.arange(6), 2, 1)
        first = runtime.simulator
        runtime.launch("scale")
        assert not runtime.run(5)
        runtime.run()
        assert (runtime.simulator is first) == (form is False)
        ends.append((runtime.cycle, runtime.memcpy_d2h("x", 2, 1).ravel().tolist()))
    assert ends[0] == ends[1]

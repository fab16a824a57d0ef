"""Placements, parameters, filters, buffers and whole wafers: what loading makes of rectangles and names."""

from __future__ import annotations

import numpy as np

from pyflame_rt import ir_text
from pyflame_rt.backends.wse.host import Runtime
from pyflame_rt.backends.wse.loading.loader import load
from pyflame_rt.backends.wse.machine import WSE2
from pyflame_rt.backends.wse.sim import image as im
from pyflame_rt.universe import make_context


def _loaded(text: str) -> Runtime:
    return Runtime(ir_text.parse(text, make_context(), "test"), WSE2, jit=False)


_SEND = """
  wse.tile @send {
    wse.buffer @data export : memref<8xf32> = dense<[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]>
    wse.output_queue @oq = 0 color @c
    wse.fabout_dsd @tx = @oq length 8
    wse.mem1d_dsd @v = @data
    wse.task @main local active {
      wse.declare_cost "receivers are armed", 100
      wse.mov32 @tx, @v
    }
  }"""


def test_what_placements_give() -> None:
    """Parameters by map, by array, by default; code that names colours is a program for each of them."""
    runtime = _loaded(
        """wse.program @given width 4 height 2 {
          wse.color @a = 5
          wse.color @b
          wse.color @c = 0
          wse.route @a at [0:4:2, 0:2] rx [ramp] tx [ramp]
          wse.route @b at [1, 0:2] rx [ramp] tx [ramp]
          wse.route @c at [0:3, 0:2] rx [ramp] tx [ramp]
          wse.place @t at [0:4:2, 0:2] params {to = @a, x = affine_map<(x, y) -> (x floordiv 2 + y * 10)>,
                                               f = dense<[[0.5, 1.5], [2.5, 3.5]]> : tensor<2x2xf32>}
          wse.place @t at [1, 0:2] params {to = @b, x = 7 : i16, f = 1.0 : f32, n = -3 : i16}
          wse.tile @t {
            wse.param @to : !wse.color
            wse.param @x : i16
            wse.param @f : f32
            wse.param @n : i16 = 4
            wse.buffer @got export : memref<3xf32>
            wse.output_queue @oq = 0 color @c
            wse.input_queue @iq = 1 color @to
            wse.input_queue @other = 2 color @c
            wse.fabout_dsd @tx = @oq length 1
            wse.fabin_dsd @rx = @iq length 1
            wse.mem1d_dsd @first = @got length 1
            wse.task @main local active {
              wse.set_color @oq, @to
              %x = wse.get @x : i16
              %n = wse.get @n : i16
              %f = wse.get @f : f32
              %s = arith.addi %x, %n : i16
              %g = arith.sitofp %s : i16 to f32
              %got = wse.get_buffer @got : memref<3xf32>
              %one = arith.constant 1 : index
              %two = arith.constant 2 : index
              memref.store %f, %got[%one] : memref<3xf32>
              memref.store %g, %got[%two] : memref<3xf32>
              wse.mov32 @tx, %f : f32
              wse.mov32 @first, @rx
            }
          }
        }""",
    )
    assert runtime.loaded.colours == {"a": 5, "b": 1, "c": 0}
    assert [tile.name for tile in runtime.loaded.tiles] == ["t", "t"]
    runtime.run()
    got = runtime.read("got")
    assert got[:, 0].tolist() == [[0.5, 0.5, 4], [2.5, 2.5, 14]]
    assert got[:, 1].tolist() == [[1, 1, 4], [1, 1, 4]]
    assert got[:, 2].tolist() == [[1.5, 1.5, 5], [3.5, 3.5, 15]]
    assert not got[:, 3:].any()
    assert runtime.variable("x", 2, 1) == 11
    words = runtime.statistics().loads[..., im.RAMP]
    assert words.tolist() == [[1, 1, 1, 0], [1, 1, 1, 0]]


def test_filters_and_colour_swap() -> None:
    """A counter filter deals words out in turn; a route gives words another colour as they leave."""
    runtime = _loaded(
        f"""wse.program @deal width 3 height 1 {{
          wse.color @c
          wse.color @d
          wse.route @c at [0, 0] rx [ramp] tx [east]
          wse.route @c at [1, 0] rx [west] tx [east, ramp] filter counter init 0 max 1 limit 0 swap_x @d
          wse.route @d at [2, 0] rx [west] tx [ramp] filter range min 16512 max 16575
          wse.place @send at [0, 0]
          wse.place @even at [1, 0]
          wse.place @some at [2, 0]
          {_SEND}
          wse.tile @even {{
            wse.buffer @data export : memref<4xf32>
            wse.input_queue @iq = 0 color @c
            wse.fabin_dsd @rx = @iq length 4
            wse.mem1d_dsd @v = @data
            wse.task @main local active {{
              wse.mov32 @v, @rx
            }}
          }}
          wse.tile @some {{
            wse.buffer @data export : memref<2xf32>
            wse.input_queue @iq = 0 color @d
            wse.fabin_dsd @rx = @iq length 2
            wse.mem1d_dsd @v = @data
            wse.task @main local active {{
              wse.mov32 @v, @rx
            }}
          }}
        }}""",
    )
    runtime.run()
    assert runtime.memcpy_d2h("data", 1)[0, 0].tolist() == [0, 2, 4, 6]
    # The high halves of 4.0 and 5.0 are 0x4080 and 0x40a0.
    assert runtime.memcpy_d2h("data", 2)[0, 0].tolist() == [4, 5]


def test_banks_and_addresses() -> None:
    """Buffers lie as the dialect's documentation says: the assembler's rule."""
    runtime = _loaded(
        """wse.program @banks width 1 height 1 {
          wse.place @t at [0, 0]
          wse.tile @t {
            wse.buffer @a : memref<3xi16>
            wse.buffer @b align 16 offset 4 : memref<5xf32>
            wse.buffer @c : memref<1xf16>
            wse.buffer @d address 200 : memref<2xf32>
            wse.buffer @e align 8 : memref<2x2xi32>
          }
        }""",
    )
    symbols = runtime.loaded.image.programs[0].symbols
    assert [symbol.address for symbol in symbols.values()] == [0, 20, 40, 200, 208]
    assert runtime.loaded.image.programs[0].memory_bytes == 224


_WAFER = """wse.program @wafer width 750 height 994 {
  wse.color @c
  wse.color @all
  wse.route @all at [0:749, 1:994] rx [west] tx [east]
  wse.route @all at [749, 1:994] rx [west] tx []
  wse.route @c at [0, 0] rx [ramp] tx [east]
  wse.route @c at [1, 0] rx [west] tx [ramp]
  wse.place @send at [0, 0]
  wse.place @receive at [1, 0]
  wse.tile @receive {
    wse.buffer @data export : memref<8xf32>
    wse.input_queue @iq = 0 color @c
    wse.fabin_dsd @rx = @iq length 8
    wse.mem1d_dsd @v = @data
    wse.task @main local active {
      wse.mov32 @v, @rx
    }
  }"""


def test_a_wafer_with_a_small_active_region_loads_quickly() -> None:
    """Rectangles are arrays: a route over all of 750 x 994 PEs is no loop over them."""
    text = f"{_WAFER}{_SEND}}}"
    image = load(ir_text.parse(text, make_context(), "test"), WSE2).image
    assert len(image.routes) == 750 * 993 + 2
    assert len(np.unique(image.routes[:, im.ROUTE_PE])) == 750 * 993 + 2
    small = _loaded("\n".join(line for line in text.splitlines() if "@all" not in line))
    small.run()
    assert small.memcpy_d2h("data", 1)[0, 0].tolist() == list(range(8))

// RUN: pfrt-opt %s -p wse-verify{machine=wse2} | filecheck %s

// On wse2 a position may receive from several directions, and an op take two operands off the fabric.
wse.program @p width 3 height 1 {
  wse.color @red
  wse.color @blue
  wse.route @red at [0, 0] rx [ramp] tx [east]
  wse.route @red at [1, 0] rx [west, east] tx [ramp]
  wse.route @red at [2, 0] rx [ramp] tx [west]
  wse.route @blue at [1, 0] rx [ramp] tx [ramp]
  wse.place @t at [1, 0]
  wse.tile @t {
    wse.buffer @a : memref<8xf32>
    wse.input_queue @iq = 0 color @red
    wse.input_queue @jq = 7 color @blue
    wse.output_queue @oq = 5 color @blue
    wse.mem1d_dsd @v = @a
    wse.fabin_dsd @rx = @iq length 8
    wse.fabin_dsd @ry = @jq length 8
    wse.task @main local active {
      wse.fadds @v, @rx, @ry
    }
  }
}
// CHECK: wse.program @p

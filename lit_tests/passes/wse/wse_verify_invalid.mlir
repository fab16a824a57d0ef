// RUN: pfrt-opt %s --split-input-file --verify-diagnostics -p wse-verify{machine=wse3} | filecheck %s

// The rectangle fits the machine.
wse.program @p width 756 height 10 {
}
// CHECK: wse.program: wse3: 756 x 10 PEs, of at most 755 x 1170

// -----

// A position receives from one direction.
wse.program @p width 3 height 1 {
  wse.color @red
  wse.route @red at [0, 0] rx [ramp] tx [east]
  wse.route @red at [1, 0] rx [west, east] tx [ramp]
  wse.route @red at [2, 0] rx [ramp] tx [west]
  wse.place @t at [1, 0]
  wse.tile @t {
    wse.input_queue @iq = 0 color @red
  }
}
// CHECK: wse.route: wse3: @red is received from west and east in one switch position, which may have one direction

// -----

// Buffers fit the memory, by size.
wse.program @p width 1 height 1 {
  wse.tile @t {
    wse.buffer @small : memref<8xf16>
    wse.buffer @big align 16 export : memref<12500xf32>
  }
}
// CHECK: wse.tile: wse3: tile @t needs 50016 bytes of the PE's 49152: @big 50000, @small 16

// -----

// An op takes one operand off the fabric, also through a DSR.
wse.program @p width 1 height 1 {
  wse.tile @t {
    wse.buffer @a : memref<8xf32>
    wse.input_queue @iq = 0 color @red
    wse.input_queue @jq = 1 color @blue
    wse.mem1d_dsd @v = @a
    wse.fabin_dsd @rx = @iq length 8
    wse.fabin_dsd @ry = @jq length 8
    wse.dsr @d = src1 0
    wse.task @main local active {
      wse.load_to_dsr @d, @ry
      wse.fadds @v, @rx, @d
    }
  }
  wse.color @red
  wse.color @blue
}
// CHECK: wse.fadds: wse3: tile @t: @rx and @d both come off the fabric, which one source may

// RUN: pfrt-opt %s --split-input-file | pfrt-opt --split-input-file | filecheck %s

// Colours, routes and placements over rectangles with strides; a single PE needs no slice.
wse.program @rows width 4 height 3 {
  wse.color @red
  wse.color @blue = 3
  wse.route @red at [0:4:2, 0:3] rx [east] tx [ramp]
  wse.route @red at [1:4:2, 0:3] rx [ramp] tx [west]
  wse.route @blue at [0, 0:2] rx [ramp, north] tx [south]
  wse.route @blue at [0:1:7, 2] rx [north] tx []
  wse.place @receive at [0:4:2, 0:3:2] params {in = @red, n = 8 : i16}
  wse.place @receive at [0:4:2, 1] params {in = @red, n = affine_map<(x, y) -> (x + 2 * y)>}
  wse.data @receive::@own at [0:3:2, 0] = dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
  wse.tile @receive {
    wse.param @in : !wse.color
    wse.param @n : i16
    wse.param @scale : f32 = 0.5
    wse.buffer @own : memref<2xf32>
    wse.input_queue @iq = 0 color @in
  }
}
// CHECK:      wse.program @rows width 4 height 3 {
// CHECK-NEXT:   wse.color @red
// CHECK-NEXT:   wse.color @blue = 3
// CHECK-NEXT:   wse.route @red at [0:4:2, 0:3] rx [east] tx [ramp]
// CHECK-NEXT:   wse.route @red at [1:4:2, 0:3] rx [ramp] tx [west]
// CHECK-NEXT:   wse.route @blue at [0, 0:2] rx [ramp, north] tx [south]
// CHECK-NEXT:   wse.route @blue at [0, 2] rx [north] tx []
// CHECK-NEXT:   wse.place @receive at [0:4:2, 0:3:2] params {in = @red, n = 8 : i16}
// CHECK-NEXT:   wse.place @receive at [0:4:2, 1] params {in = @red, n = affine_map<(d0, d1) -> ((d0 + (d1 * 2)))>}
// CHECK-NEXT:   wse.data @receive::@own at [0:3:2, 0] = dense<{{.*}}> : tensor<2x2xf32>
// CHECK-NEXT:   wse.tile @receive {
// CHECK-NEXT:     wse.param @in : !wse.color
// CHECK-NEXT:     wse.param @n : i16
// CHECK-NEXT:     wse.param @scale : f32 = 5.000000e-01

// -----

// A route of several positions with all that a router can do; a queue may get its colour later.
wse.program @switches width 3 height 1 {
  wse.color @red
  wse.color @green
  wse.route @green at [0, 0] positions [rx [ramp] tx [ramp], rx [east] tx [ramp]] initial 1 ring_mode pop_mode always_pop
  wse.route @red at [1, 0] rx [ramp] tx [west] swap_x @green swap_y @red
  wse.route @green at [1, 0] rx [west] tx [ramp] filter counter init 0 max 3 limit 1
  wse.route @green at [2, 0] rx [west] tx [ramp] filter range min 1 max 5
  wse.route @red at [2, 0] rx [ramp] tx [ramp]
  wse.place @one at [0:2, 0]
  wse.place @both at [2, 0]
  wse.tile @one {
    wse.input_queue @iq = 0 color @green
  }
  wse.tile @both {
    wse.input_queue @iq = 0 color @green
    wse.task @main local active {
      wse.set_color @iq, @red
    }
  }
}
// CHECK:      wse.route @green at [0, 0] positions [rx [ramp] tx [ramp], rx [east] tx [ramp]] initial 1 ring_mode pop_mode always_pop
// CHECK-NEXT: wse.route @red at [1, 0] rx [ramp] tx [west] swap_x @green swap_y @red
// CHECK-NEXT: wse.route @green at [1, 0] rx [west] tx [ramp] filter counter init 0 max 3 limit 1
// CHECK-NEXT: wse.route @green at [2, 0] rx [west] tx [ramp] filter range min 1 max 5

// -----

// A wafer's worth of PEs takes as many lines as one.
wse.program @wafer width 750 height 994 {
  wse.color @red
  wse.route @red at [0:749, 0:994] rx [west] tx [east, ramp]
  wse.route @red at [749, 0:994] rx [west] tx [ramp]
  wse.place @tile at [0:750, 0:994]
  wse.tile @tile {
    wse.input_queue @iq = 0 color @red
  }
}
// CHECK: wse.route @red at [0:749, 0:994] rx [west] tx [east, ramp]

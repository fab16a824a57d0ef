// A vector of every PE is added up on the way west; the two colours alternate from PE to PE.
// RUN: pfrt-run %s --device wse2 --stats | filecheck %s
// RUN: pfrt-run %s --device wse2 --set-const hop=3 | filecheck %s --check-prefix=FAR

// CHECK: cycles: 111 on wse2
// CHECK-NEXT: sum: f32 [1, 1, 4] at (0, 0) min 4 max 22
// CHECK-NEXT: (0, 0): 4 10 16 22
// CHECK: 111 cycles, 3 of 3 PEs ran a task, {{.*}} 8 words over links
// CHECK: (2, 0) last 0 99
// CHECK: main (last) 1 1 99 99.0 99
// FAR: cycles: 117 on wse2
// FAR: (0, 0): 4 10 16 22

wse.program @chain width 3 height 1 {
  wse.color @red
  wse.color @blue
  wse.route @red at [0, 0] rx [east] tx [ramp]
  wse.route @red at [1, 0] rx [ramp] tx [west]
  wse.route @blue at [1, 0] rx [east] tx [ramp]
  wse.route @blue at [2, 0] rx [ramp] tx [west]
  wse.place @root at [0, 0]
  wse.place @inner at [1, 0]
  wse.place @last at [2, 0]
  wse.data @inner::@own at [1, 0] = dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
  wse.data @last::@own at [2, 0] = dense<[3.0, 8.0, 13.0, 18.0]> : tensor<4xf32>
  wse.tile @root {
    wse.buffer @sum export : memref<4xf32>
    wse.input_queue @iq = 0 color @red
    wse.fabin_dsd @rx = @iq length 4
    wse.mem1d_dsd @v = @sum
    wse.task @main local active {
      wse.fadds @v, @rx, @v
    }
  }
  wse.tile @inner {
    wse.buffer @own : memref<4xf32>
    wse.input_queue @iq = 0 color @blue
    wse.output_queue @oq = 0 color @red
    wse.fabin_dsd @rx = @iq length 4
    wse.fabout_dsd @tx = @oq length 4
    wse.mem1d_dsd @v = @own
    wse.task @main local active {
      wse.fadds @tx, @rx, @v
    }
  }
  wse.tile @last {
    wse.buffer @own : memref<4xf32>
    wse.output_queue @oq = 0 color @blue
    wse.fabout_dsd @tx = @oq length 4
    wse.mem1d_dsd @v = @own
    wse.task @main local active {
      wse.declare_cost "the others are armed", 75
      wse.mov32 @tx, @v
    }
  }
}

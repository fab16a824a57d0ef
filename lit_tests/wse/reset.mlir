// switch_rst leads back to the position that a route begins at, which is not its first; teardown closes the
// colour in each router that it passes, the sender's first.
// RUN: pfrt-run %s --device wse2 | filecheck %s
// RUN: sed 's/control_word switch_rst/control_word teardown/' %s > %t.mlir
// RUN: not pfrt-run %t.mlir --device wse2 2>&1 | filecheck %s --check-prefix=TEARDOWN

// CHECK: (1, 0), cycle {{[0-9]+}}: word 1
// CHECK-NEXT: (2, 0), cycle {{[0-9]+}}: word 2
// CHECK-NEXT: (1, 0), cycle {{[0-9]+}}: word 3
// CHECK-NEXT: cycles:

// TEARDOWN: words are left at the end: PE (0, 0): 1 of colour 0 from ramp in the router (switch position 0)

wse.program @reset width 3 height 1 {
  wse.color @c
  wse.route @c at [0, 0] rx [ramp] tx [east]
  wse.route @c at [1, 0] positions [rx [west] tx [east], rx [west] tx [ramp], rx [west] tx [east]] initial 1
  wse.route @c at [2, 0] rx [west] tx [ramp]
  wse.place @send at [0, 0]
  wse.place @take at [1:3, 0]
  wse.tile @send {
    wse.buffer @data : memref<3xf32> = dense<[1.0, 2.0, 3.0]>
    wse.output_queue @oq = 1 color @c
    wse.fabout_dsd @one = @oq length 1
    wse.fabout_dsd @command = @oq length 1 control
    wse.mem1d_dsd @v = @data length 1
    wse.task @main local active {
      %n = arith.constant 1 : i16
      %advance = wse.control_word switch_adv ignore : i32
      %reset = wse.control_word switch_rst ignore : i32
      wse.mov32 @one, @v
      wse.mov32 @command, %advance : i32
      wse.increment_dsd_offset @v, %n : i16
      wse.mov32 @one, @v
      wse.mov32 @command, %reset : i32
      wse.increment_dsd_offset @v, %n : i16
      wse.mov32 @one, @v
    }
  }
  wse.tile @take {
    wse.input_queue @iq = 0 color @c
    wse.task @word data @iq (%w: f32) {
      wse.print "word", %w : f32
    }
  }
}

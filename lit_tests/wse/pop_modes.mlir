// A control word has a list of commands. With always_pop each router takes the one that it obeyed off the list, so
// the next obeys another; pop_on_advance keeps a nop on it; without popping all obey the first. In ring_mode the first
// position follows the last.
// RUN: pfrt-run %s --device wse2 | filecheck %s
// RUN: sed 's/pop_mode always_pop/pop_mode pop_on_advance/' %s > %t.mlir
// RUN: pfrt-run %t.mlir --device wse2 | filecheck %s --check-prefix=ADVANCE
// RUN: sed 's/pop_mode always_pop/pop_mode no_pop/' %s > %t.mlir
// RUN: pfrt-run %t.mlir --device wse2 | filecheck %s --check-prefix=NONE

// CHECK: (3, 0), cycle {{[0-9]+}}: word 1
// CHECK-NEXT: (2, 0), cycle {{[0-9]+}}: word 2
// CHECK-NEXT: (2, 0), cycle {{[0-9]+}}: word 3
// CHECK-NEXT: (3, 0), cycle {{[0-9]+}}: word 3
// CHECK-NEXT: (1, 0), cycle {{[0-9]+}}: word 4
// CHECK-NEXT: (3, 0), cycle {{[0-9]+}}: word 4
// CHECK-NEXT: (3, 0), cycle {{[0-9]+}}: word 5
// CHECK-NEXT: cycles:

// ADVANCE: (3, 0), cycle {{[0-9]+}}: word 1
// ADVANCE-NEXT: (3, 0), cycle {{[0-9]+}}: word 2
// ADVANCE-NEXT: (3, 0), cycle {{[0-9]+}}: word 3
// ADVANCE-NEXT: (1, 0), cycle {{[0-9]+}}: word 4
// ADVANCE-NEXT: (2, 0), cycle {{[0-9]+}}: word 4
// ADVANCE-NEXT: (2, 0), cycle {{[0-9]+}}: word 5
// ADVANCE-NEXT: cycles:

// NONE: (3, 0), cycle {{[0-9]+}}: word 1
// NONE-NEXT: (3, 0), cycle {{[0-9]+}}: word 2
// NONE-NEXT: (3, 0), cycle {{[0-9]+}}: word 3
// NONE-NEXT: (1, 0), cycle {{[0-9]+}}: word 4
// NONE-NEXT: (2, 0), cycle {{[0-9]+}}: word 4
// NONE-NEXT: (2, 0), cycle {{[0-9]+}}: word 5
// NONE-NEXT: (3, 0), cycle {{[0-9]+}}: word 5
// NONE-NEXT: cycles:

wse.program @pops width 4 height 1 {
  wse.color @c
  wse.route @c at [0, 0] rx [ramp] tx [east]
  wse.route @c at [1, 0] positions [rx [west] tx [east], rx [west] tx [ramp, east]] ring_mode pop_mode always_pop
  wse.route @c at [2, 0] positions [rx [west] tx [east], rx [west] tx [ramp], rx [west] tx [ramp, east]] ring_mode pop_mode always_pop
  wse.route @c at [3, 0] rx [west] tx [ramp]
  wse.place @send at [0, 0]
  wse.place @take at [1:4, 0]
  wse.tile @send {
    wse.buffer @data : memref<5xf32> = dense<[1.0, 2.0, 3.0, 4.0, 5.0]>
    wse.output_queue @oq = 1 color @c
    wse.fabout_dsd @one = @oq length 1
    wse.fabout_dsd @command = @oq length 1 control
    wse.mem1d_dsd @v = @data length 1
    wse.task @main local active {
      %n = arith.constant 1 : i16
      %second = wse.control_word [nop, switch_adv] ignore : i32
      %first = wse.control_word [switch_adv, nop] ignore : i32
      %both = wse.control_word [switch_adv, switch_adv] ignore : i32
      wse.mov32 @one, @v
      wse.mov32 @command, %second : i32
      wse.increment_dsd_offset @v, %n : i16
      wse.mov32 @one, @v
      wse.mov32 @command, %second : i32
      wse.increment_dsd_offset @v, %n : i16
      wse.mov32 @one, @v
      wse.mov32 @command, %both : i32
      wse.increment_dsd_offset @v, %n : i16
      wse.mov32 @one, @v
      wse.mov32 @command, %first : i32
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

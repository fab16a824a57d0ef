// A control word opens the switch of a PE on the way: the words behind it go on to the last one.
// RUN: pfrt-run %s --device wse3 | filecheck %s

// CHECK: near: f32 [1, 1, 2] at (1, 0)
// CHECK-NEXT: (1, 0): 1 2
// CHECK-NEXT: far: f32 [1, 1, 4] at (2, 0)
// CHECK-NEXT: (2, 0): 3 4 5 6

wse.program @switches width 3 height 1 {
  wse.color @c = 2
  wse.route @c at [0, 0] rx [ramp] tx [east]
  wse.route @c at [1, 0] positions [rx [west] tx [ramp], rx [west] tx [east]] pop_mode always_pop
  wse.route @c at [2, 0] rx [west] tx [ramp]
  wse.place @send at [0, 0]
  wse.place @near at [1, 0]
  wse.place @far at [2, 0]
  wse.tile @send {
    wse.buffer @data : memref<6xf32> = dense<[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]>
    wse.output_queue @oq = 1 color @c
    wse.fabout_dsd @first = @oq length 2
    wse.fabout_dsd @command = @oq length 1 control
    wse.fabout_dsd @second = @oq length 4
    wse.mem1d_dsd @head = @data length 2
    wse.mem1d_dsd @tail = @data offset 2
    wse.task @main local active {
      wse.mov32 @first, @head
      %w = wse.control_word switch_adv ignore : i32
      wse.mov32 @command, %w : i32
      wse.mov32 @second, @tail
    }
  }
  wse.tile @near {
    wse.buffer @near export : memref<2xf32>
    wse.input_queue @iq = 0 color @c
    wse.fabin_dsd @rx = @iq length 2
    wse.mem1d_dsd @v = @near
    wse.task @main local active {
      wse.mov32 @v, @rx
    }
  }
  wse.tile @far {
    wse.buffer @far export : memref<4xf32>
    wse.input_queue @iq = 0 color @c
    wse.fabin_dsd @rx = @iq length 4
    wse.mem1d_dsd @v = @far
    wse.task @main local active {
      wse.mov32 @v, @rx async 2 priority high activate @done
    }
    wse.task @done local {
    }
  }
}

// A DSR that saves its address goes on where the last op ended. Loading it again waits for the microthread whose op
// will still write it.
// RUN: pfrt-run %s --device wse2 | filecheck %s
// RUN: pfrt-run %s --device wse3 | filecheck %s

// CHECK: first: f32
// CHECK-NEXT: (1, 0): 1 2 3 4
// CHECK-NEXT: second: f32
// CHECK-NEXT: (1, 0): 5 6 0 0

wse.program @saving width 2 height 1 {
  wse.color @c
  wse.route @c at [0, 0] rx [ramp] tx [east]
  wse.route @c at [1, 0] rx [west] tx [ramp]
  wse.place @send at [0, 0]
  wse.place @take at [1, 0]
  wse.tile @send {
    wse.buffer @data : memref<6xf32> = dense<[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]>
    wse.output_queue @oq = 0 color @c
    wse.fabout_dsd @two = @oq length 2
    wse.fabout_dsd @four = @oq length 4
    wse.mem1d_dsd @head = @data length 2
    wse.mem1d_dsd @tail = @data length 4 offset 2
    wse.task @main local active {
      wse.mov32 @two, @head
      wse.declare_cost "the other one waits", 100
      wse.mov32 @four, @tail
    }
  }
  wse.tile @take {
    wse.buffer @first export : memref<4xf32>
    wse.buffer @second export : memref<4xf32>
    wse.input_queue @iq = 0 color @c
    wse.fabin_dsd @rx = @iq length 2
    wse.mem1d_dsd @to_first = @first length 2
    wse.mem1d_dsd @to_second = @second length 2
    wse.dsr @to = dest 0
    wse.task @main local active {
      wse.load_to_dsr @to, @to_first save_address
      wse.mov32 @to, @rx
      wse.mov32 @to, @rx async 0
      wse.load_to_dsr @to, @to_second save_address
      wse.mov32 @to, @rx
    }
  }
}

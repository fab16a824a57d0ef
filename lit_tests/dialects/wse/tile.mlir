// RUN: pfrt-opt %s --split-input-file | pfrt-opt --split-input-file | filecheck %s

// Everything that a tile declares.
wse.program @p width 1 height 1 {
  wse.color @red
  wse.tile @t {
    wse.param @in : !wse.color
    wse.buffer @a : memref<8x4xf32>
    wse.buffer @b align 16 offset 4 export : memref<8xf16> = dense<0.5>
    wse.buffer @c address 1024 : memref<2xi32> = dense<[1, -2]>
    wse.var @count : i32 = -1
    wse.var @sum : f32
    wse.input_queue @iq = 2 color @in
    wse.output_queue @oq = 3 color @red
    wse.mem1d_dsd @all = @a
    wse.mem1d_dsd @column = @a length 8 stride 4 offset 1
    wse.mem4d_dsd @block = @a sizes [4, 2] strides [8, 1] offset 2
    wse.fabin_dsd @rx = @iq length 8
    wse.fabin_dsd @half = @iq length 8 type f16
    wse.fabout_dsd @tx = @oq length 8 advance_switch
    wse.fabout_dsd @command = @oq length 1 type i32 control
    wse.fifo @queue = @c
    wse.fifo_dsd @push = @queue length 50
    wse.dsr @acc = dest 0
    wse.dsr @left = src0 15
  }
}
// CHECK:      wse.param @in : !wse.color
// CHECK-NEXT: wse.buffer @a : memref<8x4xf32>
// CHECK-NEXT: wse.buffer @b align 16 offset 4 export : memref<8xf16> = dense<5.000000e-01>
// CHECK-NEXT: wse.buffer @c address 1024 : memref<2xi32> = dense<[1, -2]>
// CHECK-NEXT: wse.var @count : i32 = -1
// CHECK-NEXT: wse.var @sum : f32
// CHECK-NEXT: wse.input_queue @iq = 2 color @in
// CHECK-NEXT: wse.output_queue @oq = 3 color @red
// CHECK-NEXT: wse.mem1d_dsd @all = @a
// CHECK-NEXT: wse.mem1d_dsd @column = @a length 8 stride 4 offset 1
// CHECK-NEXT: wse.mem4d_dsd @block = @a sizes [4, 2] strides [8, 1] offset 2
// CHECK-NEXT: wse.fabin_dsd @rx = @iq length 8
// CHECK-NEXT: wse.fabin_dsd @half = @iq length 8 type f16
// CHECK-NEXT: wse.fabout_dsd @tx = @oq length 8 advance_switch
// CHECK-NEXT: wse.fabout_dsd @command = @oq length 1 type i32 control
// CHECK-NEXT: wse.fifo @queue = @c
// CHECK-NEXT: wse.fifo_dsd @push = @queue length 50
// CHECK-NEXT: wse.dsr @acc = dest 0
// CHECK-NEXT: wse.dsr @left = src0 15

// -----

// Tasks of each kind, with and without the word that starts them, and functions.
wse.tile @t {
  wse.input_queue @iq = 2 color @red
  wse.input_queue @jq = 3 color @blue
  wse.task @main local active {
    wse.activate @next
    wse.block @next
    wse.unblock @next
    wse.call @compute
    wse.call @help
    wse.set_color @iq, @red
    wse.halt
  }
  wse.task @next local id 9 blocked {
  }
  wse.task @word data @iq (%w: f32) {
    wse.print "word", %w : f32
  }
  wse.task @tick data @jq blocked {
  }
  wse.task @stop control id 7 (%w: i32) {
  }
  wse.func @compute export {
  }
  wse.func @help {
  }
}
// CHECK:      wse.task @main local active {
// CHECK-NEXT:   wse.activate @next
// CHECK-NEXT:   wse.block @next
// CHECK-NEXT:   wse.unblock @next
// CHECK-NEXT:   wse.call @compute
// CHECK-NEXT:   wse.call @help
// CHECK-NEXT:   wse.set_color @iq, @red
// CHECK-NEXT:   wse.halt
// CHECK-NEXT: }
// CHECK-NEXT: wse.task @next local id 9 blocked {
// CHECK-NEXT: }
// CHECK-NEXT: wse.task @word data @iq (%w: f32) {
// CHECK-NEXT:   wse.print "word", %w : f32
// CHECK-NEXT: }
// CHECK-NEXT: wse.task @tick data @jq blocked {
// CHECK-NEXT: }
// CHECK-NEXT: wse.task @stop control id 7 (%w_1: i32) {
// CHECK-NEXT: }
// CHECK-NEXT: wse.func @compute export {
// CHECK-NEXT: }
// CHECK-NEXT: wse.func @help {

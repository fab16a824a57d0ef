// RUN: pfrt-opt %s --split-input-file | pfrt-opt --split-input-file | filecheck %s

// Scalars: variables, parameters, elements of buffers, time, and declared costs.
wse.tile @t {
  wse.param @n : i16 = 3
  wse.var @count : i32
  wse.buffer @a : memref<8xf32>
  wse.task @main local active {
    %t = wse.timestamp : i32
    wse.set @count, %t : i32
    %n = wse.get @n : i16
    %a = wse.get_buffer @a : memref<8xf32>
    %i = arith.index_cast %n : i16 to index
    %x = memref.load %a[%i] : memref<8xf32>
    %y = arith.addf %x, %x {wse.cost = #wse.cost<"sum", 0>} : f32
    wse.print "y", %y : f32
    wse.print "done"
    wse.declare_cost "hand-over", 40
    %w = wse.control_word switch_adv ignore : i32
    %v = wse.control_word [nop, switch_rst] task 7 : i32
  }
}
// CHECK:      %t = wse.timestamp : i32
// CHECK-NEXT: wse.set @count, %t : i32
// CHECK-NEXT: %n = wse.get @n : i16
// CHECK-NEXT: %a = wse.get_buffer @a : memref<8xf32>
// CHECK:      %y = arith.addf %x, %x {wse.cost = #wse.cost<"sum", 0>} : f32
// CHECK-NEXT: wse.print "y", %y : f32
// CHECK-NEXT: wse.print "done"
// CHECK-NEXT: wse.declare_cost "hand-over", 40
// CHECK-NEXT: %w = wse.control_word switch_adv ignore : i32
// CHECK-NEXT: %v = wse.control_word [nop, switch_rst] task 7 : i32

// -----

// DSDs that change, DSRs, and @map with and without a result.
wse.tile @t {
  wse.buffer @a : memref<8xf32>
  wse.buffer @b : memref<8xf32>
  wse.input_queue @iq = 0 color @red
  wse.mem1d_dsd @v = @a
  wse.fabin_dsd @rx = @iq length 8
  wse.dsr @x = src0 1
  wse.task @main local active {
    %n = arith.constant 2 : i16
    wse.load_to_dsr @x, @v save_address
    wse.load_to_dsr @x, @v
    wse.set_dsd_base_addr @v, @b
    wse.increment_dsd_offset @v, %n : i16
    wse.set_dsd_offset @v, %n : i16
    wse.set_dsd_stride @v, %n : i16
    wse.set_dsd_length @rx, %n : i16
    wse.map @v (%e: f32) {
      %d = arith.mulf %e, %e : f32
      wse.yield %d : f32
    }
    wse.map @x (%f: f32) {
      wse.fmacs @v, @v, @v, %f : f32
    }
  }
}
// CHECK:      wse.load_to_dsr @x, @v save_address
// CHECK-NEXT: wse.load_to_dsr @x, @v
// CHECK-NEXT: wse.set_dsd_base_addr @v, @b
// CHECK-NEXT: wse.increment_dsd_offset @v, %n : i16
// CHECK-NEXT: wse.set_dsd_offset @v, %n : i16
// CHECK-NEXT: wse.set_dsd_stride @v, %n : i16
// CHECK-NEXT: wse.set_dsd_length @rx, %n : i16
// CHECK-NEXT: wse.map @v (%e: f32) {
// CHECK-NEXT:   %d = arith.mulf %e, %e : f32
// CHECK-NEXT:   wse.yield %d : f32
// CHECK-NEXT: }
// CHECK-NEXT: wse.map @x (%f: f32) {
// CHECK-NEXT:   wse.fmacs @v, @v, @v, %f : f32
// CHECK-NEXT: }

// RUN: pfrt-opt %s --split-input-file -p dce | filecheck %s

// Code that nothing uses goes, what has an effect stays.
wse.tile @dead {
  wse.var @count : i32
  wse.buffer @a : memref<8xf32>
  wse.task @main local active {
    %w = wse.control_word switch_adv : i32
    %a = wse.get_buffer @a : memref<8xf32>
    %c = wse.get @count : i32
    %t = wse.timestamp : i32
  }
}
// CHECK-LABEL: @dead
// CHECK-NOT: control_word
// CHECK-NOT: get_buffer
// CHECK-NOT: wse.get @
// CHECK: %t = wse.timestamp : i32

// RUN: pfrt-opt %s -t wse-csl | filecheck %s

// Addresses are the simulator's; buffers that share memory there take more here, and that is said.
wse.program @p width 1 height 1 {
  wse.place @t at [0, 0]
  wse.tile @t {
    wse.buffer @a address 8 : memref<4xf32>
    wse.buffer @b address 16 : memref<2x2xi16>
  }
}
// CHECK: var a: [4]f32 = @zeros([4]f32); // at byte 8 when simulated
// CHECK-NEXT: var b: [4]i16 = @zeros([4]i16); // 2 x 2, at byte 16 when simulated
// CHECK-NEXT: // Buffers share memory when simulated; here they take 24 bytes.

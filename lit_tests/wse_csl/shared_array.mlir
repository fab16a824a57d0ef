// RUN: pfrt-opt %s -t wse-csl | filecheck %s

// Where they would take more than 32 KiB, all are in one array as they are when simulated: offsets count from its start.
wse.program @p width 1 height 1 {
  wse.place @t at [0, 0]
  wse.tile @t {
    wse.buffer @a address 0 : memref<6000xf32>
    wse.buffer @b address 16 export : memref<4000xf32>
    wse.mem1d_dsd @v = @b length 8 stride 1 offset 2
    wse.task @main local active {
      wse.set_dsd_base_addr @v, @a
      wse.fadds @v, @v, @v
    }
  }
}
// CHECK: var memory: [6000]f32 align(16) = @zeros([6000]f32);
// CHECK: // a: 6000 from memory[0]
// CHECK-NEXT: // b: 4000 from memory[4]
// CHECK-NEXT: var b_ptr: [*]f32 = @ptrcast([*]f32, &memory[4]);
// CHECK-NOT: Buffers share memory when simulated
// CHECK: var v = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{8} -> memory[i + 6] });
// CHECK: v = @increment_dsd_offset(@set_dsd_base_addr(v, memory), 2, f32);

// RUN: pfrt-opt %s -t 'wse-csl{machine=wse3}' | filecheck %s
// RUN: pfrt-opt %s -t 'wse-csl{machine=wse2}' | filecheck %s --check-prefix=WSE2

// Microthreads, declared costs, DSRs and maps; scalar code in expressions, loops and branches.
wse.program @code width 1 height 1 {
  wse.color @red = 0
  wse.route @red at [0, 0] rx [ramp] tx [ramp]
  wse.place @t at [0, 0]
  wse.tile @t {
    wse.input_queue @iq = 2 color @red
    wse.output_queue @oq = 2 color @red
    wse.buffer @a align 16 offset 4 export : memref<2x4xf32>
    wse.buffer @y : memref<4xf32> = dense<2.0>
    wse.var @count : i16 = 3
    wse.mem1d_dsd @row = @a length 4
    wse.mem4d_dsd @block = @a sizes [2, 2] strides [4, 1] offset 1
    wse.mem1d_dsd @v = @y
    wse.fabin_dsd @rx = @iq length 4
    wse.fabout_dsd @tx = @oq length 4 advance_switch
    wse.dsr @acc = dest 0
    wse.task @main local active {
      wse.mov32 @tx, @v async 3 priority high activate @next {wse.cost = #wse.cost<"send", 5>}
      wse.load_to_dsr @acc, @v save_address
      wse.fadds @acc, @v, @row
      %n = wse.get @count : i16
      %i = arith.index_cast %n : i16 to index
      %zero = arith.constant 0 : index
      %one = arith.constant 1 : index
      %a = wse.get_buffer @a : memref<2x4xf32>
      %start = arith.constant 0.5 : f32
      %sum = scf.for %j = %zero to %i step %one iter_args(%s = %start) -> (f32) {
        %x = memref.load %a[%one, %j] : memref<2x4xf32>
        %t = arith.addf %s, %x : f32
        scf.yield %t : f32
      }
      wse.map @v (%e: f32) {
        %d = arith.mulf %e, %sum : f32
        wse.yield %d : f32
      }
      %c = arith.cmpi ult, %n, %n : i16
      scf.if %c {
        wse.increment_dsd_offset @row, %n : i16
      } else {
        wse.declare_cost "nothing", 7
      }
    }
    wse.task @next local {
      wse.mov32 @v, @rx
    }
    wse.task @stop control id 7 blocked (%w: i32) {
      wse.set_dsd_length @rx, %w : i32
    }
  }
}
// CHECK: const next_id: local_task_id = @get_local_task_id(9);
// CHECK-NEXT: const stop_id: control_task_id = @get_control_task_id(7);
// CHECK: var a: [9]f32 align(16) = @zeros([9]f32); // 2 x 4, from element 1
// CHECK-NEXT: var a_ptr: [*]f32 = @ptrcast([*]f32, &a[1]);
// CHECK-NEXT: var y: [4]f32 = @constants([4]f32, 2.0);
// CHECK-NEXT: var count: i16 = 3;
// CHECK: var row = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{4} -> a[i + 1] });
// CHECK-NEXT: const block = @get_dsd(mem4d_dsd, .{ .tensor_access = |i, j|{2, 2} -> a[i * 4 + j + 2] });
// CHECK: const tx = @get_dsd(fabout_dsd, .{ .extent = 4, .fabric_color = red, .output_queue = oq, .advance_switch = true });
// CHECK-NEXT: const acc = @get_dsr(dsr_dest, 0);
// CHECK: fn v_map(e0: f32, e1: f32) f32 {
// CHECK-NEXT: return e0 * e1;
// CHECK: @mov32(tx, v, .{ .async = true, .ut_id = @get_ut_id(3), .priority = .{ .high = true }, .activate = next_id }); // declared cost "send": 5 cycles
// CHECK-NEXT: @load_to_dsr(acc, v, .{ .save_address = true });
// CHECK-NEXT: @fadds(acc, v, row);
// CHECK-NEXT: const v0: i16 = count;
// CHECK-NEXT: var v1: f32 = 0.5;
// CHECK-NEXT: for (@range(i32, 0, @as(i32, v0), 1)) |i2| {
// CHECK-NEXT: const v3: f32 = a[i2 + 5];
// CHECK-NEXT: v1 = v1 + v3;
// CHECK-NEXT: }
// CHECK-NEXT: @map(v_map, v, v1, v);
// CHECK-NEXT: if (@bitcast(u16, @as(i16, v0)) < @bitcast(u16, @as(i16, v0))) {
// CHECK-NEXT: row = @increment_dsd_offset(row, @as(i16, v0), f32);
// CHECK-NEXT: } else {
// CHECK-NEXT: // declared cost "nothing": 7 cycles
// CHECK: task stop(word0: i32) void {
// CHECK-NEXT: rx = @set_dsd_length(rx, @as(u16, word0));
// CHECK: @bind_control_task(stop, stop_id);
// CHECK-NEXT: @block(stop_id);
// CHECK: @initialize_queue(iq, .{ .color = red });
// CHECK: if (@is_arch("wse3")) @unblock(iq) else @unblock(red);
// CHECK-NEXT: @export_symbol(a_ptr, "a");
// CHECK-NEXT: @export_symbol(start);

// WSE2: @mov32(tx, v, .{ .async = true, .priority = .{ .high = true }, .activate = next_id });
// WSE2: cslc --arch=wse2

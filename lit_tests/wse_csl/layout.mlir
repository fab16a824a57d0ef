// RUN: pfrt-opt %s -t wse-csl | filecheck %s

// Rectangles become loops, switches and filters fields, maps expressions, and other parameters tables.
wse.program @routes width 6 height 4 {
  wse.color @red = 4
  wse.route @red at [0:6:2, 0] positions [rx [ramp] tx [east], rx [ramp] tx [south]] initial 1 ring_mode pop_mode always_pop
  wse.route @red at [1:6:2, 0] rx [west] tx [ramp] filter range min 1 max 5
  wse.route @red at [0:6:2, 1:4] rx [north] tx [ramp] filter counter init 0 max 3 limit 0
  wse.place @send at [0:6:2, 0] params {column = affine_map<(x, y) -> (x + 2 * y)>, turn = affine_map<(x, y) -> (x mod 4)>}
  wse.place @take at [1:6:2, 0] params {n = dense<[5, 6, 7]> : tensor<3xi16>, align = 1.5 : f32}
  wse.place @take at [0:6:2, 1:4] params {n = 3 : i16, align = 2.5 : f32}
  wse.tile @send {
    wse.param @column : i16
    wse.param @turn : i32
    wse.output_queue @oq = 2 color @red
  }
  wse.tile @take {
    wse.param @n : i16
    wse.param @align : f32
    wse.input_queue @iq = 2 color @red
    wse.buffer @own export : memref<4xf32>
  }
}
// CHECK: // FILE: layout.csl
// CHECK-NEXT: // Layout of the program @routes.
// CHECK: const red: color = @get_color(4);
// CHECK: const send_turn = [3]i32{ 0, 2, 0 };
// CHECK-NEXT: const take_n = [3]i16{ 5, 6, 7 };
// CHECK: @set_rectangle(6, 4);
// CHECK: for (@range(i16, 0, 6, 2)) |x| {
// CHECK-NEXT: @set_tile_code(x, 0, "send.csl", .{
// CHECK-NEXT: .memcpy_params = memcpy.get_params(x),
// CHECK-NEXT: .column = @as(i16, (x + (0 * 2))),
// CHECK-NEXT: .turn = send_turn[x / 2],
// CHECK: .n = take_n[(x - 1) / 2],
// CHECK-NEXT: .align_ = @as(f32, 1.5),
// CHECK: for (@range(i16, 0, 6, 2)) |x| {
// CHECK-NEXT: for (@range(i16, 1, 4, 1)) |y| {
// CHECK: "empty.csl"
// CHECK: @set_color_config(x, 0, red, .{
// CHECK-NEXT: .routes = .{ .rx = .{ RAMP }, .tx = .{ EAST } },
// CHECK-NEXT: .switches = .{ .pos1 = .{ .rx = RAMP, .tx = SOUTH }, .current_switch_pos = 1, .ring_mode = true, .pop_mode = .{ .always_pop = true } },
// CHECK: .filter = .{ .kind = .{ .range = true }, .min_idx = 1, .max_idx = 5 },
// CHECK: .filter = .{ .kind = .{ .counter = true }, .count_data = true, .init_counter = 0, .max_counter = 3, .limit1 = 0 },
// CHECK: @export_name("own", [*]f32, true);
// CHECK: // FILE: take.csl
// CHECK: param align_: f32;
// CHECK: // FILE: run.py
// CHECK: "own": ("float32", [
// CHECK-NEXT: (4, [(x, 0, 1, 1) for x in range(1, 6, 2)]),
// CHECK-NEXT: (4, [(x, 1, 1, 3) for x in range(0, 6, 2)]),
// CHECK: // FILE: commands.sh
// CHECK: cslc --arch=wse3 ./layout.csl --fabric-dims=13,6 --fabric-offsets=4,1

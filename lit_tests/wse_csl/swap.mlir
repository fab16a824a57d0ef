// RUN: pfrt-opt %s -t wse-csl | filecheck %s

// A swap of colours is said of the axis; positions name what they change; data goes into the host's program.
wse.program @swap width 2 height 1 {
  wse.color @red = 2
  wse.color @blue
  wse.route @red at [0, 0] rx [ramp] tx [east] swap_x @blue
  wse.route @blue at [1, 0] rx [west] tx [ramp]
  wse.place @send at [0, 0]
  wse.place @receive at [1, 0]
  wse.data @receive::@own at [1, 0] = dense<[1.0, 2.0]> : tensor<2xf16>
  wse.tile @send {
    wse.output_queue @oq = 2 color @red
  }
  wse.tile @receive {
    wse.buffer @own : memref<2xf16>
    wse.input_queue @iq = 2 color @blue
    wse.task @word data @iq (%w: f16) {
    }
  }
}
// CHECK: const blue: color = @get_color(3);
// CHECK: @set_color_config(0, 0, red, .{ .routes = .{ .rx = .{ RAMP }, .tx = .{ EAST }, .color_swap_x = true } });
// CHECK: @export_name("own", [*]f16, true);
// CHECK: const word_id: data_task_id =
// CHECK-NEXT: if (@is_arch("wse2")) @get_data_task_id(blue)
// CHECK-NEXT: else @get_data_task_id(iq);
// CHECK: task word(word0: f16) void {
// CHECK: "own": ("float16", [(2, [(1, 0, 1, 1)])]),
// CHECK: ("own", 2, (1, 0, 1, 1), [1.0, 2.0]),

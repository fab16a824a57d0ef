// RUN: pfrt-opt %s -p 'convert-wse-to-csl{machine=wse3}' --split-input-file | filecheck %s

// What is active from the start is activated by a function of the host's; the task lets memcpy go on.
wse.program @alone width 1 height 1 {
  wse.place @t at [0, 0]
  wse.tile @t {
    wse.task @main local active {
    }
  }
}
// CHECK: csl.set_rectangle
// CHECK-NEXT: wse.place @t at [0, 0]
// CHECK: wse.program = "alone", wse.machine = "wse3"
// CHECK: sym_name = "t"
// CHECK-NEXT: %memcpy_params = "csl.param"
// CHECK-NEXT: %sys_mod = "csl.import_module"(%memcpy_params) <{module = "<memcpy/memcpy>"}>
// CHECK-NEXT: wse.task @main local id 8 {
// CHECK-NEXT: "csl.member_call"(%sys_mod) <{field = "unblock_cmd_stream"}>
// CHECK-NEXT: }
// CHECK-NEXT: wse.func @start export {
// CHECK-NEXT: wse.activate @main
// CHECK-NEXT: }

// -----

// Queues move beyond memcpy's; a colour that a tile names becomes its parameter; colours get numbers.
wse.program @loop width 1 height 1 {
  wse.color @blue = 0
  wse.color @red
  wse.route @red at [0, 0] rx [ramp] tx [ramp]
  wse.place @t at [0, 0]
  wse.tile @t {
    wse.input_queue @iq = 1 color @red
    wse.output_queue @oq = 3 color @red
  }
}
// CHECK: wse.color @red = 1
// CHECK: wse.place @t at [0, 0] params {red = @red}
// CHECK: wse.param @red : !wse.color
// CHECK-NEXT: wse.input_queue @iq = 2 color @red
// CHECK-NEXT: wse.output_queue @oq = 3 color @red

// -----

// Colours that are swapped are 2k and 2k + 1.
wse.program @swap width 2 height 1 {
  wse.color @a = 0
  wse.color @red
  wse.color @blue
  wse.route @red at [0, 0] rx [ramp] tx [east] swap_x @blue
  wse.route @blue at [1, 0] rx [west] tx [ramp]
  wse.place @send at [0, 0]
  wse.place @receive at [1, 0]
  wse.tile @send {
    wse.output_queue @oq = 2 color @red
  }
  wse.tile @receive {
    wse.input_queue @iq = 2 color @blue
  }
}
// CHECK: wse.color @red = 2
// CHECK-NEXT: wse.color @blue = 3

// -----

// Every PE has a tile, and every tile what the host launches.
wse.program @hole width 3 height 2 {
  wse.place @t at [1, 0]
  wse.tile @t {
    wse.func @compute export {
    }
  }
}
// CHECK: wse.place @t at [1, 0]
// CHECK-NEXT: wse.place @empty at [0, 0]
// CHECK-NEXT: wse.place @empty at [2, 0]
// CHECK-NEXT: wse.place @empty at [0:3, 1]
// CHECK: sym_name = "empty"
// CHECK: wse.func @compute export {
// CHECK-NEXT: unblock_cmd_stream

// -----

// The host fills what has values for some PEs, so that is exported; its own functions stay.
func.func @main(%x: tensor<1x1xf32>, %i: tensor<1x1x1xi32>) {
  wse.scatter %x to @filled::@own by %i : tensor<1x1xf32>, tensor<1x1x1xi32>
  wse.run @filled on "wse2"
  func.return
}
wse.program @filled width 1 height 1 {
  wse.place @t at [0, 0]
  wse.data @t::@own at [0, 0] = dense<1.0> : tensor<1xf32>
  wse.tile @t {
    wse.buffer @own : memref<1xf32>
  }
}
// CHECK: func.func @main
// CHECK: wse.data @t::@own
// CHECK: wse.buffer @own export : memref<1xf32>

// -----

// A task that other tasks lead to is the end, if it is the only one.
wse.program @chained width 1 height 1 {
  wse.place @t at [0, 0]
  wse.tile @t {
    wse.task @first local active {
      wse.activate @second
    }
    wse.task @second local {
    }
  }
}
// CHECK: wse.task @first local id 8 {
// CHECK-NEXT: wse.activate @second
// CHECK-NEXT: }
// CHECK-NEXT: wse.task @second local id 9 {
// CHECK-NEXT: unblock_cmd_stream

// -----

// With two ends, the function lets memcpy go on at once.
wse.program @forked width 1 height 1 {
  wse.place @t at [0, 0]
  wse.tile @t {
    wse.task @left local active {
    }
    wse.task @right local active {
    }
  }
}
// CHECK: wse.task @right local id 9 {
// CHECK: wse.func @start export {
// CHECK-NEXT: wse.activate @left
// CHECK-NEXT: wse.activate @right
// CHECK-NEXT: unblock_cmd_stream

// RUN: pfrt-opt %s -p 'convert-wse-to-csl{machine=wse2}' --split-input-file --verify-diagnostics | filecheck %s

// There is a program.
func.func @main() {
  func.return
}
// CHECK: the module has 0 programs, not one

// -----

// Nothing else is beside it but the host's functions.
%c = arith.constant 1 : i32
wse.program @p width 1 height 1 {
}
// CHECK: arith.constant: is neither the program nor a function of the host

// -----

// The last colours are memcpy's.
wse.program @p width 1 height 1 {
  wse.color @red = 21
}
// CHECK: wse.color: colour 21 is memcpy's; use 0 to 20

// -----

// A swap flips the lowest bit of a colour's number.
wse.program @p width 2 height 1 {
  wse.color @red = 1
  wse.color @blue = 2
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
// CHECK: @red and @blue are swapped: 1 and 2 are no 2k and 2k + 1

// -----

// A machine has so many queues, of which memcpy has two.
wse.program @p width 1 height 1 {
  wse.color @a
  wse.route @a at [0, 0] rx [ramp] tx [ramp]
  wse.place @t at [0, 0]
  wse.tile @t {
    wse.input_queue @i = 2 color @a
    wse.output_queue @o0 = 0 color @a
    wse.output_queue @o1 = 1 color @a
    wse.output_queue @o2 = 2 color @a
    wse.output_queue @o3 = 3 color @a
    wse.output_queue @o4 = 4 color @a
  }
}
// CHECK: @t has 5 output queues, of 4 that memcpy leaves on wse2

// -----

// What the host launches is a function in every tile.
wse.program @p width 2 height 1 {
  wse.place @a at [0, 0]
  wse.place @b at [1, 0]
  wse.tile @a {
    wse.func @compute export {
    }
  }
  wse.tile @b {
    wse.var @compute : i32
  }
}
// CHECK: wse.var: @compute is a function that the host launches in another tile

// -----

// The layout's file has a name of its own.
wse.program @p width 1 height 1 {
  wse.place @layout at [0, 0]
  wse.tile @layout {
  }
}
// CHECK: a tile has the name of the layout; rename @layout

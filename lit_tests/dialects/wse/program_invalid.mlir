// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// A program has PEs.
wse.program @p width 0 height 1 {
}
// CHECK: wse.program: C1: 0 x 1 PEs

// -----

// No wafer is as large, and no host has room for its arrays.
wse.program @p width 100000 height 100000 {
}
// CHECK: wse.program: C3: 100000 x 100000 PEs

// -----

// Code is in tiles.
wse.program @p width 1 height 1 {
  wse.declare_cost "nothing", 1
}
// CHECK: wse.program: C2: wse.declare_cost is none of these

// -----

// There are 24 colours.
wse.program @p width 1 height 1 {
  wse.color @red = 24
}
// CHECK: wse.color: C1: colours are 0 to 23, not 24

// -----

// Colours have numbers of their own.
wse.program @p width 1 height 1 {
  wse.color @red = 3
  wse.color @blue = 3
}
// CHECK: wse.color: C2: @red has the number 3 too

// -----

// Colours without numbers are 24, too.
wse.program @p width 1 height 1 {
  wse.color @a
  wse.color @b
  wse.color @c
  wse.color @d
  wse.color @e
  wse.color @f
  wse.color @g
  wse.color @h
  wse.color @i
  wse.color @j
  wse.color @k
  wse.color @l
  wse.color @m
  wse.color @n
  wse.color @o
  wse.color @p
  wse.color @q
  wse.color @r
  wse.color @s
  wse.color @t
  wse.color @u
  wse.color @v
  wse.color @w
  wse.color @x
  wse.color @y
}
// CHECK: wse.color: C2: is one of 25 colours, of at most 24

// -----

// Placements are inside the program.
wse.program @p width 2 height 1 {
  wse.place @t at [0:3, 0]
  wse.tile @t {
  }
}
// CHECK: wse.place: C4: [0:3, 0] is outside of the program's 2 x 1 PEs

// -----

// A tile is there to be placed.
wse.program @p width 1 height 1 {
  wse.color @t
  wse.place @t at [0, 0]
}
// CHECK: wse.place: C5: @t is no tile

// -----

// A PE runs one tile.
wse.program @p width 4 height 1 {
  wse.place @t at [0:4:2, 0]
  wse.place @t at [1:4, 0]
  wse.tile @t {
  }
}
// CHECK: wse.place: C6: another tile is placed at PE (2, 0)

// -----

// A parameter is a value.
wse.program @p width 1 height 1 {
  wse.place @t at [0, 0] params {n = "eight"}
  wse.tile @t {
    wse.param @n : i16
  }
}
// CHECK: wse.place: C1: n: "eight" is no value of a parameter

// -----

// A map is one of the coordinates.
wse.program @p width 1 height 1 {
  wse.place @t at [0, 0] params {n = affine_map<(x) -> (x)>}
  wse.tile @t {
    wse.param @n : i16
  }
}
// CHECK: wse.place: C2: n: affine_map<(d0) -> (d0)> is no map of (x, y)

// -----

// A table has a value for each PE.
wse.program @p width 4 height 1 {
  wse.place @t at [0:4, 0] params {n = dense<[1, 2, 3]> : tensor<3xi16>}
  wse.tile @t {
    wse.param @n : i16
  }
}
// CHECK: wse.place: C3: n: 3 values for 4 PEs

// -----

// Only what the tile asks for is given.
wse.program @p width 1 height 1 {
  wse.place @t at [0, 0] params {m = 1 : i16}
  wse.tile @t {
    wse.param @n : i16 = 1
  }
}
// CHECK: wse.place: C7: @t has no parameter m

// -----

// What has no default is given.
wse.program @p width 1 height 1 {
  wse.place @t at [0, 0]
  wse.tile @t {
    wse.param @n : i16
  }
}
// CHECK: wse.place: C7: @t needs a value for its parameter n

// -----

// A value has the parameter's type.
wse.program @p width 1 height 1 {
  wse.place @t at [0, 0] params {n = 1 : i32}
  wse.tile @t {
    wse.param @n : i16
  }
}
// CHECK: wse.place: C7: the parameter n is a i16, not 1 : i32

// -----

// A colour is asked for.
wse.program @p width 1 height 1 {
  wse.place @t at [0, 0] params {in = 3 : i16}
  wse.tile @t {
    wse.param @in : !wse.color
  }
}
// CHECK: wse.place: C7: the parameter in is a colour

// -----

// The colour that is given exists.
wse.program @p width 1 height 1 {
  wse.place @t at [0, 0] params {in = @red}
  wse.tile @t {
    wse.param @in : !wse.color
  }
}
// CHECK: wse.place: C7: there is no @red

// -----

// What an input queue takes comes up the ramp, everywhere.
wse.program @p width 3 height 1 {
  wse.color @red
  wse.route @red at [0, 0] rx [ramp] tx [east]
  wse.route @red at [1, 0] rx [west] tx [east]
  wse.route @red at [2, 0] rx [west] tx [ramp]
  wse.place @t at [1:3, 0] params {in = @red}
  wse.tile @t {
    wse.param @in : !wse.color
    wse.input_queue @iq = 0 color @in
  }
}
// CHECK: wse.place: C8: queue @iq of @t is bound to @red, which no route takes up the ramp at PE (1, 0)

// -----

// What an output queue gives goes down the ramp.
wse.program @p width 1 height 1 {
  wse.color @red
  wse.place @t at [0, 0]
  wse.tile @t {
    wse.output_queue @oq = 0 color @red
  }
}
// CHECK: wse.place: C8: queue @oq of @t is bound to @red, which no route takes down the ramp at PE (0, 0)

// -----

// That holds of a colour that a queue gets later, too.
wse.program @p width 1 height 1 {
  wse.color @red
  wse.color @blue
  wse.route @red at [0, 0] rx [ramp] tx [ramp]
  wse.place @t at [0, 0]
  wse.tile @t {
    wse.output_queue @oq = 0 color @red
    wse.task @main local active {
      wse.set_color @oq, @blue
    }
  }
}
// CHECK: wse.place: C8: queue @oq of @t is bound to @blue, which no route takes down the ramp at PE (0, 0)

// -----

// A word goes to one input queue.
wse.program @p width 1 height 1 {
  wse.color @red
  wse.route @red at [0, 0] rx [ramp] tx [ramp]
  wse.place @t at [0, 0] params {in = @red}
  wse.tile @t {
    wse.param @in : !wse.color
    wse.input_queue @iq = 0 color @in
    wse.input_queue @jq = 1 color @red
  }
}
// CHECK: wse.place: C9: input queues @iq and @jq of @t both have @red

// -----

// Data is for a tile's buffer.
wse.data @own at [0, 0] = dense<1.0> : tensor<8xf32>
// CHECK: wse.data: C1: @own is no @tile::@buffer

// -----

// The buffer exists.
wse.program @p width 1 height 1 {
  wse.data @t::@own at [0, 0] = dense<1.0> : tensor<8xf32>
  wse.tile @t {
  }
}
// CHECK: wse.data: C2: there is no buffer @t::@own

// -----

// The tile runs there.
wse.program @p width 2 height 1 {
  wse.place @t at [0, 0]
  wse.data @t::@own at [0:2, 0] = dense<1.0> : tensor<8xf32>
  wse.tile @t {
    wse.buffer @own : memref<8xf32>
  }
}
// CHECK: wse.data: C2: @t is not placed at PE (1, 0)

// -----

// There is as much of it as the buffers hold.
wse.program @p width 2 height 1 {
  wse.place @t at [0:2, 0]
  wse.data @t::@own at [0:2, 0] = dense<1.0> : tensor<9xf32>
  wse.tile @t {
    wse.buffer @own : memref<8xf32>
  }
}
// CHECK: wse.data: C3: tensor<9xf32> is neither memref<8xf32> nor one for each of 2 PEs

// -----

// It is inside the program.
wse.program @p width 2 height 1 {
  wse.data @t::@own at [0:3, 0] = dense<1.0> : tensor<8xf32>
}
// CHECK: wse.data: C4: [0:3, 0] is outside of the program's 2 x 1 PEs

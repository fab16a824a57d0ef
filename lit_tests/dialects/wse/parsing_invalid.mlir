// RUN: pfrt-opt %s --split-input-file --parsing-diagnostics | filecheck %s

// A slice holds a coordinate.
wse.route @red at [4:4, 0] rx [ramp] tx [east]
// CHECK: the slice 4:4:1 holds no coordinate

// -----

// A step goes on.
wse.route @red at [0:4:0, 0] rx [ramp] tx [east]
// CHECK: the slice 0:4:0 holds no coordinate

// -----

// Coordinates are not negative.
wse.route @red at [-1, 0] rx [ramp] tx [east]
// CHECK: Expected integer literal

// -----

// A router has five ports.
wse.route @red at [0, 0] rx [ramp] tx [up]
// CHECK: Expected one of 'east', 'north', 'ramp', 'south', 'west'

// -----

// Filters are of two kinds.
wse.route @red at [0, 0] rx [west] tx [ramp] filter parity
// CHECK: Expected one of 'counter', 'range'

// -----

// A colour has no default.
wse.param @in : !wse.color = 3
// CHECK: no value can be given for !wse.color

// -----

// A vector op has three vectors.
wse.fadds @a, @b, @c, @d
// CHECK: wse.fadds takes 3 vectors, not 4

// -----

// A move has two.
wse.mov32 @a, @b, @c
// CHECK: wse.mov32 takes 2 vectors, not 3

// -----

// What only takes words has one.
wse.dfilt @a, @b
// CHECK: wse.dfilt takes 1 vector, not 2

// -----

// Operands of vectors are names.
wse.mov32 8
// CHECK: expected the name of a DSD or DSR, or a scalar

// -----

// A declared cost has a name.
wse.halt {wse.cost = #wse.cost<40>}
// CHECK: for the name of a declared cost

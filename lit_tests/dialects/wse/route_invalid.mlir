// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// A route begins in one of its positions.
wse.route @red at [0, 0] rx [ramp] tx [east] initial 1
// CHECK: wse.route: C1: 1 positions, of which 1 is the first: there are one to four

// -----

// Switches have four positions.
wse.route @red at [0, 0] positions [rx [ramp] tx [east], rx [ramp] tx [west], rx [ramp] tx [north], rx [ramp] tx [south], rx [ramp] tx [ramp]]
// CHECK: wse.route: C1: 5 positions, of which 0 is the first: there are one to four

// -----

// A direction is named once.
wse.route @red at [0, 0] rx [ramp] tx [east, east]
// CHECK: wse.route: C2: rx [ramp] tx [east, east] names one twice

// -----

// There are three pop modes.
wse.route @red at [0, 0] rx [ramp] tx [east] pop_mode often
// CHECK: wse.route: C3: often is none of no_pop, always_pop, pop_on_advance

// -----

// Routes are inside the program.
wse.program @p width 2 height 2 {
  wse.color @red
  wse.route @red at [0, 1:3] rx [ramp] tx [ramp]
}
// CHECK: wse.route: C4: [0, 1:3] is outside of the program's 2 x 2 PEs

// -----

// A route is one of a colour.
wse.program @p width 2 height 1 {
  wse.route @red at [0, 0] rx [ramp] tx [ramp]
}
// CHECK: wse.route: C5: there is no @red

// -----

// So is a colour swap.
wse.program @p width 2 height 1 {
  wse.color @red
  wse.tile @t {
  }
  wse.route @red at [0, 0] rx [ramp] tx [east] swap_x @t
}
// CHECK: wse.route: C5: @t is no colour

// -----

// Rectangles of one colour do not overlap, slices that miss each other do not.
wse.program @p width 6 height 2 {
  wse.color @red
  wse.route @red at [0:6:2, 0:2] rx [ramp] tx [ramp]
  wse.route @red at [1:6:2, 0:2] rx [ramp] tx [ramp]
  wse.route @red at [3:5, 1] rx [ramp] tx [ramp]
}
// CHECK: wse.route: C6: @red has two routes at PE (3, 1)

// -----

// The last PE of a row does not send on.
wse.program @p width 4 height 2 {
  wse.color @red
  wse.route @red at [0:4, 1] rx [west] tx [east, ramp]
}
// CHECK: wse.route: C7: @red leaves the program to the east at PE (3, 1)

// -----

// Nor does the first row to the north.
wse.program @p width 4 height 2 {
  wse.color @red
  wse.route @red at [1:4, 0:2] rx [south] tx [north]
}
// CHECK: wse.route: C7: @red leaves the program to the north at PE (1, 0)

// -----

// Somebody receives what is sent.
wse.program @p width 4 height 1 {
  wse.color @red
  wse.route @red at [0, 0] rx [ramp] tx [east]
  wse.route @red at [1:3, 0] rx [west] tx [east]
}
// CHECK: wse.route: C7: @red is sent east at PE (2, 0), whose neighbour does not receive @red from the west

// -----

// It does so on the colour that the words have by then.
wse.program @p width 2 height 1 {
  wse.color @red
  wse.color @blue
  wse.route @red at [0, 0] rx [ramp] tx [east] swap_x @blue
  wse.route @red at [1, 0] rx [west] tx [ramp]
}
// CHECK: wse.route: C7: @red is sent east at PE (0, 0), whose neighbour does not receive @blue from the west

// -----

// Words that go up the ramp are taken there.
wse.program @p width 3 height 1 {
  wse.color @red
  wse.route @red at [0, 0] rx [ramp] tx [east]
  wse.route @red at [1, 0] rx [west] tx [east, ramp]
  wse.route @red at [2, 0] rx [west] tx [ramp]
  wse.place @t at [2, 0]
  wse.tile @t {
    wse.input_queue @iq = 0 color @red
  }
}
// CHECK: wse.route: C8: @red goes up the ramp at PE (1, 0), where no input queue takes it

// -----

// A position that may never be reached sends where it likes.
wse.program @fine width 2 height 1 {
  wse.color @red
  wse.route @red at [1, 0] positions [rx [ramp] tx [], rx [east] tx [west]]
}
// CHECK: wse.program @fine

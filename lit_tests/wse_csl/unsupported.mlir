// RUN: not pfrt-opt %s -t wse-csl 2>&1 | filecheck %s

// An op that CSL has no form for is named, with its place.
// CHECK: tile @t in @main: wse.set_color: has no form in CSL
wse.program @p width 1 height 1 {
  wse.color @red
  wse.color @blue
  wse.route @red at [0, 0] rx [ramp] tx [ramp]
  wse.route @blue at [0, 0] rx [ramp] tx [ramp]
  wse.place @t at [0, 0]
  wse.tile @t {
    wse.input_queue @iq = 2 color @red
    wse.input_queue @other = 3 color @blue
    wse.output_queue @oq = 2 color @red
    wse.task @main local active {
      wse.set_color @oq, @blue
    }
  }
}

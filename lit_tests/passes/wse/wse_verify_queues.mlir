// RUN: not pfrt-opt %s -p wse-verify 2>&1 | filecheck %s

// Of output queues wse2, the default, has six.
wse.program @p width 1 height 1 {
  wse.color @red
  wse.tile @t {
    wse.output_queue @oq = 6 color @red
  }
}
// CHECK: wse.output_queue: wse2: tile @t: there is no output queue 6

// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// There are three kinds of tasks.
wse.task @t remote {
}
// CHECK: wse.task: C1: remote is none of local, data, control

// -----

// A data task is one of a queue.
wse.task @t data {
}
// CHECK: wse.task: C2: names no input queue

// -----

// Others are not.
wse.task @t local @iq {
}
// CHECK: wse.task: C2: is local and names a queue

// -----

// The queue is an input queue.
wse.tile @t {
  wse.output_queue @oq = 0 color @red
  wse.task @word data @oq {
  }
}
// CHECK: wse.task: C2: @oq is no input queue

// -----

// Control words name an id.
wse.task @t control {
}
// CHECK: wse.task: C3: -1 is no id of a control task

// -----

// Ids of local tasks end at 30.
wse.task @t local id 31 {
}
// CHECK: wse.task: C3: 31 is no id of a local task

// -----

// No word starts a local task.
wse.task @t local (%w: f32) {
}
// CHECK: wse.task: C4: a local task takes no (f32)

// -----

// A control word is an i32.
wse.task @t control id 7 (%w: f32) {
}
// CHECK: wse.task: C4: a control task takes no (f32)

// -----

// A word has 16 or 32 bits.
wse.task @t data @iq (%w: i64) {
}
// CHECK: wse.task: C4: a data task takes no (i64)

// -----

// Words start a data task.
wse.task @t data @iq active {
}
// CHECK: wse.task: C5: a data task is not active

// -----

// A function is called.
wse.tile @t {
  wse.task @main local {
    wse.call @main
  }
}
// CHECK: wse.call: C1: @main is no function

// -----

// Calls have no stack.
wse.tile @t {
  wse.func @f {
    wse.call @g
  }
  wse.func @g {
    wse.call @f
  }
}
// CHECK: wse.call: C2: @f calls itself

// -----

// A task is activated.
wse.tile @t {
  wse.func @f {
    wse.activate @f
  }
}
// CHECK: wse.activate: C1: @f is no task

// -----

// Words activate data tasks.
wse.tile @t {
  wse.input_queue @iq = 0 color @red
  wse.task @word data @iq {
    wse.activate @word
  }
}
// CHECK: wse.activate: C1: @word is a data task

// -----

// A task is blocked.
wse.tile @t {
  wse.func @f {
    wse.block @g
  }
}
// CHECK: wse.block: C1: there is no @g

// -----

// A task is unblocked.
wse.tile @t {
  wse.func @f {
    wse.unblock @g
  }
}
// CHECK: wse.unblock: C1: there is no @g

// -----

// Registers are printed.
%x = arith.constant 1 : i64
wse.print "x", %x : i64
// CHECK: wse.print: C1: i64 is no scalar

// -----

// Costs have an end.
wse.declare_cost "forever", 1000001
// CHECK: wse.declare_cost: C1: 1000001 is no cost

// -----

// Routers know four commands.
%w = wse.control_word explode : i32
// CHECK: wse.control_word: C1: commands explode

// -----

// Control tasks have ids below 63.
%w = wse.control_word nop task 63 : i32
// CHECK: wse.control_word: C2: 63 is no id of a control task

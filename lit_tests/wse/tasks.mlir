// A data task runs for each word, a fifo decouples two threads, a control word starts a task, and a
// blocked one waits for it.
// RUN: pfrt-run %s --device wse2 | filecheck %s

// CHECK: (1, 0), cycle {{[0-9]+}}: sum 36
// CHECK-NEXT: (1, 0), cycle {{[0-9]+}}: stopped
// CHECK: copies: f32 [1, 1, 8] at (2, 0)
// CHECK-NEXT: (2, 0): -1 -2 -3 -4 -5 -6 -7 -8

wse.program @tasks width 3 height 1 {
  wse.color @words
  wse.color @commands
  wse.route @words at [0, 0] rx [ramp] tx [east]
  wse.route @words at [1, 0] rx [west] tx [east, ramp]
  wse.route @words at [2, 0] rx [west] tx [ramp]
  wse.route @commands at [0, 0] rx [ramp] tx [east]
  wse.route @commands at [1, 0] rx [west] tx [ramp]
  wse.place @send at [0, 0]
  wse.place @sum at [1, 0]
  wse.place @copy at [2, 0]
  wse.tile @send {
    wse.buffer @data : memref<8xf32> = dense<[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]>
    wse.output_queue @oq = 0 color @words
    wse.output_queue @cq = 1 color @commands
    wse.fabout_dsd @tx = @oq length 8
    wse.fabout_dsd @command = @cq length 1 control
    wse.mem1d_dsd @v = @data
    wse.task @main local active {
      wse.mov32 @tx, @v
      wse.declare_cost "until all words are added", 400
      %w = wse.control_word nop task 5 : i32
      wse.mov32 @command, %w : i32
    }
  }
  wse.tile @sum {
    wse.var @total : f32 = 0.0
    wse.input_queue @iq = 0 color @words
    wse.input_queue @cq = 1 color @commands
    wse.task @word data @iq (%w: f32) {
      %old = wse.get @total : f32
      %new = arith.addf %old, %w : f32
      wse.set @total, %new : f32
    }
    wse.task @main local active {
      wse.activate @last
    }
    wse.task @last local blocked {
      %total = wse.get @total : f32
      wse.print "sum", %total : f32
      wse.print "stopped"
      wse.halt
    }
    wse.task @stop control id 5 {
      wse.unblock @last
    }
  }
  wse.tile @copy {
    wse.buffer @store : memref<2xf32>
    wse.buffer @copies export : memref<8xf32>
    wse.input_queue @iq = 2 color @words
    wse.fabin_dsd @rx = @iq length 8
    wse.mem1d_dsd @v = @copies
    wse.fifo @queue = @store
    wse.fifo_dsd @push = @queue length 8
    wse.fifo_dsd @take = @queue length 8
    wse.task @main local active {
      wse.mov32 @push, @rx async 3
      wse.fnegs @v, @take
    }
  }
}

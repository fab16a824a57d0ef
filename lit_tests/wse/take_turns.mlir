// Words that wait for a data task and an active local task take turns, so neither keeps the other from running.
// RUN: pfrt-run %s --device wse2 | filecheck %s
// RUN: pfrt-run %s --device wse3 | filecheck %s

// CHECK: word 1
// CHECK-NEXT: again 1
// CHECK-NEXT: word 2
// CHECK-NEXT: again 2
// CHECK-NEXT: word 3
// CHECK-NEXT: again 3
// CHECK-NEXT: word 4
// CHECK-NEXT: declared cost

wse.program @turns width 2 height 1 {
  wse.color @c
  wse.route @c at [0, 0] rx [ramp] tx [east]
  wse.route @c at [1, 0] rx [west] tx [ramp]
  wse.place @send at [0, 0]
  wse.place @take at [1, 0]
  wse.tile @send {
    wse.buffer @data : memref<4xf32> = dense<[1.0, 2.0, 3.0, 4.0]>
    wse.output_queue @oq = 0 color @c
    wse.fabout_dsd @tx = @oq length 4
    wse.mem1d_dsd @v = @data
    wse.task @main local active {
      wse.mov32 @tx, @v
    }
  }
  wse.tile @take {
    wse.var @runs : i32 = 0
    wse.input_queue @iq = 0 color @c
    wse.task @main local active {
      wse.activate @again
      wse.declare_cost "until all words are there", 100
    }
    wse.task @word data @iq (%w: f32) {
      wse.print "word", %w : f32
    }
    wse.task @again local {
      %one = arith.constant 1 : i32
      %most = arith.constant 3 : i32
      %old = wse.get @runs : i32
      %new = arith.addi %old, %one : i32
      wse.set @runs, %new : i32
      wse.print "again", %new : i32
      %more = arith.cmpi slt, %new, %most : i32
      scf.if %more {
        wse.activate @again
      }
    }
  }
}

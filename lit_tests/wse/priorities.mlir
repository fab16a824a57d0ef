// Two copies that together want more issue slots than there are: the one of the higher priority goes at its own pace,
// whichever began first, and those of one priority take turns. One that has the slot all the time, as on wse2, keeps
// the main thread from starting the other at all.
// RUN: pfrt-run %s --device wse3-si | filecheck %s
// RUN: pfrt-run %s --device wse2 | filecheck %s --check-prefix=FULL

// CHECK: (1, 0), cycle {{[0-9]+}}: first high
// CHECK-NEXT: (0, 0), cycle {{[0-9]+}}: second high
// CHECK-NEXT: (2, 0), cycle {{[0-9]+}}: first normal
// CHECK-NEXT: (2, 0), cycle {{[0-9]+}}: second normal
// CHECK-NEXT: (0, 0), cycle {{[0-9]+}}: first low
// CHECK-NEXT: (1, 0), cycle {{[0-9]+}}: second low

// FULL: (0, 0), cycle 428: first low
// FULL-NEXT: (0, 0), cycle 428: second high

wse.program @priorities width 3 height 1 {
  wse.place @low_first at [0, 0]
  wse.place @high_first at [1, 0]
  wse.place @alike at [2, 0]
  wse.tile @low_first {
    wse.buffer @a : memref<400xf32>
    wse.buffer @b : memref<400xf32>
    wse.mem1d_dsd @first = @a
    wse.mem1d_dsd @second = @b
    wse.dsr @to = dest 0
    wse.dsr @other = dest 1
    wse.dsr @from = src0 0
    wse.task @main local active {
      wse.load_to_dsr @to, @first
      wse.load_to_dsr @other, @second
      wse.load_to_dsr @from, @second
      wse.mov32 @to, @from async 0 priority low activate @x
      wse.mov32 @other, @from async 1 priority high activate @y
    }
    wse.task @x local {
      wse.print "first low"
    }
    wse.task @y local {
      wse.print "second high"
    }
  }
  wse.tile @high_first {
    wse.buffer @a : memref<400xf32>
    wse.buffer @b : memref<400xf32>
    wse.mem1d_dsd @first = @a
    wse.mem1d_dsd @second = @b
    wse.dsr @to = dest 0
    wse.dsr @other = dest 1
    wse.dsr @from = src0 0
    wse.task @main local active {
      wse.load_to_dsr @to, @first
      wse.load_to_dsr @other, @second
      wse.load_to_dsr @from, @second
      wse.mov32 @to, @from async 0 priority high activate @x
      wse.mov32 @other, @from async 1 priority low activate @y
    }
    wse.task @x local {
      wse.print "first high"
    }
    wse.task @y local {
      wse.print "second low"
    }
  }
  wse.tile @alike {
    wse.buffer @a : memref<400xf32>
    wse.buffer @b : memref<400xf32>
    wse.mem1d_dsd @first = @a
    wse.mem1d_dsd @second = @b
    wse.dsr @to = dest 0
    wse.dsr @other = dest 1
    wse.dsr @from = src0 0
    wse.task @main local active {
      wse.load_to_dsr @to, @first
      wse.load_to_dsr @other, @second
      wse.load_to_dsr @from, @second
      wse.mov32 @to, @from async 0 priority normal activate @x
      wse.mov32 @other, @from async 1 priority normal activate @y
    }
    wse.task @x local {
      wse.print "first normal"
    }
    wse.task @y local {
      wse.print "second normal"
    }
  }
}

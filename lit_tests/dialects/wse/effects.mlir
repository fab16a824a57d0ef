// RUN: pfrt-opt %s -p canonicalize,cse,licm | filecheck %s

// A variable is read again after it was given a value, in a loop too; time passes between two timestamps.
wse.tile @t {
  wse.var @count : i32
  wse.buffer @a : memref<8xf32>
  wse.mem1d_dsd @v = @a
  wse.task @main local active {
    %c0 = arith.constant 0 : index
    %c8 = arith.constant 8 : index
    %c1 = arith.constant 1 : index
    %a = wse.get_buffer @a : memref<8xf32>
    %t0 = wse.timestamp : i32
    scf.for %i = %c0 to %c8 step %c1 {
      %n = wse.get @count : i32
      %x = memref.load %a[%c0] : memref<8xf32>
      wse.fmovs @v, %x : f32
      %m = arith.addi %n, %t0 : i32
      wse.set @count, %m : i32
      %k = wse.get @count : i32
      wse.print "count", %k : i32
    }
    %t1 = wse.timestamp : i32
    wse.set @count, %t1 : i32
  }
}
// CHECK:      %t0 = wse.timestamp : i32
// CHECK-NEXT: scf.for
// CHECK-NEXT:   %n = wse.get @count : i32
// CHECK-NEXT:   %x = memref.load
// CHECK-NEXT:   wse.fmovs @v, %x : f32
// CHECK-NEXT:   %m = arith.addi %n, %t0 : i32
// CHECK-NEXT:   wse.set @count, %m : i32
// CHECK-NEXT:   %k = wse.get @count : i32
// CHECK-NEXT:   wse.print "count", %k : i32
// CHECK-NEXT: }
// CHECK-NEXT: %t1 = wse.timestamp : i32

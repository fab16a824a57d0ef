// Loops, branches, memory and casts; a function runs when the host launches it.
// RUN: pfrt-run %s --device wse2 --launch fibonacci --launch collatz | filecheck %s

// CHECK: (0, 0), cycle 130: done
// CHECK-NEXT: (1, 0), cycle 130: done
// CHECK-NEXT: (1, 0), cycle {{[0-9]+}}: steps 7
// CHECK-NEXT: (0, 0), cycle {{[0-9]+}}: steps 111
// CHECK: numbers: i32 [1, 2, 10] at (0, 0)
// CHECK-NEXT: (0, 0): 0 1 1 2 3 5 8 13 21 34
// CHECK: half: f16 [1, 2, 1]
// CHECK-NEXT: (0, 0): 55.5
// CHECK-NEXT: (1, 0): 3.5

wse.program @scalars width 2 height 1 {
  wse.place @code at [0:2, 0] params {start = affine_map<(x, y) -> (27 - x * 24)>}
  wse.tile @code {
    wse.param @start : i32
    wse.var @steps : i32
    wse.buffer @numbers export : memref<10xi32>
    wse.buffer @half export : memref<1xf16>
    wse.func @fibonacci export {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %c10 = arith.constant 10 : index
      %zero = arith.constant 0 : i32
      %one = arith.constant 1 : i32
      %numbers = wse.get_buffer @numbers : memref<10xi32>
      %a, %b = scf.for %i = %c0 to %c10 step %c1 iter_args(%x = %zero, %y = %one) -> (i32, i32) {
        memref.store %x, %numbers[%i] : memref<10xi32>
        %z = arith.addi %x, %y : i32
        scf.yield %y, %z : i32, i32
      }
      wse.print "done"
    }
    wse.func @collatz export {
      %one = arith.constant 1 : i32
      %two = arith.constant 2 : i32
      %three = arith.constant 3 : i32
      %n0 = wse.get @start : i32
      %end = scf.while (%n = %n0) : (i32) -> i32 {
        %more = arith.cmpi ne, %n, %one : i32
        scf.condition(%more) %n : i32
      } do {
      ^bb0(%n: i32):
        %old = wse.get @steps : i32
        %new = arith.addi %old, %one : i32
        wse.set @steps, %new : i32
        %rest = arith.andi %n, %one : i32
        %odd = arith.cmpi eq, %rest, %one : i32
        %next = scf.if %odd -> (i32) {
          %tripled = arith.muli %n, %three : i32
          %up = arith.addi %tripled, %one : i32
          scf.yield %up : i32
        } else {
          %down = arith.shrui %n, %one : i32
          scf.yield %down : i32
        }
        scf.yield %next : i32
      }
      %steps = wse.get @steps : i32
      wse.call @show
      %f = arith.sitofp %steps : i32 to f32
      %h = arith.truncf %f : f32 to f16
      %c2 = arith.constant 2.0 : f16
      %q = arith.divf %h, %c2 : f16
      %half = wse.get_buffer @half : memref<1xf16>
      %c0 = arith.constant 0 : index
      memref.store %q, %half[%c0] : memref<1xf16>
    }
    wse.func @show {
      %steps = wse.get @steps : i32
      wse.print "steps", %steps : i32
    }
  }
}

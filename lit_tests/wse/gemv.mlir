// y = A x on one PE: @map over x of one multiply-add on DSRs; A, by columns, is in the other class of banks.
// RUN: rm -rf %t && mkdir %t
// RUN: pfrt-run %s --device wse3 --output %t/y.npz | filecheck %s
// RUN: pfrt-run %s --device wse2 --expect %t/y.npz --rtol 0 --atol 0 --json | filecheck %s --check-prefix=JSON

// CHECK: y: f32 [1, 1, 4] at (0, 0)
// CHECK-NEXT: (0, 0): 18 22 26 30
// JSON: "machine": "wse2"
// JSON: "agrees": true

wse.program @gemv width 1 height 1 {
  wse.place @gemv at [0, 0]
  wse.tile @gemv {
    wse.buffer @a align 16 offset 4 : memref<3x4xf32> = dense<[[1.0, 2.0, 3.0, 4.0], [2.0, 2.0, 2.0, 2.0], [5.0, 6.0, 7.0, 8.0]]>
    wse.buffer @y align 16 export : memref<4xf32> = dense<0.0>
    wse.buffer @x : memref<3xf32> = dense<[1.0, 1.0, 3.0]>
    wse.mem1d_dsd @column = @a length 4
    wse.mem1d_dsd @sums = @y
    wse.mem1d_dsd @scalars = @x
    wse.dsr @to = dest 0
    wse.dsr @from = src0 0
    wse.dsr @next = src1 0
    wse.task @main local active {
      wse.load_to_dsr @to, @sums
      wse.load_to_dsr @from, @sums
      wse.load_to_dsr @next, @column save_address
      wse.map @scalars (%x: f32) {
        wse.fmacs @to, @from, @next, %x : f32
      }
    }
  }
}

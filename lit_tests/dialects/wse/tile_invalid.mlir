// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// Code is in tasks.
wse.tile @t {
  wse.halt
}
// CHECK: wse.tile: C1: wse.halt is no declaration

// -----

// A queue is declared once.
wse.tile @t {
  wse.output_queue @a = 2 color @red
  wse.input_queue @b = 2 color @red
  wse.input_queue @c = 2 color @blue
}
// CHECK: wse.tile: C2: @b and @c both have input queue 2

// -----

// Words start one task.
wse.tile @t {
  wse.input_queue @iq = 2 color @red
  wse.task @a data @iq {
  }
  wse.task @b data @iq {
  }
}
// CHECK: wse.tile: C3: @a and @b both have the words of @iq

// -----

// Ids of local and of control tasks are apart.
wse.tile @t {
  wse.task @a local id 7 {
  }
  wse.task @b control id 7 {
  }
  wse.task @c control id 7 {
  }
}
// CHECK: wse.tile: C4: @b and @c both have the id 7 of control tasks

// -----

// A PE has 31 tasks, of which a function that the host launches is one.
wse.tile @t {
  wse.task @t0 local {
  }
  wse.task @t1 local {
  }
  wse.task @t2 local {
  }
  wse.task @t3 local {
  }
  wse.task @t4 local {
  }
  wse.task @t5 local {
  }
  wse.task @t6 local {
  }
  wse.task @t7 local {
  }
  wse.task @t8 local {
  }
  wse.task @t9 local {
  }
  wse.task @t10 local {
  }
  wse.task @t11 local {
  }
  wse.task @t12 local {
  }
  wse.task @t13 local {
  }
  wse.task @t14 local {
  }
  wse.task @t15 local {
  }
  wse.task @t16 local {
  }
  wse.task @t17 local {
  }
  wse.task @t18 local {
  }
  wse.task @t19 local {
  }
  wse.task @t20 local {
  }
  wse.task @t21 local {
  }
  wse.task @t22 local {
  }
  wse.task @t23 local {
  }
  wse.task @t24 local {
  }
  wse.task @t25 local {
  }
  wse.task @t26 local {
  }
  wse.task @t27 local {
  }
  wse.task @t28 local {
  }
  wse.task @t29 local {
  }
  wse.task @t30 local {
  }
  wse.func @f export {
  }
}
// CHECK: wse.tile: C5: has 32 tasks, of at most 31

// -----

// A declared cost has a name and an end.
wse.tile @t {
  wse.task @main local {
    wse.halt {wse.cost = 3 : i32}
  }
}
// CHECK: wse.tile: C6: wse.halt has the declared cost 3 : i32

// -----

// A parameter fits a register.
wse.param @n : i64
// CHECK: wse.param: C1: i64 is no type of a parameter

// -----

// A default has the parameter's type.
"wse.param"() <{sym_name = "n", kind = i16, value = 1 : i32}> : () -> ()
// CHECK: wse.param: C1: its default is a i32

// -----

// Buffers have static shapes.
wse.buffer @a : memref<?xf32>
// CHECK: wse.buffer: C1: memref<?xf32> is no buffer of a PE

// -----

// Elements are of 16 or 32 bits.
wse.buffer @a : memref<8xf64>
// CHECK: wse.buffer: C1: memref<8xf64> is no buffer of a PE

// -----

// Alignments are powers of two.
wse.buffer @a align 12 : memref<8xf32>
// CHECK: wse.buffer: C2: align is 12

// -----

// Places are in memory.
wse.buffer @a align 16 offset -4 : memref<8xf32>
// CHECK: wse.buffer: C2: a place of -4 bytes is negative

// -----

// An address says all.
wse.buffer @a address 64 align 16 : memref<8xf32>
// CHECK: wse.buffer: C3: has an address and an align or offset

// -----

// A buffer's values are as many as it holds.
"wse.buffer"() <{sym_name = "a", kind = memref<8xf32>, value = dense<0> : tensor<8xi32>}> : () -> ()
// CHECK: wse.buffer: C4: its values are tensor<8xi32>

// -----

// A variable fits a register.
wse.var @v : i1
// CHECK: wse.var: C1: i1 does not fit a register

// -----

// Its value has its type.
"wse.var"() <{sym_name = "v", kind = f32, value = 1 : i32}> : () -> ()
// CHECK: wse.var: C1: its value is a i32

// -----

// A variable that is read exists.
wse.tile @t {
  wse.task @main local {
    %n = wse.get @n : i32
  }
}
// CHECK: wse.get: C1: there is no @n

// -----

// It has the type that is read.
wse.tile @t {
  wse.param @n : i16
  wse.task @main local {
    %n = wse.get @n : i32
  }
}
// CHECK: wse.get: C1: @n is a i16

// -----

// Parameters keep their values.
wse.tile @t {
  wse.param @n : i16
  wse.task @main local {
    %n = wse.get @n : i16
    wse.set @n, %n : i16
  }
}
// CHECK: wse.set: C1: @n is no variable

// -----

// What a variable is given has its type.
wse.tile @t {
  wse.param @n : i16
  wse.var @v : i32
  wse.task @main local {
    %n = wse.get @n : i16
    wse.set @v, %n : i16
  }
}
// CHECK: wse.set: C1: @v is a i32

// -----

// A buffer as a value is a buffer.
wse.tile @t {
  wse.var @v : i32
  wse.task @main local {
    %a = wse.get_buffer @v : memref<8xf32>
  }
}
// CHECK: wse.get_buffer: C1: @v is no buffer

// -----

// It has the buffer's type.
wse.tile @t {
  wse.buffer @a : memref<8xf32>
  wse.task @main local {
    %a = wse.get_buffer @a : memref<4xf32>
  }
}
// CHECK: wse.get_buffer: C1: @a is a memref<8xf32>

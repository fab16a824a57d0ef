// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// There are eight input queues.
wse.input_queue @iq = 8 color @red
// CHECK: wse.input_queue: C1: queues are 0 to 7, not 8

// -----

// And eight output queues.
wse.output_queue @oq = 8 color @red
// CHECK: wse.output_queue: C1: queues are 0 to 7, not 8

// -----

// An input queue has a colour of the program.
wse.program @p width 1 height 1 {
  wse.tile @t {
    wse.input_queue @iq = 0 color @red
  }
}
// CHECK: wse.input_queue: C2: there is no @red

// -----

// Or a parameter that is one.
wse.tile @t {
  wse.param @n : i16
  wse.output_queue @oq = 0 color @n
}
// CHECK: wse.output_queue: C2: @n is a i16

// -----

// A queue gets a colour.
wse.tile @t {
  wse.buffer @a : memref<8xf32>
  wse.task @main local {
    wse.set_color @a, @red
  }
}
// CHECK: wse.set_color: C1: @a is no queue

// -----

// It gets a colour.
wse.tile @t {
  wse.input_queue @iq = 0 color @red
  wse.task @main local {
    wse.set_color @iq, @iq
  }
}
// CHECK: wse.set_color: C2: @iq is no colour

// -----

// A vector is of a buffer.
wse.tile @t {
  wse.var @v : f32
  wse.mem1d_dsd @a = @v
}
// CHECK: wse.mem1d_dsd: C1: @v is no buffer

// -----

// It lies in the buffer.
wse.tile @t {
  wse.buffer @a : memref<8xf32>
  wse.mem1d_dsd @v = @a length 4 stride 2 offset 2
}
// CHECK: wse.mem1d_dsd: C2: elements 2 to 8 of @a, which has 8

// -----

// Its length is not negative.
wse.tile @t {
  wse.buffer @a : memref<8xf32>
  wse.mem1d_dsd @v = @a length -1
}
// CHECK: wse.mem1d_dsd: C2: the length is -1

// -----

// It lies there when it goes backwards, too.
wse.tile @t {
  wse.buffer @a : memref<8xf32>
  wse.mem1d_dsd @v = @a length 4 stride -1 offset 2
}
// CHECK: wse.mem1d_dsd: C2: elements -1 to 2 of @a, which has 8

// -----

// A nest is of a buffer.
wse.tile @t {
  wse.mem4d_dsd @v = @a sizes [2] strides [1]
}
// CHECK: wse.mem4d_dsd: C1: there is no @a

// -----

// Each of its sizes has a stride.
wse.mem4d_dsd @v = @a sizes [2, 2] strides [1]
// CHECK: wse.mem4d_dsd: C2: sizes [2, 2] with strides [1]

// -----

// It lies in the buffer.
wse.tile @t {
  wse.buffer @a : memref<4x4xf32>
  wse.mem4d_dsd @v = @a sizes [4, 2] strides [4, 2] offset 2
}
// CHECK: wse.mem4d_dsd: C3: elements 2 to 16 of @a, which has 16

// -----

// Words come from an input queue.
wse.tile @t {
  wse.output_queue @oq = 0 color @red
  wse.fabin_dsd @rx = @oq length 8
}
// CHECK: wse.fabin_dsd: C1: @oq is no input queue

// -----

// They are some.
wse.fabin_dsd @rx = @iq length -1
// CHECK: wse.fabin_dsd: C2: the length is -1

// -----

// They have 16 or 32 bits.
wse.fabin_dsd @rx = @iq length 1 type f64
// CHECK: wse.fabin_dsd: C2: f64 is no type of a word

// -----

// Words go to an output queue.
wse.tile @t {
  wse.input_queue @iq = 0 color @red
  wse.fabout_dsd @tx = @iq length 8
}
// CHECK: wse.fabout_dsd: C1: @iq is no output queue

// -----

// They are some.
wse.fabout_dsd @tx = @oq length -1
// CHECK: wse.fabout_dsd: C2: the length is -1

// -----

// A fifo is in a buffer.
wse.tile @t {
  wse.fifo @f = @a
}
// CHECK: wse.fifo: C1: there is no @a

// -----

// Its ends are of a fifo.
wse.tile @t {
  wse.buffer @a : memref<8xf32>
  wse.fifo_dsd @push = @a length 8
}
// CHECK: wse.fifo_dsd: C1: @a is no fifo

// -----

// They push or take some elements.
wse.fifo_dsd @push = @f length -8
// CHECK: wse.fifo_dsd: C2: the length is -8

// -----

// There are three files of DSRs.
wse.dsr @d = src2 0
// CHECK: wse.dsr: C1: src2 is none of dest, src0, src1

// -----

// Each has sixteen.
wse.dsr @d = src1 16
// CHECK: wse.dsr: C2: DSRs are 0 to 15, not 16

// -----

// What uses a DSR finds something in it.
wse.tile @t {
  wse.buffer @a : memref<8xf32>
  wse.mem1d_dsd @v = @a
  wse.dsr @d = dest 0
  wse.task @main local {
    wse.mov32 @d, @v
  }
}
// CHECK: wse.dsr: C3: @d is used and never loaded

// -----

// A DSR is loaded.
wse.tile @t {
  wse.buffer @a : memref<8xf32>
  wse.mem1d_dsd @v = @a
  wse.task @main local {
    wse.load_to_dsr @v, @v
  }
}
// CHECK: wse.load_to_dsr: C1: @v is no DSR

// -----

// It is loaded from a DSD.
wse.tile @t {
  wse.buffer @a : memref<8xf32>
  wse.dsr @d = dest 0
  wse.task @main local {
    wse.load_to_dsr @d, @a
  }
}
// CHECK: wse.load_to_dsr: C2: @a is no DSD

// -----

// Only DSDs of memory have an address.
wse.tile @t {
  wse.buffer @a : memref<8xf32>
  wse.input_queue @iq = 0 color @red
  wse.fabin_dsd @rx = @iq length 8
  wse.task @main local {
    wse.set_dsd_base_addr @rx, @a
  }
}
// CHECK: wse.set_dsd_base_addr: C1: @rx is no DSD of memory

// -----

// The address is a buffer's.
wse.tile @t {
  wse.buffer @a : memref<8xf32>
  wse.mem1d_dsd @v = @a
  wse.task @main local {
    wse.set_dsd_base_addr @v, @v
  }
}
// CHECK: wse.set_dsd_base_addr: C2: @v is no buffer

// -----

// Elements keep their type.
wse.tile @t {
  wse.buffer @a : memref<8xf32>
  wse.buffer @b : memref<8xi32>
  wse.mem1d_dsd @v = @a
  wse.task @main local {
    wse.set_dsd_base_addr @v, @b
  }
}
// CHECK: wse.set_dsd_base_addr: C2: i32 for elements of f32

// -----

// Only DSDs of memory have an offset to increment.
wse.tile @t {
  wse.task @main local {
    %n = arith.constant 1 : i16
    wse.increment_dsd_offset @v, %n : i16
  }
}
// CHECK: wse.increment_dsd_offset: C1: there is no @v

// -----

// An offset grows by an integer.
%n = arith.constant 1.0 : f32
wse.increment_dsd_offset @v, %n : f32
// CHECK: wse.increment_dsd_offset: C2: f32 is no number of elements

// -----

// Only DSDs of memory have an offset to set.
wse.tile @t {
  wse.dsr @v = src0 0
  wse.task @main local {
    %n = arith.constant 1 : i16
    wse.set_dsd_offset @v, %n : i16
  }
}
// CHECK: wse.set_dsd_offset: C1: @v is no DSD of memory

// -----

// An offset is an integer.
%n = arith.constant 1.0 : f32
wse.set_dsd_offset @v, %n : f32
// CHECK: wse.set_dsd_offset: C2: f32 is no number of elements

// -----

// A nest has several strides.
wse.tile @t {
  wse.buffer @a : memref<8xf32>
  wse.mem4d_dsd @v = @a sizes [2] strides [1]
  wse.task @main local {
    %n = arith.constant 1 : i16
    wse.set_dsd_stride @v, %n : i16
  }
}
// CHECK: wse.set_dsd_stride: C1: @v is no mem1d DSD

// -----

// A stride is an integer.
%n = arith.constant 1 : i64
wse.set_dsd_stride @v, %n : i64
// CHECK: wse.set_dsd_stride: C2: i64 is no number of elements

// -----

// A nest has several sizes.
wse.tile @t {
  wse.buffer @a : memref<8xf32>
  wse.mem4d_dsd @v = @a sizes [2] strides [1]
  wse.task @main local {
    %n = arith.constant 1 : i16
    wse.set_dsd_length @v, %n : i16
  }
}
// CHECK: wse.set_dsd_length: C1: @v is no mem1d, fabric or fifo DSD

// -----

// A length is an integer.
%n = arith.constant 1.0 : f16
wse.set_dsd_length @v, %n : f16
// CHECK: wse.set_dsd_length: C2: f16 is no number of elements

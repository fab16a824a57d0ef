// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// A multiply-add takes two vectors and a scalar.
wse.fmacs @y, @y, @a
// CHECK: wse.fmacs: C1: takes dest, src0, src1, scalar

// -----

// A scalar stands in for the second source, not for both.
%x = arith.constant 1.0 : f32
wse.fadds @y, @y, @a, %x : f32
// CHECK: wse.fadds: C1: takes dest, src0, src1 or dest, src0, scalar

// -----

// A move has a source.
wse.mov32 @y
// CHECK: wse.mov32: C1: takes dest, src0 or dest, scalar

// -----

// Something is written.
%x = arith.constant 1.0 : f32
wse.fmovs %x : f32
// CHECK: wse.fmovs: C1: has no destination

// -----

// A scalar has the type that the builtin computes with.
%x = arith.constant 1.0 : f32
wse.fmach @y, @y, @a, %x : f32
// CHECK: wse.fmach: C2: its scalar is a f32

// -----

// There are eight microthreads.
wse.mov32 @y, @a async 8
// CHECK: wse.mov32: C3: microthreads are 0 to 7, not 8

// -----

// There are three priorities.
wse.mov32 @y, @a async 1 priority urgent
// CHECK: wse.mov32: C3: a priority is low, normal, high

// -----

// An op does one thing at its end.
wse.mov32 @y, @a async 1 activate @t unblock @t
// CHECK: wse.mov32: C4: activates a task and unblocks one

// -----

// It does it to a task.
wse.tile @t {
  wse.buffer @a : memref<8xf32>
  wse.mem1d_dsd @v = @a
  wse.task @main local {
    wse.mov32 @v, @v async 1 unblock @v
  }
}
// CHECK: wse.mov32: C4: @v is no task

// -----

// Words activate data tasks.
wse.tile @t {
  wse.buffer @a : memref<8xf32>
  wse.mem1d_dsd @v = @a
  wse.input_queue @iq = 0 color @red
  wse.task @word data @iq {
    wse.mov32 @v, @v async 1 activate @word
  }
}
// CHECK: wse.mov32: C4: @word is a data task

// -----

// Operands are DSDs or DSRs.
wse.tile @t {
  wse.buffer @a : memref<8xf32>
  wse.task @main local {
    wse.mov32 @a, @a
  }
}
// CHECK: wse.mov32: C5: @a is no DSD or DSR

// -----

// A DSR is of the operand's file.
wse.tile @t {
  wse.buffer @a : memref<8xf32>
  wse.mem1d_dsd @v = @a
  wse.dsr @d = dest 0
  wse.task @main local {
    wse.mov32 @v, @d
  }
}
// CHECK: wse.mov32: C5: @d is a DSR of dest, not src0

// -----

// Nothing is read from an output queue.
wse.tile @t {
  wse.buffer @a : memref<8xf32>
  wse.mem1d_dsd @v = @a
  wse.output_queue @oq = 0 color @red
  wse.fabout_dsd @tx = @oq length 8
  wse.task @main local {
    wse.mov32 @v, @tx
  }
}
// CHECK: wse.mov32: C5: @tx cannot be read

// -----

// Nothing is written to an input queue.
wse.tile @t {
  wse.buffer @a : memref<8xf32>
  wse.mem1d_dsd @v = @a
  wse.input_queue @iq = 0 color @red
  wse.fabin_dsd @rx = @iq length 8
  wse.task @main local {
    wse.mov32 @rx, @v
  }
}
// CHECK: wse.mov32: C5: @rx cannot be written

// -----

// Only words off the fabric are filtered.
wse.tile @t {
  wse.buffer @a : memref<8xf32>
  wse.mem1d_dsd @v = @a
  wse.task @main local {
    wse.dfilt @v
  }
}
// CHECK: wse.dfilt: C5: @v is no fabin DSD

// -----

// Elements have the builtin's type.
wse.tile @t {
  wse.buffer @a : memref<8xi32>
  wse.mem1d_dsd @v = @a
  wse.task @main local {
    wse.fadds @v, @v, @v
  }
}
// CHECK: wse.fadds: C6: dest @v has elements of i32, not f32

// -----

// Words have its width.
wse.tile @t {
  wse.buffer @a : memref<8xf16>
  wse.mem1d_dsd @v = @a
  wse.input_queue @iq = 0 color @red
  wse.fabin_dsd @rx = @iq length 8
  wse.task @main local {
    wse.mov16 @v, @rx
  }
}
// CHECK: wse.mov16: C6: src0 @rx has elements of f32, not 16 bits

// -----

// So has a fifo.
wse.tile @t {
  wse.buffer @a : memref<8xf16>
  wse.fifo @f = @a
  wse.fifo_dsd @push = @f length 8
  wse.task @main local {
    %x = arith.constant 1.0 : f32
    wse.fmovs @push, %x : f32
  }
}
// CHECK: wse.fmovs: C6: dest @push has elements of f16, not f32

// -----

// One input queue is not read twice by one op.
wse.tile @t {
  wse.buffer @a : memref<8xf32>
  wse.mem1d_dsd @v = @a
  wse.input_queue @iq = 0 color @red
  wse.fabin_dsd @rx = @iq length 8
  wse.fabin_dsd @ry = @iq length 8
  wse.task @main local {
    wse.fadds @v, @rx, @ry
  }
}
// CHECK: wse.fadds: C7: @rx and @ry take words of one queue

// -----

// A map goes over a vector in memory.
wse.tile @t {
  wse.input_queue @iq = 0 color @red
  wse.fabin_dsd @rx = @iq length 8
  wse.task @main local {
    wse.map @rx (%e: f32) {
    }
  }
}
// CHECK: wse.map: C1: @rx is no vector

// -----

// Its DSR is one of src0.
wse.tile @t {
  wse.dsr @d = src1 0
  wse.task @main local {
    wse.map @d (%e: f32) {
    }
  }
}
// CHECK: wse.map: C1: @d is a DSR of src1

// -----

// It gives an element.
wse.map @v {
}
// CHECK: wse.map: C2: the region takes ()

// -----

// An element has the vector's type.
wse.tile @t {
  wse.buffer @a : memref<8xf16>
  wse.mem1d_dsd @v = @a
  wse.task @main local {
    wse.map @v (%e: f32) {
    }
  }
}
// CHECK: wse.map: C2: elements of @v are f16

// -----

// What takes an element's place has its type.
wse.map @v (%e: f32) {
  %x = arith.constant 1 : i32
  wse.yield %x : i32
}
// CHECK: wse.map: C3: yields a i32

// -----

// A yield ends a map.
%x = arith.constant 1 : i32
wse.yield %x : i32
// CHECK: 'wse.yield' expects parent op 'wse.map'

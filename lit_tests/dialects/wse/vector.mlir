// RUN: pfrt-opt %s --split-input-file | pfrt-opt --split-input-file | filecheck %s

// The f32 builtins: two sources, a scalar in place of the second, and what an op does at its end.
wse.tile @single {
  wse.buffer @a : memref<8xf32>
  wse.mem1d_dsd @y = @a
  wse.dsr @d = dest 0
  wse.input_queue @iq = 0 color @red
  wse.fabin_dsd @rx = @iq length 8
  wse.task @next local {
  }
  wse.task @main local active {
    %x = arith.constant 1.0 : f32
    wse.load_to_dsr @d, @y
    wse.fmacs @d, @y, @y, %x async 3 priority high activate @next : f32
    wse.fadds @y, @rx, @y async 0 unblock @next
    wse.fadds @y, @y, %x : f32
    wse.fsubs @y, @y, @y
    wse.fmuls @y, @y, %x priority low {wse.cost = #wse.cost<"scale", 9>} : f32
    wse.fmaxs @y, @y, @y
    wse.fmins @y, @y, @y
    wse.fnegs @y, @y
    wse.fmovs @y, %x : f32
    wse.mov32 @y, @rx
    wse.dfilt @rx
  }
}
// CHECK:      wse.fmacs @d, @y, @y, %x async 3 priority high activate @next : f32
// CHECK-NEXT: wse.fadds @y, @rx, @y async 0 unblock @next
// CHECK-NEXT: wse.fadds @y, @y, %x : f32
// CHECK-NEXT: wse.fsubs @y, @y, @y
// CHECK-NEXT: wse.fmuls @y, @y, %x priority low {wse.cost = #wse.cost<"scale", 9>} : f32
// CHECK-NEXT: wse.fmaxs @y, @y, @y
// CHECK-NEXT: wse.fmins @y, @y, @y
// CHECK-NEXT: wse.fnegs @y, @y
// CHECK-NEXT: wse.fmovs @y, %x : f32
// CHECK-NEXT: wse.mov32 @y, @rx
// CHECK-NEXT: wse.dfilt @rx

// -----

// The f16 builtins, and those of both widths.
wse.tile @half {
  wse.buffer @a : memref<8xf16>
  wse.buffer @b : memref<8xf32>
  wse.mem1d_dsd @h = @a
  wse.mem1d_dsd @s = @b
  wse.task @main local active {
    %x = arith.constant 1.0 : f16
    wse.fmach @h, @h, @h, %x : f16
    wse.fmachs @s, @s, @h, %x : f16
    wse.faddh @h, @h, @h
    wse.faddhs @s, @s, @h
    wse.fsubh @h, @h, @h
    wse.fmulh @h, @h, %x : f16
    wse.fmaxh @h, @h, @h
    wse.fminh @h, @h, @h
    wse.fnegh @h, @h
    wse.fmovh @h, @h
    wse.fs2h @h, @s
    wse.fh2s @s, @h
  }
}
// CHECK:      wse.fmach @h, @h, @h, %x : f16
// CHECK-NEXT: wse.fmachs @s, @s, @h, %x : f16
// CHECK-NEXT: wse.faddh @h, @h, @h
// CHECK-NEXT: wse.faddhs @s, @s, @h
// CHECK-NEXT: wse.fsubh @h, @h, @h
// CHECK-NEXT: wse.fmulh @h, @h, %x : f16
// CHECK-NEXT: wse.fmaxh @h, @h, @h
// CHECK-NEXT: wse.fminh @h, @h, @h
// CHECK-NEXT: wse.fnegh @h, @h
// CHECK-NEXT: wse.fmovh @h, @h
// CHECK-NEXT: wse.fs2h @h, @s
// CHECK-NEXT: wse.fh2s @s, @h

// -----

// The integer builtins; moves and bits take any type of their width.
wse.tile @integers {
  wse.buffer @a : memref<8xi16>
  wse.buffer @b : memref<8xi32>
  wse.buffer @c : memref<8xf16>
  wse.mem1d_dsd @i = @a
  wse.mem1d_dsd @j = @b
  wse.mem1d_dsd @h = @c
  wse.task @main local active {
    wse.add16 @i, @i, @i
    wse.sub16 @i, @i, @i
    wse.and16 @i, @i, @h
    wse.or16 @i, @i, @i
    wse.xor16 @i, @i, @i
    wse.mov16 @h, @i
    wse.add32 @j, @j, @j
  }
}
// CHECK:      wse.add16 @i, @i, @i
// CHECK-NEXT: wse.sub16 @i, @i, @i
// CHECK-NEXT: wse.and16 @i, @i, @h
// CHECK-NEXT: wse.or16 @i, @i, @i
// CHECK-NEXT: wse.xor16 @i, @i, @i
// CHECK-NEXT: wse.mov16 @h, @i
// CHECK-NEXT: wse.add32 @j, @j, @j

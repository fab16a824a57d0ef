// What a program does wrong while it runs, and what a command line asks in vain, is one line.
// RUN: not pfrt-run %s --device wse2 2>&1 | filecheck %s --check-prefix=DEADLOCK
// RUN: not pfrt-run %s 2>&1 | filecheck %s --check-prefix=DEVICE
// RUN: not pfrt-run %s --device wse2 --launch main 2>&1 | filecheck %s --check-prefix=LAUNCH
// RUN: not pfrt-run %s --device wse2 --set-const hops=2 2>&1 | filecheck %s --check-prefix=CONSTANT
// RUN: not pfrt-run %s --device wse2 --bench 2>&1 | filecheck %s --check-prefix=BENCH
// RUN: not pfrt-run %s --device wse2 -i sum=%s 2>&1 | filecheck %s --check-prefix=INPUT

// DEADLOCK: pfrt-run: error: cycle {{[0-9]+}}: deadlock: PE (1, 0): @mov32 waits for a word of colour 0 (2 of 3 done)
// DEVICE: is a wse program; --device takes wse2, wse3, wse3-si
// LAUNCH: there is no function "main"; functions are none
// CONSTANT: 'hops=2' does not set a constant of the machine
// BENCH: --bench goes with a model, not a wse program
// INPUT: cannot read an array from a ".mlir" file

wse.program @short width 2 height 1 {
  wse.color @c
  wse.route @c at [0, 0] rx [ramp] tx [east]
  wse.route @c at [1, 0] rx [west] tx [ramp]
  wse.place @send at [0, 0]
  wse.place @receive at [1, 0]
  wse.tile @send {
    wse.buffer @own : memref<2xf32>
    wse.output_queue @oq = 0 color @c
    wse.fabout_dsd @tx = @oq length 2
    wse.mem1d_dsd @v = @own
    wse.task @main local active {
      wse.mov32 @tx, @v
    }
  }
  wse.tile @receive {
    wse.buffer @sum export : memref<3xf32>
    wse.input_queue @iq = 0 color @c
    wse.fabin_dsd @rx = @iq length 3
    wse.mem1d_dsd @v = @sum
    wse.task @main local active {
      wse.mov32 @v, @rx
    }
  }
}

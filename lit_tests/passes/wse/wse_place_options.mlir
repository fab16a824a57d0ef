// RUN: not pfrt-opt %s -p "wse-place{machine=wse9}" 2>&1 | filecheck %s --check-prefix MACHINE
// RUN: not pfrt-opt %s -p "wse-place{width=751}" 2>&1 | filecheck %s --check-prefix GRID
// RUN: not pfrt-opt %s -p "wse-place{dtype=f64}" 2>&1 | filecheck %s --check-prefix DTYPE
// RUN: not pfrt-opt %s -p "wse-place{schedule=spiral}" 2>&1 | filecheck %s --check-prefix SCHEDULE

// Options that no wafer has.
func.func @main(%x: tensor<1x8xf32>) -> tensor<1x8xf32> {
  func.return %x : tensor<1x8xf32>
}
// MACHINE: there is no machine 'wse9'
// GRID: 751 x 8 PEs are no rectangle of wse2
// DTYPE: the wafer does not compute in 'f64'
// SCHEDULE: there is no schedule 'spiral'; schedules: layer, pipeline

// RUN: not pfrt-opt %s -p plan-allocate 2>&1 | filecheck %s

// A function is laid out once.
func.func @main() {
  %arena = plan.arena : memref<64xi8>
  %b = plan.alloc : memref<16xf32>
  func.return
}
// CHECK: plan.arena{{.*}}: the function has an arena already, and new plan.alloc ops

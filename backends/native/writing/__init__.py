"""What kernels are written with: functions of the `llvm` dialect, loops, and vectors of numbers."""

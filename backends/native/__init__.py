"""Machine code for calls of a plan: written in the `llvm` dialect, compiled by llvmlite, kept on disk.

A module a family of kernels (`gemm`, `windows`, `rows`, `elementwise`, `copying`,
`small_products`), written with `builder`, `loops` and `vector_math`; `steps` says what is called on
what, `running` runs that, `kernels` compiles and finds kernels. llvmlite is imported only by what
compiles: `kernels.is_available` says whether that can be done.
"""

"""Machine code for calls of a plan: written in the `llvm` dialect, compiled by llvmlite, kept on disk.

`gemm` writes the code of a product, `products` says which kernel computes one and how it goes over its
operands, `kernels` compiles and finds kernels. llvmlite is imported
only by what compiles: `kernels.is_available` says whether that can be done.
"""

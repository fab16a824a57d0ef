"""Machine code for calls of a plan: written in the `llvm` dialect, compiled by llvmlite, kept on disk.

`floats` and `integers` have a module a family of kernels, written with what is in `writing`; `steps`
says what is called on what, `tiles` cuts products, `running` runs the steps, `kernels` compiles and
finds kernels. llvmlite is imported only by what compiles: `kernels.is_available` says whether that
can be done.
"""

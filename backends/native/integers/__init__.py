"""Kernels of bytes and of 32-bit sums, a family a module."""

"""Kernels of floats, a family a module."""

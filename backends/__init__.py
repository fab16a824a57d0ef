"""Backends: programs in, executables out."""

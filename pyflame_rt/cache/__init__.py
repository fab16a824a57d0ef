"""Model files in memory: mapped instead of read, and tensors that are loaded when they are used."""

from __future__ import annotations

from pyflame_rt.cache.mmap_loader import MMapLoader
from pyflame_rt.mapped_files import LazyTensor, MappedFile, MMapAdvice

__all__ = ["LazyTensor", "MMapAdvice", "MMapLoader", "MappedFile"]

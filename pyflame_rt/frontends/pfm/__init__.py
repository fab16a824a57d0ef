"""The `.pfm` format: a module with its weights in one file that is mapped, not read.

`layout` has what is fixed, `writer` and `reader` are the way out and in; docs/pfm.md describes the
bytes.
"""

from __future__ import annotations

from pyflame_rt.frontends.pfm.reader import PfmFile, is_pfm, read_pfm
from pyflame_rt.frontends.pfm.writer import dump_pfm, write_pfm

__all__ = ["PfmFile", "dump_pfm", "is_pfm", "read_pfm", "write_pfm"]

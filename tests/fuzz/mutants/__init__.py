"""Mutants of every format that PyFlameRT reads: changes of structure, checksums being right again.

A mutant is a seed's number, a format and an index: the same bytes every time.
"""

from __future__ import annotations

from functools import cache

from mutants.base import Format

__all__ = ["Format", "formats"]


@cache
def formats() -> dict[str, Format]:
    """The formats by name, in the order of reports."""
    from mutants import checkpoint, exported, ir, onnx, pfm, script

    rows = (
        onnx.ONNX,
        pfm.PFM,
        ir.IR,
        script.TORCHSCRIPT,
        exported.PT2,
        checkpoint.ZIP,
        checkpoint.PICKLE,
        checkpoint.LEGACY,
        checkpoint.SAFETENSORS,
    )
    return {row.name: row for row in rows}

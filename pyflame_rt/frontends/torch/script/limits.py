"""How much an archive's code may ask for; beyond that the import fails."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ScriptLimits:
    """Bounds on what reading and interpreting the code of an archive costs.

    Real models stay far below; what is hostile or runs away ends with a clear error.
    """

    source_bytes: int = 4 << 20
    """Of all files that are parsed."""
    nesting: int = 64
    """Blocks, brackets and chained accessors inside each other in the text."""
    call_depth: int = 64
    """Calls inside each other."""
    frames: int = 600
    """Calls, blocks and expressions inside each other while the code is interpreted, each as many as
    it takes of Python's own frames."""
    steps: int = 1_000_000
    """Expressions and statements that are interpreted, in all attempts together."""
    unrolled: int = 1024
    """Iterations of one loop that are interpreted one by one."""
    elements: int = 1 << 20
    """Of one list, dict or text that is computed."""
    operations: int = 50_000
    """Operations that are built, in all attempts together."""
    loop_nesting: int = 4
    """Loops inside each other that run at run time; each is interpreted up to five times."""

"""Names of a CSL file: no keyword, no builtin type, none twice."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


KEYWORDS: Final = words(
    "align and asm break comptime const continue else enum export extern false fn for if inline layout "
    "linkname linksection noinline or orelse packed param return struct switch task true undefined union "
    "unreachable var volatile while"
)
"""Words of the language."""

TYPES: Final = words(
    "anytype bool bf16 cb16 circbuf_dsd color comptime_float comptime_int comptime_string "
    "comptime_struct control_task_id data_task_id direction dsr_dest dsr_src0 dsr_src1 f16 f32 "
    "fabin_dsd fabout_dsd i16 i32 i64 i8 imported_module input_queue local_task_id mem1d_dsd "
    "mem4d_dsd output_queue type u16 u32 u64 u8 ut_id void"
)
"""Builtin types."""

CONSTANTS: Final = words("EAST NORTH RAMP SOUTH WEST")
"""Directions, which are there in every file."""


@dataclass
class Names:
    """The names that are taken in a file."""

    taken: set[str] = field(default_factory=lambda: set(KEYWORDS | TYPES | CONSTANTS))

    def take(self, wanted: str) -> str:
        """The wanted name, or the nearest that is free and can be written."""
        name = re.sub(r"\W", "_", wanted, flags=re.ASCII)
        name = f"_{name}" if not name or name[0].isdigit() else name
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name

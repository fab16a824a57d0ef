"""MMapLoader: the documented face of mapped model files."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyflame_rt.graph import Graph


class MMapLoader:
    """Loads models whose tensors stay in their file until they are used."""

    @staticmethod
    def can_mmap(path: str | os.PathLike[str]) -> bool:
        """Whether there is a file at the path that can be read and mapped, so no empty one."""
        file = Path(path)
        try:
            return file.is_file() and file.stat().st_size > 0 and os.access(file, os.R_OK)
        except (OSError, ValueError):
            return False

    @staticmethod
    def page_alignment() -> int:
        """Bytes of which the places of mapped parts of files are multiples."""
        return mmap.ALLOCATIONGRANULARITY

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Graph:
        """The model in a file, as `load_model` loads it."""
        from pyflame_rt.model_files import load_model

        return load_model(path)

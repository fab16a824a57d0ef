"""Files that are there on some machines: seeds beside those that the project makes itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
MOST = 160_000


def files(*patterns: str) -> Iterator[bytes]:
    """Small files of the folder that PFRT_FUZZ_CORPUS names, or of a corpus beside the project."""
    beside = ROOT.parent / "shared" / "torchscript_corpus"
    folder = Path(os.environ.get("PFRT_FUZZ_CORPUS") or beside)
    for pattern in patterns:
        for path in sorted(folder.glob(pattern)):
            if path.stat().st_size <= MOST:
                yield path.read_bytes()

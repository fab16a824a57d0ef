"""Files of ranges: JSON, `{"version": 1, "ranges": {"name of a value": {"min": …, "max": …}}}`."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, cast

from pyflame_rt import files
from pyflame_rt.errors import InvalidModelError
from pyflame_rt.passes.quantization.ranges import Bounds

_VERSION: Final = 1


def save_ranges(ranges: Mapping[str, Bounds], path: str | os.PathLike[str]) -> None:
    """Write ranges by the model's names of values to a JSON file, atomically."""
    rows = {name: {"min": low, "max": high} for name, (low, high) in ranges.items()}
    text = json.dumps({"version": _VERSION, "ranges": rows}, indent=1, sort_keys=True)
    files.write_text(path, text + "\n")


def load_ranges(path: str | os.PathLike[str]) -> dict[str, Bounds]:
    """The ranges of a JSON file. Raises InvalidModelError for one that is none."""
    where = os.fspath(path)
    try:
        read: object = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidModelError(f"cannot read ranges: {_why(error)}", where=where) from None
    rows = cast("Mapping[str, object]", read).get("ranges") if isinstance(read, dict) else None
    if not isinstance(rows, dict):
        raise InvalidModelError('has no "ranges"', where=where)
    found: dict[str, Bounds] = {}
    for name, row in cast("Mapping[str, object]", rows).items():
        ends: list[object] = []
        if isinstance(row, dict):
            ends = [cast("Mapping[str, object]", row).get(end) for end in ("min", "max")]
        if len(ends) != 2 or not all(isinstance(end, int | float) for end in ends):
            raise InvalidModelError(
                f'the range of "{name}" has no numbers min and max', where=where
            )
        try:
            low, high = float(cast(float, ends[0])), float(cast(float, ends[1]))
        except OverflowError:
            low = high = math.inf
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise InvalidModelError(f'[{low}, {high}] of "{name}" is no range', where=where)
        found[name] = low, high
    return found


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return str(error.strerror).lower()
    return str(error) or "it is nested too deeply"

"""The results of a run as plain data, for JSON."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import Any

import numpy as np

from pyflame_rt.backends.wse.sim import image as im
from pyflame_rt.backends.wse.sim.critical_path import CriticalPath
from pyflame_rt.backends.wse.sim.statistics import ElementStatistics, Statistics
from pyflame_rt.files import write_text


def as_json(statistics: Statistics, path: CriticalPath | None = None) -> dict[str, Any]:
    """Cycles, PEs, links, colours and the critical path as dicts and lists."""
    loads = statistics.loads
    found: dict[str, Any] = {
        "cycles": statistics.cycles,
        "skipped": statistics.skipped,
        "hops": statistics.hops,
        "elements": [_element(element) for element in statistics.elements],
        "colours": [dataclasses.asdict(colour) for colour in statistics.colours],
        "links": [
            {"x": x, "y": y, "port": im.DIRECTIONS[port], "words": int(loads[y, x, port])}
            for y, x, port in np.argwhere(loads).tolist()
        ],
    }
    if path is not None:
        found["critical_path"] = {
            "cycles": path.cycles,
            "by_kind": path.by_kind(),
            "segments": [dataclasses.asdict(segment) for segment in path.segments],
        }
    return found


def write(
    file: str | os.PathLike[str], statistics: Statistics, path: CriticalPath | None = None
) -> None:
    """Write them as a JSON file. Raises PyFlameRTError."""
    write_text(file, json.dumps(as_json(statistics, path), indent=1) + "\n")


def _element(element: ElementStatistics) -> dict[str, Any]:
    found = dataclasses.asdict(element)
    found["utilisation"] = element.utilisation
    found["high_water"] = [
        {"queue": way, "number": number, "words": words}
        for (way, number), words in element.high_water.items()
    ]
    return found

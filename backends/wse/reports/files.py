"""Reports of a run as files; the kind of each is told by its name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from pyflame_rt.backends.wse.reports import heat_map, page, plain, tables, trace
from pyflame_rt.backends.wse.sim.critical_path import CriticalPath
from pyflame_rt.backends.wse.sim.simulator import Simulator
from pyflame_rt.errors import ValidationError
from pyflame_rt.files import write_text

_Writer = Callable[[str, Simulator, "CriticalPath | None"], None]


def write(file: str | os.PathLike[str], simulator: Simulator) -> None:
    """Write a report of what has been run so far.

    `x.txt` is the tables, `x.json` all numbers, `x.trace.json` a trace for Perfetto, `x.html` a heat map
    with a choice of metrics, `x.png` one of utilisation. The critical path is part of them when the
    simulator records it (trace="path"). Raises ValidationError for another name, PyFlameRTError when the
    file cannot be written.
    """
    name = os.fspath(file)
    path = simulator.critical_path() if simulator.trace == "path" else None
    _WRITERS[kind(name)](name, simulator, path)


def kind(file: str | os.PathLike[str]) -> str:
    """The ending that says what a report is. Raises ValidationError, naming all, when there is none."""
    name = Path(file).name
    for ending in _WRITERS:
        if name.endswith(ending):
            return ending
    raise ValidationError(
        f"{name!r} is the name of no report", hint=f"names end in {', '.join(_WRITERS)}"
    )


def trace_level(files: Iterable[str | os.PathLike[str]]) -> str:
    """What a Simulator must record, at least, so that these reports have anything to show."""
    return "ops" if any(kind(file) == ".trace.json" for file in files) else "prints"


def _text(name: str, simulator: Simulator, path: CriticalPath | None) -> None:
    write_text(name, "\n".join(tables.lines(simulator.statistics(), path)) + "\n")


def _page(name: str, simulator: Simulator, path: CriticalPath | None) -> None:
    title = f"{simulator.cycle} cycles on {simulator.machine.name}"
    page.write(name, simulator.statistics(), simulator.machine.sram_bytes, path, title=title)


def _image(name: str, simulator: Simulator, path: CriticalPath | None) -> None:
    heat_map.write_png(name, simulator.statistics(), simulator.machine.sram_bytes)


def _plain(name: str, simulator: Simulator, path: CriticalPath | None) -> None:
    plain.write(name, simulator.statistics(), path)


# Longer endings first.
_WRITERS: Final[dict[str, _Writer]] = {
    ".trace.json": trace.write,
    ".json": _plain,
    ".txt": _text,
    ".html": _page,
    ".png": _image,
}

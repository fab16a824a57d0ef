"""Heat maps of the fabric: one number a PE, for each of a few metrics."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pyflame_rt.backends.wse.sim.statistics import Statistics
from pyflame_rt.errors import ValidationError
from pyflame_rt.files import atomic_writer

STALLS: Final = ("no input", "output full", "latency", "slot taken")
# The colours of values from the lowest to the highest, evenly apart; and of PEs without one.
SCALE: Final = ((24, 28, 66), (42, 88, 140), (38, 150, 129), (140, 196, 76), (250, 230, 60))
NONE: Final = (228, 228, 228)


@dataclass(frozen=True, eq=False)
class Metric:
    """A number for each PE, `values[y, x]`, NaN where there is none; `top` is the end of the scale."""

    name: str
    unit: str
    values: NDArray[np.float64]
    top: float


def metrics(statistics: Statistics, sram_bytes: int) -> dict[str, Metric]:
    """Utilisation, stalls, link load and memory, by name."""
    shape = statistics.loads.shape[:2]
    used, stalls, memory = (np.full(shape, np.nan) for _ in range(3))
    cycles = max(statistics.cycles, 1)
    for element in statistics.elements:
        place = element.y, element.x
        used[place] = 100 * element.utilisation
        stalls[place] = 100 * sum(element.cycles[name] for name in STALLS) / cycles
        memory[place] = 100 * element.memory_bytes / sram_bytes
    load = 100 * statistics.loads[:, :, :4].max(2) / cycles
    found = (
        Metric("utilisation", "% of cycles used", used, 100.0),
        Metric("stalls", "% of cycles stalled in a task", stalls, 100.0),
        Metric("link load", "% of cycles, busiest link", np.asarray(load, np.float64), 100.0),
        Metric("memory", "% of SRAM", memory, 100.0),
    )
    return {metric.name: metric for metric in found}


def chosen(found: dict[str, Metric], name: str) -> Metric:
    """A metric by name. Raises ValidationError that names them all."""
    if name not in found:
        raise ValidationError(f"there is no metric {name!r}", hint=f"one of {', '.join(found)}")
    return found[name]


def colours(metric: Metric) -> NDArray[np.uint8]:
    """The colour of each PE, shape (height, width, 3)."""
    stops = np.array(SCALE, np.float64)
    part = np.clip(np.nan_to_num(metric.values) / metric.top, 0.0, 1.0) * (len(SCALE) - 1)
    low = np.minimum(part.astype(np.int64), len(SCALE) - 2)
    rest = (part - low)[:, :, None]
    mixed = stops[low] * (1 - rest) + stops[low + 1] * rest
    mixed[np.isnan(metric.values)] = NONE
    return np.rint(mixed).astype(np.uint8)


def write_png(
    path: str | os.PathLike[str], statistics: Statistics, sram_bytes: int, *,
    metric: str = "utilisation",
) -> None:  # fmt: skip
    """Write the map of one metric as a PNG image, with its scale. Needs pillow.

    Raises ValidationError without pillow or for an unknown metric, PyFlameRTError when it cannot be written.
    """
    shown = chosen(metrics(statistics, sram_bytes), metric)
    image, draw, font = _pillow()
    pixels = colours(shown)
    height, width = pixels.shape[:2]
    size = max(1, min(32, 960 // max(height, width)))
    cells = pixels.repeat(size, 0).repeat(size, 1)
    wide, margin, foot = max(width * size, 320), 12, 44
    canvas = image.new("RGB", (wide + 2 * margin, height * size + 2 * margin + foot), "white")
    canvas.paste(image.fromarray(cells), (margin, margin))
    scale = Metric("", "", np.linspace(0, shown.top, 200)[None], shown.top)
    bar = colours(scale).repeat(10, 0)
    line = margin + height * size + 8
    canvas.paste(image.fromarray(bar), (margin, line))
    pen, letters = draw.Draw(canvas), font.load_default()
    text = f"{shown.name}: 0 to {shown.top:g} {shown.unit}; grey: no program"
    pen.text((margin, line + 14), text, fill="black", font=letters)
    stream = BytesIO()
    canvas.save(stream, format="PNG")
    with atomic_writer(path) as file:
        file.write(stream.getvalue())


def _pillow() -> tuple[Any, Any, Any]:
    try:
        return (
            import_module("PIL.Image"),
            import_module("PIL.ImageDraw"),
            import_module("PIL.ImageFont"),
        )
    except ImportError:
        raise ValidationError(
            "pillow, which draws PNG images, is not installed", hint="pip install 'pyflame-rt[viz]'"
        ) from None

"""The heat map as a page: one HTML file without any other, with a choice of metrics."""

from __future__ import annotations

import html
import json
import os
import re
from typing import Any

import numpy as np

from pyflame_rt.backends.wse.reports import heat_map
from pyflame_rt.backends.wse.reports.tables import lines
from pyflame_rt.backends.wse.sim.critical_path import CriticalPath
from pyflame_rt.backends.wse.sim.statistics import Statistics
from pyflame_rt.files import write_text

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>@TITLE@</title>
<style>
body { font: 14px sans-serif; margin: 1.5em; color: #222; }
canvas { border: 1px solid #999; image-rendering: pixelated; }
pre { font-size: 12px; overflow-x: auto; }
#scale { display: inline-block; width: 12em; height: 0.9em; vertical-align: middle; }
</style>
</head>
<body>
<h1>@TITLE@</h1>
<p><label>metric <select id="metric"></select></label>
0 <span id="scale"></span> <span id="top"></span> &nbsp; grey: no program &nbsp; <b id="told"></b></p>
<canvas id="map"></canvas>
<pre>@TABLES@</pre>
<script>
const data = @DATA@;
const canvas = document.getElementById("map"), pen = canvas.getContext("2d");
const choice = document.getElementById("metric"), told = document.getElementById("told");
const size = Math.max(1, Math.min(40, Math.floor(960 / Math.max(data.width, data.height))));
canvas.width = size * data.width;
canvas.height = size * data.height;
function colour(part) {
  const steps = data.scale.length - 1, at = Math.min(Math.max(part, 0), 1) * steps;
  const low = Math.min(Math.floor(at), steps - 1), rest = at - low;
  return "rgb(" + data.scale[low].map((v, i) =>
    Math.round(v * (1 - rest) + data.scale[low + 1][i] * rest)).join(",") + ")";
}
const none = "rgb(" + data.none.join(",") + ")";
document.getElementById("scale").style.background =
  "linear-gradient(to right," + data.scale.map(c => "rgb(" + c.join(",") + ")").join(",") + ")";
for (const metric of data.metrics) choice.add(new Option(metric.name));
function draw() {
  const metric = data.metrics[choice.selectedIndex];
  document.getElementById("top").textContent = metric.top + " " + metric.unit;
  metric.values.forEach((row, y) => row.forEach((value, x) => {
    pen.fillStyle = value === null ? none : colour(value / metric.top);
    pen.fillRect(x * size, y * size, size, size);
  }));
}
canvas.addEventListener("mousemove", event => {
  const x = Math.floor(event.offsetX / size), y = Math.floor(event.offsetY / size);
  if (x < 0 || y < 0 || x >= data.width || y >= data.height) return;
  told.textContent = "PE (" + x + ", " + y + "): " + data.metrics.map(metric => {
    const value = metric.values[y][x];
    return metric.name + " " + (value === null ? "none" : value);
  }).join(", ");
});
choice.addEventListener("change", draw);
draw();
</script>
</body>
</html>
"""


def page(
    statistics: Statistics, sram_bytes: int, path: CriticalPath | None = None, *,
    title: str = "fabric",
) -> str:  # fmt: skip
    """The text of the page, with the tables of the run below the map."""
    height, width = statistics.loads.shape[:2]
    found = heat_map.metrics(statistics, sram_bytes).values()
    data = {
        "width": width,
        "height": height,
        "scale": heat_map.SCALE,
        "none": heat_map.NONE,
        "metrics": [
            {"name": m.name, "unit": m.unit, "top": m.top, "values": _numbers(m)} for m in found
        ],
    }
    parts = {
        "@TITLE@": html.escape(title),
        "@TABLES@": html.escape("\n".join(lines(statistics, path))),
        # A text that ends the script's element would be read as its end.
        "@DATA@": json.dumps(data, separators=(",", ":")).replace("</", "<\\/"),
    }
    return re.sub("|".join(parts), lambda mark: parts[mark.group()], _PAGE)


def write(
    file: str | os.PathLike[str], statistics: Statistics, sram_bytes: int,
    path: CriticalPath | None = None, *, title: str = "fabric",
) -> None:  # fmt: skip
    """Write the page. Raises PyFlameRTError."""
    write_text(file, page(statistics, sram_bytes, path, title=title))


def _numbers(metric: heat_map.Metric) -> list[list[Any]]:
    rounded = np.round(metric.values, 2)
    return [[None if value != value else value for value in row] for row in rounded.tolist()]

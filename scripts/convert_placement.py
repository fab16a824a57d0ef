"""Instances of msr-fiddle/dnn-partitioning in the form that `pyflame_rt.partition.solve` reads.

    python scripts/convert_placement.py throughput-inputs/LayerGraphs/resnet50_inference.json out.json

Every node runs on accelerators; an edge's cost, the time of its value on a link, becomes its bytes,
so that a bandwidth of 1 gives the instance's own times.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any


def converted(data: dict[str, Any]) -> dict[str, Any]:
    """The instance in our form."""
    colours = Counter(node.get("colorClass") for node in data["nodes"])
    nodes: list[dict[str, Any]] = []
    for node in data["nodes"]:
        row = {"id": node["id"], "cost": node["fpgaLatency"], "memory": node.get("size", 0)}
        if node.get("colorClass") is not None and colours[node["colorClass"]] > 1:
            row["colocate"] = node["colorClass"]
        nodes.append(row)
    edges = [
        {"src": edge["sourceId"], "dst": edge["destId"], "bytes": edge["cost"]}
        for edge in data["edges"]
    ]
    return {"nodes": nodes, "edges": edges}


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:3])
    target.write_text(json.dumps(converted(json.loads(source.read_text()))))

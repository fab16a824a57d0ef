"""Pictures of plans: who sends what to whom, and how busy the devices are."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from html import escape

from pyflame_rt.errors import UnsupportedFormatError
from pyflame_rt.files import write_text
from pyflame_rt.passes.partitioning.plan_files import GraphPartition, PartitionPlan

_BAR, _ROW, _LEFT, _WIDTH = 18, 30, 150, 760


def save(plan: PartitionPlan, path: str | os.PathLike[str]) -> None:
    """Draw a plan to a file: `.svg`, the devices' loads, or `.dot`, what goes between them.

    Raises UnsupportedFormatError for another extension.
    """
    name = os.fspath(path)
    if name.endswith(".svg"):
        write_text(path, to_svg(plan))
    elif name.endswith(".dot"):
        write_text(path, to_dot(plan))
    else:
        raise UnsupportedFormatError("is no picture", where=name, hint="write .svg or .dot")


def to_dot(plan: PartitionPlan) -> str:
    """A plan for Graphviz: partitions by stage, an edge for each pair that communicates."""
    stages: defaultdict[int, list[GraphPartition]] = defaultdict(list)
    for partition in plan.partitions:
        stages[partition.stage].append(partition)
    lines = ["digraph {", "  rankdir=LR;", "  node [shape=box, fontname=sans];"]
    for stage, group in sorted(stages.items()):
        lines += [f"  subgraph cluster_{stage} {{", f"    label={_quoted(f'stage {stage}')};"]
        lines += [f"    p{p.id} [label={_quoted(_label(p))}];" for p in group]
        lines.append("  }")
    ways: defaultdict[tuple[int, int, str], list[str]] = defaultdict(list)
    for comm in plan.communications:
        for source in comm.sources:
            for target in comm.destinations:
                if source != target:
                    ways[source, target, comm.kind].append(f"{comm.value} ({_bytes(comm.bytes)})")
    for (source, target, kind), values in ways.items():
        shown = [*values[:3], f"and {len(values) - 3} more"] if len(values) > 4 else values
        text = _quoted("\n".join([kind, *shown]))
        lines.append(f"  p{source} -> p{target} [label={text}, fontname=sans];")
    return "\n".join([*lines, "}"]) + "\n"


def to_svg(plan: PartitionPlan) -> str:
    """The load of each device as a bar, computing and communicating, and the proven bound."""
    longest = max(plan.bottleneck_us, plan.bound_us, 1e-9)
    scale = (_WIDTH - _LEFT - 90) / longest
    height = 40 + _ROW * len(plan.partitions) + 24
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        f'<text x="8" y="20" font-size="14">{escape(plan.model or "plan")}: {plan.strategy.word}, '
        f"{plan.bottleneck_us:.1f} us a run, proven gap {plan.gap:.2%}</text>",
    ]
    for index, partition in enumerate(plan.partitions):
        lines += _bar(partition, 34 + _ROW * index, scale)
    x = _LEFT + plan.bound_us * scale
    lines += [
        f'<line x1="{x:.1f}" y1="30" x2="{x:.1f}" y2="{height - 22}" stroke="#b00020" '
        'stroke-dasharray="4 3"/>',
        f'<text x="{x:.1f}" y="{height - 8}" text-anchor="middle" fill="#b00020">'
        f"bound {plan.bound_us:.1f} us</text>",
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _bar(partition: GraphPartition, y: int, scale: float) -> Iterator[str]:
    compute, comm = partition.compute_us * scale, partition.comm_us * scale
    title = escape(_label(partition))
    yield f'<g><title>{title}</title><text x="8" y="{y + 14}">'
    yield f"{escape(str(partition.device))}: {len(partition.nodes)} nodes</text>"
    yield f'<rect x="{_LEFT}" y="{y}" width="{compute:.1f}" height="{_BAR}" fill="#2f6f9f"/>'
    yield f'<rect x="{_LEFT + compute:.1f}" y="{y}" width="{comm:.1f}" height="{_BAR}" fill="#e0a030"/>'
    end = _LEFT + compute + comm + 6
    yield f'<text x="{end:.1f}" y="{y + 14}">{partition.time_us:.1f} us</text></g>'


def _label(partition: GraphPartition) -> str:
    return "\n".join(
        (
            f"{partition.device}",
            f"{len(partition.nodes)} nodes",
            f"{partition.compute_us:.1f} us + {partition.comm_us:.1f} us",
            _bytes(partition.memory_bytes),
        )
    )


def _bytes(count: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'

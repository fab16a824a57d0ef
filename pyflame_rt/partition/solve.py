"""`python -m pyflame_rt.partition.solve FILE --devices K`: placing the nodes of a graph in JSON.

The file has `nodes`, a list of `{id, cost, memory}` (and `colocate`, a label that nodes of one
device share), and `edges`, a list of `{src, dst, bytes}`. Costs are times of a device in any unit;
bytes become times by `--bandwidth` (bytes in a unit of time) and `--latency`.
"""

from __future__ import annotations

import json
import math
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import click

from pyflame_rt.errors import PyFlameRTError, ValidationError
from pyflame_rt.passes.partitioning.solving.exact import solve
from pyflame_rt.passes.partitioning.solving.problem import Machine, Placement, Problem


def read(
    data: object, machines: tuple[Machine, ...], *, is_pipeline: bool
) -> tuple[Problem, list[object]]:
    """The problem that a JSON value describes, and the ids of its nodes.

    A node that is read by several others has the bytes of its largest edge: it is sent once.
    Raises ValidationError that says where what is wrong.
    """
    rows = _object(data, "file")
    nodes, edges = _list(rows, "nodes"), _list(rows, "edges")
    ids: dict[object, int] = {}
    costs: list[float] = []
    memory: list[int] = []
    groups: defaultdict[object, list[int]] = defaultdict(list)
    for index, item in enumerate(nodes):
        where = f"nodes[{index}]"
        row = _object(item, where)
        ident = row.get("id")
        if not isinstance(ident, int | str) or isinstance(ident, bool):
            raise ValidationError("is no number or text", where=f"{where}.id")
        if ident in ids:
            raise ValidationError(f"{json.dumps(ident)} is there twice", where=f"{where}.id")
        ids[ident] = index
        costs.append(_number(row, "cost", where))
        memory.append(math.ceil(_number(row, "memory", where, 0.0)))
        if (label := row.get("colocate")) is not None:
            groups[json.dumps(label)].append(index)
    sent = [0.0] * len(nodes)
    pairs: dict[tuple[int, int], None] = {}
    for index, item in enumerate(edges):
        where = f"edges[{index}]"
        row = _object(item, where)
        ends: list[int] = []
        for key in ("src", "dst"):
            ident = row.get(key)
            if not isinstance(ident, int | str) or ident not in ids:
                raise ValidationError(f"there is no node {_text(ident)}", where=f"{where}.{key}")
            ends.append(ids[ident])
        if ends[0] == ends[1]:
            raise ValidationError("leads from a node to itself", where=where)
        sent[ends[0]] = max(sent[ends[0]], _number(row, "bytes", where, 0.0))
        pairs[ends[0], ends[1]] = None
    together = tuple(tuple(group) for group in groups.values() if len(group) > 1)
    problem = Problem(
        tuple(costs), tuple(memory), tuple(sent), tuple(pairs), machines, is_pipeline, together
    )
    return problem, list(ids)


def report(placement: Placement, ids: list[object]) -> dict[str, object]:
    """A placement for programs."""
    return {
        "max_load": placement.load,
        "bound": placement.bound,
        "gap": placement.gap,
        "method": placement.method,
        "seconds": round(placement.seconds, 3),
        "loads": list(placement.loads),
        "placement": [
            {"id": ident, "device": place}
            for ident, place in zip(ids, placement.places, strict=True)
        ],
    }


def _object(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ValidationError(f"is {_text(value)}, and should be an object", where=where)
    return cast("dict[str, object]", value)


def _list(rows: Mapping[str, object], key: str) -> list[object]:
    value = rows.get(key)
    if not isinstance(value, list):
        raise ValidationError(f"is {_text(value)}, and should be a list", where=key)
    return cast("list[object]", value)


def _number(
    rows: Mapping[str, object], key: str, where: str, default: float | None = None
) -> float:
    value = rows.get(key, default)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1e18:
        raise ValidationError(
            f"is {_text(value)}, and should be a number, not negative", where=f"{where}.{key}"
        )
    return float(value)


def _text(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 40 else f"{text[:37]}..."


@click.command(help="Place the nodes of FILE on devices, so that the largest load is least.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--devices", type=click.IntRange(1, 256), required=True, help="How many there are.")
@click.option("--memory", type=click.FloatRange(0), help="Bytes of each device.")
@click.option("--speeds", default="", help="Of each device, as 1,1,2: others than 1.")
@click.option(
    "--bandwidth", type=float, default=1.0, help="Bytes in a unit of time.", show_default=True
)
@click.option(
    "--latency", type=click.FloatRange(0), default=0.0, help="Time for a value of any size."
)
@click.option("--any-order", is_flag=True, help="Values may go back and forth: no pipeline.")
@click.option("--seconds", type=click.FloatRange(0.1), default=10.0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(
    file: Path,
    devices: int,
    memory: float | None,
    speeds: str,
    bandwidth: float,
    latency: float,
    any_order: bool,
    seconds: float,
    as_json: bool,
) -> None:
    """The command."""
    try:
        placement, ids = _run(
            file, _machines(devices, memory, speeds, bandwidth, latency), not any_order, seconds
        )
    except PyFlameRTError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    if as_json:
        click.echo(json.dumps(report(placement, ids)))
        return
    click.echo(
        f"max load {placement.load:g}, proven bound {placement.bound:g}, gap {placement.gap:.3%}"
    )
    click.echo(f"{placement.method}, {placement.seconds:.2f} s")
    for device, load in enumerate(placement.loads):
        click.echo(f"device {device}: load {load:g}, {placement.places.count(device)} nodes")


def _machines(
    devices: int, memory: float | None, speeds: str, bandwidth: float, latency: float
) -> tuple[Machine, ...]:
    if bandwidth <= 0:
        raise ValidationError(f"is {bandwidth}", where="--bandwidth", hint="above 0")
    try:
        rates = [float(text) for text in speeds.split(",")] if speeds else [1.0] * devices
    except ValueError as error:
        raise ValidationError(f"is {speeds!r}", where="--speeds", hint="such as 1,1,2") from error
    if len(rates) != devices or min(rates) <= 0:
        raise ValidationError(f"is {speeds!r}", where="--speeds", hint=f"{devices} numbers above 0")
    limit = None if memory is None else int(memory)
    return tuple(Machine(rate, limit, latency, 1.0 / bandwidth) for rate in rates)


def _run(
    file: Path, machines: tuple[Machine, ...], is_pipeline: bool, seconds: float
) -> tuple[Placement, list[object]]:
    try:
        data: object = json.loads(file.read_bytes())
    except OSError as error:
        raise ValidationError(f"cannot be read: {error.strerror}", where=str(file)) from error
    except (ValueError, RecursionError) as error:
        raise ValidationError(f"is no JSON: {error}", where=str(file)) from error
    problem, ids = read(data, machines, is_pipeline=is_pipeline)
    return solve(problem, seconds), ids


if __name__ == "__main__":
    main()

"""What nodes cost on devices: by what they compute and move, or as a profile measured them."""

from __future__ import annotations

import json
import math
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Operation, SSAValue
from xdsl.traits import ConstantLike
from xdsl.utils.exceptions import VerifyException

from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.types import is_string, is_tensor, numpy_dtype, shape_of, type_of
from pyflame_rt.dialects.rewriting import location_text
from pyflame_rt.dialects.targets import TARGET
from pyflame_rt.errors import PyFlameRTError, ValidationError
from pyflame_rt.passes.partitioning.devices import DeviceSpec
from pyflame_rt.passes.partitioning.stages import operands_of


@dataclass
class Rates:
    """What a device does where nobody measured it: operations and bytes a second, and microseconds
    for a node whatever it does."""

    flops: float = 2e10
    bytes: float = 1e10
    node_us: float = 2.0


@dataclass
class Costs:
    """Microseconds and bytes of nodes; `measured` microseconds by the node's place in its file."""

    rates: Rates = field(default_factory=Rates)
    measured: Mapping[str, float] = field(default_factory=dict[str, float])

    def compute_us(self, op: Operation, device: DeviceSpec | None = None) -> float:
        """Microseconds of one execution on a device, or on one like those that were measured."""
        rate = self.rates.flops if device is None else device.compute_flops or self.rates.flops
        known = self.measured.get(location_text(op)) if self.measured else None
        if known is not None:
            return known * self.rates.flops / rate
        flops, moved = work(op)
        return self.rates.node_us + 1e6 * (flops / rate + moved / self.rates.bytes)


def work(op: Operation) -> tuple[int, int]:
    """Operations and bytes of one execution, with 0 for what is not known of its shapes."""
    flops = moved = 0
    for inner in op.walk():
        if not isinstance(inner, PfrtOp) or inner.has_trait(ConstantLike):
            continue
        try:
            flops += inner.flops() or 0
            moved += inner.bytes() or 0
        except (VerifyException, ValueError, IndexError, AttributeError, NotImplementedError):
            continue
    return flops, moved


def bytes_of(value: SSAValue) -> int:
    """The bytes of a value, with 1 for each dimension that is not known; 0 of what is no tensor."""
    if not is_tensor(value.type) or is_string(value.type):
        return 0
    shape = shape_of(value)
    if shape is None:
        return 0
    kind = type_of(value).element_type
    return math.prod(max(dim, 1) for dim in shape) * max(numpy_dtype(kind).itemsize, 1)


def memory_of(op: Operation) -> int:
    """The bytes that a node holds on its device: its weights and its results.

    More than a run needs, as results that nobody needs any more give their memory to others.
    """
    weights = {
        value
        for value in operands_of(op)
        if isinstance(value.owner, Operation) and value.owner.has_trait(ConstantLike)
    }
    return sum(map(bytes_of, weights)) + sum(map(bytes_of, op.results))


def read_profile(path: str | os.PathLike[str]) -> dict[str, float]:
    """Microseconds a run of each node, by its place in its file, from `pfrt-run --profile`.

    The least that was measured: what else a machine does makes runs longer only. Raises
    PyFlameRTError.
    """
    where = os.fspath(path)
    try:
        with open(path, "rb") as file:
            rows: object = json.loads(file.read())
    except OSError as error:
        raise PyFlameRTError(f"cannot be read: {error.strerror}", where=where) from error
    except (ValueError, RecursionError) as error:
        raise ValidationError(f"is no JSON: {error}", where=where) from error
    return profile_times(rows, where)


def profile_times(rows: object, where: str = "profile") -> dict[str, float]:
    """As `read_profile`, of the events themselves."""
    if not isinstance(rows, list):
        raise ValidationError("is no list of events", where=where)
    events = [
        cast("Mapping[str, Any]", r) for r in cast("list[object]", rows) if isinstance(r, dict)
    ]
    runs = sum(event.get("name") == "model_run" for event in events)
    spans: defaultdict[str, list[float]] = defaultdict(list)
    for event in events:
        args, took = event.get("args"), event.get("dur")
        if event.get("cat") != "Node" or not isinstance(took, int | float):
            continue
        if isinstance(args, dict):
            place = cast("dict[str, object]", args).get("location")
            if isinstance(place, str) and place:
                spans[place].append(float(took))
    if not spans or not runs:
        raise ValidationError("has no run of a model", where=where)
    return {place: _run_us(times, runs) for place, times in spans.items()}


def _run_us(times: Sequence[float], runs: int) -> float:
    """What the steps of one place take in a run that nothing else disturbs."""
    steps = max(1, round(len(times) / runs))
    return sum(min(times[first::steps]) for first in range(steps))


def tag_of(op: Operation) -> str:
    """The device that an op is tagged with; "" for none."""
    tag = op.attributes.get(TARGET)
    return tag.data if isinstance(tag, StringAttr) else ""

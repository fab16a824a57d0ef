"""What nodes and links cost."""

from __future__ import annotations

import os
from collections.abc import Mapping

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation

from pyflame_rt.errors import ValidationError
from pyflame_rt.graph import Node
from pyflame_rt.passes.partitioning.costs import (
    Costs,
    Rates,
    memory_of,
    profile_times,
    read_profile,
)
from pyflame_rt.passes.partitioning.devices import DeviceSpec, Link
from pyflame_rt.passes.partitioning.nodes import Nodes


class CostModel:
    """Microseconds of nodes on devices, bytes that they hold, microseconds of what is sent.

    A node takes its operations and bytes by the rates of its device (`compute_flops`, or `rates`),
    unless a profile measured it. A value takes the link's latency and its bytes by the bandwidth.
    """

    def __init__(self, rates: Rates | None = None, link: Link | None = None):
        self.rates = Rates() if rates is None else rates
        self.link = Link() if link is None else link
        self._measured: Mapping[str, float] = {}
        self._ops: dict[str, Operation] = {}

    def set_inter_device_bandwidth(self, bw: float) -> None:
        """Bytes a second of a link. Raises ValidationError unless above zero."""
        if bw <= 0:
            raise ValidationError(f"is {bw}", where="bandwidth", hint="bytes a second, above 0")
        self.link = Link(self.link.alpha_us, 1e6 / bw)

    def set_inter_device_latency(self, lat: float) -> None:
        """Microseconds of a link for a value of whatever size. Raises ValidationError below zero."""
        if lat < 0:
            raise ValidationError(f"is {lat}", where="latency", hint="microseconds, not below 0")
        self.link = Link(lat, self.link.beta_us)

    def use_transport(self, name: str) -> None:
        """Measure what sending takes between devices of a transport (`threads`, `processes`, `ray`).

        Raises PyFlameRTError when it cannot be opened.
        """
        from pyflame_rt.partition.transports.measuring import measure

        found = measure(name)
        self.link = Link(found.alpha_us, found.beta_us)

    def use_profile(self, profile: str | os.PathLike[str] | list[object]) -> None:
        """Take nodes' times from a trace, a file of `pfrt-run --profile` or its events.

        Raises PyFlameRTError.
        """
        is_events = isinstance(profile, list)
        self._measured = profile_times(profile) if is_events else read_profile(profile)

    def costs(self) -> Costs:
        """What the passes reckon with."""
        return Costs(self.rates, self._measured)

    def look_at(self, module: ModuleOp) -> None:
        """Reckon with the shapes of a module when asked for nodes by their outputs."""
        self._ops = dict(Nodes.of(module).ops)

    def estimate_compute_cost(self, node: Node, device: DeviceSpec) -> float:
        """Microseconds of a node on a device. Raises ValidationError for a node of another graph."""
        return self.costs().compute_us(self._op(node), device)

    def estimate_memory_cost(self, node: Node) -> int:
        """Bytes of a node's weights and results. Raises ValidationError for one of another graph."""
        return memory_of(self._op(node))

    def estimate_comm_cost(self, bytes: int, src: DeviceSpec, dst: DeviceSpec) -> float:
        """Microseconds for so many bytes from one device to another, by the slower link."""
        if src.target == dst.target:
            return 0.0
        return max((device.link or self.link).time_us(bytes) for device in (src, dst))

    def _op(self, node: Node) -> Operation:
        found = next((self._ops[name] for name in node.outputs if name in self._ops), None)
        if found is None:
            raise ValidationError(
                "is no node of the graph that the cost model knows",
                where=f'node "{node.name}"',
                hint="a partitioner's analyze(graph) makes it known",
            )
        return found

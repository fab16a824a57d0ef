"""`python -m pyflame_rt.partition MODEL --devices K -o plan.json`: a plan for a model, explained."""

from __future__ import annotations

import sys

import click

from pyflame_rt import compiler
from pyflame_rt.errors import PyFlameRTError, ValidationError
from pyflame_rt.partition import picture
from pyflame_rt.partition.config import PartitionConfig, PartitionStrategy
from pyflame_rt.partition.partitioner import GraphPartitioner
from pyflame_rt.passes.partitioning.devices import devices_of
from pyflame_rt.passes.partitioning.plan_files import PartitionPlan

_STRATEGIES = [s.word for s in PartitionStrategy if s is not PartitionStrategy.MANUAL]


@click.command(help="Plan which device does what of MODEL.")
@click.argument("model")
@click.option(
    "--devices",
    default="2",
    help="How many CPUs, or cpu:0:MEMORY:LATENCY:BANDWIDTH,cpu:1,…",
    show_default=True,
)
@click.option("--strategy", type=click.Choice(_STRATEGIES), default="automatic", show_default=True)
@click.option("--tensor", type=click.IntRange(0), default=0, help="Devices that share each layer.")
@click.option("--micro-batch", type=click.IntRange(1), default=1, help="Rows to reckon with.")
@click.option("--dim", multiple=True, metavar="NAME=N", help="Size of a symbolic dimension.")
@click.option("--profile", help="What nodes take: a file of pfrt-run --profile.")
@click.option("--latency", type=click.FloatRange(0), help="Microseconds of a link for any value.")
@click.option("--bandwidth", type=click.FloatRange(0), help="Bytes a second of a link.")
@click.option("--transport", help="Measure what sending takes: threads, processes or ray.")
@click.option("-o", "--output", help="The plan's file.")
@click.option("--picture", "image", help="A picture of it: .svg or .dot.")
def main(
    model: str,
    devices: str,
    strategy: str,
    tensor: int,
    micro_batch: int,
    dim: tuple[str, ...],
    profile: str | None,
    latency: float | None,
    bandwidth: float | None,
    transport: str | None,
    output: str | None,
    image: str | None,
) -> None:
    """The command."""
    try:
        config = PartitionConfig(
            devices_of(devices.split(",")), PartitionStrategy.of(strategy),
            micro_batch_size=micro_batch, tensor_parallel=tensor,
        )  # fmt: skip
        partitioner = GraphPartitioner(config, dims=_dims(dim))
        if profile is not None:
            partitioner.cost_model.use_profile(profile)
        if transport is not None:
            partitioner.cost_model.use_transport(transport)
        if latency is not None:
            partitioner.cost_model.set_inter_device_latency(latency)
        if bandwidth is not None:
            partitioner.cost_model.set_inter_device_bandwidth(bandwidth)
        plan = partitioner.partition(compiler.load(model))
        if output is not None:
            plan.save(output)
        if image is not None:
            picture.save(plan, image)
    except PyFlameRTError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    for line in described(plan):
        click.echo(line)


def described(plan: PartitionPlan) -> list[str]:
    """A plan for people: why it is so, who does what, and the proven gap."""
    rows = [
        f"{p.device}: {len(p.nodes)} nodes, {p.compute_us:.1f} us + {p.comm_us:.1f} us, "
        f"{p.memory_bytes} bytes"
        for p in plan.partitions
    ]
    last = (
        f"{plan.bottleneck_us:.1f} us from one result to the next, {plan.total_latency_us:.1f} us for "
        f"one, {plan.total_comm_bytes} bytes sent, proven gap {plan.gap:.2%}"
    )
    return [*plan.explanation, *rows, last]


def _dims(texts: tuple[str, ...]) -> dict[str, int]:
    found: dict[str, int] = {}
    for text in texts:
        name, _, size = text.partition("=")
        if not name or not size.isdigit():
            raise ValidationError("is no NAME=N", where=f"--dim {text}")
        found[name] = int(size)
    return found


if __name__ == "__main__":
    main()

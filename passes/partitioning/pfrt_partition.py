"""A model spread over devices."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ArrayAttr, IntegerAttr, ModuleOp, StringAttr
from xdsl.passes import ModulePass

from pyflame_rt.errors import PassFailed, ValidationError
from pyflame_rt.passes.partitioning.batches import sized
from pyflame_rt.passes.partitioning.costs import Costs, read_profile
from pyflame_rt.passes.partitioning.devices import Link, PartitionStrategy, devices_of
from pyflame_rt.passes.partitioning.nodes import Nodes
from pyflame_rt.passes.partitioning.pfrt_outline import PfrtOutlinePass
from pyflame_rt.passes.partitioning.plan_files import PartitionPlan
from pyflame_rt.passes.partitioning.planning import Request, make
from pyflame_rt.passes.partitioning.spreading import Spreading

EXPLANATION = "pfrt.partition"
"""The attribute of a partitioned @main that says why it is partitioned so."""

MICRO_BATCHES = "pfrt.micro_batches"
"""The attribute of a partitioned @main that says how many pieces of a batch are on their way."""


@dataclass(frozen=True)
class PfrtPartitionPass(ModulePass):
    """Gives the ops of `@main` to devices, whose functions it calls, with what travels between them.

    Before: `%a = pfrt.relu %x`, `%b = pfrt.exp %a`
    After `{strategy=pipeline devices=2}`: `%a = func.call @main_numpy_0_0(%x)`,
    `%s = pfrt.send %a {source = "numpy:0", destination = "numpy:1"}`, `%r = pfrt.receive %s`,
    `%b = func.call @main_numpy_1_0(%r)`

    Run it after what optimises: parts are lowered as they are. Of dimensions that are known at run
    time only costs are reckoned with guesses. Why a plan was chosen, and how far from the best it
    can be, stands in the attribute `pfrt.partition` of `@main`.
    """

    name = "pfrt-partition"

    strategy: str = "automatic"
    """`data`, `model`, `pipeline`, `hybrid`, `automatic`; `manual`: as `plan` or ops' targets say."""

    devices: tuple[str, ...] = ("2",)
    """A number of CPUs, or each device as `type:id:memory:latency:bandwidth`, of which only the type
    is needed: `cpu:0`, `wse2:1`, `cpu:2:1000000`; a latency and a bandwidth are its link's."""

    micro_batches: int = 1
    """The pieces of a batch that a pipeline works on at once; written down for who runs it."""

    tensor: int = 0
    """With `model` and `hybrid`: so many devices share each large layer."""

    stages: int = 0
    """With `pipeline` and `hybrid`: at most so many stages."""

    plan: str = ""
    """A plan's file, for `manual`."""

    profile: str = ""
    """What nodes take, from `pfrt-run --profile`."""

    latency: float | int = 10
    """Microseconds that the link of a device without its own takes for a value of any size."""

    bandwidth: float | int = 10000
    """Bytes that such a link moves in a microsecond."""

    seconds: int = 10
    """Time for the search."""

    batch: int = 8
    """Rows to reckon with where the batch is known at run time only."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        try:
            plan = self._plan(ctx, op)
        except ValidationError as error:
            raise PassFailed(str(error)) from error
        nodes = Nodes.of(op)
        if plan.explanation:
            lines = [StringAttr(line) for line in plan.explanation]
            nodes.function.attributes[EXPLANATION] = ArrayAttr(lines)
        spread(ctx, op, plan)
        if plan.micro_batches > 1:
            count = IntegerAttr(plan.micro_batches, 64)
            nodes.function.attributes[MICRO_BATCHES] = count

    def _plan(self, ctx: Context, module: ModuleOp) -> PartitionPlan:
        if not self.bandwidth > 0:
            raise ValidationError(f"is {self.bandwidth}", where="bandwidth", hint="above 0")
        if not self.latency >= 0:
            raise ValidationError(f"is {self.latency}", where="latency", hint="not below 0")
        strategy = PartitionStrategy.of(self.strategy)
        if strategy is PartitionStrategy.MANUAL and self.plan:
            return PartitionPlan.load(self.plan)
        if self.plan:
            raise ValidationError("is given, but the strategy is not manual", where="plan")
        request = Request(
            ctx,
            module,
            sized(ctx, module, self.batch),
            devices_of(self.devices),
            Costs(measured=read_profile(self.profile) if self.profile else {}),
            Link(float(self.latency), 1.0 / self.bandwidth),
            seconds=self.seconds,
            tensor=self.tensor,
            stages=self.stages,
            micro_batches=self.micro_batches,
        )
        return make(request, strategy)


def spread(ctx: Context, module: ModuleOp, plan: PartitionPlan) -> None:
    """Partition a module, in place, as a plan says. Raises PassFailed when it does not suit."""
    nodes = Nodes.of(module)
    Spreading(nodes, plan).run()
    PfrtOutlinePass().apply(ctx, module)


def partitioned(ctx: Context, module: ModuleOp, plan: PartitionPlan) -> ModuleOp:
    """A partitioned copy of a module. Raises PassFailed."""
    copy = module.clone()
    spread(ctx, copy, plan)
    return copy

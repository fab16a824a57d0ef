"""Networks without some channels compute what they compute with these channels at zero."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from drawn_networks import Drawn, networks
from hypothesis import HealthCheck, Phase, given, seed, settings
from xdsl.dialects.builtin import ModuleOp

from pyflame_rt.backends.reference import ReferenceBackend
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.convolution import ConvOp
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.frontends.onnx import import_onnx
from pyflame_rt.frontends.onnx.export import export_onnx
from pyflame_rt.passes.cleanup.pfrt_optimize import PfrtOptimizePass
from pyflame_rt.passes.pruning.channel_costs import Cost, CostModel
from pyflame_rt.passes.pruning.channel_groups import ChannelGroups
from pyflame_rt.passes.pruning.channels import Budget, ChannelPlan, plan_channels
from pyflame_rt.passes.pruning.relations.kept import Kept
from pyflame_rt.universe import make_context

ort = pytest.importorskip("onnxruntime")

Array = np.ndarray[Any, Any]


def recounted(module: ModuleOp) -> Cost:
    """What a module costs as it is."""
    groups = ChannelGroups.of(module)
    return CostModel(module, groups).cost(Kept(groups.slots, np.ones(len(groups.slots), bool)))


def exported(module: ModuleOp, feeds: dict[str, Array]) -> list[Array]:
    """What onnxruntime computes of a module that is written as ONNX."""
    model = export_onnx(module, opset=None)
    onnx.checker.check_model(model)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def zeros_expected(plan: ChannelPlan) -> Callable[[PfrtOp, tuple[str, ...], Sequence[Array]], None]:
    """An observer of the dense model that requires zeros where channels go."""
    masks = plan.masks

    def observe(op: PfrtOp, names: tuple[str, ...], arrays: Sequence[Array]) -> None:
        owner = op.operands[1].owner if isinstance(op, ConvOp) and op.activation is None else None
        if not isinstance(owner, ConstantOp) or owner.names is None or op.residual is not None:
            return
        mask = masks.get(owner.names.data[0])
        if mask is not None:
            assert not arrays[0][:, ~mask.any(axis=(1, 2, 3))].any()

    return observe


def prunes(module: ModuleOp, network: Drawn, budget: Budget) -> bool:
    """Whether anything can go from a network; if so, it goes, and everything is as it should be."""
    plan = plan_channels(module, budget)
    if not plan.report.prunable:
        return False
    feeds = list(network.feeds.values())
    expected = ReferenceBackend().compile(plan.masked()).run(feeds, zeros_expected(plan))
    report = plan.apply()
    module.verify()
    assert recounted(module) == report.after
    assert any(group.removed for group in report.groups)
    limit = 1 - budget.amount
    if budget.of != "channels":
        fits = getattr(report.after, budget.of) <= limit * getattr(report.before, budget.of)
        assert fits or all(group.units - group.removed == 1 for group in report.groups)
    for mine, theirs in zip(exported(module, network.feeds), expected, strict=True):
        scale = max(1.0, float(np.abs(theirs).max()))
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=2e-5 * scale)
    return True


def share_pruned(number: int, count: int, amounts: tuple[float, ...], level: int = 1) -> float:
    """The share of so many drawn networks that could be pruned, each of them to every amount."""
    found: list[bool] = []

    @seed(number)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(networks())
    def run(network: Drawn) -> None:
        measure = ("channels", "flops", "parameters")[len(found) % 3]
        module = import_onnx(network.model)
        PfrtOptimizePass(level).apply(make_context(), module)
        budgets = [Budget(amount, measure) for amount in amounts]
        found.append(all(prunes(module.clone(), network, budget) for budget in budgets))

    run()
    return sum(found) / len(found)


def test_drawn_networks():
    """A few of every kind, to 30 %."""
    assert share_pruned(1, 15, (0.3,)) >= 0.95


def test_fused_forms():
    """Levels above 1 leave residuals, activations and fused attention, which are followed too."""
    assert share_pruned(2, 8, (0.3,), level=2) >= 0.8


def test_as_imported():
    """Level 0: shapes, axes and such are constant operands still."""
    assert share_pruned(3, 8, (0.3,), level=0) >= 0.9


@pytest.mark.slow
def test_many_drawn_networks():
    """At least 95 % of 200 networks can be pruned, to 30 % and to 50 %."""
    assert share_pruned(4, 200, (0.3, 0.5)) >= 0.95

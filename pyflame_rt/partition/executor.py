"""Running a plan: the stages that it cuts its model into, each on its device."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyflame_rt import compiler
from pyflame_rt.compiler import Program, TensorSpec
from pyflame_rt.errors import SettingError, ValidationError
from pyflame_rt.partition.batches import Batching
from pyflame_rt.partition.stage_executor import StageExecutor
from pyflame_rt.partition.transports import Transport

if TYPE_CHECKING:
    from pyflame_rt.graph import Graph
    from pyflame_rt.partition.plan import PartitionPlan

__all__ = ["PartitionedExecutor", "StageExecutor"]


class PartitionedExecutor(StageExecutor):
    """A plan at work: as StageExecutor, of the stages that a plan cuts its model into.

    `model` is a model file or Graph; without one the plan must be fresh from a partitioner, which
    attached it. `micro_batches` defaults to the plan's.
    """

    def __init__(
        self,
        plan: PartitionPlan,
        model: str | os.PathLike[str] | Graph | Program | None = None,
        *,
        transport: str | Transport | None = None,
        micro_batches: int | None = None,
        in_flight: int = 0,
        threads: int = 0,
        level: int = 2,
    ):
        from pyflame_rt.partition.plan import stages

        program = _program(plan, model)
        inputs, outputs = compiler.signature(program.module)
        cut = stages(program.module, plan, program.ctx)
        devices = {stage.device.target for stage in cut}
        super().__init__(
            cut,
            inputs,
            outputs,
            transport=transport or ("processes" if len(devices) > 1 else "threads"),
            micro_batches=_micro_batches(plan, inputs, outputs, micro_batches),
            in_flight=in_flight,
            threads=threads,
            level=level,
            # Data lies already as it did in the whole model: the same bits as in one piece.
            lowering=0,
        )


def _micro_batches(
    plan: PartitionPlan,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    asked: int | None,
) -> int:
    """What is asked for, else the plan's number, if the model has a batch that can be cut."""
    if asked is not None:
        return asked
    try:
        Batching.of(inputs, outputs)
    except SettingError:
        return 1
    return plan.micro_batches


def _program(
    plan: PartitionPlan, model: str | os.PathLike[str] | Graph | Program | None
) -> Program:
    if model is None:
        program: Program | None = getattr(plan, "program", None)
        if program is None:
            raise ValidationError(
                "the plan has no model", where="PartitionedExecutor", hint="give it as well"
            )
        return program
    if isinstance(model, Program):
        return model
    if isinstance(model, str | os.PathLike):
        return compiler.load(os.fspath(model))
    return model.program()

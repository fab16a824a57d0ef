"""What a network takes and uses, without the code of its tiles."""

from __future__ import annotations

from collections.abc import Mapping

from xdsl.dialects.builtin import ModuleOp

from pyflame_rt.dialects.wse.builder import ProgramBuilder
from pyflame_rt.passes.wse.emitting import program as building
from pyflame_rt.passes.wse.emitting.contraction import ContractionEmitter
from pyflame_rt.passes.wse.emitting.fabric import declare
from pyflame_rt.passes.wse.emitting.interface import Network
from pyflame_rt.passes.wse.emitting.machine import CONSTANTS
from pyflame_rt.passes.wse.emitting.memory import allocate


def predict(network: Network) -> Mapping[str, float]:
    """Predicted cycles by step. Raises PassFailed for what does not fit together or in a PE's memory."""
    steps = building.emitters(network)
    buffers = building.buffers_of(network, steps)
    allocate(buffers.values(), f"network {network.name!r}")
    machine = CONSTANTS[network.machine]
    return {step.name: step.predicted(machine) for step in steps}


def choices(network: Network) -> Mapping[str, Mapping[str, str | int]]:
    """What the emitters of contractions chose: the form of the product, the reduction, blocks of rows."""
    return {
        step.name: {
            "form": step.product.form,
            "reduce": "ring" if step.reduction.ring else "chain",
            "blocks": -(-step.source.value.slots // step.slots_at_a_time),
        }
        for step in building.emitters(network)
        if isinstance(step, ContractionEmitter)
    }


def fabric(network: Network) -> ModuleOp:
    """A program with the colours and routes of all steps, and nothing else."""
    program = ProgramBuilder(network.name, network.columns, network.rows)
    used = building.lines_used(building.emitters(network))
    declare(program, used)
    return ModuleOp([program.op])

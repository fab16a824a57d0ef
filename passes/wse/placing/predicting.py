"""What a network takes and uses, without the code of its tiles."""

from __future__ import annotations

from collections.abc import Mapping

from xdsl.dialects.builtin import ModuleOp

from pyflame_rt.dialects.wse.builder import ProgramBuilder
from pyflame_rt.passes.wse.emitting import program as building
from pyflame_rt.passes.wse.emitting.contraction import ContractionEmitter
from pyflame_rt.passes.wse.emitting.grouped import GroupedEmitter
from pyflame_rt.passes.wse.emitting.interface import Network
from pyflame_rt.passes.wse.emitting.step import Emitter
from pyflame_rt.passes.wse.emitting.streaming import StreamedEmitter
from pyflame_rt.passes.wse.emitting.strips import Strip, edge_of, strips_of


def predict(network: Network) -> Mapping[str, float]:
    """Predicted cycles by step. Raises PassFailed for what does not fit together or in a PE's memory."""
    return building.predict(network, _built(network))


def _built(network: Network) -> list[tuple[Strip, list[Emitter]]]:
    return [(strip, building.emitters(strip)) for strip in strips_of(network)]


def choices(network: Network) -> Mapping[str, Mapping[str, str | int]]:
    """What the emitters of contractions chose: the form of the product, the reduction, blocks of rows."""
    found: dict[str, Mapping[str, str | int]] = {}
    for step in (step for _, steps in _built(network) for step in steps):
        if not isinstance(step, ContractionEmitter):
            continue
        chosen: dict[str, str | int] = {
            "form": step.product.form,
            "reduce": "none" if isinstance(step, GroupedEmitter) else step.reduction.way,
            "blocks": -(-step.source.value.slots // step.slots_at_a_time),
        }
        if isinstance(step, StreamedEmitter):
            chosen |= {"weights": "streamed", "rounds": step.rounds}
        found[step.name] = chosen
    return found


def fabric(network: Network) -> ModuleOp:
    """A program with the colours and routes of all steps, and nothing else."""
    width = network.columns + edge_of(network)
    program = ProgramBuilder(network.name, width, network.rows)
    building.declare_routes(program, _built(network))
    return ModuleOp([program.op])

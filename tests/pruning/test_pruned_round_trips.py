"""Pruned networks mean the same at every level and in every file."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from drawn_networks import Drawn, networks
from hypothesis import HealthCheck, Phase, given, seed, settings

from pyflame_rt import Graph, InferenceSession, compiler, module_files, pruning
from pyflame_rt.backends.reference import ReferenceBackend
from pyflame_rt.frontends.onnx.export import export_onnx
from pyflame_rt.frontends.pfm import dump_pfm, read_pfm
from pyflame_rt.pruning import PruningConfig, PruningGranularity, WeightPruner
from pyflame_rt.universe import make_context

ort = pytest.importorskip("onnxruntime")

CONFIGS = (
    PruningConfig.magnitude_pruning(0.9),
    PruningConfig.nm_sparsity(2, 4),
    PruningConfig(target_sparsity=0.9, granularity=PruningGranularity.BLOCK),
    PruningConfig.structured_pruning(0.3),
)


def pruned(network: Drawn, config: PruningConfig) -> Graph:
    """A network whose channels went first, and then weights of what is left."""
    graph = Graph.of_program(compiler.load(network.model))
    channels = PruningConfig.structured_pruning(0.2)
    return WeightPruner(config).prune(WeightPruner(channels).prune(graph))


def holds(network: Drawn, config: PruningConfig, folder: Path) -> None:
    """Compare a pruned network by the interpreter with all else that runs it."""
    graph = pruned(network, config)
    module, feeds = graph.program().module, list(network.feeds.values())
    wanted = ReferenceBackend().compile(module).run(feeds)

    def same(found: list[np.ndarray]) -> None:
        for mine, theirs in zip(found, wanted, strict=True):
            scale = max(1.0, float(np.abs(theirs).max()))
            np.testing.assert_allclose(mine, theirs, rtol=0, atol=3e-5 * scale)

    for level in range(4):
        same(InferenceSession(graph, optimization_level=level).run(None, network.feeds))
    stream = io.BytesIO()
    dump_pfm(module, stream)
    module_files.save(module, folder / "m.mlir")
    model = export_onnx(module, opset=None)
    again = [
        read_pfm(stream.getvalue(), make_context(), verify=True),
        module_files.load(folder / "m.mlir", make_context()),
        compiler.load(model.SerializeToString()).module,
    ]
    masks = pruning.masks_of(graph)
    for other in again:
        for mine, theirs in zip(ReferenceBackend().compile(other).run(feeds), wanted, strict=True):
            assert mine.tobytes() == theirs.tobytes()
    for other in again[:2]:
        program = compiler.Program(make_context(), other, "m")
        found = pruning.masks_of(Graph.of_program(program))
        assert found.keys() == masks.keys()
        assert all(np.array_equal(found[n].mask, mask.mask) for n, mask in masks.items())
    model.ir_version = min(model.ir_version, 10)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    same(session.run(None, network.feeds))


def drawn(number: int, count: int, folder: Path) -> None:
    """Hold so many drawn networks to it, each pruned in one of the ways."""
    tried: list[int] = []

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
        holds(network, CONFIGS[len(tried) % len(CONFIGS)], folder)
        tried.append(1)

    run()


def test_drawn_networks_in_every_form(tmp_path):
    """Single weights and 2:4; the others in the slow test."""
    drawn(5, 2, tmp_path)


@pytest.mark.slow
def test_many_drawn_networks_in_every_form(tmp_path):
    """Some more of them."""
    drawn(6, 12, tmp_path)

"""Optimisation changes nothing on random graphs, at any level, in any way to run them."""

from __future__ import annotations

import numpy as np
import pytest
from agreement import single_passes
from agreement.ways import Examination
from hypothesis import HealthCheck, Phase, given, seed, settings
from random_graphs import CHUNK, Graph, graph_of, graphs

from pyflame_rt import module_files
from pyflame_rt.universe import PFRT_UNIVERSE

PARTS = 10
GRAPHS = 5_000
"""Graphs of the slow test, in all its parts."""


def check(number: int, count: int, complaints) -> None:
    """No graph of so many gives rise to a complaint; a failing one is shrunk and printed."""

    @seed(number)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(graphs())
    def run(graph: Graph) -> None:
        found = complaints(graph)
        assert not found, "\n".join((*found, module_files.to_text(graph.module)))

    run()


def at_level_3(graph: Graph) -> list[str]:
    """The dynamic plan of level 3 on every feed."""
    return Examination(graph.module, graph.feeds, levels=(3,), specialise=()).complaints()


def at_every_level(graph: Graph) -> list[str]:
    """Dynamic plans of every level, and plans of levels 2 and 3 for every feed."""
    return Examination(graph.module, graph.feeds).complaints()


def after_each_pass(graph: Graph) -> list[str]:
    """Every pass alone."""
    return single_passes.complaints(graph.module, graph.feeds, single_passes.spellings())


def test_every_level():
    """Levels 0 to 3 agree, on dynamic plans and on plans for each feed."""
    check(1, 60, at_every_level)


def test_every_pass():
    """Each pass alone leaves a valid module of the same results."""
    check(2, 30, after_each_pass)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_level_3(part: int):
    """What is run by default agrees with the highest level."""
    check(100 + part, GRAPHS // PARTS, at_level_3)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(2))
def test_every_level_at_length(part: int):
    """As `test_every_level`, on more graphs."""
    check(200 + part, 75, at_every_level)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(2))
def test_every_pass_at_length(part: int):
    """As `test_every_pass`, on more graphs."""
    check(300 + part, 75, after_each_pass)


def test_every_pass_is_run_or_explained():
    """No pass is left out by accident."""
    spelled = {text.partition("{")[0] for text in single_passes.spellings()}
    assert spelled | set(single_passes.OTHERWISE) == set(PFRT_UNIVERSE.all_passes)
    assert not spelled & set(single_passes.OTHERWISE)


def test_graphs_are_diverse():
    """A few hundred graphs have most op kinds, every kind of dtype, regions and symbolic dims."""
    generator = np.random.default_rng(0)
    drawn = [graph_of(generator.bytes(12 * CHUNK)) for _ in range(150)]
    kinds = set[str]().union(*(graph.op_kinds() for graph in drawn))
    assert len(kinds) >= 100
    assert {"pfrt.if", "pfrt.loop", "pfrt.scan", "pfrt.conv", "pfrt.attention"} - kinds <= {
        "pfrt.attention"
    }
    texts = "\n".join(str(graph.module) for graph in drawn)
    for element in ("f32", "f64", "f16", "i64", "i32", "i1"):
        assert f"x{element}>" in texts
    assert sum(len(graph.feeds) > 1 for graph in drawn) > 50
    assert "?x" in texts


def test_zeros_are_the_simplest_graph():
    """What hypothesis shrinks to: no ops."""
    assert graph_of(bytes(12 * CHUNK)).op_kinds() == set()

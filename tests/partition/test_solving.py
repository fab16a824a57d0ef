"""The solver against all placements of small graphs, and its command."""

from __future__ import annotations

import itertools
import json
import random

import pytest
from click.testing import CliRunner

from pyflame_rt.errors import ValidationError
from pyflame_rt.partition import solve as command
from pyflame_rt.passes.partitioning.solving.exact import solve
from pyflame_rt.passes.partitioning.solving.linear import best_split
from pyflame_rt.passes.partitioning.solving.problem import Machine, Problem


def drawn(number: int) -> Problem:
    """A random graph of few nodes, and devices that may differ in speed, link and memory."""
    rng = random.Random(number)
    count, devices = rng.randint(1, 6), rng.randint(1, 3)
    edges = [(a, b) for a in range(count) for b in range(a + 1, count) if rng.random() < 0.4]
    memory = [rng.randint(0, 9) for _ in range(count)]
    limit = max(memory) + sum(memory) // devices if rng.random() < 0.5 else None
    uniform = rng.random() < 0.5
    machines = [
        Machine(
            1.0 if uniform else rng.choice([0.5, 1.0, 2.0]),
            limit if limit is None or uniform else limit + rng.randint(0, 3),
            0.25,
            0.125 if uniform else rng.choice([0.0, 0.125, 0.5]),
        )
        for _ in range(devices)
    ]
    group = (tuple(rng.sample(range(count), 2)),) if count > 2 and rng.random() < 0.4 else ()
    return Problem(
        tuple(float(rng.randint(0, 8)) for _ in range(count)),
        tuple(memory),
        tuple(float(rng.randint(0, 8)) for _ in range(count)),
        tuple(edges),
        tuple(machines),
        rng.random() < 0.6,
        group,
    )


def is_row(problem: Problem, places: tuple[int, ...]) -> bool:
    """Whether devices can stand in a row in which values go one way."""
    count = len(problem.machines)
    return any(
        all(row[places[a]] <= row[places[b]] for a, b in problem.edges)
        for row in itertools.permutations(range(count))
    )


def least(problem: Problem) -> float | None:
    """The least largest load of all placements there are."""
    every = itertools.product(range(len(problem.machines)), repeat=len(problem.costs))
    loads = [
        max(problem.loads(places))
        for places in every
        if problem.why_not(places) is None and (not problem.is_pipeline or is_row(problem, places))
    ]
    return min(loads, default=None)


@pytest.mark.parametrize("number", range(40))
def test_what_is_found_is_the_best_there_is(number: int):
    """Devices alike and not, memory, groups, rows and any order: as trying all of them finds."""
    pytest.importorskip("ortools")
    problem = drawn(number)
    best = least(problem)
    if best is None:
        with pytest.raises(ValidationError):
            solve(problem, 5.0, workers=1)
        return
    found = solve(problem, 5.0, workers=1)
    assert problem.why_not(found.places) is None
    assert not problem.is_pipeline or is_row(problem, found.places)
    assert found.load == pytest.approx(best)
    assert found.bound <= best + 1e-9
    assert found.gap < 1e-6


@pytest.mark.parametrize("number", range(40, 60))
def test_the_dynamic_programme_keeps_the_rules(number: int):
    """It is never better than the best, and what it says it finds holds."""
    problem = drawn(number)
    places = best_split(problem)
    if places is None:
        return
    assert problem.why_not(places) is None
    best = least(problem)
    assert best is not None
    assert max(problem.loads(places)) >= best - 1e-9


def test_without_the_solver_a_chain_is_still_split_best(monkeypatch: pytest.MonkeyPatch):
    """A chain has one order: the dynamic programme finds the best; the bound is what is even."""
    monkeypatch.setitem(__import__("sys").modules, "ortools.sat.python", None)
    chain = Problem(
        (3.0, 1.0, 4.0, 1.0, 5.0),
        (0,) * 5,
        (1.0,) * 5,
        tuple((i, i + 1) for i in range(4)),
        (Machine(beta=0.5),) * 2,
    )
    found = solve(chain)
    assert found.method == "linear order"
    assert found.load == least(chain)
    assert found.bound == 7.0
    assert 0 < found.gap < 0.2


def test_a_graph_that_fits_no_device_is_an_error():
    with pytest.raises(
        ValidationError, match="node 1: needs 9 bytes, and the largest device has 4"
    ):
        solve(Problem((1.0, 1.0), (1, 9), (0.0, 0.0), (), (Machine(memory=4),) * 3))
    with pytest.raises(ValidationError, match="the nodes need 12 bytes, and the devices have 8"):
        solve(Problem((1.0,) * 4, (3,) * 4, (0.0,) * 4, (), (Machine(memory=4),) * 2))
    with pytest.raises(ValidationError, match="edges: they form a circle"):
        solve(Problem((1.0, 1.0), (0, 0), (0.0, 0.0), ((0, 1), (1, 0)), (Machine(),) * 2))


GRAPH = {
    "nodes": [
        {"id": "a", "cost": 4, "memory": 10},
        {"id": "b", "cost": 3, "memory": 10, "colocate": "g"},
        {"id": 7, "cost": 5, "memory": 10, "colocate": "g"},
    ],
    "edges": [{"src": "a", "dst": "b", "bytes": 2}, {"src": "a", "dst": 7, "bytes": 2}],
}


def test_the_command_reads_a_graph_and_says_the_gap(tmp_path):
    """`python -m pyflame_rt.partition.solve FILE --devices 2 --json`."""
    path = tmp_path / "graph.json"
    path.write_text(json.dumps(GRAPH))
    options = [str(path), "--devices", "2", "--bandwidth", "4", "--memory", "20"]
    result = CliRunner().invoke(command.main, [*options, "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert found["max_load"] == 8.5
    assert found["gap"] < 1e-6
    assert [row["id"] for row in found["placement"]] == ["a", "b", 7]
    assert [row["device"] for row in found["placement"]] == [0, 1, 1]
    text = CliRunner().invoke(command.main, options).output
    assert "max load 8.5, proven bound 8.5, gap 0.000%" in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("{", "is no JSON"),
        ('{"nodes": 1}', "nodes: is 1, and should be a list"),
        ('{"nodes": [{"id": 1}], "edges": []}', "nodes[0].cost: is null"),
        ('{"nodes": [{"id": 1, "cost": -1}], "edges": []}', "nodes[0].cost: is -1"),
        (
            '{"nodes": [{"id": 1, "cost": 1}], "edges": [{"src": 1, "dst": 2}]}',
            "edges[0].dst: there is no node 2",
        ),
    ],
)
def test_what_is_wrong_with_a_graph_is_said(tmp_path, change: str, said: str):
    path = tmp_path / "graph.json"
    path.write_text(change)
    result = CliRunner().invoke(command.main, [str(path), "--devices", "2"])
    assert result.exit_code == 2
    assert said in result.output

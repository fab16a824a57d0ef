"""Each benchmark's program takes the cycles that were published, and computes what NumPy computes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from xdsl.parser import Parser

from pyflame_rt.backends.wse.bench import benchmark, benchmarks, columns, fmacs, two_phase_reduce
from pyflame_rt.backends.wse.bench.base import BenchmarkError, Expected, Row, Value
from pyflame_rt.backends.wse.bench.running import Result, run
from pyflame_rt.backends.wse.bench.validation import Line, fits, lines, sets, table
from pyflame_rt.backends.wse.loading.loader import load
from pyflame_rt.backends.wse.machine import MACHINES, machine
from pyflame_rt.backends.wse.sim import jit
from pyflame_rt.errors import ValidationError
from pyflame_rt.universe import make_context

# Those of other people's whole programs have tests of their own.
_PROGRAMS = ("gemv-collectives", "summa", "course-gemm")
_ROWS = [
    pytest.param(
        bench.name, row, id=f"{bench.name}-{row.machine}-{'-'.join(map(str, row.values.values()))}"
    )
    for bench in benchmarks()
    for row in bench.rows
    if bench.name not in _PROGRAMS and not row.slow
]
_SLOW = [
    pytest.param(bench.name, row, id=f"{bench.name}-{'-'.join(map(str, row.values.values()))}")
    for bench in benchmarks()
    for row in bench.rows
    if bench.name not in _PROGRAMS and row.slow
]
_NAMES = [bench.name for bench in benchmarks() if bench.name not in _PROGRAMS]
_DOCUMENT = Path(__file__).parents[3] / "docs" / "wse_validation.md"


def _take(name: str, on: str, **values: Value) -> Result:
    bench = benchmark(name)
    return run(bench, bench.params(values), MACHINES[on], jit=False)


def _documented() -> list[tuple[str, ...]]:
    texts = _DOCUMENT.read_text(encoding="utf-8").splitlines()
    rows = [text for text in texts if text.startswith("| ")]
    return [tuple(cell.strip() for cell in row.strip("|").split("|")) for row in rows]


@pytest.mark.parametrize(("name", "row"), _ROWS)
def test_a_row_of_the_table_is_reproduced(name: str, row: Row) -> None:
    """Within the published tolerance, numerically right, and as docs/wse_validation.md says."""
    bench = benchmark(name)
    result = run(bench, bench.params(row.values), MACHINES[row.machine], jit=False)
    assert result.within is not False
    assert Line(row, result).cells() in _documented()


@pytest.mark.skipif(not jit.available(), reason="needs numba")
@pytest.mark.slow
@pytest.mark.parametrize(("name", "row"), _SLOW)
def test_a_large_row_of_the_table_is_reproduced(name: str, row: Row) -> None:
    """The published sizes: 512 PEs with 4,096 words each."""
    bench = benchmark(name)
    result = run(bench, bench.params(row.values), MACHINES[row.machine], jit=True)
    assert result.within
    assert Line(row, result).cells() in _documented()


@pytest.mark.skipif(not jit.available(), reason="needs numba")
@pytest.mark.slow
def test_groups_differ_as_published() -> None:
    """B5: differences between group sizes are within three cycles."""
    bench = benchmark("two-phase-reduce")
    apart = [
        published
        - run(
            bench,
            bench.params({"pes": 512, "words": 4096, "group": group}),
            MACHINES["wse2"],
            jit=True,
        ).counts.cycles
        for group, published in two_phase_reduce.MEASURED.items()
    ]
    assert max(apart) - min(apart) <= 3


def test_the_document_has_every_row_of_every_benchmark() -> None:
    """A row that is added to a benchmark shows up in docs/wse_validation.md, also a slow one."""
    documented = {(row[0], row[1], row[2]) for row in _documented() if len(row) > 3}
    for bench in benchmarks():
        for row in bench.rows:
            assert (row.label, bench.name, row.machine) in documented


@pytest.mark.parametrize("on", sorted(MACHINES))
@pytest.mark.parametrize("name", _NAMES)
def test_every_benchmark_runs_on_every_machine(name: str, on: str) -> None:
    """With small parameters; results are checked against NumPy inside of `run`."""
    small = {"pes": 6, "words": 24, "group": 3, "n": 64, "width": 3, "height": 2}
    values = {key: value for key, value in small.items() if key in benchmark(name).parameters}
    assert _take(name, on, **values).counts.cycles > 0


@pytest.mark.parametrize("on", ["wse2", "wse3"])
@pytest.mark.parametrize("pes", [2, 3, 5, 8, 9])
def test_reductions_are_right_for_every_size(pes: int, on: str) -> None:
    """Short last groups, odd groups, groups of one, trees that are not full."""
    for words in (1, 7):
        _take("tree-reduce", on, pes=pes, words=words)
        for group in range(1, pes + 1):
            _take("two-phase-reduce", on, pes=pes, words=words, group=group)


def test_a_tree_of_many_rounds_binds_a_queue_again() -> None:
    """A PE with nine rounds has eight queues."""
    if not jit.available():
        pytest.skip("needs numba")
    bench = benchmark("tree-reduce")
    params = bench.params({"pes": 512, "words": 2})
    assert run(bench, params, MACHINES["wse2"], jit=True).counts.cycles > 0


@pytest.mark.parametrize(("pes", "factor"), [(4, 8), (8, 4), (16, 16), (32, 4)])
def test_tree_reduce_follows_the_model(pes: int, factor: int) -> None:
    """B6 at sizes that are not in the table."""
    assert _take("tree-reduce", "wse2", pes=pes, words=factor * pes).within


def test_the_model_of_the_tree_is_only_compared_where_it_holds() -> None:
    """Short vectors and rows that are no power of two have no published count."""
    assert _take("tree-reduce", "wse2", pes=8, words=16).expected is None
    assert _take("tree-reduce", "wse2", pes=6, words=64).expected is None
    assert _take("tree-reduce", "wse3", pes=8, words=64).expected is None


def test_a_count_is_measured_and_not_the_formula() -> None:
    """A slower hop moves the count; what was published stays."""
    bench = benchmark("p2p")
    result = run(
        bench, bench.params({"hops": 5}), machine("wse3", ["hop=4", "router_depth=8"]), jit=False
    )
    assert result.expected is not None
    assert result.counts.cycles == result.expected.cycles + 10
    assert result.within is False


def test_a_wrong_result_is_an_error() -> None:
    """`fmacs` with its vectors in the same banks is not what `aligned` says."""
    bench = fmacs.BENCHMARK
    conflict = bench.params({"n": 50, "placement": "conflict"})
    wrong = dataclasses.replace(bench, build=lambda params, machine: bench.build(conflict, machine))
    with pytest.raises(BenchmarkError, match="1 ops in conflict"):
        run(wrong, bench.params({"n": 50}), MACHINES["wse2"], jit=False)
    other = dataclasses.replace(bench, inputs=lambda params: _without_noise(bench.inputs(params)))
    with pytest.raises(BenchmarkError, match="'a' is not what NumPy computes"):
        run(
            dataclasses.replace(other, launches=("arm",)),
            bench.params({"n": 50}),
            MACHINES["wse2"],
            jit=False,
        )


def _without_noise(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.ones_like(values) for name, values in inputs.items()}


@pytest.mark.parametrize("name", _NAMES)
def test_text_of_a_benchmark_is_the_same_program(name: str) -> None:
    """What `--emit` prints parses, loads, and says which costs are declared."""
    bench = benchmark(name)
    target = MACHINES[bench.machine]
    module = bench.build(bench.params(), target)
    again = Parser(make_context(), str(module)).parse_module()
    first, second = load(module, target), load(again, target)
    assert np.array_equal(first.image.routes, second.image.routes)
    for one, other in zip(first.image.programs, second.image.programs, strict=True):
        assert np.array_equal(one.code, other.code)
    assert first.costs == {cost.name: (cost.cycles,) for cost in bench.declared}


def test_columns_become_few_slices() -> None:
    """Every column once, in runs of the given period."""
    found = columns.slices([1, 2, 3, 10, 18, 40], 8)
    assert found == [range(1, 4), range(10, 19, 8), range(40, 41)]
    assert columns.slices([], 4) == []


def test_tables_are_readable() -> None:
    """Rows, verdicts, the errors of each set on its own, and what was fitted."""
    bench = benchmark("data-task")
    row = Row("B13", "wse3", {"words": 5})
    fitted = Line(row, run(bench, bench.params(row.values), MACHINES["wse3"], jit=False))
    assert fitted.verdict == "fitted"
    bench = benchmark("p2p")
    row = Row("B1", "wse3", {"hops": 2})
    params = bench.params(row.values)
    missed = Line(row, run(bench, params, machine("wse3", ["ramp_up=5"]), jit=False))
    assert missed.verdict == "MISS"
    assert "| MISS   |" in table([fitted, missed])
    assert "| B13 | calibrated | 0           |" in sets([fitted, missed])
    assert "`start-up` = 28" in fits()
    assert all(not line.row.slow for line in lines(slow=False, jit=False, only=("p2p",)))


def test_a_tolerance_is_a_fraction_or_cycles() -> None:
    """The larger of the two counts."""
    assert Expected(100, "", "validated", relative=0.02).allows(102)
    assert not Expected(100, "", "validated", relative=0.02).allows(103)
    assert Expected(10, "", "validated", absolute=1).allows(9)
    assert not Expected(10, "", "validated").allows(11)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("two-phase-reduce", {"pes": 4, "group": 5}, "a group of 5 PEs in a row of 4"),
        ("fmach", {"n": 100}, "n = 100 is not a multiple of tile = 16"),
        ("gemv-tile", {"rows": 200, "cols": 200}, "a 200 x 200 tile needs 161664 bytes"),
        ("broadcast-2d", {"width": 1, "height": 1}, "a broadcast needs two PEs"),
    ],
)
def test_parameters_that_do_not_go_together(
    name: str, values: dict[str, Value], message: str
) -> None:
    """One line that says why."""
    with pytest.raises(ValidationError, match=message):
        _take(name, "wse3", **values)

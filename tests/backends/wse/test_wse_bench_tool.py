"""`pfrt-wse-bench` as a command: what it prints, and its errors of one line."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from pyflame_rt.backends.wse.bench import MODULES, benchmark, validation
from pyflame_rt.tools import pfrt_wse_bench


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = pfrt_wse_bench.main(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def _json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    code, out, err = _run(capsys, *arguments, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


def test_json_has_the_documented_keys(capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts read name, machine, params, cycles, expected and source."""
    found = _json(capsys, "p2p", "--machine", "wse3", "--set", "hops=1", "--set", "words=8")
    assert found["name"] == "p2p"
    assert found["machine"] == "wse3"
    assert found["params"] == {"hops": 1, "words": 8}
    assert (found["cycles"], found["expected"]) == (19, 19)
    assert "FABRICA" in found["source"]
    assert (found["kind"], found["within"], found["scored"]) == ("validated", True, True)


def test_expected_is_null_where_nothing_was_published(capsys: pytest.CaptureFixture[str]) -> None:
    """On silicon nobody published a point-to-point count."""
    found = _json(capsys, "p2p", "--machine", "wse3-si")
    assert found["expected"] is None
    assert found["source"] is None
    assert found["cycles"] > 19


def test_parameters_of_every_kind(capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers, choices and flags, and the machine that was published by default."""
    found = _json(
        capsys, "fmacs", "--set", "n=100", "--set", "placement=aligned", "--set", "load-dsds=true"
    )
    assert found["machine"] == "wse2"
    assert found["params"] == {"n": 100, "placement": "aligned", "load-dsds": True}
    assert found["cycles"] == 134


def test_a_constant_of_the_machine_is_overridden(capsys: pytest.CaptureFixture[str]) -> None:
    """--set-const moves the count and leaves what was published."""
    found = _json(capsys, "p2p", "--set", "hops=4", "--set-const", "hop=3")
    assert found["cycles"] == found["expected"] + 4
    assert found["within"] is False


def test_words_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    """Cycles, what was published, the error, and the declared costs."""
    code, out, _ = _run(capsys, "chain-reduce", "--set", "pes=4", "--set", "words=16")
    assert code == 0
    assert "chain-reduce on wse2 (pes=4, words=16): 90 cycles" in out
    assert "published: 90" in out
    assert "declared: start-up = 28" in out
    _, out, _ = _run(capsys, "multicast", "--set", "words=4")
    assert "nothing was published" in out


def test_the_program_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """--emit prints IR and runs nothing."""
    code, out, _ = _run(capsys, "store-forward", "--emit")
    assert code == 0
    assert "wse.program @store_forward" in out


def test_the_list_names_everything(capsys: pytest.CaptureFixture[str]) -> None:
    """Each benchmark with its parameters and defaults."""
    code, out, _ = _run(capsys, "--list")
    assert code == 0
    for name in MODULES:
        assert f"\n{name}: " in f"\n{out}"
    assert "  load-dsds=false" in out
    assert "  placement=aligned  bank classes of the vectors (aligned | conflict)" in out


def test_sensitivity_names_the_constants_that_matter(capsys: pytest.CaptureFixture[str]) -> None:
    """p2p over three hops: a cycle a hop; bank conflicts are nothing to it."""
    code, out, _ = _run(capsys, "p2p", "--set", "hops=3", "--sensitivity")
    assert code == 0
    row = next(line.split() for line in out.splitlines() if line.startswith("hop "))
    assert row == ["hop", "2", "->", "3", "+3"]
    assert "bank_conflict" in out.splitlines()[-1]
    (found,) = _json_list(capsys, "p2p", "--sensitivity", "--json")
    assert found["constants"]["hop"]["cycles"] == {"p2p": 20}


def _json_list(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    code, out, _ = _run(capsys, *arguments)
    assert code == 0
    return json.loads(out)


def test_all_prints_the_tables(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows, the errors of each set, what was fitted; a miss is a failure."""
    outcome = validation.lines(slow=False, jit=False, only=("p2p", "fmacs"))
    bad = validation.lines(slow=False, jit=False, only=("faddh",), settings=["memory_dispatch=9"])
    monkeypatch.setattr(validation, "lines", lambda **options: outcome)
    code, out, _ = _run(capsys, "--all", "--quick")
    assert code == 0
    table, sets, fits = out.split("\n\n")
    assert table.count("\n") == len(outcome) + 1
    assert "| B9  | validated | 3 " in sets
    assert "start-up" in fits
    records = _json_list(capsys, "--all", "--json")
    assert [record["row"] for record in records] == [line.row.label for line in outcome]
    monkeypatch.setattr(validation, "lines", lambda **options: bad)
    code, out, _ = _run(capsys, "--all")
    assert code == 1
    assert "MISS" in out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "name a benchmark, or --all; benchmarks: p2p, "),
        (["p3p"], 1, "there is no benchmark 'p3p'; benchmarks: p2p, store-forward, "),
        (["p2p", "--set", "hop=1"], 1, "p2p has no parameter 'hop'; parameters: hops, words"),
        (["p2p", "--set", "hops"], 1, "hops is a number from 1 to 749, not ''"),
        (["p2p", "--set", "hops=0"], 1, "hops is a number from 1 to 749, not '0'"),
        (["p2p", "--set", "hops=１"], 1, "hops is a number from 1 to 749"),
        (["p2p", "--set", f"words={'9' * 5000}"], 1, "words is a number from 1 to 12000"),
        (["fmacs", "--set", "placement=up"], 1, "placement has no value 'up'; one of aligned, "),
        (["fmacs", "--set", "load-dsds=1"], 1, "load-dsds is true or false, not '1'"),
        (["p2p", "--machine", "wse4"], 1, "there is no machine 'wse4'; machines: wse2, wse3"),
        (["p2p", "--set-const", "hops=1"], 1, "'hops=1' does not set a constant of the machine"),
        (["p2p", "--set-const", "hop=x"], 1, "'x' is not a value of the machine's hop"),
        (["p2p", "--set-const", "cycle_limit=10"], 1, "the program still runs after 10 cycles"),
        (["fmach", "--set", "mode=map", "--set", "n=12000", "--set", "tile=1"], 0, ""),
        (["gemv-tile", "--set", "rows=9000", "--set", "cols=9"], 1, "a 9000 x 9 tile needs"),
        (["p2p", "--bogus"], 2, "No such option"),
        (["p2p", "--all"], 2, "--all takes no benchmark"),
        (["p2p", "--quick"], 2, "--quick goes with --all"),
    ],
    ids=lambda value: "-".join(value)[:40] if isinstance(value, list) else None,
)
def test_errors_are_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    """What is wrong and what to write instead."""
    found, _, err = _run(capsys, *arguments)
    assert found == code
    assert err.count("\n") == (1 if message else 0)
    assert message in err


def test_help_loads_neither_numpy_nor_xdsl_dialects() -> None:
    """--help answers at once, and names every benchmark."""
    code = (
        "import sys\nfrom pyflame_rt.tools import pfrt_wse_bench\npfrt_wse_bench.main(['--help'])\n"
        "assert 'numpy' not in sys.modules, 'numpy'\n"
        "assert 'xdsl.dialects.builtin' not in sys.modules, 'xdsl'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--sensitivity" in done.stdout
    assert "course-gemm" in done.stdout


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_benchmark_is_found_by_its_name(name: str) -> None:
    """The registry's names are the benchmarks' own; defaults pass their own checks."""
    found = benchmark(name)
    assert found.name == name
    for key, parameter in found.parameters.items():
        text = str(parameter.default)
        text = text.lower() if isinstance(parameter.default, bool) else text
        assert found.parse((f"{key}={text}",)).values == found.params().values

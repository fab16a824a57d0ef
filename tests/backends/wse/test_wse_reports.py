"""What a run reports is what happened: counters known by hand, and files that others can read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyflame_rt.backends.wse.machine import WSE2, WSE3, Machine
from pyflame_rt.backends.wse.reports import files, heat_map, page, plain, tables, trace
from pyflame_rt.backends.wse.sim.assembly import Assembler, ProgramBuilder
from pyflame_rt.backends.wse.sim.image import EAST, RAMP, WEST
from pyflame_rt.backends.wse.sim.simulator import Simulator
from pyflame_rt.errors import PyFlameRTError, ValidationError


def _receiver(asm: Assembler, words: int, wait: int = 0) -> ProgramBuilder:
    """Takes words by a microthread, armed after `wait` cycles; then runs a task."""
    program = asm.program("receive")
    data = program.array("data", words)
    done = program.declare("done")
    program.task("main", active=True)
    program.li(63, 0, cost=wait)
    program.vector(
        "mov32", program.mem1d(data), program.fabin(0, words), microthread=0, activate=done
    )
    program.end()
    program.define(done)
    program.end()
    return program


def _pair(words: int, wait: int = 0) -> Assembler:
    """PE 0 sends after 100 cycles, on colour 3, to PE 1."""
    asm = Assembler(2)
    program = asm.program("send")
    data = program.array("data", words, values=np.arange(words))
    program.task("main", active=True)
    program.li(63, 0, cost=100)
    program.vector("mov32", program.fabout(0, words), program.mem1d(data))
    program.end()
    asm.place(program, 0, 0, outputs={0: 3})
    asm.place(_receiver(asm, words, wait), 1, 0, inputs={0: 3})
    asm.route(0, 0, 3, ([RAMP], [EAST]))
    asm.route(1, 0, 3, ([WEST], [RAMP]))
    return asm


def _run(asm: Assembler, machine: Machine = WSE2, trace: str = "path") -> Simulator:
    simulator = Simulator(asm.image(), machine, jit=False, trace=trace)
    assert simulator.run()
    return simulator


@pytest.mark.parametrize(("machine", "wait"), [(WSE2, 1), (WSE3, 3)], ids=["wse2", "wse3"])
def test_cycles_of_a_sender_and_a_receiver(machine: Machine, wait: int) -> None:
    """Working is an instruction's first cycle or a group; an op waits 1 or 3 cycles for its last DSR."""
    simulator = _run(_pair(8), machine)
    sender, receiver = simulator.statistics().elements
    assert (sender.program, sender.groups, sender.microthread_groups) == ("send", 8, 0)
    # The constant, two DSR loads, eight groups of which the first comes with the dispatch on wse2 and wse3.
    assert sender.cycles["working"] == 3 + 8
    assert (receiver.groups, receiver.microthread_groups) == (8, 8)
    for element in (sender, receiver):
        assert element.waits == {
            "DSR loading": wait, "float result": 0, "microthread": 0, "bank conflict": 0,
        }  # fmt: skip
        assert sum(element.cycles.values()) == simulator.cycle
        busy = element.cycles["working"] + element.microthread_groups
        assert element.utilisation == pytest.approx(busy / simulator.cycle)


def test_words_that_are_held_up_are_counted_where_they_wait() -> None:
    """With a receiver that starts to take words in cycle 1,019, words wait in both routers for 890 cycles.

    The first comes to its router in cycle 122. Its queue holds 6, the ramp 2 more: the ninth word waits there
    from 130 to 1,020. The router holds one more behind it: the eleventh waits in the sender's from 131 to 1,021.
    """
    simulator = _run(_pair(40, wait=1000))
    first, second = simulator.statistics().colours
    assert (first.x, first.colour, first.words, first.link_busy, first.no_room) == (
        0, 3, 40, 0, 890,
    )  # fmt: skip
    assert (second.x, second.no_room, second.high_water) == (1, 890, WSE2.router_depth)
    assert simulator.statistics().elements[1].high_water == {("input", 0): 8}
    simulator = Simulator(_pair(40, wait=1000).image(), WSE2, jit=False)
    simulator.run(531)
    assert [colour.no_room for colour in simulator.statistics().colours] == [400, 401]


def test_colours_that_share_a_link_hold_each_other_up() -> None:
    """Of two streams that come together every word but the first waits a cycle for the other's."""
    asm = Assembler(3)
    for x in range(2):
        program = asm.program(f"send{x}")
        data = program.array("data", 50)
        program.task("main", active=True)
        program.li(63, 0, cost=101 - x)
        program.vector("mov32", program.fabout(0, 50), program.mem1d(data))
        program.end()
        asm.place(program, x, 0, outputs={0: x})
    program = asm.program("receive")
    program.task("main", active=True)
    data = program.array("data", 50)
    for queue in range(2):
        vector = program.mem1d(data)
        program.vector("mov32", vector, program.fabin(queue, 50), microthread=queue)
    program.end()
    asm.place(program, 2, 0, inputs={0: 0, 1: 1})
    asm.route(0, 0, 0, ([RAMP], [EAST]))
    asm.route(1, 0, 0, ([WEST], [EAST]))
    asm.route(1, 0, 1, ([RAMP], [EAST]))
    for colour in range(2):
        asm.route(2, 0, colour, ([WEST], [RAMP]))
    simulator = _run(asm)
    shared = [c for c in simulator.statistics().colours if c.x == 1]
    assert sum(colour.link_busy for colour in shared) == pytest.approx(2 * 49, abs=6)
    assert simulator.statistics().loads[0, 1, EAST] == 100


def test_float_results_and_bank_conflicts_are_counted() -> None:
    """Three dependent additions wait one cycle twice; an op in conflict takes a hundred cycles more."""
    asm = Assembler(1)
    program = asm.program("wait")
    a = program.array("a", 100, align=8)
    b = program.array("b", 100, align=8)
    program.task("main", active=True)
    for _ in range(3):
        program.alu("add", 1, 1, 2, "f32")
    program.vector("fmacs", program.mem1d(a), program.mem1d(a), program.mem1d(b), scalar=2)
    program.end()
    asm.place(program, 0, 0)
    waits = _run(asm).statistics().elements[0].waits
    assert (waits["float result"], waits["bank conflict"]) == (2, 100)


def test_the_tables_say_where_the_cycles_went() -> None:
    """Heads, rows in order of weight, totals; no table without rows."""
    simulator = _run(_pair(40, wait=1000))
    text = "\n".join(tables.lines(simulator.statistics(), simulator.critical_path()))
    assert text.startswith("1060 cycles, 2 of 2 PEs ran a task, ")
    squeezed = [re.sub(" +", " ", line) for line in text.splitlines()]
    for line in (
        "main thread PE-cycles share",
        "output full 886 41.8%",
        "PE first last used idle working no input output full latency slot taken groups instructions",
        "task (program) PEs runs cycles a run most",
        "main (receive) 1 1 1059 1059.0 1059",
        "(0, 0) east 40 3.8%",
        "(1, 0) colour 3 40 0 890 0 2",
        "(1, 0) input 0 8",
        "scalar code 1020 96.2%",
        "(1, 0) vector op 1019 39 @mov32 on microthread 0 in main",
    ):
        assert line in squeezed
    plain = "\n".join(tables.lines(Simulator(_pair(8).image(), WSE2, jit=False).statistics()))
    assert plain.startswith("0 cycles, 0 of 2 PEs ran a task, 0.0% of their cycles used")
    assert "router" not in plain


def test_tables_of_many_rows_are_cut() -> None:
    """Twenty rows, and how many more there are."""
    asm = Assembler(30)
    program = asm.program("one")
    program.task("main", active=True)
    program.end()
    for x in range(30):
        asm.place(program, x, 0)
    found = tables.elements(_run(asm).statistics())
    assert len(found) == 22
    assert found[-1] == "10 more"


def test_memory_of_a_program_as_a_table() -> None:
    """The biggest array first, with the sum."""
    assert tables.memory({"a": 100, "weights": 24_576}, 49_152) == [
        "array    bytes  of the PE",
        "weights  24576      50.0%",
        "a          100       0.2%",
        "all      24676      50.2%",
    ]


def test_json_has_all_of_it(tmp_path: Path) -> None:
    """What is written is what was counted."""
    simulator = _run(_pair(8))
    statistics = simulator.statistics()
    plain.write(tmp_path / "run.json", statistics, simulator.critical_path())
    found: dict[str, Any] = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert found["cycles"] == simulator.cycle
    assert found["links"] == [
        {"x": 0, "y": 0, "port": "east", "words": 8},
        {"x": 1, "y": 0, "port": "ramp", "words": 8},
    ]
    receiver = found["elements"][1]
    assert receiver["tasks"][0] == {"name": "done", "runs": 1, "cycles": 0}
    assert {"queue": "input", "number": 0, "words": 3} in receiver["high_water"]
    assert found["colours"][0]["words"] == 8
    segments = found["critical_path"]["segments"]
    assert sum(segment["end"] - segment["start"] for segment in segments) == simulator.cycle


def _assert_nested(rows: list[dict[str, Any]]) -> None:
    """On each track a span lies inside of another one or beside it."""
    spans = [row for row in rows if row["ph"] == "X"]
    for track in {(row["pid"], row["tid"]) for row in spans}:
        open_until: list[int] = []
        for row in (row for row in spans if (row["pid"], row["tid"]) == track):
            while open_until and open_until[-1] <= row["ts"]:
                open_until.pop()
            assert not open_until or row["ts"] + row["dur"] <= open_until[-1]
            open_until.append(row["ts"] + row["dur"])


@pytest.mark.parametrize("machine", [WSE2, WSE3], ids=["wse2", "wse3"])
def test_the_trace_has_a_track_for_each_thread(machine: Machine, tmp_path: Path) -> None:
    """Synchronous ops inside their tasks, those of microthreads on tracks of their own, the path last."""
    simulator = _run(_pair(8), machine)
    trace.write(tmp_path / "trace.json", simulator, simulator.critical_path())
    rows: list[dict[str, Any]] = json.loads((tmp_path / "trace.json").read_text(encoding="utf-8"))
    _assert_nested(rows)
    names = {
        (row["pid"], row["tid"]): row["args"]["name"]
        for row in rows
        if row["name"] == "thread_name"
    }
    assert names == {
        (0, 0): "main thread", (1, 0): "main thread", (1, 1): "microthread 0", (2, 0): "critical path"
    }  # fmt: skip
    (task,) = [row for row in rows if (row["pid"], row["name"], row["ph"]) == (0, "main", "X")]
    (op,) = [row for row in rows if (row["pid"], row["name"]) == (0, "@mov32")]
    assert task["ts"] <= op["ts"]
    assert op["ts"] + op["dur"] <= task["ts"] + task["dur"]
    path = [row["dur"] for row in rows if row["pid"] == 2 and row["ph"] == "X"]
    assert sum(path) == simulator.cycle


def test_the_trace_of_a_stopped_run_ends_there() -> None:
    """Tasks and ops that run on are cut at the cycle that was reached; prints and stamps are marks."""
    asm = _pair(40)
    simulator = Simulator(asm.image(), WSE2, jit=False, trace="ops")
    simulator.run(130)
    spans = [row for row in trace.rows(simulator) if row["ph"] == "X"]
    assert {row["ts"] + row["dur"] for row in spans if row["pid"] == 0} == {130}
    asm = Assembler(1)
    program = asm.program("marks")
    program.task("main", active=True)
    program.li(1, 7)
    program.print(asm.string("seven"), 1)
    program.timestamp(2)
    program.end()
    asm.place(program, 0, 0)
    marks = [row["name"] for row in trace.rows(_run(asm)) if row["ph"] == "i"]
    assert marks == ["seven 7", "timestamp"]


def test_metrics_of_a_fabric() -> None:
    """Each in percent of its own whole; PEs without a program have none."""
    asm = _pair(8)
    statistics = _run(asm).statistics()
    found = heat_map.metrics(statistics, 49_152)
    assert list(found) == ["utilisation", "stalls", "link load", "memory"]
    assert found["link load"].values[0, 0] == pytest.approx(100 * 8 / statistics.cycles)
    assert found["memory"].values[0, 1] == pytest.approx(100 * 32 / 49_152)
    sender = statistics.elements[0]
    assert found["utilisation"].values[0, 0] == pytest.approx(100 * sender.utilisation)
    stalled = sum(sender.cycles[name] for name in heat_map.STALLS)
    assert found["stalls"].values[0, 0] == pytest.approx(100 * stalled / statistics.cycles)
    pixels = heat_map.colours(
        heat_map.Metric("", "", np.array([[0.0, 50.0, 100.0, np.nan, 1e9]]), 100.0)
    )
    scale = heat_map.SCALE
    expected = [scale[0], scale[2], scale[-1], heat_map.NONE, scale[-1]]
    assert [tuple(colour) for colour in pixels[0].tolist()] == expected


def test_the_page_needs_nothing_else(tmp_path: Path) -> None:
    """No address of another file; the numbers of each metric; names of programs cannot end the script."""
    asm = _pair(8)
    simulator = _run(asm)
    path = simulator.critical_path()
    page.write(tmp_path / "map.html", simulator.statistics(), 49_152, path, title="a </title> & b")
    text = (tmp_path / "map.html").read_text(encoding="utf-8")
    assert not re.search(r"src=|href=|https?:|@import|@TITLE@|@DATA@|@TABLES@", text)
    assert "<title>a &lt;/title&gt; &amp; b</title>" in text
    assert text.count("</script>") == 1
    match = re.search(r"const data = (\{.*\});", text)
    assert match is not None
    data: dict[str, Any] = json.loads(match.group(1))
    assert (data["width"], data["height"]) == (2, 1)
    assert [metric["name"] for metric in data["metrics"]][:2] == ["utilisation", "stalls"]
    assert data["metrics"][3]["values"] == [[0.07, 0.07]]
    assert "critical path" in text


def test_the_map_as_an_image(tmp_path: Path) -> None:
    """A PE is a square of its colour; an unknown metric is refused with the known ones."""
    image = pytest.importorskip("PIL.Image")
    statistics = _run(_pair(8)).statistics()
    heat_map.write_png(tmp_path / "map.png", statistics, 49_152, metric="link load")
    with image.open(tmp_path / "map.png") as picture:
        pixel = picture.convert("RGB").getpixel((13, 13))
    loads = heat_map.metrics(statistics, 49_152)["link load"]
    assert pixel == tuple(heat_map.colours(loads)[0, 0].tolist())
    with pytest.raises(ValidationError, match="no metric 'heat'; one of utilisation, stalls"):
        heat_map.write_png(tmp_path / "no.png", statistics, 49_152, metric="heat")
    with pytest.raises(PyFlameRTError, match="cannot write"):
        heat_map.write_png(tmp_path / "missing" / "map.png", statistics, 49_152)
    assert [file.name for file in tmp_path.iterdir()] == ["map.png"]


def test_an_image_without_pillow_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library is looked for when an image is wanted, not before."""
    statistics = _run(_pair(8)).statistics()

    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(heat_map, "import_module", missing)
    with pytest.raises(ValidationError, match=r"pip install 'pyflame-rt\[viz\]'"):
        heat_map.write_png(tmp_path / "map.png", statistics, 49_152)


def test_reports_are_written_by_their_names(tmp_path: Path) -> None:
    """Each ending is a kind; the critical path is in them when it was recorded; others are refused."""
    pytest.importorskip("PIL.Image")
    simulator = _run(_pair(8))
    for name in ("run.txt", "run.json", "run.trace.json", "run.html", "run.png"):
        files.write(tmp_path / name, simulator)
    assert "critical path" in (tmp_path / "run.txt").read_text(encoding="utf-8")
    assert "critical_path" in json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert isinstance(json.loads((tmp_path / "run.trace.json").read_text(encoding="utf-8")), list)
    files.write(tmp_path / "brief.txt", _run(_pair(8), trace="prints"))
    assert "critical path" not in (tmp_path / "brief.txt").read_text(encoding="utf-8")
    with pytest.raises(ValidationError, match=r"'run.csv' is the name of no report; names end in"):
        files.write(tmp_path / "run.csv", simulator)
    assert files.trace_level(["a.json", "b.txt"]) == "prints"
    assert files.trace_level(["a.json", "b.trace.json"]) == "ops"

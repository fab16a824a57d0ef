"""Two-phase reduce: the sum of one vector a PE along a row, first inside groups, then over their leaders.

Groups of `group` neighbours (the last may be short); the leader is the westernmost. Phase 1 is a chain reduce
inside each group, all groups at once; in phase 2 the leaders add up westwards to PE 0. The words of phase 2
pass the routers of the PEs between two leaders, on the *same two colours*, whose switches open one after
the other behind the wave of phase 1:

* A PE receives on one colour and sends on the other, alternating along the row; the alternation is flipped from
  group to group so that a leader receives both phases on one colour. With an odd group the last PE of a group
  passes the colour that it would receive on straight through.
* A PE beside no leader sends, after its words, one control word SWITCH_ADV on its send colour: that colour
  becomes a pass-through in its own router, and so does the receive colour of its western neighbour.
* The PE beside a leader only advances its own switch (`advance_switch`): the leader must go on receiving.
* A leader adds what phase 1 brings to its vector, then adds that to what phase 2 brings and sends it on. The last
  leader has no phase 2 to wait for and fuses its addition with the send.

Window: cycle 0 to the timestamp at the end on PE 0, as in `chain-reduce`, with that program's start-up. Published:
measured counts for P = 512, B = 4,096 and S = 2 ... 32 on wse2 [spcl]; 2 B + P - 1 + 5 (S + P/S - 2) for the
streams. Validated: absolute within 0.5 %, and differences between groups within 3 cycles.
"""

from __future__ import annotations

from typing import Final

from xdsl.dialects.builtin import ModuleOp

from pyflame_rt.backends.wse.bench import chain_reduce
from pyflame_rt.backends.wse.bench.base import Benchmark, Expected, Parameter, Params, Row
from pyflame_rt.backends.wse.bench.columns import slices
from pyflame_rt.backends.wse.machine import Machine
from pyflame_rt.dialects.wse.builder import ProgramBuilder, TileBuilder
from pyflame_rt.errors import ValidationError

MEASURED: Final = {2: 10_055, 4: 9_421, 8: 9_117, 16: 8_989, 32: 8_973}


def validate(params: Params, machine: Machine) -> None:
    """A group is no longer than the row."""
    if params["group"] > params["pes"]:
        raise ValidationError(f"a group of {params['group']} PEs in a row of {params['pes']}")


def receives_on(x: int, group: int) -> int:
    """The colour that a PE receives on: it alternates, and is flipped from group to group."""
    place = x % (2 * group)
    even = x % 2 == 0 if place < group else (x - group) % 2 != 0
    return 0 if even else 1


def role(x: int, pes: int, group: int) -> str:
    """What a PE does: `_alone` receives nothing, `_beside` is the PE next to a leader."""
    index, last_group = x % group, x // group == (pes - 1) // group
    ends = index == group - 1 or x == pes - 1
    if x == 0:
        return "root" if not (ends or last_group) else "root_once"
    if index == 0:
        if last_group:
            return "leader_alone" if ends else "leader_fused"
        return "leader_fused" if ends else "leader"
    return ("end" if ends else "inner") + ("_beside" if index == 1 else "")


def _tile(program: ProgramBuilder, role: str, words: int, machine: Machine) -> TileBuilder:
    tile = program.tile(role)
    own = tile.mem1d(tile.buffer("data", words, export=True))
    mine = tile.dsr("src1", 0)
    into = out = command = None
    if _hears(role):
        into = tile.fabin(tile.input_queue(0, tile.param("in")), words)
    if not role.startswith("root"):
        queue = tile.output_queue(0, tile.param("out"))
        out = tile.fabout(queue, words, advance_switch=role.endswith("_beside"))
        command = tile.fabout(queue, 1, "i32", control=True)
    with tile.task("main", active=True):
        chain_reduce.start_up(tile, machine)
        tile.timestamp()
        if not _hears(role):
            tile.vector("mov32", out, own)
        else:
            # Loaded once: the second op of a leader loads its two other operands only.
            tile.load_dsr(mine, own)
            if role in ("root", "root_once", "leader"):
                tile.vector("fadds", own, into, mine)
            if role == "root":
                tile.vector("fadds", own, into, mine)
            elif role != "root_once":
                tile.vector("fadds", out, into, mine)
        if role.startswith("root"):
            tile.timestamp()
        if role in ("inner", "end"):
            tile.vector("mov32", command, scalar=tile.control_word("switch_adv", ignore=True))
    return tile


def _hears(role: str) -> bool:
    return not role.startswith("end") and role != "leader_alone"


def build(params: Params, machine: Machine) -> ModuleOp:
    """One tile for each role, two colours with up to two switch positions."""
    pes, words, group = params["pes"], params["words"], params["group"]
    program = ProgramBuilder("two_phase_reduce", pes)
    colors = program.color("red"), program.color("blue")
    tiles: dict[str, TileBuilder] = {}
    places: dict[tuple[str, int, int], list[int]] = {}
    routes: dict[tuple[int, tuple[tuple[str, str], ...]], list[int]] = {}
    for x in range(pes):
        kind, leads = role(x, pes, group), x % group == 0
        receive = receives_on(x, group)
        send = receives_on(x - group if leads else x - 1, group)
        then = () if leads else (("east", "west"),)
        if _hears(kind):
            routes.setdefault((receive, (("east", "ramp"), *then)), []).append(x)
        elif x < pes - 1 and receives_on(x + 1 - group, group) == receive:
            # What the next leader sends comes on the colour that no neighbour uses here.
            routes.setdefault((receive, (("east", "west"),)), []).append(x)
        if x:
            routes.setdefault((send, (("ramp", "west"), *then)), []).append(x)
        places.setdefault((kind, receive, send), []).append(x)
    for (color, positions), columns in routes.items():
        for part in slices(columns, 2 * group):
            program.route(colors[color], (part, 0), *positions)
    for (kind, receive, send), columns in places.items():
        if kind not in tiles:
            tiles[kind] = _tile(program, kind, words, machine)
        given = {"in": colors[receive]} if _hears(kind) else {}
        given |= {} if kind.startswith("root") else {"out": colors[send]}
        for part in slices(columns, 2 * group):
            program.place(tiles[kind], (part, 0), given)
    return program.module()


def expected(params: Params, machine: Machine) -> Expected | None:
    """The measured points."""
    if machine.name != "wse2" or (params["pes"], params["words"]) != (512, 4096):
        return None
    if params["group"] not in MEASURED:
        return None
    source = "measured; spcl/spatial-collectives, SDK simulator"
    return Expected(MEASURED[params["group"]], source, "validated", relative=0.005)


BENCHMARK = Benchmark(
    name="two-phase-reduce",
    summary="the sum of one vector a PE along a row, in groups and then over their leaders",
    parameters={
        "pes": Parameter(64, "PEs in the row", least=2, most=750),
        "words": Parameter(512, "f32 words a PE", most=12_000),
        "group": Parameter(8, "PEs in a group", least=1, most=750),
    },
    machine="wse2",
    build=build,
    inputs=chain_reduce.inputs,
    cycles=chain_reduce.cycles,
    check=chain_reduce.check,
    expected=expected,
    validate=validate,
    declared=(chain_reduce.START_UP,),
    rows=tuple(
        Row("B5", "wse2", {"pes": 512, "words": 4096, "group": group}, slow=True)
        for group in MEASURED
    ),
    trace="prints",
)

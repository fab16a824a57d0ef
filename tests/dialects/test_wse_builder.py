"""Programs built in Python are the ones that their text says."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser

from pyflame_rt.backends.wse.loading.verifying import limits_of
from pyflame_rt.backends.wse.machine import MACHINES
from pyflame_rt.backends.wse.sim.assembly import Assembler
from pyflame_rt.dialects.wse.attributes import CostAttr, Filter, Rectangle
from pyflame_rt.dialects.wse.builder import ProgramBuilder, TileBuilder, X, Y
from pyflame_rt.dialects.wse.limits import LIMITS
from pyflame_rt.dialects.wse.placement import layout
from pyflame_rt.dialects.wse.tile import BufferOp
from pyflame_rt.errors import ValidationError
from pyflame_rt.universe import make_context


def _again(module: ModuleOp) -> ModuleOp:
    """The module from its own text."""
    parsed = Parser(make_context(), str(module)).parse_module()
    parsed.verify()
    assert parsed.is_structurally_equivalent(module)
    return parsed


def _tile() -> tuple[ProgramBuilder, TileBuilder]:
    program = ProgramBuilder("p", 1)
    tile = program.tile("t")
    program.place(tile, (0, 0))
    return program, tile


def test_everything_of_the_layout_round_trips() -> None:
    """Colours, routes with all that a router does, parameters of every kind, data."""
    program = ProgramBuilder("p", 4, 3)
    red, blue = program.color("red"), program.color("blue", 3)
    tile = program.tile("t")
    own = tile.buffer("own", 2, "f16", values=[0.5, -1], align=16, offset=4, export=True)
    for name, kind in (("in", "color"), ("x", "i32"), ("s", "f32"), ("table", "i16")):
        tile.param(name, kind)
    tile.param("n", "i16", 8)
    tile.input_queue(0, "in")
    program.route(red, (slice(0, 4), range(3)), ("east", "ramp"))
    program.route(
        blue, (1, 2), ("ramp", ()), (("east", "west"), "west"), initial=0, ring_mode=True,
        pop_mode="pop_on_advance", filter=Filter("range", 1, 5), swap_x=red, swap_y=blue,
    )  # fmt: skip
    table = np.arange(12).reshape(3, 4)
    program.place(tile, (range(4), range(3)), {"in": red}, x=X * 2 + Y, s=0.25, table=table)
    program.data(tile, own, (range(2), 0), [[1, 2], [3, 4]])
    text = str(_again(program.module()))
    assert "wse.route @red at [0:4, 0:3] rx [east] tx [ramp]" in text
    assert "filter range min 1 max 5 swap_x @red swap_y @blue" in text
    assert "positions [rx [ramp] tx [], rx [east, west] tx [west]] initial 0 ring_mode" in text
    assert "x = affine_map<(d0, d1) -> (((d0 * 2) + d1))>" in text
    assert "s = 2.500000e-01 : f32" in text


def test_everything_of_a_tile_round_trips() -> None:
    """Queues, DSDs of every kind, DSRs, tasks of every kind, functions."""
    program, t = _tile()
    red = program.color("red")
    program.route(red, (0, 0), ("ramp", "ramp"))
    a, b = t.buffer("a", (4, 8)), t.buffer("b", 8, "f16", values=1.0)
    iq, oq = t.input_queue(0, red), t.output_queue(0, red)
    store = t.buffer("store", 4)
    fifo = t.fifo(store)
    count = t.var("count", "i32", 3)
    with t.func("compute", export=True):
        t.call("help")
    with t.func("help"):
        t.halt()
    with t.task("main", active=True):
        v = t.mem1d(a, 8, stride=4, offset=1)
        t.vector("fadds", t.fabout(oq, 8, advance_switch=True), t.fabin(iq, 8), v)
        t.vector("mov32", t.fifo_end(fifo, 8), v, microthread=3, priority=2, activate="next")
        t.vector("fmovs", t.mem4d(a, (4, 2), (8, 1)), scalar=0.5)
        t.vector("mov32", t.fabout(oq, 1, "i32", control=True), scalar=t.control_word("switch_adv"))
        dsr = t.load_dsr(t.dsr("src1", 2), t.mem1d(b), save_address=True)
        t.vector("faddh", t.mem1d(b), t.mem1d(b), dsr, cost=CostAttr.of("add", 9))
        for change in (
            t.increment_dsd_offset,
            t.set_dsd_offset,
            t.set_dsd_length,
            t.set_dsd_stride,
        ):
            change(v, 2)
        t.set_dsd_base_addr(v, "store")
        t.set_color(oq, red)
        t.timestamp(count)
        t.print("count", t.get(count))
        t.declare_cost("hand-over", 40)
        with t.map(v) as element:
            t.yield_(t.alu("neg", element))
    with t.task("next", id=9, blocked=True):
        t.activate("next")
        t.block("next")
        t.unblock("next")
    with t.data_task("word", iq) as word:
        t.print("word", word)
    with t.control_task("stop", 7) as control:
        t.set(count, control)
    text = str(_again(program.module()))
    assert "wse.mov32 @store_fifo_v, @a_v async 3 priority high activate @next" in text
    assert 'wse.faddh @b_v1, @b_v2, @src1_2 {wse.cost = #wse.cost<"add", 9>}' in text
    assert text.index("wse.dsr") < text.index("wse.func @compute")


def test_scalar_code_is_arith_scf_and_memref() -> None:
    """Every function of a type, constants of the other operand's type, conversions, control flow."""
    program, t = _tile()
    a = t.buffer("a", (4, 8), "f16")
    n, s = t.var("n", "i32"), t.var("s", "f32")
    with t.task("main", active=True):
        for name in (
            "add",
            "sub",
            "mul",
            "div",
            "rem",
            "min",
            "max",
            "and",
            "or",
            "xor",
            "shl",
            "shr",
        ):
            t.set(n, t.alu(name, t.get(n), 3))
            t.set(n, t.alu(name, 3, t.get(n), unsigned=True))
        for name in ("neg", "abs", "not"):
            t.set(n, t.alu(name, t.get(n)))
        for name in ("add", "sub", "mul", "div", "min", "max", "neg", "abs", "sqrt"):
            t.set(s, t.alu(name, t.get(s), 2))
        t.set(s, t.fma(t.get(s), 2, 1))
        for name in ("eq", "ne", "lt", "le", "gt", "ge"):
            for value in (t.get(n), t.get(s)):
                t.set(n, t.select(t.alu(name, value, 1), t.get(n), t.constant(0)))
            t.set(n, t.convert(t.alu(name, t.get(n), 1, unsigned=True), "i32"))
        for kind in ("i16", "f16", "i32", "f32", "index", "i16", "i32"):
            t.set(n, t.convert(t.convert(t.get(n), kind), "i32"))
        t.set(s, t.convert(t.convert(t.get(s), "f16"), "f32"))
        with t.for_(0, 4) as i:
            t.store(t.load(a, i, 3), a, 0, i)
        with t.for_(0, t.get(n), 2) as i:
            with t.if_(t.alu("lt", i, 3)) as branch:
                t.store(1, a, i, i)
            with t.else_(branch):
                t.set(n, i)
        with t.while_(lambda: t.alu("lt", t.get(n), 10)):
            t.set(n, t.alu("add", t.get(n), 1, cost=CostAttr.of("count", 0)))
    text = str(_again(program.module()))
    for op in ("divui", "shrsi", "cmpi ule", "cmpf olt", "math.sqrt", "math.fma", "scf.while"):
        assert op in text
    assert text.count("wse.get_buffer @a") <= 2


@pytest.mark.parametrize(
    ("shape", "match"),
    [((8,), "there is no @b"), ((2, 2), "elements 0 to 7 of @a, which has 4")],
)
def test_a_program_that_is_wrong_says_so(shape: tuple[int, ...], match: str) -> None:
    """`module()` verifies."""
    program, t = _tile()
    a = t.buffer("a", shape)
    with t.task("main"):
        t.vector("mov32", t.mem1d(a, 8), t.mem1d("b"))
    with pytest.raises(ValidationError, match=match):
        program.module()


def test_a_module_can_be_asked_for_again() -> None:
    """What has been built stays one module."""
    program, _ = _tile()
    assert program.module() is program.module()


def test_limits_are_the_machines() -> None:
    """The two tables, which cannot see each other, agree."""
    assert {name: limits_of(machine) for name, machine in MACHINES.items()} == LIMITS


def test_buffers_lie_where_the_assembler_puts_them() -> None:
    """In order, aligned, offset, and at addresses."""
    _, tile = _tile()
    asm = Assembler(1).program("t")
    for name, count, kind, more in (
        ("a", 3, "i16", {}),
        ("b", 5, "f32", {}),
        ("c", 5, "f32", {"align": 16, "offset": 4}),
        ("d", 2, "i32", {"address": 4096}),
        ("e", 1, "f16", {"align": 8}),
    ):
        tile.buffer(name, count, kind, **more)
        asm.array(name, count, kind, **more)
    places, end = layout(tile.op)
    for name, place in places.items():
        assert (place.address, place.bytes) == (asm.symbol(name).address, asm.symbol(name).size)
    assert end == asm.symbol("e").address + 2
    assert [op for op in tile.op.body.block.ops if isinstance(op, BufferOp)][1].bytes == 20


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ((3, 0), "[3, 0]"),
        ((slice(0, 4, 2), slice(1, 3)), "[0:4:2, 1:3]"),
        ((slice(3), range(0, 2, 7)), "[0:3, 0]"),
    ],
)
def test_rectangles(where: tuple[int | slice | range, int | slice | range], text: str) -> None:
    """Numbers, slices and ranges; a single PE is written as a number."""
    rectangle = Rectangle.of(*where)
    assert str(rectangle) == text
    assert len(list(rectangle)) == rectangle.shape[0] * rectangle.shape[1]


def test_a_whole_wafer_is_checked_as_arrays() -> None:
    """Routes, placements and data of 745,500 PEs: the first wrong one is found."""
    program = ProgramBuilder("wafer", 750, 994)
    red = program.color("red")
    program.route(red, (slice(0, 749), slice(0, 994)), ("west", ("east", "ramp")))
    program.route(red, (749, slice(0, 994)), ("west", "ramp"))
    tile = program.tile("t")
    tile.input_queue(0, red)
    program.place(tile, (slice(0, 750), slice(0, 994)))
    program.module()
    program.route(red, (700, 900), ("west", "ramp"))
    with pytest.raises(ValidationError, match=r"@red has two routes at PE \(700, 900\)"):
        program.module()


@pytest.mark.parametrize(
    ("build", "match"),
    [
        (lambda t: t.vector("fmac"), "there is no builtin 'fmac'"),
        (lambda t: t.alu("pow", t.constant(1), 2), "there is no function of i32 'pow'"),
        (lambda t: t.buffer("a", 8, "f64"), "there is no type 'f64'"),
        (lambda t: t.buffer("a", 8, values=[1, 2]), r"values of shape \[2\] do not fill \[8\]"),
    ],
)
def test_names_that_do_not_exist_are_errors(
    build: Callable[[TileBuilder], object], match: str
) -> None:
    """With what there is."""
    with pytest.raises(ValidationError, match=match):
        build(_tile()[1])

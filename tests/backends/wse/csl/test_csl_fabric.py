"""What the review of the sources against the SDK's examples has mended, kept mended."""

from __future__ import annotations

import re

import pytest
from xdsl.dialects.builtin import ModuleOp

from pyflame_rt.backends.wse.csl.scalars import router_commands
from pyflame_rt.dialects.wse.builder import ProgramBuilder
from pyflame_rt.errors import BackendError, PassFailed
from pyflame_rt.wse_csl import WseCslTarget


def test_commands_of_a_control_word_are_where_the_examples_put_them():
    """Groups of three bits from bit 22 on, those past bit 29 from bit 1; 31 is no task."""
    assert router_commands(["teardown"], ignore=True) == 0x9DF9249
    places = [22, 25, 28, 1, 4, 7, 10, 13]
    for index, place in enumerate(places):
        commands = ["nop"] * index + ["switch_adv"]
        assert router_commands(commands, ignore=False) == 31 << 16 | 1 << place
    both = router_commands(["switch_adv", "switch_rst"], ignore=True)
    assert both == 0x91F9249 & ~(3 << 22) | 1 << 22 | 2 << 25


def switching(number: int | None = None, *, task: int | None = None) -> ModuleOp:
    """A PE that sends two commands on a colour whose routers have two positions, beside a plain colour."""
    program = ProgramBuilder("switching", 3)
    plain, color = program.color("plain"), program.color("switched", number)
    program.route(plain, (0, 0), ("ramp", "east"))
    program.route(plain, (1, 0), ("west", "ramp"))
    program.route(color, (0, 0), ("ramp", "east"), ("east", "ramp"), pop_mode="pop_on_advance")
    program.route(color, (1, 0), ("west", "east"), ("ramp", "east"), pop_mode="always_pop")
    program.route(color, (2, 0), ("west", "ramp"))
    send, receive = program.tile("send"), program.tile("receive")
    command = send.fabout(send.output_queue(2, color), 1, "i32", control=True)
    send.input_queue(2, color)
    send.output_queue(3, plain)
    with send.task("main", active=True):
        word = send.control_word("switch_adv", "nop", task=task, ignore=task is None)
        send.vector("mov32", command, scalar=word)
    middle = program.tile("middle")
    middle.input_queue(3, plain)
    middle.output_queue(2, color)
    receive.input_queue(2, color)
    for tile, place in ((send, 0), (middle, 1), (receive, 2)):
        program.place(tile, (place, 0))
    return program.module()


def text_of(machine: str, number: int | None = None, *, task: int | None = None) -> str:
    """All sources of that program."""
    return "".join(WseCslTarget(machine).sources(switching(number, task=task)).values())


def test_several_commands_are_one_word():
    """The library's encoder has one command: a word of several is written as it is."""
    assert "@as(u32, 0x095f9249)); // SWITCH_ADV, NOP" in text_of("wse3")


def test_positions_name_both_sides_where_they_can():
    """wse2 takes the side that changes; on wse3 nothing is left to what a position keeps."""
    assert ".pos1 = .{ .rx = RAMP }, .pop_mode = .{ .always_pop = true }" in text_of("wse2")
    assert ".pos1 = .{ .rx = RAMP, .tx = EAST }, .pop_mode" in text_of("wse3")
    assert ".pos1 = .{ .rx = EAST, .tx = RAMP }, .pop_mode" in text_of("wse2")


def test_switches_get_colours_that_have_some():
    """On wse3 not all colours have switches: those that need them choose first."""
    numbers = dict(re.findall(r"const (\w+): color = @get_color\((\d+)\)", text_of("wse3")))
    assert numbers == {"plain": "1", "switched": "0"}
    with pytest.raises(PassFailed, match="colour 10 has no switches on wse3"):
        text_of("wse3", 10)
    assert "switched: color = @get_color(10)" in text_of("wse2", 10)


def test_several_commands_and_a_task_are_refused():
    """Their bits are those of a task's data."""
    with pytest.raises(BackendError, match="a word of several commands has no place for a task"):
        text_of("wse3", task=7)


def test_maps_that_do_the_same_share_a_function():
    """And a multiply-add of scalars is two ops."""
    program = ProgramBuilder("maps", 1)
    tile = program.tile("maps")
    own = tile.buffer("own", 4, export=True)
    v = tile.mem1d(own)
    with tile.task("main", active=True):
        for factor in (2.0, 2.0, 3.0):
            with tile.map(v, "f32") as element:
                tile.yield_(tile.fma(element, factor, 1.0))
    program.place(tile, (0, 0))
    text = WseCslTarget().sources(program.module())["maps.csl"]
    assert text.count("return (e0 * 2.0) + 1.0;") == 1
    assert text.count("return (e0 * 3.0) + 1.0;") == 1
    assert text.count("@map(own_v_map, own_v, own_v);") == 2

"""Our CSL parser and checker: what it takes, and what it turns down."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

import pytest
from csl_programs import READ, emitted

from pyflame_rt.backends.wse.csl.checking import check_file, check_project
from pyflame_rt.backends.wse.csl.grammar import DEPTH, parse

EXAMPLES = os.environ.get("PFRT_CSL_EXAMPLES", "")

# What the examples themselves have wrong, found here: a function of two parameters gets three.
KNOWN = {"routes.csl: initialSwitchPosition takes 2 arguments, not 3"}

SAMPLE = """\
// Every form of the language that our programs do not have.
param size: u16;
param flags = {};
export var counter: u16 align(16) = 0x1F;
const table = [2, 2]i32{ 1, -2, 3, 0b101 };
const kinds = enum(u16) { A, B = 2 };
const pair = struct { x: i16, y: [*]const f32 };
const lib = @import_module("<math>");
const value: f32 = if (size > 3) 1.5e-3 else -2.0;
var pointer: *const [4]f16 = &area;
var area: [4]f16 = undefined;
var callback: fn(i16) void = helper;

fn helper(n: i16) void {
  return;
}

fn sum(comptime count: u16, values: [*]i32, out: *i32) i32 {
  var total: i32 = 0;
  for (@range(u16, count)) |i| {
    total += values[i] << @as(u16, 1);
    if (total == 0) continue;
    if (total > 100) { break; } else total -= 1;
  }
  var k: i16 = 0;
  while (k < 4 and !(k == 2) or false) : (k += 1) {
    out.* = total;
  }
  switch (k) {
    0, 1 => total = ~total,
    else => { helper(k); },
  }
  const choice = switch (total) { 0 => @as(i32, 1), else => total };
  return choice + (total ^ 3) % 7;
}

task receive(word: u32) void {
  counter = @as(u16, word & 0xff);
  @activate(@get_local_task_id(9));
  if (@is_arch("wse3")) @block(@get_local_task_id(9)) else helper(1);
  const x = lib.sqrt(value);
  counter = @as(u16, x);
}

comptime {
  @bind_data_task(receive, @get_data_task_id(@get_color(2)));
  @set_local_color_config(@get_color(2), .{ .routes = .{ .rx = .{ WEST }, .tx = .{ RAMP } } });
}
"""


def test_the_forms_of_the_language_are_taken():
    """A sample of what the public examples use and our printer does not has no error."""
    assert [str(error) for error in check_file(SAMPLE)] == []


@pytest.mark.skipif(not EXAMPLES, reason="PFRT_CSL_EXAMPLES names no folder of the SDK's examples")
def test_the_public_examples_are_taken():
    """Every source of Cerebras/csl-examples is parsed, and has no error but those that it has."""
    sources = sorted(Path(EXAMPLES).rglob("*.csl"))
    assert len(sources) > 100
    found: set[str] = set()
    for path in sources:
        parse(path.read_text(), path.name)
        for error in check_file(path.read_text(), path.name):
            found.add(re.sub(r":\d+:\d+:", ":", str(error)))
    assert found == KNOWN


@cache
def _sources(name: str) -> dict[str, str]:
    return emitted(name, READ.get(name))


# Program, file, text, what it becomes, and the error that has to be found.
MUTATIONS = [
    # Tokens and grammar.
    ("p2p", "sender.csl", "param memcpy_params;", "param memcpy_params", "expected ;"),
    ("p2p", "sender.csl", "@get_output_queue(2)", "@get_output_queue(2", "expected )"),
    ("p2p", "sender.csl", "fn start() void {", "fn start() void", "expected {"),
    ("p2p", "sender.csl", "task main()", "task ()", "expected a name"),
    ("p2p", "sender.csl", "comptime {", "comptime {{", "expected }, found the end"),
    ("p2p", "sender.csl", "[8]f32 =", "[]f32 =", "expected a size"),
    ("p2p", "sender.csl", "|i|{8}", "||{8}", "expected a name"),
    ("p2p", "sender.csl", "|i|{8}", "|i, j|{8}", "2 indices with 1 sizes"),
    ("p2p", "sender.csl", "|i|{8} ->", "|i|{8} =>", "expected ->"),
    ("p2p", "sender.csl", "const main_id", "konst main_id", "expected a declaration"),
    ("p2p", "sender.csl", "(8);", "(8$);", "no token begins with '$'"),
    ("p2p", "sender.csl", "_id(8)", "_id(8x)", "8x is no number"),
    ("p2p", "sender.csl", '"<memcpy/memcpy>"', '"<memcpy/memcpy>', "no token begins"),
    ("p2p", "sender.csl", "void {", "void { else", "expected an expression"),
    ("p2p", "layout.csl", "layout {", "layout (", "expected {"),
    ("p2p", "layout.csl", ".width = 2,", ".width 2,", "expected }"),
    # Names.
    ("p2p", "sender.csl", "@mov32(oq0_tx", "@mov32(oq9_tx", "there is no oq9_tx"),
    ("p2p", "sender.csl", "-> data[i]", "-> data[k]", "there is no k"),
    ("p2p", "sender.csl", "-> data[i]", "-> date[i]", "there is no date"),
    ("p2p", "sender.csl", "[8]f32 =", "[8]f33 =", "there is no f33"),
    ("p2p", "sender.csl", "= &data;", "= &main_date;", "there is no main_date"),
    ("p2p", "sender.csl", "task main()", "task data()", "data is declared twice"),
    ("p2p", "sender.csl", "const main_id:", "const oq0:", "oq0 is declared twice"),
    ("p2p", "sender.csl", "var data:", "var f32:", "f32 is a name of the language"),
    ("p2p", "layout.csl", "EAST", "EASTWARD", "there is no EASTWARD"),
    ("p2p", "layout.csl", "get_params(0)", "get_params(x)", "there is no x"),
    ("data-task", "count.csl", "const v1:", "const word0_:\n i32 = 1; const word0_:", "declared twice"),
    # Builtins.
    ("p2p", "sender.csl", "@mov32(", "@mov33(", "there is no builtin @mov33"),
    ("p2p", "sender.csl", "@mov32(oq0_tx, data_v)", "@mov32(oq0_tx)", "@mov32 takes 2 to 3"),
    ("gemv-tile", "gemv.csl", "src1_0, e0)", "src1_0)", "@fmacs takes 4 to 5 arguments, not 3"),
    ("p2p", "sender.csl", "@zeros([8]f32)", "@zeros([8]f32, 0)", "@zeros takes 1 arguments, not 2"),
    ("p2p", "sender.csl", "@get_dsd(mem1d_dsd", "@get_dsd(mem_dsd", "there is no mem_dsd"),
    ("p2p", "sender.csl", "@get_dsd(mem1d_dsd", "@get_dsd(data", "takes a kind of DSD"),
    ("p2p", "sender.csl", ".extent =", ".length =", ".length is no field of a fabout_dsd"),
    ("p2p", "sender.csl", ".output_queue =", ".input_queue =", ".input_queue is no field"),
    ("p2p", "layout.csl", ".routes =", ".route =", ".route is no field of a colour's configuration"),
    ("p2p", "layout.csl", ".rx =", ".from =", ".from is no field of .routes"),
    ("summa", "summa.csl", ".async = true", ".asynch = true", ".asynch is no setting of @mov32"),
    ("summa", "layout.csl", ".always_pop", ".ever_pop", ".ever_pop is no field of .pop_mode"),
    ("gemv-tile", "gemv.csl", ".save_address", ".address", ".address is no setting of @load_to_dsr"),
    ("p2p", "layout.csl", ".height = 1", ".width = 1", ".width is given twice"),
    ("p2p", "sender.csl", "fn start() void {", "fn start() void {\n  @export_symbol(1, 2, 3);", "1 to 2"),
    ("p2p", "sender.csl", "comptime {", "comptime {\n  @set_rectangle(1, 1);", "outside of the layout"),
    ("p2p", "layout.csl", "layout {", "layout {\n  @export_symbol(red);", "outside of a comptime"),
    # Tasks, functions, values.
    ("p2p", "sender.csl", "_task(main,", "_task(start,", "start is no task"),
    ("p2p", "sender.csl", "@bind_local_task", "@bind_data_task", "main takes no word"),
    ("data-task", "count.csl", "_data_task(word", "_local_task(word", "word is local and takes a word"),
    ("p2p", "sender.csl", "@export_symbol(start);", "start(1);", "start takes 0 arguments, not 1"),
    ("gemv-tile", "gemv.csl", "@map(x_v_map, x_v)", "@map(x_v_map, x_v, x_v)", "takes 1 operands, not 2"),
    ("p2p", "sender.csl", "@activate(main_id);", "main_id = 3;", "main_id is a const, which is fixed"),
    ("p2p", "sender.csl", "@activate(main_id);", "red = 3;", "red is a param, which is fixed"),
    ("p2p", "sender.csl", "@activate(main_id);", "3 = 4;", "nothing can be given to this"),
    ("p2p", "sender.csl", "@activate(main_id);", "break;", "break is outside of a loop"),
    ("p2p", "sender.csl", "@activate(main_id);", "return 1;", "start returns nothing"),
    ("gemv-tile", "gemv.csl", "return @bitcast(i32, (", "return; @bitcast(i32, (", "now returns a value"),
    ("p2p", "sender.csl", "const main_id: local_task_id = @get_local_task_id(8);",
     "const main_id: local_task_id;", "const main_id has no value"),
    # What files say of each other.
    ("p2p", "layout.csl", '"sender.csl"', '"sent.csl"', "there is no file sent.csl"),
    ("p2p", "layout.csl", ".red = red }", ".blue = red }", "sender.csl has no parameter blue"),
    ("p2p", "sender.csl", "param red: color;", "param red: color; param n: i16;", "sender.csl gets no n"),
    ("p2p", "layout.csl", '"start", fn', '"begin", fn', 'no tile exports "begin"'),
    ("p2p", "sender.csl", "@export_symbol(start);", '@export_symbol(start, "go");', 'the layout has no "go"'),
    ("p2p", "layout.csl", '@export_name("start"', '@export_name("data"', '"data" is exported twice'),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "file", "old", "new", "error"), MUTATIONS, ids=[str(i) for i in range(len(MUTATIONS))]
)
def test_mutated_sources_are_turned_down(name: str, file: str, old: str, new: str, error: str):
    """A program of ours with one mistake has the error that the mistake is, and says where."""
    sources = dict(_sources(name))
    assert old in sources[file]
    sources[file] = sources[file].replace(old, new, 1)
    errors = [str(found) for found in check_project(sources)]
    assert any(error in found for found in errors), errors
    assert all(".csl:" in found for found in errors)


def test_there_are_enough_mutations():
    """At least fifty, all different."""
    assert len(set(MUTATIONS)) == len(MUTATIONS) >= 50


@pytest.mark.parametrize(
    "text", ["(" * 5000, "fn f() void " + "{" * 5000, "const x = " + "-" * 5000]
)
def test_deep_sources_are_an_error(text: str):
    """However deeply it is nested, a source gives an error and no traceback."""
    (error,) = check_file(text)
    assert "nested" in str(error) or "expected" in str(error)
    assert DEPTH < 1000


def test_a_project_has_a_layout():
    """Without a layout.csl there is nothing to check the tiles against."""
    (error,) = check_project({"tile.csl": "param x: i16;"})
    assert "there is no layout.csl" in str(error)

"""The CSL of real programs: it passes our checker, is stable, and is what has been reviewed.

`python tests/backends/wse/csl_programs.py` writes the goldens anew.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from csl_programs import GOLDEN, READ, emitted, program

from pyflame_rt import module_files, pipelines
from pyflame_rt.backends.wse import bench
from pyflame_rt.backends.wse.csl.checking import check_project
from pyflame_rt.backends.wse.csl.emission import MARKER, joined
from pyflame_rt.errors import PyFlameRTError
from pyflame_rt.frontends.onnx import import_onnx
from pyflame_rt.passes.wse.convert_wse_to_csl import ConvertWseToCslPass
from pyflame_rt.universe import make_context
from pyflame_rt.wse_csl import WseCslTarget

ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize("name", list(bench.MODULES))
def test_every_bench_passes_the_checker_and_is_stable(name: str):
    """Emitted CSL has no error; emitting again, and after a trip through text, gives the same."""
    module = program(name)
    sources = WseCslTarget().sources(module)
    assert [str(error) for error in check_project(sources)] == []
    ast.parse(sources["run.py"])
    assert WseCslTarget().sources(module) == sources
    read = module_files.parse(module_files.to_text(module), make_context(), name)
    assert WseCslTarget().sources(read) == sources


@pytest.mark.parametrize("name", list(READ))
def test_sources_are_the_reviewed_ones(name: str):
    """The files of five small programs are those in golden/, to the letter."""
    assert joined(emitted(name, READ[name])) == (GOLDEN / f"{name}.txt").read_text()


@pytest.mark.parametrize("name", list(READ))
def test_the_pass_and_the_target_say_the_same(name: str):
    """The pass first, its module through text, and then the target is the target alone."""
    module = program(name, READ[name])
    ConvertWseToCslPass().apply(make_context(), module)
    module.verify()
    read = module_files.parse(module_files.to_text(module), make_context(), name)
    assert WseCslTarget().sources(read) == emitted(name, READ[name])


def test_a_network_passes_the_checker():
    """The digits MLP on 8 x 8 PEs, from ONNX to CSL; its host functions stay in the module."""
    module = import_onnx(ROOT / "examples" / "digits" / "mlp.onnx")
    text = 'pfrt-specialize-shapes{dims="N=1"},pfrt-optimize,convert-pfrt-to-wse{width=8 height=8}'
    pipelines.run(make_context(), module, pipelines.parse(text))
    sources = WseCslTarget().sources(module)
    assert [str(error) for error in check_project(sources)] == []
    assert "@fmacs(" in "".join(sources.values())


PROGRAMS = sorted((ROOT / "lit_tests" / "wse").glob("*.mlir"))


@pytest.mark.parametrize("path", PROGRAMS, ids=[path.stem for path in PROGRAMS])
def test_small_programs_pass_the_checker_or_fail_in_one_line(path: Path):
    """Fifos, control tasks, prints, all of scalar code: CSL without an error, or an error that says why."""
    module = module_files.parse(path.read_text(), make_context(), path.name)
    module.verify()
    try:
        sources = WseCslTarget().sources(module)
    except PyFlameRTError as error:
        assert "has no form in CSL" in str(error) or "<control> encodes one" in str(error)
        return
    assert [str(error) for error in check_project(sources)] == []


def test_nothing_is_enumerated():
    """The layout of a row of 700 PEs is as long as that of 7: loops, not lines."""
    lengths = {
        len(emitted("chain-reduce", {"pes": pes, "words": 8})["layout.csl"].splitlines())
        for pes in (7, 701)
    }
    assert len(lengths) == 1


def test_a_folder_has_the_files_of_the_text(tmp_path: Path):
    """-o writes each file that standard output has behind a marker."""
    module = program("p2p")
    target = WseCslTarget()
    target.save(module, tmp_path / "out")
    written = {path.name: path.read_text() for path in (tmp_path / "out").iterdir()}
    text = target.text(module)
    assert all(f"{MARKER}{name}\n{content}" in text for name, content in written.items())
    assert text.count(MARKER) == len(written)


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path):
    """A file in the way, or a missing parent, is one line."""
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "no" / "out"):
        with pytest.raises(PyFlameRTError, match="cannot make a folder"):
            WseCslTarget().save(program("p2p"), place)


LAYOUT = """\
"csl.module"() <{{kind = #csl<module_kind layout>, sym_name = "layout"}}> ({{
  %w = arith.constant 1 : i16
  csl.layout {{
    "csl.set_rectangle"(%w, %w) : (i16, i16) -> ()
    {inside}
  }}
}}) {{wse.program = "p", wse.machine = "wse3"}} : () -> ()
"""
TILE = """\
"csl.module"() <{{kind = #csl<module_kind program>, sym_name = "t"}}> ({{
  {inside}
}}) : () -> ()
"""


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('"test.op"() : () -> ()', "test.op is no csl.module; run convert-wse-to-csl first"),
        (TILE.format(inside=""), "the module has no single layout"),
        (LAYOUT.format(inside="").replace('wse.program = "p", ', ""), "no wse.program"),
        (LAYOUT.format(inside="wse.place @t at [0, 0]"), "there is no tile @t"),
        (LAYOUT.format(inside="wse.route @c at [0, 0] rx [ramp] tx [ramp]"), "no colour @c"),
        (
            LAYOUT.format(inside="wse.place @t at [0, 0] params {c = @red}")
            + TILE.format(inside="wse.param @c : !wse.color"),
            "there is no colour @red",
        ),
        (
            LAYOUT.format(inside="wse.place @t at [0, 0]")
            + TILE.format(inside="wse.mem1d_dsd @v = @gone"),
            "wse.mem1d_dsd: C1: there is no @gone",
        ),
        (
            LAYOUT.format(inside="wse.place @t at [0, 0]")
            + TILE.format(inside="wse.declare_cost \"x\", 1"),
            "tile @t in @t: wse.declare_cost: has no form in CSL",
        ),
    ],
)  # fmt: skip
def test_hand_written_modules_fail_in_one_line(text: str, error: str):
    """What the pass would not have made is an error that says what is missing, not a traceback."""
    context = make_context()
    context.allow_unregistered = True
    module = module_files.parse(text, context, "hand")
    with pytest.raises(PyFlameRTError) as failure:
        WseCslTarget().sources(module)
    assert error in str(failure.value)
    assert "\n" not in str(failure.value)

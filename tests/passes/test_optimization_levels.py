"""One table says what each level runs: for the pass, sessions, tools and `pyflame_rt.opt`."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

import pyflame_rt as rt
from pyflame_rt import compiler, module_files, opt, pipelines
from pyflame_rt.opt.configs import DOCUMENTED
from pyflame_rt.passes import optimization_levels
from pyflame_rt.universe import multiverse

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"


@pytest.mark.parametrize("level", optimization_levels.LEVELS)
def test_the_pass_does_what_a_session_does(level: int, tmp_path: Path):
    """`pfrt-opt -p 'pfrt-optimize{level=2}'` and what a session of that level saves are the same."""
    program = compiler.load(DIGITS / "cnn.onnx")
    passes = pipelines.parse(f"pfrt-optimize{{level={level}}}")
    pipelines.run(program.ctx, program.module, passes)
    options = rt.SessionOptions()
    options.optimization_level = level
    options.optimized_model_filepath = tmp_path / "m.mlir"
    session = rt.InferenceSession(DIGITS / "cnn.onnx", options)
    assert (tmp_path / "m.mlir").read_text() == module_files.to_text(program.module)
    text = pipelines.to_text(pipelines.expanded(passes))
    assert text == compiler.optimization_pipeline(level)
    assert session.pipeline.startswith(text)
    assert opt.PassManager.create_default(rt.OptLevel(level)).passes == tuple(
        step.name for step in pipelines.expanded(passes)
    )


def test_levels_only_add():
    """What a level runs, the next one runs in the same order; level 0 runs nothing."""
    names = [[p.name for p in optimization_levels.passes(n)] for n in optimization_levels.LEVELS]
    assert names[0] == []
    for lower, higher in pairwise(names):
        rest = iter(higher)
        assert all(name in rest for name in lower)


def test_every_pass_of_the_table_has_a_name_that_pipelines_know():
    """The text of a level reads back to the same passes."""
    passes = optimization_levels.passes(3)
    again = pipelines.parse(pipelines.to_text(passes))
    assert [p.name for p in again] == [p.name for p in passes]
    assert {p.name for p in passes} <= set(multiverse().all_passes)


def test_documented_optimizations_are_those_of_the_table():
    documented = {step.documented for step in optimization_levels.STEPS} - {""}
    assert documented <= set(DOCUMENTED)
    assert all(name in optimization_levels.names() for name in DOCUMENTED)


@pytest.mark.parametrize("name", ["cse", "CSEPass"])
def test_a_pass_is_skipped_by_either_name(name: str):
    assert "cse" in compiler.optimization_pipeline(2).split(",")
    assert "cse" not in compiler.optimization_pipeline(2, [name]).split(",")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("skip_passes", ["CSE"], 'there is no pass "CSE" to skip; '),
        ("skip_passes", ["CSEpass"], 'did you mean "CSEPass"?'),
        ("skip_passes", "cse", 'a list of names, not the string "cse"'),
        ("optimized_model_filepath", "m.pt", "m.pt must end in .mlir or .pfm or .onnx; .pt"),
        ("optimized_model_filepath", "model", "must end in .mlir or .pfm or .onnx; no extension"),
    ],
)
def test_options_that_make_no_sense_are_named(name: str, value: object, message: str):
    options = rt.SessionOptions()
    setattr(options, name, value)
    with pytest.raises(rt.ValidationError) as caught:
        rt.InferenceSession(DIGITS / "mlp.onnx", options)
    assert message in str(caught.value)


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path):
    options = rt.SessionOptions()
    options.optimized_model_filepath = tmp_path / "none" / "m.mlir"
    with pytest.raises(rt.PyFlameRTError, match="cannot write"):
        rt.InferenceSession(DIGITS / "mlp.onnx", options)


def test_the_optimised_model_is_saved_once(tmp_path: Path):
    """A session for overridden initializers, made later, leaves the file as it is."""
    from onnx import parser

    text = """<ir_version: 8, opset_import: ["" : 17]>
    m (float[2] x, float[2] w) => (float[2] y) <float[2] w = {1, 2}> { y = Sub(x, w) }"""
    path = tmp_path / "m.mlir"
    options = rt.SessionOptions()
    options.optimized_model_filepath = path
    session = rt.InferenceSession(parser.parse_model(text).SerializeToString(), options)
    saved = path.read_text()
    session.run(None, {"x": [1.0, 1.0], "w": [1.0, 1.0]})
    assert path.read_text() == saved

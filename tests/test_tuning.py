"""Algorithms chosen by measurement: what is measured, what is kept, and that it is obeyed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from xdsl.dialects.builtin import StringAttr

from pyflame_rt import compiler, model_runs, module_files, tuning
from pyflame_rt.dialects.plan import algorithms
from pyflame_rt.errors import PyFlameRTError
from pyflame_rt.universe import make_context

TEXT = """
func.func @main(%x: tensor<1x4x8x8xf32>) -> tensor<1x2x8x8xf32> {
  %w = pfrt.constant dense<0.5> : tensor<2x4x1x1xf32>
  %v = pfrt.constant dense<0.25> : tensor<4x4x1x1xf32>
  %y = pfrt.conv %x, %v : (tensor<1x4x8x8xf32>, tensor<4x4x1x1xf32>) -> tensor<1x4x8x8xf32>
  %z = pfrt.conv %y, %v : (tensor<1x4x8x8xf32>, tensor<4x4x1x1xf32>) -> tensor<1x4x8x8xf32>
  %r = pfrt.conv %z, %w : (tensor<1x4x8x8xf32>, tensor<2x4x1x1xf32>) -> tensor<1x2x8x8xf32>
  func.return %r : tensor<1x2x8x8xf32>
}
"""
NAMES = {"conv_gemm_1x1", "conv_im2col"}


@pytest.fixture
def program():
    ctx = make_context()
    return ctx, module_files.parse(TEXT, ctx, "m.mlir")


def chosen(module) -> list[str]:
    found = (op.attributes.get(algorithms.ALGORITHM) for op in module.walk())
    return [attribute.data for attribute in found if attribute is not None]


def test_equal_ops_are_measured_once_and_known_the_next_time(program, tmp_path: Path):
    ctx, module = program
    first = tuning.tune(module, ctx, tmp_path / "deep" / "t.json")
    assert (first.choices, first.measured) == (3, 2)
    assert len(chosen(module)) == 3 and set(chosen(module)) <= NAMES
    times = json.loads((tmp_path / "deep" / "t.json").read_text())
    assert all(set(row) == NAMES for row in times[tuning.machine()].values())
    again = tuning.tune(module, ctx, tmp_path / "deep" / "t.json")
    assert (again.choices, again.measured) == (3, 0)


def test_the_faster_one_is_taken_and_said(program, tmp_path: Path):
    """Times that were kept decide; a gain of less than a tenth changes nothing."""
    ctx, module = program
    path = tmp_path / "t.json"
    tuning.tune(module, ctx, path)
    times = json.loads(path.read_text())
    rows = times[tuning.machine()]
    small, large = sorted(rows, key=lambda key: "4x4x1x1" in key)
    rows[small] = {"conv_gemm_1x1": 1.0, "conv_im2col": 0.95}
    rows[large] = {"conv_gemm_1x1": 1.0, "conv_im2col": 0.5}
    path.write_text(json.dumps(times))
    report = tuning.tune(module, ctx, path)
    assert chosen(module) == ["conv_im2col", "conv_im2col", "conv_gemm_1x1"]
    assert len(report.changes) == 2
    assert "conv_im2col 500000.0 us instead of conv_gemm_1x1 1000000.0 us" in report.lines()[1]


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_choice_computes_the_same(program, name: str):
    ctx, module = program
    x = np.random.default_rng(0).standard_normal((1, 4, 8, 8)).astype(np.float32)
    (expected,) = compiler.compile_module(module, ctx, level=0, pipeline="").run([x])
    for op in module.walk():
        if op.name == "pfrt.conv":
            op.attributes[algorithms.ALGORITHM] = StringAttr(name)
    model = compiler.compile_module(module, ctx, level=0, pipeline="")
    np.testing.assert_allclose(model.run([x])[0], expected, rtol=1e-6)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"a": 3}', '{"a": {"b": {"c": "d"}}}', "[" * 9999]
)
def test_a_file_of_something_else_is_no_file(program, tmp_path: Path, text: str):
    path = tmp_path / "t.json"
    path.write_text(text)
    ctx, module = program
    assert tuning.tune(module, ctx, path).measured == 2
    assert tuning.machine() in json.loads(path.read_text())


def test_a_folder_that_cannot_be_written_is_said(program, tmp_path: Path):
    (tmp_path / "file").write_text("")
    ctx, module = program
    with pytest.raises(PyFlameRTError, match="cannot write"):
        tuning.tune(module, ctx, tmp_path / "file" / "t.json")


def test_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert tuning.default_cache() == tmp_path / "pyflame_rt" / "tuning.json"


@pytest.mark.parametrize("level", [0, 2])
def test_narrow_floats_have_choices_too(
    level: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """They are computed as f32, and that is what is measured."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PYFLAME_RT_JIT", "0")
    ctx = make_context()
    module = module_files.parse(TEXT.replace("f32", "f16"), ctx, "m.mlir")
    program, report = model_runs.tuned(compiler.Program(ctx, module, "m"), "", level)
    assert report.choices == len(chosen(program.module)) == 3

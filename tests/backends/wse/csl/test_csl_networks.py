"""The CSL of networks: it passes our checker, is what has been reviewed, and its host program runs them."""

from __future__ import annotations

import ast
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from csl_networks import GOLDEN, SAMPLES, Order, StandIn, lowered, shown

from pyflame_rt import module_files
from pyflame_rt.backends.wse.csl.checking import check_project
from pyflame_rt.backends.wse.host import Runtime
from pyflame_rt.dialects.wse.program import ProgramOp
from pyflame_rt.errors import BackendError
from pyflame_rt.wse_csl import WseCslTarget

LONG = ("digits-cnn", "lenet-ts", "mnist-cntk", "transformer")
NAMES = [
    pytest.param(name, marks=[pytest.mark.slow] if name in LONG else [])
    for name, sample in SAMPLES.items()
    if not isinstance(sample.source, Path) or sample.source.exists()
]


def exports(layout: str) -> dict[str, str]:
    """What a layout exports: types by name."""
    return dict(re.findall(r'@export_name\("(\w+)", ([^,)]+\)?\w*)', layout))


@pytest.mark.parametrize("name", NAMES)
def test_networks_are_the_reviewed_ones(name: str, tmp_path: Path):
    """No error of the checker, stable over a trip of the program through text, equal to the golden."""
    module, context, _ = lowered(SAMPLES[name], tmp_path)
    sources = WseCslTarget().sources(module)
    assert [str(error) for error in check_project(sources)] == []
    ast.parse(sources["run.py"])
    target = tmp_path / "program.mlir"
    module_files.save(module, target)
    assert WseCslTarget().sources(module_files.load(target, context)) == sources
    assert shown(sources) == (GOLDEN / f"{name}.txt").read_text()


@pytest.mark.parametrize("name", ["digits-mlp-wse2-f16", "lstm-cell"])
def test_run_py_runs_a_network(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """With the simulator in place of the SDK, `run.py` loads what lies beside it and finds NumPy's output."""
    sample = SAMPLES[name]
    module, _, expected = lowered(sample, tmp_path)
    out = tmp_path / "out"
    WseCslTarget().save(module, out)
    layout = (out / "layout.csl").read_text()
    program = next(op for op in module.body.ops if isinstance(op, ProgramOp))
    sdk = StandIn(Runtime(module, sample.machine, jit=False), exports(layout))
    for key, stub in sdk.modules().items():
        monkeypatch.setitem(sys.modules, key, stub)
    text = (out / "run.py").read_text()
    inputs, outputs = (
        ast.literal_eval(re.findall(rf"^{table} = (\{{.*?^\}})", text, re.M | re.S)[0])
        for table in ("INPUTS", "OUTPUTS")
    )
    (given,), first = inputs, next(iter(outputs))
    np.savez(tmp_path / "given.npz", **{given: sample.input()})
    np.savez(tmp_path / "expected.npz", **{first: expected})
    if len(outputs) > 1:
        more = {key: np.zeros(shape) for key, (_, shape, _) in outputs.items() if key != first}
        np.savez(tmp_path / "expected.npz", **{first: expected}, **more)
    arguments = [
        "run.py", "--name", "out", "--inputs", str(tmp_path / "given.npz"), "--outputs",
        str(tmp_path / "found.npz"), "--expected", str(tmp_path / "expected.npz"),
        *(["--tolerance", "inf"] if len(outputs) > 1 else []),
    ]  # fmt: skip
    monkeypatch.setattr(sys, "argv", arguments)
    runpy.run_path(str(out / "run.py"))
    with np.load(tmp_path / "found.npz") as table:
        found = dict(table)
    allowed = {"f32": 1e-5, "f16": 1e-2}[sample.dtype]
    assert np.abs(found[first] - expected).max() <= allowed * np.abs(expected).max()
    assert f"{first}: largest error" in capsys.readouterr().out
    assert sdk.log[-2:] == ["launch start", "stop"]
    assert Order.ROW_MAJOR
    assert program is not None


def test_run_py_fails_when_outputs_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An output that is not the expected one ends the program with a message."""
    sample = SAMPLES["digits-mlp"]
    module, _, expected = lowered(sample, tmp_path)
    out = tmp_path / "out"
    WseCslTarget().save(module, out)
    layout = (out / "layout.csl").read_text()
    sdk = StandIn(Runtime(module, sample.machine, jit=False), exports(layout))
    for key, stub in sdk.modules().items():
        monkeypatch.setitem(sys.modules, key, stub)
    np.savez(tmp_path / "given.npz", images=sample.input())
    np.savez(tmp_path / "expected.npz", logits=expected + 1)
    found = ["--outputs", str(tmp_path / "found.npz"), "--inputs", str(tmp_path / "given.npz")]
    more = ["--expected", str(tmp_path / "expected.npz")]
    monkeypatch.setattr(sys, "argv", ["run.py", "--name", "out", *found, *more])
    with pytest.raises(SystemExit, match="logits differs by more than 1e-05"):
        runpy.run_path(str(out / "run.py"))


def test_what_the_host_cannot_reach_is_an_error(tmp_path: Path):
    """A tensor that goes to a buffer which no tile exports."""
    module, _, _ = lowered(SAMPLES["digits-mlp"], tmp_path)
    for op in module.walk():
        if op.name == "wse.buffer" and op.properties["sym_name"].data == "v_images":  # pyright: ignore
            op.properties.pop("export", None)
    with pytest.raises(BackendError, match="no exported buffer"):
        WseCslTarget().sources(module)

"""Finding a pass that breaks a model, and shrinking the model that it breaks."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import parser
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.universe import Universe

from pyflame_rt import failures, universe
from pyflame_rt.compiler import CompiledModel
from pyflame_rt.dialects.pfrt.activation import ReluOp
from pyflame_rt.dialects.pfrt.elementwise import AbsOp, AddOp
from pyflame_rt.dialects.rewriting import failed
from pyflame_rt.reduction import minimal
from pyflame_rt.tools import pfrt_opt, pfrt_run

TEXT = """
<ir_version: 8, opset_import: ["" : 17]>
m (float[N, 3] x) => (float[N, 3] y, float[N, 3] other) <float[3] k = {1, 2, 3}>
{
  a = Mul(x, k)
  b = Add(a, x)
  c = Relu(b)
  d = Exp(a)
  e = Sub(c, d)
  y = Neg(e)
  other = Tanh(x)
}
"""


@dataclass(frozen=True)
class BreakReluPass(ModulePass):
    """Takes relu(add(…)) for abs."""

    name = "break-relu"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for inner in list(op.walk()):
            if isinstance(inner, ReluOp) and isinstance(inner.operands[0].owner, AddOp):
                new = AbsOp.create_op([inner.operands[0]], names=["c"])
                inner.parent.insert_op_before(new, inner)
                inner.results[0].replace_all_uses_with(new.results[0])
                inner.detach()
                inner.erase()


@dataclass(frozen=True)
class RefuseTanhPass(ModulePass):
    """Cannot handle tanh."""

    name = "refuse-tanh"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for inner in op.walk():
            if inner.name == "pfrt.tanh":
                raise failed(inner, "no tanh please")


class Plugin:
    """An installed package with passes."""

    name = "broken"

    def load(self) -> Universe:
        kinds = (BreakReluPass, RefuseTanhPass)
        return Universe(all_passes={kind.name: lambda kind=kind: kind for kind in kinds})


@pytest.fixture(autouse=True)
def plugin(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(universe, "entry_points", lambda group: [Plugin()])
    universe.multiverse.cache_clear()
    yield
    universe.multiverse.cache_clear()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "m.onnx"
    onnx.save(parser.parse_model(TEXT), path)
    np.savez(tmp_path / "in.npz", x=np.array([[1, -2, 3], [-4, 5, 6]], np.float32))
    return path


def run(capsys, model: Path, *arguments: str) -> tuple[int, list[str]]:
    inputs = ["--inputs", str(model.with_name("in.npz"))]
    code = pfrt_run.main([str(model), *inputs, *arguments])
    captured = capsys.readouterr()
    assert captured.err == ""
    return code, captured.out.splitlines()


PIPELINE = "pfrt-canonicalize,cse,break-relu,pfrt-fold-constants,dce"


@pytest.mark.parametrize("backend", ["numpy", "reference"])
def test_the_pass_that_breaks_outputs_is_named(model: Path, capsys, backend: str):
    """With the first value that it changed, which is none of the outputs."""
    code, lines = run(
        capsys, model, "--bisect-passes", "--pipeline", PIPELINE, "--backend", backend
    )
    assert code == 1
    assert lines[0] == "bisection: pass 3 breaks it: break-relu"
    assert lines[1].startswith("  first value to differ: c: max |Δ| 8, ")
    assert lines[2].startswith("  outputs: y: max |Δ|")


def test_a_pass_that_fails_is_named(model: Path, capsys):
    code, lines = run(capsys, model, "--bisect-passes", "--pipeline", "cse,refuse-tanh", "--json")
    found = json.loads("\n".join(lines))["bisection"]
    assert (code, found["number"], found["pass"], found["first"]) == (1, 2, "refuse-tanh", None)
    assert "no tanh please" in found["failure"]


def test_passes_that_break_nothing_are_acquitted(model: Path, capsys):
    for arguments in (["--opt-level", "3"], ["--pipeline", ""]):
        code, lines = run(capsys, model, "--bisect-passes", *arguments)
        assert (code, lines) == (0, ["bisection: outputs agree after all passes"])


def test_a_backend_that_is_wrong_by_itself_is_named(model: Path, capsys, monkeypatch):
    compiled = failures.compiler.compile_module

    def wrong(*arguments: object) -> CompiledModel:
        """The model, its outputs negated."""
        found = compiled(*arguments)

        class Negating:
            def run(self, arrays):
                return [-array for array in found.executable.run(arrays)]

        return replace(found, executable=Negating())

    monkeypatch.setattr(failures.compiler, "compile_module", wrong)
    code, lines = run(capsys, model, "--bisect-passes")
    assert (code, lines[0]) == (1, "bisection: wrong before any pass, in the numpy backend")


def test_a_failing_model_is_reduced_to_what_fails(model: Path, capsys):
    """Of seven ops two are left; the command that is printed fails as the model did."""
    out = model.with_name("small one.mlir")
    code, lines = run(capsys, model, "--reduce", str(out), "--pipeline", PIPELINE)
    assert code == 1
    assert lines[0] == "reduced from 7 ops to 2"
    text = out.read_text()
    assert text.count("pfrt.add") == text.count("pfrt.relu") == 1
    assert "pfrt.exp" not in text
    program, *arguments = shlex.split(lines[-1])
    assert program == "pfrt-run"
    assert pfrt_run.main(arguments) == 1
    assert "reference: DIFFERS" in capsys.readouterr().out


def test_a_model_that_a_pass_fails_on_is_reduced_too(model: Path, capsys):
    out = model.with_name("small.mlir")
    code, lines = run(capsys, model, "--reduce", str(out), "--pipeline", "refuse-tanh", "--json")
    found = json.loads("\n".join(lines))["reduction"]
    assert (code, found["ops_after"], found["inputs"]) == (1, 1, ["x"])
    assert "pfrt.tanh" in out.read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--reduce", "o.onnx"], 2, "o.onnx: not a name for text; --reduce writes a .mlir file"),
        (["--reduce", "{out}"], 2, "agree with the reference backend's, there is nothing to"),
        (["--bisect-passes", "--compare", "onnxruntime"], 2, "--bisect-passes compares with the"),
        (["--bisect-passes", "--pipeline", "nope"], 2, 'unknown pass "nope"'),
    ],
)
def test_what_makes_no_sense_is_said(model: Path, capsys, arguments, code: int, message: str):
    given = [a.format(out=model.with_name("o.mlir")) for a in arguments]
    assert pfrt_run.main([str(model), *given]) == code
    assert message in capsys.readouterr().err


def test_lowered_models_have_no_passes_to_blame(model: Path, capsys):
    plan = model.with_name("plan.mlir")
    assert pfrt_opt.main([str(model), "-p", "convert-pfrt-to-plan", "-o", str(plan)]) == 0
    assert pfrt_run.main([str(plan), "--bisect-passes"]) == 2
    assert "a lowered model has no passes before it to blame" in capsys.readouterr().err


@pytest.mark.parametrize("culprits", [{3}, {0, 9}, {2, 5, 7}, set(range(10))])
def test_a_minimal_subsequence_is_found(culprits: set[int]):
    items = list(range(10))
    assert set(minimal(items, lambda part: culprits <= set(part))) == culprits

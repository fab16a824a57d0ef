"""pfrt-run as a command: what it feeds, compares, reports, and its exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper, parser

from pyflame_rt.tools import onnxruntime_values, pfrt_run, progress

TEXT = """
<ir_version: 8, opset_import: ["" : 17]>
two (float[N, 3] x, float[N, 3] z) => (float[N, 3] y, float[N, 3] w) <float[3] scale = {1, 2, 3}>
{
  s = Add(x, z)
  y = Mul(s, scale)
  w = Relu(y)
}
"""
X = np.array([[1, -2, 3]], np.float32)
Z = np.array([[1, 1, 1]], np.float32)
Y = (X + Z) * np.array([1, 2, 3], np.float32)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "m.onnx"
    onnx.save(parser.parse_model(TEXT), path)
    return path


@pytest.fixture
def arrays(tmp_path: Path) -> Path:
    np.savez(tmp_path / "in.npz", x=X, z=Z)
    np.savez(tmp_path / "out.npz", y=Y, w=np.maximum(Y, 0))
    np.savez(tmp_path / "none.npz")
    np.save(tmp_path / "x.npy", X)
    (tmp_path / "z.pb").write_bytes(numpy_helper.from_array(Z).SerializeToString())
    return tmp_path


POINTWISE = """
func.func @main(%x: tensor<1x4x6x6xf32>) -> tensor<1x2x6x6xf32> {
  %w = pfrt.constant dense<1.0> : tensor<2x4x1x1xf32>
  %y = pfrt.conv %x, %w : (tensor<1x4x6x6xf32>, tensor<2x4x1x1xf32>) -> tensor<1x2x6x6xf32>
  func.return %y : tensor<1x2x6x6xf32>
}
"""


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine takes longer than a tool is silent; who asks for its words sets the time."""
    monkeypatch.setattr(progress, "_PATIENCE", 60.0)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    code = pfrt_run.main([str(a) for a in arguments])
    captured = capsys.readouterr()
    assert captured.err == ""
    return code, captured.out


def report(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, object]:
    code, out = run(capsys, *arguments, "--json")
    assert code == 0
    return json.loads(out)


def error(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    code = pfrt_run.main([str(a) for a in arguments])
    captured = capsys.readouterr()
    assert captured.err.startswith("pfrt-run: error: ")
    assert captured.err.count("\n") == 1, "an error is one line"
    return code, captured.err.removeprefix("pfrt-run: error: ").rstrip("\n")


@pytest.mark.parametrize(
    "how", [[], ["--dynamic"], ["--backend", "reference"], ["--opt-level", "0"]]
)
def test_outputs_are_the_models_whatever_the_way(model, arrays, capsys, how: list[str]):
    out = arrays / "got.npz"
    run(capsys, model, "--inputs", arrays / "in.npz", "--output", out, *how)
    with np.load(out) as got:
        np.testing.assert_array_equal(got["y"], Y)
        np.testing.assert_array_equal(got["w"], np.maximum(Y, 0))


def test_inputs_come_one_by_one(model, arrays, capsys):
    files = ["-i", f"x={arrays / 'x.npy'}", "--input", f"z={arrays / 'z.pb'}"]
    code, out = run(capsys, model, *files, "--expect", arrays / "out.npz")
    assert code == 0
    assert "out.npz: agrees" in out


def test_outputs_that_differ_exit_with_1(model, arrays, capsys):
    np.savez(arrays / "wrong.npz", y=Y + 1)
    code, out = run(capsys, model, "--inputs", arrays / "in.npz", "--expect", arrays / "wrong.npz")
    assert code == 1
    assert "wrong.npz: DIFFERS" in out
    assert "y: max |Δ| 1, relative to max |expected| 0.0769" in out
    code, _ = run(
        capsys, model, "--inputs", arrays / "in.npz", "--expect", arrays / "wrong.npz", "--atol", 1
    )
    assert code == 0


def test_onnx_test_data_brings_inputs_and_outputs(model, arrays, capsys):
    folder = arrays / "test_data_set_0"
    folder.mkdir()
    for name, array in [("input_0", X), ("input_1", Z), ("output_0", Y)]:
        (folder / f"{name}.pb").write_bytes(numpy_helper.from_array(array).SerializeToString())
    code, out = run(capsys, model, "--test-data", folder)
    assert code == 0
    assert f"{folder}: agrees" in out


def test_a_folder_of_outputs_can_be_expected(model, arrays, capsys):
    run(capsys, model, "--inputs", arrays / "in.npz", "--output", arrays / "outputs")
    assert sorted(p.name for p in (arrays / "outputs").iterdir()) == ["w.npy", "y.npy"]
    code, _ = run(
        capsys, model, "--inputs", arrays / "in.npz", "--expect", arrays / "outputs", "--rtol", 0
    )
    assert code == 0


def test_random_inputs_repeat_and_seeds_differ(model, tmp_path, capsys):
    for name, seed in [("a", 1), ("b", 1), ("c", 2)]:
        out = tmp_path / f"{name}.npz"
        run(capsys, model, "--random-seed", seed, "--dim", "N=5", "--output", out)
    files = [(tmp_path / f"{name}.npz").read_bytes() for name in "abc"]
    assert files[0] == files[1] != files[2]
    with np.load(tmp_path / "a.npz") as got:
        assert got["y"].shape == (5, 3)


def test_a_seed_fills_in_what_is_not_given(model, arrays, capsys):
    code, _ = run(capsys, model, "-i", f"x={arrays / 'x.npy'}", "--random-seed", 3)
    assert code == 0
    code, text = error(capsys, model, "-i", f"x={arrays / 'x.npy'}")
    assert code == 2
    assert "['z']" in text


@pytest.mark.parametrize("other", ["onnxruntime", "reference"])
def test_comparisons_with_another_implementation(model, capsys, other: str):
    result = report(capsys, model, "--compare", other, "--dim", "N=2")["compare"]
    assert result["agrees"] is True
    assert [v["name"] for v in result["values"]] == ["y", "w"]


@pytest.mark.parametrize("other", ["onnxruntime", "reference"])
def test_layers_are_compared_by_name(model, capsys, other: str):
    result = report(capsys, model, "--compare", other, "--per-layer")["compare"]
    assert {v["name"] for v in result["values"]} == {"s", "y", "w"}


def test_the_first_and_the_worst_layer_that_differ_are_named(model, capsys, monkeypatch):
    def wrong(*_, **__):
        scaled = onnxruntime_values_run(*_, **__)
        return {**scaled, "s": scaled["s"] + 1, "w": scaled["w"] + 1000}

    onnxruntime_values_run = onnxruntime_values.run
    monkeypatch.setattr(onnxruntime_values, "run", wrong)
    code, out = run(capsys, model, "--compare", "onnxruntime", "--per-layer")
    assert code == 1
    assert "onnxruntime: 1 of 3 layers agree" in out
    assert "first to differ: " in out
    assert "worst: " in out


def test_inspection_describes_the_model(model, capsys):
    found = report(capsys, model, "--inspect", "--dim", "N=4")["inspection"]
    assert found["inputs"] == ["x: tensor(float) [N, 3]", "z: tensor(float) [N, 3]"]
    assert found["operators"] == {"Add": 1, "Mul": 1, "Relu": 1}
    assert (found["parameters"], found["flops"]) == (3, 36)
    assert found["shapes"] == {"x": [4, 3], "z": [4, 3]}
    code, out = run(capsys, model, "--inspect")
    assert code == 0
    assert "parameters  3 (12 B)" in out


def test_inspection_lists_every_unsupported_operator(tmp_path, capsys):
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    nodes = [
        helper.make_node("Nope", ["x"], ["a"], "first"),
        helper.make_node("Odd", ["a"], ["y"], "second", domain="com.acme"),
    ]
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("com.acme", 1)]
    graph = helper.make_graph(nodes, "g", [value], [out])
    onnx.save(helper.make_model(graph, opset_imports=imports), tmp_path / "m.onnx")
    code, text = run(capsys, tmp_path / "m.onnx", "--inspect")
    assert code == 0
    assert 'unsupported node "first" (Nope, opset 17)' in text
    assert 'node "second" (com.acme::Odd, opset 1)' in text
    code, message = error(capsys, tmp_path / "m.onnx")
    assert code == 2
    assert "2 nodes have an unsupported operator" in message


def test_inspection_without_a_model_describes_the_system(capsys):
    found = report(capsys, "--inspect")["system"]
    assert found["numpy"] == np.__version__
    assert found["blas_pinned"] == ("OPENBLAS_CORETYPE" in os.environ)
    assert "numpy" in found["backends"]
    code, out = run(capsys, "--inspect")
    assert code == 0 and f"kernel {found['blas_kernel']}" in out
    code, message = error(capsys)
    assert code == 2 and "Missing argument 'MODEL'" in message


def test_tuning_is_reported(capsys, monkeypatch, tmp_path):
    """What the second run finds in the user's cache is not measured again."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    # The layouts that machine code is for leave no choice here.
    monkeypatch.setenv("PYFLAME_RT_JIT", "0")
    (tmp_path / "m.mlir").write_text(POINTWISE)
    for measured in (1, 0):
        found = report(capsys, tmp_path / "m.mlir", "--tune")["tuning"]
        assert (found["choices"], found["measured"]) == (1, measured)
    code, out = run(capsys, tmp_path / "m.mlir", "--tune", "--compare", "reference")
    assert code == 0 and "tuning: " in out


def test_timings_are_reported(model, capsys):
    times = report(capsys, model, "--bench", 5)["bench"]
    assert times["runs"] == 5
    assert 0 < times["min_ms"] <= times["median_ms"] <= times["p90_ms"] <= times["p99_ms"]


def test_a_pipeline_may_lower_by_itself(model, arrays, capsys):
    code, _ = run(
        capsys, model, "--pipeline", "pfrt-fold-constants,convert-pfrt-to-plan",
        "--inputs", arrays / "in.npz", "--expect", arrays / "out.npz",
    )  # fmt: skip
    assert code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--nope"], "No such option"),
        (["--dim", "N"], '--dim takes NAME=SIZE, got "N"'),
        (["--dim", "M=2"], 'no input has a dimension "M"; its symbols are N'),
        (["-i", "x"], '--input takes NAME=FILE, got "x"'),
        (["-i", "x=missing.npy"], "missing.npy: no such file"),
        (["-i", "q=x.npy", "-i", "z=z.pb", "-i", "x=x.npy"], "Invalid input name: q"),
        (["--inputs", "none.npz"], "Required inputs (['x', 'z']) are missing"),
        (["--expect", "none.npz"], "none.npz: holds no outputs to compare with"),
        (["--inputs", "x.npy"], "x.npy: is not an .npz archive: it holds one array"),
        (["-i", "x=in.npz"], 'cannot read an array from a ".npz" file'),
        (["--test-data", "."], "has no input_0.pb"),
        (["--expect", "in.npz"], 'in.npz: there is no output "x"; outputs are y, w'),
        (["--per-layer"], "--per-layer goes with --compare"),
        (["--bench", "0"], "Invalid value for '--bench'"),
        (["--backend", "tpu"], "Invalid value for '--backend'"),
        (["--pipeline", "nope"], 'unknown pass "nope"'),
        (["--pipeline", "cse", "--opt-level", "1"], "exclude each other"),
        (["--rtol", "-1"], "Invalid value for '--rtol'"),
        (["--tune", "--backend", "reference"], "--tune goes with the numpy backend"),
    ],
)
def test_bad_input_and_command_lines_exit_with_2(
    model, arrays, capsys, monkeypatch, arguments: list[str], message: str
):
    monkeypatch.chdir(arrays)
    code, text = error(capsys, model, *arguments)
    assert (code, message in text) == (2, True), text


def test_bad_models_exit_with_2(tmp_path, capsys):
    (tmp_path / "m.onnx").write_bytes(b"not a model")
    assert error(capsys, tmp_path / "m.onnx")[0] == 2
    assert error(capsys, tmp_path / "none.onnx")[0] == 2
    assert error(capsys, tmp_path / "m.h5")[0] == 2
    (tmp_path / "m.mlir").write_text("func.func @f(%x: i32) { func.return }")
    code, text = error(capsys, tmp_path / "m.mlir")
    assert code == 2
    assert "has no function @main, and none that takes nothing" in text


def test_a_failing_run_exits_with_1_and_names_the_op(tmp_path, capsys):
    (tmp_path / "m.mlir").write_text("""
      func.func @main(%x: tensor<?xf32> {pfrt.name = "x", pfrt.dims = ["N"]}) -> tensor<2xf32> {
        %0 = pfrt.reshape %x as "y" {shape = array<i64: 2>} : (tensor<?xf32>) -> tensor<2xf32>
        func.return %0 : tensor<2xf32>
      }""")
    arguments = ["--dim", "N=3", "--dynamic"]
    for backend in ("numpy", "reference"):
        code, text = error(capsys, tmp_path / "m.mlir", *arguments, "--backend", backend)
        assert (code, "reshape" in text) == (1, True), text


def test_onnxruntime_needs_a_model_of_its_own(tmp_path, capsys):
    (tmp_path / "m.mlir").write_text(
        "func.func @main(%x: tensor<1xf32>) -> tensor<1xf32> { func.return %x : tensor<1xf32> }"
    )
    code = pfrt_run.main([str(tmp_path / "m.mlir"), "--compare", "onnxruntime"])
    assert code == 2
    assert "needs an .onnx or .onnxtxt model" in capsys.readouterr().err


def test_as_a_module_and_with_help(capsys):
    code, out = run(capsys, "--help")
    assert code == 0
    assert "--per-layer" in out
    command = [sys.executable, "-m", "pyflame_rt.tools.pfrt_run", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("pfrt-run ")


def test_guessed_sizes_that_do_not_fit_are_named(capsys):
    """A network whose sizes are multiples does not run at size 1: the error and --inspect say so."""
    unet = Path(__file__).resolve().parents[1] / "networks" / "unet.dynamo.onnx"
    assert pfrt_run.main([str(unet)]) == 1
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    assert "4*width_steps were taken as 1, other sizes are given with --dim" in text
    code, text = run(capsys, unet, "--inspect")
    assert code == 0
    assert "flops       unknown at images [1, 3, 1, 1]; give other sizes" in text
    sizes = ("--dim", "4*height_steps=8", "--dim", "4*width_steps=12")
    assert run(capsys, unet, *sizes)[0] == 0

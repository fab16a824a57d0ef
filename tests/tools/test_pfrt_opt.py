"""pfrt-opt as a command: exit codes, one-line errors, files, speed of starting."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pyflame_rt.tools import pfrt_opt

MLP = Path(__file__).resolve().parents[2] / "examples" / "digits" / "mlp.onnx"
IR = """\
builtin.module {
  func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
    %0 = pfrt.relu %x as "y" : tensor<2xf32> -> tensor<2xf32>
    func.return %0 : tensor<2xf32>
  }
}
"""
INVALID = """\
func.func @bad(%x: tensor<2xf32>) -> tensor<3xf32> {
  %0 = pfrt.relu %x as "y" : tensor<2xf32> -> tensor<3xf32> loc("n"("m.onnx":4:0))
  func.return %0 : tensor<3xf32>
}
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "m.mlir"
    path.write_text(IR)
    return path


def error_of(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    code = pfrt_opt.main([str(a) for a in arguments])
    captured = capsys.readouterr()
    assert captured.err.startswith("pfrt-opt: error: ")
    assert captured.err.count("\n") == 1, "an error is one line"
    assert captured.out == ""
    return code, captured.err.removeprefix("pfrt-opt: error: ").rstrip("\n")


def run(*arguments: object, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "pyflame_rt.tools.pfrt_opt", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, input=stdin, check=False)


def test_without_passes_ir_is_printed_back(model: Path, capsys: pytest.CaptureFixture[str]):
    assert pfrt_opt.main([str(model)]) == 0
    assert capsys.readouterr().out == IR


def test_standard_input_holds_ir(monkeypatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(IR.encode())))
    assert pfrt_opt.main(["-p", "cse"]) == 0
    assert capsys.readouterr().out == IR


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-p", "pfrt-canonicalise"], 'unknown pass "pfrt-canonicalise"; did you mean'),
        (["-p", "cse{x=1}"], 'cse: unknown option "x"; it has no options'),
        (["-p", "cse,,"], "expected a pass's name at column 5"),
        (["--nope"], "unrecognized arguments: --nope; pfrt-opt --help"),
        (["-t", "nope"], "invalid choice: 'nope'"),
        (["-t", "dot{x=1}"], 'dot: unknown option "x"'),
        (["-t", "{"], "Expected pass name here"),
        (["-t", "dot,mlir"], '-t takes one target, got "dot,mlir"'),
        (["-o", "m.onnxtxt"], "m.onnxtxt: not a name for text; write to a .mlir file"),
        (["-o", "m.weights"], "m.weights: not a name for text"),
        (["--reproducer", "m.onnx"], "m.onnx: not a name for text"),
        (["-f", "torch"], "invalid choice: 'torch'"),
        (["--run-reproducer", "-p", "cse"], "--run-reproducer takes a file and no pipeline"),
        (["--split-input-file", "--reproducer", "r"], "do not go together"),
        (["--split-input-file", "-f", "onnx"], "--split-input-file is for .mlir files"),
    ],
)
def test_a_wrong_command_line_exits_with_2(model, capsys, arguments: list[str], message: str):
    code, text = error_of(capsys, model, *arguments)
    assert (code, message in text) == (2, True), text


def test_bad_input_exits_with_1(tmp_path: Path, capsys):
    bad = tmp_path / "bad.mlir"
    bad.write_text(INVALID)
    code, text = error_of(capsys, bad)
    assert code == 1
    assert text.startswith(f'{bad}: pfrt.relu "y" (node "n", m.onnx:4): result 0 ')
    code, text = error_of(capsys, tmp_path / "missing.mlir")
    assert (code, text) == (1, f"{tmp_path / 'missing.mlir'}: no such file; check the path")
    code, text = error_of(capsys, tmp_path / "m.h5")
    assert code == 1
    assert "no frontend reads" in text
    code, text = error_of(capsys, "--weights", tmp_path / "none", tmp_path / "bad.mlir")
    assert (code, "none: no such file" in text) == (1, True)


def test_a_failed_pass_writes_nothing(model: Path, tmp_path: Path, capsys):
    out = tmp_path / "out.mlir"
    out.write_text("old")
    code, text = error_of(capsys, model, "-p", "cse,mlir-opt{executable=no-such-tool}", "-o", out)
    assert code == 1
    assert text.startswith("mlir-opt: ")
    assert out.read_text() == "old"


def test_output_that_cannot_be_written_is_reported(model: Path, tmp_path: Path, capsys):
    code, text = error_of(capsys, model, "-o", tmp_path / "no" / "out.mlir")
    assert (code, "cannot write" in text) == (1, True)
    (tmp_path / "folder").mkdir()
    code, text = error_of(capsys, MLP, "-o", tmp_path / "folder")
    assert (code, text) == (1, f"{tmp_path / 'folder'}: cannot write: Is a directory")
    assert not (tmp_path / "folder.weights").exists(), "nothing is written by halves"
    code, text = error_of(capsys, model, "--dump-ir", model)
    assert (code, "cannot make the folder" in text) == (1, True)


def test_output_may_be_a_device(model: Path):
    """Renaming a temporary file over /dev/null would replace the device."""
    assert pfrt_opt.main([str(model), "-o", os.devnull]) == 0
    assert Path(os.devnull).is_char_device()


@pytest.mark.parametrize("path", ["-", "/dev/stdout"])
def test_output_may_be_standard_output(path: str, tmp_path: Path, monkeypatch):
    """A pipe has no place for weights, and no name that /dev/stdout resolves to."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    done = run(MLP, "-o", path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"builtin.module")
    assert not os.listdir(tmp_path) and not os.path.exists(f"{path}.weights")


def test_an_output_link_stays_a_link(model: Path, tmp_path: Path):
    target, link = tmp_path / "target.mlir", tmp_path / "link.mlir"
    target.touch()
    link.symlink_to(target)
    assert pfrt_opt.main([str(model), "-o", str(link)]) == 0
    assert link.is_symlink()
    assert target.read_text() == IR


def test_diagnostics_that_are_asked_for_are_results(tmp_path: Path, capsys):
    path = tmp_path / "m.mlir"
    path.write_text(f"{INVALID}// -----\nnope\n// -----\n{IR}")
    split = [str(path), "--split-input-file"]
    assert pfrt_opt.main([*split, "--verify-diagnostics"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith(f'{path}: pfrt.relu "y"')
    assert out[1] == out[3] == "// -----"
    assert out[2].startswith(f"{path}:6:1: ")
    assert out[4] == "builtin.module {"
    assert pfrt_opt.main([*split, "--parsing-diagnostics"]) == 1, "verification failed"


def test_dumps_are_numbered_and_readable(model: Path, tmp_path: Path, capsys):
    folder = tmp_path / "dump" / "ir"
    assert pfrt_opt.main([str(model), "-p", "cse,dce", "--dump-ir", str(folder)]) == 0
    assert sorted(p.name for p in folder.iterdir()) == [
        "00_input.mlir",
        "01_cse.mlir",
        "02_dce.mlir",
    ]
    capsys.readouterr()
    assert pfrt_opt.main([str(folder / "02_dce.mlir")]) == 0
    assert capsys.readouterr().out == IR


def test_a_reproducer_is_written_before_the_pass_that_fails(model: Path, tmp_path: Path, capsys):
    path = tmp_path / "r.mlir"
    pipeline = "cse,mlir-opt{executable=no-such-tool}"
    code, text = error_of(capsys, model, "-p", pipeline, "--reproducer", path)
    assert code == 1
    assert path.read_text() == f"// RUN: pfrt-opt %s -p '{pipeline}'\n{IR}"
    assert error_of(capsys, path, "--run-reproducer") == (1, text)


def test_timing_goes_to_stderr(model: Path, capsys):
    assert pfrt_opt.main([str(model), "-p", "cse", "--time-passes"]) == 0
    captured = capsys.readouterr()
    assert captured.out == IR
    assert captured.err.startswith("pfrt-opt: cse: ")


def test_print_between_passes(model: Path, capsys):
    assert pfrt_opt.main([str(model), "-p", "cse", "--print-between-passes"]) == 0
    assert capsys.readouterr().out == f"IR after cse:\n{IR}\n\n{IR}"


def test_version_starts_without_numpy_and_onnx():
    """Start-up time is what a shell loop and a lit suite pay hundreds of times."""
    command = [sys.executable, "-X", "importtime", "-m", "pyflame_rt.tools.pfrt_opt", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("pfrt-opt ")
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not imported & {"numpy", "onnx", "ml_dtypes", "click"}


def test_help_lists_passes_and_targets(capsys):
    assert pfrt_opt.main(["--help"]) == 0
    out = "".join(capsys.readouterr().out.split())
    assert "pfrt-canonicalize" in out
    assert "dot" in out


def test_a_reader_that_has_gone_is_no_traceback(model: Path):
    """`pfrt-opt … | head` ends quietly."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "pyflame_rt.tools.pfrt_opt", str(model)]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_interruption_is_one_line(model: Path, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(pfrt_opt.PfrtOptMain, "run", interrupted)
    assert error_of(capsys, model) == (130, "interrupted")


def test_a_bug_of_ours_is_one_line_too(model: Path, monkeypatch, capsys):
    def broken(*_):
        raise TypeError("a\nb")

    monkeypatch.setattr(pfrt_opt.PfrtOptMain, "run", broken)
    code, text = error_of(capsys, model)
    assert code == 1
    assert text.startswith("internal error: TypeError: a (test_pfrt_opt.py:")


def test_as_a_module_and_from_a_pipe():
    done = run("-p", "cse", stdin=IR.encode())
    assert (done.returncode, done.stdout.decode()) == (0, IR)
    done = run("-p", "nope", stdin=IR.encode())
    assert (done.returncode, done.stdout) == (2, b"")

"""`.pfm` files in sessions, in the tools and in Python: a model like any other."""

from __future__ import annotations

import json
import mmap
import os
from pathlib import Path

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp

import pyflame_rt as rt
from pyflame_rt import compiler, module_files
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.frontends.pfm import PfmFile, read_pfm, write_pfm
from pyflame_rt.limits import Limits
from pyflame_rt.tools import pfrt_opt, pfrt_run
from pyflame_rt.universe import make_context

ROOT = Path(__file__).resolve().parents[3]
DIGITS = ROOT / "examples" / "digits"


def images(batch: int) -> np.ndarray:
    return np.random.default_rng(0).random((batch, 1, 8, 8), np.float32)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "cnn.pfm"
    rt.save_model(rt.load_model(DIGITS / "cnn.onnx"), path)
    return path


@pytest.mark.parametrize("name", ["cnn", "mlp"])
def test_sessions_give_the_same_bits(name: str, tmp_path: Path):
    """From the path, from bytes, and from a graph, as from the .onnx."""
    path = tmp_path / f"{name}.pfm"
    rt.save_model(rt.load_model(DIGITS / f"{name}.onnx"), path)
    options = rt.SessionOptions()
    # A plan for one size of batch may round otherwise than the one for all.
    options.specialize_after = 0
    theirs = rt.InferenceSession(DIGITS / f"{name}.onnx", options)
    for source in (path, str(path), path.read_bytes(), rt.load_model(path)):
        session = rt.InferenceSession(source, options)
        assert session.get_inputs() == theirs.get_inputs()
        assert session.get_modelmeta() == theirs.get_modelmeta()
        for batch in (1, 5):
            feed = {session.get_inputs()[0].name: images(batch)}
            for mine, other in zip(session.run(None, feed), theirs.run(None, feed), strict=True):
                assert mine.tobytes() == other.tobytes()


def test_a_graph_built_by_hand(tmp_path: Path):
    """The example of the developer guide."""
    graph = rt.Graph("simple_relu")
    graph.add_input("input", (1, 10), np.float32)
    graph.add_node("relu_0", "Relu", ["input"], ["output"])
    graph.add_output("output", (1, 10), np.float32)
    rt.save_model(graph, tmp_path / "simple_relu.pfm")
    loaded = rt.load_model(tmp_path / "simple_relu.pfm")
    assert [node.op_type for node in loaded.nodes] == ["Relu"]
    session = rt.InferenceSession(tmp_path / "simple_relu.pfm")
    x = np.linspace(-1, 1, 10, dtype=np.float32)[None]
    np.testing.assert_array_equal(session.run(None, {"input": x})[0], np.maximum(x, 0))
    assert session.get_modelmeta().graph_name == "simple_relu"


@pytest.mark.parametrize("extension", [".pfm", ".onnx", ".mlir"])
def test_the_optimised_model_is_saved_in_the_format_of_its_extension(
    extension: str, tmp_path: Path
):
    options = rt.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / f"optimised{extension}")
    session = rt.InferenceSession(DIGITS / "cnn.onnx", options)
    again = rt.InferenceSession(tmp_path / f"optimised{extension}")
    feed = {"images": images(3)}
    np.testing.assert_allclose(again.run(None, feed)[0], session.run(None, feed)[0], rtol=1e-5)


@pytest.mark.parametrize("name", ["m.pt", "m.bin", "m"])
def test_formats_that_are_not_written(name: str, tmp_path: Path):
    with pytest.raises(
        rt.UnsupportedFormatError, match=r"the extensions are \.mlir, \.pfm, \.onnx"
    ):
        rt.save_model(rt.load_model(DIGITS / "mlp.onnx"), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_what_is_inside_decides(model: Path):
    """A .pfm under another name is one; what is called .pfm must be one."""
    other = model.with_suffix(".onnx")
    os.rename(model, other)
    rt.InferenceSession(other)
    (model.parent / "fake.pfm").write_bytes((DIGITS / "cnn.onnx").read_bytes())
    with pytest.raises(rt.InvalidModelError, match=r"fake\.pfm: is not a \.pfm file"):
        rt.InferenceSession(model.parent / "fake.pfm")
    with pytest.raises(rt.ModelNotFoundError, match="no such file"):
        rt.InferenceSession(model.parent / "missing.pfm")


def maps(array: np.ndarray) -> bool:
    """Whether an array's memory is that of a map."""
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    return isinstance(base, mmap.mmap) or (
        isinstance(base, memoryview) and isinstance(base.obj, mmap.mmap)
    )


def weights_of(module: ModuleOp) -> list[np.ndarray]:
    return [attr.data.array for attr in module_files.used_weights(module)]


def test_tensors_are_views_of_the_map_unless_the_file_is_untrusted(model: Path):
    ctx = make_context()
    assert weights_of(read_pfm(model, ctx)) and all(map(maps, weights_of(read_pfm(model, ctx))))
    assert not any(map(maps, weights_of(read_pfm(model, ctx, untrusted=True))))


def test_untrusted_files_are_verified(model: Path):
    data = bytearray(model.read_bytes())
    data[-1] ^= 1
    model.write_bytes(data)
    read_pfm(model, make_context())
    for options in ({"verify": True}, {"untrusted": True}):
        with pytest.raises(rt.InvalidModelError, match="is damaged"):
            read_pfm(model, make_context(), **options)
    with pytest.raises(rt.InvalidModelError, match="is damaged"):
        rt.load_model(model, verify=True)
    rt.load_model(model)


def resident(path: Path) -> int:
    """Bytes of a file's maps that are in this process's memory."""
    total, inside = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if line[:1].islower() or line[:1].isdigit():
            inside = line.endswith(str(path))
        elif inside and line.startswith("Rss:"):
            total += int(line.split()[1]) * 1024
    return total


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="needs /proc")
def test_memory_grows_by_what_is_touched(tmp_path: Path):
    """Opening 64 MiB, reading its graph and compiling none of it leaves the tensors unread."""
    count = 2**22
    ops = [ConstantOp.get(np.full(count, n, np.float32), names=[f"w{n}"]) for n in range(4)]
    path = tmp_path / "large.pfm"
    write_pfm(ModuleOp(ops), path)
    del ops
    file = PfmFile.open(path)
    module = file.module(make_context())
    assert 0 < resident(path) < 2 * 2**20
    assert float(file.tensor(2).materialize()[::1024].sum()) == 2 * count / 1024
    assert 4 * count <= resident(path) < 4 * count + 2 * 2**20
    assert len(list(module.ops)) == 4


def test_writing_replaces_the_file_or_leaves_it(model: Path, monkeypatch: pytest.MonkeyPatch):
    """A reader of the old file keeps its map."""
    before = model.read_bytes()
    module = compiler.load(model).module
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(rt.PyFlameRTError, match="cannot write: disk full"):
        write_pfm(module, model, locations=False)
    assert model.read_bytes() == before and os.listdir(model.parent) == ["cnn.pfm"]
    monkeypatch.undo()
    write_pfm(module, model)
    assert model.read_bytes() == before


def test_limits_can_be_changed(model: Path):
    with pytest.raises(rt.InvalidModelError, match="over the limit of 1000"):
        read_pfm(model, make_context(), limits=Limits(pfm_graph_bytes=1000))


def test_inspection(model: Path, capsys: pytest.CaptureFixture[str]):
    """Parts, sections, tensors and whether all is sound, in words and as JSON."""
    assert pfrt_run.main([str(model), "--inspect"]) == 0
    text = capsys.readouterr().out
    for line in (
        "graph       main_graph",
        f"file        .pfm version 1, {model.stat().st_size:,} bytes; all checksums are right",
        "parts       header 64, ",
        "sections    locations 236, value names 228 bytes",
        "tensors     block1.first.0.weight: float 16x16x3x3, 9,216 bytes at ",
    ):
        assert line in text
    assert pfrt_run.main([str(model), "--inspect", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["inspection"]["file"]
    assert sum(found["parts"].values()) <= found["size"] == model.stat().st_size
    assert len(found["tensors"]) == 5 and found["damage"] == ""
    data = bytearray(model.read_bytes())
    data[-1] ^= 1
    model.write_bytes(data)
    assert pfrt_run.main([str(model), "--inspect"]) == 0
    assert "'block2.second.0.weight' is damaged" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-t", "pfm", "-o", "x.onnx"], "x.onnx: not a name for pfm; write to a .pfm file"),
        (["-t", "onnx", "-o", "x.weights"], "x.weights: not a name for onnx; write to a .onnx"),
        (["-t", "dot", "-o", "x.pfm"], "x.pfm: not a name for text; write to a .mlir file"),
        (["-t", "mlir", "-o", "x.pfm"], "x.pfm: not a name for text; write to a .mlir file"),
        (["-o", "x.pfm", "--split-input-file"], "--split-input-file and -t pfm do not go together"),
        (["-o", "x.pfm", "-t", "pfm{nonsense=1}"], 'unknown option "nonsense"'),
    ],
)  # fmt: skip
def test_outputs_that_make_no_sense(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.mlir").write_text("builtin.module {}")
    assert pfrt_opt.main(["m.mlir", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["m.mlir"]


@pytest.mark.parametrize("given", [[], ["-t", "pfm"], ["-t", "pfm{locations=false}"]])
def test_pfrt_opt_writes_what_save_model_writes(given: list[str], model: Path, tmp_path: Path):
    """But for locations where they are not wanted."""
    out = tmp_path / "out.pfm"
    assert pfrt_opt.main([str(DIGITS / "cnn.onnx"), *given, "-o", str(out)]) == 0
    assert (out.read_bytes() == model.read_bytes()) == ("locations" not in str(given))
    assert pfrt_run.main([str(out)]) == 0

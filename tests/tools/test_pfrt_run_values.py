"""pfrt-run with values that are no arrays of numbers: strings, sequences, optionals and maps."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper, parser

from pyflame_rt import array_files
from pyflame_rt.tools import pfrt_run

TEXTS = """
<ir_version: 9, opset_import: ["" : 20]>
texts (string[N] x) => (string[N] y, int64[N] n, bool[N] same)
{
  mark = Constant <value_strings = ["!"]> ()
  y = StringConcat (x, mark)
  parts, n = StringSplit <delimiter = "p"> (x)
  same = Equal (x, y)
}
"""

SEQUENCES = """
<ir_version: 9, opset_import: ["" : 18]>
sequences (seq(float[N]) s, optional(float[2]) o, float[M] x) => (seq(float[N]) t, bool has)
{
  t = SequenceInsert (s, x)
  has = OptionalHasElement (o)
}
"""

X = np.array(["apple", "b", "Zoë"], object)
Y = np.array(["apple!", "b!", "Zoë!"], object)
ITEMS = [np.array([1], np.float32), np.array([2, 3], np.float32)]


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    (tmp_path / "m.onnxtxt").write_text(TEXTS)
    np.savez(tmp_path / "in.npz", x=X.astype(str))
    np.save(tmp_path / "x.npy", np.char.encode(X.astype(str), "utf-8"))
    np.save(tmp_path / "bad.npy", np.array([b"\xff"]))
    (tmp_path / "x.pb").write_bytes(numpy_helper.from_array(X).SerializeToString())
    return tmp_path


@pytest.fixture
def sequences(tmp_path: Path) -> Path:
    """A model with containers, and what ONNX's test data folders hold for it."""
    onnx.save(parser.parse_model(SEQUENCES), tmp_path / "m.onnx")
    folder = tmp_path / "data"
    folder.mkdir()
    values = {
        "input_0": numpy_helper.from_list(ITEMS[:1]),
        "input_1": numpy_helper.from_optional(ITEMS[1]),
        "input_2": numpy_helper.from_array(ITEMS[1]),
        "output_0": numpy_helper.from_list(ITEMS),
        "output_1": numpy_helper.from_array(np.array(True)),
    }
    for name, proto in values.items():
        (folder / f"{name}.pb").write_bytes(proto.SerializeToString())
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    code = pfrt_run.main([str(a) for a in arguments])
    captured = capsys.readouterr()
    assert captured.err == ""
    return code, captured.out


def error(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    code = pfrt_run.main([str(a) for a in arguments])
    captured = capsys.readouterr()
    assert code in (1, 2)
    assert captured.err.count("\n") == 1, "an error is one line"
    return captured.err.rstrip("\n")


@pytest.mark.parametrize("how", [[], ["--dynamic"], ["--backend", "reference"]])
@pytest.mark.parametrize("source", [["--inputs", "in.npz"], ["-i", "x=x.npy"], ["-i", "x=x.pb"]])
@pytest.mark.parametrize("target", ["out.npz", "out"])
def test_texts_go_in_and_out(texts, capsys, monkeypatch, source, target, how):
    """Files hold them without pickles, and comparison is exact."""
    monkeypatch.chdir(texts)
    code, out = run(capsys, "m.onnxtxt", *source, *how, "--output", target)
    assert code == 0
    assert r"y: tensor(string) [3] 'apple!' 'b!' 'Zo\xeb!'" in out
    code, out = run(capsys, "m.onnxtxt", *source, "--expect", target, "--compare", "onnxruntime")
    assert code == 0
    assert "out" in out and "DIFFERS" not in out
    if target == "out.npz":
        with np.load("out.npz", allow_pickle=False) as found:
            assert found["y"].dtype.kind == "U"
            assert found["y"].tolist() == Y.tolist()


def test_texts_that_differ_are_shown(texts, capsys, monkeypatch):
    monkeypatch.chdir(texts)
    np.savez("wrong.npz", y=np.array(["apple!", "\n" * 100, "Zoë!"]), n=np.array([3, 1]))
    code, out = run(capsys, "m.onnxtxt", "--inputs", "in.npz", "--expect", "wrong.npz")
    assert code == 1
    assert "y: got 'b!', expected '\\n\\n" in out
    assert "1 of 3 elements differ" in out
    assert "n: got shape [3], expected [2]" in out
    assert max(map(len, out.splitlines())) < 300


def test_layers_of_texts_are_compared(texts, capsys):
    model, feed = texts / "m.onnxtxt", texts / "in.npz"
    for other in ("onnxruntime", "reference"):
        options = ["--inputs", feed, "--compare", other, "--per-layer", "--json"]
        found = json.loads(run(capsys, model, *options)[1])["compare"]
        assert found["agrees"] is True
        assert {"parts", "y"} <= {value["name"] for value in found["values"]}


def test_random_texts_are_words_that_repeat(texts, capsys):
    model = texts / "m.onnxtxt"
    for name in ("a", "b"):
        run(capsys, model, "--dim", "N=4", "--output", texts / f"{name}.npz")
    assert (texts / "a.npz").read_bytes() == (texts / "b.npz").read_bytes()
    assert all(text.isascii() for text in array_files.read_archive(texts / "a.npz")["y"])


def test_models_of_texts_are_described_and_timed(texts, capsys):
    code, out = run(capsys, texts / "m.onnxtxt", "--inspect", "--dim", "N=3")
    assert code == 0
    assert "inputs      x: tensor(string) [N]" in out
    assert "parameters  1 (1 B)" in out
    code, out = run(capsys, texts / "m.onnxtxt", "--bench", 2)
    assert (code, "numpy: " in out) == (0, True)


def test_models_of_texts_that_cannot_be_imported_are_described(tmp_path, capsys):
    node = helper.make_node("Nope", ["x"], ["y"])
    values = [helper.make_tensor_value_info(name, TensorProto.STRING, ["N"]) for name in "xy"]
    graph = helper.make_graph([node], "g", values[:1], values[1:])
    onnx.save(helper.make_model(graph), tmp_path / "m.onnx")
    code, out = run(capsys, tmp_path / "m.onnx", "--inspect")
    assert (code, "x: tensor(string) [N]" in out) == (0, True)


def test_bad_texts_are_refused(texts, capsys, monkeypatch):
    monkeypatch.chdir(texts)
    assert "bad.npy: holds bytes that are not UTF-8" in error(
        capsys, "m.onnxtxt", "-i", "x=bad.npy"
    )
    np.savez("bad.npz", x=np.array([b"\xff"]))
    assert "is not an .npz archive" in error(capsys, "m.onnxtxt", "--inputs", "bad.npz")
    np.save("nul.npy", np.array(["a"]))
    proto = numpy_helper.from_array(np.array(["a\0"], object))
    Path("nul.pb").write_bytes(proto.SerializeToString())
    code, _ = run(capsys, "m.onnxtxt", "-i", "x=nul.pb", "--output", "out.npz")
    assert code == 0, "the mark is behind the NUL"
    Path("id.onnxtxt").write_text(TEXTS.replace('["!"]', '[""]'))
    assert "ends with NUL" in error(capsys, "id.onnxtxt", "-i", "x=nul.pb", "--output", "out.npz")


def test_recorded_containers_are_read_and_compared(sequences, capsys):
    code, out = run(capsys, sequences / "m.onnx", "--test-data", sequences / "data")
    assert code == 0
    assert "t: seq(tensor(float)) of 2" in out
    assert "t[0]: max |Δ| 0" in out
    wrong = numpy_helper.from_list([ITEMS[0], ITEMS[1] + 1])
    (sequences / "data" / "output_0.pb").write_bytes(wrong.SerializeToString())
    code, out = run(capsys, sequences / "m.onnx", "--test-data", sequences / "data")
    assert (code, "t[1]: max |Δ| 1" in out) == (1, True)
    short = numpy_helper.from_list(ITEMS[:1])
    (sequences / "data" / "output_0.pb").write_bytes(short.SerializeToString())
    code, out = run(capsys, sequences / "m.onnx", "--test-data", sequences / "data")
    assert (code, "t: got a sequence of 2, expected a sequence of 1" in out) == (1, True)


@pytest.mark.parametrize("target", ["out.npz", "out"])
def test_items_of_sequences_are_arrays_of_their_own(sequences, capsys, monkeypatch, target):
    """`t.0`, `t.1`, … of the sequence `t`; an optional is what it holds."""
    monkeypatch.chdir(sequences)
    code, _ = run(capsys, "m.onnx", "--test-data", "data", "--output", target)
    assert code == 0
    if target == "out.npz":
        assert list(array_files.read_archive(target)) == ["t.0", "t.1", "has"]
    np.savez("in.npz", **{"s.0": ITEMS[0], "o": ITEMS[1], "x": ITEMS[1]})
    code, out = run(
        capsys, "m.onnx", "--inputs", "in.npz", "--expect", target, "--compare", "reference"
    )
    assert (code, out.count("t[1]: max |Δ| 0")) == (0, 2)
    single = ["-i", "s=data/input_0.pb", "-i", "o=data/input_1.pb", "-i", "x=data/input_2.pb"]
    code, out = run(capsys, "m.onnx", *single, "--expect", target, "--json")
    assert json.loads(out)["outputs"][0] == {"name": "t", "type": "seq(tensor(float))", "length": 2}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], 'input "s": no random seq(tensor(float)) can be made; feed one'),
        (["-i", "s=s.npy"], "s.npy: holds one array, which is no !pfrt.sequence"),
        (["-i", "s=data/input_2.pb", "-i", "o=data/input_1.pb"], "is not an ONNX sequence: "),
        (["-i", "x=data/input_0.pb"], "is not an ONNX tensor: "),
        (["-i", "s=empty.pb", "-i", "o=data/input_1.pb"], "Required inputs (['x']) are missing"),
    ],
)
def test_containers_that_cannot_be_fed_are_named(
    sequences, capsys, monkeypatch, arguments, message
):
    monkeypatch.chdir(sequences)
    np.save("s.npy", ITEMS[0])
    Path("empty.pb").write_bytes(b"")
    assert message in error(capsys, "m.onnx", *arguments)


def test_maps_are_not_written(tmp_path, capsys):
    node = helper.make_node(
        "ZipMap", ["x"], ["y"], domain="ai.onnx.ml", classlabels_strings=["a", "b"]
    )
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])
    kind = helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(1, []))
    y = helper.make_value_info("y", helper.make_sequence_type_proto(kind))
    opsets = [helper.make_opsetid("ai.onnx.ml", 3), helper.make_opsetid("", 17)]
    graph = helper.make_graph([node], "g", [x], [y])
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), tmp_path / "m.onnx")
    code, out = run(capsys, tmp_path / "m.onnx", "--compare", "onnxruntime")
    assert (code, "y[0]['a']: max |Δ| 0" in out) == (0, True)
    text = error(capsys, tmp_path / "m.onnx", "--output", tmp_path / "out.npz")
    assert 'value "y.0": a map cannot be written as an array' in text

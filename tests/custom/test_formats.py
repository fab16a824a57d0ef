"""Model formats that are added."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pyflame_rt import (
    Graph,
    InferenceSession,
    InvalidModelError,
    ModelNotFoundError,
    PyFlameRTError,
    UnsupportedFormatError,
    ValidationError,
    compiler,
    module_files,
    plugins,
)
from pyflame_rt.formats import FormatRegistry, ModelLoader, ModelSaver
from pyflame_rt.tools import pfrt_opt, pfrt_run

ROOT = Path(__file__).resolve().parents[2]
JSON = str(ROOT / "examples" / "extending" / "json_format.py")
DIGITS = str(ROOT / "examples" / "digits" / "cnn.onnx")


class Probe(ModelLoader):
    """Does what it is made with."""

    def __init__(self, load, can_load=lambda path: True):
        self._load, self._can_load = load, can_load

    def extensions(self):
        return [".probe"]

    def can_load(self, path):
        return self._can_load(path)

    def load(self, path):
        return self._load(path)


def simple() -> Graph:
    graph = Graph("simple")
    graph.add_input("x", ["N"], np.float32)
    graph.add_node("", "Neg", ["x"], ["y"])
    graph.add_output("y", ["N"], np.float32)
    return graph


def register(*loaders: ModelLoader) -> None:
    for loader in loaders:
        FormatRegistry.instance().register_loader(loader)


def test_a_real_model_survives_json(tmp_path: Path):
    """Written and read by the example, weights and all, by API and by tools."""
    plugins.load_plugin(JSON)
    path = tmp_path / "cnn.json"
    module_files.save(compiler.load(DIGITS).module, path)
    images = np.random.default_rng(0).random((3, 1, 8, 8), np.float32)
    outputs = [InferenceSession(str(f)).run(None, {"images": images})[0] for f in (DIGITS, path)]
    assert (outputs[0] == outputs[1]).all()
    again = tmp_path / "again.json"
    assert pfrt_opt.main([str(path), "--load-plugin", JSON, "-o", str(again)]) == 0
    assert pfrt_run.main([str(again), "--dim", "N=2", "--compare", "reference"]) == 0


def test_without_the_plugin_the_extension_is_unknown(tmp_path: Path):
    path = tmp_path / "x.json"
    path.write_text("{}")
    with pytest.raises(UnsupportedFormatError, match=r'no frontend reads "\.json" files'):
        compiler.load(path)


@pytest.mark.parametrize(
    ("raised", "kind", "why"),
    [
        (ValueError("bad header"), InvalidModelError, "x.probe: bad header"),
        (KeyError("nodes"), InvalidModelError, "x.probe: KeyError: 'nodes'"),
        (FileNotFoundError(2, "gone"), ModelNotFoundError, "x.probe: no such file"),
        (InvalidModelError("its own"), InvalidModelError, "its own"),
    ],
)
def test_what_loaders_raise_is_told_with_the_path(raised, kind, why):
    def load(path):
        raise raised

    register(Probe(load))
    with pytest.raises(kind) as caught:
        compiler.load("x.probe")
    assert str(caught.value).startswith(why)


def test_a_loader_may_return_ir_but_nothing_else():
    register(Probe(lambda path: simple().program().module))
    compiled = compiler.load("x.probe")
    assert compiler.compile_module(compiled.module, compiled.ctx).run([np.ones(2, np.float32)])
    FormatRegistry.instance().unregister(".probe")
    register(Probe(lambda path: 3))
    with pytest.raises(InvalidModelError, match="its loader returned a int, not a Graph"):
        compiler.load("x.probe")


def test_the_first_that_can_loads():
    register(
        Probe(lambda path: 1 / 0, lambda path: False),
        type("Second", (Probe,), {})(lambda path: simple(), lambda path: "x" in path),
    )
    compiler.load("x.probe")
    with pytest.raises(UnsupportedFormatError, match="no loader of its extension takes"):
        compiler.load("y.probe")


def test_extensions_that_cannot_be_taken():
    class Taking(ModelLoader):
        def __init__(self, extension):
            self.extension = extension

        def extensions(self):
            return [self.extension]

        def load(self, path):
            raise NotImplementedError

    for extension, why in [
        (".onnx", "read by PyFlameRT itself"),
        (".mlir", "read by PyFlameRT itself"),
        ("json", "is no extension"),
        (".JSON", "is no extension"),
        (".", "is no extension"),
    ]:
        with pytest.raises(ValidationError, match=why):
            register(Taking(extension))


def test_what_savers_raise_is_told_with_the_path(tmp_path: Path):
    class Full(ModelSaver):
        def default_extension(self):
            return ".probe"

        def save(self, graph, path):
            raise OSError("disk full")

    FormatRegistry.instance().register_saver(Full())
    with pytest.raises(ValidationError, match="is registered already"):
        FormatRegistry.instance().register_saver(Full())
    with pytest.raises(PyFlameRTError, match=r"x.probe: cannot be written: disk full"):
        module_files.save(simple().program().module, tmp_path / "x.probe")
    assert FormatRegistry.instance().unregister(".probe")
    assert not FormatRegistry.instance().unregister(".probe")

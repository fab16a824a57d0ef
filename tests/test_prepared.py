"""Plans on disk: the same results without frontend and passes, and never those of something else."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest

import pyflame_rt as rt
from pyflame_rt import preparation, prepared
from pyflame_rt.backends.native import store
from pyflame_rt.backends.numpy_backend import program_files
from pyflame_rt.backends.numpy_backend.program import Constant
from pyflame_rt.backends.numpy_backend.program_files import NotPlainError, from_bytes, to_bytes
from pyflame_rt.errors import MissingInputError

DIGITS = Path(__file__).resolve().parents[1] / "examples" / "digits"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, for small models too."""
    monkeypatch.setenv(store.FOLDER, str(tmp_path / "cache"))
    monkeypatch.setattr(prepared, "_LEAST", 0)
    return tmp_path / "cache" / "plans"


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What frontends read from now on."""
    found: list[object] = []
    load = preparation.load
    monkeypatch.setattr(preparation, "load", lambda s, o: (found.append(s), load(s, o))[1])
    return found


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.load(DIGITS / "test.npz")["images"]


def run(source: object, images: np.ndarray, count: int = 2) -> np.ndarray:
    return rt.InferenceSession(source).run(None, {"images": images[:count]})[0]


@pytest.mark.parametrize("name", ["cnn", "mlp"])
@pytest.mark.parametrize("read", [str, Path, Path.read_bytes])
def test_a_second_session_reads_no_model(
    name: str, read: object, images: np.ndarray, loads: list[object]
) -> None:
    """It tells the same of it, and computes the same bits."""
    source = read(DIGITS / f"{name}.onnx")  # type: ignore[operator]
    first = rt.InferenceSession(source)
    results = [first.run(None, {"images": images[:n]})[0] for n in (2, 3)]
    assert len(loads) == 1
    second = rt.InferenceSession(source)
    again = [second.run(None, {"images": images[:n]})[0] for n in (2, 3)]
    assert len(loads) == 1
    for ours, theirs in zip(results, again, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for told in ("get_inputs", "get_outputs", "get_modelmeta", "get_overridable_initializers"):
        assert getattr(first, told)() == getattr(second, told)()
    assert first.pipeline == second.pipeline
    assert first.pipeline_for({"images": images[:2]}) == second.pipeline_for({"images": images[:2]})


def test_the_model_is_read_when_it_is_needed(images: np.ndarray, loads: list[object]) -> None:
    """For a plan that is not there, and for whoever asks for the graph."""
    path = DIGITS / "cnn.onnx"
    run(path, images)
    session = rt.InferenceSession(path)
    other = rt.InferenceSession(path)
    assert len(loads) == 1
    assert [node.op_type for node in session.graph().nodes]
    assert len(loads) == 2
    assert other.run(None, {"images": images[:7]})[0].shape == (7, 10)
    assert len(loads) == 3


def test_errors_of_runs_are_the_same(images: np.ndarray) -> None:
    for _ in range(2):
        session = rt.InferenceSession(DIGITS / "cnn.onnx")
        with pytest.raises(rt.ShapeMismatchError):
            session.run(None, {"images": images[:2, :, :4]})
        with pytest.raises(MissingInputError):
            session.run(None, {})


def test_another_model_at_the_same_place_is_another_model(
    tmp_path: Path, images: np.ndarray, loads: list[object]
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes((DIGITS / "cnn.onnx").read_bytes())
    first = run(path, images)
    model = onnx.load(path)
    weights = next(t for t in model.graph.initializer if len(t.dims) == 1)
    array = onnx.numpy_helper.to_array(weights) + 1
    weights.CopyFrom(onnx.numpy_helper.from_array(array, weights.name))
    path.write_bytes(model.SerializeToString())
    assert not np.array_equal(first, run(path, images))
    assert len(loads) == 2


def test_a_model_that_changed_under_its_session_is_not_taken_for_it(
    tmp_path: Path, images: np.ndarray
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes((DIGITS / "cnn.onnx").read_bytes())
    run(path, images)
    session = rt.InferenceSession(path)
    (tmp_path / "new.onnx").write_bytes((DIGITS / "mlp.onnx").read_bytes())
    os.replace(tmp_path / "new.onnx", path)
    np.testing.assert_array_equal(
        session.run(None, {"images": images[:2]})[0], run(DIGITS / "cnn.onnx", images)
    )
    with pytest.raises(rt.InvalidModelError, match="has changed since the session was made"):
        session.graph()


def test_a_model_that_is_overwritten_under_its_session_is_refused(
    tmp_path: Path, images: np.ndarray
) -> None:
    """The places that a plan names would hold something else, or nothing."""
    path = tmp_path / "model.onnx"
    data = (DIGITS / "mlp.onnx").read_bytes()
    path.write_bytes(data)
    run(path, images)
    session = rt.InferenceSession(path)
    with path.open("r+b") as file:
        file.write(data[:100])
        file.truncate(5000)
    with pytest.raises(rt.InvalidModelError, match="has changed since the session was made"):
        session.run(None, {"images": images[:2]})


def test_constants_that_begin_at_the_same_place_are_kept_apart() -> None:
    """The first rows of a matrix, a part of none of them, and all of it."""
    whole = np.arange(200, dtype=np.float32).reshape(50, 4)
    writer = program_files._Writer(np.zeros(16, np.uint8), 1 << 20)
    constants = [Constant(array) for array in (whole[:0], whole[:2], whole)]
    for constant in constants:
        writer.value(constant)
    more = np.frombuffer(b"".join(writer.data), np.uint8)
    reader = program_files._Reader(writer.constants, np.zeros(16, np.uint8), more, {})
    for number, constant in enumerate(constants):
        np.testing.assert_array_equal(reader.value(["=", number]).array, constant.array)


def test_external_data_is_read_every_time(
    tmp_path: Path, images: np.ndarray, loads: list[object]
) -> None:
    """Nothing would tell that such a file is another one."""
    path = tmp_path / "model.onnx"
    onnx.save_model(
        onnx.load(DIGITS / "mlp.onnx"), path, save_as_external_data=True, size_threshold=16,
        location="data.bin",
    )  # fmt: skip
    first = run(path, images)
    data = bytearray((tmp_path / "data.bin").read_bytes())
    (tmp_path / "data.bin").write_bytes(bytes(len(data)))
    assert not np.array_equal(first, run(path, images))
    assert len(loads) == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [("optimization_level", 1), ("num_threads", 1), ("optimized_model_filepath", "x.mlir")],
)
def test_other_options_are_another_plan(
    name: str, value: object, tmp_path: Path, images: np.ndarray, loads: list[object]
) -> None:
    path = DIGITS / "cnn.onnx"
    run(path, images)
    options = rt.SessionOptions()
    setattr(options, name, str(tmp_path / value) if isinstance(value, str) else value)
    rt.InferenceSession(path, options).run(None, {"images": images[:2]})
    assert len(loads) == 2


@pytest.mark.parametrize("name", ["OPENBLAS_CORETYPE", "PYFLAME_RT_JIT"])
def test_other_settings_of_the_environment_are_another_plan(
    name: str, images: np.ndarray, loads: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(DIGITS / "cnn.onnx", images)
    monkeypatch.setenv(name, "0")
    run(DIGITS / "cnn.onnx", images)
    assert len(loads) == 2


def test_settings_that_are_no_text(
    images: np.ndarray, loads: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_DISPLAY_AFFINITY", "\udcff")
    first = run(DIGITS / "mlp.onnx", images)
    np.testing.assert_array_equal(run(DIGITS / "mlp.onnx", images), first)
    assert len(loads) == 1


def test_nothing_is_kept_of_small_models_nor_without_a_folder(
    folder: Path, images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(store.FOLDER, "")
    run(DIGITS / "cnn.onnx", images)
    monkeypatch.undo()
    assert (DIGITS / "cnn.onnx").stat().st_size < prepared._LEAST
    monkeypatch.setenv(store.FOLDER, str(folder.parent))
    run(DIGITS / "cnn.onnx", images)
    assert not folder.exists()


def test_damaged_and_shared_files_are_not_used(
    folder: Path, images: np.ndarray, loads: list[object]
) -> None:
    """Wherever a byte is wrong, or somebody else may write, the plan is made again."""
    path = DIGITS / "mlp.onnx"
    first = run(path, images)
    for place in (0, 30, 60, -1):
        for file in folder.iterdir():
            data = bytearray(file.read_bytes())
            data[place] ^= 1
            file.write_bytes(data)
        count = len(loads)
        np.testing.assert_array_equal(run(path, images), first)
        assert len(loads) > count
    for file in folder.iterdir():
        file.chmod(0o666)
    count = len(loads)
    np.testing.assert_array_equal(run(path, images), first)
    assert len(loads) > count


def test_what_is_no_program_is_not_read(images: np.ndarray) -> None:
    """Texts that name other classes, other files, or places outside of them."""
    session = rt.InferenceSession(DIGITS / "mlp.onnx")
    session.run(None, {"images": images[:2]})
    program = session._plans.last.executable.program
    model = np.fromfile(DIGITS / "mlp.onnx", np.uint8)
    with pytest.raises(NotPlainError):
        # Its constants are in a map, but in none of this size.
        to_bytes(program, model[:16], 0)
    data = to_bytes(program, prepared.MappedFile.open(DIGITS / "mlp.onnx").data(), 1 << 20)
    assert isinstance(from_bytes(data, model, {}), type(program))
    size = int.from_bytes(data[:8], "little")
    text = data[8 : 8 + size]
    for old, new in (
        (b'"Program"', b'"Popen"'), (b'"Invoke"', b'"Slot"'), (b"[", b"{"), (b'"model",', b'"model",-'),
        (b'"model",', b'"model",9999999'), (b'"float32"', b'"object"'),
    ):  # fmt: skip
        hostile = text.replace(old, new, 1)
        assert hostile != text
        wrong = len(hostile).to_bytes(8, "little") + hostile
        wrong += b" " * (-len(wrong) % 64) + data[8 + size + -(8 + size) % 64 :]
        with pytest.raises(ValueError):
            from_bytes(wrong, model, {})
    for end in (0, 7, 100, len(data) - 64):
        with pytest.raises(ValueError):
            from_bytes(data[:end], model, {})


def test_forms_of_weights_are_shared_by_plans_from_disk_and_made_anew(
    images: np.ndarray, loads: list[object]
) -> None:
    """Memory holds packed weights once, wherever plans come from."""
    path = DIGITS / "mlp.onnx"
    run(path, images)
    session = rt.InferenceSession(path)
    for count in (2, 3):
        session.run(None, {"images": images[:count]})
    assert len(loads) == 2
    packs = session._model._prepared.packs
    shared = [held for held in packs.values() if held]
    assert shared and all(len(held) == 1 for held in shared)

"""The session API: what a program written for ONNX Runtime relies on."""

from __future__ import annotations

import subprocess
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest

import pyflame_rt as rt
from pyflame_rt import plans
from pyflame_rt.compiler import TensorSpec

DIGITS = Path(__file__).resolve().parents[1] / "examples" / "digits"


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.load(DIGITS / "test.npz")["images"]


@pytest.fixture
def session() -> rt.InferenceSession:
    return rt.InferenceSession(DIGITS / "cnn.onnx")


@pytest.fixture
def open_session(monkeypatch: pytest.MonkeyPatch) -> rt.InferenceSession:
    """A session of a model that counts as one with more open sizes than its batch."""
    monkeypatch.setattr(plans, "has_open_batch", lambda inputs: False)
    return rt.InferenceSession(DIGITS / "cnn.onnx")


def test_describes_inputs_outputs_and_model(session: rt.InferenceSession) -> None:
    """Names, ONNX type strings and symbolic dimensions are those of the file."""
    (image,), (logits,) = session.get_inputs(), session.get_outputs()
    assert (image.name, image.type, image.shape) == ("images", "tensor(float)", ["N", 1, 8, 8])
    assert (logits.name, logits.type, logits.shape) == ("logits", "tensor(float)", ["N", 10])
    assert session.get_modelmeta().producer_name == "pytorch"
    assert session.get_providers() == rt.get_available_providers() == ["CPUExecutionProvider"]


@pytest.mark.parametrize("source", [str, Path, lambda p: Path(p).read_bytes()])
def test_loads_paths_and_bytes(source: object, images: np.ndarray) -> None:
    path = DIGITS / "mlp.onnx"
    session = rt.InferenceSession(source(path))  # type: ignore[operator]
    assert session.run(None, {"images": images[:2]})[0].shape == (2, 10)


def test_a_graph_built_by_hand_runs() -> None:
    graph = rt.Graph("two_layers")
    graph.add_input("x", ["N", 2], np.float32)
    graph.add_initializer("w", np.eye(2, dtype=np.float32) * 3)
    graph.add_node("mm", "MatMul", ["x", "w"], ["h"])
    graph.add_node("act", "LeakyRelu", ["h"], ["y"], alpha=0.5)
    graph.add_output("y", ["N", 2], np.float32)
    session = rt.InferenceSession(graph)
    (y,) = session.run(None, {"x": np.array([[1, -1]], np.float32)})
    np.testing.assert_array_equal(y, [[3, -1.5]])
    viewed = session.graph()
    assert [node.op_type for node in viewed.nodes] == ["MatMul", "LeakyRelu"]
    assert viewed.nodes[1].name == "act" and viewed.nodes[1].inputs == ("h",)
    assert viewed.nodes[1].attributes["alpha"] == 0.5
    np.testing.assert_array_equal(viewed.initializers["w"], np.eye(2) * 3)


def test_what_no_graph_can_hold_is_named() -> None:
    graph = rt.Graph("g")
    with pytest.raises(rt.ValidationError, match='"x": no tensor has elements of datetime64'):
        graph.add_input("x", [2], np.datetime64)
    with pytest.raises(rt.ValidationError, match=r'"x": data type .f99'):
        graph.add_output("x", [2], "f99")
    with pytest.raises(rt.ValidationError, match='"w": no tensor has elements of'):
        graph.add_initializer("w", np.ones(2, np.longdouble))
    with pytest.raises(rt.ValidationError, match='"w": holds objects that are not str'):
        graph.add_initializer("w", np.array([1, "a"], object))
    graph.add_node("r", "Relu", ["x"], ["y"], alpha=None)  # type: ignore[arg-type]
    with pytest.raises(rt.ValidationError, match='Relu "r", attribute "alpha": '):
        graph.program()


def test_output_names_select_reorder_and_repeat(images: np.ndarray) -> None:
    session = rt.InferenceSession(DIGITS / "mlp.onnx")
    twice = session.run(["logits", "logits"], {"images": images[:1]})
    assert not np.shares_memory(*twice)
    np.testing.assert_array_equal(*twice)
    assert len(session.run([], {"images": images[:1]})) == 1


def test_feeds_of_any_layout_give_the_same_answer(
    session: rt.InferenceSession, images: np.ndarray
) -> None:
    """Strides, byte order, read-only memory and lists do not change a result."""
    batch = images[:3]
    for _ in range(3):
        (expected,) = session.run(None, {"images": batch})
        session.settle()
    frozen = batch.copy()
    frozen.flags.writeable = False
    unaligned = np.frombuffer(b"x" + batch.tobytes(), np.uint8)[1:].view(np.float32)
    variants = [
        np.asfortranarray(batch),
        np.repeat(batch, 2, axis=0)[::2],
        batch[::-1][::-1],
        batch.astype(">f4"),
        frozen,
        unaligned.reshape(batch.shape),
        batch.tolist(),
    ]
    for variant in variants:
        np.testing.assert_array_equal(session.run(None, {"images": variant})[0], expected)


def test_results_are_fresh_and_writable(session: rt.InferenceSession, images: np.ndarray) -> None:
    feed = {"images": images[:2]}
    first = session.run(None, feed)[0]
    kept = first.copy()
    first[:] = 0
    second = session.run(None, feed)[0]
    assert not np.shares_memory(first, second)
    np.testing.assert_allclose(second, kept, rtol=1e-5)


def test_signatures_that_come_back_are_specialised(
    open_session: rt.InferenceSession, images: np.ndarray
) -> None:
    """The dynamic plan serves a new signature, a plan of its own the second run, few are kept."""
    feed = {"images": images[:4]}
    assert open_session.pipeline_for(feed) == open_session.pipeline
    first = open_session.run(None, feed)
    assert open_session.pipeline_for(feed) == open_session.pipeline
    open_session.run(None, feed)
    open_session.settle()
    assert open_session.pipeline_for(feed) == open_session.pipeline
    last = open_session.run(None, feed)
    assert 'pfrt-specialize-shapes{shapes="images=4x1x8x8"}' in open_session.pipeline_for(feed)
    np.testing.assert_allclose(first[0], last[0], rtol=1e-5, atol=1e-5)
    assert open_session.signatures() == [rt.Signature({"images": (4, 1, 8, 8)}, 3, True)]
    for batch in range(1, 12):
        for _ in range(2):
            open_session.run(None, {"images": images[:batch]})
        open_session.settle()
    found = open_session.signatures()
    assert [s.runs for s in found] == [2] * 7 + [5] + [2] * 3
    kept = open_session.get_session_options().max_specialized_plans
    assert [s.specialized for s in found] == [True] * kept + [False] * 3


def test_the_first_batch_has_a_plan_of_its_own(
    session: rt.InferenceSession, images: np.ndarray
) -> None:
    """Where nothing but the batch is open; the dynamic plan is made when another one comes."""
    first, same = (session.run(None, {"images": images[:3]})[0] for _ in range(2))
    assert "images=3x1x8x8" in session.pipeline_for({"images": images[:3]})
    assert session._plans._dynamic is None
    np.testing.assert_array_equal(first, same)
    other = session.run(None, {"images": images[:5]})[0]
    assert session.pipeline_for({"images": images[:5]}) == session.pipeline
    np.testing.assert_allclose(other[:3], first, rtol=1e-5, atol=1e-5)
    found = [(s.shapes["images"][0], s.runs, s.specialized) for s in session.signatures()]
    assert found == [(5, 1, False), (3, 2, True)]


def test_a_first_batch_without_a_plan_runs_on_the_dynamic_one(
    session: rt.InferenceSession, images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_ = session._plans._compile

    def refused(pipeline: str) -> object:
        if pipeline:
            raise rt.PassFailed("no")
        return compile_(pipeline)

    monkeypatch.setattr(session._plans, "_compile", refused)
    for _ in range(3):
        assert session.run(None, {"images": images[:2]})[0].shape == (2, 10)
    assert [s.specialized for s in session.signatures()] == [False]


@pytest.mark.parametrize(
    ("shapes", "is_open"),
    [
        ([["N", 3]], True),
        ([[None, 3]], True),
        ([["N", 3], ["N"], [4]], True),
        ([["N", "M"]], False),
        ([["N", 3], ["M", 3]], False),
        ([[None, 3], [None, 3]], False),
        ([[3, "N"]], False),
        ([None], False),
        ([[2, 3]], False),
    ],
)
def test_what_has_nothing_but_its_batch_open(shapes: list[list[object]], is_open: bool) -> None:
    specs = [
        TensorSpec("x", np.dtype("f4"), None if shape is None else tuple(shape)) for shape in shapes
    ]
    assert plans.has_open_batch(specs) is is_open


def compilations(session: rt.InferenceSession, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The pipelines that a session compiles from now on."""
    made: list[str] = []
    compile_ = session._plans._compile
    monkeypatch.setattr(session._plans, "_compile", lambda p: (made.append(p), compile_(p))[1])
    return made


def test_more_signatures_in_turn_than_plans_are_never_compiled(
    open_session: rt.InferenceSession, images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Least recently used is always the next one: no plan would be there when it is needed."""
    open_session.get_session_options().max_specialized_plans = 2
    made = compilations(open_session, monkeypatch)
    for _ in range(10):
        for batch in (1, 2, 3):
            open_session.run(None, {"images": images[:batch]})
    assert made == []
    assert [s.runs for s in open_session.signatures()] == [10, 10, 10]


def test_shapes_that_cannot_be_specialised_fail_the_same_way_every_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graph = rt.Graph("product")
    graph.add_input("x", ["N", "K"], np.float32)
    graph.add_input("y", ["L", "M"], np.float32)
    graph.add_node("", "MatMul", ["x", "y"], ["z"])
    graph.add_output("z", ["N", "M"], np.float32)
    session = rt.InferenceSession(graph)
    made = compilations(session, monkeypatch)
    for _ in range(4):
        with pytest.raises(rt.BackendError, match="size 4 is different from 3"):
            session.run(None, {"x": np.ones((2, 3), "f4"), "y": np.ones((4, 2), "f4")})
        session.settle()
    assert len(made) == 1


def test_nobody_waits_for_the_compiler(
    open_session: rt.InferenceSession, images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs go on with the dynamic plan while another one is made, of any signature."""
    started, finish = threading.Event(), threading.Event()
    compile_ = open_session._plans._compile

    def slowly(pipeline: str) -> object:
        started.set()
        assert finish.wait(60)
        return compile_(pipeline)

    monkeypatch.setattr(open_session._plans, "_compile", slowly)
    for batch in (2, 2, 3, 3, 3):
        open_session.run(None, {"images": images[:batch]})
    assert started.wait(60)
    assert not any(signature.specialized for signature in open_session.signatures())
    finish.set()
    open_session.settle()
    open_session.run(None, {"images": images[:2]})
    assert "images=2x1x8x8" in open_session.pipeline_for({"images": images[:2]})


def test_the_memory_of_a_dropped_session_is_free_at_once(images: np.ndarray) -> None:
    """Plans are in no cycle: their buffers do not wait for the garbage collector."""
    session = rt.InferenceSession(DIGITS / "cnn.onnx")
    for _ in range(3):
        session.run(None, {"images": images[:2]})
        session.settle()
    held = [plan.executable for plan in (session._plans.dynamic, *session._plans._special.values())]
    references = [weakref.ref(executable) for executable in held]
    assert len(references) == 2
    del session, held
    assert [reference() for reference in references] == [None, None]


@pytest.mark.parametrize("kind", [np.matrix, np.ma.masked_array])
@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_subclasses_of_arrays_are_fed_as_plain_arrays(kind: type[np.ndarray]) -> None:
    """As ONNX Runtime does: a mask hides nothing, and `*` of matrices is no product of matrices."""
    graph = rt.Graph("erf")
    graph.add_input("x", ["N", "M"], np.float32)
    graph.add_node("", "Softmax", ["x"], ["h"])
    graph.add_node("", "Erf", ["h"], ["y"])
    graph.add_output("y", ["N", "M"], np.float32)
    session = rt.InferenceSession(graph)
    plain = np.array([[1, 2], [3, 5]], np.float32)
    fed = kind(plain)
    if isinstance(fed, np.ma.MaskedArray):
        fed[0, 0] = np.ma.masked
    for _ in range(2):
        np.testing.assert_array_equal(
            session.run(None, {"x": fed})[0], session.run(None, {"x": plain})[0]
        )


def test_an_empty_batch_runs(session: rt.InferenceSession, images: np.ndarray) -> None:
    for _ in range(3):
        assert session.run(None, {"images": images[:0]})[0].shape == (0, 10)


@pytest.mark.parametrize("level", range(4))
def test_levels_agree(level: int, images: np.ndarray) -> None:
    options = rt.SessionOptions()
    options.optimization_level = level
    session = rt.InferenceSession(DIGITS / "cnn.onnx", options)
    expected = rt.InferenceSession(DIGITS / "cnn.onnx").run(None, {"images": images[:5]})
    for _ in range(3):
        (logits,) = session.run(None, {"images": images[:5]})
        np.testing.assert_allclose(logits, expected[0], rtol=1e-4, atol=1e-4)


def test_both_spellings_of_the_level_set_one_value() -> None:
    options = rt.SessionOptions()
    assert options.optimization_level == 2
    options.graph_optimization_level = rt.GraphOptimizationLevel.ORT_ENABLE_ALL
    assert options.optimization_level == 3
    options.optimization_level = 0
    assert options.graph_optimization_level == rt.GraphOptimizationLevel.ORT_DISABLE_ALL


@pytest.mark.parametrize(
    ("feed", "error", "text"),
    [
        ({}, rt.InputError, "Required inputs (['images']) are missing"),
        ({"image": 1}, rt.InputError, "Required inputs (['images']) are missing"),
        ({"images": None}, rt.InputError, "Input 'images' is None"),
        ({"images": np.zeros((1, 1, 8, 8))}, rt.DTypeMismatchError, "Actual: (tensor(double))"),
        ({"images": np.zeros((8, 8), "f4")}, rt.ShapeMismatchError, "Got: 2 Expected: 4"),
        ({"images": np.zeros((1, 1, 8, 9), "f4")}, rt.ShapeMismatchError, "index: 3 Got: 9"),
        ({"images": [["a"]]}, rt.InputError, "Could not create tensor from given input list"),
        ({"images": np.zeros((1, 1, 8, 8), "f4"), "imagse": 1}, rt.InputError, 'mean "images"'),
    ],
)
def test_wrong_inputs_are_named(
    session: rt.InferenceSession, feed: dict[str, object], error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        session.run(None, feed)
    assert text in "; ".join([str(caught.value), *getattr(caught.value, "__notes__", ())])


def test_wrong_outputs_are_named(session: rt.InferenceSession, images: np.ndarray) -> None:
    with pytest.raises(rt.InputError, match="Invalid output name:logit") as caught:
        session.run(["logit"], {"images": images[:1]})
    assert caught.value.__notes__ == ["outputs are logits"]
    with pytest.raises(TypeError, match="incompatible function arguments"):
        session.run("logits", {"images": images[:1]})
    with pytest.raises(rt.ValidationError, match="'list' object has no attribute 'keys'"):
        session.run(None, [images[:1]])  # type: ignore[arg-type]


@pytest.mark.parametrize("names", [np.array(["logits"]), ("logits",), iter(["logits"])])
def test_output_names_come_in_any_iterable(
    session: rt.InferenceSession, images: np.ndarray, names: object
) -> None:
    assert len(session.run(names, {"images": images[:1]})) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "error", "text"),
    [
        (None, rt.ModelNotFoundError, "File doesn't exist"),
        (b"", rt.InvalidModelError, "model.onnx failed:No graph"),
        (b"\x00not a model\xff", rt.InvalidModelError, "model.onnx failed:Protobuf parsing"),
    ],
)
def test_bad_files_are_named(
    tmp_path: Path, content: bytes | None, error: type[Exception], text: str
) -> None:
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error, match=text):
        rt.InferenceSession(path)
    assert issubclass(rt.ModelNotFoundError, FileNotFoundError)


def test_bad_options_and_sources_are_named() -> None:
    options = rt.SessionOptions()
    options.device = "tpu"
    options.optimization_level = 7
    assert len(options.validate()) == 2
    with pytest.raises(rt.ValidationError, match='device "tpu" is not available'):
        rt.InferenceSession(DIGITS / "mlp.onnx", options)
    with pytest.raises(TypeError, match="Unable to load from type '<class 'int'>'"):
        rt.InferenceSession(3)  # type: ignore[arg-type]
    with pytest.raises(rt.UnsupportedFormatError, match=r"\.xyz"):
        rt.InferenceSession("model.xyz")
    with pytest.warns(UserWarning, match="'providers' should be a list of names"):
        rt.InferenceSession(DIGITS / "mlp.onnx", providers="CPUExecutionProvider")


def test_unknown_providers_warn_and_fall_back() -> None:
    with pytest.warns(UserWarning, match="FooExecutionProvider"):
        rt.InferenceSession(DIGITS / "mlp.onnx", providers=["FooExecutionProvider"])


def test_threads_share_a_session(session: rt.InferenceSession, images: np.ndarray) -> None:
    """Concurrent runs, on the dynamic and on specialised plans, do not disturb each other."""
    expected = session.run(None, {"images": images[:64]})[0]
    wrong: list[int] = []

    def work(index: int) -> None:
        for k in range(20):
            start = (index * 7 + k) % 56
            (logits,) = session.run(None, {"images": images[start : start + 8]})
            if not np.allclose(logits, expected[start : start + 8], rtol=1e-3, atol=1e-3):
                wrong.append(start)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("specialized", [False, True])
def test_reproducer_gives_the_same_bytes(
    tmp_path: Path, images: np.ndarray, specialized: bool
) -> None:
    """`pfrt-opt` and `pfrt-run` on a saved reproducer give byte for byte what the session gave."""
    session = rt.InferenceSession(DIGITS / "cnn.onnx")
    feed = {"images": images[:6]}
    for _ in range(3 if specialized else 1):
        session.settle()
        expected = session.run(None, feed)[0]
    session.save_reproducer(tmp_path, feed)
    subprocess.run(["sh", tmp_path / "run.sh"], check=True)
    assert np.load(tmp_path / "outputs.npz")["logits"].tobytes() == expected.tobytes()


@pytest.mark.parametrize("level", [0, 3])
def test_a_symbol_has_one_size_in_all_inputs(level: int) -> None:
    graph = rt.Graph("sum")
    graph.add_input("x", ["N", 2], np.float32)
    graph.add_input("y", ["N", 2], np.float32)
    graph.add_node("", "Add", ["x", "y"], ["z"])
    graph.add_output("z", ["N", 2], np.float32)
    options = rt.SessionOptions()
    options.optimization_level = level
    session = rt.InferenceSession(graph, options)
    with pytest.raises(rt.ShapeMismatchError, match="index: 0 Got: 1 Expected: 3") as caught:
        session.run(None, {"x": np.ones((3, 2), "f4"), "y": np.ones((1, 2), "f4")})
    assert caught.value.__notes__ == ['input "y"', '"N" is 3 in input "x"']

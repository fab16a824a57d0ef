"""Strings in and out of sessions: every form that Python has for them, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pyflame_rt as rt
from pyflame_rt import array_files

WORDS = np.array([["a", "Zoë"], ["", "d e"]], object)


@pytest.fixture(scope="module")
def session() -> rt.InferenceSession:
    """Joins a mark to each text, built by hand."""
    graph = rt.Graph("marks")
    graph.add_input("x", ["N", 2], str)
    graph.add_initializer("mark", np.array(["!"]))
    graph.add_node("join", "StringConcat", ["x", "mark"], ["y"])
    graph.add_output("y", ["N", 2], object)
    return rt.InferenceSession(graph)


@pytest.mark.parametrize(
    "x",
    [
        WORDS,
        WORDS.astype(str),
        np.array([[text.encode() for text in row] for row in WORDS], object),
        np.char.encode(WORDS.astype(str), "utf-8"),
        WORDS.tolist(),
        [[np.str_(text) for text in row] for row in WORDS],
        tuple(map(tuple, WORDS.tolist())),
        np.asfortranarray(WORDS),
        WORDS.astype(str)[::1, ::-1][:, ::-1],
        WORDS.astype(np.dtypes.StringDType()),
    ],
    ids=["object", "U", "bytes", "S", "list", "str_", "tuple", "order", "strides", "StringDType"],
)
def test_strings_are_fed_in_every_form(session: rt.InferenceSession, x: object) -> None:
    for _ in range(3):
        (y,) = session.run(None, {"x": x})
        assert y.tolist() == [["a!", "Zoë!"], ["!", "d e!"]]
        assert y.dtype == np.object_
        assert {type(text) for text in y.flat} == {str}


@pytest.mark.parametrize(
    ("x", "error", "text"),
    [
        (np.zeros((2, 2)), rt.DTypeMismatchError, "Actual: (tensor(double)) , expected: (tensor(string))"),
        ([["a", None]], rt.DTypeMismatchError, "element 1 is a NoneType"),
        ([["a", "b"], ["c"]], rt.DTypeMismatchError, "element 0 is a list"),
        (np.array([[b"\xff", b"a"]]), rt.InputError, "element 0 is not UTF-8 text"),
        (np.array(["a"], object), rt.ShapeMismatchError, "Got: 1 Expected: 2"),
        ({"a": 1}, rt.InputError, "Unable to handle object of type <class 'dict'>"),
    ],
)  # fmt: skip
def test_what_is_no_text_is_refused(session, x: object, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        session.run(None, {"x": x})
    assert text in str(caught.value)


@pytest.mark.parametrize("x", [np.array([["a", 1]], object), [["a", 1]]])
def test_numbers_among_texts_are_written_out(session: rt.InferenceSession, x: object) -> None:
    """As ONNX Runtime does."""
    assert session.run(None, {"x": x})[0].tolist() == [["a!", "1!"]]


@pytest.mark.parametrize(
    ("x", "why"),
    [
        (np.array(["1", "2"]), r"Actual: \(tensor\(string\)\)"),
        (["1", "2"], "Could not create tensor from given input list"),
        (np.array([b"1", b"2"]), r"Actual: \(tensor\(string\)\)"),
    ],
)
def test_texts_are_no_numbers(x: object, why: str) -> None:
    """Though NumPy would read them."""
    graph = rt.Graph("relu")
    graph.add_input("x", [2], np.float32)
    graph.add_node("relu", "Relu", ["x"], ["y"])
    graph.add_output("y", [2], np.float32)
    with pytest.raises(rt.ValidationError, match=why):
        rt.InferenceSession(graph).run(None, {"x": x})


def test_results_are_nobody_elses(session: rt.InferenceSession) -> None:
    """A string tensor that is handed through is copied, as all are."""
    graph = rt.Graph("identity")
    graph.add_input("x", [2], str)
    graph.add_node("id", "Identity", ["x"], ["y"])
    graph.add_output("y", [2], str)
    x = np.array(["a", "b"], object)
    (y,) = rt.InferenceSession(graph).run(None, {"x": x})
    y[0] = "c"
    assert x.tolist() == ["a", "b"]


def test_the_graph_shows_strings(session: rt.InferenceSession) -> None:
    graph = session.graph()
    assert [(spec.name, spec.type) for spec in graph.inputs] == [("x", "tensor(string)")]
    assert graph.initializers["mark"].tolist() == ["!"]
    assert [node.op_type for node in graph.nodes] == ["StringConcat"]


def test_reproducers_hold_strings(session: rt.InferenceSession, tmp_path: Path) -> None:
    session.save_reproducer(tmp_path, {"x": WORDS})
    found = array_files.read_archive(tmp_path / "inputs.npz")["x"]
    assert (found.tolist(), found.dtype) == (WORDS.tolist(), np.dtype(object))
    module = rt.InferenceSession(tmp_path / "model.mlir")
    assert module.run(None, {"x": found})[0].tolist() == [["a!", "Zoë!"], ["!", "d e!"]]

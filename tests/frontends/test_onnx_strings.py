"""Strings through ONNX's operators that move elements, against ONNX Runtime and the reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from pyflame_rt import InferenceSession, InvalidModelError, UnsupportedOperatorError, dtypes

Array = np.ndarray[Any, np.dtype[Any]]


def texts(*items: str, shape: tuple[int, ...] = (-1,)) -> Array:
    array = np.empty(len(items), object)
    array[:] = items
    return array.reshape(shape)


def ints(*items: int) -> Array:
    return np.array(items, np.int64)


X = texts("b", "a", "é", "", "b", "Zoë", shape=(2, 3))
CUBE = texts(*"abcdefgh", shape=(1, 4, 1, 2))

CASES: dict[str, tuple[str, int, list[Array | None], dict[str, Any]]] = {
    "identity": ("Identity", 21, [X], {}),
    "reshape": ("Reshape", 21, [X, ints(3, -1)], {}),
    "squeeze": ("Squeeze", 21, [X[None], ints(0)], {}),
    "unsqueeze": ("Unsqueeze", 21, [X, ints(1)], {}),
    "flatten": ("Flatten", 21, [CUBE], {"axis": 2}),
    "transpose": ("Transpose", 21, [X], {"perm": [1, 0]}),
    "concat": ("Concat", 13, [X, X], {"axis": 1}),
    "split": ("Split", 13, [X, ints(1, 2)], {"axis": 1}),
    "slice": ("Slice", 13, [X, ints(2), ints(-4), ints(1), ints(-1)], {}),
    "gather": ("Gather", 13, [X, ints(2, -3)], {"axis": 1}),
    "gather elements": ("GatherElements", 13, [X, ints(1, 0, 1)[None]], {}),
    "gather nd": ("GatherND", 13, [X, ints(1, 2, 0, 0).reshape(2, 2)], {}),
    "scatter": ("Scatter", 9, [X, ints(1, 0, 1)[None], texts(*"xyz")[None]], {}),
    "scatter elements": ("ScatterElements", 18, [X, ints(1, 0, 1)[None], texts(*"xyz")[None]], {}),
    "scatter nd": ("ScatterND", 18, [X, ints(1)[None], texts(*"xyz")[None]], {}),
    "expand": ("Expand", 13, [X[:1], ints(2, 1)], {}),
    "tile": ("Tile", 13, [X, ints(1, 2)], {}),
    "where": ("Where", 16, [np.array([True, False, True]), X, texts("no")], {}),
    "pad": ("Pad", 21, [X, ints(0, 1, 0, 0), texts("-", shape=())], {}),
    "pad by default": ("Pad", 21, [X, ints(0, 1, -1, 0)], {}),
    "pad by edge": ("Pad", 21, [X, ints(0, 1, 1, 0)], {"mode": "edge"}),
    "compress": ("Compress", 11, [X, np.array([False, True])], {"axis": 0}),
    "unique": ("Unique", 11, [X], {}),
    "unique as they come": ("Unique", 11, [X], {"sorted": 0}),
    "one hot": ("OneHot", 11, [ints(1, 0), ints(2), texts("off", "on")], {}),
    "depth to space": ("DepthToSpace", 13, [CUBE], {"blocksize": 2}),
    "space to depth": ("SpaceToDepth", 13, [CUBE.reshape(1, 1, 2, 4)], {"blocksize": 2}),
    "reverse sequence": ("ReverseSequence", 10, [X, ints(1, 3)], {"batch_axis": 0, "time_axis": 1}),
    "trilu": ("Trilu", 14, [X], {"upper": 0}),
    "size": ("Size", 21, [X], {}),
    "shape": ("Shape", 21, [X], {"start": 1}),
    "non zero": ("NonZero", 13, [X], {}),
    "equal": ("Equal", 19, [X, texts("b")], {}),
    "cast to": (
        "Cast",
        21,
        [np.array([[1.5, -2, np.inf]], np.float32)],
        {"to": TensorProto.STRING},
    ),
    "cast from": ("Cast", 21, [texts("1.5", "-2e1", "INF")], {"to": TensorProto.FLOAT}),
    "cast like": ("CastLike", 19, [texts("15", "-2"), ints(0)], {}),
    "cast like text": ("CastLike", 19, [ints(15, -2), texts("")], {}),
}

OUTPUTS = {"split": 2, "unique": 4, "unique as they come": 4}

ONLY_ONNX_RUNTIME = {
    "cast to", "cast like text", "one hot", "pad by default", "scatter", "trilu",
    "unique as they come",
}  # fmt: skip
"""What onnx's reference evaluator cannot do, or does with other numerals, or 0 among texts."""


def code_of(array: Array) -> int:
    is_text = array.dtype == np.object_
    return TensorProto.STRING if is_text else dtypes.by_numpy()[array.dtype].onnx


def model(name: str, *, constant: bool = False, symbolic: bool = False) -> bytes:
    """The case's node; its inputs fed, or initializers."""
    op, opset, inputs, attributes = CASES[name]
    named = {f"i{k}": array for k, array in enumerate(inputs)}
    results = [f"o{k}" for k in range(OUTPUTS.get(name, 1))]

    def shape(array: Array, name: str) -> list[int | str]:
        return [f"{name}_{k}" if symbolic else n for k, n in enumerate(array.shape)]

    graph = helper.make_graph(
        [helper.make_node(op, list(named), results, **attributes)],
        "one_node",
        []
        if constant
        else [helper.make_tensor_value_info(n, code_of(a), shape(a, n)) for n, a in named.items()],
        [helper.make_empty_tensor_value_info(name) for name in results],
        [numpy_helper.from_array(a, n) for n, a in named.items()] if constant else [],
    )
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()


def feed(name: str) -> Mapping[str, Array]:
    return {f"i{k}": array for k, array in enumerate(CASES[name][2])}


def plain(arrays: list[Array]) -> list[object]:
    return [array.tolist() for array in arrays]


@pytest.mark.parametrize("name", CASES)
def test_strings_move_as_the_reference_moves_them(name: str):
    if name in ONLY_ONNX_RUNTIME:
        pytest.skip("the reference evaluator has its own way")
    expected = plain(ReferenceEvaluator(model(name)).run(None, dict(feed(name))))
    for symbolic in (False, True):
        session = InferenceSession(model(name, symbolic=symbolic))
        assert plain(session.run(None, feed(name))) == expected


@pytest.mark.parametrize("name", CASES)
def test_strings_move_as_onnx_runtime_moves_them(name: str):
    ort = pytest.importorskip("onnxruntime")
    options = ort.SessionOptions()
    options.log_severity_level = 4
    try:
        other = ort.InferenceSession(model(name), options, providers=["CPUExecutionProvider"])
    except ort.capi.onnxruntime_pybind11_state.NotImplemented:
        pytest.skip("ONNX Runtime does not have it for strings")
    expected = plain(other.run(None, dict(feed(name))))
    assert plain(InferenceSession(model(name)).run(None, feed(name))) == expected
    assert plain(InferenceSession(model(name, constant=True)).run(None, {})) == expected


@pytest.mark.parametrize(
    ("op", "inputs", "attributes"),
    [
        ("Add", 2, {}),
        ("MatMul", 2, {}),
        ("Gemm", 2, {}),
        ("Relu", 1, {}),
        ("ReduceSum", 1, {}),
        ("Less", 2, {}),
        ("TopK", 1, {}),
        ("Einsum", 2, {"equation": "ij,ij->ij"}),
        ("CumSum", 1, {}),
        ("ConstantOfShape", 1, {}),
        ("ScatterND", 1, {"reduction": "add"}),
        ("Softmax", 1, {}),
        ("RegexFullMatch", 1, {"pattern": "(a"}),
    ],
)
def test_what_is_not_defined_on_strings_is_an_error_of_the_node(op, inputs, attributes):
    infos = [helper.make_tensor_value_info("x", TensorProto.STRING, [2, 2])]
    names = ["x"] * inputs
    if op in ("TopK", "CumSum"):
        infos.append(helper.make_tensor_value_info("k", TensorProto.INT64, [1]))
        names.append("k")
    if op == "ScatterND":
        infos.append(helper.make_tensor_value_info("k", TensorProto.INT64, [2, 1]))
        names += ["k", "x"]
    results = ["y", "z"] if op == "TopK" else ["y"]
    graph = helper.make_graph(
        [helper.make_node(op, names, results, **attributes)],
        "one_node",
        infos,
        [helper.make_empty_tensor_value_info(name) for name in results],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    with pytest.raises((InvalidModelError, UnsupportedOperatorError), match=op) as caught:
        InferenceSession(proto.SerializeToString())
    assert "\n" not in str(caught.value)


LOOP = """
<ir_version: 9, opset_import: ["" : 20]>
g (string[N] x, int64 n, bool c) => (string[N] y, string[M, N] all, string[N] chosen)
{
  y, all = Loop (n, , x) <body = body (int64 i, bool again, string[N] s)
    => (bool more, string[N] t, string[N] u) {
      more = Identity (again)
      mark = Constant <value_strings = ["!"]> ()
      t = StringConcat (s, mark)
      u = Identity (t)
  }>
  chosen = If (c) <
    then_branch = yes () => (string[N] a) { a = Identity (y) },
    else_branch = no () => (string[N] b) { b = Identity (x) }
  >
}
"""


def test_strings_pass_through_loops_and_branches():
    from onnx import parser

    session = InferenceSession(parser.parse_model(LOOP).SerializeToString())
    x = texts("a", "b")
    for chosen, repeats in ((True, 2), (False, 0), (True, 0)):
        y, every, kept = session.run(None, {"x": x, "n": np.array(repeats), "c": np.array(chosen)})
        marks = [f"{t}{'!' * repeats}" for t in "ab"]
        assert (y.tolist(), kept.tolist()) == (marks, marks if chosen else ["a", "b"])
        assert every.tolist() == [[f"{t}{'!' * k}" for t in "ab"] for k in range(1, repeats + 1)]
        assert every.dtype == np.object_

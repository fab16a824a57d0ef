"""Operators that find elements by their indices, from a model of one node to its results.

Every version of each, with known and unknown parameters, runs on the reference interpreter, on the
plan for any shapes and on the one for these, and is compared with ONNX Runtime.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from pyflame_rt import InferenceSession, SessionOptions, compiler
from pyflame_rt.errors import InvalidModelError, PyFlameRTError, UnsupportedOperatorError
from pyflame_rt.frontends.onnx import import_onnx

NEWEST_JUDGED = 22
"""Later opsets are judged by this one's meaning, which they did not change."""

RANDOM = np.random.default_rng(0)
X = RANDOM.integers(-3, 4, (3, 4)).astype(np.float32)
Y = X.astype(np.int64)
CUBE = RANDOM.standard_normal((2, 3, 4), dtype=np.float32)


def i64(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def i32(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


@dataclass(frozen=True)
class Case:
    """One node of one opset: its inputs in order, how many outputs it has, its attributes."""

    op_type: str
    opset: int
    inputs: list[np.ndarray | None]
    outputs: int = 1
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __str__(self) -> str:
        shown = "-".join(f"{k}={v}" for k, v in self.attributes.items())
        kinds = "-".join("none" if a is None else str(a.dtype) for a in self.inputs)
        return f"{self.op_type}-{self.opset}-{kinds}-{shown}"

    def model(self, opset: int, *, dynamic: bool, known: bool) -> ModelProto:
        """The model; `known` inputs but the first are initializers, `dynamic` ones of any size."""
        names = ["" if array is None else f"i{k}" for k, array in enumerate(self.inputs)]
        arrays = {n: a for n, a in zip(names, self.inputs, strict=True) if a is not None}
        fixed = set(names[1:]) if known else set[str]()
        values = [
            helper.make_tensor_value_info(
                name,
                helper.np_dtype_to_tensor_dtype(array.dtype),
                [f"{name}_{k}" if dynamic else d for k, d in enumerate(array.shape)],
            )
            for name, array in arrays.items()
            if name not in fixed
        ]
        results = [f"o{k}" for k in range(self.outputs)]
        node = helper.make_node(self.op_type, names, results, **self.attributes)
        declared = [helper.make_empty_tensor_value_info(name) for name in results]
        tensors = [numpy_helper.from_array(a, n) for n, a in arrays.items() if n in fixed]
        graph = helper.make_graph([node], "one_node", values, declared, tensors)
        opsets = [helper.make_opsetid("", opset)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)

    def feed(self, model: ModelProto) -> dict[str, np.ndarray]:
        return {v.name: self.inputs[int(v.name[1:])] for v in model.graph.input}


def case(op_type: str, opset: int, *inputs: np.ndarray | None, outputs: int = 1, **attributes: Any):
    return Case(op_type, opset, list(inputs), outputs, attributes)


CASES = [
    *(case("NonZero", opset, x) for opset in (9, 13) for x in (X, Y, X != 0, X[:0])),
    *(
        case("GatherElements", opset, X, index.reshape(1, 2), axis=axis)
        for opset in (11, 13)
        for index, axis in ((i64(-1, 2), 1), (i32(0, -3), 0), (i64(0, 1), -2))
    ),
    *(case("GatherND", opset, CUBE, i64(0, 2, -1, -3).reshape(2, 2)) for opset in (11, 12, 13)),
    case("GatherND", 13, CUBE, i64(1, -1).reshape(2, 1), batch_dims=1),
    case("GatherND", 12, CUBE, i64(0, 1, 1, 0, -1, 2).reshape(2, 3, 1), batch_dims=2),
    *(
        case(op_type, opset, X, i64(2, -3).reshape(1, 2), X[1:2, :2] + 9, axis=axis)
        for op_type, opset in (("Scatter", 9), ("Scatter", 10), ("ScatterElements", 11), ("ScatterElements", 13))
        for axis in (0, -1)
    ),
    *(
        case("ScatterElements", opset, x, i32(2, 2, -1).reshape(1, 3), x[:1, :3], axis=1, reduction=how)
        for opset, how in ((16, "none"), (16, "add"), (18, "mul"), (18, "max"), (18, "min"))
        for x in (X, Y)
    ),
    *(case("ScatterND", opset, X, i64(2, -3).reshape(2, 1), X[:2] + 9) for opset in (11, 13)),
    *(
        case("ScatterND", opset, X, i64(0, 1, 0, 1, 2, -1).reshape(3, 2), X[0, :3], reduction=how)
        for opset, how in ((16, "none"), (16, "mul"), (18, "add"), (18, "max"), (18, "min"))
    ),
    case("TopK", 7, X, outputs=2, k=2),
    case("TopK", 9, CUBE, outputs=2, k=3, axis=1),
    case("TopK", 10, X, i64(2), outputs=2, axis=0),
    *(
        case("TopK", opset, x, i64(3), outputs=2, largest=largest)
        for opset in (11, 24)
        for x in (X, Y)
        for largest in (0, 1)
    ),
    case("TopK", 11, X, i64(0), outputs=2),
    case("OneHot", 9, i64(0, 2, 5), i64(4), np.array([0, 1], np.float32)),
    *(
        case("OneHot", opset, i64(0, -1, 3, 7, -8), depth, np.array([-1, 1], np.float32), axis=axis)
        for opset in (11, 28)
        for depth in (i64(4), np.array(4))
        for axis in (-1, 0)
    ),
    case("OneHot", 11, X, np.array(3, np.float32), np.array([0, 1], np.float32), axis=1),
    case("Trilu", 14, CUBE),
    *(case("Trilu", 14, CUBE, np.array(k), upper=upper) for k in (-1, 2) for upper in (0, 1)),
    *(case("EyeLike", opset, X, k=-1) for opset in (9, 22)),
    case("EyeLike", 9, X, dtype=TensorProto.INT64),
    *(
        case("CumSum", opset, x, axis, exclusive=exclusive, reverse=reverse)
        for opset in (11, 14)
        for x in (X, Y)
        for axis in (np.array(1), i32(-2))
        for exclusive, reverse in ((0, 0), (1, 1))
    ),
    *(
        case("Compress", opset, X, np.array([True, False, True]), **chosen)
        for opset in (9, 11, 28)
        for chosen in ({"axis": 0}, {"axis": -1}, {})
    ),
    *(
        case("Unique", opset, X, outputs=outputs, sorted=order, **chosen)
        for opset in (11, 28)
        for outputs, chosen in ((4, {}), (4, {"axis": 1}), (1, {}))
        for order in (0, 1)
    ),
    case("ReverseSequence", 10, CUBE, i64(2, 0, 1)),
    case("ReverseSequence", 28, CUBE, i64(3, 2), time_axis=1, batch_axis=0),
    *(
        case(op_type, opset, X / 4)
        for op_type, opsets in {
            "Tan": (7, 22), "Asin": (7, 22), "Acos": (7, 22), "Atan": (7, 22), "Sinh": (9, 22),
            "Cosh": (9, 22), "Asinh": (9, 22), "Acosh": (9, 22), "Atanh": (9, 22),
        }.items()
        for opset in opsets
    ),
    *(
        case(op_type, 18, Y, Y[0])
        for op_type in ("BitwiseAnd", "BitwiseOr", "BitwiseXor")
    ),
    case("BitwiseNot", 18, Y),
    *(
        case("BitShift", opset, abs(Y).astype(np.uint64), i64(1, 0, 2, 64).astype(np.uint64), direction=way)
        for opset in (11, 28)
        for way in ("LEFT", "RIGHT")
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def judged():
    """What ONNX Runtime computes."""
    ort = pytest.importorskip("onnxruntime")
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1

    def run(example: Case) -> list[np.ndarray]:
        opset = min(example.opset, NEWEST_JUDGED)
        model = example.model(opset, dynamic=False, known=False)
        bytes_ = model.SerializeToString()
        session = ort.InferenceSession(bytes_, options, providers=["CPUExecutionProvider"])
        return session.run(None, example.feed(model))

    return run


def check(got: list[np.ndarray], want: list[np.ndarray]) -> None:
    """Same number, dtypes, shapes and values."""
    assert [(a.dtype, a.shape) for a in got] == [(a.dtype, a.shape) for a in want]
    for one, other in zip(got, want, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("known", [False, True], ids=["unknown", "known"])
@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
@pytest.mark.parametrize("example", CASES, ids=str)
def test_every_version_equals_onnxruntime(judged, example: Case, dynamic: bool, known: bool):
    """Also a second time, when there is a plan for the shapes of the inputs."""
    want = judged(example)
    model = example.model(example.opset, dynamic=dynamic, known=known)
    feed, source = example.feed(model), model.SerializeToString()
    program = compiler.load(source)
    program.module.verify()
    reference = compiler.compile_module(program.module, program.ctx, "reference", "")
    check(reference.run(list(feed.values())), want)
    options = SessionOptions()
    options.specialize_after = 1
    session = InferenceSession(source, options)
    for _ in range(2):
        check(session.run(None, feed), want)
        session.settle()


def ops_of(example: Case, *, known: bool) -> list[str]:
    """Names of the ops that a node becomes."""
    model = example.model(example.opset, dynamic=False, known=known)
    (main,) = import_onnx(model.SerializeToString()).ops
    return [op.name.removeprefix("pfrt.") for op in main.body.block.ops][:-1]


@pytest.mark.parametrize(
    ("example", "property_name"),
    [
        (case("TopK", 11, X, i64(2), outputs=2), "k"),
        (case("CumSum", 11, X, i32(-1)), "axis"),
        (case("Trilu", 14, X, np.array(1)), "k"),
    ],
)
def test_a_known_number_is_a_property(example: Case, property_name: str):
    """Of whatever rank and type: no constant is left for it."""
    model = example.model(example.opset, dynamic=False, known=True)
    (main,) = import_onnx(model.SerializeToString()).ops
    first = main.body.block.first_op
    assert first.properties[property_name].value.data == int(example.inputs[1].reshape(-1)[0])
    assert len(first.operands) == 1
    assert ops_of(example, known=False) == ops_of(example, known=True)


def test_negative_indices_had_no_place_until_opset_11():
    """As its text says; ONNX Runtime counts them from the back in every opset."""
    values = np.array([0, 1], np.float32)
    for kind, want in ((np.int64, [1, 0, 0]), (np.float32, [1, 0, 0]), (np.uint8, [1, 1, 0])):
        indices = np.array([0, 3 if kind is np.uint8 else -1, -128 if kind is np.int64 else 200])
        example = case("OneHot", 9, indices.astype(kind), i64(200), values)
        source = example.model(9, dynamic=False, known=False)
        (got,) = InferenceSession(source.SerializeToString()).run(None, example.feed(source))
        assert got.sum(1).tolist() == want
    assert ops_of(case("OneHot", 9, np.array([1], np.uint8), i64(3), values), known=False) == ["one_hot"]  # fmt: skip
    assert ops_of(case("OneHot", 11, i64(1), i64(3), values), known=False) == ["one_hot"]


def test_signed_shifts_follow_the_sign():
    """Since opset 28, which nothing else computes yet."""
    x, by = np.array([-8, 8, -1, 1], np.int8), np.array([1, 1, 9, -1], np.int8)
    for way, want in (("RIGHT", [-4, 4, -1, 0]), ("LEFT", [-16, 16, 0, 0])):
        example = case("BitShift", 28, x, by, direction=way)
        source = example.model(28, dynamic=False, known=False)
        (got,) = InferenceSession(source.SerializeToString()).run(None, example.feed(source))
        assert got.tolist() == want


@pytest.mark.parametrize(
    ("example", "why"),
    [
        (case("Scatter", 11, X, Y[:1], X[:1]), "ScatterElements took its place"),
        (case("NonZero", 8, X), "supported from opset 9 on"),
        (case("Trilu", 13, X), "supported from opset 14 on"),
    ],
)
def test_opsets_without_the_operator(example: Case, why: str):
    model = example.model(example.opset, dynamic=False, known=False)
    with pytest.raises(UnsupportedOperatorError, match=why):
        import_onnx(model.SerializeToString())


@pytest.mark.parametrize(
    ("example", "why"),
    [
        (case("TopK", 9, X, outputs=2), '"k" is missing'),
        (case("TopK", 9, X, i64(1), outputs=2, k=1), "2 inputs, at most 1"),
        (case("TopK", 10, X, i64(1), outputs=2, largest=0), 'no attribute "largest"'),
        (case("TopK", 11, X, outputs=2), "C3"),
        (case("TopK", 11, X, i64(9), outputs=2), "C4"),
        (case("GatherND", 11, X, Y[:1, :1], batch_dims=0), 'no attribute "batch_dims"'),
        (case("ScatterElements", 13, X, Y[:1], X[:1], reduction="add"), 'no attribute "reduction"'),
        (case("ScatterElements", 18, X, Y[:1], X[:1], reduction="sub"), "C3"),
        (case("OneHot", 11, Y, i64(3)), "input 2 is missing"),
        (case("CumSum", 11, X), "C2"),
        (case("Trilu", 14, X, np.array(0), np.array(0)), "3 inputs, at most 2"),
        (case("BitShift", 11, Y, Y), '"direction" is missing'),
    ],
)
def test_forms_that_an_opset_does_not_have(example: Case, why: str):
    model = example.model(example.opset, dynamic=False, known=True)
    with pytest.raises(InvalidModelError, match=why):
        import_onnx(model.SerializeToString())


@pytest.mark.parametrize(
    ("example", "why"),
    [
        (
            case("GatherElements", 13, X, i64(9).reshape(1, 1)),
            "index 9 is outside a dimension of 3",
        ),
        (case("ScatterND", 13, X, i64(-4).reshape(1, 1), X[:1]), "index -4 is outside"),
        (case("TopK", 11, X, i64(9), outputs=2), "k is 9, the dimension 4"),
        (case("ReverseSequence", 10, X, i64(9, 0, 0, 0)), r"not all in 0\.\.3"),
    ],
)
def test_values_that_are_wrong_at_run_time(example: Case, why: str):
    """One line that says what, in the dynamic and in the specialised plan."""
    model = example.model(example.opset, dynamic=True, known=False)
    session = InferenceSession(model.SerializeToString())
    for _ in range(3):
        with pytest.raises(PyFlameRTError, match=why):
            session.run(None, example.feed(model))

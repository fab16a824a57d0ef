"""Gradient: what it gives is what differences give, for every op that has a derivative."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from pyflame_rt.backends.reference import ReferenceBackend
from pyflame_rt.errors import InvalidModelError, UnsupportedOperatorError
from pyflame_rt.frontends.onnx import import_onnx
from pyflame_rt.frontends.onnx.derivatives import DERIVATIVES

DOMAIN = "ai.onnx.preview.training"
RANDOM = np.random.default_rng(1)
A, B = RANDOM.uniform(0.5, 2, (2, 3)), RANDOM.uniform(0.5, 2, (2, 3))
SIGNED = A * np.array([[1, -1, 1], [-1, 1, -1]])
N = helper.make_node


def imported(
    nodes: Sequence[Any],
    feeds: dict[str, np.ndarray],
    outputs: Sequence[str],
    initializers: dict[str, np.ndarray] | None = None,
    shapes: Callable[[np.ndarray], Any] = np.shape,
) -> Callable[[Sequence[np.ndarray]], list[np.ndarray]]:
    """What runs a model of these nodes."""
    inputs = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), shapes(array)
        )
        for name, array in feeds.items()
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        inputs,
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in (initializers or {}).items()],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid(DOMAIN, 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    module = import_onnx(model.SerializeToString())
    module.verify()
    return ReferenceBackend().compile(module, "main").run


def gradient(xs: str, y: str, inputs: str = "", zs: str = "", outputs: str = "") -> Any:
    """A Gradient node; by default at the values that y was computed from."""
    names = outputs.split() or [f"d{x}" for x in xs.split()]
    others = {"zs": zs.split()} if zs else {}
    given = inputs.split() or [*xs.split(), *zs.split()]
    return N("Gradient", given, names, domain=DOMAIN, xs=xs.split(), y=y, **others)


def unknown(array: np.ndarray) -> list[None]:
    """A shape of which the rank is known."""
    return [None] * array.ndim


def check(
    made: Sequence[Any],
    feeds: dict[str, np.ndarray],
    known: dict[str, np.ndarray],
    shapes: Callable[[np.ndarray], Any] = np.shape,
) -> None:
    """Gradients with respect to everything fed are those of central differences.

    Elements of y have different weights, so that none makes up for another.
    """
    (y,) = imported(made, feeds, ["y"], known)(list(feeds.values()))
    weights = np.random.default_rng(2).uniform(1, 2, y.shape)
    known = {**known, "w": weights}
    nodes = [*made, N("Mul", ["y", "w"], ["z"])]
    xs = [name for name, array in feeds.items() if array.dtype.kind == "f"]
    names = " ".join(xs)
    run = imported([*nodes, gradient(names, "z")], feeds, [f"d{x}" for x in xs], known, shapes)
    got = run(list(feeds.values()))
    forward = imported(nodes, feeds, ["z"], known)
    for x, dx in zip(xs, got, strict=True):
        assert dx.shape == feeds[x].shape
        assert dx.dtype == feeds[x].dtype
        np.testing.assert_allclose(dx, differences(forward, feeds, x), rtol=1e-6, atol=1e-8)


def differences(run: Any, feeds: dict[str, np.ndarray], x: str) -> np.ndarray:
    """How much the sum of y changes with each element of x."""
    found = np.zeros(feeds[x].shape)
    for place in np.ndindex(*found.shape):
        ends = []
        for step in (1e-5, -1e-5):
            moved = feeds[x].copy()
            moved[place] += step
            ends.append(float(run([*{**feeds, x: moved}.values()])[0].sum()))
        found[place] = (ends[0] - ends[1]) / 2e-5
    return found


def one(op: str, x: np.ndarray = A, **attributes: Any) -> Any:
    """A case of one operand."""
    return [N(op, ["a"], ["y"], **attributes)], {"a": x}, {}


def two(op: str, a: np.ndarray = A, b: np.ndarray = B, **attributes: Any) -> Any:
    """A case of two operands."""
    return [N(op, ["a", "b"], ["y"], **attributes)], {"a": a, "b": b}, {}


def with_list(op: str, values: Sequence[int], **attributes: Any) -> Any:
    """A case of an operand and a list of integers that is known."""
    return [N(op, ["a", "l"], ["y"], **attributes)], {"a": A}, {"l": np.array(values, np.int64)}


SQUARE = RANDOM.normal(size=(4, 3, 3))
CASES: dict[str, Any] = {
    "abs": one("Abs", SIGNED),
    "add": two("Add", A, B[:, :1]),
    "cast": one("Cast", to=TensorProto.DOUBLE),
    "ceil": one("Ceil"),
    "cos": one("Cos"),
    "div": two("Div", A, B[0]),
    "exp": one("Exp"),
    "expand": with_list("Expand", [4, 2, 3]),
    "flatten": one("Flatten", SQUARE, axis=2),
    "floor": one("Floor"),
    "gemm": (
        [N("Gemm", ["a", "b", "c"], ["y"], alpha=0.5, beta=2.0)],
        {"a": A, "b": SQUARE[0], "c": B[0]},
        {},
    ),
    "gemm, both transposed": two("Gemm", A.T, SQUARE[0], transA=1, transB=1, alpha=0.5),
    "gemm, left transposed": two("Gemm", A.T, SQUARE[0], transA=1),
    "gemm, right transposed": two("Gemm", A, SQUARE[0], transB=1),
    "identity": one("Identity"),
    "log": one("Log"),
    "log_softmax": one("LogSoftmax", SIGNED, axis=0),
    "matmul": two("MatMul", A, SQUARE),
    "mul": two("Mul", A[:1], B),
    "neg": one("Neg"),
    "pow": two("Pow", A, B[:, 1:2]),
    "reciprocal": one("Reciprocal"),
    "reduce_mean": with_list("ReduceMean", [1], keepdims=0),
    "reduce_mean, all": one("ReduceMean"),
    "reduce_sum": with_list("ReduceSum", [-1, 0], keepdims=1),
    "reduce_sum, none": one("ReduceSum", noop_with_empty_axes=1, keepdims=0),
    "relu": one("Relu", SIGNED),
    "reshape": with_list("Reshape", [3, -1]),
    "round": one("Round"),
    "sigmoid": one("Sigmoid", SIGNED),
    "sign": one("Sign", SIGNED),
    "sin": one("Sin"),
    "softmax": one("Softmax", SIGNED),
    "softplus": one("Softplus", SIGNED),
    "sqrt": one("Sqrt"),
    "squeeze": ([N("Squeeze", ["a"], ["y"])], {"a": A[:, None, :1]}, {}),
    "sub": two("Sub", A[:, :1], B[:1]),
    "sum": ([N("Sum", ["a", "b", "a"], ["y"])], {"a": A, "b": B[0]}, {}),
    "tanh": one("Tanh", SIGNED),
    "transpose": one("Transpose", SQUARE, perm=[1, 2, 0]),
    "transpose, reversed": one("Transpose", SQUARE),
    "unsqueeze": with_list("Unsqueeze", [1]),
    "where": (
        [N("Where", ["c", "a", "b"], ["y"])],
        {"c": SIGNED > 0, "a": A, "b": B[0]},
        {},
    ),
}


def test_every_derivative_has_a_case():
    assert {name.split(",")[0] for name in CASES} == set(DERIVATIVES)


@pytest.mark.parametrize("name", CASES)
def test_derivatives_are_differences(name: str):
    check(*CASES[name])


@pytest.mark.parametrize(
    "name", ["add", "div", "gemm", "mul", "reduce_mean", "softmax", "sub", "where"]
)
def test_derivatives_with_shapes_known_at_run_time(name: str):
    """What was broadcast is found out then."""
    check(*CASES[name], unknown)


def test_a_network_of_two_layers():
    """Parts that are used more than once get what comes from each use."""
    nodes = [
        N("MatMul", ["x", "v"], ["h0"]),
        N("Tanh", ["h0"], ["h1"]),
        N("MatMul", ["h1", "u"], ["h2"]),
        N("Add", ["h2", "x"], ["h3"]),
        N("Mul", ["h3", "h2"], ["h4"]),
        N("ReduceSum", ["h4"], ["y"], keepdims=0),
    ]
    check(nodes, {"x": A, "v": SQUARE[0], "u": SQUARE[1]}, {})


SQUARED = [N("Mul", ["a", "a"], ["s"]), N("Mul", ["s", "b"], ["y"])]
FEEDS = {"a": A, "b": B}


def test_the_gradient_at_another_value():
    """y = a * a * b at a = b: what y depends on is computed again."""
    (da, db) = imported([*SQUARED, gradient("a b", "y", "b b")], FEEDS, ["da", "db"])([A, B])
    np.testing.assert_allclose(da, 2 * B * B)
    np.testing.assert_allclose(db, B * B)


def test_what_is_computed_again_has_the_types_of_the_new_values():
    """A vector for a matrix."""
    made = [*SQUARED, gradient("a b", "y", "b c")]
    (da, db) = imported(made, {**FEEDS, "c": A[0]}, ["da", "db"])([A, B, A[0]])
    np.testing.assert_allclose(da, 2 * B * A[0])
    np.testing.assert_allclose(db, (B * B).sum(0))


def test_of_a_value_on_the_way_and_of_what_does_not_matter():
    """s is as independent as a variable; b stays what it is; y does not depend on c."""
    run = imported([*SQUARED, gradient("s c", "y", zs="b")], {**FEEDS, "c": A[0]}, ["ds", "dc"])
    (ds, dc) = run([A, B, A[0]])
    np.testing.assert_allclose(ds, B)
    np.testing.assert_array_equal(dc, np.zeros(3))


def test_the_second_derivative():
    """Of a gradient there is another: 2 * b."""
    nodes = [*SQUARED, gradient("a", "y"), gradient("a", "da", outputs="dda")]
    (second,) = imported(nodes, FEEDS, ["dda"])([A, B])
    np.testing.assert_allclose(second, 2 * B)


def branch(name: str) -> Any:
    """A graph without inputs that gives the value of that name."""
    kept = N("Identity", [name], ["r"])
    return helper.make_graph([kept], "b", [], [helper.make_empty_tensor_value_info("r")])


def test_ops_without_a_derivative_are_named():
    """Also one that sees a variable only in its regions."""
    with pytest.raises(UnsupportedOperatorError, match=r"the gradient of pfrt\.cum_sum"):
        made = [N("CumSum", ["a", "k"], ["y"]), gradient("a", "y")]
        imported(made, {"a": A}, ["da"], {"k": np.array(0)})
    chosen = N("If", ["c"], ["y"], then_branch=branch("a"), else_branch=branch("a"))
    with pytest.raises(UnsupportedOperatorError, match=r"the gradient of pfrt\.if"):
        imported([chosen, gradient("a", "y")], {"a": A, "c": np.array(True)}, ["da"])
    with pytest.raises(UnsupportedOperatorError, match="needs matrices"):
        imported([*two("MatMul", A[0], B[0])[0], gradient("a", "y")], FEEDS_1, ["da"])


FEEDS_1 = {"a": A[0], "b": B[0]}


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (N("Gradient", ["a"], ["d"], domain=DOMAIN, xs=["a"]), '"y" is missing'),
        (N("Gradient", ["a"], ["d"], domain=DOMAIN, y="y"), '"xs" is missing'),
        (gradient("a b", "y", "a"), "1 inputs for 2 names"),
        (gradient("a", "nothing"), '"nothing" is not defined'),
        (gradient("c", "y"), "no gradient of tensor<i1>"),
        (gradient("a", "c"), "no gradient of tensor<i1>"),
    ],
)
def test_nodes_that_make_no_sense_are_refused(made: Any, why: str):
    with pytest.raises(InvalidModelError, match=why):
        imported([*SQUARED, made], {**FEEDS, "c": np.array(True)}, ["y"])

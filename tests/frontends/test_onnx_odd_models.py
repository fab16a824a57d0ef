"""Correct models of forms that exporters hardly ever write: each gives what ONNX says it means."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import AttributeProto, SparseTensorProto, TensorProto, helper, numpy_helper

from pyflame_rt import InferenceSession, SessionOptions, dtypes
from pyflame_rt.errors import InvalidModelError

OPSETS = [helper.make_opsetid("", 21), helper.make_opsetid("f", 1)]
X = np.array([-1.0, 2.0], np.float32)
LEVELS = (0, 3)


def value(name: str, shape=(2,), code: int = TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, code, shape)


def model(nodes, inputs=("x",), functions=(), initializers=(), sparse=(), outputs=("y",)):
    graph = helper.make_graph(
        nodes,
        "g",
        [value(name) for name in inputs],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        list(initializers),
        sparse_initializer=list(sparse),
    )
    return helper.make_model(graph, functions=functions, opset_imports=OPSETS, ir_version=11)


def run(proto, level: int = 0, **feed: np.ndarray) -> list[np.ndarray]:
    options = SessionOptions()
    options.optimization_level = level
    return InferenceSession(proto.SerializeToString(), options).run(None, feed)


def function(name: str, inputs, outputs, nodes, attributes=(), defaults=()):
    return helper.make_function(
        "f", name, inputs, outputs, nodes, OPSETS, attributes, attribute_protos=list(defaults)
    )


def call(name: str, inputs, outputs, **attributes):
    return helper.make_node(name, inputs, outputs, domain="f", **attributes)


def referring(node, name: str, to: str, kind: int = AttributeProto.FLOAT):
    """A node whose attribute is an attribute of the function around it."""
    node.attribute.append(AttributeProto(name=name, ref_attr_name=to, type=kind))
    return node


def branch(*nodes, output: str):
    """A subgraph without inputs."""
    return helper.make_graph(nodes, "branch", [], [value(output)])


def sparse(name: str, values: np.ndarray, indices, dims):
    return SparseTensorProto(
        values=numpy_helper.from_array(values, name),
        indices=numpy_helper.from_array(np.array(indices, np.int64)),
        dims=dims,
    )


@pytest.mark.parametrize(("given", "slope"), [({"slope": 0.25}, 0.25), ({}, 0.5)])
def test_an_attribute_passes_through_two_functions(given, slope):
    """Under another name in each; the outer one's default reaches the inner one."""
    leaky = referring(helper.make_node("LeakyRelu", ["a"], ["b"]), "alpha", "inner")
    inner = function("Inner", ["a"], ["b"], [leaky], ["inner"])
    outer = function(
        "Outer",
        ["a"],
        ["b"],
        [referring(call("Inner", ["a"], ["b"]), "inner", "slope")],
        defaults=[helper.make_attribute("slope", 0.5)],
    )
    proto = model([call("Outer", ["x"], ["y"], **given)], functions=[inner, outer])
    np.testing.assert_array_equal(run(proto, x=X)[0], np.where(X < 0, slope * X, X))


def test_an_attribute_reaches_into_the_branches_of_a_function():
    """A subgraph in a function refers to the function's attributes, and sees its values."""
    leaky = referring(helper.make_node("LeakyRelu", ["a"], ["r"]), "alpha", "slope")
    then = branch(leaky, output="r")
    otherwise = branch(helper.make_node("Neg", ["a"], ["r"]), output="r")
    choose = helper.make_node("If", ["c"], ["b"], then_branch=then, else_branch=otherwise)
    defined = function("F", ["a", "c"], ["b"], [choose], ["slope"])
    yes = numpy_helper.from_array(np.array(True), "yes")
    proto = model([call("F", ["x", "yes"], ["y"], slope=0.5)], (("x"),), [defined], [yes])
    np.testing.assert_array_equal(run(proto, x=X)[0], [-0.5, 2])


def test_recursion_through_a_branch_is_an_error():
    """Whether it would ever end is not asked."""
    again = branch(call("F", ["a", "c"], ["r"]), output="r")
    stop = branch(helper.make_node("Neg", ["a"], ["r"]), output="r")
    choose = helper.make_node("If", ["c"], ["b"], then_branch=again, else_branch=stop)
    defined = function("F", ["a", "c"], ["b"], [choose])
    no = numpy_helper.from_array(np.array(False), "no")
    proto = model([call("F", ["x", "no"], ["y"])], functions=[defined], initializers=[no])
    with pytest.raises(InvalidModelError, match='function "F" calls itself'):
        run(proto, x=X)


@pytest.mark.parametrize(
    ("indices", "dims"),
    [([1, 2], [2, 2]), ([[0, 1], [1, 0]], [2, 2])],
    ids=["flat", "coordinates"],
)
@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.float16, np.bool_])
def test_sparse_tensors_in_either_form_of_indices(indices, dims, dtype):
    """As an initializer of the graph, of a branch, and as a constant: the same dense tensor."""
    values = np.array([1, 1], dtype)
    expected = np.array([[0, 1], [1, 0]], dtype)
    outside = model(
        [helper.make_node("Identity", ["s"], ["y"])],
        inputs=(),
        sparse=[sparse("s", values, indices, dims)],
    )
    constant = model(
        [helper.make_node("Constant", [], ["y"], sparse_value=sparse("", values, indices, dims))],
        inputs=(),
    )
    inside = helper.make_graph(
        [helper.make_node("Identity", ["s"], ["r"])],
        "branch",
        [],
        [helper.make_empty_tensor_value_info("r")],
        sparse_initializer=[sparse("s", values, indices, dims)],
    )
    yes = numpy_helper.from_array(np.array(True), "yes")
    choose = helper.make_node("If", ["yes"], ["y"], then_branch=inside, else_branch=inside)
    for proto in (outside, constant, model([choose], (), initializers=[yes])):
        (found,) = run(proto)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def test_sparse_tensors_of_nothing_are_zeros():
    proto = model(
        [helper.make_node("Identity", ["s"], ["y"])],
        inputs=(),
        sparse=[sparse("s", np.zeros(0, np.float32), np.zeros(0), [2, 3])],
    )
    np.testing.assert_array_equal(run(proto)[0], np.zeros((2, 3)))


def test_a_sparse_initializer_that_is_an_input_too_is_a_default():
    proto = model(
        [helper.make_node("Add", ["x", "s"], ["y"])],
        inputs=("x", "s"),
        sparse=[sparse("s", np.array([5.0], np.float32), [1], [2])],
    )
    np.testing.assert_array_equal(run(proto, x=X)[0], [-1, 7])
    np.testing.assert_array_equal(run(proto, x=X, s=X)[0], X + X)


def test_nodes_of_branches_and_functions_come_in_any_order():
    """Also where a branch captures what a later node of the outer graph makes."""
    shuffled = branch(
        helper.make_node("Neg", ["t"], ["r"]), helper.make_node("Abs", ["late"], ["t"]), output="r"
    )
    body = [helper.make_node("Relu", ["t"], ["b"]), helper.make_node("Neg", ["a"], ["t"])]
    proto = model(
        [
            helper.make_node("If", ["yes"], ["y"], then_branch=shuffled, else_branch=shuffled),
            call("F", ["x"], ["late"]),
        ],
        functions=[function("F", ["a"], ["b"], body)],
        initializers=[numpy_helper.from_array(np.array(True), "yes")],
    )
    np.testing.assert_array_equal(run(proto, x=X)[0], [-1, 0])


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("row", dtypes.table(), ids=lambda row: row.dtype.name)
def test_every_element_type_as_initializer_and_input(row, level):
    """As it stands, through an op, and beside what is fed of the same type."""
    numbers = np.array([[0, 1, 1], [1, 0, 1]])
    array = numbers.astype(row.numpy)
    nodes = [
        helper.make_node("Reshape", ["w", "shape"], ["y"]),
        helper.make_node("Identity", ["v"], ["z"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [value("v", (2, 3), row.onnx)],
        [helper.make_empty_tensor_value_info(name) for name in ("w", "y", "z")],
        [
            numpy_helper.from_array(array, "w"),
            numpy_helper.from_array(np.array([3, 2]), "shape"),
        ],
    )
    opset = [helper.make_opsetid("", 25)]
    proto = helper.make_model(graph, opset_imports=opset, ir_version=13)
    assert proto.graph.initializer[0].data_type == row.onnx
    plain, reshaped, fed = run(proto, level, v=array)
    assert plain.dtype == reshaped.dtype == fed.dtype == row.numpy
    for found, expected in ((plain, array), (reshaped, array.reshape(3, 2)), (fed, array)):
        assert found.tobytes() == expected.tobytes()


def test_dimensions_of_any_kind():
    """Symbolic, 0, not declared, and no shape at all."""
    shapes = {"a": ("N", 2), "b": (0, 2), "c": (None, 2), "d": None}
    graph = helper.make_graph(
        [helper.make_node("Concat", list(shapes), ["y"], axis=0)],
        "g",
        [value(name, shape) for name, shape in shapes.items()],
        [helper.make_empty_tensor_value_info("y")],
    )
    proto = helper.make_model(graph, opset_imports=OPSETS, ir_version=11)
    session = InferenceSession(proto.SerializeToString())
    assert [arg.shape for arg in session.get_inputs()] == [["N", 2], [0, 2], [None, 2], []]
    feed = {"a": np.stack([X]), "b": np.zeros((0, 2), np.float32), "c": np.stack([X, X])}
    for rows in (0, 1, 3):
        (found,) = session.run(None, {**feed, "d": np.ones((rows, 2), np.float32)})
        assert found.shape == (3 + rows, 2)

"""Graphs that are built, and views of modules."""

from __future__ import annotations

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp

import pyflame_rt as rt
from pyflame_rt.dialects.pfrt.base import constant_of
from pyflame_rt.dialects.pfrt.data import ConstantOp

W = np.arange(12, dtype=np.float32).reshape(4, 3)


def linear(weight: object = W) -> rt.Graph:
    graph = rt.Graph("linear")
    # Nodes may be added in any order.
    graph.add_output("y", ["N", 3])
    graph.add_node("act", "Relu", ["h"], ["y"])
    graph.add_node("mm", "MatMul", ["x", "w"], ["h"])
    graph.add_initializer("w", weight)  # type: ignore[arg-type]
    graph.add_input("x", ["N", 4])
    return graph


def test_a_built_graph_is_a_model():
    graph = linear()
    assert graph.validate() == []
    assert [n.name for n in graph.nodes] == ["act", "mm"]
    assert [n.name for n in graph.topological_sort()] == ["mm", "act"]
    (info,) = graph.inputs
    assert (info.name, info.dtype, info.shape, info.dims) == (
        "x", rt.DType.Float32, [None, 4], ("N", 4),
    )  # fmt: skip
    x = np.ones((2, 4), np.float32)
    (y,) = rt.InferenceSession(graph).run(None, {"x": x})
    np.testing.assert_allclose(y, x @ W)


def test_tensor_infos_follow_from_the_inputs():
    """Of inputs, outputs, constants and everything between; also after a change."""
    graph = linear()
    shapes = {name: graph.get_tensor_info(name).shape for name in "xwhy"}
    assert shapes == {"x": [None, 4], "w": [4, 3], "h": [None, 3], "y": [None, 3]}
    graph.add_node("more", "Transpose", ["y"], ["t"])
    graph.add_output("t", None)
    assert graph.get_tensor_info("t").shape == [3, None]
    graph.add_initializer("unused", np.ones((5, 1), np.int8))
    assert graph.get_tensor_info("unused") == rt.TensorInfo("unused", rt.DType.Int8, [5, 1])
    with pytest.raises(rt.ValidationError, match='there is no value "nope"'):
        graph.get_tensor_info("nope")


def test_validation_lists_everything():
    graph = linear()
    graph.add_input("x", [1])
    graph.add_node("a", "Add", ["b", "x"], ["c"])
    graph.add_node("", "Add", ["c", "gone"], ["b"])
    graph.add_output("lost", [1])
    assert graph.validate() == [
        '"x" is defined twice: by an input and by an input',
        'a node (Add) reads "gone", which nothing defines',
        'output "lost" is defined by nothing',
        'a circle keeps node "a" (Add), a node (Add) from being computed',
    ]
    with pytest.raises(rt.ValidationError, match="circle"):
        graph.topological_sort()


def test_validation_knows_operators():
    """What is connected well may still be no model."""
    graph = linear()
    graph.add_node("odd", "Frobnicate", ["y"], ["z"])
    graph.add_output("z", None)
    (problem,) = graph.validate()
    assert "Frobnicate" in problem and "linear" in problem


def test_weights_are_shared_where_nobody_can_change_them():
    """Read-only arrays get into the module as they are; others are copied once."""

    def weight(module: ModuleOp) -> np.ndarray:
        (op,) = [op for op in module.walk() if isinstance(op, ConstantOp)]
        array = constant_of(op.result)
        assert array is not None
        return array

    array = np.ones((4, 2000), np.float32)
    mine = linear(array)
    assert not np.shares_memory(weight(mine.program().module), array)
    array[:] = 2
    assert (mine.initializers["w"] == 1).all()
    array.flags.writeable = False
    for given in (array, rt.Tensor.viewing(array)):
        assert np.shares_memory(weight(linear(given).program().module), array)


def test_views_show_modules_and_stay_as_they_are():
    session = rt.InferenceSession(linear())
    graph = session.graph()
    assert graph.name == "linear" and graph.validate() == []
    assert [str(node) for node in graph.nodes] == [
        "mm: MatMul(x, w) -> h",
        "act: Relu(h) -> y",
    ]
    assert graph.get_tensor_info("y").dims == ("N", 3)
    assert not graph.initializers["w"].flags.writeable
    np.testing.assert_array_equal(session.get_initializer("w"), W)
    for change in (
        lambda: graph.add_input("z", [1]),
        lambda: graph.add_output("z", [1]),
        lambda: graph.add_initializer("z", W),
        lambda: graph.add_node("z", "Relu", ["x"], ["z"]),
    ):
        with pytest.raises(rt.ValidationError, match="a view of a model cannot be changed"):
            change()


def test_fused_nodes_have_documented_names():
    graph = rt.InferenceSession(linear()).graph()
    assert rt.opt.optimize(graph, rt.OptLevel.EXTENDED).modified
    (node,) = graph.nodes
    assert (node.op_type, node.inputs) == ("FusedMatMulRelu", ("x", "w"))


def test_arguments_in_another_order_are_told():
    """Operator, inputs, outputs and dtype before shape are orders that other libraries have."""
    graph = rt.Graph()
    with pytest.raises(TypeError, match="takes name, op_type, inputs and outputs"):
        graph.add_node("Relu", ["x"], ["y"], ())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="is no shape"):
        graph.add_input("x", np.float32, [2])  # type: ignore[arg-type]

"""If and Loop become regions: captures, carried types, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from pyflame_rt.backends.reference import ReferenceBackend
from pyflame_rt.errors import InvalidModelError
from pyflame_rt.frontends.onnx import import_onnx


def value(name: str, shape=None, element: int = TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, element, shape)


def branch(op: str, output: str = "r"):
    return helper.make_graph([helper.make_node(op, ["x"], [output])], op, [], [value(output)])


def loop_body(nodes, outputs):
    scalars = [value("i", [], TensorProto.INT64), value("c", [], TensorProto.BOOL)]
    return helper.make_graph(
        nodes,
        "body",
        [*scalars, value("v")],
        [value("c", [], TensorProto.BOOL), *map(value, outputs)],
        initializer=[numpy_helper.from_array(np.ones(1, np.float32), "one")],
    )


def run(nodes, outputs, feeds: dict, initializers=()):
    graph = helper.make_graph(
        nodes,
        "g",
        [value(n, a.shape, helper.np_dtype_to_tensor_dtype(a.dtype)) for n, a in feeds.items()],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        initializer=[numpy_helper.from_array(a, n) for n, a in dict(initializers).items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    module = import_onnx(proto.SerializeToString())
    module.verify()
    return module, ReferenceBackend().compile(module, "main").run(list(feeds.values()))


X = np.array([-1.0, 2.0], np.float32)


@pytest.mark.parametrize("choice", [True, False])
def test_branches_see_the_values_around_them(choice):
    node = helper.make_node(
        "If", ["k"], ["y"], then_branch=branch("Neg"), else_branch=branch("Abs")
    )
    module, (found,) = run([node], ["y"], {"k": np.array(choice), "x": X})
    np.testing.assert_array_equal(found, -X if choice else np.abs(X))
    assert '%y = pfrt.if %k -> (tensor<2xf32>) as "y"' in str(module)


def test_outer_initializers_are_defined_outside():
    """A constant first used in a branch dominates later uses too."""
    add = helper.make_graph([helper.make_node("Add", ["x", "w"], ["r"])], "then", [], [value("r")])
    node = helper.make_node("If", ["k"], ["a"], then_branch=add, else_branch=branch("Neg"))
    after = helper.make_node("Mul", ["a", "w"], ["y"])
    _, (found,) = run([node, after], ["y"], {"k": np.array(True), "x": X}, {"w": np.float32(3)})
    np.testing.assert_array_equal(found, (X + 3) * 3)


def test_loop_carries_and_stacks():
    body = loop_body([helper.make_node("Add", ["v", "x"], ["n"])], ["n", "v"])
    node = helper.make_node("Loop", ["m", "", "x"], ["y", "s"], body=body)
    module, (final, stacked) = run([node], ["y", "s"], {"m": np.array(3), "x": X})
    np.testing.assert_array_equal(final, X * 4)
    np.testing.assert_array_equal(stacked, [X, X * 2, X * 3])
    assert "-> (tensor<2xf32>, tensor<?x2xf32>)" in str(module)


def test_carried_values_that_grow_become_dynamic():
    body = loop_body([helper.make_node("Concat", ["v", "one"], ["n"], axis=0)], ["n"])
    node = helper.make_node("Loop", ["m", "", "x"], ["y"], body=body)
    module, (found,) = run([node], ["y"], {"m": np.array(3), "x": X})
    np.testing.assert_array_equal(found, [*X, 1, 1, 1])
    assert "%v: tensor<?xf32>" in str(module)


def test_carried_values_that_change_rank_have_none():
    axes = helper.make_node("Constant", [], ["z"], value_ints=[0])
    body = loop_body([axes, helper.make_node("Unsqueeze", ["v", "z"], ["n"])], ["n"])
    node = helper.make_node("Loop", ["m", "", "x"], ["y"], body=body)
    module, (found,) = run([node], ["y"], {"m": np.array(3), "x": X})
    assert found.shape == (1, 1, 1, 2)
    assert "%v: tensor<*xf32>" in str(module)


def test_deep_nests_of_loops_are_built():
    """Finding the types of each by trial would take three to the power of their depth."""
    body = loop_body([helper.make_node("Concat", ["v", "one"], ["n"], axis=0)], ["n"])
    for _ in range(20):
        node = helper.make_node("Loop", ["m", "", "v"], ["n"], body=body)
        body = loop_body([node], ["n"])
    outer = helper.make_node("Loop", ["m", "", "x"], ["y"], body=body)
    module, _ = run([outer], ["y"], {"m": np.array(1), "x": X})
    assert sum(op.name == "pfrt.loop" for op in module.walk()) == 21


@pytest.mark.parametrize(
    ("node", "why"),
    [
        (
            helper.make_node("If", ["k"], ["y"], then_branch=branch("Neg")),
            '"else_branch" is missing',
        ),
        (
            helper.make_node(
                "If",
                ["k"],
                ["y"],
                then_branch=branch("Neg"),
                else_branch=helper.make_graph([], "e", [], []),
            ),
            "branches have 1 and 0 outputs",
        ),
        (
            helper.make_node(
                "If", ["x"], ["y"], then_branch=branch("Neg"), else_branch=branch("Abs")
            ),
            "pfrt.if: C1: the condition must hold one i1",
        ),
        (
            helper.make_node(
                "If",
                ["k"],
                ["y"],
                then_branch=branch("Neg"),
                else_branch=helper.make_graph(
                    [helper.make_node("Shape", ["x"], ["r"])], "e", [], [value("r")]
                ),
            ),
            "pfrt.if: C3",
        ),
        (
            helper.make_node(
                "If", ["k"], ["y"], then_branch=branch("Neg"), else_branch=loop_body([], [])
            ),
            "the subgraph takes 3 inputs, not 0",
        ),
        (
            helper.make_node("Loop", ["", "k", "x"], ["y"], body=loop_body([], [])),
            "its body has 1 outputs for 1 carried values",
        ),
        (
            helper.make_node("Loop", ["", "k"], ["y"], body=branch("Neg")),
            "the subgraph takes 0 inputs, not 2",
        ),
        (
            helper.make_node("Loop", ["x", "k", "x"], ["y"], body=loop_body([], ["v"])),
            "pfrt.loop: C4",
        ),
        (
            helper.make_node(
                "Loop",
                ["", "k", "x"],
                ["z", "y"],
                body=loop_body([helper.make_node("SequenceConstruct", ["v"], ["s"])], ["v", "s"]),
            ),
            "pfrt.loop: C5: needs a tensor, got !pfrt.sequence",
        ),
        (
            helper.make_node(
                "Loop",
                ["", "k", "x"],
                ["y"],
                body=loop_body([helper.make_node("Shape", ["v"], ["n"])], ["n"]),
            ),
            "what it carries is a tensor<2xf32>, and a tensor<1xi64> after",
        ),
        (
            helper.make_node("Loop", ["", "k", "x"], ["y"], body=loop_body([], ["q"])),
            r'node "Loop_1" \(Loop\): output "q" is not produced by any node of its subgraph',
        ),
    ],
)
def test_broken_control_flow(node, why):
    with pytest.raises(InvalidModelError, match=why):
        run([node], ["y"], {"k": np.array(True), "x": X})

"""Model-local functions are inlined: names, attributes, captures, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from pyflame_rt.backends.reference import ReferenceBackend
from pyflame_rt.errors import InvalidModelError
from pyflame_rt.frontends.onnx import import_onnx

OPSETS = [helper.make_opsetid("", 17), helper.make_opsetid("f", 1)]


def call(function: str, inputs, outputs, **attributes):
    return helper.make_node(function, inputs, outputs, domain="f", **attributes)


def function(name: str, inputs, outputs, nodes, attributes=(), defaults=()):
    return helper.make_function(
        "f", name, inputs, outputs, nodes, OPSETS, attributes, attribute_protos=list(defaults)
    )


def reference(node, name: str, to: str, kind: int):
    node.attribute.append(AttributeProto(name=name, ref_attr_name=to, type=kind))
    return node


def model(nodes, functions):
    infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [2]) for n in ("x", "y")]
    graph = helper.make_graph(nodes, "g", infos[:1], infos[1:])
    return helper.make_model(graph, functions=functions, opset_imports=OPSETS, ir_version=10)


X = np.array([-1.5, 2.0], np.float32)


def gives(proto, expected):
    """The verified module, after its execution on X gave what is expected."""
    module = import_onnx(proto.SerializeToString())
    module.verify()
    (found,) = ReferenceBackend().compile(module, "main").run([X])
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    return module


def test_calls_inside_calls_get_names_of_their_own():
    inner = function("Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"], "sum")])
    outer = function(
        "Both", ["a"], ["c"], [call("Twice", ["a"], ["b"]), helper.make_node("Abs", ["b"], ["c"])]
    )
    proto = model(
        [call("Both", ["x"], ["t"], name="one"), call("Both", ["t"], ["y"], name="one")],
        [inner, outer],
    )
    text = str(gives(proto, np.abs(X) * 4))
    assert '%one_b = pfrt.add %x, %x as "one/b"' in text
    assert 'as "one/b.2"' in text


def test_locations_lead_to_the_call():
    inner = function("Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"], "sum")])
    nodes = [helper.make_node("Neg", ["x"], ["t"]), call("Twice", ["t"], ["y"], name="one")]
    module = gives(model(nodes, [inner]), X * -2)
    (main,) = module.ops
    _, add, _ = main.body.block.ops
    assert add.location.desc.data == "one/sum"
    assert add.location.location.line.data == 2


def test_attributes_are_passed_or_defaulted_or_left_out():
    leaky = reference(helper.make_node("LeakyRelu", ["a"], ["b"]), "alpha", "slope", 1)
    elu = reference(helper.make_node("Elu", ["b"], ["c"]), "alpha", "other", 1)
    default = helper.make_attribute("slope", 0.5)
    defined = function("F", ["a"], ["c"], [leaky, elu], ["other"], [default])
    given = model([call("F", ["x"], ["y"], slope=0.25, other=3.0)], [defined])
    gives(given, [3 * np.expm1(-0.375), 2])
    gives(model([call("F", ["x"], ["y"], other=3.0)], [defined]), [3 * np.expm1(-0.75), 2])
    text = str(import_onnx(model([call("F", ["x"], ["y"])], [defined]).SerializeToString()))
    assert "{alpha = 5.000000e-01 : f32}" in text
    assert "pfrt.elu %F_1_b as" in text


def test_names_of_a_subgraph_do_not_capture_those_of_the_caller():
    """Inside the function "x" is another value than outside, also in its branches."""
    branches = [
        helper.make_graph(
            [helper.make_node(op, ["a"], ["x"])],
            op,
            [],
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])],
        )
        for op in ("Neg", "Abs")
    ]
    condition = helper.make_node(
        "Constant", [], ["k"], value=numpy_helper.from_array(np.array(True))
    )
    choose = helper.make_node("If", ["k"], ["r"], then_branch=branches[0], else_branch=branches[1])
    defined = function("F", ["a"], ["r"], [condition, choose])
    gives(model([call("F", ["x"], ["y"])], [defined]), -X)


def test_an_output_that_is_an_input():
    gives(model([call("F", ["x"], ["y"])], [function("F", ["a"], ["a"], [])]), X)


def test_absent_inputs_are_absent_inside():
    clip = helper.make_node("Clip", ["a", "low", "high"], ["b"])
    low = helper.make_node("Constant", [], ["low"], value_float=0.0)
    defined = function("F", ["a", "high"], ["b"], [low, clip])
    gives(model([call("F", ["x"], ["y"])], [defined]), [0, 2])


@pytest.mark.parametrize(
    ("nodes", "functions", "why"),
    [
        (
            [call("F", ["x"], ["y"])],
            [function("F", ["a"], ["b"], [call("F", ["a"], ["b"])])],
            'function "F" calls itself',
        ),
        (
            [call("F", ["x"], ["y"])],
            [
                function("F", ["a"], ["b"], [call("G", ["a"], ["b"])]),
                function("G", ["a"], ["b"], [call("F", ["a"], ["b"])]),
            ],
            "calls itself",
        ),
        (
            [call("F", ["x", "x"], ["y"])],
            [function("F", ["a"], ["a"], [])],
            '2 inputs, but function "F" has 1',
        ),
        (
            [call("F", ["x"], ["y"], slope=1.0)],
            [function("F", ["a"], ["a"], [])],
            'function "F" has no attribute "slope"',
        ),
        (
            [call("F", ["x"], ["y"])],
            [function("F", ["a"], ["a"], [])] * 2,
            'function "F" is defined twice',
        ),
        (
            [call("F", ["x"], ["y"])],
            [function("F", ["a"], ["b"], [])],
            'output "y" is not produced',
        ),
    ],
)
def test_broken_functions(nodes, functions, why):
    with pytest.raises(InvalidModelError, match=why):
        import_onnx(model(nodes, functions).SerializeToString())


def chain(length: int, calls: int):
    """Functions that each call the next `calls` times."""
    functions = [function("F0", ["a"], ["b"], [helper.make_node("Neg", ["a"], ["b"])])]
    for index in range(1, length):
        nodes = [
            call(f"F{index - 1}", ["a" if i == 0 else f"t{i}"], [f"t{i + 1}"]) for i in range(calls)
        ]
        functions.append(function(f"F{index}", ["a"], [f"t{calls}"], nodes))
    return model([call(f"F{length - 1}", ["x"], ["y"])], functions)


def test_blow_up_is_bounded(monkeypatch):
    """Thirty functions that call each other twice would make a billion nodes."""
    monkeypatch.setattr("pyflame_rt.frontends.onnx.inlining.MAX_NODES", 2000)
    with pytest.raises(InvalidModelError, match="more than 2,000 nodes"):
        import_onnx(chain(31, 2).SerializeToString())
    with pytest.raises(InvalidModelError, match="more than 64 calls inside each other"):
        import_onnx(chain(200, 1).SerializeToString())

"""What an exported model says beside its answers: names, dimensions, metadata, versions."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pyflame_rt import InferenceSession, custom, module_files
from pyflame_rt.errors import (
    MissingWeightsError,
    UnsupportedOperatorError,
    ValidationError,
)
from pyflame_rt.frontends.onnx import import_onnx
from pyflame_rt.frontends.onnx.export import export_onnx
from pyflame_rt.registrations import recording, undo_all
from pyflame_rt.universe import make_context


def value(name, shape=("N", 4), element=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, element, shape)


def model(nodes, inputs=("x",), outputs=("y",), initializers=None, opset=17, **kwargs):
    """A model with float values; inputs and outputs are value infos or names."""
    infos = [[value(v) if isinstance(v, str) else v for v in side] for side in (inputs, outputs)]
    tensors = [numpy_helper.from_array(a, n) for n, a in (initializers or {}).items()]
    graph = helper.make_graph(nodes, "net", *infos, initializer=tensors)
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, **{"opset_imports": opsets, "ir_version": 8, **kwargs})


def again(proto, **kwargs):
    """The model, read and written."""
    result = export_onnx(import_onnx(proto.SerializeToString()), **kwargs)
    onnx.checker.check_model(result, full_check=True)
    return result


def written(text, **kwargs):
    """The model of a function in IR text, `%x` being its argument."""
    return export_onnx(module_files.parse(text, make_context(), "test.mlir"), **kwargs)


def one_op(op, kind="tensor<?x4xf32>", result=None):
    """The IR of a function of one op."""
    result = result or kind
    return f"func.func @main(%x: {kind}) -> {result} {{\n %y = {op}\n func.return %y : {result}\n}}"


def types(proto):
    """Which operators a graph has."""
    return [node.op_type for node in proto.graph.node]


def test_names_and_dimensions_are_kept():
    """Of nodes, values, weights and symbolic dimensions."""
    weight = np.arange(4, dtype=np.float32)
    nodes = [
        helper.make_node("Mul", ["x", "/net/weight"], ["/net/Mul_output_0"], "/net/Mul"),
        helper.make_node("Relu", ["/net/Mul_output_0"], ["y"], "/net/Relu"),
    ]
    proto = again(model(nodes, initializers={"/net/weight": weight}))
    assert [node.name for node in proto.graph.node] == ["/net/Mul", "/net/Relu"]
    assert list(proto.graph.node[0].input) == ["x", "/net/weight"]
    assert list(proto.graph.node[0].output) == ["/net/Mul_output_0"]
    assert proto.graph.name == "net"
    for info in (*proto.graph.input, *proto.graph.output):
        assert [d.dim_param or d.dim_value for d in info.type.tensor_type.shape.dim] == ["N", 4]
    assert [t.name for t in proto.graph.initializer] == ["/net/weight"]


def test_metadata_is_kept():
    """Producer, version, texts and custom entries."""
    proto = model([helper.make_node("Relu", ["x"], ["y"])], producer_name="me")
    proto.producer_version, proto.domain, proto.model_version = "2", "org", 7
    proto.doc_string, proto.graph.doc_string = "a model", "a graph"
    helper.set_model_props(proto, {"k": "v"})
    result = again(proto)
    for name in ("producer_name", "producer_version", "domain", "model_version", "doc_string"):
        assert getattr(result, name) == getattr(proto, name)
    assert result.graph.doc_string == "a graph"
    assert {p.key: p.value for p in result.metadata_props} == {"k": "v"}


def test_opset_and_ir_version():
    """17 unless another is asked for, with the IR version that knows it and the types."""
    relu = model([helper.make_node("Relu", ["x"], ["y"])])
    for opset in (7, 13, 17, 28):
        result = again(relu, opset=opset)
        assert [(o.domain, o.version) for o in result.opset_import] == [("", opset)]
    assert again(relu).ir_version == 8
    text = one_op("pfrt.identity %x : tensor<4xi4> -> tensor<4xi4>", "tensor<4xi4>")
    assert written(text, opset=21).ir_version == 10


def test_no_opset_is_the_smallest_that_has_all_operators():
    """But not less than 17."""
    relu, gelu = (helper.make_node(name, ["x"], ["y"]) for name in ("Relu", "Gelu"))
    assert again(model([relu], opset=11), opset=None).opset_import[0].version == 17
    result = again(model([gelu], opset=20), opset=None)
    assert result.opset_import[0].version == 20
    assert types(result) == ["Gelu"]
    assert "Gelu" not in types(again(model([gelu], opset=20)))


@pytest.mark.parametrize(
    ("op", "opset", "inputs", "attributes"),
    [
        ("squeeze %x {axes = array<i64: 0>} : (tensor<1x4xf32>) -> tensor<4xf32>", 11, 1, {"axes"}),
        ("squeeze %x {axes = array<i64: 0>} : (tensor<1x4xf32>) -> tensor<4xf32>", 13, 2, set()),
        (
            "reduce_mean %x {axes = array<i64: 0>, keepdims = false} : (tensor<1x4xf32>) -> tensor<4xf32>",
            17,
            1,
            {"axes", "keepdims"},
        ),
        (
            "reduce_mean %x {axes = array<i64: 0>, keepdims = false} : (tensor<1x4xf32>) -> tensor<4xf32>",
            18,
            2,
            {"keepdims"},
        ),
    ],
)
def test_parameters_are_inputs_or_attributes(op, opset, inputs, attributes):
    """What a version says."""
    (node,) = written(
        one_op(f"pfrt.{op}", "tensor<1x4xf32>", "tensor<4xf32>"), opset=opset
    ).graph.node
    assert len(node.input) == inputs
    assert {attribute.name for attribute in node.attribute} == attributes


def test_defaults_are_not_written():
    """Nor what an op has for other layouts and fusions."""
    text = one_op(
        "pfrt.max_pool %x {kernel_shape = array<i64: 2, 2>} : tensor<1x1x4x4xf32> -> tensor<1x1x3x3xf32>",
        "tensor<1x1x4x4xf32>",
        "tensor<1x1x3x3xf32>",
    )
    (node,) = written(text).graph.node
    assert [attribute.name for attribute in node.attribute] == ["kernel_shape"]


def test_a_result_that_is_an_argument_or_a_constant_is_copied():
    """Outputs of a graph are results of its nodes, each of one name."""
    text = """
    func.func @main(%x: tensor<4xf32> {pfrt.name = "x"})
        -> (tensor<4xf32> {pfrt.name = "a"}, tensor<2xi64> {pfrt.name = "b"},
            tensor<4xf32> {pfrt.name = "c"}, tensor<4xf32> {pfrt.name = "d"}) {
      %c = pfrt.constant dense<[1, 2]> : tensor<2xi64>
      %y = pfrt.relu %x : tensor<4xf32> -> tensor<4xf32>
      func.return %x, %c, %y, %y : tensor<4xf32>, tensor<2xi64>, tensor<4xf32>, tensor<4xf32>
    }"""
    proto = written(text)
    onnx.checker.check_model(proto, full_check=True)
    assert sorted(types(proto)) == ["Identity", "Identity", "Identity", "Relu"]
    x = np.array([-1, 2, -3, 4], np.float32)
    outputs = InferenceSession(proto.SerializeToString()).run(["a", "b", "c", "d"], {"x": x})
    for found, wanted in zip(outputs, [x, [1, 2], x.clip(0), x.clip(0)], strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_names_are_used_once():
    """In subgraphs too, whatever the module says."""
    text = """
    func.func @main(%c: tensor<i1>, %x: tensor<4xf32>) -> (tensor<4xf32> {pfrt.name = "y"}) {
      %a = pfrt.relu %x as "y" : tensor<4xf32> -> tensor<4xf32>
      %b = pfrt.if %c -> (tensor<4xf32>) as "y" {
        %t = pfrt.neg %a as "y" : tensor<4xf32> -> tensor<4xf32>
        pfrt.yield %t : tensor<4xf32>
      } else {
        pfrt.yield %a : tensor<4xf32>
      } : tensor<i1>
      %d = pfrt.exp %b as "y" : tensor<4xf32> -> tensor<4xf32>
      func.return %d : tensor<4xf32>
    }"""
    proto = written(text)
    onnx.checker.check_model(proto, full_check=True)
    graphs = [proto.graph, *(a.g for n in proto.graph.node for a in n.attribute if a.HasField("g"))]
    names = [name for graph in graphs for node in graph.node for name in node.output]
    assert len(names) == len(set(names)) == 5
    assert proto.graph.node[-1].output[0] == "y"


def test_fused_regions_and_functions_are_inlined():
    """Their ops stand where they stood."""
    text = """
    func.func private @part(%a: tensor<4xf32>) -> tensor<4xf32> {
      %b = pfrt.exp %a : tensor<4xf32> -> tensor<4xf32>
      func.return %b : tensor<4xf32>
    }
    func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      %y = pfrt.fused (%x) -> (tensor<4xf32>) {
      ^bb0(%a: tensor<4xf32>):
        %n = pfrt.neg %a : tensor<4xf32> -> tensor<4xf32>
        %r = pfrt.relu %n : tensor<4xf32> -> tensor<4xf32>
        pfrt.yield %r : tensor<4xf32>
      } : (tensor<4xf32>)
      %z = func.call @part(%y) : (tensor<4xf32>) -> tensor<4xf32>
      func.return %z : tensor<4xf32>
    }"""
    proto = written(text)
    onnx.checker.check_model(proto, full_check=True)
    assert types(proto) == ["Neg", "Relu", "Exp"]


def test_the_module_is_left_as_it_is():
    """Exporting copies what it takes apart."""
    module = import_onnx(
        model([helper.make_node("Gelu", ["x"], ["y"])], opset=20).SerializeToString()
    )
    before = str(module)
    export_onnx(module)
    assert str(module) == before


def test_defaults_of_inputs():
    """An initializer that may be overridden is an input too, as an argument or as a constant."""
    weight = np.arange(4, dtype=np.float32)
    nodes = [helper.make_node("Mul", ["x", "w"], ["y"])]
    proto = model(nodes, inputs=["x", value("w", [4])], initializers={"w": weight})
    for given in (False, True):
        module = import_onnx(proto.SerializeToString(), initializers_as_inputs=given)
        result = export_onnx(module)
        onnx.checker.check_model(result, full_check=True)
        assert [info.name for info in result.graph.input] == ["x", "w"]
        assert [t.name for t in result.graph.initializer] == ["w"]


@pytest.mark.parametrize(
    "array",
    [
        np.array([[1.5, -2]], np.float64),
        np.array([True, False, True]),
        np.array([1 + 2j], np.complex64),
        np.array([1.5, -2, 3], ml_dtypes.bfloat16),
        np.array([1.5, -2, 3], ml_dtypes.float8_e4m3fn),
        np.array([1, -2, 3, 7, -8], ml_dtypes.int4),
        np.array([1, 2, 3, 0, 1], ml_dtypes.uint2),
        np.array([0.5, 6, -1], ml_dtypes.float4_e2m1fn),
        np.array(["a", "", "ü"], object),
        np.array(3, np.uint16),
        np.zeros((0, 3), np.float32),
    ],
    ids=lambda array: array.dtype.name,
)
def test_constants_of_every_type(array):
    """Elements smaller than a byte are packed, texts are texts."""
    tensor = numpy_helper.from_array(array, "c")
    graph = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["y"])],
        "g",
        [],
        [helper.make_tensor_value_info("y", tensor.data_type, array.shape)],
        [tensor],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 28)], ir_version=13)
    result = again(proto, opset=28)
    (constant,) = result.graph.initializer
    found = numpy_helper.to_array(constant)
    assert found.dtype == array.dtype
    assert found.tolist() == array.tolist()


def test_custom_operators_go_to_their_domain():
    """With their attributes, and the version of the domain."""

    with recording() as registered:

        @custom.custom_op("Scaled", domain="com.example", version=3)
        def scaled(x, *, by: float = 2.0):
            return x * by

        proto = model([helper.make_node("Scaled", ["x"], ["y"], domain="com.example", by=3.0)])
        proto.opset_import.append(helper.make_opsetid("com.example", 3))
        result = export_onnx(import_onnx(proto.SerializeToString()))
    undo_all(registered)
    (node,) = result.graph.node
    assert (node.domain, node.op_type) == ("com.example", "Scaled")
    assert {a.name: a.f for a in node.attribute} == {"by": 3.0}
    assert {o.domain: o.version for o in result.opset_import} == {"": 17, "com.example": 3}


def test_ops_that_an_opset_lacks_are_all_named():
    """With the opset that each needs."""
    text = """
    func.func @main(%x: tensor<4xi32>, %y: tensor<?xf32>) -> (tensor<4xi32>, tensor<4xf32>) {
      %a = pfrt.bitwise_not %x as "flipped" : tensor<4xi32> -> tensor<4xi32>
      %b = pfrt.bit_cast %a {to = f32} : tensor<4xi32> -> tensor<4xf32>
      func.return %a, %b : tensor<4xi32>, tensor<4xf32>
    }"""
    with pytest.raises(UnsupportedOperatorError) as error:
        written(text)
    message = str(error.value)
    assert 'pfrt.bitwise_not "flipped": BitwiseNot is not in opset 17, needs opset 18' in message
    assert "pfrt.bit_cast: BitCast is not in opset 17, needs opset 26" in message
    assert message.endswith("export with opset 26")


def test_types_that_an_operator_lacks_are_named():
    """A type that no cast can stand in for."""
    text = one_op(
        'pfrt.bit_shift %x, %x {direction = "LEFT"} : (tensor<4xi32>, tensor<4xi32>) -> tensor<4xi32>',
        "tensor<4xi32>",
    )
    with pytest.raises(
        UnsupportedOperatorError, match=r"X of BitShift cannot be a tensor\(int32\)"
    ):
        written(text)


def test_narrow_floats_are_computed_in_f32():
    """Softplus of bf16 came in opset 22."""
    text = one_op("pfrt.softplus %x : tensor<4xbf16> -> tensor<4xbf16>", "tensor<4xbf16>")
    assert types(written(text)) == ["Cast", "Softplus", "Cast"]
    assert types(written(text, opset=22)) == ["Softplus"]


@pytest.mark.parametrize(
    ("text", "kwargs", "error", "why"),
    [
        (one_op("pfrt.relu %x : tensor<4xf32> -> tensor<4xf32>", "tensor<4xf32>"), {"opset": 6}, ValidationError, "opset 6 cannot be written; choose one of 7 to 28"),
        (one_op("pfrt.relu %x : tensor<4xf32> -> tensor<4xf32>", "tensor<4xf32>"), {"opset": 29}, ValidationError, "opset 29 cannot be written"),
        (one_op("pfrt.relu %x : tensor<4xf32> -> tensor<4xf32>", "tensor<4xf32>"), {"function": "f"}, ValidationError, 'no function "f"'),
        (one_op("arith.negf %x : tensor<4xf32>", "tensor<4xf32>"), {}, UnsupportedOperatorError, "only ops of pfrt and of custom operators are nodes"),
        (
            'func.func @main() -> tensor<4000xf32> {\n %c = pfrt.constant #pfrt.weight<"ab"> : tensor<4000xf32>\n func.return %c : tensor<4000xf32>\n}',
            {},
            MissingWeightsError,
            "--weights FILE",
        ),
        (
            "func.func private @f(tensor<4xf32>) -> tensor<4xf32>\nfunc.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {\n %y = func.call @f(%x) : (tensor<4xf32>) -> tensor<4xf32>\n func.return %y : tensor<4xf32>\n}",
            {},
            UnsupportedOperatorError,
            "@f has no body",
        ),
        (
            "func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {\n %y = func.call @main(%x) : (tensor<4xf32>) -> tensor<4xf32>\n func.return %y : tensor<4xf32>\n}",
            {},
            UnsupportedOperatorError,
            "@main calls itself",
        ),
        (
            "func.func @main(%x: memref<4xf32>) -> memref<4xf32> {\n func.return %x : memref<4xf32>\n}",
            {},
            UnsupportedOperatorError,
            "@main: ONNX has no memref<4xf32>",
        ),
        (
            "func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {\n cf.br ^bb1\n^bb1:\n func.return %x : tensor<4xf32>\n}",
            {},
            UnsupportedOperatorError,
            "@main: branches between blocks are no graph",
        ),
    ],
)  # fmt: skip
def test_refusals(text, kwargs, error, why):
    """Each says what is wrong."""
    with pytest.raises(error) as found:
        written(text, **kwargs)
    assert why in str(found.value)

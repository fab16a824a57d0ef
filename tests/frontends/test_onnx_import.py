"""What an imported module looks like: names, locations, dimensions, constants; and every refusal."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import (
    AttributeProto,
    ModelProto,
    SparseTensorProto,
    TensorProto,
    TypeProto,
    helper,
    numpy_helper,
)
from xdsl.dialects.builtin import FileLineColLoc, ModuleOp, NameLoc

from pyflame_rt.dialects.pfrt.attributes import WeightAttr
from pyflame_rt.errors import (
    InputError,
    InvalidModelError,
    ModelNotFoundError,
    UnsupportedOperatorError,
)
from pyflame_rt.frontends.onnx import import_onnx, inspect_onnx


def value(name: str, shape=(), element: int = TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, element, shape)


def model(nodes, inputs, outputs, initializers=(), opset: int = 17, **kwargs) -> ModelProto:
    """A model with float values; inputs and outputs are value infos or names of scalars."""
    infos = [[value(v) if isinstance(v, str) else v for v in side] for side in (inputs, outputs)]
    tensors = [numpy_helper.from_array(a, n) for n, a in dict(initializers).items()]
    graph = helper.make_graph(nodes, "g", *infos, initializer=tensors)
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, **{"opset_imports": opsets, "ir_version": 8, **kwargs})


def load(proto: ModelProto, **kwargs) -> ModuleOp:
    module = import_onnx(proto.SerializeToString(), **kwargs)
    module.verify()
    return module


def body(module: ModuleOp) -> list:
    (function,) = module.ops
    return list(function.body.block.ops)


def relu(source: str, target: str, name: str = ""):
    return helper.make_node("Relu", [source], [target], name)


def test_names_hints_and_dimensions():
    """The model's own names stay readable, and symbolic dimensions keep theirs."""
    x = value("images", ["N", 3, None, -1])
    module = load(
        model(
            [relu("images", "/layer1/Relu_output_0")],
            [x],
            [value("/layer1/Relu_output_0", ["N", 3, "H", 4])],
        )
    )
    text = str(module)
    assert (
        '@main(%images: tensor<?x3x?x?xf32> {pfrt.name = "images", '
        'pfrt.dims = ["N", "", "", ""]}) -> (tensor<?x3x?x?xf32> '
        '{pfrt.name = "/layer1/Relu_output_0", pfrt.dims = ["N", "", "H", ""]})'
    ) in text
    assert '%layer1_Relu_output = pfrt.relu %images as "/layer1/Relu_output_0"' in text


def test_rank_may_be_unknown():
    text = str(load(model([relu("x", "y")], [value("x", None)], [value("y", None)])))
    assert '@main(%x: tensor<*xf32> {pfrt.name = "x"}) -> (tensor<*xf32> {pfrt.name = "y"})' in text


def test_locations_name_node_file_and_position():
    """Unnamed nodes are called by type and position, which is that in the file."""
    nodes = [relu("b", "y", "last"), relu("a", "b"), relu("x", "a", "first")]
    found = body(load(model(nodes, ["x"], ["y"]), name="m.onnx"))
    places = [op.location for op in found[:3]]
    assert all(isinstance(place, NameLoc) for place in places)
    assert [place.desc.data for place in places] == ["first", "Relu_2", "last"]
    lines = [place.location for place in places]
    assert all(isinstance(line, FileLineColLoc) for line in lines)
    assert [(line.filename.data, line.line.data) for line in lines] == [
        ("m.onnx", 3),
        ("m.onnx", 2),
        ("m.onnx", 1),
    ]


def test_what_is_known_about_the_model():
    proto = model([relu("x", "y")], ["x"], ["y"], producer_name="p", producer_version="2")
    proto.domain, proto.model_version, proto.doc_string = "d", 7, "about"
    proto.graph.doc_string = "graph"
    helper.set_model_props(proto, {"k": "v"})
    assert str(load(proto).attributes["pfrt.model"]) == (
        '{graph_name = "g", producer_name = "p", producer_version = "2", domain = "d", '
        'description = "about", graph_description = "graph", version = 7 : i64, '
        'ir_version = 8 : i64, custom_metadata = {k = "v"}, '
        "opset_import = {ai.onnx = 17 : i64}}"
    )


def test_initializers_are_views_and_only_used_ones_become_constants():
    weights = np.arange(4096, dtype=np.float32).reshape(64, 64)
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    proto = model(
        [node], [value("x", (1, 64))], [value("y", (1, 64))], {"w": weights, "unused": weights}
    )
    data = proto.SerializeToString()
    constant, *_ = body(import_onnx(data))
    assert isinstance(constant.value, WeightAttr)
    array = constant.value.data.array
    np.testing.assert_array_equal(array, weights)
    assert np.shares_memory(array, np.frombuffer(data, np.uint8))
    assert [op.name for op in body(import_onnx(data))] == [
        "pfrt.constant",
        "pfrt.matmul",
        "func.return",
    ]


@pytest.mark.parametrize(("ir_version", "listed"), [(3, False), (8, True)])
def test_initializers_that_are_inputs_are_constants(ir_version, listed):
    node = helper.make_node("Add", ["x", "w"], ["y"])
    proto = model([node], ["x", "w"], ["y"], {"w": np.float32(1)}, ir_version=ir_version)
    text = str(load(proto))
    assert "@main(%x: tensor<f32>" in text
    assert '%w = pfrt.constant dense<1.000000e+00> as "w"' in text
    row = 'overridable_initializers = [{pfrt.name = "w", type = tensor<f32>}]'
    assert (row in text) == listed


def test_known_inputs_become_properties():
    node = helper.make_node("Reshape", ["x", "s"], ["y"])
    proto = model([node], [value("x", (2, 3))], [value("y", (6,))], {"s": np.array([-1])})
    assert [op.name for op in body(load(proto))] == ["pfrt.reshape", "func.return"]
    dynamic = model([node], [value("x", (2, 3)), value("s", (1,), 7)], [value("y", (6,))])
    assert "pfrt.reshape %x, %s" in str(load(dynamic))


def test_outputs_may_be_inputs_and_constants():
    proto = model([], ["x"], ["x", "w"], {"w": np.float32(2)})
    assert [op.name for op in body(load(proto))] == ["pfrt.constant", "func.return"]


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        ({"value": numpy_helper.from_array(np.array([1, 2], np.int8))}, np.array([1, 2], np.int8)),
        ({"value_float": 1.5}, np.float32(1.5)),
        ({"value_floats": [1.5, 2.0]}, np.array([1.5, 2.0], np.float32)),
        ({"value_int": 3}, np.int64(3)),
        ({"value_ints": [3, 4]}, np.array([3, 4])),
        (
            {
                "sparse_value": SparseTensorProto(
                    values=numpy_helper.from_array(np.array([7.0, 8.0], np.float32), "v"),
                    indices=numpy_helper.from_array(np.array([[0, 1], [1, 0]])),
                    dims=[2, 2],
                )
            },
            np.array([[0, 7], [8, 0]], np.float32),
        ),
    ],
)
def test_every_form_of_constant(attribute, expected):
    node = helper.make_node("Constant", [], ["y"], **attribute)
    out = helper.make_empty_tensor_value_info("y")
    constant, *_ = body(load(model([node], [], [out])))
    np.testing.assert_array_equal(constant.array, expected)
    assert constant.array.dtype == expected.dtype


def test_sparse_initializers_become_dense():
    proto = model([relu("s", "y")], [], [value("y", (5,))])
    proto.graph.sparse_initializer.append(
        SparseTensorProto(
            values=numpy_helper.from_array(np.array([3.0], np.float32), "s"),
            indices=numpy_helper.from_array(np.array([4])),
            dims=[5],
        )
    )
    np.testing.assert_array_equal(body(load(proto))[0].array, [0, 0, 0, 0, 3])


INVALID = {
    "no graph": (ModelProto(ir_version=8), "no graph"),
    "no ir version": (model([], ["x"], ["x"], ir_version=0), "no IR version"),
    "no opset": (model([relu("x", "y")], ["x"], ["y"], opset_imports=[]), "does not say which"),
    "two opsets": (
        model([], ["x"], ["x"], opset_imports=[helper.make_opsetid("", v) for v in (9, 10)]),
        "two versions",
    ),
    "cycle": (model([relu("b", "a"), relu("a", "b")], [], ["b"]), "2 nodes form a cycle"),
    "self": (model([relu("a", "a", "n")], [], ["a"]), 'form a cycle: "n"'),
    "undefined": (model([relu("q", "y", "n")], ["x"], ["y"]), 'node "n".*value "q" is not defined'),
    "twice": (model([relu("x", "y"), relu("x", "y")], ["x"], ["y"]), '"y" is already defined'),
    "input redefined": (model([relu("x", "x")], ["x"], ["x"]), '"x" is already defined'),
    "inputs twice": (model([relu("x", "y")], ["x", "x"], ["y"]), 'input "x" is declared twice'),
    "outputs twice": (model([relu("x", "y")], ["x"], ["y", "y"]), '"y" is declared twice'),
    "not produced": (model([relu("x", "y")], ["x"], ["z"]), 'output "z" is not produced'),
    "missing input": (model([relu("", "y")], ["x"], ["y"]), "input 0 is missing"),
    "too many inputs": (
        model([helper.make_node("Relu", ["x", "x"], ["y"])], ["x"], ["y"]),
        "2 inputs, at most 1",
    ),
    "too many outputs": (
        model([helper.make_node("Relu", ["x"], ["y", "z"])], ["x"], ["y"]),
        "2 outputs, at most 1",
    ),
    "no operator": (model([helper.make_node("", ["x"], ["y"])], ["x"], ["y"]), "has no operator"),
    "unknown attribute": (
        model([helper.make_node("Relu", ["x"], ["y"], slope=1)], ["x"], ["y"]),
        'Relu has no attribute "slope"',
    ),
    "missing attribute": (
        model([helper.make_node("Concat", ["x"], ["y"])], ["x"], ["y"]),
        '"axis" is missing',
    ),
    "attribute of another type": (
        model([helper.make_node("Concat", ["x"], ["y"], axis=1.5)], ["x"], ["y"]),
        '"axis" must be an integer',
    ),
    "constraint": (
        model([helper.make_node("Concat", ["x"], ["y"], axis=3)], ["x"], ["y"]),
        "pfrt.concat: C2: axis 3",
    ),
    "input without type": (
        model([relu("x", "y")], [helper.make_empty_tensor_value_info("x")], ["y"]),
        'input "x": has no type',
    ),
    "input without element type": (
        model([relu("x", "y")], [value("x", (), TensorProto.UNDEFINED)], ["y"]),
        'input "x": has no element type',
    ),
    "dimension": (model([relu("x", "y")], [value("x", [-3])], ["y"]), "dimension of -3"),
    "output type": (
        model([relu("x", "y")], ["x"], [value("y", (), TensorProto.INT64)]),
        'output "y": declared tensor<i64>, but its node gives tensor<f32>',
    ),
    "two constants in one": (
        model([helper.make_node("Constant", [], ["y"], value_int=1, value_float=1.0)], [], ["y"]),
        "needs one of the attributes",
    ),
}


@pytest.mark.parametrize("case", INVALID)
def test_invalid_models_are_named(case):
    proto, why = INVALID[case]
    with pytest.raises(InvalidModelError, match=why) as caught:
        import_onnx(proto.SerializeToString(), name="m.onnx")
    assert str(caught.value).startswith("m.onnx")
    assert "\n" not in str(caught.value)


def tensor(code: int, dims, **fields) -> TensorProto:
    return TensorProto(name="w", data_type=code, dims=dims, **fields)


@pytest.mark.parametrize(
    ("initializer", "why"),
    [
        (tensor(1, [3], raw_data=b"\0" * 8), "8 bytes of data, but type and shape need 12"),
        (tensor(1, [2**40, 2**40], raw_data=b""), "0 bytes of data"),
        (tensor(1, [-1], raw_data=b""), r"shape \[-1\]"),
        (tensor(1, [1] * 65, raw_data=b"\0" * 4), "65 dimensions"),
        (tensor(1, [3], float_data=[1.0]), "1 elements in float_data"),
        (tensor(3, [1], int32_data=[300]), "out of its type's range"),
        (tensor(0, [1]), "no element type"),
        (tensor(99, [1]), "unknown element type 99"),
    ],
)
def test_tensors_that_contradict_themselves(initializer, why):
    proto = model([relu("w", "y")], [], [helper.make_empty_tensor_value_info("y")])
    proto.graph.initializer.append(initializer)
    with pytest.raises(InvalidModelError, match=f'initializer "w".*{why}'):
        import_onnx(proto.SerializeToString())


def test_element_types_without_tensors():
    proto = model([relu("w", "y")], [], ["y"])
    proto.graph.initializer.append(tensor(TensorProto.FLOAT6E2M3, [1]))
    with pytest.raises(UnsupportedOperatorError, match="element type"):
        import_onnx(proto.SerializeToString())


@pytest.mark.parametrize(
    ("indices", "dims", "error", "why"),
    [
        ([9], [5], InvalidModelError, "outside the shape"),
        ([-1], [5], InvalidModelError, "outside the shape"),
        ([0, 1], [5], InvalidModelError, "1 sparse values with indices"),
        ([0], [2**40], UnsupportedOperatorError, "too large"),
    ],
)
def test_sparse_tensors_are_checked_before_they_are_made(indices, dims, error, why):
    proto = model([relu("s", "y")], [], ["y"])
    proto.graph.sparse_initializer.append(
        SparseTensorProto(
            values=numpy_helper.from_array(np.array([3.0], np.float32), "s"),
            indices=numpy_helper.from_array(np.array(indices)),
            dims=dims,
        )
    )
    with pytest.raises(error, match=why):
        import_onnx(proto.SerializeToString())


def test_an_operator_on_tensors_takes_nothing_else():
    kind = TypeProto(sequence_type=TypeProto.Sequence(elem_type=value("t").type))
    proto = model([relu("x", "y")], [helper.make_value_info("x", kind)], ["y"])
    with pytest.raises(InvalidModelError, match=r"input 0 must be a tensor, not a !pfrt\.sequence"):
        import_onnx(proto.SerializeToString())


@pytest.mark.parametrize("read", [import_onnx, inspect_onnx])
def test_a_source_is_a_path_or_bytes(read):
    with pytest.raises(InputError, match="cannot load a model from int; give a path"):
        read(5)


def test_types_that_no_value_has_are_unsupported():
    kind = TypeProto(sparse_tensor_type=TypeProto.SparseTensor(elem_type=TensorProto.FLOAT))
    proto = model([relu("x", "y")], [helper.make_value_info("x", kind)], ["y"])
    with pytest.raises(UnsupportedOperatorError, match="type sparse_tensor is not supported"):
        import_onnx(proto.SerializeToString())


def test_a_long_type_is_cut_in_its_message():
    kind = value("t").type
    for _ in range(40):
        kind = TypeProto(sequence_type=TypeProto.Sequence(elem_type=kind))
    proto = model([relu("x", "y")], [helper.make_value_info("x", kind)], ["y"])
    with pytest.raises(
        UnsupportedOperatorError, match=r"type !pfrt\..*… is not supported"
    ) as caught:
        import_onnx(proto.SerializeToString())
    assert len(str(caught.value)) < 200


def test_unsupported_operators_are_reported_all_at_once():
    """The first twenty are listed, with node, operator, opset and reason."""
    nodes = [helper.make_node("Foo", [], [f"r{i}"], f"n{i}", domain="com.foo") for i in range(21)]
    nodes.append(helper.make_node("Gelu", ["x"], ["a"], "gelu"))
    nodes.append(helper.make_node("Bar", ["x"], ["b"], domain="com.foo"))
    with pytest.raises(UnsupportedOperatorError) as caught:
        import_onnx(model(nodes, ["x"], ["b"]).SerializeToString())
    text = str(caught.value)
    assert "23 nodes have an unsupported operator" in text
    assert 'node "n0" (com.foo::Foo, opset 0): not implemented' in text
    assert 'node "n19"' in text
    assert 'node "n20"' not in text
    assert text.endswith("and 3 more")
    found = inspect_onnx(model(nodes, ["x"], ["b"]).SerializeToString()).unsupported
    assert len(found) == 23
    assert str(found[21]) == 'node "gelu" (Gelu, opset 17): supported from opset 20 on'
    assert str(found[22]) == 'node "Bar_23" (com.foo::Bar, opset 0): not implemented'


def test_opsets_of_the_future_are_refused():
    with pytest.raises(UnsupportedOperatorError, match="opsets after 28"):
        import_onnx(model([relu("x", "y")], ["x"], ["y"], opset=99).SerializeToString())


def test_text_that_is_not_utf8():
    """protobuf hands out bytes for it, which nothing here may take for text."""
    data = model([relu("xxxx", "y")], ["xxxx"], ["y"]).SerializeToString()
    with pytest.raises(InvalidModelError, match="not UTF-8"):
        import_onnx(data.replace(b"xxxx", b"x\xff\xfex"))


def test_names_are_bounded_and_escaped_in_messages():
    with pytest.raises(InvalidModelError, match="longer than 4096 bytes") as caught:
        import_onnx(model([relu("x", "y" * 5000)], ["x"], ["y"]).SerializeToString())
    assert len(str(caught.value)) < 300
    with pytest.raises(InvalidModelError, match=r'"a\\u202eb\\"" is not defined'):
        import_onnx(model([relu('a\u202eb"', "y")], [], ["y"]).SerializeToString())
    with pytest.raises(InvalidModelError, match="contains NUL"):
        import_onnx(model([relu("a\0", "y")], [], ["y"]).SerializeToString())


def test_attributes_given_twice_or_by_reference():
    node = relu("x", "y")
    node.attribute.extend([AttributeProto(name="a", type=2, i=1)] * 2)
    with pytest.raises(InvalidModelError, match='attribute "a" is given twice'):
        import_onnx(model([node], ["x"], ["y"]).SerializeToString())
    node = helper.make_node("Concat", ["x"], ["y"])
    node.attribute.append(AttributeProto(name="axis", type=2, ref_attr_name="a"))
    with pytest.raises(InvalidModelError, match='"axis" refers to a function'):
        import_onnx(model([node], ["x"], ["y"]).SerializeToString())


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(ModelNotFoundError, match="no such file"):
        import_onnx(tmp_path / "m.onnx")
    with pytest.raises(ModelNotFoundError, match="directory"):
        import_onnx(tmp_path)
    (tmp_path / "empty.onnx").write_bytes(b"")
    with pytest.raises(InvalidModelError, match=r"empty\.onnx: not an ONNX model"):
        import_onnx(tmp_path / "empty.onnx")


def test_inspection_tells_what_a_model_holds():
    node = helper.make_node("MatMul", ["x", "w"], ["a"])
    proto = model(
        [node, relu("a", "b"), relu("b", "y")],
        [value("x", ["N", 4])],
        [value("y", ["N", 2])],
        {"w": np.ones((4, 2), np.float32)},
    )
    found = inspect_onnx(proto.SerializeToString())
    assert found.graph_name == "g"
    assert dict(found.opset_import) == {"ai.onnx": 17}
    assert dict(found.operators) == {"Relu": 2, "MatMul": 1}
    assert found.parameters == 8
    assert [(v.name, v.shape) for v in (*found.inputs, *found.outputs)] == [
        ("x", ("N", 4)),
        ("y", ("N", 2)),
    ]
    assert found.unsupported == ()


TEXT = """
<ir_version: 8, opset_import: ["" : 17]>
agraph (float[N, 4] x) => (float[N, 4] y) {
  y = Relu(x)
}
"""


def test_textual_syntax(tmp_path):
    path = tmp_path / "m.onnxtxt"
    path.write_text(TEXT)
    module = import_onnx(path)
    module.verify()
    assert '%y = pfrt.relu %x as "y" : tensor<?x4xf32>' in str(module)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("agraph (", "not ONNX text"),
        ("", "not ONNX text"),
        (TEXT.replace("float[N", "flout[N"), "not ONNX text"),
        # Here onnx's parser raises an exception of C++.
        (TEXT.replace("Relu", "Elu<alpha: float = 0e>"), "not ONNX text"),
        ("{" * 1000, "nested more than 64 deep"),
    ],
)
def test_broken_textual_syntax(tmp_path, text, why):
    path = tmp_path / "m.onnxtxt"
    path.write_text(text)
    with pytest.raises(InvalidModelError, match=f"m.onnxtxt: .*{why}"):
        import_onnx(path)

"""The wire reader sees what protobuf sees, and refuses what is not a message."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import (
    AttributeProto,
    GraphProto,
    ModelProto,
    SparseTensorProto,
    TensorProto,
    helper,
    numpy_helper,
)

from pyflame_rt.errors import InvalidModelError
from pyflame_rt.frontends.onnx.external import ExternalFiles
from pyflame_rt.frontends.onnx.tensors import TensorReader
from pyflame_rt.frontends.onnx.wire import MAX_DEPTH, read_model


def wire(model: ModelProto | bytes):
    data = model if isinstance(model, bytes) else model.SerializeToString()
    return read_model(np.frombuffer(data, np.uint8), "m.onnx")


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number: int, body: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(body)) + body


def graph_with(tensors: list[TensorProto]) -> GraphProto:
    return helper.make_graph([], "g", [], [], initializer=tensors)


ARRAYS = hnp.arrays(
    st.sampled_from(["f4", "f8", "f2", "i8", "i4", "u1", "i2", "u8", "c8", "?"]).map(np.dtype),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(ARRAYS, max_size=4))
def test_raw_tensors_are_those_that_protobuf_reads(arrays):
    tensors = [numpy_helper.from_array(array, f"t{i}") for i, array in enumerate(arrays)]
    model = helper.make_model(graph_with(tensors))
    found = wire(model)
    reader = TensorReader(found, ExternalFiles(None))
    for array, tensor in zip(arrays, found.proto.graph.initializer, strict=True):
        read = reader.array(tensor, "t")
        assert read.dtype == array.dtype
        assert read.shape == array.shape
        assert read.tobytes() == array.tobytes()
        assert not read.flags.writeable


@pytest.mark.parametrize(
    ("code", "values"),
    [
        (TensorProto.FLOAT, [1.5, -2.0, np.inf]),
        (TensorProto.DOUBLE, [1.5, -2.0, 1e300]),
        (TensorProto.FLOAT16, [1.5, -2.0, 0.0]),
        (TensorProto.BFLOAT16, [1.5, -2.0, 0.0]),
        (TensorProto.FLOAT8E4M3FN, [1.5, -2.0, 0.0]),
        (TensorProto.FLOAT8E4M3FNUZ, [1.5, -2.0, 0.0]),
        (TensorProto.FLOAT8E5M2, [1.5, -2.0, 0.0]),
        (TensorProto.FLOAT8E5M2FNUZ, [1.5, -2.0, 0.0]),
        (TensorProto.FLOAT8E8M0, [1.0, 2.0, 0.5]),
        (TensorProto.FLOAT4E2M1, [1.5, -2.0, 0.0]),
        (TensorProto.INT4, [7, -8, 3]),
        (TensorProto.UINT4, [15, 0, 3]),
        (TensorProto.INT2, [1, -2, 0]),
        (TensorProto.UINT2, [3, 0, 2]),
        (TensorProto.INT8, [-128, 127, 0]),
        (TensorProto.UINT8, [255, 1, 0]),
        (TensorProto.INT16, [-32768, 32767, 0]),
        (TensorProto.UINT16, [65535, 1, 0]),
        (TensorProto.INT32, [-(2**31), 2**31 - 1, 0]),
        (TensorProto.UINT32, [2**32 - 1, 1, 0]),
        (TensorProto.INT64, [-(2**63), 2**63 - 1, 0]),
        (TensorProto.UINT64, [2**64 - 1, 1, 0]),
        (TensorProto.BOOL, [True, False, True]),
        (TensorProto.COMPLEX64, [1 + 2j, -1j, 0]),
        (TensorProto.COMPLEX128, [1 + 2j, -1j, 0]),
    ],
)
def test_typed_and_raw_elements_of_every_type(code, values):
    """Typed fields and packed bytes decode as onnx's own reader does."""
    typed = helper.make_tensor("t", code, [3], values)
    expected = numpy_helper.to_array(typed)
    raw = numpy_helper.from_array(expected, "t")
    for tensor in (typed, raw):
        found = wire(helper.make_model(graph_with([tensor])))
        read = TensorReader(found, ExternalFiles(None)).array(found.proto.graph.initializer[0], "t")
        assert read.dtype == expected.dtype
        assert read.tobytes() == expected.tobytes()


def test_raw_data_is_found_wherever_tensors_are():
    """Attributes, subgraphs, sparse tensors and functions are walked too."""
    arrays = [np.full(4, i, np.float32) for i in range(9)]
    t = [numpy_helper.from_array(array, f"t{i}") for i, array in enumerate(arrays)]
    inner = helper.make_graph([], "inner", [], [], initializer=[t[0]])
    sparse = SparseTensorProto(values=t[1], indices=t[2], dims=[9])
    node = helper.make_node("A", [], [], t=t[3], g=inner, s=sparse)
    node.attribute.append(AttributeProto(name="ts", type=AttributeProto.TENSORS, tensors=[t[4]]))
    node.attribute.append(
        AttributeProto(name="gs", type=AttributeProto.GRAPHS, graphs=[graph_with([t[5]])])
    )
    model = helper.make_model(helper.make_graph([node], "g", [], [], initializer=[t[6]]))
    model.graph.sparse_initializer.append(SparseTensorProto(values=t[7], indices=t[2], dims=[9]))
    body = helper.make_node("B", [], [], v=t[8])
    model.functions.append(helper.make_function("d", "F", [], [], [body], []))
    found = wire(model)
    graph = found.proto.graph
    attributes = {a.name: a for a in graph.node[0].attribute}
    placed = [
        attributes["g"].g.initializer[0],
        attributes["s"].sparse_tensor.values,
        attributes["s"].sparse_tensor.indices,
        attributes["t"].t,
        attributes["ts"].tensors[0],
        attributes["gs"].graphs[0].initializer[0],
        graph.initializer[0],
        graph.sparse_initializer[0].values,
        found.proto.functions[0].node[0].attribute[0].t,
    ]
    for array, tensor in zip(arrays, placed, strict=True):
        raw = found.raw_data(tensor)
        assert raw is not None
        assert raw.tobytes() == array.tobytes()
    # Nothing of the tensors is left in what protobuf parsed.
    assert all(len(tensor.raw_data) == 8 for tensor in placed)


def test_everything_but_raw_data_survives():
    model = helper.make_model(
        helper.make_graph(
            [helper.make_node("Relu", ["x"], ["y"], doc_string="J" * 200)],
            "g",
            [helper.make_tensor_value_info("x", 1, ["n", 2])],
            [helper.make_tensor_value_info("y", 1, ["n", 2])],
        )
    )
    assert wire(model).proto == model


def test_training_information_is_left_behind():
    model = helper.make_model(graph_with([]))
    model.training_info.add().initialization.CopyFrom(
        graph_with([numpy_helper.from_array(np.ones(9), "t")])
    )
    found = wire(model)
    assert not found.proto.training_info
    assert not found.spans


def test_an_overlong_tag_is_cut_like_any_other():
    """protobuf accepts tags with padding; an uncut raw_data would pass for an index."""
    raw = b"\xca\x00" + varint(4) + b"\0\0\x80\x3f"
    tensor = varint(1 << 3) + b"\1" + varint(2 << 3) + b"\1" + raw
    found = wire(b"\x08\x08" + field(7, field(5, tensor)))
    assert found.spans == ((13, 17),)
    assert found.raw_data(found.proto.graph.initializer[0]).view(np.float32)[0] == 1.0


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (field(7, b"")[:1], "no number"),
        (b"\x3a\x05\x0a", "exceed the message"),
        (b"\x3a\x03\x0a\x7f\x00", "exceed the message"),
        (b"\x3a\xff\xff\xff\xff\x0f", "exceed the message"),
        (b"\x3a\xff\xff\xff\xff\xff\xff\x0f", "no number"),
        (b"\x08" + b"\xff" * 11, "no number"),
        (b"\x0b", "no field"),
        (b"\x02\x00", "no field"),
        (b"\x00\x00", "no field"),
        (b"\x09\x00\x00", "ends in the field"),
        (b"\x0d\x00", "ends in the field"),
    ],
)
def test_broken_wire_format(data, why):
    with pytest.raises(InvalidModelError, match=why):
        wire(data)


def test_nesting_is_bounded():
    body = b""
    for _ in range(MAX_DEPTH):
        body = field(1, field(5, field(6, body)))
    with pytest.raises(InvalidModelError, match="nested more than"):
        wire(field(7, body))


def test_a_bomb_of_empty_messages_is_refused(monkeypatch):
    """Two bytes of an empty message are a hundred once parsed: they are counted before that."""
    monkeypatch.setattr("pyflame_rt.frontends.onnx.wire.MAX_FIELDS", 1000)
    with pytest.raises(InvalidModelError, match="more than 1,000 fields"):
        wire(field(7, b"\x0a\x00" * 1000))

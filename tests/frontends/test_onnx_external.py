"""External data is read from the model's folder, mapped, and from nowhere else."""

from __future__ import annotations

import os

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper

from pyflame_rt.errors import InvalidModelError, ModelNotFoundError
from pyflame_rt.frontends.onnx import import_onnx
from pyflame_rt.limits import Limits

WEIGHTS = np.arange(4096, dtype=np.float32)


def save(folder, *tensors: dict, name: str = "m.onnx"):
    """A model that adds external tensors given by their `external_data` entries."""
    nodes, initializers = [], []
    for index, entries in enumerate(tensors):
        tensor = TensorProto(name=f"w{index}", data_type=TensorProto.FLOAT, dims=[4096])
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in entries.items():
            tensor.external_data.add(key=key, value=str(value))
        initializers.append(tensor)
        nodes.append(helper.make_node("Relu", [f"w{index}"], [f"y{index}"], f"n{index}"))
    outputs = [
        helper.make_tensor_value_info(f"y{i}", TensorProto.FLOAT, [4096])
        for i in range(len(tensors))
    ]
    graph = helper.make_graph(nodes, "g", [], outputs, initializer=initializers)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    (folder / name).write_bytes(proto.SerializeToString())
    return folder / name


def arrays(module):
    (function,) = module.ops
    return [op.array for op in function.body.block.ops if op.name == "pfrt.constant"]


def test_ranges_of_one_file_share_one_map(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "w.bin").write_bytes(b"1234" + WEIGHTS.tobytes())
    at = {"offset": 4, "length": WEIGHTS.nbytes}
    path = save(
        tmp_path,
        {"location": "sub/w.bin", **at},
        {"location": "./sub/w.bin", **at},
        {"location": "sub/w.bin", "offset": 4, "checksum": "any"},
    )
    found = arrays(import_onnx(path))
    assert len(found) == 3
    for array in found:
        np.testing.assert_array_equal(array, WEIGHTS)
        assert np.shares_memory(array, found[0])
        assert not array.flags.writeable


@pytest.mark.parametrize("location", ["link", "linked/w.bin", "sub/link"])
def test_links_inside_the_folder_are_not_followed(tmp_path, location):
    """Where a link leads may change between a look and the next."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "w.bin").write_bytes(WEIGHTS.tobytes())
    (tmp_path / "link").symlink_to("sub/w.bin")
    (tmp_path / "linked").symlink_to("sub")
    (tmp_path / "sub" / "link").symlink_to("w.bin")
    with pytest.raises(InvalidModelError, match=r"leads through a link; put the file itself"):
        import_onnx(save(tmp_path, {"location": location}))


def test_the_models_folder_may_be_reached_by_a_link(tmp_path):
    """It is the user who says where the model is."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "w.bin").write_bytes(WEIGHTS.tobytes())
    save(tmp_path / "model", {"location": "w.bin"})
    (tmp_path / "link").symlink_to("model")
    np.testing.assert_array_equal(arrays(import_onnx(tmp_path / "link" / "m.onnx"))[0], WEIGHTS)


def test_a_file_with_another_name_is_not_used(tmp_path):
    """A hard link in the folder may be to any file of the system; the limit says otherwise."""
    (tmp_path / "secret").write_bytes(WEIGHTS.tobytes())
    (tmp_path / "model").mkdir()
    os.link(tmp_path / "secret", tmp_path / "model" / "w.bin")
    path = save(tmp_path / "model", {"location": "w.bin"})
    with pytest.raises(InvalidModelError, match=r"has 2 names .*limit external_hard_links"):
        import_onnx(path)
    module = import_onnx(path, limits=Limits(external_hard_links=2))
    np.testing.assert_array_equal(arrays(module)[0], WEIGHTS)


@pytest.mark.parametrize(
    "location",
    [
        "../w.bin",
        "a/../../w.bin",
        "..",
        "a/..",
        "/etc/passwd",
        "..\\w.bin",
        "C:w.bin",
        "w.bin\0",
    ],
)
def test_paths_that_lead_elsewhere(tmp_path, location):
    (tmp_path / "w.bin").write_bytes(WEIGHTS.tobytes())
    (tmp_path / "model").mkdir()
    path = save(tmp_path / "model", {"location": location})
    with pytest.raises(InvalidModelError, match="not a path below the model's folder"):
        import_onnx(path)


@pytest.mark.parametrize("through", ["file", "folder"])
def test_links_that_lead_elsewhere(tmp_path, through):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "w.bin").write_bytes(WEIGHTS.tobytes())
    folder = tmp_path / "model"
    folder.mkdir()
    if through == "file":
        (folder / "w.bin").symlink_to(outside / "w.bin")
    else:
        (folder / "sub").symlink_to(outside)
    path = save(folder, {"location": "w.bin" if through == "file" else "sub/w.bin"})
    with pytest.raises(InvalidModelError, match="leads through a link"):
        import_onnx(path)


def test_a_folder_whose_name_only_begins_alike_is_outside(tmp_path):
    (tmp_path / "model-secret").mkdir()
    (tmp_path / "model-secret" / "w.bin").write_bytes(WEIGHTS.tobytes())
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "w.bin").symlink_to("../model-secret/w.bin")
    with pytest.raises(InvalidModelError, match="leads through a link"):
        import_onnx(save(tmp_path / "model", {"location": "w.bin"}))


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ({}, "without a location"),
        ({"location": ""}, "without a location"),
        ({"location": "w.bin", "offset": -1}, "is not a number of bytes"),
        ({"location": "w.bin", "offset": "1e3"}, "is not a number of bytes"),
        ({"location": "w.bin", "offset": "9" * 30}, "is not a number of bytes"),
        ({"location": "w.bin", "offset": "\u0663"}, "is not a number of bytes"),
        ({"location": "w.bin", "offset": 1}, "lies outside its file"),
        ({"location": "w.bin", "offset": 2**62}, "lies outside its file"),
        ({"location": "w.bin", "length": 4}, "4 bytes, but type and shape need 16384"),
        ({"location": "w.bin", "length": 2**50}, "but type and shape need 16384"),
        ({"location": "w.bin", "__class__": "x"}, "unknown external data key '__class__'"),
    ],
)
def test_ranges_and_keys_are_checked(tmp_path, entries, why):
    (tmp_path / "w.bin").write_bytes(WEIGHTS.tobytes())
    with pytest.raises(InvalidModelError, match=f'initializer "w0": .*{why}'):
        import_onnx(save(tmp_path, entries))


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "long", "dot"])
def test_what_is_no_regular_file(tmp_path, kind):
    if kind == "folder":
        (tmp_path / "w.bin").mkdir()
    if kind == "pipe":
        os.mkfifo(tmp_path / "w.bin")
    location = {"long": "w" * 3000, "dot": "./"}.get(kind, "w.bin")
    with pytest.raises(ModelNotFoundError, match="external data file"):
        import_onnx(save(tmp_path, {"location": location}))


def test_models_given_as_bytes_have_no_folder(tmp_path):
    (tmp_path / "w.bin").write_bytes(WEIGHTS.tobytes())
    path = save(tmp_path, {"location": "w.bin"})
    with pytest.raises(InvalidModelError, match="given as bytes cannot have external data"):
        import_onnx(path.read_bytes())


def test_models_given_as_bytes_may_be_given_a_folder(tmp_path):
    """The same rules hold in it."""
    (tmp_path / "w.bin").write_bytes(WEIGHTS.tobytes())
    data = save(tmp_path, {"location": "w.bin"}).read_bytes()
    module = import_onnx(data, base_directory=tmp_path)
    np.testing.assert_array_equal(arrays(module)[0], WEIGHTS)
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "w.bin").symlink_to("../w.bin")
    with pytest.raises(InvalidModelError, match="leads through a link"):
        import_onnx(data, base_directory=tmp_path / "inner")
    with pytest.raises(ModelNotFoundError, match="no such file"):
        import_onnx(data, base_directory=tmp_path / "nowhere")


def test_raw_and_external_data_contradict_each_other(tmp_path):
    path = save(tmp_path, {"location": "w.bin"})
    proto = ModelProto.FromString(path.read_bytes())
    proto.graph.initializer[0].raw_data = WEIGHTS.tobytes()
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(InvalidModelError, match="raw data and external data"):
        import_onnx(path)

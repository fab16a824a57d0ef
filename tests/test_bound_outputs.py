"""Results are written to the arrays that callers give for them, without copies, where they fit."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import pyflame_rt

SIZE = 1 << 18


def session(rows: int | str = 4, names: Sequence[str] = ("y", "z")) -> pyflame_rt.InferenceSession:
    """y = relu(x) and z = x + y, of rows of many columns."""
    nodes = [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Add", ["x", "y"], ["z"])]
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [rows, SIZE])
        for name in ("x", *names)
    ]
    graph = helper.make_graph(nodes, "two", values[:1], values[1:])
    opset = [helper.make_opsetid("", 17)]
    model: onnx.ModelProto = helper.make_model(graph, opset_imports=opset, ir_version=8)
    return pyflame_rt.InferenceSession(model.SerializeToString())


def drawn(rows: int = 4) -> np.ndarray:
    return np.random.default_rng(rows).standard_normal((rows, SIZE)).astype(np.float32)


def test_results_are_the_given_arrays():
    """Those that are asked for: another output of the model is nobody's."""
    x, z = drawn(), np.zeros((4, SIZE), np.float32)
    (found,) = session().run_into({"z": z}, {"x": x})
    assert found is z
    np.testing.assert_array_equal(z, x + np.maximum(x, 0))


def test_nothing_as_large_as_a_result_is_allocated():
    """A binding's run writes to the bound memory itself."""
    ours, x = session(), drawn()
    arrays = {name: np.zeros((4, SIZE), np.float32) for name in ("y", "z")}
    binding = ours.io_binding()
    binding.bind_cpu_input("x", x)
    for name, array in arrays.items():
        binding.bind_output(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
    ours.run_with_iobinding(binding)
    tracemalloc.start()
    try:
        ours.run_with_iobinding(binding)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < x.nbytes / 16
    np.testing.assert_array_equal(arrays["y"], np.maximum(x, 0))
    for name, value in zip(arrays, binding.get_outputs(), strict=True):
        assert np.shares_memory(value.numpy(), arrays[name])


def test_a_value_that_is_bound_is_written_to():
    ours, x = session(), drawn()
    value = pyflame_rt.OrtValue.ortvalue_from_shape_and_type((4, SIZE), np.float32)
    binding = ours.io_binding()
    binding.bind_cpu_input("x", x)
    binding.bind_ortvalue_output("y", value)
    ours.run_with_iobinding(binding)
    np.testing.assert_array_equal(value.numpy(), np.maximum(x, 0))


@pytest.mark.parametrize("order", [("y", "z"), ("z", "y")])
def test_an_array_that_overlaps_is_not_written_to_before_all_is_read(order: tuple[str, str]):
    """A result in the place of the input, or of another result, is made elsewhere."""
    ours, x = session(), drawn()
    expected = np.maximum(x, 0), x + np.maximum(x, 0)
    same = np.zeros((4, SIZE), np.float32)
    found = dict(zip(order, ours.run_into(dict.fromkeys(order, same), {"x": x}), strict=True))
    np.testing.assert_array_equal(found["y"], expected[0])
    np.testing.assert_array_equal(found["z"], expected[1])
    binding = ours.io_binding()
    binding.bind_cpu_input("x", x)
    binding.bind_output("z", "cpu", 0, np.float32, x.shape, x.ctypes.data)
    ours.run_with_iobinding(binding)
    np.testing.assert_array_equal(x, expected[1])


def test_arrays_that_do_not_fit_are_left_alone():
    """Of another type, shape or order of memory, or read-only: the result is a fresh array."""
    ours, x = session(), drawn()
    fixed = np.zeros((4, SIZE), np.float32)
    fixed.flags.writeable = False
    given = [
        np.zeros((4, SIZE)), np.zeros((SIZE, 4), np.float32), fixed,
        np.zeros((SIZE, 4), np.float32).T,
    ]  # fmt: skip
    for array in given:
        (found,) = ours.run_into({"y": array}, {"x": x})
        assert found is not array
        assert not array.any()
        np.testing.assert_array_equal(found, np.maximum(x, 0))


def test_a_model_of_any_shape_fills_arrays_too():
    """On the plan for all shapes a copy is made, on that for a shape that came back none."""
    ours, x = session("N"), drawn()
    for run in range(6):
        y = np.zeros((4, SIZE), np.float32)
        (found,) = ours.run_into({"y": y}, {"x": x})
        np.testing.assert_array_equal(found, np.maximum(x, 0))
        ours.settle()
        assert found is y or run < 5

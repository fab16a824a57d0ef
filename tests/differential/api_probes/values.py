"""Probes of OrtValue, OrtDevice, IOBinding, asynchronous runs."""

from __future__ import annotations

import threading

import numpy as np
from onnx import TensorProto

from api_probes.base import Api, X, Y, add_and_multiply, identity, kinds, probe


def about(value: object) -> object:
    return (
        value.data_type(), value.shape(), value.device_name(), value.element_type(),
        value.is_tensor(), value.is_sparse_tensor(), value.is_tensor_sequence(),
        value.has_value(), value.tensor_size_in_bytes(),
    )  # fmt: skip


@probe("OrtValue of an array")
def _(ort: Api) -> object:
    value = ort.OrtValue.ortvalue_from_numpy(X)
    assert value.data_ptr() == value.numpy().ctypes.data
    return about(value), value.numpy().tolist()


@probe("OrtValue shares the array")
def _(ort: Api) -> object:
    array = X.copy()
    value = ort.OrtValue.ortvalue_from_numpy(array, "cpu", 0)
    array[0, 0] = 7
    return value.numpy()[0, 0].item()


@probe("OrtValue by shape and type")
def _(ort: Api) -> object:
    return about(ort.OrtValue.ortvalue_from_shape_and_type([2, 3], np.float32, "cpu", 0))


@probe("OrtValue by shape and ONNX type")
def _(ort: Api) -> object:
    return about(ort.OrtValue.ortvalue_from_shape_and_type([2, 3], TensorProto.BFLOAT16))


@probe("OrtValue by ONNX type")
def _(ort: Api) -> object:
    value = ort.OrtValue.ortvalue_from_numpy_with_onnx_type(
        np.ones(2, np.uint16), TensorProto.BFLOAT16
    )
    return about(value)


@probe("numpy() of bfloat16")
def _(ort: Api) -> object:
    value = ort.OrtValue.ortvalue_from_numpy_with_onnx_type(
        np.array([0x3F80], np.uint16), TensorProto.BFLOAT16
    )
    return value.numpy().astype(np.float32).tolist()


@probe("OrtValue updated in place")
def _(ort: Api) -> object:
    value = ort.OrtValue.ortvalue_from_numpy(X.copy())
    address = value.data_ptr()
    value.update_inplace(X + 1)
    return value.data_ptr() == address, value.numpy().tolist()


@probe("OrtValue updated with another shape")
def _(ort: Api) -> object:
    ort.OrtValue.ortvalue_from_numpy(X.copy()).update_inplace(Y)


@probe("OrtValue updated with another dtype")
def _(ort: Api) -> object:
    ort.OrtValue.ortvalue_from_numpy(X.copy()).update_inplace(X.astype(np.float64))


@probe("OrtValue updated with a list")
def _(ort: Api) -> object:
    ort.OrtValue.ortvalue_from_numpy(X.copy()).update_inplace([1, 2])


@probe("OrtValue of strings")
def _(ort: Api) -> object:
    value = ort.OrtValue.ortvalue_from_numpy(np.array(["a", "b"]))
    return value.data_type(), value.shape(), value.element_type(), value.numpy().tolist()


@probe("OrtValue as an array")
def _(ort: Api) -> object:
    value = ort.OrtValue.ortvalue_from_numpy(X)
    return np.asarray(value).tolist(), np.asarray(value, np.float64).dtype.name


@probe("OrtValue through DLPack")
def _(ort: Api) -> object:
    value = ort.OrtValue.from_dlpack(X.copy())
    return about(value), np.from_dlpack(value).tolist(), value.__dlpack_device__()


@probe("OrtValue on a device that is not there")
def _(ort: Api) -> object:
    return ort.OrtValue.ortvalue_from_numpy(X, "nonsense", 0)


@probe("OrtDevice")
def _(ort: Api) -> object:
    device = ort.OrtDevice.make("cpu", 0)
    return (
        device.device_id(), device.device_type(), device.device_vendor_id(),
        device.device_mem_type(),
    )  # fmt: skip


@probe("run_with_ort_values")
def _(ort: Api) -> object:
    feed = {"x": ort.OrtValue.ortvalue_from_numpy(X), "y": ort.OrtValue.ortvalue_from_numpy(Y)}
    results = ort.session(add_and_multiply()).run_with_ort_values(["sum"], feed)
    return [(type(v).__name__, v.numpy().tolist()) for v in results]


@probe("run_with_ort_values, missing")
def _(ort: Api) -> object:
    feed = {"x": ort.OrtValue.ortvalue_from_numpy(X)}
    return ort.session(add_and_multiply()).run_with_ort_values(None, feed)


@probe("run_with_ort_values, wrong dtype")
def _(ort: Api) -> object:
    wrong = ort.OrtValue.ortvalue_from_numpy(X.astype(np.float64))
    feed = {"x": wrong, "y": ort.OrtValue.ortvalue_from_numpy(Y)}
    return ort.session(add_and_multiply()).run_with_ort_values(None, feed)


def bound(ort: Api) -> tuple[object, object]:
    session = ort.session(add_and_multiply())
    binding = session.io_binding()
    binding.bind_cpu_input("x", X)
    binding.bind_cpu_input("y", Y)
    return session, binding


@probe("io_binding")
def _(ort: Api) -> object:
    session, binding = bound(ort)
    binding.bind_output("sum")
    binding.synchronize_inputs()
    session.run_with_iobinding(binding)
    binding.synchronize_outputs()
    return [a.tolist() for a in binding.copy_outputs_to_cpu()]


@probe("io_binding, outputs in the order they were bound")
def _(ort: Api) -> object:
    session, binding = bound(ort)
    binding.bind_output("product", "cpu")
    binding.bind_output("sum", "cpu", 0)
    session.run_with_iobinding(binding, ort.RunOptions())
    return [(v.shape(), v.numpy().tolist()) for v in binding.get_outputs()]


@probe("io_binding into an OrtValue")
def _(ort: Api) -> object:
    session, binding = bound(ort)
    result = np.zeros((2, 3), np.float32)
    binding.bind_ortvalue_output("sum", ort.OrtValue.ortvalue_from_numpy(result))
    session.run_with_iobinding(binding)
    return result.tolist()


@probe("io_binding by pointers")
def _(ort: Api) -> object:
    session = ort.session(add_and_multiply())
    binding, result = session.io_binding(), np.zeros((2, 3), np.float32)
    binding.bind_input("x", "cpu", 0, np.float32, X.shape, X.ctypes.data)
    binding.bind_input("y", "cpu", 0, TensorProto.FLOAT, Y.shape, Y.ctypes.data)
    binding.bind_output("product", "cpu", 0, np.float32, result.shape, result.ctypes.data)
    session.run_with_iobinding(binding)
    return result.tolist()


@probe("io_binding with OrtValues")
def _(ort: Api) -> object:
    session = ort.session(add_and_multiply())
    binding = session.io_binding()
    binding.bind_ortvalue_input("x", ort.OrtValue.ortvalue_from_numpy(X))
    binding.bind_ortvalue_input("y", ort.OrtValue.ortvalue_from_numpy(Y))
    binding.bind_output("sum")
    session.run_with_iobinding(binding)
    return binding.get_outputs()[0].numpy().tolist()


@probe("io_binding, an output of the wrong shape")
def _(ort: Api) -> object:
    session, binding = bound(ort)
    result = ort.OrtValue.ortvalue_from_numpy(np.zeros((1, 3), np.float32))
    binding.bind_ortvalue_output("sum", result)
    session.run_with_iobinding(binding)
    return result.numpy().tolist()


@probe("io_binding, an output of the wrong dtype")
def _(ort: Api) -> object:
    session, binding = bound(ort)
    result = ort.OrtValue.ortvalue_from_numpy(np.zeros((2, 3), np.float64))
    binding.bind_ortvalue_output("sum", result)
    session.run_with_iobinding(binding)
    return result.numpy().tolist()


@probe("io_binding, an unknown input")
def _(ort: Api) -> object:
    ort.session(identity()).io_binding().bind_cpu_input("nope", Y)


@probe("io_binding, an unknown output")
def _(ort: Api) -> object:
    ort.session(identity()).io_binding().bind_output("nope")


@probe("io_binding, an input of the wrong dtype")
def _(ort: Api) -> object:
    session = ort.session(identity())
    binding = session.io_binding()
    binding.bind_cpu_input("x", Y.astype(np.float64))
    binding.bind_output("y")
    session.run_with_iobinding(binding)
    return binding.copy_outputs_to_cpu()


@probe("io_binding without inputs")
def _(ort: Api) -> object:
    session = ort.session(identity())
    binding = session.io_binding()
    binding.bind_output("y")
    session.run_with_iobinding(binding)
    return binding.copy_outputs_to_cpu()


@probe("io_binding without outputs")
def _(ort: Api) -> object:
    session, binding = bound(ort)
    session.run_with_iobinding(binding)
    return binding.copy_outputs_to_cpu()


@probe("io_binding cleared")
def _(ort: Api) -> object:
    session, binding = bound(ort)
    binding.bind_output("sum")
    binding.clear_binding_outputs()
    binding.bind_output("product")
    session.run_with_iobinding(binding)
    return [a.tolist() for a in binding.copy_outputs_to_cpu()]


@probe("io_binding of another session")
def _(ort: Api) -> object:
    binding = bound(ort)[1]
    ort.session(add_and_multiply()).run_with_iobinding(binding)


@probe("run_async")
def _(ort: Api) -> object:
    done, found = threading.Event(), []

    def callback(results: list[np.ndarray], user_data: object, error: str) -> None:
        found.append((kinds(results), user_data, error))
        done.set()

    session = ort.session(add_and_multiply(), two_threads(ort))
    session.run_async(["sum"], {"x": X, "y": Y}, callback, "mine")
    assert done.wait(30)
    return found


@probe("run_async that fails")
def _(ort: Api) -> object:
    done, found = threading.Event(), []

    def callback(results: list[np.ndarray], user_data: object, error: str) -> None:
        found.append((list(results), user_data, error))
        done.set()

    session = ort.session(add_and_multiply(), two_threads(ort))
    session.run_async(None, {"x": X[:, :2], "y": Y}, callback, None)
    assert done.wait(30)
    return found


@probe("run_async, missing")
def _(ort: Api) -> object:
    session = ort.session(add_and_multiply(), two_threads(ort))
    session.run_async(None, {"x": X}, print, None)


def two_threads(ort: Api) -> object:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 2
    return options

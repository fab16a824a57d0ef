"""Probes of session options and run options."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper

from api_probes.base import Api, X, Y, add_and_multiply, identity, model, probe, tensor

NAMES = (
    "enable_cpu_mem_arena", "enable_mem_pattern", "enable_mem_reuse", "enable_profiling",
    "inter_op_num_threads", "intra_op_num_threads", "log_severity_level", "log_verbosity_level",
    "logid", "use_deterministic_compute", "use_per_session_threads",
)  # fmt: skip
ENUMS = (
    "GraphOptimizationLevel", "ExecutionMode", "ExecutionOrder", "OrtMemType", "OrtAllocatorType",
)  # fmt: skip


@probe("defaults of session options")
def _(ort: Api) -> object:
    options = ort.SessionOptions()
    return {name: getattr(options, name) for name in NAMES}


@probe("default of optimized_model_filepath")
def _(ort: Api) -> object:
    return ort.SessionOptions().optimized_model_filepath


@probe("defaults of run options")
def _(ort: Api) -> object:
    options = ort.RunOptions()
    return {name: getattr(options, name) for name in (
        "log_severity_level", "log_verbosity_level", "logid", "only_execute_path_to_fetches",
        "terminate",
    )}  # fmt: skip


@probe("enumerations")
def _(ort: Api) -> object:
    return {name: {k: int(v) for k, v in getattr(ort, name).__members__.items()} for name in ENUMS}


@probe("an enumeration's member as text")
def _(ort: Api) -> object:
    level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    return str(level), repr(level), level.name


@probe("every option set")
def _(ort: Api) -> object:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.execution_mode = ort.ExecutionMode.ORT_PARALLEL
    options.execution_order = ort.ExecutionOrder.PRIORITY_BASED
    options.inter_op_num_threads, options.intra_op_num_threads = 2, 1
    options.enable_mem_pattern = options.enable_cpu_mem_arena = options.enable_mem_reuse = False
    options.use_deterministic_compute = True
    options.log_severity_level, options.log_verbosity_level, options.logid = 3, 1, "here"
    session = ort.InferenceSession(add_and_multiply(), options, ["CPUExecutionProvider"])
    found = session.get_session_options()
    assert found.graph_optimization_level == ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    assert found.execution_mode == ort.ExecutionMode.ORT_PARALLEL
    assert found.execution_order == ort.ExecutionOrder.PRIORITY_BASED
    return {name: getattr(found, name) for name in NAMES}


@probe("a level that is no level")
def _(ort: Api) -> object:
    ort.SessionOptions().graph_optimization_level = "all"


@probe("threads -1")
def _(ort: Api) -> object:
    options = ort.SessionOptions()
    options.intra_op_num_threads = -1
    return ort.session(identity(), options).run(None, {"x": Y})[0].tolist()


@probe("threads that are no number")
def _(ort: Api) -> object:
    ort.SessionOptions().intra_op_num_threads = "four"


@probe("a config entry")
def _(ort: Api) -> object:
    options = ort.SessionOptions()
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    return options.get_session_config_entry("session.set_denormal_as_zero")


@probe("a config entry that is not there")
def _(ort: Api) -> object:
    return ort.SessionOptions().get_session_config_entry("nope")


@probe("a run config entry")
def _(ort: Api) -> object:
    options = ort.RunOptions()
    options.add_run_config_entry("disable_synchronize_execution_providers", "1")
    return options.get_run_config_entry("disable_synchronize_execution_providers")


@probe("a run config entry that is not there")
def _(ort: Api) -> object:
    return ort.RunOptions().get_run_config_entry("nope")


def symbolic() -> bytes:
    node = helper.make_node("MatMul", ["x", "y"], ["z"])
    inputs = [tensor("x", ["N", "K"]), tensor("y", ["K", "M"])]
    return model([node], inputs, [tensor("z", ["N", "M"])])


@probe("free dimension override")
def _(ort: Api) -> object:
    options = ort.SessionOptions()
    options.add_free_dimension_override_by_name("N", 5)
    session = ort.session(symbolic(), options)
    return [a.shape for a in (*session.get_inputs(), *session.get_outputs())]


@probe("free dimension override that is not kept to")
def _(ort: Api) -> object:
    options = ort.SessionOptions()
    options.add_free_dimension_override_by_name("N", 5)
    feed = {"x": np.ones((2, 3), "f4"), "y": np.ones((3, 2), "f4")}
    return ort.session(symbolic(), options).run(None, feed)


@probe("free dimension override of no symbol")
def _(ort: Api) -> object:
    options = ort.SessionOptions()
    options.add_free_dimension_override_by_name("Q", 5)
    return ort.session(symbolic(), options).get_inputs()[0].shape


@probe("free dimension override by denotation")
def _(ort: Api) -> object:
    made = tensor("x", [None, 3])
    made.type.tensor_type.shape.dim[0].denotation = "DATA_BATCH"
    options = ort.SessionOptions()
    options.add_free_dimension_override_by_denotation("DATA_BATCH", 5)
    node = helper.make_node("Neg", ["x"], ["y"])
    session = ort.session(model([node], [made], [tensor("y", None)]), options)
    return session.get_inputs()[0].shape


def scaled() -> bytes:
    node = helper.make_node("Mul", ["x", "w"], ["y"])
    return model([node], [tensor("x", ["N", 3])], [tensor("y", ["N", 3])], [("w", Y)])


@probe("add_initializer")
def _(ort: Api) -> object:
    options = ort.SessionOptions()
    triple = ort.OrtValue.ortvalue_from_numpy(Y * 3)
    options.add_initializer("w", triple)
    return ort.session(scaled(), options).run(None, {"x": X})[0].tolist()


@probe("add_initializer of another shape")
def _(ort: Api) -> object:
    options = ort.SessionOptions()
    value = ort.OrtValue.ortvalue_from_numpy(np.ones(1, "f4"))
    options.add_initializer("w", value)
    return ort.session(scaled(), options).run(None, {"x": X})[0].tolist()


def external() -> bytes:
    w = TensorProto(data_type=TensorProto.FLOAT, dims=[3], name="w")
    w.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "w.bin"), ("offset", "4"), ("length", "12")):
        w.external_data.add(key=key, value=value)
    node = helper.make_node("Mul", ["x", "w"], ["y"])
    return model([node], [tensor("x", ["N", 3])], [tensor("y", ["N", 3])], [w])


@probe("external data in memory")
def _(ort: Api) -> object:
    options = ort.SessionOptions()
    contents = np.array([9, 1, 2, 3], np.float32).tobytes()
    options.add_external_initializers_from_files_in_memory(["w.bin"], [contents], [16])
    return ort.session(external(), options).run(None, {"x": X})[0].tolist()


@probe("external data in memory, as many buffers as names")
def _(ort: Api) -> object:
    ort.SessionOptions().add_external_initializers_from_files_in_memory(["w.bin"], [b""] * 2, [0])


@probe("external data in memory that is no buffer")
def _(ort: Api) -> object:
    ort.SessionOptions().add_external_initializers_from_files_in_memory(["w.bin"], ["a"], [1])


@probe("add_external_initializers")
def _(ort: Api) -> object:
    options = ort.SessionOptions()
    value = ort.OrtValue.ortvalue_from_numpy(Y * 5)
    options.add_external_initializers(["w"], [value])
    return ort.session(external(), options).run(None, {"x": X})[0].tolist()


@probe("add_external_initializers, as many values as names")
def _(ort: Api) -> object:
    ort.SessionOptions().add_external_initializers(["w"], [])


@probe("optimized_model_filepath")
def _(ort: Api) -> object:
    options = ort.SessionOptions()
    path = ort.folder / "optimized.onnx"
    options.optimized_model_filepath = str(path)
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    ort.session(add_and_multiply(), options)
    again = ort.session(path.read_bytes())
    return again.run(None, {"x": X, "y": Y})[0].tolist()


@probe("profiling")
def _(ort: Api) -> object:
    options = ort.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(ort.folder / "trace")
    session = ort.session(add_and_multiply(), options)
    assert session.get_profiling_start_time_ns() > 0
    session.run(None, {"x": X, "y": Y})
    path = Path(session.end_profiling())
    assert path.is_file()
    return path.name.startswith("trace_"), path.suffix


@probe("end_profiling without profiling")
def _(ort: Api) -> object:
    return ort.session(identity()).end_profiling()


@probe("register_custom_ops_library")
def _(ort: Api) -> object:
    ort.SessionOptions().register_custom_ops_library(str(ort.folder / "nope.so"))

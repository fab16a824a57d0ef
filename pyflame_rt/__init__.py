"""PyFlameRT: a compiler toolchain for neural-network inference on xDSL.

Names are imported on first use, so that `import pyflame_rt` costs nothing.
"""

from __future__ import annotations

from importlib import import_module as _import
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyflame_rt import cache as cache
    from pyflame_rt import custom as custom
    from pyflame_rt import import_module as import_module
    from pyflame_rt import opt as opt
    from pyflame_rt import partition as partition
    from pyflame_rt import pruning as pruning
    from pyflame_rt import quantization as quantization
    from pyflame_rt.cache import LazyTensor, MappedFile, MMapAdvice, MMapLoader
    from pyflame_rt.conversion import CompileOptions, convert_model
    from pyflame_rt.dtypes import DType
    from pyflame_rt.errors import (
        BackendError,
        DTypeMismatchError,
        InputError,
        InvalidModelError,
        MissingWeightsError,
        ModelNotFoundError,
        PassFailed,
        PipelineError,
        PyFlameRTError,
        ShapeMismatchError,
        UnsupportedFormatError,
        UnsupportedOperatorError,
        ValidationError,
    )
    from pyflame_rt.graph import Graph, Node
    from pyflame_rt.import_module import ImportOptions, ImportResult, ImportStats, from_onnx
    from pyflame_rt.model_files import load_model, save_model
    from pyflame_rt.model_info import ModelMetadata, NodeArg, TensorInfo
    from pyflame_rt.options import OptLevel, SessionOptions
    from pyflame_rt.ort.absent import (
        AdapterFormat,
        LoraAdapter,
        ModelCompiler,
        OrtArenaCfg,
        OrtEpDevice,
        OrtExternalInitializerInfo,
        OrtHardwareDevice,
        OrtMemoryInfo,
        OrtSyncStream,
        SparseTensor,
        create_and_register_allocator,
        create_and_register_allocator_v2,
        get_ep_devices,
        register_execution_provider_library,
        set_global_thread_pool_sizes,
        unregister_execution_provider_library,
    )
    from pyflame_rt.ort.enums import (
        ExecutionMode,
        ExecutionOrder,
        GraphOptimizationLevel,
        OrtAllocatorType,
        OrtMemType,
    )
    from pyflame_rt.ort.io_binding import IOBinding
    from pyflame_rt.ort.providers import (
        disable_telemetry_events,
        enable_telemetry_events,
        get_all_providers,
        get_available_providers,
        get_build_info,
        get_device,
        get_device_count,
        get_version_string,
        has_collective_ops,
        set_default_logger_severity,
        set_default_logger_verbosity,
        set_seed,
    )
    from pyflame_rt.ort.run_options import RunOptions
    from pyflame_rt.ort.value import OrtDevice, OrtDeviceVendorId, OrtValue, copy_tensors
    from pyflame_rt.plans import Signature
    from pyflame_rt.session import InferenceSession
    from pyflame_rt.tensor import Tensor, from_numpy, to_numpy

__version__ = "0.1.0"

_MODULES = ("cache", "custom", "import_module", "opt", "partition", "pruning", "quantization")

_HOMES = {
    "cache": ("LazyTensor", "MMapAdvice", "MMapLoader", "MappedFile"),
    "conversion": ("CompileOptions", "convert_model"),
    "dtypes": ("DType",),
    "errors": (
        "BackendError",
        "DTypeMismatchError",
        "InputError",
        "InvalidModelError",
        "MissingWeightsError",
        "ModelNotFoundError",
        "PassFailed",
        "PipelineError",
        "PyFlameRTError",
        "ShapeMismatchError",
        "UnsupportedFormatError",
        "UnsupportedOperatorError",
        "ValidationError",
    ),
    "graph": ("Graph", "Node"),
    "model_files": ("load_model", "save_model"),
    "ort.io_binding": ("IOBinding",),
    "import_module": ("ImportOptions", "ImportResult", "ImportStats", "from_onnx"),
    "model_info": ("ModelMetadata", "NodeArg", "TensorInfo"),
    "options": ("OptLevel", "SessionOptions"),
    "ort.absent": (
        "AdapterFormat",
        "LoraAdapter",
        "ModelCompiler",
        "OrtArenaCfg",
        "OrtEpDevice",
        "OrtExternalInitializerInfo",
        "OrtHardwareDevice",
        "OrtMemoryInfo",
        "OrtSyncStream",
        "SparseTensor",
        "create_and_register_allocator",
        "create_and_register_allocator_v2",
        "get_ep_devices",
        "register_execution_provider_library",
        "set_global_thread_pool_sizes",
        "unregister_execution_provider_library",
    ),
    "ort.enums": (
        "ExecutionMode",
        "ExecutionOrder",
        "GraphOptimizationLevel",
        "OrtAllocatorType",
        "OrtMemType",
    ),
    "ort.value": ("OrtDevice", "OrtDeviceVendorId", "OrtValue", "copy_tensors"),
    "plans": ("Signature",),
    "ort.providers": (
        "disable_telemetry_events",
        "enable_telemetry_events",
        "get_all_providers",
        "get_available_providers",
        "get_build_info",
        "get_device",
        "get_device_count",
        "get_version_string",
        "has_collective_ops",
        "set_default_logger_severity",
        "set_default_logger_verbosity",
        "set_seed",
    ),
    "ort.run_options": ("RunOptions",),
    "session": ("InferenceSession",),
    "tensor": ("Tensor", "from_numpy", "to_numpy"),
}

__all__ = [
    "AdapterFormat",
    "BackendError",
    "CompileOptions",
    "DType",
    "DTypeMismatchError",
    "ExecutionMode",
    "ExecutionOrder",
    "Graph",
    "GraphOptimizationLevel",
    "IOBinding",
    "ImportOptions",
    "ImportResult",
    "ImportStats",
    "InferenceSession",
    "InputError",
    "InvalidModelError",
    "LazyTensor",
    "LoraAdapter",
    "MMapAdvice",
    "MMapLoader",
    "MappedFile",
    "MissingWeightsError",
    "ModelCompiler",
    "ModelMetadata",
    "ModelNotFoundError",
    "Node",
    "NodeArg",
    "OptLevel",
    "OrtAllocatorType",
    "OrtArenaCfg",
    "OrtDevice",
    "OrtDeviceVendorId",
    "OrtEpDevice",
    "OrtExternalInitializerInfo",
    "OrtHardwareDevice",
    "OrtMemType",
    "OrtMemoryInfo",
    "OrtSyncStream",
    "OrtValue",
    "PassFailed",
    "PipelineError",
    "PyFlameRTError",
    "RunOptions",
    "SessionOptions",
    "ShapeMismatchError",
    "Signature",
    "SparseTensor",
    "Tensor",
    "TensorInfo",
    "UnsupportedFormatError",
    "UnsupportedOperatorError",
    "ValidationError",
    "convert_model",
    "copy_tensors",
    "create_and_register_allocator",
    "create_and_register_allocator_v2",
    "disable_telemetry_events",
    "enable_telemetry_events",
    "from_numpy",
    "from_onnx",
    "get_all_providers",
    "get_available_providers",
    "get_build_info",
    "get_device",
    "get_device_count",
    "get_ep_devices",
    "get_version_string",
    "has_collective_ops",
    "load_model",
    "register_execution_provider_library",
    "save_model",
    "set_default_logger_severity",
    "set_default_logger_verbosity",
    "set_global_thread_pool_sizes",
    "set_seed",
    "to_numpy",
    "unregister_execution_provider_library",
]


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return _import(f"{__name__}.{name}")
    for home, names in _HOMES.items():
        if name in names:
            return getattr(_import(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

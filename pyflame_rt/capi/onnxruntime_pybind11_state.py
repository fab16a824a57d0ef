"""ONNX Runtime's exception classes and option classes, under the name of its extension module."""

from pyflame_rt.model_info import ModelMetadata, NodeArg
from pyflame_rt.options import SessionOptions
from pyflame_rt.ort.enums import (
    ExecutionMode,
    ExecutionOrder,
    GraphOptimizationLevel,
    OrtAllocatorType,
    OrtMemType,
)
from pyflame_rt.ort.errors import (
    DeviceReset,
    EngineError,
    EPFail,
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    ModelLoadCanceled,
    ModelLoaded,
    ModelRequiresCompilation,
    NoModel,
    NoSuchFile,
    NotFound,
    NotImplemented,
    RuntimeException,
)
from pyflame_rt.ort.io_binding import IOBinding as SessionIOBinding
from pyflame_rt.ort.providers import (
    get_all_providers,
    get_available_providers,
    get_device,
    get_version_string,
)
from pyflame_rt.ort.run_options import RunOptions
from pyflame_rt.ort.value import OrtDevice, OrtValue
from pyflame_rt.session import InferenceSession

__all__ = [
    "DeviceReset",
    "EPFail",
    "EngineError",
    "ExecutionMode",
    "ExecutionOrder",
    "Fail",
    "GraphOptimizationLevel",
    "InferenceSession",
    "InvalidArgument",
    "InvalidGraph",
    "InvalidProtobuf",
    "ModelLoadCanceled",
    "ModelLoaded",
    "ModelMetadata",
    "ModelRequiresCompilation",
    "NoModel",
    "NoSuchFile",
    "NodeArg",
    "NotFound",
    "NotImplemented",
    "OrtAllocatorType",
    "OrtDevice",
    "OrtMemType",
    "OrtValue",
    "RunOptions",
    "RuntimeException",
    "SessionIOBinding",
    "SessionOptions",
    "get_all_providers",
    "get_available_providers",
    "get_device",
    "get_version_string",
]

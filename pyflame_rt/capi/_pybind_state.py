"""The module by which programs import ONNX Runtime's extension module."""

from pyflame_rt.capi.onnxruntime_pybind11_state import *  # noqa: F403

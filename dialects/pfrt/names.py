"""ONNX operator types and op names: one rule, and the acronyms it cannot know."""

from __future__ import annotations

import re

_IRREGULAR = {
    "DFT": "dft",
    "GatherND": "gather_nd",
    "GRU": "gru",
    "IsInf": "is_inf",
    "IsNaN": "is_nan",
    "LRN": "lrn",
    "LSTM": "lstm",
    "MatMul": "matmul",
    "MatMulInteger": "matmul_integer",
    "PRelu": "prelu",
    "QLinearConv": "qlinear_conv",
    "QLinearMatMul": "qlinear_matmul",
    "RMSNormalization": "rms_normalization",
    "RNN": "rnn",
    "ReduceL1": "reduce_l1",
    "ReduceL2": "reduce_l2",
    "SVMClassifier": "svm_classifier",
    "SVMRegressor": "svm_regressor",
    "ScatterND": "scatter_nd",
    "STFT": "stft",
    "SwiGLU": "swiglu",
}
_REGULAR = {name: op_type for op_type, name in _IRREGULAR.items()}


def op_name_of(op_type: str) -> str:
    """`GlobalAveragePool` -> `pfrt.global_average_pool`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", op_type).lower()
    return f"pfrt.{_IRREGULAR.get(op_type, words)}"


def op_type_of(op_name: str) -> str:
    """`pfrt.global_average_pool` -> `GlobalAveragePool`."""
    name = op_name.removeprefix("pfrt.")
    return _REGULAR.get(name) or "".join(word.capitalize() for word in name.split("_"))

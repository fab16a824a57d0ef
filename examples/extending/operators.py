"""A plugin in a file: the operator examples::HardTanh.

pfrt-opt model.onnx --load-plugin examples/extending/operators.py
"""

import numpy as np

from pyflame_rt.custom import CustomOpBuilder


def hard_tanh(inputs, attrs):
    """x, but no further from 0 than `bound`."""
    return [np.clip(inputs[0], -attrs["bound"], attrs["bound"])]


def hard_tanh_gradient(inputs, grad_outputs, attrs):
    """1 within the bound, 0 outside."""
    return [np.where(np.abs(inputs[0]) < attrs["bound"], grad_outputs[0], 0)]


(
    CustomOpBuilder("HardTanh")
    .domain("examples")
    .doc("x, but no further from 0 than bound.")
    .input("X")
    .output("Y")
    .attr_float("bound", default=1.0)
    .kernel(hard_tanh)
    .same_shape()
    .gradient(hard_tanh_gradient)
    .build()
)

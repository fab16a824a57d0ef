"""A backend of its own: a device that multiplies matrices, adds and rectifies.

pfrt-run model.onnx --load-plugin examples/extending/backend.py --backend MyExecutionProvider
"""

import numpy as np

from pyflame_rt.backends.operator_backend import OperatorBackend
from pyflame_rt.backends.registry import BackendRegistry


class MyBackend(OperatorBackend):
    """Stands for a device; what it does not run, NumPy runs."""

    name = "MyExecutionProvider"
    device_type = "my_device"

    def initialize(self, options):
        """Open the device; False if there is none."""
        self.scale = float(options.get("scale", "1"))
        return True

    def shutdown(self):
        """Close the device."""

    def operators(self):
        """What the device runs, by ONNX's names."""
        return {
            "MatMul": lambda inputs, attributes: np.matmul(*inputs),
            "Add": lambda inputs, attributes: np.add(*inputs),
            "Relu": lambda inputs, attributes: np.maximum(inputs[0], 0),
        }


BackendRegistry.instance().register_backend("MyExecutionProvider", MyBackend)

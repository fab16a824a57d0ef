"""The operator of load_plugin.mlir."""

from pyflame_rt.custom import CustomOpBuilder

(
    CustomOpBuilder("Scale")
    .domain("com.example")
    .input("X")
    .input("bias", optional=True)
    .output("Y")
    .attr_float("by", required=True)
    .kernel(lambda inputs, attrs: [inputs[0] * inputs[0].dtype.type(attrs["by"])])
    .same_shape()
    .build()
)

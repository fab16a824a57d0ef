"""The places at which programs written for ONNX Runtime look for what lies below its surface."""

"""What ONNX Runtime's API has besides sessions and their options: values, bindings, errors, names."""

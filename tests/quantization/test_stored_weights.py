"""Quantized weights are integers of 8 bits in files too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from pyflame_rt import InferenceSession
from pyflame_rt.model_files import save_model
from pyflame_rt.quantization import QuantConfig, Quantizer

DIGITS = Path(__file__).parents[2] / "examples" / "digits"


@pytest.mark.parametrize("name", ["cnn", "mlp"])
def test_weights_are_a_fourth_on_disk(name: str, tmp_path: Path) -> None:
    """What was matrices and kernels of f32 is there in i8 and nowhere else; the rest is small."""
    graph = InferenceSession(str(DIGITS / f"{name}.onnx")).graph()
    made = Quantizer(QuantConfig.dynamic_int8()).quantize_dynamic(graph).quantized_graph
    assert made is not None
    save_model(made, tmp_path / "int8.onnx")
    before = onnx.load(DIGITS / f"{name}.onnx").graph.initializer
    after = onnx.load(tmp_path / "int8.onnx").graph.initializer
    floats = sum(np.prod(t.dims) * 4 for t in before if len(t.dims) > 1)
    integers = sum(
        np.prod(t.dims) for t in after if len(t.dims) > 1 and t.data_type == onnx.TensorProto.INT8
    )
    assert floats == 4 * integers
    wide = [t for t in after if t.data_type == onnx.TensorProto.FLOAT]
    assert sum(np.prod(t.dims) * 4 for t in wide) < 0.1 * integers
    save_model(made, tmp_path / "int8.pfm")
    save_model(graph, tmp_path / "float.pfm")
    sizes = [(tmp_path / f"{kind}.pfm").stat().st_size for kind in ("float", "int8")]
    assert sizes[0] - sizes[1] > 0.7 * (floats - integers)
    images = np.load(DIGITS / "test.npz")["images"].astype(np.float32)[:8]
    found = [
        InferenceSession(str(tmp_path / f)).run(None, {"images": images})[0]
        for f in ("int8.onnx", "int8.pfm")
    ]
    np.testing.assert_array_equal(*found)

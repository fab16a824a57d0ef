"""What the tests of kernels share: ONNX Runtime as the judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from pyflame_rt import dtypes


@pytest.fixture(scope="session")
def onnxruntime_result() -> Callable[..., Any]:
    """`run(op_type, inputs, outputs=1, opset=22, **attributes)`: what ONNX Runtime computes.

    An input that is None is absent. Returns the array, or a list of them for several outputs.
    Skips the test when ONNX Runtime is missing.
    """
    ort = pytest.importorskip("onnxruntime")
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1

    def run(
        op_type: str,
        inputs: Sequence[np.ndarray | None],
        outputs: int = 1,
        opset: int = 22,
        **attributes: Any,
    ) -> Any:
        names = [f"i{k}" if array is not None else "" for k, array in enumerate(inputs)]
        feeds = {n: a for n, a in zip(names, inputs, strict=True) if a is not None}
        results = [f"o{k}" for k in range(outputs)]
        node = helper.make_node(op_type, names, results, **attributes)
        values = [
            helper.make_tensor_value_info(n, dtypes.by_numpy()[a.dtype].onnx, a.shape)
            for n, a in feeds.items()
        ]
        # Undeclared, an output gets the type and shape that ONNX's own inference gives it.
        declared = [helper.make_tensor_value_info(n, TensorProto.UNDEFINED, None) for n in results]
        for value in declared:
            value.ClearField("type")
        graph = helper.make_graph([node], "one_node", values, declared)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10
        )
        session = ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        got = session.run(None, feeds)
        return got[0] if outputs == 1 else got

    return run

"""Draws in every way to run them: fresh in each run, or the same in each with a seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from pyflame_rt import InferenceSession, SessionOptions
from pyflame_rt.backends.reference import ReferenceBackend
from pyflame_rt.frontends.onnx import import_onnx

HALF = np.full((4, 5), 0.5, np.float32)
DRAWS: dict[str, Any] = {
    "RandomNormal": {"shape": [4, 5]},
    "RandomUniform": {"shape": [4, 5]},
    "RandomNormalLike": {},
    "RandomUniformLike": {},
    "Bernoulli": {},
    "Multinomial": {"sample_size": 20},
}


def model(op: str, known: bool, **attributes: Any) -> bytes:
    """Two draws that look alike, of a value that is known or fed."""
    given = [] if "shape" in attributes else ["x"]
    nodes = [helper.make_node(op, given, [y], **attributes) for y in ("y", "z")]
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, HALF.shape)
    outputs = [helper.make_empty_tensor_value_info(y) for y in ("y", "z")]
    tensors = [numpy_helper.from_array(HALF, "x")] if known else []
    graph = helper.make_graph(nodes, "g", [] if known else [value], outputs, tensors)
    opsets = [helper.make_opsetid("", 22)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("op", DRAWS)
@pytest.mark.parametrize("level", [None, 0, 3])
def test_runs_draw_anew_unless_there_is_a_seed(op: str, known: bool, level: int | None):
    """None of a constant is computed once for all, no two are merged."""
    feeds = {} if known else {"x": HALF}

    def runs(**seed: float) -> list[list[np.ndarray]]:
        source = model(op, known, **DRAWS[op], **seed)
        if level is None:
            run = ReferenceBackend().compile(import_onnx(source), "main").run
            return [run([*feeds.values()]) for _ in range(2)]
        options = SessionOptions()
        options.optimization_level = level
        session = InferenceSession(source, options)
        return [session.run(None, feeds) for _ in range(2)]

    (y, z), (y2, z2) = runs()
    drawn = [a.tobytes() for a in (y, z, y2, z2)]
    assert len(set(drawn)) == 4
    (y, z), (y2, z2) = runs(seed=3.0)
    assert {a.tobytes() for a in (y, z, y2, z2)} == {y.tobytes()}

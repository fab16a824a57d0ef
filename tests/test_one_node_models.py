"""Models of one node, from file to result: every form that an operator had since opset 7.

Each runs in a session three times with known shapes, and three times with dimensions of unknown
size, on the dynamic plan at first and then on one for the shapes; ONNX Runtime is the judge. It
lacks RoiAlign-22, which is RoiAlign-16, and takes negative axes of Resize for none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from onnx import helper, numpy_helper

import pyflame_rt as rt
from pyflame_rt import dtypes

RANDOM = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    """Reproducible values."""
    return RANDOM.standard_normal(shape).astype(np.float32)


def floats(*values: float) -> np.ndarray:
    """A float32 vector."""
    return np.array(values, np.float32)


@dataclass(frozen=True)
class Case:
    """A node: its inputs are fed but for those that are known in the model."""

    op_type: str
    opset: int
    inputs: tuple[np.ndarray | None, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    known: tuple[int, ...] = ()
    outputs: tuple[str, ...] = ("y",)

    def feeds(self) -> dict[str, np.ndarray]:
        """What is fed, by name."""
        return {
            f"i{at}": array
            for at, array in enumerate(self.inputs)
            if array is not None and at not in self.known
        }

    def model(self, *, dynamic: bool = False) -> bytes:
        """The model; `dynamic`: with inputs of no known size."""
        names = ["" if array is None else f"i{at}" for at, array in enumerate(self.inputs)]
        node = helper.make_node(self.op_type, names, self.outputs, **self.attributes)
        inputs = [
            helper.make_tensor_value_info(
                name,
                dtypes.by_numpy()[array.dtype].onnx,
                [f"{name}_{at}" for at in range(array.ndim)] if dynamic else array.shape,
            )
            for name, array in self.feeds().items()
        ]
        known = [numpy_helper.from_array(self.inputs[at], f"i{at}") for at in self.known]
        outputs = [helper.make_empty_tensor_value_info(name) for name in self.outputs if name]
        graph = helper.make_graph([node], "one_node", inputs, outputs, known)
        opsets = [helper.make_opsetid("", self.opset)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


IMAGE = normal(1, 4, 5, 6)
SEQUENCE = normal(4, 2, 3)
ROIS = floats(0, 0, 4, 4, 1.5, 0.5, 5, 3).reshape(2, 4)
FIRST = np.zeros(2, np.int64)
LENGTHS = np.array([4, 2], np.int32)
TWICE = floats(1, 1, 2, 2)
CROP = {"coordinate_transformation_mode": "tf_crop_and_resize", "mode": "linear"}
REGION = floats(0, 0, 0.2, 0.1, 1, 1, 0.8, 1.2)


def weights(gates: int, directions: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Weights for 3 inputs and a state of 4."""
    return normal(directions, gates * 4, 3), normal(directions, gates * 4, 4)


CASES = (
    *(Case("ConvTranspose", opset, (IMAGE, normal(4, 2, 3, 3), floats(1, 2)), {"strides": [2, 1], "pads": [1, 0, 1, 0], "output_padding": [1, 0]}, known=(1, 2)) for opset in (7, 11, 22)),
    Case("ConvTranspose", 11, (IMAGE, normal(4, 2, 3, 3)), {"output_shape": [10, 12], "strides": [2, 2]}),
    Case("ConvTranspose", 11, (IMAGE, normal(4, 2, 3, 3)), {"auto_pad": "SAME_UPPER", "group": 2, "kernel_shape": [3, 3]}, known=(1,)),
    Case("ConvTranspose", 11, (normal(2, 1, 7), normal(1, 3, 4)), {"auto_pad": "SAME_LOWER", "strides": [3]}),
    *(Case("Einsum", 12, (normal(2, 3, 4), normal(2, 5, 4)), {"equation": text}) for text in ("bij,bkj->bik", "bij,bkj", "...ij,...kj->...ki")),
    Case("Einsum", 12, (normal(3, 3),), {"equation": "ii->i"}),
    *(Case("Upsample", 7, (IMAGE,), {"scales": [1.0, 1.0, 2.0, 1.5], "mode": mode}) for mode in ("nearest", "linear")),
    *(Case("Upsample", 9, (IMAGE, floats(1, 1, 2, 3)), {"mode": mode}, known=known) for mode in ("nearest", "linear") for known in ((), (1,))),
    *(Case("Resize", 10, (IMAGE, floats(1, 1, 0.6, 1.5)), {"mode": mode}, known=known) for mode in ("nearest", "linear") for known in ((), (1,))),
    *(Case("Resize", 10, (IMAGE, floats(1, 1, by, by)), known=(1,)) for by in (0.4, 2.6)),
    *(Case("Resize", 11, (IMAGE, floats(), TWICE), {"mode": mode}, known=(1, 2)) for mode in ("nearest", "linear", "cubic")),
    Case("Resize", 11, (IMAGE, floats(), floats(), np.array([1, 4, 7, 4])), {"mode": "linear", "coordinate_transformation_mode": "align_corners"}, known=(1, 2, 3)),
    Case("Resize", 11, (IMAGE, floats(), floats(), np.array([1, 4, 7, 4])), {"coordinate_transformation_mode": "tf_half_pixel_for_nn", "nearest_mode": "floor"}, known=(1, 2)),
    Case("Resize", 11, (IMAGE, REGION, TWICE), CROP, known=(1, 2)),
    *(Case("Resize", 13, (IMAGE, None, TWICE), {"mode": "linear"}, known=known) for known in ((), (2,))),
    *(Case("Resize", 13, (IMAGE, REGION, None, np.array([1, 4, 3, 8])), {**CROP, "extrapolation_value": 2.0}, known=known) for known in ((), (1,), (1, 3))),
    Case("Resize", 18, (IMAGE, None, floats(0.5, 0.7)), {"mode": "cubic", "axes": [2, 3], "antialias": 1}, known=(2,)),
    Case("Resize", 18, (IMAGE, None, None, np.array([9, 9])), {"axes": [2, 3], "keep_aspect_ratio_policy": "not_larger"}, known=(3,)),
    Case("Resize", 19, (IMAGE, None, floats(1.3, 0.7)), {"mode": "linear", "axes": [2, 3], "coordinate_transformation_mode": "half_pixel_symmetric"}, known=(2,)),
    *(Case("RoiAlign", opset, (IMAGE, ROIS, FIRST), {"output_height": 2, "output_width": 3, "mode": mode, "spatial_scale": 0.5}) for opset in (10, 16, 22) for mode in ("avg", "max")),
    *(Case("GridSample", opset, (IMAGE, normal(1, 2, 3, 2)), {"mode": mode, "padding_mode": "reflection"}) for opset, mode in ((16, "bilinear"), (16, "bicubic"), (16, "nearest"), (20, "linear"), (20, "cubic"))),
    Case("GridSample", 16, (IMAGE, normal(1, 2, 3, 2))),
    Case("DepthToSpace", 7, (IMAGE,), {"blocksize": 2}),
    *(Case("DepthToSpace", 11, (IMAGE,), {"blocksize": 2, "mode": mode}) for mode in ("DCR", "CRD")),
    *(Case("SpaceToDepth", opset, (normal(1, 2, 4, 6),), {"blocksize": 2}) for opset in (7, 13)),
    *(Case("LSTM", opset, (SEQUENCE, *weights(4), normal(1, 32)), {"hidden_size": 4}, known=(1, 2, 3), outputs=("y", "h", "c")) for opset in (7, 14, 22)),
    Case("LSTM", 14, (SEQUENCE, *weights(4, 2), None, LENGTHS, normal(2, 2, 4), normal(2, 2, 4), normal(2, 12)), {"hidden_size": 4, "direction": "bidirectional", "clip": 1.5, "input_forget": 1}, outputs=("", "h", "c")),
    Case("LSTM", 14, (SEQUENCE, *weights(4)), {"hidden_size": 4, "activations": ["sigmoid", "LEAKYRELU", "tanh"], "activation_alpha": [0.25]}, known=(1, 2)),
    *(Case("GRU", opset, (SEQUENCE, *weights(3), normal(1, 24), LENGTHS), {"hidden_size": 4, "direction": "reverse", "linear_before_reset": linear}, known=(1, 2, 3), outputs=("y", "h")) for opset in (7, 14, 22) for linear in (0, 1)),
    Case("GRU", 14, (SEQUENCE, *weights(3)), {"hidden_size": 4}, known=(1, 2), outputs=("", "h")),
    *(Case("RNN", opset, (SEQUENCE, *weights(1)), {"hidden_size": 4, "activations": ["Relu"]}, known=(1, 2), outputs=("y", "h")) for opset in (7, 14, 22)),
)  # fmt: skip


def judged(case: Case) -> list[np.ndarray]:
    """What ONNX Runtime computes."""
    ort = pytest.importorskip("onnxruntime")
    options = ort.SessionOptions()
    options.log_severity_level = 4
    if case.op_type == "RoiAlign" and case.opset > 16:
        case = replace(case, opset=16)
    session = ort.InferenceSession(case.model(), options, providers=["CPUExecutionProvider"])
    return session.run(None, case.feeds())


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.op_type}-{case.opset}")
def test_a_session_agrees_with_onnxruntime(case: Case):
    """With known and with unknown shapes, at first and when a plan has been made for them."""
    expected = judged(case)
    for dynamic in (False, True):
        session = rt.InferenceSession(case.model(dynamic=dynamic))
        for _ in range(3):
            got = session.run(None, case.feeds())
            for one, other in zip(got, expected, strict=True):
                assert one.shape == other.shape
                assert one.dtype == other.dtype
                np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("case", "why"),
    [
        (Case("Upsample", 7, (IMAGE,)), '"scales" is missing'),
        (Case("Upsample", 10, (IMAGE, TWICE)), "removed in opset 10, where Resize takes its place"),
        (Case("Resize", 11, (IMAGE,)), "C1: needs either scales or sizes"),
        (Case("Resize", 13, (IMAGE, None, TWICE), {"mode": "area"}), 'C3: unknown mode "area"'),
        (Case("Resize", 13, (IMAGE, None, floats(2)), known=(2,)), "C2: 1 scales or sizes for 4"),
        (
            Case("GridSample", 16, (IMAGE, normal(1, 2, 3, 2)), {"mode": "linear"}),
            "C3: unknown mode",
        ),
        (
            Case("ConvTranspose", 11, (IMAGE, normal(4, 2, 3, 3)), {"kernel_shape": [2, 2]}),
            r"kernel_shape \[2, 2\] is not that of the weights \[3, 3\]",
        ),
        (Case("Einsum", 12, (IMAGE,), {"equation": "ij->k"}), 'C2: "k" of the result is in no'),
        (Case("Einsum", 12, (IMAGE,)), '"equation" is missing'),
        (
            Case("LSTM", 14, (SEQUENCE, *weights(4)), {"hidden_size": 5}),
            "hidden_size 5 is not that of the weights, 4",
        ),
        (
            Case("RNN", 14, (SEQUENCE, *weights(1)), {"activations": ["Swish"]}),
            'C4: unknown activation "Swish"',
        ),
        (Case("RNN", 14, (SEQUENCE, *weights(1)), {"input_forget": 1}), "has no attribute"),
    ],
)
def test_a_model_that_makes_no_sense_is_refused(case: Case, why: str):
    """By what the operator says, at import."""
    with pytest.raises(rt.PyFlameRTError, match=why):
        rt.InferenceSession(case.model())

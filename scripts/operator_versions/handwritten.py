"""Cases for versions that no case of the suite can be written for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from cases import Case, SequenceOf, one_node
from onnx import TensorProto, helper

_X = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
_IMAGE = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
_SEQUENCE = [np.full((2, k + 1), k, np.float32) for k in range(3)]
_FLOATS = SequenceOf(np.float32)


def cases() -> Sequence[Case]:
    """All of them."""
    return (*_resizing(), *_pooling(), *_random(), *_sequences(), *_others())


def _f32(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def _resizing() -> Iterator[Case]:
    """Scales as an attribute, then as an input, then between others."""
    for mode in ("nearest", "linear"):
        for scales in ((1.0, 1.0, 2.0, 3.0), (1.0, 1.0, 0.6, 0.5), (1.0, 1.0, 1.5, 0.75)):
            attributes = {"mode": mode}
            name = f"{mode}_{'_'.join(map(str, scales))}"
            yield one_node(
                f"upsample_{name}", "Upsample", 7, [_IMAGE], {**attributes, "scales": scales}
            )
            yield one_node(
                f"resize_{name}", "Resize", 10, [_IMAGE, _f32(*scales)], attributes, constant=(1,)
            )
            yield one_node(f"resize_fed_{name}", "Resize", 10, [_IMAGE, _f32(*scales)], attributes)
    sizes = np.array([1, 1, 7, 3], np.int64)
    for mode, coordinates in (
        ("nearest", "half_pixel"),
        ("linear", "pytorch_half_pixel"),
        ("linear", "tf_half_pixel_for_nn"),
        ("cubic", "align_corners"),
    ):
        attributes = {"mode": mode, "coordinate_transformation_mode": coordinates}
        yield one_node(
            f"resize_sizes_{coordinates}",
            "Resize",
            11,
            [_IMAGE, _f32(), _f32(), sizes],
            attributes,
            constant=(1, 2, 3),
        )
        yield one_node(
            f"resize_scales_{coordinates}",
            "Resize",
            11,
            [_IMAGE, _f32(), _f32(1, 1, 0.8, 2.5)],
            attributes,
            constant=(1, 2),
        )
    crop = {"mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize"}
    roi = _f32(0, 0, 0.4, 0.6, 1, 1, 0.6, 1.3)
    yield one_node(
        "resize_crop", "Resize", 11, [_IMAGE, roi, _f32(), sizes], crop, constant=(1, 2, 3)
    )


def _pooling() -> Iterator[Case]:
    for opset in (7, 22):
        for p in (1, 2, 3):
            yield one_node(f"global_lp_pool_p{p}", "GlobalLpPool", opset, [_X - 7], {"p": p})
        yield one_node("global_lp_pool", "GlobalLpPool", opset, [_X - 7])
        # Batch index, then two corners.
        rois = np.array([[0, 0, 0, 3, 3], [0, 1, 1, 2, 3], [0, 2, 0, 9, 1]], np.float32)
        for scale in (1.0, 0.5):
            yield one_node(
                f"max_roi_pool_{scale}",
                "MaxRoiPool",
                opset,
                [_IMAGE, rois],
                {"pooled_shape": [2, 2], "spatial_scale": scale},
            )


def _random() -> Iterator[Case]:
    """Of each type; results have nothing but that and a shape in common."""
    for opset in (7, 22):
        for code, kind in ((TensorProto.FLOAT, np.float32), (TensorProto.DOUBLE, np.float64)):
            for op in ("RandomNormal", "RandomUniform"):
                name = f"{op}_{np.dtype(kind)}"
                shape = {"shape": [2, 3], "dtype": code, "seed": 1.5}
                yield one_node(name, op, opset, [], shape, [kind])
                like = {"dtype": code, "seed": 2.0}
                yield one_node(f"{name}_like", f"{op}Like", opset, [_X], like, [kind])
                yield one_node(f"{name}_same", f"{op}Like", opset, [_X.astype(kind)], None, [kind])
        for code, kind in ((TensorProto.INT32, np.int32), (TensorProto.INT64, np.int64)):
            attributes = {"sample_size": 5, "dtype": code}
            scores = np.log(_f32(0.2, 0.3, 0.5, 0.1, 0.8, 0.1).reshape(2, 3))
            yield one_node(
                f"multinomial_{np.dtype(kind)}", "Multinomial", opset, [scores], attributes, [kind]
            )


def _sequences() -> Iterator[Case]:
    yield one_node("construct", "SequenceConstruct", 11, [_X, _X[..., :1], _X], None, [_FLOATS])
    yield one_node("empty", "SequenceEmpty", 11, [], None, [_FLOATS])
    integers = {"dtype": TensorProto.INT64}
    yield one_node("empty_i64", "SequenceEmpty", 11, [], integers, [SequenceOf(np.int64)])
    yield one_node("length", "SequenceLength", 11, [_SEQUENCE], None, [np.int64])
    for at in (0, 2, -1, -3):
        position = np.array(at, np.int64)
        yield one_node(f"at_{at}", "SequenceAt", 11, [_SEQUENCE, position])
        yield one_node(f"erase_{at}", "SequenceErase", 11, [_SEQUENCE, position], None, [_FLOATS])
    yield one_node("erase_last", "SequenceErase", 11, [_SEQUENCE], None, [_FLOATS])
    yield one_node("concat", "ConcatFromSequence", 11, [_SEQUENCE], {"axis": 1})
    same = [_X, _X + 1]
    for axis in (0, 2, -1):
        stacked = {"axis": axis, "new_axis": 1}
        yield one_node(f"stack_{axis}", "ConcatFromSequence", 11, [same], stacked)


def _others() -> Iterator[Case]:
    for opset in (15, 28):
        optional = helper.make_optional_type_proto(
            helper.make_tensor_type_proto(TensorProto.FLOAT, _X.shape)
        )
        yield one_node("optional", "Optional", opset, [_X], None, [optional])
    yield one_node("mvn", "MeanVarianceNormalization", 13, [_X * _X], {"axes": [0, 2, 3]})

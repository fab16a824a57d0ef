"""Where ONNX Runtime is no judge of images, windows and signals; see `onnxruntime_faults.py`."""

from __future__ import annotations

import numpy as np

from operator_cases.case import Case
from operator_cases.fault import Fault
from pyflame_rt.kernels.interpolation import coordinates, resized


def _resized(case: Case) -> list[tuple[int, int, float]]:
    """Size before and after, and scale, of each axis that a Resize lists."""
    x, *_ = case.arrays
    axes = case.attributes.get("axes", range(x.ndim))
    dims = [x.shape[axis] for axis in axes]
    at = 1 if case.opset < 11 else 2
    scales = case.inputs[at] if len(case.inputs) > at else None
    sizes = case.inputs[3] if len(case.inputs) > 3 else None
    if scales is not None and not scales.size:
        scales = None
    plan = resized(
        dims,
        None if scales is None else scales.tolist(),
        None if sizes is None else sizes.tolist(),
        case.attributes.get("keep_aspect_ratio_policy", "stretch"),
    )
    return [(dim, size, scale) for dim, (size, scale) in zip(dims, plan, strict=True)]


def _where(case: Case) -> str:
    if case.opset < 11:
        return "asymmetric"
    return case.attributes.get("coordinate_transformation_mode", "half_pixel")


def _corner_is_a_fraction(case: Case) -> bool:
    if _where(case) != "align_corners":
        return False
    off = (abs(dim * scale - size) for dim, size, scale in _resized(case))
    return max(off) > 1e-5


def _crops_what_keeps_its_size(case: Case) -> bool:
    scaled = any(scale == 1 for _, _, scale in _resized(case))
    return _where(case) == "tf_crop_and_resize" and scaled


def _scales_what_keeps_its_size(case: Case) -> bool:
    kept = any(dim == size and scale != 1 for dim, size, scale in _resized(case))
    return case.attributes.get("antialias") == 1 and kept


def _is_nearest_to_two(case: Case) -> bool:
    where = _where(case)
    if case.attributes.get("mode", "nearest") != "nearest":
        return False
    if where not in ("asymmetric", "half_pixel_symmetric"):
        return False
    for dim, size, scale in _resized(case):
        at = coordinates(where, dim, size, scale) * 2
        off = np.abs(at - np.rint(at))
        if scale != 1 and ((off != 0) & (off < 1e-4)).any():
            return True
    return False


def _half_of_another_length(case: Case) -> bool:
    if not (case.attributes.get("inverse") and case.attributes.get("onesided")):
        return False
    x = case.arrays[0]
    axis = case.attributes.get("axis", 1) if case.opset < 20 else -2
    if len(case.inputs) > 2 and case.inputs[2] is not None:
        axis = int(case.inputs[2])
    size, length = x.shape[axis], case.inputs[1] if len(case.inputs) > 1 else None
    count = 2 * (size - 1) if length is None else int(length)
    return count < 1 or count // 2 + 1 != size


def _is_no_number(case: Case) -> bool:
    alone = int(case.arrays[0]) == 1 and case.attributes.get("periodic") == 0
    return alone and case.attributes.get("output_datatype") in (6, 7)


FAULTS: tuple[Fault, ...] = (
    Fault(
        "corners-of-rounded-sizes",
        ("Resize",),
        "align_corners puts the last corner at the rounded size; ONNX's tests want it at the "
        "fraction that the scale gives",
        _corner_is_a_fraction,
    ),
    Fault(
        "cropping-at-scale-one",
        ("Resize",),
        "an axis of scale 1 is left as it is under tf_crop_and_resize, whatever its region",
        _crops_what_keeps_its_size,
    ),
    Fault(
        "antialiasing-at-one-size",
        ("Resize",),
        "with antialias an axis whose size stays is left as it is, although its scale is not 1",
        _scales_what_keeps_its_size,
    ),
    Fault(
        "nearest-of-two",
        ("Resize",),
        "coordinates that are whole or halves but for the rounding of float32 fall on either side",
        _is_nearest_to_two,
    ),
    Fault(
        "corners-of-one-element",
        ("AffineGrid",),
        "the one element of an axis is at its last corner, 1; ONNX's reference has it at -1",
        lambda case: case.attributes.get("align_corners") == 1 and 1 in case.arrays[1][2:],
    ),
    Fault(
        "halves-of-another-length",
        ("DFT",),
        "refused or unlike NumPy: half a spectrum that dft_length would not have",
        _half_of_another_length,
    ),
    Fault(
        "inverse-of-doubles",
        ("DFT",),
        "an inverse transform of float64 has the precision of float32",
        lambda case: case.arrays[0].dtype == np.float64 and bool(case.attributes.get("inverse")),
    ),
    Fault(
        "window-of-no-number",
        ("BlackmanWindow", "HammingWindow", "HannWindow"),
        "the least integer for NaN, which is what one element has that is not periodic",
        _is_no_number,
    ),
    Fault(
        "window-of-doubles",
        ("BlackmanWindow", "HammingWindow", "HannWindow"),
        "float64 has the precision of float32",
        lambda case: case.attributes.get("output_datatype") == 11,
    ),
    Fault(
        "shape-of-another-type",
        ("CenterCropPad",),
        "refused: a shape that is int32",
        lambda case: case.arrays[1].dtype == np.int32,
    ),
    Fault(
        "columns-of-volumes",
        ("Col2Im",),
        "dilations are wrong unless the image has two axes",
        lambda case: case.arrays[1].size != 2 and max(case.attributes.get("dilations", [1])) > 1,
    ),
    Fault(
        "unpooling-to-a-shape",
        ("MaxUnpool",),
        "indices count in output_shape; in ONNX's tests and reference, in the least shape",
        lambda case: len(case.inputs) > 2,
    ),
)
"""In the order they are tried."""

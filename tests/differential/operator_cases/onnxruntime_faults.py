"""Cases in which ONNX Runtime is no judge: it is wrong, crashes, or refuses what ONNX allows.

Each is told by a predicate as narrow as the fault; nothing else is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from operator_cases.case import Array, Case


@dataclass(frozen=True)
class Fault:
    """What ONNX Runtime does, of which operators, where `applies`."""

    name: str
    ops: tuple[str, ...]
    what: str
    applies: Callable[[Case], bool]


def fault_of(case: Case) -> Fault | None:
    """The fault that a case runs into."""
    return next((f for f in FAULTS if case.op in f.ops and f.applies(case)), None)


def _kind(case: Case) -> str:
    return case.arrays[0].dtype.kind


def _overflows(a: Array, b: Array) -> bool:
    least = np.iinfo(a.dtype).min
    return a.dtype.kind == "i" and bool(np.any(a == least)) and bool(np.any(b == -1))


def _integer_division(case: Case) -> bool:
    if _kind(case) not in "iu":
        return False
    a, b = case.arrays
    return bool(np.any(b == 0)) or _overflows(a, b)


def _has_nan(case: Case) -> bool:
    return any(a.dtype.kind == "f" and bool(np.isnan(a).any()) for a in case.arrays)


def _is_finite(case: Case) -> bool:
    return not (_has_nan(case) or _has_infinity(case))


def _has_infinity(case: Case) -> bool:
    return any(a.dtype.kind == "f" and bool(np.isinf(a).any()) for a in case.arrays)


def _is(case: Case, *dtypes: str) -> bool:
    return case.arrays[0].dtype in dtypes


def _sums_nothing(case: Case) -> bool:
    a = case.arrays[0]
    return a.shape[0 if case.attributes.get("transA") else -1] == 0


def _multiplies_nothing_badly(case: Case) -> bool:
    a, b = case.arrays
    if _sums_nothing(case) and (a.dtype.kind == "u" or min(a.ndim, b.ndim) == 1):
        return True
    empty = a.size == 0 or b.size == 0
    return empty and (min(a.ndim, b.ndim) == 1 or a.shape[:-2] != b.shape[:-2])


def _power_has_no_integer(case: Case) -> bool:
    base, exponent = case.arrays
    if base.dtype.kind != "i":
        return False
    with np.errstate(all="ignore"):
        return not np.isfinite(np.power(base.astype(np.float64), exponent)).all()


def _needs_more_than_double(case: Case) -> bool:
    wide = [np.abs(a.astype(np.float64)).max(initial=0) > 2**53 for a in case.arrays]
    return bool(case.attributes.get("fmod")) and _kind(case) in "iu" and any(wide)


def _axes(case: Case) -> list[int]:
    if len(case.inputs) > 1 and case.inputs[1] is not None:
        return case.inputs[1].tolist()
    return list(case.attributes.get("axes", ()))


def _branches_differ(case: Case) -> bool:
    then, otherwise = (
        case.attributes[name].node[0].op_type for name in ("then_branch", "else_branch")
    )
    return case.opset < 11 and then != otherwise


def _valid_and_rounded_up(case: Case) -> bool:
    return case.attributes.get("auto_pad") == "VALID" and case.attributes.get("ceil_mode") == 1


def _pads_beyond_strides(case: Case) -> bool:
    padding = case.attributes.get("output_padding", [])
    return any(p >= s for p, s in zip(padding, case.attributes["strides"], strict=False))


def _product_overflows(case: Case) -> bool:
    x = case.arrays[0]
    if x.dtype.kind != "i":
        return False
    product = np.prod(x.astype(np.float64), axis=tuple(_axes(case)) or None)
    return bool(np.any(np.abs(product) > np.iinfo(x.dtype).max))


def _splits_nothing(case: Case) -> bool:
    side = case.arrays[0].shape[case.attributes.get("axis", 0)]
    return side == 0 and "num_outputs" in case.attributes


def _same_and_dilated(case: Case) -> bool:
    same = str(case.attributes.get("auto_pad", "")).startswith("SAME")
    return same and max(case.attributes.get("dilations", [1])) > 1


def _lacks_a_bound(case: Case) -> bool:
    bounds = [b for b in case.inputs[1:] if b is not None]
    return len(bounds) + sum(name in case.attributes for name in ("min", "max")) < 2


def _steps_back_from_the_greatest(case: Case) -> bool:
    if len(case.inputs) < 5:
        return False
    ends, steps = case.inputs[2].tolist(), case.inputs[4].tolist()
    greatest = (2**31 - 1, 2**63 - 1)
    return any(end in greatest and step < 0 for end, step in zip(ends, steps, strict=True))


def _same_and_wide_strides(case: Case) -> bool:
    if not str(case.attributes.get("auto_pad", "")).startswith("SAME"):
        return False
    kernel = case.attributes.get("kernel_shape") or case.arrays[1].shape[2:]
    strides = case.attributes.get("strides", [1] * len(kernel))
    sides = zip(case.arrays[0].shape[2:], kernel, strides, strict=True)
    return any((-(-n // s) - 1) * s + k < n for n, k, s in sides)


def _normalizes_nothing(case: Case) -> bool:
    x = case.arrays[0]
    return x.size == 0


def _may_not_run(case: Case) -> bool:
    count, condition = case.inputs[:2]
    return (count is not None and int(count) == 0) or (condition is not None and not condition)


FAULTS: tuple[Fault, ...] = (
    Fault(
        "integer-division",
        ("Div", "Mod"),
        "dividing integers by zero, or the least by -1, kills the process (SIGFPE)",
        _integer_division,
    ),
    Fault(
        "remainder-through-double",
        ("Mod",),
        "fmod of 64-bit integers is computed in float64, which does not hold them",
        _needs_more_than_double,
    ),
    Fault(
        "no-number-as-integer",
        ("Pow",),
        "NaN and infinities become whatever integer the processor makes of them",
        _power_has_no_integer,
    ),
    Fault(
        "beta-of-nothing",
        ("Gemm",),
        "beta is ignored where there is nothing to sum",
        lambda case: _sums_nothing(case) and case.attributes.get("beta", 1) != 1,
    ),
    Fault(
        "matrices-of-nothing",
        ("MatMul",),
        "with nothing to sum, unsigned integers are refused and vectors give what was in memory; "
        "empty batches do not broadcast",
        _multiplies_nothing_badly,
    ),
    Fault(
        "same-padding-refuses-dilation",
        ("Conv",),
        "refused: auto_pad SAME_* with dilations",
        _same_and_dilated,
    ),
    Fault(
        "sign-of-nan",
        ("Sign",),
        "-1 in float16, where it is NaN in float32",
        lambda case: _is(case, "f2") and _has_nan(case),
    ),
    Fault(
        "clip-of-infinity",
        ("Clip",),
        "an absent bound is the largest finite number, as the letter of the definition has it; "
        "ONNX's reference lets infinities pass, and so do we",
        lambda case: _has_infinity(case) and _lacks_a_bound(case),
    ),
    Fault(
        "slice-backwards-to-the-greatest",
        ("Slice",),
        "the greatest int32 or int64 as end is before the first element when stepping backwards",
        _steps_back_from_the_greatest,
    ),
    Fault(
        "extremum-of-nan",
        ("ArgMax", "MaxPool", "ReduceMax", "ReduceMin", "TopK"),
        "NaN is passed over or not, depending on where it stands; ONNX's reference keeps it",
        _has_nan,
    ),
    Fault(
        "maximum-of-minus-infinity",
        ("MaxPool",),
        "the least finite number where a window holds nothing but -inf",
        lambda case: _kind(case) == "f" and bool(np.isneginf(case.arrays[0]).any()),
    ),
    Fault(
        "log-softmax-of-infinity",
        ("LogSoftmax",),
        "numbers beside a NaN or an infinity in float64, where all are NaN in float32",
        lambda case: _is(case, "f8") and not _is_finite(case),
    ),
    Fault(
        "mean-of-infinity",
        ("LayerNormalization",),
        "the output Mean is NaN where there is an infinity",
        lambda case: case.outputs > 1 and _has_infinity(case),
    ),
    Fault(
        "normalizing-nothing",
        ("LayerNormalization",),
        "refused: an input without elements",
        _normalizes_nothing,
    ),
    Fault(
        "same-padding-ignores-dilation",
        ("AveragePool", "MaxPool"),
        "auto_pad SAME_* takes the kernel as if it were not dilated, and gives another shape",
        _same_and_dilated,
    ),
    Fault(
        "same-padding-refuses-wide-strides",
        ("AveragePool", "Conv", "MaxPool"),
        "refused: auto_pad SAME_* with strides that pass over elements",
        _same_and_wide_strides,
    ),
    Fault(
        "mean-of-nothing",
        ("ReduceMean",),
        "0, where it is NaN along some axes only; ONNX leaves it open",
        lambda case: case.arrays[0].size == 0,
    ),
    Fault(
        "negative-axes-of-nothing",
        ("ReduceMax", "ReduceMin", "ReduceProd", "ReduceSum"),
        "a dimension of 0 stays when its axis is counted from the end",
        lambda case: case.arrays[0].size == 0 and any(axis < 0 for axis in _axes(case)),
    ),
    Fault(
        "valid-padding-rounded-up",
        ("AveragePool", "MaxPool"),
        "auto_pad VALID with ceil_mode counts windows that ONNX's formula does not",
        _valid_and_rounded_up,
    ),
    Fault(
        "branches-of-two-shapes",
        ("If",),
        "refused: branches of different shapes before opset 11, which ONNX allows since opset 1",
        _branches_differ,
    ),
    Fault(
        "extremum-of-no-booleans",
        ("ReduceMax", "ReduceMin"),
        "refused: booleans of an input without elements",
        lambda case: _kind(case) == "b" and case.arrays[0].size == 0,
    ),
    Fault(
        "output-padding-beyond-strides",
        ("ConvTranspose",),
        "refused: output_padding from the stride on, which ONNX allows below the dilation too",
        _pads_beyond_strides,
    ),
    Fault(
        "sizes-of-unknown-number",
        ("Resize",),
        "refused: sizes that are fed and whose number is not declared",
        lambda case: len(case.inputs) > 3 and 3 not in case.constants and case.shapes != "static",
    ),
    Fault(
        "one-hot-from-the-end",
        ("OneHot",),
        "negative indices count from the end before opset 11, which defines that",
        lambda case: case.opset < 11 and bool((case.arrays[0] < 0).any()),
    ),
    Fault(
        "product-overflow",
        ("ReduceProd",),
        "the least integer for some products that do not fit, which wrap otherwise",
        _product_overflows,
    ),
    Fault(
        "splitting-nothing",
        ("Split",),
        "refused: num_outputs of an axis of size 0",
        _splits_nothing,
    ),
    Fault(
        "axes-of-pad",
        ("Pad",),
        "refused: axes that are int32",
        lambda case: len(case.inputs) > 3 and case.inputs[3].dtype == np.int32,
    ),
    Fault(
        "scan-of-no-iteration",
        ("Loop",),
        "every dimension that shape inference does not know is 0 when there is no iteration",
        lambda case: case.shapes != "static" and _may_not_run(case),
    ),
)
"""In the order they are tried."""

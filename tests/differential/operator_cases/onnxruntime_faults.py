"""Cases in which ONNX Runtime is no judge: it is wrong, crashes, or refuses what ONNX allows.

Each is told by a predicate as narrow as the fault; nothing else is left out.
"""

from __future__ import annotations

import numpy as np

from operator_cases import image_faults, text_faults
from operator_cases.case import Array, Case
from operator_cases.fault import Fault


def _transform(case: Case) -> str | int:
    return case.attributes.get("post_transform", "NONE")


def _leaves_one_score(case: Case) -> bool:
    count = case.attributes.get("n_targets", case.attributes.get("targets", 1))
    plain = ("NONE", 0) if case.op == "SVMRegressor" else ("NONE", "PROBIT", 0, 4)
    return count == 1 and _transform(case) not in plain


def _classes(case: Case) -> int:
    names = ("classlabels_strings", "classlabels_int64s", "classlabels_ints")
    return max(len(case.attributes.get(name, ())) for name in names)


def _half_transforms_two(case: Case) -> bool:
    attributes, two = case.attributes, _classes(case) == 2
    if case.op == "TreeEnsembleClassifier":
        two = two and not any(attributes["class_ids"])
    elif case.op == "LinearClassifier":
        two = two and len(attributes["intercepts"]) == 1
    else:
        two = two and "support_vectors" in attributes and not attributes.get("prob_a")
    return two and _transform(case) == "PROBIT"


def _votes_for_both(case: Case) -> bool:
    return _classes(case) == 2 and any(case.attributes["class_ids"])


def _leaves_base_out(case: Case) -> bool:
    """Whether there are base values, and a leaf does not vote for some target."""
    attributes = case.attributes
    if "base_values" not in attributes and "base_values_as_tensor" not in attributes:
        return False
    leaves = attributes["nodes_modes"].count("LEAF")
    return len(attributes["target_ids"]) < leaves * attributes["n_targets"]


def _cuts_members(case: Case) -> bool:
    x = case.arrays[0]
    return "membership_values" in case.attributes and not np.array_equal(x, np.trunc(x))


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
    a, b = case.arrays[0], case.arrays[3 if case.op == "QLinearMatMul" else 1]
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


def _variance_axes(case: Case) -> tuple[int, ...]:
    return tuple(case.attributes.get("axes", (0, 2, 3)))


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
    weights = case.arrays[3 if case.op == "QLinearConv" else 1] if len(case.arrays) > 1 else None
    kernel = case.attributes.get("kernel_shape") or weights.shape[2:]
    strides = case.attributes.get("strides", [1] * len(kernel))
    sides = zip(case.arrays[0].shape[2:], kernel, strides, strict=True)
    return any((-(-n // s) - 1) * s + k < n for n, k, s in sides)


def _quotients(case: Case) -> tuple[Array, Array]:
    """x / scale as it is in the type of both, and in float32; 0 for NaN."""
    x, scale = case.arrays[:2]
    spread = scale.astype(np.float32)
    if scale.size > 1:
        axis = case.attributes["axis"] % x.ndim
        block = case.attributes.get("block_size", 0)
        if block:
            repeated = np.repeat(spread, block, axis)
            spread = np.take(repeated, range(x.shape[axis]), axis)
        else:
            spread = spread.reshape(-1, *(1,) * (x.ndim - axis - 1))
    with np.errstate(all="ignore"):
        wide = np.nan_to_num(x.astype(np.float32) / spread, posinf=np.inf, neginf=-np.inf)
        return wide.astype(x.dtype).astype(np.float32), wide


def _rounds_narrow_quotients(case: Case) -> bool:
    narrow, wide = _quotients(case)
    return not np.array_equal(np.rint(narrow), np.rint(wide))


def _quantizes_infinity_badly(case: Case) -> bool:
    return (_is(case, "f2") or "block_size" in case.attributes) and not _is_finite(case)


def _gives_masked_scores(case: Case) -> bool:
    if case.outputs < 4 or case.attributes.get("qk_matmul_output_mode") != 2:
        return False
    mask = case.inputs[3]
    truths = mask is not None and mask.dtype == np.bool_
    return truths or bool(case.attributes.get("is_causal"))


def _sees_what_comes_after(case: Case) -> bool:
    if not case.attributes.get("is_causal") or len(case.inputs) < 5 or case.inputs[4] is None:
        return False
    queries, keys, past = (case.inputs[k].shape[-2] for k in (0, 1, 4))
    return past > 0 and queries == 1 < keys


def _normalizes_nothing(case: Case) -> bool:
    x = case.arrays[0]
    return x.size == 0


def _may_not_run(case: Case) -> bool:
    count, condition = case.inputs[:2]
    return (count is not None and int(count) == 0) or (condition is not None and not condition)


FAULTS: tuple[Fault, ...] = (
    *image_faults.FAULTS,
    *text_faults.FAULTS,
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
        "masked-scores-are-finite",
        ("Attention",),
        "the score of a key that is not seen is the lowest number instead of -inf",
        _gives_masked_scores,
    ),
    Fault(
        "one-query-is-not-causal",
        ("Attention",),
        "with a past, a single query sees all of several new keys instead of the first",
        _sees_what_comes_after,
    ),
    Fault(
        "matrices-of-nothing",
        ("MatMul", "MatMulInteger", "QLinearMatMul"),
        "with nothing to sum, unsigned integers are refused and vectors give what was in memory; "
        "empty batches do not broadcast",
        _multiplies_nothing_badly,
    ),
    Fault(
        "same-padding-refuses-dilation",
        ("Conv", "ConvInteger", "QLinearConv"),
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
        ("ArgMax", "ArgMin", "MaxPool", "ReduceMax", "ReduceMin", "TopK"),
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
        ("AveragePool", "LpPool", "MaxPool"),
        "auto_pad SAME_* takes the kernel as if it were not dilated, and gives another shape",
        _same_and_dilated,
    ),
    Fault(
        "same-padding-refuses-wide-strides",
        ("AveragePool", "Conv", "ConvInteger", "MaxPool", "QLinearConv"),
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
        (
            "ReduceL1",
            "ReduceL2",
            "ReduceLogSum",
            "ReduceLogSumExp",
            "ReduceMax",
            "ReduceMin",
            "ReduceProd",
            "ReduceSum",
            "ReduceSumSquare",
        ),
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
        "narrow-quotients",
        ("QuantizeLinear",),
        "the quotient of two float16 is not rounded to float16, the type of the scale, which the "
        "definition makes the precision of the division",
        lambda case: _is(case, "f2") and _rounds_narrow_quotients(case),
    ),
    Fault(
        "quantizing-infinity",
        ("QuantizeLinear",),
        "what is not finite, in float16 or with blocks, becomes the least int32, to which the zero "
        "point is added",
        _quantizes_infinity_badly,
    ),
    Fault(
        "vector-of-one-block",
        ("DequantizeLinear", "QuantizeLinear"),
        "refused: a vector that is a single block",
        lambda case: "block_size" in case.attributes and case.arrays[1].shape == (1,),
    ),
    Fault(
        "mask-of-dropout",
        ("Dropout",),
        "a mask that drops everything before opset 12, beside an output that keeps everything",
        lambda case: case.opset < 12 and case.outputs > 1,
    ),
    Fault(
        "scan-of-no-iteration",
        ("Loop",),
        "every dimension that shape inference does not know is 0 when there is no iteration",
        lambda case: case.shapes != "static" and _may_not_run(case),
    ),
    Fault(
        "no-deviation",
        ("MeanVarianceNormalization",),
        "0 / 0 where there is no deviation, to which ONNX adds 1e-9",
        lambda case: bool(np.any(np.ptp(case.arrays[0], _variance_axes(case)) == 0)),
    ),
    Fault(
        "squares-of-nothing",
        ("RMSNormalization",),
        "the mean square of no elements is refused",
        lambda case: 0 in case.arrays[0].shape[case.attributes["axis"] :],
    ),
    Fault(
        "one-score-is-not-transformed",
        ("LinearRegressor", "SVMRegressor", "TreeEnsemble", "TreeEnsembleRegressor"),
        "post_transform is ignored where there is one target, but for PROBIT",
        _leaves_one_score,
    ),
    Fault(
        "one-class-is-not-transformed",
        ("SVMClassifier", "TreeEnsembleClassifier"),
        "post_transform is ignored where there is one class, but for PROBIT",
        lambda case: _classes(case) == 1 and _transform(case) not in ("NONE", "PROBIT"),
    ),
    Fault(
        "transforms-by-number",
        ("TreeEnsemble",),
        "post_transform 1 is LOGISTIC and 2 is SOFTMAX, which ONNX numbers the other way round",
        lambda case: _transform(case) in (1, 2),
    ),
    Fault(
        "probit-of-two-from-one",
        ("LinearClassifier", "SVMClassifier", "TreeEnsembleClassifier"),
        "of the scores of two classes that are made from one, the second is what was in memory",
        _half_transforms_two,
    ),
    Fault(
        "votes-for-two-classes",
        ("TreeEnsembleClassifier",),
        "two classes that both have votes: the label is 1 or 0, whatever the classes are called, "
        "by the second's score alone",
        _votes_for_both,
    ),
    Fault(
        "transforms-in-float",
        ("TreeEnsemble",),
        "post_transform is computed in float32 where everything else is in float64",
        lambda case: _is(case, "f8") and _transform(case) not in ("NONE", 0),
    ),
    Fault(
        "linear-machine-of-two-classes",
        ("SVMClassifier",),
        "without support vectors, the second of two classes is chosen where any score is positive",
        lambda case: _classes(case) == 2 and "support_vectors" not in case.attributes,
    ),
    Fault(
        "binarizing-nan",
        ("Binarizer",),
        "refused: NaN",
        _has_nan,
    ),
    Fault(
        "members-of-cut-numbers",
        ("TreeEnsemble",),
        "BRANCH_MEMBER looks at the whole part of a number alone",
        _cuts_members,
    ),
    Fault(
        "base-value-without-votes",
        ("TreeEnsembleRegressor",),
        "the score of a target that no vote is for is 0, not its base value",
        _leaves_base_out,
    ),
)
"""In the order they are tried."""

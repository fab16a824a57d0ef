"""What a case's results are, by whom, and whether ours are the same."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import ml_dtypes
import numpy as np
import onnxruntime
from cases import Case, Value
from onnx import TypeProto
from onnx.reference import ReferenceEvaluator
from stamping import CannotSay, stamped
from versions import NEWEST_JUDGED, only_types_differ, version_at

from pyflame_rt import InferenceSession, dtypes

RANDOM = ("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform",
          "RandomUniformLike")  # fmt: skip
"""Operators whose results have only a type and a shape that can be compared."""

WRONG_REFERENCE: Mapping[str, int] = {
    "BatchNormalization": 14,
    "Hardmax": 13,
    "LogSoftmax": 13,
    "OneHot": 11,
    "Softmax": 13,
}
"""Operators that onnx's reference evaluator computes wrongly before an opset."""


ROUNDING = 1e-6
"""What is forgiven an element, relative to the largest of its tensor."""


BFLOAT16 = 2**-6
"""What ONNX's own runner forgives a bfloat16: two units in the last place."""


class NoResult(Exception):
    """A judge cannot run the case; the message is why."""


@cache
def _options() -> Any:
    onnxruntime.set_default_logger_severity(4)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return options


def by_onnxruntime(case: Case) -> Sequence[Value]:
    """What ONNX Runtime computes, nothing optimised. Raises NoResult.

    What it lacks is told by the version before, where only types differ.
    """
    try:
        return _run_onnxruntime(case)
    except NoResult as error:
        if not only_types_differ(case.op, case.opset):
            raise
        try:
            older = stamped(case, version_at(case.op, case.opset) - 1)
        except CannotSay:
            raise error from None
        return by_onnxruntime(older)


def _run_onnxruntime(case: Case) -> Sequence[Value]:
    if case.opset > NEWEST_JUDGED:
        raise NoResult(f"onnxruntime knows opsets up to {NEWEST_JUDGED}")
    try:
        session = onnxruntime.InferenceSession(
            case.model.SerializeToString(), _options(), providers=["CPUExecutionProvider"]
        )
        results = session.run(None, dict(case.feed))
        types = [value.type for value in session.get_outputs()]
        return [_typed(value, kind) for value, kind in zip(results, types, strict=True)]
    except Exception as error:
        raise NoResult(f"onnxruntime: {_line(error)}") from error


def _typed(value: Value, kind: str) -> Value:
    """An array in the type that NumPy lacks, of which ONNX Runtime gives the bits."""
    row = {f"tensor({row.onnx_name})": row for row in dtypes.table()}.get(kind)
    if row is None or value is None or row.numpy.kind != "V":
        return value
    return value.view(row.numpy)


def by_reference(case: Case) -> Sequence[Value]:
    """What ONNX's reference evaluator computes. Raises NoResult."""
    if case.opset < WRONG_REFERENCE.get(case.op, 0):
        raise NoResult("onnx's reference computes the newest version")
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            results = ReferenceEvaluator(case.model).run(None, dict(case.feed))
            outputs = zip(results, case.model.graph.output, strict=True)
            return [_unwrapped(value, output.type) for value, output in outputs]
    except Exception as error:
        raise NoResult(f"reference: {type(error).__name__}: {_line(error)}") from error


def _unwrapped(value: Value, kind: TypeProto) -> Value:
    """An optional, which the evaluator keeps in a list."""
    if kind.HasField("optional_type") and isinstance(value, list):
        return value[0] if value else None
    return value


def ours(case: Case) -> Sequence[Value]:
    """What we compute."""
    return InferenceSession(case.model.SerializeToString()).run(None, dict(case.feed))


def difference(case: Case, actual: Sequence[Value], expected: Sequence[Value]) -> str:
    """What is wrong with actual results, "" when nothing is."""
    if len(actual) != len(expected):
        return f"{len(actual)} results, not {len(expected)}"
    found = (_difference(case, a, e) for a, e in zip(actual, expected, strict=True))
    return "; ".join(text for text in found if text)


def _difference(case: Case, actual: Value, expected: Value) -> str:
    if isinstance(expected, list) or isinstance(actual, list):
        if not isinstance(expected, list) or not isinstance(actual, list):
            return f"a {type(actual).__name__}, not a {type(expected).__name__}"
        return difference(case, actual, expected)
    if expected is None or actual is None:
        return "" if expected is actual else f"{actual}, not {expected}"
    a, e = np.asarray(actual), np.asarray(expected)
    a, e = (x.astype(object) if x.dtype.kind in "SU" else x for x in (a, e))
    if a.dtype != e.dtype or a.shape != e.shape:
        return f"{a.dtype}{a.shape}, not {e.dtype}{e.shape}"
    if case.op in RANDOM or _is_training(case):
        return ""
    if e.dtype.kind == "f" or e.dtype == ml_dtypes.bfloat16:
        left, right = a.astype(np.float64), e.astype(np.float64)
        # Sums of large numbers that come to little are as exact as those are.
        largest = np.max(np.abs(right), where=np.isfinite(right), initial=0)
        bound = max(case.atol, ROUNDING * largest)
        rtol = max(case.rtol, BFLOAT16) if e.dtype == ml_dtypes.bfloat16 else case.rtol
        if np.allclose(left, right, rtol, bound, equal_nan=True):
            return ""
        with np.errstate(all="ignore"):
            off = np.nanmax(np.abs(left - right), initial=0)
        return f"off by {off:.2g} at most: {_few(a)}, not {_few(e)}"
    same = np.array_equal(a, e) if e.dtype.kind != "V" else a.tobytes() == e.tobytes()
    return "" if same else f"{_few(a)}, not {_few(e)}"


def _is_training(case: Case) -> bool:
    """Whether it is a Dropout that drops."""
    node = case.model.graph.node[0]
    mode = node.input[2] if case.op == "Dropout" and len(node.input) > 2 else ""
    return bool(np.any(case.feed.get(mode, False)))


def _few(array: np.ndarray) -> str:
    shown = ", ".join(str(item) for item in array.reshape(-1)[:4])
    return f"[{shown}{', …' if array.size > 4 else ''}]"


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]

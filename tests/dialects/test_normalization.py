"""Type inference and costs of normalizations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from pyflame_rt.dialects.pfrt import normalization as norm
from pyflame_rt.dialects.pfrt.base import PfrtOp

DTYPES = [np.float32, np.float16, ml_dtypes.bfloat16, np.float64]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(4,), (2, 3), (2, 3, 4), (0, 3, 4), (2, 3, 4, 5)])
def test_inference_agrees_with_the_kernel(
    check_inference: Callable[..., PfrtOp], dtype: Any, shape: tuple[int, ...]
):
    """The result has the operand's type."""
    x, row = np.ones(shape, dtype), np.ones(shape[-1:], dtype)
    channels = np.ones(shape[1:2] or (1,), dtype)
    check_inference(norm.BatchNormalizationOp, [x, *[channels] * 4])
    check_inference(norm.LayerNormalizationOp, [x, row, None])
    check_inference(norm.LayerNormalizationOp, [x, row, row], {"axis": 0})
    check_inference(norm.BatchNormalizationTrainingOp, [x, *[channels] * 4])
    check_inference(norm.HardmaxOp, [x])
    check_inference(norm.LpNormalizationOp, [x], {"axis": 0, "p": 1})
    check_inference(norm.MeanVarianceNormalizationOp, [x], {"axes": (0, -1)[: len(shape)]})
    check_inference(norm.RmsNormalizationOp, [x, row])
    check_inference(norm.RmsNormalizationOp, [x, row.astype(np.float32)], {"axis": 0})
    check_inference(norm.SoftmaxOp, [x])
    check_inference(norm.LogSoftmaxOp, [x], {"axis": 0})
    if len(shape) > 1:
        check_inference(norm.LrnOp, [x], {"size": 3})
        groups = {"num_groups": shape[1]}
        check_inference(norm.GroupNormalizationOp, [x, channels, channels], groups)
    if len(shape) > 2:
        check_inference(norm.InstanceNormalizationOp, [x, channels, channels])


def test_statistics_may_have_another_float_type(check_inference: Callable[..., PfrtOp]):
    """The data's type decides."""
    one = np.ones(3, np.float32)
    op = check_inference(norm.BatchNormalizationOp, [np.ones((2, 3), np.float16), *[one] * 4])
    assert op.flops() == 2 * 6


def test_lrn_costs_its_window(check_inference: Callable[..., PfrtOp]):
    """Two for each of the squares, four for each element."""
    op = check_inference(norm.LrnOp, [np.ones((1, 3, 2), np.float32)], {"size": 5})
    assert op.flops() == 6 * 14

"""Type inference of losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.loss import NegativeLogLikelihoodLossOp


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16, np.float64])
@pytest.mark.parametrize("shape", [(3,), (3, 2), (0, 2), (3, 2, 4)])
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_inference_agrees_with_the_kernel(
    check_inference: Callable[..., PfrtOp], dtype: Any, shape: tuple[int, ...], reduction: str
):
    """With the targets' shape, or none."""
    x, weight = np.ones((shape[0], 5, *shape[1:]), dtype), np.ones(5, dtype)
    target = np.ones(shape, np.int32)
    properties = {"reduction": reduction, "ignore_index": -1}
    check_inference(NegativeLogLikelihoodLossOp, [x, target, None], properties)
    op = check_inference(NegativeLogLikelihoodLossOp, [x, target, weight], properties)
    assert op.flops() == 2 * target.size

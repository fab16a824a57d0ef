"""Type inference and costs of activations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from pyflame_rt.dialects.pfrt import activation
from pyflame_rt.dialects.pfrt.base import PfrtOp

_SEVERAL = (activation.ClipOp, activation.PreluOp, activation.SwigluOp)
UNARY = [op for op in activation.OPS if op not in _SEVERAL]


@pytest.mark.parametrize("op", UNARY)
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3, 4)])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16, np.float64])
def test_inference_agrees_with_the_kernel(
    check_inference: Callable[..., PfrtOp], op: type[PfrtOp], shape: tuple[int, ...], dtype: Any
):
    """The result has the operand's type, in every float type."""
    check_inference(op, [np.ones(shape, dtype)])


@pytest.mark.parametrize("slope", [(), (4,), (3, 1), (2, 3, 4)])
def test_prelu(check_inference: Callable[..., PfrtOp], slope: tuple[int, ...]):
    """The slope never changes the shape."""
    check_inference(activation.PreluOp, [np.ones((2, 3, 4), np.int32), np.ones(slope, np.int32)])


@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.int64])
def test_clip(check_inference: Callable[..., PfrtOp], dtype: Any):
    """Bounds as operands, as properties, one of each."""
    x, one = np.ones((2, 3), dtype), np.ones((), dtype)
    bound = one.item()
    check_inference(activation.ClipOp, [x, one, one])
    check_inference(activation.ClipOp, [x, None, one], {"min": bound})
    check_inference(activation.ClipOp, [x, None, None], {"min": bound, "max": bound})
    check_inference(activation.ClipOp, [x, None, None])


def test_flops_are_one_an_element(check_inference: Callable[..., PfrtOp]):
    """What cost models get; None as long as the size is unknown."""
    op = check_inference(activation.ReluOp, [np.ones((2, 3), np.float32)])
    assert op.flops() == 6
    assert op.bytes() == 48

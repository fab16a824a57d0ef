"""Type inference of draws, and that each is its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from xdsl.traits import is_side_effect_free
from xdsl.transforms.dead_code_elimination import would_be_trivially_dead

from pyflame_rt.dialects.pfrt import random
from pyflame_rt.dialects.pfrt.base import PfrtOp

HALF = np.full((2, 3), 0.5, np.float32)


@pytest.mark.parametrize("kind", [np.float32, np.float16, np.float64])
def test_inference_agrees_with_the_kernel(check_inference: Callable[..., PfrtOp], kind: Any):
    """By the type of a property, or the operand's."""
    dtype = {"dtype": np.dtype(kind)}
    shaped = {"shape": (2, 0, 3), **dtype}
    check_inference(random.RandomNormalOp, [], shaped)
    check_inference(random.RandomUniformOp, [], {"shape": ()})
    check_inference(random.RandomNormalLikeOp, [HALF.astype(np.int8)], dtype)
    check_inference(random.RandomUniformLikeOp, [HALF.astype(kind)])
    check_inference(random.BernoulliOp, [HALF.astype(kind)])
    check_inference(random.BernoulliOp, [HALF], {"dtype": np.dtype(np.bool_)})
    check_inference(random.MultinomialOp, [HALF.astype(kind)], {"sample_size": 4})
    x, flag = HALF.astype(kind), np.array([True])
    check_inference(random.DropoutOp, [x, np.array(0.5, kind), flag], {"seed": 3})


@pytest.mark.parametrize("op_class", random.OPS, ids=lambda op: op.name)
def test_a_draw_may_go_but_not_be_shared(op_class: type[PfrtOp], check_inference: Any):
    """Whether it has a seed or not."""
    like = issubclass(op_class, random.ShapedRandomOp)
    operands = [] if like else [HALF]
    if op_class is random.DropoutOp:
        operands = [HALF, np.array(0.5), np.array(False)]
    op = check_inference(op_class, operands, {"shape": (2,)} if like else None)
    assert not is_side_effect_free(op)
    assert would_be_trivially_dead(op)

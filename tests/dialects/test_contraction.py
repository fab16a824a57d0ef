"""Type inference and costs of matrix products."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.contraction import GemmOp, MatmulOp


def ones(*shape: int) -> np.ndarray:
    """A float32 array."""
    return np.ones(shape, np.float32)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    shapes=hnp.mutually_broadcastable_shapes(
        signature="(m?,k),(k,n?)->(m?,n?)", max_dims=2, min_side=0, max_side=4
    )
)
def test_matmul_inference_agrees_with_the_kernel(
    check_inference: Callable[..., PfrtOp], shapes: hnp.BroadcastableShapes
):
    """Vectors, matrices, broadcasting batches."""
    check_inference(MatmulOp, [ones(*shape) for shape in shapes.input_shapes])


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    size=st.tuples(*[st.integers(0, 4)] * 3),
    trans=st.tuples(st.booleans(), st.booleans()),
    addend=st.sampled_from([None, "scalar", "row", "column", "matrix"]),
)
def test_gemm_inference_agrees_with_the_kernel(
    check_inference: Callable[..., PfrtOp],
    size: tuple[int, int, int],
    trans: tuple[bool, bool],
    addend: str | None,
):
    """Every transposition and shape of the addend."""
    m, k, n = size
    shapes = {"scalar": (), "row": (n,), "column": (m, 1), "matrix": (m, n)}
    a, b = ones(*((k, m) if trans[0] else (m, k))), ones(*((n, k) if trans[1] else (k, n)))
    c = None if addend is None else ones(*shapes[addend])
    check_inference(GemmOp, [a, b, c], {"trans_a": trans[0], "trans_b": trans[1]})


@pytest.mark.parametrize(
    ("op", "operands", "flops"),
    [
        (MatmulOp, [ones(5, 2, 3), ones(3, 4)], 2 * 5 * 2 * 3 * 4),
        (MatmulOp, [ones(3), ones(3)], 2 * 3),
        (GemmOp, [ones(2, 3), ones(3, 4), None], 2 * 2 * 3 * 4),
        (GemmOp, [ones(2, 3), ones(3, 4), ones(4)], 2 * 2 * 3 * 4 + 2 * 4),
    ],
)
def test_flops_count_a_multiply_add_as_two(
    check_inference: Callable[..., PfrtOp],
    op: type[PfrtOp],
    operands: list[np.ndarray | None],
    flops: int,
):
    """What cost models get."""
    assert check_inference(op, operands).flops() == flops

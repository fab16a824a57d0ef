"""Ops of the indexing family in a plan: what depends on values is owned, the rest has its place.

Each case runs with the op's buffers as arguments and results, with them in the arena between other
ops (which turn the signs of indices), and with every dimension `?`.
"""

from __future__ import annotations

import numpy as np
import pytest

X = np.random.default_rng(0).integers(-2, 3, (3, 4)).astype(np.float32)
Y = X.astype(np.int64)
TRUTHS = X > 0


def i64(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


CASES = [
    ("non_zero", [X], {}, ()),
    ("non_zero", [np.array(1.0)], {}, ()),
    ("compress", [X, TRUTHS[0]], {"axis": 1}, ()),
    ("compress", [Y, TRUTHS.reshape(-1)], {}, ()),
    ("unique", [X], {}, ()),
    ("unique", [Y], {"axis": 1, "sorted": False}, ()),
    ("gather_elements", [X, np.abs(Y[:, :2])], {"axis": 1}, ()),
    ("gather_nd", [X, np.abs(Y[:2, :2])], {}, ()),
    ("gather_nd", [X, np.abs(Y[:, :1])], {"batch_dims": 1}, ()),
    ("scatter_elements", [X, np.abs(Y), X + 1], {"axis": 1, "reduction": "add"}, ()),
    ("scatter_elements", [TRUTHS, np.abs(Y), ~TRUTHS], {}, ()),
    ("scatter_nd", [X, np.abs(Y[:2, :1]), X[:2]], {"reduction": "max"}, ()),
    ("top_k", [X, None], {"k": 2}, ()),
    ("top_k", [X, i64(2)], {"axis": 0, "largest": False}, (1,)),
    ("one_hot", [Y, None, i64(0, 1)], {"depth": 3}, ()),
    ("one_hot", [Y, i64(3), i64(0, 1)], {"axis": 0}, (1,)),
    ("trilu", [X, np.array(1)], {}, ()),
    ("trilu", [X[None], None], {"k": -1, "upper": False}, ()),
    ("eye_like", [X], {"k": 1, "dtype": np.dtype(np.int32)}, ()),
    ("cum_sum", [X, np.array(0)], {"exclusive": True}, ()),
    ("cum_sum", [X, None], {"axis": 1, "reverse": True}, ()),
    ("reverse_sequence", [X, i64(2, 3, 0, 1)], {}, (1,)),
    ("bitwise_and", [Y, Y[0]], {}, ()),
    ("bitwise_not", [Y], {}, ()),
    ("bit_shift", [Y, i64(1, 2, 0, 64)], {"direction": "LEFT"}, ()),
]


@pytest.mark.parametrize(("op", "operands", "properties", "constants"), CASES)
def test_plans_agree(op, operands, properties, constants, check_case, new_case):
    check_case(new_case(op, operands, properties, constants))


@pytest.mark.parametrize("op", ["non_zero", "unique"])
@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0)])
def test_plans_of_nothing_agree(op, shape, check_case, new_case):
    """Owned results may be empty."""
    check_case(new_case(op, [np.zeros(shape, np.float32)], {}))

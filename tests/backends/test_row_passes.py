"""Passes over blocks: activations as exact as their formulas say, rows normalized some at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pyflame_rt.backends.numpy_backend import blocks
from pyflame_rt.backends.numpy_backend.algorithms import layer_norm

X = np.concatenate(
    [
        np.linspace(-9, 9, 40_001),
        np.logspace(-38, 38, 500),
        -np.logspace(-38, 38, 500),
        [0.0, -0.0, np.inf, -np.inf, np.nan],
    ]
).astype(np.float32)


def test_erf_is_exact_to_three_units_in_the_last_place(new_case, compile_both):
    """Nearly everywhere to one, and at infinity too."""
    text = f"""func.func @main(%x: tensor<{X.size}xf32>) -> tensor<{X.size}xf32> {{
      %y = pfrt.erf %x : tensor<{X.size}xf32> -> tensor<{X.size}xf32>
      func.return %y : tensor<{X.size}xf32>
    }}"""
    wanted = np.array([math.erf(x) for x in X.tolist()])
    for executable in compile_both(text)[1:]:
        (found,) = executable.run([X])
        with np.errstate(all="ignore"):
            units = np.abs(found - wanted) / np.spacing(np.abs(wanted).astype(np.float32))
        assert np.isnan(found[-1])
        assert np.nanmax(units) <= 3
        assert np.mean(units[:-1] > 1) < 0.02


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu(approximate: str, check_case, new_case):
    """Both forms, to a millionth of the operand, over what is finite."""
    finite = X[np.abs(X) < 1e15]
    case = new_case("gelu", [finite], {"approximate": approximate})
    check_case(case, rtol=2e-6, atol=1e-6)


ACTIVATIONS = (
    ("relu", {}), ("leaky_relu", {}), ("elu", {"alpha": 0.7}), ("celu", {"alpha": 1.5}),
    ("sigmoid", {}), ("swish", {}), ("hard_swish", {}), ("hard_sigmoid", {}), ("softsign", {}),
    ("mish", {}), ("gelu", {}), ("clip", {"min": -1.0, "max": 2.0}), ("erf", {}), ("softplus", {}),
)  # fmt: skip


@pytest.mark.parametrize(("name", "properties"), ACTIVATIONS)
def test_more_than_a_block(name: str, properties: dict, check_case, new_case, monkeypatch):
    """Stretches meet without gaps, and the last may be shorter."""
    monkeypatch.setattr(blocks, "BLOCK", 64)
    monkeypatch.setattr("pyflame_rt.backends.numpy_backend.calls.BLOCK", 64)
    blocks.zeros.cache_clear()
    x = np.linspace(-4, 4, 7 * 15, dtype=np.float32).reshape(7, 15)
    check_case(new_case(name, [x], properties), rtol=1e-5, atol=1e-6)
    blocks.zeros.cache_clear()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("axis", [-1, 1, 0])
@pytest.mark.parametrize("op", ["layer_normalization", "rms_normalization"])
def test_norms_of_rows(op: str, axis: int, dtype: type, check_case, new_case, monkeypatch):
    """Of one axis and of several, with and without a bias, a few rows at a time."""
    monkeypatch.setattr(layer_norm, "_ROWS_AT_ONCE", 100)
    rng = np.random.default_rng(1)
    x = (rng.standard_normal((3, 5, 12)) * 3 + 2).astype(dtype)
    scale, bias = (rng.standard_normal(x.shape[axis:]).astype(dtype) for _ in range(2))
    others = [[scale]] if op == "rms_normalization" else [[scale, bias], [scale, None]]
    for operands in others:
        case = new_case(op, [x, *operands], {"axis": axis, "epsilon": 1e-3})
        check_case(case, rtol=2e-5, atol=1e-5)

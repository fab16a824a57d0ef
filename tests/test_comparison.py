"""What counts as agreement, and how far apart values are."""

from __future__ import annotations

import json

import ml_dtypes
import numpy as np
import pytest

from pyflame_rt import random_inputs
from pyflame_rt.comparison import Tolerance, compare, compare_all, worst
from pyflame_rt.compiler import TensorSpec
from pyflame_rt.dtypes import table
from pyflame_rt.errors import InputError

EXACT = Tolerance(0, 0)


def test_distances_are_those_documented():
    found = compare("y", np.array([1.0, 4.5]), np.array([1.0, -4.0]), Tolerance(1, 100))
    assert (found.absolute, found.relative, found.agrees) == (8.5, 2.125, True)


@pytest.mark.parametrize(
    ("actual", "expected", "agrees"),
    [
        ([np.nan, np.inf], [np.nan, np.inf], True),
        ([np.nan], [1.0], False),
        ([np.inf], [-np.inf], False),
        ([np.inf], [1e30], False),
        ([1.0], [np.nextafter(1.0, 2)], False),
        ([], [], True),
    ],
)
def test_special_values_agree_only_with_themselves(actual, expected, agrees: bool):
    found = compare("y", np.array(actual), np.array(expected), EXACT)
    assert found.agrees is agrees
    json.dumps(found.as_json(), allow_nan=False)


def test_shape_and_dtype_must_be_equal():
    base = np.zeros((2, 1), np.float32)
    for other in (np.zeros((1, 2), np.float32), np.zeros((2, 1), np.float64)):
        found = compare("y", base, other, Tolerance(1, 1))
        assert (found.absolute, found.agrees) == (None, False)
        assert "expected" in str(found)


@pytest.mark.parametrize(
    "dtype", [ml_dtypes.bfloat16, np.int8, np.bool_, np.complex64, ml_dtypes.int4]
)
def test_every_element_type_compares(dtype):
    one, zero = np.ones(3, dtype), np.zeros(3, dtype)
    assert compare("y", one, one, EXACT).agrees
    assert compare("y", one, zero, EXACT).absolute == 1.0


def test_the_worst_is_the_largest_relative_and_mismatches_before_all():
    values = {"a": np.array([1.0]), "b": np.array([100.0]), "c": np.array([1.0, 1.0])}
    expected = {"a": np.array([1.1]), "b": np.array([101.0]), "x": np.array([0.0])}
    found = compare_all(values, expected, EXACT)
    assert [d.name for d in found] == ["a", "b"], "only values that both sides have"
    assert worst(found).name == "a"
    assert worst((*found, compare("c", values["c"], values["a"], EXACT))).name == "c"
    assert worst(()) is None


@pytest.mark.parametrize("row", table(), ids=lambda row: row.mlir)
def test_random_arrays_exist_for_every_dtype_and_repeat(row):
    first, second = (
        random_inputs.random_array(row.numpy, (2, 3), np.random.default_rng(7)) for _ in range(2)
    )
    assert (first.dtype, first.shape) == (row.numpy, (2, 3))
    assert first.tobytes() == second.tobytes()


def test_symbols_take_their_sizes_and_unknown_ones_are_named():
    specs = [
        TensorSpec("x", np.dtype(np.float32), ("N", None, 3)),
        TensorSpec("s", np.dtype("i8"), ()),
    ]
    assert random_inputs.resolve_shapes(specs, {"N": 5}) == ((5, 1, 3), ())
    with pytest.raises(InputError, match='no input has a dimension "M"; its symbols are N'):
        random_inputs.resolve_shapes(specs, {"M": 5})
    with pytest.raises(InputError, match='input "u": its rank is unknown'):
        random_inputs.resolve_shapes([TensorSpec("u", np.dtype("i8"), None)], {})

"""What every pfrt op relies on: names, constants as attributes, the dialect's registration."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from pyflame_rt import dtypes
from pyflame_rt.dialects.pfrt import operations
from pyflame_rt.dialects.pfrt.attributes import NamesAttr, WeightAttr
from pyflame_rt.dialects.pfrt.names import op_name_of, op_type_of
from pyflame_rt.dialects.pfrt.types import (
    constant_array,
    constant_attr,
    element_type,
    from_property,
    numpy_dtype,
    to_property,
)


@pytest.mark.parametrize("row", dtypes.table(), ids=lambda row: row.mlir)
def test_every_dtype_has_an_element_type(row: dtypes.DTypeRow) -> None:
    assert str(element_type(row.numpy)) == row.mlir
    assert numpy_dtype(element_type(row.numpy)) == row.numpy


@given(
    npst.arrays(
        st.sampled_from(
            [np.float32, np.float64, np.float16, np.int64, np.uint8, np.int8, np.bool_]
        ),
        npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    )
)
def test_constants_keep_their_bits(array: np.ndarray[Any, Any]) -> None:
    """An array put into an attribute comes back with dtype, shape and every bit."""
    back = constant_array(constant_attr(array))
    assert back is not None
    assert (back.dtype, back.shape, back.tobytes()) == (array.dtype, array.shape, array.tobytes())


def test_large_constants_are_handles() -> None:
    array = np.zeros(1025, np.float32)
    attr = constant_attr(array)
    assert isinstance(attr, WeightAttr) and np.shares_memory(attr.data.array, array)
    assert not isinstance(constant_attr(array[:1024] + 1), WeightAttr)


def test_names_do_not_tell_ops_apart() -> None:
    """cse merges ops that differ in nothing but their names."""
    assert NamesAttr.of(["a"]) == NamesAttr.of(["b"])
    assert len({NamesAttr.of(["a"]), NamesAttr.of(["b"])}) == 1


@pytest.mark.parametrize("value", [True, 3, 0.5, "text", (1, 2), (), ("a", "b"), np.dtype("f4")])
def test_property_values_round_trip(value: Any) -> None:
    assert from_property(to_property(value)) == value


def test_op_types_and_op_names_are_one_rule() -> None:
    """Every op's ONNX name leads back to the op."""
    for name in operations():
        assert op_name_of(op_type_of(name)) == name
    assert op_name_of("GlobalAveragePool") == "pfrt.global_average_pool"
    assert op_type_of("pfrt.matmul") == "MatMul"

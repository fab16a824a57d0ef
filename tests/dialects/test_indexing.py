"""Type inference and canonical forms of the ops that find elements by their indices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from xdsl.dialects.builtin import TensorType, UnrankedTensorType, f32, f64, i1, i32, i64
from xdsl.ir import Attribute
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.test_value import create_ssa_value

from pyflame_rt import kernels
from pyflame_rt.dialects.pfrt import indexing, operations
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.lattice import compatible
from pyflame_rt.dialects.pfrt.types import DYNAMIC, from_properties, tensor_of, type_of

DRAWN = settings(max_examples=25, deadline=None, derandomize=True)
SHAPES = hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=3)


def made(name: str, kinds: Sequence[Attribute | None], properties: dict[str, Any]) -> PfrtOp:
    """A verified op on values of these types."""
    operands = [None if kind is None else create_ssa_value(kind) for kind in kinds]
    op = operations()[f"pfrt.{name}"].create_op(operands, properties)
    assert isinstance(op, PfrtOp)
    op.verify()
    return op


def types(op: PfrtOp) -> list[str]:
    """The types of the op's results as text."""
    return [str(result.type) for result in op.results]


@DRAWN
@given(data=st.data(), shape=SHAPES)
def test_gathering(check_inference: Callable[..., PfrtOp], data: st.DataObject, shape: Any):
    x, rank = np.ones(shape, np.float32), len(shape)
    axis = data.draw(st.integers(-rank, rank - 1))
    sides = [st.integers(0, 4 if k == axis % rank else dim) for k, dim in enumerate(shape)]
    indices = np.zeros(data.draw(st.tuples(*sides)), np.int64)
    check_inference(indexing.GatherElementsOp, [x, indices], {"axis": axis})
    check_inference(
        indexing.ScatterElementsOp,
        [x, indices, np.ones(indices.shape, np.float32)],
        {"axis": axis, "reduction": data.draw(st.sampled_from(["none", "add", "max"]))},
    )


@DRAWN
@given(data=st.data(), shape=SHAPES, outer=hnp.array_shapes(min_dims=0, max_dims=2, min_side=0))
def test_gathering_by_tuples(
    check_inference: Callable[..., PfrtOp], data: st.DataObject, shape: Any, outer: Any
):
    x = np.ones(shape, np.float32)
    batch = data.draw(st.integers(0, len(shape) - 1))
    width = data.draw(st.integers(0, len(shape) - batch))
    indices = np.zeros((*shape[:batch], *outer, width), np.int32)
    check_inference(indexing.GatherNdOp, [x, indices], {"batch_dims": batch})
    indices = np.zeros((*outer, width), np.int64)
    updates = np.ones((*outer, *shape[width:]), np.float32)
    check_inference(indexing.ScatterNdOp, [x, indices, updates], {"reduction": "mul"})


@DRAWN
@given(data=st.data(), shape=SHAPES)
def test_orders(check_inference: Callable[..., PfrtOp], data: st.DataObject, shape: Any):
    x, rank = np.ones(shape, np.float32), len(shape)
    axis = data.draw(st.integers(-rank, rank - 1))
    k = data.draw(st.integers(0, shape[axis]))
    positions = indexing.positions
    check_inference(positions.TopKOp, [x, None], {"k": k, "axis": axis})
    check_inference(positions.CumSumOp, [x, None], {"axis": axis, "exclusive": True})
    one_hot = {"depth": 3, "axis": data.draw(st.integers(-rank - 1, rank))}
    check_inference(positions.OneHotOp, [x, None, np.ones(2, np.int8)], one_hot)


@pytest.mark.parametrize("dtype", [None, np.float16, np.bool_])
def test_matrices(check_inference: Callable[..., PfrtOp], dtype: Any):
    x, positions = np.ones((2, 3), np.int64), indexing.positions
    kind = {} if dtype is None else {"dtype": np.dtype(dtype)}
    check_inference(positions.EyeLikeOp, [x], {"k": 1, **kind})
    check_inference(positions.TriluOp, [x[None], None], {"k": -1, "upper": False})
    check_inference(positions.TriluOp, [x, None])
    check_inference(indexing.ReverseSequenceOp, [x, np.ones(3, np.int64)])
    lengths = {"batch_axis": 0, "time_axis": 1}
    check_inference(indexing.ReverseSequenceOp, [x, np.ones(2, np.int64)], lengths)


@pytest.mark.parametrize(
    ("name", "arrays", "properties", "want"),
    [
        ("non_zero", [(2, 3)], {}, ["tensor<2x?xi64>"]),
        ("non_zero", [()], {}, ["tensor<0x?xi64>"]),
        ("compress", [(2, 3), (3,)], {"axis": -1}, ["tensor<2x?xf32>"]),
        ("compress", [(2, 3), (3,)], {}, ["tensor<?xf32>"]),
        (
            "unique",
            [(2, 3)],
            {},
            ["tensor<?xf32>", "tensor<?xi64>", "tensor<6xi64>", "tensor<?xi64>"],
        ),
        (
            "unique",
            [(2, 3)],
            {"axis": -1},
            ["tensor<2x?xf32>", "tensor<?xi64>", "tensor<3xi64>", "tensor<?xi64>"],
        ),
    ],
)
def test_what_depends_on_values_is_not_known(name: str, arrays: Any, properties: Any, want: Any):
    """And agrees with what the kernel gives, however little is known of the operands."""
    given_arrays = [np.ones(arrays[0], np.float32)] + [np.ones(s, np.bool_) for s in arrays[1:]]
    op = made(name, [tensor_of(array) for array in given_arrays], properties)
    assert types(op) == want
    got = kernels.table()[name](*given_arrays, **from_properties(op.kernel_properties()))
    results = got if isinstance(got, tuple) else (got,)
    for blur in (
        lambda kind: kind,
        lambda kind: TensorType(kind.element_type, [DYNAMIC] * len(kind.get_shape())),
        lambda kind: UnrankedTensorType(kind.element_type),
    ):
        vague = made(name, [blur(tensor_of(array)) for array in given_arrays], properties)
        for result, array in zip(vague.results, results, strict=True):
            assert compatible(type_of(result), tensor_of(array))


def matrix(*dims: int, kind: Attribute = f32) -> TensorType[Any]:
    return TensorType(kind, dims)


@pytest.mark.parametrize(
    ("name", "kinds", "properties", "want"),
    [
        ("top_k", [matrix(4, 8), matrix(1, kind=i64)], {}, ["tensor<4x?xf32>", "tensor<4x?xi64>"]),
        ("top_k", [UnrankedTensorType(f32), None], {"k": 2}, ["tensor<*xf32>", "tensor<*xi64>"]),
        ("one_hot", [matrix(4, kind=i64), matrix(kind=i64), matrix(2)], {}, ["tensor<4x?xf32>"]),
        ("cum_sum", [matrix(4, DYNAMIC), matrix(kind=i32)], {}, ["tensor<4x?xf32>"]),
        ("trilu", [matrix(4, DYNAMIC), matrix(kind=i64)], {}, ["tensor<4x?xf32>"]),
        ("eye_like", [UnrankedTensorType(f32)], {}, ["tensor<?x?xf32>"]),
        ("gather_elements", [matrix(4, 8), UnrankedTensorType(i64)], {}, ["tensor<?x?xf32>"]),
        ("gather_nd", [matrix(4, 8), matrix(3, DYNAMIC, kind=i64)], {}, ["tensor<*xf32>"]),
        (
            "gather_nd",
            [matrix(4, 8), matrix(DYNAMIC, 1, kind=i64)],
            {"batch_dims": 1},
            ["tensor<4xf32>"],
        ),
    ],
)
def test_what_is_known_at_run_time_only(name: str, kinds: Any, properties: Any, want: list[str]):
    assert types(made(name, kinds, properties)) == want


@pytest.mark.parametrize(
    ("name", "parameter", "array", "others"),
    [
        ("top_k", "k", np.array([2]), []),
        ("top_k", "k", np.array(2, np.int32), []),
        ("one_hot", "depth", np.array([2.9], np.float32), [matrix(2)]),
        ("one_hot", "depth", np.array(2, np.uint8), [matrix(2)]),
        ("cum_sum", "axis", np.array([-1]), []),
        ("trilu", "k", np.array([[1]]).reshape(1), []),
    ],
)
def test_a_constant_number_is_known(name: str, parameter: str, array: np.ndarray, others: Any):
    """It becomes an i64 property whatever its rank and type, and the types are known before."""
    x = create_ssa_value(matrix(3, 4))
    operands = [x, ConstantOp.get(array).result, *(create_ssa_value(kind) for kind in others)]
    op_class = operations()[f"pfrt.{name}"]
    op = op_class.create_op(operands, {})
    op.verify()
    attr = op_class.constant_property(parameter, array)
    as_property = op_class.create_op([x, None, *operands[2:]], {parameter: attr})
    as_property.verify()
    assert types(op) == types(as_property)
    assert all("?" not in text for text in types(op))


@pytest.mark.parametrize("array", [np.array([1, 2]), np.array(np.nan), np.array(1e30)])
def test_what_is_no_number_stays_an_operand(array: np.ndarray):
    assert indexing.positions.OneHotOp.constant_property("depth", array) is None


@pytest.mark.parametrize(
    ("name", "kinds", "properties", "constraint"),
    [
        ("top_k", [matrix(4), None], {}, "C3"),
        ("top_k", [matrix(4, kind=i1), None], {"k": 1}, "C1"),
        ("one_hot", [matrix(4, kind=i64), None, matrix(3)], {"depth": 1}, "C4"),
        ("cum_sum", [matrix(4), matrix(kind=f64)], {}, "C2"),
        ("gather_nd", [matrix(4), matrix(1, kind=i64)], {"batch_dims": -1}, "C2"),
        ("reverse_sequence", [matrix(4, 2), matrix(2, kind=i64)], {"time_axis": -2}, "C2"),
    ],
)
def test_building_checks_constraints(name: str, kinds: Any, properties: Any, constraint: str):
    with pytest.raises(VerifyException, match=f"pfrt.{name}: {constraint}: "):
        made(name, kinds, properties)


def test_costs():
    """Moving elements computes nothing; combining, adding and ordering do."""
    x, i, u = matrix(8), matrix(3, kind=i64), matrix(3)
    assert made("scatter_elements", [x, i, u], {}).flops() == 0
    assert made("scatter_elements", [x, i, u], {"reduction": "add"}).flops() == 3
    assert made("top_k", [x, None], {"k": 1}).flops() == 8
    assert made("cum_sum", [x, None], {"axis": 0}).flops() == 8
    assert made("unique", [x], {}).flops() == 8
    assert made("unique", [matrix(DYNAMIC)], {}).flops() is None

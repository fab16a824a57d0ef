"""Type inference of the ops that rearrange elements, and the safety of their rewrites."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from xdsl.dialects.builtin import TensorType, UnrankedTensorType, f32, i64
from xdsl.ir import SSAValue
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.test_value import create_ssa_value

from pyflame_rt import kernels
from pyflame_rt.dialects.pfrt import pieces, shape
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.lattice import compatible
from pyflame_rt.dialects.pfrt.types import DYNAMIC, from_properties, tensor_of, type_of

DRAWN = settings(max_examples=40, deadline=None, derandomize=True)
SHAPES = hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4)


def value_of(*dims: int) -> SSAValue:
    """A value of f32 with these dimensions."""
    return create_ssa_value(TensorType(f32, dims))


def check_operands(
    op_class: type[PfrtOp], x: np.ndarray, values: Sequence[Any], properties: dict[str, Any]
) -> None:
    """With parameters as operands: constants give the kernel's very type, unknown ones a type that
    agrees with it, whatever is known of x."""
    arrays = [None if value is None else np.array(value, np.int64) for value in values]
    static = op_class.create_op(
        [
            create_ssa_value(tensor_of(x)),
            *(a and ConstantOp.get(a[0]).result for a in wrap(arrays)),
        ],
        properties,
    )
    static.verify()
    got = kernels.table()[static.name.removeprefix("pfrt.")](
        x, *arrays, **from_properties(static.kernel_properties())
    )
    assert static.results[0].type == tensor_of(got)
    for kind in (
        tensor_of(x),
        TensorType(f32, [DYNAMIC] * x.ndim),
        UnrankedTensorType(f32),
    ):
        for length in (True, False):
            operands = [
                a and create_ssa_value(TensorType(i64, [len(a[0]) if length else DYNAMIC]))
                for a in wrap(arrays)
            ]
            vague = op_class.create_op([create_ssa_value(kind), *operands], properties)
            vague.verify()
            assert compatible(type_of(vague.results[0]), tensor_of(got))


def wrap(arrays: Sequence[np.ndarray | None]) -> list[list[np.ndarray] | None]:
    """Arrays in lists, whose truth is whether they are there."""
    return [None if array is None else [array] for array in arrays]


@DRAWN
@given(data=st.data(), dims=hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4))
def test_reshape(
    check_inference: Callable[..., PfrtOp], data: st.DataObject, dims: tuple[int, ...]
):
    """Copied and deduced dimensions beside any number of known ones."""
    x, wanted = np.ones(dims, np.float32), list(dims)
    if data.draw(st.booleans()):
        wanted = [*dims[:-2], int(np.prod(dims[-2:]))]
    kept = [k for k, dim in enumerate(wanted) if dim == dims[k]]
    for index in data.draw(st.sets(st.sampled_from(kept))) if kept else ():
        wanted[index] = 0
    if data.draw(st.booleans()):
        wanted[data.draw(st.integers(0, len(wanted) - 1))] = -1
    check_inference(shape.ReshapeOp, [x, None], {"shape": tuple(wanted)})
    check_operands(shape.ReshapeOp, x, [wanted], {})


@pytest.mark.parametrize(
    ("dims", "wanted", "allowzero"),
    [((0, 3), (0, -1), False), ((0, 3), (5, 0), True), ((2, 0), (-1,), False), ((), (1,), False)],
)
def test_reshape_of_nothing(
    check_inference: Callable[..., PfrtOp], dims: Any, wanted: Any, allowzero: bool
):
    x = np.ones(dims, np.float32)
    check_inference(shape.ReshapeOp, [x, None], {"shape": wanted, "allowzero": allowzero})


@pytest.mark.parametrize(
    ("given_dims", "wanted", "result"),
    [
        ((DYNAMIC, 3, 4), (0, -1), (DYNAMIC, 12)),
        ((DYNAMIC, 3, 4), (-1, 12), (DYNAMIC, 12)),
        ((DYNAMIC, 3, 4), (-1, 0, 4), (DYNAMIC, 3, 4)),
        ((2, DYNAMIC), (-1, 8), (DYNAMIC, 8)),
        ((2, DYNAMIC), (4, 8), (4, 8)),
        ((0, 3), (0, -1), (0, 3)),
        ((DYNAMIC, DYNAMIC), (0, 0, -1), (DYNAMIC, DYNAMIC, 1)),
    ],
)
def test_reshape_deduces_what_it_can(given_dims: Any, wanted: Any, result: Any):
    """Copied dimensions cancel out, known or not."""
    op = shape.ReshapeOp.create_op([value_of(*given_dims), None], {"shape": wanted})
    assert op.result.type == TensorType(f32, result)


def test_reshape_of_unknown_rank():
    x = create_ssa_value(UnrankedTensorType(f32))
    op = shape.ReshapeOp.create_op([x, None], {"shape": (0, -1, 7)})
    assert op.result.type == TensorType(f32, [DYNAMIC, DYNAMIC, 7])


@DRAWN
@given(data=st.data(), dims=hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
def test_flatten_and_transpose(
    check_inference: Callable[..., PfrtOp], data: st.DataObject, dims: tuple[int, ...]
):
    x = np.ones(dims, np.float32)
    check_inference(shape.FlattenOp, [x], {"axis": data.draw(st.integers(-len(dims), len(dims)))})
    check_inference(shape.TransposeOp, [x])
    check_inference(
        shape.TransposeOp, [x], {"perm": tuple(data.draw(st.permutations(range(len(dims)))))}
    )
    check_inference(shape.IdentityOp, [x])


@DRAWN
@given(data=st.data(), dims=hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=2))
def test_squeeze_and_unsqueeze(
    check_inference: Callable[..., PfrtOp], data: st.DataObject, dims: tuple[int, ...]
):
    """Axes of both signs, in any order; all of them; as an operand."""
    x, ones = np.ones(dims, np.float32), [k for k, d in enumerate(dims) if d == 1]
    check_inference(shape.SqueezeOp, [x, None])
    axes = [
        k - data.draw(st.sampled_from([0, len(dims)])) for k in data.draw(st.permutations(ones))
    ]
    check_inference(shape.SqueezeOp, [x, None], {"axes": tuple(axes)})
    check_operands(shape.SqueezeOp, x, [axes], {})
    added = data.draw(st.lists(st.integers(-len(dims) - 2, len(dims) + 1), min_size=2, max_size=2))
    assume(len({axis % (len(dims) + 2) for axis in added}) == 2)
    check_inference(shape.UnsqueezeOp, [x, None], {"axes": tuple(added)})
    check_operands(shape.UnsqueezeOp, x, [added], {})


@DRAWN
@given(shapes=hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3, min_side=0))
def test_expand(check_inference: Callable[..., PfrtOp], shapes: Any):
    x, wanted = np.ones(shapes.input_shapes[0], np.float32), shapes.input_shapes[1]
    check_inference(shape.ExpandOp, [x, None], {"shape": wanted})
    check_operands(shape.ExpandOp, x, [wanted], {})


@DRAWN
@given(data=st.data(), dims=hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3))
def test_tile_and_gather(
    check_inference: Callable[..., PfrtOp], data: st.DataObject, dims: tuple[int, ...]
):
    x = np.ones(dims, np.float32)
    repeats = data.draw(st.tuples(*[st.integers(0, 3)] * len(dims)))
    check_inference(pieces.TileOp, [x, None], {"repeats": repeats})
    check_operands(pieces.TileOp, x, [repeats], {})
    axis = data.draw(st.integers(-len(dims), len(dims) - 1))
    indices = np.zeros(data.draw(st.sampled_from([(), (2,), (0, 3)])), np.int32)
    assume(dims[axis] > 0 or indices.size == 0)
    check_inference(pieces.GatherOp, [x, indices], {"axis": axis})


@DRAWN
@given(data=st.data(), dims=SHAPES)
def test_slice(check_inference: Callable[..., PfrtOp], data: st.DataObject, dims: tuple[int, ...]):
    """Every bound, direction and subset of axes; each parameter known, unknown or absent."""
    x = np.ones(dims, np.float32)
    count = data.draw(st.integers(0, len(dims)))
    axes = data.draw(st.permutations(range(len(dims))))[:count]
    bounds = st.lists(
        st.integers(-6, 6) | st.sampled_from([2**63 - 1, -(2**63)]), min_size=count, max_size=count
    )
    values = {
        "starts": data.draw(bounds),
        "ends": data.draw(bounds),
        "axes": axes if data.draw(st.booleans()) else None,
        "steps": data.draw(
            st.lists(st.sampled_from([1, 2, -1, -3]), min_size=count, max_size=count)
        )
        if data.draw(st.booleans())
        else None,
    }
    known = {name: tuple(value) for name, value in values.items() if value is not None}
    check_inference(pieces.SliceOp, [x, None, None, None, None], known)
    check_operands(pieces.SliceOp, x, list(values.values()), {})


@DRAWN
@given(data=st.data(), dims=SHAPES)
def test_pad(check_inference: Callable[..., PfrtOp], data: st.DataObject, dims: tuple[int, ...]):
    """More and less on every side, of all or of some axes."""
    x = np.ones(dims, np.float32)
    axes = data.draw(st.none() | st.permutations(range(len(dims))).map(lambda p: p[:2]))
    along = list(range(len(dims))) if axes is None else axes
    low = [data.draw(st.integers(-dims[axis], 2)) for axis in along]
    high = [
        data.draw(st.integers(-dims[axis] - min(a, 0), 2))
        for axis, a in zip(along, low, strict=True)
    ]
    properties: dict[str, Any] = {"pads": (*low, *high)}
    if axes is not None:
        properties["axes"] = tuple(axes)
    check_inference(pieces.PadOp, [x, None, None, None], {**properties, "constant_value": 0.5})
    check_operands(pieces.PadOp, x, [[*low, *high], None, axes], {})


@DRAWN
@given(data=st.data(), dims=SHAPES, hidden=st.sets(st.integers(0, 3)))
def test_concat_and_split(data: st.DataObject, dims: tuple[int, ...], hidden: set[int]):
    """What concat joins split takes apart, in types as in values."""
    axis = data.draw(st.integers(-len(dims), len(dims) - 1))
    sizes = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=3))
    types = [
        TensorType(f32, [size if k == axis % len(dims) else d for k, d in enumerate(dims)])
        for size in sizes
    ]
    blurred = [
        TensorType(f32, [DYNAMIC if k in hidden else d for k, d in enumerate(kind.get_shape())])
        for kind in types
    ]
    concat = pieces.ConcatOp.create_op([[create_ssa_value(kind) for kind in types]], {"axis": axis})
    whole = kernels.table()["concat"](
        *(np.ones(kind.get_shape(), np.float32) for kind in types), axis=axis
    )
    assert concat.result.type == tensor_of(whole)
    split = pieces.SplitOp.create_op([concat.result, None], {"axis": axis, "split": tuple(sizes)})
    assert list(split.result_types) == types
    for op in (concat, split):
        op.verify()
    # One operand alone may say what a dimension is.
    vague = pieces.ConcatOp.create_op(
        [[create_ssa_value(kind) for kind in (*blurred[:-1], types[-1])]], {"axis": axis}
    )
    vague.verify()
    assert compatible(type_of(vague.result), tensor_of(whole))
    others = [d for k, d in enumerate(vague.result.type.get_shape()) if k != axis % len(dims)]
    assert DYNAMIC not in others
    from_vague = pieces.SplitOp.create_op(
        [vague.result, create_ssa_value(TensorType(i64, [len(sizes)]))], {"axis": axis}
    )
    from_vague.verify()
    assert all(map(compatible, from_vague.result_types, types))


@pytest.mark.parametrize(
    ("length", "parts"), [(6, [2, 2, 2]), (7, [3, 3, 1]), (DYNAMIC, [DYNAMIC] * 3)]
)
def test_split_in_equal_parts(length: int, parts: list[int]):
    op = pieces.SplitOp.create_op([value_of(length), None], {"num_outputs": 3})
    assert [result.type for result in op.results] == [TensorType(f32, [size]) for size in parts]


def test_split_has_as_many_results_as_names():
    """The only way to know when the sizes are an operand of unknown length."""
    sizes = create_ssa_value(TensorType(i64, [DYNAMIC]))
    op = pieces.SplitOp.create_op([value_of(4), sizes], names=["a", "b"])
    op.verify()
    assert len(op.results) == 2
    with pytest.raises(VerifyException, match="number of parts"):
        pieces.SplitOp.create_op([value_of(4), sizes])


@pytest.mark.parametrize(
    ("op_class", "properties"),
    [
        (shape.FlattenOp, {"axis": 3}),
        (shape.TransposeOp, {"perm": (0, 1, 2)}),
        (shape.SqueezeOp, {"axes": (2,)}),
        (pieces.SliceOp, {"starts": (0,) * 3, "ends": (1,) * 3}),
        (pieces.PadOp, {"pads": (0,) * 6}),
        (pieces.TileOp, {"repeats": (1,) * 3}),
    ],
)
def test_a_rank_that_becomes_known_is_checked(op_class: type[Any], properties: dict[str, Any]):
    """Inference on what was valid while the rank was unknown raises, and does not crash."""
    absent = [None] * (len(op_class.get_irdl_definition().operands) - 1)
    op = op_class.create_op([create_ssa_value(UnrankedTensorType(f32)), *absent], properties)
    op.verify()
    op.operands[0] = value_of(2, 2)
    with pytest.raises(VerifyException, match=r"C\d"):
        op.infer_types()


@pytest.mark.parametrize("op_class", [shape.ReshapeOp, shape.TransposeOp, shape.ExpandOp])
def test_moving_elements_costs_no_arithmetic(op_class: type[Any]):
    properties = {} if op_class is shape.TransposeOp else {"shape": (2, 2)}
    absent = [None] * (len(op_class.get_irdl_definition().operands) - 1)
    op = op_class.create_op([value_of(2, 2), *absent], properties)
    assert op.flops() == 0
    assert op.bytes() == 32

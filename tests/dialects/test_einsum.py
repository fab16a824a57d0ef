"""Type inference and costs of einsum."""

from __future__ import annotations

import numpy as np
import pytest
from xdsl.dialects.builtin import TensorType, UnrankedTensorType, f32
from xdsl.utils.test_value import create_ssa_value

from pyflame_rt import kernels
from pyflame_rt.dialects.pfrt.einsum import EinsumOp
from pyflame_rt.dialects.pfrt.lattice import compatible
from pyflame_rt.dialects.pfrt.types import DYNAMIC, tensor_of, type_of

CASES = (
    ("ij,jk->ik", [(2, 3), (3, 4)]),
    ("ij,jk", [(2, 1), (3, 4)]),
    ("bhqd,bhkd->bhqk", [(2, 3, 4, 5), (2, 3, 6, 5)]),
    ("ii->i", [(3, 3)]),
    ("ii", [(3, 3)]),
    ("...ij,...jk->...ik", [(5, 2, 3), (4, 1, 3, 2)]),
    ("i...,j...->ij...", [(2, 3), (4, 0, 1)]),
    ("...,i->i", [(2, 3), (4,)]),
    ("ab,bc,cd->ad", [(2, 0), (0, 3), (3, 4)]),
    (",->", [(), ()]),
)


@pytest.mark.parametrize(("equation", "shapes"), CASES)
@pytest.mark.parametrize("hidden", ["nothing", "even", "odd", "all", "ranks", "first rank"])
def test_inference_agrees_with_the_kernel(
    equation: str, shapes: list[tuple[int, ...]], hidden: str
):
    """Whatever is not known of the operands."""
    arrays = [np.ones(shape, np.float32) for shape in shapes]
    got = tensor_of(kernels.table()["einsum"](*arrays, equation=equation))
    kinds: list[TensorType | UnrankedTensorType] = []
    for index, shape in enumerate(shapes):
        if hidden == "ranks" or (hidden == "first rank" and index == 0):
            kinds.append(UnrankedTensorType(f32))
            continue
        masks = {"even": lambda at: at % 2 == 0, "odd": lambda at: at % 2, "all": lambda at: True}
        mask = masks.get(hidden, lambda at: False)
        kinds.append(
            TensorType(f32, [DYNAMIC if mask(at) else dim for at, dim in enumerate(shape)])
        )
    op = EinsumOp.create_op([[create_ssa_value(kind) for kind in kinds]], {"equation": equation})
    op.verify()
    assert compatible(type_of(op.result), got)
    if hidden == "nothing":
        assert op.result.type == got


def test_flops_count_every_combination_of_subscripts():
    """A multiply-add for each, as in a matmul."""
    values = [create_ssa_value(TensorType(f32, shape)) for shape in ([2, 3], [3, 4])]
    op = EinsumOp.create_op([values], {"equation": "ij,jk->ik"})
    assert op.flops() == 2 * 2 * 3 * 4
    vague = create_ssa_value(TensorType(f32, [DYNAMIC, 3]))
    assert EinsumOp.create_op([[vague]], {"equation": "ij->i"}).flops() is None

"""Type inference of optimizers' steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from xdsl.dialects.builtin import f16, f32, f64, i64
from xdsl.ir import Attribute
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.test_value import create_ssa_value

from pyflame_rt import kernels
from pyflame_rt.dialects.pfrt import training
from pyflame_rt.dialects.pfrt.types import DYNAMIC, from_properties, tensor, tensor_of

MOMENTUM = {"alpha": 0.5, "beta": 0.5, "norm_coefficient": 0.0}
STEPS: Any = pytest.mark.parametrize(
    ("op_class", "properties"),
    [(training.AdagradOp, {}), (training.AdamOp, {}), (training.MomentumOp, MOMENTUM)],
)


def made(
    op_class: type[training.OptimizerOp],
    tensors: Sequence[Attribute],
    properties: dict[str, Any],
) -> training.OptimizerOp:
    """A step on tensors of these types."""
    rate, count = create_ssa_value(tensor(f64, ())), create_ssa_value(tensor(i64, (1,)))
    op = op_class.create_op([rate, count, [*map(create_ssa_value, tensors)]], properties)
    op.verify()
    return op


@STEPS
def test_inference_agrees_with_the_kernel(
    op_class: type[training.OptimizerOp], properties: dict[str, Any]
):
    """As many results as the tensors say, each of its own type."""
    arrays = [np.ones((2, 3), np.float32), np.ones((), np.float64)] * op_class.KINDS
    op = made(op_class, [tensor_of(array) for array in arrays], properties)
    kernel = kernels.table()[op.name.removeprefix("pfrt.")]
    got = kernel(np.array(0.5), np.array([1]), *arrays, **from_properties(op.kernel_properties()))
    assert [result.type for result in op.results] == [tensor_of(array) for array in got]
    assert op.flops() == 7 * op_class.FLOPS_PER_ELEMENT


@STEPS
def test_all_that_belongs_to_a_tensor_tells_its_type(
    op_class: type[training.OptimizerOp], properties: dict[str, Any]
):
    """A dimension here, another there; nothing at all from an unknown rank."""
    vague = [tensor(f32, None)] * (op_class.KINDS - 2)
    op = made(op_class, [tensor(f32, (2, DYNAMIC)), tensor(f32, (DYNAMIC, 3)), *vague], properties)
    assert {result.type for result in op.results} == {tensor(f32, (2, 3))}
    assert op.flops() is None


@STEPS
def test_other_numbers_of_tensors_are_refused(
    op_class: type[training.OptimizerOp], properties: dict[str, Any]
):
    for types, constraint in (([], "C2"), ([tensor(f32, ())], "C2")):
        with pytest.raises(VerifyException, match=constraint):
            made(op_class, types, properties)
    with pytest.raises(VerifyException, match="C4"):
        made(op_class, [tensor(f16, ())] * op_class.KINDS, properties)

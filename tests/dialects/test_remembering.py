"""Ops that were verified are verified again when anything about them has changed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp, f32, i64

from pyflame_rt import module_files, pipelines
from pyflame_rt.dialects.pfrt.attributes import NamesAttr
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.types import tensor, to_property
from pyflame_rt.errors import ValidationError
from pyflame_rt.passes.shape_inference import infer_module, set_type
from pyflame_rt.universe import make_context

TEXT = """
func.func @main(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %i = pfrt.constant dense<[1]> : tensor<1xi64>
  %a = pfrt.reduce_sum %x axes %i {keepdims = true} : (tensor<?x6xf32>, tensor<1xi64>) -> tensor<?x1xf32>
  %y = pfrt.add %x, %a : (tensor<?x6xf32>, tensor<?x1xf32>) -> tensor<?x6xf32>
  func.return %y : tensor<?x6xf32>
}
"""


def loaded() -> tuple[ModuleOp, dict[str, PfrtOp]]:
    """A module whose ops are known to be sound, and those by name."""
    module = module_files.parse(TEXT, make_context(), "example")
    pipelines.verify_module(module)
    infer_module(module)
    pipelines.verify_module(module)
    ops = {op.name: op for op in module.walk() if isinstance(op, PfrtOp)}
    assert ops["pfrt.add"].is_known("verified")
    return module, ops


def _operand_type(ops: dict[str, PfrtOp]) -> None:
    set_type(ops["pfrt.reduce_sum"].results[0], tensor(i64, (3, 1)))


def _result_type(ops: dict[str, PfrtOp]) -> None:
    set_type(ops["pfrt.add"].results[0], tensor(f32, (7, 5)))


def _operand(ops: dict[str, PfrtOp]) -> None:
    ops["pfrt.add"].operands[1] = ops["pfrt.constant"].results[0]


def _names(ops: dict[str, PfrtOp]) -> None:
    ops["pfrt.add"].names = NamesAttr.of(("one", "too many"))


def _property(ops: dict[str, PfrtOp]) -> None:
    ops["pfrt.reduce_sum"].properties["keepdims"] = to_property(1.5)


@pytest.mark.parametrize("change", [_operand_type, _result_type, _operand, _names, _property])
def test_what_has_changed_is_verified(change: Callable[[dict[str, PfrtOp]], None]) -> None:
    """In place, whichever part of an op it is; and in a copy made before or after the change."""
    module, ops = loaded()
    copy = module.clone()
    change(ops)
    with pytest.raises(ValidationError):
        pipelines.verify_module(module)
    with pytest.raises(ValidationError):
        pipelines.verify_module(module.clone())
    pipelines.verify_module(copy)


def test_a_constant_that_inference_reads_counts() -> None:
    """The axes of a reduction are an operand here: another constant gives another type."""
    _, ops = loaded()
    reduction, axes = ops["pfrt.reduce_sum"], ops["pfrt.constant"]
    assert reduction.is_known("verified")
    axes.properties["value"] = ConstantOp.get(np.array([0])).value
    assert not reduction.is_known("verified")
    assert not reduction.is_known("inferred")


def test_a_copy_is_known() -> None:
    """What is known of an op is known of its copy, until that changes."""
    module, _ = loaded()
    copy = next(op for op in module.clone().walk() if op.name == "pfrt.add")
    assert isinstance(copy, PfrtOp)
    assert copy.is_known("verified")
    set_type(copy.results[0], tensor(f32, None))
    assert not copy.is_known("verified")

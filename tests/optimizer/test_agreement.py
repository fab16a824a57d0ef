"""The rule that compares models turns down what is wrong, and nothing that is right."""

from __future__ import annotations

import numpy as np
import pytest
from agreement import Judge, NotPromotable, promoted, single_passes
from agreement.judging import ulp
from agreement.reducing import reduced
from random_graphs import CHUNK, graph_of
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.passes import ModulePass

from pyflame_rt import module_files
from pyflame_rt.backends.base import get_backend
from pyflame_rt.dialects.pfrt import operations
from pyflame_rt.dialects.pfrt.base import constant_of
from pyflame_rt.universe import make_context

SUM = """
func.func @main(%x: tensor<8xf32>) -> tensor<f32> {
  %0 = pfrt.reduce_sum %x {keepdims = false} : (tensor<8xf32>) -> tensor<f32>
  func.return %0 : tensor<f32>
}
"""
LARGER = """
func.func @main(%x: tensor<3xf32>, %y: tensor<3xf32>) -> (tensor<3xi1>, tensor<3xf32>) {
  %0 = pfrt.mul %x, %y : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  %1 = pfrt.div %0, %y : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  %2 = pfrt.greater %1, %x : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xi1>
  %3 = pfrt.sub %1, %x : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  func.return %2, %3 : tensor<3xi1>, tensor<3xf32>
}
"""


def module_of(text: str) -> ModuleOp:
    return module_files.parse(text, make_context(), "test")


def judge_of(text: str, *feed: np.ndarray) -> Judge:
    module = module_of(text)
    return Judge(module, feed, [get_backend("reference").compile(module).run(feed)])


def test_ulp():
    """The distance to the next float."""
    for dtype in (np.float16, np.float32, np.float64):
        for size in (1.0, 1.5, 4.0, 1e-3, 100.0):
            rounded = dtype(size)
            assert ulp(float(rounded), np.dtype(dtype)) == float(np.spacing(rounded))


def test_errors_of_rounding_are_fine():
    """A sum in another order is right, one that is off by ten ulp is not."""
    x = np.random.default_rng(0).standard_normal(8).astype(np.float32) + 10
    judge = judge_of(SUM, x)
    right = judge.unoptimised[0][0]
    assert judge.complain([right]) == ""
    assert judge.complain([np.float32(x[::-1].cumsum()[-1])[...]]) == ""
    assert "above" in judge.complain([np.asarray(right * np.float32(1 + 1e-5))])
    assert "shape" in judge.complain([right.reshape(1)])
    assert "float64" in judge.complain([right.astype(np.float64)])
    assert judge.complain([np.asarray(np.float32(np.nan))])


def test_ties_are_proven():
    """x * y / y > x is a matter of rounding where x and y are floats, but not what is far apart."""
    x, y = (np.array(a, np.float32) for a in ((0.1, 0.7, 0.9), (3, 0.3, 7)))
    judge = judge_of(LARGER, x, y)
    above, gap = judge.unoptimised[0]
    assert judge.complain([~above, gap]) == ""
    assert judge.complain([above, -gap]) == ""
    assert "above" in judge.complain([above, gap + np.float32(1e-4)])
    far = judge_of(LARGER.replace("pfrt.greater %1, %x", "pfrt.greater %1, %y"), x, y)
    above, gap = far.unoptimised[0]
    assert "instead of" in far.complain([~above, gap])


def test_promotion():
    """Types, constants and casts become float64, and what cannot be is reported."""
    graph = graph_of(np.random.default_rng(3).bytes(12 * CHUNK))
    text = str(promoted(graph.module).module)
    assert "f32>" not in text and "f16>" not in text
    quantised = module_of("""
    func.func @main(%x: tensor<4xf32>, %s: tensor<f32>) -> tensor<4xui8> {
      %0, %1, %2 = pfrt.dynamic_quantize_linear %x : tensor<4xf32> -> tensor<4xui8>, tensor<f32>, tensor<ui8>
      func.return %0 : tensor<4xui8>
    }
    """)
    with pytest.raises(NotPromotable):
        promoted(quantised)


class SwapsOperands(ModulePass):
    """sub(a, b) -> sub(b, a)"""

    name = "wrong-swap"

    def apply(self, ctx, op: ModuleOp) -> None:
        for inner in list(op.walk()):
            if inner.name == "pfrt.sub" and inner.operands[0].type == inner.operands[1].type:
                inner.operands = inner.operands[::-1]


class ForgetsConsumers(ModulePass):
    """relu(add(a, b)) becomes the add for everyone who uses it."""

    name = "wrong-consumers"

    def apply(self, ctx, op: ModuleOp) -> None:
        for inner in list(op.walk()):
            source = inner.operands[0].owner if inner.name == "pfrt.relu" else None
            if isinstance(source, Operation) and source.name == "pfrt.add":
                new = operations()["pfrt.relu"].create_op([source.results[0]])
                source.parent.insert_op_after(new, source)
                source.results[0].replace_uses_with_if(
                    new.results[0], lambda use, kept=new: use.operation is not kept
                )


class AnyEpsilon(ModulePass):
    """A constant close to 1 becomes 1."""

    name = "wrong-constant"

    def apply(self, ctx, op: ModuleOp) -> None:
        for inner in list(op.walk()):
            array = constant_of(inner.results[0]) if inner.name == "pfrt.constant" else None
            if array is not None and array.ndim == 0 and array.dtype == np.float32:
                inner.properties["value"] = (
                    operations()["pfrt.constant"]
                    .get(np.asarray(array * np.float32(1.01)))
                    .properties["value"]
                )


@pytest.mark.parametrize("wrong", [SwapsOperands(), ForgetsConsumers(), AnyEpsilon()], ids=str)
def test_wrong_passes_are_found(wrong: ModulePass):
    """Few graphs are needed to find a pass that changes results, and little is left of one."""
    generator = np.random.default_rng(5)
    for _ in range(200):
        graph = graph_of(generator.bytes(12 * CHUNK))

        def fails(module, feed):
            return bool(single_passes.complaints(module, [feed], [wrong]))

        feed = next((f for f in graph.feeds if fails(graph.module, f)), None)
        if feed is not None:
            small, _ = reduced(graph.module, feed, fails)
            assert len(list(small.walk())) <= 14
            return
    pytest.fail("not found")

"""Rules for losses."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import SSAValue

from pyflame_rt.frontends.onnx.builder import NodeBuilder
from pyflame_rt.frontends.onnx.rules import Rule, attribute_rows, onnx_op, read_attributes, row

_LOSS = "ignore_index: int, reduction: string"


@onnx_op("SoftmaxCrossEntropyLoss", since=12)
def softmax_cross_entropy_loss(b: NodeBuilder) -> Sequence[SSAValue]:
    """The negative log-likelihood loss of log_softmax(scores), which is the second output."""
    b.limit_inputs(3)
    scores, labels, weights = b.operand(0), b.operand(1), b.optional(2)
    (log_prob,) = b.emit("log_softmax", [scores], {"axis": 1})
    properties = read_attributes(b, attribute_rows(_LOSS))
    loss = b.emit("negative_log_likelihood_loss", [log_prob, labels, weights], properties)
    return (*loss, log_prob)


RULES: tuple[Rule, ...] = (
    row("NegativeLogLikelihoodLoss", 12, _LOSS),
    softmax_cross_entropy_loss,
)
"""The rules of this family."""

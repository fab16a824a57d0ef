"""Recognition of softmax and its logarithm, written as several ops."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from pyflame_rt.dialects.patterns import Match, Pattern, apply_patterns


def _one_axis(match: Match) -> str | None:
    """Let `axis` be the one axis."""
    axes = match.property("axes")
    if not isinstance(axes, tuple) or len(axes) != 1:
        return "it is over several axes at once"
    match.let("axis", int(axes[0]))
    return None


_SHIFTED = "s = sub(x, reduce_max(x) {axes=axes});"

PATTERNS = (
    Pattern(
        "softmax",
        source="""
          e = exp(sub(x, reduce_max(x) {axes=axes}));
          div(e, reduce_sum(e) {axes=axes}) | mul(e, reciprocal(reduce_sum(e) {axes=axes}))
        """,
        target="softmax(x) {axis=axis}",
        where=_one_axis,
    ),
    Pattern(
        "log softmax of shifted values",
        source=f"""
          {_SHIFTED}
          sub(s, log(reduce_sum(exp(s)) {{axes=axes}}) | reduce_log_sum_exp(s) {{axes=axes}})
        """,
        target="log_softmax(x) {axis=axis}",
        where=_one_axis,
    ),
    Pattern(
        "log softmax",
        source="sub(x, reduce_log_sum_exp(x) {axes=axes})",
        target="log_softmax(x) {axis=axis}",
        where=_one_axis,
    ),
    Pattern(
        "log of softmax",
        source="log(softmax(x) {axis=axis})",
        target="log_softmax(x) {axis=axis}",
    ),
)


@dataclass(frozen=True)
class PfrtRecognizeSoftmaxPass(ModulePass):
    """Replaces chains that compute a softmax, or its logarithm, by its op.

    Before: `%m = pfrt.reduce_max %x {axes = array<i64: 1>}`, `%s = pfrt.sub %x, %m`,
    `%e = pfrt.exp %s`, `%t = pfrt.reduce_sum %e {axes = array<i64: 1>}`, `%y = pfrt.div %e, %t`
    After: `%y = pfrt.softmax %x {axis = 1 : i64}`

    Requires nothing. Sums of exp(x) itself stay: where they overflow, the op would not. A chain of
    which something else uses a part stays.
    """

    name = "pfrt-recognize-softmax"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        apply_patterns(op, PATTERNS)

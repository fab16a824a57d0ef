"""Recognition of activations that exporters wrote as several ops."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from pyflame_rt.dialects.patterns import Match, Pattern, apply_patterns

_HALF_OF = """
  mul(mul(x, {0}), 0.5) | mul(mul(x, 0.5), {0}) | mul(x, mul({0}, 0.5))
  | div(mul(x, {0}), 2) | mul(div(x, 2), {0}) | mul(x, div({0}, 2))
"""
"""x / 2 times something, in the orders that libraries write it."""

_SHIFTED = "(clip(add(x, 3)) {min=0, max=6} | min(max(add(x, 3), 0), 6) | min(relu(add(x, 3)), 6))"
"""x + 3 between 0 and 6."""


def _gelu(inner: str) -> str:
    """Gelu by the function inside it, erf or tanh."""
    return f"""
      f = {inner};
      {_HALF_OF.format("add(f, 1)")} | mul(x, add(mul(f, 0.5), 0.5)) | mul(x, add(div(f, 2), 0.5))
    """


def _is_sigmoid_of_sixth(match: Match) -> bool:
    """Whether a hard sigmoid has a slope of 1 / 6 and passes zero at 1 / 2."""
    alpha, beta = match.property("alpha"), match.property("beta")
    # The property is an f32, which f64 tells from 1 / 6.
    is_sixth = match.dtype("x") != "float64" and abs(float(str(alpha)) - 1 / 6) < 1e-7
    return is_sixth and beta == 0.5


PATTERNS = (
    Pattern(
        "gelu",
        source=_gelu("erf(div(x, 1.4142135623730951) | mul(x, 0.7071067811865476))"),
        target="gelu(x)",
    ),
    Pattern(
        "gelu by tanh",
        source=_gelu(
            """tanh(
              mul(add(x, mul(pow(x, 3) | mul(x, mul(x, x)), 0.044715)), 0.7978845608028654)
              | mul(add(x, mul(mul(mul(x, 0.044715), x), x)), 0.7978845608028654)
              | mul(add(x, mul(mul(mul(x, x), 0.044715), x)), 0.7978845608028654)
              | mul(mul(x, 0.7978845608028654),
                    add(mul(mul(x, x) | pow(x, 2), 0.044715) | mul(mul(x, 0.044715), x), 1))
            )"""
        ),
        target="gelu(x) {approximate='tanh'}",
    ),
    Pattern(
        "swish",
        source="mul(x, sigmoid(x)) | div(x, add(exp(neg(x)), 1))",
        target="swish(x)",
    ),
    Pattern(
        "swish with a factor",
        source="mul(x, sigmoid(mul(x, a:scalar)))",
        target="swish(x) {alpha=a}",
    ),
    Pattern(
        "hard swish",
        source="mul(x, hard_sigmoid(x) {alpha=alpha, beta=beta})",
        target="hard_swish(x)",
        where=_is_sigmoid_of_sixth,
    ),
    Pattern(
        "hard swish by clip",
        source=f"""
          mul(x, div({_SHIFTED}, 6)) | div(mul(x, {_SHIFTED}), 6)
          | mul(x, mul({_SHIFTED}, 0.16666666666666666))
          | mul(mul(x, {_SHIFTED}), 0.16666666666666666)
          | mul(mul(x, 0.16666666666666666), {_SHIFTED})
        """,
        target="hard_swish(x)",
    ),
    Pattern(
        "hard sigmoid",
        source="clip(add(mul(x, a:scalar), b:scalar)) {min=0, max=1}",
        target="hard_sigmoid(x) {alpha=a, beta=b}",
    ),
    Pattern(
        "hard sigmoid by sixths",
        source=f"div({_SHIFTED}, 6) | mul({_SHIFTED}, 0.16666666666666666)",
        target="hard_sigmoid(x) {alpha=0.16666666666666666, beta=0.5}",
    ),
    Pattern("softplus", source="log(add(exp(x), 1))", target="softplus(x)"),
    Pattern("mish", source="mul(x, tanh(softplus(x)))", target="mish(x)"),
)
"""A pattern that contains another one's source comes before it."""


@dataclass(frozen=True)
class PfrtRecognizeActivationsPass(ModulePass):
    """Replaces chains that compute an activation by its op: Gelu (exact, and by tanh), Swish,
    HardSwish, HardSigmoid, Softplus and Mish, in the forms that exporters and libraries write.

    Before: `%d = pfrt.div %x, %sqrt2`, `%e = pfrt.erf %d`, `%a = pfrt.add %e, %one`,
    `%m = pfrt.mul %x, %a`, `%y = pfrt.mul %m, %half`
    After: `%y = pfrt.gelu %x`

    Requires nothing. A chain of which something else uses a part stays. The op is computed as
    exactly as the chain or more, so that results differ by the chain's own rounding.
    """

    name = "pfrt-recognize-activations"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        apply_patterns(op, PATTERNS)

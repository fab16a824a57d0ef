"""Recognition of layer normalization and its variant without a mean, written as several ops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from pyflame_rt.dialects.patterns import Match, Pattern, apply_patterns

_CENTRED = "m = reduce_mean(x) {axes=axes}; d = sub(x, m);"
_VARIANCE = "reduce_mean(pow(d, 2) | mul(d, d) | mul(sub(x, m), sub(x, m))) {axes=axes}"
_SQUARES = "reduce_mean(pow(x, 2) | mul(x, x)) {axes=axes}"


def _moved(square: str) -> str:
    """A mean square plus epsilon, which exporters drop if it is small enough."""
    return f"(add({square}, epsilon:scalar) | {square})"


def _over_root(value: str, square: str) -> str:
    """A value over the root of a mean square."""
    moved = _moved(square)
    return f"(div({value}, sqrt({moved}) | pow({moved}, 0.5)) | mul({value}, {_inverse(square)}))"


def _inverse(square: str) -> str:
    """One over the root of a mean square."""
    moved = _moved(square)
    return f"(reciprocal(sqrt({moved})) | div(1, sqrt({moved})) | pow({moved}, -0.5))"


def _axis(match: Match) -> str | None:
    """Let `axis` be the first of the axes, if they are the last ones, and `e` be epsilon."""
    axes, rank = match.property("axes"), match.rank("x")
    found = sorted(int(axis) for axis in axes) if isinstance(axes, tuple) else []
    if not found or found != list(range(found[0], (rank or 0))):
        return f"axes {found} are not the last ones"
    match.let("axis", found[0])
    match.let("e", match.number("epsilon") if "epsilon" in match.found.values else 0.0)
    return None


def _scaled(match: Match) -> str | None:
    """As `_axis`, if scale and bias vary along these axes only."""
    if (why := _axis(match)) is not None:
        return why
    count = len(cast("tuple[int, ...]", match.property("axes")))
    for name in ("scale", "bias"):
        if name not in match.found.values:
            continue
        shape = match.shape(name)
        if shape is None or any(dim != 1 for dim in shape[: max(len(shape) - count, 0)]):
            return f"the {name} varies along other axes"
        if not match.broadcasts_into(name, "x"):
            return f"the {name} may have more elements than x"
    return None


def _narrow(match: Match) -> str | None:
    """As `_scaled`, where x is widened and what is normal is made narrow again."""
    if match.dtype("x") != match.dtype("scale"):
        return "x and scale are of different types"
    if match.dtype("wide") not in ("float32", "float64"):
        return "the statistics are not computed in f32"
    return _scaled(match)


_NORMAL = _over_root("d", _VARIANCE)
_RMS = _over_root("x", _SQUARES)
_WIDE_SQUARES = "reduce_mean(pow(wide, 2) | mul(wide, wide)) {axes=axes}"

LAYER = (
    Pattern(
        "layer normalization",
        source=f"{_CENTRED} add(mul({_NORMAL}, scale), bias)",
        target="layer_normalization(x, scale, bias) {axis=axis, epsilon=e}",
        where=_scaled,
    ),
    Pattern(
        "layer normalization in TensorFlow's form",
        source=f"""
          {_CENTRED} s = mul({_inverse(_VARIANCE)}, scale);
          add(mul(x, s), sub(bias, mul(m, s)))
        """,
        target="layer_normalization(x, scale, bias) {axis=axis, epsilon=e}",
        where=_scaled,
    ),
    Pattern(
        "layer normalization without a bias",
        source=f"{_CENTRED} mul({_NORMAL}, scale)",
        target="layer_normalization(x, scale) {axis=axis, epsilon=e}",
        where=_scaled,
    ),
    Pattern(
        "layer normalization without a scale",
        source=f"{_CENTRED} {_NORMAL}",
        target="layer_normalization(x, 1) {axis=axis, epsilon=e}",
        where=_axis,
    ),
)

RMS = (
    Pattern(
        "RMS normalization",
        source=f"mul({_RMS}, scale) | mul(x, mul({_inverse(_SQUARES)}, scale))",
        target="rms_normalization(x, scale) {axis=axis, epsilon=e}",
        where=_scaled,
    ),
    Pattern(
        "RMS normalization computed in a wider type",
        source=f"""
          wide = cast(x) {{to=to}};
          mul(cast({_over_root("wide", _WIDE_SQUARES)}) {{to=back}}, scale)
        """,
        target="rms_normalization(x, scale) {axis=axis, epsilon=e}",
        where=_narrow,
    ),
    Pattern(
        "RMS normalization without a scale",
        source=_RMS,
        target="rms_normalization(x, 1) {axis=axis, epsilon=e}",
        where=_axis,
    ),
)


@dataclass(frozen=True)
class PfrtRecognizeNormalizationPass(ModulePass):
    """Replaces chains that compute a layer normalization, or one by root mean square, by its op.

    Before: `%m = pfrt.reduce_mean %x {axes = array<i64: 2>}`, `%d = pfrt.sub %x, %m`,
    `%p = pfrt.mul %d, %d`, `%v = pfrt.reduce_mean %p {axes = array<i64: 2>}`,
    `%a = pfrt.add %v, %epsilon`, `%s = pfrt.sqrt %a`, `%n = pfrt.div %d, %s`,
    `%t = pfrt.mul %n, %scale`, `%y = pfrt.add %t, %bias`
    After: `%y = pfrt.layer_normalization %x, %scale, %bias {axis = 2 : i64}`

    Requires nothing. Scale and bias may be missing, and vary along the normalized axes only, which
    are the last ones. A chain of which something else uses a part stays.
    """

    name = "pfrt-recognize-normalization"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        apply_patterns(op, (*LAYER, *RMS))

"""Rewriting by patterns that are text: `mul(x, sigmoid(x))` becomes `swish(x)`."""

from pyflame_rt.dialects.patterns.matching import Match
from pyflame_rt.dialects.patterns.pattern import Pattern, apply_patterns

__all__ = ["Match", "Pattern", "apply_patterns"]

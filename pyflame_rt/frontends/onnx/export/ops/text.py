"""Texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from pyflame_rt.frontends.onnx.export.nodes import Array, Node, fit, parts_of
from pyflame_rt.frontends.onnx.export.ops.features import listed
from pyflame_rt.frontends.onnx.export.rules import ExpansionRule, Rule, rule
from pyflame_rt.frontends.onnx.export.schemas import Target


@rule("tf_idf_vectorizer")
def tf_idf_vectorizer(op: Any, target: Target) -> Sequence[Node]:
    """The pool is of integers or of texts."""
    parts = parts_of(op)
    properties = dict(parts.properties)
    pool = cast(Array, properties.pop("pool"))
    name = "pool_strings" if pool.dtype.kind == "O" else "pool_int64s"
    without = replace(parts, properties=properties)
    return [fit(op, target, without, attributes={name: listed(pool)})]


RULES: tuple[Rule, ...] = (tf_idf_vectorizer,)
"""The rules of this family."""
EXPANSIONS: tuple[ExpansionRule, ...] = ()
"""The expansions of this family."""

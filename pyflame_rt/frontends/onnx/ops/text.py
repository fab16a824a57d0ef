"""Rules for operators on texts."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import SSAValue

from pyflame_rt.dtypes import strings
from pyflame_rt.frontends.onnx.builder import NodeBuilder
from pyflame_rt.frontends.onnx.rules import Rule, onnx_op, row


@onnx_op("StringNormalizer", since=10)
def string_normalizer(b: NodeBuilder) -> Sequence[SSAValue]:
    """The locale is read and left: what it means is up to the machine that a model runs on."""
    b.limit_inputs(1)
    b.text("locale")
    properties = {
        "case_change_action": b.text("case_change_action"),
        "is_case_sensitive": b.flag("is_case_sensitive"),
        "stopwords": b.texts("stopwords") or None,
    }
    return b.emit("string_normalizer", [b.operand(0)], properties)


@onnx_op("TfIdfVectorizer", since=9)
def tf_idf_vectorizer(b: NodeBuilder) -> Sequence[SSAValue]:
    b.limit_inputs(1)
    numbers, texts = b.integer_array("pool_int64s"), b.texts("pool_strings") or ()
    if (numbers is not None and numbers.size > 0) == bool(texts):
        raise b.error("needs either pool_int64s or pool_strings")
    properties = {
        "pool": strings(texts, (len(texts),)) if texts else numbers,
        "ngram_indexes": b.integer_array("ngram_indexes"),
        "ngram_counts": b.integers("ngram_counts"),
        "mode": b.text("mode"),
        "min_gram_length": b.integer("min_gram_length"),
        "max_gram_length": b.integer("max_gram_length"),
        "max_skip_count": b.integer("max_skip_count"),
    }
    for name, value in properties.items():
        if value is None:
            raise b.missing(name)
    weights = b.number_array("weights")
    # An empty list is how some exporters say that there are none.
    given = None if weights is None or weights.size == 0 else weights
    return b.emit("tf_idf_vectorizer", [b.operand(0)], {**properties, "weights": given})


RULES: tuple[Rule, ...] = (
    row("RegexFullMatch", 20, "pattern: string"),
    row("StringConcat", 20),
    string_normalizer,
    row("StringSplit", 20, "delimiter: string, maxsplit: int"),
    tf_idf_vectorizer,
)
"""The rules of this family."""

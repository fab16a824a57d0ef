"""Texts: cleaned, joined, taken apart, matched, counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from operator_cases.case import Array, Case
from operator_cases.strategies import (
    FLAG,
    Cases,
    Draw,
    Shape,
    draw_broadcast,
    draw_case,
    draw_opset,
    draw_shape,
    draw_some,
)

_TEXTS = st.text("aAbB c,é€", max_size=6)
_WORDS = st.sampled_from(("the", "The", "THE", "a", "b", "", "Monday"))

_PIECES = st.sampled_from((
    "a", "B", "é", "_", " ", ".", "^", "$", r"\b", r"\B", r"\A", r"\z", "[ab]", "[^a]", "[b-é]",
    "[[:alpha:]_]", "[^[:digit:]]", r"\d", r"\W", r"\s", r"\pL", r"\P{Lu}", r"[\d-]", "[]]",
    r"\x41", r"\x{e9}", r"\101", r"\Qa.*\E", r"\.", "{", "}", "{,2}", "a|b", "|",
))  # fmt: skip
_TIMES = st.sampled_from(("", "", "*", "+", "?", "*?", "{2}", "{1,2}", "{0,}", "{2,}?"))
_OPENINGS = st.sampled_from(("(", "(?:", "(?i:", "(?s:", "(?m-i:", "(?P<name>"))


def _strings(draw: Draw, shape: Shape, texts: st.SearchStrategy[str] = _TEXTS) -> Array:
    size = int(np.prod(shape))
    array = np.empty(size, object)
    array[:] = draw(st.lists(texts, min_size=size, max_size=size))
    return array.reshape(shape)


@st.composite
def concat(draw: Draw) -> Case:
    """Texts that broadcast."""
    inputs = [_strings(draw, shape) for shape in draw_broadcast(draw, 2, 2)]
    return draw_case(draw, "StringConcat", draw_opset(draw, "StringConcat", 20), inputs)


@st.composite
def normalizer(draw: Draw) -> Case:
    """Words of ASCII: how ONNX Runtime changes the case of others depends on the machine."""
    shape = draw_shape(draw, 1, 1, empty=False)
    x = _strings(draw, (1, *shape) if draw(st.booleans()) else shape, _WORDS)
    attributes = {
        "locale": "C",
        **draw_some(
            draw,
            case_change_action=st.sampled_from(("LOWER", "UPPER", "NONE")),
            is_case_sensitive=FLAG,
            stopwords=st.lists(_WORDS, min_size=1, max_size=3),
        ),
    }
    opset = draw_opset(draw, "StringNormalizer", 10)
    case = draw_case(draw, "StringNormalizer", opset, [x], attributes)
    # Of a matrix ONNX Runtime must know that it has one row.
    return replace(case, shapes="static") if x.ndim == 2 else case


@st.composite
def split(draw: Draw) -> Case:
    """At delimiters of one and two characters, and at spaces."""
    attributes = draw_some(
        draw,
        delimiter=st.sampled_from((",", "a", ", ", "")),
        maxsplit=st.integers(-1, 3),
    )
    x = _strings(draw, draw_shape(draw, 0, 2))
    opset = draw_opset(draw, "StringSplit", 20)
    return draw_case(draw, "StringSplit", opset, [x], attributes, outputs=2)


@st.composite
def _patterns(draw: Draw, depth: int = 2) -> str:
    pieces: list[str] = []
    for _ in range(draw(st.integers(0, 3))):
        is_group = depth > 0 and draw(st.booleans()) and "(?P<" not in "".join(pieces)
        opening = draw(_OPENINGS)
        # A name may be there once.
        inner = draw(_patterns(depth - 1)).replace("(?P<name>", "(") if is_group else ""
        pieces.append(f"{opening}{inner})" if is_group else draw(_PIECES))
        if pieces[-1] not in ("|", "a|b", "{", "{,2}"):
            pieces.append(draw(_TIMES))
    return draw(st.sampled_from(("", "", "(?i)", "(?s)", "(?m)", "(?-s)"))) + "".join(pieces)


@st.composite
def matched(draw: Draw) -> Case:
    """Patterns of all kinds on short texts."""
    x = _strings(draw, draw_shape(draw, 0, 2), st.text("aAbBé_ \n.*19k\u212a", max_size=4))
    opset = draw_opset(draw, "RegexFullMatch", 20)
    return draw_case(draw, "RegexFullMatch", opset, [x], {"pattern": draw(_patterns())})


@st.composite
def tf_idf(draw: Draw) -> Case:
    """Pools of n-grams of up to three items, with places and weights of their own."""
    grams: list[tuple[int, ...]] = []
    counts: list[int] = []
    most = draw(st.integers(1, 3))
    for n in range(1, most + 1):
        counts.append(sum(map(len, grams)))
        items = st.tuples(*[st.integers(0, 3)] * n)
        grams += draw(st.lists(items, min_size=1, max_size=3, unique=True))
    pool = [item for gram in grams for item in gram]
    attributes: dict[str, object] = {
        "mode": draw(st.sampled_from(("TF", "IDF", "TFIDF"))),
        "ngram_counts": counts,
        "ngram_indexes": draw(st.permutations(range(len(grams)))),
        "min_gram_length": draw(st.integers(1, most)),
        "max_gram_length": most,
        "max_skip_count": draw(st.integers(0, 3)),
        **draw_some(draw, weights=st.just([k / 4 for k in range(1, len(grams) + 1)])),
    }
    shape = draw_shape(draw, 0, 1, empty=False)
    length = draw(st.integers(0, 6))
    seed = draw(st.integers(0, 2**16))
    x = np.random.default_rng(seed).integers(0, 5, (*shape, length), np.int64)
    if draw(st.booleans()):
        words = np.array(["a", "b", "A", "", "é"], object)
        return _tf_idf(draw, words[x], {**attributes, "pool_strings": [words[k] for k in pool]})
    dtype = draw(st.sampled_from((np.int32, np.int64)))
    return _tf_idf(draw, x.astype(dtype), {**attributes, "pool_int64s": pool})


def _tf_idf(draw: Draw, x: Array, attributes: dict[str, object]) -> Case:
    return draw_case(
        draw, "TfIdfVectorizer", draw_opset(draw, "TfIdfVectorizer", 9), [x], attributes
    )


CASES: dict[str, Cases] = {
    "RegexFullMatch": matched(),
    "StringConcat": concat(),
    "StringNormalizer": normalizer(),
    "StringSplit": split(),
    "TfIdfVectorizer": tf_idf(),
}
"""The operators of this family."""

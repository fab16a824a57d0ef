"""Kernels of texts: white space, patterns that would hang others, numbers that are read back."""

from __future__ import annotations

import re
import sys

import ml_dtypes
import numpy as np
import pytest

from pyflame_rt.errors import PyFlameRTError
from pyflame_rt.kernels.data import cast
from pyflame_rt.kernels.indexing import non_zero, scatter_elements, trilu, unique
from pyflame_rt.kernels.shape import pad
from pyflame_rt.kernels.text import (
    regex_full_match,
    string_concat,
    string_normalizer,
    string_split,
    tf_idf_vectorizer,
)

STRING = np.dtype(object)


def texts(*items: str) -> np.ndarray:
    array = np.empty(len(items), object)
    array[:] = items
    return array


@pytest.mark.parametrize(
    ("text", "delimiter", "maxsplit", "parts"),
    [
        (" a \t\n b  c ", "", None, ["a", "b", "c"]),
        (" a b c ", "", 1, ["a", "b c"]),
        ("  ", "", None, []),
        ("", "", None, []),
        ("", ",", None, [""]),
        (",a,,", ",", None, ["", "a", "", ""]),
        (",a,,", ",", 0, [",a,,"]),
        ("a,b", ",", -1, ["a", "b"]),
        ("a,b", ",", 1 << 60, ["a", "b"]),
    ],
)
def test_texts_are_split_where_the_specification_says(text, delimiter, maxsplit, parts):
    """Of white space nothing stays around a part; between delimiters there is always something."""
    found, counts = string_split(texts(text), delimiter=delimiter, maxsplit=maxsplit)
    assert (found.tolist(), counts.tolist()) == ([parts], [len(parts)])
    assert (found.dtype, counts.dtype) == (STRING, np.int64)


def test_splitting_nothing_keeps_the_shape():
    found, counts = string_split(np.empty((0, 2), object))
    assert (found.shape, counts.shape) == ((0, 2, 0), (0, 2))


def test_words_are_compared_in_one_case_and_given_in_another():
    """Case is Unicode's; the order of words stays."""
    words = texts("The", "CAFÉ", "the", "Straße")
    found = string_normalizer(words, case_change_action="UPPER", stopwords=("the", "café"))
    assert found.tolist() == ["STRASSE"]
    found = string_normalizer(words, is_case_sensitive=True, stopwords=("the",))
    assert found.tolist() == ["The", "CAFÉ", "Straße"]
    assert string_normalizer(texts("a")[None], stopwords=("A",)).tolist() == [[""]]
    with pytest.raises(ValueError, match=r"a matrix of one row, got \[2, 1\]"):
        string_normalizer(texts("a", "b")[:, None])


def test_texts_are_joined_with_broadcasting():
    joined = string_concat(texts("a", "b")[:, None], texts("", "é"))
    assert joined.tolist() == [["a", "aé"], ["b", "bé"]]
    scalar = string_concat(np.array("a", object), np.array("b", object))
    assert (scalar.shape, scalar.dtype, scalar.item()) == ((), STRING, "ab")


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        (r"[[:alpha:]]+\z", "abc", "ab1"),
        (r"\pL\p{Lu}\P{Lu}\p{^N}", "éÉéx", "éÉÉx"),
        (r"(?i)straSSE|\Qa.b*\E+", "A.B***"[:4], "aXb*"),
        (r"(?i:k)s", "\u212as", "\u212aS"),
        (r"(?s).(?-s).", "\na", "\n\n"),
        (r"(?m)a$\n^b", "a\nb", "ab"),
        (r"a$", "a", "a\n"),
        (r"\w\b.\B.", "a  ", "a b"),
        (r"[^\W_]\x41\x{1F600}\101", "aA\U0001f600A", "_A\U0001f600A"),
        (r"x{2,3}?y{,2}{", "xxy{,2}{", "xxyy{"),
        (r"(?P<a>a)(?<b>b)|()", "", "a"),
        (r"[]a-]+", "]-a", "b"),
        ("", "", "a"),
    ],
)
def test_patterns_mean_what_they_do_in_re2(pattern: str, yes: str, no: str):
    """Much of which Python's own syntax has no words for."""
    assert regex_full_match(texts(yes, no), pattern=pattern).tolist() == [True, False]


@pytest.mark.parametrize(
    "pattern", ["a**", "*a", "(a", "[b-a]", r"(a)\1", "(?=a)", "a{1001}", "a\\"]
)
def test_bad_patterns_are_named(pattern: str):
    with pytest.raises(ValueError, match="is not in RE2's syntax"):
        regex_full_match(texts("a"), pattern=pattern)


@pytest.mark.parametrize("pattern", ["(a*)*b", "(a|aa)+b", "(.*a){20}b", "(x+x+)+y|a*ab"])
def test_no_pattern_takes_more_than_linear_time(pattern: str):
    """Each of these keeps a backtracking matcher busy for longer than the universe is old."""
    assert not regex_full_match(texts("a" * 3000 + "c"), pattern=pattern).any()


def test_the_extra_is_named_when_it_is_missing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "re2", None)
    with pytest.raises(PyFlameRTError, match=r"need google-re2; install pyflame-rt\[text\]"):
        regex_full_match(texts("a"), pattern="a")


def counted(x: np.ndarray, **changes: object) -> list:
    options = {
        "pool": texts("a", "b", "a", "b"),
        "ngram_counts": (0, 2),
        "ngram_indexes": np.array([0, 2, 1]),
        "mode": "TF",
        "min_gram_length": 1,
        "max_gram_length": 2,
        "max_skip_count": 0,
        **changes,
    }
    result = tf_idf_vectorizer(x, **options)
    assert result.dtype == np.float32
    return result.tolist()


def test_items_of_an_n_gram_may_be_apart():
    """Single items are counted once, whatever may be skipped."""
    x = texts("a", "c", "b", "a", "b")
    assert counted(x) == [2, 1, 2]
    assert counted(x, max_skip_count=1) == [2, 2, 2]
    assert counted(x, max_skip_count=1 << 60) == [2, 3, 2]
    assert counted(x, min_gram_length=2) == [0, 1, 0]
    assert counted(x, max_gram_length=1 << 60) == [2, 1, 2]
    assert counted(texts()) == [0, 0, 0]
    assert counted(np.empty((0, 3), object)) == []


def test_weights_belong_to_n_grams():
    """Not to the places of the result."""
    weights = np.array([10, 20, 30], np.float32)
    x = texts("a", "a", "b")[None]
    assert counted(x, mode="IDF", weights=weights) == [[10, 30, 20]]
    assert counted(x, mode="TFIDF", weights=weights) == [[20, 30, 20]]
    assert counted(x, mode="TFIDF") == [[2, 1, 1]]
    with pytest.raises(ValueError, match="too large"):
        counted(x, ngram_indexes=np.array([0, 1, 1 << 60]))


def test_numbers_are_written_as_onnx_runtime_does():
    x = np.array([0.1, 1 / 3, 1e10, 1e-7, -0.0, 100000, np.nan, np.inf, -np.inf])
    wanted = ["0.1", "0.33333333", "1e+10", "1e-07", "-0", "100000", "NaN", "INF", "-INF"]
    assert cast(x, to=STRING).tolist() == wanted
    for array, wanted in (
        (np.array([True, False]), ["1", "0"]),
        (np.array([-3], np.int8), ["-3"]),
        (np.array([2**64 - 1], np.uint64), ["18446744073709551615"]),
        (np.array([1.5, -2], ml_dtypes.bfloat16), ["1.5", "-2"]),
        (np.array([-8, 7], ml_dtypes.int4), ["-8", "7"]),
    ):
        written = cast(array, to=STRING)
        assert (written.tolist(), written.dtype) == (wanted, STRING)
        assert cast(written, to=array.dtype).tolist() == array.tolist()


@pytest.mark.parametrize(
    ("text", "dtype", "number"),
    [
        (" 1e3 ", np.float32, 1000.0),
        ("+.5E-1", np.float64, 0.05),
        ("-inf", np.float16, -np.inf),
        ("+INF", np.float32, np.inf),
        ("9" * 400, np.float32, np.inf),
        ("9223372036854775807", np.int64, 2**63 - 1),
        ("-2.9", np.int8, -2),
        ("1e3", np.uint16, 1000),
        ("0.5", np.bool_, True),
        ("-0", np.bool_, False),
    ],
)
def test_numbers_are_read_in_every_spelling(text: str, dtype: type, number: float):
    result = cast(texts(text), to=np.dtype(dtype))
    assert (result.item(), result.dtype) == (number, dtype)


@pytest.mark.parametrize(
    ("text", "dtype", "why"),
    [
        ("Hello", np.float32, "'Hello' is no number"),
        ("", np.int64, "'' is no number"),
        ("1_000", np.float32, "'1_000' is no number"),
        ("0x10", np.float32, "'0x10' is no number"),
        ("\u0663", np.int64, "is no number"),
        ("300", np.uint8, "'300' is no uint8"),
        ("nan", np.int64, "'nan' is no int64"),
        ("9" * 5000, np.int64, "is no int64"),
        ("é" * 100, np.float32, "is no number"),
    ],
)
def test_what_is_no_number_is_named(text: str, dtype: type, why: str):
    with pytest.raises(ValueError, match=re.escape(why) + r"$") as error:
        cast(texts(text), to=np.dtype(dtype))
    assert len(str(error.value)) < 300


def test_nothing_is_an_empty_text():
    """Where numbers have 0, texts have ""."""
    x = texts("a", "", "b", "c").reshape(2, 2)
    assert trilu(x, upper=False).tolist() == [["a", ""], ["b", "c"]]
    assert non_zero(x).tolist() == [[0, 1, 1], [0, 0, 1]]
    assert pad(x[0], pads=(1, 0)).tolist() == ["", "a", ""]
    assert pad(x[0], None, np.array("x", object), pads=(0, 1)).tolist() == ["a", "", "x"]
    assert pad(x[1], pads=(1, 1), mode="reflect").tolist() == ["c", "b", "c", "b"]
    assert scatter_elements(x[0], np.array([1]), texts("z")).tolist() == ["a", "z"]


def test_texts_are_ordered_by_code_points():
    values, first, inverse, counts = unique(texts("b", "é", "B", "b"))
    assert values.tolist() == ["B", "b", "é"]
    assert (first.tolist(), inverse.tolist(), counts.tolist()) == (
        [2, 0, 1],
        [1, 2, 0, 1],
        [1, 2, 1],
    )

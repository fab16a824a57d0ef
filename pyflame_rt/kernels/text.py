"""Texts, and the counts of what is in them."""

from __future__ import annotations

from collections import Counter
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from pyflame_rt.dtypes import STRING
from pyflame_rt.errors import PyFlameRTError
from pyflame_rt.kernels.sizes import check_size

Array = npt.NDArray[Any]


__all__ = [
    "regex_full_match",
    "string_concat",
    "string_normalizer",
    "string_split",
    "tf_idf_vectorizer",
]


def string_concat(a: Array, b: Array) -> Array:
    """Each text of a followed by that of b."""
    check_size(np.broadcast_shapes(a.shape, b.shape), STRING)
    return np.asarray(np.add(a, b, dtype=STRING), STRING)


def _as_case(text: str, case: str) -> str:
    match case:
        case "LOWER":
            return text.lower()
        case "UPPER":
            return text.upper()
        case _:
            return text


def string_normalizer(
    x: Array,
    *,
    case_change_action: str = "NONE",
    is_case_sensitive: bool = False,
    stopwords: tuple[str, ...] = (),
) -> Array:
    """The texts that are no stopwords, in the wanted case; "" if none is left."""
    if x.ndim not in (1, 2) or (x.ndim == 2 and x.shape[0] != 1):
        raise ValueError(f"needs a vector, or a matrix of one row, got {list(x.shape)}")
    same = "NONE" if is_case_sensitive else case_change_action
    if not is_case_sensitive and same == "NONE":
        same = "LOWER"
    stops = {_as_case(word, same) for word in stopwords}
    kept = [_as_case(t, case_change_action) for t in x.flat if _as_case(t, same) not in stops]
    result: Array = np.empty(len(kept) or 1, STRING)
    result[:] = kept or [""]
    return result.reshape((1, -1) if x.ndim == 2 else -1)


def string_split(
    x: Array, *, delimiter: str = "", maxsplit: int | None = None
) -> tuple[Array, Array]:
    """The parts of each text, filled up with "" to the most there are, and their number.

    Without a delimiter they stand between white space, of which there is none around them.
    """
    most = -1 if maxsplit is None else max(-1, min(maxsplit, 2**31 - 1))
    texts = (text if delimiter else text.strip() for text in x.flat)
    parts = [text.split(delimiter or None, most) for text in texts]
    counts = np.array([len(found) for found in parts], np.int64)
    width = int(counts.max(initial=0))
    check_size((*x.shape, width), STRING)
    table: Array = np.full((x.size, width), "", STRING)
    for row, found in zip(table, parts, strict=True):
        row[: len(found)] = found
    return table.reshape(*x.shape, width), counts.reshape(x.shape)


def regex_full_match(x: Array, *, pattern: str = "") -> Array:
    """Whether each text as a whole is of the pattern, which is in RE2's syntax."""
    matches = compiled(pattern).fullmatch
    found = (matches(text) is not None for text in x.flat)
    return np.fromiter(found, np.bool_, x.size).reshape(x.shape)


def compiled(pattern: str) -> Any:
    """A pattern made ready by RE2, whose matches take time linear in the text.

    Raises ValueError for one that is not in its syntax, PyFlameRTError when RE2 is not installed.
    """
    try:
        re2: Any = import_module("re2")
    except ImportError as error:
        raise PyFlameRTError(
            "regular expressions need google-re2", hint="install pyflame-rt[text]"
        ) from error
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        # Its text may come as bytes.
        (why,) = error.args or ("not a pattern",)
        why = why.decode(errors="replace") if isinstance(why, bytes) else str(why)
        raise ValueError(f"the pattern {pattern!r} is not in RE2's syntax: {why}") from error


def _grams(pool: Array, ngram_counts: tuple[int, ...]) -> list[tuple[Any, ...]]:
    """The n-grams of a pool in order: those of one item, of two, and so on."""
    items = pool.tolist()
    found: list[tuple[Any, ...]] = []
    ends = (*ngram_counts[1:], len(items))
    for n, (start, end) in enumerate(zip(ngram_counts, ends, strict=True), 1):
        found += [tuple(items[at : at + n]) for at in range(start, end - n + 1, n)]
    return found


def gram_number(size: int, ngram_counts: tuple[int, ...]) -> int:
    """How many n-grams a pool of that size holds. Raises ValueError where it ends within one."""
    ends = (*ngram_counts[1:], size)
    total = 0
    for n, (start, end) in enumerate(zip(ngram_counts, ends, strict=True), 1):
        if not 0 <= start <= end or (end - start) % n:
            raise ValueError(f"items {start} to {end} of a pool are no {n}-grams")
        total += (end - start) // n
    return total


def tf_idf_vectorizer(
    x: Array,
    *,
    pool: Array,
    ngram_indexes: Array,
    ngram_counts: tuple[int, ...],
    mode: str,
    min_gram_length: int,
    max_gram_length: int,
    max_skip_count: int,
    weights: Array | None = None,
) -> Array:
    """How often each n-gram of the pool is in each row, its items up to some skips apart.

    "TF" counts, "IDF" has the weight of what occurs at all, "TFIDF" multiplies both.
    """
    if x.ndim not in (1, 2):
        raise ValueError(f"needs a vector or a matrix, got {list(x.shape)}")
    rows = x.reshape(1, -1) if x.ndim == 1 else x
    width = int(ngram_indexes.max(initial=-1)) + 1
    check_size((rows.shape[0], width), np.dtype(np.float32))
    lengths = range(min_gram_length, min(max_gram_length, len(ngram_counts)) + 1)
    # Of equal ones the last counts.
    known = {gram: at for at, gram in enumerate(_grams(pool, ngram_counts)) if len(gram) in lengths}
    result = np.zeros((rows.shape[0], width), np.float32)
    for row, items in zip(result, rows.tolist(), strict=True):
        for at, count in _occurrences(items, known, lengths, max_skip_count).items():
            weight = 1 if weights is None else weights[at]
            if mode == "IDF":
                row[ngram_indexes[at]] = weight
            else:
                row[ngram_indexes[at]] += count * (weight if mode == "TFIDF" else 1)
    return result.reshape(*x.shape[:-1], width)


def _occurrences(
    items: list[Any], known: dict[tuple[Any, ...], int], lengths: range, max_skip_count: int
) -> Counter[int]:
    """How often each n-gram occurs. Those of one item are there once, whatever the skips."""
    found: Counter[int] = Counter()
    for step in range(1, min(max_skip_count + 1, len(items)) + 1):
        for n in lengths:
            if n == 1 and step > 1:
                continue
            reach = (n - 1) * step
            grams = (tuple(items[at : at + reach + 1 : step]) for at in range(len(items) - reach))
            found.update(known[gram] for gram in grams if gram in known)
    return found

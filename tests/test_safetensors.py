"""The safetensors layout: every rule of the format is one that a hostile file breaks."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pyflame_rt.errors import InvalidModelError
from pyflame_rt.limits import Limits
from pyflame_rt.safetensors import read_tensors

DATA = bytes(range(40))


def entry(dtype: str, shape: list[int], begin: int, end: int) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


GOOD = {"a": entry("F32", [2, 3], 0, 24), "b": entry("I64", [2], 24, 40)}


def file(header: object, data: bytes = DATA) -> np.ndarray:
    """A file's bytes; a header that is not bytes is made JSON."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return np.frombuffer(len(text).to_bytes(8, "little") + text + data, np.uint8)


def test_tensors_are_views_of_the_data():
    source = file({"__metadata__": {"format": "pt"}, **GOOD})
    found = read_tensors(source, "x")
    assert list(found) == ["a", "b"]
    np.testing.assert_array_equal(found["a"], np.frombuffer(DATA[:24], "<f4").reshape(2, 3))
    np.testing.assert_array_equal(found["b"], np.frombuffer(DATA[24:], "<i8"))
    assert all(np.shares_memory(array, source) for array in found.values())


def test_order_in_the_header_is_free_and_tensors_may_be_empty_or_scalar():
    header = {
        "z": entry("U8", [], 39, 40),
        "e": entry("F32", [0, 5], 39, 39),
        "y": entry("BF16", [13], 0, 26),
        "x": entry("F8_E4M3", [13], 26, 39),
    }
    found = read_tensors(file(header), "x")
    assert [found[name].shape for name in "zeyx"] == [(), (0, 5), (13,), (13,)]


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (np.zeros(7, np.uint8), "shorter than 8 bytes"),
        (np.frombuffer((2**63).to_bytes(8, "little") + DATA, np.uint8), "exceeds the file"),
        (file(b" {}", b""), "not a JSON object"),
        (file(b"[]", b""), "not a JSON object"),
        (file(b'{"a": \xff}', b""), "not JSON"),
        (file(b'{"a":' * 100_000, b""), "not JSON"),
        (file(b'{"a": ' + b"9" * 5000 + b"}", b""), "not JSON"),
        (file(b'{"a": 1, "a": 2}', b""), "repeats 'a'"),
        (file(b'{"a": {"dtype": "F32", "dtype": "F32"}}', b""), "repeats 'dtype'"),
        (file({**GOOD, "__metadata__": {"a": 1}}), "metadata is not a map of texts"),
        (file({**GOOD, "__metadata__": []}), "metadata is not a map of texts"),
        (file({"a": 1}), "needs dtype"),
        (file({"a": {**entry("F32", [10], 0, 40), "more": 1}}), "nothing else"),
        (file({"a": {"dtype": "F32", "shape": [10], "data_offsets": [0, 40, 40]}}), "nothing else"),
        (file({"a": entry("F4", [80], 0, 40)}), "unknown dtype F4"),
        (file({"a": entry("F31", [10], 0, 40)}), "unknown dtype F31"),
        (file({"a": entry("F32", [-10], 0, 40)}), "non-negative"),
        (file({"a": entry("F32", [2**63], 0, 40)}), "non-negative"),
        (file({"a": entry("U8", [1] * 33 + [40], 0, 40)}), "34 dimensions"),
        (file({"a": entry("F32", [2**62, 2**62, 10], 0, 40)}), "do not hold"),
        (file({"a": entry("U8", [0, 2**62], 0, 0), "b": entry("U8", [40], 0, 40)}), "not believed"),
        (file({"a": entry("F32", [9], 0, 40)}), "do not hold"),
        (file({"a": entry("F32", [11], 0, 44)}), "outside the file"),
        (file({"a": entry("F32", [10], 40, 0)}), "outside the file"),
        (file({**GOOD, "c": entry("F32", [2], 0, 8)}), "overlap at byte 0"),
        (file({**GOOD, "b": entry("I64", [1], 32, 40)}), "gap or overlap at byte 32"),
        (file({"a": GOOD["a"]}), "16 bytes follow the last tensor"),
        (file({}), "40 bytes follow the last tensor"),
        (file({"n" * 5000: entry("U8", [40], 0, 40)}), "its name has more than 4096 bytes"),
        (file({"\ud800": entry("U8", [40], 0, 40)}), "its name is not UTF-8"),
        (file({"a\0": entry("U8", [40], 0, 40)}), "without NUL"),
        (file({"a": entry("BOOL", [40], 0, 40)}), "neither false nor true"),
    ],
)
def test_is_refused(source: np.ndarray, why: str):
    with pytest.raises(InvalidModelError, match=why) as caught:
        read_tensors(source, "x")
    assert len(str(caught.value)) < 1000


def test_names_that_are_no_unicode_are_harmless():
    """JSON can spell half of a character; errors about it can be printed."""
    header = b'{"\\ud800": {"dtype": "U8", "shape": [41], "data_offsets": [0, 41]}}'
    with pytest.raises(InvalidModelError) as caught:
        read_tensors(file(header), "x")
    assert str(caught.value).isascii()


def test_limits_are_overridden():
    for limits in (Limits(safetensors_header_bytes=20), Limits(tensor_bytes=23)):
        with pytest.raises(InvalidModelError, match=r"raise Limits.safetensors|not believed"):
            read_tensors(file(GOOD), "x", limits)

"""The safetensors layout: `u64 header length, JSON header, data`, every rule of it checked.

Tensors follow each other without gaps or overlaps from the first byte of the data to the last, so
that a file has one meaning and no hidden part. Format: safetensors' README and `validate()`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, TypeAlias, TypeGuard, cast

import numpy as np
import numpy.typing as npt

from pyflame_rt import dtypes
from pyflame_rt.errors import InvalidModelError
from pyflame_rt.limits import DEFAULT_LIMITS, Limits

Array: TypeAlias = npt.NDArray[Any]
Pairs: TypeAlias = list[tuple[str, object]]

_METADATA = "__metadata__"
_PARTS_OF_BYTES = frozenset({"F4", "I4", "U4", "I2", "U2"})


def read_tensors(
    data: Array, where: str, limits: Limits = DEFAULT_LIMITS, *, spread: bool = False
) -> dict[str, Array]:
    """The tensors of a file as read-only views of its bytes, by name.

    The format packs elements of less than a byte, and those are not read; with `spread` they take
    a byte each, as in our side files. Raises InvalidModelError.
    """
    if data.size < 8:
        raise InvalidModelError("not a weights file: shorter than 8 bytes", where=where)
    length = int.from_bytes(data[:8].tobytes(), "little")
    if length > data.size - 8:
        raise InvalidModelError(f"weights header of {length} bytes exceeds the file", where=where)
    if length > limits.safetensors_header_bytes:
        raise InvalidModelError(
            f"weights header of {length} bytes",
            where=where,
            hint="raise Limits.safetensors_header_bytes if the file can be trusted",
        )
    header = _header(data[8 : 8 + length].tobytes(), where)
    body = data[8 + length :]
    tensors: dict[str, Array] = {}
    spans: list[tuple[int, int]] = []
    for name, entry in header.items():
        if name != _METADATA:
            tensors[name], span = _tensor(body, name, entry, where, limits, spread)
            spans.append(span)
    end = 0
    for begin, after in sorted(spans):
        if begin != end:
            raise InvalidModelError(
                f"weights entries leave a gap or overlap at byte {begin}", where=where
            )
        end = after
    if end != body.size:
        raise InvalidModelError(f"{body.size - end} bytes follow the last tensor", where=where)
    return tensors


def _header(text: bytes, where: str) -> Mapping[str, object]:
    try:
        header: object = json.loads(text.decode(), object_pairs_hook=_unique)
    except _Repeated as error:
        raise InvalidModelError(f"weights header repeats {error}", where=where) from error
    except (ValueError, RecursionError) as error:
        raise InvalidModelError("weights header is not JSON", where=where) from error
    if not isinstance(header, dict) or not text.startswith(b"{"):
        raise InvalidModelError("weights header is not a JSON object", where=where)
    entries = cast(dict[str, object], header)
    metadata = entries.get(_METADATA, {})
    texts = cast(dict[str, object], metadata).values() if isinstance(metadata, dict) else (None,)
    if not all(isinstance(text, str) for text in texts):
        raise InvalidModelError("weights metadata is not a map of texts", where=where)
    return entries


class _Repeated(Exception):
    """A key of a JSON object that is there twice."""


def _unique(pairs: Pairs) -> dict[str, object]:
    entries: dict[str, object] = {}
    for name, value in pairs:
        if name in entries:
            raise _Repeated(f"{name[:64]!a}")
        entries[name] = value
    return entries


def _tensor(
    body: Array, name: str, entry: object, where: str, limits: Limits, spread: bool
) -> tuple[Array, tuple[int, int]]:
    def invalid(why: str) -> InvalidModelError:
        return InvalidModelError(f"weights entry {name[:64]!a}: {why}", where=where)

    fields = cast(dict[str, object], entry) if isinstance(entry, dict) else {}
    element, dims, span = (fields.get(key) for key in ("dtype", "shape", "data_offsets"))
    if not isinstance(element, str) or not _is_sizes(dims) or not _is_sizes(span):
        raise invalid("needs dtype, shape and data_offsets, the last two of non-negative integers")
    if len(fields) != 3 or len(span) != 2:
        raise invalid("needs dtype, shape and data_offsets of two integers, and nothing else")
    raw = name.encode("utf-8", "surrogatepass")
    if len(raw) > limits.name_bytes:
        raise invalid(f"its name has more than {limits.name_bytes} bytes")
    if "\0" in name or raw != name.encode("utf-8", "replace"):
        raise invalid("its name is not UTF-8 text without NUL")
    if len(dims) > limits.tensor_rank:
        raise invalid(f"has {len(dims)} dimensions")
    begin, end = span
    row = dtypes.by_safetensors().get(element)
    if row is None or (element in _PARTS_OF_BYTES and not spread):
        raise invalid(f"unknown dtype {ascii(element[:64])[1:-1]}")
    if not begin <= end <= body.size:
        raise invalid(f"bytes {begin}..{end} lie outside the file")
    if math.prod(dims) * row.numpy.itemsize != end - begin:
        raise invalid(f"{end - begin} bytes do not hold {row.mlir} of shape {dims}")
    if math.prod(dim for dim in dims if dim) * row.numpy.itemsize > limits.tensor_bytes:
        raise invalid(f"shape {dims} is not believed")
    data = body[begin:end]
    if row.numpy == np.bool_ and data.size and int(data.max()) > 1:
        raise invalid("holds bytes that are neither false nor true")
    return data.view(row.numpy).reshape(dims), (begin, end)


def _is_sizes(value: object) -> TypeGuard[list[int]]:
    """Whether a JSON value is a list of at most 64 non-negative 63-bit integers."""
    if not isinstance(value, list):
        return False
    items = cast(list[object], value)
    return len(items) <= 64 and all(type(i) is int and 0 <= i < 2**63 for i in items)

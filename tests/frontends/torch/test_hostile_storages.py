"""Tensors that would lie outside their storages, or be too big to believe: refused in numbers."""

from __future__ import annotations

import resource
from collections.abc import Mapping

import numpy as np
import pytest
from torch_bytes import (
    HOOKS,
    call,
    checkpoint,
    dense,
    flag,
    integer,
    integers,
    legacy,
    listed,
    mapping,
    name,
    real,
    several,
    sparse,
    storage,
    tensor,
    text,
)

from pyflame_rt.errors import InvalidModelError
from pyflame_rt.frontends.torch.checkpoint import read_state_dict
from pyflame_rt.limits import DEFAULT_LIMITS, Limits

FOUR = np.arange(4, dtype=np.float32)
HELD = storage("Float", "0", 4)
HUGE = 2**62
CHANNELS = dense(FOUR, "0")
SHORT = tensor(HELD, 0, (3,), (1,))


def read(
    pickled: bytes,
    storages: Mapping[str, bytes] | None = None,
    limits: Limits = DEFAULT_LIMITS,
    order: str = "little",
) -> np.ndarray:
    data = checkpoint(
        mapping({"w": pickled}), storages or {"0": FOUR.tobytes(), "q": bytes(4)}, order
    )
    return read_state_dict(data, limits=limits)["w"]


def quantized(scheme: bytes, held: bytes | None = None) -> bytes:
    args = (integer(0), integers((4,)), integers((1,)), scheme, flag(False), HOOKS)
    held = held or storage("QInt8", "q", 4)
    return call(name("torch._utils", "_rebuild_qtensor"), held, *args)


def scheme(kind: str, *parameters: bytes) -> bytes:
    return several(name("torch", kind), *parameters)


@pytest.mark.parametrize(
    ("pickled", "why"),
    [
        (tensor(HELD, 0, (5,), (1,)), "reaches element 4 of 4"),
        (tensor(HELD, 1, (4,), (1,)), "reaches element 4 of 4"),
        (tensor(HELD, 5, (0,), (1,)), "reaches element 4 of 4"),
        (tensor(HELD, 0, (2, 2), (HUGE, 1)), "reaches element 4611686018427387905"),
        (tensor(HELD, 0, (HUGE, HUGE), (HUGE, HUGE)), "reaches element"),
        (tensor(HELD, HUGE, (1,), (1,)), "reaches element"),
        (tensor(HELD, -1, (1,), (1,)), "needs offset, sizes and strides"),
        (tensor(HELD, 0, (-1,), (1,)), "needs offset, sizes and strides"),
        (tensor(HELD, 3, (4,), (-1,)), "needs offset, sizes and strides"),
        (tensor(HELD, 0, (2**63,), (0,)), "needs offset, sizes and strides"),
        (tensor(HELD, 0, (1,) * 33, (1,) * 33), "at most 32"),
        (tensor(HELD, 0, (2, 2), (1,)), "2 sizes and 1 strides"),
        (tensor(HELD, 0, (HUGE,), (0,)), "are not believed"),
        (tensor(HELD, 0, (0, HUGE), (1, 1)), "are not believed"),
        (tensor(b"N", 0, (1,), (1,)), "without a storage"),
        (tensor(storage("Untyped", "0", 16), 0, (4,), (1,)), "without a storage of its element"),
        # Storages that are not what the file has.
        (tensor(storage("Float", "0", 5), 0, (4,), (1,)), "16 bytes where its tensors need 20"),
        (tensor(storage("Float", "0", 3), 0, (3,), (1,)), "16 bytes where its tensors need 12"),
        (tensor(storage("Float", "0", HUGE), 0, (4,), (1,)), "16 bytes where"),
        (tensor(storage("Float", "1", 4), 0, (4,), (1,)), "storage '1': is not in the file"),
        (tensor(storage("Float", "../data.pkl", 4), 0, (4,), (1,)), "is not in the file"),
        (
            several(tensor(HELD, 0, (4,), (1,)), tensor(storage("Int", "0", 4), 0, (4,), (1,))),
            "two element types",
        ),
        # Flags and metadata.
        (tensor(HELD, 0, (4,), (1,)).replace(flag(False), b"N"), "requires_grad"),
        (tensor(HELD, 0, (4,), (1,), b"]"), "not a dict"),
        (tensor(HELD, 0, (4,), (1,), mapping({"device": b"N"})), "more than conj and neg"),
        (tensor(HELD, 0, (4,), (1,), mapping({"conj": b"N"})), "more than conj and neg"),
        # Quantizers.
        (quantized(b"N"), "quantizer of a tensor of sizes"),
        (quantized(scheme("per_tensor_affine", b"N", b"N")), "quantizer"),
        (quantized(scheme("per_tensor_affine", real(1), integer(2**40))), "quantizer"),
        (quantized(scheme("per_tensor_affine", real(1))), "quantizer"),
        (quantized(scheme("per_channel_affine", CHANNELS, CHANNELS, integer(1))), "quantizer"),
        (quantized(scheme("per_channel_affine", CHANNELS, CHANNELS, integer(-1))), "quantizer"),
        (quantized(scheme("per_channel_affine", CHANNELS, b"N", integer(0))), "quantizer"),
        (quantized(scheme("per_channel_affine", SHORT, SHORT, integer(0))), "quantizer"),
        (quantized(scheme("per_tensor_affine", real(1), integer(1)), HELD), "of float32"),
        # Sparse tensors.
        (call(name("torch._utils", "_rebuild_sparse_tensor"), b"N", b")"), "not of layout"),
    ],
)
def test_is_refused(pickled: bytes, why: str):
    with pytest.raises(InvalidModelError, match=why):
        read(pickled)


@pytest.mark.parametrize(
    ("indices", "sizes", "why"),
    [
        (np.zeros((3, 4), np.int64), (2, 2), "sparse tensor of sizes"),
        (np.zeros((1, 3), np.int64), (4,), "sparse tensor of sizes"),
        (np.zeros(4, np.int64), (4,), "sparse tensor of sizes"),
        (np.zeros((1, 4), np.int32), (4,), "sparse tensor of sizes"),
        (np.zeros((1, 4), np.int64), (HUGE,), "are not believed"),
        (np.array([[0, 1, 2, 4]]), (4,), "outside its sparse tensor"),
        (np.array([[0, 1, 2, -1]]), (4,), "outside its sparse tensor"),
    ],
)
def test_sparse_tensors_are_refused(indices: np.ndarray, sizes: tuple[int, ...], why: str):
    """Before the dense array exists, but for indices, which are values."""
    storages = {"0": indices.tobytes(), "1": FOUR.tobytes()}
    with pytest.raises(InvalidModelError, match=why):
        read(sparse(indices, FOUR, sizes), storages)


def test_a_bool_that_is_neither_is_refused():
    with pytest.raises(InvalidModelError, match="neither false nor true"):
        read(tensor(storage("Bool", "0", 2), 0, (2,), (1,)), {"0": b"\1\2"})


def test_bytes_that_are_no_whole_elements_are_refused():
    """Of an untyped storage in the other byte order."""
    args = (integer(0), integers((1,)), integers((1,)), flag(False), HOOKS)
    held = storage("Untyped", "0", 3)
    pickled = call(name("torch._utils", "_rebuild_tensor_v3"), held, *args, name("torch", "uint16"))
    with pytest.raises(InvalidModelError, match="not whole uint16 elements"):
        read(pickled, {"0": b"abc"}, order="big")


def test_views_of_a_small_storage_cannot_add_up_without_end():
    """A megabyte seen a thousand times is refused, tied weights seen a few times are not."""
    held = storage("Byte", "0", 2**20) + b"q\0"
    views = [tensor(held, 0, (2**20,), (1,))]
    views += [tensor(b"h\0", 0, (2**20,), (1,)) for _ in range(1000)]
    file = checkpoint(mapping({f"{i}": view for i, view in enumerate(views)}), {"0": bytes(2**20)})
    with pytest.raises(InvalidModelError, match="are not believed"):
        read_state_dict(file)
    tied = checkpoint(mapping({f"{i}": v for i, v in enumerate(views[:8])}), {"0": bytes(2**20)})
    assert len(read_state_dict(tied)) == 8


@pytest.mark.parametrize(
    "limits",
    [Limits(tensor_bytes=15), Limits(expansion_ratio=0, expansion_bytes=15), Limits(tensor_rank=0)],
)
def test_limits_are_overridden(limits: Limits):
    plain = tensor(HELD, 0, (4,), (1,))
    assert read(plain).nbytes == 16
    with pytest.raises(InvalidModelError, match=r"not believed|at most 0"):
        read(plain, limits=limits)


TENSOR = tensor(storage("Float", "k", 4, b"N"), 0, (4,), (1,))
GOOD = legacy(mapping({"w": TENSOR}), {"k": (4, FOUR.tobytes())})


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (GOOD[:-1], "behind the end of the file"),
        (GOOD[:-17], "elements where its tensors need 4|behind the end"),
        (GOOD + b"x", "1 bytes follow the last storage"),
        (GOOD[: len(GOOD) // 2], "ends"),
        (GOOD.replace(integer(1001), integer(1002), 1), "only version"),
        (legacy(TENSOR, {"k": (3, FOUR.tobytes())}), "has 3 elements where its tensors need 4"),
        (legacy(TENSOR, {"k": (-1, b"")}), "has -1 elements"),
        (legacy(TENSOR, {"other": (4, FOUR.tobytes())}), "1 storages are listed"),
        (legacy(TENSOR, {}), "0 storages are listed"),
        (legacy(b"N", {"k": (4, FOUR.tobytes())}), "1 storages are listed"),
        (legacy(TENSOR, {"k": (2**62, b"")}), "elements where its tensors need 4"),
        (GOOD.replace(listed(text("k")), TENSOR), "tensor is where the stream has none"),
        (GOOD.replace(listed(text("k")), listed(integer(1))), "list of storages is malformed"),
        (GOOD.replace(listed(text("k")), listed(text("k"), text("k"))), "is malformed"),
        (bytes(257) + b"ustar", "tar file, which torch wrote before"),
    ],
)
def test_legacy_streams_are_refused(data: bytes, why: str):
    np.testing.assert_array_equal(read_state_dict(GOOD)["w"], FOUR)
    with pytest.raises(InvalidModelError, match=why):
        read_state_dict(data, key="")


def test_a_refusal_costs_no_memory():
    """Exabytes in a header make no array of any size."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for sizes, strides in (((HUGE,), (0,)), ((2**20, 2**20), (0, 0)), ((2**31, 2), (2, 1))):
        with pytest.raises(InvalidModelError):
            read(tensor(HELD, 0, sizes, strides))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024

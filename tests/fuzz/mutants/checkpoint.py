"""Files of tensors: torch's archives by members and by opcodes, its older streams, safetensors."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

import numpy as np
from torch_bytes import (
    checkpoint,
    dense,
    flag,
    integer,
    legacy,
    listed,
    mapping,
    real,
    several,
    sparse,
    storage,
    tensor,
    text,
)
from xdsl.dialects.builtin import ModuleOp

from mutants import archives, corpus, exported, pickles, script
from mutants.base import EXTREMES, Format, changed_bytes, changed_tree, how_many
from pyflame_rt.frontends.torch.checkpoint import (
    Form,
    identify,
    inspect_checkpoint,
    read_state_dict,
)

W = np.arange(6, dtype=np.float32).reshape(2, 3)
VALUE = mapping({"w": dense(W, "0"), "b": dense(W[0], "1"), "n": integer(7)})
STORAGES = {"0": W.tobytes(), "1": W[0].tobytes()}
NESTED = mapping({
    "model": mapping({"module.w": tensor(storage("Float", "0", 6), 0, (3, 2), (1, 3))}),
    "epoch": listed(real(1.5), flag(True), text("x"), several(integer(2**40), integer(-1))),
    "same": tensor(storage("Float", "0", 6), 2, (2, 2), (1, 1)),
})  # fmt: skip
HEADER = {
    "w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
    "b": {"dtype": "F32", "shape": [3], "data_offsets": [24, 36]},
    "__metadata__": {"format": "pt"},
}


def read(data: bytes) -> ModuleOp | None:
    """What the files of torch are opened as: by their contents, whatever they are called."""
    form = identify(data)
    if form is Form.TorchScript:
        return script.read(data)
    if form is Form.Exported:
        return exported.read(data)
    return read_tensors(data)


def read_tensors(data: bytes) -> None:
    """A state dict, and a look at what a file holds."""
    inspect_checkpoint(data)
    key = "model" if b"epoch" in data else None
    for array in read_state_dict(data, key=key, strip_prefix=True).values():
        # Touches the first and the last byte of what the view says it has.
        if array.size:
            array.flat[0], array.flat[-1]


def checkpoints() -> Iterator[bytes]:
    """Archives as torch.save writes them."""
    yield checkpoint(VALUE, STORAGES)
    yield checkpoint(NESTED, {"0": STORAGES["0"]})
    pairs = np.array([[0, 1], [1, 2]])
    yield checkpoint(
        mapping({"s": sparse(pairs, W[0, :2], (2, 3))}),
        {"0": pairs.tobytes(), "1": W[0, :2].tobytes()},
    )
    yield from (data for data in corpus.files("*_sd.pt", "misc.pt", "shared.pt", "ckpt_*.pt"))


def archives_of_all_kinds() -> Iterator[bytes]:
    """Archives with tensors, with code, with an exported program."""
    yield checkpoint(VALUE, STORAGES)
    yield checkpoint(NESTED, {"0": STORAGES["0"]})
    yield from script.own()
    yield from list(exported.seeds())[:2]


def streams() -> Iterator[bytes]:
    """What torch.save wrote before 1.6."""
    yield legacy(VALUE, {"0": (6, STORAGES["0"]), "1": (3, STORAGES["1"])})
    yield legacy(NESTED, {"0": (6, STORAGES["0"])}, little=False)
    yield from corpus.files("*_legacy.pt")


def safetensors() -> Iterator[bytes]:
    """A file of two tensors."""
    yield assembled(json.dumps(HEADER).encode())


def assembled(header: bytes, length: int | None = None) -> bytes:
    """A safetensors file; `length` is what it says of its header."""
    told = len(header) if length is None else length
    return told.to_bytes(8, "little") + header + STORAGES["0"] + STORAGES["1"]


def changed_pickle(data: bytes, draw: random.Random) -> bytes:
    """An archive with its pickle changed, everything else being right."""
    files = archives.members(data)
    files["data.pkl"] = pickles.changed(files["data.pkl"], draw)
    return archives.packed(files)


def changed_stream(data: bytes, draw: random.Random) -> bytes:
    """A stream with one of its pickles changed, or the storages behind them."""
    parts, at = [], 0
    for _ in range(5):
        size = sum(map(len, pickles.operations(data[at:])[:-1]))
        end = data.index(b".", at + size) + 1
        parts.append(data[at:end])
        at = end
    parts.append(data[at:])
    index = draw.choice((0, 1, 2, 3, 3, 3, 4, 5))
    change = changed_bytes if index == 5 else pickles.changed
    parts[index] = change(parts[index], draw)
    return b"".join(parts)


def changed_safetensors(_: bytes, draw: random.Random) -> bytes:
    """A file with its header changed as JSON or as bytes."""
    header = json.dumps(HEADER).encode()
    if draw.random() < 0.6:
        tree = json.loads(header)
        for _ in range(how_many(draw)):
            tree = changed_tree(tree, draw)
        header = json.dumps(tree).encode()
    else:
        header = changed_bytes(header, draw)
    length = len(header) if draw.random() < 0.9 else abs(draw.choice(EXTREMES)) % 2**64
    return assembled(header, length)


ZIP = Format("zip", archives_of_all_kinds, archives.changed, read, 130)
PICKLE = Format("pickle", checkpoints, changed_pickle, read_tensors, 200)
LEGACY = Format("legacy", streams, changed_stream, read_tensors, 120)
SAFETENSORS = Format("safetensors", safetensors, changed_safetensors, read_tensors, 100)

"""State dicts: names and tensors out of a checkpoint of any form, and what else it holds.

A checkpoint is a ZIP archive or a legacy stream of torch.save, or a safetensors file; its content
decides, not its name. Values that are not tensors (epochs, options, optimizer states) are kept for
inspection and never needed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard, cast

import numpy as np
import numpy.typing as npt

from pyflame_rt import safetensors
from pyflame_rt.errors import InvalidModelError
from pyflame_rt.frontends.torch.archive import Archive, is_archive
from pyflame_rt.frontends.torch.legacy import is_legacy, is_tar, load_legacy
from pyflame_rt.frontends.torch.pickle_globals import (
    Args,
    Dict,
    EnumRecord,
    MetaRecord,
    ObjectRecord,
    OpaqueRecord,
)
from pyflame_rt.frontends.torch.pickle_machine import load_member
from pyflame_rt.frontends.torch.storage import SparseRecord, Storage, TensorRecord
from pyflame_rt.limits import DEFAULT_LIMITS, Limits
from pyflame_rt.weights import map_file

Array: TypeAlias = npt.NDArray[Any]
Tensor: TypeAlias = TensorRecord | SparseRecord | MetaRecord | Array
Source: TypeAlias = str | os.PathLike[str] | bytes

_SHOWN = 8
_PARALLEL = "module."


class Form(Enum):
    """What a file that torch wrote is."""

    Archive = "checkpoint"
    Legacy = "legacy checkpoint"
    Safetensors = "safetensors"
    TorchScript = "TorchScript"
    Exported = "torch.export"

    @property
    def is_program(self) -> bool:
        """Whether it has more than tensors: a graph that can be run."""
        return self in (Form.TorchScript, Form.Exported)


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds, its tensors not read yet; `value` is mostly a dict."""

    where: str
    form: Form
    value: object = field(repr=False)

    def tensors(
        self, key: str | None = None, *, strip_prefix: bool | str = False
    ) -> dict[str, Tensor]:
        """The tensors of the state dict by name, which other entries are left out of.

        `key` is the way to a dict inside the file, parts joined by dots ("state_dict",
        "ema.model"); "" is the outermost one whatever it holds. `strip_prefix` takes "module."
        from every name that begins so, a text takes that one.
        Raises InvalidModelError when there is no such dict, when it has no tensors, or when no key
        is given and the file holds several dicts of tensors.
        """
        found = self._dict(key)
        tensors = {name: entry for name, entry in found.items() if is_tensor(entry)}
        nested = [
            name
            for name, entry in found.items()
            if not name.endswith("_extra_state") and _holds_tensors(entry)
        ]
        if nested and (key is None or not tensors):
            raise InvalidModelError(
                f"is not a state dict, but holds {_listing(nested)}",
                where=self.where,
                hint=f'give the one to read as key, "{nested[0][:64]}"',
            )
        if not tensors:
            raise InvalidModelError(
                f"holds no tensors, but {_listing(list(found)) or 'nothing'}", where=self.where
            )
        return _stripped(tensors, strip_prefix, self.where)

    def _dict(self, key: str | None) -> dict[str, object]:
        value = self.value
        for part in _path(value, key or "", self.where):
            value = cast(Dict, value)[part]
        if not isinstance(value, dict):
            raise InvalidModelError(
                f"{_kind(value)} is where a state dict belongs", where=self.where
            )
        return {name: v for name, v in cast(Dict, value).items() if isinstance(name, str)}


@dataclass(frozen=True)
class TensorSummary:
    """A tensor of a checkpoint: its way in the file, and what it is.

    `dtype` is torch's name. `shares` names the first tensor of the same storage, "" when there is
    none before; `note` is "sparse", "quantized" or "no values" where that is so.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    nbytes: int
    shares: str = ""
    note: str = ""

    def __str__(self) -> str:
        """`fc.weight: float32 [8, 4], 128 bytes`."""
        extras = [self.note] if self.note else []
        extras += [f"shares storage with {self.shares}"] if self.shares else []
        size = f"{self.dtype} {list(self.shape)}, {self.nbytes:,} bytes"
        return f"{self.name}: {', '.join([size, *extras])}"


@dataclass(frozen=True)
class CheckpointSummary:
    """What a checkpoint holds: tensors wherever they are, and the other values by their ways."""

    form: Form
    tensors: tuple[TensorSummary, ...]
    others: Mapping[str, str]


def read_state_dict(
    source: Source,
    *,
    key: str | None = None,
    strip_prefix: bool | str = False,
    name: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
    verify: bool = True,
) -> dict[str, Array]:
    """The tensors of a checkpoint or safetensors file by name, as read-only arrays.

    Arrays are views of the file's map where the file has them as they are; quantized tensors are
    given as the float32 values they stand for, sparse ones dense. `key` and `strip_prefix` are
    those of `Checkpoint.tensors`; without `verify` CRCs of tensors are not compared and their bytes
    stay unread. A file that becomes shorter while it is mapped ends the process: give its bytes
    where that may happen. Raises ModelNotFoundError, InvalidModelError.
    """
    checkpoint = open_checkpoint(source, name=name, limits=limits, verify=verify)
    tensors = checkpoint.tensors(key, strip_prefix=strip_prefix)
    return {name: _values(name, tensor, checkpoint.where) for name, tensor in tensors.items()}


def open_checkpoint(
    source: Source,
    *,
    name: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
    verify: bool = True,
) -> Checkpoint:
    """Open a checkpoint; `name` stands for the file in messages.

    Raises ModelNotFoundError; InvalidModelError, also for a file that holds a program.
    """
    where = _where(source, name)
    data = _data(source)
    archive = Archive(data, where, limits) if is_archive(data) else None
    form = form_of(data if archive is None else archive, where)
    if archive is not None and form is Form.Archive:
        return Checkpoint(where, form, load_member(archive, "data.pkl", verify=verify))
    if form is Form.Legacy:
        return Checkpoint(where, form, load_legacy(data, where, limits))
    if form is Form.Safetensors:
        tensors = safetensors.read_tensors(np.frombuffer(data, np.uint8), where, limits)
        return Checkpoint(where, form, tensors)
    raise InvalidModelError(
        f"is a {form.value} program, not a checkpoint", where=where, hint="load it as a model"
    )


def identify(source: Source, *, limits: Limits = DEFAULT_LIMITS) -> Form:
    """What a file is, by content.

    Raises ModelNotFoundError; InvalidModelError when torch writes no such file.
    """
    where, data = _where(source, None), _data(source)
    return form_of(Archive(data, where, limits) if is_archive(data) else data, where)


def form_of(data: memoryview | Archive, where: str) -> Form:
    """What a file is, by content. Raises InvalidModelError when torch writes no such file."""
    if isinstance(data, Archive):
        names = data.names
        if "constants.pkl" in names or any(name.startswith("code/") for name in names):
            return Form.TorchScript
        if "archive_format" in names or "serialized_exported_program.json" in names:
            return Form.Exported
        if "data.pkl" in names:
            return Form.Archive
        raise InvalidModelError("is an archive, but not one of torch's", where=where)
    if is_legacy(data):
        return Form.Legacy
    if is_tar(data):
        raise InvalidModelError(
            "is a tar file, which torch wrote before 0.1.10",
            where=where,
            hint="load and save it with a torch that still reads it",
        )
    if bytes(data[8:9]) == b"{":
        return Form.Safetensors
    raise InvalidModelError(
        "is neither a file of torch.save nor of safetensors", where=where, hint="check the path"
    )


def inspect_checkpoint(
    source: Source, *, name: str | None = None, limits: Limits = DEFAULT_LIMITS
) -> CheckpointSummary:
    """What a checkpoint or TorchScript archive holds, without reading a tensor.

    Raises ModelNotFoundError, InvalidModelError.
    """
    where = _where(source, name)
    data = _data(source)
    archive = Archive(data, where, limits) if is_archive(data) else None
    form = form_of(data if archive is None else archive, where)
    if archive is not None and form is Form.TorchScript:
        value: object = {
            "": load_member(archive, "data.pkl", classes=True, verify=False),
            "constants": _constants(archive),
        }
    else:
        value = open_checkpoint(source, name=name, limits=limits, verify=False).value
    tensors: list[TensorSummary] = []
    others: dict[str, str] = {}
    owners: dict[Storage, str] = {}
    for path, entry in _leaves(value):
        shown = path if path.isprintable() else ascii(path)
        if is_tensor(entry):
            tensors.append(_summary(shown, entry, owners))
        else:
            others[shown] = _kind(entry)
    return CheckpointSummary(form, tuple(tensors), others)


def is_tensor(value: object) -> TypeGuard[Tensor]:
    """Whether a value of a checkpoint is a tensor."""
    return isinstance(value, (TensorRecord, SparseRecord, MetaRecord, np.ndarray))


def _where(source: Source, name: str | None) -> str:
    return name or ("<bytes>" if isinstance(source, bytes) else os.fspath(source))


def _data(source: Source) -> memoryview:
    return memoryview(source) if isinstance(source, bytes) else map_file(Path(source)).data


def _constants(archive: Archive) -> object:
    if "constants.pkl" not in archive:
        return ()
    return load_member(archive, "constants.pkl", folder="constants", classes=True, verify=False)


def _values(name: str, tensor: Tensor, where: str) -> Array:
    if isinstance(tensor, MetaRecord):
        raise InvalidModelError(
            f"tensor {name[:64]!a} was saved on the meta device and has no values", where=where
        )
    return tensor if isinstance(tensor, np.ndarray) else tensor.values()


def _path(value: object, key: str, where: str) -> Iterator[str]:
    """The keys that lead to a dict; names may have dots themselves, the longest that fits counts."""
    rest = key
    while rest:
        entries = cast(Dict, value) if isinstance(value, dict) else {}
        parts = rest.split(".")
        heads = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
        head = next((head for head in heads if head in entries), None)
        if head is None:
            names = [name for name in entries if isinstance(name, str)]
            raise InvalidModelError(
                f"has nothing under {rest[:64]!a}, but {_listing(names) or 'no names'}", where=where
            )
        yield head
        value, rest = entries[head], rest[len(head) + 1 :]


def _stripped(tensors: dict[str, Tensor], prefix: bool | str, where: str) -> dict[str, Tensor]:
    text = _PARALLEL if prefix is True else prefix or ""
    stripped = {name.removeprefix(text): tensor for name, tensor in tensors.items()}
    if len(stripped) != len(tensors):
        raise InvalidModelError(f"two names are one without {text[:64]!a}", where=where)
    return stripped


def _holds_tensors(value: object) -> bool:
    entries = cast(Dict, value).values() if isinstance(value, dict) else ()
    return any(is_tensor(entry) or _holds_tensors(entry) for entry in entries)


def _listing(names: list[str]) -> str:
    """The first few names."""
    shown = ", ".join(f"{name[:64]!a}" for name in names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown


def _leaves(root: object) -> Iterator[tuple[str, object]]:
    """Every value that holds no others, by its way; an object's where it is met first."""
    seen: set[int] = set()
    left: list[tuple[str, object]] = [("", root)]
    while left:
        path, value = left.pop()
        if isinstance(value, ObjectRecord):
            if id(value) not in seen:
                seen.add(id(value))
                left.append((path, value.state))
        elif isinstance(value, dict):
            items = [(f"{path}.{k}" if path else f"{k}", v) for k, v in cast(Dict, value).items()]
            left.extend(reversed(items))
        elif isinstance(value, (list, tuple)) and any(map(_is_inner, cast(Args, value))):
            items = [(f"{path}[{i}]", v) for i, v in enumerate(cast(Args, value))]
            left.extend(reversed(items))
        else:
            yield path, value


def _is_inner(value: object) -> bool:
    return is_tensor(value) or isinstance(value, (ObjectRecord, dict, list, tuple))


def _summary(name: str, tensor: Tensor, owners: dict[Storage, str]) -> TensorSummary:
    if isinstance(tensor, np.ndarray):
        return TensorSummary(name, tensor.dtype.name, tensor.shape, tensor.nbytes)
    dtype = tensor.dtype.name
    if isinstance(tensor, MetaRecord):
        return TensorSummary(name, dtype, tensor.sizes, 0, note="no values")
    if isinstance(tensor, SparseRecord):
        stored = tensor.indices.nbytes + tensor.elements.nbytes
        return TensorSummary(name, dtype, tensor.sizes, stored, note="sparse")
    owner = owners.setdefault(tensor.storage, name)
    return TensorSummary(
        name,
        dtype,
        tensor.sizes,
        tensor.nbytes,
        "" if owner == name else owner,
        "quantized" if tensor.quantizer is not None else "",
    )


def _kind(value: object) -> str:
    """What a value is, in a few words."""
    if isinstance(value, OpaqueRecord):
        return value.kind
    if isinstance(value, (ObjectRecord, EnumRecord)):
        return value.qualified_name
    if isinstance(value, (bool, int, float, type(None))):
        return repr(value)
    return type(value).__name__

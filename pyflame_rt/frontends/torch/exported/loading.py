"""A `.pt2` archive: which program it holds, and its weights as views of the file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

from pyflame_rt.dtypes import DType
from pyflame_rt.errors import UnsupportedFormatError
from pyflame_rt.frontends.quoting import quoted
from pyflame_rt.frontends.torch.archive import Archive
from pyflame_rt.frontends.torch.aten.values import code_of_dtype
from pyflame_rt.frontends.torch.exported import json_text
from pyflame_rt.frontends.torch.exported.expressions import Expression
from pyflame_rt.frontends.torch.exported.json_text import Json
from pyflame_rt.frontends.torch.exported.program import Program, TensorMeta, read_program
from pyflame_rt.frontends.torch.storage import (
    ArchiveStorages,
    Budget,
    TensorRecord,
    TorchDType,
    torch_dtypes,
    window,
)

_OLD = "serialized_exported_program.json"


@dataclass(frozen=True)
class Exported:
    """A program and the tensors that it has."""

    program: Program
    weights: Mapping[str, TensorRecord]
    """Parameters and buffers by name."""
    constants: Mapping[str, TensorRecord]
    file: str
    name: str


def load(source: str | os.PathLike[str] | bytes, name: str | None) -> Exported:
    """The one program of an archive.

    Raises ModelNotFoundError, InvalidModelError, UnsupportedFormatError.
    """
    archive = Archive.open(source, name=name)
    file = PurePath(archive.where).name
    model = _model_of(archive, file)
    program = read_program(_document(archive, f"models/{model}.json", file))
    weights, constants = (
        _tensors(archive, f"data/{folder}", f"{model}_{folder}_config.json", file)
        for folder in ("weights", "constants")
    )
    return Exported(program, weights, constants, file, model)


def _model_of(archive: Archive, file: str) -> str:
    if _OLD in archive:
        raise UnsupportedFormatError(
            "is a .pt2 archive of an older form, whose weights are pickled",
            where=file,
            hint="export the model with torch 2.9 or later",
        )
    for member, wanted in (("archive_format", "pt2"), ("archive_version", "0")):
        found = bytes(archive.read(member)[:16]) if member in archive else b""
        if found.strip() != wanted.encode():
            raise UnsupportedFormatError(
                f"{member} is {found!a}, not {wanted}",
                where=file,
                hint="a .pt2 file is what torch.export.save writes",
            )
    models = [
        member.removeprefix("models/").removesuffix(".json")
        for member in archive.names
        if member.startswith("models/") and member.endswith(".json") and member.count("/") == 1
    ]
    if len(models) != 1:
        compiled = any("aotinductor/" in member for member in archive.names)
        raise UnsupportedFormatError(
            f"holds {len(models)} programs, not one"
            + (" but a compiled library, which is not run" if compiled else ""),
            where=file,
        )
    return models[0]


def _document(archive: Archive, member: str, file: str) -> Json:
    return json_text.parse(archive.read(member), f"{file}: {quoted(member)[1:-1]}", archive.limits)


def _tensors(archive: Archive, folder: str, config: str, file: str) -> Mapping[str, TensorRecord]:
    if f"{folder}/{config}" not in archive:
        return {}
    document = _document(archive, f"{folder}/{config}", file)
    storages = ArchiveStorages(archive, folder)
    budget = Budget(archive.limits, file)
    found: dict[str, TensorRecord] = {}
    for name, item in document.fields(("config",))["config"].entries:
        fields = item.fields(("path_name", "is_param", "use_pickle"), ("tensor_meta",))
        if fields["use_pickle"].flag or "tensor_meta" not in fields:
            raise item.unsupported("is pickled, which is never opened")
        path = fields["path_name"].name
        if "/" in path or path.endswith(".json"):
            raise fields["path_name"].fail("is not the name of a file in its folder")
        if f"{folder}/{path}" not in archive:
            raise fields["path_name"].fail(f"names a file {quoted(path)} that is not there")
        meta = TensorMeta.read(fields["tensor_meta"])
        storage = storages(path, None, archive.size(f"{folder}/{path}"))
        found[name] = window(
            storage,
            _torch_dtype(meta.dtype, item),
            _known(meta.offset, item),
            tuple(_known(size, item) for size in meta.sizes),
            tuple(_known(stride, item) for stride in meta.strides),
            budget,
        )
    return found


def _torch_dtype(dtype: DType, item: Json) -> TorchDType:
    code = code_of_dtype(dtype)
    for row in torch_dtypes().values():
        if row.code == code:
            return row
    raise item.unsupported(f"holds {dtype.name}")


def _known(number: Expression, item: Json) -> int:
    if not isinstance(number, int):
        raise item.fail("is a weight whose size is not known")
    return number

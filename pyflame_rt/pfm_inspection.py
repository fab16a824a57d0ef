"""What a `.pfm` file holds besides its model: parts, sizes, features, tensors, and if it is sound."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pyflame_rt.errors import InvalidModelError
from pyflame_rt.frontends.pfm import PfmFile
from pyflame_rt.frontends.pfm.layout import Feature, Section

_SHOWN = 20


@dataclass(frozen=True)
class FileReport:
    """The file itself: `parts` and `sections` with their bytes; `damage` is "" for a sound one."""

    version: int
    size: int
    features: tuple[str, ...]
    parts: Mapping[str, int]
    sections: Mapping[str, int]
    nodes: int
    tensors: tuple[Mapping[str, Any], ...]
    damage: str = ""

    def as_json(self) -> dict[str, object]:
        """The fields, for a report."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def lines(self) -> Iterable[str]:
        """The report for people."""
        state = self.damage or "all checksums are right"
        yield f"file        .pfm version {self.version}, {self.size:,} bytes; {state}"
        if self.features:
            yield f"features    {', '.join(self.features)}"
        for title, sizes in (("parts", self.parts), ("sections", self.sections)):
            if sizes:
                listed = ", ".join(f"{name} {size:,}" for name, size in sizes.items())
                yield f"{title:<11} {listed} bytes"
        for index, tensor in enumerate(self.tensors[:_SHOWN]):
            shape = "x".join(map(str, tensor["shape"])) or "scalar"
            yield (
                f"{'tensors' if index == 0 else '':<11} {tensor['name'] or '(no name)'}:"
                f" {tensor['type']} {shape}, {tensor['bytes']:,} bytes at {tensor['offset']:,}"
            )
        if len(self.tensors) > _SHOWN:
            yield f"{'':<11} and {len(self.tensors) - _SHOWN} more"


def describe(path: str | os.PathLike[str]) -> FileReport:
    """Inspect a file and verify its tensors. Raises as opening it does."""
    file = PfmFile.open(path)
    damage = ""
    try:
        file.verify()
    except InvalidModelError as error:
        damage = error.message
    start = file.header.data_offset
    return FileReport(
        version=file.header.version,
        size=file.header.file_size,
        features=tuple(str(feature.name).lower() for feature in Feature if feature & file.features),
        parts={part.name: part.size for part in file.parts},
        sections={_section_name(kind): size for kind, size in file.sections.items()},
        nodes=file.node_count,
        tensors=tuple(
            {
                "name": entry.name,
                "type": entry.row.onnx_name,
                "shape": list(entry.shape),
                "offset": start + entry.offset,
                "bytes": entry.size,
                "crc32": f"{entry.crc:08x}",
            }
            for entry in file.tensors
        ),
        damage=damage,
    )


def _section_name(kind: int) -> str:
    known = {int(section): section.name.lower().replace("_", " ") for section in Section}
    return known.get(kind, f"unknown {kind}")

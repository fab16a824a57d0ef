"""Writing `.pfm`: the same module always gives the same bytes."""

from __future__ import annotations

import os
from typing import IO

from xdsl.dialects.builtin import ModuleOp

from pyflame_rt.files import atomic_writer
from pyflame_rt.frontends.pfm.attribute_writer import AttributeTable, StringTable
from pyflame_rt.frontends.pfm.layout import (
    HEADER_SIZE,
    Feature,
    Header,
    Section,
    digest_of,
)
from pyflame_rt.frontends.pfm.node_writer import NodeWriter
from pyflame_rt.frontends.pfm.summary import summary_of
from pyflame_rt.frontends.pfm.tensors import TensorTable
from pyflame_rt.frontends.pfm.words import WordWriter
from pyflame_rt.limits import DEFAULT_LIMITS, Limits


def write_pfm(
    module: ModuleOp,
    path: str | os.PathLike[str],
    *,
    locations: bool = True,
    limits: Limits = DEFAULT_LIMITS,
) -> None:
    """Write a module with its weights to a file, which is replaced as a whole or not at all.

    `locations` says whether ops keep where they come from. Raises MissingWeightsError when the
    values of a weight are not at hand, PyFlameRTError for what the format cannot hold (branches
    between blocks, see docs/pfm.md) and when the file cannot be written.
    """
    encoded = _Encoded(module, locations, limits)
    with atomic_writer(path) as stream:
        encoded.write(stream)


def dump_pfm(
    module: ModuleOp,
    stream: IO[bytes],
    *,
    locations: bool = True,
    limits: Limits = DEFAULT_LIMITS,
) -> None:
    """As `write_pfm`, to a stream."""
    _Encoded(module, locations, limits).write(stream)


class _Encoded:
    """A module as the parts of a file."""

    def __init__(self, module: ModuleOp, locations: bool, limits: Limits):
        strings, self._tensors = StringTable(), TensorTable()
        attributes = AttributeTable(strings, self._tensors, limits)
        nodes = NodeWriter(strings, attributes, limits, locations)
        nodes.write(module)
        graph = WordWriter()
        strings.write(graph)
        attributes.write(graph)
        graph.append(nodes.out)
        summary, meta = summary_of(module), WordWriter()
        meta.text(summary.graph_name, limits.name_bytes)
        for infos in (summary.inputs, summary.outputs):
            meta.word(len(infos))
            for info in infos:
                info.write(meta, limits.name_bytes)
        meta.word(len(self._tensors.entries))
        for entry in self._tensors.entries:
            entry.write(meta, limits.name_bytes)
        meta.words((nodes.count, len(graph.data) // 4))
        meta.append(graph)
        for section, words in (
            (Section.LOCATIONS, nodes.locations),
            (Section.VALUE_NAMES, nodes.value_names),
        ):
            if any(words):
                meta.words([section, 4 * len(words), *words])
        self._meta = bytes(meta.data)
        self._features = Feature(0)
        if nodes.has_subgraphs:
            self._features |= Feature.SUBGRAPHS
        if attributes.uses_text:
            self._features |= Feature.TEXT
        if any(entry.is_packed for entry in self._tensors.entries):
            self._features |= Feature.PACKED
        if any(entry.is_sparse for entry in self._tensors.entries):
            self._features |= Feature.SPARSE

    def write(self, stream: IO[bytes]) -> None:
        """Write header, meta part and data."""
        header = Header(self._features, 0, len(self._meta), digest_of(self._meta))
        size = header.data_offset + self._tensors.size
        header = Header(self._features, size, len(self._meta), header.digest)
        stream.write(header.encoded())
        stream.write(self._meta)
        stream.write(bytes(header.data_offset - HEADER_SIZE - len(self._meta)))
        self._tensors.write_data(stream)

"""Reading `.pfm`: the head of a file when it is opened, its graph and its tensors when asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp

from pyflame_rt.errors import InvalidModelError, UnsupportedFormatError
from pyflame_rt.frontends.pfm.attribute_reader import AttributeReader
from pyflame_rt.frontends.pfm.layout import (
    HEADER_SIZE,
    MAGIC,
    REQUIRED,
    Feature,
    Header,
    Section,
    TensorInfo,
    digest_of,
)
from pyflame_rt.frontends.pfm.node_reader import LEAST_WORDS, NodeReader
from pyflame_rt.frontends.pfm.summary import Summary, summary_of
from pyflame_rt.frontends.pfm.tensors import crc_of, damaged, read_entries
from pyflame_rt.frontends.pfm.words import WordReader
from pyflame_rt.limits import DEFAULT_LIMITS, Limits
from pyflame_rt.mapped_files import LazyTensor, MappedFile
from pyflame_rt.weights import Weight

Source = str | os.PathLike[str] | bytes

_BYTES_NAME = "model.pfm"


def is_pfm(data: bytes) -> bool:
    """Whether bytes begin as a `.pfm` file does."""
    return data[: len(MAGIC)] == MAGIC


def read_pfm(
    source: Source,
    ctx: Context,
    *,
    name: str | None = None,
    verify: bool = False,
    untrusted: bool = False,
    limits: Limits = DEFAULT_LIMITS,
) -> ModuleOp:
    """The module of a `.pfm` file, given by its path or its bytes; not verified as IR.

    Weights are views of the mapped file, read when they are used; `verify` reads and checks them
    now, `untrusted` does so on a copy that nobody can change. `name` stands for the file in
    messages. Raises ModelNotFoundError, InvalidModelError, UnsupportedFormatError,
    UnsupportedOperatorError.
    """
    file = PfmFile.open(source, name=name, untrusted=untrusted, limits=limits)
    if verify or untrusted:
        file.verify()
    return file.module(ctx)


@dataclass(frozen=True)
class Part:
    """A range of bytes of a file, and what it is."""

    name: str
    offset: int
    size: int


class PfmFile:
    """An open `.pfm` file: what it says of its model, its tensors, and how it is divided.

    Opening reads and checks all but nodes and tensors.
    """

    def __init__(self, file: MappedFile, limits: Limits = DEFAULT_LIMITS):
        self.file = file
        self._limits = limits
        data = file.data()
        where = file.name
        self.header = Header.decoded(
            data[:HEADER_SIZE].tobytes(), data.size, where, limits.pfm_graph_bytes
        )
        meta_end = HEADER_SIZE + self.header.meta_length
        meta = data[HEADER_SIZE:meta_end].data
        if digest_of(meta) != self.header.digest:
            raise InvalidModelError("is damaged: its graph does not have its checksum", where=where)
        if data[meta_end : self.header.data_offset].any():
            raise InvalidModelError("has something between graph and tensors", where=where)
        source = WordReader(meta, where)
        self.graph_name = source.text(limits.name_bytes)
        self.inputs = self._infos(source)
        self.outputs = self._infos(source)
        summary_end = source.at
        self.tensors = read_entries(source, limits)
        sparse = any(entry.is_sparse for entry in self.tensors)
        if sparse != bool(self.header.features & Feature.SPARSE):
            raise source.error("says in its header something else of sparse tensors than its table")
        table_end = source.at
        self.node_count = source.count(LEAST_WORDS)
        self._nodes = source.part(source.word())
        nodes_end = source.at
        self._sections = self._read_sections(source)
        last = self.tensors[-1] if self.tensors else None
        end = self.header.data_offset + (last.offset + last.size if last else 0)
        if end != data.size:
            raise InvalidModelError(
                f"has {data.size} bytes, but its tensors end at {end}", where=where
            )
        spans = (
            ("header", 0, HEADER_SIZE),
            ("summary", HEADER_SIZE, HEADER_SIZE + summary_end),
            ("initializers", HEADER_SIZE + summary_end, HEADER_SIZE + table_end),
            ("nodes", HEADER_SIZE + table_end, HEADER_SIZE + nodes_end),
            ("sections", HEADER_SIZE + nodes_end, meta_end),
            ("data", self.header.data_offset, data.size),
        )
        self.parts = tuple(Part(name, start, stop - start) for name, start, stop in spans)

    @classmethod
    def open(
        cls,
        source: Source,
        *,
        name: str | None = None,
        untrusted: bool = False,
        limits: Limits = DEFAULT_LIMITS,
    ) -> PfmFile:
        """Open a file by its path, or what is in one. Raises as `read_pfm`.

        `untrusted` reads the file into memory, so that nobody can change it any more.
        """
        if isinstance(source, bytes):
            return cls(MappedFile(name or _BYTES_NAME, source), limits)
        file = MappedFile.open(source)
        if untrusted:
            file = MappedFile(file.name, file.data().tobytes())
        if name is not None:
            file.name = name
        return cls(file, limits)

    @property
    def features(self) -> Feature:
        """What a reader must know of."""
        return self.header.features

    @property
    def sections(self) -> Mapping[int, int]:
        """Kinds of the sections behind the nodes, and their bytes."""
        return {kind: 4 * part.left for kind, part in self._sections.items()}

    def tensor(self, index: int) -> LazyTensor:
        """A tensor of the table, checked when it is materialized. Not for packed elements, nor for
        what is there without its zeros."""
        entry = self.tensors[index]

        def check(data: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
            if crc_of(data) != entry.crc:
                raise InvalidModelError(
                    f"initializer {entry.name[:64]!a} is damaged: its bytes do not have their "
                    "checksum",
                    where=self.file.name,
                )

        offset = self.header.data_offset + entry.offset
        return LazyTensor(self.file, offset, entry.shape, entry.row.numpy, check=check)

    def verify(self) -> None:
        """Read all tensors and compare them with their checksums. Raises InvalidModelError."""
        for problem in damaged(self.tensors, self.file, self.header.data_offset):
            raise InvalidModelError(problem, where=self.file.name)

    def module(self, ctx: Context) -> ModuleOp:
        """The module, its attributes made in a Context; not verified as IR.

        Raises InvalidModelError, UnsupportedOperatorError.
        """
        source = self._nodes.again()
        strings = tuple(source.text() for _ in range(source.count()))
        budget = (
            self._limits.pfm_attribute_ratio * self.header.meta_length // 4
            + self._limits.pfm_attribute_slack
        )
        attributes = AttributeReader(
            ctx, strings, self._weights, self.features, self._limits, budget
        )
        attributes.read_table(source)
        nodes = NodeReader(ctx, source, strings, attributes, self.features, self._limits)
        module = nodes.read(self.node_count)
        if not isinstance(module, ModuleOp):
            raise source.error(f"its first node is a {module.name}, not a module")
        if (locations := self._sections.get(Section.LOCATIONS)) is not None:
            nodes.set_locations(locations.again())
        if (names := self._sections.get(Section.VALUE_NAMES)) is not None:
            nodes.set_names(names.again())
        if summary_of(module) != Summary(self.graph_name, self.inputs, self.outputs):
            raise source.error("says other things of its graph than the graph itself")
        return module

    @cached_property
    def _weights(self) -> tuple[Weight, ...]:
        # One for each tensor however often the graph is read, so that equality is identity.
        offset = self.header.data_offset
        return tuple(Weight(entry.array(self.file, offset)) for entry in self.tensors)

    def _infos(self, source: WordReader) -> tuple[TensorInfo, ...]:
        limits = self._limits
        return tuple(
            TensorInfo.read(source, limits.name_bytes, limits.pfm_rank)
            for _ in range(source.count(3))
        )

    def _read_sections(self, source: WordReader) -> dict[int, WordReader]:
        sections: dict[int, WordReader] = {}
        while source.left:
            kind_and_flags, size = source.word(), source.word()
            kind, flags = kind_and_flags & 0xFFFF, kind_and_flags >> 16
            if size % 4:
                raise source.error(f"section {kind} has {size} bytes, which are no whole words")
            part = source.part(size // 4)
            if kind in sections:
                raise source.error(f"has section {kind} twice")
            if kind not in tuple(Section) and flags & REQUIRED:
                raise UnsupportedFormatError(
                    f"needs section {kind}, which this reader lacks", where=self.file.name
                )
            sections[kind] = part
        return sections

"""Whatever bytes a `.pfm` file has: a valid module, or an error of ours before anything is believed."""

from __future__ import annotations

import random
import struct
from dataclasses import replace

import numpy as np
import pytest
from mutants import pfm
from mutants.pfm import dumped, module
from xdsl.dialects.builtin import ModuleOp

from pyflame_rt import module_files, pipelines
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.errors import InvalidModelError, PyFlameRTError, UnsupportedFormatError
from pyflame_rt.frontends.pfm import PfmFile, read_pfm
from pyflame_rt.frontends.pfm.layout import HEADER_SIZE, PAGE, Feature
from pyflame_rt.frontends.pfm.tags import Tag
from pyflame_rt.frontends.pfm.words import WordWriter
from pyflame_rt.limits import Limits
from pyflame_rt.universe import make_context

GOOD = dumped(module())
FILE = PfmFile.open(GOOD)
META = GOOD[HEADER_SIZE : HEADER_SIZE + FILE.header.meta_length]
DATA = GOOD[FILE.header.data_offset :]


def assembled(meta: bytes, data: bytes = DATA, features: Feature = FILE.features) -> bytes:
    """A file whose header and digest are right for its parts."""
    return pfm.assembled(meta, data, features)


def read(data: bytes, limits: Limits | None = None) -> ModuleOp:
    """The verified module of a file all of which is read."""
    found = read_pfm(data, make_context(), verify=True, limits=limits or Limits())
    pipelines.verify_module(found)
    return found


def refused(data: bytes, why: str, kind: type[PyFlameRTError] = InvalidModelError) -> None:
    with pytest.raises(kind, match=why) as caught:
        read(data)
    assert len(str(caught.value)) < 2000 and "\n" not in str(caught.value)


def test_the_good_file_is_good():
    assert assembled(META) == GOOD
    assert module_files.to_text(read(GOOD)) == module_files.to_text(module())


# Header and borders.


@pytest.mark.parametrize("part", FILE.parts, ids=lambda part: part.name)
@pytest.mark.parametrize("beside", [-1, 0, 1])
def test_cut_off_at_the_border_of_each_part(part, beside: int):
    """Also with a size and digest that are right for what is left."""
    for border in (part.offset, part.offset + part.size):
        end = min(max(border + beside, 0), len(GOOD) - 1)
        with pytest.raises(InvalidModelError):
            read(GOOD[:end])
    # Behind the nodes there is nothing that a file must have.
    if part.name not in ("header", "sections", "data"):
        with pytest.raises(InvalidModelError):
            read(assembled(META[: max(part.offset - HEADER_SIZE + beside, 0)]))


def test_something_behind_the_end():
    """A ZIP archive appended to a file would make it two files in one."""
    refused(GOOD + b"PK\x05\x06", "but its header says")
    refused(assembled(META, DATA + bytes(4)), "but its tensors end at")


def test_every_bit_of_the_header_counts():
    """But for a later minor version, and features that the file could have used."""
    accepted = set()
    for bit in range(8 * HEADER_SIZE):
        data = bytearray(GOOD)
        data[bit // 8] ^= 1 << bit % 8
        try:
            read(bytes(data))
            accepted.add(bit)
        except (InvalidModelError, UnsupportedFormatError):
            pass
    version, features = 8 * 4, 8 * 8
    assert accepted <= {*range(version + 1, version + 16), *range(features, features + 3)}


@pytest.mark.parametrize("version", [0, 0x10000, 0x10001, 0xFFFFFFFF])
def test_other_versions_are_refused(version: int):
    data = bytearray(GOOD)
    data[4:8] = struct.pack("<I", version)
    refused(bytes(data), f"is of .pfm version {version}", UnsupportedFormatError)


def test_features_that_the_reader_lacks_are_refused():
    refused(assembled(META, features=Feature(16)), "features that this reader lacks: 0x10", UnsupportedFormatError)  # fmt: skip


def test_features_that_are_used_must_be_declared():
    refused(
        assembled(META, features=Feature.SPARSE), "has subgraphs, which its header does not say"
    )


def test_a_large_graph_is_refused_before_it_is_read():
    with pytest.raises(InvalidModelError, match="is over the limit of 100"):
        read(GOOD, Limits(pfm_graph_bytes=100))


def test_a_damaged_graph_is_noticed():
    data = bytearray(GOOD)
    data[HEADER_SIZE + 40] ^= 1
    refused(bytes(data), "its graph does not have its checksum")


@pytest.mark.parametrize("offset", [len(META), FILE.header.data_offset - HEADER_SIZE - 1])
def test_paddings_are_zeros(offset: int):
    data = bytearray(GOOD)
    data[HEADER_SIZE + offset] = 1
    refused(bytes(data), "has something between graph and tensors")


# Tensors.


def with_tensor(index: int, **changes: object) -> bytes:
    """The good file with another record of a tensor."""
    limit = 4096
    old, new = WordWriter(), WordWriter()
    FILE.tensors[index].write(old, limit)
    replace(FILE.tensors[index], **changes).write(new, limit)
    assert META.count(bytes(old.data)) == 1
    return assembled(META.replace(bytes(old.data), bytes(new.data)))


@pytest.mark.parametrize(
    ("index", "changes", "why"),
    [
        (1, {"offset": 0}, "is not where the one before it ends"),
        (1, {"offset": 7936}, "is not where the one before it ends"),
        (1, {"offset": 8064}, "is not where the one before it ends"),
        (0, {"offset": 64}, "is not where the one before it ends"),
        (0, {"offset": 2**63}, "is not where the one before it ends"),
        (1, {"size": 8}, "has 8 bytes, but type and shape need 4120"),
        (1, {"shape": (1031,)}, "has 4120 bytes, but type and shape need 4124"),
        (1, {"shape": (1031,), "size": 4124}, "its bytes do not have their checksum"),
        (1, {"shape": (2**40,), "size": 2**42}, "is not where the one before it ends"),
        (1, {"shape": (2**40, 2**40), "size": 2**63}, "but type and shape need"),
        (1, {"shape": (0, 2**62)}, "but type and shape need 0"),
        (1, {"shape": (1,) * 65}, "has 65 dimensions, at most 64"),
        (1, {"shape": (-5, -206)}, "has a dimension of -5"),
        (1, {"element": 99}, "has the unknown element type 99"),
        (1, {"element": 8}, "has the unknown element type 8"),
        (1, {"element": 11, "shape": (515,)}, r"pfrt.constant"),
        (1, {"crc": 1}, "'b' is damaged: its bytes do not have their checksum"),
    ],
)  # fmt: skip
def test_tensors_that_cannot_be(index: int, changes: dict[str, object], why: str):
    with pytest.raises(PyFlameRTError, match=why):
        read(with_tensor(index, **changes))


def test_dimensions_of_tensors_are_numbers():
    old, new = WordWriter(), WordWriter()
    FILE.tensors[1].write(old, 4096)
    size = WordWriter()
    size.i64(1030)
    symbol = WordWriter()
    symbol.text("SYM")
    plain, named = b"\0\0\0\0" + bytes(size.data), b"\1\0\0\0" + bytes(symbol.data)
    new.data += old.data.replace(plain, named)
    refused(assembled(META.replace(bytes(old.data), bytes(new.data))), "has no static shape")


def test_damaged_tensors_are_noticed_when_they_are_looked_at():
    """Opening reads none; `verify` and a lazy tensor's first use do, and so do gaps."""
    data = bytearray(GOOD)
    data[FILE.header.data_offset + 10] ^= 1
    file = PfmFile.open(bytes(data))
    file.module(make_context())
    with pytest.raises(InvalidModelError, match="'w' is damaged"):
        file.verify()
    with pytest.raises(InvalidModelError, match="'w' is damaged"):
        file.tensor(0).materialize()
    assert file.tensor(1).materialize().shape == (1030,)
    assert FILE.tensors[0].size % 64 == 0
    tight = with_gap(b"\1")
    with pytest.raises(InvalidModelError, match="there is something in the gap before"):
        PfmFile.open(tight).verify()
    PfmFile.open(with_gap(b"\0")).verify()


def with_gap(first: bytes) -> bytes:
    """A file of two tensors with a gap between them, which begins with a byte."""
    stream = dumped(
        ModuleOp([ConstantOp.get(np.arange(n, dtype=np.float32)) for n in (1025, 1026)])
    )
    at = PfmFile.open(stream).header.data_offset + 1025 * 4
    return stream[:at] + first + stream[at + 1 :]


# A file made by hand.


def record(*words: int, blob: bytes | None = None) -> bytes:
    out = WordWriter()
    out.words(words)
    if blob is not None:
        out.blob(blob)
    return bytes(out.data)


def node(op: int, *, operands=(), types=(), properties=(), attributes=(), regions=b"", count=0) -> bytes:  # fmt: skip
    """The record of an op."""
    pairs = [word for group in (properties, attributes) for word in (len(group), *sum(group, ()))]
    head = record(op, len(operands), *operands, len(types), *types, *pairs, count)
    return head + regions


def region(*ops: bytes, arguments=()) -> bytes:
    """A region of one block."""
    return record(1, len(arguments), *arguments, len(ops)) + b"".join(ops)


def by_hand(
    strings=("builtin.module",),
    attributes=(),
    root: bytes | None = None,
    nodes: int = 1,
    summary: bytes | None = None,
    behind: bytes = b"",
    features: Feature = Feature.TEXT | Feature.SUBGRAPHS,
    attribute_count: int | None = None,
) -> bytes:
    """A file of these tables and this first node; an empty module if it is not given."""
    graph = WordWriter()
    graph.word(len(strings))
    for text in strings:
        graph.blob(text if isinstance(text, bytes) else text.encode())
    graph.word(len(attributes) if attribute_count is None else attribute_count)
    for entry in attributes:
        graph.data += entry
    graph.data += node(0, regions=region(), count=1) if root is None else root
    meta = WordWriter()
    meta.data += record(0, 0, 0) if summary is None else summary
    meta.words((0, nodes, len(graph.data) // 4))
    meta.append(graph)
    meta.data += behind
    return assembled(bytes(meta.data), b"", features)


def string(index: int) -> bytes:
    return record(Tag.STRING, index)


def integer(value: int) -> bytes:
    return record(Tag.INTEGER, blob=value.to_bytes(16, "little", signed=True))


def test_the_file_made_by_hand_is_good():
    assert module_files.to_text(read(by_hand())) == "builtin.module {\n}\n"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"nodes": 2}, "has 1 nodes, but says 2"),
        ({"nodes": 0}, "has 1 nodes, but says 0"),
        ({"nodes": 2**32 - 1}, "4294967295 records of 6 words do not fit"),
        ({"root": node(7)}, "string 7 of 1 is used"),
        ({"root": node(0)}, "builtin.module"),
        ({"root": node(0, regions=region(), count=1) + bytes(8)}, "is longer than what it holds"),
        ({"root": node(0, regions=record(2**31), count=1)}, "2147483648 records of 2 words"),
        ({"root": node(0, regions=record(2, 0, 0, 0, 0), count=1)}, "a region of several blocks"),
        ({"root": node(0, operands=(0,))}, "value 0 of 0 is used"),
        ({"root": node(0, types=(0,))}, "attribute 0 of 0 is used"),
        ({"root": node(0, types=(0,)), "attributes": [string(0)]}, "has string for a type"),
        ({"root": node(0, properties=[(0, 0), (0, 0)]), "attributes": [string(0)]}, "a node has 'builtin.module' twice"),
        ({"strings": ["pfrt.relu"]}, "its first node is a pfrt.relu, not a module|cannot be made"),
        ({"strings": ["pfrt.nothing"]}, "there is no operation 'pfrt.nothing'"),
        ({"strings": ["module"]}, "there is no operation 'module'"),
        ({"strings": [b"\xff\xfe"]}, "holds a text that is not UTF-8"),
        ({"strings": [b"\xed\xa0\x80"]}, "holds a text that is not UTF-8"),
        ({"strings": [b"\xc0\xae"]}, "holds a text that is not UTF-8"),
        ({"summary": record(2**32 - 1)}, "ends within its graph"),
        ({"summary": record(5000) + b"a" * 5000 + record(0, 0)}, "5000 bytes is over the limit"),
        ({"summary": record(0, 2**30, 0)}, "1073741824 records of 3 words do not fit"),
        ({"summary": record(4) + b"name" + record(0, 0)}, "says other things of its graph"),
        ({"summary": record(0, 1, 1) + b"x\0\0\0" + record(1, 0, 0)}, "says other things of its graph"),
        ({"summary": record(1) + b"xyzz" + record(0, 0)}, "something where there should be zeros"),
        ({"summary": record(0, 1, 0, 1, 1, 2, 0)}, "has a dimension of kind 2"),
        ({"summary": record(0, 1, 0, 1, 70)}, "has 70 dimensions, at most 64"),
    ],
)  # fmt: skip
def test_nodes_that_cannot_be(given: dict[str, object], why: str):
    with pytest.raises(PyFlameRTError, match=why):
        read(by_hand(**given))


INTEGERS = [integer(2**40), record(Tag.SIGNEDNESS, 0)]
SHAPED = ["builtin.module", "tensor", "f32", "none", "dense", "dense_array", "integer_type"]


def shaped(*dims: int) -> list[bytes]:
    """Attributes, the last of which is a tensor of f32."""
    entries = [record(Tag.TYPE, 2, 0), record(Tag.ATTRIBUTE, 3, 0), *map(integer, dims)]
    entries.append(record(Tag.ARRAY, len(dims), *range(2, 2 + len(dims))))
    return [*entries, record(Tag.TYPE, 1, 3, len(entries) - 1, 0, 1)]


@pytest.mark.parametrize(
    ("strings", "attributes", "why"),
    [
        ([], [record(99, 0)], "an attribute of the unknown kind 99"),
        ([], [record(Tag.ARRAY, 1, 0)], "attribute 0 of 0 is used"),
        ([], [string(0), record(Tag.ARRAY, 1, 1)], "attribute 1 of 1 is used"),
        ([], [string(3)], "string 3 of 1 is used"),
        ([], [record(Tag.WEIGHT, 0)], "initializer 0 of 0 is used"),
        ([], [record(Tag.SIGNEDNESS, 3)], "signedness 3 of 3 is used"),
        ([], [record(Tag.ARRAY, 2**31)], "2147483648 records of 1 words do not fit"),
        ([], [record(Tag.NAMES, 2**31)], "2147483648 records of 1 words do not fit"),
        ([], [record(Tag.BYTES, 2**32 - 4)], "ends within its graph"),
        ([], [record(Tag.INTEGER, blob=bytes(1024))], "1024 bytes is over the limit"),
        ([], [string(0), record(Tag.DICTIONARY, 2, 0, 0, 0, 0)], "'builtin.module' twice"),
        ([], [record(Tag.STRINGS, 1, 3, 0, 2, 0, 0)], "2 texts do not fill the shape"),
        ([], [record(Tag.STRINGS, 2, 0, 2**31, 0, 2**31, 1, 0)], "1 texts do not fill the shape"),
        (["acme.kind"], [record(Tag.ATTRIBUTE, 1, 0)], "there is no attribute 'acme.kind'"),
        (["pfrt.kind"], [record(Tag.TYPE, 1, 0)], "there is no type 'pfrt.kind'"),
        (["integer_type"], [*INTEGERS, record(Tag.TYPE, 1, 2, 0, 1)], "integers of 1099511627776 bits"),
        (["integer_type"], [integer(8), record(Tag.TYPE, 1, 1, 0)], "attribute 1: zip"),
        (["integer_type"], [record(Tag.TYPE, 1, 0)], "attribute 0: zip"),
        (["f32"], [record(Tag.TYPE, 1, 1, 0)], "attribute 0 of 0 is used"),
        (SHAPED[1:], shaped(-5), r"a type has the shape \(-5,\)"),
        (SHAPED[1:], shaped(2**63), "a type has the shape"),
        (SHAPED[1:], [*shaped(2), record(Tag.BYTES, blob=bytes(12)), record(Tag.ATTRIBUTE, 4, 2, 4, 5)], "12 bytes do not fill"),
        (SHAPED[1:], [*shaped(2**40), record(Tag.BYTES, blob=bytes(8)), record(Tag.ATTRIBUTE, 4, 2, 4, 5)], "8 bytes do not fill"),
        (SHAPED[1:], [record(Tag.TYPE, 2, 0), record(Tag.BYTES, blob=bytes(6)), record(Tag.ATTRIBUTE, 5, 2, 0, 1)], r"Data length of array \(6\) not divisible"),
        (["affine_map<(d0) -> (d0)>)"], [record(Tag.TEXT, 1)], "something after it|expected"),
        (['"a"'], [record(Tag.TEXT, 1)], "holds IR text that it must not"),
        (["a" * 70000], [record(Tag.TEXT, 1)], "holds IR text that it must not"),
        (["("], [record(Tag.TEXT, 1)], "attribute 0"),
        (["affine_map<(d0) -> (" + "(" * 20000 + ">"], [record(Tag.TEXT, 1)], "attribute 0"),
    ],
)  # fmt: skip
def test_attributes_that_cannot_be(strings: list[str], attributes: list[bytes], why: str):
    refused(by_hand(["builtin.module", *strings], attributes), why)


def test_texts_must_be_declared():
    data = by_hand(
        ["builtin.module", "affine_map<() -> ()>"], [record(Tag.TEXT, 1)], features=Feature(0)
    )
    refused(data, "holds IR text, which its header does not say")


def test_attributes_in_each_other_have_a_depth():
    chain = [string(0), *(record(Tag.ARRAY, 1, index) for index in range(63))]
    read(by_hand(attributes=chain))
    refused(by_hand(attributes=[*chain, record(Tag.ARRAY, 1, 63)]), "more than 64 deep")


def test_a_few_lists_that_stand_for_billions():
    """Each holds the one before it eight times: 8 to the 40th in all."""
    chain = [string(0), *(record(Tag.ARRAY, 8, *[index] * 8) for index in range(40))]
    refused(by_hand(attributes=chain), "attributes that are far larger than the file")


def test_one_large_attribute_used_often():
    """Printing it would take as long as its uses are many."""
    words = 2**13
    uses = [(index, 1) for index in range(words)]
    names = ["builtin.module", *(f"n{index}" for index in range(words))]
    attributes = [string(0), record(Tag.ARRAY, words, *[0] * words)]
    data = by_hand(names, attributes, node(0, attributes=uses, regions=region(), count=1))
    refused(data, "attributes that are far larger than the file")


def test_regions_in_each_other_have_a_depth():
    def nested(depth: int) -> bytes:
        inner = node(0, regions=region(), count=1)
        for _ in range(depth - 1):
            inner = node(0, regions=region(inner), count=1)
        return by_hand(root=inner, nodes=depth)

    read_pfm(nested(64), make_context())
    refused(nested(65), "nests regions more than 64 deep")
    refused(nested(20_000), "nests regions more than 64 deep")


@pytest.mark.parametrize(
    ("behind", "kind", "why"),
    [
        (record(77 | 1 << 16, 4, 1), UnsupportedFormatError, "needs section 77, which this reader lacks"),
        (record(77, 6, 1, 1), InvalidModelError, "has 6 bytes, which are no whole words"),
        (record(77, 8, 1), InvalidModelError, "ends within its graph"),
        (record(77, 0, 77, 0), InvalidModelError, "has section 77 twice"),
        (record(77), InvalidModelError, "ends within its graph"),
        (record(1, 0), InvalidModelError, "ends within its graph"),
        (record(1, 8, 0, 0), InvalidModelError, "section of locations is longer"),
        (record(1, 4, 2), InvalidModelError, "attribute 2 of 2 is used"),
        (record(1, 4, 1), InvalidModelError, "a node comes from string"),
        (record(2, 4, 0), InvalidModelError, "section of value names is longer"),
    ],
)  # fmt: skip
def test_sections_that_cannot_be(behind: bytes, kind: type[PyFlameRTError], why: str):
    refused(by_hand(attributes=[string(0)], behind=behind), why, kind)


def test_unknown_sections_that_may_be_skipped_are():
    data = by_hand(behind=record(77, 8, 1, 2))
    assert module_files.to_text(read(data)) == "builtin.module {\n}\n"
    assert PfmFile.open(data).sections == {77: 8}


def test_values_are_out_of_sight_behind_their_region():
    """A node cannot use what is defined in a region that has ended."""
    strings = ["builtin.module", "test.op", "f32"]
    kind = [record(Tag.TYPE, 2, 0)]
    inner = node(0, regions=region(node(1, types=(0,))), count=1)
    use = node(1, operands=(0,))
    root = node(0, regions=region(inner, use), count=1)
    refused(by_hand(strings, kind, root, nodes=4), "value 0 of 0 is used")


def test_names_of_values_are_names():
    strings = ["builtin.module", "test.op", "f32", "a b"]
    root = node(0, regions=region(node(1, types=(0,))), count=1)
    data = by_hand(strings, [record(Tag.TYPE, 2, 0)], root, 2, behind=record(2, 4, 4))
    refused(data, "'a b' is no name for a value")


# Mutants.


def test_mutants():
    """Errors of ours or a valid module, which then writes and reads back as the same one."""
    draw, accepted = random.Random(1), 0
    for _ in range(2000):
        data = pfm.changed(GOOD, draw)
        try:
            found = read(data)
        except PyFlameRTError:
            continue
        accepted += 1
        assert dumped(read(dumped(found))) == dumped(found)
    assert 20 < accepted < 1500


def test_bytes_of_no_kind():
    """Noise, and noise behind a good beginning."""
    draw = random.Random(2)
    for _ in range(300):
        noise = draw.randbytes(draw.choice([0, 3, 63, 64, 65, 500, PAGE + 100]))
        for data in (noise, GOOD[: draw.randrange(200)] + noise):
            with pytest.raises(PyFlameRTError):
                read(data)

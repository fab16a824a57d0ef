"""What torch's pickles say becomes plain values and records, one opcode at a time."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from torch_bytes import (
    HOOKS,
    call,
    flag,
    integer,
    integers,
    listed,
    mapping,
    name,
    program,
    real,
    several,
    storage,
    tensor,
    text,
)

from pyflame_rt.frontends.torch.pickle_globals import (
    ClassRecord,
    DeviceRecord,
    EnumRecord,
    MetaRecord,
    ObjectRecord,
    OpaqueRecord,
)
from pyflame_rt.frontends.torch.pickle_machine import load, load_prefix
from pyflame_rt.frontends.torch.storage import Storage, TensorRecord, TorchDType, torch_dtypes

Load = Callable[..., object]


def storages(key: str, dtype: TorchDType | None, length: int) -> Storage:
    return Storage(key, dtype, length, "test")


def read(value: bytes, classes: bool = False) -> object:
    return load(program(value), storages=storages, classes=classes)


@pytest.mark.parametrize(
    ("pickled", "value"),
    [
        (b"N", None),
        (flag(True), True),
        (flag(False), False),
        (b"K\xff", 255),
        (b"M\xff\xff", 65535),
        (b"J\xff\xff\xff\xff", -1),
        (b"\x8a\x00", 0),
        (b"\x8a\x01\x80", -128),
        (integer(2**63 - 1), 2**63 - 1),
        (real(1.5), 1.5),
        (text("größe"), "größe"),
        (b"U\3abc", "abc"),
        (b")", ()),
        (several(integer(1), b"N"), (1, None)),
        (b"K\1\x85", (1,)),
        (b"K\1K\2\x86", (1, 2)),
        (b"K\1K\2K\3\x87", (1, 2, 3)),
        (b"]", []),
        (b"]K\1a", [1]),
        (listed(integer(1), integer(2)), [1, 2]),
        (b"}", {}),
        (b"}X\1\0\0\0aK\1s", {"a": 1}),
        (mapping({"a": integer(1), "b": b"N"}), {"a": 1, "b": None}),
        (b"K\7q\0h\0\x86", (7, 7)),
        (b"K\7r\0\1\0\0j\0\1\0\0\x86", (7, 7)),
        (HOOKS, {}),
        (call(name("collections", "OrderedDict"), listed(listed(text("a"), b"K\1"))), {"a": 1}),
        (HOOKS + mapping({"_metadata": b"N"}) + b"b", {}),
        (call(name("torch", "Size"), integers((2, 3))), (2, 3)),
        (call(name("torch", "device"), text("cuda"), integer(1)), DeviceRecord("cuda", 1)),
        (name("torch", "float8_e5m2"), torch_dtypes()["float8_e5m2"]),
        (call(name("_codecs", "encode"), text("a\xff"), text("latin1")), b"a\xff"),
        (call(name("__builtin__", "bytes")), b""),
        (call(name("builtins", "complex"), real(1), real(2)), 1 + 2j),
        (call(name("torch.jit._pickle", "build_intlist"), listed(integer(3))), [3]),
        (call(name("torch.jit._pickle", "restore_type_tag"), b"N", text("int?")), None),
        (call(name("numpy", "dtype"), text("f8")) + b"Nb", OpaqueRecord("NumPy value")),
        (call(name("__builtin__", "set"), listed(integer(1))), OpaqueRecord("set")),
        (name("argparse", "Namespace") + b")\x81}b", OpaqueRecord("Namespace")),
    ],
)
def test_values(pickled: bytes, value: object):
    found = read(pickled)
    assert found == value
    assert type(found) is type(value) or isinstance(value, dict)


def test_tensors_of_one_storage_and_one_tensor_met_twice():
    held = storage("Float", "0", 6) + b"q\0"
    first = tensor(held, 0, (2, 3), (3, 1)) + b"q\1"
    second = tensor(b"h\0", 1, (2,), (3,))
    a, b, again = read(several(first, second, b"h\1"))  # pyright: ignore[reportGeneralTypeIssues]
    assert isinstance(a, TensorRecord) and a is again
    assert a.storage is b.storage
    assert (a.offset, a.sizes, a.strides) == (0, (2, 3), (3, 1))
    assert (b.offset, b.sizes, b.strides) == (1, (2,), (3,))
    assert a.dtype.name == "float32" and not a.requires_grad


def test_parameters_and_subclasses_are_their_tensors():
    held = storage("Half", "0", 2)
    parameter = call(
        name("torch._utils", "_rebuild_parameter"), tensor(held, 0, (2,), (1,)), flag(True), HOOKS
    )
    typed = call(
        name("torch._tensor", "_rebuild_from_type_v2"),
        name("torch._utils", "_rebuild_tensor"),
        name("torch.nn.parameter", "Parameter"),
        several(held, integer(0), integers((2,)), integers((1,))),
        mapping({"note": b"N"}),
    )
    for pickled, grad in ((parameter, True), (typed, False)):
        record = read(pickled)
        assert isinstance(record, TensorRecord)
        assert (record.sizes, record.requires_grad) == ((2,), grad)


def test_a_meta_tensor_has_a_type_and_sizes():
    rebuild = name("torch._utils", "_rebuild_meta_tensor_no_storage")
    record = read(
        call(rebuild, name("torch", "float32"), integers((3,)), integers((1,)), flag(False))
    )
    assert record == MetaRecord(torch_dtypes()["float32"], (3,))


def test_torchscript_objects_keep_their_identity_and_may_be_cyclic():
    """A shared submodule is one record; a module may hold itself."""
    module = name("__torch__.net", "Net") + b")\x81q\0"
    state = mapping({"me": b"h\0", "twice": b"h\0", "training": flag(False)})
    found = read(module + state + b"b", classes=True)
    assert isinstance(found, ObjectRecord)
    assert found.qualified_name == "__torch__.net.Net"
    assert isinstance(found.state, dict)
    assert found.state["me"] is found and found.state["twice"] is found


def test_torchscript_states_enums_and_classes():
    """What __setstate__ takes is kept as data, an enum's value too."""
    packed = read(name("__torch__.torch.classes.q", "P") + b")\x81" + listed(b"N") + b"b", True)
    assert isinstance(packed, ObjectRecord) and packed.state == [None]
    enum = read(name("__torch__", "Colour") + b"K\1R", classes=True)
    assert isinstance(enum, EnumRecord)
    assert (enum.qualified_name, enum.value) == ("__torch__.Colour", 1)
    assert read(name("__torch__", "Net"), classes=True) == ClassRecord("__torch__.Net")


def test_a_stream_has_one_pickle_after_another():
    data = program(integer(1)) + program(integer(2)) + struct.pack("<q", 0)
    first, at = load_prefix(data, 0, storages=storages)
    second, end = load_prefix(data, at, storages=storages)
    assert (first, second, end) == (1, 2, len(data) - 8)

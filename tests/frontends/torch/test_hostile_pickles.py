"""Pickles made to run code, to confuse types, or to grow: refused, and nothing happens."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from torch_bytes import (
    HOOKS,
    call,
    checkpoint,
    flag,
    integer,
    integers,
    listed,
    name,
    program,
    real,
    several,
    storage,
    tensor,
    text,
)

from pyflame_rt.errors import InvalidModelError, PyFlameRTError
from pyflame_rt.frontends.torch.checkpoint import read_state_dict
from pyflame_rt.frontends.torch.pickle_machine import load
from pyflame_rt.frontends.torch.storage import Storage, TorchDType
from pyflame_rt.limits import DEFAULT_LIMITS, Limits

TENSOR = tensor(storage("Float", "0", 4), 0, (4,), (1,))
NET = name("__torch__", "Net") + b")\x81"
DOUBLING = several(b"]q\0", *(b"](h%ch%ceq%c" % (i, i, i + 1) for i in range(40)))

ATTACKS = {
    "os.system": call(name("os", "system"), text("id")),
    "posix.system": call(name("posix", "system"), text("id")),
    "builtins.eval": call(name("builtins", "eval"), text("1")),
    "builtins.exec": call(name("__builtin__", "exec"), text("1")),
    "builtins.getattr": call(name("builtins", "getattr"), b"N", text("x")),
    "torch.hub.load": call(name("torch.hub", "load"), text("a/b"), text("c")),
    "torch.load": call(name("torch", "load"), text("x.pt")),
    "subprocess.Popen": call(name("subprocess", "Popen"), text("id")),
    "importlib.import_module": call(name("importlib", "import_module"), text("os")),
    "numpy.load": call(name("numpy", "load"), text("x.npy")),
    "_codecs.decode": call(name("_codecs", "decode"), text("x"), text("zlib")),
    "collections.OrderedDict.fromkeys": name("collections", "OrderedDict.fromkeys") + b")R",
    "__main__.Net": name("__main__", "Net") + b")\x81}b",
    "torch.nn.modules.linear.Linear": name("torch.nn.modules.linear", "Linear") + b")\x81}b",
}
"""What a file may ask for by name, and never gets."""

OPCODES = {
    "STACK_GLOBAL": text("os") + text("system") + b"\x93",
    "INST": b"(X\2\0\0\0idios\nsystem\n",
    "OBJ": b"(" + name("__torch__", "Net") + b"o",
    "NEWOBJ_EX": name("__torch__", "Net") + b")}\x92",
    "EXT1": b"\x82\1",
    "EXT2": b"\x83\1\0",
    "EXT4": b"\x84\1\0\0\0",
    "PERSID": b"P0\n",
    "BYTEARRAY8": b"\x96" + bytes(8),
    "NEXT_BUFFER": b"\x97",
    "READONLY_BUFFER": b"\x98",
    "LONG4": b"\x8b\xff\xff\xff\x7f",
    "INT": b"I1\n",
    "LONG": b"L1L\n",
    "STRING": b"S'a'\n",
    "BINUNICODE8": b"\x8d" + bytes(8),
    "BINBYTES8": b"\x8e" + bytes(8),
    "MEMOIZE": b"N\x94",
    "FRAME": b"\x95" + bytes(8),
    "FROZENSET": b"(\x91",
    "DUP": b"N2",
    "POP": b"NN0",
    "POP_MARK": b"N(1",
}
"""Opcodes that torch does not write, with operands that would be good."""


def nothing(key: str, dtype: TorchDType | None, length: int) -> Storage:
    return Storage(key, dtype, length, "test")


def read(value: bytes, *, classes: bool = False, limits: Limits = DEFAULT_LIMITS) -> object:
    return load(program(value), storages=nothing, classes=classes, limits=limits)


@pytest.mark.parametrize("wanted", ATTACKS)
@pytest.mark.parametrize("classes", [False, True])
def test_names_outside_the_list_are_refused(wanted: str, classes: bool):
    """The message names what the file wants and says how to save weights alone."""
    with pytest.raises(InvalidModelError, match=r"run no code; save the weights alone") as caught:
        read(ATTACKS[wanted], classes=classes)
    assert wanted.rpartition(".")[2] in str(caught.value)


@pytest.mark.parametrize("opcode", OPCODES)
def test_opcodes_that_torch_does_not_write_are_refused(opcode: str):
    with pytest.raises(InvalidModelError, match="which torch does not write"):
        read(OPCODES[opcode], classes=True)


@pytest.mark.parametrize("protocol", [0, 1, 3, 4, 5, 255])
def test_other_protocols_are_refused(protocol: int):
    data = b"\x80" + bytes([protocol]) + b"N."
    with pytest.raises(InvalidModelError, match=f"is of protocol {protocol}; save it again"):
        load(data, storages=nothing, classes=False)


def test_numpy_values_and_sets_are_never_made():
    """A checkpoint may keep them beside its tensors: they become a word, and none in TorchScript."""
    made = call(name("numpy._core.multiarray", "_reconstruct"), name("numpy", "ndarray"), b")")
    assert repr(read(made)) == "OpaqueRecord(kind='NumPy value')"
    with pytest.raises(InvalidModelError, match="run no code"):
        read(made, classes=True)


@pytest.mark.parametrize(
    ("pickled", "why"),
    [
        # Stack, marks and memo.
        (b"", "not on its stack"),
        (b"a", "not on its stack"),
        (b"NN", "leaves values"),
        (b"(N", "leaves values|not on its stack"),
        (b"t", "a mark that it did not set"),
        (b"N(\x85", "not on its stack"),
        (b"](a", "not on its stack"),
        (b"h\5", "entry 5 of its memo"),
        (b"q\0", "not on its stack"),
        # The wrong object below.
        (b")K\1a", "appends to a tuple"),
        (b"}K\1a", "appends to a dict"),
        (TENSOR + b"K\1a", "appends to a TensorRecord"),
        (b"]K\1K\2s", "sets items of a list"),
        (TENSOR + b"K\1K\2s", "sets items of a TensorRecord"),
        (storage("Float", "0", 4) + b"K\1K\2s", "sets items of a Storage"),
        (NET + b"K\1K\2s", "sets items of a ObjectRecord"),
        (b"}(K\1u", "a key without a value"),
        (b")}b", "gives a state to a tuple"),
        (b"}}b", "gives a state to a dict"),
        (TENSOR + b"}b", "gives a state to a TensorRecord"),
        (NET + b"}b}b", "gives a state to a ObjectRecord"),
        # Calls of what is no function, and with what is no tuple of arguments.
        (b"N)R", "calls a NoneType"),
        (TENSOR + b")R", "calls a TensorRecord"),
        (name("torch", "FloatStorage") + b")R", "calls a StorageType"),
        (name("torch", "Size") + b"]R", "with a list for arguments"),
        (name("torch", "Size") + b")R", "0 arguments where 1 to 1"),
        (name("torch", "Size") + b")\x81", "makes an object of a Function"),
        (name("torch", "Tensor") + b")\x81", "makes an object of a Constant"),
        (name("__torch__", "Net") + b"K\1\x85\x81", "makes an object of a ClassRecord"),
        (b"K\1)\x81", "makes an object of a int"),
        # Keys whose hash the file would choose, or that have none.
        (b"}]Ns", "key of type list"),
        (b"}}Ns", "key of type dict"),
        (b"}K\1\x85Ns", "key of type tuple"),
        (b"}" + integer(2**63) + b"Ns", "key of type int"),
        (b"}" + call(name("builtins", "complex"), real(1), real(2)) + b"Ns", "type complex"),
        # Persistent ids.
        (b"K\1Q", "not a storage"),
        (several(text("module"), b"N") + b"Q", "not a storage"),
        (several(text("storage"), b"N", text("0"), text("cpu"), b"K\1") + b"Q", "without a type"),
        (storage("Float", "0", -1), "without a length"),
        (storage("Float", "0", 2**70), "without a length"),
        (storage("Float", "0", 4, several(text("v"), b"K\0K\1")), "not a storage"),
        (storage("ComplexHalf", "0", 1), "not an element type"),
        (name("torch", "quint4x2"), "not an element type"),
        # Arguments of the functions.
        (call(name("torch.jit._pickle", "build_intlist"), b")"), "typed list is not"),
        (call(name("torch.jit._pickle", "restore_type_tag"), b"N", b"N"), "type tag"),
        (call(name("_codecs", "encode"), text("a"), text("zlib")), "not spelled in latin1"),
        (call(name("_codecs", "encode"), text("\u0100"), text("latin1")), "above 255"),
        (call(name("torch", "Size"), listed(b"K\1")), "not of sizes"),
        (call(name("torch", "Size"), integers((-1,))), "not of sizes"),
        (call(name("torch", "device"), b"N"), "torch.device is malformed"),
        (call(name("builtins", "complex"), text("1"), text("2")), "two floats"),
        (call(name("torch.serialization", "_get_layout"), b"N"), "layout has no name"),
        (call(name("collections", "OrderedDict"), b")"), "not a list"),
        (call(name("collections", "OrderedDict"), listed(b")")), "not a pair"),
        (call(name("torch._utils", "_rebuild_parameter"), b"N", flag(True), HOOKS), "no tensor"),
        # Texts and lengths.
        (b"X\4\0\0\0ab", "ends inside an opcode"),
        (b"X\xff\xff\xff\xffab", "a text of 4294967295 bytes"),
        (b"X\2\0\0\0\xff\xfe", "not UTF-8"),
        (b"X\3\0\0\0\xed\xa0\x80", "not UTF-8"),
        (b"U\1\xff", "not UTF-8"),
        (b"\x8a\xffab", "ends inside an opcode"),
        (b"K", "ends before its STOP"),
        (b"ctorch\nSize", "name without an end"),
        (b"c" + b"x" * 5000 + b"\nSize\n", "name without an end"),
        (b"c\xff\nSize\n", "not UTF-8"),
    ],
)
def test_is_refused(pickled: bytes, why: str):
    with pytest.raises(InvalidModelError, match=why):
        read(pickled, classes=True)


@pytest.mark.parametrize(
    ("pickled", "why"),
    [
        (b"]" * 200 + b"a" * 199, "more than 128 deep"),
        (b")" + b"\x85" * 100_000, "more than 128 deep"),
        (b"}" * 200 + b"", "leaves values"),
        (DOUBLING, "repeats values"),
        (b"]q\0h\0a", "contains itself"),
        (b"]q\0](h\0ea", "contains itself"),
        (b"}q\0X\1\0\0\0ah\0s", "contains itself"),
        (several(NET + b"q\0", *[NET + b"h\0bq\0"] * 200), "more than 128 deep"),
    ],
)
def test_nesting_is_bounded(pickled: bytes, why: str):
    """No walk over what was read recurses without end, doubles without end or goes in circles."""
    with pytest.raises(InvalidModelError, match=why):
        read(pickled, classes=True)


def test_what_follows_a_pickle_is_refused():
    with pytest.raises(InvalidModelError, match="3 bytes follow the pickle"):
        load(program(b"N") + b"abc", storages=nothing, classes=False)
    with pytest.raises(InvalidModelError, match="ends before its STOP"):
        load(program(b"N")[:-1], storages=nothing, classes=False)


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        (Limits(pickle_opcodes=9), "more than 9 opcodes"),
        (Limits(pickle_bytes=9), "ends before its STOP"),
        (Limits(pickle_containers=3), "more than 3 containers"),
        (Limits(pickle_stack=3), "more than 3 values"),
        (Limits(pickle_string_bytes=2), "a text of 3 bytes"),
        (Limits(pickle_depth=1), "more than 1 deep"),
        (Limits(pickle_nodes=3), "more than 3"),
        (Limits(name_bytes=4), "name without an end"),
    ],
)
def test_limits_are_overridden(limits: Limits, why: str):
    pickled = listed(text("abc"), b"]", b"]", b"]K\1a", name("torch", "float16"))
    assert read(pickled)
    with pytest.raises(InvalidModelError, match=why):
        read(pickled, limits=limits)


WATCHER = """
import json, sys
from pyflame_rt.errors import InvalidModelError
from pyflame_rt.frontends.torch.archive import Archive
from pyflame_rt.frontends.torch.pickle_machine import load
from pyflame_rt.frontends.torch.storage import Storage
from pyflame_rt.frontends.torch.checkpoint import read_state_dict

samples = [bytes.fromhex(line) for line in json.load(sys.stdin)]
seen = []
QUIET = ("object.", "sys.", "cpython.", "gc.", "builtins.id")

def watch(event, arguments):
    if not event.startswith(QUIET):
        seen.append((event, str(arguments)[:80]))

def storages(key, dtype, length):
    return Storage(key, dtype, length, "test")

sys.addaudithook(watch)
refused = 0
for data in samples:
    for read in (
        lambda: load(data, storages=storages, classes=False),
        lambda: load(data, storages=storages, classes=True),
        lambda: read_state_dict(data),
    ):
        try:
            read()
        except InvalidModelError:
            refused += 1
watched = list(seen)
compile("1", "a test that the hook hears", "eval")
print(json.dumps({"seen": watched, "refused": refused, "hears": len(seen) > len(watched)}))
"""


def test_nothing_is_imported_opened_or_executed():
    """The interpreter's own audit hook hears of no import, open, compile, exec or process."""
    samples = [program(value) for value in [*ATTACKS.values(), *OPCODES.values(), TENSOR]]
    done = subprocess.run(
        [sys.executable, "-c", WATCHER],
        input=json.dumps([sample.hex() for sample in samples]),
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    report = json.loads(done.stdout)
    assert report["hears"]
    assert report["seen"] == []
    # But for the good tensor, which is no file.
    assert report["refused"] == 3 * len(samples) - 2


def test_names_of_every_module_of_the_interpreter_are_refused():
    """No global outside the list becomes anything, whatever it is called."""
    for module in ("os", "sys", "torch", "torch.nn", "numpy", "builtins", "collections", "types"):
        for attribute in ("system", "exit", "load", "Module", "load", "eval", "abc", "CodeType"):
            with pytest.raises(PyFlameRTError, match="run no code"):
                read_state_dict(checkpoint(name(module, attribute) + b")R", {}))

"""Whatever a `.pt2` archive says, the answer is a module or one clear error."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from torch_bytes import Entry, write_zip

from pyflame_rt.backends.reference import ReferenceBackend
from pyflame_rt.errors import (
    InvalidModelError,
    PyFlameRTError,
    UnsupportedFormatError,
    UnsupportedOperatorError,
)
from pyflame_rt.frontends.torch.archive import Archive
from pyflame_rt.frontends.torch.exported import import_exported

PROGRAMS = Path(__file__).resolve().parents[1] / "programs"
MODEL = "models/model.json"
WEIGHTS = "data/weights/model_weights_config.json"


def members(name: str) -> dict[str, bytes]:
    archive = Archive.open(PROGRAMS / f"{name}.pt2")
    return {member: bytes(archive.read(member)) for member in archive.names}


def packed(files: Mapping[str, bytes]) -> bytes:
    return write_zip([Entry(f"m/{name}", data) for name, data in files.items()])


def changed(name: str, change: Callable[[Any], Any], document: str = MODEL) -> bytes:
    """A program with one of its documents changed."""
    files = members(name)
    value = json.loads(files[document])
    found = change(value)
    files[document] = json.dumps(value if found is None else found).encode()
    return packed(files)


def refuse(data: bytes, kind: type[PyFlameRTError], match: str) -> None:
    with pytest.raises(kind, match=match) as caught:
        import_exported(data, name="m.pt2")
    assert "m.pt2" in str(caught.value)
    assert len(str(caught.value)) < 2048


def node(value: Any, index: int = 0) -> Any:
    return value["graph_module"]["graph"]["nodes"][index]


def test_an_archive_written_again_is_the_same() -> None:
    """The tests' own writing changes nothing."""
    import_exported(packed(members("mlp"))).verify()


def _version(value: Any) -> None:
    value["schema_version"]["major"] = 9


def _target(value: Any) -> None:
    node(value, 0)["target"] = "torch.ops.aten.frobnicate.default"
    node(value, 2)["target"] = "torch.ops.mine.op.default"


def _tag(value: Any) -> None:
    node(value)["inputs"][0]["arg"] = {"as_future": 1}


def _field(value: Any) -> None:
    value["graph_module"]["graph"]["surprise"] = {"x": 1}


def _empty_field(value: Any) -> None:
    value["graph_module"]["graph"]["surprise"] = {}


def _undefined(value: Any) -> None:
    node(value)["inputs"][0]["arg"]["as_tensor"]["name"] = "nobody"


def _dtype(value: Any) -> None:
    value["graph_module"]["graph"]["tensor_values"]["x"]["dtype"] = 99


def _disagrees(value: Any) -> None:
    value["graph_module"]["graph"]["tensor_values"]["linear"]["sizes"][1] = {"as_int": 77}


def _type_disagrees(value: Any) -> None:
    value["graph_module"]["graph"]["tensor_values"]["linear"]["dtype"] = 8


def _arguments(value: Any) -> None:
    node(value)["inputs"][0]["name"] = "surprise"


def _parameter(value: Any) -> None:
    value["graph_module"]["signature"]["input_specs"][0]["parameter"]["parameter_name"] = "gone"


def _missing_field(value: Any) -> None:
    del node(value)["target"]


def _huge_number(value: Any) -> None:
    value["graph_module"]["graph"]["tensor_values"]["x"]["sizes"][0] = {"as_int": 2**70}


def _expression(text: str) -> Callable[[Any], None]:
    def change(value: Any) -> None:
        sizes = value["graph_module"]["graph"]["tensor_values"]["x"]["sizes"]
        sizes[0] = {"as_expr": {"expr_str": text, "hint": None}}

    return change


@pytest.mark.parametrize(
    ("change", "kind", "match"),
    [
        (_version, UnsupportedFormatError, "schema 9.20, not 8"),
        (_target, UnsupportedOperatorError, r"2 operators are.*frobnicate.*mine\.op"),
        (_tag, UnsupportedFormatError, "as_future"),
        (_field, UnsupportedFormatError, "surprise is not known"),
        (_undefined, InvalidModelError, "'nobody' that is not defined"),
        (_dtype, InvalidModelError, "99, which is no element type"),
        (_disagrees, InvalidModelError, r"is not of shape \[4, 77\]"),
        (_type_disagrees, InvalidModelError, "float32 where the program says float64"),
        (_arguments, InvalidModelError, "arguments do not fit aten::linear"),
        (_parameter, InvalidModelError, 'no tensor for the parameter "gone"'),
        (_missing_field, InvalidModelError, "has no target"),
        (_huge_number, InvalidModelError, "not an integer of 64 bits"),
        (_expression("__import__('os')"), InvalidModelError, "expression"),
        (_expression("Symbol('a'"), InvalidModelError, "expression"),
        (_expression("Add(" * 40 + ")" * 40), InvalidModelError, "nested too deeply"),
        (_expression("Integer(" + "9" * 99 + ")"), InvalidModelError, "too large"),
        (_expression("Symbol('a');"), InvalidModelError, "no meaning"),
    ],
)
def test_documents_that_contradict_themselves(
    change: Callable[[Any], Any], kind: type[PyFlameRTError], match: str
) -> None:
    """Each is an error that names the file and what is wrong."""
    refuse(changed("mlp", change), kind, match)


def test_a_field_that_says_nothing_is_no_harm() -> None:
    """A newer torch may write fields that are empty."""
    import_exported(changed("mlp", _empty_field)).verify()


def _weight(**fields: Any) -> Callable[[Any], None]:
    def change(value: Any) -> None:
        row = next(iter(value["config"].values()))
        row.update({key: field for key, field in fields.items() if key in row})
        row["tensor_meta"].update(
            {key: field for key, field in fields.items() if key in row["tensor_meta"]}
        )

    return change


@pytest.mark.parametrize(
    ("change", "kind", "match"),
    [
        (_weight(path_name="../weight_0"), InvalidModelError, "not the name of a file"),
        (_weight(path_name="gone"), InvalidModelError, "file .gone. that is not there"),
        (_weight(use_pickle=True), UnsupportedFormatError, "pickled, which is never opened"),
        (_weight(sizes=[{"as_int": 2**40}, {"as_int": 2**40}]), InvalidModelError, "reaches"),
        (_weight(storage_offset={"as_int": 10**6}), InvalidModelError, "reaches element"),
        (_weight(storage_offset={"as_int": -1}), InvalidModelError, "offset"),
        (_weight(strides=[{"as_int": 2**62}, {"as_int": 1}]), InvalidModelError, "reaches"),
        (_weight(strides=[{"as_int": 1}]), InvalidModelError, "sizes and 1 strides"),
        (_weight(layout=1), UnsupportedFormatError, "not dense"),
        (_weight(dtype=9), UnsupportedFormatError, "element type 9"),
    ],
)
def test_weights_that_do_not_lie_in_their_files(
    change: Callable[[Any], Any], kind: type[PyFlameRTError], match: str
) -> None:
    """Geometry is checked before an array exists, and nothing is unpickled."""
    refuse(changed("mlp", change, WEIGHTS), kind, match)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (b"[" * 100_000, "nested more than 64 deep"),
        (b'{"a": 1, "a": 2}', "a key is there twice"),
        (b"\xff", "not JSON"),
        (b"", "not JSON"),
        (b"[1]", "is not an object"),
        (b'{"schema_version": 8}', "schema_version is not an object"),
        (b'{"x": ' + b"9" * 5000 + b"}", "not JSON"),
    ],
)
def test_text_that_is_no_program(text: bytes, match: str) -> None:
    """A document is read within limits, each key once."""
    files = {**members("mlp"), MODEL: text}
    refuse(packed(files), InvalidModelError, match)


def test_archives_of_other_forms() -> None:
    """What is no exported program, or one of another form, is told apart."""
    files = members("mlp")
    old = {"serialized_exported_program.json": b"{}"}
    refuse(packed(old), UnsupportedFormatError, "older form.*torch 2.9")
    refuse(packed({**files, "archive_version": b"7"}), UnsupportedFormatError, "archive_version")
    refuse(packed({**files, "models/b.json": b"{}"}), UnsupportedFormatError, "2 programs")
    without = {name: data for name, data in files.items() if name != MODEL}
    compiled = {**without, "data/aotinductor/m/m.so": b"ELF"}
    refuse(packed(compiled), UnsupportedFormatError, "compiled library, which is not run")


def test_conditions_that_do_not_agree() -> None:
    """Branches of different results are an error of the node."""

    def change(value: Any) -> None:
        cond = next(
            n for n in value["graph_module"]["graph"]["nodes"] if n["target"].endswith("cond")
        )
        graph = cond["inputs"][2]["arg"]["as_graph"]["graph"]
        graph["outputs"] = graph["outputs"] * 2

    refuse(changed("dyn", change), InvalidModelError, "branches do not agree")


_WORDS = (
    None,
    True,
    -1,
    0,
    1,
    3,
    2**63,
    -(2**63),
    1.5,
    "",
    "x",
    "linear",
    [],
    {},
    [1],
    {"as_int": 7},
)


def mutant(value: Any, seed: int) -> Any:
    """A document with some of its values replaced, repeated, exchanged or gone."""
    rng = random.Random(seed)
    value = copy.deepcopy(value)
    for _ in range(rng.randint(1, 3)):
        path: Any = value
        while True:
            keys = list(path) if isinstance(path, dict) else list(range(len(path)))
            if not keys:
                break
            key = rng.choice(keys)
            inner = path[key]
            if isinstance(inner, dict | list) and inner and rng.random() < 0.85:
                path = inner
                continue
            match rng.randint(0, 4):
                case 0:
                    del path[key]
                case 1:
                    path[key] = copy.deepcopy(path[rng.choice(keys)])
                case 2 if isinstance(path, list):
                    path.insert(rng.randrange(len(path) + 1), copy.deepcopy(inner))
                case 3 if isinstance(inner, int):
                    path[key] = inner + rng.choice((-1, 1, 7, 2**40))
                case _:
                    path[key] = rng.choice(_WORDS)
            break
    return value


@pytest.mark.parametrize("name", ["mlp", "dyn", "rnn", "cnn", "transformer"])
def test_mutants_give_modules_or_errors(name: str) -> None:
    """Programs with a few values changed never end in anything but an error of ours; a module
    that comes out verifies and compiles."""
    files = members(name)
    document = json.loads(files[MODEL])
    for seed in range(40):
        files[MODEL] = json.dumps(mutant(document, seed)).encode()
        try:
            module = import_exported(packed(files), name="m.pt2")
        except PyFlameRTError:
            continue
        module.verify()
        ReferenceBackend().compile(module, "main")

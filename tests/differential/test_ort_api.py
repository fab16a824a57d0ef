"""Every probe of ONNX Runtime's Python API, run on it and on PyFlameRT in one process: the same
outcome, class and text, except where `IMPROVED` says what is better and why."""

from __future__ import annotations

import builtins
from pathlib import Path

import pytest
from api_probes import PROBES, Api, Outcome, observe

import pyflame_rt as rt
from pyflame_rt.capi import onnxruntime_pybind11_state as state
from pyflame_rt.errors import PyFlameRTError

NEWER = "we read what ONNX has released since"
TYPES = "ONNX has the type, and so do we"
NAMED = "the text names what ONNX Runtime's leaves out, and no C++ file"
SILENT = "ONNX Runtime gives a wrong answer, or goes on with what nobody asked for"
SCALARS = "numbers are as good as arrays of one"
SPARE = "ONNX Runtime falls back to the CPU and prints that; a library warns and does not print"

IMPROVED: dict[str, tuple[str, object]] = {
    # Values: what we give instead.
    "Identity complex64": (TYPES, ("complex64", [1 + 0j])),
    "Identity bfloat16": (TYPES, ("bfloat16", [1, 1])),
    "Identity bfloat16 as OrtValue": (TYPES, ("bfloat16", [1, 1])),
    "Identity float8_e4m3fn": (TYPES, ("float8_e4m3fn", [1, 1])),
    "Identity float8_e4m3fn as OrtValue": (TYPES, ("float8_e4m3fn", [1, 1])),
    "Identity int4": (TYPES, ("int4", [1, 1])),
    "Identity int4 as OrtValue": (TYPES, ("int4", [1, 1])),
    "numpy() of bfloat16": (TYPES, [1]),
    "opset 28": (NEWER, [("ndarray", "float32", (1,))]),
    "IR version 14": (NEWER, [("ndarray", "float32", (1,))]),
    "a Python float for a scalar": (SCALARS, [1]),
    "a NumPy scalar": (SCALARS, 1),
    "big-endian": (SILENT, [[0, 1, 2], [3, 4, 5]]),
    "strings as bytes": (SILENT, ("object", ["a", "bc"])),
    "division of the least integer by -1": ("it wraps, the process lives", [-(2**31)]),
    "(1,) for a scalar": ("results have the declared rank", [("ndarray", "float32", ())]),
    # Errors: the class and part of the text.
    "a Python float": (SCALARS, (state.InvalidArgument, "Invalid rank for input: x Got: 0")),
    "None": (NAMED, (state.InvalidArgument, "Input 'y' is None")),
    "a symbol of two sizes": (
        "a symbol has one size wherever it stands",
        (state.InvalidArgument, "Got invalid dimensions for input: y"),
    ),
    "dimensions that do not fit an operator": (
        NAMED,
        (
            state.Fail,
            "while running MatMul node. Name:'mm0'",
            "4 is different from 3",
            "K = 3; L = 4",
        ),
    ),
    "an index out of range": (
        NAMED,
        (
            state.InvalidArgument,
            "while running Gather node. Name:'gather_x'",
            "index 7 is outside a dimension of 3 elements (input 0 is 'x'; input 1 is 'i'; N = 1)",
        ),
    ),
    "a reshape that does not fit": (
        NAMED,
        (state.Fail, "while running Reshape node. Name:'rs0'", "[3] cannot become [7, 1]"),
    ),
    "an empty sequence": (
        NAMED,
        (state.InvalidArgument, "while running SequenceAt node. Name:'SequenceAt_1'"),
    ),
    "an initializer too short": (NAMED, (state.Fail, 'initializer "w": 4 bytes of data')),
    "an initializer of 2^40 elements": (NAMED, (state.Fail, 'initializer "w": 4 bytes of data')),
    "an initializer of -3 elements": (NAMED, (state.Fail, 'initializer "w": has the shape [-3]')),
    "add_initializer of another shape": (
        SILENT,
        (state.InvalidArgument, 'initializer "w": is a tensor<1xf32>'),
    ),
    "OrtValue updated with another dtype": (
        SILENT,
        (rt.InputError, "an array of float64 cannot replace one of float32"),
    ),
    "register_custom_ops_library": (
        "there are no compiled operators, whatever the file",
        (state.NotImplemented, "pyflame_rt.custom"),
    ),
    "io_binding, an output of the wrong shape": (
        "the text says what is wrong, without what another language could do about it",
        (RuntimeError, "output 'sum' has shape {1,3} but the computed output shape", "{2,3}"),
    ),
    "io_binding without inputs": (
        NAMED,
        (RuntimeError, "Required inputs (['x']) are missing from input feed ([])."),
    ),
}
WARNED = {
    "an unknown provider": "there is no AzureExecutionProvider",
    "a provider that is not there": "there is no AzureExecutionProvider",
    "providers that are no sequence": SPARE,
    "a provider that is no name": SPARE,
    "more options than providers": SPARE,
}
"""Where the warnings differ, and why."""


@pytest.fixture(scope="module")
def theirs() -> object:
    return pytest.importorskip("onnxruntime")


def outcome(name: str, module: object, folder: Path) -> Outcome:
    folder.mkdir()
    return observe(PROBES[name], Api(module, folder))


@pytest.mark.parametrize("name", [n for n in PROBES if n not in IMPROVED])
def test_same_as_onnxruntime(name: str, theirs: object, tmp_path: Path) -> None:
    """Outcome, class and text; a builtin class is one of our own class's bases."""
    expected = outcome(name, theirs, tmp_path / "model")
    found = outcome(name, rt, tmp_path / "models")
    if expected.error is None:
        assert found.error is None, found.error
        assert found.value == expected.value
    else:
        assert found.error is not None, found.value
        text = found.text("pyflame_rt").replace("/models", "/model")
        assert text == expected.text("onnxruntime")
        assert is_like(found.error, expected.error)
    if name not in WARNED:
        assert found.warned == expected.warned


def is_like(ours: BaseException, theirs: BaseException) -> bool:
    """Whether who catches the one catches the other, and logs show the same class."""
    name = type(theirs).__name__
    if isinstance(builtin := getattr(builtins, name, None), type) and type(theirs) is builtin:
        return isinstance(ours, PyFlameRTError) and isinstance(ours, builtin)
    return isinstance(ours, getattr(state, name)) and type(ours).__name__ == name


@pytest.mark.parametrize("name", IMPROVED)
def test_better_than_onnxruntime(name: str, tmp_path: Path) -> None:
    _, expected = IMPROVED[name]
    found = outcome(name, rt, tmp_path / "ours")
    if isinstance(expected, tuple) and isinstance(expected[0], type):
        kind, *parts = expected
        assert isinstance(found.error, kind), found.error
        for part in parts:
            assert part in str(found.error)
    else:
        assert found.error is None, found.error
        assert found.value == expected


@pytest.mark.parametrize("name", [n for n in IMPROVED if not n.startswith("division")])
def test_every_improvement_is_one(name: str, theirs: object, tmp_path: Path) -> None:
    """Where ONNX Runtime does the same by now, the entry of the table goes."""
    expected = outcome(name, theirs, tmp_path / "model")
    found = outcome(name, rt, tmp_path / "models")
    same = expected.error is None and found.error is None and expected.value == found.value
    if expected.error is not None and found.error is not None:
        same = expected.text("onnxruntime") == found.text("pyflame_rt")
    assert not same


def test_names_of_the_module(theirs: object) -> None:
    """Whatever a program takes from ONNX Runtime's module is here, if only to say that it is not."""
    internal = {
        "OrtCompileApiFlags", "OrtDeviceMemoryType", "OrtEpAssignedNode", "OrtEpAssignedSubgraph",
        "OrtEpContextData", "OrtEpContextDataBuffer", "OrtExecutionProviderDevicePolicy",
        "OrtHardwareDeviceType", "OrtMemoryInfoDeviceType", "OrtSparseFormat", "SessionIOBinding",
        "contextlib", "cuda_version", "import_capi_exception", "onnxruntime_validation",
        "package_name", "preload_dlls", "print_debug_info", "version", "capi",
    }  # fmt: skip
    names = {name for name in dir(theirs) if not name.startswith("_")} - internal
    assert not [name for name in sorted(names) if not hasattr(rt, name)]


def test_attributes_of_the_classes(theirs: object) -> None:
    """Every public method and property of ONNX Runtime's classes exists here."""
    missing = []
    for name in ("InferenceSession", "SessionOptions", "RunOptions", "NodeArg", "ModelMetadata",
                 "OrtValue", "OrtDevice", "IOBinding"):  # fmt: skip
        kind = getattr(rt, name)
        known = {*dir(kind), *getattr(kind, "__dataclass_fields__", ())}
        wanted = (a for a in dir(getattr(theirs, name)) if not a.startswith("_"))
        missing += [f"{name}.{attribute}" for attribute in wanted if attribute not in known]
    assert missing == []

"""Object files come into memory without LLVM, and do there what LLVM's own loader has them do."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("llvmlite", reason="machine code needs llvmlite")

from hypothesis import given, settings
from hypothesis import strategies as st

from pyflame_rt.backends.native import compiling, objects, processors

TEXT = """
@table = private constant [5 x i64] [i64 3, i64 1, i64 4, i64 1, i64 5], align 64
@other = private constant [2 x double] [double 0.5, double 0.25], align 16

define private i64 @scaled(i64 %x) noinline {
  %f = sitofp i64 %x to double
  %p = getelementptr [2 x double], [2 x double]* @other, i64 0, i64 1
  %c = load volatile double, double* %p
  %y = fmul double %f, %c
  %s = fadd double %y, 12.75
  %n = fptosi double %s to i64
  ret i64 %n
}

define void @entry(i64* %record) {
  %i = load i64, i64* %record
  %p = getelementptr [5 x i64], [5 x i64]* @table, i64 0, i64 %i
  %x = load i64, i64* %p
  %m = mul i64 %x, 100
  %y = call i64 @scaled(i64 %m)
  store i64 %y, i64* %record
  ret void
}
"""
HERE = processors.best()

ONLY_HERE = pytest.mark.skipif(not objects._is_here(), reason="object files of another kind")


@cache
def code(kind: str = HERE) -> bytes:
    instructions = processors.instructions(kind)
    assert instructions is not None
    text = TEXT
    if processors._llvmlite() >= (0, 45):
        for element in ("[5 x i64]", "[2 x double]", "i64", "double"):
            text = text.replace(f"{element}*", "ptr")
    return compiling.to_object(text, instructions)


def answers(loaded: compiling.Loaded) -> list[int]:
    found: list[int] = []
    for index in range(5):
        record = np.array([index], np.int64)
        loaded.call(record.ctypes.data)
        found.append(int(record[0]))
    return found


@pytest.mark.parametrize("kind", processors.supported())
def test_both_loaders(kind: str) -> None:
    """Constants and functions refer to each other, in whatever order they lie."""
    expected = [int(value * 100 * 0.25 + 12.75) for value in (3, 1, 4, 1, 5)]
    for load in (compiling.load, compiling.load_by_llvm):
        assert answers(load(code(kind), "entry", (ctypes.c_void_p,))) == expected


@ONLY_HERE
def test_llvm_is_not_needed() -> None:
    """What is loaded is ours, and can be run but not written."""
    loaded = compiling.load(code(), "entry", (ctypes.c_void_p,))
    assert isinstance(loaded.engine, objects.Placed)
    maps = Path("/proc/self/maps").read_text(encoding="ascii").splitlines()
    rows = [(line.split()[0].split("-"), line.split()[1]) for line in maps]
    rights = [r for (a, b), r in rows if int(a, 16) <= loaded.address < int(b, 16)]
    assert rights == ["r-xp"]
    assert objects.placed(code(), "nobody") is None
    assert objects.placed(b"MZ" + code(), "entry") is None


@ONLY_HERE
def test_others_are_for_llvm() -> None:
    """A function of the system is nothing that our loader finds."""
    text = "declare void @abort()\ndefine void @entry() {\n call void @abort()\n ret void\n}\n"
    kind = processors.instructions(HERE)
    assert kind is not None
    assert objects.placed(compiling.to_object(text, kind), "entry") is None


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(st.integers(0, 4000), st.binary(min_size=1, max_size=9), st.booleans())
def test_damage(at: int, other: bytes, is_short: bool) -> None:
    """Whatever a file holds, it is placed or left alone."""
    whole = code()
    at %= len(whole)
    damaged = whole[:at] if is_short else whole[:at] + other + whole[at + len(other) :]
    assert objects.placed(damaged, "entry") is None or not is_short


@ONLY_HERE
def test_processes_that_find_code_on_disk(tmp_path: Path) -> None:
    """The second process runs the same without loading LLVM, which takes time and memory."""
    text = (
        "import os, sys; os.environ['PYFLAME_RT_CACHE'] = sys.argv[1]\n"
        "import numpy as np, pyflame_rt as rt\n"
        "session = rt.InferenceSession(sys.argv[2])\n"
        "x = np.ones((1, 1, 8, 8), np.float32)\n"
        "for _ in range(4): y = session.run(None, {'images': x}); session.settle()\n"
        "assert session._plans.last.executable.kernels\n"
        "print('llvmlite.binding' in sys.modules, np.array(y).tobytes().hex())\n"
    )
    model = Path(__file__).resolve().parents[3] / "examples" / "digits" / "cnn.onnx"
    command = [sys.executable, "-c", text, str(tmp_path), str(model)]
    (first, y), (second, again) = (
        subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        for _ in range(2)
    )
    assert (first, second) == ("True", "False")
    assert y == again

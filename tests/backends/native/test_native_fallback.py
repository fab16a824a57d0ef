"""Where machine code cannot be made, or not be kept, plans run nevertheless, and nobody sees an error."""

from __future__ import annotations

import errno
import importlib.util
import logging
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("llvmlite", reason="machine code needs llvmlite")

from pyflame_rt import module_files, pipelines
from pyflame_rt.backends.base import Threads
from pyflame_rt.backends.native import compiling, kernels, processors, store
from pyflame_rt.backends.numpy_backend import NumpyBackend, PlanExecutable
from pyflame_rt.universe import make_context

TEXT = """
func.func @main(%x: tensor<4x20xf32>) -> tensor<4x9xf32> {
  %w = pfrt.constant dense<0.25> : tensor<20x9xf32>
  %h = pfrt.matmul %x, %w : tensor<4x20xf32>, tensor<20x9xf32> -> tensor<4x9xf32>
  %y = pfrt.tanh %h : tensor<4x9xf32> -> tensor<4x9xf32>
  func.return %y : tensor<4x9xf32>
}
"""
X = np.random.default_rng(3).standard_normal((4, 20)).astype(np.float32)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Nothing is known of the machine, nor compiled."""

    def forget() -> None:
        for known in (kernels._works, kernels._loaded, processors._supported):
            known.cache_clear()

    monkeypatch.setenv("PYFLAME_RT_CACHE", str(tmp_path / "cache"))
    forget()
    yield
    monkeypatch.undo()
    forget()


def compiled() -> PlanExecutable:
    ctx = make_context()
    module = module_files.parse(TEXT, ctx, "test")
    backend = NumpyBackend().with_threads(Threads(1))
    pipelines.run(ctx, module, pipelines.parse(backend.lowering(2)))
    return backend.compile(module)


def check(*, native: bool) -> None:
    """The plan has its result, by machine code or without."""
    plan = compiled()
    assert bool(plan.kernels) == native
    (found,) = plan.run([X])
    np.testing.assert_allclose(found, np.tanh(X @ np.full((20, 9), 0.25, np.float32)), atol=1e-6)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


def test_without_llvmlite(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Who has not installed the extra gets the plan on NumPy, and no word about it."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "llvmlite" else find(name, *a)
    )
    assert kernels.wanted() == ""
    check(native=False)
    assert lines(caplog) == []


@pytest.mark.parametrize(
    "error", [ImportError("no libLLVM"), OSError("wrong ELF class"), AttributeError("binding")]
)
def test_llvmlite_that_does_not_load(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One line of the log says why there is no machine code."""

    def fail() -> None:
        raise error

    monkeypatch.setattr(compiling, "binding", fail)
    for _ in range(2):
        assert kernels.wanted() == ""
        check(native=False)
    (line,) = lines(caplog)
    assert str(error) in line


def test_code_that_is_not_made(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A plan of which LLVM refuses a kernel runs on NumPy as a whole; the log says which."""
    assert kernels.wanted()
    make = compiling.to_object

    def refuse(text: str, kind: processors.Instructions) -> bytes:
        if "@gemm" in text:
            raise RuntimeError("LLVM is\nout of registers")
        return make(text, kind)

    monkeypatch.setattr(compiling, "to_object", refuse)
    check(native=False)
    (line,) = lines(caplog)
    assert "gemm: LLVM is out of registers" in line


@pytest.mark.parametrize("system", [("Linux", "riscv64"), ("Windows", "AMD64")])
def test_elsewhere(system: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where our code has not been tried, sessions compile only if they are told to."""
    monkeypatch.setattr(platform, "system", lambda: system[0])
    monkeypatch.setattr(platform, "machine", lambda: system[1])
    monkeypatch.delenv("PYFLAME_RT_JIT")
    assert kernels.wanted() == ""


def test_folder_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code that cannot be kept is made for this process."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("PYFLAME_RT_CACHE", str(tmp_path / "file"))
    check(native=True)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_disk_that_takes_nothing(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a full disk nor one that is read only is an error."""

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    for name in ("open", "mkdir", "fsync", "replace"):
        monkeypatch.setattr(os, name, fail)
    check(native=True)


def test_without_a_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where no folder of the user is known, none is made in the folder that one is in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYFLAME_RT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert store.default_folder() is None
    check(native=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["short", "turned", "empty", "other"])
def test_damaged_files(damage: str, tmp_path: Path) -> None:
    """What is not what was written is made again."""
    check(native=True)
    folder = tmp_path / "cache" / "native"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for path in folder.iterdir():
        data = before[path.name]
        turned = data[:-40] + bytes(255 - byte for byte in data[-40:])
        ways = {"short": data[:-1], "turned": turned, "empty": b"", "other": b"\x7fELF" * 99}
        path.write_bytes(ways[damage])
    for known in (kernels._works, kernels._loaded):
        known.cache_clear()
    check(native=True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_children() -> None:
    """A process that has compiled may fork, even while it compiles: the child runs and compiles."""
    plan = compiled()
    (expected,) = plan.run([X])
    with compiling._lock():
        child = os.fork()
        if child == 0:
            status = 1
            signal.alarm(60)
            try:
                kernels._loaded.cache_clear()
                store.default_folder = lambda: None
                same = np.array_equal(plan.run([X])[0], expected)
                status = 0 if same and np.array_equal(compiled().run([X])[0], expected) else 2
            finally:
                os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.slow
def test_side_by_side(tmp_path: Path) -> None:
    """Processes that compile the same at the same time have the same results, and leave one file each."""
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
    code += "import test_native_fallback as t; t.check(native=True)"
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    names = [path.name for path in (tmp_path / "cache" / "native").iterdir()]
    assert names
    assert all(len(name) == 64 for name in names)


def test_code_on_disk_follows_from_what_it_is_written_by() -> None:
    """Code on disk is not taken for that of another version: of its folder, of `writing`, or of the
    layout of array objects, whose flags may be others."""
    found = {
        name: set(kernels._versions(f"pyflame_rt.backends.native.{name}"))
        for name in ("running", "floats.rows", "integers.sums")
    }
    here = Path(kernels.__file__).parent
    for name, folders in {
        "running": ("", "writing"),
        "floats.rows": ("", "writing", "floats"),
        "integers.sums": ("", "writing", "integers"),
    }.items():
        assert {kernels._digest(here / folder) for folder in folders} <= found[name]
    assert (here / "arrays.py").is_file()

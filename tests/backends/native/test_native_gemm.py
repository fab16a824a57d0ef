"""The compiled matrix product against NumPy in f64, for every kind of code that this machine runs."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite", reason="machine code needs llvmlite")

from pyflame_rt.backends.native import kernels, processors
from pyflame_rt.backends.native.floats.products import Finish, Layout, Product, pack, pack_bias
from pyflame_rt.backends.native.writing.activations import numbers_of
from pyflame_rt.dialects.plan.schedules import SCHEDULES, Schedule
from pyflame_rt.errors import BackendError

KINDS = processors.supported()
ROOM = 7
"""Elements between rows, which a kernel must neither read nor write."""


def small(kind: str) -> Schedule:
    """A schedule whose parts and blocks of the depth are short, so that small products have several."""
    return replace(SCHEDULES[kind], depth=24, block=8)


def with_room(rows: int, columns: int, fill: float) -> np.ndarray:
    return np.full((rows, columns + ROOM), fill, np.float32)


def check(
    schedule: Schedule, rows: int, depth: int, columns: int, *, residual: bool = False,
    bias: bool = True, activation: str = "", numbers: tuple[float, ...] = (), seed: int = 0,
) -> None:  # fmt: skip
    """y and what lies around it, against the same in f64."""
    r = np.random.default_rng(seed)
    x = with_room(rows, depth, np.nan)
    x[:, :depth] = r.standard_normal((rows, depth))
    w = r.standard_normal((depth, columns)).astype(np.float32)
    b = r.standard_normal(columns).astype(np.float32)
    more = with_room(rows, columns, np.nan)
    more[:, :columns] = r.standard_normal((rows, columns))
    y = with_room(rows, columns, 7.0)
    layout = Layout(rows, columns, depth, x.strides[0], y.strides[0], more.strides[0])
    packed, packed_bias = pack(schedule.columns, w), pack_bias(schedule.columns, b)
    finish = Finish(activation, numbers)
    product = Product.of(schedule, layout, packed, packed_bias if bias else None, finish)
    product.on(x, y, more if residual else None)()
    exact = x[:, :depth].astype(np.float64) @ w
    exact += b if bias else 0
    exact += more[:, :columns] if residual else 0
    if activation == "relu":
        exact = np.maximum(exact, 0)
    elif activation == "clip":
        exact = np.clip(exact, *numbers)
    scale = np.abs(x[:, :depth]).astype(np.float64) @ np.abs(w) + 4
    assert (np.abs(y[:, :columns] - exact) <= 1e-6 * scale).all()
    assert (y[:, columns:] == 7.0).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("rows", "depth", "columns"),
    [
        (1, 1, 1),
        (1, 784, 256),
        (3, 5, 130),
        (49, 70, 33),
        (13, 64, 32),
        (128, 25, 96),
        (25, 24, 31),
    ],
)
def test_sizes(kind: str, rows: int, depth: int, columns: int) -> None:
    """Edges of all three sizes, several parts of the depth, tiles of two heights, wide tiles."""
    check(small(kind), rows, depth, columns)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("activation", "numbers"), [("", ()), ("relu", ()), ("clip", (-0.5, 2.0)), ("clip", (0.0, 6.0))]
)
def test_epilogues(kind: str, activation: str, numbers: tuple[float, ...]) -> None:
    """Bias, residual and activation come after the last part of the depth, and only then."""
    for residual in (False, True):
        for bias in (False, True):
            check(
                small(kind), 14, 50, 40, residual=residual, bias=bias,
                activation=activation, numbers=numbers,
            )  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    rows=st.integers(1, 40),
    depth=st.integers(1, 60),
    columns=st.integers(1, 140),
    residual=st.booleans(),
    seed=st.integers(0, 9),
)
def test_any_size(
    kind: str, rows: int, depth: int, columns: int, residual: bool, seed: int
) -> None:
    """No size reads or writes beyond what is its own."""
    check(small(kind), rows, depth, columns, residual=residual, seed=seed)


@pytest.mark.parametrize("kind", KINDS)
def test_nan_stays(kind: str) -> None:
    """An activation in registers keeps NaN, as NumPy does."""
    schedule = SCHEDULES[kind]
    x, w = np.full((2, 1), np.nan, np.float32), np.ones((1, 3), np.float32)
    y = np.zeros((2, 3), np.float32)
    layout = Layout(2, 3, 1, 4, 12)
    packed = pack(schedule.columns, w)
    Product.of(schedule, layout, packed, None, Finish(activation="relu")).on(x, y, None)()
    assert np.isnan(y).all()


@pytest.mark.parametrize("kind", KINDS)
def test_runs(kind: str) -> None:
    """A convolution of 3 x 3 with stride 2 is a product whose rows are stretches of an image."""
    schedule = replace(small(kind), depth=40)
    r = np.random.default_rng(1)
    image = r.standard_normal((9, 11, 5)).astype(np.float32)
    w = r.standard_normal((3, 3, 5, 35)).astype(np.float32)
    y = np.zeros((4, 5, 35), np.float32)
    line, step = image.strides[0], image.strides[1]
    layout = Layout(
        5, 35, 15, 2 * step, y.strides[1], repeats=4, a_repeat=2 * line, c_repeat=y.strides[0],
        runs=3, a_run=line,
    )  # fmt: skip
    packed = pack(schedule.columns, w.reshape(45, 35))
    Product.of(schedule, layout, packed, None, Finish()).on(image, y, None)()
    exact = np.zeros(y.shape)
    for i in range(3):
        for j in range(3):
            exact += image[i : i + 7 : 2, j : j + 9 : 2].astype(np.float64) @ w[i, j]
    np.testing.assert_allclose(y, exact, atol=1e-4)


def test_kept_on_disk(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was compiled once is read; what was damaged, or others may write, is not."""
    monkeypatch.setenv("PYFLAME_RT_CACHE", str(tmp_path))
    kernel = _kernel("generic")
    code = kernels.machine_code(kernel)
    (file,) = (tmp_path / "native").iterdir()
    monkeypatch.setattr(type(kernel), "emit", _never)
    assert kernels.machine_code(kernel) == code
    monkeypatch.undo()
    monkeypatch.setenv("PYFLAME_RT_CACHE", str(tmp_path))
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    assert kernels.machine_code(kernel) == code
    file.chmod(0o666)
    monkeypatch.setattr(type(kernel), "emit", _never)
    with pytest.raises(AssertionError):
        kernels.machine_code(kernel)


def _never(kernel: object) -> None:
    raise AssertionError("compiled again")


def _kernel(kind: str):
    from pyflame_rt.backends.native.floats.gemm import GemmKernel

    return GemmKernel(SCHEDULES[kind], (2,), 1, False, "relu")


def test_module_is_sound() -> None:
    """The IR verifies, reads back from its text, and has nothing that depends on the machine."""
    from pyflame_rt.module_files import parse
    from pyflame_rt.universe import make_context

    module = _kernel("generic").emit()
    module.verify()
    assert str(parse(str(module), make_context(), "gemm")) == str(module)


def test_numbers() -> None:
    """Activations that registers do not compute are left to others."""
    assert numbers_of("clip", {"max": 6.0}) == (-float("inf"), 6.0)
    assert numbers_of("clip", {"min": float("nan")}) is None
    assert numbers_of("acosh", {}) is None


def test_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """PYFLAME_RT_JIT=0 compiles nothing."""
    monkeypatch.setenv("PYFLAME_RT_JIT", "0")
    schedule = SCHEDULES["generic"]
    with pytest.raises(BackendError, match="does not run here"):
        Product.of(
            schedule, Layout(1, 1, 1, 4, 4), pack(8, np.ones((1, 1), np.float32)), None, Finish()
        )


def test_found_by_other_processes(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name on disk is the same in every process, whatever its seed of hashes."""
    monkeypatch.setenv("PYFLAME_RT_CACHE", str(tmp_path))
    code = (
        "from pyflame_rt.backends.native import kernels; "
        "from pyflame_rt.backends.native.floats.gemm import GemmKernel; "
        "from pyflame_rt.dialects.plan.schedules import SCHEDULES; "
        "kernels.machine_code(GemmKernel("
        "SCHEDULES['generic'], (2,), 1, False, 'relu'))"
    )
    kernels.machine_code(_kernel("generic"))
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert len(list((tmp_path / "native").iterdir())) == 1

"""Networks whose CSL is looked at, on small grids, and what stands in for the SDK's runtime.

`python tests/backends/wse/csl_networks.py` writes the goldens anew: the layout, the first tile and `run.py` in
full, of the other tiles what differs from the first one.
"""

from __future__ import annotations

import difflib
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from wse_onnx import lstm_cell, transformer
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp

from pyflame_rt import compiler, model_runs, pipelines
from pyflame_rt.backends.wse.csl.emission import MARKER
from pyflame_rt.backends.wse.host import Runtime

Array = NDArray[Any]

ROOT = Path(__file__).resolve().parents[3]
SHARED = ROOT.parent / "shared" / "models"
GOLDEN = Path(__file__).parent / "csl" / "golden" / "networks"


@dataclass(frozen=True)
class Sample:
    """A model on a grid: its file, or what makes it, and the shape of its input."""

    source: Any
    shape: tuple[int, ...]
    grid: tuple[int, int] = (2, 2)
    dtype: str = "f32"
    machine: str = "wse3"

    def path(self, folder: Path) -> Path:
        """The model's file."""
        return self.source if isinstance(self.source, Path) else self.source(folder / "model.onnx")

    def input(self) -> Array:
        """Numbers of the input."""
        return np.random.default_rng(11).uniform(0, 1, self.shape).astype(np.float32)


SAMPLES = {
    "digits-mlp": Sample(ROOT / "examples" / "digits" / "mlp.onnx", (1, 1, 8, 8)),
    "digits-mlp-wse2-f16": Sample(
        ROOT / "examples" / "digits" / "mlp.onnx", (1, 1, 8, 8), (3, 2), "f16", "wse2"
    ),
    "digits-cnn": Sample(ROOT / "examples" / "digits" / "cnn.onnx", (1, 1, 8, 8)),
    "mnist-cntk": Sample(SHARED / "mnist_cntk" / "model.onnx", (1, 1, 28, 28)),
    "lenet-ts": Sample(SHARED / "lenet_ts" / "traced_model.pt", (1, 1, 32, 32), (4, 2)),
    "transformer": Sample(transformer, (1, 32, 64), (4, 4)),
    "lstm-cell": Sample(lstm_cell, (1, 32)),
}


def lowered(sample: Sample, folder: Path) -> tuple[ModuleOp, Context, Array]:
    """The program of a sample with what its host does, and the output of the NumPy backend."""
    program = compiler.load(sample.path(folder))
    specs, _ = compiler.signature(program.module)
    given = sample.input()
    pipeline = model_runs.pipeline_for(specs, [given], 2, specialize=True)
    module = program.module.clone()
    pipelines.run(program.ctx, module, pipelines.parse(pipeline))
    expected = compiler.compile_module(module, program.ctx, "numpy", "").run([given])
    width, height = sample.grid
    text = (
        f"convert-pfrt-to-wse{{machine={sample.machine} width={width} height={height} "
        f"dtype={sample.dtype}}}"
    )
    pipelines.run(program.ctx, module, pipelines.parse(text))
    return module, program.ctx, expected[0]


def shown(sources: Mapping[str, str]) -> str:
    """All files as one text: tiles by what differs from the nearest one before them."""
    parts: list[str] = []
    before: dict[str, list[str]] = {}
    for name, text in sources.items():
        lines = text.splitlines()
        if before and name.startswith("tile"):
            near = min(before, key=lambda other: len(set(before[other]) ^ set(lines)))
            diff = difflib.unified_diff(before[near], lines, near, name, n=0, lineterm="")
            text = "".join(f"{line}\n" for line in diff)
        if name.startswith("tile"):
            before[name] = lines
        parts.append(f"{MARKER}{name}\n{text}")
    return "".join(parts)


class DataType(Enum):
    """The SDK's types of memcpy."""

    MEMCPY_16BIT = 16
    MEMCPY_32BIT = 32


class Order(Enum):
    """The SDK's orders of elements."""

    ROW_MAJOR = 1


class StandIn:
    """The SDK's runtime as `run.py` uses it, on the simulated machine."""

    def __init__(self, runtime: Runtime, exports: Mapping[str, str]) -> None:
        self._runtime, self._exports = runtime, exports
        self.log: list[str] = []

    def __call__(self, name: str, cmaddr: str | None = None) -> StandIn:
        return self

    def get_id(self, name: str) -> str:
        """A symbol, which the layout has exported."""
        assert self._exports[name].startswith("[*]")
        return name

    def load(self) -> None:
        """Nothing is copied before."""
        self.log.append("load")

    def run(self) -> None:
        """Nothing is copied before."""
        self.log.append("run")

    def _type(self, name: str, data_type: DataType) -> np.dtype[Any]:
        dtype = np.dtype({"f32": "f4", "f16": "f2"}[self._exports[name].removeprefix("[*]")])
        assert dtype.itemsize * 8 == data_type.value
        return dtype

    def memcpy_h2d(
        self, name: str, words: Array, x: int, y: int, w: int, h: int, count: int, *,
        data_type: DataType, order: Order, streaming: bool, nonblock: bool,
    ) -> None:  # fmt: skip
        """To a buffer, an element a word."""
        assert self.log[:2] == ["load", "run"]
        assert words.dtype == np.uint32
        assert words.shape == (w * h * count,)
        dtype = self._type(name, data_type)
        values = words.astype(f"u{dtype.itemsize}").view(dtype)
        self._runtime.memcpy_h2d(name, values.reshape(h, w, count), x, y, w, h)
        self.log.append(name)

    def memcpy_d2h(
        self, words: Array, name: str, x: int, y: int, w: int, h: int, count: int, *,
        data_type: DataType, order: Order, streaming: bool, nonblock: bool,
    ) -> None:  # fmt: skip
        """From a buffer."""
        dtype = self._type(name, data_type)
        values = np.ascontiguousarray(self._runtime.memcpy_d2h(name, x, y, w, h), dtype)
        words[:] = values.reshape(-1).view(f"u{dtype.itemsize}")

    def launch(self, name: str, *, nonblock: bool) -> None:
        """The function that starts all tasks: on the simulated machine they start by themselves."""
        assert self._exports[name] == "fn()void"
        self._runtime.run()
        self.log.append(f"launch {name}")

    def stop(self) -> None:
        """The end."""
        self.log.append("stop")

    def modules(self) -> dict[str, ModuleType]:
        """The SDK's Python modules."""
        name = "cerebras.sdk.runtime.sdkruntimepybind"
        module = ModuleType(name)
        vars(module).update(SdkRuntime=self, MemcpyDataType=DataType, MemcpyOrder=Order)
        parts = name.split(".")
        packages = [".".join(parts[:n]) for n in range(1, len(parts))]
        return {**{package: ModuleType(package) for package in packages}, name: module}


def regenerate() -> None:
    """Write the goldens anew; what changed is for a reviewer to read."""
    from pyflame_rt.wse_csl import WseCslTarget

    GOLDEN.mkdir(exist_ok=True)
    for name, sample in SAMPLES.items():
        with tempfile.TemporaryDirectory() as folder:
            module, _, _ = lowered(sample, Path(folder))
        (GOLDEN / f"{name}.txt").write_text(shown(WseCslTarget().sources(module)))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    regenerate()

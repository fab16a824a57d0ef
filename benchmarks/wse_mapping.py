"""Quality of the tile programs that networks become: cycles over the machine's bound, and what was predicted.

    python benchmarks/wse_mapping.py [--large] [--json]

Each row is one layer on random numbers, compared with NumPy. The bound is the largest of three: multiply-adds
a PE, words through the busiest ramp in the best family of mappings, the way across the grid.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyflame_rt.backends.wse.host import Runtime
from pyflame_rt.kernels import table
from pyflame_rt.passes.wse.emitting.interface import (
    Contraction,
    DType,
    Network,
    Value,
    Window,
    emit,
)
from pyflame_rt.passes.wse.placing.steps import bound_of


@dataclass(frozen=True)
class Case:
    """Y[rows, outputs] = X[rows, inputs] W, or a convolution of an image with a window."""

    name: str
    columns: int
    rows: int
    inputs: int
    outputs: int
    count: int = 1
    image: tuple[int, int] | None = None
    window: Window | None = None
    machine: str = "wse2"
    dtype: DType = "f32"
    large: bool = False

    def network(self) -> Network:
        """The layer, from the columns to the rows of the grid."""
        out = self.window.output(self.image) if self.window and self.image else None
        count = self.image[0] * self.image[1] if self.image else self.count
        result = out[0] * out[1] if out else count
        slots = [
            _slots(height, most)
            for height, most in (
                (self.image[0] if self.image else count, self.rows),
                (out[0] if out else count, self.columns),
            )
        ]
        values = (
            Value(
                "x", self.inputs, count, "columns", min(self.columns, self.inputs), slots[0],
                self.image,
            ),
            Value(
                "y", self.outputs, result, "rows", min(self.rows, self.outputs), slots[1], out
            ),
        )  # fmt: skip
        step = Contraction("layer", "x", "y", "w", window=self.window)
        return Network(
            self.name, self.columns, self.rows, values, (step,), ("x",), ("y",), self.machine,
            self.dtype,
        )  # fmt: skip


_3X3 = Window((3, 3), (1, 1), (1, 1, 1, 1))
CASES = (
    Case("gemv 1024", 16, 16, 1024, 1024),
    Case("gemv 4096", 64, 64, 4096, 4096, large=True),
    Case("gemv 1000 to 300", 12, 10, 1000, 300),
    Case("gemm 14^3 tiles", 4, 4, 56, 56, 56),
    Case("gemm 14^3 tiles", 8, 8, 112, 112, 112),
    Case("gemm 30^3 tiles", 8, 8, 240, 240, 240),
    Case("gemm 50 x 70 x 90", 5, 6, 70, 90, 50),
    Case("gemm 30^3 tiles", 8, 8, 240, 240, 240, machine="wse3", dtype="f16"),
    Case("gemm 14^3 tiles", 8, 8, 112, 112, 112, machine="wse3", dtype="f16"),
    Case("conv 3x3 64 to 64", 16, 16, 64, 64, image=(32, 32), window=_3X3),
    Case("conv 3x3 64 to 64", 8, 8, 64, 64, image=(16, 16), window=_3X3),
    Case("conv 3x3 24 to 40", 6, 5, 24, 40, image=(20, 15), window=_3X3),
    Case(
        "conv 5x5 1 to 8", 7, 7, 1, 8, image=(28, 28), window=Window((5, 5), (1, 1), (2, 2, 2, 2))
    ),
    Case("conv 1x1 64 to 128", 8, 8, 64, 128, image=(16, 16), window=Window((1, 1))),
)


def _slots(height: int, most: int) -> int:
    return max(n for n in range(1, most + 1) if height % n == 0)


def measure(case: Case) -> dict[str, Any]:
    """Run one case. Raises SystemExit when it computes something else than NumPy."""
    network = case.network()
    rng = np.random.default_rng(1)
    x, y = network.value("x"), network.value("y")
    kernel = case.window.kernel if case.window else ()
    tensors = {
        "x": rng.standard_normal((x.features, x.rows)),
        "w": rng.standard_normal((y.features, x.features, *kernel)) / np.sqrt(x.features),
    }
    if case.window and case.image:
        image = tensors["x"].reshape(1, x.features, *case.image)
        wanted = table()["conv"](
            image, tensors["w"], None, strides=case.window.strides, pads=case.window.pads
        ).reshape(y.features, -1)
    else:
        wanted = tensors["w"] @ tensors["x"]
    emitted = emit(network)
    runtime = Runtime(emitted.module, case.machine)
    for place in (*emitted.inputs, *emitted.tensors):
        runtime.write(place.buffer, place.scatter(tensors[place.tensor]))
    runtime.run()
    (place,) = emitted.outputs
    got = place.gather(runtime.read(place.buffer), wanted.size).reshape(wanted.shape)
    error = float(np.abs(got - wanted).max() / np.abs(wanted).max())
    if error > (1e-2 if case.dtype == "f16" else 1e-5):
        raise SystemExit(f"{case.name}: relative error {error:.1e}")
    bound = bound_of(network, network.steps[0])
    assert bound is not None
    predicted = sum(emitted.predicted.values())
    return {
        "case": case.name, "grid": f"{case.columns} x {case.rows}", "machine": case.machine,
        "dtype": case.dtype, "cycles": runtime.cycle, "bound": bound.cycles,
        "q": round(runtime.cycle / bound.cycles, 3),
        "predicted / simulated": round(predicted / runtime.cycle, 3),
    }  # fmt: skip


def main() -> None:
    """Print a row for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="also the cases of 64 x 64 PEs")
    parser.add_argument("--json", action="store_true", help="JSON, one row a line")
    arguments = parser.parse_args()
    for case in CASES:
        if case.large and not arguments.large:
            continue
        row = measure(case)
        if arguments.json:
            print(json.dumps(row), flush=True)
        else:
            print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)


if __name__ == "__main__":
    main()

"""Mapped networks for tests: built, run on the simulator, compared with NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyflame_rt.backends.wse.host import Runtime
from pyflame_rt.kernels import table
from pyflame_rt.passes.wse.emitting.interface import (
    Contraction,
    Emitted,
    Network,
    Placement,
    Step,
    Value,
    Window,
    emit,
)

Array = NDArray[Any]
TOLERANCE = {"f32": 1e-5, "f16": 1e-2}


@dataclass(frozen=True)
class Ran:
    """What a network computed, and its cycles."""

    outputs: dict[str, Array]
    cycles: int
    emitted: Emitted

    @property
    def predicted(self) -> float:
        """Predicted cycles of all steps."""
        return sum(self.emitted.predicted.values())


def run(network: Network, tensors: dict[str, Array], *, jit: bool | None = False) -> Ran:
    """Simulate a network: tensors by name in, features x rows matrices out."""
    emitted = emit(network)
    runtime = Runtime(emitted.module, network.machine, jit=jit)
    dtype = np.float16 if network.dtype == "f16" else np.float32
    known = {**tensors, **emitted.constants}
    for place in (*emitted.inputs, *emitted.tensors):
        at = _rectangle(runtime, place.buffer)
        runtime.write(place.buffer, place.scatter(known[place.tensor].astype(dtype))[at])
    for stream in emitted.streams:
        flat = np.append(known[stream.tensor].astype(dtype).reshape(-1), dtype(0))
        for number, indices in enumerate(stream.indices, 1):
            runtime.feed(stream.buffer, flat[indices], stream.function, stream.counter, number)
    assert runtime.run()
    outputs: dict[str, Array] = {}
    for place in emitted.outputs:
        value = network.value(place.tensor)
        shape = (network.images,) * (network.images > 1) + (value.features, value.rows)
        part = Placement(
            place.tensor, place.buffer, place.indices[_rectangle(runtime, place.buffer)]
        )
        flat = part.gather(runtime.read(place.buffer), int(np.prod(shape)))
        outputs[place.tensor] = flat.reshape(shape)
    return Ran(outputs, runtime.cycle, emitted)


def _rectangle(runtime: Runtime, buffer: str) -> tuple[slice, slice]:
    x, y, width, height = runtime.rectangle(buffer)
    return slice(y, y + height), slice(x, x + width)


def expect(
    network: Network, tensors: dict[str, Array], wanted: dict[str, Array], *,
    jit: bool | None = False,
) -> Ran:  # fmt: skip
    """Run, and compare with what the outputs should be, relative to the largest number."""
    ran = run(network, tensors, jit=jit)
    for name, array in wanted.items():
        error = np.abs(ran.outputs[name] - array).max() / max(np.abs(array).max(), 1e-30)
        assert error <= TOLERANCE[network.dtype], (name, error)
    return ran


def one_step(
    step: Step, layouts: dict[str, Value], of: Callable[..., Array], *, grid: tuple[int, int],
    inputs: Sequence[str] = ("x",), machine: str = "wse2", dtype: Any = "f32", **tensors: Array,
) -> Ran:  # fmt: skip
    """Run a single step on random inputs and compare its output `y` with a function of them."""
    rng = np.random.default_rng(5)
    given = {
        name: rng.standard_normal((layouts[name].features, layouts[name].rows)).astype(np.float32)
        for name in inputs
    }
    network = Network(
        "one", *grid, tuple(layouts.values()), (step,), tuple(inputs), ("y",), machine, dtype
    )
    wanted = of(*(given[name].astype(np.float64) for name in inputs))
    return expect(network, {**given, **tensors}, {"y": wanted})


def dense(
    grid: tuple[int, int], sizes: Sequence[int], rows: int = 1, slots: int = 1, *,
    bias: bool = True, machine: str = "wse2", dtype: Any = "f32", jit: bool | None = False,
    outputs_relu: bool = False,
) -> Ran:  # fmt: skip
    """Layers x -> relu(W x + b) of those sizes, alternating axes; checked."""
    rng = np.random.default_rng(7)
    extents = {"columns": grid[0], "rows": grid[1]}
    values: list[Value] = []
    steps: list[Step] = []
    tensors = {"v0": rng.standard_normal((sizes[0], rows)).astype(np.float32)}
    wanted = tensors["v0"].astype(np.float64)
    for number, size in enumerate(sizes):
        axis: Any = ("columns", "rows")[number % 2]
        values.append(Value(f"v{number}", size, rows, axis, min(extents[axis], size), slots))
        if number == 0:
            continue
        before = sizes[number - 1]
        weight = (rng.standard_normal((size, before)) / before**0.5).astype(np.float32)
        tensors |= {f"w{number}": weight, f"b{number}": rng.standard_normal(size, np.float32)}
        last = number == len(sizes) - 1 and not outputs_relu
        steps.append(
            Contraction(
                f"layer{number}", f"v{number - 1}", f"v{number}", f"w{number}",
                f"b{number}" if bias else None, activation="none" if last else "relu",
            )
        )  # fmt: skip
        wanted = weight @ wanted + (tensors[f"b{number}"][:, None] if bias else 0)
        wanted = wanted if last else np.maximum(wanted, 0)
    name = f"v{len(sizes) - 1}"
    network = Network(
        "dense", *grid, tuple(values), tuple(steps), ("v0",), (name,), machine, dtype
    )  # fmt: skip
    return expect(network, tensors, {name: wanted}, jit=jit)


def convolutions(
    grid: tuple[int, int], image: tuple[int, int], channels: Sequence[int],
    windows: Sequence[Window], slots: Sequence[int], *, bias: bool = True,
    machine: str = "wse2", dtype: Any = "f32", jit: bool | None = False,
) -> Ran:  # fmt: skip
    """Convolutions with relu one after the other; checked."""
    rng = np.random.default_rng(9)
    extents = {"columns": grid[0], "rows": grid[1]}
    values: list[Value] = []
    steps: list[Step] = []
    given = rng.standard_normal((channels[0], image[0] * image[1])).astype(np.float32)
    tensors = {"v0": given}
    wanted = given.astype(np.float64).reshape(1, channels[0], *image)
    for number, count in enumerate(channels):
        axis: Any = ("columns", "rows")[number % 2]
        if number:
            window, before = windows[number - 1], channels[number - 1]
            shape = count, before, *window.kernel
            weight = rng.standard_normal(shape) / np.prod(shape[1:]) ** 0.5
            tensors |= {
                f"w{number}": weight.astype(np.float32),
                f"b{number}": rng.standard_normal(count, np.float32),
            }
            steps.append(
                Contraction(
                    f"layer{number}", f"v{number - 1}", f"v{number}", f"w{number}",
                    f"b{number}" if bias else None, activation="relu", window=window,
                )
            )  # fmt: skip
            added = tensors[f"b{number}"].astype(np.float64) if bias else None
            wanted = np.maximum(
                table()["conv"](
                    wanted, tensors[f"w{number}"].astype(np.float64), added,
                    strides=window.strides, pads=window.pads, dilations=window.dilations,
                ),
                0,
            )  # fmt: skip
            image = window.output(image)
        parts = min(extents[axis], count)
        values.append(
            Value(f"v{number}", count, image[0] * image[1], axis, parts, slots[number], image)
        )
    name = f"v{len(channels) - 1}"
    network = Network(
        "convolutions", *grid, tuple(values), tuple(steps), ("v0",), (name,), machine, dtype
    )  # fmt: skip
    return expect(network, tensors, {name: wanted.reshape(channels[-1], -1)}, jit=jit)

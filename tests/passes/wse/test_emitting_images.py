"""Networks of several images, on strips of columns, with weights that come from the edge."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from wse_networks import Ran, expect

from pyflame_rt.errors import PassFailed
from pyflame_rt.passes.wse.emitting.interface import Contraction, Network, Transfer, Value, emit
from pyflame_rt.passes.wse.emitting.memory import DATA_BYTES


def slow(*values: Any) -> Any:
    """A case that `make test` leaves out."""
    return pytest.param(*values, marks=pytest.mark.slow)


def _value(
    name: str, size: int, rows: int, axis: Any, grid: tuple[int, int], slots: int
) -> Value:  # fmt: skip
    across, along = grid if axis == "columns" else grid[::-1]
    parts = -(-size // -(-size // across))
    slots = min(slots, along)
    return Value(name, size, rows, axis, parts, -(-rows // -(-rows // slots)))


def layers(
    grid: tuple[int, int], sizes: tuple[int, ...], *, rows: int = 1, slots: int = 1,
    images: int = 1, strips: tuple[int, ...] = (), streamed: tuple[str, ...] = (),
    axis: str = "columns", machine: str = "wse2", dtype: Any = "f32",
) -> tuple[Network, dict[str, Any], dict[str, Any]]:  # fmt: skip
    """Layers x -> relu(W x + b), each on a strip of its own if there are strips."""
    rng = np.random.default_rng(7)
    axes = ("columns", "rows") if axis == "columns" else ("rows", "columns")
    shape = ((images,) if images > 1 else ()) + (sizes[0], rows)
    wanted = rng.standard_normal(shape)
    tensors = {"v0": wanted.astype(np.float32)}
    widths = strips or (grid[0],) * len(sizes)
    values = [_value("v0", sizes[0], rows, axes[0], (widths[0], grid[1]), slots)]
    steps: list[Any] = []
    for number, size in enumerate(sizes[1:], 1):
        here = widths[number - 1], grid[1]
        before = values[-1]
        if strips and number > 1:
            moved = _value(f"t{number}", before.features, rows, before.axis, here, before.slots)
            kept = {"slots": before.slots} if before.axis == "columns" else {"parts": before.parts}
            values.append(replace(moved, **kept))
            steps.append(Transfer(f"to{number}", before.name, f"t{number}"))
        source = values[-1]
        values.append(_value(f"v{number}", size, rows, axes[number % 2], here, slots))
        weight = rng.standard_normal((size, sizes[number - 1])) / sizes[number - 1] ** 0.5
        bias = rng.standard_normal(size)
        tensors |= {
            f"w{number}": weight.astype(np.float32), f"b{number}": bias.astype(np.float32)
        }  # fmt: skip
        steps.append(
            Contraction(
                f"layer{number}", source.name, f"v{number}", f"w{number}", f"b{number}",
                activation="relu",
            )
        )  # fmt: skip
        wanted = np.maximum(weight @ wanted + bias[:, None], 0)
    last = values[-1].name
    network = Network(
        "layers", *grid, tuple(values), tuple(steps), ("v0",), (last,), machine, dtype,
        images=images, strips=strips, streamed=streamed,
    )  # fmt: skip
    return network, tensors, {last: wanted}


def ran(*arguments: Any, **options: Any) -> Ran:
    """Run them and compare."""
    return expect(*layers(*arguments, **options))


def test_images_one_after_the_other():
    """The same program for each image: three take three times as long, and weights are written once."""
    one, three = (ran((4, 4), (16, 12, 8), images=count) for count in (1, 3))
    assert 2.7 < three.cycles / one.cycles < 3.6


@pytest.mark.slow
def test_images_with_turns_of_senders():
    """Switches are where they were when the next image begins."""
    ran((3, 4), (10, 14, 9), rows=6, slots=3, images=3)


@pytest.mark.parametrize(
    ("grid", "sizes", "strips", "options"),
    [
        ((6, 4), (16, 12, 10, 6), (2, 3, 1), {"images": 4}),
        slow((6, 4), (16, 12, 10, 6), (3, 2, 1), {"rows": 6, "slots": 3, "images": 2}),
        slow((6, 4), (16, 12, 10, 6), (1, 2, 3), {"rows": 5, "slots": 3, "axis": "rows"}),
        ((7, 3), (17, 13, 11, 7, 9), (2, 2, 1, 2), {"rows": 3, "slots": 3, "images": 2}),
        slow(
            (7, 3), (17, 13, 11, 7, 9), (1, 3, 2, 1),
            {"rows": 4, "slots": 3, "images": 2, "machine": "wse3", "dtype": "f16"},
        ),
        ((3, 1), (5, 7, 3), (2, 1), {"images": 2}),
    ],
)  # fmt: skip
def test_strips(
    grid: tuple[int, int], sizes: tuple[int, ...], strips: tuple[int, ...], options: dict[str, Any]
):
    """Parts and slots are split anew on the way, one sender or several, padding and all."""
    ran(grid, sizes, strips=strips, **options)


@pytest.mark.slow
def test_strips_overlap():
    """Four images take less than four times one."""
    one, four = (ran((4, 4), (64, 64, 64), strips=(2, 2), images=count).cycles for count in (1, 4))
    assert four < 3 * one


def test_strips_that_do_not_fit():
    """More columns than there are."""
    network, *_ = layers((4, 4), (16, 12, 8), strips=(2, 2))
    with pytest.raises(PassFailed, match="2 parts of a pipeline have strips"):
        emit(replace(network, strips=(3, 2)))


@pytest.mark.parametrize(
    ("grid", "sizes", "streamed", "options"),
    [
        ((3, 4), (24, 28, 20), ("layer1", "layer2"), {}),
        slow((4, 3), (24, 20, 13, 7), ("layer1", "layer3"), {"rows": 5}),
        slow((4, 3), (20, 24, 13, 7), ("layer2",), {"rows": 9, "slots": 3}),
        ((1, 2), (30, 21), ("layer1",), {"axis": "rows"}),
        ((4, 3), (24, 28, 13), ("layer1",), {"rows": 4, "machine": "wse3", "dtype": "f16"}),
    ],
)
def test_streamed_weights(
    grid: tuple[int, int], sizes: tuple[int, ...], streamed: tuple[str, ...],
    options: dict[str, Any],
):  # fmt: skip
    """Weights in rounds from the edge, over outputs and over rows: the same result."""
    found = ran(grid, sizes, streamed=streamed, **options)
    assert len(found.emitted.streams) == len(streamed)


@pytest.mark.slow
def test_streamed_weights_that_no_element_has_room_for():
    """Many times the memory of all PEs passes through them; predicted within 15 %."""
    network, tensors, wanted = layers((2, 2), (300, 400), streamed=("layer1",))
    found = expect(network, tensors, wanted, jit=None)
    (stream,) = found.emitted.streams
    assert stream.indices.size * 4 > 2 * DATA_BYTES
    assert len(stream.indices) > 1
    assert abs(found.predicted - found.cycles) <= 0.15 * found.cycles

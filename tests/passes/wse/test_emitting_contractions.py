"""Matrix products and convolutions as tile programs: right on any grid, and near the machine's bound."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
from wse_networks import convolutions, dense, run

from pyflame_rt.errors import PassFailed
from pyflame_rt.passes.wse.emitting import program
from pyflame_rt.passes.wse.emitting.fabric import group_size
from pyflame_rt.passes.wse.emitting.interface import Contraction, Network, Value, Window
from pyflame_rt.passes.wse.emitting.machine import CONSTANTS, Constants
from pyflame_rt.passes.wse.emitting.reduction import Reduction
from pyflame_rt.passes.wse.emitting.tree import TreePlace, fits, tree_in, tree_out

_3X3 = Window((3, 3), (1, 1), (1, 1, 1, 1))


@pytest.mark.parametrize("grid", [(1, 1), (2, 1), (1, 3), (4, 4), (3, 5)])
def test_layers_of_a_vector_alternate_between_the_axes(grid: tuple[int, int]) -> None:
    ran = dense(grid, [17, 13, 11, 4])
    assert ran.cycles == pytest.approx(ran.predicted, rel=0.15)


@pytest.mark.parametrize("machine", ["wse2", "wse3"])
@pytest.mark.parametrize(
    ("grid", "sizes"),
    [((9, 9), [36, 40, 18]), ((16, 4), [64, 16, 32]), ((10, 11), [50, 33, 20]), ((10, 1), [7, 4])],
)
def test_long_lines_are_added_up_in_groups(
    grid: tuple[int, int], sizes: list[int], machine: str
) -> None:
    """The last group may be a leader alone, and a line may have fewer parts than places."""
    ran = dense(grid, sizes, machine=machine)
    assert ran.cycles == pytest.approx(ran.predicted, rel=0.15)


@pytest.mark.parametrize(
    ("grid", "rows", "slots"),
    [((2, 2), 8, 2), ((4, 4), 13, 4), ((3, 3), 7, 1), ((2, 4), 10, 2), ((5, 3), 10, 3)],
)
def test_rows_are_spread_over_slots(grid: tuple[int, int], rows: int, slots: int) -> None:
    """Senders take turns on one colour, sums go round a ring; rows that do not divide are padded."""
    ran = dense(grid, [9, 7, 5], rows, slots)
    assert ran.cycles == pytest.approx(ran.predicted, rel=0.15)


@pytest.mark.parametrize("machine", ["wse2", "wse3", "wse3-si"])
def test_layers_in_f16(machine: str) -> None:
    dense((2, 3), [16, 9, 6], 8, 2, machine=machine, dtype="f16")
    dense((2, 3), [16, 9, 6], machine=machine, dtype="f16")


@pytest.mark.parametrize(
    ("grid", "image", "channels", "windows", "slots"),
    [
        ((2, 2), (6, 6), [2, 3], [_3X3], [1, 1]),
        ((4, 2), (8, 8), [5, 3, 4], [_3X3, Window((3, 3), (2, 2), (1, 1, 1, 1))], [2, 4, 2]),
        ((2, 2), (9, 7), [1, 6, 4], [Window((5, 5)), Window((1, 1))], [1, 1, 1]),
        ((2, 2), (15, 15), [3, 6], [Window((7, 7), (2, 2), (3, 3, 3, 3))], [1, 2]),
        ((3, 2), (8, 9), [4, 4], [Window((3, 2), (1, 2), (0, 1, 2, 0), (2, 1))], [1, 1]),
    ],
)
def test_convolutions(
    grid: tuple[int, int], image: tuple[int, int], channels: list[int], windows: list[Window],
    slots: list[int],
) -> None:  # fmt: skip
    """Pads, strides and dilations on both axes; odd sizes, whose reads change their class of banks."""
    ran = convolutions(grid, image, channels, windows, slots)
    assert ran.cycles == pytest.approx(ran.predicted, rel=0.15)


def test_convolution_in_f16() -> None:
    convolutions((2, 2), (6, 6), [3, 4], [_3X3], [2, 2], machine="wse3", dtype="f16")


def _short_of_memory(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr(program, "allocate", partial(program.allocate, limit=limit))


@pytest.mark.parametrize("limit", [2400, 1500])
def test_rows_go_in_blocks_where_memory_is_short(
    limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = dense((4, 4), [16, 24, 16], 48, 4)
    _short_of_memory(monkeypatch, limit)
    ran = dense((4, 4), [16, 24, 16], 48, 4)
    assert ran.cycles > free.cycles
    assert ran.cycles == pytest.approx(ran.predicted, rel=0.15)


@pytest.mark.parametrize("limit", [3600, 2500])
@pytest.mark.parametrize("slots", [1, 4])
@pytest.mark.parametrize(
    "window",
    [_3X3, Window((3, 3), (2, 2), (1, 1, 1, 1)), Window((5, 2), (1, 1), (2, 0, 2, 1))],
)
def test_lines_go_in_blocks_where_memory_is_short(
    window: Window, slots: int, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks overlap in the input; senders whose lines a block does not take hand over at once."""
    _short_of_memory(monkeypatch, limit if window.strides == (1, 1) else limit * 7 // 10)
    convolutions((4, 4), (8, 8), [8, 12], [window], [slots, 4])


def _product(x: Value, y: Value, grid: tuple[int, int] = (2, 2), **more: object) -> Network:
    step = Contraction("layer", "x", "y", "w", **more)  # pyright: ignore[reportArgumentType]
    return Network("one", *grid, (x, y), (step,), ("x",), ("y",))


@pytest.mark.parametrize(
    ("x", "y", "why"),
    [
        (Value("x", 4, 1, "rows", 2), Value("y", 4, 1, "rows", 2), "both split over rows"),
        (Value("x", 4, 1, "columns", 3), Value("y", 4, 1, "rows", 2), "do not fit the grid"),
        (Value("x", 4, 2, "columns", 2), Value("y", 4, 3, "rows", 2), "2 rows give 3"),
        (Value("x", 999, 1, "columns", 2), Value("y", 999, 1, "rows", 2), "bytes of a PE's 44976"),
    ],
)
def test_what_cannot_be_mapped_says_why(x: Value, y: Value, why: str) -> None:
    with pytest.raises(PassFailed, match=why):
        run(_product(x, y), {})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("grid", "sizes", "rows", "most"),
    [
        ((16, 16), [1024, 1024], 1, 1.25),
        ((4, 4), [56, 56], 56, 1.6),
        ((8, 8), [112, 112], 112, 1.6),
        ((8, 8), [240, 240], 240, 1.3),
    ],
)
def test_quality_of_products(
    grid: tuple[int, int], sizes: list[int], rows: int, most: float
) -> None:
    """Cycles over multiply-adds a PE."""
    slots = 1 if rows == 1 else grid[1]
    ran = dense(grid, sizes, rows, slots, bias=False, jit=None)
    assert ran.cycles <= most * sizes[0] * sizes[1] * rows / (grid[0] * grid[1])
    assert ran.cycles == pytest.approx(ran.predicted, rel=0.15)


@pytest.mark.slow
def test_quality_in_f16_on_wse3() -> None:
    """Four multiply-adds a cycle with both sources in memory."""
    ran = dense((8, 8), [240, 240], 240, 8, bias=False, machine="wse3", dtype="f16", jit=None)
    assert ran.cycles <= 2 * 240**3 / (64 * 4)


@pytest.mark.slow
def test_quality_of_a_convolution() -> None:
    """64 to 64 channels, 3 x 3, on 32 x 32 pixels: valid taps alone count."""
    ran = convolutions((16, 16), (32, 32), [64, 64], [_3X3], [16, 16], bias=False, jit=None)
    assert ran.cycles <= 1.5 * 94 * 94 * 64 * 64 / 256


@pytest.mark.parametrize("way", ["chain", "groups", "tree"])
@pytest.mark.parametrize(
    ("grid", "machine"), [((4, 4), "wse2"), ((16, 2), "wse3"), ((2, 8), "wse2")]
)
def test_ways_of_a_reduction(
    way: str, grid: tuple[int, int], machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each gives the sums, layer after layer on the same lines, and takes about what is predicted."""

    def chosen(self: Reduction, machine: Constants, lanes: int, *, trees: bool) -> Reduction:
        tree = way == "tree" and fits(self.length) and self.parts == self.length
        grouped = way == "groups" and self.parts > group_size(self.length)
        return replace(self, tree=tree, group=group_size(self.length) if grouped else 0)

    monkeypatch.setattr(Reduction, "fastest", chosen)
    ran = dense(grid, (16, 8, 16, 8, 16), machine=machine)
    assert ran.cycles == pytest.approx(ran.predicted, rel=0.15)
    colors = str(ran.emitted.module)
    assert ("_tree_even" in colors) == (way == "tree")
    assert ("_leaders_" in colors) == (way == "groups")


def test_the_way_of_a_reduction_is_chosen_by_cost() -> None:
    """Few words along a tree, many along a chain; a line without all its places has no tree."""
    few = Reduction("row", "x", 16, 16, 1, (2,), (1,), 0, 0, "s", "r", 1)
    machine = CONSTANTS["wse2"]

    def way(reduction: Reduction, *, trees: bool = True) -> str:
        return reduction.fastest(machine, 2, trees=trees).way

    assert way(few) == "tree"
    assert way(few, trees=False) == "groups"
    assert way(replace(few, parts=15)) == "groups"
    assert way(replace(few, sizes=(200,))) == "chain"
    assert way(replace(few, slots=2)) == "ring"


def test_places_of_a_tree() -> None:
    """Every place sends once, to one that takes it; routers pass on no word before their place has sent."""
    for length in (4, 8, 16, 32):
        places = [TreePlace(number, length) for number in range(length)]
        for place in places:
            senders = [other for other in places[1:] if other.target == place.place]
            assert len(senders) == place.received
            colors = {tree_out("row", sender.place, length) for sender in senders}
            assert colors <= {tree_in("row", place.place, length)}
            assert sum(sender.is_last for sender in senders) == bool(senders and place.place)
        assert sum(place.puts_back for place in places) == 2

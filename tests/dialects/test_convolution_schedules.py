"""How the schedule of a convolution is chosen, written and read."""

from __future__ import annotations

from dataclasses import replace

import pytest
from xdsl.dialects.builtin import IntegerAttr, i64

from pyflame_rt.dialects.plan.convolution_schedules import ConvolutionSchedule, Windows
from pyflame_rt.dialects.plan.ops import CallOp
from pyflame_rt.dialects.plan.schedules import SCHEDULE, SCHEDULES, Schedule


@pytest.mark.parametrize(
    ("windows", "tile"),
    [
        (Windows((56, 56), 1, 64, 64), 4),
        (Windows((7, 7), 1, 512, 512), 2),
        (Windows((7, 7), 8, 512, 512), 4),
        (Windows((1, 1), 1, 64, 64), 1),
    ],
)
def test_choice(windows: Windows, tile: int) -> None:
    """Large tiles multiply least; with few of them it is their weights that take the time."""
    found = windows.schedule(SCHEDULES["avx512"])
    times = {1: found.time_1, 2: found.time_2, 4: found.time_4}
    assert found.output_tile == tile == min(times, key=lambda size: times[size])


def test_way_through_the_ir() -> None:
    """What is written into an attribute is read from it; the products alone have a plain schedule."""
    found = Windows((14, 14), 1, 64, 64).schedule(replace(SCHEDULES["avx2"], shares=3))
    call = CallOp("conv_winograd_nhwc", ())
    call.attributes[SCHEDULE] = found.to_attribute()
    assert ConvolutionSchedule.of(call) == found
    assert Schedule.of(call) == found.products == replace(SCHEDULES["avx2"], shares=3)


def test_what_makes_no_sense() -> None:
    """A schedule without a size of tiles, or with one that there is no algorithm for, is none."""
    call = CallOp("conv_winograd_nhwc", ())
    assert ConvolutionSchedule.of(call) is None
    call.attributes[SCHEDULE] = SCHEDULES["avx2"].to_attribute()
    assert ConvolutionSchedule.of(call) is None
    entries = {**SCHEDULES["avx2"].to_attribute().data, "output_tile": IntegerAttr(3, i64)}
    call.attributes[SCHEDULE] = type(SCHEDULES["avx2"].to_attribute())(entries)
    assert ConvolutionSchedule.of(call) is None


def test_few_columns() -> None:
    """Where a second register of a row were empty, there are more rows instead."""
    for wide in SCHEDULES.values():
        narrow = wide.narrowed(wide.lanes)
        assert (narrow.vectors, narrow.rows) == (1, 2 * wide.rows)
        assert narrow.is_sound
        assert narrow.narrowed(1) == narrow
        assert wide.narrowed(wide.lanes + 1) == wide

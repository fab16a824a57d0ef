"""What convolutions and pools slide over their input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from operator_cases.strategies import Draw


@dataclass(frozen=True)
class Window:
    """A window that fits into an input at least once on each axis."""

    spatial: tuple[int, ...]
    kernel: tuple[int, ...]
    attributes: dict[str, Any]


def positions(window: Window) -> tuple[int, ...]:
    """How often a window fits along each axis, without auto_pad."""
    rank, given = len(window.kernel), window.attributes
    strides, dilations = (given.get(name, [1] * rank) for name in ("strides", "dilations"))
    pads = given.get("pads", [0] * (2 * rank))
    sides = zip(
        window.spatial, window.kernel, strides, dilations, pads, pads[rank:], strict=False
    )  # fmt: skip
    return tuple((n + a + b - (k - 1) * d - 1) // s + 1 for n, k, s, d, a, b in sides)


def draw_window(
    draw: Draw,
    *,
    dilated: bool = True,
    padded_below_kernel: bool = False,
    rank: int | None = None,
    auto_pad: bool = True,
) -> Window:
    """Kernel, strides, dilations and padding over one to three axes.

    `padded_below_kernel`: the padding is smaller than the kernel, as pools want it.
    """
    rank = draw(st.sampled_from((2, 1, 2, 3))) if rank is None else rank
    kernel = tuple(draw(st.integers(1, 3)) for _ in range(rank))
    attributes: dict[str, Any] = {}
    if draw(st.booleans()):
        attributes["strides"] = [draw(st.integers(1, 3)) for _ in range(rank)]
    dilations = [1] * rank
    if dilated and draw(st.booleans()):
        dilations = attributes["dilations"] = [draw(st.integers(1, 2)) for _ in range(rank)]
    pads = [0] * (2 * rank)
    modes = ("NOTSET", "pads", "pads", "VALID", "SAME_UPPER", "SAME_LOWER")
    mode = draw(st.sampled_from(modes if auto_pad else ("none", "pads")))
    if mode == "pads":
        most = [k - 1 for k in kernel] if padded_below_kernel else [2] * rank
        pads = attributes["pads"] = [draw(st.integers(0, p)) for p in (*most, *most)]
    elif mode not in ("NOTSET", "none") or (mode == "NOTSET" and draw(st.booleans())):
        attributes["auto_pad"] = mode
    spatial = tuple(
        max(1, (k - 1) * d + 1 - before - after) + draw(st.integers(0, 4))
        for k, d, before, after in zip(kernel, dilations, pads, pads[rank:], strict=False)
    )
    return Window(spatial, kernel, attributes)

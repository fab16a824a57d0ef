"""Rules for ops of object detectors."""

from __future__ import annotations

from pyflame_rt.frontends.onnx.rules import Rule, row

RULES: tuple[Rule, ...] = (
    row("MaxRoiPool", 1, "pooled_shape: ints!, spatial_scale: float"),
    row("NonMaxSuppression", 10, "center_point_box: flag"),
)
"""The rules of this family."""

"""What ops with a window over spatial axes share: properties, constraints, sizes, auto_pad."""

from __future__ import annotations

from abc import ABC, abstractmethod

from xdsl.dialects.builtin import DenseArrayBase, IntegerAttr, StringAttr, i64
from xdsl.ir import Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern

from pyflame_rt.dialects.pfrt.base import Shape
from pyflame_rt.dialects.pfrt.constraints import (
    ints,
    ints_property,
    require_rank,
    string_property,
)
from pyflame_rt.dialects.pfrt.layouts import LayoutOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC
from pyflame_rt.kernels.windows import AUTO_PADS, WindowAxis, window_axes


class WindowedOp(LayoutOp, ABC):
    """Slides a window over the spatial axes of an N x C x spatial tensor, in whatever layout.

    An empty list property means ONNX's default: strides and dilations 1, pads 0. `pads` counts
    only while `auto_pad` is "NOTSET".

    C1: the tensor has at least 3 dimensions.
    C2: the window, strides and dilations have one entry a spatial axis, pads have two.
    C3: window, strides and dilations are at least 1, pads at least 0.
    C4: `auto_pad` is "NOTSET", "SAME_UPPER", "SAME_LOWER" or "VALID".
    C5: the window fits into the padded tensor.
    """

    strides = ints_property()
    pads = ints_property()
    dilations = ints_property()
    auto_pad = string_property("NOTSET")

    @property
    @abstractmethod
    def data(self) -> SSAValue:
        """The tensor under the window."""

    @property
    def data_shape(self) -> Shape | None:
        """The shape of the tensor under the window as N x C x spatial."""
        return self.nchw_shape(self.data)

    @property
    @abstractmethod
    def window(self) -> Shape | None:
        """Taps of the window along each spatial axis; None when not even the rank is known."""

    @property
    def rounds_up(self) -> bool:
        """Whether a last window may hang over the end (`ceil_mode`)."""
        return False

    def check(self) -> None:
        require_rank(self, "C1", self.data, 3)
        shape, window = self.data_shape, self.window
        rank = len(window) if window is not None else None if shape is None else len(shape) - 2
        lists = {"strides": ints(self.strides), "dilations": ints(self.dilations)}
        if window is not None:
            lists["window"] = window
            if shape is not None and len(shape) != len(window) + 2:
                why = f"a window of {len(window)} axes does not slide over {self.data.type}"
                self.require("C2", False, why)
        pads = ints(self.pads)
        for name, values in (*lists.items(), ("pads", pads)):
            wanted = rank if name != "pads" or rank is None else 2 * rank
            self.require(
                "C2",
                not values or wanted is None or len(values) == wanted,
                f"{name} needs {wanted} entries, got {len(values)}",
            )
            least = 0 if name == "pads" else 1
            if any(value < least and value != DYNAMIC for value in values):
                why = f"{name} must be at least {least}, got {list(values)}"
                self.require("C3", False, why)
        mode = self.auto_pad.data
        self.require(
            "C4", mode in AUTO_PADS, f'auto_pad is one of {", ".join(AUTO_PADS)}, not "{mode}"'
        )

    def window_axes(self) -> tuple[WindowAxis, ...] | None:
        """The window along each spatial axis; None when their number is unknown."""
        window = self.window
        if window is None:
            return None
        strides, pads, dilations = map(ints, (self.strides, self.pads, self.dilations))
        return window_axes(window, strides, pads, dilations, self.auto_pad.data, self.rounds_up)

    def output_sizes(self) -> Shape | None:
        """Positions of the window along each spatial axis; None when their number is unknown."""
        shape, axes = self.data_shape, self.window_axes()
        if shape is None or axes is None:
            return None
        return tuple(map(self._output_size, axes, shape[2:]))

    def resolved_pads(self) -> Shape | None:
        """The `pads` that `auto_pad` comes to, empty for none; None while sizes are unknown."""
        if self.auto_pad.data == "VALID":
            return ()
        shape, axes = self.data_shape, self.window_axes()
        if shape is None or axes is None:
            return None
        if DYNAMIC in (*shape[2:], *(axis.kernel for axis in axes)):
            return None
        resolved = [axis.resolved_pads(size) for axis, size in zip(axes, shape[2:], strict=True)]
        pads = (*(begin for begin, _ in resolved), *(end for _, end in resolved))
        return pads if any(pads) else ()

    def _output_size(self, axis: WindowAxis, size: int) -> int:
        same = axis.auto_pad.startswith("SAME")
        if size == DYNAMIC or (axis.kernel == DYNAMIC and not same):
            return DYNAMIC
        try:
            return axis.output_size(size)
        except ValueError as error:
            self.require("C5", False, str(error))
            raise

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        return (*super().get_canonicalization_patterns(), AutoPadToPads())


class AutoPadToPads(RewritePattern):
    """op(x) {auto_pad = "SAME_…"} -> op(x) {pads = …}, once all spatial sizes are known.

    "VALID" becomes no pads at once, and never rounds up.
    """

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, WindowedOp) or op.auto_pad.data == "NOTSET":
            return
        pads = op.resolved_pads()
        if pads is None:
            return
        if op.auto_pad.data == "VALID" and "ceil_mode" in op.properties:
            op.properties["ceil_mode"] = IntegerAttr(0, 1)
        op.auto_pad = StringAttr("NOTSET")
        op.pads = DenseArrayBase.from_list(i64, pads)
        rewriter.notify_op_modified(op)

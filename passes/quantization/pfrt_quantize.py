"""Products of few bits: reals rounded where products take them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import ml_dtypes
import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from pyflame_rt.errors import PassFailed
from pyflame_rt.passes.quantization.blocks import BlockRounding
from pyflame_rt.passes.quantization.dynamic_products import make_dynamic
from pyflame_rt.passes.quantization.narrow_floats import make_narrow
from pyflame_rt.passes.quantization.products import Outcome, Rounding
from pyflame_rt.passes.quantization.ranges import Ranges
from pyflame_rt.passes.quantization.static_products import make_static
from pyflame_rt.passes.quantization.weights_only import make_weights_only

Mode = Literal["fp16", "bf16", "dynamic-int8", "static-int8", "weight-only"]
Granularity = Literal["tensor", "channel"]
Integers = Literal["i8", "ui8", "i4", "ui4"]

DTYPES = {
    "i8": np.dtype(np.int8),
    "ui8": np.dtype(np.uint8),
    "i4": np.dtype(ml_dtypes.int4),
    "ui4": np.dtype(ml_dtypes.uint4),
}


@dataclass(frozen=True)
class PfrtQuantizePass(ModulePass):
    """Quantizes the products of a module: convolutions and those of matrices, of f32.

    Before: `%y = pfrt.conv %x, %w : (tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32>) -> …`
    After `{mode=static-int8}`: `%q = pfrt.quantize_linear %x, %sx, %zx`, `%a = pfrt.dequantize_linear %q, %sx, %zx`,
    `%b = pfrt.dequantize_linear %v, %sw, %zw` (`%v` a constant of i8), `%y = pfrt.conv %a, %b : …`

    * static-int8: what a product takes is rounded to integers by a scale from its range, which the
      IR records (`pfrt.ranges`, `pfrt-run --calibrate`) or which follows from recorded ones. A
      product whose data have no range stays, and is named. `pfrt-fold-quantization` then makes
      integer ops.
    * dynamic-int8: weights are rounded to integers; data when the product runs, each tensor by its
      own range (`pfrt.dynamic_quantize_linear`), and `pfrt.matmul_integer` multiplies.
    * weight-only: weights are rounded, with a scale for each `block_size` inputs of an output, and
      products take them as reals. Data stay as they are.
    * fp16, bf16: everything of f32 is of f16 or bf16 but what is excluded; arguments and results of
      functions stay f32.

    Only what products take is rounded: sums, norms and activations are of f32. Scales are those of
    ONNX: real = (integer - zero point) * scale. Run
    `pfrt-optimize{level=1},pfrt-fuse-conv-bn,pfrt-fuse-bias` before, so that what is quantized is
    what is multiplied; that is the form in which `pfrt-run --calibrate` measures ranges, which
    `pfrt-record-ranges` (`pfrt-opt --ranges FILE.json`) records.
    """

    name = "pfrt-quantize"

    mode: Mode
    """What to round to, and when."""

    granularity: Granularity = "tensor"
    """Whether weights have one scale, or one for each channel of the result."""

    symmetric: bool = True
    """Whether zero points are in the middle, so that weights of i8 have none."""

    weight_dtype: Integers = "i8"
    """The integers that weights become."""

    activation_dtype: Literal["i8", "ui8"] = "i8"
    """The integers that data become with static-int8."""

    block_size: int = 32
    """How many inputs share a scale with weight-only."""

    exclude: tuple[str, ...] = ()
    """What stays: names of results, and types of ops (`Softmax`, `pfrt.gemm`)."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        self.quantize(ctx, op)

    def quantize(self, ctx: Context, module: ModuleOp) -> Outcome:
        """Quantize a module, and say what was done."""
        outcome = Outcome()
        match self.mode:
            case "fp16" | "bf16":
                narrow = np.dtype(np.float16 if self.mode == "fp16" else ml_dtypes.bfloat16)
                make_narrow(module, narrow, self.exclude, outcome)
            case "dynamic-int8":
                make_dynamic(module, self._rounding(), self.exclude, outcome)
            case "weight-only":
                if self.block_size < 1:
                    raise PassFailed(
                        f"pfrt-quantize: block-size must be at least 1, got {self.block_size}"
                    )
                blocks = BlockRounding(
                    DTYPES[self.weight_dtype], self.block_size, symmetric=self.symmetric
                )
                make_weights_only(module, blocks, self.exclude, outcome)
            case "static-int8":
                data = DTYPES[self.activation_dtype]
                make_static(
                    module, Ranges(ctx, module), data, self._rounding(), self.exclude, outcome
                )
        return outcome

    def _rounding(self) -> Rounding:
        channels = self.granularity == "channel"
        return Rounding(DTYPES[self.weight_dtype], channels=channels, symmetric=self.symmetric)
